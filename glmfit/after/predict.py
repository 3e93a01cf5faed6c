"""`glmfit predict`: estimates, standard errors and intervals of new rows, a run at a time, in their order.

    low, high = g^-1(g(f) -+ q SE(g(f)))        SE(g(f)) = |g'(f)| SE(f)

g is the scale of the quantity: the link of a mean or of a parameter, the logit of a probability. A row without an
answer has NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from glmfit.after.conditional import errors_are_known, refuse_new_responses, with_random
from glmfit.after.expected import expected, mixture_quantile
from glmfit.after.law import spreading
from glmfit.after.newdata import Asked, NewRows, complete, new_rows
from glmfit.after.prediction import Part, errors_of_rows, linear_predictors, parts, slopes
from glmfit.after.quantities import Quantity, quantity
from glmfit.after.saved import SavedModel, refuse_absorbed
from glmfit.errors import UsageError
from glmfit.families import domain
from glmfit.spec import one_of
from glmfit.table import Source

KINDS = ("none", "confidence", "prediction")


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """A run of n rows: `values` by name, (n,) or, where levels have their own, (n, m); `kept` columns of the input."""

    n: int
    values: Mapping[str, np.ndarray]
    kept: Mapping[str, Any]
    levels: tuple[str, ...] = ()

    @property
    def without_answer(self) -> int:
        """How many rows have nothing in any column."""
        nothing = [np.isnan(v).all(axis=tuple(range(1, v.ndim))) for v in self.values.values()]
        return int(np.logical_and.reduce(nothing).sum())


def predictions(
    model: SavedModel,
    source: Source,
    asked: Asked,
    of: str | None = None,
    interval: str | None = None,
    level: float | None = None,
    random: str | None = None,
) -> Iterator[Predicted]:
    """The predictions of all rows of a source; what is wrong with the request is raised before the first.

    Without an `interval` they have confidence intervals where the estimates have standard errors.
    """
    model = with_random(model, random)
    if interval is None:
        interval = "confidence" if model.fit.shrinkage is None and errors_are_known(model) else "none"
    one_of("--interval", interval, KINDS)
    level = model.fit.level if level is None else level
    if not 0 < level < 1:
        raise UsageError("invalid_value", f"--level: {level:g} is not between 0 and 1", "0.95 is usual")
    wanted = expected(model, quantity(model, of))
    if interval != "none":
        refuse_absorbed(model, "standard errors of predictions")
        if model.random != "zero":
            _ = model.variances  # raises where they are not kept
    if interval == "prediction":
        refuse_new_responses(model)
        if wanted.name != "mean":
            message = f"--interval prediction is for the response, not for --of {wanted.name}"
            raise UsageError("contradiction", message, "write --of mean, or --interval confidence")
        model.family.check_distribution()
    if wanted.needs_trials or (interval == "prediction" and model.family.trials):
        asked = replace(asked, trials=True)
    for rows in new_rows(model, source, asked):
        yield _run(model, rows, wanted, interval, level, asked.missing == "keep")


def _run(model: SavedModel, rows: NewRows, of: Quantity, interval: str, level: float, keep: bool) -> Predicted:
    found: list[dict[str, Tensor]] = []
    place: list[np.ndarray] = [np.zeros(0, dtype=np.int64)]
    for one in parts(model, rows, keep):
        found.append(answers(model, one, of, interval, level))
        place.append(one.place)
    at = np.concatenate(place)
    shape = (0, len(of.levels)) if of.levels else (0,)
    names = _names(interval)
    values = {
        name: complete(np.concatenate([np.zeros(shape), *(one[name].numpy() for one in found)]), at, rows.n)
        for name in names
    }
    return Predicted(rows.n, values, rows.kept, of.levels)


def _names(interval: str) -> tuple[str, ...]:
    names = ("estimate", "std_error", "conf_low", "conf_high", "pred_low", "pred_high")
    return names[: {"none": 1, "confidence": 4, "prediction": 6}[interval]]


def answers(model: SavedModel, rows: Part, of: Quantity, interval: str, level: float) -> dict[str, Tensor]:
    """Columns by name, (n,) or (n, m) where the quantity has levels."""
    etas = linear_predictors(model, rows)
    if interval == "none":
        with torch.no_grad():
            return {"estimate": _shaped(of.value(etas, rows.columns), of)}
    value, slope = slopes(of, etas, rows.columns)
    errors = torch.full_like(value, math.nan)
    if of.smooth:
        each = (slope[:, j] for j in range(value.shape[1]))
        errors = torch.stack([errors_of_rows(model, rows, one) for one in each], dim=1)
        for eta in etas:  # of a coefficient without a finite estimate: a limit, and no standard error
            errors[~torch.isfinite(eta)] = math.nan
    low, high = _interval(model, rows, of, etas, value, errors, model.reference.quantile(level))
    found = {"estimate": value, "std_error": errors, "conf_low": low, "conf_high": high}
    answer = {name: _shaped(one, of) for name, one in found.items()}
    if interval == "prediction":
        answer["pred_low"], answer["pred_high"] = response_interval(model, rows, etas, value[:, 0], errors[:, 0], level)
    return answer


def _shaped(values: Tensor, of: Quantity) -> Tensor:
    return values if of.levels else values[:, 0]


def _interval(
    model: SavedModel, rows: Part, of: Quantity, etas: list[Tensor], value: Tensor, errors: Tensor, quantile: float
) -> tuple[Tensor, Tensor]:
    """Ends (n, m) on the scale of the quantity, mapped back."""
    if of.predictor is not None:
        k = [predictor.parameter for predictor in model.estimated].index(of.predictor)
        slope = torch.zeros((len(rows), len(etas)), dtype=torch.float64)
        slope[:, k] = 1.0
        centre, half = etas[k][:, None], quantile * errors_of_rows(model, rows, slope)[:, None]
        one, other = (_end(model, of, centre, half, side) for side in (-1.0, 1.0))
    else:
        leaf = value.clone().requires_grad_(True)
        centre = of.scale.link(leaf)
        (stretch,) = torch.autograd.grad(centre.sum(), leaf)
        centre, half = centre.detach(), quantile * stretch.abs() * errors
        one, other = of.scale.inverse(centre - half), of.scale.inverse(centre + half)
    return torch.minimum(one, other), torch.maximum(one, other)


def _end(model: SavedModel, of: Quantity, centre: Tensor, half: Tensor, side: float) -> Tensor:
    """An end of an interval of a parameter; beyond the domain of its link it is the end of the parameter's range."""
    eta = centre + side * half
    value = of.scale.inverse(eta)
    beyond = torch.isnan(value) & torch.isfinite(eta) & torch.isfinite(of.scale.inverse(centre))
    parameter = model.family.parameter(str(of.predictor))
    low, high = domain(of.scale, parameter.scale)
    if parameter.scale in ("log", "logit"):
        ends = (0.0, math.inf if parameter.scale == "log" else 1.0)
        outside = beyond | (eta <= low) | (eta >= high)
        rising = of.scale.inverse(centre + 1e-6 * half.abs()) >= of.scale.inverse(centre)
        value = torch.where(outside, torch.where(rising == (side > 0), ends[1], ends[0]), value)
    return value


