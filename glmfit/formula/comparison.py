"""Columns compared with text: levels with words, dates with dates; 1 where it holds, 0 where not, NaN where missing.

A date is compared as exactly as the text is written: `d == '2024-03-01'` is true all that day, and with a time, or a
time and a zone, it is compared by the clock, or as an instant. Times of day are compared by the hour.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from glmfit.errors import ModelError, did_you_mean, shorten
from glmfit.spilled import looked_up
from glmfit.table.dates import moments
from glmfit.table.text import is_number, truth_values

if TYPE_CHECKING:
    from glmfit.table import Column, Table

ORDER: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


def with_values(table: Table, name: str, sign: str, values: Sequence[Any], strict: bool) -> np.ndarray:
    """Column `name` compared with one value, or with any of several where `sign` is "in": (n,).

    Raises ModelError "comparison" for what cannot be compared; "unknown_level", if `strict`, where no value of the
    column is any of `values`.
    """
    column = table[name]
    if column.kind == "date":
        return _any([_with_date(table, name, "==" if sign == "in" else sign, value) for value in values])
    if column.kind == "boolean":
        return _with_truth(table.numbers(name), name, sign, values)
    if column.levels is None:
        word = next(str(value) for value in values if isinstance(value, str))
        hint = f"write {word} without quotes" if is_number(word) else "compare it with a number"
        raise ModelError("comparison", f"column '{name}' holds numbers, and '{shorten(word)}' is text", hint)
    return _with_words(column, column.levels, sign, values, strict)


def of_columns(table: Table, left: str, sign: str, right: str) -> np.ndarray:
    """Two columns that are no numbers, compared row by row: (n,)."""
    one, other = table[left], table[right]
    if one.kind == other.kind == "date":
        first, second = table.instants(left), table.instants(right)
        return np.where(np.isnat(first) | np.isnat(second), np.nan, ORDER[sign](first, second))
    if one.kind != "text" or other.kind != "text":
        what = f"column '{left}' holds {_held(one)}, and column '{right}' {_held(other)}"
        raise ModelError("comparison", what, "compare columns of one kind, or a column with a value")
    _refuse_order(left, sign)
    place = {level: at for at, level in enumerate(one.levels or ())}
    codes = looked_up(np.append([place.get(level, -2) for level in other.levels or ()], -1), other.values)
    return np.where((one.values < 0) | (codes == -1), np.nan, ORDER[sign](one.values, codes))


def _any(found: list[np.ndarray]) -> np.ndarray:
    return np.asanyarray(reduce(np.maximum, found))


def _held(column: Column) -> str:
    return {"number": "numbers", "boolean": "truth values", "date": "dates"}.get(column.kind, "text")


def _refuse_order(name: str, sign: str) -> None:
    if sign not in ("==", "!=", "in"):
        what = f"column '{name}' holds text, which has no order that {sign} could use"
        raise ModelError("comparison", what, f"write {name} == 'a', or {name} in ('a', 'b')")


def _with_words(column: Column, levels: tuple[str, ...], sign: str, values: Sequence[Any], strict: bool) -> np.ndarray:
    _refuse_order(column.name, sign)
    for value in values:
        if not isinstance(value, str):
            what = f"column '{column.name}' holds text such as '{shorten(levels[0] if levels else '')}', not numbers"
            raise ModelError("comparison", what, f"write the value in quotes: '{value}'")
    known = {level.strip(): at for at, level in enumerate(levels)}
    places = [known[value.strip()] for value in values if value.strip() in known]
    if strict and not places:
        listed = ", ".join(f"'{shorten(level)}'" for level in levels[:10]) + (", ..." if len(levels) > 10 else "")
        near = did_you_mean(values[0], levels)
        hint = (f"{near} " if near else "") + f"the levels are {listed}"
        raise ModelError("unknown_level", f"'{shorten(values[0])}' is not a level of '{column.name}'", hint)
    among = np.isin(column.values, places)
    return np.where(column.values < 0, np.nan, ~among if sign == "!=" else among)


def _with_truth(numbers: np.ndarray, name: str, sign: str, values: Sequence[Any]) -> np.ndarray:
    """A column of true and false, which counts as 1 and 0."""
    wanted = []
    for value in values:
        meant = truth_values([value, "False"]) if isinstance(value, str) else [value]
        if meant is None:
            what = f"column '{name}' is true or false, and never '{shorten(value)}'"
            raise ModelError("comparison", what, f"write {name} == TRUE, or {name} alone")
        wanted.append(float(meant[0]))
    holds = np.isin(numbers, wanted) if sign == "in" else ORDER[sign](numbers, wanted[0])
    return np.where(np.isnan(numbers), np.nan, holds)


def _with_date(table: Table, name: str, sign: str, value: Any) -> np.ndarray:
    text = str(value)
    when = moments([text])
    if not isinstance(value, str) or np.isnat(when.clock[0]):
        what = f"column '{name}' holds dates, and '{shorten(text)}' is none"
        year = isinstance(value, int) and 1000 <= value <= 3000
        hint = f"write year({name}) {sign} {value}" if year else f"write {name} {sign} '2024-05-31', the year first"
        raise ModelError("comparison", what, hint)
    if not when.dated[0]:
        hour = (when.clock[0] - when.clock[0].astype("datetime64[D]")) / np.timedelta64(1, "h")
        hours = table.hours(name)
        return np.where(np.isnan(hours), np.nan, ORDER[sign](hours, hour))
    if when.zoned[0]:
        column, limit = table.instants(name), when.instants[0]
    elif when.timed[0]:
        column, limit = table.clock(name), when.clock[0]
    else:
        column, limit = table.clock(name).astype("datetime64[D]"), when.clock[0].astype("datetime64[D]")
    return np.where(np.isnat(column), np.nan, ORDER[sign](column, limit))
