"""The same numbers and the same words whether or not the levels of a factor are set apart in the Hessian."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

import glmfit
from glmfit.design import border, dependent, rank
from glmfit.inference import apart
from glmfit.model import penalised
from glmfit.result import Fitted
from glmfit.trust import separation

ROOT = Path(__file__).resolve().parents[2]
ROWS, LEVELS = 600, 8
SAME = 1e-10
COMMON = "lone == 0 and g not in ('g08', 'g09')"  # rows of levels with more than one
KINDS = (
    *("hessian", "expected", "hc0", "hc1", "hc2", "hc3"),
    *("cluster:g", "cluster:finer", "cluster:coarser", "cluster:across", "cluster:few", "cluster:g,across"),
)


@pytest.fixture(scope="module")
def table() -> dict[str, list]:
    random = np.random.default_rng(5)
    g, across = np.arange(ROWS) % LEVELS, random.integers(40, size=ROWS)
    x, z = random.normal(size=(2, ROWS))
    mu = np.exp(0.8 + 0.3 * x + 0.3 * random.normal(size=LEVELS)[g] + 0.3 * random.normal(size=40)[across])
    y = random.poisson(mu * random.gamma(1.0, 1.0, size=ROWS))
    # A level of one row, the first level of one row too, and a covariate that is seen in one row alone.
    g[0], g[1], y[:8] = 90, 91, y[:8] + 1
    finer = g * 100 + random.integers(4, size=ROWS)
    lone = np.where(np.arange(ROWS) == 7, 1.0, 0.0)
    columns = {"y": y, "x": x, "z": z, "lone": lone, "finer": finer, "across": across, "few": across % 5}
    named = {"g": [f"g{99 - level:02d}" for level in g], "coarser": [f"c{level % 4}" for level in g]}
    return {**{name: values.tolist() for name, values in columns.items()}, **named}


def fits(table: dict[str, list], monkeypatch: pytest.MonkeyPatch, *formulas: str, **options: object) -> list[Fitted]:
    """The fit with the levels of a factor set apart, and without."""
    plain = glmfit.fit(formulas, table, **options)
    with monkeypatch.context() as patched:
        patched.setattr(border, "MANY_LEVELS", 1)
        patched.setattr(border, "WIDEST_BORDER", math.inf)
        return [glmfit.fit(formulas, table, **options), plain]


def alike(found: Fitted, plain: Fitted) -> None:
    assert [(one.code, one.message) for one in found.warnings] == [(one.code, one.message) for one in plain.warnings]
    assert [row.status for row in found.coefficients] == [row.status for row in plain.coefficients]
    for name in ("estimate", "std_error", "p_value", "conf_low"):
        ours, theirs = ([getattr(row, name) for row in one.coefficients] for one in (found, plain))
        np.testing.assert_allclose(ours, theirs, rtol=SAME, atol=SAME, err_msg=name)
    np.testing.assert_allclose(found.covariance.array(), plain.covariance.array(), rtol=1e-8, atol=1e-10)
    for test, known in zip(found.joint_tests, plain.joint_tests, strict=True):
        assert test.statistic == pytest.approx(known.statistic, rel=1e-7, nan_ok=True)


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_covariance(kind: str, table: dict[str, list], monkeypatch: pytest.MonkeyPatch) -> None:
    formula = "y ~ x + z + g" if kind in ("hc2", "hc3") else "y ~ x + z + lone + g"
    where = COMMON if kind in ("hc2", "hc3") else None
    alike(*fits(table, monkeypatch, formula, family="poisson", se=kind, where=where))


def test_so_many_clusters_that_not_all_pairs_are_looked_at(
    table: dict[str, list], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "MOST_CLUSTERS", 1)
    for kind in ("cluster:across", "cluster:few", "cluster:g,coarser"):
        alike(*fits(table, monkeypatch, "y ~ x + z + g", family="poisson", se=kind, where=COMMON))


@pytest.mark.parametrize("kind", ["hessian", "hc0", "cluster:g", "cluster:across", "cluster:coarser"])
def test_several_columns_of_a_level(kind: str, table: dict[str, list], monkeypatch: pytest.MonkeyPatch) -> None:
    """Slopes of the levels, of two covariates, and the levels of a second parameter too."""
    for formulas, family in ((("y ~ x + g + g:x + g:z",), "poisson"), (("y ~ z + g + g:x", "alpha ~ g"), "nb")):
        alike(*fits(table, monkeypatch, *formulas, family=family, se=kind, where=COMMON))


def test_robust_standard_errors_beside_many_levels_are_those_of_sandwich() -> None:
    """220 levels, which are set apart as they are; what clusters do not see has no standard error here."""
    reference = json.loads((ROOT / "tests" / "reference" / "levels" / "levels.json").read_text())
    for kind, errors in reference["errors"].items():
        fit = glmfit.fit("y ~ x + z + g", reference["data"], family="poisson", se=kind)
        found = {row.term: row for row in fit.coefficients}
        shown = [found[term] for term in reference["terms"]]
        np.testing.assert_allclose([row.estimate for row in shown], reference["estimates"], rtol=1e-8)
        seen = [(row.std_error, error) for row, error in zip(shown, errors, strict=True) if row.status is None]
        assert len(seen) == (2 if "cluster:g" in kind else len(shown))
        np.testing.assert_allclose(*zip(*seen, strict=True), rtol=1e-6, err_msg=kind)


def test_levels_on_an_edge_are_separated_without_a_linear_program(
    table: dict[str, list], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Levels of zeros, or of ones, a first level among them; what is left is fitted, dropped or refused as ever."""
    y, g = np.array(table["y"]), np.array(table["g"])
    zeros = {**table, "y": np.where(np.isin(g, ["g93", "g99"]), 0, y).tolist()}
    first = {**table, "y": np.where(np.isin(g, ["g92", "g95"]), 0, y).tolist()}
    ends = {**table, "y": np.where(g == "g94", 1, np.where(np.isin(g, ["g96", "g99"]), 0, y % 2)).tolist()}
    common = {"where": COMMON, "family": "poisson"}
    for formula, data, options in (
        ("y ~ x + z + g", zeros, {"se": "hc1"}),
        ("y ~ x + z + g", zeros, {"separation": "drop"}),
        ("y ~ 0 + g + x", zeros, {"se": "cluster:across"}),
        ("y ~ x + z + g", first, {}),
        ("y ~ x + z + g", first, {"separation": "drop"}),
        ("y ~ x + z + g", ends, {"family": "binomial"}),
        ("y ~ x + g", zeros, {"family": "nb"}),
        ("y ~ x + g", zeros, {"family": "quasi-poisson", "dispersion": "pearson"}),
    ):
        found, plain = fits(data, monkeypatch, formula, **{**common, **options})
        alike(found, plain)
        assert found.identification == plain.identification
        assert found.fit.log_likelihood == pytest.approx(plain.fit.log_likelihood, rel=1e-10, nan_ok=True)
        assert found.fit.deviance == pytest.approx(plain.fit.deviance, rel=1e-9)
        assert found.fit.null_deviance == pytest.approx(plain.fit.null_deviance, rel=1e-9)
    monkeypatch.setattr(border, "MANY_LEVELS", 1)
    monkeypatch.delattr(separation, "decide")
    assert glmfit.fit("y ~ x + z + g", first, **common).identification.separation is not None


