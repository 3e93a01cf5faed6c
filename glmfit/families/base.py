"""What a family is: named parameters, the support of its response, and one log-density per row.

    l_i = log f(y_i | parameters on their working scales)        Var(y_i) = phi V(mu_i) / w_i  where phi is a parameter

The density takes each parameter on its working scale (`log_mu`, `logit_mu`), and autograd writes every derivative.
A family's facts stand here once, free of torch until a density is evaluated, so that listing families is instant.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from glmfit.errors import UsageError
from glmfit.families.distribution import Distribution, filled
from glmfit.families.links import LINKS, POSITIVE_LINKS, Link, find_link, link_kind
from glmfit.families.special import log1mexp
from glmfit.lazy import torch

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from glmfit.families.recession import Face


@dataclass(frozen=True, slots=True)
class Special:
    """A natural value of a parameter at which its family is another, simpler one, whose other parameters are the same.

    At an `end` of the range, which no finite linear predictor reaches, `working` is a working value that is as good.
    `text` says more of the simpler family than its name, where that is not all of it; `beyond` how to go past the end,
    where another link does.
    """

    value: float
    working: float
    family: str
    end: bool = True
    text: str = ""
    beyond: str = ""


@dataclass(frozen=True, slots=True)
class Canonical:
    """The `link` under which l = y eta - b(eta) + c(y), of one predictor; of (eta, columns) b, E(y) and Var(y)."""

    link: str
    cumulants: Callable[..., tuple[Tensor, Tensor, Tensor]]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a distribution: its name, the working scale of the density, and its links, the default first.

    `special` are the values at which the family is a simpler one: what the family contains, stated once.
    """

    name: str
    scale: str
    links: tuple[str, ...]
    special: tuple[Special, ...] = ()

    def link(self, name: str | None, family: str) -> Link:
        """The link asked for, or the default; UsageError with the list of sensible ones otherwise."""
        link = find_link(name or self.links[0])
        if link_kind(link) not in self.links:
            raise UsageError(
                "bad_link",
                f"the {link.name} link makes no sense for {self.name} of the {family} family",
                f"links for {self.name}: {', '.join(self.links)}",
            )
        return link


PHI = Parameter("phi", "log", ("log",))  # the log link alone, so that prior weights are an offset: log phi - log w


@dataclass(frozen=True, slots=True)
class Support:
    """Where a response may lie: an interval, and whether its values are counts.

    Counts off the integers are fitted all the same (a quasi-likelihood) and reported as a finding.
    """

    lower: float
    upper: float
    lower_open: bool = False
    upper_open: bool = False
    integer: bool = False
    text: str = ""

    def violations(self, y: np.ndarray, upper: np.ndarray | None = None) -> np.ndarray:
        """(n,) bool: True where a value lies outside; `upper` replaces the bound row by row (binomial trials)."""
        low = y <= self.lower if self.lower_open else y < self.lower
        top = self.upper if upper is None else upper
        return low | (y >= top if self.upper_open else y > top) | ~(abs(y) < math.inf)


