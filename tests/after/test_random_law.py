"""What rests on the law of random effects. Predictions and margins against glmmTMB's joint covariance and R's
integrate() (tests/reference/random/write_after.R), to 1e-6, standard errors to 1e-5, as two searches end; residuals
and draws against what they are by definition.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from random_fits import once

import glmfit
from glmfit.after.conditional import with_random

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "tests" / "reference" / "random"
AFTER = json.loads((REFERENCE / "after.json").read_text())
CASES: dict[str, dict[str, Any]] = {one["name"]: one for one in AFTER["cases"]}
FRAMES = json.loads((REFERENCE / "random.json").read_text())["frames"] | AFTER["frames"]
fitted = once(CASES, FRAMES)


@pytest.mark.parametrize("name", sorted(CASES))
def test_predictions_of_known_and_of_any_levels_are_those_of_glmmtmb(name: str) -> None:
    case, fit, new = CASES[name], fitted(name), pd.DataFrame(CASES[name]["new"])
    known = fit.predict(new, "link")
    assert list(known["estimate"]) == pytest.approx(case["include"]["link"], rel=1e-6)
    assert list(known["std_error"]) == pytest.approx(case["include"]["error"], rel=1e-5)
    mean = fit.predict(new, random="population", interval="prediction")
    assert list(mean["estimate"]) == pytest.approx(case["population"]["mean"], rel=1e-6)
    assert list(mean["std_error"]) == pytest.approx(case["population"]["error"], rel=1e-5)
    if "quantiles" in case:
        assert mean[["pred_low", "pred_high"]].to_numpy().tolist() == case["quantiles"]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "average" in case])
def test_margins_are_averages_over_random_effects(name: str) -> None:
    case, fit, data = CASES[name]["average"], fitted(name), pd.DataFrame(FRAMES[CASES[name]["data"]])
    mean = fit.margins(data, at="observed").iloc[0]
    slope = fit.margins(data).iloc[0]
    found = [mean["estimate"], mean["std_error"], slope["estimate"], slope["std_error"]]
    known = [case[key] for key in ("mean", "mean_error", "slope", "slope_error")]
    assert found == [pytest.approx(one, rel=rel) for one, rel in zip(known, [1e-6, 1e-5] * 2, strict=True)]


def test_residuals_at_any_level_are_those_of_the_mixture() -> None:
    fit, data = fitted("sleepstudy"), pd.DataFrame(FRAMES["sleepstudy"])
    found = fit.residuals(data, random="population")
    mean = fit.predict(data, random="population", interval="prediction")
    assert list(found["fitted"]) == pytest.approx(list(mean["estimate"]))
    spread = (mean["pred_high"] - mean["estimate"]) / fit.opened().reference.quantile(0.95)
    deviation = np.sqrt(spread**2 - mean["std_error"] ** 2)  # a gaussian mixture of gaussians is one
    assert list(found["quantile"]) == pytest.approx(list(found["response"] / deviation), rel=1e-9)
    assert found["pearson"].isna().all()


def test_effects_drawn_given_the_data_have_the_modes_and_their_errors() -> None:
    fit = fitted("crossed")
    model = fit.opened()
    known = [(mode.estimate, mode.std_error) for term in fit.random_effects.terms for mode in term.modes or ()]
    drawn = np.array(
        [with_random(model, "drawn", ("drawn",), seed).theta[-len(known) :].numpy() for seed in range(400)]
    )
    modes, errors = np.array(known).T
    assert np.abs((drawn.mean(axis=0) - modes) / errors).max() < 4 / math.sqrt(400)
    assert np.abs(drawn.std(axis=0) / errors - 1).max() < 4 / math.sqrt(800)


def test_simulated_responses_have_random_effects_of_their_levels() -> None:
    fit, data = fitted("slopes"), pd.DataFrame(FRAMES["sim"])
    draws = fit.simulate(data, 1500, seed=4).to_numpy()
    error = draws.std(axis=1) / math.sqrt(1500)
    mean = fit.predict(data, random="population", interval="none")["estimate"].to_numpy()
    assert np.abs((draws.mean(axis=1) - mean) / error).max() < 5
    assert np.sqrt((((draws.mean(axis=1) - mean) / error) ** 2).mean()) < 1.3
    same = data["g"].to_numpy() == data["g"][0]
    correlation = np.corrcoef(np.sqrt(draws))[0]
    assert correlation[same][1:].mean() > 0.1 > np.abs(correlation[~same]).max()
    known = fit.simulate(data, 1500, seed=4, random="include").to_numpy()
    assert np.abs((known.mean(axis=1) - fit.predict(data, interval="none")["estimate"]) / error).max() < 5


def test_checks_of_a_true_model_find_nothing_and_its_own_rows_need_no_option() -> None:
    random = np.random.default_rng(6)
    g, x = np.repeat(np.arange(40), 12), random.normal(size=480)
    y = random.poisson(np.exp(0.3 + 0.4 * x + random.normal(size=40)[g] * 0.8)).astype(float)
    y[7] = np.nan
    data = pd.DataFrame({"y": y, "x": x, "g": g})
    fit = glmfit.fit("y ~ x + (1 | g)", data, family="poisson")
    checks = fit.check(data).set_index("check")
    assert {"dispersion", "zeros", "uniformity", "outliers", "link"} == set(checks.index)
    assert (checks["p_value"] > 0.01).all()
    plain = glmfit.fit("y ~ x", data, family="poisson")
    assert "more spread" in plain.check(data).set_index("check")["verdict"]["dispersion"]
    assert math.isnan(plain.residuals(data)["response"][7])
    with pytest.raises(glmfit.errors.DataError, match="'y' is missing in row 8"):
        plain.residuals(data.iloc[::-1].reset_index(drop=True).iloc[::-1][:100])


def test_effects_of_two_parameters_are_integrated_together() -> None:
    data = pd.DataFrame(FRAMES["sim"])
    fit = glmfit.fit(["zeros ~ x + (1 | g)", "zero ~ 1 + (1 | h)"], data, family="zero-inflated-poisson")
    mean, mu, zero = (
        fit.predict(data[:6], of, random="population")["estimate"].to_numpy() for of in ("mean", "mu", "parameter:zero")
    )
    assert mean == pytest.approx((1 - zero) * mu, rel=1e-9)  # the two are independent
    size = fit.random_effects.terms[0].deviations[0].estimate
    centre = fit.predict(data[:6], "mu", random="zero")["estimate"].to_numpy()
    assert mu == pytest.approx(centre * math.exp(0.5 * size**2), rel=1e-9)
