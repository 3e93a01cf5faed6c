"""Counts of another spread, and the wrappers, beyond the contract of every family: limits, sums, identities."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from mpmath import mp
from torch import Tensor

import glmfit
from glmfit import fit_spec
from glmfit.families import conway
from glmfit.families.catalogue import FAMILIES, make_family
from glmfit.families.special import log_bessel_polynomial
from glmfit.model.likelihood import RowDerivatives, row_derivatives
from glmfit.result import Fit
from glmfit.spec import ModelSpec

COUNTS = (0.0, 1.0, 2.0, 9.0, 300.0)


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def rows(name: str, y: Sequence[float], *working: float, **columns: float) -> RowDerivatives:
    family, at = make_family(name, {}), tensor(*y)
    extra = {key: torch.full_like(at, value) for key, value in columns.items()}
    return row_derivatives(
        lambda *w: family.log_density(at, *w, **extra), [torch.full_like(at, value) for value in working]
    )


# ---- the Bessel polynomial ----


def exact(f: Callable[[Any], Any], at: float) -> list[float]:
    with mp.workdps(50):
        return [float(mpmath.diff(f, mpmath.mpf(at), order)) for order in range(3)]


@pytest.mark.parametrize("log_x", [-20.0, -3.8, -3.5, 0.0, 3.0, 8.0])
@pytest.mark.parametrize("n", [1.0, 2.0, 2.5, 17.0, 39.0, 40.0, 41.0, 1000.0])
def test_log_bessel_polynomial(n: float, log_x: float) -> None:
    def reference(t: Any) -> Any:
        z = mpmath.exp(-t)
        return mpmath.log(mpmath.besselk(n + mpmath.mpf(0.5), z)) + z + mpmath.log(2 * z / mpmath.pi) / 2

    found = row_derivatives(lambda t: log_bessel_polynomial(tensor(n), t), [tensor(log_x)])
    value, first, second = exact(reference, log_x)
    assert float(found.l) == pytest.approx(value, rel=1e-13, abs=1e-14)
    assert float(found.g) == pytest.approx(first, rel=1e-12, abs=1e-12)
    assert float(found.h) == pytest.approx(second, rel=1e-9, abs=1e-11 * n)


@pytest.mark.parametrize("n", [0.0, -1.0])
def test_the_bessel_polynomial_of_degree_0_is_1(n: float) -> None:
    found = row_derivatives(lambda t: log_bessel_polynomial(torch.full_like(t, n), t), [tensor(-40.0, 0.0, 40.0)])
    for part in found:
        assert not part.any()


# ---- sums over counts ----


@pytest.mark.parametrize(
    ("mu", "nu"), [(5.0, 1e-3), (300.0, 0.05), (1e4, 0.01), (1e5, 1.0), (1e6, 3.0), (50.0, 1e-9), (1e3, 400.0)]
)
def test_sums_by_gauss_rule_are_the_sums(mu: float, nu: float) -> None:
    at = conway._solve(tensor(mu), tensor(nu))
    reach = 45 * min(math.sqrt(mu / nu) + 2, mu + 2)
    j = torch.arange(max(0, math.floor(mu - reach)), math.ceil(mu + reach), dtype=torch.float64)
    d, r = j - at.anchor, conway._log_factorial_ratio(j, at.anchor)
    terms = at.t * d - nu * r
    p = torch.softmax(terms, dim=0)
    assert float(torch.logsumexp(terms, dim=0)) == pytest.approx(float(at.log_sum), rel=1e-12, abs=1e-12)
    assert float((p * j).sum()) == pytest.approx(mu, rel=1e-12)
    mean, mean_r = (p * d).sum(), (p * r).sum()
    at.cumulants(0, 3)  # which is not known at first, as are those of higher orders
    for power, rest in ((i, order - i) for order in (2, 3, 4, 5) for i in range(order + 1)):
        found = at.cumulants.central[power, rest]
        if power + rest < 4:
            assert float(at.cumulants(power, rest)) == float(found)
        whole = p * (d - mean).abs() ** power * (r - mean_r).abs() ** rest
        expected = (p * (d - mean) ** power * (r - mean_r) ** rest).sum()
        assert float(found) == pytest.approx(float(expected), rel=1e-8, abs=1e-10 * float(whole.sum())), (power, rest)


def test_lambda_is_that_of_the_mean() -> None:
    mu, nu = tensor(0.02, 0.7, 3.0, 12.0), tensor(2.0, 0.3, 5.0, 0.9)
    at = conway._solve(mu, nu)
    log_lambda = at.t + nu * torch.log1p(at.anchor)
    for m, power, x in zip(mu.tolist(), nu.tolist(), log_lambda.tolist(), strict=True):
        with mp.workdps(40):
            terms = [mpmath.exp(x * j - power * mpmath.loggamma(j + 1)) for j in range(400)]
            assert float(sum(j * term for j, term in enumerate(terms)) / sum(terms)) == pytest.approx(m, rel=1e-13)


def test_outside_the_domain_the_density_is_nan() -> None:
    found = rows("cmp", (3.0,), math.nan, 0.0)
    assert math.isnan(float(found.l))
    values = make_family("cmp", {}).log_density(
        tensor(1.0, 2.0, 3.0), tensor(0.0, math.nan, 900.0), tensor(0.0, 0.0, 0.0)
    )
    assert torch.isfinite(values).tolist() == [True, False, False]


# ---- limits ----


@pytest.mark.parametrize(
    ("name", "held", "simpler"),
    [
        *((name, (-40.0,), "poisson") for name in ("nb1", "pig")),
        ("gp", (0.0,), "poisson"),
        ("cmp", (-40.0,), "geometric"),
        *((f"zero-inflated-{name}", (-40.0,), name) for name in ("poisson", "geometric")),
        ("zero-inflated-negative-binomial", (-40.0, -40.0), "poisson"),
        ("zero-truncated-generalized-poisson", (0.0,), "zero-truncated-poisson"),
    ],
)
def test_the_density_at_a_limit_is_that_of_the_simpler_family(name: str, held: tuple[float, ...], simpler: str) -> None:
    counts = COUNTS[1:] if "truncated" in name else COUNTS
    for log_mu in (-2.0, 0.3, 2.0):  # where exp(-40) is nothing beside mu, and beside the probability of a zero
        found, expected = rows(name, counts, log_mu, *held), rows(simpler, counts, log_mu)
        torch.testing.assert_close(found.l, expected.l, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(found.g[:, 0], expected.g[:, 0], rtol=1e-11, atol=1e-11)
        torch.testing.assert_close(found.h[:, 0, 0], expected.h[:, 0, 0], rtol=1e-8, atol=1e-10)
        if held != (0.0,):  # at 0 the generalized Poisson goes on, below the Poisson's spread
            assert float(found.g[:, 1:].abs().max()) < 1e-9


def test_nu_1_is_poisson_and_large_means_keep_their_digits() -> None:
    for log_mu in (-30.0, -2.0, 0.3, 5.0, 11.0):
        found, expected = rows("cmp", COUNTS, log_mu, 0.0), rows("poisson", COUNTS, log_mu)
        torch.testing.assert_close(found.l, expected.l, rtol=1e-13, atol=1e-12)
        torch.testing.assert_close(found.g[:, 0], expected.g[:, 0], rtol=1e-11, atol=1e-11)
        torch.testing.assert_close(found.h[:, 0, 0], expected.h[:, 0, 0], rtol=1e-9, atol=1e-10)


def test_a_beta_binomial_of_large_precision_is_binomial() -> None:
    y = (0.0, 2.0, 7.0, 30.0)
    for logit in (-2.0, -1.0, 0.5, 3.0):
        found, expected = rows("bb", y, logit, 40.0, trials=30.0), rows("binomial", y, logit, trials=30.0)
        torch.testing.assert_close(found.l, expected.l, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(found.h[:, 0, 0], expected.h[:, 0, 0], rtol=1e-9, atol=1e-11)


def test_every_limit_names_a_family_of_the_list() -> None:
    names = {family.name for family in FAMILIES}
    limits = {(f.name, one.family) for f in FAMILIES if f.wrapper for p in f.parameters for one in p.special}
    assert len(limits) > 20
    assert {family for _, family in limits} <= names


def test_truncated_counts_of_a_tiny_mean() -> None:
    half = math.exp(-25.0) / 2  # Poisson: log f(1) = -mu/2 + ..., log f(2) = log(mu/2) - mu/2 + ...
    assert rows("ztp", (1.0, 2.0), -25.0).l.tolist() == pytest.approx([-half, -25.0 - math.log(2) - half], abs=1e-14)
    # Pr(2 | y > 0) is in proportion to mu, or, where the variance of y is to its mean, tends to a constant.
    for name, others, slope in (
        *(("ztp", (), 1.0), ("ztpig", (-3.0,), 1.0), ("ztcmp", (0.5,), 1.0)),
        *(("ztnb1", (-3.0,), 0.0), ("ztgp", (0.1,), 0.0)),
    ):
        found = rows(name, (1.0, 2.0), -25.0, *others)
        assert found.g[:, 0].tolist() == pytest.approx([0.0, slope], abs=1e-8), name
        assert found.h[:, 0, 0].tolist() == pytest.approx([0.0, 0.0], abs=1e-8), name


def test_draws_of_counts_that_are_hardly_ever_positive() -> None:
    family, size = make_family("ztnb", {}), 4000
    mu = np.where(np.arange(size) % 2 == 0, 1e-9, 2.0)
    draws = family.simulate(np.random.default_rng(3), mu, np.full(size, 0.7))
    assert draws.min() == 1
    assert draws[::2].mean() == pytest.approx(1.0, abs=0.01)
    f0 = (1 + 0.7 * 2) ** (-1 / 0.7)
    assert draws[1::2].mean() == pytest.approx(2 / (1 - f0), rel=0.05)


# ---- fits that must agree ----


def fit(data: object, family: str, *formulas: str, **fields: Any) -> Fit:
    return fit_spec(ModelSpec(formulas=formulas, family=family, **fields), data)


def simulated(size: int = 300) -> dict[str, np.ndarray]:
    random = np.random.default_rng(11)
    x = np.round(random.normal(size=size), 3)
    return {"x": x, "y": random.poisson(np.exp(0.6 + 0.4 * x)) * (random.random(size) > 0.25) * 1.0}


def estimates(found: Fit, parameter: str) -> list[tuple[float, float]]:
    return [(row.estimate, row.std_error) for row in found.coefficients if row.parameter == parameter]


def test_a_hurdle_is_a_binomial_and_a_truncated_model() -> None:
    data = simulated()
    whole = fit(data, "hurdle-poisson", "y ~ x", "zero ~ x")
    positive = {name: column[data["y"] > 0] for name, column in data.items()}
    counts = fit(positive, "zero-truncated-poisson", "y ~ x")
    zeros = fit({**data, "none": (data["y"] == 0) * 1.0}, "binomial", "none ~ x")
    for part, found in ((counts, estimates(whole, "mu")), (zeros, estimates(whole, "zero"))):
        assert [value for row in found for value in row] == pytest.approx(
            [value for row in estimates(part, "mu") for value in row], rel=1e-9
        )
    assert whole.fit.log_likelihood == pytest.approx(counts.fit.log_likelihood + zeros.fit.log_likelihood, rel=1e-12)


def test_inflation_that_the_data_do_not_want_gives_the_family_inside() -> None:
    data = simulated()
    data["y"] = data["y"] + 1
    found, inside = fit(data, "zip", "y ~ x"), fit(data, "poisson", "y ~ x")
    assert [row.status for row in found.coefficients if row.parameter == "zero"] == ["at_limit"]
    assert found.exit_code == 0
    for (estimate, error), (expected, expected_error) in zip(
        estimates(found, "mu"), estimates(inside, "mu"), strict=True
    ):
        assert estimate == pytest.approx(expected, rel=1e-9)
        assert error == pytest.approx(expected_error, rel=1e-7)


def test_parameters_that_make_one_family_of_another() -> None:
    data = simulated()
    pairs = (
        ("cmp", {"nu": 1.0}, "poisson"),
        ("zigeom", {"zero": 1e-300}, "geometric"),
        ("zinb", {"alpha": 1.0}, "zigeom"),
    )
    for name, fixed, same in pairs:
        found, expected = fit(data, name, "y ~ x", fixed=fixed), fit(data, same, "y ~ x")
        assert found.fit.log_likelihood == pytest.approx(expected.fit.log_likelihood, rel=1e-10), name
        assert [v for row in estimates(found, "mu") for v in row] == pytest.approx(
            [v for row in estimates(expected, "mu") for v in row], rel=1e-6
        ), name


@pytest.mark.parametrize("name", ["nb1", "gp", "pig", "cmp", "zinb", "hurdle-pig"])
def test_a_repeated_row_is_a_frequency_of_two(name: str) -> None:
    data = simulated(120)
    data["y"] += np.arange(120) % 7 == 0
    twice = {key: np.concatenate([column, column]) for key, column in data.items()}
    weighted = fit({**data, "f": np.full(120, 2.0)}, name, "y ~ x", freq_weights="f")
    whole = fit(twice, name, "y ~ x")
    assert weighted.fit.log_likelihood == pytest.approx(whole.fit.log_likelihood, rel=1e-10)
    assert [v for r in estimates(weighted, "mu") for v in r] == pytest.approx(
        [v for r in estimates(whole, "mu") for v in r], rel=1e-6
    )


@pytest.mark.parametrize("name", [family.name for family in FAMILIES if family.wrapper and not family.trials])
def test_starts_are_near_the_maximum(name: str) -> None:
    """From the moments alone, without covariates, few steps are left: 4 log-likelihood units per 300 rows."""
    family, size = make_family(name, {}), 3000
    values = {"mu": 3.0, "alpha": 0.4, "nu": 0.8, "zero": 0.3, "phi": 0.5, "sigma": 0.6, "scale": 2.0, "shape": 1.5}
    natural = [values[p.name] for p in family.parameters]
    y = torch.from_numpy(family.simulate(np.random.default_rng(2), *(np.full(size, value) for value in natural)))
    begin = family.start(y, torch.ones_like(y))

    def log_likelihood(values: Sequence[float]) -> float:
        working = family.working(*(torch.full_like(y, value) for value in values))
        return float(family.log_density(y, *working).mean())

    assert log_likelihood(natural) - log_likelihood([begin[p.name] for p in family.parameters]) < 4 / 300


@pytest.mark.parametrize("low", [0.0, 5.0])
@pytest.mark.parametrize("seed", range(3))
def test_counts_of_two_values_leave_nu_without_end(low: float, seed: int) -> None:
    """Between two neighbours nu ends at infinity, where it is held; the search must not begin there."""
    random = np.random.default_rng(seed)
    x = random.normal(size=200)
    y = low + (random.random(200) < 1 / (1 + np.exp(-0.5 * x)))
    fit = glmfit.fit("y ~ x", {"x": x, "y": y}, family="conway-maxwell-poisson")
    assert fit.exit_code == 0
    assert [(said.code, said.terms) for said in fit.warnings] == [("at_limit", ("nu",))]
    assert (fit.coefficients[-1].estimate, fit.coefficients[-1].status) == (math.inf, "at_limit")
    assert math.isnan(fit.coefficients[-1].std_error)
    if low == 0:  # whose mean is the probability of a 1
        bernoulli = glmfit.fit("y ~ x", {"x": x, "y": y}, family="binomial", links={"mu": "log"})
        for row, other in zip(fit.coefficients, bernoulli.coefficients, strict=False):
            assert row.estimate == pytest.approx(other.estimate, rel=1e-7)
            assert row.std_error == pytest.approx(other.std_error, rel=1e-6)
        assert fit.fit.log_likelihood == pytest.approx(bernoulli.fit.log_likelihood, rel=1e-12)
    poisson = glmfit.fit("y ~ x", {"x": x, "y": y}, family="poisson")
    assert fit.fit.log_likelihood > poisson.fit.log_likelihood + 20
    assert fit.coefficients[1].estimate * poisson.coefficients[1].estimate > 0


# ---- less spread than a Poisson's ----

UNDERDISPERSED = Path(__file__).resolve().parents[1] / "reference" / "underdispersed" / "underdispersed.json"
COUNTS_BELOW = UNDERDISPERSED.parents[1] / "data" / "underdispersed.csv"


@pytest.mark.parametrize("case", json.loads(UNDERDISPERSED.read_text()), ids=lambda case: case["name"])
def test_a_negative_alpha_is_that_of_r(case: dict[str, Any]) -> None:
    """The R script holds a constant alpha against glmmTMB's genpois; it differentiates numerically."""
    found = fit(str(COUNTS_BELOW), "gp", "y ~ x", case["alpha"], links={"alpha": "log1p2"})
    assert found.exit_code == 0
    for row, estimate, error in zip(found.coefficients, case["estimates"], case["std_errors"], strict=True):
        assert abs(row.estimate - estimate) <= 5e-8 * error
        assert row.std_error == pytest.approx(error, rel=1e-6)
    assert found.fit.log_likelihood == pytest.approx(case["log_likelihood"], rel=1e-11)


