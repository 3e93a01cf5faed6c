"""What a design says of where its Hessian is zero.

Columns that indicate the levels of one factor, plain or multiplied by numbers, in one predictor or in several, meet in
a row only those of the same level: they make a small block for each. Where a factor is large its levels are set apart,
and what is left is a border (`numerics/bordered.py`), never levels x levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from glmfit.design.blocks import Block, Categorical
from glmfit.design.matrix import Matrix
from glmfit.numerics import Bordered, LowRank

MANY_LEVELS = 200  # columns of a factor from which on it is worth while to set them apart,
WIDEST_BORDER = 1.0  # where there are no more others for each of them
Sides = Sequence[tuple[Matrix, Tensor]]  # matrices, and the places of their columns among all coefficients


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """A column of the small blocks: which block of which side has it, and where (m,) among that block's columns."""

    side: int
    block: int
    columns: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """The coefficients of the levels that are set apart, `inner` (m, d), and all others, `outer` (q,).

    `level` (levels,) is the position of each of the factor's levels among the m, -1 where it has none there.
    """

    inner: Tensor
    outer: Tensor
    slots: tuple[Slot, ...]
    level: Tensor

    def zeros(self) -> Bordered:
        return Bordered.zeros(self.inner, self.outer)

    def parts(self, sides: Sides) -> tuple[list[tuple[int, Categorical]], list[tuple[int, Block, Tensor]]]:
        """The blocks of the d slots, with their sides, and all else, with the places of its columns in the corner."""
        corner = torch.full((self.inner.numel() + len(self.outer),), -1)
        corner[self.outer] = torch.arange(len(self.outer))
        of = {(slot.side, slot.block): slot.columns for slot in self.slots}
        others: list[tuple[int, Block, Tensor]] = []
        for side, (matrix, columns) in enumerate(sides):
            for at, (block, place) in enumerate(zip(matrix.blocks, matrix.places, strict=True)):
                mine = corner[columns[place]]
                left = torch.nonzero(mine >= 0)[:, 0]
                if (side, at) not in of:
                    others.append((side, block, mine))
                elif len(left):
                    others.append((side, block.select(left.tolist()), mine[left]))
        apart = []
        for slot in self.slots:
            block = sides[slot.side][0].blocks[slot.block]
            assert isinstance(block, Categorical)
            apart.append((slot.side, block.select(slot.columns)))
        return apart, others

    def rows(self, sides: Sides) -> Split:
        """Rows of the sides by the level that each of them belongs to."""
        apart, others = self.parts(sides)
        n, (_, d), q = sides[0][0].n_rows, self.inner.shape, len(self.outer)
        inner = torch.zeros((len(sides), n, d), dtype=torch.float64)
        outer = torch.zeros((len(sides), n, q), dtype=torch.float64)
        level = self.level[apart[0][1].codes]
        for k, (side, block) in enumerate(apart):
            inner[side, :, k] = (level >= 0).double() if block.multiplier is None else block.multiplier * (level >= 0)
        for side, other, columns in others:
            outer[side][:, columns] = other.dense()
        return Split(level, inner, outer)


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Rows of K matrices: `level` (n,), -1 where a row has none, `inner` (K, n, d) and `outer` (K, n, q)."""

    level: Tensor
    inner: Tensor
    outer: Tensor

    def quadratic(self, V: LowRank, apart: Structure) -> Tensor:
        """(n, K, K) x_j' V x_k, of a covariance without roots."""
        at = self.level.clamp(min=0)
        moved = self.outer @ V.F[apart.outer]  # F'x
        for k in range(self.inner.shape[2]):
            moved += self.inner[:, :, k, None] * V.F[apart.inner[:, k]][at]
        own = torch.einsum("jnd,nde,kne->njk", self.inner, V.blocks[at], self.inner)
        return own + torch.einsum("jnr,knr->njk", moved @ V.K, moved)


def structure(sides: Sides, size: int) -> Structure | None:
    """That of the factor whose levels leave the fewest columns; None where they are few, or matrices share columns."""
    if sum(len(columns) for _, columns in sides) != size:
        return None
    groups: list[list[tuple[int, int, Categorical]]] = []
    for side, (matrix, _) in enumerate(sides):
        for at, block in enumerate(matrix.blocks):
            if isinstance(block, Categorical) and block.indicator and len(block.coding):
                group = next((one for one in groups if block.has_codes_of(one[0][2])), None)
                if group is None:
                    groups.append(group := [])
                group.append((side, at, block))
    candidates = [_levels_and_slots(group) for group in groups]
    level, slots = max(candidates, key=lambda one: len(one[1]) * int((one[0] >= 0).sum()), default=(None, ()))
    if level is None:
        return None
    columns = [sides[slot.side][1][sides[slot.side][0].places[slot.block][slot.columns]] for slot in slots]
    inner = torch.stack(columns, dim=1)
    if inner.numel() < MANY_LEVELS or size - inner.numel() > WIDEST_BORDER * inner.numel():
        return None
    rest = torch.ones(size, dtype=torch.bool)
    rest[inner] = False
    return Structure(inner, torch.nonzero(rest)[:, 0], slots, level)


def _levels_and_slots(group: list[tuple[int, int, Categorical]]) -> tuple[Tensor, tuple[Slot, ...]]:
    """Of blocks of one factor, those that together have the most columns at levels that all of them have.

    Columns at other levels, as of a first level without an indicator, are left to the border.
    """
    group = sorted(group, key=lambda one: -len(one[2].coding))
    column = torch.full((len(group), group[0][2].levels), -1)
    for k, (_, _, block) in enumerate(group):
        column[k, block.coding] = torch.arange(len(block.coding))
    shared = [(column[: d + 1] >= 0).all(dim=0) for d in range(len(group))]
    d = max(range(len(group)), key=lambda d: (d + 1) * int(shared[d].sum()))
    levels = torch.nonzero(shared[d])[:, 0]
    level = torch.full((column.shape[1],), -1)
    level[levels] = torch.arange(len(levels))
    return level, tuple(Slot(side, at, column[k, levels]) for k, (side, at, _) in enumerate(group[: d + 1]))


def add_bordered(total: Bordered, apart: Structure, sides: Sides, h: Tensor) -> None:
    """total += sum_jk X_j' diag(h_jk) X_k, for symmetric rows h (n, K, K)."""
    levels, others = apart.parts(sides)
    for k, (j, mine) in enumerate(levels):
        for i, (other, theirs) in enumerate(levels[: k + 1]):
            found = mine.squares(h[:, j, other], theirs)
            total.blocks[:, k, i] += found
            if i < k:
                total.blocks[:, i, k] += found
        for other, block, columns in others:
            total.border[:, k].index_add_(1, columns, mine.sandwich(h[:, j, other], block))
    for at, (j, left, rows) in enumerate(others):
        for other, (i, right, columns) in enumerate(others[at:], start=at):
            part = left.sandwich(h[:, j, i], right)
            total.corner.index_put_((rows[:, None], columns), part, accumulate=True)
            if other > at:
                total.corner.index_put_((columns[:, None], rows), part.T, accumulate=True)
