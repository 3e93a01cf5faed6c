"""Continuous responses with a dispersion phi: gaussian, gamma, inverse-gaussian.

gaussian V = 1      gamma V = mu^2      inverse-gaussian V = mu^3        (McCullagh & Nelder 1989, table 2.1)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from glmfit.families.base import LOG_2PI, PHI, Family, Parameter, PositiveMean, Support
from glmfit.lazy import torch
from glmfit.links import REAL_LINKS
from glmfit.special import log_gamma_normaliser

if TYPE_CHECKING:
    from torch import Tensor


class Gaussian(Family):
    """log f = -(log 2 pi + log phi + (y - mu)^2 / phi) / 2."""

    name = "gaussian"
    aliases = ("normal", "ols", "linear")
    summary = "real responses with constant variance phi"
    example = 'glmfit fit sample_data/mtcars.csv "mpg ~ wt + hp"'
    support = Support(-math.inf, math.inf, text="real numbers")
    parameters = (Parameter("mu", "identity", REAL_LINKS), PHI)
    quadratic_links = ("identity",)
    orthogonal_mean = True

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        return {"mu": float((weight * y).sum() / weight.sum())}

    def log_density(self, y: Tensor, mu: Tensor, log_phi: Tensor) -> Tensor:  # type: ignore[override]
        return -0.5 * (LOG_2PI + log_phi + (y - mu) ** 2 * torch.exp(-log_phi))

    def variance(self, mu: Tensor, *others: Tensor, **columns: Tensor) -> Tensor:
        return torch.ones_like(mu)

    def unit_deviance(self, y: Tensor, mu: Tensor, *others: Tensor) -> Tensor:  # type: ignore[override]
        return (y - mu) ** 2


class Gamma(PositiveMean):
    """Shape 1/phi, mean mu: log f = (log y - log mu - y/mu)/phi - log y - log phi / phi - lgamma(1/phi)."""

    name = "gamma"
    summary = "positive responses whose standard deviation grows with the mean: Var = phi mu^2"
    example = 'glmfit fit sample_data/clotting.csv "time ~ log(concentration)*lot" --family gamma'
    support = Support(0, math.inf, lower_open=True, text="positive numbers")
    parameters = (PositiveMean.mu_parameter, PHI)

    def log_density(self, y: Tensor, log_mu: Tensor, log_phi: Tensor) -> Tensor:  # type: ignore[override]
        # Was: (log y - log mu - y/mu)/phi - log y - log(phi)/phi - lgamma(1/phi); the unit deviance keeps its digits
        # where phi is small, and the rest is log_gamma_normaliser.
        return -0.5 * self.unit_deviance(y, log_mu) * torch.exp(-log_phi) + log_gamma_normaliser(log_phi) - y.log()

    def variance(self, mu: Tensor, *others: Tensor, **columns: Tensor) -> Tensor:
        return mu**2

    def unit_deviance(self, y: Tensor, log_mu: Tensor, *others: Tensor) -> Tensor:  # type: ignore[override]
        log_ratio = y.log() - log_mu
        return 2 * (torch.expm1(log_ratio) - log_ratio)


class InverseGaussian(PositiveMean):
    """log f = -(log(2 pi phi y^3) + (y - mu)^2 / (phi mu^2 y)) / 2."""

    name = "inverse-gaussian"
    aliases = ("inverse.gaussian", "ig", "igaussian")
    summary = "positive responses with a heavy right tail: Var = phi mu^3"
    example = 'glmfit fit sample_data/clotting.csv "time ~ log(concentration)" --family inverse-gaussian --link log'
    support = Support(0, math.inf, lower_open=True, text="positive numbers")
    parameters = (Parameter("mu", "log", ("inverse-squared", "log", "identity", "inverse", "sqrt", "power:K")), PHI)

    def log_density(self, y: Tensor, log_mu: Tensor, log_phi: Tensor) -> Tensor:  # type: ignore[override]
        return -0.5 * (LOG_2PI + log_phi + 3 * y.log() + self.unit_deviance(y, log_mu) * torch.exp(-log_phi))

    def variance(self, mu: Tensor, *others: Tensor, **columns: Tensor) -> Tensor:
        return mu**3

    def unit_deviance(self, y: Tensor, log_mu: Tensor, *others: Tensor) -> Tensor:  # type: ignore[override]
        return torch.expm1(y.log() - log_mu) ** 2 / y
