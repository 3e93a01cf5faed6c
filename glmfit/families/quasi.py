"""Quasi-likelihoods: a variance function and a dispersion, no density, so no log-likelihood and no AIC.

q = -d(y, mu) / (2 phi), d the unit deviance of V(mu)        (Wedderburn 1974, Biometrika 61, 439-447)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from glmfit.families.base import PHI, Family, Parameter, PositiveMean, Support
from glmfit.families.binomial import Binomial
from glmfit.families.counts import Poisson
from glmfit.families.links import UNIT_LINKS
from glmfit.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from glmfit.families.links import Link
    from glmfit.families.recession import Face


class Quasi(Family):
    """The quasi-likelihood with the mean, variance function and unit deviance of the family `like`."""

    quasi = True
    orthogonal_mean = True
    elementwise = True
    like: Family

    def log_density(self, y: Tensor, working_mu: Tensor, log_phi: Tensor, **columns: Tensor) -> Tensor:  # type: ignore[override]
        return -0.5 * self.unit_deviance(y, working_mu, **columns) * torch.exp(-log_phi)

    def recession(self, y: Tensor, links: Mapping[str, Link], **columns: Tensor) -> Iterator[Face] | None:
        return self.like.recession(y, links, **columns)

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
