"""Generalised cross-validation, which needs no likelihood: n D / (n - t)^2 with the deviance D, and t effective degrees
of freedom, by the expected information I of the mean: t = tr (I + P)^-1 I.

Where phi is known it is D / n + 2 t phi / n - phi instead, the unbiased risk (Craven and Wahba 1979; Wood 2008). As an
objective it is -n log(score) / 2, or -n score / (2 phi), which curve as a log-likelihood does. Its gradient is exact,
its Hessian the difference of gradients.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from glmfit.inference import goodness
from glmfit.model import Likelihood, add_gradient, gradients, leverage_rows
from glmfit.numerics import full
from glmfit.penalty import Integrated, Laplace, Penalised
from glmfit.penalty.matrices import add_blocks, inverse
from glmfit.smoothing.freedom import information, penalised_factor

STEP = 1e-4  # of a difference


@dataclass(slots=True, eq=False)
class Validated:
    """The criterion as what is maximised, of a model whose phi is held at `unit`; `phi` where it is known."""

    laplace: Laplace
    unit: float
    phi: float | None
    _found: dict[bytes, tuple[float, Tensor, Tensor]] = field(default_factory=dict)

    @property
    def of(self) -> Penalised:
        return self.laplace.of

    def at(self, psi: Tensor) -> Integrated | None:
        """The coefficients at these strengths."""
        return self.laplace.at(psi)

    def value(self, psi: Tensor) -> float:
        return self._sloped(psi)[0]

    def derivatives(self, psi: Tensor) -> tuple[float, Tensor, Tensor]:
        """Value, gradient (k,) and Hessian (k, k)."""
        key = psi.numpy().tobytes()
        if key not in self._found:
            value, gradient = self._sloped(psi)
            units = torch.eye(len(psi), dtype=torch.float64)
            hessian = torch.stack([(self._sloped(psi + STEP * unit)[1] - gradient) / STEP for unit in units])
            self._found.clear()
            self._found[key] = value, gradient, 0.5 * (hessian + hessian.T)
        return self._found[key]

    def score(self, psi: Tensor) -> float:
        """The criterion itself."""
        n, value = self.of.model.n, self.value(psi)
        return math.exp(-2 * value / n) if self.phi is None else -2 * value * self.phi / n

    def _sloped(self, psi: Tensor) -> tuple[float, Tensor]:
        """Value and gradient (k,)."""
        of, found = self.of, self.at(psi)
        if found is None:
            return -math.inf, torch.zeros_like(psi)
        lower = penalised_factor(of, found, information(found, True))
        if lower is None:
            return -math.inf, torch.zeros_like(psi)
        A_inverse, B_inverse = full(found.inverse()), full(inverse(lower))
        S, moved, of_freedom = torch.zeros_like(A_inverse), [], []
        for places, jet in zip(of.places, found.jets, strict=True):
            add_blocks(S, places, jet.P)
        pull = B_inverse @ S @ B_inverse
        for places, jet in zip(of.places, found.jets, strict=True):
            for one in jet.first:
                rises = torch.zeros_like(S)
                add_blocks(rises, places, one)
                moved.append(rises @ found.theta)
                of_freedom.append(((pull - B_inverse) * rises).sum())
        follows = -torch.stack(moved) @ A_inverse  # (k, size) d b / d omega
        change = slope_of_expected_trace(found.likelihood, found.theta, pull)
        freedom = of.size - float((B_inverse * S).sum())
        slopes = torch.stack(of_freedom) + 2 * follows @ change
        deviance = goodness(found.likelihood, found.theta).deviance
        of_deviance = -2 * self.unit * (follows @ (S @ found.theta))
        n, phi = of.model.n, self.phi
        if phi is not None:
            return -deviance / (2 * phi) - freedom + n / 2, -of_deviance / (2 * phi) - slopes
        left = n - freedom
        if not (left > 0 and deviance > 0):
            return -math.inf, torch.zeros_like(psi)
        value = -0.5 * n * math.log(n * deviance / left**2)
        return value, -0.5 * n * (of_deviance / deviance + 2 * slopes / left)


def slope_of_expected_trace(likelihood: Likelihood, theta: Tensor, matrix: Tensor) -> Tensor:
    """(size,) the derivative in theta of tr(M I) / 2, I the expected information, M (size, size) held."""
    total = torch.zeros(likelihood.size, dtype=torch.float64)
    for chunk in likelihood.chunks:
        leaves = [eta.detach().requires_grad_(True) for eta in likelihood.etas(chunk, theta)]
        rows = (leverage_rows(chunk, matrix) * likelihood.information(chunk, leaves)).sum(dim=(1, 2))
        g = torch.stack(gradients(rows, leaves, create_graph=False), dim=1)
        add_gradient(total, chunk, 0.5 * chunk.weight[:, None] * g)
    return total
