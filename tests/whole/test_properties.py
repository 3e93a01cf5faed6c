"""The same model put in another way, for random models of random data: the same numbers, or the same refusal.

Tolerances. A search ends within 1e-6 standard errors of the maximum (1e-8 and one more Newton step where rounding lets
it), so two searches agree to 3e-6 standard errors; the log-likelihood is flat there and differs by 1e-11 and rounding;
a standard error changes in proportion to the change of the estimates, in units in which third derivatives are moderate.
"""

from __future__ import annotations

import csv
import gzip
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st
from strategies import Columns, Problem, examples, problems

import glmfit.design.rank
from glmfit.errors import GlmfitError
from glmfit.model.rows import Rows
from glmfit.result import Coefficient, Fit

ESTIMATE = 3e-6  # in standard errors
STD_ERROR = 3e-5  # relative
ROUNDED = 1e-8  # the same, of a search that rounding error ended
A_PEAK = 1e-3  # log-likelihood by which a maximum stands above a ridge that runs beside it
LOG_LIKELIHOOD = 1e-10  # relative to the sum of the absolute log-densities, of which n is a measure

SEVERAL_PEAKS = ("student-t", "tweedie")  # where nu is small, or the power next to 1
HALF_LINE = ("inverse", "inverse-squared", "sqrt")

Outcome = Fit | str


def outcome(problem: Problem, data: Any = None, **options: Any) -> Outcome:
    """The fit, or the code of the error that says why there is none."""
    try:
        return problem.fit(data, **options)
    except GlmfitError as error:
        return error.code


def codes(fit: Fit) -> set[str]:
    return {finding.code for finding in fit.warnings}


def label(row: Coefficient) -> tuple[str, str]:
    return row.parameter, row.term


def compare(one: Outcome, other: Outcome, terms: frozenset[str] | None = None) -> None:
    """Both say the same; where there is a maximum, they agree in it and (in these terms, else all) in the coefficients.

    Where a search ends on a slope without a maximum is no fact about the data, nor is whether it ends for want of
    iterations or of information. A search that meets rounding error before its tolerance has still found the place.
    """
    if isinstance(one, str) or isinstance(other, str):
        event("refused")
        assert one == other
        return
    statuses = {one.exit_code, other.exit_code}
    if statuses <= {4, 5}:
        event("no maximum")
        return
    left, right = one.fit.log_likelihood, other.fit.log_likelihood
    n = one.data.rows_used
    if statuses == {0, 4}:
        event("rounding error before the tolerance")
        assert right == pytest.approx(left, abs=ROUNDED * (n + abs(left)))
        return
    if statuses == {0, 5}:
        # One search may have followed a ridge to infinity, lower than a maximum that the other has found.
        event("a ridge beside a maximum")
        ridge, peak = (left, right) if one.exit_code else (right, left)
        assert ridge < peak - A_PEAK, (one.warnings, other.warnings)
        return
    if one.model.family in SEVERAL_PEAKS and abs(left - right) > A_PEAK:
        event("several peaks")
        return
    event("compared")
    assert one.exit_code == other.exit_code, (one.warnings, other.warnings)
    assert codes(one) == codes(other)
    assert right == pytest.approx(left, abs=LOG_LIKELIHOOD * (n + abs(left)), nan_ok=True)
    assert other.fit.deviance == pytest.approx(one.fit.deviance, rel=1e-7, abs=1e-9 * n, nan_ok=True)
    rows = {label(row): row for row in other.coefficients}
    for row in one.coefficients:
        if terms is None or row.term in terms:
            compare_rows(row, rows[label(row)], rounding=1e-9 if "perfect_fit" in codes(one) else 0.0)


