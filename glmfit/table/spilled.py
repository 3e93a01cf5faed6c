"""A source that is larger than memory: its columns are read a run of rows at a time, and lie in temporary files.

What a column is, all runs decide together, as several files do: one that is numbers in some and words in others is
read once more as text, and its distinct values decide.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from glmfit.errors import Finding, file_changed
from glmfit.spill import Growing, Spill, plain, runs
from glmfit.table.columns import Column, Table
from glmfit.table.delimited import DelimitedSource
from glmfit.table.many import ManySource, mixed_types
from glmfit.table.source import Source
from glmfit.table.typed import of_text
from glmfit.watch import tell


def read_spilled(source: Source, columns: Sequence[str], spill: Spill) -> Table:
    """The columns asked for, as `Source.read` gives them."""
    names = list(dict.fromkeys(columns))
    source.read_header(names)
    files = _files(source)
    before = _state(files)
    making, total = [_Making(name, spill) for name in names], max(1, source.expected_rows())
    n = 0
    for run in source.runs(names):
        table = run.read(names)
        for column in making:
            column.add(table.columns[column.name], list(_of(table.findings, column.name, run, source)), run.name)
        n += len(table)
        tell(min(n, total), total, "reading")
    findings: list[Finding] = []
    kept: dict[str, Column] = {}
    for column in making:
        kept[column.name] = _as_text(column, source, findings) if column.mixed else column.made()
        findings += [] if column.mixed else column.findings[:1]
        if len(kept[column.name].values) != n:
            raise file_changed(source.name)
    if _state(files) != before:
        raise file_changed(source.name)
    rows = spill.filled(n, np.int64, lambda part: np.arange(part.start + 1, part.stop + 1))
    return Table(source.name, n, kept, rows, {}, tuple(findings))


@dataclass(slots=True)
class _Making:
    """A column in the making: numbers, or codes into `levels` in the order in which they were first seen."""

    name: str
    spill: Spill
    kind: str | None = None  # None as long as all is missing
    kinds: dict[str, str] = field(default_factory=dict)  # all that there were, and the last file of each
    values: Growing | None = None
    missing: int = 0  # rows before there was anything
    levels: dict[str, int] = field(default_factory=dict)
    ascending: bool = True
    mixed: bool = False
    findings: list[Finding] = field(default_factory=list)

    def add(self, column: Column, findings: Collection[Finding], name: str) -> None:
        """The rows of one more run, of the file of that name."""
        self.findings += findings
        absent = bool(column.missing.all())
        if not absent:
            self.kinds[column.kind] = name
        if self.mixed or (absent and self.values is None):
            self.missing += len(column.values)
            return
        if self.values is None:
            self.kind = column.kind
            self.values = self.spill.growing(np.float64 if column.levels is None else np.int64)
            self.values.append(self._nothing(self.missing))
        if absent:
            self.values.append(self._nothing(len(column.values)))
        elif column.kind != self.kind:
            self.mixed, self.values = True, None
        elif column.levels is None:
            self.values.append(column.values)
        else:
            self.ascending &= list(column.levels) == sorted(column.levels)
            places = [self.levels.setdefault(level, len(self.levels)) for level in column.levels]
            self.values.append(np.array([*places, -1], dtype=np.int64)[column.values])

    def _nothing(self, n: int) -> np.ndarray:
        return np.full(n, np.nan) if self.kind == "number" else np.full(n, -1, dtype=np.int64)

    def made(self) -> Column:
        """The column of all rows."""
        if self.values is None or self.kind is None:
            return Column(self.name, "number", self.spill.filled(self.missing, np.float64, lambda part: np.nan))
        values = self.values.done()
        if self.kind == "number":
            return Column(self.name, "number", values)
        levels = sorted(self.levels) if self.ascending else list(self.levels)
        place = {level: at for at, level in enumerate(levels)}
        rank = np.array([*(place[level] for level in self.levels), -1], dtype=np.int64)
        base = plain(values)
        for part in runs(len(base)):
            base[part] = rank[base[part]]
        return Column(self.name, self.kind, values, tuple(levels))


def _as_text(making: _Making, source: Source, findings: list[Finding]) -> Column:
    """A column of different kinds in different runs, from its text."""
    name, codes, place = making.name, making.spill.growing(np.int64), dict[str, int]()
    first: Source | None = None
    for run in source.runs([name]):
        first = first or run
        if isinstance(run, DelimitedSource):
            own, levels = run.texts(run.place(name))
            run.count = len(own)
        else:
            column = run.read([name], [name])[name]
            if column.kind not in ("text", "date"):
                raise mixed_types(name, making.kinds)
            own, levels = column.values, list(column.levels or ())
        places = [place.setdefault(level, len(place)) for level in levels]
        codes.append(np.array([*places, -1], dtype=np.int64)[own])
    if isinstance(first, DelimitedSource):
        column, found = first.typed(first.place(name), codes.done(), list(place))
    else:
        column = Column.factor(name, "text", codes.done(), list(place))
        column, found = of_text(column, source.reading)
    findings += found[:1]
    return column


def _of(findings: Collection[Finding], name: str, run: Source, source: Source) -> Iterator[Finding]:
    """Those of a column, with the file where there are several."""
    for finding in findings:
        if name in finding.terms:
            several = isinstance(source, ManySource)
            yield replace(finding, message=f"{run.name}: {finding.message}") if several else finding


def _files(source: Source) -> list[str]:
    return [one.name for one in source.parts] if isinstance(source, ManySource) else [source.name]


def _state(files: Sequence[str]) -> list[Any]:
    """Size and time of files, None for what is none."""
    found = (os.stat(name) if os.path.isfile(name) else None for name in files)
    return [None if one is None else (one.st_size, one.st_mtime_ns) for one in found]
