"""Fits whose verdict matters more than their numbers: separated data, ends of ranges, ill-conditioned columns."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import glmfit
from glmfit.errors import ModelError
from glmfit.result import Fit

X = np.arange(10.0)
SEPARATED = {"x": X, "y": (X > 4).astype(float)}
OVERLAPPING = {"x": X, "y": np.array([0.0, 0, 0, 0, 1, 0, 1, 1, 1, 1])}


def zero_cell(overdispersed: bool, seed: int = 1) -> dict[str, Any]:
    """Counts by a factor with an x; in level c all are 0, so that its coefficient has no finite estimate."""
    rng = np.random.default_rng(seed)
    g = np.repeat(["a", "b", "c"], 30)
    x = rng.normal(size=90)
    mean = 4 * (rng.gamma(0.7, 1 / 0.7, size=90) if overdispersed else 1)
    return {"g": g, "x": x, "y": np.where(g == "c", 0, rng.poisson(mean)).astype(float)}


def codes(fit: Fit) -> set[str]:
    return {finding.code for finding in fit.warnings}


def assert_infinite(fit: Fit, term: str) -> None:
    assert fit.exit_code == 5
    assert "separation" in codes(fit)
    row = next(c for c in fit.coefficients if c.term == term)
    assert row.status == "infinite"
    assert math.isinf(row.estimate)
    assert math.isnan(row.std_error)
    assert math.isnan(row.p_value)


@pytest.mark.parametrize("link", ["logit", "probit", "cauchit", "cloglog", "loglog"])
@pytest.mark.parametrize("optimizer", ["newton", "bfgs", "l-bfgs", "trust-exact"])
def test_separated_binary_data_have_no_estimate(link: str, optimizer: str) -> None:
    fit = glmfit.fit("y ~ x", SEPARATED, family="binomial", links={"mu": link}, optimizer=optimizer, max_iter=500)
    assert_infinite(fit, "x")


@pytest.mark.parametrize("link", ["logit", "probit", "cauchit", "cloglog", "loglog"])
@pytest.mark.parametrize("optimizer", ["newton", "bfgs", "trust-exact"])
def test_overlapping_binary_data_have_one(link: str, optimizer: str) -> None:
    fit = glmfit.fit("y ~ x", OVERLAPPING, family="binomial", links={"mu": link}, optimizer=optimizer, max_iter=500)
    assert fit.exit_code == 0
    assert codes(fit) <= {"fitted_boundary"}  # cloglog and loglog do reach 1 and 0 to fourteen digits here


@pytest.mark.parametrize(
    ("family", "fixed"),
    [
        ("poisson", {}),
        ("quasi-poisson", {}),
        ("geometric", {}),
        ("negative-binomial", {}),
        ("negative-binomial", {"alpha": 1.0}),
        ("tweedie", {"power": 1.5}),
    ],
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_level_of_zeros_has_no_estimate(family: str, fixed: dict[str, float], seed: int) -> None:
    fit = glmfit.fit("y ~ x + g", zero_cell(True, seed), family=family, fixed=fixed)
    assert_infinite(fit, "g[T.c]")
    others = [c for c in fit.coefficients if c.parameter == "mu" and c.term != "g[T.c]"]
    without = zero_cell(True, seed)
    keep = without["g"] != "c"
    rest = glmfit.fit("y ~ x + g", {k: v[keep] for k, v in without.items()}, family=family, fixed=fixed)
    for row, expected in zip(others, rest.coefficients, strict=False):
        assert row.estimate == pytest.approx(expected.estimate, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("options", [{"tol": 1e-4}, {"se": "expected"}, {"se": "hc3"}, {"se": "hc0"}])
def test_separation_is_seen_whatever_is_asked(options: dict[str, Any]) -> None:
    assert_infinite(glmfit.fit("y ~ x", SEPARATED, family="binomial", **options), "x")


def test_separation_is_seen_under_a_quasi_likelihood() -> None:
    assert_infinite(glmfit.fit("y ~ x", SEPARATED, family="quasi-binomial"), "x")


@pytest.mark.parametrize("seed", range(6))
def test_counts_without_overdispersion_have_the_poisson_fit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=80)
    data = {"x": x, "y": rng.binomial(6, 1 / (1 + np.exp(-0.5 * x))).astype(float)}
    fit = glmfit.fit("y ~ x", data, family="negative-binomial")
    poisson = glmfit.fit("y ~ x", data, family="poisson")
    assert fit.exit_code == 0
    assert codes(fit) == {"at_limit"}
    assert fit.fit.log_likelihood == pytest.approx(poisson.fit.log_likelihood, rel=1e-12)
    assert fit.fit.n_parameters == 3
    (alpha,) = fit.auxiliary
    assert alpha.estimate == 0
    assert math.isnan(alpha.std_error)
    for row, expected in zip(fit.coefficients[:2], poisson.coefficients, strict=True):
        assert row.estimate == pytest.approx(expected.estimate, rel=1e-8)
        assert row.std_error == pytest.approx(expected.std_error, rel=1e-8)
    assert fit.coefficients[2].status == "at_limit"


def test_little_overdispersion_is_estimated() -> None:
    rng = np.random.default_rng(5)
    y = rng.poisson(3 * rng.gamma(20, 1 / 20, size=400)).astype(float)
    fit = glmfit.fit("y ~ 1", {"y": y}, family="negative-binomial")
    assert fit.exit_code == 0
    assert not codes(fit)
    assert fit.auxiliary[0].estimate > 0


def test_a_square_root_link_next_to_zero_cells_ends_in_a_verdict() -> None:
    counts = {
        "L00": [0],
        "L01": [0, 1, 2, 2],
        "L02": [0, 0, 0, 1, 2, 4, 8],
        "L03": [1, 3],
        "L04": [0, 0, 2],
        "L05": [0, 1, 1, 2, 3, 5, 6, 8],
    }
    data = {
        "c": np.array([level for level, values in counts.items() for _ in values]),
        "y": np.array([float(value) for values in counts.values() for value in values]),
    }
    fit = glmfit.fit("y ~ c", data, family="negative-binomial", links={"mu": "sqrt"})
    assert fit.convergence.newton_decrement < 1e-6
    means = {c.term: c.estimate for c in fit.coefficients if c.parameter == "mu"}
    assert (means["Intercept"] + means["c[T.L03]"]) ** 2 == pytest.approx(2, rel=1e-6)  # the mean of 1 and 3
    assert means["Intercept"] ** 2 == pytest.approx(0, abs=1e-10)


def test_an_interval_beyond_the_links_domain_has_no_end() -> None:
    rng = np.random.default_rng(0)
    y = rng.poisson(3 * rng.gamma(5, 1 / 5, size=60)).astype(float)
    fit = glmfit.fit("y ~ 1", {"y": y}, family="negative-binomial", links={"alpha": "inverse"})
    eta = fit.coefficients[1]
    assert eta.conf_low < 0 < eta.conf_high
    (alpha,) = fit.auxiliary
    assert alpha.conf_low == pytest.approx(1 / eta.conf_high)
    assert alpha.conf_high == math.inf


@pytest.mark.parametrize("term", ["poly(x, 2)", "scale(x)", "center(x)", "bs(x, df=5)", "cr(x, df=4)"])
def test_transforms_learn_from_rows_as_often_as_they_are_seen(term: str) -> None:
    rng = np.random.default_rng(3)
    x, y, f = rng.normal(size=40), rng.poisson(3, size=40).astype(float), rng.integers(1, 5, size=40)
    weighted = glmfit.fit(f"y ~ {term}", {"x": x, "y": y, "f": f.astype(float)}, family="poisson", freq_weights="f")
    written_out = glmfit.fit(f"y ~ {term}", {"x": np.repeat(x, f), "y": np.repeat(y, f)}, family="poisson")
    for row, expected in zip(weighted.coefficients, written_out.coefficients, strict=True):
        assert row.estimate == pytest.approx(expected.estimate, rel=1e-7, abs=1e-7, nan_ok=True)
        assert row.std_error == pytest.approx(expected.std_error, rel=1e-6, nan_ok=True)


@pytest.mark.parametrize("degree", [2, 3, 4])
@pytest.mark.parametrize("family", ["poisson", "gaussian"])
def test_raw_powers_of_years_have_the_fit_of_centred_ones(degree: int, family: str) -> None:
    """Both span the same columns, with condition numbers of up to 1e13 and of 10."""
    rng = np.random.default_rng(4)
    year = np.arange(1990.0, 2021)
    y = rng.poisson(np.exp(2 + 0.03 * (year - 2005))).astype(float)
    data = {"year": year, "t": (year - 2005) / 10, "y": y}
    raw = glmfit.fit("y ~ " + " + ".join(f"I(year**{k})" for k in range(1, degree + 1)), data, family=family)
    centred = glmfit.fit("y ~ " + " + ".join(f"I(t**{k})" for k in range(1, degree + 1)), data, family=family)
    assert raw.exit_code == 0
    assert raw.fit.deviance == pytest.approx(centred.fit.deviance, rel=1e-9)
    # The leading coefficient is the same but for its unit.
    last, expected = raw.coefficients[-1], centred.coefficients[-1]
    assert last.estimate * 10**degree == pytest.approx(expected.estimate, rel=1e-4)
    assert last.std_error * 10**degree == pytest.approx(expected.std_error, rel=1e-4)


@pytest.mark.parametrize("start", [-1.81, 5.0, -30.0, 30.0])
def test_a_bad_start_ends_at_the_maximum(start: float) -> None:
    fit = glmfit.fit("y ~ 1", {"y": np.array([1.0, 1, 1, 0])}, family="binomial", start={"Intercept": start})
    assert fit.exit_code == 0
    assert fit.coefficients[0].estimate == pytest.approx(math.log(3), rel=1e-10)


def test_a_term_and_a_parameter_of_one_name_are_told_apart() -> None:
    """mu's interaction `alpha:x` and alpha's term `x` have the same words in them."""
    rng = np.random.default_rng(6)
    g = np.repeat([0.0, 1.0], 60)
    x = rng.normal(size=120)
    data = {"alpha": rng.normal(size=120), "x": x, "g": g, "y": rng.poisson(4 * rng.gamma(1, 1, 120)).astype(float)}
    data["y"][g == 1] = 0
    fit = glmfit.fit(("y ~ alpha:x + g", "alpha ~ x"), data, family="negative-binomial")
    infinite = {(c.parameter, c.term) for c in fit.coefficients if c.status == "infinite"}
    assert infinite == {("mu", "g")}


def test_an_aliased_term_is_named_with_its_parameter() -> None:
    rng = np.random.default_rng(7)
    x = rng.normal(size=200)
    data = {"x": x, "x2": 2 * x, "y": rng.poisson(4 * rng.gamma(1, 1, 200)).astype(float)}
    fit = glmfit.fit(("y ~ x + x2", "alpha ~ x + x2"), data, family="negative-binomial")
    assert fit.identification.aliased == ("x2", "alpha:x2")


def test_a_model_of_a_parameter_at_its_limit_alone() -> None:
    rng = np.random.default_rng(8)
    data = {"o": np.log(np.full(50, 3.0)), "y": rng.binomial(6, 0.5, 50).astype(float)}
    fit = glmfit.fit("y ~ 0 + offset(o)", data, family="negative-binomial")
    assert fit.exit_code == 5
    assert fit.coefficients[0].status == "not_identified"


def test_all_that_is_at_a_limit_is_said_at_once() -> None:
    """Neither overdispersion nor more zeros than a Poisson has: both parameters are at the end of their ranges."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=150)
    data = {"x": x, "y": rng.binomial(6, 1 / (1 + np.exp(-0.5 * x))).astype(float)}
    fit = glmfit.fit("y ~ x", data, family="zero-inflated-negative-binomial")
    poisson = glmfit.fit("y ~ x", data, family="poisson")
    assert fit.exit_code == 0
    (finding,) = (w for w in fit.warnings if w.code == "at_limit")
    assert finding.terms == ("alpha", "zero")
    assert "the family is poisson: they have no standard errors" in finding.message
    assert fit.fit.log_likelihood == pytest.approx(poisson.fit.log_likelihood, rel=1e-12)
    for row, expected in zip(fit.coefficients[:2], poisson.coefficients, strict=True):
        assert row.std_error == pytest.approx(expected.std_error, rel=1e-8)


