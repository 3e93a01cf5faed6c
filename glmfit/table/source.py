"""An opened input: its header is known, its columns are not yet read.

A kind of input says how the columns at some positions are loaded; everything that concerns names is the same for all.
"""

from __future__ import annotations

import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from glmfit import memory
from glmfit.errors import DataError, Finding, GlmfitError, UsageError
from glmfit.reading import PLAIN, Reading
from glmfit.table.columns import Column, Table, unknown_column

Loaded = tuple[int, list[tuple[Column, list[Finding]]]]  # rows, and each column with what must be said about it


class Source(ABC):
    """An opened input, with one column at least; `name` is the path as typed, "-" for standard input, "<frame>" for a
    frame in memory. `kind` says what it is, and `takes` which fields of `Reading` mean something for it."""

    kind = ""
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
    def load(self, positions: list[int]) -> Loaded:
        """The columns at `positions` (at least one) of the header."""

    def expected_rows(self) -> int:
        """About how many rows there are, told before they are read; 0 for those that are in memory already."""
        return 0

    def remedy(self) -> str | None:
        """What to do about a header that can hardly be one, told from the first lines; None where it may well be."""
        return None

    def read(self, columns: Sequence[str]) -> Table:
        """The columns asked for.

        Raises `DataError` for an unknown, blank or duplicate name among them, and for whatever is wrong in the data.
        """
        names = list(dict.fromkeys(columns))
        with self.blaming_the_header():
            positions = [self._position(name) for name in names]
        n, width = self.expected_rows(), 2 * max(1, len(names))  # as the reader has them, and as they are given
        memory.check(
            [memory.rows_need(n, width, f"about {n:,} rows of {len(names)} columns")], f"reading {self.name} takes"
        )
        n, loaded = self.load(positions or [0])
        if n == 0:
            raise DataError("no_rows", f"{self.name} has a header but no data rows", "check how the file was written")
        kept = dict(zip(names, (column for column, _ in loaded), strict=False))
        findings = tuple(finding for _, found in loaded for finding in found)
        return Table(self.name, n, kept, np.arange(1, n + 1, dtype=np.int64), {}, findings)

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
