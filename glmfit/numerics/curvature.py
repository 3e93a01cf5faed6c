"""A positive definite curvature C = L L' to step, to precondition and to compare with: the best that there is.

In this order: -H by Cholesky; where that is ill-conditioned, the R of a QR factorisation with R'R = -H, which does not
square the condition number; the expected information; -H with its eigenvalues made positive and floored.
Only steps are made from a repaired matrix, never standard errors.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import overload

import torch
from torch import Tensor

from glmfit.numerics.bordered import Bordered, BorderedFactor
from glmfit.numerics.lowrank import LowRank
from glmfit.numerics.objective import Objective
from glmfit.numerics.symmetric import Dense, DenseFactor, Factor, Structured, StructuredFactor, Symmetric

ILL_CONDITIONED = 1e-4  # a column of which earlier ones leave less than this unexplained
STEP_CONDITIONED = 1e-6  # the same where only a step is made: a step may be wrong in its fourth digit


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


def structured(matrix: Symmetric) -> Structured:
    """The one place that asks which kind of matrix there is."""
    return Dense(matrix) if isinstance(matrix, Tensor) else matrix


def structured_factor(lower: Factor) -> StructuredFactor:
    """The same of a factor."""
    return DenseFactor(lower) if isinstance(lower, Tensor) else lower


def full(matrix: Symmetric | LowRank) -> Tensor:
    """(p, p): what cannot do without the matrix asks for it here."""
    return matrix if isinstance(matrix, Tensor) else matrix.matrix()


def full_factor(lower: Factor) -> Tensor:
    """Lower triangular L (p, p)."""
    return structured_factor(lower).matrix()


@overload
def cholesky(matrix: Tensor) -> Tensor | None: ...
@overload
def cholesky(matrix: Bordered) -> BorderedFactor | None: ...
@overload
def cholesky(matrix: Structured) -> Factor | None: ...
def cholesky(matrix: Symmetric) -> Factor | None:
    """The factor of a matrix, a lower triangular Tensor of a Tensor; None where it is not positive definite."""
    return structured(matrix).cholesky()


def diagonal(matrix: Symmetric) -> Tensor:
    """(p,)"""
    return structured(matrix).diagonal()


def is_finite(matrix: Symmetric) -> bool:
    return structured(matrix).is_finite()


def exceeds(matrix: Symmetric, share: float, lower: Factor) -> bool:
    """Whether M - share L L' is positive definite."""
    return cholesky(structured(matrix).minus(share, structured_factor(lower).square())) is not None


def well_conditioned(factor: Factor, limit: float = ILL_CONDITIONED) -> bool:
    """Whether a Cholesky factor kept most of its digits: no column is nearly a combination of those before it."""
    return structured_factor(factor).well_conditioned(limit)


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


def repaired(matrix: Symmetric) -> Factor:
    """The factor of a matrix whose eigenvalues, at unit diagonal, are made positive and floored."""
    return structured(matrix).repaired()


def half_log_det(lower: Factor) -> float:
    """log det (L L') / 2."""
    return 0.5 * structured_factor(lower).log_det()


def solve(lower: Factor, vector: Tensor) -> Tensor:
    """(L L')^-1 v for v (p,) or (p, r)."""
    return structured_factor(lower).solve(vector)


@overload
def inverse(lower: Tensor) -> Tensor: ...
@overload
def inverse(lower: Factor) -> Tensor | LowRank: ...
def inverse(lower: Factor) -> Tensor | LowRank:
    """(L L')^-1 (p, p)."""
    return structured_factor(lower).inverse()
