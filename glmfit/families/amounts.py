"""Amounts that are positive or exactly 0: gamma, inverse-gaussian, log-normal and weibull with a probability of 0.

f(0) = zero        f(y) = (1 - zero) f0(y) of y > 0                          zero = Pr(y = 0)
f0 has no zeros of its own, so that a zero-inflated form and a hurdle are one model, whose parts share no parameter:
a binomial for whether y is 0, and f0 for the amounts. Aitchison (1955), J. Amer. Stat. Assoc. 50, 901-908.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from glmfit.families.base import Family, Parameter, Support
from glmfit.families.continuous import Gamma, InverseGaussian
from glmfit.families.cumulate import ROUNDING
from glmfit.families.distribution import filled
from glmfit.families.lifetimes import LogNormal, Weibull
from glmfit.families.links import UNIT_LINKS
from glmfit.families.moments import moments
from glmfit.families.recession import Face, of_zero_or_not
from glmfit.families.special import softplus
from glmfit.families.wrappers import LEAST_SHARE, with_zeros
from glmfit.lazy import torch

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from glmfit.families.links import Link


E = 2.718281828459045  # an amount to start from where there are none: its logarithm is no bound of any link


class HurdleAmount(Family):
    """log f(0) = log zero, log f(y) = log(1 - zero) + log f0(y)."""

    wrapper = "hurdle"
    base: ClassVar[Family]
    lumps = (0.0,)

    def log_density(self, y: Tensor, *working: Tensor, **columns: Tensor) -> Tensor:
        *inner, logit_zero = working
        above = filled(torch.zeros_like(y), y > 0, self.base.log_density, (y, *inner), columns)
        return torch.where(y == 0, -softplus(-logit_zero), above - softplus(logit_zero))

    def recession(self, y: Tensor, links: Mapping[str, Link], **columns: Tensor) -> Iterator[Face]:
        """An amount has its peak inside, whatever the other parameters; a 0 says nothing of the amounts."""
        yield Face(torch.where(y > 0, 1.0, 0.0)[:, None], y > 0)
        yield of_zero_or_not(y, links["zero"], len(self.parameters) - 1)

    def mean(self, *natural: Tensor, **columns: Tensor) -> Tensor:
        *inner, zero = natural
        return (1 - zero) * self.base.mean(*inner, **columns)

    def variance(self, *natural: Tensor, **columns: Tensor) -> Tensor:
        *inner, zero = natural
        phi = natural[1] if self.base.has_dispersion else 1.0
        within = self.base.variance(*inner, **columns)
        return (1 - zero) * (within + zero * self.base.mean(*inner, **columns) ** 2 / phi)

    def tails(self, y: Tensor, *working: Tensor, **columns: Tensor) -> tuple[Tensor, Tensor]:
        *inner, logit_zero = working
        return with_zeros(y, logit_zero, *self.base.tails(y, *inner, **columns))

    def quantile(self, probability: Tensor, *working: Tensor, **columns: Tensor) -> Tensor:
        *inner, logit_zero = working
        zero = torch.sigmoid(logit_zero)
        none = probability <= zero * (1 + ROUNDING)
        above = self.base.quantile((probability - zero) * (1 + torch.exp(logit_zero)), *inner, **columns)
        return torch.where(none, 0.0, above)

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        none = y == 0
        zero = float(weight[none].sum() / weight.sum())
        amounts, own = (torch.full_like(y, E), weight) if bool(none.all()) else (y[~none], weight[~none])
        found = self.base.start(amounts, own)
        if self.base.has_dispersion:
            mu = torch.tensor([found["mu"]], dtype=torch.float64)
            found["phi"] = moments(amounts, own).sd ** 2 / float(self.base.variance(mu))
        return {**found, "zero": min(max(zero, LEAST_SHARE), 1 - LEAST_SHARE)}

    def simulate(self, random: np.random.Generator, *natural: np.ndarray, **columns: np.ndarray) -> np.ndarray:
        *inner, zero = natural
        return self.base.simulate(random, *inner, **columns) * (random.random(len(zero)) >= zero)


def hurdle_amount(base: type[Family], *aliases: str) -> type[HurdleAmount]:
    """The class around the family `base` of positive amounts."""
    name = f"hurdle-{base.name}"
    facts = {
        "__doc__": f"{base.name}: {HurdleAmount.__doc__}",
        "__module__": __name__,
        "name": name,
        "aliases": (f"zero-inflated-{base.name}", *aliases),
        "summary": f"{base.name} for what is not 0, another probability for 0",
        "example": f'glmfit fit sample_data/tobin.csv "durable ~ quant" "zero ~ age" --family {name}',
        "support": Support(0, float("inf"), text="numbers from 0 up"),
        "parameters": (*base.parameters, Parameter("zero", "logit", UNIT_LINKS)),
        "bulk": base.bulk,
        "ratio": base.ratio,
        "joint_dispersion": "phi" in [parameter.name for parameter in base.parameters],
        "base": base(),
    }
    return type(f"Hurdle{base.__name__}", (HurdleAmount,), facts)


HURDLE_AMOUNTS: tuple[type[HurdleAmount], ...] = (
    hurdle_amount(Gamma, "zigamma", "delta-gamma", "zaga"),
    hurdle_amount(InverseGaussian, "zaig"),
    hurdle_amount(LogNormal, "hurdle-lognormal", "zero-inflated-lognormal", "delta-lognormal", "delta-log-normal"),
    hurdle_amount(Weibull),
)
