"""Which columns are linear combinations of earlier ones: they are left out and named, as R reports NA.

Columns are taken in formula order. Column j is aliased where the part of it that earlier columns do not explain is less
than TOLERANCE of its own length, after centring and scaling.
"""

from __future__ import annotations

import torch
from torch import Tensor

from glmfit.curvature import stacked_root, unit_diagonal
from glmfit.design import CHUNK_ROWS, MOST_DENSE_COLUMNS, Matrix

TOLERANCE = 1e-10
CLEARLY_INDEPENDENT = 1e-2  # unexplained parts this long are seen safely in X'X, which squares them
GRAM_TOLERANCE = 1e-6  # with too many columns for QR X'X decides alone, at a tolerance above its rounding error


def aliased_columns(standard: Matrix) -> list[int]:
    """Positions of the columns of a standardised matrix that are linear combinations of those before them."""
    n, size = standard.shape
    ones = torch.ones(n, dtype=torch.float64)
    correlation, length = unit_diagonal(standard.sandwich(ones, standard))
    empty = torch.diagonal(correlation) == 0  # a column of zeros
    if not bool(empty.any()) and _first_dependent(correlation, CLEARLY_INDEPENDENT) is None:
        return []
    if size > MOST_DENSE_COLUMNS:
        return _from_correlation(correlation)
    parts = (slice(start, start + CHUNK_ROWS) for start in range(0, n, CHUNK_ROWS))
    return _from_root(stacked_root((standard.rows(part).dense() / length for part in parts), size))


def _first_dependent(correlation: Tensor, tolerance: float) -> int | None:
    """The first column whose unexplained part, the diagonal of the Cholesky factor, is below the tolerance."""
    factor, info = torch.linalg.cholesky_ex(correlation)
    valid = int(info) - 1 if int(info) > 0 else len(correlation)
    short = torch.nonzero(torch.diagonal(factor)[:valid] < tolerance)
    if len(short):
        return int(short[0])
    return valid if valid < len(correlation) else None


def _from_correlation(correlation: Tensor) -> list[int]:
    kept = torch.arange(len(correlation))
    aliased = []
    while (at := _first_dependent(correlation[kept][:, kept], GRAM_TOLERANCE)) is not None:
        aliased.append(int(kept[at]))
        kept = torch.cat([kept[:at], kept[at + 1 :]])
    return aliased


def _from_root(root: Tensor) -> list[int]:
    """From the R of a QR factorisation of unit columns, whose own columns have the same lengths and angles."""
    basis = torch.zeros_like(root)
    rank, aliased = 0, []
    for j in range(root.shape[1]):
        rest = root[:, j]
        for _ in range(2):  # twice is enough: once leaves rounding errors of the size of what is looked for
            rest = rest - basis[:, :rank] @ (basis[:, :rank].T @ rest)
        unexplained = float(torch.linalg.vector_norm(rest))
        if unexplained < TOLERANCE or rank == len(root):
            aliased.append(j)
        else:
            basis[:, rank] = rest / unexplained
            rank += 1
    return aliased
