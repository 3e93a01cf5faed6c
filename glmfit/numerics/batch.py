"""Newton's method for many objectives of the same size at once: each stops, shortens its step and is judged by itself.

    -H_b d_b = g_b        decrement_b = sqrt(g_b' d_b)        b = 1..B

The rules are those of `newton`, and so is the last step, which squares the error. Where a curvature is not positive
definite its eigenvalues are made so, to find a step; where it has lost most of its digits (a column that is nearly a
combination of others) that is a status of its own: there is no QR of rows here to find them again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from glmfit.numerics.curvature import STEP_CONDITIONED
from glmfit.numerics.optimize import (
    ARMIJO,
    AT_ROUNDING,
    CRAWL,
    FALLEN,
    HALVINGS,
    POLISHED,
    REDUCTIONS,
    ROUNDING,
    SHORT,
    SHORT_STEPS,
    STILL,
    UNSEEN,
)
from glmfit.numerics.symmetric import SMALLEST_EIGENVALUE

RUNNING, CONVERGED, MAX_ITER, STALLED, SINGULAR, OUTSIDE = range(6)
STATUSES = ("running", "converged", "max_iter", "stalled", "singular", "outside")


class BatchDerivatives(NamedTuple):
    """Of m objectives: value (m,), gradient (m, p), Hessian (m, p, p)."""

    value: Tensor
    gradient: Tensor
    hessian: Tensor

    def finite(self) -> Tensor:
        """(m,) bool: where all three are."""
        gradient = torch.isfinite(self.gradient).all(dim=1)
        return torch.isfinite(self.value) & gradient & torch.isfinite(self.hessian).flatten(1).all(dim=1)


class BatchObjective(Protocol):
    """B functions of theta (p,), to be maximised each by itself."""

    def derivatives(self, theta: Tensor, which: Tensor) -> BatchDerivatives:
        """Of the objectives `which` int64 (m,), each at its own row of theta (m, p)."""

    def values(self, theta: Tensor, which: Tensor) -> Tensor:
        """(m,) their values; NaN or -inf where they are not defined."""


@dataclass(frozen=True, slots=True)
class BatchOptimum:
    """Where each objective stopped: theta (B, p), value (B,), decrement (B,), iterations (B,), and a status (B,).

    `hessian` (B, p, p) is that before the last step, `reference` (B, p, p) that at the start.
    """

    theta: Tensor
    value: Tensor
    hessian: Tensor
    reference: Tensor
    decrement: Tensor
    iterations: Tensor
    status: Tensor

    @property
    def converged(self) -> Tensor:
        """(B,) bool."""
        return self.status == CONVERGED

    def kept_information(self) -> Tensor:
        """(B,) the least information at the end relative to that at the start, over all directions; 0 where it is not
        positive definite, or was not: a direction that has lost all of it is one in which the objective levels off."""
        least = torch.zeros_like(self.value)
        start, first = factors(-self.reference)
        end, last = factors(-self.hessian)
        known = first & last
        if bool(known.any()):
            half = torch.linalg.solve_triangular(end[known], start[known], upper=False)
            least[known] = torch.linalg.matrix_norm(half, ord=2) ** -2
        return least


def newton_batch(objective: BatchObjective, start: Tensor, tol: float = 1e-8, max_iter: int = 100) -> BatchOptimum:
    """Maximise B objectives from `start` (B, p); those that are not finite there have the status `OUTSIDE`."""
    size = len(start)
    everyone = torch.arange(size)
    theta = start.clone()
    value, gradient, hessian = (part.clone() for part in objective.derivatives(theta, everyone))
    reference = hessian.clone()
    status = torch.full((size,), RUNNING)
    status[~BatchDerivatives(value, gradient, hessian).finite()] = OUTSIDE
    iterations, short = torch.zeros(size, dtype=torch.int64), torch.zeros(size, dtype=torch.int64)
    decrement = torch.full((size,), torch.inf, dtype=torch.float64)
    for iteration in range(max_iter + 1):
        live = torch.nonzero(status == RUNNING)[:, 0]
        if not len(live):
            break
        step, singular = _steps(gradient[live], hessian[live])
        slope = (gradient[live] * step).sum(dim=1)
        before, now = decrement[live], torch.sqrt(slope.clamp(min=0.0))
        decrement[live] = now
        arrived = _arrived(now, before, slope, value[live], gradient[live], hessian[live], tol)
        said = torch.where(arrived, CONVERGED, torch.where(short[live] >= SHORT_STEPS, STALLED, RUNNING))
        said[singular] = SINGULAR
        if iteration == max_iter:
            said[said == RUNNING] = MAX_ITER
        status[live] = said
        polished = live[arrived & ~singular & (now > POLISHED)]
        theta[polished] += step[arrived & ~singular & (now > POLISHED)]  # the error of one more step is its square
        iterations[polished] += 1
        going = said == RUNNING
        live, step, slope = live[going], step[going], slope[going]
        if not len(live):
            break
        length, reached = _climb(objective, theta[live], value[live], step, slope, live)
        lost = length == 0
        status[live[lost]] = STALLED
        crawls = (length < SHORT) & (reached.value - value[live] < CRAWL)
        short[live] = torch.where(crawls, short[live] + 1, 0)
        moved = ~lost
        at = live[moved]
        theta[at] += length[moved, None] * step[moved]
        value[at], gradient[at], hessian[at] = (part[moved] for part in reached)
        iterations[at] += 1
    return BatchOptimum(theta, value, hessian, reference, decrement, iterations, status)


def _arrived(
    now: Tensor, before: Tensor, slope: Tensor, value: Tensor, gradient: Tensor, hessian: Tensor, tol: float
) -> Tensor:
    """(m,) whether each has arrived: by the decrement and the scaled gradient, or where neither can fall further."""
    diagonal = torch.sqrt(torch.diagonal(hessian, dim1=1, dim2=2).abs())
    scaled = torch.where(gradient == 0, 0.0, gradient.abs() / diagonal).amax(dim=1)
    near = torch.maximum(now, scaled)
    still = now > STILL * before
    unseen = (near <= UNSEEN) & (0.5 * slope <= ROUNDING * value.abs())
    return (near <= tol) | (still & ((near <= AT_ROUNDING) | unseen))


def _climb(
    objective: BatchObjective, theta: Tensor, value: Tensor, step: Tensor, slope: Tensor, which: Tensor
) -> tuple[Tensor, BatchDerivatives]:
    """The length (m,) of each one's step, 0 where none rises, and the derivatives there: whole steps first."""
    length = torch.ones_like(value)
    reached = objective.derivatives(theta + step, which)
    down = torch.nonzero(~(reached.finite() & _rises(reached.value, value, slope)))[:, 0]
    if not len(down):
        return length, reached
    left, share = down, 1.0
    length[down] = 0.0
    for reduction in range(REDUCTIONS):
        share *= 0.5 if reduction < HALVINGS else 0.1
        there = objective.values(theta[left] + share * step[left], which[left])
        fine = _rises(there, value[left], share * slope[left])
        length[left[fine]] = share
        left = left[~fine]
        if not len(left):
            break
    found = down[length[down] > 0]
    if len(found):
        again = objective.derivatives(theta[found] + length[found, None] * step[found], which[found])
        for part, new in zip(reached, again, strict=True):
            part[found] = new
        garbage = ~again.finite() | (again.value < value[found] - FALLEN * (1 + value[found].abs()))
        length[found[garbage]] = 0.0
    return length, reached


