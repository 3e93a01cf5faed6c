"""How the information changes with the coefficients: third derivatives of the log-density along the predictors.

    d/d theta tr(M (-H(theta))) / 2        -H = -sum_jk X_j' diag(w h_jk) X_k,  M (size, size) held

Row by row it is the derivative in eta of -w sum_jk q_jk h_jk / 2 with q_jk = x_j' M x_k, by one more pass of autograd.
"""

from __future__ import annotations

import torch
from torch import Tensor

from glmfit.model import Likelihood, add_gradient, gradients, leverage_rows


def slope_of_expected_trace(likelihood: Likelihood, theta: Tensor, matrix: Tensor) -> Tensor:
    """The same of the expected information of the mean, whose rows are functions of the predictors."""
    total = torch.zeros(likelihood.size, dtype=torch.float64)
    for chunk in likelihood.chunks:
        leaves = [eta.detach().requires_grad_(True) for eta in likelihood.etas(chunk, theta)]
        rows = (leverage_rows(chunk, matrix) * likelihood.information(chunk, leaves)).sum(dim=(1, 2))
        g = torch.stack(gradients(rows, leaves, create_graph=False), dim=1)
        add_gradient(total, chunk, 0.5 * chunk.weight[:, None] * g)
    return total


def slope_of_trace(likelihood: Likelihood, theta: Tensor, matrix: Tensor) -> Tensor:
    """(size,) the derivative of tr(M (-H)) / 2 in theta."""
    total = torch.zeros(likelihood.size, dtype=torch.float64)
    for chunk in likelihood.chunks:
        leaves = [eta.detach().requires_grad_(True) for eta in likelihood.etas(chunk, theta)]
        q = leverage_rows(chunk, matrix)
        first = gradients(likelihood.log_density(chunk, *leaves), leaves, create_graph=True)
        rows = torch.zeros_like(chunk.y)
        for j, slope in enumerate(first):
            for k, second in enumerate(gradients(slope, leaves, create_graph=True)):
                rows = rows + q[:, j, k] * second
        third = gradients(rows, leaves, create_graph=False)
        g = torch.stack(third, dim=1)
        add_gradient(total, chunk, -0.5 * chunk.weight[:, None] * g)
    return total
