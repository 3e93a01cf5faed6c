"""A model never ends below one that it contains: sparse, small and extreme data, every family and what it contains.

The pairs are those that the families declare; beside them a Tweedie with its power held, and ordinal models with and
without a cut point that has a slope. `-m slow` takes hundreds of data sets, SETS of them for each pair.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

import glmfit
from glmfit.errors import GlmfitError, UsageError
from glmfit.families.base import Family
from glmfit.families.catalogue import FAMILIES, find_family
from glmfit.families.links import LINKS

SETS = int(os.environ.get("SETS", "25"))
FEWEST = 3  # values other than the commonest, below which there is nothing to fit
SLOW = ("conway-maxwell-poisson", "poisson-inverse-gaussian", "tweedie")
Columns = dict[str, Any]


def below(value: float) -> float:
    """What rounding, and the end of a search, may take off a log-likelihood."""
    return 1e-6 * (1 + abs(value))


# ---- data ----


def covariates(random: np.random.Generator) -> Columns:
    n = int(random.choice([12, 25, 60, 150, 300]))
    return {"a": random.integers(0, 3, n).astype(float), "g": random.choice(["k", "m"], n), "x": random.normal(size=n)}


def mean(random: np.random.Generator, data: Columns, centre: float) -> np.ndarray:
    eta = random.normal(centre, 1) + random.normal(0, 0.8) * data["a"] + random.normal(0, 0.8) * (data["g"] == "m")
    return np.exp(eta.clip(-8, 8))


def counts(random: np.random.Generator, data: Columns) -> np.ndarray:
    """Sparse, small or large, of any spread, with or without zeros of another origin."""
    mu = mean(random, data, random.choice([-3.0, -1.5, 0.0, 2.0]))
    alpha = random.choice([0.0, 0.0, 0.3, 2.0, 8.0])
    y = random.poisson(mu * random.gamma(1 / alpha, alpha, len(mu)) if alpha else mu)
    if random.uniform() < 0.2:
        y = np.round(mu)  # less spread than any Poisson
    return (y * (random.uniform(size=len(mu)) >= random.choice([0.0, 0.0, 0.3, 0.7]))).astype(float)


def successes(random: np.random.Generator, data: Columns) -> np.ndarray:
    data["m"] = random.integers(1, 9, len(data["x"])).astype(float)
    p = mean(random, data, -1.5)
    p = p / (1 + p)
    k = random.choice([0.3, 2.0, 50.0])
    return random.binomial(data["m"].astype(int), random.beta(p * k, (1 - p) * k + 1e-9)).astype(float)


def reals(random: np.random.Generator, data: Columns) -> np.ndarray:
    noise = random.choice(["normal", "cauchy", "skewed", "uniform", "two"])
    size = len(data["x"])
    error = {
        "normal": lambda: random.normal(size=size),
        "cauchy": lambda: random.standard_cauchy(size),
        "skewed": lambda: random.exponential(size=size),
        "uniform": lambda: random.uniform(size=size),
        "two": lambda: random.choice([-1.0, 1.0], size) + 0.1 * random.normal(size=size),
    }[noise]()
    return (data["x"] + error) * random.choice([1e-3, 1.0, 1e3])


def positive(random: np.random.Generator, data: Columns) -> np.ndarray:
    return mean(random, data, 0.0) * random.weibull(random.choice([0.3, 1.0, 5.0]), len(data["x"])) + 1e-12


def amounts(random: np.random.Generator, data: Columns) -> np.ndarray:
    jumps = random.poisson(mean(random, data, -0.5).clip(0, 50))
    return random.gamma(jumps * random.choice([0.5, 2.0, 10.0])) * random.choice([0.1, 1.0, 100.0])


def response(family: type[Family], random: np.random.Generator, data: Columns) -> tuple[str, np.ndarray]:
    """Its name in a formula, and its values, for this family."""
    own = family.name
    if family.trials:
        return "y/m", successes(random, data)
    if own == "tweedie":
        return "y", amounts(random, data)
    if not family.support.integer:
        return "y", positive(random, data) if family.support.lower == 0 else reals(random, data)
    y = counts(random, data)
    return "y", y + 1 if own.startswith("zero-truncated") else y


# ---- pairs ----

Pair = tuple[type[Family], str, Mapping[str, float]]  # the larger family, the smaller, what is held in it
NAMED = {cls.name for cls in FAMILIES}


def pairs() -> Iterator[Pair]:
    for family in FAMILIES:
        for parameter in family.parameters:
            for special in parameter.special:
                if special.family in NAMED and family.name not in ("tweedie", "zero-one-inflated-beta"):
                    yield family, special.family, {}
    for power in (1.2, 1.5, 1.8):
        yield find_family("tweedie"), "tweedie", {"power": power}


PAIRS = list(pairs())
IDS = [f"{large.name}>{small}{''.join(f'-{v:g}' for v in held.values())}" for large, small, held in PAIRS]


def formulas(family: str, terms: str, zero: str, y: str) -> list[str]:
    has_zero = any(parameter.name == "zero" for parameter in find_family(family).parameters)
    return [f"{y} ~ {terms}", *([f"zero ~ {zero}"] if has_zero else [])]


def fitted(family: str, formulas: Sequence[str], data: Columns, **options: Any) -> float | None:
    """The log-likelihood, or None where there is no such fit of these data."""
    try:
        found = glmfit.fit(formulas, data, family=family, **options)
    except UsageError:
        raise
    except GlmfitError:
        return None
    return found.fit.log_likelihood


def shortfall(pair: Pair, seed: int) -> str | None:
    """What is wrong with a pair on the data of this seed."""
    large, small, held = pair
    random = np.random.default_rng(seed)
    data = covariates(random)
    y, data["y"] = response(large, random, data)
    values, times = np.unique(data["y"], return_counts=True)
    if len(values) < 2 or times.sum() - times.max() < FEWEST:
        return None
    terms, zero = str(random.choice(["1", "a", "a + g", "a*g", "x"])), str(random.choice(["1", "a", "a*g"]))
    link = {find_family(small).parameters[0].name: large.parameters[0].links[0]}  # a mean is on the same scale in both
    inner = fitted(small, formulas(small, terms, zero, y), data, fixed=held, links=link)
    outer = fitted(large.name, formulas(large.name, terms, zero, y), data)
    if inner is None or outer is None or not np.isfinite(inner) or not np.isfinite(outer):
        return None
    if outer >= inner - below(inner):
        return None
    what = f"seed {seed}: y ~ {terms}, zero ~ {zero}"
    return f"{what}: {large.name} {outer:.8f} is below {small} {dict(held)} {inner:.8f}"


def relaxed(seed: int) -> str | None:
    """An ordinal model whose cut points have slopes of their own ends no lower than without."""
    random = np.random.default_rng(seed)
    data = covariates(random)
    eta = random.normal() * data["x"] + random.normal() * (data["g"] == "m") + random.logistic(size=len(data["x"]))
    data["y"] = np.digitize(eta, np.sort(random.normal(0, 1.5, 2))).astype(float)
    if len(np.unique(data["y"])) < 3:
        return None
    link = {"location": str(random.choice(["logit", "probit", "cloglog"]))}
    plain, free = (
        glmfit.fit(texts, data, family="ordinal", links=link).fit.log_likelihood
        for texts in (["y ~ x + g"], ["y ~ x + g", "cut1 ~ g"])
    )
    return None if free >= plain - below(plain) else f"seed {seed}: {link} {free:.8f} is below {plain:.8f}"


def failures(check: Callable[[int], str | None], seeds: range) -> list[str]:
    return [said for seed in seeds if (said := check(seed)) is not None]


QUICK = [(pair, name) for pair, name in zip(PAIRS, IDS, strict=True) if not any(slow in name for slow in SLOW)]


@pytest.mark.parametrize("pair", [pair for pair, _ in QUICK], ids=[name for _, name in QUICK])
def test_no_model_ends_below_one_that_it_contains(pair: Pair) -> None:
    first = PAIRS.index(pair)  # other data for each pair
    assert not failures(lambda seed: shortfall(pair, seed), range(first, first + 1 + (not pair[0].several_peaks)))


def test_no_ordinal_model_ends_below_a_stricter_one() -> None:
    assert not failures(relaxed, range(4))


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS, ids=IDS)
def test_no_model_of_many_ends_below_one_that_it_contains(pair: Pair) -> None:
    assert not failures(lambda seed: shortfall(pair, seed), range(100, 100 + SETS))


@pytest.mark.slow
def test_no_ordinal_model_of_many_ends_below_a_stricter_one() -> None:
    assert not failures(relaxed, range(100, 100 + 4 * SETS))


def test_a_special_value_is_where_its_family_lies() -> None:
    """The working value that stands for a special one is the same to the doubles, or so near to an end."""
    import torch

    for family in FAMILIES:
        for parameter in family.parameters:
            for special in parameter.special:
                natural = float(LINKS[parameter.scale].inverse(torch.tensor(special.working, dtype=torch.float64)))
                assert natural == pytest.approx(min(special.value, natural), abs=1e-16), (family.name, parameter.name)
