"""The models of test_recovery.py: every family of the catalogue, some with censored responses or another link."""

from __future__ import annotations

from dataclasses import replace
from math import log

import numpy as np
import recovery_models as draws
from recovery_models import Draw, Model, numbers

LOCATION = {"Intercept": 1.0, "x": 0.8, "g[T.b]": 0.5, "g[T.c]": -0.4}
RATE = {"Intercept": 0.9, "x": 0.5, "g[T.b]": 0.4, "g[T.c]": -0.3}
ODDS = {"Intercept": -0.4, "x": 0.8, "g[T.b]": 0.5, "g[T.c]": -0.6}
ZERO = {"Intercept": -0.9, "z": 0.7}
FORMULA = "y ~ x + g"
TRIALS = "y/m ~ x + g"


def constant(natural: float) -> dict[str, float]:
    """A parameter with the log link and no covariate."""
    return {"Intercept": log(natural)}


SPREAD = {"Intercept": log(0.6), "z": 0.5}

CONTINUOUS = (
    Model(
        "gaussian",
        (FORMULA,),
        {"mu": LOCATION, "phi": constant(0.7)},
        numbers(lambda random, mu, phi: random.normal(mu, phi**0.5)),
        300,
    ),
    Model(
        "gaussian",
        (FORMULA, "phi ~ z"),
        {"mu": LOCATION, "phi": SPREAD},
        numbers(lambda random, mu, phi: random.normal(mu, phi**0.5)),
        label="phi",
    ),
    Model(
        "gamma",
        (FORMULA,),
        {"mu": RATE, "phi": constant(0.4)},
        numbers(lambda random, mu, phi: random.gamma(1 / phi, mu * phi)),
        300,
    ),
    Model(
        "gamma",
        (FORMULA, "phi ~ z"),
        {"mu": {"Intercept": 1.0, "x": 0.3, "g[T.b]": 0.4, "g[T.c]": -0.2}, "phi": SPREAD},
        numbers(lambda random, mu, phi: random.gamma(1 / phi, mu * phi)),
        links={"mu": "inverse"},
        label="inverse-phi",
    ),
    Model(
        "inverse-gaussian",
        (FORMULA,),
        {"mu": {"Intercept": 1.0, "x": 0.3, "g[T.b]": 0.4, "g[T.c]": -0.2}, "phi": constant(0.3)},
        numbers(lambda random, mu, phi: random.wald(mu, 1 / phi)),
    ),
    Model(
        "inverse-gaussian",
        (FORMULA,),
        {"mu": RATE, "phi": constant(0.2)},
        numbers(lambda random, mu, phi: random.wald(mu, 1 / phi)),
        links={"mu": "log"},
        label="log",
    ),
    Model(
        "student-t",
        (FORMULA, "sigma ~ z"),
        {"mu": LOCATION, "sigma": SPREAD, "nu": constant(4.0)},
        numbers(lambda random, mu, sigma, nu: mu + sigma * random.standard_t(nu)),
        1000,
    ),
    Model(
        "logistic",
        (FORMULA, "sigma ~ z"),
        {"mu": LOCATION, "sigma": SPREAD},
        numbers(lambda random, mu, sigma: random.logistic(mu, sigma)),
    ),
    Model(
        "skew-normal",
        ("y ~ x + z",),
        # x hides which tail is the longer one: of y itself it tells nothing
        {"mu": {"Intercept": 1.0, "x": 3.0, "z": 0.5}, "sigma": constant(1.2), "slant": {"Intercept": 4.0}},
        numbers(draws.skew_normal),
        1000,
    ),
    Model(
        "gumbel",
        (FORMULA, "sigma ~ z"),
        {"mu": LOCATION, "sigma": SPREAD},
        numbers(lambda random, mu, sigma: random.gumbel(mu, sigma)),
    ),
    Model("exponential", (FORMULA,), {"mu": RATE}, numbers(lambda random, mu: random.exponential(mu)), 300),
    Model(
        "weibull",
        (FORMULA, "shape ~ z"),
        {"scale": RATE, "shape": SPREAD},
        numbers(lambda random, scale, shape: scale * random.weibull(shape)),
    ),
    Model(
        "log-normal",
        (FORMULA, "sigma ~ z"),
        {"mu": LOCATION, "sigma": SPREAD},
        numbers(lambda random, mu, sigma: random.lognormal(mu, sigma)),
    ),
    Model(
        "log-logistic",
        (FORMULA, "shape ~ z"),
        {"scale": RATE, "shape": {"Intercept": log(2), "z": 0.5}},
        numbers(lambda random, scale, shape: scale * np.exp(random.logistic(size=len(scale)) / shape)),
    ),
    Model(
        "tweedie",
        (FORMULA,),
        {"mu": RATE, "phi": constant(1.5), "power": {"Intercept": 0.2}},
        numbers(draws.tweedie),
    ),
    Model(
        "tweedie",
        (FORMULA,),
        {"mu": RATE, "phi": constant(1.5)},
        numbers(lambda random, mu, phi: draws.tweedie(random, mu, phi, np.full_like(mu, 1.6))),
        options={"fixed": {"power": 1.6}},
        label="power",
    ),
    Model(
        "beta",
        (FORMULA, "precision ~ z"),
        {"mu": ODDS, "precision": {"Intercept": log(5), "z": 0.6}},
        numbers(lambda random, mu, precision: random.beta(mu * precision, (1 - mu) * precision)),
    ),
    Model(
        "zero-one-inflated-beta",
        (FORMULA, "zoi ~ z", "coi ~ x"),
        {"mu": ODDS, "precision": constant(5), "zoi": ZERO, "coi": {"Intercept": 0.2, "x": 0.7}},
        numbers(draws.inflated_beta),
        800,
    ),
)

