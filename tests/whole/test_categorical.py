"""Responses in categories: multinomial, ordinal and conditional logit against their definitions and each other.

Probabilities are checked by adding them up, by brute force over all choices, and against mpmath in the tails; fits by
models that are the same in another dress. Fits against R are in test_reference.py.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from itertools import combinations, product
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from torch import Tensor

import glmfit
from glmfit.commands.options import levels
from glmfit.errors import DataError, GlmfitError, ModelError, UsageError
from glmfit.families.categorical import CUMULATIVE_LINKS, ConditionalLogit, Multinomial, Ordinal
from glmfit.families.links import LINKS
from glmfit.model.assembly import assemble
from glmfit.model.likelihood import row_derivatives
from glmfit.report import to_csv, to_json, to_markdown, to_table
from glmfit.result import Coefficient, Fit
from glmfit.rows import read
from glmfit.spec import ModelSpec

LEVELS = ("low", "middle", "high", "top")
EXTREMES = (-40.0, -7.0, 0.0, 3.0, 40.0)
CUTS = {
    "apart": (-2.0, 0.3, 1.9),
    "close": (-1e-4, 0.0, 1e-4),
    "far": (-40.0, 0.0, 40.0),
    "mixed": (-1.0, -1.0 + 1e-5, 30.0),
}
every_link = pytest.mark.parametrize("link", CUMULATIVE_LINKS)


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def ordinal(link: str) -> Ordinal:
    return Ordinal(LEVELS, LINKS[link])


def repeated(values: Sequence[float], n: int) -> list[Tensor]:
    return [torch.full((n,), value, dtype=torch.float64) for value in values]


# ---- The densities ----


@every_link
@pytest.mark.parametrize("cuts", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("location", EXTREMES)
def test_ordinal_probabilities_add_up(link: str, cuts: tuple[float, ...], location: float) -> None:
    logs = ordinal(link).log_density(tensor(0, 1, 2, 3), *repeated((location, *cuts), 4))
    assert float(torch.exp(logs).sum()) == pytest.approx(1, rel=1e-9)


@pytest.mark.parametrize("etas", list(product((-40.0, 0.3, 40.0), repeat=3)))
def test_multinomial_probabilities_add_up(etas: tuple[float, ...]) -> None:
    logs = Multinomial(LEVELS).log_density(tensor(0, 1, 2, 3), *repeated(etas, 4))
    assert float(torch.exp(logs).sum()) == pytest.approx(1, rel=1e-14)


@pytest.mark.parametrize(("rows", "chosen"), [(2, 1), (5, 1), (5, 2), (5, 4), (7, 3)])
def test_the_choices_of_a_group_add_up_and_are_what_they_say(rows: int, chosen: int) -> None:
    eta = torch.linspace(-2, 3, rows, dtype=torch.float64) ** 3
    every = list(combinations(range(rows), chosen))
    y = torch.zeros((len(every), rows), dtype=torch.float64)
    for i, choice in enumerate(every):
        y[i, list(choice)] = 1
    logs = ConditionalLogit(rows).log_density(y, *repeated(eta.tolist(), len(every)))
    sums = y @ eta
    assert torch.allclose(logs, sums - torch.logsumexp(sums, 0), rtol=1e-13, atol=1e-13)


def test_places_beyond_a_group_change_nothing() -> None:
    small = ConditionalLogit(3).log_density(tensor(1, 0, 1)[None], *(tensor(e) for e in (0.3, -1.0, 2.0)))
    y = torch.cat([tensor(1, 0, 1), tensor(-1, -1)])[None]
    padded = ConditionalLogit(5).log_density(y, *(tensor(e) for e in (0.3, -1.0, 2.0, 7.0, -3.0)))
    assert torch.equal(small, padded)
    _, g, h = row_derivatives(
        lambda *e: ConditionalLogit(5).log_density(y, *e), [tensor(e) for e in (0.3, -1.0, 2.0, 7.0, -3.0)]
    )
    assert torch.equal(g[0, 3:], tensor(0, 0))
    assert torch.equal(h[0, 3:], torch.zeros((2, 5), dtype=torch.float64))


DISTRIBUTIONS: dict[str, Callable[[Any], Any]] = {
    "logit": lambda e: 1 / (1 + mpmath.exp(-e)),
    "probit": mpmath.ncdf,
    "cloglog": lambda e: 1 - mpmath.exp(-mpmath.exp(e)),
    "loglog": lambda e: mpmath.exp(-mpmath.exp(-e)),
    "cauchit": lambda e: mpmath.atan(e) / mpmath.pi + mpmath.mpf(1) / 2,
}


@every_link
@pytest.mark.parametrize("location", [-6.0, -1.5, 0.0, 2.0, 5.0])
@pytest.mark.parametrize("y", range(4))
def test_ordinal_density_and_derivatives_in_the_tails(link: str, location: float, y: int) -> None:
    cuts = CUTS["apart"]
    F = DISTRIBUTIONS[link]

    def exact(shift: Any) -> Any:
        bounds = [mpmath.mpf(cut) - location - shift for cut in cuts]
        upper = F(bounds[y]) if y < 3 else mpmath.mpf(1)
        return mpmath.log(upper - (F(bounds[y - 1]) if y else 0))

    with mpmath.workdps(1400):
        h = mpmath.mpf(10) ** -60
        low, at, high = exact(-h), exact(mpmath.mpf(0)), exact(h)
        value, slope, curvature = float(at), float((high - low) / (2 * h)), float((high - 2 * at + low) / h**2)
    row = row_derivatives(lambda *e: ordinal(link).log_density(tensor(y), *e), [tensor(v) for v in (location, *cuts)])
    assert float(row.l) == pytest.approx(value, rel=1e-12, abs=1e-15)
    assert float(row.g[0, 0]) == pytest.approx(slope, rel=1e-11, abs=1e-14)
    assert float(row.h[0, 0, 0]) == pytest.approx(curvature, rel=1e-9, abs=1e-13)


@every_link
@pytest.mark.parametrize("cuts", CUTS.values(), ids=CUTS)
def test_ordinal_derivatives_are_finite_far_out(link: str, cuts: tuple[float, ...]) -> None:
    y, location = torch.tensor(list(product(range(4), EXTREMES)), dtype=torch.float64).T
    etas = [location, *repeated(cuts, len(y))]
    row = row_derivatives(lambda *e: ordinal(link).log_density(y, *e), etas)
    for part in row:
        assert bool(torch.isfinite(part).all())


@pytest.mark.parametrize("etas", list(product((-40.0, 0.0, 40.0), repeat=3)))
def test_multinomial_derivatives_are_finite_far_out(etas: tuple[float, ...]) -> None:
    row = row_derivatives(lambda *e: Multinomial(LEVELS).log_density(tensor(0, 1, 2, 3), *e), repeated(etas, 4))
    for part in row:
        assert bool(torch.isfinite(part).all())


@pytest.mark.parametrize("scale", [1.0, 40.0, 900.0])
@pytest.mark.parametrize("chosen", [1, 2, 3])
def test_conditional_derivatives_are_finite_far_out(scale: float, chosen: int) -> None:
    y = torch.tensor([[1.0 * (k < chosen) for k in range(4)], [*([1.0] * chosen), *([0.0] * (3 - chosen)), -1.0]])
    y = y.double()
    etas = [scale * tensor(a, b) for a, b in ((-1, 1), (1, -1), (0, 1), (1, 1))]
    row = row_derivatives(lambda *e: ConditionalLogit(4).log_density(y, *e), etas)
    for part in row:
        assert bool(torch.isfinite(part).all())


def density(name: str) -> tuple[Callable[..., Tensor], list[Tensor]]:
    """A log-density of two rows or more in its linear predictors, and where to differentiate it."""
    points = [tensor(0.4, -1.1, 0.2, 2.0), tensor(-1.0, -0.7, -2.0, -0.2), tensor(0.1, 0.2, 0.3, 0.4)]
    if name == "multinomial":
        return lambda *e: Multinomial(LEVELS).log_density(tensor(0, 1, 2, 3), *e), points
    if name == "conditional":
        y = torch.tensor([[1, 0, 0, 1], [1, 0, -1, -1], [0, 1, 1, -1], [0, 1, 1, 1]]).double()
        return lambda *e: ConditionalLogit(4).log_density(y, *e), [*points, tensor(3, 1, -1, 0.5)]
    return lambda *e: ordinal(name).log_density(tensor(0, 1, 2, 3), *e), [*points, tensor(1.0, 2.0, 0.9, 0.5)]


every_density = pytest.mark.parametrize("name", ["multinomial", "conditional", *CUMULATIVE_LINKS])


@every_density
def test_derivatives_are_those_of_the_values(name: str) -> None:
    log_density, points = density(name)
    leaves = [point.clone().requires_grad_(True) for point in points]
    assert torch.autograd.gradcheck(log_density, leaves)
    assert torch.autograd.gradgradcheck(log_density, leaves)


@every_density
def test_rows_do_not_interact(name: str) -> None:
    log_density, points = density(name)
    weight = tensor(0.3, 2.0, 0.0, 5.0)
    leaves = [point.clone().requires_grad_(True) for point in points]
    plain = torch.autograd.grad(log_density(*leaves).sum(), leaves)
    weighted = torch.autograd.grad((weight * log_density(*leaves)).sum(), leaves)
    for a, b in zip(plain, weighted, strict=True):
        assert torch.allclose(weight * a, b, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("family", [Multinomial(LEVELS), *(ordinal(link) for link in CUMULATIVE_LINKS)])
def test_simulated_shares_are_the_probabilities(family: Multinomial | Ordinal) -> None:
    n = 40_000
    etas = (0.6, -0.8, 0.1) if isinstance(family, Multinomial) else (0.4, *CUTS["apart"])
    expected = torch.exp(family.log_density(tensor(0, 1, 2, 3), *repeated(etas, 4))).numpy()
    natural = [e.numpy() for e in repeated(etas, n)]
    drawn = np.bincount(family.simulate(np.random.default_rng(3), *natural).astype(int), minlength=4)
    chi_square = float(((drawn - n * expected) ** 2 / (n * expected)).sum())
    assert chi_square < 16.3  # the 0.999 quantile on 3 degrees of freedom


# ---- The same model in another dress ----

N = 240
Columns = dict[str, np.ndarray]


def columns(seed: int = 11) -> Columns:
    """Four ordered grades, the same as a two-level response, choices within 60 sets of 4, weights and clusters."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=N), rng.uniform(-1, 1, N)
    g = rng.choice(["a", "b", "c"], N)
    s = np.repeat(np.arange(60), 4)
    eta = 0.8 * x - 0.5 * z + 0.4 * (g == "b")
    grade = np.digitize(eta + rng.logistic(size=N), [-1.0, 0.2, 1.5])
    worth = (eta + rng.gumbel(size=N)).reshape(60, 4)
    order = np.argsort(-worth, axis=1).argsort(axis=1)
    return {
        "x": x,
        "z": z,
        "g": g,
        "s": s,
        "grade": grade.astype(float),
        "name": np.array(LEVELS)[grade],
        "two": (grade > 1).astype(float),
        "one": (order == 0).astype(float).ravel(),
        "many": (order < 1 + np.arange(60)[:, None] % 3).astype(float).ravel(),
        "w": rng.uniform(0.5, 2.0, N),
        "f": rng.integers(1, 4, N).astype(float),
        "sf": rng.integers(1, 4, 60).astype(float)[s],
        "c": rng.choice(list("klmnop"), N),
    }