def response_interval(
    model: SavedModel, rows: Part, etas: list[Tensor], mean: Tensor, errors: Tensor, level: float
) -> tuple[Tensor, Tensor]:
    """Ends (n,) between which a new response lies: mean -+ t sqrt(SE^2 + phi) of a gaussian, which allows for the
    estimates' own errors; for others the quantiles of the distribution at the estimates. Of successes the share.

    Of a random level the distribution is the mixture over its effects, a gaussian again where these add to its mean.
    """
    family, K, tail = model.family, len(model.estimated), 0.5 * (1 - level)
    own, spreads = etas[:K], etas[K:]
    normal = not spreads or (_main_alone(model) and model.links[family.main].name == "identity")
    if family.quadratic_links and normal:  # gaussian
        place = [parameter.name for parameter in family.parameters].index("phi")
        variance = model.natural(own)[place] + sum(s.square() for s in spreads)
        half = model.reference.quantile(level) * torch.sqrt(errors**2 + variance)
        return mean - half, mean + half
    with torch.no_grad():
        if spreads:
            low, high = (mixture_quantile(model, etas, rows.columns, share) for share in (tail, 1 - tail))
        else:
            working = model.working(own)
            low, high = (
                family.quantile(torch.full_like(mean, share), *working, **rows.columns) for share in (tail, 1 - tail)
            )
    trials = rows.columns["trials"] if family.trials else torch.ones_like(mean)
    return low / trials, high / trials


def _main_alone(model: SavedModel) -> bool:
    """Whether the main linear predictor is the only one whose random part spreads."""
    return [model.estimated[k].parameter for k in spreading(model)] == [model.family.main]
