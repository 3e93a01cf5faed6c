"""Typed columns held as numpy arrays, and the rows of a table that are complete.

A number column is float64 with NaN where missing. Every other column is a vector of integer codes into its levels, -1
where missing; no level is ever without a row. `Table.rows` remembers where each row stood in the source, so that a
message can name it after rows have been dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import cast

import numpy as np

from glmfit.errors import DataError, Finding, GlmfitError, UsageError, column_hint, shell, shorten
from glmfit.spilled import looked_up
from glmfit.table.dates import Moments, moments, transforms
from glmfit.table.disguise import hidden_numbers
from glmfit.table.text import is_number


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One column of n rows.

    `kind` is "number", "boolean", "text" or "date". `values` is float64 (n,) with NaN where missing for a number, and
    int64 codes (n,) into `levels` with -1 where missing for the others. `levels` is None for a number, a part of
    ("False", "True") for a boolean, and otherwise sorted as plain strings (a pandas Categorical keeps its own order).
    When the levels of a date are, `Table.instants`, `Table.clock` and `Table.hours` say.
    """

    name: str
    kind: str
    values: np.ndarray
    levels: tuple[str, ...] | None = None

    @property
    def missing(self) -> np.ndarray:
        """Where the value is missing: bool (n,)."""
        return np.isnan(self.values) if self.levels is None else self.values < 0

    @property
    def alphabetical(self) -> bool:
        """Whether the levels are text in the order of characters, which says nothing of what they mean."""
        return self.kind == "text" and self.levels is not None and list(self.levels) == sorted(self.levels)

    @classmethod
    def factor(cls, name: str, kind: str, codes: np.ndarray, levels: Sequence[str]) -> Column:
        """A column of codes (n,) into `levels`, -1 where missing; levels without a row are dropped, order is kept."""
        used = np.bincount(codes + 1, minlength=len(levels) + 1)[1:] > 0
        # One more entry than there are levels, so that code -1 picks the last one and stays -1.
        renumbered = np.append(np.where(used, np.cumsum(used) - 1, -1), -1).astype(np.int64)
        kept = tuple(level for level, keep in zip(levels, used, strict=True) if keep)
        return cls(name, kind, looked_up(renumbered, codes), kept)

    def take(self, index: np.ndarray | slice) -> Column:
        """The rows selected by `index`, a bool (n,) or an integer vector."""
        if self.levels is None:
            return replace(self, values=self.values[index])
        return Column.factor(self.name, self.kind, self.values[index], self.levels)


