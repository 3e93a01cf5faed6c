"""Censored responses: of some rows only an interval is known in which the response lies.

exact log f(y)      right log Pr(Y > lower)      left log Pr(Y <= upper)      interval log Pr(lower < Y <= upper)

Any continuous family whose tails are stated becomes one of censored responses. Censoring ties the mean to the spread,
so a dispersion phi is estimated together with the coefficients; there is no variance, deviance or expected information.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmfit.errors import UsageError
from glmfit.families.base import Family
from glmfit.families.distribution import filled
from glmfit.families.tails import panel
from glmfit.lazy import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    import numpy as np
    from torch import Tensor

# Columns of the bounds: equal where the response was observed, infinite where there is none. No name of a column of a
# user's likelihood can be the same.
LOWER, UPPER = "response:lower", "response:upper"
NARROW = 0.1  # largest change of the log-density within an interval over which the density is integrated directly


class Censored(Family):
    """The family `base` for responses known to lie between two bounds; y is a value between them to start from."""

    joint_dispersion = True

    def __init__(self, base: Family) -> None:
        self.base = base
        self.parameters, self.support, self.columns = base.parameters, base.support, base.columns
        self.bulk = base.bulk

    def of_columns(self, header: Collection[str]) -> Family:
        return censored(self.base.of_columns(header))

    def exp_measure(self, link: str) -> str | None:
        return self.base.exp_measure(link)

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        inside = (y > self.support.lower) & (y < self.support.upper)
        own = {name: columns[name][inside] for name in self.columns}
        return self.base.start(y[inside], weight[inside], **own)

    def beside(self, parameter: str, natural: Mapping[str, float]) -> Iterator[Mapping[str, float]]:
        return self.base.beside(parameter, natural)

    # What is drawn and foretold are responses as they would be without censoring; the bounds say nothing of them.

    def mean(self, mu: Tensor, *others: Tensor, **columns: Tensor) -> Tensor:
        return self.base.mean(mu, *others, **self._own(columns))

    def tails(self, y: Tensor, *working: Tensor, **columns: Tensor) -> tuple[Tensor, Tensor]:
        return self.base.tails(y, *working, **self._own(columns))

    def quantile(self, probability: Tensor, *working: Tensor, **columns: Tensor) -> Tensor:
        return self.base.quantile(probability, *working, **self._own(columns))

    def log_zero(self, *working: Tensor, **columns: Tensor) -> Tensor:
        return self.base.log_zero(*working, **self._own(columns))

    def simulate(self, random: np.random.Generator, *natural: np.ndarray, **columns: np.ndarray) -> np.ndarray:
        return self.base.simulate(random, *natural, **self._own(columns))

    def _own(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        return {name: columns[name] for name in self.columns}

    def log_density(self, y: Tensor, *working: Tensor, **columns: Tensor) -> Tensor:
        lower, upper = columns[LOWER], columns[UPPER]
        no_lower, no_upper = lower <= self.support.lower, upper >= self.support.upper
        base, between = self.base, ~(no_lower | no_upper)
        # A row without either bound says nothing. Each part sees its own rows alone, and no other's infinities.
        parts: tuple[tuple[Tensor, Callable[..., Tensor], tuple[Tensor, ...]], ...] = (
            (between & (lower == upper), base.log_density, (lower,)),
            (no_upper & ~no_lower, base.log_survival, (lower,)),
            (no_lower & ~no_upper, base.log_cdf, (upper,)),
            (between & (lower < upper), self._log_interval, (lower, upper)),
        )
        own = self._own(columns)
        value = torch.zeros_like(y)
        for chosen, function, ends in parts:
            value = filled(value, chosen, function, (*ends, *working), own)
        return value

    def _log_interval(self, lower: Tensor, upper: Tensor, *working: Tensor, **columns: Tensor) -> Tensor:
        """log Pr(lower < Y <= upper); where the density hardly varies, its integral over the few digits between."""
        with torch.no_grad():
            ends = torch.stack([lower, 0.5 * (lower + upper), upper], dim=1)
            height = self._heights(ends, working, columns)
            narrow = height.amax(dim=1) - height.amin(dim=1) < NARROW
        value = filled(torch.zeros_like(lower), narrow, self._log_narrow, (lower, upper, *working), columns)
        return filled(value, ~narrow, self.base.log_interval, (lower, upper, *working), columns)

    def _log_narrow(self, lower: Tensor, upper: Tensor, *working: Tensor, **columns: Tensor) -> Tensor:
        def density(y: Tensor) -> Tensor:
            return self._heights(y, working, columns)

        return panel(density, lower, upper)

    def _heights(self, y: Tensor, working: tuple[Tensor, ...], columns: dict[str, Tensor]) -> Tensor:
        """(n, m) the log-density at y (n, m)."""
        own = {name: column[:, None] for name, column in columns.items()}
        return self.base.log_density(y, *(parameter[:, None] for parameter in working), **own)


def censored(base: Family) -> Family:
    """The family of censored responses of `base`; UsageError where it has no tails."""
    if not base.has_tails or base.trials:
        raise UsageError(
            "bad_censoring",
            f"the {base.name} family does not take censored responses",
            "use a continuous one that does, such as weibull, log-normal, gamma or gaussian",
        )
    facts = {name: getattr(base, name) for name in ("name", "aliases", "summary", "example", "settings", "ratio")}
    if base.path is not None:  # a user's own, to be checked with its tails
        own = {name: getattr(base, name) for name in ("path", "signature")}
        facts |= {**own, "plain_density": Censored.log_density}
    family: Family = type("Censored", (Censored,), facts)(base)
    return family