def test_the_link_that_admits_a_negative_alpha_changes_nothing_above_0() -> None:
    data = simulated()
    log, signed = (fit(data, "gp", "y ~ x", links={"alpha": link}) for link in ("log", "log1p2"))
    assert signed.fit.log_likelihood == pytest.approx(log.fit.log_likelihood, rel=1e-12)
    assert [v for row in estimates(signed, "mu") for v in row] == pytest.approx(
        [v for row in estimates(log, "mu") for v in row], rel=1e-8
    )
    assert signed.auxiliary[0].estimate == pytest.approx(log.auxiliary[0].estimate, rel=1e-8)
    assert signed.auxiliary[0].std_error == pytest.approx(log.auxiliary[0].std_error, rel=1e-7)


def test_the_end_of_the_range_of_alpha_says_how_to_go_past_it() -> None:
    found = fit(str(COUNTS_BELOW), "gp", "y ~ x")
    (said,) = (finding.message for finding in found.warnings if finding.code == "at_limit")
    assert said.endswith("--link alpha=log1p2 lets alpha be negative")


def test_a_count_beyond_the_support_is_impossible() -> None:
    family = make_family("gp", {})
    working = family.working(tensor(2.0, 2.0, 2.0), tensor(-0.25, -0.25, -0.25))  # below 8
    found = family.log_density(tensor(7.0, 8.0, 9.0), *working)
    assert torch.isfinite(found).tolist() == [True, False, False]
    up_to, above = family.tails(tensor(6.0, 7.0, 8.0), *working)
    assert above[1:].tolist() == [-math.inf, -math.inf]
    assert up_to[1:].tolist() == [0.0, 0.0]
    assert family.quantile(tensor(1.0, 1.0, 1.0), *working).tolist() == [7.0] * 3
    draws = family.simulate(np.random.default_rng(1), np.full(4000, 5.0), np.full(4000, -0.3))
    assert draws.max() < 17
    assert draws.mean() == pytest.approx(5.0, abs=0.15)
    assert draws.var() == pytest.approx(5 * 0.7**2, rel=0.1)


