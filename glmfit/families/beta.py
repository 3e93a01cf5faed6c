"""Proportions that are measured: beta on (0, 1), and zero-one-inflated-beta with lumps at 0 and 1.

Shapes mu precision and (1 - mu) precision, so Var(y) = mu (1 - mu) / (1 + precision)
                (Ferrari & Cribari-Neto 2004, Journal of Applied Statistics 31; Ospina & Ferrari 2010, Stat. Papers 51)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from glmfit.families.base import Family, Parameter, Special, Support
from glmfit.families.cumulate import inverse
from glmfit.families.links import SHAPE_LINKS, UNIT_LINKS
from glmfit.families.moments import moments
from glmfit.families.special import log_gamma_normaliser, relative_loss, softplus, softpluses
from glmfit.families.tails import IntegratedTails
from glmfit.lazy import torch

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

PRECISION = Parameter("precision", "log", SHAPE_LINKS)


class Beta(IntegratedTails):
    """log f = lgamma(k) - lgamma(mu k) - lgamma((1 - mu) k) + (mu k - 1) log y + ((1 - mu) k - 1) log(1 - y)."""

    name = "beta"
    aliases = ("beta-family", "betar", "betareg")
    summary = "proportions strictly between 0 and 1: Var = mu (1 - mu) / (1 + precision)"
    example = 'glmfit fit sample_data/swiss.csv "I(Agriculture / 100) ~ Education + Catholic" --family beta'
    support = Support(0, 1, lower_open=True, upper_open=True, text="numbers strictly between 0 and 1")
    parameters = (Parameter("mu", "logit", UNIT_LINKS), PRECISION)

    def log_density(self, y: Tensor, logit_mu: Tensor, log_precision: Tensor) -> Tensor:  # type: ignore[override]
        log_y, log_rest = y.log(), torch.log1p(-y)
        return self._of_logit(log_y, log_rest, logit_mu, log_precision) - log_y - log_rest

    def coordinate(self, y: Tensor, *working: Tensor) -> Tensor:
        return y.log() - torch.log1p(-y)

    def log_integrand(self, u: Tensor, logit_mu: Tensor, log_precision: Tensor) -> Tensor:  # type: ignore[override]
        return self._of_logit(-softplus(-u), -softplus(u), logit_mu, log_precision)

    def _of_logit(self, log_y: Tensor, log_rest: Tensor, logit_mu: Tensor, log_precision: Tensor) -> Tensor:
        """Log-density of logit y from log y and log(1 - y)."""
        # Was: the formula above, whose terms cancel for a large precision. With G(k) = k log k - k - lgamma(k) it is
        # G(mu k) + G((1 - mu) k) - G(k) - k KL(mu || y).
        not_one, not_zero = softpluses(logit_mu)
        log_mu, log_complement = -not_zero, -not_one
        divergence = relative_loss(log_mu, log_y) + relative_loss(log_complement, log_rest)
        normaliser = (
            log_gamma_normaliser(-log_mu - log_precision)
            + log_gamma_normaliser(-log_complement - log_precision)
            - log_gamma_normaliser(-log_precision)
        )
        return normaliser - torch.exp(log_precision) * divergence

    def variance(self, mu: Tensor, precision: Tensor) -> Tensor:  # type: ignore[override]
        return mu * (1 - mu) / (1 + precision)

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        whole = moments(y, weight)
        return {"mu": whole.mean, "precision": max(whole.mean * (1 - whole.mean) / whole.sd**2 - 1, 0.5)}

    def quantile(self, probability: Tensor, logit_mu: Tensor, log_precision: Tensor) -> Tensor:  # type: ignore[override]
        from scipy.special import betainccinv, betaincinv

        a, b = (torch.exp(log_precision - softplus(sign * logit_mu)) for sign in (-1, 1))
        return inverse(betaincinv, betainccinv, probability, a, b)

    def simulate(self, random: np.random.Generator, mu: np.ndarray, precision: np.ndarray) -> np.ndarray:  # type: ignore[override]
        # Shapes near 0 give draws that round to 0 or 1: the nearest numbers inside instead.
        return random.beta(mu * precision, (1 - mu) * precision).clip(1e-300, 1 - 2.0**-53)


class ZeroOneInflatedBeta(Family):
    """zoi = Pr(y is 0 or 1), coi = Pr(y is 1, given that it is 0 or 1); beta(mu, precision) in between."""

    name = "zero-one-inflated-beta"
    aliases = ("zoib", "beinf")
    summary = "proportions with exact zeros or ones: zoi = Pr(0 or 1), coi = Pr(1 | 0 or 1), else beta"
    example = 'glmfit fit sample_data/budworm.csv "dead/n ~ sex" --family zero-one-inflated-beta'
    support = Support(0, 1, text="numbers from 0 to 1")
    lumps = (0.0, 1.0)
    parameters = (
        *Beta.parameters,
        Parameter("zoi", "logit", UNIT_LINKS, special=(Special(0.0, -40.0, "beta"),)),
        Parameter("coi", "logit", UNIT_LINKS),
    )

    def log_density(  # type: ignore[override]
        self, y: Tensor, logit_mu: Tensor, log_precision: Tensor, logit_zoi: Tensor, logit_coi: Tensor
    ) -> Tensor:
        lump = (y == 0) | (y == 1)
        at_end = -softplus(-logit_zoi) - y * softplus(-logit_coi) - (1 - y) * softplus(logit_coi)
        inside = Beta().log_density(torch.where(lump, 0.5, y), logit_mu, log_precision)
        return torch.where(lump, at_end, inside - softplus(logit_zoi))

    def mean(self, mu: Tensor, precision: Tensor, zoi: Tensor, coi: Tensor) -> Tensor:  # type: ignore[override]
        return zoi * coi + (1 - zoi) * mu

    def variance(self, mu: Tensor, precision: Tensor, zoi: Tensor, coi: Tensor) -> Tensor:  # type: ignore[override]
        # Within the three groups, and between them.
        return (1 - zoi) * mu * (1 - mu) / (1 + precision) + zoi * coi * (1 - coi) + zoi * (1 - zoi) * (coi - mu) ** 2

    def tails(self, y: Tensor, *working: Tensor, **columns: Tensor) -> tuple[Tensor, Tensor]:
        *inner, logit_zoi, logit_coi = working
        up_to, above = Beta().tails(y, *inner)
        at_zero = -softplus(-logit_zoi) - softplus(logit_coi)
        at_one = -softplus(-logit_zoi) - softplus(-logit_coi)
        up_to = torch.logaddexp(at_zero, up_to - softplus(logit_zoi))
        above = torch.logaddexp(at_one, above - softplus(logit_zoi))
        low, high = y < 0, y >= 1
        return (
            torch.where(low, -math.inf, torch.where(high, 0.0, up_to)),
            torch.where(low, 0.0, torch.where(high, -math.inf, above)),
        )

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        lump = (y == 0) | (y == 1)
        # Half a case on every side keeps probabilities off 0 and 1.
        total, lumped = float(weight.sum()), float(weight[lump].sum())
        shares = {
            "zoi": (lumped + 0.5) / (total + 1),
            "coi": (float((weight * y)[lump].sum()) + 0.5) / (lumped + 1),
        }
        if bool(lump.all()):
            return {"mu": 0.5, "precision": 1.0, **shares}
        return {**Beta().start(y[~lump], weight[~lump]), **shares}

    def simulate(  # type: ignore[override]
        self, random: np.random.Generator, mu: np.ndarray, precision: np.ndarray, zoi: np.ndarray, coi: np.ndarray
    ) -> np.ndarray:
        y = Beta().simulate(random, mu, precision)
        lump = random.random(len(mu)) < zoi
        y[lump] = random.random(len(mu))[lump] < coi[lump]
        return y
