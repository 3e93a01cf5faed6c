"""Bias reduction: the log-likelihood penalised by Jeffreys' prior, of a model with one linear predictor.

    l*(theta) = l(theta) + log det I(theta) / 2        I = X' W X,  W_i = (d E(y_i) / d eta_i)^2 / Var(y_i)

With the canonical link its maximum is free of the first-order bias (Firth 1993, Biometrika 80, 27-38); it is finite
where data are separated (Kosmidis & Firth 2021, Biometrika 108, 71-82). autograd differentiates W in eta, row by row:

    d/d eta_i = q_i W_i' / 2,  q_i = x_i' I^-1 x_i        d2 = X' diag(q W'') X / 2 - tr(I^-1 dI_j I^-1 dI_k) / 2
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from glmfit.model.likelihood import Likelihood, Predictor, Rows, add_gradient, add_hessian, row_derivatives
from glmfit.numerics import curvature

EXACT_COLUMNS = 100  # beyond, the p products X' diag(W' x_j) X cost more than the steps that they save


class Jeffreys:
    """l* of a likelihood with one linear predictor: an `Objective`; -inf where the information is singular."""

    def __init__(self, likelihood: Likelihood) -> None:
        self.likelihood = likelihood

    def value(self, theta: Tensor) -> float:
        """l*(theta), to a constant that depends on the units of the columns."""
        return self._value(self.likelihood.value(theta), [self._eta(chunk, theta) for chunk in self.likelihood.chunks])

    def along(self, theta: Tensor, direction: Tensor) -> Callable[[float], float]:
        """t -> l*(theta + t direction)."""
        plain = self.likelihood.along(theta, direction)
        base = [self._eta(chunk, theta) for chunk in self.likelihood.chunks]
        slope = [p.X.matvec(direction[p.columns]) for p in map(_predictor, self.likelihood.chunks)]
        return lambda t: self._value(plain(t), [b + t * s for b, s in zip(base, slope, strict=True)])

    def derivatives(self, theta: Tensor) -> tuple[float, Tensor, Tensor]:
        """Value, gradient (p,) and Hessian (p, p); of wide models the expected information stands for the Hessian."""
        value, gradient, hessian = self.likelihood.derivatives(theta)
        rows = []
        information = torch.zeros_like(hessian)
        for chunk in self.likelihood.chunks:
            weights = row_derivatives(lambda eta, chunk=chunk: self._weights(chunk, eta), [self._eta(chunk, theta)])
            rows.append((chunk, weights))
            add_hessian(information, chunk, weights.l[:, None, None])
        lower = curvature.cholesky(information)
        if lower is None:
            return -math.inf, gradient, hessian
        inverse = torch.cholesky_inverse(lower)
        wide = len(theta) > EXACT_COLUMNS
        changes = torch.zeros((len(theta), *inverse.shape), dtype=torch.float64)
        for chunk, weights in rows:
            x = _predictor(chunk).X.dense()
            half_leverage = 0.5 * ((x @ inverse) * x).sum(dim=1)
            add_gradient(gradient, chunk, half_leverage[:, None] * weights.g)
            if not wide:
                add_hessian(hessian, chunk, half_leverage[:, None, None] * weights.h)
                for j in range(len(theta)):
                    add_hessian(changes[j], chunk, (x[:, j] * weights.g[:, 0])[:, None, None])
        if wide:
            hessian = -information
        else:  # the trace is the inner product of L^-1 dI_j L^-T and L^-1 dI_k L^-T
            half = torch.linalg.solve_triangular(lower, changes, upper=False)
            whole = torch.linalg.solve_triangular(lower, half.transpose(1, 2), upper=False).flatten(1)
            hessian = hessian - 0.5 * (whole @ whole.T)
        return value + _half_log_det(lower), gradient, hessian

    def expected(self, theta: Tensor) -> Tensor | None:
        return self.likelihood.expected(theta)

    def information_root(self, theta: Tensor) -> Tensor | None:
        return None

    def _eta(self, chunk: Rows, theta: Tensor) -> Tensor:
        return self.likelihood.etas(chunk, theta)[0]

    def _weights(self, chunk: Rows, eta: Tensor) -> Tensor:
        return chunk.weight * self.likelihood.mean_information(chunk, eta)

    def _value(self, value: float, etas: list[Tensor]) -> float:
        information = torch.zeros((self.likelihood.size, self.likelihood.size), dtype=torch.float64)
        for chunk, eta in zip(self.likelihood.chunks, etas, strict=True):
            weights = self._weights(chunk, eta.detach().requires_grad_(True)).detach()
            add_hessian(information, chunk, weights[:, None, None])
        lower = curvature.cholesky(information)
        return -math.inf if lower is None else value + _half_log_det(lower)


def _predictor(chunk: Rows) -> Predictor:
    (predictor,) = chunk.predictors
    return predictor


def _half_log_det(lower: Tensor) -> float:
    """log det (L L') / 2."""
    return float(torch.diagonal(lower).log().sum())