def compare_rows(row: Coefficient, other: Coefficient, rounding: float = 0.0) -> None:
    """`rounding` is what estimates without an error of their own may differ by: those of a perfect fit."""
    assert other.status == row.status, label(row)
    if math.isnan(row.std_error):
        same_end = other.estimate == row.estimate or not math.isinf(row.estimate)
        assert same_end, label(row)
        assert math.isnan(other.std_error), label(row)
        return
    slack = ESTIMATE * row.std_error + 1e-9 * abs(row.estimate) + rounding
    assert other.estimate == pytest.approx(row.estimate, abs=slack, rel=0), label(row)
    assert other.std_error == pytest.approx(row.std_error, rel=STD_ERROR, abs=1e-12), label(row)


# ---- rows and columns ----


@examples(0.3)
@given(problem=problems(), data=st.data())
def test_the_order_of_rows(problem: Problem, data: st.DataObject) -> None:
    n = len(problem.data["x"])
    order = np.array(data.draw(st.permutations(range(n))))
    compare(outcome(problem), outcome(problem, problem.rows(order)))


@examples(0.3)
@given(problem=problems())
def test_the_order_of_terms_and_columns(problem: Problem) -> None:
    turned = dict(reversed(problem.data.items()))
    compare(outcome(problem), outcome(problem.with_terms(*reversed(problem.terms)), turned))


@examples(0.3)
@given(problem=problems(), power=st.integers(-8, 8), sign=st.sampled_from([1, -1]), shift=st.integers(-1000, 1000))
def test_the_unit_and_origin_of_a_column(problem: Problem, power: int, sign: int, shift: int) -> None:
    problem = problem.with_terms(*problem.terms, *({"x"} - {*problem.terms}))
    x = np.round(problem.data["x"] * 1024) / 1024  # a multiple of a power of 2 moves without rounding
    unit = sign * 8.0**power
    plain, moved = (outcome(problem, problem.data | {"x": values}) for values in (x, (x + shift) * unit))
    if isinstance(moved, Fit):
        moved = in_other_units(moved, unit)
    fixed = {"x", "u", "g[T.b]", "g[T.c]"}  # the constants take up the shift
    compare(plain, moved, frozenset(fixed))


def in_other_units(fit: Fit, unit: float) -> Fit:
    """The coefficients of x multiplied by a unit."""
    from dataclasses import replace

    rows = tuple(
        replace(row, estimate=row.estimate * unit, std_error=row.std_error * abs(unit)) if row.term == "x" else row
        for row in fit.coefficients
    )
    return replace(fit, coefficients=rows)


@examples(0.3)
@given(problem=problems())
def test_another_reference_level(problem: Problem) -> None:
    problem = problem.with_terms(*problem.terms, *({"g"} - {*problem.terms}))
    names = {"a": "c", "b": "b", "c": "a"}
    turned = np.array([names[level] for level in problem.data["g"]])
    one, other = outcome(problem), outcome(problem, problem.data | {"g": turned})
    compare(one, other, frozenset({"x", "u"}))
    if isinstance(one, Fit) and isinstance(other, Fit) and not codes(one) - {"at_limit"}:
        main = {row.term: row for row in other.coefficients if row.parameter == one.coefficients[-1].parameter}
        for row in one.coefficients:
            if row.term == "g[T.c]" and row.parameter in {r.parameter for r in main.values()}:
                assert main["g[T.c]"].estimate == pytest.approx(-row.estimate, abs=1e-5 * row.std_error)


# ---- weights and offsets ----


@examples(0.3)
@given(problem=problems())
def test_a_frequency_weight_repeats_the_row(problem: Problem) -> None:
    assume(not problem.known.grouped)  # a repeated group is another group
    times = problem.data["f"].astype(int)
    again = {name: np.repeat(column, times) for name, column in problem.data.items()}
    compare(outcome(problem, freq_weights="f"), outcome(problem, again))


