"""Files and frames to typed columns: what was asked for is read, the rest of a file is left alone.

A `Source` knows its header; `Source.read` gives a `Table` of the columns asked for, each number, boolean, text or date,
with its missing values marked; `complete_rows` keeps the rows in which nothing is missing and counts the others.
Rows are counted from 1, the first row after the header, everywhere. In: a path, a frame or a mapping. Out: a `Table`.
May use: the top of the package.
"""

from __future__ import annotations

import os
from typing import Any

from glmfit.reading import PLAIN, Reading
from glmfit.spill import Spill
from glmfit.table.columns import Column, Table, complete_rows, refuse, unknown_column
from glmfit.table.kept import keeping, opened
from glmfit.table.readers import from_frame, open_source
from glmfit.table.selection import Selection
from glmfit.table.source import Source
from glmfit.table.spilled import read_spilled
from glmfit.table.text import is_number, number
from glmfit.table.typed import number_names

__all__ = [
    "Column",
    "Selection",
    "Source",
    "Table",
    "complete_rows",
    "from_frame",
    "is_number",
    "keeping",
    "number",
    "number_names",
    "open_data",
    "open_source",
    "read_spilled",
    "refuse",
    "unknown_column",
]


def open_data(data: Any, reading: Reading = PLAIN, *, spool: Spill | None = None) -> Source:
    """Whatever holds the data, opened: a path (`-` for standard input), a frame, a mapping; an opened source as it is.

    A path may also be a folder or a pattern. `reading` says how, where the data do not; `spool` is that of
    `open_source`.
    """
    if isinstance(data, Source):
        return data
    if isinstance(data, str | os.PathLike):
        return opened(str(data), reading, spool, open_source)
    return from_frame(data, reading)
