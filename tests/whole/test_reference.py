"""Fits against R: every case of tests/reference/*.json, written by the R scripts beside them (R is not needed here).

`python tests/whole/test_reference.py [FILE.json ...]` prints the number of cases and the worst differences.
A key that a case leaves out is not compared; null in a case must be NaN in the fit.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glmfit import fit_spec
from glmfit.after.newdata import Asked
from glmfit.after.predict import predictions
from glmfit.after.residuals import residual_runs
from glmfit.after.rows import Tally, observed_rows, pieces, row_log_likelihoods
from glmfit.after.saved import SavedModel, open_model
from glmfit.after.simulate import simulations
from glmfit.design import border
from glmfit.errors import GlmfitError, ModelError
from glmfit.report.saved import model_from_json, model_json
from glmfit.result import Fitted
from glmfit.spec import ModelSpec
from glmfit.table import Source, open_data

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
# Of fits with a factor set apart from those with the whole matrix: in standard errors, or relative.
SET_APART = 1e-10
DRAWS = 100  # of each row
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


@cache
def saved_case(index: int) -> SavedModel:
    """The model of one case, saved and read again."""
    return open_model(model_from_json(model_json(fit_case(index)), CASES[index]["name"]))


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
    case, fit, model = CASES[index], fit_case(index), saved_case(index)
    assert model_json(model.fit) == model_json(fit) or case["spec"].get("fixed")  # 4 held is 4.0 held
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


@every_case
def test_a_factor_set_apart_gives_the_same_numbers(index: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits from which the levels of a factor are set apart in the Hessian are lowered to none."""
    monkeypatch.setattr(border, "MANY_LEVELS", 1)
    monkeypatch.setattr(border, "WIDEST_BORDER", math.inf)
    case = CASES[index]
    found, plain = fit_spec(build_spec(case["spec"]), str(ROOT / case["data"])), fit_case(index)
    assert [finding.code for finding in found.warnings] == [finding.code for finding in plain.warnings]
    assert found.convergence.status == plain.convergence.status
    for row, other in zip(found.coefficients, plain.coefficients, strict=True):
        error = other.std_error if other.std_error > 0 else 1.0
        assert difference(row.estimate / error, none_of(other.estimate / error)) < SET_APART, row
        assert difference(row.std_error, none_of(other.std_error)) < SET_APART, row
    for test, known in zip(found.joint_tests, plain.joint_tests, strict=True):
        assert difference(test.statistic, none_of(known.statistic)) < SET_APART, test
    size = np.sqrt(np.abs(np.diag(plain.covariance.array())))
    gap = (found.covariance.array() - plain.covariance.array()) / np.outer(size, size)
    assert not np.nanmax(np.abs(gap[np.outer(size, size) > 0]), initial=0.0) > SET_APART
    assert difference(found.fit.log_likelihood, none_of(plain.fit.log_likelihood)) < SET_APART


def none_of(value: float) -> float | None:
    """A number as references have it: null where there is none."""
    return None if math.isnan(value) else value


@every_case
def test_residuals_add_up(index: int) -> None:
    """Each column is finite in all rows of the fit, or a finding says why not; squares add up to the fit's sums."""
    case, fit = CASES[index], fit_case(index)
    model = saved_case(index)
    source, asked = open_data(str(ROOT / case["data"])), Asked(missing="keep")
    if model.family.grouped:
        with pytest.raises(ModelError, match="rows of a group"):
            residual_runs(model, source, asked)
        return
    findings, runs = residual_runs(model, source, asked)
    (run,) = runs
    said = " ".join(finding.message for finding in findings)
    found = {name: values[np.isfinite(values)] for name, values in run.values.items()}
    censored = fit.data.censoring is not None
    for name, values in found.items():
        named = re.search(rf"\b{name}\b[^:]* empty", said) or (censored and name != "fitted")
        assert len(values) == fit.data.rows_used or named, name
    assert censored or len(found["fitted"]) == fit.data.rows_used
    for name, total in (("deviance", fit.fit.deviance), ("pearson", fit.fit.pearson_chi2)):
        if not math.isnan(total):
            assert difference(float((found[name] ** 2).sum()), total) <= STATISTIC
    if len(found["leverage"]):
        main = [row for row in fit.coefficients if row.parameter == model.family.main and row.status != "aliased"]
        assert found["leverage"].sum() == pytest.approx(len(main), abs=1e-8)


FIRST = {case["spec"]["family"]: index for index, case in reversed(list(enumerate(CASES)))}


@pytest.mark.parametrize("index", FIRST.values(), ids=FIRST)
def test_simulated_responses_have_the_moments_of_the_model(index: int) -> None:
    """Totals of the draws are within 4.5 standard errors, known or those of the draws, of those of the model."""
    case, model = CASES[index], saved_case(index)
    source, asked = open_data(str(ROOT / case["data"])), Asked(missing="keep")
    if model.family.quasi or model.family.grouped:
        with pytest.raises(GlmfitError, match=r"quasi-likelihood|a group"):
            next(simulations(model, source, asked))
        return
    (drawn,) = simulations(model, source, asked, DRAWS, seed=5)
    of = "probabilities" if drawn.levels else "mean"
    (run,) = predictions(model, source, asked, of, "none")
    estimate = run.values["estimate"]
    kept = np.isfinite(drawn.draws).all(axis=1)
    draws, estimate = drawn.draws[kept], estimate[kept]
    if drawn.levels:
        for j in range(len(drawn.levels)):
            p = estimate[:, j]
            z = ((draws == j).mean(axis=1) - p).sum() / math.sqrt((p * (1 - p)).sum() / DRAWS)
            assert abs(z) < 4.5
        return
    if model.family.trials:
        trials = next(observed_rows(model, source, asked)).hashed["trials"]
        estimate = estimate * trials
    for power in (1, 2):  # the mean; then, against the other half of the draws, the spread
        values = (draws - estimate[:, None]) ** power
        error = math.sqrt((values.var(axis=1, ddof=1) / DRAWS).sum())
        if power == 1:
            assert abs(values.mean(axis=1).sum()) < 4.5 * error
        elif (model.family.has_moments and drawn.draws.dtype == np.int64) or model.family.name == "gaussian":
            assert abs(values.mean(axis=1).sum() - variances(model, source, asked)[kept].sum()) < 4.5 * error


def variances(model: SavedModel, source: Source, asked: Asked) -> np.ndarray:
    """(n,) Var(y) of each row by the model."""
    out = []
    for run in observed_rows(model, source, asked):
        values = np.full(run.new.n, math.nan)
        for piece in pieces(model, run, keep=True):
            variance = model.family.variance(*piece.natural, **piece.columns)
            names = [parameter.name for parameter in model.family.parameters]
            phi = piece.natural[names.index("phi")] if "phi" in names else 1.0
            values[piece.part.place] = (phi * variance).numpy()
        out.append(values)
    return np.concatenate(out)


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