def rows(fit: Fit, parameter: str | None = None) -> dict[str, Coefficient]:
    return {c.term: c for c in fit.coefficients if parameter in (None, c.parameter)}


def assert_same(first: Sequence[Coefficient], second: Sequence[Coefficient], sign: float = 1.0) -> None:
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert a.estimate == pytest.approx(sign * b.estimate, rel=1e-9, abs=1e-9)
        assert a.std_error == pytest.approx(b.std_error, rel=1e-8)


SE = ("hessian", "hc0", "hc1", "cluster:c")


@pytest.mark.parametrize("se", SE)
@pytest.mark.parametrize("weights", [{}, {"weights": "w"}, {"freq_weights": "f"}])
def test_two_categories_are_a_binomial(se: str, weights: dict[str, str]) -> None:
    data = columns()
    binomial = glmfit.fit("two ~ x + g", data, family="binomial", se=se, **weights)
    multinomial = glmfit.fit("two ~ x + g", data, family="multinomial", se=se, **weights)
    assert_same(multinomial.coefficients, binomial.coefficients)
    assert multinomial.fit.log_likelihood == pytest.approx(binomial.fit.log_likelihood, rel=1e-12)
    assert multinomial.fit.bic == pytest.approx(binomial.fit.bic, rel=1e-12)
    two = glmfit.fit("two ~ x + g", data, family="ordinal", se=se, **weights)
    intercept, *slopes = binomial.coefficients
    assert_same(two.coefficients[:-1], slopes)
    assert_same(two.coefficients[-1:], [intercept], sign=-1.0)


