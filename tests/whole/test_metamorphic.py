"""Truths that need no reference: the same model put in another way gives the same numbers, all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import glmfit
from glmfit.errors import UsageError
from glmfit.result import Fit
from glmfit.spec import ModelSpec

N = 120
Columns = dict[str, np.ndarray]
stable = settings(derandomize=True, max_examples=10, deadline=None)


def columns(seed: int = 5) -> Columns:
    """Responses of every kind on three covariates, two factors and weights of every kind."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=N), rng.uniform(0.5, 2.0, N)
    g, c = rng.choice(["a", "b", "c"], N), rng.choice([f"k{i}" for i in range(12)], N)
    eta = 0.4 + 0.5 * x - 0.3 * z + 0.2 * (g == "b")
    n = rng.integers(1, 9, N).astype(float)
    p = 1 / (1 + np.exp(-eta))
    return {
        "x": x,
        "z": z,
        "g": g,
        "c": c,
        "n": n,
        "normal": eta + rng.normal(size=N),
        "binary": (rng.uniform(size=N) < p).astype(float),
        "dead": rng.binomial(n.astype(int), p).astype(float),
        "count": rng.poisson(np.exp(eta)).astype(float),
        "over": rng.negative_binomial(2, 2 / (2 + np.exp(1 + eta))).astype(float),
        "positive": np.exp(eta) * rng.gamma(3, 1 / 3, N) + 0.01,
        "w": rng.uniform(0.5, 3.0, N),
        "f": rng.integers(1, 4, N).astype(float),
        "exposure": rng.uniform(0.5, 4.0, N),
    }


# family, response, fixed parameters: one line for every family.
FAMILIES: tuple[tuple[str, str, Mapping[str, float]], ...] = (
    ("gaussian", "normal", {}),
    ("binomial", "binary", {}),
    ("binomial", "dead/n", {}),
    ("poisson", "count", {}),
    ("gamma", "positive", {}),
    ("inverse-gaussian", "positive", {}),
    ("negative-binomial", "over", {}),
    ("geometric", "over", {}),
    ("tweedie", "positive", {"power": 1.5}),
    ("quasi-poisson", "count", {}),
    ("quasi-binomial", "dead/n", {}),
)
LINKS = {"gamma": {"mu": "log"}, "inverse-gaussian": {"mu": "log"}}
every_family = pytest.mark.parametrize(("family", "y", "fixed"), FAMILIES, ids=[f"{f}-{y}" for f, y, _ in FAMILIES])


def fit(formula: str | Sequence[str], data: Columns, family: str, **options: Any) -> Fit:
    options.setdefault("links", LINKS.get(family, {}))
    found = glmfit.fit(formula, data, family=family, **options)
    assert found.exit_code == 0, (found.convergence, found.warnings)
    return found


def estimates(found: Fit) -> np.ndarray:
    return np.array([row.estimate for row in found.coefficients])


def errors(found: Fit) -> np.ndarray:
    return np.array([row.std_error for row in found.coefficients])


def statistics(found: Fit) -> dict[str, float]:
    """Every number of a fit but those that say how it was reached."""
    out = {
        name: getattr(found.fit, name)
        for name in ("log_likelihood", "deviance", "null_deviance", "pearson_chi2", "aic", "bic")
    }
    out |= {name: float(getattr(found.fit, name)) for name in ("n_parameters", "df_residual", "df_null")}
    return out | {"phi": found.dispersion.estimate}


def same(one: Fit, other: Fit, tolerance: float = 1e-7) -> None:
    """Coefficients (by name), covariance, intervals, p-values, dispersion and statistics agree."""
    assert one.statistic == other.statistic
    assert one.dispersion.method == other.dispersion.method
    left = {(row.parameter, row.term): row for row in one.coefficients}
    right = {(row.parameter, row.term): row for row in other.coefficients}
    assert left.keys() == right.keys()
    for key, row in left.items():
        assert row.status == right[key].status
        for name in ("estimate", "std_error", "statistic", "conf_low", "conf_high"):
            expected = getattr(row, name)
            # a statistic near 0 inherits the error of an estimate in units of its standard error
            assert getattr(right[key], name) == pytest.approx(expected, rel=tolerance, abs=tolerance, nan_ok=True), key
        assert right[key].p_value == pytest.approx(row.p_value, rel=1e-5, abs=1e-7, nan_ok=True), key
    order = [list(left).index(key) for key in right]
    found, expected = np.array(other.covariance.matrix), np.array(one.covariance.matrix)[np.ix_(order, order)]
    np.testing.assert_allclose(found, expected, rtol=10 * tolerance, atol=tolerance * np.nanmax(np.abs(expected)))
    assert statistics(one) == pytest.approx(statistics(other), rel=tolerance, abs=tolerance, nan_ok=True)
    for aux, again in zip(one.auxiliary, other.auxiliary, strict=True):
        assert again.name == aux.name
        for name in ("estimate", "std_error", "conf_low", "conf_high"):
            assert getattr(again, name) == pytest.approx(getattr(aux, name), rel=10 * tolerance, nan_ok=True), aux.name