class Family(Distribution):
    """A response distribution; subclasses state the facts below and `log_density`.

    Optional: `mean` and `variance` bring expected information and Pearson's chi-square, `unit_deviance` the deviance,
    `start` a better start, `log_cdf` with `log_survival` censored responses. For each of n rows a method takes one
    value of every parameter in the order of `parameters`, and of every data column (`trials` among them) by name:

        log_density, log_cdf, log_survival, log_interval  on working scales, tensors; differentiated
        tails, quantile, log_zero, log_probabilities      on working scales, tensors; constants
        mean, variance                                    on natural scales, tensors; differentiated
        simulate                                          on natural scales, arrays of numpy

    and returns (n,) float64. A parameter of the scale `predictor` is its linear predictor on either scale, and offsets
    and prior weights are in the parameters already (phi / w is phi). Categories are codes
    from 0; a response of grouped rows is (n, K), see ConditionalLogit. What a family has no distribution for ends in
    `no_density`.
    """

    aliases: ClassVar[tuple[str, ...]] = ()
    summary: ClassVar[str]
    example: ClassVar[str]
    support: Support
    parameters: tuple[Parameter, ...]
    wrapper: ClassVar[str] = ""  # what a family made of another one adds to its name in front: "zero-inflated"
    columns: tuple[str, ...] = ()  # data columns that log_density takes by name, besides `trials`
    settings: ClassVar[tuple[str, ...]] = ()  # constants that `--fix NAME=VALUE` must give
    joint_dispersion: ClassVar[bool] = False  # phi is estimated together with the coefficients, by maximum likelihood
    orthogonal_mean: ClassVar[bool] = False  # E(d2 l / d mu d other) = 0: the mean's expected information stands alone
    with_zeros: ClassVar[str] = ""  # the family of positive responses to which zeros are added
    ratio: ClassVar[str] = "ratio"  # what exp of a coefficient of the main parameter is under the log link
    shared_formula: ClassVar[bool] = False  # the first formula is for every parameter
    location: ClassVar[bool] = False  # the main predictor has no intercept: other parameters, or groups, take it up
    bulk: int = 1  # how much more memory a row takes than usual, for a sum of terms, say
    more_recession: ClassVar[bool] = False  # l may rise for ever in other directions too than those of `recession`
    rare_is_one: ClassVar[bool] = False  # as the mean tends to 0 a count that is not 0 tends to 1, the surer the nearer
    log_phi_step: float = math.inf  # the maxima of l in log phi, the mean held, may lie as close as this; inf: one only
    separable_phi: ClassVar[bool] = (
        False  # log f = A(phi) + c(y) - d(y, mu) / (2 phi): deviances are all that phi needs
    )
    twice: ClassVar[bool] = False  # the density is written so that it has two derivatives, and no more
    several_peaks: ClassVar[bool] = False  # l may have several maxima far from each other: several starts are worth it
    neighbours: ClassVar[tuple[str, ...]] = ()  # families of the same parameters whose maxima are starts
    elementwise: ClassVar[bool] = False  # the density takes a response (n,) beside parameters (m, n), of m fits at once
    canonical: ClassVar[Canonical | None] = None
    quadratic_links: ClassVar[tuple[str, ...]] = ()  # links of mu under which l is quadratic in eta: least squares

    @classmethod
    def holding(cls, fixed: Mapping[str, float]) -> Family:
        """The family with the parameters `fixed` held at these natural values, which may make another one of it."""
        return cls()

    def log_density(self, y: Tensor, *working: Tensor, **columns: Tensor) -> Tensor:
        """(n,) log f(y | parameters), the parameters on their working scales in the order of `parameters`."""
        raise TypeError(f"{type(self).__name__} defines no log_density")

    def mean(self, mu: Tensor, *others: Tensor, **columns: Tensor) -> Tensor:
        """(n,) E(y), of what a row counts (successes of a binomial); NaN or infinite where there is none."""
        return mu

    def variance(self, mu: Tensor, *others: Tensor, **columns: Tensor) -> Tensor:
        """(n,) V(mu) with Var(y) = phi V(mu) / w."""
        raise TypeError(f"{type(self).__name__} defines no variance")

    def over_variance(self, error: Tensor, *natural: Tensor, **columns: Tensor) -> Tensor:
        """(n,) error^2 / V(mu); a family whose V overflows or vanishes where mu does not divides first."""
        return error**2 / self.variance(*natural, **columns)

    def unit_deviance(self, y: Tensor, *working: Tensor, **columns: Tensor) -> Tensor:
        """(n,) d(y, mu) >= 0: twice the log-likelihood ratio against mu = y at phi = 1."""
        raise TypeError(f"{type(self).__name__} defines no unit_deviance")

    def log_cdf(self, y: Tensor, *working: Tensor, **columns: Tensor) -> Tensor:
        """(n,) log Pr(Y <= y), for responses censored from the left."""
        raise TypeError(f"{type(self).__name__} defines no log_cdf")

    def log_survival(self, y: Tensor, *working: Tensor, **columns: Tensor) -> Tensor:
        """(n,) log Pr(Y > y), for responses censored from the right."""
        raise TypeError(f"{type(self).__name__} defines no log_survival")

    def log_interval(self, lower: Tensor, upper: Tensor, *working: Tensor, **columns: Tensor) -> Tensor:
        """(n,) log Pr(lower < Y <= upper), both finite: a difference in the tail that is the smaller there."""
        up_to, beyond = self.log_cdf(upper, *working, **columns), self.log_survival(lower, *working, **columns)
        below = up_to.detach() < beyond.detach()
        more, less = torch.where(below, up_to, beyond), torch.full_like(lower, -math.inf)
        for tail, end, own in ((self.log_cdf, lower, below), (self.log_survival, upper, ~below)):
            with torch.no_grad():  # far out, where it is nothing beside the other, its derivatives may not be finite
                counts = tail(end, *working, **columns) - more > NOTHING
            less = filled(less, own & counts, tail, (end, *working), columns)
        return more + log1mexp(less - more)

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        """Natural-scale starting values of the intercept-only model; parameters left out are searched for."""
        return {}

    def beside(self, parameter: str, natural: Mapping[str, float]) -> Iterator[Mapping[str, float]]:
        """Points to climb from, near the maximum `natural` of the simpler family in which `parameter` is special."""
        scale = LINKS[self.parameter(parameter).scale]
        for working in STEPS_ASIDE:
            yield {parameter: float(scale.inverse(torch.tensor(working, dtype=torch.float64)))}

    def caution(self, *natural: Tensor) -> str | None:
        """What is to be said of the density at parameters (n,) at which it is none in the strict sense."""
        return None

    def recession(self, y: Tensor, links: Mapping[str, Link], **columns: Tensor) -> Iterator[Face] | None:
        """Along which changes of the linear predictors no row's log-density ever falls; None where that is not known.

        Predictors that no face mentions are left as they are. A subclass with another density states its own.
        """
        return None

    def of_categories(self, levels: Sequence[str], link: Link) -> Family:
        """The family of a response with these levels: now its parameters are known."""
        raise TypeError(f"{type(self).__name__} has no categories")

    def symmetric(self) -> Family:
        """The same with a linear predictor for each category, the base too, which are determined up to a constant."""
        return self

    def of_columns(self, header: Collection[str]) -> Family:
        """The family for data with these columns: some that `log_density` takes may be optional."""
        return self

    def of_groups(self, size: int) -> Family:
        """The family of groups of up to `size` rows: as many linear predictors."""
        raise TypeError(f"{type(self).__name__} has no groups")

    def exp_measure(self, link: str) -> str | None:
        """What exp of a coefficient measures under a link of the main parameter; None where it has no meaning."""
        return {"log": self.ratio, "logit": "odds ratio", "cloglog": "hazard ratio"}.get(link)

    @property
    def has_tails(self) -> bool:
        """Whether the probabilities beyond a value are stated, so that responses may be censored."""
        own = type(self)
        return own.log_cdf is not Family.log_cdf and own.log_survival is not Family.log_survival

    @property
    def main(self) -> str:
        """The parameter that the first formula is for."""
        return self.parameters[0].name

    @property
    def has_dispersion(self) -> bool:
        """Whether phi is a parameter, to be estimated; otherwise it is known to be 1."""
        return any(parameter.name == "phi" for parameter in self.parameters)

    @property
    def weighs_phi(self) -> bool:
        """Whether prior weights divide phi; else, as where only a part of the density has it, they multiply l."""
        return self.has_dispersion and not self.wrapper

    @property
    def has_moments(self) -> bool:
        """Whether the variance of the response is stated."""
        return type(self).variance is not Family.variance

    @property
    def has_deviance(self) -> bool:
        """Whether the unit deviance of the response is stated."""
        return type(self).unit_deviance is not Family.unit_deviance

    @property
    def has_recession(self) -> bool:
        """Whether `recession` is stated of this density, and not inherited with another one."""
        for cls in type(self).__mro__:
            if "recession" in vars(cls):
                return cls is not Family
            if "log_density" in vars(cls):
                return False
        return False

    @property
    def canonical_link(self) -> str | None:
        """The link of `canonical`, where that is stated of this density, and not inherited with another one."""
        for cls in type(self).__mro__:
            if "canonical" in vars(cls):
                return None if self.canonical is None else self.canonical.link
            if "log_density" in vars(cls):
                return None
        return None

    def parameter(self, name: str) -> Parameter:
        """The parameter called `name`, or `log_name` with its scale or default link in front; UsageError else.

        Where no parameter is called mu, `mu` means the main one.
        """
        for parameter in self.parameters:
            if name in (
                parameter.name,
                *(f"{form}_{parameter.name}" for form in (parameter.scale, parameter.links[0])),
            ):
                return parameter
        if name == "mu":
            return self.parameters[0]
        names = ", ".join(p.name for p in self.parameters)
        raise UsageError("unknown_parameter", f"the {self.name} family has no parameter '{name}'", f"it has: {names}")


class PositiveMean(Family):
    """Families whose mean is positive: working scale log mu, and a start away from zero."""

    mu_parameter: ClassVar[Parameter] = Parameter("mu", "log", POSITIVE_LINKS)
    orthogonal_mean = True

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        mean = float((weight * y).sum() / weight.sum())
        if mean > 0:
            return {"mu": mean}
        return {"mu": 0.5 / max(1, y.numel())}  # an all-zero response has its maximum at mu = 0, on the boundary


def y_log_y(y: Tensor) -> Tensor:
    """y log y, 0 at 0; y is data and never differentiated."""
    return torch.special.xlogy(y, y)


STEPS_ASIDE = (-4.0, -2.0, 0.0, 2.0, 4.0)  # working values of a parameter with a simpler family somewhere beside them
LOG_2PI = math.log(2 * math.pi)
NOTHING = -750.0  # log of a share that is 0 in double precision
