"""Continuous responses with a dispersion phi: gaussian, gamma, inverse-gaussian.

gaussian V = 1      gamma V = mu^2      inverse-gaussian V = mu^3        (McCullagh & Nelder 1989, table 2.1)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from glmfit.families.base import LOG_2PI, PHI, Family, Parameter, PositiveMean, Support
from glmfit.families.cumulate import inverse
from glmfit.families.links import REAL_LINKS
from glmfit.families.special import log1mexp, log_erfcx, log_gamma_normaliser, log_ndtr, logaddexp
from glmfit.families.tails import IntegratedTails
from glmfit.lazy import torch

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


class Gaussian(Family):
    """log f = -(log 2 pi + log phi + (y - mu)^2 / phi) / 2."""

    name = "gaussian"
    elementwise = True
    aliases = ("normal", "ols", "linear")
    summary = "real responses with constant variance phi"
    example = 'glmfit fit sample_data/mtcars.csv "mpg ~ wt + hp"'
    support = Support(-math.inf, math.inf, text="real numbers")
    parameters = (Parameter("mu", "identity", REAL_LINKS), PHI)
    quadratic_links = ("identity",)
    separable_phi = True
    orthogonal_mean = True

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        return {"mu": float((weight * y).sum() / weight.sum())}

    def log_density(self, y: Tensor, mu: Tensor, log_phi: Tensor) -> Tensor:  # type: ignore[override]
        return -0.5 * (LOG_2PI + log_phi + (y - mu) ** 2 * torch.exp(-log_phi))

    def variance(self, mu: Tensor, *others: Tensor, **columns: Tensor) -> Tensor:
        return torch.ones_like(mu)

    def unit_deviance(self, y: Tensor, mu: Tensor, *others: Tensor) -> Tensor:  # type: ignore[override]
        return (y - mu) ** 2

    def log_cdf(self, y: Tensor, mu: Tensor, log_phi: Tensor) -> Tensor:  # type: ignore[override]
        return log_ndtr((y - mu) * torch.exp(-0.5 * log_phi))

    def log_survival(self, y: Tensor, mu: Tensor, log_phi: Tensor) -> Tensor:  # type: ignore[override]
        return log_ndtr((mu - y) * torch.exp(-0.5 * log_phi))

    def quantile(self, probability: Tensor, mu: Tensor, log_phi: Tensor) -> Tensor:  # type: ignore[override]
        return mu + torch.exp(0.5 * log_phi) * torch.special.ndtri(probability)

    def simulate(self, random: np.random.Generator, mu: np.ndarray, phi: np.ndarray) -> np.ndarray:  # type: ignore[override]
        return random.normal(mu, phi**0.5)


class Gamma(IntegratedTails, PositiveMean):
    """Shape 1/phi, mean mu: log f = (log y - log mu - y/mu)/phi - log y - log phi / phi - lgamma(1/phi)."""

    name = "gamma"
    elementwise = True
    summary = "positive responses whose standard deviation grows with the mean: Var = phi mu^2"
    example = 'glmfit fit sample_data/clotting.csv "time ~ log(concentration)*lot" --family gamma'
    support = Support(0, math.inf, lower_open=True, text="positive numbers")
    with_zeros = "hurdle-gamma"
    parameters = (PositiveMean.mu_parameter, PHI)
    separable_phi = True

    def log_density(self, y: Tensor, log_mu: Tensor, log_phi: Tensor) -> Tensor:  # type: ignore[override]
        log_y = y.log()
        return self.log_integrand(log_y, log_mu, log_phi) - log_y

    def coordinate(self, y: Tensor, *working: Tensor) -> Tensor:
        return y.log()

    def log_integrand(self, u: Tensor, log_mu: Tensor, log_phi: Tensor) -> Tensor:  # type: ignore[override]
        # Was: (log y - log mu - y/mu)/phi - log(phi)/phi - lgamma(1/phi); the unit deviance keeps its digits where phi
        # is small, and the rest is log_gamma_normaliser.
        log_ratio = u - log_mu
        return (log_ratio - torch.expm1(log_ratio)) * torch.exp(-log_phi) + log_gamma_normaliser(log_phi)

    def variance(self, mu: Tensor, *others: Tensor, **columns: Tensor) -> Tensor:
        return mu**2

    def over_variance(self, error: Tensor, mu: Tensor, *others: Tensor, **columns: Tensor) -> Tensor:  # type: ignore[override]
        return (error / mu) ** 2

    def unit_deviance(self, y: Tensor, log_mu: Tensor, *others: Tensor) -> Tensor:  # type: ignore[override]
        log_ratio = y.log() - log_mu
        return 2 * (torch.expm1(log_ratio) - log_ratio)

    def quantile(self, probability: Tensor, log_mu: Tensor, log_phi: Tensor) -> Tensor:  # type: ignore[override]
        from scipy.special import gammainccinv, gammaincinv

        standard = inverse(gammaincinv, gammainccinv, probability, torch.exp(-log_phi))
        return torch.exp(log_mu + log_phi) * standard

    def simulate(self, random: np.random.Generator, mu: np.ndarray, phi: np.ndarray) -> np.ndarray:  # type: ignore[override]
        return random.gamma(1 / phi, mu * phi)


class InverseGaussian(PositiveMean):
    """log f = -(log(2 pi phi y^3) + (y - mu)^2 / (phi mu^2 y)) / 2."""

    name = "inverse-gaussian"
    elementwise = True
    aliases = ("inverse.gaussian", "ig", "igaussian")
    summary = "positive responses with a heavy right tail: Var = phi mu^3"
    example = 'glmfit fit sample_data/clotting.csv "time ~ log(concentration)" --family inverse-gaussian --link log'
    support = Support(0, math.inf, lower_open=True, text="positive numbers")
    with_zeros = "hurdle-inverse-gaussian"
    parameters = (Parameter("mu", "log", ("inverse-squared", "log", "identity", "inverse", "sqrt", "power:K")), PHI)
    separable_phi = True

    def log_density(self, y: Tensor, log_mu: Tensor, log_phi: Tensor) -> Tensor:  # type: ignore[override]
        return -0.5 * (LOG_2PI + log_phi + 3 * y.log() + self.unit_deviance(y, log_mu) * torch.exp(-log_phi))

    def variance(self, mu: Tensor, *others: Tensor, **columns: Tensor) -> Tensor:
        return mu**3

    def over_variance(self, error: Tensor, mu: Tensor, *others: Tensor, **columns: Tensor) -> Tensor:  # type: ignore[override]
        return (error / mu) ** 2 / mu

    def unit_deviance(self, y: Tensor, log_mu: Tensor, *others: Tensor) -> Tensor:  # type: ignore[override]
        return torch.expm1(y.log() - log_mu) ** 2 / y

    def log_cdf(self, y: Tensor, log_mu: Tensor, log_phi: Tensor) -> Tensor:  # type: ignore[override]
        """log(Phi(a) + exp(2 / (phi mu)) Phi(-b)), a and b = (y / mu -+ 1) / sqrt(phi y), b^2 - a^2 = 4 / (phi mu).

        Shuster (1968), Journal of the American Statistical Association 63, 1514-1516.
        """
        a, b = self._standard(y, log_mu, log_phi)
        return logaddexp(log_ndtr(a), log_erfcx(b * math.sqrt(0.5)) - math.log(2) - 0.5 * a**2)

    def log_survival(self, y: Tensor, log_mu: Tensor, log_phi: Tensor) -> Tensor:  # type: ignore[override]
        a, b = self._standard(y, log_mu, log_phi)
        # Was: log1mexp(log_cdf), which is rounding error in the right tail. There both terms have the factor
        # exp(-a^2 / 2) / 2, and what remains is erfcx(a / sqrt 2) - erfcx(b / sqrt 2).
        right = a > 0
        at_a = log_erfcx(torch.where(right, a, 0.0) * math.sqrt(0.5))
        at_b = log_erfcx(torch.where(right, b, 1.0) * math.sqrt(0.5))
        tail = at_a + log1mexp(at_b - at_a) - math.log(2) - 0.5 * a**2
        return torch.where(right, tail, log1mexp(torch.where(right, -1.0, self.log_cdf(y, log_mu, log_phi))))

    def _standard(self, y: Tensor, log_mu: Tensor, log_phi: Tensor) -> tuple[Tensor, Tensor]:
        log_ratio, scale = y.log() - log_mu, torch.exp(-0.5 * (log_phi + y.log()))
        return torch.expm1(log_ratio) * scale, (torch.exp(log_ratio) + 1) * scale

    def simulate(self, random: np.random.Generator, mu: np.ndarray, phi: np.ndarray) -> np.ndarray:  # type: ignore[override]
        return random.wald(mu, 1 / phi)
