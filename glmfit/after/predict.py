"""`glmfit predict`: estimates, standard errors and intervals of new rows, a run at a time, in their order.

    low, high = g^-1(g(f) -+ q SE(g(f)))        SE(g(f)) = |g'(f)| SE(f)

g is the scale of the quantity: the link of a mean or of a parameter, the logit of a probability. A row without an
answer has NaN.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from glmfit.after.newdata import Asked, NewRows, complete, new_rows
from glmfit.after.prediction import Part, jacobian, linear_predictors, parts, slopes, standard_errors
from glmfit.after.quantities import Quantity, quantity
from glmfit.after.saved import SavedModel
from glmfit.errors import UsageError
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


def predictions(
    model: SavedModel,
    source: Source,
    asked: Asked,
    of: str | None = None,
    interval: str = "confidence",
    level: float | None = None,
) -> Iterator[Predicted]:
    """The predictions of all rows of a source; what is wrong with the request is raised before the first."""
    one_of("--interval", interval, KINDS)
    level = model.fit.level if level is None else level
    if not 0 < level < 1:
        raise UsageError("invalid_value", f"--level: {level:g} is not between 0 and 1", "0.95 is usual")
    wanted = quantity(model, of)
    if wanted.needs_trials:
        asked = Asked(asked.offset, asked.exposure, asked.missing, asked.keep, trials=True)
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
    errors = torch.stack(
        [standard_errors(model, jacobian(model, rows, slope[:, j])) for j in range(value.shape[1])], dim=1
    )
    low, high = _interval(model, rows, of, etas, value, errors, model.reference.quantile(level))
    found = {"estimate": value, "std_error": errors, "conf_low": low, "conf_high": high}
    return {name: _shaped(one, of) for name, one in found.items()}


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
        centre, half = etas[k][:, None], quantile * standard_errors(model, jacobian(model, rows, slope))[:, None]
    else:
        leaf = value.clone().requires_grad_(True)
        centre = of.scale.link(leaf)
        (stretch,) = torch.autograd.grad(centre.sum(), leaf)
        centre, half = centre.detach(), quantile * stretch.abs() * errors
    one, other = of.scale.inverse(centre - half), of.scale.inverse(centre + half)
    return torch.minimum(one, other), torch.maximum(one, other)
