"""Parts of the data that workers read for themselves: files, and the row groups of large Parquet files.

A part is read once, its columns matched by name, and stays with its worker: incomplete rows left out, kinds and levels
told to the driver beside a few rows that stand for the others. If the worker dies, another reads the part again.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from glmfit.errors import DataError, Finding, UsageError, shorten
from glmfit.families.userfile import is_path, split
from glmfit.rows.asked import Asked, ask, resolve
from glmfit.rows.data import usable_rows
from glmfit.spec import ModelSpec, cluster_columns
from glmfit.spilled import few
from glmfit.table import Column, Source, Table, open_data
from glmfit.table.readers import paths_of

ROW_GROUPS = 1_000_000  # rows of a Parquet file that are a part of their own
FEW = 1_000  # distinct numbers that may be the levels of C(x)
EXAMPLES = 20_000  # rows that are brought together, beside those that are peculiar


@dataclass(frozen=True, slots=True)
class Partition:
    """A file, or row groups `first` to `last` of one; `name` is what it is called in messages."""

    path: str
    name: str
    first: int | None = None
    last: int = 0

    def open(self, spec: ModelSpec) -> Source:
        if self.first is None:
            source = open_data(self.path, spec.reading)
        else:
            from pyarrow import parquet

            groups = list(range(self.first, self.last))
            source = open_data(parquet.ParquetFile(self.path).read_row_groups(groups), spec.reading)
        source.name, source.may_be_empty = self.name, True
        return source

    def header(self, spec: ModelSpec) -> tuple[str, ...]:
        """The columns, which can be asked for as they should."""
        source = self.open(spec)
        with source.blaming_the_header():
            asked_of(spec, source.header)
        return source.header


_written: dict[str, TemporaryDirectory[str]] = {}  # of likelihoods that came to this process


@dataclass(frozen=True, slots=True)
class Travelling:
    """What was asked for, with the text of a user's likelihood, which is read where the command is given."""

    spec: ModelSpec
    source: str | None = None

    @classmethod
    def of(cls, spec: ModelSpec) -> Travelling:
        if not is_path(spec.family):
            return cls(spec)
        with open(split(spec.family)[0], encoding="utf-8") as file:
            return cls(spec, file.read())

    def arrived(self) -> ModelSpec:
        """The specification on a worker, whose family is a file of its own."""
        if self.source is None:
            return self.spec
        path, name = split(self.spec.family)
        if self.source not in _written:
            _written[self.source] = TemporaryDirectory(prefix="glmfit-")
        own = os.path.join(_written[self.source].name, os.path.basename(path))
        if not os.path.exists(own):
            with open(own, "w", encoding="utf-8") as file:
                file.write(self.source)
        return replace(self.spec, family=own if name is None else f"{own}:{name}")


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The usable rows of a partition, None where there are none, and what was left out.

    `asked` is made of the first two where the part is: a likelihood does not travel but as source.
    """

    travelling: Travelling
    header: tuple[str, ...]
    table: Table | None
    rows_read: int
    dropped: Mapping[str, Mapping[str, int]]
    findings: tuple[Finding, ...]

    @property
    def asked(self) -> Asked:
        return asked_of(self.travelling.arrived(), self.header)

    def __sizeof__(self) -> int:
        """Bytes, by which dask decides where it is worth while to move."""
        columns = () if self.table is None else self.table.columns.values()
        return object.__sizeof__(self) + sum(column.values.nbytes for column in columns)


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What the driver hears of a part: rows, what was left out, some rows, the values of numeric clusters."""

    name: str
    rows_read: int
    n: int
    dropped: Mapping[str, Mapping[str, int]]
    findings: tuple[Finding, ...]
    example: Table | None
    clusters: Mapping[str, np.ndarray]


def partitions(data: Any) -> list[Partition]:
    """The parts of what the path names, in order."""
    if not isinstance(data, str | os.PathLike) or str(data) == "-":
        message = "--dask needs files that workers can read by themselves"
        raise UsageError("bad_dask", message, "give a path, a folder or a quoted pattern")
    found: list[Partition] = []
    for path in paths_of(str(data)):
        whole = Partition(os.path.abspath(path), path)
        found += _groups(whole) if path.lower().endswith((".parquet", ".pq")) else [whole]
    return found


def _groups(whole: Partition) -> list[Partition]:
    """Runs of row groups of about so many rows; the file itself where it has no more."""
    from pyarrow import parquet

    try:
        metadata = parquet.read_metadata(whole.path)
    except (OSError, ValueError):
        return [whole]  # the reader says what is wrong with it
    runs, rows = [0], 0
    for group in range(metadata.num_row_groups):
        rows += metadata.row_group(group).num_rows
        if rows >= ROW_GROUPS and group + 1 < metadata.num_row_groups:
            runs, rows = [*runs, group + 1], 0
    ends = [*runs[1:], metadata.num_row_groups]
    if len(runs) == 1:
        return [whole]
    return [replace(whole, first=first, last=last) for first, last in zip(runs, ends, strict=True)]


