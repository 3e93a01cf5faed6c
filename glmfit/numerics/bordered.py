"""Symmetric matrices of one large diagonal block with a border, as a factor of many levels makes them.

    H = [D B; B' S] = L L',  L = [D^1/2 0; B'D^-1/2 C],  C C' = S - B'D^-1 B    H^-1 = diag(D^-1, 0) + F (C C')^-1 F'

with F = [-D^-1 B; I]. D has m numbers, S is (q, q): everything takes O(m q^2) time and O(m q) memory. A covariance
made of such inverses is a diagonal plus a product of low rank again, in whatever coordinates, and so is a sandwich.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from glmfit import memory


@dataclass(frozen=True, slots=True, eq=False)
class Bordered:
    """A symmetric matrix (p, p): `diagonal` (m,) at places `inner`, `border` (m, q), `corner` (q, q) at `outer`."""

    inner: Tensor
    outer: Tensor
    diagonal: Tensor
    border: Tensor
    corner: Tensor

    @classmethod
    def zeros(cls, inner: Tensor, outer: Tensor) -> Bordered:
        m, q = len(inner), len(outer)
        sums = (torch.zeros(shape, dtype=torch.float64) for shape in ((m,), (m, q), (q, q)))
        return cls(inner, outer, *sums)

    def __len__(self) -> int:
        return len(self.inner) + len(self.outer)

    def __neg__(self) -> Bordered:
        return replace(self, diagonal=-self.diagonal, border=-self.border, corner=-self.corner)

    def minus(self, share: float, other: Bordered) -> Bordered:
        """This matrix less a multiple of another with the same places."""
        return replace(
            self,
            diagonal=self.diagonal - share * other.diagonal,
            border=self.border - share * other.border,
            corner=self.corner - share * other.corner,
        )

    def whole_diagonal(self) -> Tensor:
        """(p,)"""
        out = torch.zeros(len(self), dtype=torch.float64)
        out[self.inner], out[self.outer] = self.diagonal, torch.diagonal(self.corner)
        return out

    def less(self, size: float) -> Bordered:
        """This matrix less a multiple of the identity."""
        identity = torch.eye(len(self.outer), dtype=torch.float64)
        return replace(self, diagonal=self.diagonal - size, corner=self.corner - size * identity)

    def unit(self) -> Bordered:
        """The same with a diagonal of 1, which must be positive."""
        m, q = torch.sqrt(self.diagonal), torch.sqrt(torch.diagonal(self.corner))
        border, corner = self.border / torch.outer(m, q), self.corner / torch.outer(q, q)
        return replace(self, diagonal=torch.ones_like(m), border=border, corner=corner)

    def is_finite(self) -> bool:
        return all(bool(torch.isfinite(part).all()) for part in (self.diagonal, self.border, self.corner))

    def schur(self) -> Tensor:
        """S - B'D^-1 B (q, q)."""
        found = self.corner - self.border.T @ (self.border / self.diagonal[:, None])
        return 0.5 * (found + found.T)

    def times(self, x: Tensor) -> Tensor:
        """H x for x (p, r)."""
        out = torch.zeros_like(x)
        inner, outer = x[self.inner], x[self.outer]
        out[self.inner] = self.diagonal[:, None] * inner + self.border @ outer
        out[self.outer] = self.border.T @ inner + self.corner @ outer
        return out

    def matrix(self) -> Tensor:
        """(p, p); ModelError where there is no room for it."""
        memory.check_square(len(self))
        out = torch.zeros((len(self), len(self)), dtype=torch.float64)
        out[self.inner, self.inner] = self.diagonal
        out[self.inner[:, None], self.outer] = self.border
        out[self.outer[:, None], self.inner] = self.border.T
        out[self.outer[:, None], self.outer] = self.corner
        return out


