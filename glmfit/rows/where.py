"""The rows that --where asks for: those in which its condition holds; where it is unknown, a row is outside."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from glmfit.errors import DataError
from glmfit.formula import Factor, truth
from glmfit.table import Table


def inside(where: Factor | None, table: Table, columns: Collection[str]) -> tuple[Table, dict[str, dict[str, int]]]:
    """The rows inside, with no more than `columns`; and how many are outside, and how many of these for missing values.

    Raises DataError where no row is left.
    """
    if where is None:
        return table, {}
    holds = truth(where, table)
    keep, unknown = holds == 1, int(np.isnan(holds).sum())
    if not keep.any():
        truth(where, table, strict=True)  # names text that no row has, the likeliest reason
        reason = "it is missing in every row" if unknown == len(table) else f"of {len(table)} rows none is inside"
        message = f"--where '{where.text}' leaves no row of {table.source}: {reason}"
        raise DataError("no_rows", message, "check the condition, and the values of its columns")
    table = replace(table, columns={name: c for name, c in table.columns.items() if name in columns})
    dropped = {"where": {where.text: int((~keep).sum())}}
    if unknown:
        dropped["where_missing"] = {where.text: unknown}
    return (table if keep.all() else table.keep(keep)), dropped
