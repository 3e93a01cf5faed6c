"""Counts: poisson, negative-binomial, geometric.

poisson V = mu      negative binomial V = mu + alpha mu^2      geometric: alpha = 1
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from glmfit.families.base import Limit, Parameter, PositiveMean, Support, y_log_y
from glmfit.lazy import torch
from glmfit.special import log_rising, softplus

if TYPE_CHECKING:
    from torch import Tensor

COUNTS = Support(0, math.inf, integer=True, text="counts 0, 1, 2, ...")


class Poisson(PositiveMean):
    """log f = y log mu - mu - log y!."""

    name = "poisson"
    summary = "counts with variance equal to the mean"
    example = "glmfit fit sample_data/poisson.csv --y y --x x1,x2 --no-intercept --family poisson"
    support = COUNTS
    ratio = "rate ratio"
    parameters = (PositiveMean.mu_parameter,)

    def log_density(self, y: Tensor, log_mu: Tensor) -> Tensor:  # type: ignore[override]
        return y * log_mu - torch.exp(log_mu) - torch.lgamma(y + 1)

    def variance(self, mu: Tensor, *others: Tensor, **columns: Tensor) -> Tensor:
        return mu

    def unit_deviance(self, y: Tensor, log_mu: Tensor, *others: Tensor) -> Tensor:  # type: ignore[override]
        return 2 * (y_log_y(y) - y * log_mu - y + torch.exp(log_mu))


class NegativeBinomial(PositiveMean):
    """NB2: log f = sum_{j<y} log(1 + j alpha) - log y! + y log mu - (y + 1/alpha) log(1 + alpha mu).

    alpha is estimated together with the coefficients; Lawless (1987), Canadian Journal of Statistics 15, 209-225.
    """

    name = "negative-binomial"
    aliases = ("nb", "nb2", "nbinom", "nbinom2", "negbin", "negbinom", "nbreg")
    summary = "overdispersed counts: Var = mu + alpha mu^2, alpha estimated"
    example = 'glmfit fit sample_data/quine.csv "Days ~ Sex + Age + Eth*Lrn" --family negative-binomial'
    support = COUNTS
    ratio = "rate ratio"
    parameters = (
        PositiveMean.mu_parameter,
        Parameter("alpha", "log", ("log", "identity", "sqrt", "inverse"), limit=Limit(0.0, -40.0, "poisson")),
    )

    def log_density(self, y: Tensor, log_mu: Tensor, log_alpha: Tensor) -> Tensor:  # type: ignore[override]
        return (
            log_rising(y, log_alpha)
            - torch.lgamma(y + 1)
            + y * log_mu
            - (y + torch.exp(-log_alpha)) * softplus(log_alpha + log_mu)
        )

    def variance(self, mu: Tensor, alpha: Tensor) -> Tensor:  # type: ignore[override]
        return mu + alpha * mu**2

    def unit_deviance(self, y: Tensor, log_mu: Tensor, log_alpha: Tensor) -> Tensor:  # type: ignore[override]
        log_growth = torch.log1p(torch.exp(log_alpha) * y) - softplus(log_alpha + log_mu)
        return 2 * (y_log_y(y) - y * log_mu - (y + torch.exp(-log_alpha)) * log_growth)

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        mean = super().start(y, weight)["mu"]
        variance = float((weight * (y - mean) ** 2).sum() / weight.sum())
        return {"mu": mean, "alpha": max((variance - mean) / mean**2, 0.05)}


class Geometric(PositiveMean):
    """The negative binomial with alpha = 1: log f = y log mu - (y + 1) log(1 + mu)."""

    name = "geometric"
    summary = "counts with Var = mu + mu^2, the number of failures before a success"
    example = 'glmfit fit sample_data/quine.csv "Days ~ Sex + Age" --family geometric'
    support = COUNTS
    ratio = "rate ratio"
    parameters = (PositiveMean.mu_parameter,)

    def log_density(self, y: Tensor, log_mu: Tensor) -> Tensor:  # type: ignore[override]
        return y * log_mu - (y + 1) * softplus(log_mu)

    def variance(self, mu: Tensor, *others: Tensor, **columns: Tensor) -> Tensor:
        return mu + mu**2

    def unit_deviance(self, y: Tensor, log_mu: Tensor) -> Tensor:  # type: ignore[override]
        return NegativeBinomial().unit_deviance(y, log_mu, torch.zeros_like(log_mu))
