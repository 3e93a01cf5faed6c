"""What is asked of a distribution once its parameters are known: probabilities, quantiles, draws; no derivatives.

    tails = (log Pr(Y <= y), log Pr(Y > y))        quantile(p) = the smallest y with Pr(Y <= y) >= p

Every family gets them from its log-density where it is one of counts, else from its tails where they are stated; one
that knows a shorter way has it in its own class.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar, Protocol

from glmfit.errors import UsageError
from glmfit.families.cumulate import quantiles, tails_of_counts
from glmfit.families.links import LINKS
from glmfit.lazy import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from torch import Tensor


class Scaled(Protocol):
    """A parameter with a working scale."""

    @property
    def scale(self) -> str: ...


class Bounded(Protocol):
    """The support of a response."""

    @property
    def lower(self) -> float: ...
    @property
    def upper(self) -> float: ...
    @property
    def integer(self) -> bool: ...


class Distribution:
    """Half of a `Family`, whose facts it needs; the shapes of arguments and results are said there."""

    name: ClassVar[str]
    path: ClassVar[str | None] = None  # the user's file that defines it
    trials: ClassVar[bool] = False  # the response is successes out of trials; `trials` is passed to every method
    quasi: ClassVar[bool] = False  # log_density is a quasi-likelihood: no AIC, and phi only by moments
    categories: ClassVar[bool] = False  # the response is one of several categories, see `of_categories`
    grouped: ClassVar[bool] = False  # the rows of a group are one unit with one log-density
    lumps: ClassVar[tuple[float, ...]] = ()  # values with a probability of their own, of a response that is no count

    if TYPE_CHECKING:

        @property
        def parameters(self) -> Sequence[Scaled]: ...
        @property
        def support(self) -> Bounded: ...
        @property
        def has_tails(self) -> bool: ...
        def log_density(self, y: Tensor, *working: Tensor, **columns: Tensor) -> Tensor: ...
        def log_cdf(self, y: Tensor, *working: Tensor, **columns: Tensor) -> Tensor: ...
        def log_survival(self, y: Tensor, *working: Tensor, **columns: Tensor) -> Tensor: ...

    def simulate(self, random: np.random.Generator, *natural: np.ndarray, **columns: np.ndarray) -> np.ndarray:
        """(n,) independent responses, by the quantiles of uniform numbers where a family has no quicker way."""
        working = self.working(*(torch.from_numpy(value) for value in natural))
        uniform = torch.from_numpy(random.random(len(natural[0])))
        tensors = {name: torch.from_numpy(column) for name, column in columns.items()}
        return self.quantile(uniform, *working, **tensors).numpy()

    def tails(self, y: Tensor, *working: Tensor, **columns: Tensor) -> tuple[Tensor, Tensor]:
        """(n,) log Pr(Y <= y) and log Pr(Y > y), each with all of its digits, at any real y (n,), infinite ones too.

        Pr(Y < y) is that of y - 1 for counts, and of the next smaller double for other responses.
        """
        self.check_distribution()
        if self.support.integer:
            lower, upper = self.ends(*working, **columns)

            def log_masses(k: Tensor, rows: Tensor) -> Tensor:
                own = {name: column[rows] for name, column in columns.items()}
                return self.log_masses(k, *(value[rows] for value in working), **own)

            return tails_of_counts(log_masses, y, lower, upper, smooth=self.path is None)
        low, high = y <= self.support.lower, y >= self.support.upper
        unknown, nothing = torch.full_like(y, math.nan), torch.full_like(y, -math.inf)
        up_to = torch.where(low, nothing, torch.where(high, 0.0, unknown))
        above = torch.where(high, nothing, torch.where(low, 0.0, unknown))
        inside, arguments = ~(low | high), (y, *working)
        return (
            filled(up_to, inside, self.log_cdf, arguments, columns),
            filled(above, inside, self.log_survival, arguments, columns),
        )

    def quantile(self, probability: Tensor, *working: Tensor, **columns: Tensor) -> Tensor:
        """(n,) the smallest y with Pr(Y <= y) >= `probability` (n,): the ends of the support at 0 and 1."""
        self.check_distribution()
        lower, upper = self.ends(*working, **columns)

        def tails(y: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
            own = {name: column[rows] for name, column in columns.items()}
            return self.tails(y, *(value[rows] for value in working), **own)

        return quantiles(tails, probability, lower, upper, self.support.integer)

    def log_zero(self, *working: Tensor, **columns: Tensor) -> Tensor:
        """(n,) log Pr(Y = 0); -inf where 0 has no probability of its own."""
        self.check_distribution()
        at_zero = torch.zeros_like(working[0])
        if self.support.integer or 0.0 in self.lumps:
            return self.log_density(at_zero, *working, **columns) if self.support.lower <= 0 else at_zero - math.inf
        return at_zero - math.inf

    def log_probabilities(self, *working: Tensor, **columns: Tensor) -> Tensor:
        """(n, J) log Pr(Y = j) of every category."""
        codes = (torch.full_like(working[0], float(j)) for j in range(self.n_categories))
        return torch.stack([self.log_density(code, *working, **columns) for code in codes], dim=1)

    def log_masses(self, k: Tensor, *working: Tensor, **columns: Tensor) -> Tensor:
        """(n, q) log Pr(Y = k) of counts k (n, q)."""
        q = k.shape[1]
        own = {name: column.repeat_interleave(q) for name, column in columns.items()}
        return self.log_density(k.flatten(), *(value.repeat_interleave(q) for value in working), **own).reshape(k.shape)

    def ends(self, *working: Tensor, **columns: Tensor) -> tuple[Tensor, Tensor]:
        """(n,) the least and the largest response of each row."""
        lower = torch.full_like(working[0], self.support.lower)
        return lower, columns["trials"] if self.trials else torch.full_like(lower, self.support.upper)

    def working(self, *natural: Tensor) -> list[Tensor]:
        """The parameters on their working scales, from their natural ones."""
        pairs = zip(self.parameters, natural, strict=True)
        return [value if p.scale == "predictor" else LINKS[p.scale].link(value) for p, value in pairs]

    def natural(self, *working: Tensor) -> list[Tensor]:
        """The parameters on their natural scales, from their working ones."""
        pairs = zip(self.parameters, working, strict=True)
        return [value if p.scale == "predictor" else LINKS[p.scale].inverse(value) for p, value in pairs]

    def check_distribution(self) -> None:
        """UsageError `no_density` where the family has no distribution function, and so no quantiles and draws."""
        if self.has_distribution:
            return
        what, hint = "has no distribution function", "state log_cdf and log_survival, as for censored responses"
        if self.quasi:
            what = "is a quasi-likelihood: a mean and a variance, no density"
            hint = "use a family with a density, such as negative-binomial or beta-binomial"
        elif self.path is None:
            hint = "ask for the probabilities of its categories"
        raise UsageError("no_density", f"the {self.name} family {what}", hint)

    @property
    def has_distribution(self) -> bool:
        """Whether `tails` and `quantile` are there: of every density of numbers that are counts or whose tails are
        stated."""
        stated = self.support.integer or self.has_tails or type(self).tails is not Distribution.tails
        return stated and not (self.quasi or self.categories or self.grouped)

    @property
    def has_mean(self) -> bool:
        """Whether the response has a mean, and one that is known: a user's function of a density states none."""
        return not (self.categories or self.grouped)

    @property
    def n_categories(self) -> int:
        """How many categories the response has."""
        raise TypeError(f"{type(self).__name__} has no categories")


def filled(
    value: Tensor,
    chosen: Tensor,
    function: Callable[..., Tensor],
    arguments: tuple[Tensor, ...],
    columns: Mapping[str, Tensor],
) -> Tensor:
    """`value` (n,) with that of the function in the rows `chosen` (n,), evaluated on them alone."""
    rows = chosen.nonzero()[:, 0]
    if not len(rows):
        return value
    own = {name: column[rows] for name, column in columns.items()}
    return value.index_put((rows,), function(*(argument[rows] for argument in arguments), **own))