CENSORED = (
    Model(
        "weibull",
        (FORMULA, "shape ~ z"),
        {"scale": RATE, "shape": SPREAD},
        draws.until_limit(lambda random, scale, shape: scale * random.weibull(shape), 5.0),
        options={"event": "seen"},
        label="right",
    ),
    Model(
        "gaussian",
        (FORMULA,),
        {"mu": LOCATION, "phi": constant(1.0)},
        draws.within(lambda random, mu, phi: random.normal(mu, phi**0.5), 0.5, 2.5),
        options={"censor": "0.5,2.5"},
        label="limits",
    ),
    Model(
        "log-normal",
        ("~ x + g",),
        {"mu": LOCATION, "sigma": constant(0.8)},
        draws.between_visits(lambda random, mu, sigma: random.lognormal(mu, sigma), 1.5),
        options={"censor": "after,before"},
        label="interval",
    ),
    Model(
        "gamma",
        (FORMULA,),
        {"mu": RATE, "phi": constant(0.5)},
        draws.until_limit(lambda random, mu, phi: random.gamma(1 / phi, mu * phi), 6.0),
        options={"event": "seen"},
        label="right",
    ),
    Model(
        "logistic",
        ("~ x + g",),
        {"mu": LOCATION, "sigma": constant(0.6)},
        draws.between_visits(lambda random, mu, sigma: random.logistic(mu, sigma), 0.6),
        options={"censor": "after,before"},
        label="interval",
    ),
)


CUTS = {"cut1": {"Intercept": -0.8}, "cut2": {"Intercept": 0.3}, "cut3": {"Intercept": 1.4}}
LEVELS = {"levels": ("one", "two", "three", "four")}
SLOPES = {"x": 0.8, "g[T.b]": 0.5, "g[T.c]": -0.6}
CATEGORIES = (
    Model(
        "multinomial",
        (FORMULA,),
        {
            "two": {"Intercept": 0.4, "x": 0.8, "g[T.b]": 0.5, "g[T.c]": -0.6},
            "three": {"Intercept": -0.2, "x": -0.5, "g[T.b]": 0.3, "g[T.c]": 0.4},
        },
        numbers(draws.largest_utility),
        options={"levels": ("one", "two", "three")},
    ),
    Model(
        "ordinal",
        (FORMULA,),
        {"location": SLOPES, **CUTS},
        numbers(draws.latent(lambda random, n: random.logistic(size=n))),
        options=LEVELS,
    ),
    Model(
        "ordinal",
        (FORMULA,),
        {"location": SLOPES, **CUTS},
        numbers(draws.latent(lambda random, n: random.standard_normal(n))),
        links={"location": "probit"},
        options=LEVELS,
        label="probit",
    ),
    Model("conditional-logit", (FORMULA,), {"mu": SLOPES}, draws.chosen, 800, options={"group": "set"}),
    Model("conditional-logit", (FORMULA,), {"mu": SLOPES}, draws.panel, 800, options={"group": "set"}, label="panel"),
)

