"""The rows of a table in groups, by the values of some columns: in the order of the values, numbers by their size.

Where the rows of each group stand side by side already, as in a file that is sorted by these columns, nothing is kept
of a row; else its position is, which is all that has to be in memory of a table in temporary files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glmfit.errors import DataError, ModelError, UsageError, column_hint
from glmfit.memory import NUMBER, spoken
from glmfit.table import Column, Table

POSITIONS = 3  # numbers in each row that it takes to put the rows of groups together
_Parts = tuple[list[Any], np.ndarray]  # the distinct values of a column, and the code of each row


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """`order` are positions of rows, those of a group side by side: group g has `sizes[g]` of them from `start[g]` on.

    `codes` (groups, columns) are the places of its values in `values`, which has those of each column; `missing` is
    the number of rows without a value in one of the columns, which belong to no group.
    """

    names: tuple[str, ...]
    values: tuple[list[Any], ...]
    codes: np.ndarray
    order: np.ndarray
    start: np.ndarray
    sizes: np.ndarray
    missing: int

    def __len__(self) -> int:
        return len(self.codes)

    def keys(self, groups: Sequence[int]) -> list[dict[str, Any]]:
        """The values that make up each of some groups, by column."""
        codes = self.codes[np.asarray(groups)].T.tolist()
        columns = ([values[code] for code in column] for values, column in zip(self.values, codes, strict=True))
        return [dict(zip(self.names, row, strict=True)) for row in zip(*columns, strict=True)]

    def rows(self, groups: Sequence[int]) -> np.ndarray:
        """The positions of the rows of some groups in the table, one group after the other, ascending in each."""
        places = [np.arange(self.start[group], self.start[group] + self.sizes[group]) for group in groups]
        return np.asarray(self.order[np.concatenate(places)])

    def runs(self, rows: int) -> Iterator[range]:
        """The groups in order, so many together that they have about so many rows, and one at least."""
        ends = np.cumsum(self.sizes)
        first = 0
        while first < len(self):
            before = ends[first - 1] if first else 0
            last = max(first + 1, int(np.searchsorted(ends, before + rows, side="right")))
            yield range(first, last)
            first = last


def grouped(table: Table, names: Sequence[str], most: int | None = None) -> Groups:
    """The groups of a table; DataError where the columns make none, ModelError where the rows of groups stand apart
    and their positions take more than `most` bytes."""
    columns = [table[name] for name in names]
    missing = columns[0].missing
    for column in columns[1:]:
        missing = missing | column.missing
    if missing.all():
        message = f"every row is without a value in {_listed(names)}"
        raise DataError("no_rows", message, "check --by")
    there = np.flatnonzero(~missing)
    parts = [_values(table, column, there) for column in columns]
    _, combined = parts[0]
    for values, codes in parts[1:]:
        combined = combined * len(values) + codes
    begins = _begins(combined)
    if most is not None and NUMBER * POSITIONS * len(there) > most:
        _refuse_apart(table, names, parts, there, combined, begins)
    distinct, order, start, sizes = _sorted(combined, begins)
    if len(distinct) == len(there) > 1:
        message = f"{_listed(names)} {'have' if len(names) > 1 else 'has'} a value of its own in every row: each group"
        raise DataError("by_identifier", f"{message} would be one row", "name a column of --by that several rows share")
    lengths = [len(values) for values, _ in parts]
    return Groups(
        names=tuple(names),
        values=tuple(values for values, _ in parts),
        codes=np.stack(np.unravel_index(distinct, lengths), axis=1),
        order=there if order is None else there[order],
        start=start,
        sizes=sizes,
        missing=len(table) - len(there),
    )


def _sorted(combined: np.ndarray, begins: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, np.ndarray, np.ndarray]:
    """The distinct values (G,) of a vector (n,) in their order, positions that sort it, and where those of each begin
    and how many they are; None for the positions where each has but one run, which `begins` are."""
    ends = np.append(begins[1:], len(combined))
    of_runs = np.asarray(combined[begins])
    distinct, run = np.unique(of_runs, return_index=True)
    if len(distinct) == len(begins):
        return distinct, None, begins[run], (ends - begins)[run]
    sizes = np.zeros(len(distinct), dtype=np.int64)
    np.add.at(sizes, np.searchsorted(distinct, of_runs), ends - begins)
    order = np.argsort(np.asarray(combined), kind="stable")
    return distinct, order, np.append(0, np.cumsum(sizes)[:-1]), sizes


def _refuse_apart(
    table: Table, names: Sequence[str], parts: Sequence[_Parts], there: np.ndarray, combined: np.ndarray,
    begins: np.ndarray,
) -> None:  # fmt: skip
    """Raises where a group goes on after others have begun."""
    of_runs = np.asarray(combined[begins])
    again = np.setdiff1d(np.arange(len(begins)), np.unique(of_runs, return_index=True)[1])
    if not len(again):
        return
    at = begins[again[0]]
    key = ", ".join(f"{name} = {values[codes[at]]}" for name, (values, codes) in zip(names, parts, strict=True))
    size = spoken(NUMBER * POSITIONS * len(there))
    message = f"the rows of the group {key} stand apart, in row {table.rows[there[at]]} again after others"
    message = f"{message}: to put those of each group together takes {size}, more than --memory or the machine leaves"
    raise ModelError("too_large", message, f"sort {table.source} by {_listed(names)}, or allow more with --memory")


def _values(table: Table, column: Column, there: np.ndarray) -> _Parts:
    """The distinct values of a column in their order, and the code of each row that is `there`."""
    if column.kind == "boolean":
        levels = column.levels or ()
        return [level == "True" for level in levels], column.values[there]
    if column.levels is not None:
        return list(column.levels), column.values[there]
    values = column.values[there]
    whole = np.isfinite(values) & (values == np.rint(values))
    if not whole.all():
        at = int(np.argmin(whole))
        message = f"column '{column.name}' is {values[at]:.10g} in row {table.rows[there[at]]}: it is a measurement"
        hint = f"group by a column of whole numbers or text, or make one of intervals of '{column.name}'"
        raise DataError("by_decimals", f"{message}, of which groups would be of a row or two", hint)
    distinct = np.unique(np.asarray(values[_begins(values)]))
    return [int(value) for value in distinct], np.searchsorted(distinct, values)


def _begins(values: np.ndarray) -> np.ndarray:
    """Where runs of the same values (n,) begin."""
    return np.append(0, np.asarray(np.flatnonzero(values[1:] != values[:-1])) + 1)


def check_by(names: Sequence[str], header: Sequence[str], source: str) -> None:
    """Raises for columns of --by that are not there, or stand there twice."""
    for name in names:
        if name not in header:
            raise DataError("unknown_column", f"--by: no column '{name}' in {source}", column_hint(name, header))
    twice = next((name for name in names if list(names).count(name) > 1), None)
    if twice is not None:
        raise UsageError("contradiction", f"--by names '{twice}' twice", "name each column once")


def _listed(names: Sequence[str]) -> str:
    return f"column '{names[0]}'" if len(names) == 1 else "columns " + ", ".join(f"'{name}'" for name in names)
