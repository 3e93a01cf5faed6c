"""Covariances that are too large to be matrices: small blocks, sparse roots and a product of low rank.

    V = D + sum_k s_k A_k A_k' + F K F'        V M V = D M D + (D M F) K F' + F K (D M F)' + F K (F'M F) K F'

Inverses of bordered matrices are of this form, and so is a sandwich of one, in whatever coordinates. D has a block for
each level; A_k is sparse, as sums of the scores of clusters that cross levels are, D A_k being as sparse as A_k.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from glmfit import memory


@dataclass(frozen=True, slots=True, eq=False)
class Root:
    """`sign` A A' of a sparse A (p, width): `values` (e,) at `rows` and `columns` (e,)."""

    sign: float
    rows: Tensor
    columns: Tensor
    values: Tensor
    width: int

    def block(self, places: Tensor, size: int) -> Tensor:
        """Rows and columns at `places` (k,) of `size`: (k, k)."""
        from scipy.sparse import csr_array

        at = torch.full((size,), -1)
        at[places] = torch.arange(len(places))
        kept = torch.nonzero(at[self.rows] >= 0)[:, 0]
        index = at[self.rows[kept]].numpy(), self.columns[kept].numpy()
        some = csr_array((self.values[kept].numpy(), index), shape=(len(places), self.width))
        return self.sign * torch.from_numpy((some @ some.T).toarray())


class Meat(Protocol):
    """What stands between two covariances in a sandwich: a symmetric matrix M (p, p)."""

    def times(self, x: Tensor) -> Tensor:
        """M x for x (p, r)."""

    def between(self, inner: Tensor, blocks: Tensor) -> tuple[Tensor | None, Root | None]:
        """D M D, of blocks D (m, d, d) at `inner` (m, d): as blocks, or as a root."""


