"""Several files of one layout as one table: rows in the order of the files, columns matched by name.

What a column is, all files decide together: one that is numbers in some and words in others is read again as text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from glmfit.errors import DataError, Finding, shorten
from glmfit.reading import Reading
from glmfit.table.columns import Column
from glmfit.table.delimited import DelimitedSource
from glmfit.table.source import Loaded, Source


class ManySource(Source):
    """Opened files, two at least, with the same columns; their order is that of the first."""

    kind = "several files"

    def __init__(self, name: str, parts: Sequence[Source], reading: Reading) -> None:
        self.takes = frozenset.union(*(part.takes for part in parts))
        super().__init__(name, parts[0].header, reading)
        self.parts = parts
        for part in parts:
            _check_columns(parts[0], part)
            part.may_be_empty = True

    def expected_rows(self) -> int:
        return sum(part.expected_rows() for part in self.parts)

    def remedy(self) -> str | None:
        return self.parts[0].remedy()

    def runs(self, columns: Sequence[str]) -> Iterator[Source]:
        """Those of each file, whose rows are counted and named as its own."""
        self.read_header(columns)
        rows = 0
        for part in self.parts:
            for run in part.runs(columns):
                yield run
                rows += run.count
        if rows == 0:
            raise DataError("no_rows", f"the files {self.name} have no data rows", "check how they were written")

    def verbatim(self, columns: Sequence[str]) -> dict[str, Any]:
        import pyarrow as pa

        parts = [part.verbatim(columns) for part in self.parts]
        return {name: pa.chunked_array([chunk for part in parts for chunk in part[name].chunks]) for name in columns}

    def load(self, positions: list[int], words: Collection[int] = ()) -> Loaded:
        places = [[self._place(part, at) for at in positions] for part in self.parts]
        loaded = []
        for part, own in zip(self.parts, places, strict=True):
            loaded.append(part.load(own, {place for at, place in zip(positions, own, strict=True) if at in words}))
        joined: list[tuple[Column, list[Finding]]] = []
        for k, at in enumerate(positions):
            columns = [found[k][0] for _, found in loaded]
            kinds = {column.kind for column in columns if not column.missing.all()}
            if len(kinds) > 1:
                joined.append(self._joined_text(at, [own[k] for own in places], columns))
            else:
                findings = [
                    replace(finding, message=f"{part.name}: {finding.message}")
                    for part, (_, found) in zip(self.parts, loaded, strict=True)
                    for finding in found[k][1][:1]
                ]
                joined.append((_joined(columns, kinds.pop() if kinds else "number"), findings[:1]))
        return sum(n for n, _ in loaded), joined

    def _place(self, part: Source, at: int) -> int:
        """Where a part has the column that is at a position of the first one."""
        name = self.header[at]
        same = [place for place, own in enumerate(part.header) if own == name]
        return same[self.header[:at].count(name)]

    def _joined_text(self, at: int, places: list[int], columns: list[Column]) -> tuple[Column, list[Finding]]:
        """A column of different kinds in different files, from its text."""
        codes, levels = [], []
        for part, place in zip(self.parts, places, strict=True):
            if not isinstance(part, DelimitedSource):
                named = zip(self.parts, columns, strict=True)
                kinds = {column.kind: part.name for part, column in named if not column.missing.all()}
                raise mixed_types(self.header[at], kinds)
            found = part.texts(place)
            codes.append(found[0])
            levels.append(found[1])
        whole = list(dict.fromkeys(level for found in levels for level in found))
        first = self.parts[0]
        assert isinstance(first, DelimitedSource)
        return first.typed(at, _recoded(codes, levels, whole), whole)


def _joined(columns: Sequence[Column], kind: str) -> Column:
    """The columns, all of one kind or wholly missing, one below the other; an order of levels of their own is kept."""
    name = columns[0].name
    if kind == "number":
        return Column(name, kind, np.concatenate([_numbers(column) for column in columns]))
    levels = [column.levels or () for column in columns]
    whole = list(dict.fromkeys(level for found in levels for level in found))
    if all(list(found) == sorted(found) for found in levels):
        whole.sort()
    codes = [np.full(len(c.values), -1) if c.levels is None else c.values for c in columns]
    return Column.factor(name, kind, _recoded(codes, levels, whole), whole)


def _numbers(column: Column) -> np.ndarray:
    """The values of a column of numbers, or of one that is wholly missing."""
    return column.values if column.levels is None else np.full(len(column.values), np.nan)


def _recoded(codes: Sequence[np.ndarray], levels: Sequence[Sequence[str]], whole: Sequence[str]) -> np.ndarray:
    """Codes into the levels of each file as codes into those of all, one below the other; -1 stays."""
    place = {level: at for at, level in enumerate(whole)}
    moved = [np.array([*(place[level] for level in own), -1], dtype=np.int64) for own in levels]
    return np.concatenate([own[code] for own, code in zip(moved, codes, strict=True)])


def _check_columns(first: Source, part: Source) -> None:
    """Raises `DataError` "different_columns" unless two files have the same columns, in whatever order."""
    if sorted(first.header) == sorted(part.header):
        return
    lacks = [name for name in first.header if name not in part.header]
    more = [name for name in part.header if name not in first.header]
    if lacks:
        what = f"{part.name} has no column '{shorten(lacks[0])}', which {first.name} has"
    elif more:
        what = f"{part.name} has a column '{shorten(more[0])}', which {first.name} has not"
    else:
        what = f"{part.name} and {first.name} have columns of the same name in different numbers"
    count = len(lacks) + len(more)
    message = what + (f" ({count} columns differ)" if count > 1 else "")
    raise DataError("different_columns", message, "give files of one layout, or a pattern that leaves out the others")


def mixed_types(name: str, kinds: Mapping[str, str]) -> DataError:
    """A column is of different `kinds`, each of which has a file."""
    listed = ", ".join(f"{kind} in {place}" for kind, place in kinds.items())
    message = f"column '{name}' is of different kinds: {listed}"
    return DataError("mixed_types", message, "write the files alike")
