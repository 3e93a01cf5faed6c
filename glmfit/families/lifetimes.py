"""Positive responses, times above all: exponential, weibull, log-normal, log-logistic.

log y is a location plus a scale times a standard variable, so each is an accelerated failure time model:
exponential and weibull: extreme value (of minima)      log-normal: normal      log-logistic: logistic
                                                     (Kalbfleisch & Prentice 2002, section 2.2)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from glmfit.families.base import LOG_2PI, Family, Parameter, PositiveMean, Special, Support
from glmfit.families.links import POSITIVE_LINKS, REAL_LINKS, SHAPE_LINKS
from glmfit.families.moments import moments
from glmfit.families.special import log_ndtr, log_one_minus_exp_minus_exp, softplus
from glmfit.lazy import torch

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

POSITIVE = Support(0, math.inf, lower_open=True, text="positive numbers")
SHAPE = Parameter("shape", "log", SHAPE_LINKS)
EULER = 0.5772156649015329


class Exponential(PositiveMean):
    """log f = -log mu - y / mu, S(y) = exp(-y / mu): the gamma with phi = 1, the weibull with shape 1."""

    name = "exponential"
    aliases = ("exp",)
    summary = "waiting times with a constant hazard 1/mu: Var = mu^2"
    example = 'glmfit fit sample_data/poisons.csv "time ~ poison + treat" --family exponential'
    support = POSITIVE
    with_zeros = "hurdle-weibull"
    parameters = (PositiveMean.mu_parameter,)

    def log_density(self, y: Tensor, log_mu: Tensor) -> Tensor:  # type: ignore[override]
        return -log_mu - torch.exp(y.log() - log_mu)

    def variance(self, mu: Tensor, *others: Tensor, **columns: Tensor) -> Tensor:
        return mu**2

    def unit_deviance(self, y: Tensor, log_mu: Tensor) -> Tensor:  # type: ignore[override]
        log_ratio = y.log() - log_mu
        return 2 * (torch.expm1(log_ratio) - log_ratio)

    def log_cdf(self, y: Tensor, log_mu: Tensor) -> Tensor:  # type: ignore[override]
        return log_one_minus_exp_minus_exp(y.log() - log_mu)

    def log_survival(self, y: Tensor, log_mu: Tensor) -> Tensor:  # type: ignore[override]
        return -torch.exp(y.log() - log_mu)

    def quantile(self, probability: Tensor, log_mu: Tensor) -> Tensor:  # type: ignore[override]
        return -torch.exp(log_mu) * torch.log1p(-probability)

    def simulate(self, random: np.random.Generator, mu: np.ndarray) -> np.ndarray:  # type: ignore[override]
        return random.exponential(mu)


class Weibull(Family):
    """S(y) = exp(-(y / scale)^shape); survreg's linear predictor is log scale, and its scale is 1/shape.

    With u = shape (log y - log scale), log f = log shape - log y + u - exp(u).
    """

    name = "weibull"
    aliases = ("wei",)
    summary = "times with a hazard that rises (shape > 1) or falls (shape < 1)"
    example = 'glmfit fit sample_data/poisons.csv "time ~ poison + treat" --family weibull'
    support = POSITIVE
    with_zeros = "hurdle-weibull"
    parameters = (
        Parameter("scale", "log", POSITIVE_LINKS),
        Parameter("shape", "log", SHAPE_LINKS, special=(Special(1.0, 0.0, "exponential", end=False),)),
    )
    ratio = "time ratio"

    def log_density(self, y: Tensor, log_scale: Tensor, log_shape: Tensor) -> Tensor:  # type: ignore[override]
        u = torch.exp(log_shape) * (y.log() - log_scale)
        return log_shape - y.log() + u - torch.exp(u)

    def mean(self, scale: Tensor, shape: Tensor) -> Tensor:  # type: ignore[override]
        return scale * torch.exp(torch.lgamma(1 + 1 / shape))

    def variance(self, scale: Tensor, shape: Tensor) -> Tensor:  # type: ignore[override]
        log_first, log_second = torch.lgamma(1 + 1 / shape), torch.lgamma(1 + 2 / shape)
        return scale**2 * torch.exp(2 * log_first) * torch.expm1(log_second - 2 * log_first)

    def log_cdf(self, y: Tensor, log_scale: Tensor, log_shape: Tensor) -> Tensor:  # type: ignore[override]
        return log_one_minus_exp_minus_exp(torch.exp(log_shape) * (y.log() - log_scale))

    def log_survival(self, y: Tensor, log_scale: Tensor, log_shape: Tensor) -> Tensor:  # type: ignore[override]
        return -torch.exp(torch.exp(log_shape) * (y.log() - log_scale))

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        logs = moments(y.log(), weight)
        shape = math.pi / (math.sqrt(6) * logs.sd)
        return {"scale": math.exp(logs.mean + EULER / shape), "shape": shape}

    def quantile(self, probability: Tensor, log_scale: Tensor, log_shape: Tensor) -> Tensor:  # type: ignore[override]
        return torch.exp(log_scale + torch.log(-torch.log1p(-probability)) * torch.exp(-log_shape))

    def simulate(self, random: np.random.Generator, scale: np.ndarray, shape: np.ndarray) -> np.ndarray:  # type: ignore[override]
        return scale * random.weibull(shape)


class LogNormal(Family):
    """log y is normal with mean mu and standard deviation sigma: log f = log phi(z) - log sigma - log y."""

    name = "log-normal"
    aliases = ("lognormal", "lnormal", "loggaussian")
    summary = "positive responses whose logarithm is normal: mean mu and standard deviation sigma of log y"
    example = 'glmfit fit sample_data/airquality.csv "Ozone ~ Wind + Temp" --family log-normal'
    support = POSITIVE
    with_zeros = "hurdle-log-normal"
    parameters = (Parameter("mu", "identity", REAL_LINKS), Parameter("sigma", "log", SHAPE_LINKS))

    def _z(self, y: Tensor, mu: Tensor, log_sigma: Tensor) -> Tensor:
        return (y.log() - mu) * torch.exp(-log_sigma)

    def log_density(self, y: Tensor, mu: Tensor, log_sigma: Tensor) -> Tensor:  # type: ignore[override]
        return -0.5 * (LOG_2PI + self._z(y, mu, log_sigma) ** 2) - log_sigma - y.log()

    def mean(self, mu: Tensor, sigma: Tensor) -> Tensor:  # type: ignore[override]
        return torch.exp(mu + 0.5 * sigma**2)

    def variance(self, mu: Tensor, sigma: Tensor) -> Tensor:  # type: ignore[override]
        return torch.exp(2 * mu + sigma**2) * torch.expm1(sigma**2)

    def log_cdf(self, y: Tensor, mu: Tensor, log_sigma: Tensor) -> Tensor:  # type: ignore[override]
        return log_ndtr(self._z(y, mu, log_sigma))

    def log_survival(self, y: Tensor, mu: Tensor, log_sigma: Tensor) -> Tensor:  # type: ignore[override]
        return log_ndtr(-self._z(y, mu, log_sigma))

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        logs = moments(y.log(), weight)
        return {"mu": logs.mean, "sigma": logs.sd}

    def quantile(self, probability: Tensor, mu: Tensor, log_sigma: Tensor) -> Tensor:  # type: ignore[override]
        return torch.exp(mu + torch.exp(log_sigma) * torch.special.ndtri(probability))

    def simulate(self, random: np.random.Generator, mu: np.ndarray, sigma: np.ndarray) -> np.ndarray:  # type: ignore[override]
        return random.lognormal(mu, sigma)


class LogLogistic(Family):
    """Pr(Y < y) has odds (y / scale)^shape, so scale is the median.

    With z = shape (log y - log scale), log f = log shape - log y - log(1 + exp(z)) - log(1 + exp(-z)).
    """

    name = "log-logistic"
    aliases = ("loglogistic", "llogistic", "fisk")
    summary = "times with a hazard that rises and falls again (shape > 1): scale is the median"
    example = 'glmfit fit sample_data/poisons.csv "time ~ poison + treat" --family log-logistic'
    support = POSITIVE
    with_zeros = "hurdle-log-normal"
    parameters = (Parameter("scale", "log", POSITIVE_LINKS), SHAPE)
    ratio = "time ratio"

    def _z(self, y: Tensor, log_scale: Tensor, log_shape: Tensor) -> Tensor:
        return torch.exp(log_shape) * (y.log() - log_scale)

    def log_density(self, y: Tensor, log_scale: Tensor, log_shape: Tensor) -> Tensor:  # type: ignore[override]
        z = self._z(y, log_scale, log_shape)
        return log_shape - y.log() - softplus(z) - softplus(-z)

    def mean(self, scale: Tensor, shape: Tensor) -> Tensor:  # type: ignore[override]
        finite = shape > 1
        angle = math.pi / torch.where(finite, shape, 2.0)
        return torch.where(finite, scale * angle / torch.sin(angle), math.inf)

    def log_cdf(self, y: Tensor, log_scale: Tensor, log_shape: Tensor) -> Tensor:  # type: ignore[override]
        return -softplus(-self._z(y, log_scale, log_shape))

    def log_survival(self, y: Tensor, log_scale: Tensor, log_shape: Tensor) -> Tensor:  # type: ignore[override]
        return -softplus(self._z(y, log_scale, log_shape))

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        logs = moments(y.log(), weight)
        return {"scale": math.exp(logs.mean), "shape": math.pi / (math.sqrt(3) * logs.sd)}

    def quantile(self, probability: Tensor, log_scale: Tensor, log_shape: Tensor) -> Tensor:  # type: ignore[override]
        return torch.exp(log_scale + torch.logit(probability) * torch.exp(-log_shape))

    def simulate(self, random: np.random.Generator, scale: np.ndarray, shape: np.ndarray) -> np.ndarray:  # type: ignore[override]
        return scale * random.f(2, 2, len(scale)) ** (1 / shape)  # F(2, 2) is the distribution of u / (1 - u)
