"""Units of several rows: the codes of groups and clusters, and what a group that is compared within must fulfil."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from glmfit.errors import DataError
from glmfit.spilled import looked_up
from glmfit.table import Table, number_names


def group_codes(table: Table, name: str) -> np.ndarray:
    """Codes (n,) of the distinct values of a column, in their order."""
    column = table[name]
    if column.levels is None:
        return np.unique(column.values, return_inverse=True)[1].astype(np.int64)
    return column.values


def group_levels(table: Table, name: str) -> tuple[str, ...]:
    """What these codes stand for, as text."""
    column = table[name]
    return tuple(number_names(np.unique(column.values)) if column.levels is None else column.levels)


def by_group(name: str, y: np.ndarray, table: Table) -> tuple[Table, dict[str, int]]:
    """The rows in the order of their groups, without groups in which all responses y (n,) are the same: they say
    nothing; and how many rows those were."""
    codes = group_codes(table, name)
    sums, counts = np.bincount(codes, weights=y), np.bincount(codes)
    out = looked_up((sums == 0) | (sums == counts), codes)
    if out.all():
        message = f"in every group of '{name}' the responses are all the same: nothing can be compared"
        raise DataError("no_rows", message, "check --group, which names the column of the matched sets")
    order = np.argsort(codes, kind="stable")
    dropped = {name: int(out.sum())} if out.any() else {}
    return table.keep(order[~out[order]]), dropped


def check_groups(table: Table, name: str, groups: np.ndarray, columns: Mapping[str, np.ndarray]) -> None:
    """Weights and clusters are those of a group, one value for all of its rows (`groups` in ascending order)."""
    same = groups[1:] == groups[:-1]
    for column, values in columns.items():
        differs = same & (values[1:] != values[:-1])
        if differs.any():
            row = table.rows[int(np.argmax(differs)) + 1]
            message = f"column '{column}' differs within a group of '{name}', first in row {row}"
            raise DataError("varies_within_group", message, "a group is one unit: give all of its rows the same value")