@pytest.mark.parametrize(("link", "mirrored"), [("cloglog", "loglog"), ("loglog", "cloglog"), ("probit", "probit")])
def test_an_ordinal_of_two_is_a_binomial_with_the_mirrored_link(link: str, mirrored: str) -> None:
    data = columns()
    two = glmfit.fit("two ~ x + z", data, family="ordinal", links={"mu": link})
    binomial = glmfit.fit("two ~ x + z", data, family="binomial", links={"mu": mirrored})
    intercept, *slopes = binomial.coefficients
    assert_same(two.coefficients[:-1], slopes)
    assert_same(two.coefficients[-1:], [intercept], sign=-1.0)


@every_link
def test_reversed_categories_change_signs(link: str) -> None:
    data = columns()
    mirrored = {"cloglog": "loglog", "loglog": "cloglog"}.get(link, link)
    up = glmfit.fit("name ~ x + g", data, family="ordinal", levels=LEVELS, links={"mu": link})
    down = glmfit.fit("name ~ x + g", data, family="ordinal", levels=LEVELS[::-1], links={"mu": mirrored})
    assert_same(up.coefficients[:3], down.coefficients[:3], sign=-1.0)
    assert_same(up.coefficients[3:], down.coefficients[:2:-1], sign=-1.0)


def test_another_base_gives_differences() -> None:
    data = columns()
    first = glmfit.fit("name ~ x + g", data, family="multinomial", levels=LEVELS)
    second = glmfit.fit("name ~ x + g", data, family="multinomial", levels=("top", "low", "middle", "high"))
    for term in ("Intercept", "x", "g[T.b]", "g[T.c]"):
        of_top = rows(first, "top")[term]
        for level in ("middle", "high"):
            difference = rows(first, level)[term].estimate - of_top.estimate
            assert rows(second, level)[term].estimate == pytest.approx(difference, rel=1e-9, abs=1e-10)
        assert_same([rows(second, "low")[term]], [of_top], sign=-1.0)
    assert second.fit.log_likelihood == pytest.approx(first.fit.log_likelihood, rel=1e-13)


def test_multinomial_constants_are_log_ratios_of_counts() -> None:
    data = columns()
    counts = np.bincount(data["grade"].astype(int))
    fit = glmfit.fit("grade ~ 1", data, family="multinomial")
    for row, count in zip(fit.coefficients, counts[1:], strict=True):
        assert row.estimate == pytest.approx(math.log(count / counts[0]), rel=1e-10)
        assert row.std_error == pytest.approx(math.sqrt(1 / count + 1 / counts[0]), rel=1e-10)


def test_a_category_for_each_cell_reproduces_the_table() -> None:
    data = columns()
    fit = glmfit.fit("name ~ 0 + g", data, family="multinomial", levels=LEVELS)
    for c in fit.coefficients:
        cell = data["g"] == c.term.removeprefix("g[").removesuffix("]")
        ratio = np.sum(cell & (data["name"] == c.parameter)) / np.sum(cell & (data["name"] == "low"))
        assert c.estimate == pytest.approx(math.log(ratio), rel=1e-9, abs=1e-10)