SUCCESSES = (
    Model("binomial", (FORMULA,), {"mu": ODDS}, numbers(lambda random, mu: random.binomial(1, mu))),
    Model("binomial", (TRIALS,), {"mu": ODDS}, draws.binomial, 300, links={"mu": "cloglog"}, label="cloglog"),
    Model(
        "beta-binomial",
        (TRIALS, "precision ~ z"),
        {"mu": ODDS, "precision": {"Intercept": log(3), "z": 0.7}},
        draws.beta_binomial,
    ),
    Model(
        "quasi-binomial",
        (TRIALS,),
        {"mu": ODDS, "phi": constant(1 + 11 / 5)},  # 1 + (m - 1) / (1 + precision)
        lambda random, data, mu, phi: draws.beta_binomial(random, data, mu, np.full_like(mu, 4.0)),
    ),
    Model(
        "zero-inflated-binomial", (TRIALS, "zero ~ z"), {"mu": ODDS, "zero": ZERO}, draws.zero_inflated(draws.binomial)
    ),
    Model(
        "zero-inflated-beta-binomial",
        (TRIALS, "zero ~ z"),
        {"mu": {**ODDS, "Intercept": 0.4}, "precision": constant(6), "zero": ZERO},
        draws.zero_inflated(draws.beta_binomial),
        1000,
    ),
)

OVER = constant(0.6)
# Parameters besides the mean, with their covariate in the plain family; the generator.
BASES: dict[str, tuple[dict[str, dict[str, float]], Draw]] = {
    "poisson": ({}, numbers(lambda random, mu: random.poisson(mu))),
    "negative-binomial": ({"alpha": OVER}, numbers(draws.negative_binomial)),
    "negative-binomial-1": ({"alpha": constant(1.2)}, numbers(draws.negative_binomial_1)),
    "geometric": ({}, numbers(draws.geometric)),
    "poisson-inverse-gaussian": ({"alpha": OVER}, numbers(draws.poisson_inverse_gaussian)),
    "generalized-poisson": ({"alpha": OVER}, numbers(draws.generalized)),
    "conway-maxwell-poisson": ({"nu": constant(1.6)}, numbers(draws.conway_maxwell)),
}
HIGHER = {**RATE, "Intercept": 1.4}  # zeros that are missing, or of another origin, say less about the spread
SHORTER = {"Intercept": 1.4, "x": 0.5}
SLOW = ("conway-maxwell-poisson", "poisson-inverse-gaussian")


def plain(name: str, others: dict[str, dict[str, float]], draw: Draw) -> Model:
    """A family of counts, with a covariate on its second parameter."""
    formulas = (FORMULA, *(f"{parameter} ~ z" for parameter in others))
    truth = {"mu": RATE, **{parameter: {**terms, "z": 0.5} for parameter, terms in others.items()}}
    return Model(name, formulas, truth, draw, 500)


def wrapped(wrapper: str, name: str, others: dict[str, dict[str, float]], draw: Draw) -> Model:
    """A family of counts with too many zeros or none."""
    terms = SHORTER if name in SLOW else HIGHER
    formula = "y ~ x" if name in SLOW else FORMULA
    n = 1000 if others else 500
    if wrapper == "zero-truncated":
        return Model(f"{wrapper}-{name}", (formula,), {"mu": terms, **others}, draws.zero_truncated(draw), n)
    around = draws.hurdle if wrapper == "hurdle" else draws.zero_inflated
    truth = {"mu": terms, **others, "zero": ZERO}
    return Model(f"{wrapper}-{name}", (formula, "zero ~ z"), truth, around(draw), n)


COUNTS = (
    *(plain(name, *facts) for name, facts in BASES.items()),
    Model(
        "conway-maxwell-poisson",
        ("y ~ x",),
        {"mu": SHORTER, "nu": constant(0.5)},
        numbers(draws.conway_maxwell),
        label="over",
    ),
    Model(
        "quasi-poisson",
        (FORMULA,),
        {"mu": RATE, "phi": constant(2.2)},
        numbers(lambda random, mu, phi: draws.negative_binomial_1(random, mu, phi - 1)),
    ),
    *(
        wrapped(wrapper, name, *facts)
        for wrapper in ("zero-inflated", "hurdle", "zero-truncated")
        for name, facts in BASES.items()
    ),
)

# Amounts that may be 0: the rows with an amount are those of the family itself.
AMOUNTS = tuple(
    replace(
        model,
        family=f"hurdle-{model.family}",
        formulas=(*model.formulas, "zero ~ z"),
        truth={**model.truth, "zero": ZERO},
        draw=draws.zero_inflated(model.draw),
    )
    for model in CONTINUOUS
    if model.family in ("gamma", "inverse-gaussian", "log-normal", "weibull") and not model.label
)

MODELS: tuple[Model, ...] = (*CONTINUOUS, *AMOUNTS, *CENSORED, *CATEGORIES, *SUCCESSES, *COUNTS)
