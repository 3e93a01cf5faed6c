"""Real responses with a location mu and a scale sigma, z = (y - mu) / sigma: student-t, logistic, gumbel, skew-normal.

log f = -log sigma + log of the standard density at z
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from glmfit.families.base import LOG_2PI, Family, Parameter, Special, Support
from glmfit.families.links import REAL_LINKS, SHAPE_LINKS
from glmfit.families.moments import moments, quantile
from glmfit.families.special import log_ndtr, log_one_minus_exp_minus_exp, log_rising, softplus
from glmfit.families.tails import IntegratedTails
from glmfit.lazy import torch

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

EULER = 0.5772156649015329
FAR = 1e50
NOTHING_BEYOND = 230.0  # asinh of z: the logarithm of the density is -1e199 there, and soon overflows
SKEWNESSES = (1e-6, 3e-5, 0.001, 0.01, 0.05, 0.2, 0.5, 0.8)  # tried on either side of it: about slant^3 when small


class LocationScale(Family):
    """What the families of this module share: mu on the line, sigma positive."""

    support = Support(-math.inf, math.inf, text="real numbers")
    mu_parameter = Parameter("mu", "identity", REAL_LINKS)
    sigma_parameter = Parameter("sigma", "log", SHAPE_LINKS)

    def _z(self, y: Tensor, mu: Tensor, log_sigma: Tensor) -> Tensor:
        return (y - mu) * torch.exp(-log_sigma)


def _log1p_square(z: Tensor, log_nu: Tensor) -> Tensor:
    """log(1 + z^2 / nu); its second derivative would overflow far out, where it is log(1 + exp(2 log|z| - log nu))."""
    far = z.abs() > FAR
    if not bool(far.any()):  # as mostly
        return torch.log1p(z**2 * torch.exp(-log_nu))
    near = torch.log1p(torch.where(far, 0.0, z) ** 2 * torch.exp(-log_nu))
    return torch.where(far, softplus(2 * torch.log(torch.where(far, z, 1.0).abs()) - log_nu), near)


class StudentT(IntegratedTails, LocationScale):
    """log f = log c(nu) - log sigma - (nu + 1)/2 log(1 + z^2 / nu), which tends to the normal as nu grows.

    Lange, Little and Taylor (1989), Journal of the American Statistical Association 84, 881-896.
    """

    name = "student-t"
    aliases = ("t", "student", "t-family")
    summary = "real responses with heavy tails: outliers move mu little, nu is estimated"
    example = 'glmfit fit sample_data/phones.csv "calls ~ year" --family student-t'
    parameters = (
        LocationScale.mu_parameter,
        LocationScale.sigma_parameter,
        Parameter("nu", "log", SHAPE_LINKS, special=(Special(math.inf, 40.0, "gaussian"),)),
    )
    several_peaks = True

    def log_density(self, y: Tensor, mu: Tensor, log_sigma: Tensor, log_nu: Tensor) -> Tensor:  # type: ignore[override]
        # Was: lgamma((nu + 1)/2) - lgamma(nu/2) - log(nu pi)/2 ..., which loses all digits for a large nu.
        constant = log_rising(torch.full_like(log_nu, 0.5), math.log(2) - log_nu) - 0.5 * LOG_2PI
        spread = _log1p_square(self._z(y, mu, log_sigma), log_nu)
        return constant - log_sigma - 0.5 * (torch.exp(log_nu) + 1) * spread

    def mean(self, mu: Tensor, sigma: Tensor, nu: Tensor) -> Tensor:  # type: ignore[override]
        return torch.where(nu > 1, mu, math.nan)

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        # The quartiles of a t with some degrees of freedom lie near mu +- 0.7 sigma, whatever its tails.
        low, median, high = (quantile(y, weight, p) for p in (0.25, 0.5, 0.75))
        whole = moments(y, weight)
        tail = 4 + 6 / whole.kurtosis if whole.kurtosis > 0.25 else 28.0
        return {"mu": median, "sigma": (high - low) / 1.4 if high > low else whole.sd, "nu": tail}

    def simulate(self, random: np.random.Generator, mu: np.ndarray, sigma: np.ndarray, nu: np.ndarray) -> np.ndarray:  # type: ignore[override]
        return mu + sigma * random.standard_t(nu)


class Logistic(LocationScale):
    """log f = -log sigma - log(1 + exp(z)) - log(1 + exp(-z)): a bell with tails a little heavier than the normal's."""

    name = "logistic"
    summary = "real responses, tails somewhat heavier than the normal's (for yes/no responses see binomial)"
    example = 'glmfit fit sample_data/mtcars.csv "mpg ~ wt + hp" --family logistic'
    parameters = (LocationScale.mu_parameter, LocationScale.sigma_parameter)

    def log_density(self, y: Tensor, mu: Tensor, log_sigma: Tensor) -> Tensor:  # type: ignore[override]
        z = self._z(y, mu, log_sigma)
        return -log_sigma - softplus(z) - softplus(-z)

    def variance(self, mu: Tensor, sigma: Tensor) -> Tensor:  # type: ignore[override]
        return (math.pi * sigma) ** 2 / 3

    def log_cdf(self, y: Tensor, mu: Tensor, log_sigma: Tensor) -> Tensor:  # type: ignore[override]
        return -softplus(-self._z(y, mu, log_sigma))

    def log_survival(self, y: Tensor, mu: Tensor, log_sigma: Tensor) -> Tensor:  # type: ignore[override]
        return -softplus(self._z(y, mu, log_sigma))

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        whole = moments(y, weight)
        return {"mu": whole.mean, "sigma": whole.sd * math.sqrt(3) / math.pi}

    def quantile(self, probability: Tensor, mu: Tensor, log_sigma: Tensor) -> Tensor:  # type: ignore[override]
        return mu + torch.exp(log_sigma) * torch.logit(probability)

    def simulate(self, random: np.random.Generator, mu: np.ndarray, sigma: np.ndarray) -> np.ndarray:  # type: ignore[override]
        return random.logistic(mu, sigma)