def test_a_sum_that_is_not_1_is_said() -> None:
    few = glmfit.fit("y ~ 1", {"y": np.array([1.0, 1, 1, 1, 0, 1, 2, 1])}, family="gp", links={"alpha": "log1p2"})
    said = [finding.message for finding in few.warnings if finding.code == "improper_density"]
    assert len(said) == 1
    mu, alpha = math.exp(few.coefficients[0].estimate), few.auxiliary[0].estimate
    m, a = mu / (1 + alpha), alpha / (1 + alpha)
    counts = [y for y in range(40) if m + a * y > 0]
    total = sum(m * (m + a * y) ** (y - 1) * math.exp(-m - a * y) / math.factorial(y) for y in counts)
    assert f"add up to {total:.5g}" in said[0]
    assert abs(total - 1) > 0.001
    many = fit(str(COUNTS_BELOW), "gp", "y ~ x", links={"alpha": "log1p2"})
    assert not many.warnings


RARE = [family for family in FAMILIES if family.rare_is_one and not family.trials]


@pytest.mark.parametrize("family", RARE, ids=lambda family: family.name)
@pytest.mark.parametrize("log_mu", [-30.0, -99.0, -300.0, -700.0])
def test_the_density_of_counts_whose_mean_all_but_vanishes(family: Any, log_mu: float) -> None:
    """f(0) = 1, f(1) = mu, and of what is not 0 all is 1, however small mu is."""
    others = [0.3] * (len(family.parameters) - 1)
    at = rows(family.name, (0.0, 1.0), log_mu, *others)
    assert at.l.tolist() == pytest.approx([-math.exp(log_mu), log_mu], rel=1e-12)
    assert at.g[:, 0].tolist() == pytest.approx([-math.exp(log_mu), 1.0], abs=1e-12)
    for wrapper in ("zero-truncated", "hurdle"):
        wrapped = rows(
            f"{wrapper}-{family.name}", (1.0, 2.0), log_mu, *others, *([-40.0] if wrapper == "hurdle" else [])
        )
        assert float(wrapped.l[0]) == pytest.approx(0.0, abs=1e-12)
        assert wrapped.g[:, 0].tolist() == pytest.approx([0.0, 1.0], abs=1e-12)
        assert wrapped.h[:, 0, 0].tolist() == pytest.approx([0.0, 0.0], abs=1e-12)


def test_what_a_hurdle_says_of_zeros_does_not_hang_on_counts() -> None:
    """Not even on means that are infinite, as in the limit of separated data."""
    at = rows("hurdle-poisson", (0.0,), 1e5, 0.7)
    assert at.l.tolist() == pytest.approx([-math.log1p(math.exp(-0.7))], rel=1e-15)
    assert at.g[0, 0] == at.h[0, 0, 0] == 0.0
