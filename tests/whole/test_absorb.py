"""Absorbed effects: the numbers of R's glm and sandwich with all indicators, of pyfixest, and of fits with dummies.

Relative tolerances: estimates 1e-10, standard errors of R 1e-8, of pyfixest 3e-8 (its demeaning ends at 1e-13 of the
data, which it squares for no standard error of clusters).
"""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glmfit
from glmfit.commands.app import main
from glmfit.errors import GlmfitError
from glmfit.fitted import FittedModel
from glmfit.report import to_table
from glmfit.report.saved import model_from_json, model_json
from glmfit.result import AbsorbedFactor, Fit
from glmfit.table import open_data

HERE = Path(__file__).parents[1] / "reference" / "absorbed"
PANEL = str(HERE / "panel.csv")
FORMULA = "x1 + x2 + kind"
GLM: list[dict[str, Any]] = json.loads((HERE / "glm.json").read_text())
JOINT: list[dict[str, Any]] = json.loads((HERE / "joint.json").read_text())
PYFIXEST: list[dict[str, Any]] = json.loads((HERE / "pyfixest.json").read_text())
FAMILIES = {"Gamma": "gamma", "quasipoisson": "quasi-poisson", "Negative Binomial(2)": "negative-binomial"}


def absorbed(response: str, factors: list[str], family: str, data: Any = PANEL, **options: Any) -> Fit:
    return glmfit.fit(f"{response} ~ {FORMULA}", data, family=family, absorb=tuple(factors), **options)


def errors(fit: Fit) -> list[float]:
    return [row.std_error for row in fit.coefficients]


@pytest.mark.parametrize("case", GLM, ids=lambda case: str(case["name"]))
def test_the_numbers_of_r(case: dict[str, Any]) -> None:
    options: dict[str, Any] = {"links": {"mu": case["link"]}}
    options |= {"weights": "weight"} if case["weights"] else {}
    options |= {"exposure": "exposure"} if case["exposure"] else {}
    family = FAMILIES.get(case["family"], case["family"])
    if family == "negative-binomial":
        options["fixed"] = {"alpha": 0.5}

    def fit(se: str) -> Fit:
        bread = {} if se == "expected" else {"bread": "expected"}
        return absorbed(case["response"], case["absorb"], family, se=se, **bread, **options)

    found = fit("expected")
    assert found.data.rows_used == case["rows"]
    assert [row.estimate for row in found.coefficients] == pytest.approx(case["estimates"], rel=1e-10)
    assert found.fit.deviance == pytest.approx(case["deviance"], rel=1e-12)
    assert found.fit.null_deviance == pytest.approx(case["null_deviance"], rel=1e-12)
    assert found.fit.df_residual == case["df_residual"]
    estimated = found.dispersion.method != "fixed"
    assert found.fit.n_parameters - estimated == case["rank"]
    if family in ("poisson", "binomial"):
        assert found.fit.log_likelihood == pytest.approx(case["log_likelihood"], rel=1e-12)
    scale = 1.0 if estimated or family != "negative-binomial" else math.sqrt(case["dispersion"])  # R estimates one
    assert [scale * error for error in errors(found)] == pytest.approx(case["expected"], rel=1e-8)
    kinds = {"hc0": "hc0", "hc1": "hc1", "hc2": "hc2", "hc3": "hc3", "firm": "cluster:firm", "two": "cluster:firm,year"}
    for name, kind in kinds.items():
        assert errors(fit(kind)) == pytest.approx(case[name], rel=1e-8), name


@pytest.mark.parametrize("case", PYFIXEST, ids=lambda case: str(case["name"]))
def test_the_numbers_of_pyfixest(case: dict[str, Any]) -> None:
    family = "poisson" if case["response"] == "count" else "gaussian"

    def fit(se: str, small: str | None = None) -> Fit:
        return absorbed(case["response"], case["absorb"], family, se=se, small_sample=small)

    found = fit("cluster:firm")
    assert found.data.rows_used == case["rows"]
    assert [row.estimate for row in found.coefficients] == pytest.approx(case["estimates"], rel=1e-10)
    assert errors(found) == pytest.approx(case["cr1"], rel=3e-8)
    assert errors(fit("cluster:firm,year")) == pytest.approx(case["two"], rel=3e-8)
    for name, column in {"cr1s": "firm", "cr1s_town": "town", "cr1s_year": "year"}.items():
        if case["name"] != "poisson_nested":  # of whose effects pyfixest counts all but one a factor
            clustered = fit(f"cluster:{column}", "cr1s")
            assert errors(clustered) == pytest.approx(case[name], rel=3e-8), name
            assert clustered.covariance.correction == "G/(G-1) (n-1)/(n-k)"