@pytest.mark.parametrize("se", ["hessian", "hc0", "cluster:s"])
def test_pairs_are_a_logit_on_differences(se: str) -> None:
    rng = np.random.default_rng(2)
    x, z = rng.normal(size=(2, 100)), rng.normal(size=(2, 100))
    case = (0.9 * (x[0] - x[1]) - 0.4 * (z[0] - z[1]) + rng.logistic(size=100) > 0).astype(float)
    pairs = {"x": x.ravel(), "z": z.ravel(), "case": np.concatenate([case, 1 - case]), "s": np.tile(np.arange(100), 2)}
    matched = glmfit.fit("case ~ x + z", pairs, family="conditional-logit", group="s", se=se)
    differences = {"x": x[0] - x[1], "z": z[0] - z[1], "case": case, "s": np.arange(100)}
    logit = glmfit.fit("case ~ 0 + x + z", differences, family="binomial", se=se)
    assert_same(matched.coefficients, logit.coefficients)
    assert matched.fit.log_likelihood == pytest.approx(logit.fit.log_likelihood, rel=1e-12)
    assert matched.fit.bic == pytest.approx(logit.fit.bic, rel=1e-12)


def test_choices_among_alternatives_are_a_multinomial() -> None:
    """Every set offers the same categories: indicators of them, and their products with x, are its coefficients."""
    data = columns()
    grade = data["grade"].astype(int)
    plain = glmfit.fit("grade ~ x", data, family="multinomial")
    long: dict[str, Any] = {
        "s": np.repeat(np.arange(N), 4),
        "chosen": (np.tile(np.arange(4), N) == np.repeat(grade, 4)).astype(float),
        "kind": np.tile(np.array(LEVELS), N),
    }
    for k, level in enumerate(LEVELS[1:], start=1):
        long[f"is_{level}"] = (np.tile(np.arange(4), N) == k).astype(float)
        long[f"x_{level}"] = long[f"is_{level}"] * np.repeat(data["x"], 4)
    terms = [f"{what}_{level}" for level in LEVELS[1:] for what in ("is", "x")]
    choice = glmfit.fit(f"chosen ~ {' + '.join(terms)}", long, family="conditional-logit", group="s")
    assert_same(choice.coefficients, plain.coefficients)
    assert choice.fit.log_likelihood == pytest.approx(plain.fit.log_likelihood, rel=1e-12)


def test_choosing_one_is_leaving_the_others() -> None:
    data = columns() | {"not": 1 - columns()["many"]}
    chosen = glmfit.fit("many ~ x + g", data, family="conditional-logit", group="s")
    left = glmfit.fit("not ~ x + g", data, family="conditional-logit", group="s")
    assert_same(chosen.coefficients, left.coefficients, sign=-1.0)
    assert chosen.fit.log_likelihood == pytest.approx(left.fit.log_likelihood, rel=1e-12)


def test_what_is_constant_within_groups_is_aliased_and_changes_nothing() -> None:
    data = columns()
    data["size"] = np.repeat(np.arange(60.0) ** 2, 4)
    data["shifted"] = data["x"] + 1e3 * data["size"]
    plain = glmfit.fit("many ~ x + z", data, family="conditional-logit", group="s")
    with_constant = glmfit.fit("many ~ x + size + z", data, family="conditional-logit", group="s")
    assert with_constant.identification.aliased == ("size",)
    assert_same([c for c in with_constant.coefficients if c.term != "size"], plain.coefficients)
    shifted = glmfit.fit("many ~ shifted + z", data, family="conditional-logit", group="s")
    assert shifted.coefficients[0].estimate == pytest.approx(plain.coefficients[0].estimate, rel=1e-7)


def test_groups_that_say_nothing_are_dropped_and_counted() -> None:
    data = columns()
    extra = {name: np.concatenate([values, values[:8]]) for name, values in data.items()}
    extra["many"][N:] = [1] * 4 + [0] * 4
    extra["s"][N:] = [100] * 4 + [101] * 4
    fit = glmfit.fit("many ~ x", extra, family="conditional-logit", group="s", se="cluster:s")
    plain = glmfit.fit("many ~ x", data, family="conditional-logit", group="s", se="cluster:s")
    assert fit.data.dropped["same_response"] == {"s": 8}
    assert fit.data.groups == 60
    assert fit.covariance.clusters == {"s": 60}
    assert_same(fit.coefficients, plain.coefficients)
    text = {**extra, "s": np.array([f"set {v}" for v in extra["s"]])}
    assert_same(glmfit.fit("many ~ x", text, family="conditional-logit", group="s").coefficients, fit_plain(data))


def fit_plain(data: Columns) -> tuple[Coefficient, ...]:
    return glmfit.fit("many ~ x", data, family="conditional-logit", group="s").coefficients


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("name ~ x + g", {"family": "multinomial", "levels": LEVELS}),
        ("name ~ x + g", {"family": "ordinal", "levels": LEVELS, "relax": ("g",)}),
        ("many ~ x + g", {"family": "conditional-logit", "group": "s"}),
    ],
)
@pytest.mark.parametrize("se", ["hessian", "hc0"])
def test_the_order_of_rows_does_not_matter(formula: str, options: dict[str, Any], se: str) -> None:
    data = columns()
    order = np.random.default_rng(1).permutation(N)
    plain = glmfit.fit(formula, data, se=se, **options)
    shuffled = glmfit.fit(formula, {name: values[order] for name, values in data.items()}, se=se, **options)
    assert_same(shuffled.coefficients, plain.coefficients)


@pytest.mark.parametrize(
    ("formula", "options", "weight"),
    [
        ("name ~ x + g", {"family": "multinomial", "levels": LEVELS}, "f"),
        ("name ~ x + g", {"family": "ordinal", "levels": LEVELS, "links": {"mu": "cloglog"}}, "f"),
        ("many ~ x + g", {"family": "conditional-logit", "group": "s"}, "sf"),
    ],
)
@pytest.mark.parametrize("se", ["hessian", "hc1"])
def test_a_frequency_is_so_many_rows(formula: str, options: dict[str, Any], weight: str, se: str) -> None:
    data = columns()
    weighted = glmfit.fit(formula, data, freq_weights=weight, se=se, **options)
    times = data[weight].astype(int)
    long = {name: np.repeat(values, times) for name, values in data.items()}
    copy = np.concatenate([np.arange(count) for count in times])
    long["s"] = long["s"] + 1000 * copy  # each copy of a group is a group of its own
    plain = glmfit.fit(formula, long, se=se, **options)
    assert_same(weighted.coefficients, plain.coefficients)
    for name in ("log_likelihood", "aic", "bic", "df_residual", "df_null"):
        assert getattr(weighted.fit, name) == pytest.approx(getattr(plain.fit, name), rel=1e-11)


