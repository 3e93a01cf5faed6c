"""Models with known coefficients, and responses drawn from them by numpy's generators or by textbook definitions.

Nothing here draws with the package: a mixture is drawn as a mixture, a choice as the largest of Gumbel errors, counts
that numpy has not by inversion of the textbook probabilities. Covariates are the same in all data sets of a model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from family_cases_counts import generalized_poisson
from numpy.random import Generator
from scipy.optimize import brentq
from scipy.special import expit, gammaln, logsumexp, ndtr

from glmfit.families.catalogue import find_family

Array = np.ndarray
Columns = dict[str, Array]
Draw = Callable[..., Array | Columns]
Truth = Mapping[str, Mapping[str, float]]

INVERSES: dict[str, Callable[[Array], Array]] = {
    "identity": lambda eta: eta,
    "log": np.exp,
    "logit": expit,
    "probit": ndtr,
    "cloglog": lambda eta: -np.expm1(-np.exp(eta)),
    "inverse": lambda eta: 1 / eta,
    "inverse-squared": lambda eta: eta**-0.5,
    "sqrt": np.square,
    "logit12": lambda eta: 1 + expit(eta),
}


@dataclass(frozen=True, eq=False)
class Model:
    """A family with formulas, the true coefficients of each parameter's predictor, and a generator of responses.

    `draw(random, data, *natural)` gives y (n,), or several columns, at the natural parameters in the order of `truth`.
    `unsound` is the largest share of fits that may end with another exit status than 0, or at an end of a range.
    """

    family: str
    formulas: tuple[str, ...]
    truth: Truth
    draw: Draw
    n: int = 500
    links: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    unsound: float = 0.0

    @property
    def id(self) -> str:
        return f"{self.family}-{self.label}" if self.label else self.family

    def covariates(self) -> Columns:
        """x on a grid from -1 to 1, a factor g of three levels, z of two values, trials m, and sets of four rows."""
        random = np.random.default_rng([1, *self.id.encode()])
        return {
            "x": random.integers(-5, 6, self.n) / 5,
            "g": random.choice(["a", "b", "c"], self.n),
            "z": random.integers(0, 2, self.n).astype(float),
            "m": np.full(self.n, 12.0),
            "set": np.arange(self.n) // 4,
        }

    def natural(self, data: Columns) -> list[Array]:
        """(n,) each parameter of `truth` on its natural scale."""
        found = []
        for parameter, coefficients in self.truth.items():
            eta = sum((value * column(term, data) for term, value in coefficients.items()), np.zeros(self.n))
            found.append(INVERSES[self.link(parameter)](eta))
        return found

    def link(self, parameter: str) -> str:
        """The link asked for, or the family's default."""
        family = find_family(self.family)()
        if family.location or family.shared_formula:
            return "identity"  # the generators take linear predictors
        return self.links.get(parameter, family.parameter(parameter).links[0])


def column(term: str, data: Columns) -> Array:
    """The column of the model matrix for a term."""
    if term == "Intercept":
        return np.ones(len(data["x"]))
    if term.startswith("g[T."):
        return (data["g"] == term[4:-1]).astype(float)
    return data[term]


# ---- Responses by definition -----------------------------------------------------------------------------------------


def numbers(draw: Callable[..., Array]) -> Draw:
    """A generator that needs the parameters alone."""
    return lambda random, data, *natural: draw(random, *natural)


def negative_binomial(random: Generator, mu: Array, alpha: Array) -> Array:
    return random.negative_binomial(1 / alpha, 1 / (1 + alpha * mu))


def negative_binomial_1(random: Generator, mu: Array, alpha: Array) -> Array:
    return random.negative_binomial(mu / alpha, 1 / (1 + alpha))


def geometric(random: Generator, mu: Array) -> Array:
    return random.geometric(1 / (1 + mu)) - 1


def poisson_inverse_gaussian(random: Generator, mu: Array, alpha: Array) -> Array:
    return random.poisson(mu * random.wald(np.ones_like(mu), 1 / alpha))


def inverted(log_probabilities: Callable[..., Array]) -> Callable[..., Array]:
    """A generator that looks uniform numbers up in the distribution function, one column for each value of it."""
    tables: dict[bytes, Array] = {}

    def draw(random: Generator, *natural: Array) -> Array:
        points, place = np.unique(np.stack(natural), axis=1, return_inverse=True)
        if points.tobytes() not in tables:
            table = np.stack([np.exp(log_probabilities(*point)).cumsum() for point in points.T])
            assert np.abs(table[:, -1] - 1).max() < 1e-9
            tables[points.tobytes()] = table
        table = tables[points.tobytes()][place.ravel()]
        return (random.random(len(table))[:, None] > table[:, :-1]).sum(axis=1)

    return draw


COUNTS = np.arange(250.0)
FACTORIALS = gammaln(COUNTS + 1)


def conway_maxwell_probabilities(mu: float, nu: float) -> Array:
    """log f at `COUNTS`: y log lambda - nu log y! - log Z, lambda such that the mean is mu."""

    def log_shares(log_lambda: float) -> Array:
        log_terms = COUNTS * log_lambda - nu * FACTORIALS
        return log_terms - logsumexp(log_terms)

    return log_shares(brentq(lambda t: np.exp(log_shares(t)) @ COUNTS - mu, -20.0, 20.0, xtol=1e-13))