def test_what_is_known_of_others_is_said_beside_a_parameter_without_end() -> None:
    """alpha with a covariate has no one value at its limit, but mu has the standard errors of the Poisson fit."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=150)
    data = {"x": x, "y": rng.binomial(6, 1 / (1 + np.exp(-0.5 * x))).astype(float)}
    fit = glmfit.fit(("y ~ x", "alpha ~ x"), data, family="negative-binomial")
    poisson = glmfit.fit("y ~ x", data, family="poisson")
    assert fit.exit_code == 5
    assert [c.status for c in fit.coefficients] == [None, None, "not_identified", "not_identified"]
    for row, expected in zip(fit.coefficients[:2], poisson.coefficients, strict=True):
        assert row.estimate == pytest.approx(expected.estimate, rel=1e-6)
        assert row.std_error == pytest.approx(expected.std_error, rel=1e-6)


def test_information_that_is_rounding_error_is_none() -> None:
    """Counts of 3 and 4 alone: the more regular the better, and what is left of the information is rounding error."""
    y = np.array([3.0, 4] * 40 + [4.0] * 20)
    fit = glmfit.fit("y ~ 1", {"y": y}, family="conway-maxwell-poisson")
    assert (fit.exit_code, codes(fit)) == (0, {"at_limit"})
    mean, nu = fit.coefficients
    assert mean.estimate == pytest.approx(math.log(3.6), rel=1e-8)
    assert mean.std_error == pytest.approx(math.sqrt(0.4 * 0.6 / 100) / 3.6, rel=1e-6)
    assert nu.status == "at_limit"
    assert math.isnan(nu.std_error)


def test_a_flat_top_with_a_maximum_is_one() -> None:
    """All information is in four rows in two thousand: little is left of it, but it is the same either way."""
    x = np.concatenate([-np.linspace(1e4, 2e4, 1000), [-2, -1, 1, 2], np.linspace(1e4, 2e4, 1000)])
    y = np.concatenate([np.zeros(1000), [0, 1, 0, 1], np.ones(1000)])
    assert glmfit.fit("y ~ x", {"x": x, "y": y}, family="binomial").exit_code == 0


def test_counts_of_nothing_but_zeros_have_no_mean_at_the_ends_of_all_ranges() -> None:
    data = {"y": np.zeros(40), "x": np.arange(40.0) / 10}
    fit = glmfit.fit("y ~ x", data, family="zero-inflated-generalized-poisson")
    assert fit.exit_code == 5
    assert codes(fit) & {"separation", "flat_direction"}
    assert all(math.isnan(row.std_error) for row in fit.coefficients)


def test_a_slope_to_the_logarithmic_series_is_no_maximum() -> None:
    """mu falls and alpha rises for ever: the limit is the logarithmic series, which a long tail asks for."""
    data = {"y": np.r_[3000.0, [1] * 17, [2] * 6, [3] * 4]}
    fit = glmfit.fit("y ~ 1", data, family="zero-truncated-negative-binomial")
    assert fit.exit_code == 5
    assert "flat_direction" in codes(fit)


def test_a_cell_of_ones_has_no_estimate_where_alpha_is_at_its_limit() -> None:
    """As under the zero-truncated Poisson, which the family then is."""
    data = {"y": np.r_[[1.0] * 12, [2] * 7, 3, [1] * 9], "g": np.repeat(["a", "b"], [20, 9])}
    limit, fit = (
        glmfit.fit("y ~ g", data, family=family)
        for family in ("zero-truncated-poisson", "zero-truncated-negative-binomial-1")
    )
    assert limit.exit_code == fit.exit_code == 5
    assert limit.coefficients[1].status == "infinite"
    assert fit.coefficients[1].status in ("infinite", "not_identified")
    assert fit.coefficients[0].std_error == pytest.approx(limit.coefficients[0].std_error, rel=1e-6)


def test_the_skew_normal_does_not_stop_at_the_normal() -> None:
    """At a slant of 0 the likelihood pauses: the gradient and the curvature are 0 there, and it rises to one side."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=30)
    data = {"x": x, "y": -2 * x + abs(rng.normal(size=30)) * 2 + 0.5 * rng.normal(size=30)}
    fits = [
        glmfit.fit("y ~ x", data, family="skew-normal", start={"slant:Intercept": slant}) for slant in (-2.0, 0.5, 4.0)
    ]
    for fit in fits:
        assert fit.exit_code == 0
        assert fit.fit.log_likelihood == pytest.approx(max(f.fit.log_likelihood for f in fits), abs=1e-6)
        assert fit.coefficients[-1].estimate > 1


