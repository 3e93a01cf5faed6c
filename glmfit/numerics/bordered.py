"""Symmetric matrices of many small diagonal blocks with a border, as a factor of many levels makes them.

    H = [D B; B' S] = L L',  L = [R 0; B'R^-T C],  R R' = D, C C' = S - B'D^-1 B
    H^-1 = diag(D^-1, 0) + F (C C')^-1 F'

with F = [-D^-1 B; I]. D has m blocks (d, d), one for each level, and S is (q, q): everything takes O(m d q^2) time and
O(m d q) memory. What is made of such inverses is in `numerics/lowrank.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from glmfit import memory
from glmfit.numerics.lowrank import LowRank
from glmfit.numerics.symmetric import SMALLEST_EIGENVALUE, Dense, Symmetric, columns_of

WIDE, SPARSELY = 200, 0.02  # columns of a border, and share of the products of two of them, for sparse products to pay


@dataclass(frozen=True, slots=True, eq=False)
class Bordered:
    """A symmetric matrix (p, p): `blocks` (m, d, d) at places `inner` (m, d), none of which meets another, `border`
    (m, d, q) beside them, and `corner` (q, q) at `outer` (q,)."""

    inner: Tensor
    outer: Tensor
    blocks: Tensor
    border: Tensor
    corner: Tensor

    @classmethod
    def zeros(cls, inner: Tensor, outer: Tensor) -> Bordered:
        (m, d), q = inner.shape, len(outer)
        sums = (torch.zeros(shape, dtype=torch.float64) for shape in ((m, d, d), (m, d, q), (q, q)))
        return cls(inner, outer, *sums)

    def __len__(self) -> int:
        return self.inner.numel() + len(self.outer)

    def __neg__(self) -> Bordered:
        return replace(self, blocks=-self.blocks, border=-self.border, corner=-self.corner)

    def minus(self, share: float, other: Symmetric) -> Symmetric:
        """This matrix less a multiple of another: of the same form where that has the same places."""
        if not isinstance(other, Bordered):
            return self.matrix() - share * (other if isinstance(other, Tensor) else other.matrix())
        return replace(
            self,
            blocks=self.blocks - share * other.blocks,
            border=self.border - share * other.border,
            corner=self.corner - share * other.corner,
        )

    def diagonal(self) -> Tensor:
        """(p,)"""
        out = torch.zeros(len(self), dtype=torch.float64)
        out[self.inner], out[self.outer] = _diagonals(self.blocks), torch.diagonal(self.corner)
        return out

    def less(self, size: float) -> Bordered:
        """This matrix less a multiple of the identity."""
        return self.plus_diagonal(torch.full((len(self),), -size, dtype=torch.float64))

    def plus_diagonal(self, values: Tensor) -> Bordered:
        """This matrix and values (p,) on its diagonal."""
        blocks = self.blocks + torch.diag_embed(values[self.inner])
        return replace(self, blocks=blocks, corner=self.corner + torch.diag(values[self.outer]))

    def unit(self) -> Bordered:
        """The same with a diagonal of 1, which must be positive."""
        m, q = torch.sqrt(_diagonals(self.blocks)), torch.sqrt(torch.diagonal(self.corner))
        blocks = self.blocks / (m[:, :, None] * m[:, None, :])
        return replace(
            self, blocks=blocks, border=self.border / m[:, :, None] / q, corner=self.corner / torch.outer(q, q)
        )

    def longest_row(self) -> float:
        """The largest sum of absolute values in a row, which no eigenvalue exceeds."""
        border = self.border.abs()
        inner = self.blocks.abs().sum(dim=2) + border.sum(dim=2)
        outer = border.sum(dim=(0, 1)) + self.corner.abs().sum(dim=0)
        return float(torch.cat([inner.flatten(), outer]).max())

    def is_finite(self) -> bool:
        parts = (part for part in (self.blocks, self.border, self.corner) if part.numel())
        return all(math.isfinite(float(end)) for part in parts for end in torch.aminmax(part))  # which a NaN is as well

    def times(self, x: Tensor) -> Tensor:
        """H x for x (p, r)."""
        out = torch.zeros_like(x)
        inner, outer = x[self.inner], x[self.outer]
        flat = self.border.flatten(0, 1)
        out[self.inner] = self.blocks @ inner + self.border @ outer
        out[self.outer] = flat.T @ inner.flatten(0, 1) + self.corner @ outer
        return out

    def between(self, inner: Tensor, blocks: Tensor) -> tuple[Tensor, None]:
        """The blocks of D H D, of blocks D (m, d, d) at the same places."""
        return blocks @ self.blocks @ blocks, None

    def roots(self) -> Tensor | None:
        """R (m, d, d), lower triangular; None where a block is not positive definite."""
        if self.inner.shape[1] == 1:  # many times as fast
            return torch.sqrt(self.blocks) if bool((self.blocks > 0).all()) else None
        lower, info = torch.linalg.cholesky_ex(self.blocks)
        return None if bool(info.any()) else lower

    def schur(self, roots: Tensor) -> Tensor:
        """S - B'D^-1 B (q, q)."""
        half = solved(roots, self.border).flatten(0, 1)
        found = self.corner - _squared(half)
        return 0.5 * (found + found.T)

    def cholesky(self) -> BorderedFactor | None:
        """Its factor, or None where it is not (numerically) positive definite."""
        roots = self.roots() if self.is_finite() else None
        lower = None if roots is None else Dense(self.schur(roots)).cholesky()
        return None if roots is None or lower is None else BorderedFactor(self, roots, lower)

    def repaired(self) -> BorderedFactor:
        """The factor with the eigenvalues of the blocks made positive, and then those of what is left of the corner."""
        values, vectors = torch.linalg.eigh(self.blocks)
        largest = values.abs().max()
        positive = torch.maximum(values.abs(), SMALLEST_EIGENVALUE * torch.where(largest > 0, largest, 1.0))
        near = replace(self, blocks=(vectors * positive[:, None, :]) @ vectors.transpose(1, 2))
        roots = near.roots()
        assert roots is not None
        schur = near.schur(roots)
        lower = Dense(schur).repaired()
        return BorderedFactor(replace(near, corner=near.corner - schur + lower @ lower.T), roots, lower)

    def matrix(self) -> Tensor:
        """(p, p); ModelError where there is no room for it."""
        memory.check_square(len(self))
        out = torch.zeros((len(self), len(self)), dtype=torch.float64)
        inner = self.inner.flatten()
        out[self.inner[:, :, None], self.inner[:, None, :]] = self.blocks
        out[inner[:, None], self.outer] = self.border.flatten(0, 1)
        out[self.outer[:, None], inner] = self.border.flatten(0, 1).T
        out[self.outer[:, None], self.outer] = self.corner
        return out


