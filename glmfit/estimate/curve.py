"""The profile of one coefficient as a curve: the signed root of the likelihood ratio at values on either side.

    r(b) = sign(b - estimate) sqrt(2 (l(theta^) - max_{theta_j = b} l(theta)) / phi)        Wald: (b - estimate) / SE

The values go as far as r does beyond the quantile of the level, or as it exists.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from glmfit.errors import ModelError
from glmfit.estimate.check import inspection_of
from glmfit.estimate.maximum import Maximum, maximise
from glmfit.estimate.summary import summarise
from glmfit.inference import Reference
from glmfit.inference.profiles import reported_directions
from glmfit.model import assemble
from glmfit.numerics import full
from glmfit.numerics.profile import Search
from glmfit.result import Fitted
from glmfit.rows import Data
from glmfit.rows.slips import numeric_codes

STEP = 0.2  # quantiles between two values
BEYOND = 1.25  # quantiles that r shall reach
MOST = 40  # values on a side


@dataclass(frozen=True, slots=True)
class Curve:
    """`values` and signed `roots`, in order; the estimate, its standard error by the curvature, and the interval."""

    estimate: float
    error: float
    values: tuple[float, ...]
    roots: tuple[float, ...]
    low: float
    high: float
    quantile: float


def profile_curve(data: Data, at: int, level: float) -> tuple[Fitted, Curve]:
    """The fit of prepared data once more, and the curve of the coefficient at a place; or `ModelError`."""
    found = maximise(assemble(data), data.spec, None, inspection_of(data))
    fit = summarise(data, found, numeric_codes(data.table, data.formula))
    search, row = _search(found, fit, at), fit.coefficients[at]
    if search is None:
        message = f"'{row.term}' has no profile: {row.status or 'its likelihood has no peak'}"
        raise ModelError("no_picture", message, "name another coefficient with --terms")
    quantile, estimate = Reference(row.df).quantile(level), row.estimate
    sides = [list(_side(search, side, quantile)) for side in (-1.0, 1.0)]
    points = [*reversed(sides[0]), (0.0, 0.0), *sides[1]]
    ends = [search.direct_end(side, quantile) or search.end(side, quantile) for side in (-1.0, 1.0)]
    low, high = (estimate + end * search.error for end in ends)
    values = tuple(estimate + t * search.error for t, _ in points)
    return fit, Curve(estimate, search.error, values, tuple(r for _, r in points), low, high, quantile)


def _search(found: Maximum, fit: Fitted, at: int) -> Search | None:
    """The profile of the coefficient at a place; None where it has none."""
    model, phi = found.model, fit.dispersion.estimate
    unit = phi / found.phi if model.holds_phi else 1.0 if model.family.has_dispersion else phi
    if found.bread is None or fit.coefficients[at].status is not None or not unit > 0:
        return None
    direction = reported_directions(model)[model.kept.index(at)]
    return Search(found.objective, found.optimum.theta, unit * full(found.bread), direction, unit)


def _side(search: Search, side: float, quantile: float) -> list[tuple[float, float]]:
    """(t, r) outwards, t in standard errors."""
    found: list[tuple[float, float]] = []
    t, step = 0.0, STEP * quantile
    for at in range(MOST):
        t += side * step
        if at >= MOST // 2:  # r rises slowly
            step *= 1.2
        r = search.root_at(t)
        if math.isnan(r):
            break
        found.append((t, side * r))
        if r >= BEYOND * quantile:
            break
    return found