@pytest.mark.parametrize(
    "formula",
    ["y ~ u + x + g", "y ~ x + g + u + I(2 * x)", "y ~ 0 + g + u + x", "y ~ u + h + x + g", "y ~ x + g + g:u + g:v"],
)
def test_aliased_columns_beside_levels(formula: str, table: dict[str, list], monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns that are constant within levels: the same give way, by the order of columns."""
    g = [int(level[1:]) for level in table["g"]]
    more = {
        "u": [level % 5 for level in g],
        "v": [x if level % 3 else 1.0 for level, x in zip(g, table["x"], strict=True)],
    }
    more["h"] = [f"h{level % 3}" for level in g]
    monkeypatch.setattr(dependent, "MOST_DENSE_COLUMNS", 0)
    calls = []
    find = rank.dependent_columns
    monkeypatch.setattr(rank, "dependent_columns", lambda *a: calls.append(find(*a)) or calls[-1])
    found, plain = fits({**table, **more}, monkeypatch, formula, family="poisson", where=COMMON)
    alike(found, plain)
    assert plain.identification.aliased
    assert len(calls[0]) == len(plain.identification.aliased)


def test_bias_reduction_and_the_check_of_separation(table: dict[str, list], monkeypatch: pytest.MonkeyPatch) -> None:
    """The leverages of Firth's penalty, and the proof by the score equations that nothing is separated."""
    monkeypatch.setattr(penalised, "EXACT_COLUMNS", 0)
    zeros = {**table, "y": [0 if level == "g94" else y for y, level in zip(table["y"], table["g"], strict=True)]}
    alike(*fits(zeros, monkeypatch, "y ~ x + z + g", family="poisson", bias_reduction="firth", where=COMMON))
    found, plain = fits(table, monkeypatch, "y ~ x + g", "alpha ~ z", family="nb", check_separation=True, where=COMMON)
    alike(found, plain)
    assert found.identification == plain.identification
    monkeypatch.setattr(separation, "MOST_DENSE_COLUMNS", 0)  # beyond which there is no linear program
    found, _ = fits(table, monkeypatch, "y ~ x + g", family="poisson", check_separation=True, where=COMMON)
    assert "separation_undecided" not in [finding.code for finding in found.warnings]
