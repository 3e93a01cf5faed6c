"""Rows of a log-likelihood beyond their Hessian: what Laplace's log-determinant changes by along eta, from autograd.

phi = sum_jk q_jk h_jk, q held        its gradient (n, K) and Hessian (n, K, K) in eta, and d h_jk / d eta_l
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from glmfit.model.likelihood import gradients


class HigherDerivatives(NamedTuple):
    """Per row: gradient `g` (n, K), Hessian `h` (n, K, K), third derivatives `d` (n, K, K, K), and those of phi."""

    g: Tensor
    h: Tensor
    d: Tensor
    slope: Tensor
    curvature: Tensor


def higher_derivatives(
    log_density: Callable[..., Tensor], etas: Sequence[Tensor], q: Tensor, curved: bool
) -> HigherDerivatives:
    """Of `log_density(*etas)` (n,); the curvature of phi and the third derivatives only where they are asked for."""
    leaves = [eta.detach().requires_grad_(True) for eta in etas]
    n, size = len(q), len(leaves)
    first = gradients(log_density(*leaves), leaves, create_graph=True)
    g, h, phi = torch.stack([one.detach() for one in first], dim=1), q.new_zeros((n, size, size)), q.new_zeros(n)
    d = q.new_zeros((n, size, size, size)) if curved else q.new_zeros(0)
    for j in range(size):
        for k, second in enumerate(gradients(first[j], leaves[j:], create_graph=True), start=j):
            h[:, j, k] = h[:, k, j] = second.detach()
            phi = phi + (1.0 if j == k else 2.0) * q[:, j, k] * second
            for l, third in enumerate(gradients(second, leaves, create_graph=False) if curved else ()):  # noqa: E741
                d[:, j, k, l] = d[:, k, j, l] = third
    slopes = gradients(phi, leaves, create_graph=curved)
    curvature = q.new_zeros((n, size, size) if curved else 0)
    for j, one in enumerate(slopes if curved else ()):
        for k, second in enumerate(gradients(one, leaves[j:], create_graph=False), start=j):
            curvature[:, j, k] = curvature[:, k, j] = second
    return HigherDerivatives(g, h, d, torch.stack([one.detach() for one in slopes], dim=1), curvature)