def asked_of(spec: ModelSpec, header: Collection[str]) -> Asked:
    """What is asked for over some columns."""
    family, links = resolve(spec)
    return ask(spec, family, links, header)


def read_part(partition: Partition, travelling: Travelling, first: str, header: tuple[str, ...]) -> Part:
    """On a worker: the usable rows of a part, which has the columns of the `first` one."""
    spec = travelling.arrived()
    source = partition.open(spec)
    _check_columns(source, first, header)
    asked = asked_of(spec, source.header)
    try:
        table, dropped = usable_rows(asked, source)
    except DataError as error:
        if error.code != "no_rows":
            raise
        return _unusable(asked, travelling, source)
    # of many levels in few rows the whole has to judge
    findings = tuple(one for one in table.findings if one.code != "many_levels")
    return Part(travelling, source.header, replace(table, findings=()), table.rows_read, dropped, findings)


def _check_columns(source: Source, first: str, header: tuple[str, ...]) -> None:
    """Raises `DataError` "different_columns" unless a part has the columns of the first one, in whatever order."""
    lacks = [name for name in header if name not in source.header]
    more = [name for name in source.header if name not in header]
    if lacks:
        what = f"{source.name} has no column '{shorten(lacks[0])}', which {first} has"
    elif more:
        what = f"{source.name} has a column '{shorten(more[0])}', which {first} has not"
    else:
        return
    hint = "give files of one layout, or a pattern that leaves out the others"
    raise DataError("different_columns", what, hint)


def _unusable(asked: Asked, travelling: Travelling, source: Source) -> Part:
    """A part of which no row is left."""
    table = source.read(asked.columns)
    missing = {name: int(table[name].missing.sum()) for name in asked.columns}
    return Part(
        travelling, source.header, None, table.rows_read, {"missing": {name: n for name, n in missing.items() if n}}, ()
    )


def tell(part: Part, name: str, rows: int) -> Told:
    """On a worker: what the driver must know, with about so many rows as an example."""
    table, clusters = part.table, {}
    if table is not None:
        for column in cluster_columns(part.travelling.spec.se):
            if table[column].levels is None:
                clusters[column] = np.unique(table[column].values)
    example = None if table is None else table.keep(peculiar(table, rows))
    n = 0 if table is None else len(table)
    return Told(name, part.rows_read, n, part.dropped, part.findings, example, clusters)


def peculiar(table: Table, rows: int) -> np.ndarray:
    """Positions of rows that show every level and the range of every number, and about `rows` others."""
    chosen = [np.arange(0, len(table), max(1, len(table) // max(rows, 1)))]
    for column in table.columns.values():
        values = column.values
        distinct = few(values, FEW) if column.levels is None else None
        if distinct is not None:
            chosen.append(_first(np.searchsorted(distinct, values), len(distinct)))
            continue
        if column.levels is not None:
            chosen.append(_first(values, len(column.levels)))
            continue
        fractions = np.flatnonzero(values != np.rint(values))[:1]
        chosen += [np.array([np.argmin(values), np.argmax(values)]), fractions]
    return np.unique(np.concatenate(chosen))


def _first(codes: np.ndarray, count: int) -> np.ndarray:
    """Where each code first is, (count,); all of them occur."""
    first = np.empty(count, dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # of what is assigned to one place the last stays
    return first


def joined(tables: Sequence[Table], names: Sequence[str]) -> Table:
    """Tables of the same columns one below the other, over the levels of all; DataError where kinds differ."""
    columns = {}
    for name in tables[0].columns:
        parts = [table.columns[name] for table in tables]
        kinds = dict(zip((part.kind for part in parts), names, strict=True))
        if len(kinds) > 1:
            listed = ", ".join(f"{kind} in {place}" for kind, place in kinds.items())
            message = f"column '{name}' is of different kinds: {listed}"
            raise DataError("mixed_types", message, "write the files alike")
        columns[name] = _column(parts)
    rows = np.concatenate([table.rows for table in tables])
    return replace(tables[0], columns=columns, rows=rows)


def _column(parts: Sequence[Column]) -> Column:
    first = parts[0]
    if first.levels is None:
        return replace(first, values=np.concatenate([part.values for part in parts]))
    levels = _all_levels(parts)
    place = {level: at for at, level in enumerate(levels)}
    codes = [np.array([place[level] for level in part.levels or ()], dtype=np.int64)[part.values] for part in parts]
    return replace(first, values=np.concatenate(codes), levels=levels)


def _all_levels(parts: Sequence[Column]) -> tuple[str, ...]:
    """In the order of the alphabet where that of each is; an order of their own is kept."""
    whole = list(dict.fromkeys(level for part in parts for level in part.levels or ()))
    if all(list(part.levels or ()) == sorted(part.levels or ()) for part in parts):
        whole.sort()
    return tuple(whole)
