"""Sums of scores by cluster where levels are set apart: Z (p, G), sparse in the levels, and Z Z' between two breads.

Where no cluster meets two levels Z Z' is bordered (`numerics/bordered.py`). Else it has no form of its own, but D Z is
as sparse as Z, and that is all that a sandwich asks for (`numerics/lowrank.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from glmfit.numerics.bordered import Bordered
from glmfit.numerics.lowrank import Root

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Z (p, G): `levels` (m d, G) at the places `inner` (m, d), and `others` (G, q) at `outer` (q,)."""

    inner: Tensor
    outer: Tensor
    levels: csr_array
    others: Tensor

    @property
    def count(self) -> int:
        """G."""
        return len(self.others)

    def of(self, x: Tensor) -> Tensor:
        """Z'x (G, r) for x (p, r)."""
        return self.others @ x[self.outer] + torch.from_numpy(self.levels.T @ x[self.inner.flatten()].numpy())

    def times(self, x: Tensor) -> Tensor:
        """Z Z'x for x (p, r)."""
        out, inside = torch.zeros_like(x), self.of(x)
        out[self.inner.flatten()] = torch.from_numpy(self.levels @ inside.numpy())
        out[self.outer] = self.others.T @ inside
        return out

    def dense(self) -> Tensor:
        """Z (p, G) itself."""
        out = torch.empty((self.inner.numel() + len(self.outer), self.count), dtype=torch.float64)
        out[self.inner.flatten()] = torch.from_numpy(self.levels.toarray())
        out[self.outer] = self.others.T
        return out

    def total(self) -> Tensor:
        """(p,) the sum over clusters."""
        out = torch.zeros(self.inner.numel() + len(self.outer), dtype=torch.float64)
        out[self.inner.flatten()] = torch.from_numpy(self.levels.sum(axis=1))
        out[self.outer] = self.others.sum(dim=0)
        return out

    def moved(self, blocks: Tensor) -> csr_array:
        """D Z of the levels (m d, G), of blocks D (m, d, d)."""
        from scipy.sparse import bsr_array

        m = len(blocks)
        index = torch.arange(m).numpy(), torch.arange(m + 1).numpy()
        return (bsr_array((blocks.contiguous().numpy(), *index)) @ self.levels).tocsr()

    def between(self, inner: Tensor, blocks: Tensor) -> tuple[None, Root]:
        """D Z Z'D of blocks D (m, d, d) at the same places, as a root."""
        found = self.moved(blocks).tocoo()
        rows, columns = (torch.from_numpy(one).long() for one in (found.row, found.col))
        return None, Root(1.0, inner.flatten()[rows], columns, torch.from_numpy(found.data), self.count)

    def bordered(self) -> Bordered | None:
        """Z Z', where no cluster meets two levels."""
        columns = self.levels.tocsc()
        columns.sort_indices()
        d, place = self.inner.shape[1], torch.from_numpy(columns.indices).long()
        ends = torch.from_numpy(columns.indptr).long()
        some = ends[1:] > ends[:-1]
        first, last = place[ends[:-1][some]] // d, place[ends[1:][some] - 1] // d
        if not torch.equal(first, last):
            return None
        cluster = torch.repeat_interleave(torch.arange(self.count), ends[1:] - ends[:-1])
        values = torch.zeros((self.count, d), dtype=torch.float64)
        values[cluster, place % d] = torch.from_numpy(columns.data)
        total, values, others = Bordered.zeros(self.inner, self.outer), values[some], self.others[some]
        total.blocks.index_add_(0, first, values[:, :, None] * values[:, None, :])
        for k in range(d):
            total.border[:, k].index_add_(0, first, values[:, k, None] * others)
        total.corner.add_(self.others.T @ self.others)
        return total