@pytest.mark.parametrize("size", [1e300, 1e-300])
def test_a_covariate_whose_squares_overflow_is_refused(size: float) -> None:
    with pytest.raises(ModelError, match="'x', about") as caught:
        glmfit.fit("y ~ x", {"y": [1.0, 3, 2, 5], "x": size * np.array([1.0, -1, 2, 3])})
    assert caught.value.code == "covariate_scale"
    fit = glmfit.fit("y ~ x", {"y": [1.0, 3, 2, 5], "x": math.copysign(size**0.49, size) * np.array([1.0, -1, 2, 3])})
    plain = glmfit.fit("y ~ x", {"y": [1.0, 3, 2, 5], "x": [1.0, -1, 2, 3]})
    assert fit.coefficients[1].p_value == pytest.approx(plain.coefficients[1].p_value, rel=1e-9)


def test_counts_of_a_million_do_not_exhaust_memory() -> None:
    """A trial step may go to means at which doubles no longer tell counts apart: sums over counts end all the same."""
    y = np.r_[1e6, np.arange(20) % 4]
    fit = glmfit.fit("y ~ x", {"y": y, "x": np.r_[0.0, np.arange(20) % 3]}, family="conway-maxwell-poisson")
    assert fit.exit_code in (0, 4, 5)


@pytest.mark.parametrize("family", ["tweedie", "logistic", "log-normal", "student-t"])
def test_a_constant_response_ends_in_a_verdict(family: str) -> None:
    x = np.arange(30.0)
    fit = glmfit.fit("y ~ x", {"y": np.full(30, 0.861), "x": x}, family=family)
    assert fit.exit_code in (4, 5)


def test_a_look_aside_to_where_nothing_is_finite_is_no_start() -> None:
    """Two positive counts, both 5: the search that goes on from a point beside the maximum must be able to begin."""
    y, g = np.zeros(30), np.array(["a", "b", "c"] * 10)
    y[[3, 10]] = 5
    fit = glmfit.fit("y ~ x + g", {"y": y, "x": np.linspace(0, 2, 30), "g": g}, family="hurdle-negative-binomial")
    assert fit.exit_code == 5
