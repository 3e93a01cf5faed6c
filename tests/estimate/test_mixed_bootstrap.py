"""The parametric bootstrap with random effects: against closed forms of a balanced layout, and lme4's replicates.

Tolerances are four Monte Carlo standard errors: of a mean s / sqrt(B), of a standard deviation s sqrt((k - 1) / 4 B),
with the kurtosis k of tests/reference/random/write_bootstrap.R, whose own errors are added.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import glmfit
from glmfit.estimate import mixed_bootstrap
from glmfit.estimate.bootstrap import Asked
from glmfit.estimate.mixed import MixedMaximum, fitted_model, maximise
from glmfit.estimate.mixed_bootstrap import Replicate, drawn, replicates
from glmfit.model import Model
from glmfit.rows import read
from glmfit.spec import ModelSpec

REFERENCE = Path(__file__).parents[1] / "reference" / "random"
CASES: list[dict[str, Any]] = json.loads((REFERENCE / "bootstrap.json").read_text(encoding="utf-8"))["cases"]
EPIL = Path(__file__).parents[2] / "sample_data" / "epil.csv"
ERRORS = 4.0
GROUPS, EACH = 12, 5
DRAWS = 1000


def found_in(frame: pd.DataFrame, formula: str, **asked: Any) -> tuple[ModelSpec, Model, MixedMaximum]:
    data, model = fitted_model(read(ModelSpec(formulas=(formula,), **asked), frame))
    return data.spec, model, maximise(data, model, None, None)


def sleepstudy() -> pd.DataFrame:
    frames = json.loads((REFERENCE / "random.json").read_text(encoding="utf-8"))["frames"]
    return pd.DataFrame(frames["sleepstudy"])


def sums_of_squares(y: np.ndarray) -> tuple[float, float]:
    """Between and within groups of a balanced layout."""
    table = y.reshape(GROUPS, EACH)
    means = table.mean(axis=1)
    return float(EACH * ((means - y.mean()) ** 2).sum()), float(((table - means[:, None]) ** 2).sum())


def test_a_balanced_layout_has_the_replicates_of_its_closed_forms() -> None:
    """REML: between / (phi + n v) and within / phi are chi-square, and estimates are functions of these."""
    random = np.random.default_rng(3)
    y = 10 + np.repeat(random.normal(0, 0.5, GROUPS), EACH) + random.normal(0, 1, GROUPS * EACH)
    frame = pd.DataFrame({"y": y, "g": np.repeat([f"g{i}" for i in range(GROUPS)], EACH)})
    spec, model, found = found_in(frame, "y ~ 1 + (1 | g)", reml=True)
    df = np.array([GROUPS - 1, GROUPS * (EACH - 1)])
    between, phi = np.array(sums_of_squares(y)) / df
    assert between > phi

    responses = [drawn(found, np.random.default_rng([7, b])) for b in range(DRAWS)]
    scaled = np.array([sums_of_squares(one) for one in responses]) / [between, phi]
    assert np.abs(scaled.mean(axis=0) - df).max() < ERRORS * np.sqrt(2 * df / DRAWS).max()
    kurtosis = 3 + 12 / df
    assert np.all(np.abs(np.log(scaled.var(axis=0) / (2 * df))) < ERRORS * np.sqrt((kurtosis - 1) / DRAWS))
    centre = (np.mean(responses, axis=1) - y.mean()) / np.sqrt(between / len(y))
    assert abs(centre.mean()) < ERRORS / np.sqrt(DRAWS)
    assert abs(np.log(centre.var())) < ERRORS * np.sqrt(2 / DRAWS)

    every = replicates(model, found, spec, Asked(replicates=20, seed=7), None)
    zero = 0
    for one, drawn_here in zip(every, responses, strict=False):
        squares = sums_of_squares(drawn_here)
        a, e = np.array(squares) / df
        v, scale = ((a - e) / EACH, e) if a > e else (0.0, sum(squares) / (len(y) - 1))
        zero += v == 0
        assert one.status == "ok"
        assert one.coefficients == pytest.approx([drawn_here.mean(), np.log(scale)], abs=1e-6)
        assert one.variances == pytest.approx([np.sqrt(v)], abs=1e-6)
    assert 0 < zero < len(every)
    few = replicates(model, found, spec, Asked(replicates=2, seed=7), None)
    assert [one.variances for one in few] == [one.variances for one in every[:2]]


@pytest.mark.parametrize(("case", "count"), [(CASES[0], 30), (CASES[1], 8)], ids=[one["name"] for one in CASES])
def test_replicates_have_the_distribution_of_those_of_lme4(case: dict[str, Any], count: int) -> None:
    frame = sleepstudy() if case["name"] == "slopes" else pd.read_csv(EPIL)
    spec, model, found = found_in(frame, case["formula"], family=case["family"])
    every = replicates(model, found, spec, Asked(replicates=count), None)
    assert {one.status for one in every} == {"ok"}
    mine = np.array([[*one.coefficients[: model.size - (case["name"] == "slopes")], *one.variances] for one in every])
    if case["name"] == "slopes":
        phi = np.array([one.coefficients[-1] for one in every])
        mine = np.column_stack([mine, np.exp(phi / 2)])
    size, kurtosis = np.array(case["sd"]), np.array(case["kurtosis"])
    share = np.sqrt(1 / count + 1 / case["replicates"])
    assert np.all(np.abs(np.nanmean(mine, axis=0) - case["mean"]) < ERRORS * size * share)
    assert np.all(np.abs(np.log(np.nanstd(mine, axis=0, ddof=1) / size)) < ERRORS * np.sqrt((kurtosis - 1) / 4) * share)


def test_intervals_are_percentiles_and_replicates_that_fail_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 99 replicates the ends of a 90 % interval are the 5th and the 95th; those without an estimate are left out."""
    order = np.random.default_rng(2).permutation(99) + 1.0
    every = [Replicate(np.array([b, -b, 0.0]), np.array([b, 2 * b, b / 100]), "ok") for b in order]
    nothing = np.full(3, np.nan)
    every += [Replicate(nothing, nothing, "failed"), Replicate(nothing, np.array([50.0, 0.0, np.nan]), "not_converged")]
    monkeypatch.setattr(mixed_bootstrap, "replicates", lambda *_: every)
    fit = glmfit.fit("Reaction ~ Days + (Days | Subject)", sleepstudy(), ci="bootstrap:101", level=0.9)
    assert fit.bootstrap is not None
    assert fit.random_effects is not None
    term = fit.random_effects.terms[0]
    rows = [*fit.coefficients[:2], term.deviations[0], *term.correlations]
    assert [one.conf_low for one in rows] == pytest.approx([5, -95, 5.1, 0.05], abs=0.2)
    assert [one.conf_high for one in rows] == pytest.approx([95, -5, 95, 0.95], abs=0.2)
    assert fit.bootstrap.by == "parametric"
    assert fit.bootstrap.failures == {"failed": 1, "not_converged": 1}
    assert fit.bootstrap.missing["(1 + Days | Subject): corr Intercept, Days"] == 2
    finding = next(one for one in fit.warnings if one.code == "replicates_failed")
    assert "2 do not determine '(1 + Days | Subject): corr Intercept, Days'" in finding.message
