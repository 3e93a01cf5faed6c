"""Families made of families of counts: more zeros than they allow, zeros of another origin, or no zeros at all.

zero-inflated   f(0) = zero + (1 - zero) f0(0)   f(y) = (1 - zero) f0(y)                       zero: a structural zero
hurdle          f(0) = zero                      f(y) = (1 - zero) f0(y) / (1 - f0(0))         zero = Pr(y = 0)
zero-truncated                                   f(y) = f0(y) / (1 - f0(0))
A class is made out of the class of f0, whose parameters come first. Mullahy (1986), J. Econometrics 33, 341-365;
Lambert (1992), Technometrics 34, 1-14.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, ClassVar

from glmfit.families.base import Family, Parameter, Special, Support
from glmfit.families.binomial import Binomial
from glmfit.families.conway import ConwayMaxwellPoisson
from glmfit.families.counts import Geometric, NegativeBinomial, Poisson
from glmfit.families.cumulate import tails_of_counts
from glmfit.families.dispersed import BetaBinomial, GeneralizedPoisson, NegativeBinomial1, PoissonInverseGaussian
from glmfit.families.links import LINKS, UNIT_LINKS
from glmfit.families.recession import of_positive_counts, of_zero_or_not
from glmfit.families.special import log1mexp, logaddexp, softplus
from glmfit.lazy import torch

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from glmfit.families.links import Link
    from glmfit.families.recession import Face

LEAST_SHARE = 0.01  # of zeros of either kind, where a search begins
ROUNDS = 12  # of the fixed-point iterations for a start
FEW = 1000.0  # draws to try, on average, for one that is not 0
RARE = -100.0  # log mu below which f0(0) is 1 in double precision, and 1 - f0(0) a multiple of mu


class Wrapped(Family):
    """What the three have in common: an instance `base` of the family inside."""

    wrapper: ClassVar[str]
    base: ClassVar[Family]

    @property
    def has_recession(self) -> bool:
        """Whether that of f0 is stated, and where zeros are not its own also what is left without them."""
        return self.base.has_recession and self.base.rare_is_one

    def _log_zero(self, *working: Tensor, **columns: Tensor) -> Tensor:
        """(n,) log f0(0)."""
        return self.base.log_density(torch.zeros_like(working[0]), *working, **columns)

    def _log_zero_at(self, *natural: Tensor, **columns: Tensor) -> Tensor:
        """(n,) log f0(0), from natural parameters of f0."""
        working = (LINKS[p.scale].link(v) for p, v in zip(self.base.parameters, natural, strict=True))
        return self._log_zero(*working, **columns)

    def _log_positive(self, log_mu: Tensor, *others: Tensor, **columns: Tensor) -> Tensor:
        """(n,) log(1 - f0(0)); for small mu log mu plus what the other parameters make of it."""
        near = torch.clamp(log_mu, min=RARE)
        return log1mexp(self._log_zero(near, *others, **columns)) + (log_mu - near)

    def _positive_moments(self, *natural: Tensor, **columns: Tensor) -> tuple[Tensor, Tensor]:
        """(n,) E(y | y > 0) and E(y^2 | y > 0) under f0."""
        positive = -torch.expm1(self._log_zero_at(*natural, **columns))
        mean, variance = self.base.mean(*natural, **columns), self.base.variance(*natural, **columns)
        return mean / positive, (variance + mean**2) / positive

    def _start_truncated(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        """Parameters of f0 from the counts that are not 0: mu = (1 - f0(0)) times their mean, the rest by moments."""
        weight = weight * (y > 0) if bool((y > 0).any()) else weight
        found = self.base.start(y, weight, **columns)
        mean = found["mu"]
        for _ in range(ROUNDS):
            natural = (torch.tensor([found[p.name]], dtype=torch.float64) for p in self.base.parameters)
            found["mu"] = mean * -math.expm1(float(self._log_zero_at(*natural)))
        return found

    def _positive_tails(self, y: Tensor, *working: Tensor, **columns: Tensor) -> tuple[Tensor, Tensor]:
        """(n,) log Pr(Y <= y | Y > 0) and log Pr(Y > y | Y > 0) under f0."""
        log_positive = self._log_positive(*working, **columns)

        def log_masses(k: Tensor, rows: Tensor) -> Tensor:
            own = {name: column[rows] for name, column in columns.items()}
            return self.base.log_masses(k, *(value[rows] for value in working), **own) - log_positive[rows, None]

        upper = self.base.ends(*working, **columns)[1]
        return tails_of_counts(log_masses, y, torch.ones_like(y), upper, smooth=True)

    def _simulate_truncated(
        self, random: np.random.Generator, *natural: np.ndarray, **columns: np.ndarray
    ) -> np.ndarray:
        """(n,) draws of f0 that are not 0: drawn again while they are, or by inversion where nearly all are."""
        y = self.base.simulate(random, *natural, **columns)
        parameters = [torch.from_numpy(value) for value in natural]
        rare = FEW * -torch.expm1(self._log_zero_at(*parameters)).numpy() < 1
        if rare.any():
            y[rare] = _invert(self, random, [value[rare] for value in parameters])
        left = (y == 0).nonzero()[0]
        while len(left):
            y[left] = self.base.simulate(random, *(value[left] for value in natural))
            left = left[y[left] == 0]
        return y


def _invert(family: Wrapped, random: np.random.Generator, natural: list[Tensor]) -> np.ndarray:
    """(n,) the smallest counts, from 1 on, at which the distribution function given y > 0 exceeds uniform numbers."""
    working = [LINKS[p.scale].link(v) for p, v in zip(family.base.parameters, natural, strict=True)]
    y = torch.ones_like(natural[0])
    left = torch.arange(len(y))
    rest = torch.from_numpy(random.random(len(y))) * -torch.expm1(family._log_zero(*working))
    while len(left):
        rest[left] -= torch.exp(family.base.log_density(y[left], *(value[left] for value in working)))
        left = left[rest[left] > 0]
        y[left] += 1
    return y.numpy()


def with_zeros(y: Tensor, logit_zero: Tensor, up_to: Tensor, above: Tensor) -> tuple[Tensor, Tensor]:
    """The tails (n,) of what is 0 with another probability `zero` than the distribution of these tails has."""
    log_zero, log_rest = -softplus(-logit_zero), -softplus(logit_zero)
    return (
        torch.where(y < 0, -math.inf, torch.logaddexp(log_zero, log_rest + up_to)),
        torch.where(y < 0, 0.0, log_rest + above),
    )


class ZeroInflated(Wrapped):
    """log f(0) = log(zero + (1 - zero) f0(0)), log f(y) = log(1 - zero) + log f0(y)."""

    wrapper = "zero-inflated"
    more_recession = True
    several_peaks = True

    def log_density(self, y: Tensor, *working: Tensor, **columns: Tensor) -> Tensor:
        *inner, logit_zero = working
        inside = self.base.log_density(y, *inner, **columns) - softplus(logit_zero)
        return torch.where(y == 0, logaddexp(-softplus(-logit_zero), inside), inside)

    @property
    def has_recession(self) -> bool:
        return self.base.has_recession

    def recession(self, y: Tensor, links: Mapping[str, Link], **columns: Tensor) -> Iterator[Face] | None:
        """Either way f(0) rises to 1; stated are the directions in which neither of the two falls."""
        faces = self.base.recession(y, links, **columns)
        if faces is None:
            return None
        counts = (replace(face, last=(y == 0) & ~face.equal) for face in faces)
        return chain(counts, [of_zero_or_not(y, links["zero"], len(self.parameters) - 1)])

    def mean(self, *natural: Tensor, **columns: Tensor) -> Tensor:
        *inner, zero = natural
        return (1 - zero) * self.base.mean(*inner, **columns)

    def variance(self, *natural: Tensor, **columns: Tensor) -> Tensor:
        *inner, zero = natural
        mean = self.base.mean(*inner, **columns)
        return (1 - zero) * (self.base.variance(*inner, **columns) + zero * mean**2)

    def tails(self, y: Tensor, *working: Tensor, **columns: Tensor) -> tuple[Tensor, Tensor]:
        *inner, logit_zero = working
        return with_zeros(y, logit_zero, *self.base.tails(y, *inner, **columns))

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        # The EM algorithm with moments for its maximisation: a zero counts for f0 by the probability that it is f0's.
        zeros, total = weight * (y == 0), float(weight.sum())
        structural = 0.5 * zeros
        for _ in range(ROUNDS):
            found = self.base.start(y, weight - structural, **columns)
            share = min(max(float(structural.sum()) / total, LEAST_SHARE), 1 - LEAST_SHARE)
            inner = [torch.full_like(y, found[p.name]) for p in self.base.parameters]
            structural = zeros * share / (share + (1 - share) * torch.exp(self._log_zero_at(*inner, **columns)))
        return {**found, "zero": share}

    def simulate(self, random: np.random.Generator, *natural: np.ndarray, **columns: np.ndarray) -> np.ndarray:
        *inner, zero = natural
        return self.base.simulate(random, *inner, **columns) * (random.random(len(zero)) >= zero)


class Hurdle(Wrapped):
    """log f(0) = log zero, log f(y) = log(1 - zero) + log f0(y) - log(1 - f0(0))."""

    wrapper = "hurdle"

    def log_density(self, y: Tensor, *working: Tensor, **columns: Tensor) -> Tensor:
        *inner, logit_zero = working
        # A zero says nothing of f0, whose derivatives need not exist where only zeros are.
        inner = [torch.where(y == 0, 0.0, value) for value in inner]
        above = self.base.log_density(y, *inner, **columns) - self._log_positive(*inner, **columns)
        return torch.where(y == 0, -softplus(-logit_zero), above - softplus(logit_zero))

    def recession(self, y: Tensor, links: Mapping[str, Link], **columns: Tensor) -> Iterator[Face]:
        yield of_positive_counts(y, links["mu"])
        yield of_zero_or_not(y, links["zero"], len(self.parameters) - 1)

    def mean(self, *natural: Tensor, **columns: Tensor) -> Tensor:
        *inner, zero = natural
        return (1 - zero) * self._positive_moments(*inner, **columns)[0]

    def variance(self, *natural: Tensor, **columns: Tensor) -> Tensor:
        *inner, zero = natural
        first, second = self._positive_moments(*inner, **columns)
        return (1 - zero) * (second - (1 - zero) * first**2)

    def tails(self, y: Tensor, *working: Tensor, **columns: Tensor) -> tuple[Tensor, Tensor]:
        *inner, logit_zero = working
        return with_zeros(y, logit_zero, *self._positive_tails(y, *inner, **columns))

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        zero = float((weight * (y == 0)).sum() / weight.sum())
        return {
            **self._start_truncated(y, weight, **columns),
            "zero": min(max(zero, LEAST_SHARE), 1 - LEAST_SHARE),
        }

    def simulate(self, random: np.random.Generator, *natural: np.ndarray, **columns: np.ndarray) -> np.ndarray:
        *inner, zero = natural
        return self._simulate_truncated(random, *inner, **columns) * (random.random(len(zero)) >= zero)


class ZeroTruncated(Wrapped):
    """log f(y) = log f0(y) - log(1 - f0(0)), y = 1, 2, ..."""

    wrapper = "zero-truncated"

    def log_density(self, y: Tensor, *working: Tensor, **columns: Tensor) -> Tensor:
        return self.base.log_density(y, *working, **columns) - self._log_positive(*working, **columns)

    def recession(self, y: Tensor, links: Mapping[str, Link], **columns: Tensor) -> Iterator[Face]:
        yield of_positive_counts(y, links["mu"])

    def mean(self, *natural: Tensor, **columns: Tensor) -> Tensor:
        return self._positive_moments(*natural, **columns)[0]

    def variance(self, *natural: Tensor, **columns: Tensor) -> Tensor:
        first, second = self._positive_moments(*natural, **columns)
        return second - first**2

    def tails(self, y: Tensor, *working: Tensor, **columns: Tensor) -> tuple[Tensor, Tensor]:
        return self._positive_tails(y, *working, **columns)

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        return self._start_truncated(y, weight, **columns)

    def simulate(self, random: np.random.Generator, *natural: np.ndarray, **columns: np.ndarray) -> np.ndarray:
        return self._simulate_truncated(random, *natural, **columns)


_ARTICLES = 'glmfit fit sample_data/articles.csv "art ~ fem + mar + kid5 + ment" "zero ~ ment" --family {}'
_GRAFTS = 'glmfit fit sample_data/orchard.csv "taken/grafts ~ spray + shade" --family {}'
_FRUITS = 'glmfit fit sample_data/orchard.csv "fruits ~ spray + shade" --family {}'
_PUBLISHED = 'glmfit fit sample_data/published.csv "art ~ fem + mar + kid5 + ment" --family {}'


def wrapped(kind: type[Wrapped], base: type[Family], *aliases: str) -> type[Wrapped]:
    """The class of `kind` around the family `base`."""
    name = f"{kind.wrapper}-{base.name}"

    def has(special: Special) -> bool:
        """Whether the wrapped family has it too: a binomial is wrapped in structural zeros alone."""
        return kind is ZeroInflated or special.family != Binomial.name

    inner = tuple(
        replace(p, special=tuple(replace(one, family=f"{kind.wrapper}-{one.family}") for one in p.special if has(one)))
        for p in base.parameters
    )
    unwrapped = (Special(0.0, -40.0, base.name),) if kind is ZeroInflated else ()
    zero = Parameter("zero", "logit", UNIT_LINKS, special=unwrapped)
    truncated = kind is ZeroTruncated
    if truncated:
        example = _PUBLISHED
    elif base.trials:
        example = _GRAFTS
    else:  # the articles have no more zeros than the geometric family gives them
        example = _FRUITS if (kind, base) == (ZeroInflated, Geometric) else _ARTICLES
    facts = {
        "__doc__": f"{base.name}: {kind.__doc__}",
        "__module__": kind.__module__,
        "name": name,
        "aliases": aliases,
        "summary": f"{base.name} {_SUMMARIES[kind]}",
        "example": example.format(name),
        "support": Support(1, math.inf, integer=True, text="counts 1, 2, ...") if truncated else base.support,
        "parameters": inner if truncated else (*inner, zero),
        "columns": base.columns,
        "trials": base.trials,
        "bulk": base.bulk,
        "ratio": base.ratio,
        "base": base(),
        "neighbours": (f"{Hurdle.wrapper}-{base.name}",) if kind is ZeroInflated and not base.trials else (),
    }
    return type(f"{kind.__name__}{base.__name__}", (kind,), facts)


_SUMMARIES = {
    ZeroInflated: "with structural zeros besides its own",
    Hurdle: "for what is not 0, another probability for 0",
    ZeroTruncated: "without the zeros",
}

WRAPPED: tuple[type[Wrapped], ...] = (
    wrapped(ZeroInflated, Poisson, "zip", "zipoisson"),
    wrapped(ZeroInflated, NegativeBinomial, "zinb", "zinb2", "zinegbinomial"),
    wrapped(ZeroInflated, NegativeBinomial1, "zinb1"),
    wrapped(ZeroInflated, Geometric, "zigeom", "zigeometric"),
    wrapped(ZeroInflated, GeneralizedPoisson, "zigp"),
    wrapped(ZeroInflated, ConwayMaxwellPoisson, "zicmp"),
    wrapped(ZeroInflated, PoissonInverseGaussian, "zipig"),
    wrapped(ZeroInflated, Binomial, "zib", "zibinomial"),
    wrapped(ZeroInflated, BetaBinomial, "zibb", "zibetabinomial"),
    wrapped(Hurdle, Poisson, "hurdle", "zapoisson"),
    wrapped(Hurdle, NegativeBinomial, "hurdle-nb", "hurdle-negbin", "hurdle-nb2", "zanegbinomial"),
    wrapped(Hurdle, NegativeBinomial1, "hurdle-nb1"),
    wrapped(Hurdle, Geometric, "zageometric"),
    wrapped(Hurdle, GeneralizedPoisson, "hurdle-gp"),
    wrapped(Hurdle, ConwayMaxwellPoisson, "hurdle-cmp"),
    wrapped(Hurdle, PoissonInverseGaussian, "hurdle-pig"),
    wrapped(ZeroTruncated, Poisson, "ztp", "tpoisson", "pospoisson", "truncated-poisson"),
    wrapped(ZeroTruncated, NegativeBinomial, "ztnb", "tnbreg", "posnegbinomial", "truncated-nbinom2"),
    wrapped(ZeroTruncated, NegativeBinomial1, "ztnb1", "truncated-nbinom1"),
    wrapped(ZeroTruncated, Geometric, "ztgeom"),
    wrapped(ZeroTruncated, GeneralizedPoisson, "ztgp", "truncated-genpois"),
    wrapped(ZeroTruncated, ConwayMaxwellPoisson, "ztcmp", "truncated-compois"),
    wrapped(ZeroTruncated, PoissonInverseGaussian, "ztpig"),
)