class Gumbel(LocationScale):
    """Extreme values, the largest of many: log f = -log sigma - z - exp(-z), F(y) = exp(-exp(-z))."""

    name = "gumbel"
    aliases = ("gumbel-max", "reverse-gumbel")
    summary = "maxima of many values, such as the highest flood of each year: mu is the mode"
    example = 'glmfit fit sample_data/airquality.csv "Ozone ~ Temp" "sigma ~ Temp" --family gumbel'
    parameters = (LocationScale.mu_parameter, LocationScale.sigma_parameter)

    def log_density(self, y: Tensor, mu: Tensor, log_sigma: Tensor) -> Tensor:  # type: ignore[override]
        z = self._z(y, mu, log_sigma)
        return -log_sigma - z - torch.exp(-z)

    def mean(self, mu: Tensor, sigma: Tensor) -> Tensor:  # type: ignore[override]
        return mu + EULER * sigma

    def variance(self, mu: Tensor, sigma: Tensor) -> Tensor:  # type: ignore[override]
        return (math.pi * sigma) ** 2 / 6

    def log_cdf(self, y: Tensor, mu: Tensor, log_sigma: Tensor) -> Tensor:  # type: ignore[override]
        return -torch.exp(-self._z(y, mu, log_sigma))

    def log_survival(self, y: Tensor, mu: Tensor, log_sigma: Tensor) -> Tensor:  # type: ignore[override]
        return log_one_minus_exp_minus_exp(-self._z(y, mu, log_sigma))

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        whole = moments(y, weight)
        sigma = whole.sd * math.sqrt(6) / math.pi
        return {"mu": whole.mean - EULER * sigma, "sigma": sigma}

    def quantile(self, probability: Tensor, mu: Tensor, log_sigma: Tensor) -> Tensor:  # type: ignore[override]
        return mu - torch.exp(log_sigma) * torch.log(-torch.log(probability))

    def simulate(self, random: np.random.Generator, mu: np.ndarray, sigma: np.ndarray) -> np.ndarray:  # type: ignore[override]
        return random.gumbel(mu, sigma)


