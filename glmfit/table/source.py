"""An opened input: its header is known, its columns are not yet read.

A kind of input says how the columns at some positions are loaded; everything that concerns names is the same for all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np

from glmfit import memory
from glmfit.errors import DataError, Finding
from glmfit.table.columns import Column, Table, unknown_column

Loaded = tuple[int, list[tuple[Column, list[Finding]]]]  # rows, and each column with what must be said about it


class Source(ABC):
    """An opened input, with one column at least; `name` is the path as typed, "-" for standard input, "<frame>" for a
    frame in memory. `first` is the number of its first row, which is not 1 where it is a run of a longer input."""

    first = 1

    def __init__(self, name: str, header: Sequence[str]) -> None:
        self.name = name
        self.header = tuple(header)
        if not self.header:
            raise DataError("no_columns", f"{self.name} has no columns", "give a table with named columns")
        self._places: dict[str, list[int]] = {}
        for at, column in enumerate(self.header):
            self._places.setdefault(column, []).append(at)

    @abstractmethod
    def _load(self, positions: list[int], na: tuple[str, ...], words: Collection[int] = ()) -> Loaded:
        """The columns at `positions` (at least one) of the header, those at `words` as text whatever they look like."""

    @abstractmethod
    def verbatim(self, columns: Sequence[str]) -> dict[str, Any]:
        """Columns as Arrow arrays, in the types of the input; of a text in its own spelling."""

    def runs(self, columns: Sequence[str]) -> Iterator[Source]:
        """The input in runs of rows of a bounded size, each to be read before the next; `columns` are those wanted."""
        yield self

    def expected_rows(self) -> int:
        """About how many rows there are, told before they are read; 0 for those that are in memory already."""
        return 0

    def read(self, columns: Sequence[str], na: Sequence[str] = (), words: Collection[str] = ()) -> Table:
        """The columns asked for; `na` adds spellings of a missing value to the usual ones, `words` are read as text.

        Raises `DataError` for an unknown, blank or duplicate name among them, and for whatever is wrong in the data.
        """
        names = list(dict.fromkeys(columns))
        positions = [self._position(name) for name in names]
        n, width = self.expected_rows(), 2 * max(1, len(names))  # as the reader has them, and as they are given
        memory.check(
            [memory.rows_need(n, width, f"about {n:,} rows of {len(names)} columns")], f"reading {self.name} takes"
        )
        as_text = {at for at, name in zip(positions, names, strict=True) if name in words}
        n, loaded = self._load(positions or [0], tuple(na), as_text)
        if n == 0 and self.first == 1:
            raise DataError("no_rows", f"{self.name} has a header but no data rows", "check how the file was written")
        kept = dict(zip(names, (column for column, _ in loaded), strict=False))
        findings = tuple(finding for _, found in loaded for finding in found)
        return Table(self.name, n, kept, np.arange(self.first, self.first + n, dtype=np.int64), {}, findings)

    def read_header(self, columns: Sequence[str]) -> None:
        """Raises `DataError` for an unknown, blank or duplicate name among some columns; nothing is read."""
        for name in columns:
            self._position(name)

    def _position(self, name: str) -> int:
        if not name.strip():
            message = f"a column with a blank name was asked for in {self.name}"
            raise DataError("blank_column", message, "give the column a name in the header")
        found = self._places.get(name, [])
        if not found:
            raise unknown_column(name, self.header, self.name)
        if len(found) > 1:
            places = " and ".join(str(at + 1) for at in found)
            message = f"column '{name}' of {self.name} is ambiguous: columns {places} have that name"
            raise DataError("duplicate_column", message, "give each column its own name in the header")
        return found[0]
