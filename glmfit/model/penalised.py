"""Bias reduction: the log-likelihood penalised by Jeffreys' prior.

    l*(theta) = l(theta) + log det I(theta) / 2        I = sum_jk X_j' diag(w i_jk) X_k,  i (n, K, K) expected

With the canonical link its maximum is free of the first-order bias (Firth 1993, Biometrika 80, 27-38); it is finite
where data are separated (Kosmidis & Firth 2021, Biometrika 108, 71-82). autograd differentiates i in eta, row by row:

    d/d eta_l = tr(q d_l i) / 2,  q_jk = x_j' I^-1 x_k        d2 = X' tr(q d2 i) X / 2 - tr(I^-1 dI_a I^-1 dI_b) / 2
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from glmfit.model.apart import leverages
from glmfit.model.likelihood import Likelihood, add_gradient, add_hessian, row_derivatives
from glmfit.model.rows import Rows
from glmfit.numerics import Factor, LowRank, Symmetric, curvature, full

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

    def derivatives(self, theta: Tensor) -> tuple[float, Tensor, Symmetric]:
        """Value, gradient (p,) and Hessian (p, p); of wide models the expected information stands for the Hessian."""
        value, slope, found = self.likelihood.derivatives(theta)
        gradient = slope.clone()
        information = self._information(lambda chunk: self.likelihood.etas(chunk, theta))
        if len(theta) > EXACT_COLUMNS:
            lower = curvature.cholesky(information)
            if lower is None:
                return -math.inf, gradient, found
            self._add_slope(gradient, theta, lower)
            return value + curvature.half_log_det(lower), gradient, -information
        return self._exactly(theta, value, gradient, full(found).clone(), full(information))

    def _add_slope(self, gradient: Tensor, theta: Tensor, lower: Factor) -> None:
        """gradient += that of log det I / 2."""
        for chunk, eta, penalty in self._penalties(theta, lower):
            add_gradient(gradient, chunk, row_derivatives(penalty, eta).g)

    def _penalties(
        self, theta: Tensor, lower: Factor
    ) -> Iterator[tuple[Rows, Sequence[Tensor], Callable[..., Tensor]]]:
        """For each chunk its predictors, and what has the derivatives of log det I / 2 in them: tr(q i) / 2, q held."""
        inverse = curvature.inverse(lower)
        for chunk in self.likelihood.chunks:
            of = (
                leverages(self.likelihood, chunk, inverse)
                if isinstance(inverse, LowRank)
                else leverage_rows(chunk, inverse)
            )

            def penalty(*eta: Tensor, chunk: Rows = chunk, half: Tensor = 0.5 * of) -> Tensor:
                return (half * self._rows(chunk, eta)).sum(dim=(1, 2))

            yield chunk, self.likelihood.etas(chunk, theta), penalty

    def _exactly(
        self, theta: Tensor, value: float, gradient: Tensor, hessian: Tensor, information: Tensor
    ) -> tuple[float, Tensor, Tensor]:
        """The same with the Hessian itself, from those of the likelihood."""
        lower = curvature.cholesky(information)
        if lower is None:
            return -math.inf, gradient, hessian
        changes = torch.zeros((len(theta), *information.shape), dtype=torch.float64)
        for chunk, eta, penalty in self._penalties(theta, lower):
            rows = row_derivatives(penalty, eta)
            add_gradient(gradient, chunk, rows.g)
            add_hessian(hessian, chunk, rows.h)
            self._add_changes(changes, chunk, eta)
        # the trace is the inner product of L^-1 dI_a L^-T and L^-1 dI_b L^-T
        half = torch.linalg.solve_triangular(lower, changes, upper=False)
        whole = torch.linalg.solve_triangular(lower, half.transpose(1, 2), upper=False).flatten(1)
        return value + curvature.half_log_det(lower), gradient, hessian - 0.5 * (whole @ whole.T)

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

    def _information(self, etas: Callable[[Rows], Sequence[Tensor]]) -> Symmetric:
        """(p, p) I at the linear predictors of each chunk."""
        total = self.likelihood.no_curvature()
        for chunk in self.likelihood.chunks:
            leaves = [one.detach().requires_grad_(True) for one in etas(chunk)]
            self.likelihood.add_hessian(total, chunk, self._rows(chunk, leaves).detach())
        return total

    def _value(self, value: float, etas: Callable[[Rows], Sequence[Tensor]]) -> float:
        lower = curvature.cholesky(self._information(etas))
        return -math.inf if lower is None else value + curvature.half_log_det(lower)


def leverage_rows(chunk: Rows, inverse: Tensor) -> Tensor:
    """(n, K, K) q_jk = x_j' I^-1 x_k."""
    sides = [(predictor.X.dense(), predictor.columns) for predictor in chunk.predictors]
    rows = [[((x @ inverse[a[:, None], b]) * z).sum(dim=1) for z, b in sides] for x, a in sides]
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