@dataclass(frozen=True, slots=True, eq=False)
class BorderedFactor:
    """The factor L of a positive definite H = `of`: `roots` R (m, d, d), and `lower` (q, q) is its corner C."""

    of: Bordered
    roots: Tensor
    lower: Tensor

    def __mul__(self, size: float) -> BorderedFactor:
        of = replace(
            self.of,
            blocks=size * size * self.of.blocks,
            border=size * size * self.of.border,
            corner=size * size * self.of.corner,
        )
        return BorderedFactor(of, size * self.roots, size * self.lower)

    def square(self) -> Bordered:
        """H."""
        return self.of

    def matrix(self) -> Tensor:
        """Lower triangular L (p, p) of H with its rows and columns in their order, laid out."""
        return torch.linalg.cholesky(self.of.matrix())

    def well_conditioned(self, limit: float) -> bool:
        """Whether no column is nearly a combination of those before it, the levels' first."""
        pairs = (
            (_diagonals(self.roots), _diagonals(self.of.blocks)),
            (torch.diagonal(self.lower), torch.diagonal(self.of.corner)),
        )
        return all(bool((left > limit * torch.sqrt(squares)).all()) for left, squares in pairs)

    def half_solve(self, x: Tensor) -> Tensor:
        """L^-1 x for x (p,) or (p, r)."""
        of, columns = self.of, columns_of(x)
        out = torch.empty_like(columns)
        inner = solved(self.roots, columns[of.inner])
        half = solved(self.roots, of.border).flatten(0, 1)
        rest = columns[of.outer] - half.T @ inner.flatten(0, 1)
        out[of.inner] = inner
        out[of.outer] = torch.linalg.solve_triangular(self.lower, rest, upper=False)
        return out.reshape(x.shape)

    def back_solve(self, x: Tensor) -> Tensor:
        """L^-T x for x (p,) or (p, r)."""
        of, columns = self.of, columns_of(x)
        out = torch.empty_like(columns)
        outer = torch.linalg.solve_triangular(self.lower.T, columns[of.outer], upper=True)
        half = solved(self.roots, of.border)
        out[of.inner] = back_solved(self.roots, columns[of.inner] - half @ outer)
        out[of.outer] = outer
        return out.reshape(x.shape)

    def solve(self, x: Tensor) -> Tensor:
        """H^-1 x for x (p,) or (p, r)."""
        return self.back_solve(self.half_solve(x))

    def log_det(self) -> float:
        """log det H."""
        return 2 * float(_diagonals(self.roots).log().sum() + torch.diagonal(self.lower).log().sum())

    def inverse(self) -> LowRank:
        """H^-1."""
        of = self.of
        (m, d), q = of.inner.shape, len(of.outer)
        columns = torch.zeros((len(of), q), dtype=torch.float64)
        columns[of.inner] = -back_solved(self.roots, solved(self.roots, of.border))
        columns[of.outer] = torch.eye(q, dtype=torch.float64)
        small = solved(self.roots, torch.eye(d, dtype=torch.float64).expand(m, d, d))
        return LowRank(of.inner, small.transpose(1, 2) @ small, columns, torch.cholesky_inverse(self.lower))


def solved(roots: Tensor, x: Tensor) -> Tensor:
    """R^-1 x for each block R (m, d, d), lower triangular, and x (m, d, r)."""
    return x / roots if roots.shape[1] == 1 else torch.linalg.solve_triangular(roots, x, upper=False)


def back_solved(roots: Tensor, x: Tensor) -> Tensor:
    """R^-T x."""
    return x / roots if roots.shape[1] == 1 else torch.linalg.solve_triangular(roots.transpose(1, 2), x, upper=True)


def _squared(half: Tensor) -> Tensor:
    """A'A (q, q) of a border A (m d, q), by what is in it where that is little, as of another factor."""
    q = half.shape[1]
    if q < WIDE:
        return half.T @ half
    there = (half != 0).sum(dim=1).double()
    if float(there @ there) > SPARSELY * len(half) * q * q:
        return half.T @ half
    from scipy.sparse import csr_matrix

    rows = csr_matrix(half.numpy())
    return torch.from_numpy((rows.T @ rows).toarray())


def _diagonals(blocks: Tensor) -> Tensor:
    """(m, d)"""
    return torch.diagonal(blocks, dim1=1, dim2=2)
