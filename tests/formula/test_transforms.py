"""Splines, intervals, dates and conditions give R's numbers, and give them again for new data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glmfit
from glmfit.errors import DataError, GlmfitError, ModelError, UsageError
from glmfit.formula import DesignState, Evaluator, Factor, Levels, Numbers, parse
from glmfit.spec import ModelSpec
from glmfit.table import Table, from_frame, open_source

ROOT = Path(__file__).resolve().parents[2]
R = json.loads((ROOT / "tests" / "reference" / "formula" / "transforms.json").read_text())


def factor(text: str, header: list[str]) -> Factor:
    (term,) = parse(ModelSpec(formulas=(f"y ~ 0 + {text}",)), ["y", *header]).predictors[0].terms
    return term.factors[0]


def evaluated(text: str, table: Table, state: DesignState | None = None) -> tuple[Numbers | Levels, DesignState]:
    """A factor, and what is remembered of it: nothing that JSON could not hold."""
    evaluator = Evaluator(table, state)
    found = evaluator.factor(factor(text, list(table.columns)))
    return found, DesignState(evaluator.state.levels, json.loads(json.dumps(evaluator.state.transforms)))


def frame(**columns: object) -> Table:
    return from_frame(columns).read(list(columns))


HP = open_source(str(ROOT / "sample_data" / "mtcars.csv")).read(["hp"])


@pytest.mark.parametrize("case", R["splines"], ids=lambda case: case["arguments"])
def test_natural_splines_are_those_of_r(case: dict[str, Any]) -> None:
    text = f"ns(hp, {case['arguments']})" if case["arguments"] else "ns(hp)"
    found, state = evaluated(text, HP)
    again, _ = evaluated(text, frame(hp=R["new"]), state)
    assert isinstance(found, Numbers)
    assert isinstance(again, Numbers)
    assert found.labels == again.labels == tuple(f"[{i + 1}]" for i in range(len(case["basis"])))
    # a basis of numbers up to 1; beyond the boundary lines reach further
    np.testing.assert_allclose(np.array(found.columns), np.array(case["basis"]), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(np.array(again.columns), np.array(case["new"]), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", R["cuts"], ids=lambda case: case["arguments"])
def test_intervals_are_those_of_r(case: dict[str, Any]) -> None:
    values = [v for v, code in zip(case["values"], case["codes"], strict=True) if code is not None]
    codes = [code for code in case["codes"] if code is not None]
    text = f"cut(x, {case['arguments']})"
    found, state = evaluated(text, frame(x=values))
    assert isinstance(found, Levels)
    assert found.levels == tuple(label for i, label in enumerate(case["labels"]) if i in codes)
    assert [found.levels[code] for code in found.codes] == [case["labels"][code] for code in codes]
    again, _ = evaluated(text, frame(x=values[:1]), state)
    assert isinstance(again, Levels)
    assert (again.levels, again.codes[0]) == (found.levels, found.codes[0])
    for value, code in zip(case["values"], case["codes"], strict=True):
        if code is None:
            with pytest.raises(DataError, match=f"row 1: x = {value:g} is in no interval") as caught:
                evaluated(text, frame(x=[value, *values]))
            assert caught.value.code == "outside_breaks"


def test_the_parts_of_dates_are_those_of_lubridate() -> None:
    case = R["dates"]
    table = frame(d=[text.replace(" ", "T") + "Z" for text in case["dates"]])
    texts = {name: f"{name}(d)" for name in ("year", "month", "weekday", "hour", "days")}
    for name, text in {**texts, "days_since": "days(d, origin='2000-01-01')"}.items():
        source = table if name.startswith("days") else frame(d=case["dates"])
        found, state = evaluated(text, _as_dates(source))
        assert isinstance(found, Numbers)
        np.testing.assert_allclose(found.columns[0], case[name], rtol=1e-14)
        later, _ = evaluated(text, _as_dates(source.keep(np.arange(len(source)) < 2)), state)
        assert isinstance(later, Numbers)
        np.testing.assert_allclose(later.columns[0], case[name][:2], rtol=1e-14)


def _as_dates(table: Table) -> Table:
    """A frame's text is text; a file's would be dates."""
    from dataclasses import replace

    column = table["d"]
    return replace(table, columns={"d": replace(column, kind="date")})


def test_parts_of_dates_are_levels_inside_c() -> None:
    table = _as_dates(frame(d=["2024-03-04", "2024-03-05", "2024-03-11"]))
    found, _ = evaluated("C(weekday(d))", table)
    assert isinstance(found, Levels)
    assert (found.levels, found.codes.tolist()) == (("1", "2"), [0, 1, 0])
    found, _ = evaluated("C(weekday(d) == 1)", table)
    assert isinstance(found, Levels)
    assert found.levels == ("False", "True")


def numbers(text: str, table: Table) -> list[float]:
    found, _ = evaluated(text, table)
    assert isinstance(found, Numbers)
    return found.columns[0].tolist()


DATED = _as_dates(frame(d=["2024-03-01 00:00", "2024-03-01 12:30", "2024-03-02 08:00"]))
TABLE = frame(g=["a", "b", "c"], h=["a", "c", "c"], x=[1.0, 2.0, 3.0], b=[True, False, True])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I(g == 'a')", [1, 0, 0]),
        ("I('a' != g)", [0, 1, 1]),
        ("I(g in ('a', 'c'))", [1, 0, 1]),
        ("I(g %in% c('a', 'zzz'))", [1, 0, 0]),
        ("I(g not in ['a'])", [0, 1, 1]),
        ("I(g in 'a')", [1, 0, 0]),
        ("I(g == h)", [1, 0, 1]),
        ("I(g != h)", [0, 1, 0]),
        ("I(x in (1, 3))", [1, 0, 1]),
        ("I(not x > 1 and x > 0)", [1, 0, 0]),
        ("I(!(x > 1) | b)", [1, 0, 1]),
        ("I(x == 1 && b || g == 'b')", [1, 1, 0]),
        ("I(not b)", [0, 1, 0]),
        ("I(b == TRUE)", [1, 0, 1]),
        ("I(b == 'false')", [0, 1, 0]),
        ("I(b != x)", [0, 1, 1]),
        ("ifelse(g == 'a', 10, x)", [10, 2, 3]),
        ("ifelse(x > 1, log(x - 1), 0)", [0, 0, np.log(2)]),
        ("pmin(x, 2)", [1, 2, 2]),
        ("pmax(x, 2, 4 - x)", [3, 2, 3]),
    ],
)
def test_conditions(text: str, expected: list[float]) -> None:
    assert numbers(text, TABLE) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("d == '2024-03-01'", [1, 1, 0]),
        ("d > '2024-03-01'", [0, 0, 1]),
        ("d <= '2024/03/01'", [1, 1, 0]),
        ("d in ('2024-03-02', '2024-03-01 12:30')", [0, 1, 1]),
        ("d >= '2024-03-01T12:30'", [0, 1, 1]),
        ("'2024-03-01 12:30' > d", [1, 0, 0]),
        ("d < '12:00'", [1, 0, 1]),
        ("d < '2024-03-01T13:00+01:00'", [1, 0, 0]),
        ("d == d", [1, 1, 1]),
    ],
)
def test_dates_are_compared_as_exactly_as_the_text_is_written(text: str, expected: list[float]) -> None:
    assert numbers(f"I({text})", DATED) == expected


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("I(g == 1)", "write the value in quotes: '1'"),
        ("I(g > 'a')", "no order"),
        ("I(g == 'A')", "did you mean 'a'?"),
        ("I(g in ('A', 'B'))", "the levels are 'a', 'b', 'c'"),
        ("I(x == 'a')", "compare it with a number"),
        ("I(x == '1')", "write 1 without quotes"),
        ("I(b == 'maybe')", "write b == TRUE"),
        ("I(g == x)", "compare columns of one kind"),
        ("I(g + 1)", "not numeric"),
        ("ifelse(g, 1, 0)", "not numeric"),
        ("pmin(g, 'a')", "stands where a number"),
        ("I(g == c)", "in quotes: g == 'c'"),
        ("I(log(x) == 'a')", "other than a column"),
        ("I('a' == 'b')", "stands where a number"),
        ("I(x in ())", "is empty"),
        ("I(1 in (1, 2))", "contains no column"),
        ("I(x in (x, 2))", "must be a number"),
        ("I(x == 1 == 1)", "cannot be chained"),
        ("I(log(x - 2) > 0)", "row 1"),
        ("ifelse(x > 1, 1)", "must have 3 arguments"),
        ("pmin(x)", "at least 2"),
        ("days(x)", "holds no dates"),
        ("days(x + 1)", "needs a column of dates"),
        ("ns(x, 1.5)", "positive whole number"),
        ("ns(x, 9)", "more than 3 distinct values"),
        ("ns(x, df=1, intercept=True)", "df must be at least 2"),
        ("ns(x, knots=[5])", "not inside the boundary"),
        ("ns(x, knots=['a'])", "knots are numbers"),
        ("ns(x, 2, Boundary.knots=[1])", "two different numbers"),
        ("log(ns(x, 2))", "several columns"),
        ("cut(x)", "breaks are a list of numbers"),
        ("cut(x, [1])", "two or more different"),
        ("cut(x, 1)", "2 to 1000"),
        ("cut(x, [1, 1, 2])", "two or more different"),
        ("cut(x, [0, 2, 4], labels=['a'])", "a different text"),
        ("I(cut(x, 3))", "several columns"),
        ("factor(x, labels=['a'])", "it takes levels"),
    ],
)
def test_what_cannot_be_evaluated_is_said(text: str, part: str) -> None:
    with pytest.raises((UsageError, ModelError, DataError)) as caught:
        evaluated(text, TABLE)
    assert part in f"{caught.value.message}; {caught.value.hint}"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("I(d == 2024)", "write year(d) == 2024"),
        ("I(d == 'yesterday')", "the year first"),
        ("days(d, origin='soon')", "the origin is no date"),
        ("days(d, origin=2024)", "the origin is no date"),
    ],
)
def test_what_is_no_date_is_said(text: str, part: str) -> None:
    with pytest.raises(GlmfitError) as caught:
        evaluated(text, DATED)
    assert part in f"{caught.value.message}; {caught.value.hint}"


def test_new_data_need_not_have_what_is_compared() -> None:
    _, state = evaluated("I(g == 'a')", TABLE)
    found, _ = evaluated("I(g == 'a')", frame(g=["x", "y"]), state)
    assert isinstance(found, Numbers)
    assert found.columns[0].tolist() == [0, 0]


def test_frequencies_are_rows_for_knots_and_breaks() -> None:
    values, times = [1.0, 2.0, 4.0, 7.0], np.array([2.0, 1.0, 1.0, 1.0])
    few, many = frame(x=values), frame(x=np.repeat(values, times.astype(int)).tolist())
    counted = Evaluator(few, frequency=times)
    written = Evaluator(many)
    for text in ("ns(x, 3)", "scale(x)"):
        for evaluator in (counted, written):
            evaluator.factor(factor(text, ["x"]))
    assert counted.state.transforms["ns(x, 3)"] == written.state.transforms["ns(x, 3)"]


def test_factor_is_another_name_of_c() -> None:
    header = ["y", "g", "factor(x)"]
    for text, name in {
        "factor(g)": "C(g)",
        "as.factor(g)": "C(g)",
        "factor(g, c('b', 'a'))": "C(g, levels=c('b', 'a'))",
        "factor(x)": "factor(x)",
    }.items():
        assert factor(text, header[1:]).text == name


@pytest.mark.parametrize("case", [case for case in R["fits"] if not case["where"]], ids=lambda case: case["formula"])
def test_fits_are_those_of_r(case: dict[str, Any]) -> None:
    fit = glmfit.fit(case["formula"], str(ROOT / "sample_data" / f"{case['data']}.csv"))
    assert fit.data.rows_used == case["n"]
    np.testing.assert_allclose([c.estimate for c in fit.coefficients], case["estimate"], rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose([c.std_error for c in fit.coefficients], case["std_error"], rtol=1e-8)


NEW = """y,x,g,d,t
1,0.5,a,2024-03-01,2024-03-01 10:30
2,1.5,b,2024-03-02,2024-03-02 11:30
2,2.5,c,2024-03-05,2024-03-03 00:30
3,3.5,a,2024-04-01,2024-03-04 23:30
4,4.0,b,2024-04-09,2024-03-05 09:30
3,0.1,c,2024-05-01,2024-03-05 20:40
5,3.0,a,2024-06-01,2024-03-06 02:30
4,2.0,b,2024-07-01,2024-03-07 14:30
6,1.0,c,2024-08-11,2024-03-08 17:30
5,3.1,a,2024-09-01,2024-03-09 22:30
"""


@pytest.mark.parametrize(
    "terms",
    [
        "days(d) + hour(t)",
        "I(d > '2024-04-01') + I(g in ('a', 'b'))",
        "ns(x, 3) + ifelse(g == 'a', x, 0)",
        "cut(x, 3)",
        "cut(x, c(-Inf, 1, Inf)) + pmin(x, days(d))",
        "factor(g) + C(weekday(d) > 5)",
        "C(cut(x, [0, 2, 4]), contr.sum)*days(t, origin='2024-03-01')",
    ],
)
def test_a_saved_model_evaluates_new_rows_as_the_old_ones(terms: str, tmp_path: Path) -> None:
    data, part = tmp_path / "data.csv", tmp_path / "part.csv"
    data.write_text(NEW, encoding="utf-8")
    glmfit.fit(f"y ~ {terms}", str(data)).save(str(tmp_path / "model.json"))
    model = glmfit.load(str(tmp_path / "model.json"))
    whole = model.predict(str(data))["estimate"]
    lines = NEW.splitlines()
    part.write_text("\n".join([lines[0], lines[7], lines[3]]) + "\n", encoding="utf-8")
    np.testing.assert_allclose(model.predict(str(part))["estimate"], [whole[6], whole[2]], rtol=1e-12)


def test_values_that_are_only_compared_may_be_new(tmp_path: Path) -> None:
    data, new = tmp_path / "data.csv", tmp_path / "new.csv"
    data.write_text(NEW, encoding="utf-8")
    new.write_text("g,d\nz,2024-12-01\na,2024-03-01\n", encoding="utf-8")
    model = glmfit.fit("y ~ I(g == 'a') + days(d)", str(data))
    intercept, a, day = (row.estimate for row in model.coefficients)
    expected = [intercept + 275 * day, intercept + a]
    np.testing.assert_allclose(model.predict(str(new))["estimate"], expected, rtol=1e-12)
    for text, code in (("a,soon", "not_a_date"), ("a,2024-02-30", "not_a_date")):
        new.write_text(f"g,d\nz,2024-12-01\n{text}\n", encoding="utf-8")
        with pytest.raises(DataError, match="row 2") as caught:
            model.predict(str(new))
        assert caught.value.code == code
