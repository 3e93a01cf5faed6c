"""Residuals and influence against R: every case of tests/reference/after/residuals.json, by residuals.R beside it.

Each model is saved and read again in between. Run as a program, it prints the worst differences.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtri

from glmfit import fit_spec
from glmfit.after.newdata import Asked
from glmfit.after.residuals import SEED, residual_runs
from glmfit.after.saved import SavedModel, open_model
from glmfit.report.saved import model_from_json, model_json
from glmfit.spec import ModelSpec
from glmfit.table import open_data

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT: dict[str, Any] = json.loads((ROOT / "tests" / "reference" / "after" / "residuals.json").read_text())
CASES: list[dict[str, Any]] = DOCUMENT["cases"]
# Relative, and absolute where the reference is below 1 in size. R's weights are those of its last iteration but one.
TOLERANCE = 1e-8


def saved(case: dict[str, Any]) -> SavedModel:
    """The model of a case, from its file."""
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in case["spec"].items()}
    fitted = fit_spec(ModelSpec(**fields), str(ROOT / "tests" / "reference" / "data" / "interior.csv"))
    return open_model(model_from_json(model_json(fitted), "model"))


def differences(case: dict[str, Any]) -> dict[str, float]:
    """The worst difference of each column."""
    _, runs = residual_runs(saved(case), open_data(str(ROOT / case["data"])), Asked(), dfbeta=True)
    (run,) = runs
    expected = {name: np.array(values, dtype=float) for name, values in case["columns"].items()}
    if "below" in expected:
        below, at, above, from_y = (expected.pop(name) for name in ("below", "at", "above", "from"))
        share = np.random.default_rng(SEED).random(run.n)
        low, high = below + share * (at - below), above + (1 - share) * (from_y - above)
        expected["quantile"] = np.where(low < high, ndtri(low), -ndtri(high))
    own = [name for name in run.values if name.startswith("dfbeta[")]
    expected |= dict(zip(own, map(np.array, case.get("dfbeta", ())), strict="dfbeta" in case))
    worst = {}
    for name, values in expected.items():
        size = np.maximum(1.0, np.abs(values))
        worst[name] = float((np.abs(run.values[name] - values) / size).max())
    return worst


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_residuals_are_those_of_r(case: dict[str, Any]) -> None:
    assert {name: worst for name, worst in differences(case).items() if not worst <= TOLERANCE} == {}


if __name__ == "__main__":
    for one in CASES:
        print(one["name"], {key: f"{value:.2g}" for key, value in differences(one).items()})
