"""A positive definite curvature C = L L' to step, to precondition and to compare with: the best that there is.

In this order: -H by Cholesky; where that is ill-conditioned, the R of a QR factorisation with R'R = -H, which does not
square the condition number; the expected information; -H with its eigenvalues made positive and floored.
Only steps are made from a repaired matrix, never standard errors.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import overload

import torch
from torch import Tensor

from glmfit.numerics.bordered import Bordered, BorderedFactor, Factor, Symmetric
from glmfit.numerics.lowrank import LowRank
from glmfit.numerics.objective import Objective

ILL_CONDITIONED = 1e-4  # a column of which earlier ones leave less than this unexplained
STEP_CONDITIONED = 1e-6  # the same where only a step is made: a step may be wrong in its fourth digit
SMALLEST_EIGENVALUE = 1e-8  # relative floor when a matrix is repaired


def unit_diagonal(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """A symmetric matrix (p, p) with a diagonal of 1, -1 or 0, and the scale (p,) it was divided by on either side."""
    scale = torch.sqrt(torch.diagonal(matrix).abs())
    scale = torch.where(scale > 0, scale, 1.0)
    return matrix / torch.outer(scale, scale), scale


def stacked_root(blocks: Iterable[Tensor], size: int) -> Tensor:
    """Upper triangular R with R'R = X'X, by QR of the rows of X a block (n, size) at a time.

    R has fewer than `size` rows where X has; it is not finite where X is not, and then further blocks are left.
    """
    root = torch.zeros((0, size), dtype=torch.float64)
    for block in blocks:
        root = torch.linalg.qr(torch.cat([root, block]), mode="r").R
        if not bool(torch.isfinite(root).all()):
            break
    return root


def full(matrix: Symmetric | LowRank) -> Tensor:
    """(p, p): what cannot do without the matrix asks for it here."""
    return matrix if isinstance(matrix, Tensor) else matrix.matrix()


def full_factor(lower: Factor) -> Tensor:
    """Lower triangular L (p, p)."""
    return torch.linalg.cholesky(lower.of.matrix()) if isinstance(lower, BorderedFactor) else lower


@overload
def cholesky(matrix: Tensor) -> Tensor | None: ...
@overload
def cholesky(matrix: Bordered) -> BorderedFactor | None: ...
def cholesky(matrix: Symmetric) -> Factor | None:
    """The lower Cholesky factor (p, p), or None where the matrix is not (numerically) positive definite."""
    if isinstance(matrix, Bordered):
        roots = matrix.roots() if matrix.is_finite() else None
        lower = None if roots is None else cholesky(matrix.schur(roots))
        return None if roots is None or lower is None else BorderedFactor(matrix, roots, lower)
    if not bool(torch.isfinite(matrix).all()) or not bool((torch.diagonal(matrix) > 0).all()):
        return None
    scaled, scale = unit_diagonal(matrix)
    factor, info = torch.linalg.cholesky_ex(scaled)
    return scale[:, None] * factor if int(info) == 0 else None


def diagonal(matrix: Symmetric) -> Tensor:
    """(p,)"""
    return matrix.diagonal() if isinstance(matrix, Bordered) else torch.diagonal(matrix)


def is_finite(matrix: Symmetric) -> bool:
    return matrix.is_finite() if isinstance(matrix, Bordered) else bool(torch.isfinite(matrix).all())


def well_conditioned(factor: Factor, limit: float = ILL_CONDITIONED) -> bool:
    """Whether a Cholesky factor kept most of its digits: no column is nearly a combination of those before it."""
    if isinstance(factor, BorderedFactor):
        return factor.well_conditioned(limit)
    return bool((torch.diagonal(factor) > limit * torch.linalg.vector_norm(factor, dim=1)).all())


def usable_root(objective: Objective, theta: Tensor) -> Tensor | None:
    """The objective's R with R'R = -H, if it has one of full rank."""
    root = objective.information_root(theta)
    if root is None or not bool(torch.isfinite(root).all()):
        return None
    diagonal = torch.diagonal(root).abs()
    floor = len(root) * torch.finfo(torch.float64).eps * torch.linalg.vector_norm(root, dim=0)
    return root if bool((diagonal > floor).all()) else None


def factor(objective: Objective, theta: Tensor, hessian: Symmetric) -> Factor:
    """Lower triangular L (p, p) with L L' = C at theta, where the Hessian is `hessian` and finite."""
    found = cholesky(-hessian)
    if isinstance(hessian, Tensor) and (found is None or not well_conditioned(found, STEP_CONDITIONED)):
        root = usable_root(objective, theta)
        if root is not None:
            return root.T
    if found is None:
        expected = objective.expected(theta)
        found = None if expected is None else cholesky(-expected)
    return repaired(-hessian) if found is None else found


@overload
def repaired(matrix: Tensor) -> Tensor: ...
@overload
def repaired(matrix: Bordered) -> BorderedFactor: ...
def repaired(matrix: Symmetric) -> Factor:
    """The Cholesky factor of a symmetric matrix whose eigenvalues, at unit diagonal, are made positive and floored.

    Of a bordered matrix those of its blocks are, and of what is left of its corner.
    """
    if isinstance(matrix, Bordered):
        values, vectors = torch.linalg.eigh(matrix.blocks)
        largest = values.abs().max()
        positive = torch.maximum(values.abs(), SMALLEST_EIGENVALUE * torch.where(largest > 0, largest, 1.0))
        matrix = replace(matrix, blocks=(vectors * positive[:, None, :]) @ vectors.transpose(1, 2))
        roots = matrix.roots()
        assert roots is not None
        schur = matrix.schur(roots)
        lower = repaired(schur)
        return BorderedFactor(replace(matrix, corner=matrix.corner - schur + lower @ lower.T), roots, lower)
    scaled, scale = unit_diagonal(matrix)
    values, vectors = torch.linalg.eigh(scaled)
    size = values.abs()
    size = torch.maximum(size, SMALLEST_EIGENVALUE * size.max())
    # Q of the QR factorisation of sqrt(size) V' drops out of L L' = V size V'.
    root = torch.linalg.qr(torch.sqrt(size)[:, None] * vectors.T, mode="r").R
    return scale[:, None] * root.T


def half_log_det(lower: Factor) -> float:
    """log det (L L') / 2."""
    return 0.5 * lower.log_det() if isinstance(lower, BorderedFactor) else float(torch.diagonal(lower).log().sum())


def solve(lower: Factor, vector: Tensor) -> Tensor:
    """(L L')^-1 v for v (p,)."""
    if isinstance(lower, BorderedFactor):
        return lower.solve(vector)
    half = torch.linalg.solve_triangular(lower, vector[:, None], upper=False)
    return torch.linalg.solve_triangular(lower.T, half, upper=True)[:, 0]