@pytest.mark.parametrize("case", JOINT, ids=lambda case: str(case["name"]))
def test_the_negative_binomial_with_its_dispersion(case: dict[str, Any]) -> None:
    """A row that is alone in a level is fitted exactly, and says something of alpha: it stays."""
    found = absorbed("claims", case["absorb"], "negative-binomial")
    assert found.data.rows_used == case["rows"]
    assert "singleton" not in found.data.dropped
    assert [row.estimate for row in found.coefficients[:4]] == pytest.approx(case["estimates"], rel=1e-8)
    (alpha,) = found.auxiliary
    assert (alpha.estimate, alpha.std_error) == pytest.approx((case["alpha"], case["alpha_se"]), rel=1e-8)
    assert found.fit.log_likelihood == pytest.approx(case["log_likelihood"], rel=1e-11)
    for name, kind in {"hessian": None, "hc0": "hc0", "firm": "cluster:firm"}.items():
        fit = absorbed("claims", case["absorb"], "negative-binomial", se=kind)
        assert errors(fit)[:4] == pytest.approx(case[name], rel=1e-8), name


def test_factors_nested_in_each_other_are_counted_exactly() -> None:
    found = absorbed("count", ["firm", "town", "year"], "poisson")
    plain = absorbed("count", ["firm", "year"], "poisson")
    assert found.model.absorbed[1] == AbsorbedFactor("town", 9, 9)
    assert found.fit.df_residual == plain.fit.df_residual
    assert found.fit.n_parameters == plain.fit.n_parameters
    assert [row.estimate for row in found.coefficients] == pytest.approx([row.estimate for row in plain.coefficients])
    assert "town (9 levels, 9 redundant)" in to_table(found, width=80)
    leverages = [
        errors(absorbed("count", factors, "poisson", se="hc3"))
        for factors in (["firm", "town", "year"], ["firm", "year"])
    ]
    assert leverages[0] == pytest.approx(leverages[1], rel=1e-10)


def test_leverages_that_would_take_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glmfit.numerics.crossed.MOST_LEVELS", 7)
    with pytest.raises(GlmfitError, match="beside the largest have 8 levels, more than the 7") as error:
        absorbed("count", ["firm", "year"], "poisson", se="hc2")
    assert error.value.code == "too_large"


# ---- against the same model with dummies, for what R has no words for ----

SAME_MODELS: list[dict[str, Any]] = [
    {"response": "amount", "family": "gamma", "links": {"mu": "log"}},
    {"response": "amount", "family": "gamma", "links": {"mu": "log"}, "se": "hc1", "dispersion": "deviance"},
    {"response": "amount", "family": "gamma", "links": {"mu": "log"}, "dispersion": "ml"},
    {"response": "amount", "family": "inverse-gaussian", "links": {"mu": "log"}},  # of weights that may be negative
    {"response": "yes", "family": "binomial", "links": {"mu": "cauchit"}},
    {"response": "amount", "family": "tweedie", "fixed": {"power": 1.5}, "links": {"mu": "log"}},
    {"response": "count", "family": "geometric", "offset": "x2"},
    {"response": "level", "family": "gaussian", "sampling_weights": "weight"},
    {"response": "count", "family": "poisson", "freq_weights": "times"},
    # other parameters estimated beside the mean, constant or with terms of their own
    {"response": "share", "family": "beta", "se": "hc1"},
    {"response": "count", "family": "negative-binomial"},  # whose alpha is 0
    {"response": "claims", "family": "negative-binomial", "second": "alpha ~ x2", "se": "hc0"},
    {"response": "level", "family": "student-t"},
    {"response": "amount", "family": "gamma", "links": {"mu": "log"}, "second": "phi ~ x1", "weights": "weight"},
    {"response": "amount", "family": "weibull", "offset": "x2"},
    {"response": "amount", "family": "tweedie"},
]


