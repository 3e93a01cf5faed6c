"""Cases of counts that vary more or less than a Poisson's, and of counts with too many zeros or none.

The densities are scipy's, or textbook formulas in numpy; those of the wrappers are made from the densities they wrap.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import family_cases
import numpy as np
from family_cases import COUNT_EDGES, COUNTS, MEANS, Case, whole_numbers
from scipy.optimize import brentq
from scipy.special import gammaln, kve, logsumexp
from scipy.stats import betabinom, nbinom

from glmfit.families.catalogue import make_family

ZERO = (0.05, 0.7)
Density = Callable[..., np.ndarray]


def generalized_poisson(y: np.ndarray, mu: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    theta, share = mu / (1 + alpha), alpha / (1 + alpha)
    growth = theta + share * y
    at_growth = np.where(growth > 0, (y - 1) * np.log(np.maximum(growth, 1e-300)), -np.inf)
    return np.log(theta) + at_growth - theta - share * y - gammaln(y + 1)


def poisson_inverse_gaussian(y: np.ndarray, mu: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """exp(1/alpha) sqrt(2 / (pi alpha)) mu^y / y! (1 + 2 alpha mu)^(-nu/2) K_nu(z), nu = y - 1/2."""
    nu, square = y - 0.5, 1 + 2 * alpha * mu
    log_k = log_bessel(y, np.sqrt(square) / alpha)
    return (
        1 / alpha
        + 0.5 * np.log(2 / (np.pi * alpha))
        + y * np.log(mu)
        - gammaln(y + 1)
        - nu / 2 * np.log(square)
        + log_k
    )


def log_bessel(y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """log K_nu(z) at nu = y - 1/2: scipy's, and where that overflows by K_{nu+1}/K_nu = 2 nu/z + K_{nu-1}/K_nu."""
    with np.errstate(over="ignore"):
        found = np.log(kve(y - 0.5, z)) - z
    for at in np.nonzero(np.isinf(found))[0]:
        ratio, found[at] = 1.0, np.log(kve(0.5, z[at])) - z[at]
        for nu in np.arange(0.5, y[at] - 0.5):
            ratio = 2 * nu / z[at] + 1 / ratio
            found[at] += np.log(ratio)
    return found


@np.vectorize
def conway_maxwell_poisson(y: float, mu: float, nu: float) -> float:
    j = np.arange(6000.0)
    factorials = nu * gammaln(j + 1)

    def log_sum(log_lambda: float, values: np.ndarray) -> float:
        return float(logsumexp(j * log_lambda - factorials, b=values))

    def excess(log_lambda: float) -> float:
        return log_sum(log_lambda, j) - log_sum(log_lambda, np.ones_like(j)) - np.log(mu)

    log_lambda = brentq(excess, -20.0, nu * np.log(mu + 2) + 1, xtol=1e-14, rtol=1e-15)
    return y * log_lambda - nu * gammaln(y + 1) - log_sum(log_lambda, np.ones_like(j))


DISPERSED = (
    Case(
        make_family("negative-binomial-1", {}),
        COUNTS,
        COUNT_EDGES,
        lambda y, mu, alpha: nbinom.logpmf(y, mu / alpha, 1 / (1 + alpha)),
    ),
    Case(
        make_family("generalized-poisson", {}),
        COUNTS,
        COUNT_EDGES,
        generalized_poisson,
        # the working scale is log(1 + 2 alpha), and a negative alpha ends the support
        far=((-40.0, 0.0, 40.0), (1e-12, 1.0, 40.0)),
    ),
    Case(
        make_family("generalized-poisson", {}),
        (0.0, 1.0, 3.0),
        (0.0, 1.0),
        generalized_poisson,
        values=((2.0, 7.5), (-0.2, -0.05)),
        contained=((2.0,), (-0.2,)),
        simulated=((2.0,), (-0.2,)),
        far=((0.0, 1.0, 2.0), (1e-12, 0.5, 1.0)),
        grid=lambda: whole_numbers(0, 9),
        label="underdispersed",
    ),
    Case(make_family("poisson-inverse-gaussian", {}), COUNTS, COUNT_EDGES, poisson_inverse_gaussian),
    Case(
        make_family("conway-maxwell-poisson", {}),
        COUNTS,
        COUNT_EDGES,
        conway_maxwell_poisson,
        values=(MEANS["log"], (0.1, 0.8, 3.0)),
        # a count that must be whole has no variance left at nu = exp(40), and no finite score
        far=((-40.0, 0.0, 40.0), (-40.0, 0.0, 6.0)),
    ),
    Case(
        make_family("beta-binomial", {}),
        (1.0, 3.0, 7.5),
        (0.0, 9.0),
        lambda y, mu, precision, trials: betabinom.logpmf(y, trials, mu * precision, (1 - mu) * precision),
        {"trials": 9.0},
        values=(MEANS["logit"], (0.4, 5.0, 90.0)),
    ),
)
BASES = {case.family.name: case for case in (*family_cases.CASES, *DISPERSED) if not case.label}
COUNT_BASES = (
    *("poisson", "negative-binomial", "negative-binomial-1", "geometric", "generalized-poisson"),
    *("conway-maxwell-poisson", "poisson-inverse-gaussian"),
)


def zero_inflated(base: Density, y: np.ndarray, *natural: np.ndarray, **columns: float) -> np.ndarray:
    *inner, zero = natural
    density = (1 - zero) * np.exp(base(y, *inner, **columns))
    return np.log(np.where(y == 0, zero + density, density))


def hurdle(base: Density, y: np.ndarray, *natural: np.ndarray) -> np.ndarray:
    *inner, zero = natural
    return np.where(y == 0, np.log(zero), np.log1p(-zero) + zero_truncated(base, y, *inner))


def zero_truncated(base: Density, y: np.ndarray, *natural: np.ndarray) -> np.ndarray:
    return base(y, *natural) - np.log(-np.expm1(base(np.zeros_like(y), *natural)))


def wrapped(wrapper: str, density: Callable[..., np.ndarray], name: str) -> Case:
    """The case of a wrapper around the family called `name`, at fewer values of its parameters."""
    base = BASES[name]
    assert base.reference is not None
    truncated = wrapper == "zero-truncated"
    values = tuple(value[1:] for value in base.natural("smooth"))
    return Case(
        make_family(f"{wrapper}-{name}", {}),
        base.inner,
        tuple(edge + 1 for edge in base.edges) if truncated else base.edges,
        partial(density, base.reference),
        base.columns,
        values=values if truncated else (*values, ZERO),
        far=base.far if truncated or base.far is None else (*base.far, (-40.0, 0.0, 40.0)),
    )


CASES: tuple[Case, ...] = (
    *DISPERSED,
    *(wrapped("zero-inflated", zero_inflated, name) for name in (*COUNT_BASES, "binomial", "beta-binomial")),
    *(wrapped("hurdle", hurdle, name) for name in COUNT_BASES),
    *(wrapped("zero-truncated", zero_truncated, name) for name in COUNT_BASES),
)
