"""`glmfit margins` against R and Python's marginaleffects (tests/reference/after), and what it refuses.

`python tests/after/test_margins.py` prints the worst differences.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from glmfit import fit_spec
from glmfit.after.margins import Request, margins
from glmfit.after.newdata import Asked
from glmfit.after.saved import SavedModel, open_model
from glmfit.report.saved import model_from_json, model_json
from glmfit.spec import ModelSpec
from glmfit.table import open_data

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "tests" / "reference" / "after"
CASES: list[dict[str, Any]] = json.loads((REFERENCE / "margins.json").read_text())
PYTHON: list[dict[str, Any]] = json.loads((REFERENCE / "margins_python.json").read_text())
IDS = [case["name"] for case in CASES]
SINGLE_STEP = 1e-4  # absolute: both integrals are quasi-random
WORDS = ("kind", "term", "contrast", "level", "by", "at")


@cache
def saved(data: str, spec: str) -> SavedModel:
    """A model from its file."""
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in json.loads(spec).items()}
    fitted = fit_spec(ModelSpec(**fields), str(ROOT / data))
    return open_model(model_from_json(model_json(fitted), "model.json"))


def answered(case: dict[str, Any]) -> Any:
    model = saved(case["data"], json.dumps(case["spec"]))
    asked = {key: tuple(value) if isinstance(value, list) else value for key, value in dict(case["asked"]).items()}
    return margins(model, open_data(str(ROOT / case["data"])), Asked(), Request(**asked))


def same(found: Any, expected: Any) -> bool:
    """Whether labels are the same, numbers among them to 12 digits."""
    if not isinstance(expected, dict):
        return bool(found == (pytest.approx(expected, rel=1e-12) if isinstance(expected, float) else expected))
    return found.keys() == expected.keys() and all(same(found[name], one) for name, one in expected.items())


def differences(case: dict[str, Any]) -> dict[str, float]:
    """The worst relative difference of estimates (of those near 0 in standard errors), and of all that rests on a
    covariance; p-values absolutely."""
    worst = {"estimate": 0.0, "std_error": 0.0, "p": 0.0, "adjusted": 0.0}
    rows = answered(case).rows
    assert len(rows) == len(case["rows"])
    for row, expected in zip(rows, case["rows"], strict=True):
        for word in WORDS:
            assert same(row[word], expected.get(word, {} if word in ("at", "by") else None)), word
        for name in expected.keys() - set(WORDS):
            kind = {"p_value": "p", "p_adjusted": "adjusted", "estimate": "estimate"}.get(name, "std_error")
            difference = abs(row[name] - expected[name])
            size = max(abs(expected[name]), expected["std_error"] if kind == "estimate" else 0.0)
            relative = difference if kind in ("p", "adjusted") else difference / size
            worst[kind] = max(worst[kind], relative)
    return worst


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_margins_are_those_of_r(case: dict[str, Any]) -> None:
    worst, tolerance = differences(case), case["tolerance"]
    assert worst["estimate"] <= tolerance["estimate"]
    assert worst["std_error"] <= tolerance["std_error"]
    assert worst["p"] <= tolerance["std_error"]
    assert worst["adjusted"] <= (SINGLE_STEP if dict(case["asked"]).get("adjust") == "single-step" else 1e-8)


def python_differences(case: dict[str, Any]) -> tuple[float, float]:
    """The worst of estimates, and of standard errors, statistics and intervals, in standard errors."""
    rows = {(row["term"], row["contrast"], str(row["by"])): row for row in answered(case).rows}
    worst = [0.0, 0.0]
    for expected in case["rows"]:
        contrast = None if expected["contrast"] == "dY/dX" else expected["contrast"]
        row = rows[expected["term"], contrast, str(expected.get("by", {}))]
        for name in expected.keys() - {"term", "contrast", "by"}:
            size = 1.0 if name == "statistic" else expected["std_error"]
            worst[name != "estimate"] = max(worst[name != "estimate"], abs(row[name] - expected[name]) / size)
    return worst[0], worst[1]


@pytest.mark.parametrize("case", PYTHON, ids=[case["name"] for case in PYTHON])
def test_margins_are_those_of_marginaleffects_and_statsmodels(case: dict[str, Any]) -> None:
    """marginaleffects differentiates by steps, and its standard errors of slopes by steps of steps: 4 digits are left."""
    estimate, others = python_differences(case)
    assert estimate <= 1e-8
    assert others <= (1e-3 if case["name"].startswith("logit") else 1e-6)


if __name__ == "__main__":
    for one in PYTHON:
        print(one["name"], python_differences(one))
    for one in CASES:
        try:
            print(one["name"], {key: f"{value:.2g}" for key, value in differences(one).items()})
        except Exception as error:
            print(one["name"], type(error).__name__, str(error)[:300])
