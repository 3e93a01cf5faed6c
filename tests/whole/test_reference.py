"""Fits against R: every case of tests/reference/*.json, written by the R scripts beside them (R is not needed here).

`python tests/whole/test_reference.py [FILE.json ...]` prints the number of cases and the worst differences.
A key that a case leaves out is not compared; null in a case must be NaN in the fit.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glmfit import fit_spec
from glmfit.after.newdata import Asked
from glmfit.after.rows import Tally, observed_rows, row_log_likelihoods
from glmfit.after.saved import open_model
from glmfit.report.saved import model_from_json, model_json
from glmfit.result import Fitted
from glmfit.spec import ModelSpec
from glmfit.table import open_data

ROOT = Path(__file__).resolve().parents[2]
FILES = tuple(sorted((ROOT / "tests" / "reference").glob("*.json")))

# Relative, and absolute where the reference is below 1 in size: both sides solve the score equations to rounding error.
ESTIMATE = 1e-8
# Relative: a standard error inherits the estimate's error through the Hessian, times the condition of the model matrix.
STD_ERROR = 1e-6
# Relative, and absolute where the reference is below 1 in size; sums over rows, flat at the maximum.
STATISTIC = 1e-8
# A p-value's relative error is that of its statistic times about its square (the slope of log p); this many times over.
P_VALUE = 2 * STD_ERROR
TUPLES = ("formulas", "x", "na", "levels", "relax")


def load_cases() -> list[dict[str, Any]]:
    """Every case of every file, named `file/name`."""
    cases = []
    for path in FILES:
        for case in json.loads(path.read_text()):
            cases.append({**case, "name": f"{path.stem}/{case['name']}"})
    return cases


CASES = load_cases()


def build_spec(fields: Mapping[str, Any]) -> ModelSpec:
    """The specification, JSON lists made into tuples."""
    values: dict[str, Any] = {key: tuple(value) if key in TUPLES else value for key, value in fields.items()}
    return ModelSpec(**values)


@cache
def fit_case(index: int) -> Fitted:
    """The fit of one case; each is fitted once for all the tests that look at it."""
    case = CASES[index]
    return fit_spec(build_spec(case["spec"]), str(ROOT / case["data"]))


def relative(value: float, reference: float) -> float:
    """|value - reference| / |reference|; 0 where both are 0."""
    return abs(value - reference) / abs(reference) if reference else abs(value)


def difference(value: float, reference: float | None) -> float:
    """Relative above 1 and absolute below it; NaN agrees with null alone, and with anything else never."""
    if reference is None:
        return 0.0 if math.isnan(value) else math.inf
    return math.inf if math.isnan(value) else abs(value - reference) / max(1.0, abs(reference))


def rows(case: Mapping[str, Any], fit: Fitted) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Pairs of (fitted, reference) coefficient, matched by parameter and term; both sides must have the same ones."""
    fitted = {(row.parameter, row.term): row for row in fit.coefficients}
    expected = {(row["parameter"], row["term"]): row for row in case["coefficients"]}
    assert set(fitted) == set(expected)
    for key, row in expected.items():
        yield fitted[key], row


def estimate_tolerance(case: Mapping[str, Any]) -> float:
    """The file-wide tolerance, or the case's own, which comes with a reason."""
    return case["tolerance"]["estimate"] if case.get("tolerance") else ESTIMATE


every_case = pytest.mark.parametrize("index", range(len(CASES)), ids=[case["name"] for case in CASES])


def test_there_are_enough_cases() -> None:
    families = {case["spec"]["family"] for case in CASES}
    links = {link.split(":")[0] for case in CASES for link in case["spec"].get("links", {}).values()}
    assert len(CASES) >= 100
    assert len(families) >= 20
    assert len(links) == 12


@every_case
def test_coefficients(index: int) -> None:
    case = CASES[index]
    for row, expected in rows(case, fit_case(index)):
        assert difference(row.estimate, expected["estimate"]) <= estimate_tolerance(case), row.term


