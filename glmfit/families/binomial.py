"""Successes out of trials: log f = log C(m, y) + y log p + (m - y) log(1 - p), V = m p (1 - p)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from glmfit.families.base import Canonical, Family, Parameter, Support, y_log_y
from glmfit.families.links import UNIT_LINKS
from glmfit.families.recession import of_successes
from glmfit.families.special import log_choose, softplus, softpluses
from glmfit.lazy import torch

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from glmfit.families.links import Link
    from glmfit.families.recession import Face


def _cumulants(eta: Tensor, *, trials: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    mean = trials * torch.sigmoid(eta)
    return trials * softplus(eta), mean, mean * torch.sigmoid(-eta)


class Binomial(Family):
    """y successes in m trials, p = mu; with z = logit p, log p = -softplus(-z) and log(1 - p) = -softplus(z)."""

    name = "binomial"
    elementwise = True
    aliases = ("bernoulli", "logit")
    summary = "0/1 outcomes, or successes out of trials"
    example = 'glmfit fit sample_data/birthwt.csv "low ~ age + lwt + race + smoke" --family binomial'
    support = Support(0, math.inf, integer=True, text="0/1, two levels, or successes between 0 and the trials")
    parameters = (Parameter("mu", "logit", UNIT_LINKS),)
    trials = True
    canonical = Canonical("logit", _cumulants)
    ratio = "risk ratio"
    orthogonal_mean = True

    def log_density(self, y: Tensor, logit_mu: Tensor, *, trials: Tensor) -> Tensor:  # type: ignore[override]
        not_one, not_zero = softpluses(logit_mu)
        return log_choose(trials, y) - y * not_zero - (trials - y) * not_one

    def recession(self, y: Tensor, links: Mapping[str, Link], **columns: Tensor) -> Iterator[Face]:
        return of_successes(y, columns["trials"], links["mu"])

    def mean(self, mu: Tensor, *others: Tensor, trials: Tensor) -> Tensor:  # type: ignore[override]
        return trials * mu

    def variance(self, mu: Tensor, *others: Tensor, trials: Tensor) -> Tensor:  # type: ignore[override]
        return trials * mu * (1 - mu)

    def unit_deviance(self, y: Tensor, logit_mu: Tensor, *others: Tensor, trials: Tensor) -> Tensor:  # type: ignore[override]
        saturated = y_log_y(y) + y_log_y(trials - y) - y_log_y(trials)
        not_one, not_zero = softpluses(logit_mu)
        return 2 * (saturated + y * not_zero + (trials - y) * not_one)

    def simulate(self, random: np.random.Generator, mu: np.ndarray, *, trials: np.ndarray) -> np.ndarray:  # type: ignore[override]
        return random.binomial(trials.astype(int), mu).astype(float)

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        # Half a success and half a failure keep the start off 0 and 1, where every link is infinite.
        successes, trials = float((weight * y).sum()), float((weight * columns["trials"]).sum())
        return {"mu": (successes + 0.5) / (trials + 1)} if successes in (0.0, trials) else {"mu": successes / trials}
