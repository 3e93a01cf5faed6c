"""Quasi-likelihoods: a variance function and a dispersion, no density, so no log-likelihood and no AIC.

q = -d(y, mu) / (2 phi), d the unit deviance of V(mu)        (Wedderburn 1974, Biometrika 61, 439-447)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from glmfit.errors import UsageError
from glmfit.families.base import PHI, Family, Parameter, PositiveMean, Support
from glmfit.families.binomial import Binomial
from glmfit.families.continuous import Gamma
from glmfit.families.counts import Poisson
from glmfit.lazy import torch
from glmfit.links import UNIT_LINKS

if TYPE_CHECKING:
    from torch import Tensor


class Quasi(Family):
    """The quasi-likelihood with the mean, variance function and unit deviance of the family `like`."""

    quasi = True
    orthogonal_mean = True
    like: Family

    def log_density(self, y: Tensor, working_mu: Tensor, log_phi: Tensor, **columns: Tensor) -> Tensor:  # type: ignore[override]
        return -0.5 * self.unit_deviance(y, working_mu, **columns) * torch.exp(-log_phi)

    def mean(self, mu: Tensor, *others: Tensor, **columns: Tensor) -> Tensor:
        return self.like.mean(mu, **columns)

    def variance(self, mu: Tensor, *others: Tensor, **columns: Tensor) -> Tensor:
        return self.like.variance(mu, **columns)

    def unit_deviance(self, y: Tensor, *working: Tensor, **columns: Tensor) -> Tensor:
        return self.like.unit_deviance(y, working[0], **columns)

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        return self.like.start(y, weight, **columns)


class QuasiPoisson(Quasi):
    """Var = phi mu."""

    name = "quasi-poisson"
    aliases = ("quasipoisson",)
    summary = "counts or amounts with variance proportional to the mean: Var = phi mu"
    example = 'glmfit fit sample_data/warpbreaks.csv "breaks ~ wool*tension" --family quasi-poisson'
    support = Support(0, math.inf, text="numbers from 0 up")
    parameters = (PositiveMean.mu_parameter, PHI)
    ratio = "rate ratio"
    like = Poisson()


class QuasiBinomial(Quasi):
    """Var = phi m mu (1 - mu)."""

    name = "quasi-binomial"
    aliases = ("quasibinomial",)
    summary = "proportions with more or less spread than the binomial: Var = phi m p (1 - p)"
    example = 'glmfit fit sample_data/budworm.csv "dead/n ~ sex + log2(dose)" --family quasi-binomial'
    support = Support(0, math.inf, text="0/1, two levels, a proportion, or successes between 0 and the trials")
    parameters = (Parameter("mu", "logit", UNIT_LINKS), PHI)
    trials = True
    ratio = "risk ratio"
    like = Binomial()


class TweedieDeviance(PositiveMean):
    """V = mu^power, and its unit deviance."""

    def __init__(self, power: float) -> None:
        self.power = power

    def variance(self, mu: Tensor, *others: Tensor, **columns: Tensor) -> Tensor:
        return mu**self.power

    def unit_deviance(self, y: Tensor, log_mu: Tensor, *others: Tensor) -> Tensor:  # type: ignore[override]
        if self.power == 1:
            return Poisson().unit_deviance(y, log_mu)
        if self.power == 2:
            return Gamma().unit_deviance(y, log_mu)
        one, two = 1 - self.power, 2 - self.power
        return 2 * (y**two / (one * two) - y * torch.exp(one * log_mu) / one + torch.exp(two * log_mu) / two)


class Tweedie(Quasi):
    """Var = phi mu^power with the power held: 1 < power < 2 for amounts with exact zeros."""

    name = "tweedie"
    summary = "amounts with exact zeros: Var = phi mu^power, the power given by --fix power=P"
    example = 'glmfit fit sample_data/tobin.csv "durable ~ age + quant" --family tweedie --fix power=1.5'
    support = Support(0, math.inf, text="numbers from 0 up (above 0 where power >= 2)")
    parameters = (PositiveMean.mu_parameter, PHI)
    settings = ("power",)

    def __init__(self, power: float) -> None:
        if not (power >= 1 and math.isfinite(power)):
            raise UsageError(
                "bad_power", f"power={power:g} is no Tweedie variance power for responses from 0 up", "give power >= 1"
            )
        self.like = TweedieDeviance(power)
        if power >= 2:
            self.support = Support(0, math.inf, lower_open=True, text="positive numbers (power >= 2)")
