"""Coded text to a typed column: numbers, truth values, dates, or text with sorted levels.

A file says nothing of types, so the distinct values decide, all of them, wherever in the file they stand: a column is
numeric where every value is a number. Working on levels makes this cost what the distinct values cost.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from glmfit.errors import DataError, Finding
from glmfit.reading import Reading
from glmfit.spilled import looked_up
from glmfit.table import text
from glmfit.table.columns import Column


def typed_column(
    name: str,
    codes: np.ndarray,
    levels: Sequence[str],
    reading: Reading,
    decimal_comma: bool,
    as_text: bool = False,
    first: int = 1,
) -> tuple[Column, list[Finding]]:
    """The column that codes (n,) into distinct texts `levels` mean, -1 where missing, and what must be said about it.

    `first` is the number of the first row.

    With `decimal_comma`, `1,5` is 1.5 where the whole column is written so, even if that was not asked for; `as_text`
    says that it is text whatever it looks like.
    """
    absent = text.MISSING.union(reading.na)
    present = [level.strip() not in absent and level not in absent for level in levels]
    words = [level for level, here in zip(levels, present, strict=True) if here]
    codes = _renumber(codes, present)
    _refuse_nul(name, codes, words, first)

    if as_text:
        return sorted_factor(name, "text", codes, words), []
    column, findings = numbers_in_text(name, codes, words, reading, first)
    if column is not None:
        return column, findings
    if decimal_comma and reading.decimal is None and text.has_decimal_commas(words):
        numbers = [text.number(word.replace(",", ".")) for word in words]
        return number_column(name, _gather(codes, numbers), reading.na), _decimal_comma(name, codes, words, first)
    truth = text.truth_values(words)
    if truth is not None:
        codes = looked_up(np.array([*map(int, truth), -1], dtype=np.int64), codes)
        return Column.factor(name, "boolean", codes, ("False", "True")), []
    kind = "date" if all(map(text.is_date, words)) else "text"
    return sorted_factor(name, kind, codes, words), []


def numbers_in_text(
    name: str, codes: np.ndarray, words: Sequence[str], reading: Reading, first: int = 1
) -> tuple[Column | None, list[Finding]]:
    """The column of numbers that all the words are, written as was asked for; None where one is none."""
    plain = list(words)
    if reading.thousands or reading.decimal:
        numerals = text.Numerals(reading.thousands or "", reading.decimal or ".")
        plain = [numerals.plain(word) or (text.MISSING_NUMBER if _is_none(word) else "") for word in words]
    parsed = _parse_numbers(plain)
    if parsed is None:
        return None, []
    values = _gather(codes, parsed)
    return number_column(name, values, reading.na), _large_integers(name, values, codes, plain, first)


def number_column(name: str, values: np.ndarray, na: tuple[str, ...]) -> Column:
    """A column of float64 (n,), NaN where missing; spellings in `na` that are numbers count by value: -99 is -99.0."""
    absent = [text.number(spelling) for spelling in na if text.is_number(spelling)]
    if absent:
        values = np.where(np.isin(values, absent), np.nan, values)
    return Column(name, "number", values)


def sorted_factor(name: str, kind: str, codes: np.ndarray, levels: Sequence[str]) -> Column:
    """A column of codes (n,) into distinct `levels`, renumbered so that the levels stand in plain string order."""
    order = sorted(range(len(levels)), key=levels.__getitem__)
    rank = np.full(len(levels) + 1, -1, dtype=np.int64)
    rank[order] = np.arange(len(levels))
    return Column.factor(name, kind, looked_up(rank, codes), [levels[at] for at in order])


def large_integer(name: str, row: int, value: str) -> Finding:
    """The finding that `value` in `row`, and perhaps others, is an integer that had to be rounded."""
    message = (
        f"column '{name}' has integers that float64 cannot hold: {value} in row {row} is read as {int(float(value))}; "
        "if it is an identifier, leave it out of the model, else scale it down"
    )
    return Finding("large_integers", message, (name,))


def _renumber(codes: np.ndarray, present: list[bool]) -> np.ndarray:
    """Codes into the levels that are present, -1 for the others."""
    if all(present):
        return codes
    new = np.cumsum(present) - 1
    return looked_up(np.append(np.where(present, new, -1), -1), codes)


def _parse_numbers(words: list[str]) -> list[float] | None:
    """The number that each word means, NaN for "None"; None at the first word that is no number."""
    numbers = []
    for word in words:
        if text.is_number(word):
            numbers.append(text.number(word))
        elif _is_none(word):
            numbers.append(np.nan)
        else:
            return None
    return numbers


def _is_none(word: str) -> bool:
    return word.strip() == text.MISSING_NUMBER


def _gather(codes: np.ndarray, numbers: list[float]) -> np.ndarray:
    return looked_up(np.array([*numbers, np.nan]), codes)


def _first_place(codes: np.ndarray, levels: list[int]) -> int:
    """The place of the row in which one of these levels is seen first."""
    return int(np.argmax(np.isin(codes, levels)))


def _large_integers(name: str, values: np.ndarray, codes: np.ndarray, words: list[str], first: int) -> list[Finding]:
    for at in np.flatnonzero(np.isfinite(values) & (np.abs(values) >= text.EXACT)):
        if text.is_inexact_integer(words[codes[at]]):
            return [large_integer(name, int(at) + first, words[codes[at]].strip())]
    return []


def _decimal_comma(name: str, codes: np.ndarray, words: list[str], first: int) -> list[Finding]:
    at = _first_place(codes, [at for at, word in enumerate(words) if "," in word])
    word = words[codes[at]].strip()
    message = f"column '{name}' is read with decimal commas: {word} in row {first + at} is {word.replace(',', '.')}"
    return [Finding("decimal_comma", message, (name,))]


def _refuse_nul(name: str, codes: np.ndarray, words: list[str], first: int) -> None:
    damaged = [at for at, word in enumerate(words) if "\0" in word]
    if damaged:
        row = first + _first_place(codes, damaged)
        message = f"column '{name}' has a NUL byte in row {row}: the file is damaged or not a text file"
        raise DataError("nul_bytes", message, "write the file again, or remove the bytes with: tr -d '\\000'")
