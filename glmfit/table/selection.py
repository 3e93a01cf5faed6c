"""Some rows of a table that has been read, as a source of their own: a group is then fitted as a file would be."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from glmfit.errors import Finding
from glmfit.table.columns import Column, Table
from glmfit.table.source import Loaded, Source


class Selection(Source):
    """The rows at `index` of a table; each keeps the number that it has in the `whole` source, whose header this is
    but for the columns `without`. A column that the table has not got is read from there."""

    kind = "some rows of a table"

    def __init__(self, whole: Source, table: Table, index: np.ndarray | slice, without: Collection[str] = ()) -> None:
        super().__init__(whole.name, [name for name in whole.header if name not in without])
        self._whole = whole
        self.table = table.keep(index)
        self.count = len(self.table)

    def load(self, positions: list[int], words: Collection[int] = ()) -> Loaded:
        return len(self.table), [(self._column(self.header[at]), []) for at in positions]

    def read(self, columns: Sequence[str], words: Collection[str] = ()) -> Table:
        self.read_header(columns)
        found = self.table
        kept = {name: self._column(name) for name in dict.fromkeys(columns)}
        return Table(found.source, len(found), kept, found.rows, {}, found.findings, found.words)

    def unnamed(self) -> list[Finding]:
        return self._whole.unnamed()

    def _column(self, name: str) -> Column:
        if name in self.table.columns:
            return self.table.columns[name]
        return self._whole.read([name])[name].take(self.table.rows - self._whole.first)
