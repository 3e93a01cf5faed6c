"""--where chooses rows before anything else looks at them: the fit is that of the rows alone, and all are counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bad_cases import Case, Cases, answer, table

import glmfit
from glmfit.report import fit_from_json, to_json, to_table

ROOT = Path(__file__).resolve().parents[2]
R = json.loads((ROOT / "tests" / "reference" / "formula" / "transforms.json").read_text())
NAN = float("nan")
COLUMNS: dict[str, list[Any]] = {
    "y": [1.0, 2.5, 2.0, 4.5, 4.0, 6.5, NAN, 8.0],
    "x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0],
    "u": [1.0, 0.0, NAN, 1.0, 1.0, 0.0, 1.0, 1.0],
    "v": [NAN, 3.0, 4.0, NAN, 1.0, 1.0, 5.0, 6.0],
    "g": ["a", "b", None, "a", "c", "a", "b", "c"],
}
CASES = Cases()
case = CASES.add


def rows(where: str) -> list[float]:
    """The x of the rows inside."""
    fit = glmfit.fit("x ~ 1", COLUMNS, where=where)
    assert fit.data.rows_used + fit.data.dropped["where"][where] == 8
    inside = [x for x in COLUMNS["x"] if holds(where, int(x) - 1)]
    assert fit.coefficients[0].estimate == pytest.approx(np.mean(inside))
    assert fit.data.rows_used == len(inside)
    return inside


def holds(where: str, at: int) -> bool:
    """By hand."""
    u, v, g = (COLUMNS[name][at] for name in "uvg")
    return {
        "u == 1": u == 1,
        "not u == 1": u == 0,
        "u": u == 1,
        "u == 1 & v > 2": u == 1 and v > 2,
        "u == 1 | v > 2": u == 1 or v > 2,
        "not (u == 1 & v > 2)": u == 0 or v <= 2,
        "g == 'a'": g == "a",
        "g != 'a'": g is not None and g != "a",
        "g not in ('a', 'b')": g == "c",
        "ifelse(u == 1, v, 9) > 4": (u == 0) or (u == 1 and v > 4),
    }[where]


@pytest.mark.parametrize(
    "where",
    [
        *("u == 1", "not u == 1", "u", "u == 1 & v > 2", "u == 1 | v > 2", "not (u == 1 & v > 2)"),
        *("g == 'a'", "g != 'a'", "g not in ('a', 'b')", "ifelse(u == 1, v, 9) > 4"),
    ],
)
def test_what_is_missing_is_unknown(where: str) -> None:
    assert rows(where)


@pytest.mark.parametrize("case", [case for case in R["fits"] if case["where"]], ids=lambda case: case["where"])
def test_a_fit_is_that_of_the_rows_inside(case: dict[str, Any]) -> None:
    fit = glmfit.fit(case["formula"], str(ROOT / "sample_data" / f"{case['data']}.csv"), where=case["where"])
    assert fit.data.rows_used == case["n"]
    np.testing.assert_allclose([c.estimate for c in fit.coefficients], case["estimate"], rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose([c.std_error for c in fit.coefficients], case["std_error"], rtol=1e-9)


def test_rows_are_counted_by_reason() -> None:
    fit = glmfit.fit("y ~ x", COLUMNS, where="u == 1")
    assert fit.model.where == "u == 1"
    assert fit.data.dropped == {"where": {"u == 1": 3}, "where_missing": {"u == 1": 1}, "missing": {"y": 1}}
    assert fit.data.rows_used == 4
    said = " ".join(to_table(fit, width=200).split())
    assert "4 of 8 rows used, 3 outside --where (1 for missing values), 1 dropped (missing: y 1)" in said
    again = fit_from_json(to_json(fit))
    assert (again.model, again.data) == (fit.model, fit.data)
    document = json.loads(to_json(fit))
    del document["model"]["where"]  # as older versions wrote it
    assert fit_from_json(json.dumps(document)).model.where is None


def test_levels_are_those_of_the_rows_inside() -> None:
    fit = glmfit.fit("x ~ g", COLUMNS, where="g != 'b'")
    assert [c.term for c in fit.coefficients] == ["Intercept", "g[T.c]"]


def test_a_whole_likelihood_has_its_rows_chosen_too(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(
        "import torch\n\nstart = {'m': 0.0}\n\n\n"
        "def log_likelihood(params, data):\n    return -0.5 * (data.x - params.m) ** 2\n",
        encoding="utf-8",
    )
    from glmfit import fit_spec
    from glmfit.spec import ModelSpec

    fit = fit_spec(ModelSpec(family=str(path), where="u == 1 & g == 'a'"), COLUMNS)
    assert fit.data.rows_used == 2
    assert fit.coefficients[0].estimate == pytest.approx(2.5)
    assert fit.model.where == "u == 1 & g == 'a'"


def bad(name: str, where: str, status: int, code: str, *words: str, data: bytes | None = None) -> None:
    case(name, ["y ~ x", "--where", where], status, code, *words, data=data)


bad("unknown column", "yy > 1", 3, "unknown_column", "--where: no column 'yy'", "did you mean 'y'")
bad("text without quotes", "g == c", 3, "unknown_column", "no column 'c'", "in quotes: g == 'c'")
bad("one equals sign", "g = 'a'", 2, "formula", "unexpected '='", "write == to compare")
bad("nothing after a sign", "x >", 2, "formula", "missing at the end")
bad("blank", " ", 2, "invalid_value", "--where has an empty value")
bad("a number", "x + 1", 2, "not_a_condition", "'x + 1' is a number", "x + 1 > 0")
bad("a column of numbers", "z", 3, "not_a_condition", "column 'z'", "3 in row 1", "z > 0")
bad("a column of text", "g", 3, "not_a_condition", "column 'g'", "'a' in row 1", "g == 'a'")
bad("learned from the rows", "scale(x) > 0", 2, "not_a_condition", "scale(x)", "learned from the rows")
bad("days without origin", "days(d) > 30", 2, "not_a_condition", "origin='2024-01-01'")
bad("level in another case", "g == 'A'", 3, "unknown_level", "'A' is not a level of 'g'", "did you mean 'a'")
bad("no row", "x > 99", 3, "no_rows", "--where 'x > 99' leaves no row", "of 12 rows none")
bad("no value", "x > 1", 3, "no_rows", "missing in every row", data=table(x="NA"))
bad("text with a number", "z == 'three'", 3, "comparison", "column 'z' holds numbers", "compare it with a number")
bad("chained", "1 < x < 3", 2, "formula", "cannot be chained", "(1 < x) & (x < 3)")
bad("no Python", "__import__('os')", 2, "unknown_transform", "no transform")
bad("subscript", "x[0] > 1", 2, "formula", "subscripts")
bad("date without a year first", "d >= '01/05/2024'", 3, "comparison", "holds dates", "the year first")
bad("all outside but the missing", "x > 1 & z > 99", 3, "no_rows", "leaves no row")
case(
    "a row inside is named as in the file",
    ["log(x) ~ z", "--where", "z > 2"],
    3,
    "not_finite",
    "row 9",
    data=table(x={9: 0}),
)


@pytest.mark.parametrize("wrong", CASES, ids=lambda wrong: wrong.name)
def test_what_is_wrong_is_said(wrong: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong.check(tmp_path, capsys)


def test_columns_that_choose_rows_need_not_be_complete(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(table(k={1: "NA", 2: "NA"}, x={12: "NA"}))
    command = ["fit", str(path), "y ~ x", "--where", "k > 1 or d == '2024-05-01'", "--missing", "error"]
    status, _, err = answer(command, capsys)
    assert (status, "column 'x' in 1 row, first in row 12" in err) == (3, True)
    status, out, _ = answer([*command[:5], "--json"], capsys)
    assert status == 0
    assert json.loads(out)["data"]["dropped"] == {
        "where": {"k > 1 or d == '2024-05-01'": 1},
        "where_missing": {"k > 1 or d == '2024-05-01'": 1},
        "missing": {"x": 1},
    }