@dataclass(frozen=True, slots=True, eq=False)
class BorderedFactor:
    """The factor L of a positive definite H = `of`; `lower` (q, q) is its corner C."""

    of: Bordered
    lower: Tensor

    def __mul__(self, size: float) -> BorderedFactor:
        return BorderedFactor(self.of.minus(1 - size * size, self.of), size * self.lower)

    def well_conditioned(self, limit: float) -> bool:
        """Whether no column of the border is nearly a combination of those before it."""
        lengths = torch.sqrt(torch.diagonal(self.of.corner))
        return bool((torch.diagonal(self.lower) > limit * lengths).all())

    def solve(self, vector: Tensor) -> Tensor:
        """H^-1 v for v (p,)."""
        of = self.of
        inner = vector[of.inner] / of.diagonal
        rest = (vector[of.outer] - of.border.T @ inner)[:, None]
        outer = torch.cholesky_solve(rest, self.lower)[:, 0]
        out = torch.zeros_like(vector)
        out[of.inner], out[of.outer] = inner - (of.border @ outer) / of.diagonal, outer
        return out

    def inverse(self) -> LowRank:
        """H^-1."""
        of = self.of
        diagonal = torch.zeros(len(of), dtype=torch.float64)
        diagonal[of.inner] = 1 / of.diagonal
        columns = torch.zeros((len(of), len(of.outer)), dtype=torch.float64)
        columns[of.inner] = -of.border / of.diagonal[:, None]
        columns[of.outer] = torch.eye(len(of.outer), dtype=torch.float64)
        return LowRank(diagonal, columns, torch.cholesky_inverse(self.lower))


@dataclass(frozen=True, slots=True, eq=False)
class LowRank:
    """A symmetric matrix (p, p) diag(d) + F K F': `d` (p,), `F` (p, r), `K` (r, r) symmetric."""

    d: Tensor
    F: Tensor
    K: Tensor

    def __len__(self) -> int:
        return len(self.d)

    def __mul__(self, size: float) -> LowRank:
        return LowRank(size * self.d, self.F, size * self.K)

    __rmul__ = __mul__

    def diagonal(self) -> Tensor:
        """(p,)"""
        return self.d + ((self.F @ self.K) * self.F).sum(dim=1)

    def block(self, places: Tensor) -> Tensor:
        """Rows and columns at `places` (k,): (k, k)."""
        rows = self.F[places]
        found = rows @ self.K @ rows.T
        found = 0.5 * (found + found.T)
        found.diagonal().add_(self.d[places])
        return found

    def matrix(self) -> Tensor:
        """(p, p); ModelError where there is no room for it."""
        memory.check_square(len(self))
        return self.block(torch.arange(len(self)))

    def times(self, x: Tensor) -> Tensor:
        """V x for x (p, r)."""
        return self.d[:, None] * x + self.F @ (self.K @ (self.F.T @ x))

    def inverse_square(self, places: Tensor, x: Tensor) -> float:
        """x' V^-1 x of the rows and columns at `places`, all of which have d > 0 (Woodbury)."""
        d, rows = self.d[places], self.F[places]
        inner = rows.T @ (rows / d[:, None])
        side = rows.T @ (x / d)
        middle = torch.eye(len(self.K), dtype=torch.float64) + self.K @ inner
        return float((x * x / d).sum() - side @ torch.linalg.solve(middle, self.K @ side))

    def mapped(self, scale: Tensor, of_columns: Callable[[Tensor], Tensor]) -> LowRank:
        """T V T' for a map T (`of_columns` of one vector) that only scales the places where d > 0."""
        columns = torch.empty_like(self.F)
        for j, column in enumerate(self.F.T):
            columns[:, j] = of_columns(column)
        return LowRank(self.d * scale.square(), columns, self.K)

    def sandwich(self, middle: Bordered) -> LowRank:
        """V M V."""
        beside = self.d[:, None] * middle.times(self.F)
        between = self.K @ (self.F.T @ middle.times(self.F)) @ self.K
        inner = torch.zeros_like(self.d)
        inner[middle.inner] = middle.diagonal
        nothing = torch.zeros_like(self.K)
        core = torch.cat([torch.cat([nothing, self.K], dim=1), torch.cat([self.K, between], dim=1)])
        return LowRank(self.d.square() * inner, torch.cat([beside, self.F], dim=1), core)

    def among(self, size: int, places: Tensor) -> LowRank:
        """The same at `places` of a larger matrix, NaN elsewhere."""
        d = torch.full((size,), torch.nan, dtype=torch.float64)
        columns = torch.full((size, self.F.shape[1]), torch.nan, dtype=torch.float64)
        d[places], columns[places] = self.d, self.F
        return LowRank(d, columns, self.K)

    def without(self, places: Tensor) -> LowRank:
        """The same with NaN at `places`."""
        kept = torch.ones(len(self), dtype=torch.bool)
        kept[places] = False
        return LowRank(self.d[kept], self.F[kept], self.K).among(len(self), torch.nonzero(kept)[:, 0])


Symmetric: TypeAlias = Tensor | Bordered
Factor: TypeAlias = Tensor | BorderedFactor