def repeated(data: Columns, times: np.ndarray) -> Columns:
    return {name: np.repeat(column, times.astype(int), axis=0) for name, column in data.items()}


# ---- weights ----


@every_family
@pytest.mark.parametrize("se", ["hessian", "expected", "hc0", "hc1", "hc2", "hc3", "cluster:c"])
def test_a_frequency_weight_of_two_is_the_row_twice(family: str, y: str, fixed: Mapping[str, float], se: str) -> None:
    if family == "negative-binomial" and se in ("hc2", "hc3"):
        fixed = {"alpha": 0.5}
    data = columns()
    weighted = fit(f"{y} ~ x + g", data, family, freq_weights="f", se=se, fixed=fixed)
    again = fit(f"{y} ~ x + g", repeated(data, data["f"]), family, se=se, fixed=fixed)
    same(again, weighted)
    assert weighted.data.rows_used == N


@every_family
def test_zero_weights_are_dropped_and_counted(family: str, y: str, fixed: Mapping[str, float]) -> None:
    data = columns()
    out = np.arange(N) % 7 == 3
    for option in ("weights", "freq_weights", "sampling_weights"):
        column = np.where(out, 0.0, data["f"])
        found = fit(f"{y} ~ x + g", data | {"v": column}, family, fixed=fixed, **{option: "v"})
        rest = {name: values[~out] for name, values in (data | {"v": column}).items()}
        same(fit(f"{y} ~ x + g", rest, family, fixed=fixed, **{option: "v"}), found)
        assert found.data.dropped["zero_weight"] == {"v": int(out.sum())}
        assert found.data.rows_used == N - out.sum()


@every_family
def test_prior_weights_of_one_change_nothing(family: str, y: str, fixed: Mapping[str, float]) -> None:
    data = columns() | {"one": np.ones(N)}
    plain = fit(f"{y} ~ x + g", data, family, fixed=fixed)
    same(plain, fit(f"{y} ~ x + g", data, family, weights="one", fixed=fixed))
    same(plain, fit(f"{y} ~ x + g", data, family, freq_weights="one", fixed=fixed))


@every_family
def test_the_scale_of_sampling_weights_does_not_matter(family: str, y: str, fixed: Mapping[str, float]) -> None:
    data = columns()
    one = fit(f"{y} ~ x + g", data, family, sampling_weights="w", fixed=fixed)
    other = fit(f"{y} ~ x + g", data | {"w": 1000 * data["w"]}, family, sampling_weights="w", fixed=fixed)
    same(one, other)
    assert one.covariance.kind == "sampling"
    assert math.isnan(one.fit.aic)


@pytest.mark.parametrize("family", ["gaussian", "gamma", "inverse-gaussian", "tweedie", "quasi-poisson"])
def test_the_scale_of_prior_weights_belongs_to_phi(family: str) -> None:
    data, fixed = columns(), {"power": 1.5} if family == "tweedie" else {}
    one = fit("positive ~ x + g", data, family, weights="w", fixed=fixed)
    other = fit("positive ~ x + g", data | {"w": 8 * data["w"]}, family, weights="w", fixed=fixed)
    np.testing.assert_allclose(estimates(other), estimates(one), rtol=1e-8)
    np.testing.assert_allclose(errors(other), errors(one), rtol=1e-8)
    assert other.dispersion.estimate == pytest.approx(8 * one.dispersion.estimate, rel=1e-9)
    assert other.fit.log_likelihood == pytest.approx(one.fit.log_likelihood, rel=1e-9, nan_ok=True)


