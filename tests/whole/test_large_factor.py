"""A factor of more levels than a matrix is written of: the same numbers from the matrix, from saved models, in JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

import glmfit
from glmfit import memory
from glmfit.after.tested import wald_tests
from glmfit.design import border
from glmfit.errors import DataError, ModelError
from glmfit.report import fit_from_json, to_json
from glmfit.report.saved import model_from_json, model_json
from glmfit.result import Fitted

LEVELS, ROWS = 1_200, 9_600
FORMULA = "y ~ x + g"
SAME = 1e-10


@pytest.fixture(scope="module")
def table() -> dict[str, list]:
    random = np.random.default_rng(11)
    g = np.arange(ROWS) % LEVELS
    x = random.normal(size=ROWS)
    y = random.poisson(np.exp(1 + 0.3 * x + 0.4 * random.normal(size=LEVELS)[g]))
    y[:LEVELS] += 1  # no level without a count
    return {"y": y.tolist(), "x": x.tolist(), "g": [f"g{level:04d}" for level in g]}


@pytest.fixture(scope="module")
def fit(table: dict[str, list]) -> Fitted:
    return glmfit.fit(FORMULA, table, family="poisson")


def test_the_matrix_gives_the_same(fit: Fitted, table: dict[str, list], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(border, "MANY_LEVELS", LEVELS + 1)
    plain = glmfit.fit(FORMULA, table, family="poisson")
    assert fit.covariance.matrix is None
    assert plain.covariance.matrix is not None
    for name in ("estimate", "std_error", "p_value"):
        found, known = ([getattr(row, name) for row in one.coefficients] for one in (fit, plain))
        np.testing.assert_allclose(found, known, rtol=SAME, atol=SAME)
    np.testing.assert_allclose(fit.covariance.array(), plain.covariance.array(), rtol=SAME, atol=1e-14)
    (test,), (known_test,) = fit.joint_tests, plain.joint_tests
    assert test.statistic == pytest.approx(known_test.statistic, rel=SAME)
    assert [finding.code for finding in fit.warnings] == [finding.code for finding in plain.warnings]


def test_the_score_equations_of_every_level_hold(fit: Fitted, table: dict[str, list]) -> None:
    """With its own constant a level's fitted counts add up to what was counted."""
    y, x, g = np.array(table["y"]), np.array(table["x"]), np.arange(ROWS) % LEVELS
    b = np.array([row.estimate for row in fit.coefficients])
    effects = np.concatenate([[0.0], b[2:]])
    mu = np.exp(b[0] + b[1] * x + effects[g])
    np.testing.assert_allclose(np.bincount(g, mu), np.bincount(g, y), rtol=1e-9)
    # With a constant of each level's own, the information on the slope is what is left within levels.
    within = np.bincount(g, mu * x * x) - np.bincount(g, mu * x) ** 2 / np.bincount(g, mu)
    assert fit.coefficients[1].std_error == pytest.approx(within.sum() ** -0.5, rel=1e-9)


def test_json_has_the_matrix_on_request_and_saved_models_its_parts(fit: Fitted) -> None:
    short, long = (json.loads(to_json(fit, covariance=asked))["covariance"] for asked in (False, True))
    assert (short["matrix"], short["low_rank"]) == (None, None)
    assert short["reason"] == "1,201 coefficients have 1,442,401 covariances, which --covariance writes"
    np.testing.assert_allclose(np.array(long["matrix"]), fit.covariance.array(), rtol=1e-15)
    assert long["reason"] is None
    with pytest.raises(DataError, match="was not written"):
        fit_from_json(to_json(fit)).covariance.array()
    saved = model_from_json(model_json(fit), "the model")
    assert saved.covariance == fit.covariance
    (row,) = wald_tests(saved, ["`g[T.g0007]` = `g[T.g0008]`"]).rows
    V = fit.covariance.array()
    at = [row.term for row in fit.coefficients].index("g[T.g0007]")
    error = np.sqrt(V[at, at] + V[at + 1, at + 1] - 2 * V[at, at + 1])
    assert row["std_error"] == pytest.approx(error, rel=1e-12)