@pytest.mark.parametrize(
    ("formulas", "options"),
    [
        ("name ~ x + g", {"family": "multinomial", "levels": LEVELS}),
        ("name ~ x + g", {"family": "ordinal", "levels": LEVELS}),
        ("name ~ x + g", {"family": "ordinal", "levels": LEVELS, "relax": ("x",), "links": {"mu": "probit"}}),
        (["name ~ x", "cut2 ~ g"], {"family": "ordinal", "levels": LEVELS}),
        ("many ~ x + g", {"family": "conditional-logit", "group": "s"}),
    ],
)
@pytest.mark.parametrize("optimizer", ["bfgs", "l-bfgs", "trust-exact"])
def test_optimizers_agree(formulas: Any, options: dict[str, Any], optimizer: str) -> None:
    newton = glmfit.fit(formulas, columns(), **options)
    other = glmfit.fit(formulas, columns(), optimizer=optimizer, **options)
    assert other.exit_code == 0
    for a, b in zip(newton.coefficients, other.coefficients, strict=True):
        assert b.estimate == pytest.approx(a.estimate, abs=1e-4 * a.std_error)


def test_an_offset_is_a_known_coefficient() -> None:
    data = columns()
    free = glmfit.fit("name ~ x + z", data, family="ordinal", levels=LEVELS)
    data["known"] = rows(free)["z"].estimate * data["z"]
    held = glmfit.fit("name ~ x", data, family="ordinal", levels=LEVELS, offset="known")
    assert rows(held)["x"].estimate == pytest.approx(rows(free)["x"].estimate, rel=1e-9)
    assert held.fit.log_likelihood == pytest.approx(free.fit.log_likelihood, rel=1e-12)


def test_relaxing_every_term_of_two_categories_changes_the_sign_alone() -> None:
    data = columns()
    plain = glmfit.fit("two ~ x + g", data, family="ordinal")
    relaxed = glmfit.fit("two ~ x + g", data, family="ordinal", relax=("x", "g"))
    assert {c.parameter for c in relaxed.coefficients} == {"cut1"}
    for term in ("x", "g[T.b]", "g[T.c]"):
        assert_same([rows(relaxed)[term]], [rows(plain)[term]], sign=-1.0)


def test_relaxing_is_writing_a_formula_for_every_cut_point() -> None:
    data = columns()
    relaxed = glmfit.fit("name ~ x + g", data, family="ordinal", levels=LEVELS, relax=("g",))
    written = glmfit.fit(["name ~ x", "cut1 ~ g", "cut2 ~ g", "cut3 ~ g"], data, family="ordinal", levels=LEVELS)
    assert_same(relaxed.coefficients, written.coefficients)


def test_a_relaxed_model_contains_the_other() -> None:
    data = columns()
    plain = glmfit.fit("name ~ x + g", data, family="ordinal", levels=LEVELS)
    relaxed = glmfit.fit("name ~ x + g", data, family="ordinal", levels=LEVELS, relax=("x", "g"))
    assert relaxed.fit.log_likelihood > plain.fit.log_likelihood
    assert relaxed.fit.n_parameters == plain.fit.n_parameters + 2 * 3


# ---- Constants taken up by cut points ----


@pytest.mark.parametrize("formulas", ["name ~ far + g", ["name ~ far + g", "cut2 ~ x"]])
def test_columns_far_from_zero(formulas: Any) -> None:
    data = columns()
    near = glmfit.fit(
        str(formulas).replace("far", "x") if isinstance(formulas, str) else ["name ~ x + g", "cut2 ~ x"],
        data,
        family="ordinal",
        levels=LEVELS,
    )
    data["far"] = data["x"] + 1024.0  # a shift that rounds nothing that matters
    far = glmfit.fit(formulas, data, family="ordinal", levels=LEVELS)
    slope = rows(near, "location")["x"].estimate
    assert rows(far, "location")["far"].estimate == pytest.approx(slope, rel=1e-10)
    for cut in ("cut1", "cut2", "cut3"):
        assert rows(far, cut)["Intercept"].estimate == pytest.approx(
            rows(near, cut)["Intercept"].estimate + 1024 * slope, rel=1e-10
        )
    assert far.fit.log_likelihood == pytest.approx(near.fit.log_likelihood, rel=1e-12)


def test_a_cut_point_without_a_constant_takes_up_nothing() -> None:
    """The covariate is not centred then: its likelihood is that of the model as it is written."""
    data = columns()
    data["far"] = data["x"] + 3
    fit = glmfit.fit(["two ~ far", "cut1 ~ 0 + z"], data, family="ordinal")
    binomial = glmfit.fit("two ~ 0 + far + z", data, family="binomial")
    assert fit.fit.log_likelihood == pytest.approx(binomial.fit.log_likelihood, rel=1e-12)
    assert_same(fit.coefficients[:1], binomial.coefficients[:1])
    assert_same(fit.coefficients[1:], binomial.coefficients[1:], sign=-1.0)


