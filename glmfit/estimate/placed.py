"""A covariance among all reported coefficients: NaN where there is none, and a matrix where that is not large."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from glmfit.inference import MOST_TOGETHER
from glmfit.numerics import LowRank
from glmfit.result import LowRankSummary


def among(size: int, places: Tensor, matrix: Tensor | LowRank) -> Tensor | LowRank:
    """A covariance at `places` of a larger one, (size, size), NaN elsewhere: a matrix where that is not large."""
    if isinstance(matrix, LowRank):
        large = matrix.among(size, places)
        return large if size > MOST_TOGETHER else large.matrix()
    out = torch.full((size, size), math.nan, dtype=torch.float64)
    out[places[:, None], places] = matrix
    return out


def without_places(matrix: Tensor | LowRank, places: Tensor) -> Tensor | LowRank:
    """A covariance with NaN in the rows and columns of `places`."""
    if isinstance(matrix, LowRank):
        return matrix.without(places)
    matrix[places, :] = matrix[:, places] = math.nan
    return matrix


def parts(matrix: Tensor | LowRank) -> LowRankSummary | None:
    """What is kept of a covariance in place of its matrix."""
    if isinstance(matrix, Tensor):
        return None
    return LowRankSummary(tuple(matrix.d.tolist()), in_rows(matrix.F), in_rows(matrix.K))


def in_rows(matrix: Tensor) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in matrix.tolist())
