"""What each row does to a fit: leverages and the changes that leaving it out makes, as R's influence.measures has them.

    h_i = W_i x_i' (X'WX)^-1 x_i    W_i = w (dE(y)/d eta)^2 / V    sigma(-i)^2 = (D - e_i^2 / (1 - h_i)) / (n - p - f_i)

e is the deviance residual, D = sum of e^2, f_i the units that a row stands for (1, or its frequency weight), n their
sum. One pass over the rows finds X'WX and D, and tells whether these are the rows of the fit; another has the rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from glmfit.after.newdata import Asked
from glmfit.after.rows import Piece, Tally, check_of_rows, observed_rows, pieces
from glmfit.after.rowwise import deviance, mean_slope
from glmfit.after.saved import SavedModel
from glmfit.design import MOST_DENSE_COLUMNS
from glmfit.numerics import stacked_root
from glmfit.table import Source

NAMES = ("leverage", "cooks_distance", "dffits", "covratio")
FULL = 1e-10  # 1 - h of a row that is fitted exactly, by a coefficient of its own


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What the rows are together: `unit` multiplies their weights; `reason` says why there are no leverages.

    `missing` is what becomes of rows without an answer. `root` is R with R'R = X'WX of the `places` (p,) among all
    coefficients; `deviance` and `units` are D and n.
    """

    unit: float
    rows: int
    reason: str | None
    root: Tensor
    missing: str
    places: tuple[int, ...] = ()
    deviance: float = math.nan
    units: float = math.nan


def survey(model: SavedModel, source: Source, asked: Asked) -> Survey:
    """The first pass over the rows of a source."""
    if asked.missing is None:  # rows that the fit left out are no reason to stop, if the others are its rows
        found, own = _survey(model, source, replace(asked, missing="keep"))
        return found if own else _survey(model, source, replace(asked, missing="error"))[0]
    return _survey(model, source, asked)[0]


def _survey(model: SavedModel, source: Source, asked: Asked) -> tuple[Survey, bool]:
    """The same, and whether the rows are those of the fit."""
    check_of_rows(model)
    reason, places = _reason(model), _places(model)
    tally, sums = Tally(), torch.zeros(2, dtype=torch.float64)

    def blocks() -> Iterator[Tensor]:
        for run in observed_rows(model, source, asked):
            tally.add(run)
            if reason is not None:
                continue
            for piece in pieces(model, run, asked.missing == "keep"):
                with torch.no_grad():
                    e = deviance(model, piece)
                sums[0] += (piece.square_weight * e**2 / _phi(model, piece)).sum()
                sums[1] += piece.frequency.sum()
                yield weighted_rows(model, piece, places)

    root = stacked_root(blocks(), len(places))
    unit = tally.unit(model)
    own = tally.fingerprint(model) == model.fit.blueprint.fingerprint
    if reason is None and not own:
        reason = "the rows are not those that the model was fitted to"
    if reason is None and not (len(root) == len(places) and bool((torch.diagonal(root) != 0).all())):
        reason = "the information on the coefficients is singular"
    scaled, missing = math.sqrt(unit) * root, str(asked.missing)
    return Survey(unit, tally.rows, reason, scaled, missing, tuple(places), unit * float(sums[0]), float(sums[1])), own


def _reason(model: SavedModel) -> str | None:
    """Why a model has no leverages, if it has none."""
    family = model.family
    if model.fit.shrinkage is not None:
        return "the coefficients were shrunk by a penalty"
    if model.fit.random_effects is not None:
        return "rows with random effects have none by themselves"
    if model.fit.smoothing is not None:
        return "smooth terms are penalised, which no leverage here allows for"
    if model.fit.model.absorbed:
        return "absorbed effects have variances of their own, which are not kept"
    if model.fit.model.censor or model.fit.model.event:
        return "a censored response has no variance"
    if not (family.has_deviance and family.orthogonal_mean):
        return f"the {family.name} family is no exponential dispersion model"
    if family.main not in [predictor.parameter for predictor in model.estimated]:
        return f"{family.main} is held"
    if len(_places(model)) > MOST_DENSE_COLUMNS:
        return f"the model has more than {MOST_DENSE_COLUMNS:,} coefficients"
    if model.fit.identification.separation is not None:
        return "the data are separated"
    return None


def _places(model: SavedModel) -> list[int]:
    """The estimated coefficients of the main parameter."""
    own = model.rows.get(model.family.main, {}).values()
    return [at for at in own if model.fit.coefficients[at].status != "aliased"]


def _phi(model: SavedModel, piece: Piece) -> Tensor | float:
    """phi of each row where it has a formula of its own, and so scales rows differently; else 1."""
    if not any(predictor.parameter == "phi" for predictor in model.estimated):
        return 1.0
    at = [parameter.name for parameter in model.family.parameters].index("phi")
    return piece.natural[at] * torch.exp(piece.log_prior)


def weighted_rows(model: SavedModel, piece: Piece, places: list[int] | tuple[int, ...]) -> Tensor:
    """(m, p) sqrt(W) X of the main parameter."""
    family = model.family
    place = [predictor.parameter for predictor in model.estimated].index(family.main)
    slope = mean_slope(model, piece)
    share = family.over_variance(slope, *piece.natural, **piece.columns)
    spent = ~torch.isfinite(share) & (family.variance(*piece.natural, **piece.columns) == 0)  # rounded to 0 or 1
    weight = piece.square_weight * torch.where(spent, 0.0, share) / _phi(model, piece)
    names = {int(at): j for j, at in enumerate(piece.part.places[place].tolist())}
    matrix = piece.part.matrices[place].select([names[at] for at in places]).dense()
    return torch.sqrt(weight)[:, None] * matrix


def influence(
    model: SavedModel, piece: Piece, whole: Survey, of: Mapping[str, Tensor], dfbeta: bool
) -> dict[str, Tensor]:
    """Columns (m,) by name, from the residuals `of` the rows; NaN for changes by a row that is fitted exactly."""
    rows = math.sqrt(whole.unit) * weighted_rows(model, piece, whole.places)
    half = torch.linalg.solve_triangular(whole.root.T, rows.T, upper=False)  # (p, m)
    h = (half**2).sum(dim=0)
    exact = 1 - h < FULL
    left = torch.where(exact, math.nan, 1 - h)
    scale = torch.sqrt(torch.as_tensor(_phi(model, piece)))
    e, pearson = of["deviance"] / scale, of["pearson"] / scale
    modelled = any(predictor.parameter == "phi" for predictor in model.estimated)
    phi = 1.0 if modelled else model.fit.dispersion.estimate
    p, df = len(whole.places), whole.units - len(whole.places)
    freedom = df - piece.frequency
    sigma = torch.sqrt((whole.deviance - e**2 / left) / torch.where(freedom > 0, freedom, math.nan))
    spread = sigma * torch.sqrt(left)
    columns = {
        "leverage": torch.where(exact, 1.0, h),
        "cooks_distance": (pearson / left) ** 2 * h / (phi * p),
        "dffits": e * torch.sqrt(h) / (sigma * left),
        "covratio": 1 / (left * ((freedom + (e / spread) ** 2) / df) ** p),
    }
    if dfbeta:
        change = torch.linalg.solve_triangular(whole.root, half * (e / left), upper=True)
        columns |= {name: change[j] for j, name in enumerate(dfbeta_names(model))}
    return columns


def dfbeta_names(model: SavedModel) -> list[str]:
    """The columns of changes of coefficients, one for each of the main parameter that is estimated."""
    return [f"dfbeta[{model.fit.coefficients[at].term}]" for at in _places(model)]
