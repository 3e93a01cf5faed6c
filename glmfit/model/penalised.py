"""Bias reduction: the log-likelihood penalised by Jeffreys' prior.

    l*(theta) = l(theta) + log det I(theta) / 2        I = sum_jk X_j' diag(w i_jk) X_k,  i (n, K, K) expected

With the canonical link its maximum is free of the first-order bias (Firth 1993, Biometrika 80, 27-38); it is finite
where data are separated (Kosmidis & Firth 2021, Biometrika 108, 71-82). autograd differentiates i in eta, row by row:

    d/d eta_l = tr(q d_l i) / 2,  q_jk = x_j' I^-1 x_k        d2 = X' tr(q d2 i) X / 2 - tr(I^-1 dI_a I^-1 dI_b) / 2
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from glmfit.model.likelihood import Likelihood, add_gradient, add_hessian, row_derivatives
from glmfit.model.rows import Rows
from glmfit.numerics import Symmetric, curvature, full

EXACT_COLUMNS = 100  # beyond, the p products X' diag(i' x_a) X cost more than the steps that they save


class Jeffreys:
    """l* of a likelihood with an expected information: an `Objective`; -inf where that is singular."""

    def __init__(self, likelihood: Likelihood) -> None:
        self.likelihood = likelihood

    def value(self, theta: Tensor) -> float:
        """l*(theta), to a constant that depends on the units of the columns."""
        return self._value(self.likelihood.value(theta), lambda chunk: self.likelihood.etas(chunk, theta))

    def along(self, theta: Tensor, direction: Tensor) -> Callable[[float], float]:
        """t -> l*(theta + t direction)."""
        plain = self.likelihood.along(theta, direction)
        line = self.likelihood.line(theta, direction)
        return lambda t: self._value(plain(t), line(t))

    def derivatives(self, theta: Tensor) -> tuple[float, Tensor, Tensor]:
        """Value, gradient (p,) and Hessian (p, p); of wide models the expected information stands for the Hessian."""
        value, slope, found = self.likelihood.derivatives(theta)
        gradient, hessian = slope.clone(), full(found).clone()
        information = self._information(lambda chunk: self.likelihood.etas(chunk, theta))
        lower = curvature.cholesky(information)
        if lower is None:
            return -math.inf, gradient, hessian
        inverse = torch.cholesky_inverse(lower)
        wide = len(theta) > EXACT_COLUMNS
        changes = torch.zeros((len(theta), *inverse.shape), dtype=torch.float64)
        for chunk in self.likelihood.chunks:
            eta = self.likelihood.etas(chunk, theta)
            half_leverage = 0.5 * _leverage(chunk, inverse)

            def penalty(*eta: Tensor, chunk: Rows = chunk, half_leverage: Tensor = half_leverage) -> Tensor:
                return (half_leverage * self._rows(chunk, eta)).sum(dim=(1, 2))

            rows = row_derivatives(penalty, eta)
            add_gradient(gradient, chunk, rows.g)
            if not wide:
                add_hessian(hessian, chunk, rows.h)
                self._add_changes(changes, chunk, eta)
        if wide:
            hessian = -information
        else:  # the trace is the inner product of L^-1 dI_a L^-T and L^-1 dI_b L^-T
            half = torch.linalg.solve_triangular(lower, changes, upper=False)
            whole = torch.linalg.solve_triangular(lower, half.transpose(1, 2), upper=False).flatten(1)
            hessian = hessian - 0.5 * (whole @ whole.T)
        return value + _half_log_det(lower), gradient, hessian

    def expected(self, theta: Tensor) -> Symmetric | None:
        return self.likelihood.expected(theta)

    def information_root(self, theta: Tensor) -> Tensor | None:
        return None

    def _rows(self, chunk: Rows, etas: Sequence[Tensor]) -> Tensor:
        """(n, K, K) w i, to be differentiated in the linear predictors, which require it."""
        found = chunk.weight[:, None, None] * self.likelihood.information(chunk, etas)
        return found + 0 * torch.stack(list(etas)).sum(dim=0)[:, None, None]  # it may not depend on them

    def _add_changes(self, changes: Tensor, chunk: Rows, etas: Sequence[Tensor]) -> None:
        """changes[a] += dI / d theta_a (p, p), for every coefficient a."""
        leaves = [eta.detach().requires_grad_(True) for eta in etas]
        rows = self._rows(chunk, leaves)
        n, size = len(chunk.y), len(leaves)
        slopes = torch.zeros((size, n, size, size), dtype=torch.float64)
        for j in range(size):
            for k in range(j, size):
                found = torch.autograd.grad(rows[:, j, k].sum(), leaves, retain_graph=True, allow_unused=True)
                for at, slope in enumerate(found):
                    if slope is not None:
                        slopes[at, :, j, k] = slopes[at, :, k, j] = slope
        for predictor, slope in zip(chunk.predictors, slopes, strict=True):
            x = predictor.X.dense()
            for column, a in enumerate(predictor.columns.tolist()):
                add_hessian(changes[a], chunk, x[:, column, None, None] * slope)

    def _information(self, etas: Callable[[Rows], Sequence[Tensor]]) -> Tensor:
        """(p, p) I at the linear predictors of each chunk."""
        total = torch.zeros((self.likelihood.size, self.likelihood.size), dtype=torch.float64)
        for chunk in self.likelihood.chunks:
            leaves = [one.detach().requires_grad_(True) for one in etas(chunk)]
            add_hessian(total, chunk, self._rows(chunk, leaves).detach())
        return total

    def _value(self, value: float, etas: Callable[[Rows], Sequence[Tensor]]) -> float:
        lower = curvature.cholesky(self._information(etas))
        return -math.inf if lower is None else value + _half_log_det(lower)


def _leverage(chunk: Rows, inverse: Tensor) -> Tensor:
    """(n, K, K) q_jk = x_j' I^-1 x_k."""
    sides = [(predictor.X.dense(), predictor.columns) for predictor in chunk.predictors]
    rows = [[((x @ inverse[a[:, None], b]) * z).sum(dim=1) for z, b in sides] for x, a in sides]
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


def _half_log_det(lower: Tensor) -> float:
    """log det (L L') / 2."""
    return float(torch.diagonal(lower).log().sum())
