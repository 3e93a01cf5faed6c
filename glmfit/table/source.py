"""An opened input: its header is known, its columns are not yet read.

A kind of input says how the columns at some positions are loaded; everything that concerns names is the same for all.
"""

from __future__ import annotations

import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np

from glmfit import memory
from glmfit.errors import DataError, Finding, GlmfitError, UsageError
from glmfit.reading import PLAIN, Reading
from glmfit.table import arrow
from glmfit.table.columns import Column, Table, unknown_column

Loaded = tuple[int, list[tuple[Column, list[Finding]]]]  # rows, and each column with what must be said about it


class Source(ABC):
    """An opened input, with one column at least; `name` is the path as typed, "-" for standard input, "<frame>" for a
    frame in memory. `kind` says what it is, and `takes` which fields of `Reading` mean something for it.

    `first` is the number of its first row, which is not 1 where it is a run of a longer input; `count` is the number of
    rows read; `may_be_empty` says that it may have none, as one file of several may.
    """

    kind = ""
    first = 1
    count = 0
    may_be_empty = False
    _kept: dict[tuple[int, bool], tuple[Column, list[Finding]]] | None = None
    takes: frozenset[str] = frozenset(["na", "thousands", "decimal"])

    def __init__(self, name: str, header: Sequence[str], reading: Reading = PLAIN) -> None:
        self.name = name
        self.reading = reading
        for option in reading.asked():
            if option not in self.takes:
                message = f"--{option} has no meaning for {name}, which is {self.kind}"
                raise UsageError("contradiction", message, "leave it out")
        # Composed, as names are in a specification: accents may be characters of their own in a file.
        self.header = tuple(unicodedata.normalize("NFC", column) for column in header)
        if not self.header:
            raise DataError("no_columns", f"{self.name} has no columns", "give a table with named columns")
        self._places: dict[str, list[int]] = {}
        for at, column in enumerate(self.header):
            self._places.setdefault(column, []).append(at)

    @abstractmethod
    def load(self, positions: list[int], words: Collection[int] = ()) -> Loaded:
        """The columns at `positions` (at least one) of the header, those at `words` as text whatever they look like."""

    def keep_columns(self) -> None:
        """From here on each column is read once."""
        self._kept = {}

    def kept_bytes(self) -> int:
        """What the columns that are kept take."""
        return sum(column.values.nbytes for column, _ in (self._kept or {}).values())

    def _loaded(self, positions: list[int], words: Collection[int]) -> Loaded:
        """What `load` gives, of columns that are kept without reading them again."""
        kept = self._kept
        if kept is None:
            return self.load(positions, words)
        new = [at for at in positions if (at, at in words) not in kept]
        if new:
            kept.update(zip(((at, at in words) for at in new), self.load(new, words)[1], strict=True))
        found = [kept[at, at in words] for at in positions]
        return len(found[0][0].values), found

    def verbatim(self, columns: Sequence[str]) -> dict[str, Any]:
        """Columns as Arrow arrays, in the types of the input; of a text in its own spelling."""
        self.read_header(columns)
        _, loaded = self.load([self.place(name) for name in columns])
        return {name: arrow.of_column(column) for name, (column, _) in zip(columns, loaded, strict=True)}

    def runs(self, columns: Sequence[str]) -> Iterator[Source]:
        """The input in runs of rows of a bounded size, each to be read before the next; `columns` are those wanted."""
        yield copy(self)

    def expected_rows(self) -> int:
        """About how many rows there are, told before they are read; 0 for those that are in memory already."""
        return 0

    def remedy(self) -> str | None:
        """What to do about a header that can hardly be one, told from the first lines; None where it may well be."""
        return None

    def read(self, columns: Sequence[str], words: Collection[str] = ()) -> Table:
        """The columns asked for; `words` are read as text.

        Raises `DataError` for an unknown, blank or duplicate name among them, and for whatever is wrong in the data.
        """
        names = list(dict.fromkeys(columns))
        self.read_header(names)
        positions = [self.place(name) for name in names]
        n, width = self.expected_rows(), 1 + max(1, len(names))  # as they are given, and one as the reader has it
        memory.check(
            [memory.rows_need(n, width, f"about {n:,} rows of {len(names)} columns")], f"reading {self.name} takes"
        )
        as_text = {at for at, name in zip(positions, names, strict=True) if name in words}
        n, loaded = self._loaded(positions or [0], as_text)
        self.count = n
        if n == 0 and self.first == 1 and not self.may_be_empty:
            raise DataError("no_rows", f"{self.name} has a header but no data rows", "check how the file was written")
        kept = dict(zip(names, (column for column, _ in loaded), strict=False))
        findings = tuple(finding for _, found in loaded for finding in found)
        return Table(self.name, n, kept, np.arange(self.first, self.first + n, dtype=np.int64), {}, findings)

    def read_header(self, columns: Sequence[str]) -> None:
        """Raises `DataError` for an unknown, blank or duplicate name among some columns; nothing is read."""
        with self.blaming_the_header():
            for name in columns:
                self.place(name)

    def as_asked(self, at: int, words: Collection[int]) -> Reading:
        """How the column at a position is read: numbers are not looked for in what is text in any case."""
        return replace(self.reading, thousands=None, decimal=None) if at in words else self.reading

    def unnamed(self) -> list[Finding]:
        """What must be said where all columns are meant: of those without a name, which are left out, if not empty."""
        places = [at for name, found in self._places.items() if not name.strip() for at in found]
        findings = []
        for at, (column, _) in zip(places, self.load(places)[1] if places else (), strict=True):
            there = np.flatnonzero(~column.missing)
            if there.size:
                value = column.values[there[0]]
                shown = f"{value:.10g}" if column.levels is None else column.levels[value]
                what = f"column {at + 1} of {self.name} has no name ('{shown}' in row {there[0] + 1})"
                message = f"{what}: '.' leaves it out, as row names; give it a name in the header to use it"
                findings.append(Finding("nameless_column", message))
        return findings

    @contextmanager
    def blaming_the_header(self) -> Iterator[None]:
        """What is not found in a header that can hardly be one comes with the remedy for that."""
        try:
            yield
        except GlmfitError as error:
            remedy = self.remedy() if error.code == "unknown_column" else None
            if remedy is None:
                raise
            raise type(error)(error.code, error.message, remedy) from None

    def place(self, name: str) -> int:
        """Where a column stands in the header; `DataError` for an unknown, blank or duplicate name."""
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