@pytest.mark.parametrize("se", ["hessian", "expected", "hc0", "hc3"])
def test_a_gaussian_prior_weight_is_a_row_scaled_by_its_root(se: str) -> None:
    data = columns()
    root = np.sqrt(data["w"])
    weighted = fit("normal ~ x + z", data, "gaussian", weights="w", se=se)
    scaled = {"y": root * data["normal"], "one": root, "x": root * data["x"], "z": root * data["z"]}
    by_hand = fit("y ~ 0 + one + x + z", scaled, "gaussian", se=se)
    np.testing.assert_allclose(estimates(weighted), estimates(by_hand), rtol=1e-9)
    np.testing.assert_allclose(errors(weighted), errors(by_hand), rtol=1e-9)
    assert weighted.dispersion.estimate == pytest.approx(by_hand.dispersion.estimate, rel=1e-10)
    assert weighted.fit.deviance == pytest.approx(by_hand.fit.deviance, rel=1e-10)
    jacobian = float(np.log(root).sum())  # of the change of variable
    assert weighted.fit.log_likelihood == pytest.approx(by_hand.fit.log_likelihood + jacobian, rel=1e-10)


def test_proportions_with_weights_are_successes_out_of_trials() -> None:
    data = columns()
    data["share"] = data["dead"] / data["n"]
    data["alive"] = data["n"] - data["dead"]
    for family in ("binomial", "quasi-binomial"):
        ratio = fit("dead/n ~ x + g", data, family)
        same(ratio, fit("share ~ x + g", data, family, weights="n"))
        same(ratio, fit("cbind(dead, alive) ~ x + g", data, family))


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "cauchit", "loglog"])
def test_grouped_successes_are_bernoulli_rows(link: str) -> None:
    data = columns()
    grouped = fit("dead/n ~ x + g", data, "binomial", links={"mu": link})
    alive = data["n"] - data["dead"]
    rows = repeated(data, data["n"])
    rows["y"] = np.concatenate(
        [np.r_[np.ones(int(d)), np.zeros(int(a))] for d, a in zip(data["dead"], alive, strict=True)]
    )
    single = fit("y ~ x + g", rows, "binomial", links={"mu": link})
    np.testing.assert_allclose(estimates(single), estimates(grouped), rtol=1e-8)
    np.testing.assert_allclose(errors(single), errors(grouped), rtol=1e-8)
    difference = grouped.fit.null_deviance - grouped.fit.deviance
    assert single.fit.null_deviance - single.fit.deviance == pytest.approx(difference, rel=1e-9)


# ---- offsets ----


@every_family
def test_an_offset_is_a_known_coefficient(family: str, y: str, fixed: Mapping[str, float]) -> None:
    data = columns()
    free = fit(f"{y} ~ x + z", data, family, fixed=fixed)
    slope = free.coefficients[2].estimate
    known = fit(f"{y} ~ x + offset(part)", data | {"part": slope * data["z"]}, family, fixed=fixed)
    np.testing.assert_allclose(estimates(known)[:2], estimates(free)[:2], rtol=1e-6, atol=1e-8)
    assert known.fit.deviance == pytest.approx(free.fit.deviance, rel=1e-8)
    same(known, fit(f"{y} ~ x", data | {"part": slope * data["z"]}, family, offset="part", fixed=fixed))
    assert known.fit.df_residual == free.fit.df_residual + 1


@pytest.mark.parametrize("family", ["poisson", "negative-binomial", "gamma", "quasi-poisson", "tweedie"])
def test_an_exposure_is_the_offset_of_its_logarithm(family: str) -> None:
    data, fixed = columns(), {"power": 1.5} if family == "tweedie" else {}
    y = {"poisson": "count", "quasi-poisson": "count", "negative-binomial": "over"}.get(family, "positive")
    exposed = fit(f"{y} ~ x + g", data, family, exposure="exposure", fixed=fixed)
    same(exposed, fit(f"{y} ~ x + g + offset(log(exposure))", data, family, fixed=fixed))
    with_log = data | {"lexp": np.log(data["exposure"])}
    same(exposed, fit(f"{y} ~ x + g", with_log, family, offset="lexp", fixed=fixed))


def test_a_constant_offset_moves_the_intercept_alone() -> None:
    data = columns() | {"k": np.full(N, 2.5)}
    plain, moved = fit("count ~ x", data, "poisson"), fit("count ~ x", data, "poisson", offset="k")
    np.testing.assert_allclose(estimates(moved), estimates(plain) - [2.5, 0], rtol=1e-9)
    np.testing.assert_allclose(errors(moved), errors(plain), rtol=1e-9)


# ---- columns, rows and terms ----