def test_a_constant_column_is_aliased_with_the_cut_points() -> None:
    data = columns() | {"always": np.ones(N)}
    for indicator in "abc":
        data[f"is_{indicator}"] = (data["g"] == indicator).astype(float)
    fit = glmfit.fit("name ~ always + x", data, family="ordinal", levels=LEVELS)
    assert fit.identification.aliased == ("always",)
    assert fit.exit_code == 0
    assert [finding.code for finding in fit.warnings] == ["aliased"]
    full = glmfit.fit("name ~ x + is_a + is_b + is_c", data, family="ordinal", levels=LEVELS)
    assert full.identification.aliased == ("is_c",)


def test_the_covariance_is_the_delta_method_by_numbers() -> None:
    """`reported` is linear in the working coefficients: its Jacobian by differences maps their covariance."""
    spec = ModelSpec(formulas=("name ~ far + g", "cut2 ~ z"), family="ordinal", levels=LEVELS)
    data = columns()
    data["far"] = 7 + 0.01 * data["x"]
    model = assemble(read(spec, data))
    gamma = torch.linspace(-1, 1, model.size, dtype=torch.float64)
    basis = torch.eye(model.size, dtype=torch.float64)
    jacobian = torch.stack([model.reported(gamma + e) - model.reported(gamma) for e in basis], dim=1)
    root = torch.randn((model.size, model.size), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    matrix = root @ root.T
    assert torch.allclose(model.reported_covariance(matrix), jacobian @ matrix @ jacobian.T, rtol=1e-8)
    assert torch.allclose(model.working(model.reported(gamma)), gamma, rtol=1e-10)
    assert torch.allclose(jacobian.T @ model.reported_gradient(gamma), gamma, rtol=1e-7)


@pytest.mark.parametrize("formulas", ["name ~ x + g", ["name ~ x", "cut1 ~ x + g"]])
def test_reported_coefficients_give_the_likelihood_that_is_reported(formulas: Any) -> None:
    """By hand, from the probabilities as the documentation writes them."""
    data = columns()
    fit = glmfit.fit(formulas, data, family="ordinal", levels=LEVELS)

    def predictor(parameter: str) -> np.ndarray:
        total = np.zeros(N)
        for term, row in rows(fit, parameter).items():
            column = {"Intercept": np.ones(N), "x": data["x"], "g[T.b]": data["g"] == "b", "g[T.c]": data["g"] == "c"}
            total += row.estimate * column[term]
        return total

    below = [1 / (1 + np.exp(predictor("location") - predictor(cut))) for cut in ("cut1", "cut2", "cut3")]
    bounds = np.stack([np.zeros(N), *below, np.ones(N)])
    grade = data["grade"].astype(int)
    probability = bounds[grade + 1, np.arange(N)] - bounds[grade, np.arange(N)]
    assert fit.fit.log_likelihood == pytest.approx(float(np.log(probability).sum()), rel=1e-12)


# ---- What is not to be trusted ----


def assert_not_identified(fit: Fit, *terms: tuple[str, str]) -> None:
    assert fit.exit_code == 5
    for parameter, term in terms:
        row = rows(fit, parameter)[term]
        assert row.status in ("infinite", "not_identified")
        assert math.isnan(row.std_error)


@every_link
@pytest.mark.parametrize("optimizer", ["newton", "bfgs"])
def test_separated_ordered_categories_have_no_estimate(link: str, optimizer: str) -> None:
    x = np.arange(30.0)
    data = {"x": x, "y": np.digitize(x, [9.5, 19.5]).astype(float)}
    fit = glmfit.fit("y ~ x", data, family="ordinal", links={"mu": link}, optimizer=optimizer)
    assert_not_identified(fit, ("location", "x"), ("cut1", "Intercept"), ("cut2", "Intercept"))


def test_separated_unordered_categories_have_no_estimate() -> None:
    x = np.arange(30.0)
    data = {"x": x, "y": np.digitize(x, [9.5, 19.5]).astype(float)}
    fit = glmfit.fit("y ~ x", data, family="multinomial")
    assert_not_identified(fit, ("1", "x"), ("2", "x"))


def test_an_empty_cell_of_a_multinomial_is_named_and_all_else_has_errors() -> None:
    data = columns()
    data["grade"] = np.where((data["g"] == "a") & (data["grade"] == 2), 0.0, data["grade"])
    fit = glmfit.fit("grade ~ g", data, family="multinomial")
    assert_not_identified(fit, ("2", "Intercept"), ("2", "g[T.b]"), ("2", "g[T.c]"))
    assert all(math.isfinite(c.std_error) for c in fit.coefficients if c.parameter != "2")
    ordered = glmfit.fit("grade ~ g", data, family="ordinal")
    assert ordered.exit_code == 0


def test_a_group_all_in_the_lowest_category() -> None:
    data = columns()
    data["grade"] = np.where(data["g"] == "c", 0.0, data["grade"])
    fit = glmfit.fit("grade ~ g + x", data, family="ordinal")
    assert_not_identified(fit, ("location", "g[T.c]"))
    assert math.isfinite(rows(fit, "location")["x"].std_error)


def test_choices_that_a_covariate_predicts() -> None:
    x = np.tile([2.0, 1.0, 0.0], 20)
    data = {"x": x, "s": np.repeat(np.arange(20), 3), "one": (x == 2) * 1.0, "two": (x >= 1) * 1.0}
    for response in ("one", "two"):
        fit = glmfit.fit(f"{response} ~ x", data, family="conditional-logit", group="s")
        assert_not_identified(fit, ("mu", "x"))


# ---- Refusals ----


def refused(formulas: Any, data: Columns | None = None, **options: Any) -> GlmfitError:
    with pytest.raises(GlmfitError) as caught:
        glmfit.fit(formulas, columns() if data is None else data, **options)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("formulas", "options", "code", "kind"),
    [
        ("name ~ x", {"family": "ordinal"}, "levels_needed", UsageError),
        ("name ~ x", {"family": "ordinal", "levels": ("low", "high")}, "unknown_level", ModelError),
        ("name ~ x", {"family": "ordinal", "levels": (*LEVELS, "never")}, "unknown_level", ModelError),
        ("name ~ x", {"family": "multinomial", "levels": (*LEVELS, "low")}, "invalid_value", UsageError),
        ("grade ~ x", {"family": "ordinal", "levels": ("0.0", "1", "2", "3")}, "unknown_level", ModelError),
        ("name ~ x", {"family": "multinomial", "success": "low"}, "bad_success", UsageError),
        ("x ~ z", {"family": "multinomial"}, "bad_response", ModelError),
        ("x ~ z", {"family": "ordinal"}, "bad_response", ModelError),
        ("cbind(grade, s) ~ z", {"family": "ordinal"}, "bad_response", ModelError),
        ("grade ~ x", {"family": "poisson", "levels": ("0", "1")}, "contradiction", UsageError),
        ("grade ~ x", {"family": "multinomial", "relax": ("x",)}, "contradiction", UsageError),
        ("grade ~ x", {"family": "ordinal", "relax": ("z",)}, "unknown_term", UsageError),
        ("grade ~ x", {"family": "ordinal", "relax": ("Intercept",)}, "unknown_term", UsageError),
        ("grade ~ x", {"family": "ordinal", "group": "s"}, "contradiction", UsageError),
        ("grade ~ x", {"family": "ordinal", "fixed": {"cut1": 0.0}}, "unknown_parameter", UsageError),
        ("grade ~ x", {"family": "ordinal", "links": {"mu": "log"}}, "bad_link", UsageError),
        ("grade ~ x", {"family": "ordinal", "exposure": "w"}, "bad_exposure", UsageError),
        ("grade ~ x", {"family": "ordinal", "se": "hc3"}, "bad_se", UsageError),
        ("grade ~ x", {"family": "ordinal", "dispersion": "pearson"}, "bad_dispersion", UsageError),
        ("grade ~ x", {"family": "multinomial", "dispersion": "deviance"}, "bad_dispersion", UsageError),
        ("grade ~ x", {"family": "multinomial", "dispersion": "ml"}, "bad_dispersion", UsageError),
        (["grade ~ x", "location ~ z"], {"family": "ordinal"}, "formula", UsageError),
        (["grade ~ x", "cut4 ~ z"], {"family": "ordinal"}, "unknown_parameter", UsageError),
        (
            ["name ~ x", "high ~ z"],
            {"family": "multinomial"},
            "unknown_parameter",
            UsageError,
        ),  # the base
        ("grade ~ x", {"family": "multinomial", "offset": "z"}, "bad_offset", UsageError),
        ("grade ~ x + offset(z)", {"family": "multinomial"}, "bad_offset", UsageError),
        ("one ~ x", {"family": "conditional-logit"}, "missing_group", UsageError),
        ("one ~ x", {"family": "conditional-logit", "group": "nowhere"}, "unknown_column", DataError),
        ("grade ~ x", {"family": "conditional-logit", "group": "s"}, "outside_support", ModelError),
        ("name ~ x", {"family": "conditional-logit", "group": "s"}, "bad_response", ModelError),
        ("one ~ 1", {"family": "conditional-logit", "group": "s"}, "empty_model", ModelError),
        ("one ~ s", {"family": "conditional-logit", "group": "s"}, "empty_model", ModelError),
        ("one ~ x", {"family": "conditional-logit", "group": "s", "weights": "w"}, "varies_within_group", DataError),
        ("one ~ x", {"family": "conditional-logit", "group": "s", "se": "cluster:c"}, "varies_within_group", DataError),
    ],
)
def test_what_cannot_be_is_refused(formulas: Any, options: dict[str, Any], code: str, kind: type[GlmfitError]) -> None:
    error = refused(formulas, **options)
    assert (error.code, type(error)) == (code, kind)