generalized = inverted(lambda mu, alpha: generalized_poisson(COUNTS, mu, alpha))
conway_maxwell = inverted(conway_maxwell_probabilities)


def beta_binomial(random: Generator, data: Columns, mu: Array, precision: Array) -> Array:
    return random.binomial(data["m"].astype(int), random.beta(mu * precision, (1 - mu) * precision))


def binomial(random: Generator, data: Columns, mu: Array) -> Array:
    return random.binomial(data["m"].astype(int), mu)


def zero_inflated(draw: Draw) -> Draw:
    """0 with probability `zero`, whatever was drawn."""

    def response(random: Generator, data: Columns, *natural: Array) -> Array:
        *inner, zero = natural
        return np.where(random.random(len(zero)) < zero, 0, draw(random, data, *inner))

    return response


def zero_truncated(draw: Draw) -> Draw:
    """The first draw of each row that is not 0."""

    def response(random: Generator, data: Columns, *natural: Array) -> Array:
        y = np.zeros(len(natural[0]))
        while (y == 0).any():
            y = np.where(y == 0, draw(random, data, *natural), y)
        return y

    return response


def hurdle(draw: Draw) -> Draw:
    return zero_inflated(zero_truncated(draw))


def tweedie(random: Generator, mu: Array, phi: Array, power: Array) -> Array:
    """A Poisson number of gamma amounts, drawn one by one."""
    events = random.poisson(mu ** (2 - power) / (phi * (2 - power)))
    shape, scale = (2 - power) / (power - 1), phi * (power - 1) * mu ** (power - 1)
    owner = np.repeat(np.arange(len(mu)), events)
    return np.bincount(owner, random.gamma(shape[owner], scale[owner]), minlength=len(mu))


def inflated_beta(random: Generator, mu: Array, precision: Array, zoi: Array, coi: Array) -> Array:
    inside = random.beta(mu * precision, (1 - mu) * precision)
    return np.where(random.random(len(mu)) < zoi, random.random(len(mu)) < coi, inside)


def skew_normal(random: Generator, mu: Array, sigma: Array, slant: Array) -> Array:
    """One of two correlated normals, its sign turned where the other is negative."""
    delta = slant / np.sqrt(1 + slant**2)
    first = random.standard_normal(len(mu))
    second = delta * first + np.sqrt(1 - delta**2) * random.standard_normal(len(mu))
    return mu + sigma * np.where(first > 0, second, -second)


def labels(places: Array) -> Array:
    return np.array(["one", "two", "three", "four"])[places]


def largest_utility(random: Generator, *etas: Array) -> Array:
    """The category with the largest predictor plus Gumbel error; the base has predictor 0."""
    utility = np.stack([np.zeros_like(etas[0]), *etas])
    return labels((utility + random.gumbel(size=utility.shape)).argmax(axis=0))


def latent(error: Callable[[Generator, int], Array]) -> Callable[..., Array]:
    """The place among the cut points of a location plus an error."""

    def draw(random: Generator, location: Array, *cuts: Array) -> Array:
        value = location + error(random, len(location))
        return labels(sum((value > cut).astype(int) for cut in cuts))

    return draw


def chosen(random: Generator, data: Columns, eta: Array) -> Array:
    """Of each set of four rows the one with the largest predictor plus Gumbel error."""
    utility = (eta + random.gumbel(size=len(eta))).reshape(-1, 4)
    return (utility == utility.max(axis=1, keepdims=True)).ravel().astype(int)


def panel(random: Generator, data: Columns, eta: Array) -> Array:
    """Independent yes or no in sets with effects of their own, which depend on the covariate."""
    effect = data["x"].reshape(-1, 4).sum(axis=1) + random.standard_normal(len(eta) // 4)
    return random.binomial(1, expit(eta + effect[data["set"]]))


def until_limit(draw: Callable[..., Array], limit: float) -> Draw:
    """Times seen to their end before a random limit, or not."""

    def response(random: Generator, data: Columns, *natural: Array) -> Columns:
        time = draw(random, *natural)
        end = random.exponential(limit, len(time))
        return {"y": np.minimum(time, end), "seen": (time <= end).astype(int)}

    return response


def within(draw: Callable[..., Array], low: float, high: float) -> Draw:
    """Values measured between two limits only."""
    return lambda random, data, *natural: draw(random, *natural).clip(low, high)


def between_visits(draw: Callable[..., Array], step: float) -> Draw:
    """The last visit before the value and the first one after it; there are no visits before 0 or after 4 steps."""

    def response(random: Generator, data: Columns, *natural: Array) -> Columns:
        visits = np.floor(draw(random, *natural) / step)
        after = np.where(visits < 0, np.nan, visits.clip(max=4) * step)
        before = np.where(visits >= 4, np.nan, (visits + 1).clip(min=0) * step)
        return {"after": after, "before": before}

    return response