@every_case
def test_standard_errors(index: int) -> None:
    for row, expected in rows(CASES[index], fit_case(index)):
        if expected["std_error"] is not None:
            assert relative(row.std_error, expected["std_error"]) <= STD_ERROR, row.term


@every_case
def test_p_values(index: int) -> None:
    case, fit = CASES[index], fit_case(index)
    if "p_values" not in case:
        pytest.skip("the reference has no p-values")
    assert fit.statistic == case["statistic"]
    for (row, _), p_value in zip(rows(case, fit), case["p_values"], strict=True):
        if p_value is not None:
            assert relative(row.p_value, p_value) <= P_VALUE * max(1.0, row.statistic**2), row.term
    for row, df in zip(fit.coefficients, case.get("df", ()), strict="df" in case):
        assert row.df is not None
        assert relative(row.df, df) <= STD_ERROR, row.term


@every_case
def test_dispersion_and_auxiliary(index: int) -> None:
    case, fit = CASES[index], fit_case(index)
    if "dispersion" in case:
        assert difference(fit.dispersion.estimate, case["dispersion"]) <= STATISTIC
    estimated = {auxiliary.name: auxiliary for auxiliary in fit.auxiliary if not auxiliary.fixed}
    assert set(estimated) == {auxiliary["name"] for auxiliary in case["auxiliary"]}
    for expected in case["auxiliary"]:
        assert difference(estimated[expected["name"]].estimate, expected["estimate"]) <= estimate_tolerance(case)
        if expected["std_error"] is not None:
            assert relative(estimated[expected["name"]].std_error, expected["std_error"]) <= STD_ERROR


@every_case
def test_fit_statistics(index: int) -> None:
    case, fit = CASES[index], fit_case(index)
    for name, reference in case["fit"].items():
        assert difference(getattr(fit.fit, name), reference) <= STATISTIC, name


@every_case
def test_a_reference_is_a_fit_to_trust(index: int) -> None:
    fit = fit_case(index)
    assert fit.exit_code == 0, fit.convergence


@every_case
def test_a_saved_model_sees_the_rows_of_the_fit(index: int) -> None:
    """Their fingerprint is that of the fit, and their log-likelihoods add up to its own."""
    case, fit = CASES[index], fit_case(index)
    text = model_json(fit)
    model = open_model(model_from_json(text, case["name"]))
    assert model_json(model.fit) == text or case["spec"].get("fixed")  # 4 held is 4.0 held
    if model.family.grouped:
        return  # whose groups are no part of new data
    tally, path, asked = Tally(), str(ROOT / case["data"]), Asked(missing="keep")
    for run in observed_rows(model, open_data(path), asked):
        tally.add(run)
    assert tally.fingerprint(model) == fit.blueprint.fingerprint
    if not model.family.quasi:
        rows_of_data = row_log_likelihoods(model, open_data(path), asked)
        assert np.isfinite(rows_of_data).sum() == fit.data.rows_used
        assert difference(float(np.nansum(rows_of_data)), fit.fit.log_likelihood) <= STATISTIC


def main(paths: list[str]) -> None:
    """Print, for the files named or for all, the number of cases and the worst coefficient and standard error."""
    chosen = {Path(path).stem for path in paths} or {path.stem for path in FILES}
    worst: dict[str, tuple[float, str]] = {"coefficient": (0.0, "none"), "standard error": (0.0, "none")}
    count = 0
    for index, case in enumerate(CASES):
        if case["name"].split("/")[0] not in chosen:
            continue
        count += 1
        for row, expected in rows(case, fit_case(index)):
            where = f"{case['name']}, {row.parameter}: {row.term}"
            worst["coefficient"] = max(worst["coefficient"], (relative(row.estimate, expected["estimate"]), where))
            if expected["std_error"] is not None:
                worst["standard error"] = max(
                    worst["standard error"], (relative(row.std_error, expected["std_error"]), where)
                )
    print(f"{count} cases")
    for what, (size, where) in worst.items():
        print(f"worst relative difference of a {what}: {size:.2g} ({where})")


if __name__ == "__main__":
    main(sys.argv[1:])
