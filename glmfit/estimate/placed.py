"""A covariance among all reported coefficients: NaN where there is none, and a matrix where that is not large."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from glmfit.inference import MOST_TOGETHER
from glmfit.lowrank import LowRankSummary, RootSummary
from glmfit.numerics import LowRank, Root


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
    roots = tuple(
        RootSummary(r.sign, r.width, tuple(r.rows.tolist()), tuple(r.columns.tolist()), tuple(r.values.tolist()))
        for r in matrix.roots
    )
    inner = tuple(tuple(places) for places in matrix.inner.tolist())
    blocks = tuple(tuple(tuple(row) for row in block) for block in matrix.blocks.tolist())
    unknown = () if matrix.unknown is None else tuple(matrix.unknown.tolist())
    return LowRankSummary(inner, blocks, in_rows(matrix.F), in_rows(matrix.K), roots, unknown)


def from_parts(summary: LowRankSummary) -> LowRank:
    """The covariance that `parts` kept."""
    size = len(summary.columns)
    inner = torch.tensor(summary.inner, dtype=torch.int64).reshape(len(summary.inner), -1)
    m, d = inner.shape
    core = torch.tensor(summary.core, dtype=torch.float64).reshape(len(summary.core), -1)
    roots = tuple(
        Root(
            one.sign,
            torch.tensor(one.rows, dtype=torch.int64),
            torch.tensor(one.columns, dtype=torch.int64),
            torch.tensor(one.values, dtype=torch.float64),
            one.width,
        )
        for one in summary.roots
    )
    return LowRank(
        inner,
        torch.tensor(summary.blocks, dtype=torch.float64).reshape(m, d, d),
        torch.tensor(summary.columns, dtype=torch.float64).reshape(size, -1),
        core,
        roots,
        torch.tensor(summary.unknown, dtype=torch.int64) if summary.unknown else None,
    )


def in_rows(matrix: Tensor) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in matrix.tolist())
