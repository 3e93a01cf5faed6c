"""Tables of records on short lines: none is wider than the terminal, no number is cut, what is left out is counted."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from glmfit.report.records import Records, records_csv, records_json, records_table

NAMES = (
    "estimate",
    "std_error",
    "statistic",
    "statistic_kind",
    "df",
    "p_value",
    "conf_low",
    "conf_high",
    "bic",
    "reason",
)
numbers = st.floats(allow_infinity=False, width=32) | st.none() | st.integers(-(10**6), 10**6)
texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=90)


def records(rows: list[dict[str, Any]], names: tuple[str, ...], **more: Any) -> Records:
    return Records("glmfit/test/1", "rows", names, rows, more, level=0.95)


@st.composite
def tables(draw: st.DrawFn) -> Records:
    names = ("term", *draw(st.permutations(NAMES))[: draw(st.integers(0, len(NAMES)))])
    of = {"term": texts.filter(bool), "statistic_kind": st.sampled_from("ztF"), "reason": texts}
    row = st.fixed_dictionaries({name: of.get(name, numbers) for name in names})
    return records(draw(st.lists(row, min_size=1, max_size=4)), names, formula=draw(texts))


@settings(max_examples=150, deadline=None)
@given(tables(), st.integers(40, 120))
def test_no_line_is_longer_than_the_terminal(table: Records, width: int) -> None:
    lines = records_table(table, width=width).splitlines()
    assert max(map(cell_len, lines)) <= width


ROW = {
    "model": "/a/long/path/to/the/models/of/this/year/claims.json",
    "estimate": -1234.567891,
    "std_error": 0.123456,
    "statistic": -10000.0,
    "p_value": 1e-300,
    "conf_low": -1234.809,
    "conf_high": -1234.325,
    "aic": 12345.678,
    "bic": 12399.123,
    "reason": "both have as many parameters: neither contains the other, and one more clause to fill the line",
}


@pytest.mark.parametrize("width", range(40, 200, 8))
def test_what_stands_on_a_line_is_whole_and_what_does_not_is_counted(width: int) -> None:
    table = records([ROW, ROW], tuple(ROW))
    text = records_table(table, width=width)
    for whole in re.findall(r"-?\d+\.\d+(?![\d ]*%)", " ".join(text.split())):
        rounded = 0.501 * 10.0 ** -len(whole.split(".")[1])
        assert any(abs(float(whole) - value) < rounded for value in ROW.values() if isinstance(value, float)), whole
    assert ROW["model"] in text.replace("\n", "")
    assert set(str(ROW["reason"]).split()) <= set(text.split())
    lost = re.search(r"shows (\d+) more columns?: (.*)", " ".join(text.split()))
    shown = sum(name in text.splitlines()[0] for name in ("estimate", "AIC", "BIC", "2.5 %", "97.5 %"))
    assert shown + sum(name in (lost[2] if lost else "") for name in ("estimate", "AIC", "BIC", "2.5 %", "97.5 %")) == 5
    assert ("2.5 %" in text.splitlines()[0]) == ("97.5 %" in text.splitlines()[0])
    assert lost is None or width < 100


def test_files_and_pipes_have_every_column(monkeypatch: pytest.MonkeyPatch) -> None:
    table = records([ROW], tuple(ROW))
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    assert records_table(table) == records_table(table, file=True) == records_table(table, width=400)
    for name, value in {"TTY_COMPATIBLE": "1", "NO_COLOR": "1"}.items():  # as if it were a terminal
        monkeypatch.setenv(name, value)
    assert max(map(len, records_table(table).splitlines())) <= 60
    assert json.loads(records_json(table))["rows"][0] == ROW
    assert records_csv(table).splitlines()[0].split(",") == list(ROW)
