"""Functions that torch lacks, or has in a form whose derivatives overflow, each stable through two derivatives.

Both branches of a `where` are differentiated, so each gets an argument that is safe for it ("double where").
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from glmfit.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

# Coefficients B_2k / (2k (2k - 1)) of Stirling's series; Abramowitz & Stegun 6.1.41.
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
_LARGE_SHAPE = 16.0  # from here on seven terms of the series leave an error below 1e-17


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)), with every digit of both derivatives in both tails.

    torch's own turns linear at 20 and takes the second derivative from 1 - sigmoid, which is 0 above 37; below 0 it is
    exact, and softplus(x) = x + softplus(-x).
    """
    below = x < 0
    return torch.where(below, 0.0, x) + torch.nn.functional.softplus(torch.where(below, x, -x))


def log_ndtr(x: Tensor) -> Tensor:
    """log Phi(x), the log of the standard normal distribution function.

    torch's log_ndtr differentiates through erfcx(-x / sqrt 2), which overflows for x > 37; above 0 use the complement.
    """
    below = torch.special.log_ndtr(torch.where(x < 0, x, 0.0))
    above = torch.log1p(-0.5 * torch.special.erfc(torch.where(x < 0, 0.0, x) * math.sqrt(0.5)))
    return torch.where(x < 0, below, above)


def log1mexp(x: Tensor) -> Tensor:
    """log(1 - exp(x)) for x < 0; NaN for x > 0."""
    return torch.log(-torch.expm1(x))


def log_rising(y: Tensor, log_alpha: Tensor) -> Tensor:
    """log of prod_{j<y} (1 + j alpha) = lgamma(y + r) - lgamma(r) - y log r with r = 1/alpha, for real y >= 0.

    Was: torch.lgamma(y + r) - torch.lgamma(r) - y * r.log(), which loses all digits as alpha tends to 0. For large r
    Stirling's formula gives (r + y - 1/2) log1p(y alpha) - y + S(r + y) - S(r), whose error is of the order of y eps.
    """
    threshold = -math.log(_LARGE_SHAPE)
    large = log_alpha < threshold
    small_r = torch.exp(-torch.where(large, threshold, log_alpha))
    direct = torch.lgamma(y + small_r) - torch.lgamma(small_r) - y * torch.log(small_r)
    alpha = torch.exp(torch.where(large, log_alpha, threshold))
    r = 1.0 / alpha
    series = (r + y - 0.5) * torch.log1p(y * alpha) - y + _stirling(r + y) - _stirling(r)
    return torch.where(large, series, direct)


def _stirling(z: Tensor) -> Tensor:
    """The remainder S(z) of lgamma(z) = (z - 1/2) log z - z + log(2 pi)/2 + S(z), for z >= 16."""
    inverse = 1.0 / z
    square = inverse * inverse
    total = torch.zeros_like(z)
    for coefficient in reversed(_STIRLING):
        total = total * square + coefficient
    return total * inverse


def log_gamma_normaliser(log_phi: Tensor) -> Tensor:
    """k log k - k - lgamma(k) with k = 1/phi: what a gamma density of mean 1 has at y = 1.

    Was: k * k.log() - k - torch.lgamma(k), whose terms cancel for a large shape; by Stirling's formula it is
    (log k - log 2 pi)/2 - S(k).
    """
    threshold = -math.log(_LARGE_SHAPE)
    large = log_phi < threshold
    small_k = torch.exp(-torch.where(large, threshold, log_phi))
    direct = small_k * small_k.log() - small_k - torch.lgamma(small_k)
    safe = torch.where(large, log_phi, threshold)
    series = -0.5 * (safe + math.log(2 * math.pi)) - _stirling(torch.exp(-safe))
    return torch.where(large, series, direct)
