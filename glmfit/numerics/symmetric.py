"""What a symmetric matrix (p, p) and a factor of one can do, whatever they are made of.

A Tensor is one; so is whatever has these methods, and it need not be laid out: `Dense` gives them to a Tensor, and
`numerics/curvature.py` asks both alike. A factor L has L L' = M; of a Tensor it is lower triangular, and a Tensor too.
"""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import torch
from torch import Tensor

if TYPE_CHECKING:
    from glmfit.numerics.lowrank import LowRank

SMALLEST_EIGENVALUE = 1e-8  # relative floor when a matrix is repaired


class StructuredFactor(Protocol):
    """L (p, p) of a positive definite matrix M = L L'."""

    def __mul__(self, size: float) -> StructuredFactor: ...

    def square(self) -> Symmetric:
        """M itself."""

    def matrix(self) -> Tensor:
        """Lower triangular L (p, p) of M, laid out."""

    def well_conditioned(self, limit: float) -> bool:
        """Whether of no column of a root of M those before it leave less than a share `limit` unexplained."""

    def half_solve(self, x: Tensor) -> Tensor:
        """L^-1 x for x (p,) or (p, r)."""

    def back_solve(self, x: Tensor) -> Tensor:
        """L^-T x."""

    def solve(self, x: Tensor) -> Tensor:
        """M^-1 x."""

    def log_det(self) -> float:
        """log det M."""

    def inverse(self) -> Tensor | LowRank:
        """M^-1."""


class Structured(Sized, Protocol):
    """A symmetric matrix M (p, p)."""

    def __neg__(self) -> Structured: ...

    def minus(self, share: float, other: Symmetric) -> Symmetric:
        """M less a multiple of another."""

    def less(self, size: float) -> Symmetric:
        """M less a multiple of the identity."""

    def plus_diagonal(self, values: Tensor) -> Symmetric:
        """M and values (p,) on its diagonal."""

    def unit(self) -> Symmetric:
        """M scaled on both sides to a diagonal of 1, which must be positive."""

    def diagonal(self) -> Tensor:
        """(p,)"""

    def longest_row(self) -> float:
        """The largest sum of absolute values in a row, which no eigenvalue exceeds."""

    def is_finite(self) -> bool: ...

    def times(self, x: Tensor) -> Tensor:
        """M x for x (p, r)."""

    def matrix(self) -> Tensor:
        """(p, p), laid out; ModelError where there is no room for it."""

    def cholesky(self) -> Factor | None:
        """Its factor, or None where it is not (numerically) positive definite."""

    def repaired(self) -> Factor:
        """The factor of M with its eigenvalues made positive, and at unit diagonal none below a floor."""


Symmetric: TypeAlias = Tensor | Structured
Factor: TypeAlias = Tensor | StructuredFactor


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """A Tensor (p, p) as one of them."""

    values: Tensor

    def __len__(self) -> int:
        return len(self.values)

    def __neg__(self) -> Dense:
        return Dense(-self.values)

    def minus(self, share: float, other: Symmetric) -> Tensor:
        return self.values - share * (other if isinstance(other, Tensor) else other.matrix())

    def less(self, size: float) -> Tensor:
        return self.values - size * torch.eye(len(self), dtype=torch.float64)

    def plus_diagonal(self, values: Tensor) -> Tensor:
        return self.values + torch.diag(values)

    def unit(self) -> Tensor:
        return unit_diagonal(self.values)[0]

    def diagonal(self) -> Tensor:
        return torch.diagonal(self.values)

    def longest_row(self) -> float:
        return float(self.values.abs().sum(dim=1).max())

    def is_finite(self) -> bool:
        return bool(torch.isfinite(self.values).all())

    def times(self, x: Tensor) -> Tensor:
        return self.values @ x

    def matrix(self) -> Tensor:
        return self.values

    def cholesky(self) -> Tensor | None:
        if not self.is_finite() or not bool((self.diagonal() > 0).all()):
            return None
        scaled, scale = unit_diagonal(self.values)
        found, info = torch.linalg.cholesky_ex(scaled)
        return scale[:, None] * found if int(info) == 0 else None

    def repaired(self) -> Tensor:
        scaled, scale = unit_diagonal(self.values)
        values, vectors = torch.linalg.eigh(scaled)
        size = values.abs()
        size = torch.maximum(size, SMALLEST_EIGENVALUE * size.max())
        # Q of the QR factorisation of sqrt(size) V' drops out of L L' = V size V'.
        root = torch.linalg.qr(torch.sqrt(size)[:, None] * vectors.T, mode="r").R
        return scale[:, None] * root.T


@dataclass(frozen=True, slots=True, eq=False)
class DenseFactor:
    """A lower triangular Tensor L (p, p) as a factor."""

    lower: Tensor

    def __mul__(self, size: float) -> DenseFactor:
        return DenseFactor(size * self.lower)

    def square(self) -> Tensor:
        return self.lower @ self.lower.T

    def matrix(self) -> Tensor:
        return self.lower

    def well_conditioned(self, limit: float) -> bool:
        return bool((torch.diagonal(self.lower) > limit * torch.linalg.vector_norm(self.lower, dim=1)).all())

    def half_solve(self, x: Tensor) -> Tensor:
        return torch.linalg.solve_triangular(self.lower, columns_of(x), upper=False).reshape(x.shape)

    def back_solve(self, x: Tensor) -> Tensor:
        return torch.linalg.solve_triangular(self.lower.T, columns_of(x), upper=True).reshape(x.shape)

    def solve(self, x: Tensor) -> Tensor:
        return self.back_solve(self.half_solve(x))

    def log_det(self) -> float:
        return 2 * float(torch.diagonal(self.lower).log().sum())

    def inverse(self) -> Tensor:
        return torch.cholesky_inverse(self.lower)


def unit_diagonal(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """A symmetric matrix (p, p) with a diagonal of 1, -1 or 0, and the scale (p,) it was divided by on either side."""
    scale = torch.sqrt(torch.diagonal(matrix).abs())
    scale = torch.where(scale > 0, scale, 1.0)
    return matrix / torch.outer(scale, scale), scale


def columns_of(x: Tensor) -> Tensor:
    """x (p,) or (p, r) as (p, r)."""
    return x[:, None] if x.ndim == 1 else x