def test_one_category_is_refused() -> None:
    for family in ("ordinal", "multinomial"):
        assert refused("y ~ x", {"y": np.zeros(9), "x": np.arange(9.0)}, family=family).code == "bad_response"


def test_too_many_categories_are_refused() -> None:
    data = {"y": np.array([f"k{i:02d}" for i in range(60)] * 2), "x": np.arange(120.0)}
    assert "60 different values" in refused("y ~ x", data, family="multinomial").message


def test_groups_that_are_all_alike_are_refused() -> None:
    data = columns()
    data["s"] = np.arange(N)
    assert refused("one ~ x", data, family="conditional-logit", group="s").code == "no_rows"


def test_a_group_of_many_rows_is_refused() -> None:
    data = {"y": (np.arange(600) < 30) * 1.0, "x": np.arange(600.0) % 7, "s": np.zeros(600)}
    assert refused("y ~ x", data, family="conditional-logit", group="s").code == "large_group"


def test_rows_of_weight_zero_take_their_category_with_them() -> None:
    data = columns()
    data["f"] = np.where(data["name"] == "top", 0.0, data["f"])
    fit = glmfit.fit("name ~ x", data, family="ordinal", levels=LEVELS[:3], freq_weights="f")
    assert fit.model.levels == LEVELS[:3]
    numbers = glmfit.fit("grade ~ x", data, family="ordinal", freq_weights="f")
    assert numbers.model.levels == ("0", "1", "2")
    assert_same(numbers.coefficients, fit.coefficients)


