"""What a design says of where its Hessian is zero.

Columns that indicate the levels of one factor never meet in a row: their block of the Hessian is diagonal. Where a
factor is large they are set apart, and what is left is a border (`numerics/bordered.py`), never levels x levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from glmfit.design.blocks import Categorical
from glmfit.design.matrix import Matrix
from glmfit.numerics import Bordered

MANY_LEVELS = 200  # columns of a factor from which on it is worth while to set them apart,
WIDEST_BORDER = 1.0  # where there are no more others for each of them
Sides = Sequence[tuple[Matrix, Tensor]]  # matrices, and the places of their columns among all coefficients


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """The coefficients of the factor that is set apart, `inner` (m,), and all others, `outer` (q,)."""

    inner: Tensor
    outer: Tensor

    def zeros(self) -> Bordered:
        return Bordered.zeros(self.inner, self.outer)


def structure(sides: Sides, size: int) -> Structure | None:
    """That of the factor with the most columns; None where it has few, or matrices share coefficients."""
    if sum(len(columns) for _, columns in sides) != size:
        return None
    factors = [
        columns[place]
        for matrix, columns in sides
        for block, place in zip(matrix.blocks, matrix.places, strict=True)
        if isinstance(block, Categorical) and block.indicator
    ]
    inner = max(factors, key=len, default=torch.arange(0))
    if len(inner) < MANY_LEVELS or size - len(inner) > WIDEST_BORDER * len(inner):
        return None
    rest = torch.ones(size, dtype=torch.bool)
    rest[inner] = False
    return Structure(inner, torch.nonzero(rest)[:, 0])


def add_bordered(total: Bordered, sides: Sides, h: Tensor) -> None:
    """total += sum_jk X_j' diag(h_jk) X_k, for symmetric rows h (n, K, K)."""
    corner = torch.full((len(total),), -1)
    corner[total.outer] = torch.arange(len(total.outer))
    parts = [
        (j, block, columns[place])
        for j, (matrix, columns) in enumerate(sides)
        for block, place in zip(matrix.blocks, matrix.places, strict=True)
    ]
    apart = next(at for at, (_, _, columns) in enumerate(parts) if torch.equal(columns, total.inner))
    k, factor, _ = parts.pop(apart)
    assert isinstance(factor, Categorical)
    total.diagonal.add_(factor.squares(h[:, k, k]))
    for at, (j, left, rows) in enumerate(parts):
        mine = corner[rows]
        total.border.index_add_(1, mine, factor.sandwich(h[:, k, j], left))
        for other, (i, right, columns) in enumerate(parts[at:], start=at):
            theirs = corner[columns]
            part = left.sandwich(h[:, j, i], right)
            total.corner.index_put_((mine[:, None], theirs), part, accumulate=True)
            if other > at:
                total.corner.index_put_((theirs[:, None], mine), part.T, accumulate=True)
