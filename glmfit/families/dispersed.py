"""Counts and successes of another spread than the Poisson's or the binomial's, with a parameter for it.

negative-binomial-1 V = mu (1 + alpha)            generalized-poisson V = mu (1 + alpha)^2
poisson-inverse-gaussian V = mu + alpha mu^2      beta-binomial V = m mu (1 - mu) (1 + (m - 1)/(1 + precision))
Each is written so that nothing cancels where it becomes the Poisson or the binomial.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from glmfit.families.base import Family, Parameter, PositiveMean, Special, Support
from glmfit.families.binomial import Binomial
from glmfit.families.counts import COUNTS, Poisson
from glmfit.families.links import SHAPE_LINKS
from glmfit.families.moments import moments
from glmfit.families.special import log_bessel_polynomial, log_factorial, log_rising, softplus
from glmfit.lazy import torch

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

LEAST, MOST = 0.05, 20.0  # where the search for a parameter of the spread begins, at the least and at the most
PROPER = 1e-3  # a sum of probabilities that differs more from 1 is said
MOST_COUNTS = 1000.0  # where more are possible the sum is 1 to the last digit
POISSON = Special(0.0, -40.0, "poisson")
UNDERDISPERSED = "where counts vary less than a poisson's, --link alpha=log1p2 lets alpha be negative"


class _Overdispersed(PositiveMean):
    """Counts whose variance exceeds the mean by a parameter alpha, which starts from the first two moments."""

    support = COUNTS
    ratio = "rate ratio"
    orthogonal_mean = False
    parameters = (PositiveMean.mu_parameter, Parameter("alpha", "log", SHAPE_LINKS, special=(POISSON,)))

    def moment_alpha(self, mean: float, index: float) -> float:
        """alpha by moments, from the mean and the ratio of the variance to it."""
        raise TypeError(f"{type(self).__name__} defines no moment_alpha")

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        mean = super().start(y, weight)["mu"]
        alpha = self.moment_alpha(mean, moments(y, weight).sd ** 2 / mean)
        return {"mu": mean, "alpha": min(max(alpha, LEAST), MOST)}


class NegativeBinomial1(_Overdispersed):
    """NB1: the negative binomial of shape r = mu/alpha.

    log f = sum_{j<y} log(1 + j/r) - log y! + y log mu - (y + r) log(1 + alpha).
    Cameron & Trivedi (2013), Regression Analysis of Count Data, 3.3.
    """

    name = "negative-binomial-1"
    aliases = ("nb1", "nbinom1")
    summary = "overdispersed counts: Var = mu (1 + alpha)"
    example = 'glmfit fit sample_data/quine.csv "Days ~ Sex + Age + Eth*Lrn" --family negative-binomial-1'

    def moment_alpha(self, mean: float, index: float) -> float:
        return index - 1

    def log_density(self, y: Tensor, log_mu: Tensor, log_alpha: Tensor) -> Tensor:  # type: ignore[override]
        log_growth = softplus(log_alpha)
        at_zero = -torch.exp(log_mu - log_alpha) * log_growth
        return log_rising(y, log_alpha - log_mu) - log_factorial(y) + y * (log_mu - log_growth) + at_zero

    recession = Poisson.recession

    def variance(self, mu: Tensor, alpha: Tensor) -> Tensor:  # type: ignore[override]
        return mu * (1 + alpha)

    def simulate(self, random: np.random.Generator, mu: np.ndarray, alpha: np.ndarray) -> np.ndarray:  # type: ignore[override]
        return random.poisson(random.gamma(mu / alpha, alpha)).astype(float)


class GeneralizedPoisson(_Overdispersed):
    """GP-1: log f = log m + (y - 1) log(m + y a) - m - y a - log y!, with m = mu/(1 + alpha), a = alpha/(1 + alpha).

    Consul & Famoye (1992), Communications in Statistics - Theory and Methods 21, 89-109. A negative alpha ends the
    support below -mu / alpha, and the sum of f is then 1 but nearly (within 0.001 where 5 counts are possible).
    """

    name = "generalized-poisson"
    aliases = ("gp", "gp1", "genpois", "genpoisson", "genpoisson1", "generalised-poisson")
    summary = "counts with more, or with --link alpha=log1p2 less, variance than the mean: Var = mu (1 + alpha)^2"
    parameters = (
        PositiveMean.mu_parameter,
        Parameter(
            "alpha",
            "log1p2",
            (*SHAPE_LINKS, "log1p2"),
            special=(Special(0.0, 0.0, "poisson", beyond=UNDERDISPERSED),),
        ),
    )
    example = 'glmfit fit sample_data/quine.csv "Days ~ Sex + Age + Eth*Lrn" --family generalized-poisson'

    def moment_alpha(self, mean: float, index: float) -> float:
        return math.sqrt(index) - 1

    def log_density(self, y: Tensor, log_mu: Tensor, z: Tensor) -> Tensor:  # type: ignore[override]
        """z = log(1 + 2 alpha), so that a = tanh(z / 2)."""
        alpha = 0.5 * torch.expm1(z)
        log_m = log_mu - torch.log1p(alpha)
        growth = y * (alpha * torch.exp(-log_mu))
        outside = growth <= -1
        beyond = bool(outside.any())
        log_growth = torch.log1p(torch.where(outside, 0.0, growth) if beyond else growth)
        at_zero = -torch.exp(log_m)
        value = y * log_m + (y - 1) * log_growth - y * torch.tanh(0.5 * z) - log_factorial(y) + at_zero
        return torch.where(outside, -math.inf, value) if beyond else value

    def ends(self, *working: Tensor, **columns: Tensor) -> tuple[Tensor, Tensor]:
        mu, alpha = torch.exp(working[0]), 0.5 * torch.expm1(working[1])
        last = torch.ceil(-mu / torch.where(alpha < 0, alpha, -1.0)) - 1
        return torch.zeros_like(mu), torch.where(alpha < 0, last, math.inf)

    def caution(self, *natural: Tensor) -> str | None:
        mu, alpha = natural[:2]
        at = int(torch.argmin(torch.where(alpha < 0, -mu / alpha, math.inf)))  # where the fewest counts are possible
        if not float(alpha[at]) < 0:
            return None
        working = [value[at : at + 1] for value in self.working(mu, alpha)]
        counts = torch.arange(min(float(self.ends(*working)[1]), MOST_COUNTS) + 1, dtype=torch.float64)
        total = float(torch.exp(self.log_masses(counts[None, :], *working)).sum())
        if abs(total - 1) <= PROPER:
            return None
        return (
            f"at a mean of {float(mu[at]):.4g} and alpha {float(alpha[at]):.4g} the probabilities of a generalized "
            f"Poisson add up to {total:.5g}, not to 1: in such rows the log-likelihood, and AIC with it, is off by as "
            "much; those of conway-maxwell-poisson add up to 1"
        )

    recession = Poisson.recession

    def variance(self, mu: Tensor, alpha: Tensor) -> Tensor:  # type: ignore[override]
        return mu * (1 + alpha) ** 2

    def simulate(self, random: np.random.Generator, mu: np.ndarray, alpha: np.ndarray) -> np.ndarray:  # type: ignore[override]
        if (alpha < 0).any():
            return super().simulate(random, mu, alpha)
        # All descendants of Poisson(m) founders, where everyone has Poisson(a) children.
        generation = random.poisson(mu / (1 + alpha))
        total = generation.astype(float)
        while generation.any():
            generation = random.poisson(generation * (alpha / (1 + alpha)))
            total += generation
        return total


class PoissonInverseGaussian(_Overdispersed):
    """Poisson(mu v) with v inverse Gaussian of mean 1 and variance alpha; s^2 = 1 + 2 alpha mu:

    log f = y log(mu / s) - log y! - 2 mu / (1 + s) + log B_{y-1}(alpha / s), B_n the Bessel polynomial of degree n.
    Dean, Lawless & Willmot (1989), Canadian Journal of Statistics 17, 171-181, with K_{y-1/2} written through B.
    """

    name = "poisson-inverse-gaussian"
    aliases = ("pig", "poisinvgauss")
    summary = "overdispersed counts: Var = mu + alpha mu^2, a longer tail than the negative binomial's"
    example = 'glmfit fit sample_data/quine.csv "Days ~ Sex + Age + Eth*Lrn" --family poisson-inverse-gaussian'
    bulk = 4

    def moment_alpha(self, mean: float, index: float) -> float:
        return (index - 1) / mean

    def log_density(self, y: Tensor, log_mu: Tensor, log_alpha: Tensor) -> Tensor:  # type: ignore[override]
        log_s = 0.5 * softplus(math.log(2) + log_alpha + log_mu)
        at_zero = -2 * torch.exp(log_mu - softplus(log_s))
        polynomial = log_bessel_polynomial(y - 1, log_alpha - log_s)
        return y * (log_mu - log_s) - log_factorial(y) + polynomial + at_zero

    recession = Poisson.recession

    def variance(self, mu: Tensor, alpha: Tensor) -> Tensor:  # type: ignore[override]
        return mu + alpha * mu**2

    def simulate(self, random: np.random.Generator, mu: np.ndarray, alpha: np.ndarray) -> np.ndarray:  # type: ignore[override]
        return random.poisson(mu * random.wald(1.0, 1 / alpha)).astype(float)


class BetaBinomial(Family):
    """Successes whose probability is beta distributed, with mean mu and a + b = precision:

    log f = log C(m, y) + log (a)_y + log (b)_{m-y} - log (a + b)_m, (x)_k = x (x + 1) ... (x + k - 1).
    Griffiths (1973), Biometrics 29, 637-648.
    """

    name = "beta-binomial"
    aliases = ("betabinomial", "betabin", "betabinom", "bb")
    summary = "successes out of trials, with more spread than the binomial"
    example = 'glmfit fit sample_data/lirat.csv "dead/n ~ group" --family beta-binomial'
    support = Support(0, math.inf, integer=True, text="successes between 0 and the trials")
    trials = True
    ratio = Binomial.ratio
    binomial = Binomial()
    parameters = (
        *Binomial.parameters,
        Parameter("precision", "log", SHAPE_LINKS, special=(Special(math.inf, 40.0, "binomial"),)),
    )

    def log_density(self, y: Tensor, logit_mu: Tensor, log_precision: Tensor, *, trials: Tensor) -> Tensor:  # type: ignore[override]
        log_a, log_b = log_precision - softplus(-logit_mu), log_precision - softplus(logit_mu)
        excess = log_rising(y, -log_a) + log_rising(trials - y, -log_b) - log_rising(trials, -log_precision)
        return self.binomial.log_density(y, logit_mu, trials=trials) + excess

    recession = Binomial.recession

    def mean(self, mu: Tensor, *others: Tensor, trials: Tensor) -> Tensor:  # type: ignore[override]
        return trials * mu

    def variance(self, mu: Tensor, precision: Tensor, *, trials: Tensor) -> Tensor:  # type: ignore[override]
        return trials * mu * (1 - mu) * (1 + (trials - 1) / (1 + precision))

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        begin, trials = self.binomial.start(y, weight, **columns), columns["trials"]
        mu = begin["mu"]
        excess = float((weight * ((y - trials * mu) ** 2 / (mu * (1 - mu)) - trials)).sum())
        pairs = float((weight * trials * (trials - 1)).sum())
        correlation = excess / pairs if pairs > 0 else 0.5
        return {**begin, "precision": min(max(1 / correlation - 1, LEAST), MOST) if correlation > 0 else MOST}

    def simulate(  # type: ignore[override]
        self, random: np.random.Generator, mu: np.ndarray, precision: np.ndarray, *, trials: np.ndarray
    ) -> np.ndarray:
        return self.binomial.simulate(random, random.beta(mu * precision, (1 - mu) * precision), trials=trials)