@examples(0.3)
@given(problem=problems(), option=st.sampled_from(["weights", "freq_weights", "sampling_weights"]))
def test_rows_of_weight_zero_are_not_there(problem: Problem, option: str) -> None:
    assume(not problem.known.grouped)  # which has one weight for all rows of a group
    n = len(problem.data["x"])
    data = {name: np.concatenate([column, column[: n // 3]]) for name, column in problem.data.items()}
    data["x"][n:] = 1e3  # would be seen if they counted
    data["w"] = np.where(np.arange(len(data["x"])) < n, 1.0, 0.0)
    whole = {**problem.data, "w": np.ones(n)}
    compare(outcome(problem, whole, **{option: "w"}), outcome(problem, data, **{option: "w"}))


@examples(0.3)
@given(problem=problems())
def test_an_offset_is_a_known_coefficient(problem: Problem) -> None:
    assume(not problem.known.shared_formula)  # one linear predictor for each category
    problem = problem.with_terms(*problem.terms, *({"u"} - {*problem.terms}))
    free = outcome(problem)
    if not isinstance(free, Fit) or free.exit_code:
        return
    b = next(row.estimate for row in free.coefficients if row.term == "u")
    rest = tuple(term for term in problem.terms if term != "u")
    # The likelihood of a Tweedie power near 1 has many peaks: the search is told on which one it is.
    found = {
        f"{row.parameter}:{row.term}": row.estimate
        for row in free.coefficients
        if row.term != "u" and row.status is None
    }
    options = {"start": found} if problem.family == "tweedie" else {}
    held = outcome(problem.with_terms(*rest, "offset(part)"), problem.data | {"part": b * problem.data["u"]}, **options)
    if problem.known.grouped and not rest:
        assert held == "empty_model"
        return
    assume(held != "bad_start" or free.model.links["mu"] not in HALF_LINE)  # an offset may leave the domain
    assert isinstance(held, Fit), held
    assert held.exit_code == 0
    scale = len(problem.data["x"]) + abs(free.fit.log_likelihood)
    assert held.fit.log_likelihood == pytest.approx(free.fit.log_likelihood, abs=1e-9 * scale, nan_ok=True)
    found = {label(row): row for row in held.coefficients}
    rounding = 1e-9 if "perfect_fit" in codes(free) else 0.0  # of estimates without an error of their own
    for row in free.coefficients:
        if row.term != "u" and row.status is None:
            near = pytest.approx(row.estimate, abs=1e-5 * row.std_error + rounding, rel=1e-8)
            assert found[label(row)].estimate == near


# ---- the way in ----


@examples(0.3)
@given(problem=problems(), size=st.integers(7, 60))
def test_the_size_of_chunks(problem: Problem, size: int) -> None:
    whole = outcome(problem)
    chunks = Rows.chunks
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rows, "chunks", lambda self, _=None: chunks(self, size))
        patch.setattr(glmfit.design.rank, "CHUNK_ROWS", size)
        compare(whole, outcome(problem))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("problems")


def written(data: Columns, path: Path) -> Path:
    """The columns in a file of the kind that its name says."""
    table = pa.table({name: pa.array(column.tolist()) for name, column in data.items()})
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(table, path)
        return path
    with gzip.open(path, "wt", newline="") if path.suffix == ".gz" else path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t" if ".tsv" in path.name else ";" if "semicolon" in path.name else ",")
        writer.writerow(data)
        writer.writerows(zip(*(column.tolist() for column in data.values()), strict=True))
    return path


@examples(0.3)
@given(problem=problems(), name=st.sampled_from(["d.csv", "d.csv.gz", "d.tsv", "d.parquet", "semicolon.csv"]))
def test_a_file_says_what_its_columns_say(problem: Problem, name: str, folder: Path) -> None:
    """To the last digit."""
    one, other = outcome(problem), outcome(problem, written(problem.data, folder / name))
    assert type(one) is type(other)
    if isinstance(one, Fit) and isinstance(other, Fit):
        assert repr(other.coefficients) == repr(one.coefficients)
        assert repr(other.fit) == repr(one.fit)
        assert other.warnings == one.warnings
    else:
        assert one == other