def _rises(trial: Tensor, value: Tensor, promised: Tensor) -> Tensor:
    """(m,) Armijo's rule, rounding of the value forgiven; NaN and -inf never do."""
    return torch.isfinite(trial) & (trial >= value + ARMIJO * promised - ROUNDING * value.abs())


def _steps(gradient: Tensor, hessian: Tensor) -> tuple[Tensor, Tensor]:
    """Newton's steps (m, p), and which curvatures (m,) have lost most of their digits."""
    lower, definite = factors(-hessian)
    rows = torch.linalg.vector_norm(lower, dim=2)
    thin = (torch.diagonal(lower, dim1=1, dim2=2) <= STEP_CONDITIONED * rows).any(dim=1)
    if not bool(definite.all()):
        lower[~definite] = _repaired(-hessian[~definite])
    step = torch.cholesky_solve(gradient[:, :, None], lower)[:, :, 0]
    return step, definite & thin


def unit_diagonals(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Symmetric matrices (m, p, p) with diagonals of 1, -1 or 0, and the scales (m, p) they were divided by."""
    scale = torch.sqrt(torch.diagonal(matrix, dim1=1, dim2=2).abs())
    scale = torch.where(scale > 0, scale, 1.0)
    return matrix / (scale[:, :, None] * scale[:, None, :]), scale


def inverses(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The inverses of symmetric matrices (m, p, p), and which (m,) are positive definite; others are anything."""
    factor, definite = factors(matrix)
    return torch.cholesky_inverse(factor), definite


def factors(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Cholesky factors (m, p, p), and which of the matrices are positive definite; others have that of the identity."""
    diagonal = torch.diagonal(matrix, dim1=1, dim2=2)
    known = torch.isfinite(matrix).flatten(1).all(dim=1) & (diagonal > 0).all(dim=1)
    scale = torch.where(known[:, None], diagonal, 1.0).sqrt()
    eye = torch.eye(matrix.shape[1], dtype=torch.float64)
    unit = torch.where(known[:, None, None], matrix / (scale[:, :, None] * scale[:, None, :]), eye)
    lower, info = torch.linalg.cholesky_ex(unit)
    known = known & (info == 0)
    return torch.where(known[:, None, None], scale[:, :, None] * lower, eye), known


def _repaired(matrix: Tensor) -> Tensor:
    """Cholesky factors (m, p, p) of matrices whose eigenvalues, at unit diagonal, are made positive and floored."""
    scaled, scale = unit_diagonals(matrix)
    values, vectors = torch.linalg.eigh(scaled)
    size = values.abs()
    size = torch.maximum(size, SMALLEST_EIGENVALUE * size.amax(dim=1, keepdim=True))
    root = torch.linalg.qr(torch.sqrt(size)[:, :, None] * vectors.mT, mode="r").R
    signs = torch.sign(torch.diagonal(root, dim1=1, dim2=2))
    return scale[:, :, None] * (signs[:, :, None] * root).mT