@dataclass(frozen=True, slots=True, eq=False)
class LowRank:
    """A symmetric matrix (p, p): `blocks` D (m, d, d) at `inner` (m, d), `F` (p, r), `K` (r, r), and `roots`.

    `unknown` (k,) are the places where it is NaN.
    """

    inner: Tensor
    blocks: Tensor
    F: Tensor
    K: Tensor
    roots: tuple[Root, ...] = ()
    unknown: Tensor | None = None

    @classmethod
    def unknown_of(cls, size: int) -> LowRank:
        """One of which nothing is known."""
        none = torch.zeros((size, 0), dtype=torch.float64)
        blocks = torch.zeros((0, 1, 1), dtype=torch.float64)
        return cls(torch.zeros((0, 1), dtype=torch.int64), blocks, none, none[:0], unknown=torch.arange(size))

    def __len__(self) -> int:
        return len(self.F)

    def __mul__(self, size: float) -> LowRank:
        roots = tuple(replace(root, sign=size * root.sign) for root in self.roots)
        return replace(self, blocks=size * self.blocks, K=size * self.K, roots=roots)

    __rmul__ = __mul__

    def diagonal(self) -> Tensor:
        """(p,)"""
        out = ((self.F @ self.K) * self.F).sum(dim=1)
        out[self.inner] += torch.diagonal(self.blocks, dim1=1, dim2=2)
        for root in self.roots:
            out.index_add_(0, root.rows, root.sign * root.values.square())
        if self.unknown is not None:
            out[self.unknown] = torch.nan
        return out

    def block(self, places: Tensor) -> Tensor:
        """Rows and columns at `places` (k,): (k, k)."""
        rows = self.F[places]
        found = rows @ self.K @ rows.T
        found = 0.5 * (found + found.T)
        at = torch.full((len(self),), -1)
        at[places] = torch.arange(len(places))
        where = at[self.inner]
        left, right = (one.expand(self.blocks.shape) for one in (where[:, :, None], where[:, None, :]))
        met = (left >= 0) & (right >= 0)
        found.index_put_((left[met], right[met]), self.blocks[met], accumulate=True)
        for root in self.roots:
            found += root.block(places, len(self))
        if self.unknown is not None:
            gone = at[self.unknown]
            found[gone[gone >= 0], :] = found[:, gone[gone >= 0]] = torch.nan
        return found

    def matrix(self) -> Tensor:
        """(p, p); ModelError where there is no room for it."""
        memory.check_square(len(self))
        return self.block(torch.arange(len(self)))

    def times(self, x: Tensor) -> Tensor:
        """V x for x (p, r), what is unknown taken for 0."""
        out = self.F @ (self.K @ (self.F.T @ x))
        out[self.inner] += self.blocks @ x[self.inner]
        for root in self.roots:
            inside = torch.zeros((root.width, x.shape[1]), dtype=torch.float64)
            inside.index_add_(0, root.columns, root.values[:, None] * x[root.rows])
            out.index_add_(0, root.rows, root.sign * root.values[:, None] * inside[root.columns])
        return out

    def inverse_square(self, places: Tensor, x: Tensor) -> float | None:
        """x' V^-1 x of the rows and columns at `places`, by Woodbury's formula; None where D has no inverse there."""
        at = torch.full((len(self),), -1)
        at[places] = torch.arange(len(places))
        where = at[self.inner]
        level = torch.nonzero((where >= 0).any(dim=1))[:, 0]
        if self.roots or int((where >= 0).sum()) < len(places) or self.unknown is not None:
            return None
        where, blocks = where[level], self.blocks[level].clone()
        out = where < 0  # of a level, what is not asked for stands aside with a 1 of its own
        blocks[out[:, :, None] | out[:, None, :]] = 0.0
        torch.diagonal(blocks, dim1=1, dim2=2)[out] = 1.0
        lower, info = torch.linalg.cholesky_ex(blocks)
        if bool(info.any()):
            return None
        rows = torch.where(out[:, :, None], 0.0, self.F[self.inner[level]])
        own = torch.where(out, 0.0, x[where.clamp(min=0)])
        half = torch.linalg.solve_triangular(lower, torch.cat([rows, own[:, :, None]], dim=2), upper=False).flatten(
            0, 1
        )
        inner, side = half[:, :-1].T @ half[:, :-1], half[:, :-1].T @ half[:, -1]
        middle = torch.eye(len(self.K), dtype=torch.float64) + self.K @ inner
        return float(half[:, -1] @ half[:, -1] - side @ torch.linalg.solve(middle, self.K @ side))

    def mapped(self, scale: Tensor, of_columns: Callable[[Tensor], Tensor]) -> LowRank:
        """T V T' for a map T (`of_columns` of one vector) that only scales the places `inner`."""
        columns = torch.empty_like(self.F)
        for j, column in enumerate(self.F.T):
            columns[:, j] = of_columns(column)
        own = scale[self.inner]
        roots = tuple(replace(root, values=root.values * scale[root.rows]) for root in self.roots)
        return replace(self, blocks=own[:, :, None] * self.blocks * own[:, None, :], F=columns, roots=roots)

    def sandwich(self, parts: Sequence[tuple[float, Meat]]) -> LowRank:
        """V M V of the sum M of multiples of meats; V without roots of its own."""
        beside, core = torch.zeros_like(self.F), torch.zeros_like(self.K)
        blocks, roots = torch.zeros_like(self.blocks), []
        for share, meat in parts:
            moved = meat.times(self.F)
            beside[self.inner] += share * (self.blocks @ moved[self.inner])
            core += share * (self.F.T @ moved)
            own, root = meat.between(self.inner, self.blocks)
            blocks += 0.0 if own is None else share * own
            roots += [] if root is None else [replace(root, sign=share * root.sign)]
        core = 0.5 * (core + core.T)
        nothing = torch.zeros_like(self.K)
        K = torch.cat([torch.cat([nothing, self.K], dim=1), torch.cat([self.K, self.K @ core @ self.K], dim=1)])
        return LowRank(self.inner, blocks, torch.cat([beside, self.F], dim=1), K, tuple(roots))

    def among(self, size: int, places: Tensor) -> LowRank:
        """The same at `places` of a larger matrix, unknown elsewhere."""
        columns = torch.zeros((size, self.F.shape[1]), dtype=torch.float64)
        columns[places] = self.F
        known = torch.zeros(size, dtype=torch.bool)
        known[places] = True
        if self.unknown is not None:
            known[places[self.unknown]] = False
        roots = tuple(replace(root, rows=places[root.rows]) for root in self.roots)
        unknown = None if bool(known.all()) else torch.nonzero(~known)[:, 0]
        return replace(self, inner=places[self.inner], F=columns, roots=roots, unknown=unknown)

    def without(self, places: Tensor) -> LowRank:
        """The same, unknown at `places` too."""
        unknown = places if self.unknown is None else torch.unique(torch.cat([self.unknown, places]))
        return replace(self, unknown=unknown if len(unknown) else None)
