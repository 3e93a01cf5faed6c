"""Predictions on new rows against R: every case of tests/reference/after/predict.json, written by predict.R beside it.

Each model is saved and read again in between. Run as a program, it prints the worst differences.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glmfit import fit_spec
from glmfit.after.newdata import Asked
from glmfit.after.predict import predictions
from glmfit.after.saved import SavedModel, open_model
from glmfit.report.saved import model_from_json, model_json
from glmfit.spec import ModelSpec
from glmfit.table import open_data

ROOT = Path(__file__).resolve().parents[2]
CASES: list[dict[str, Any]] = json.loads((ROOT / "tests" / "reference" / "after" / "predict.json").read_text())
INTERVAL = 1e-8  # relative, or absolute below 1


@cache
def saved(index: int) -> SavedModel:
    """The model of a case, from its file."""
    case = CASES[index]
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in case["spec"].items()}
    fitted = fit_spec(ModelSpec(**fields), str(ROOT / case["data"]))
    return open_model(model_from_json(model_json(fitted), case["name"]))


def differences(index: int) -> dict[str, float]:
    """The worst difference of each kind of number: relative, or absolute where the reference is below 1 in size."""
    case, worst = CASES[index], {"estimate": 0.0, "std_error": 0.0, "interval": 0.0}
    for of, expected in case["of"].items():
        interval = "prediction" if "pred_low" in expected else "confidence"
        (run,) = predictions(saved(index), open_data(str(ROOT / case["new"])), Asked(), of, interval)
        for name, values in expected.items():
            reference, found = np.array(values), run.values[name].reshape(-1)
            kind = name if name in worst else "interval"
            size = np.abs(reference) if kind == "std_error" else np.maximum(1.0, np.abs(reference))
            worst[kind] = max(worst[kind], float((np.abs(found - reference) / size).max()))
    return worst


@pytest.mark.parametrize("index", range(len(CASES)), ids=[case["name"] for case in CASES])
def test_predictions_are_those_of_r(index: int) -> None:
    worst, tolerance = differences(index), CASES[index]["tolerance"]
    assert worst["estimate"] <= tolerance["estimate"]
    assert worst["std_error"] <= tolerance["std_error"]
    assert worst["interval"] <= INTERVAL


if __name__ == "__main__":
    for at, one in enumerate(CASES):
        try:
            print(one["name"], {key: f"{value:.2g}" for key, value in differences(at).items()})
        except Exception as error:
            print(one["name"], type(error).__name__, error)