@every_family
@pytest.mark.parametrize(("factor", "shift"), [(1e8, 0.0), (1e-8, 0.0), (1.0, 1e6), (-3.0, 20.0)])
def test_a_rescaled_column_gives_a_rescaled_coefficient(
    family: str, y: str, fixed: Mapping[str, float], factor: float, shift: float
) -> None:
    data = columns()
    plain = fit(f"{y} ~ x + z", data, family, fixed=fixed)
    moved = fit(f"{y} ~ x + z", data | {"x": factor * data["x"] + shift}, family, fixed=fixed)
    tolerance = 1e-7 if shift < 1e5 else 1e-6  # a shift of 1e6 leaves ten digits of the column
    b = estimates(plain)
    expected = b.copy()
    expected[1] /= factor
    expected[0] -= shift * expected[1]
    np.testing.assert_allclose(estimates(moved), expected, rtol=tolerance)
    np.testing.assert_allclose(errors(moved)[1:3], errors(plain)[1:3] / [abs(factor), 1], rtol=tolerance)
    assert statistics(moved) == pytest.approx(statistics(plain), rel=tolerance, nan_ok=True)


@every_family
def test_the_order_of_rows_and_terms_does_not_matter(family: str, y: str, fixed: Mapping[str, float]) -> None:
    data = columns()
    plain = fit(f"{y} ~ x + z + g", data, family, fixed=fixed, se="hc1")
    order = np.random.default_rng(2).permutation(N)
    same(plain, fit(f"{y} ~ x + z + g", {k: v[order] for k, v in data.items()}, family, fixed=fixed, se="hc1"))
    same(plain, fit(f"{y} ~ g + z + x", data, family, fixed=fixed, se="hc1"))


@every_family
def test_another_reference_level_is_a_reparametrisation(family: str, y: str, fixed: Mapping[str, float]) -> None:
    data = columns()
    plain = fit(f"{y} ~ x + g", data, family, fixed=fixed)
    renamed = data | {"g": np.array([{"a": "z_last", "b": "m", "c": "n"}[level] for level in data["g"]])}
    other = fit(f"{y} ~ x + g", renamed, family, fixed=fixed)
    # a, b, c against the reference a; m (b), n (c), z_last (a) against the reference m
    rows = [0, 1, 2, 3]
    assert [plain.coefficients[k].term for k in rows] == ["Intercept", "g[T.b]", "g[T.c]", "x"] or [
        plain.coefficients[k].term for k in rows
    ] == ["Intercept", "x", "g[T.b]", "g[T.c]"]
    one = {row.term: row.estimate for row in plain.coefficients if row.parameter == "mu"}
    two = {row.term: row.estimate for row in other.coefficients if row.parameter == "mu"}
    assert two["Intercept"] == pytest.approx(one["Intercept"] + one["g[T.b]"], rel=1e-7, abs=1e-9)
    assert two["g[T.z_last]"] == pytest.approx(-one["g[T.b]"], rel=1e-7, abs=1e-9)
    assert two["g[T.n]"] == pytest.approx(one["g[T.c]"] - one["g[T.b]"], rel=1e-7, abs=1e-9)
    assert two["x"] == pytest.approx(one["x"], rel=1e-7, abs=1e-9)
    assert statistics(other) == pytest.approx(statistics(plain), rel=1e-8, nan_ok=True)