def test_what_follows_a_fit_is_the_same_by_parts(
    fit: Fitted, table: dict[str, list], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Predictions, tests of hypotheses and of terms, averages and Wald tests of anova, without a matrix of all."""
    monkeypatch.setattr(border, "MANY_LEVELS", LEVELS + 1)
    plain = glmfit.fit(FORMULA, table, family="poisson")
    rows = {name: values[:50] for name, values in table.items()}
    monkeypatch.setattr(memory, "check_square", lambda size: pytest.fail(f"a matrix of {size}"))
    for ask in (
        lambda model: model.predict(rows, interval="confidence"),
        lambda model: model.test("x = 0.3", "`g[T.g0007]` = 0, `g[T.g0008]` = x", terms=True),
        lambda model: model.margins(rows, terms=("x",)),
    ):
        found, known = ask(fit), ask(plain)
        for name in known.columns:
            if known[name].dtype.kind == "f":
                np.testing.assert_allclose(found[name], known[name], rtol=1e-9, atol=1e-12)


def test_the_search_of_scipy_lays_no_information_out(
    fit: Fitted, table: dict[str, list], monkeypatch: pytest.MonkeyPatch
) -> None:
    def laid_out(size: int) -> None:
        assert size < LEVELS

    monkeypatch.setattr(memory, "check_square", laid_out)
    found = glmfit.fit(FORMULA, table, family="poisson", optimizer="l-bfgs", max_iter=1000)
    assert found.convergence.status == "converged"
    for row, other in zip(found.coefficients, fit.coefficients, strict=True):
        assert row.estimate == pytest.approx(other.estimate, abs=1e-4 * other.std_error)


def test_what_cr2_would_take_is_said_before_it_is_tried(
    table: dict[str, list], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available", lambda: 3 * 10**9)
    with pytest.raises(ModelError, match=r"14 GB.* 1,201 x 1,201 x 1,201 numbers"):
        glmfit.fit(FORMULA, table, family="poisson", se="cluster:x", small_sample="cr2")


@pytest.mark.parametrize("levels", [1_100, 100])  # set apart in a matrix too wide for QR, and side by side
def test_aliased_columns_are_named_by_what_they_are_made_of(levels: int) -> None:
    random = np.random.default_rng(3)
    g = np.tile(np.arange(levels), 3)
    x = random.normal(size=len(g))
    data = {"y": random.normal(size=len(g)), "x": x, "g": g, "h": g % 4, "more": 3 * x - 2, "two": np.isin(g, (7, 8))}
    found = glmfit.fit("y ~ x + C(g) + more + C(h) + I(1.0 * two)", data)
    parts = {one.term: {part.term: part.coefficient for part in one.parts} for one in found.blueprint.aliases}
    assert list(parts) == ["more", "C(h)[T.1]", "C(h)[T.2]", "C(h)[T.3]", "I(1.0 * two)"]
    assert parts["more"] == pytest.approx({"Intercept": -2.0, "x": 3.0}, rel=1e-12)
    assert parts["C(h)[T.2]"] == pytest.approx({f"C(g)[T.{level}]": 1.0 for level in range(2, levels, 4)}, rel=1e-9)
    (said,) = (finding for finding in found.warnings if finding.code == "aliased")
    assert "'more' = -2 + 3 x" in said.message
    assert "= C(g)[T.7] + C(g)[T.8]" in said.message


@pytest.mark.parametrize(("options", "word"), [({"ci": "profile"}, "confint"), ({"se": "wild:cluster"}, "cluster")])
def test_searches_for_very_many_intervals_are_refused(table: dict, options: dict[str, str], word: str) -> None:
    data = {**table, "cluster": np.arange(ROWS) % 30}
    with pytest.raises(ModelError, match=r"would search for both ends of 1,201 intervals") as error:
        glmfit.fit(FORMULA, data, family="poisson", **options)
    assert error.value.code == "too_large"
    assert word in str(error.value.hint)
