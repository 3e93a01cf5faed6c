"""Offsets, exposures and weights that are arithmetic of columns are R's, in the fit and on new rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glmfit
from glmfit.after.saved import open_model
from glmfit.errors import DataError, GlmfitError, UsageError
from glmfit.report.saved import model_from_json, model_json

ROOT = Path(__file__).resolve().parents[2]
CASES = json.loads((ROOT / "tests" / "reference" / "roles" / "roles.json").read_text())
INSURANCE = str(ROOT / "sample_data" / "insurance.csv")


@pytest.mark.parametrize("case", CASES, ids=lambda case: "".join(case["options"]))
def test_they_are_those_of_r(case: dict[str, Any]) -> None:
    data = str(ROOT / "sample_data" / f"{case['data']}.csv")
    fit = glmfit.fit(case["formula"], data, family=case["family"], **case["options"])
    assert [row.estimate for row in fit.coefficients] == pytest.approx(case["estimate"], rel=1e-8)
    assert [row.std_error for row in fit.coefficients] == pytest.approx(case["std_error"], rel=1e-6)
    assert fit.fit.log_likelihood == pytest.approx(case["log_likelihood"], rel=1e-8)
    assert fit.fit.null_deviance == pytest.approx(case["null_deviance"], rel=1e-8)
    again = open_model(model_from_json(model_json(fit), "model.json"))
    assert again.fit.model == fit.model
    found = fit.predict(data)["estimate"][:3].to_numpy()
    assert found == pytest.approx(np.array(case["prediction"]), rel=1e-8)


def test_a_column_wins_over_what_its_name_means() -> None:
    columns = {"y": [1.0, 2.0, 4.0, 3.0], "a": [1.0, 1.0, 2.0, 5.0], "log(a)": [1.0, 2.0, 3.0, 4.0], "w": [1, 2, 1, 1]}
    named = glmfit.fit("y ~ 1", columns, offset="log(a)")
    other = glmfit.fit("y ~ 1", {**columns, "o": columns["log(a)"]}, offset="o")
    meant = glmfit.fit("y ~ 1", {name: columns[name] for name in ("y", "a", "w")}, offset="log(a)")
    assert named.coefficients == other.coefficients != meant.coefficients
    assert glmfit.fit("y ~ .", columns, weights="1/w").coefficients[-1].term == "log(a)"  # w is no covariate


def test_new_rows_need_the_columns() -> None:
    fit = glmfit.fit("Claims ~ District", INSURANCE, family="poisson", offset="log(Holders)")
    new = {"District": [1, 2], "Holders": [10.0, 20.0], "n": [10.0, 20.0]}
    same = fit.predict(new)["estimate"].to_numpy()
    assert fit.predict({name: new[name] for name in ("District", "n")}, offset="log(n)")["estimate"].to_numpy() == (
        pytest.approx(same, rel=1e-14)
    )
    with pytest.raises(DataError, match=r"has the offset 'log\(Holders\)', and .* has no such column"):
        fit.predict({"District": [1, 2]})
    with pytest.raises(GlmfitError, match="row 2"):
        fit.predict({**new, "Holders": [10.0, 0.0]})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"offset": "center(Holders)"}, "depends on the rows used"),
        ({"offset": "3"}, "contains no column"),
        ({"weights": "C(District)"}, "several columns"),
        ({"weights": "1 +"}, "--weights: "),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        glmfit.fit("Claims ~ Age", INSURANCE, family="poisson", **options)
