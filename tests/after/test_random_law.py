"""Predictions and margins after a fit with random effects, against glmmTMB's joint covariance and R's integrate()
(tests/reference/random/write_after.R): estimates to 1e-6, standard errors to 1e-5, as two searches end.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import glmfit
from glmfit.fitted import FittedModel

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "tests" / "reference" / "random"
AFTER = json.loads((REFERENCE / "after.json").read_text())
CASES: dict[str, dict[str, Any]] = {one["name"]: one for one in AFTER["cases"]}
FRAMES = json.loads((REFERENCE / "random.json").read_text())["frames"] | AFTER["frames"]
_FITS: dict[str, FittedModel] = {}


def fitted(name: str) -> FittedModel:
    if name not in _FITS:
        asked = dict(CASES[name]["glmfit"])
        _FITS[name] = glmfit.fit(asked.pop("formulas"), pd.DataFrame(FRAMES[CASES[name]["data"]]), **asked)
    return _FITS[name]


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
