"""The rows of a table in groups, by the values of some columns: in the order of the values, numbers by their size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glmfit.errors import DataError, UsageError, column_hint
from glmfit.table import Column, Table


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """`order` are the positions of the rows, those of a group side by side: group g has order[start[g]:start[g + 1]].

    `codes` (groups, columns) are the places of its values in `values`, which has those of each column; `missing` is
    the number of rows without a value in one of the columns, which belong to no group.
    """

    names: tuple[str, ...]
    values: tuple[list[Any], ...]
    codes: np.ndarray
    order: np.ndarray
    start: np.ndarray
    missing: int

    def __len__(self) -> int:
        return len(self.codes)

    def keys(self, groups: Sequence[int]) -> list[dict[str, Any]]:
        """The values that make up each of some groups, by column."""
        codes = self.codes[np.asarray(groups)].T.tolist()
        columns = ([values[code] for code in column] for values, column in zip(self.values, codes, strict=True))
        return [dict(zip(self.names, row, strict=True)) for row in zip(*columns, strict=True)]

    def rows(self, group: int) -> np.ndarray:
        """The positions of its rows in the table, ascending."""
        return self.order[self.start[group] : self.start[group + 1]]


def grouped(table: Table, names: Sequence[str]) -> Groups:
    """The groups of a table; DataError where the columns make none."""
    columns = [table[name] for name in names]
    missing = np.logical_or.reduce([column.missing for column in columns])
    if missing.all():
        message = f"every row is without a value in {_listed(names)}"
        raise DataError("no_rows", message, "check --by")
    there = np.flatnonzero(~missing)
    parts = [_values(table, column, there) for column in columns]
    combined = np.zeros(len(there), dtype=np.int64)
    for values, codes in parts:
        combined = combined * len(values) + codes
    distinct, first, group = np.unique(combined, return_index=True, return_inverse=True)
    group = group.reshape(-1)
    if len(distinct) == len(there) > 1:
        message = f"{_listed(names)} {'have' if len(names) > 1 else 'has'} a value of its own in every row: each group"
        raise DataError("by_identifier", f"{message} would be one row", "name a column of --by that several rows share")
    counts = np.bincount(group)
    return Groups(
        names=tuple(names),
        values=tuple(values for values, _ in parts),
        codes=np.stack([codes[first] for _, codes in parts], axis=1),
        order=there[np.argsort(group, kind="stable")],
        start=np.concatenate([[0], np.cumsum(counts)]),
        missing=int(missing.sum()),
    )


def _values(table: Table, column: Column, there: np.ndarray) -> tuple[list[Any], np.ndarray]:
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
    distinct, codes = np.unique(values, return_inverse=True)
    return [int(value) for value in distinct], codes.reshape(-1)


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