@dataclass(frozen=True, slots=True)
class Word:
    """The first value of a column that is no number, its row, and how many there are."""

    text: str
    row: int
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Columns of equal length read from one source.

    `rows` is int64 (n,): the 1-based data-row number in the source of every row still here. `dropped` maps a column to
    the number of rows that were dropped and in which it was missing; columns that cost no row are absent. `words` maps
    a column of text to what made text of it, where that has been dropped and nothing but numbers is left.
    """

    source: str
    rows_read: int
    columns: Mapping[str, Column]
    rows: np.ndarray
    dropped: Mapping[str, int]
    findings: tuple[Finding, ...] = ()
    words: Mapping[str, Word] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str) -> Column:
        """The column called `name`; `DataError` "unknown_column" where there is none."""
        try:
            return self.columns[name]
        except KeyError:
            raise unknown_column(name, self.columns, self.source) from None

    def numbers(self, name: str) -> np.ndarray:
        """The column as float64 (n,), NaN where missing; False is 0 and True is 1.

        Raises `DataError` "not_numeric" for text and dates, naming the first value that is no number, and its row.
        """
        column = self[name]
        if column.levels is None:
            return column.values
        if column.kind == "boolean":
            value = np.array([*(float(level == "True") for level in column.levels), np.nan])
            return looked_up(value, column.values)
        raise self._not_numeric(column, column.levels)

    def instants(self, name: str) -> np.ndarray:
        """The instants of a date column, datetime64[us] (n,) in UTC, NaT where missing: what differences are taken of.

        Where no row has a zone, all clocks are taken to be of the same one. Raises `DataError` "not_a_date" for other
        columns, for a time of day, for what no calendar shows, and where some rows have a zone and some have none.
        """
        column, when = self._dated(name)
        if when.zoned.any():
            what = "has no time zone, which others have: it could be any instant of a day"
            self._refuse_level(column, ~when.zoned, what, "write all of them with a zone, or none")
        return _by_row(column, when.instants)

    def clock(self, name: str) -> np.ndarray:
        """The dates and times of a date column as written, whatever the zone: datetime64[us] (n,), NaT where missing.

        What year, month and day of the week are taken of. Raises as `instants` does, zones apart.
        """
        column, when = self._dated(name)
        return _by_row(column, when.clock)

    def hours(self, name: str) -> np.ndarray:
        """Hours since midnight as written, 13.5 being half past one: float64 (n,), NaN where missing.

        Raises `DataError` "not_a_date" for other columns, and for dates without a time.
        """
        column, when = self._moments(name)
        hint = "leave out hour(), or write the times: 2024-05-31 13:30"
        self._refuse_level(column, ~when.timed, "has no time of day", hint)
        return _by_row(column, (when.clock - when.clock.astype("datetime64[D]")) / np.timedelta64(1, "h"))

    def _dated(self, name: str) -> tuple[Column, Moments]:
        """A date column and its moments, each of which has a date."""
        column, when = self._moments(name)
        self._refuse_level(column, ~when.dated, "is a time of day without a date", f"use hour({name})")
        return column, when

    def _moments(self, name: str) -> tuple[Column, Moments]:
        column = self[name]
        if column.levels is None or column.kind != "date":
            at = int(np.argmin(column.missing))
            value = f"{column.values[at]:.10g}" if column.levels is None else column.levels[column.values[at]]
            message = f"column '{name}' holds no dates: '{shorten(value)}' in row {self.rows[at]}"
            raise DataError("not_a_date", message, "write dates from the year down: 2024-05-31, or 2024-05-31 13:30")
        when = moments(column.levels)
        hint = "correct the value, or declare it missing with --na"
        self._refuse_level(column, np.isnat(when.clock), "is on no calendar or clock", hint)
        return column, when

    def _refuse_level(self, column: Column, wrong: np.ndarray, what: str, hint: str) -> None:
        """Raises `DataError` "not_a_date" for the first row whose level is `wrong` (one for each level)."""
        at = np.flatnonzero(looked_up(np.append(wrong, False), column.values))
        if at.size:
            level = (column.levels or ())[column.values[at[0]]]
            message = f"column '{column.name}': '{level}' in row {self.rows[at[0]]}{_more(at.size)} {what}"
            raise DataError("not_a_date", message, hint)

    def keep(self, mask: np.ndarray | slice) -> Table:
        """The rows where `mask`, a bool (n,), is True, or at its positions; levels that do not occur are dropped."""
        columns = {name: column.take(mask) for name, column in self.columns.items()}
        words = dict(self.words)
        for name, column in self.columns.items():
            if name not in words and (word := self._lost(column, columns[name])) is not None:
                words[name] = word
        return replace(self, columns=columns, rows=self.rows[mask], words=words)

    def give_up_numbers(self) -> None:
        """Let go of the values of numeric columns, for which nobody will ask again; kinds and levels stay."""
        columns = cast(dict[str, Column], self.columns)
        for name, column in self.columns.items():
            if column.levels is None:
                columns[name] = replace(column, values=np.empty(0))

    def _lost(self, whole: Column, kept: Column) -> Word | None:
        """What was no number in a column of text, if all that is left of it is numbers."""
        before, left = whole.levels or (), kept.levels or ()
        if whole.kind != "text" or len(left) == len(before) or not all(map(is_number, left)):
            return None
        at = np.flatnonzero(looked_up(np.array([*(not is_number(level) for level in before), False]), whole.values))
        return Word(before[whole.values[at[0]]], int(self.rows[at[0]]), int(at.size)) if at.size else None

    def _not_numeric(self, column: Column, levels: tuple[str, ...]) -> DataError:
        what = "holds dates, not numbers" if column.kind == "date" else "is not numeric"
        offends = np.array([not is_number(level) for level in levels] + [False])
        at = np.flatnonzero(looked_up(offends, column.values))
        if at.size:
            word = Word(levels[column.values[at[0]]], int(self.rows[at[0]]), int(at.size))
        elif column.name in self.words:  # rows that have been dropped made text of it
            word = self.words[column.name]
        else:
            at = np.flatnonzero(~column.missing)
            word = Word(levels[column.values[at[0]]], int(self.rows[at[0]]), int(at.size))
        message = f"column '{column.name}' {what}: '{shorten(word.text)}' in row {word.row}{_more(word.count)}"
        return DataError("not_numeric", message, _numeric_hint(column, word))


def _by_row(column: Column, of_levels: np.ndarray) -> np.ndarray:
    """What belongs to each level, for each row (n,); NaT or NaN where missing."""
    nothing = np.datetime64("NaT") if of_levels.dtype.kind == "M" else np.nan
    return looked_up(np.append(of_levels, np.array([nothing], dtype=of_levels.dtype)), column.values)


def _more(count: int) -> str:
    return f" (and {count - 1} more)" if count > 1 else ""


def _numeric_hint(column: Column, word: Word) -> str:
    levels = column.levels or ()
    if column.kind == "date":
        return f"make numbers of it: {transforms(column.name, levels)}"
    if is_number(word.text):
        stored = "the source stores these numbers as text; store them as numbers"
        return f"{stored}; where --decimal was given, this has another decimal sign" if "." in word.text else stored
    hidden = hidden_numbers(levels)
    if hidden.disguised.any() and word.text in (levels[at] for at in np.flatnonzero(hidden.disguised)):
        return hidden.remedy(word.text)
    missing = f"where it stands for a missing one, add {shell('--na', shorten(word.text))}"
    if word.row == 1 and word.count == 1:
        return f"if it is a unit, leave out the line below the header with --skip 0,1; {missing}"
    if "," in word.text and is_number(word.text.replace(",", "")):
        return "write numbers with a decimal point and without thousands separators"
    if sum(not is_number(level) for level in levels) > 1:  # --na would lead from each to the next
        return "the column holds text: name one of numbers in its place, or correct the values"
    return f"correct the value, or {missing}"


def unknown_column(name: str, known: Iterable[str], source: str) -> DataError:
    """The error for a column that `source` does not have."""
    return DataError("unknown_column", f"no column '{shorten(name)}' in {source}", column_hint(name, known))


def complete_rows(table: Table, columns: Sequence[str], policy: str = "drop") -> Table:
    """The rows of `table` in which none of `columns` is missing; levels that no longer occur are dropped.

    `dropped` counts for each column the rows in which it is missing (a row may count for several), added to what was
    dropped before. Raises `DataError` "missing_values" under the policy "error", "no_rows" where no row is left.
    """
    if policy not in ("drop", "error"):
        raise UsageError("unknown_policy", f"no policy '{policy}' for missing values", "use 'drop' or 'error'")
    missing = {name: table[name].missing for name in dict.fromkeys(columns)}
    counts = {name: int(where.sum()) for name, where in missing.items() if where.any()}
    if not counts:
        return table
    if policy == "error":
        first = {name: int(table.rows[np.argmax(missing[name])]) for name in counts}
        listed = "; ".join(
            f"column '{name}' in {_count(counts[name], 'row')}, first in row {first[name]}" for name in counts
        )
        raise DataError("missing_values", f"missing values: {listed}", "drop these rows with --missing drop")
    keep = ~reduce(np.logical_or, (missing[name] for name in counts))
    if not keep.any():
        listed = ", ".join(f"'{name}' in {count}" for name, count in counts.items())
        message = f"no row of {table.source} is complete: of {_count(len(table), 'row')}, missing are {listed}"
        raise DataError("no_rows", message, "leave out the columns that are missing most often")
    dropped = dict(table.dropped)
    for name, count in counts.items():
        dropped[name] = dropped.get(name, 0) + count
    return replace(table.keep(keep), dropped=dropped)


def refuse(what: str, values: np.ndarray, wrong: np.ndarray, rows: np.ndarray, error: GlmfitError) -> None:
    """Raises `error`, whose message is the rule, with the first value that is `wrong` (n,) and its row in front."""
    if wrong.any():
        at, count = int(np.argmax(wrong)), int(wrong.sum())
        where = f"{what} is {values[at]:.10g} in row {rows[at]}{_more(count)}"
        raise type(error)(error.code, f"{where}: {error.message}", error.hint)


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