@pytest.fixture(scope="module")
def balanced() -> dict[str, Any]:
    """Rows of the panel in levels that all have several rows, and no response at one end throughout."""
    table = open_data(PANEL).read(open_data(PANEL).header)
    columns = {
        name: column.values if column.levels is None else np.array(column.levels)[column.values]
        for name, column in table.columns.items()
    }
    firm = columns["firm"]
    kept = np.ones(len(firm), dtype=bool)
    for one in np.unique(firm):
        own = firm == one
        told = columns["count"][own].max() > 0 and 0 < columns["yes"][own].mean() < 1
        kept[own] = bool(own.sum() > 2 and told)
    share = 1 / (1 + np.exp(-columns["level"][kept]))
    more = {"times": 1.0 + columns["x1"][kept] // 1 % 3, "share": share}
    return {**{name: values[kept] for name, values in columns.items()}, **more}


@pytest.mark.parametrize("asked", SAME_MODELS, ids=lambda asked: "-".join(map(str, asked.values()))[:60])
def test_the_numbers_of_dummies(asked: dict[str, Any], balanced: dict[str, Any]) -> None:
    options = {name: value for name, value in asked.items() if name not in ("response", "second")}
    mean, *second = f"{asked['response']} ~ {FORMULA}", *([asked["second"]] if "second" in asked else [])
    found = glmfit.fit([mean, *second], balanced, absorb=("firm", "year"), **options)
    whole = glmfit.fit([f"{mean} + firm + C(year)", *second], balanced, **options)
    rows = {(row.parameter, row.term): row for row in whole.coefficients}
    for row in found.coefficients:
        other = rows[row.parameter, row.term]
        assert row.status == other.status
        if row.status == "at_limit":
            continue
        assert (row.estimate, row.std_error) == pytest.approx((other.estimate, other.std_error), rel=1e-8)
        assert row.p_value == pytest.approx(other.p_value, rel=1e-6)
    for name in ("log_likelihood", "deviance", "null_deviance", "pearson_chi2", "aic", "bic", "n_parameters"):
        assert getattr(found.fit, name) == pytest.approx(getattr(whole.fit, name), rel=1e-9, nan_ok=True), name
    assert (found.fit.df_residual, found.fit.df_null) == (whole.fit.df_residual, whole.fit.df_null)
    for one, other in zip(found.auxiliary, whole.auxiliary, strict=True):
        assert one.estimate == pytest.approx(other.estimate, rel=1e-8)
    assert found.exit_code == whole.exit_code == 0


def test_predictions_use_the_effects(balanced: dict[str, Any]) -> None:
    options: dict[str, Any] = {"family": "poisson", "exposure": "exposure"}
    found = glmfit.fit(f"count ~ {FORMULA}", balanced, absorb=("firm", "year"), **options)
    whole = glmfit.fit(f"count ~ {FORMULA} + firm + C(year)", balanced, **options)
    model = FittedModel.of(model_from_json(model_json(found), "saved"), None)
    assert model.predict(balanced, interval="none").estimate.to_numpy() == pytest.approx(
        whole.predict(balanced, interval="none").estimate.to_numpy(), rel=1e-9
    )
    with pytest.raises(GlmfitError) as error:
        model.predict(balanced)
    assert error.value.code == "absorbed_effects"
    strange = {name: values[:2].copy() for name, values in balanced.items()}
    strange["firm"] = np.array([strange["firm"][0], "new"])
    kept = model.predict(strange, interval="none", missing="keep").estimate
    assert kept.notna().tolist() == [True, False]


@pytest.mark.parametrize("response", ["count", "yes"])
def test_what_follows_a_fit_whose_rows_were_dropped(response: str) -> None:
    """Rows that say nothing are left empty where the fit's own file is looked at, and named in predictions."""
    family = {"count": "poisson", "yes": "binomial"}[response]
    found = glmfit.fit(f"{response} ~ {FORMULA}", PANEL, family=family, absorb=("firm",))
    gone = sum(found.data.dropped["singleton"].values()) + sum(found.data.dropped["no_variation"].values())
    assert gone > 0
    model = FittedModel.of(model_from_json(model_json(found), "saved"), None)
    residuals = model.residuals(PANEL)
    assert residuals["response"].isna().sum() == gone == found.data.rows_read - found.data.rows_used
    assert (residuals["pearson"] ** 2).sum() == pytest.approx(found.fit.pearson_chi2, rel=1e-9)
    assert (residuals["deviance"] ** 2).sum() == pytest.approx(found.fit.deviance, rel=1e-9)
    assert residuals["leverage"].isna().all()
    checks = model.check(PANEL)
    if response == "count":
        assert checks.set_index("check").loc["dispersion", "df"] == found.fit.df_residual
    with pytest.raises(GlmfitError, match="an absorbed level whose rows the fit dropped") as error:
        model.predict(PANEL, interval="none")
    assert error.value.code == "no_effect"
    kept = model.predict(PANEL, interval="none", missing="keep").estimate
    assert (kept.isna() == residuals["response"].isna()).all()


def test_one_model_a_column_absorbs_too(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["fit", PANEL, "count ~ {} + kind", "-f", "poisson", "--absorb", "firm", "--scan", "x1,x2", "-q"]
    assert main([*command, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    for row in rows:
        alone = glmfit.fit(f"count ~ {row['term']} + kind", PANEL, family="poisson", absorb=("firm",))
        assert float(row["estimate"]) == pytest.approx(alone.coefficients[0].estimate, rel=1e-9)
        assert float(row["std_error"]) == pytest.approx(alone.coefficients[0].std_error, rel=1e-9)


# ---- rows that say nothing, and columns that do ----


def test_rows_go_in_turn_until_all_that_are_left_say_something() -> None:
    data = {  # the only count of level b is alone in level 2 of the other factor
        "y": [0, 1, 2, 3, 1, 0, 0, 1, 4, 2],
        "x": [1.0, 2.0, 0.5, 1.5, 0.2, 0.9, 1.1, 0.4, 1.8, 1.0],
        "g": ["a", "a", "a", "a", "a", "b", "b", "b", "c", "a"],
        "h": [1, 1, 3, 3, 3, 1, 3, 2, 1, 1],
    }
    found = glmfit.fit("y ~ x", data, family="poisson", absorb=("g", "h"))
    assert found.data.dropped["singleton"] == {"g": 1, "h": 1}
    assert found.data.dropped["no_variation"] == {"g": 2}
    assert found.data.rows_used == 6
    assert [finding.code for finding in found.warnings][:2] == ["singletons", "infinite_effects"]
    twice = glmfit.fit("y ~ x", {**data, "w": [2] * 10}, family="poisson", absorb=("g", "h"), freq_weights="w")
    assert twice.data.rows_used == 10  # a row that was seen twice is not alone


def test_a_column_that_effects_make_up_for_is_aliased(balanced: dict[str, Any]) -> None:
    size = np.array([float(firm[1:]) for firm in balanced["firm"]]) ** 2
    data = {**balanced, "size": size, "both": balanced["x1"] * 3}
    found = glmfit.fit("count ~ x1 + size + both", data, family="poisson", absorb=("firm",))
    status = {row.term: row.status for row in found.coefficients}
    assert status == {"x1": None, "size": "aliased", "both": "aliased"}
    (finding,) = (one for one in found.warnings if one.code == "aliased")
    assert "'size' (from the effects of firm)" in finding.message
    assert "'both' = 3 x1" in finding.message


def test_rows_that_two_factors_separate_leave_the_limit() -> None:
    """Level 0 of a has counts beside level 2 of b alone, and that level has no others: together they go to 0."""
    random = np.random.default_rng(7)
    a = np.r_[np.repeat([0, 1], 60), random.integers(2, 10, 400)]
    b = np.r_[np.tile([0, 1, 2], 40), random.integers(0, 3, 400)]
    inside = (a == 0) | (b != 2)
    a, b = a[inside], b[inside]
    x, gone = random.normal(size=len(a)), (a == 0) & (b != 2)
    y = np.where(gone, 0, random.poisson(np.exp(0.4 * x + 1)))
    data = {"y": y, "x": x, "a": a, "b": b}
    found = glmfit.fit("y ~ x", data, family="poisson", absorb=("a", "b"))
    left = {name: values[~gone] for name, values in data.items()}
    limit = glmfit.fit("y ~ x", left, family="poisson", absorb=("a", "b"))
    (one,), (other,) = found.coefficients, limit.coefficients
    assert (one.estimate, one.std_error) == pytest.approx((other.estimate, other.std_error), rel=1e-9)
    assert found.fit.log_likelihood == pytest.approx(limit.fit.log_likelihood, rel=1e-12)
    (said,) = (finding for finding in found.warnings if finding.code == "separation")
    assert "40 of 355 rows rises for ever along effects of a and b; they have no finite estimate" in said.message
    assert found.exit_code == 5
    dropped = glmfit.fit("y ~ x", data, family="poisson", absorb=("a", "b"), separation="drop")
    assert dropped.data.dropped["separated"] == {"y": 40}
    assert dropped.exit_code == 0
    assert dropped.fit.df_residual == limit.fit.df_residual


@pytest.mark.parametrize("family", ["poisson", "negative-binomial", "binomial"])
def test_separation_is_that_of_the_linear_program(family: str) -> None:
    """By a term, by effects, and by nothing: the verdicts, rows, signs and limits of fits with dummies."""
    verdicts = set()
    for seed in (1, 5, 9, 14):
        random = np.random.default_rng(seed)
        n = 90
        a, b = random.integers(0, 7, n), random.integers(0, 4, n)
        x, z = random.normal(size=n), (random.random(n) < 0.15).astype(float)
        eta = 0.5 * x + 0.8 * random.normal(size=7)[a] - (3 * z if seed % 2 else 0)
        chance = 1 / (1 + np.exp(-2 * eta))
        y = (random.random(n) < chance).astype(int) if family == "binomial" else random.poisson(np.exp(eta))
        data = {"y": y, "x": x, "z": z, "a": a, "b": b}
        found = glmfit.fit("y ~ x + z", data, family=family, absorb=("a", "b"))
        whole = glmfit.fit("y ~ x + z + C(a) + C(b)", data, family=family)
        rows = {row.term: row for row in whole.coefficients if row.parameter == "mu"}
        verdicts.add(found.identification.separation is not None)
        if not found.data.dropped.get("no_variation"):
            assert (found.identification.separation is None) == (whole.identification.separation is None)
        for row in found.coefficients[:2]:
            other = rows[row.term]
            assert row.status == other.status
            assert row.estimate == pytest.approx(other.estimate, rel=1e-7)
            assert row.std_error == pytest.approx(other.std_error, rel=1e-7, nan_ok=True)
    assert verdicts == {True, False}


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("count ~ x1 + firm", {"absorb": ("firm",)}, "absorbed_twice"),
    ("count ~ x1 + C(year)", {"absorb": ("year",)}, "absorbed_twice"),
    ("count ~ x1", {"absorb": ("count",)}, "absorbed_twice"),
    ("count ~ x1", {"absorb": ("weight",), "weights": "weight"}, "absorbed_twice"),
    ("count ~ x1", {"absorb": ("nowhere",)}, "unknown_column"),
    ("count ~ x1", {"absorb": ("firm", "firm")}, "contradiction"),
    ("count ~ x1", {"absorb": ("row",)}, "nothing_left"),
    ("count ~ 1", {"absorb": ("firm",)}, "empty_model"),
    ("count ~ x1", {"absorb": ("firm",), "family": "ordinal"}, "absorb_family"),
    ("kind ~ x1", {"absorb": ("firm",), "family": "multinomial"}, "absorb_family"),
    ("count ~ x1", {"absorb": ("firm",), "ci": "profile"}, "absorb_excludes"),
    ("count ~ x1", {"absorb": ("firm",), "ci": "bootstrap"}, "absorb_excludes"),
    ("count ~ x1", {"absorb": ("firm",), "bias_reduction": "firth"}, "absorb_excludes"),
    ("count ~ x1", {"absorb": ("firm",), "se": "wild:firm"}, "absorb_excludes"),
    ("count ~ x1", {"absorb": ("firm",), "optimizer": "bfgs"}, "absorb_excludes"),
]


@pytest.mark.parametrize(("formula", "options", "code"), BAD, ids=lambda one: str(one)[:40])
def test_what_does_not_go(formula: str, options: dict[str, Any], code: str, balanced: dict[str, Any]) -> None:
    data = {**balanced, "row": np.arange(len(balanced["x1"]))}
    with pytest.raises(GlmfitError) as error:
        glmfit.fit(formula, data, **{"family": "poisson", **options})
    assert error.value.code == code
