"""The path: strengths from the least that leaves nothing but what is not penalised, and a fit at each of them.

    lambda_max = max_g ||d l / d u_g|| / (N v_g sqrt(p_g) max(alpha, 0.001))        lambda_k = lambda_max r^((k-1)/99)

r is 0.0001, or 0.01 where there are fewer rows than coefficients. As in glmnet a path ends before its end where the
deviance hardly falls any more, or is all explained.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from glmfit.errors import ModelError
from glmfit.shrink.basis import Norms
from glmfit.shrink.penalty import Penalty
from glmfit.shrink.search import Point, Search, Sums, Weights
from glmfit.shrinkage import Shrinkage

STRENGTHS = 100
SMALLEST, SMALLEST_WIDE = 1e-4, 1e-2
LEAST_ALPHA = 1e-3  # for the strength at which a path begins, as ridge never leaves nothing
FEWEST = 5  # strengths of a path that ends early
NO_GAIN = 1e-5  # share of the log-likelihood gained that the last strength added,
ALL = 0.999  # and share of the null deviance


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One strength of a path and the point there; `explained` is the share of the null deviance, NaN without one."""

    strength: float
    point: Point
    explained: float


def begin(columns: Sums, theta: Tensor, penalty: Penalty, tol: float, max_iter: int) -> Search:
    """A search at the fit of what is not penalised; slopes are judged in units of the largest of the others there."""
    balanced = columns.basis.balanced
    if balanced is not None:
        theta = theta.index_add(0, balanced.flatten(), -theta[balanced[:, :1].expand_as(balanced)].flatten())
    search = Search(columns, theta, _largest(columns.gradient(columns.at(theta)), penalty), tol, max_iter)
    nothing = torch.zeros_like(theta)
    point = search.point(Weights(nothing, nothing, ~penalty.free, Norms(None)), None)
    largest = _largest(torch.where(penalty.on, point.slope, 0.0), penalty)
    if not largest > 0:
        message = "no covariate has any relation to the response: every coefficient is 0 whatever the strength"
        raise ModelError("nothing_penalised", message, "check that the response varies")
    search.unit = largest
    return search


def _largest(slope: Tensor, penalty: Penalty) -> float:
    return float(torch.where(penalty.held, 0.0, slope.abs()).max())


def strengths(slope: Tensor, penalty: Penalty, rows: int) -> list[float]:
    """The strengths of a path, from the slopes of the null model."""
    size = penalty.norms.of(torch.where(penalty.on, slope, 0.0))
    largest = float((size / (penalty.factor * penalty.weight))[penalty.on].max()) / max(penalty.alpha, LEAST_ALPHA)
    ratio = SMALLEST if rows >= int((penalty.on | penalty.held).sum()) else SMALLEST_WIDE
    return [largest * ratio ** (k / (STRENGTHS - 1)) for k in range(STRENGTHS)]


def along_which(asked: Shrinkage, path: list[float]) -> tuple[list[float], float]:
    """The strengths to fit at, one that was asked for among them, and below which of them a path may end early."""
    if asked.only is not None:
        return [asked.only], 0.0
    if isinstance(asked.strength, str | None):
        return path, math.inf
    own = float(asked.strength)
    return sorted({*path, own}, reverse=True), own


def walk(
    search: Search,
    penalty: Penalty,
    along: Sequence[float],
    explained: Callable[[Point, Any], float],
    early: float = 0.0,
    told: Callable[[int, int], None] | None = None,
) -> list[Step]:
    """A fit at each strength, each from the last; a path may end before its end below the strength `early`."""
    steps: list[Step] = []
    before: Weights | None = None
    null = search.state.value
    for k, strength in enumerate(along):
        weights = penalty.at(strength)
        point = search.point(weights, before)
        steps.append(Step(strength, point, explained(point, search.state)))
        before = weights
        if told is not None:
            told(k + 1, len(along))
        if strength < early and len(steps) >= FEWEST:
            gain = point.value - steps[-2].point.value
            if steps[-1].explained > ALL or gain < NO_GAIN * (point.value - null):
                break
    return steps
