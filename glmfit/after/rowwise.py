"""Residuals of rows: what is left of a response by a saved model, in each of the usual forms; NaN where there is none.

response  y - E(y)                     pearson   sqrt(w / V) (y - E(y))     deviance  sign(y - E(y)) sqrt(w d(y, mu))
working   (y - E(y)) / (dE(y)/d eta)   anscombe  see `anscombe`             quantile  Phi^-1(F(y))

Of successes out of trials y and E(y) are shares, as in R. The quantile of a count is drawn between those of F(y - 1)
and F(y), so that residuals of a true model are exactly normal (Dunn and Smyth 1996).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from glmfit.after.anscombe import anscombe
from glmfit.after.expected import expected, integral
from glmfit.after.law import spreading
from glmfit.after.quantities import Columns, Etas, quantity
from glmfit.after.rows import Piece, check_of_rows, with_prior
from glmfit.after.saved import SavedModel
from glmfit.families import Family
from glmfit.families.censored import LOWER, UPPER

BELOW_NOTHING = 1e-11  # what rounding takes off a unit deviance of 0, relative to the size of its terms
NAMES = ("fitted", "response", "pearson", "deviance", "working", "anscombe", "quantile")


def residuals(model: SavedModel, piece: Piece, uniform: Tensor, unit: float = 1.0) -> dict[str, Tensor]:
    """Columns (m,) by name; `uniform` (m,) numbers place the quantiles of counts, `unit` multiplies weights."""
    family = model.family
    found = {name: torch.full_like(piece.y, math.nan) for name in NAMES}
    if spreading(model):
        found |= _of_any_level(model, piece)
    elif family.categories:
        found |= _of_categories(model, piece)
    elif family.has_mean:
        found |= _of_mean(model, piece, torch.sqrt(unit * piece.square_weight))
    if piece.bounds:  # of a response that is only known to lie between bounds there is no difference to the mean
        between = piece.bounds[LOWER] != piece.bounds[UPPER]
        found |= {name: torch.where(between, math.nan, found[name]) for name in NAMES[1:]}
    found["quantile"] = quantiles(model, piece, uniform)
    return found


def reasons(model: SavedModel) -> dict[str, str]:
    """The columns that a model has nothing for, with the reason."""
    check_of_rows(model)
    family, name = model.family, f"the {model.family.name} family"
    found: dict[str, str] = {}
    if spreading(model):
        found |= dict.fromkeys(
            NAMES[2:-1], "random effects are averaged over, and rows are no members of the family then"
        )
    if family.categories:
        found |= dict.fromkeys(("pearson", "deviance", "working", "anscombe"), f"responses of {name} are categories")
    elif not family.has_mean:
        found |= dict.fromkeys(NAMES[:-1], f"{family.path} does not say what the mean is")
    else:
        if not family.has_moments:
            found["pearson"] = f"{name} states no variance"
        if not family.has_deviance:
            found |= dict.fromkeys(("deviance", "working", "anscombe"), f"{name} has no unit deviance")
    if not (family.has_distribution or (family.categories and family.location)):
        what = "categories without an order" if family.categories else "no distribution function"
        found["quantile"] = f"{name} has {what}"
    return found


def _of_any_level(model: SavedModel, piece: Piece) -> dict[str, Tensor]:
    """The mean over random effects, and the difference to it; of categories the probability of the one observed."""
    family, trials = model.family, piece.columns.get("trials", torch.ones_like(piece.y))
    with torch.no_grad():
        if family.categories:
            chances = expected(model, quantity(model, "probabilities")).value(piece.etas, piece.columns)
            fitted = chances.gather(1, piece.y.long()[:, None])[:, 0]
            return {"fitted": fitted, "response": 1 - fitted}
        if not family.has_mean:
            return {}
        fitted = expected(model, quantity(model, "mean")).value(piece.etas, piece.columns)[:, 0]
    return {"fitted": fitted, "response": piece.y / trials - fitted}


def _of_categories(model: SavedModel, piece: Piece) -> dict[str, Tensor]:
    """The probability of the category observed, and what it lacks of 1."""
    with torch.no_grad():
        probability = torch.exp(model.family.log_density(piece.y, *piece.working, **piece.columns))
    return {"fitted": probability, "response": 1 - probability}


def _of_mean(model: SavedModel, piece: Piece, root: Tensor) -> dict[str, Tensor]:
    """Those that rest on the mean; `root` (m,) is the square root of the weight in sums of squares."""
    family = model.family
    with torch.no_grad():
        trials = piece.columns["trials"] if family.trials else torch.ones_like(piece.y)
        mean = family.mean(*piece.natural, **piece.columns)
        error = piece.y - mean
        found = {"fitted": mean / trials, "response": error / trials}
        if family.has_moments:
            found["pearson"] = root * pearson(model, piece)
        if not family.has_deviance:
            return found
        found["deviance"] = root * deviance(model, piece)
        found["anscombe"] = root * _anscombe(family, piece)
    found["working"] = error / mean_slope(model, piece)
    return found


def pearson(model: SavedModel, piece: Piece) -> Tensor:
    """(m,) (y - E(y)) / sqrt(V), without weights."""
    error = piece.y - model.family.mean(*piece.natural, **piece.columns)
    squared = model.family.over_variance(error, *piece.natural, **piece.columns)
    return error.sign() * torch.sqrt(torch.where(error == 0, 0.0, squared))


def deviance(model: SavedModel, piece: Piece) -> Tensor:
    """(m,) sign(y - E(y)) sqrt(d(y, mu)), without weights."""
    error = piece.y - model.family.mean(*piece.natural, **piece.columns)
    unit = model.family.unit_deviance(piece.y, *piece.working, **piece.columns)
    rounded = (unit < 0) & (unit > -BELOW_NOTHING * (1 + piece.y.abs()))  # of a row fitted exactly
    return error.sign() * torch.sqrt(torch.where(rounded, 0.0, unit))


def mean_slope(model: SavedModel, piece: Piece) -> Tensor:
    """(m,) dE(y)/d eta of the main linear predictor."""
    place = [predictor.parameter for predictor in model.estimated].index(model.family.main)
    etas = [eta.detach().clone() for eta in piece.etas]
    etas[place].requires_grad_(True)
    mean = model.family.mean(*model.natural(etas), **piece.columns)
    return torch.autograd.grad(mean.sum(), etas[place])[0]


def _anscombe(family: Family, piece: Piece) -> Tensor:
    """(m,) that of a row of weight 1; shares above a half as failures, as the digits are at 0."""
    mu, *others = piece.natural
    trials = piece.columns.get("trials") if family.trials else None
    y = piece.y if trials is None else piece.y / trials
    flipped = torch.zeros_like(y, dtype=torch.bool) if trials is None else y > 0.5

    def variance(t: Tensor, rows: slice) -> Tensor:
        own = {name: column[rows, None] for name, column in piece.columns.items()}
        found: Tensor = family.variance(t, *(other[rows, None] for other in others), **own)
        return found if trials is None else found / trials[rows, None]

    found = anscombe(torch.where(flipped, 1 - y, y), torch.where(flipped, 1 - mu, mu), variance)
    found = torch.where(flipped, -found, found)
    return found if trials is None else found * torch.sqrt(trials)


# ---- Quantiles ----


def quantiles(model: SavedModel, piece: Piece, uniform: Tensor, times: Tensor | None = None) -> Tensor:
    """(m,) Phi^-1 of the distribution function at y, from the smaller tail; between its two values where it jumps.

    With `times` (m,) whole numbers each row has so many in turn, and `uniform` as many numbers as there are of these.
    """
    with torch.no_grad():
        tails = _between(model, piece)
    if tails is None:
        return torch.full_like(uniform, math.nan)
    each = [tail if times is None else torch.repeat_interleave(tail, times) for pair in tails for tail in pair]
    up_to_before, above_before, up_to, above = each
    return _normal(_mixed(up_to_before, up_to, uniform), _mixed(above, above_before, 1 - uniform))


def _mixed(outer: Tensor, inner: Tensor, share: Tensor) -> Tensor:
    """log((1 - share) exp(outer) + share exp(inner)), outer <= inner."""
    return torch.logaddexp(torch.log1p(-share) + outer, torch.log(share) + inner)


def _normal(up_to: Tensor, beyond: Tensor) -> Tensor:
    """The standard normal quantile from the logs of both tails, by the smaller."""
    from scipy.special import ndtri_exp

    low = up_to <= beyond
    value = torch.from_numpy(ndtri_exp(torch.where(low, up_to, beyond).numpy()))
    return torch.where(low, value, -value)


Tails = tuple[Tensor, Tensor]


def _between(model: SavedModel, piece: Piece) -> tuple[Tails, Tails] | None:
    """The tails (log Pr(Y <= .), log Pr(Y > .)) just below the response and at it, (m,) each."""
    family = model.family
    if not (family.location if family.categories else family.has_distribution):
        return None
    places = spreading(model)
    if not places:
        return _tails(model, piece, piece.working)

    def of_parts(etas: Etas, more: Columns) -> Tensor:
        """(n, 4) the tails of rows at some effects."""
        times = len(etas[0]) // len(piece.y)
        own = piece.repeated(times)
        found = _tails(model, own, with_prior(model, list(etas), own.log_prior)[0])
        return torch.exp(torch.stack([tail for pair in found for tail in pair], dim=1))

    spreads = dict(zip(places, piece.etas[len(model.estimated) :], strict=True))
    found = torch.log(integral(piece.etas[: len(model.estimated)], spreads, piece.columns, of_parts))
    return (found[:, 0], found[:, 1]), (found[:, 2], found[:, 3])


def _tails(model: SavedModel, piece: Piece, working: list[Tensor]) -> tuple[Tails, Tails]:
    """The same at given parameters."""
    family, columns = model.family, piece.columns
    if family.categories:
        return _category_tails(family, piece, working)
    lower, upper = piece.y, piece.y
    if piece.bounds:
        lower, upper = piece.bounds[LOWER], piece.bounds[UPPER]
    at = family.tails(upper, *working, **columns)
    if family.support.integer:
        whole = torch.where(upper == torch.round(upper), 0.0, math.nan)  # no count has the others' probabilities
        before = family.tails(lower - 1, *working, **columns)
        return (before[0] + whole, before[1] + whole), at
    lump = torch.zeros_like(lower, dtype=torch.bool)
    for one in family.lumps:
        lump |= lower == one
    point = torch.where(lump, torch.nextafter(lower, torch.full_like(lower, -math.inf)), lower)
    return family.tails(point, *working, **columns), at


def _category_tails(family: Family, piece: Piece, working: list[Tensor]) -> tuple[Tails, Tails]:
    logs = family.log_probabilities(*working, **piece.columns)
    impossible = torch.full_like(logs[:, :1], -math.inf)
    up_to = torch.cat([impossible, torch.logcumsumexp(logs, dim=1)], dim=1)
    beyond = torch.cat([torch.logcumsumexp(logs.flip(1), dim=1).flip(1), impossible], dim=1)
    at = piece.y.long()[:, None]

    def tails(place: Tensor) -> Tails:
        return up_to.gather(1, place)[:, 0], beyond.gather(1, place)[:, 0]

    return tails(at), tails(at + 1)
