"""Standard errors, tests and intervals against formulas written out in numpy, and tails against scipy.stats."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.special
import scipy.stats

import glmfit
from glmfit.errors import GlmfitError, ModelError, UsageError
from glmfit.inference.covariance import Reference
from glmfit.result import Fit

N = 90
Columns = dict[str, np.ndarray]


def columns() -> Columns:
    rng = np.random.default_rng(11)
    x, z = rng.normal(size=N), rng.uniform(0, 2, N)
    return {
        "x": x,
        "z": z,
        "normal": 1 + x - 0.5 * z + (0.5 + z) * rng.normal(size=N),
        "count": rng.poisson(np.exp(0.5 + 0.4 * x)).astype(float),
        "over": rng.negative_binomial(2, 2 / (2 + np.exp(1 + 0.4 * x))).astype(float),
        "c": np.array([f"c{k}" for k in rng.integers(0, 9, N)]),
        "one": np.array(["same"] * N),
        "w": rng.uniform(0.5, 2, N),
    }


def matrix(data: Columns) -> np.ndarray:
    return np.column_stack([np.ones(N), data["x"], data["z"]])


def covariance(found: Fit) -> np.ndarray:
    return np.array(found.covariance.matrix)


# ---- the linear model, where every formula is in the textbooks ----


def linear() -> tuple[Columns, np.ndarray, np.ndarray, np.ndarray]:
    data = columns()
    x, y = matrix(data), data["normal"]
    beta = np.linalg.solve(x.T @ x, x.T @ y)
    return data, x, beta, y - x @ beta


@pytest.mark.parametrize("kind", ["hessian", "expected", "hc0", "hc1", "hc2", "hc3", "cluster:c"])
def test_covariances_of_the_linear_model(kind: str) -> None:
    data, x, beta, e = linear()
    bread = np.linalg.inv(x.T @ x)
    h = np.einsum("ij,jk,ik->i", x, bread, x)
    k = x.shape[1]
    if kind in ("hessian", "expected"):
        expected = bread * (e @ e) / (N - k)
    elif kind.startswith("cluster"):
        levels = np.unique(data["c"])
        sums = np.array([(x * e[:, None])[data["c"] == level].sum(axis=0) for level in levels])
        g = len(levels)
        expected = g / (g - 1) * bread @ sums.T @ sums @ bread
    else:
        u = {"hc0": e, "hc1": e * math.sqrt(N / (N - k)), "hc2": e / np.sqrt(1 - h), "hc3": e / (1 - h)}[kind]
        expected = bread @ (x.T * u**2) @ x @ bread
    found = glmfit.fit("normal ~ x + z", data, se=kind)
    np.testing.assert_allclose([row.estimate for row in found.coefficients], beta, rtol=1e-11)
    np.testing.assert_allclose(covariance(found), expected, rtol=1e-9)
    assert found.covariance.kind == kind
    texts = {"hc1": "n/(n-k)", "hc2": "1/(1-h)", "hc3": "1/(1-h)^2", "cluster:c": "G/(G-1)"}
    assert found.covariance.correction == texts.get(kind)


def test_statistics_of_the_linear_model() -> None:
    data, _, _, e = linear()
    found = glmfit.fit("normal ~ x + z", data)
    rss, tss = float(e @ e), float(((data["normal"] - data["normal"].mean()) ** 2).sum())
    log_likelihood = -0.5 * N * (math.log(2 * math.pi * rss / N) + 1)
    fit = found.fit
    assert fit.deviance == pytest.approx(rss, rel=1e-12)
    assert fit.pearson_chi2 == pytest.approx(rss, rel=1e-12)
    assert fit.null_deviance == pytest.approx(tss, rel=1e-12)
    assert fit.log_likelihood == pytest.approx(log_likelihood, rel=1e-12)
    assert fit.aic == pytest.approx(-2 * log_likelihood + 8, rel=1e-12)
    assert fit.bic == pytest.approx(-2 * log_likelihood + 4 * math.log(N), rel=1e-12)
    assert (fit.n_parameters, fit.df_residual, fit.df_null) == (4, N - 3, N - 1)
    assert found.dispersion.estimate == pytest.approx(rss / (N - 3), rel=1e-12)
    assert found.dispersion.method == "pearson"


def test_without_an_intercept_the_null_model_is_the_offset() -> None:
    data = columns()
    found = glmfit.fit("normal ~ 0 + x", data)
    assert found.fit.null_deviance == pytest.approx(float(data["normal"] @ data["normal"]), rel=1e-12)
    assert found.fit.df_null == N
    counts = glmfit.fit("count ~ 0 + x", data, family="poisson")
    y = data["count"]
    expected = 2 * float(np.sum(scipy.special.xlogy(y, y) - y + 1))  # mu = exp(0)
    assert counts.fit.null_deviance == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95, 0.999])
@pytest.mark.parametrize(("y", "family"), [("normal", "gaussian"), ("count", "poisson")])
def test_wald_tests_and_intervals(level: float, y: str, family: str) -> None:
    found = glmfit.fit(f"{y} ~ x + z", columns(), family=family, level=level)
    tail = scipy.stats.t(N - 3) if family == "gaussian" else scipy.stats.norm
    assert found.statistic == ("t" if family == "gaussian" else "z")
    assert found.level == level
    for k, row in enumerate(found.coefficients):
        assert row.std_error == pytest.approx(math.sqrt(found.covariance.matrix[k][k]), rel=1e-14)
        assert row.statistic == pytest.approx(row.estimate / row.std_error, rel=1e-14)
        assert row.p_value == pytest.approx(2 * tail.sf(abs(row.statistic)), rel=1e-9)
        width = tail.ppf((1 + level) / 2) * row.std_error
        assert (row.conf_low, row.conf_high) == pytest.approx((row.estimate - width, row.estimate + width), rel=1e-9)


@pytest.mark.parametrize("statistic", [0.0, 0.3, -1.96, 5.0, 12.0, -37.0])
def test_tails_keep_their_digits(statistic: float) -> None:
    assert Reference(None).p_value(statistic) == pytest.approx(2 * scipy.stats.norm.sf(abs(statistic)), rel=1e-11)
    for df in (1.0, 7.0, 400.0):
        expected = 2 * scipy.stats.t.sf(abs(statistic), df)
        assert Reference(df).p_value(statistic) == pytest.approx(expected, rel=1e-9)
    assert Reference(None).statistic == "z"
    assert Reference(7.0).statistic == "t"


@pytest.mark.parametrize("level", [0.01, 0.5, 0.95, 0.999999])
def test_quantiles(level: float) -> None:
    assert Reference(None).quantile(level) == pytest.approx(scipy.stats.norm.ppf((1 + level) / 2), rel=1e-9)
    assert Reference(5.0).quantile(level) == pytest.approx(scipy.stats.t.ppf((1 + level) / 2, 5), rel=1e-8)


def test_no_degrees_of_freedom_leave_no_test() -> None:
    reference = Reference(0.0)
    assert math.isnan(reference.p_value(2.0))
    assert math.isnan(reference.quantile(0.95))
    assert math.isnan(Reference(None).p_value(math.nan))


# ---- a noncanonical link, where observed and expected information differ ----


@pytest.mark.parametrize("kind", ["hessian", "expected", "hc0", "hc3"])
def test_covariances_under_the_square_root_link(kind: str) -> None:
    """mu = eta^2: l = 2 y log eta - eta^2, observed weight 2 y / eta^2 + 2, expected 4."""
    data = columns()
    found = glmfit.fit("count ~ x + z", data, family="poisson", links={"mu": "sqrt"}, se=kind)
    x, y = matrix(data), data["count"]
    eta = x @ np.array([row.estimate for row in found.coefficients])
    score = 2 * y / eta - 2 * eta
    observed = np.linalg.inv((x.T * (2 * y / eta**2 + 2)) @ x)
    scoring = np.linalg.inv(4 * x.T @ x)
    h = 4 * np.einsum("ij,jk,ik->i", x, scoring, x)
    expected = {
        "hessian": observed,
        "expected": scoring,
        "hc0": observed @ (x.T * score**2) @ x @ observed,
        "hc3": observed @ (x.T * (score / (1 - h)) ** 2) @ x @ observed,
    }[kind]
    np.testing.assert_allclose(x.T @ score, 0, atol=1e-8)
    np.testing.assert_allclose(covariance(found), expected, rtol=1e-8)


def test_sampling_weights_are_linearized() -> None:
    data = columns()
    found = glmfit.fit("count ~ x + z", data, family="poisson", sampling_weights="w")
    x, y, w = matrix(data), data["count"], data["w"]
    mu = np.exp(x @ np.array([row.estimate for row in found.coefficients]))
    np.testing.assert_allclose(x.T @ (w * (y - mu)), 0, atol=1e-8)
    bread = np.linalg.inv((x.T * (w * mu)) @ x)
    expected = N / (N - 1) * bread @ (x.T * (w * (y - mu)) ** 2) @ x @ bread
    np.testing.assert_allclose(covariance(found), expected, rtol=1e-9)
    assert (found.covariance.kind, found.covariance.correction) == ("sampling", "n/(n-1)")


# ---- auxiliary parameters ----


def test_alpha_is_on_its_natural_scale_by_the_delta_method() -> None:
    found = glmfit.fit("over ~ x", columns(), family="negative-binomial")
    row, alpha = found.coefficients[-1], found.auxiliary[0]
    assert (row.parameter, row.term, alpha.name) == ("alpha", "Intercept", "alpha")
    assert alpha.estimate == pytest.approx(math.exp(row.estimate), rel=1e-14)
    assert alpha.std_error == pytest.approx(alpha.estimate * row.std_error, rel=1e-12)
    assert (alpha.conf_low, alpha.conf_high) == pytest.approx((math.exp(row.conf_low), math.exp(row.conf_high)))


@pytest.mark.parametrize("link", ["log", "identity", "sqrt", "inverse"])
@pytest.mark.parametrize("y", ["over", "count"])
def test_an_interval_of_alpha_holds_its_estimate(link: str, y: str) -> None:
    """Under the inverse link an interval that passes 0 has no upper end: its ends must not change places."""
    found = glmfit.fit(f"{y} ~ x", columns(), family="negative-binomial", links={"alpha": link})
    alpha = found.auxiliary[0]
    assert not alpha.conf_low > alpha.estimate
    assert not alpha.conf_high < alpha.estimate
    assert math.isnan(alpha.conf_high) or alpha.conf_high > 0


# ---- clusters ----


def clustered(formula: str, **options: Any) -> Fit:
    rng = np.random.default_rng(3)
    g = np.repeat([f"g{k}" for k in range(12)], 10)
    data = {
        "x": rng.normal(size=120),
        "z": rng.normal(size=120),
        "v": rng.normal(size=120),
        "u": rng.normal(size=120),
        "g": g,
        "four": np.repeat(["a", "b", "c", "d"], 30),
        "half": (np.arange(120) >= 60).astype(float),
        "one": (g == "g3").astype(float),
        "within": np.where(g == "g5", rng.normal(size=120), 0),
        "y": rng.poisson(3, 120).astype(float),
    }
    return glmfit.fit(formula, data, **options)


@pytest.mark.parametrize("family", ["gaussian", "poisson", "negative-binomial"])
@pytest.mark.parametrize(
    ("formula", "by", "without"),
    [
        ("y ~ x + half", "g", set()),
        ("y ~ x + one", "g", {"one"}),  # one treated cluster: its scores add up to 0
        ("y ~ x + within", "g", {"within"}),
        ("y ~ 0 + x + g", "g", {f"g[g{k}]" for k in range(12)}),  # what a cluster has of its own
        ("y ~ x + half", "half", {"Intercept", "half"}),
        ("y ~ x + z", "four", set()),
        ("y ~ x + z + v + u", "four", {"Intercept", "x", "z", "v", "u"}),  # 5 coefficients, a rank of 3
        ("y ~ x + one", "g,four", {"one"}),
    ],
)
def test_a_coefficient_that_clusters_say_nothing_of_has_no_standard_error(
    formula: str, by: str, without: set[str], family: str
) -> None:
    if family == "negative-binomial" and by in ("four", "g,four", "half"):
        pytest.skip("alpha is a coefficient more")
    found = clustered(formula, family=family, se=f"cluster:{by}")
    rows = {row.term: row for row in found.coefficients if row.parameter == "mu"}
    assert {term for term, row in rows.items() if row.status == "cluster_rank"} == without
    assert all(math.isnan(rows[term].std_error) for term in without)
    assert found.exit_code == (5 if without else 0)
    named = {term for w in found.warnings if w.code == "cluster_rank" for term in w.terms}
    assert {term for term in named if not term.startswith("alpha")} == without
    assert {row.df for row in rows.values()} == {float({"g": 12, "half": 2, "four": 4, "g,four": 4}[by] - 1)}
    assert "few_clusters" in {w.code for w in found.warnings}


def test_cr2_has_no_standard_error_for_what_one_cluster_determines() -> None:
    options: dict[str, Any] = {"se": "cluster:g", "small_sample": "cr2"}
    one, many = (
        clustered("y ~ x + one", **options),
        clustered("y ~ x + z + v + u", se="cluster:four", small_sample="cr2"),
    )
    assert [row.status for row in one.coefficients] == [None, None, "cluster_rank"]
    assert not {w.code for w in one.warnings} & {"few_clusters"}
    assert many.exit_code == 0  # which needs no more clusters than one has
    inside = clustered("y ~ 0 + x + g", **options).coefficients
    assert [row.status for row in inside] == [None, *["cluster_rank"] * 12]


def test_cr2_of_rows_with_frequencies_is_that_of_rows_written_out() -> None:
    rng = np.random.default_rng(1)
    f = rng.integers(1, 4, 60)
    data = {"x": rng.normal(size=60), "y": rng.binomial(1, 0.4, 60), "g": np.arange(60) % 7}
    options: dict[str, Any] = {"family": "binomial", "se": "cluster:g", "small_sample": "cr2"}
    weighted = glmfit.fit("y ~ x", {**data, "f": f}, freq_weights="f", **options)
    written_out = glmfit.fit("y ~ x", {name: np.repeat(column, f) for name, column in data.items()}, **options)
    for one, other in zip(weighted.coefficients, written_out.coefficients, strict=True):
        assert (one.std_error, one.df) == pytest.approx((other.std_error, other.df), rel=1e-8)


@pytest.mark.parametrize(("spelled", "kind"), [("HC3", "hc3"), ("oim", "hessian"), ("Cluster: c", "cluster:c")])
def test_kinds_are_known_by_other_spellings(spelled: str, kind: str) -> None:
    assert glmfit.fit("normal ~ x", columns(), se=spelled).covariance.kind == kind


# ---- rows and weights that mislead ----


@pytest.mark.parametrize("family", ["gaussian", "poisson", "negative-binomial"])
@pytest.mark.parametrize("kind", ["hc0", "hc1"])
def test_a_row_that_a_term_fits_exactly_is_named_with_it(family: str, kind: str) -> None:
    data = columns()
    data["g"] = np.array([*["a", "b"] * 44, "solo", "a"])
    found = glmfit.fit("count ~ x + g", data, family=family, se=kind)
    (finding,) = (w for w in found.warnings if w.code == "exact_rows")
    assert finding.terms == ("g[T.solo]",)
    assert "row 89 is fitted exactly" in finding.message
    assert found.exit_code == 5
    solo = next(row for row in found.coefficients if row.term == "g[T.solo]")
    assert (solo.status, math.isfinite(solo.estimate)) == ("exact_rows", True)
    assert all(map(math.isnan, (solo.std_error, solo.statistic, solo.p_value, solo.conf_low, solo.conf_high)))
    assert all(math.isfinite(row.std_error) for row in found.coefficients if row is not solo and row.parameter == "mu")
    data["g"][88] = "a"
    assert "exact_rows" not in {w.code for w in glmfit.fit("count ~ x + g", data, family=family, se=kind).warnings}


@pytest.mark.parametrize("option", ["weights", "freq_weights"])
@pytest.mark.parametrize("response", ["s / m", "cbind(s, m - s)"])
@pytest.mark.parametrize("family", ["binomial", "beta-binomial"])
def test_weights_that_are_the_trials_are_refused(option: str, response: str, family: str) -> None:
    m = np.array([3.0, 5, 9, 4, 6, 8] * 5)
    data = {"s": np.arange(30) % 3, "m": m, "x": np.arange(30.0), "f": np.arange(30) % 4 + 1.0}
    with pytest.raises(ModelError, match="would count twice") as caught:
        glmfit.fit(f"{response} ~ x", data, family=family, **{option: "m"})
    assert caught.value.code == "trials_counted_twice"
    assert "'I(s / m) ~ ...' with --weights m," in caught.value.hint
    glmfit.fit(f"{response} ~ x", data, family=family, **{option: "f"})


@pytest.mark.parametrize(
    ("y", "options", "expected"),
    [
        ("over", {"family": "poisson"}, {"overdispersion"}),
        ("over", {"family": "poisson", "se": "hc1"}, set()),  # which allows for it
        ("over", {"family": "poisson", "dispersion": "pearson"}, set()),
        ("over", {"family": "quasi-poisson"}, set()),
        ("over", {"family": "negative-binomial"}, set()),
        ("count", {"family": "poisson"}, set()),
        ("even", {"family": "poisson"}, {"underdispersion"}),
        ("ten", {"family": "poisson"}, {"underdispersion"}),  # nothing varies
        ("even > 3", {"family": "binomial"}, set()),  # of Bernoulli trials there is none
        ("even/ten", {"family": "binomial"}, {"underdispersion"}),
        ("odd/ten", {"family": "binomial"}, {"overdispersion"}),
    ],
)
def test_more_and_less_variation_than_a_family_has_are_said(y: str, options: Any, expected: set[str]) -> None:
    data = columns()
    data |= {"even": np.arange(N) % 2 + 3.0, "ten": np.full(N, 10.0), "odd": np.arange(N) % 2 * 8 + 1.0}
    response = "I(even > 3)" if ">" in y else y
    found = {w.code for w in glmfit.fit(f"{response} ~ x", data, **options).warnings}
    assert found & {"overdispersion", "underdispersion"} == expected


def test_the_ratio_said_is_that_of_the_table() -> None:
    found = glmfit.fit("over ~ x", columns(), family="poisson")
    (finding,) = (w for w in found.warnings if w.code == "overdispersion")
    ratio = found.fit.pearson_chi2 / found.fit.df_residual
    assert f"{ratio:.3g} times" in finding.message
    assert f"a factor of about {math.sqrt(ratio):.2g}" in finding.message


def test_columns_of_a_few_whole_numbers_are_said_to_be_numbers() -> None:
    data = columns()
    data |= {
        "my code": np.arange(N) % 4 + 1.0,
        "half": np.arange(N) % 3 / 2,
        "two": np.arange(N) % 2,
        "d": np.arange(N),
    }
    found = glmfit.fit("normal ~ `my code` + half + two + d + c", data)
    assert found.data.numeric_codes == {"my code": "numeric; C(`my code`) makes it a factor"}
    assert not glmfit.fit("normal ~ C(`my code`)", data).data.numeric_codes


def test_a_negative_variance_of_two_ways_names_its_term() -> None:
    rng = np.random.default_rng(7)
    for _ in range(40):
        data = {"x": rng.normal(size=36), "y": rng.normal(size=36)}
        data |= {"a": np.arange(36) % 6, "b": np.arange(36) // 6}
        found = glmfit.fit("y ~ x", data, se="cluster:a,b")
        negative = [row.term for k, row in enumerate(found.coefficients) if found.covariance.matrix[k][k] < 0]
        named = [w.terms for w in found.warnings if w.code == "negative_variance"]
        assert named == ([tuple(negative)] if negative else [])
        if negative:
            assert found.exit_code == 5
            return
    raise AssertionError("no variance came out negative")


# ---- what is refused ----


@pytest.mark.parametrize(
    ("formula", "options", "kind", "message"),
    [
        (["normal ~ x", "phi ~ z"], {"se": "hc2"}, UsageError, "hc2 needs the leverage of a model with one linear"),
        (["normal ~ x", "phi ~ z"], {"se": "hc3"}, UsageError, "hc3 needs the leverage of a model with one linear"),
        ("over ~ x", {"se": "hc3", "family": "negative-binomial"}, UsageError, "hc3 needs the leverage"),
        ("normal ~ x", {"se": "cluster:one"}, ModelError, "column 'one' has a single cluster"),
        ("normal ~ x", {"se": "cluster:c,one"}, ModelError, "column 'one' has a single cluster"),
        ("normal ~ x", {"se": "cluster:"}, UsageError, "names no clusters"),
        ("normal ~ x", {"se": "hc1", "small_sample": "cr2"}, UsageError, "is for clustered standard errors"),
        ("normal ~ x", {"se": "cluster:c,w", "small_sample": "cr2"}, UsageError, "takes clusters of one way"),
        ("over ~ x", {"se": "cluster:c", "small_sample": "cr2", "family": "nb"}, UsageError, "needs the leverage"),
        ("normal ~ x", {"bread": "expected"}, UsageError, "--bread is for robust standard errors"),
        ("over ~ x", {"se": "hc0", "bread": "expected", "family": "gumbel"}, UsageError, "has no expected information"),
        ("normal ~ x", {"se": "hessian", "sampling_weights": "w"}, UsageError, "not valid with sampling weights"),
        ("normal ~ x", {"se": "expected", "sampling_weights": "w"}, UsageError, "not valid with sampling weights"),
        (["normal ~ x", "phi ~ z"], {"dispersion": "pearson"}, UsageError, "phi has a formula, and a dispersion"),
        ("count ~ x", {"dispersion": "ml", "family": "poisson"}, UsageError, "no density in which phi"),
        ("count ~ x", {"dispersion": "ml", "family": "quasi-poisson"}, UsageError, "no density in which phi"),
    ],
)
def test_what_cannot_be_asked(
    formula: str | list[str], options: dict[str, Any], kind: type[GlmfitError], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        glmfit.fit(formula, columns(), **options)
    assert caught.value.hint


@pytest.mark.parametrize(
    "options",
    [
        {"se": "robust"},
        {"dispersion": "foo"},
        {"dispersion": -1.0},
        {"dispersion": math.nan},
        {"fixed": {"phi": -1.0}},
        {"fixed": {"phi": 0.0}},
        {"fixed": {"phi": 1.0}, "dispersion": 2.0},
        {"optimizer": "simplex"},
        {"level": 95},
        {"level": 0.0},
        {"missing": "keep"},
    ],
    ids=str,
)
def test_words_and_numbers_that_mean_nothing_are_refused_in_python_too(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        glmfit.fit("normal ~ x", columns(), **options)
    assert caught.value.hint


def test_a_row_with_leverage_one_has_no_hc3() -> None:
    data = columns()
    data["only"] = (np.arange(N) == 5).astype(float)
    for kind in ("hc2", "hc3"):
        with pytest.raises(ModelError, match="1 rows have leverage 1"):
            glmfit.fit("normal ~ x + only", data, se=kind)
    assert glmfit.fit("normal ~ x + only", data, se="hc1").exit_code == 5  # no standard error of this one