# ---- Names and reports ----


def test_categories_may_have_any_name() -> None:
    data = columns()
    names = {"low": "1st", "middle": "on foot", "high": "a:b", "top": "x"}
    data["mode"] = np.array([names[v] for v in data["name"]])
    fit = glmfit.fit(
        ["mode ~ x", "`on foot` ~ x + g", "`a:b` ~ 1"], data, family="multinomial", levels=tuple(names.values())
    )
    assert [(c.parameter, c.term) for c in fit.coefficients] == [
        *(("on foot", term) for term in ("Intercept", "x", "g[T.b]", "g[T.c]")),
        ("a:b", "Intercept"),
        *(("x", term) for term in ("Intercept", "x")),
    ]
    assert fit.exit_code == 0


def test_levels_are_split_at_commas_outside_backticks_and_brackets() -> None:
    assert levels(["don't know,a b, c"]) == ("don't know", "a b", "c")
    assert levels(["[0,5),[5,10]"]) == ("[0,5)", "[5,10]")
    assert levels(["`a,b`,c", "`d`"]) == ("a,b", "c", "d")
    assert levels(['6" pipe,`']) == ('6" pipe', "`")
    assert levels(None) == ()


@pytest.mark.parametrize(
    ("formula", "options", "measure"),
    [
        ("name ~ x + g", {"family": "multinomial", "levels": LEVELS}, "relative risk ratio"),
        ("name ~ x + g", {"family": "ordinal", "levels": LEVELS}, "odds ratio"),
        ("name ~ x + g", {"family": "ordinal", "levels": LEVELS, "relax": ("x", "g")}, "odds ratio"),
        ("many ~ x + g", {"family": "conditional-logit", "group": "s"}, "odds ratio"),
    ],
)
@pytest.mark.parametrize("exp", [False, True])
def test_reports_are_whole(formula: str, options: dict[str, Any], measure: str, exp: bool) -> None:
    fit = glmfit.fit(formula, columns(), **options)
    assert fit.model.measure == measure
    table = to_table(fit, exp=exp, plain=True)
    assert max(map(len, table.splitlines())) <= 80
    assert "nan" not in table.casefold()
    assert to_csv(fit, exp=exp).count("\n") >= len(fit.coefficients)
    assert measure + "s" in to_markdown(fit, exp=exp) or not exp
    assert glmfit.report.fit_from_json(to_json(fit, exp=exp)).model == fit.model


@pytest.mark.parametrize("link", ["probit", "cloglog", "loglog", "cauchit"])
def test_exp_has_no_meaning_for_other_cumulative_links(link: str) -> None:
    fit = glmfit.fit("grade ~ x", columns(), family="ordinal", links={"mu": link})
    with pytest.raises(UsageError, match="no meaning"):
        to_table(fit, exp=True)


def test_a_wide_group_among_small_ones() -> None:
    """Groups are padded to the widest: neither values nor derivatives may notice."""
    rng = np.random.default_rng(8)
    sizes = [2] * 30 + [60]
    s = np.repeat(np.arange(31), sizes)
    x = rng.normal(size=len(s))
    y = np.concatenate([*([1.0, 0.0] for _ in range(30)), rng.permutation([1.0] * 25 + [0.0] * 35)])
    fit = glmfit.fit("y ~ x", {"x": x, "y": y, "s": s}, family="conditional-logit", group="s")
    beta = fit.coefficients[0].estimate
    total = 0.0
    for group in range(31):
        eta = [mpmath.mpf(float(v)) for v in beta * x[s == group]]
        chosen = y[s == group] == 1
        symmetric = [mpmath.mpf(1)] + [mpmath.mpf(0)] * int(chosen.sum())
        for value in eta:
            for r in range(len(symmetric) - 1, 0, -1):
                symmetric[r] += symmetric[r - 1] * mpmath.exp(value)
        picked = mpmath.fsum(e for e, c in zip(eta, chosen, strict=True) if c)
        total += float(picked - mpmath.log(symmetric[-1]))
    assert fit.fit.log_likelihood == pytest.approx(total, rel=1e-12)
    assert fit.exit_code == 0


# ---- the base ----


def test_another_base_is_the_same_model() -> None:
    """Coefficients are differences of those of the other base; levels that are numbers go by their text."""
    random = np.random.default_rng(8)
    data = {"y": random.integers(1, 4, 200) * 1.0, "x": random.normal(size=200)}
    first = glmfit.fit("y ~ x", data, family="multinomial")
    third = glmfit.fit("y ~ x", data, family="multinomial", base="3")
    assert (first.model.base, first.model.levels) == ("1", ("1", "2", "3"))
    assert (third.model.base, third.model.levels, third.model.main) == ("3", ("3", "1", "2"), ("1", "2"))
    assert third.fit.log_likelihood == pytest.approx(first.fit.log_likelihood, rel=1e-12)
    b, c = ({(r.parameter, r.term): r.estimate for r in fit.coefficients} for fit in (first, third))
    for term in ("Intercept", "x"):
        assert c["1", term] == pytest.approx(-b["3", term], rel=1e-7)
        assert c["2", term] == pytest.approx(b["2", term] - b["3", term], rel=1e-7)
    listed = glmfit.fit("y ~ x", data, family="multinomial", levels=("3", "1", "2"))
    assert [row.estimate for row in listed.coefficients] == [row.estimate for row in third.coefficients]
    assert "Base  " in to_table(third)
    assert json.loads(to_json(third))["model"]["base"] == "3"
    ordinal = glmfit.fit("y ~ x", data, family="ordinal")
    assert ordinal.model.base is None
