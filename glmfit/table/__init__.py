"""Files and frames to typed columns: what was asked for is read, the rest of a file is left alone.

A `Source` knows its header; `Source.read` gives a `Table` of the columns asked for, each number, boolean, text or date,
with its missing values marked; `complete_rows` keeps the rows in which nothing is missing and counts the others.
Rows are counted from 1, the first row after the header, everywhere.
"""

from __future__ import annotations

from glmfit.table.columns import Column, Table, complete_rows
from glmfit.table.readers import from_frame, open_source
from glmfit.table.source import Source

__all__ = ["Column", "Source", "Table", "complete_rows", "from_frame", "open_source"]