class SkewNormal(IntegratedTails, LocationScale):
    """log f = log 2 - log sigma + log phi(z) + log Phi(alpha z), the direct parameters of Azzalini.

    alpha = 0 is the normal, where the information is singular; Azzalini (1985), Scandinavian Journal of Statistics 12.
    """

    name = "skew-normal"
    aliases = ("skewnormal", "sn")
    summary = "real responses with one tail longer: location mu, scale sigma, slant"
    example = 'glmfit fit sample_data/airquality.csv "Ozone ~ Temp" --family skew-normal'
    parameters = (
        LocationScale.mu_parameter,
        LocationScale.sigma_parameter,
        Parameter("slant", "identity", ("identity",), special=(Special(0.0, 0.0, "gaussian", end=False),)),
    )
    several_peaks = True

    def log_density(self, y: Tensor, mu: Tensor, log_sigma: Tensor, slant: Tensor) -> Tensor:  # type: ignore[override]
        z = self._z(y, mu, log_sigma)
        return math.log(2) - log_sigma - 0.5 * (LOG_2PI + z**2) + log_ndtr(slant * z)

    def coordinate(self, y: Tensor, *working: Tensor) -> Tensor:
        return super().coordinate(y, *working).clamp(-NOTHING_BEYOND, NOTHING_BEYOND)

    def mean(self, mu: Tensor, sigma: Tensor, slant: Tensor) -> Tensor:  # type: ignore[override]
        return mu + math.sqrt(2 / math.pi) * sigma * slant / torch.sqrt(1 + slant**2)

    def variance(self, mu: Tensor, sigma: Tensor, slant: Tensor) -> Tensor:  # type: ignore[override]
        return sigma**2 * (1 - 2 / math.pi * slant**2 / (1 + slant**2))

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        whole = moments(y, weight)
        # A start at a skewness of 0 would be at the singular point; no skew-normal's is above 0.9953.
        size = min(max(abs(whole.skewness), 0.05), 0.9)
        return _with_moments(whole.mean, whole.sd, math.copysign(size, whole.skewness))

    def beside(self, parameter: str, natural: Mapping[str, float]) -> Iterator[Mapping[str, float]]:
        """At slant 0 every likelihood is stationary, once mu and sigma are those of the normal, and hardly one has its
        maximum there: to the side of the residuals' skewness it rises with the third power of the slant."""
        for skewness in SKEWNESSES:
            yield _with_moments(natural["mu"], natural["sigma"], skewness)
            yield _with_moments(natural["mu"], natural["sigma"], -skewness)

    def simulate(self, random: np.random.Generator, mu: np.ndarray, sigma: np.ndarray, slant: np.ndarray) -> np.ndarray:  # type: ignore[override]
        # |u| of one normal and v of another: (slant |u| + v) / sqrt(1 + slant^2).
        first, second = random.standard_normal((2, len(mu)))
        return mu + sigma * (slant * abs(first) + second) / (1 + slant**2) ** 0.5


def _with_moments(mean: float, sd: float, skewness: float) -> dict[str, float]:
    """The skew-normal with these moments: the skewness is (4 - pi)/2 m^3 / (1 - m^2)^(3/2), m = delta sqrt(2/pi)."""
    ratio = (2 * abs(skewness) / (4 - math.pi)) ** (2 / 3)
    m = math.copysign(math.sqrt(ratio / (1 + ratio)), skewness)
    delta, sigma = m * math.sqrt(math.pi / 2), sd / math.sqrt(1 - m**2)
    return {"mu": mean - sigma * m, "sigma": sigma, "slant": delta / math.sqrt(1 - delta**2)}
