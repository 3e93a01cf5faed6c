"""Counts: poisson, negative-binomial, geometric.

poisson V = mu      negative binomial V = mu + alpha mu^2      geometric: alpha = 1
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from glmfit.families.base import Canonical, Parameter, PositiveMean, Special, Support, y_log_y
from glmfit.families.links import SHAPE_LINKS
from glmfit.families.recession import of_zeros
from glmfit.families.special import log_factorial, log_gamma_normaliser, log_rising, softplus
from glmfit.lazy import torch

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from glmfit.families.links import Link
    from glmfit.families.recession import Face

LARGE_COUNT = 1e5  # from here on the terms of a Poisson log-density cancel visibly
COUNTS = Support(0, math.inf, integer=True, text="counts 0, 1, 2, ...")


def _has_large(y: Tensor) -> bool:
    return y.numel() > 0 and bool(y.max() > LARGE_COUNT)


def _cumulants(eta: Tensor, **columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    mu = torch.exp(eta)
    return mu, mu, mu


class Poisson(PositiveMean):
    """log f = y log mu - mu - log y!."""

    name = "poisson"
    elementwise = True
    summary = "counts with variance equal to the mean"
    example = "glmfit fit sample_data/poisson.csv --y y --x x1,x2 --no-intercept --family poisson"
    support = COUNTS
    ratio = "rate ratio"
    canonical = Canonical("log", _cumulants)
    rare_is_one = True
    parameters = (PositiveMean.mu_parameter,)

    def log_density(self, y: Tensor, log_mu: Tensor) -> Tensor:  # type: ignore[override]
        plain = y * log_mu - torch.exp(log_mu) - log_factorial(y)
        if not _has_large(y):
            return plain
        # log y! is y log y - y + log y less the normaliser of a gamma density; the rest is the deviance.
        large = torch.where(y > LARGE_COUNT, y, 2.0)
        stable = log_gamma_normaliser(-large.log()) - large.log() - self._half_deviance(large, log_mu)
        return torch.where(y > LARGE_COUNT, stable, plain)

    def _half_deviance(self, y: Tensor, log_mu: Tensor) -> Tensor:
        """(n,) y log(y / mu) - (y - mu) of positive y, without the cancellation of large terms."""
        log_ratio = log_mu - y.log()
        return y * (torch.expm1(log_ratio) - log_ratio)

    def recession(self, y: Tensor, links: Mapping[str, Link], **columns: Tensor) -> Iterator[Face]:
        return of_zeros(y, links["mu"])

    def variance(self, mu: Tensor, *others: Tensor, **columns: Tensor) -> Tensor:
        return mu

    def unit_deviance(self, y: Tensor, log_mu: Tensor, *others: Tensor) -> Tensor:  # type: ignore[override]
        plain = 2 * (y_log_y(y) - y * log_mu - y + torch.exp(log_mu))
        if not _has_large(y):
            return plain
        stable = 2 * self._half_deviance(torch.where(y > LARGE_COUNT, y, 2.0), log_mu)
        return torch.where(y > LARGE_COUNT, stable, plain)

    def simulate(self, random: np.random.Generator, mu: np.ndarray) -> np.ndarray:  # type: ignore[override]
        return random.poisson(mu).astype(float)


class NegativeBinomial(PositiveMean):
    """NB2: log f = sum_{j<y} log(1 + j alpha) - log y! + y log mu - (y + 1/alpha) log(1 + alpha mu).

    alpha is estimated together with the coefficients; Lawless (1987), Canadian Journal of Statistics 15, 209-225.
    """

    name = "negative-binomial"
    elementwise = True
    aliases = (
        *("nb", "nb2", "nbinom", "nbinom2", "nbreg", "nbinomial"),
        *("negbin", "negbinom", "negbinomial", "neg-binomial", "glm.nb"),
    )
    summary = "overdispersed counts: Var = mu + alpha mu^2, alpha estimated"
    example = 'glmfit fit sample_data/quine.csv "Days ~ Sex + Age + Eth*Lrn" --family negative-binomial'
    support = COUNTS
    ratio = "rate ratio"
    parameters = (
        PositiveMean.mu_parameter,
        Parameter(
            "alpha",
            "log",
            SHAPE_LINKS,
            special=(Special(0.0, -40.0, "poisson"), Special(1.0, 0.0, "geometric", end=False)),
        ),
    )

    def log_density(self, y: Tensor, log_mu: Tensor, log_alpha: Tensor) -> Tensor:  # type: ignore[override]
        plain = (
            log_rising(y, log_alpha)
            - log_factorial(y)
            + y * log_mu
            - (y + torch.exp(-log_alpha)) * softplus(log_alpha + log_mu)
        )
        if not _has_large(y):
            return plain
        # As for the Poisson: with r = 1/alpha, gamma functions of r, y and y + r less their normalisers.
        large = torch.where(y > LARGE_COUNT, y, 2.0)
        saturated = (
            log_gamma_normaliser(log_alpha)
            + log_gamma_normaliser(-large.log())
            - log_gamma_normaliser(-torch.log(large + torch.exp(-log_alpha)))
            - large.log()
        )
        return torch.where(y > LARGE_COUNT, saturated - self._half_deviance(large, log_mu, log_alpha), plain)

    def _half_deviance(self, y: Tensor, log_mu: Tensor, log_alpha: Tensor) -> Tensor:
        """(n,) y log(y / mu) - (y + r) log((y + r) / (mu + r)) of positive y, without cancellation of large terms."""
        r, log_ratio = torch.exp(-log_alpha), log_mu - y.log()
        above = (y > r).detach()
        # (mu + r) / (y + r) is 1 + y expm1(t) / (y + r), and e^t (1 + r expm1(-t) / (y + r)) as well, t = log(mu / y).
        sign = torch.where(above, -1.0, 1.0)
        share = torch.where(above, r, y) * torch.expm1(sign * log_ratio) / (y + r)
        return (y + r) * torch.log1p(share) - sign * torch.where(above, r, y) * log_ratio

    recession = Poisson.recession
    rare_is_one = True

    def variance(self, mu: Tensor, alpha: Tensor) -> Tensor:  # type: ignore[override]
        return mu + alpha * mu**2

    def unit_deviance(self, y: Tensor, log_mu: Tensor, log_alpha: Tensor) -> Tensor:  # type: ignore[override]
        log_growth = torch.log1p(torch.exp(log_alpha) * y) - softplus(log_alpha + log_mu)
        plain = 2 * (y_log_y(y) - y * log_mu - (y + torch.exp(-log_alpha)) * log_growth)
        if not _has_large(y):
            return plain
        stable = 2 * self._half_deviance(torch.where(y > LARGE_COUNT, y, 2.0), log_mu, log_alpha)
        return torch.where(y > LARGE_COUNT, stable, plain)

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        mean = super().start(y, weight)["mu"]
        variance = float((weight * (y - mean) ** 2).sum() / weight.sum())
        return {"mu": mean, "alpha": max((variance - mean) / mean**2, 0.05)}

    def simulate(self, random: np.random.Generator, mu: np.ndarray, alpha: np.ndarray) -> np.ndarray:  # type: ignore[override]
        return random.poisson(random.gamma(1 / alpha, alpha * mu)).astype(float)


class Geometric(PositiveMean):
    """The negative binomial with alpha = 1: log f = y log mu - (y + 1) log(1 + mu)."""

    name = "geometric"
    elementwise = True
    summary = "counts with Var = mu + mu^2, the number of failures before a success"
    example = 'glmfit fit sample_data/quine.csv "Days ~ Sex + Age" --family geometric'
    support = COUNTS
    ratio = "rate ratio"
    parameters = (PositiveMean.mu_parameter,)

    def log_density(self, y: Tensor, log_mu: Tensor) -> Tensor:  # type: ignore[override]
        if _has_large(y):
            return NegativeBinomial().log_density(y, log_mu, torch.zeros_like(log_mu))
        return y * log_mu - (y + 1) * softplus(log_mu)

    recession = Poisson.recession
    rare_is_one = True

    def variance(self, mu: Tensor, *others: Tensor, **columns: Tensor) -> Tensor:
        return mu + mu**2

    def unit_deviance(self, y: Tensor, log_mu: Tensor) -> Tensor:  # type: ignore[override]
        return NegativeBinomial().unit_deviance(y, log_mu, torch.zeros_like(log_mu))

    def simulate(self, random: np.random.Generator, mu: np.ndarray) -> np.ndarray:  # type: ignore[override]
        return random.geometric(1 / (1 + mu)) - 1.0