@every_family
def test_a_factor_is_its_own_dummy_columns(family: str, y: str, fixed: Mapping[str, float]) -> None:
    data = columns()
    data |= {"gb": (data["g"] == "b").astype(float), "gc": (data["g"] == "c").astype(float)}
    data |= {"xb": data["gb"] * data["x"], "xc": data["gc"] * data["x"]}
    for se in ("hessian", "hc1", "cluster:c"):
        factor = fit(f"{y} ~ g*x", data, family, fixed=fixed, se=se)
        dummies = fit(f"{y} ~ gb + gc + x + xb + xc", data, family, fixed=fixed, se=se)
        np.testing.assert_allclose(estimates(dummies), estimates(factor), rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(errors(dummies), errors(factor), rtol=1e-7)
        assert statistics(dummies) == pytest.approx(statistics(factor), rel=1e-8, nan_ok=True)


@every_family
def test_an_aliased_column_is_reported_and_changes_nothing(family: str, y: str, fixed: Mapping[str, float]) -> None:
    data = columns()
    data["twice"] = 2 * data["x"] - 3
    plain = fit(f"{y} ~ x + z", data, family, fixed=fixed)
    found = fit(f"{y} ~ x + twice + z", data, family, fixed=fixed)
    assert found.identification.aliased == ("twice",)
    rows = {row.term: row for row in found.coefficients if row.parameter == "mu"}
    assert rows["twice"].status == "aliased"
    assert math.isnan(rows["twice"].estimate)
    assert math.isnan(rows["twice"].std_error)
    kept = [k for k, row in enumerate(found.coefficients) if row.status is None]
    np.testing.assert_allclose(estimates(found)[kept], estimates(plain), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(errors(found)[kept], errors(plain), rtol=1e-7)
    assert statistics(found) == pytest.approx(statistics(plain), rel=1e-9, nan_ok=True)


def test_a_list_of_terms_is_a_formula() -> None:
    data = columns()
    listed = glmfit.fit_spec(ModelSpec(y="count", x=("x", "z", "g"), family="poisson"), data)
    same(fit("count ~ x + z + g", data, "poisson"), listed)
    bare = glmfit.fit_spec(ModelSpec(y="count", x=("x", "z"), family="poisson", intercept=False), data)
    same(fit("count ~ 0 + x + z", data, "poisson"), bare)


# ---- families within families ----


@pytest.mark.parametrize("se", ["hessian", "expected", "hc0", "hc3", "cluster:c"])
def test_geometric_is_the_negative_binomial_with_alpha_one(se: str) -> None:
    data = columns()
    geometric = fit("over ~ x + g", data, "geometric", se=se)
    fixed = fit("over ~ x + g", data, "negative-binomial", fixed={"alpha": 1.0}, se=se)
    np.testing.assert_allclose(estimates(fixed), estimates(geometric), rtol=1e-9)
    np.testing.assert_allclose(errors(fixed), errors(geometric), rtol=1e-9)
    assert statistics(fixed) == pytest.approx(statistics(geometric), rel=1e-10)
    assert [(aux.name, aux.estimate, aux.fixed) for aux in fixed.auxiliary] == [("alpha", 1.0, True)]


@pytest.mark.parametrize("alpha", [1e-7, 1e-12, 1e-17])
def test_the_negative_binomial_tends_to_poisson(alpha: float) -> None:
    data = columns()
    limit = fit("count ~ x + g", data, "poisson")
    found = fit("count ~ x + g", data, "negative-binomial", fixed={"alpha": alpha})
    np.testing.assert_allclose(estimates(found), estimates(limit), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(errors(found), errors(limit), rtol=1e-5)
    assert found.fit.log_likelihood == pytest.approx(limit.fit.log_likelihood, rel=1e-6)
    assert found.fit.deviance == pytest.approx(limit.fit.deviance, rel=1e-5)


@pytest.mark.parametrize(("power", "family"), [(1.0, "quasi-poisson"), (2.0, "gamma"), (3.0, "inverse-gaussian")])
def test_tweedie_meets_the_families_it_contains(power: float, family: str) -> None:
    data = columns()
    expected = fit("positive ~ x + g", data, family)
    found = fit("positive ~ x + g", data, "tweedie", fixed={"power": power})
    np.testing.assert_allclose(estimates(found), estimates(expected), rtol=1e-8)
    np.testing.assert_allclose(errors(found), errors(expected), rtol=1e-8)
    assert found.dispersion.estimate == pytest.approx(expected.dispersion.estimate, rel=1e-9)
    assert found.fit.deviance == pytest.approx(expected.fit.deviance, rel=1e-9)


def test_quasi_families_scale_the_errors_of_the_likelihood_they_come_from() -> None:
    data = columns()
    for family, y in (("poisson", "count"), ("binomial", "dead/n")):
        plain, quasi = fit(f"{y} ~ x + g", data, family), fit(f"{y} ~ x + g", data, f"quasi-{family}")
        phi = plain.fit.pearson_chi2 / plain.fit.df_residual
        assert quasi.dispersion.estimate == pytest.approx(phi, rel=1e-9)
        np.testing.assert_allclose(estimates(quasi), estimates(plain), rtol=1e-9)
        np.testing.assert_allclose(errors(quasi), errors(plain) * math.sqrt(phi), rtol=1e-8)
        assert quasi.statistic == "t"
        assert math.isnan(quasi.fit.aic)


def test_a_fixed_alpha_is_a_point_of_the_profile_whose_peak_is_the_joint_fit() -> None:
    data = columns()
    joint = fit("over ~ x + g", data, "negative-binomial")
    peak = joint.auxiliary[0].estimate
    at_peak = fit("over ~ x + g", data, "negative-binomial", fixed={"alpha": peak})
    np.testing.assert_allclose(estimates(at_peak), estimates(joint)[:-1], rtol=1e-7)
    assert at_peak.fit.log_likelihood == pytest.approx(joint.fit.log_likelihood, rel=1e-12)
    assert at_peak.fit.aic == pytest.approx(joint.fit.aic - 2, rel=1e-12)
    for factor in (0.8, 0.98, 1.02, 1.2):
        lower = fit("over ~ x + g", data, "negative-binomial", fixed={"alpha": factor * peak})
        assert lower.fit.log_likelihood < joint.fit.log_likelihood


def test_the_profile_of_alpha_has_the_curvature_of_its_standard_error() -> None:
    data, step = columns(), 0.01
    joint = fit("over ~ x", data, "negative-binomial")
    log_alpha = joint.coefficients[-1]

    def profile(t: float) -> float:
        fixed = {"alpha": math.exp(log_alpha.estimate + t)}
        return fit("over ~ x", data, "negative-binomial", fixed=fixed).fit.log_likelihood

    curvature = (profile(step) - 2 * joint.fit.log_likelihood + profile(-step)) / step**2
    assert log_alpha.std_error == pytest.approx(math.sqrt(-1 / curvature), rel=1e-3)


@pytest.mark.parametrize("link", ["identity", "sqrt"])
def test_the_link_of_alpha_is_a_reparametrisation(link: str) -> None:
    data = columns()
    usual = fit("over ~ x + g", data, "negative-binomial")
    other = fit("over ~ x + g", data, "negative-binomial", links={"alpha": link})
    np.testing.assert_allclose(estimates(other)[:-1], estimates(usual)[:-1], rtol=1e-7)
    np.testing.assert_allclose(errors(other)[:-1], errors(usual)[:-1], rtol=1e-6)
    assert other.auxiliary[0].estimate == pytest.approx(usual.auxiliary[0].estimate, rel=1e-7)
    assert other.auxiliary[0].std_error == pytest.approx(usual.auxiliary[0].std_error, rel=1e-6)
    assert statistics(other) == pytest.approx(statistics(usual), rel=1e-9)


@pytest.mark.parametrize("family", ["gaussian", "gamma", "inverse-gaussian"])
@pytest.mark.parametrize("weights", [None, "w"])
def test_a_modelled_constant_phi_is_the_dispersion_by_maximum_likelihood(family: str, weights: str | None) -> None:
    data = columns()
    held = fit("positive ~ x + g", data, family, dispersion="ml", weights=weights)
    modelled = fit(["positive ~ x + g", "phi ~ 1"], data, family, weights=weights)
    assert modelled.auxiliary[0].estimate == pytest.approx(held.dispersion.estimate, rel=1e-7)
    assert modelled.fit.log_likelihood == pytest.approx(held.fit.log_likelihood, rel=1e-10)
    assert modelled.fit.aic == pytest.approx(held.fit.aic, rel=1e-10)
    assert modelled.fit.bic == pytest.approx(held.fit.bic, rel=1e-10)
    np.testing.assert_allclose(estimates(modelled)[:-1], estimates(held), rtol=1e-7)
    np.testing.assert_allclose(errors(modelled)[:-1], errors(held), rtol=1e-6)


def test_a_modelled_phi_by_groups_is_a_fit_of_each_group() -> None:
    data = columns()
    whole = fit(["normal ~ 0 + g + g:x", "phi ~ 0 + g"], data, "gaussian")
    found = {row.term: row.estimate for row in whole.coefficients if row.parameter == "phi"}
    total = 0.0
    for level in ("a", "b", "c"):
        part = {name: values[data["g"] == level] for name, values in data.items()}
        alone = fit("normal ~ x", part, "gaussian", dispersion="ml")
        assert math.exp(found[f"g[{level}]"]) == pytest.approx(alone.dispersion.estimate, rel=1e-7)
        total += alone.fit.log_likelihood
    assert whole.fit.log_likelihood == pytest.approx(total, rel=1e-10)


# ---- dispersion ----


@pytest.mark.parametrize("family", ["gaussian", "gamma", "inverse-gaussian"])
def test_methods_of_dispersion_scale_the_errors_alone(family: str) -> None:
    data = columns()
    by = {
        method: fit("positive ~ x + g", data, family, dispersion=method)
        for method in ("pearson", "deviance", "ml", 0.37)
    }
    base = by["pearson"]
    assert base.dispersion.estimate == pytest.approx(base.fit.pearson_chi2 / base.fit.df_residual, rel=1e-12)
    assert by["deviance"].dispersion.estimate == pytest.approx(base.fit.deviance / base.fit.df_residual, rel=1e-12)
    assert by[0.37].dispersion.estimate == 0.37
    assert by[0.37].statistic == "z"
    assert by[0.37].fit.n_parameters == base.fit.n_parameters - 1
    for found in by.values():
        ratio = math.sqrt(found.dispersion.estimate / base.dispersion.estimate)
        np.testing.assert_allclose(estimates(found), estimates(base), rtol=1e-9)
        np.testing.assert_allclose(errors(found), errors(base) * ratio, rtol=1e-8)
        assert found.fit.log_likelihood <= by["ml"].fit.log_likelihood + 1e-9


@pytest.mark.parametrize("se", ["hc0", "hc1", "hc2", "hc3", "cluster:c"])
@pytest.mark.parametrize("family", ["gaussian", "gamma", "tweedie"])
def test_robust_errors_do_not_depend_on_the_dispersion(family: str, se: str) -> None:
    data, fixed = columns(), {"power": 1.5} if family == "tweedie" else {}
    one = fit("positive ~ x + g", data, family, se=se, fixed=fixed, weights="w")
    other = fit("positive ~ x + g", data, family, se=se, fixed=fixed, weights="w", dispersion=7.0)
    np.testing.assert_allclose(errors(other), errors(one), rtol=1e-8)


# ---- covariance ----


@every_family
def test_each_row_its_own_cluster_is_hc0_with_a_factor(family: str, y: str, fixed: Mapping[str, float]) -> None:
    data = columns() | {"row": np.arange(N).astype(float)}
    robust = fit(f"{y} ~ x + g", data, family, se="hc0", fixed=fixed)
    clustered = fit(f"{y} ~ x + g", data, family, se="cluster:row", fixed=fixed)
    np.testing.assert_allclose(errors(clustered), errors(robust) * math.sqrt(N / (N - 1)), rtol=1e-10)
    hc1 = fit(f"{y} ~ x + g", data, family, se="hc1", fixed=fixed)
    k = len(robust.coefficients)
    np.testing.assert_allclose(errors(hc1), errors(robust) * math.sqrt(N / (N - k)), rtol=1e-10)
    assert clustered.covariance.clusters == {"row": N}


@every_family
def test_two_equal_ways_of_clustering_are_one(family: str, y: str, fixed: Mapping[str, float]) -> None:
    data = columns()
    data["again"] = np.array([f"other {level}" for level in data["c"]])
    one = fit(f"{y} ~ x + g", data, family, se="cluster:c", fixed=fixed)
    two = fit(f"{y} ~ x + g", data, family, se="cluster:c,again", fixed=fixed)
    np.testing.assert_allclose(errors(two), errors(one), rtol=1e-10)
    same_column = fit(f"{y} ~ x + g", data, family, se="cluster:c,c", fixed=fixed)
    np.testing.assert_allclose(errors(same_column), errors(one), rtol=1e-10)


def test_two_ways_of_clustering_add_and_subtract() -> None:
    data = columns()
    data["d"] = np.array([f"d{row % 30}" for row in range(N)])
    data["both"] = np.array([a + b for a, b in zip(data["c"], data["d"], strict=True)])
    v = {
        se: np.array(fit("count ~ x + z", data, "poisson", se=f"cluster:{se}").covariance.matrix)
        for se in ("c", "d", "both", "c,d", "d,c")
    }
    np.testing.assert_allclose(v["c,d"], v["c"] + v["d"] - v["both"], rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(v["c,d"], v["d,c"], rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize(
    ("family", "y", "link"),
    [
        ("binomial", "binary", "logit"),
        ("poisson", "count", "log"),
        ("gamma", "positive", "inverse"),
        ("inverse-gaussian", "positive", "inverse-squared"),
        ("gaussian", "normal", "identity"),
    ],
)
def test_observed_and_expected_information_agree_for_canonical_links(family: str, y: str, link: str) -> None:
    data = columns()
    observed = fit(f"{y} ~ g", data, family, links={"mu": link}, se="hessian")
    expected = fit(f"{y} ~ g", data, family, links={"mu": link}, se="expected")
    np.testing.assert_allclose(errors(observed), errors(expected), rtol=1e-7)


def test_a_fitted_probability_that_rounds_to_one_spoils_nothing() -> None:
    data = columns()
    far = {name: np.r_[values, values[:1]] for name, values in data.items()}
    far["x"][-1], far["binary"][-1] = 200.0, 1.0
    for family in ("binomial", "quasi-binomial"):
        for se in ("hessian", "expected", "hc2", "hc3"):
            one = fit("binary ~ x + z", far, family, se=se)
            two = fit("binary ~ x + z", data, family, se=se)
            assert math.isfinite(one.fit.pearson_chi2)
            np.testing.assert_allclose(estimates(one), estimates(two), rtol=1e-8)
            assert one.fit.pearson_chi2 == pytest.approx(two.fit.pearson_chi2, rel=1e-8)
            ratio = 1.0 if family == "binomial" or se.startswith("hc") else math.sqrt((N - 3) / (N - 2))
            np.testing.assert_allclose(errors(one), errors(two) * ratio, rtol=1e-7)


# ---- the search ----


@every_family
@pytest.mark.parametrize("optimizer", ["bfgs", "l-bfgs", "trust-exact"])
def test_every_optimizer_finds_the_same_maximum(
    family: str, y: str, fixed: Mapping[str, float], optimizer: str
) -> None:
    data = columns()
    newton = fit(f"{y} ~ x + z + g", data, family, fixed=fixed)
    other = fit(f"{y} ~ x + z + g", data, family, fixed=fixed, optimizer=optimizer)
    assert (newton.convergence.optimizer, other.convergence.optimizer) == ("newton", optimizer)
    assert np.abs((estimates(other) - estimates(newton)) / errors(newton)).max() < 1e-4
    np.testing.assert_allclose(errors(other), errors(newton), rtol=1e-3)
    assert newton.convergence.newton_decrement < 1e-8


@every_family
def test_another_start_gives_the_same_fit(family: str, y: str, fixed: Mapping[str, float]) -> None:
    data = columns()
    plain = fit(f"{y} ~ x + z", data, family, fixed=fixed)
    start = {"x": 0.9, "z": 0.4, "mu:Intercept": -0.7}
    same(plain, fit(f"{y} ~ x + z", data, family, fixed=fixed, start=start))


def test_three_ones_and_a_zero_from_a_bad_start() -> None:
    data = {"y": np.array([1.0, 1.0, 1.0, 0.0])}
    for start in (-1.81, 5.0, 30.0):
        found = glmfit.fit("y ~ 1", data, family="binomial", start={"Intercept": start})
        assert found.exit_code == 0
        assert found.coefficients[0].estimate == pytest.approx(math.log(3), rel=1e-10)
        assert found.coefficients[0].std_error == pytest.approx(math.sqrt(4 / 3), rel=1e-9)


def test_a_start_for_a_term_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="--start xx: no such coefficient") as caught:
        glmfit.fit("count ~ x", columns(), family="poisson", start={"xx": 1.0})
    assert "'x'" in (caught.value.hint or "")


@stable
@given(
    counts=st.lists(st.integers(0, 30), min_size=6, max_size=30).filter(lambda v: sum(v) > 0),
    factor=st.floats(0.1, 50),
)
def test_the_intercept_of_counts_is_the_logarithm_of_their_mean(counts: list[int], factor: float) -> None:
    data = {"y": np.array(counts, dtype=float), "e": np.full(len(counts), factor)}
    found = glmfit.fit("y ~ 1", data, family="poisson", exposure="e")
    total = float(sum(counts))
    assert found.coefficients[0].estimate == pytest.approx(math.log(total / (factor * len(counts))), abs=1e-9)
    assert found.coefficients[0].std_error == pytest.approx(1 / math.sqrt(total), rel=1e-8)


@stable
@given(
    a=st.integers(1, 500), b=st.integers(1, 500), c=st.integers(1, 500), d=st.integers(1, 500),
)  # fmt: skip
def test_a_two_by_two_table_gives_its_log_odds_ratio(a: int, b: int, c: int, d: int) -> None:
    data = {"y": np.array([a, c], dtype=float), "n": np.array([a + b, c + d], dtype=float), "g": np.array(["p", "q"])}
    found = glmfit.fit("y/n ~ g", data, family="binomial")
    odds_ratio = found.coefficients[1]
    assert odds_ratio.estimate == pytest.approx(math.log(c * b / (a * d)), abs=1e-9)
    assert odds_ratio.std_error == pytest.approx(math.sqrt(1 / a + 1 / b + 1 / c + 1 / d), rel=1e-8)


@stable
@given(values=st.lists(st.floats(0.01, 100), min_size=5, max_size=30).filter(lambda v: max(v) > 1.01 * min(v)))
def test_the_mean_of_positive_responses(values: list[float]) -> None:
    y = np.array(values)
    for family in ("gamma", "inverse-gaussian", "gaussian"):
        found = glmfit.fit("y ~ 1", {"y": y}, family=family, links={"mu": "log"})
        assert found.coefficients[0].estimate == pytest.approx(math.log(y.mean()), abs=1e-8)
