"""Penalised partial likelihoods, which are no sums over rows, against glmnet's (tests/reference/shrink/cox.R)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glmfit
from glmfit.commands.app import main
from glmfit.errors import ModelError

REFERENCE = Path(__file__).resolve().parent.parent / "reference" / "shrink"
KNOWN = json.loads((REFERENCE / "cox.json").read_text())
SAMPLES = Path(__file__).resolve().parents[2] / "sample_data"
EFRON = (SAMPLES / "likelihoods" / "cox.py").read_text()
BRESLOW = EFRON.replace("share = rank / torch.bincount(when)[when]", "share = 0 * rank")
TERMS = " + ".join(f"x{j}" for j in range(1, 11))


@pytest.fixture
def breslow(tmp_path: Path) -> str:
    file = tmp_path / "breslow.py"
    file.write_text(BRESLOW.replace("data.status", "data.died"))
    return str(file)


def fitted(case: dict[str, Any], family: str, **options: Any) -> Any:
    return glmfit.fit(
        f"{case['time']} ~ {TERMS}",
        REFERENCE / "survival.csv",
        family=family,
        elastic_net=case["alpha"],
        standardize=case["standardize"],
        penalty_factors={"x1": 0, "x2": 2} if case["factors"] else {},
        **options,
    )


@pytest.mark.parametrize("case", KNOWN["cases"], ids=lambda case: f"{case['time']}-{case['alpha']}")
def test_paths_are_those_of_glmnet(case: dict[str, Any], breslow: str) -> None:
    path = fitted(case, breslow).shrinkage.path
    shared = min(len(path), len(case["lambda"]))
    np.testing.assert_allclose([one.strength for one in path[:shared]], case["lambda"][:shared], rtol=1e-9)
    assert all(one.converged for one in path)
    at = [k for k in case["at"] if k < shared]
    assert len(at) >= 5
    for k, expected in zip(at, case["coefficients"], strict=False):
        found = np.zeros(10)
        found[list(path[k].places)] = path[k].estimates
        np.testing.assert_allclose(found, expected, atol=5e-7, rtol=5e-7)


def test_rows_left_out_are_judged_by_what_they_add(breslow: str) -> None:
    shrunk = fitted(KNOWN["cases"][0], breslow, cv_folds="fold").shrinkage
    sums = 150 * np.array([one.cv_mean for one in shrunk.path])
    shared = min(len(sums), len(KNOWN["cv"]["sum"]))
    np.testing.assert_allclose(sums[:shared], KNOWN["cv"]["sum"][:shared], rtol=1e-7)
    assert shrunk.cv.strength_min == pytest.approx(KNOWN["cv"]["min"], rel=1e-9)


def test_it_is_written_and_what_has_no_meaning_refused(capsys: pytest.CaptureFixture[str]) -> None:
    cox = str(SAMPLES / "likelihoods" / "cox.py")
    asked = ["fit", str(SAMPLES / "veteran.csv"), "time ~ trt + celltype + karno + age", "--family", cox]
    assert main([*asked, "--lasso", "path", "--cv", "5", "--strength", "1se"]) == 0
    told = capsys.readouterr().out
    assert "No standard errors and no p-values" in told
    assert "of 6" in told
    for option in ("--group-terms", "--se hc1"):
        assert main([*asked, "--lasso", "0.1", *option.split()]) == 3
        assert "glmfit explain shrinkage_excludes" in capsys.readouterr().err


def test_a_likelihood_without_a_vector_of_the_columns_is_refused() -> None:
    family = str(SAMPLES / "likelihoods" / "mixture.py")
    with pytest.raises(ModelError, match="no parameter has an element for each column") as caught:
        glmfit.fit("waiting ~ eruptions", SAMPLES / "faithful.csv", family=family, lasso=0.1)
    assert caught.value.code == "nothing_penalised"
