"""Inputs that carry their own types: Parquet and Arrow files, and pandas, Arrow and plain Python columns in memory.

Types are taken as declared: text stays text, even where it looks like numbers, and only nulls, NaN and the spellings
the caller adds are missing. Levels are sorted; a pandas Categorical and an ordered dictionary keep their own order.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np

from glmfit.errors import DataError, Finding, UsageError, shorten
from glmfit.reading import PLAIN, Reading
from glmfit.table import arrow
from glmfit.table.columns import Column
from glmfit.table.infer import large_integer, number_column, numbers_in_text, sorted_factor
from glmfit.table.pages import let_go
from glmfit.table.source import Loaded, Source
from glmfit.table.text import EXACT, is_date

ARROW_FILE = b"ARROW1\0\0"

_RUN = 65_536  # rows of a run
_ZERO_FRACTION = re.compile(r"(:\d\d)\.0+(?=$|Z|[+-])")


class ParquetSource(Source):
    """A Parquet file held as bytes or as a mapped file."""

    kind = "a Parquet file"

    def __init__(self, name: str, data: Any, reading: Reading = PLAIN) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        self._data = data
        try:
            self._file = parquet.ParquetFile(pa.BufferReader(pa.py_buffer(data)))
            self._schema = self._file.schema_arrow
            names = self._schema.names
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise damaged(name, "Parquet", error) from error
        super().__init__(name, names, reading)

    def expected_rows(self) -> int:
        return int(self._file.metadata.num_rows)

    def load(self, positions: list[int], words: Collection[int] = ()) -> Loaded:
        import pyarrow as pa

        # pandas writes a Categorical in its own order; the dictionaries of other writers follow the rows.
        own_order = b"pandas" in (self._schema.metadata or {})
        loaded = []
        try:
            for at in positions:  # one by one: what Arrow holds beside them is one column
                column = self._file.read(columns=[self.header[at]]).column(0)
                loaded.append(from_arrow(self.header[at], column, self.as_asked(at, words), own_order))
                del column
                let_go(self._data)
            arrow.give_back()
            return self.expected_rows(), loaded
        except MemoryError:  # which Arrow's error of that kind is too
            raise
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # Arrow takes text to be UTF-8 unseen
            raise damaged(self.name, "Parquet", error) from error

    def verbatim(self, columns: Sequence[str]) -> dict[str, Any]:
        self.read_header(columns)
        table = self._file.read(columns=list(columns))
        return {name: table.column(name) for name in columns}

    def runs(self, columns: Sequence[str]) -> Iterator[Source]:
        import pyarrow as pa

        self.read_header(columns)
        wanted = list(dict.fromkeys(columns)) or [self.header[0]]
        try:
            for run in _in_runs(self, self._file.iter_batches(batch_size=_RUN, columns=wanted), self._schema):
                yield run
                let_go(self._data)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise damaged(self.name, "Parquet", error) from error


class ArrowSource(Source):
    """An Arrow file, which Feather is too, or an Arrow stream, held as bytes or as a mapped file."""

    kind = "an Arrow file"

    def __init__(self, name: str, data: Any, reading: Reading = PLAIN) -> None:
        import pyarrow as pa

        self._data = data
        try:
            schema = self._open(None).schema
        except (pa.ArrowException, OSError) as error:
            raise damaged(name, "Arrow", error) from error
        super().__init__(name, schema.names, reading)

    def load(self, positions: list[int], words: Collection[int] = ()) -> Loaded:
        import pyarrow as pa

        try:
            table = self._open(sorted(positions)).read_all()
            own_order = b"pandas" in (table.schema.metadata or {})
            place = {at: k for k, at in enumerate(sorted(positions))}
            columns = {at: table.column(place[at]) for at in positions}
        except (pa.ArrowException, OSError) as error:
            raise damaged(self.name, "Arrow", error) from error
        return len(table), [
            from_arrow(self.header[at], columns[at], self.as_asked(at, words), own_order) for at in positions
        ]

    def verbatim(self, columns: Sequence[str]) -> dict[str, Any]:
        self.read_header(columns)
        table = self._open(None).read_all()
        return {name: table.column(self.place(name)) for name in columns}

    def runs(self, columns: Sequence[str]) -> Iterator[Source]:
        import pyarrow as pa

        self.read_header(columns)
        try:
            table = self._open(None).read_all()
        except (pa.ArrowException, OSError) as error:
            raise damaged(self.name, "Arrow", error) from error
        yield from _in_runs(self, table.to_batches(max_chunksize=_RUN), table.schema)

    def _open(self, positions: list[int] | None) -> Any:
        """A reader of the columns at some positions, in ascending order, or of all."""
        import pyarrow as pa

        buffer = pa.BufferReader(pa.py_buffer(self._data))
        options = pa.ipc.IpcReadOptions(included_fields=positions)
        is_file = self._data[: len(ARROW_FILE)] == ARROW_FILE
        return (pa.ipc.open_file if is_file else pa.ipc.open_stream)(buffer, options=options)


def _in_runs(source: Source, batches: Iterable[Any], schema: Any) -> Iterator[Source]:
    """The batches of a file, each as a source of its own; the file itself where it has none."""
    import pyarrow as pa

    first = 1
    for batch in batches:
        part = FrameSource(pa.Table.from_batches([batch]), source.reading, source.name)
        part.own_order, part.first = b"pandas" in (schema.metadata or {}), first
        part.may_be_empty = source.may_be_empty
        yield part
        first += len(batch)
    if first == 1:
        yield source


class FrameSource(Source):
    """Columns in memory; `frame` is a pandas DataFrame, an Arrow table (or what exports one), or a mapping."""

    kind = "a table in memory"
    own_order = False  # whether its dictionaries are in an order that means something

    def __init__(self, frame: Any, reading: Reading = PLAIN, name: str = "<frame>") -> None:
        pandas = sys.modules.get("pandas")
        self._columns: list[Any]
        if pandas is not None and isinstance(frame, pandas.DataFrame):
            names = list(frame.columns)
            self._columns = [frame.iloc[:, at] for at in range(len(names))]
        elif isinstance(frame, Mapping):
            names, self._columns = list(frame), list(frame.values())
        elif hasattr(frame, "__arrow_c_stream__"):
            import pyarrow as pa

            table = pa.table(frame)
            names, self._columns = table.column_names, table.columns
        else:
            message = f"a {type(frame).__name__} is not a table"
            raise UsageError("not_a_table", message, "give a pandas DataFrame, an Arrow table or a mapping of columns")
        super().__init__(name, [str(name) for name in names], reading)

    def verbatim(self, columns: Sequence[str]) -> dict[str, Any]:
        import pyarrow as pa

        values = {name: self._columns[self.place(name)] for name in columns}
        return {
            name: one if isinstance(one, pa.ChunkedArray) else pa.chunked_array([pa.array(one, from_pandas=True)])
            for name, one in values.items()
        }

    def load(self, positions: list[int], words: Collection[int] = ()) -> Loaded:
        loaded = [
            from_memory(self.header[at], self._columns[at], self.as_asked(at, words), self.own_order, self.first)
            for at in positions
        ]
        lengths = {column.name: len(column.values) for column, _ in loaded}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"'{name}' has {n}" for name, n in lengths.items())
            message = f"columns have different numbers of rows: {listed}"
            raise DataError("unequal_lengths", message, "give columns of equal length")
        return len(loaded[0][0].values), loaded


def from_memory(
    name: str, values: Any, reading: Reading, own_order: bool = False, first: int = 1
) -> tuple[Column, list[Finding]]:
    """A column from a vector of any kind; `own_order` and `first` are those of `from_arrow`."""
    import pyarrow as pa

    if str(getattr(values, "dtype", "")) == "category" and hasattr(values, "array"):  # a pandas Series
        values = values.array
    if hasattr(values, "categories") and hasattr(values, "codes"):
        codes, levels = np.asarray(values.codes, dtype=np.int64), [str(level) for level in values.categories]
        return Column.factor(name, "text", _without(codes, levels, reading.na), levels), []
    if isinstance(values, pa.Array):  # through numpy it would lose its time zone
        values = pa.chunked_array([values])
    if isinstance(values, pa.ChunkedArray):
        return from_arrow(name, values, reading, own_order, first)
    if hasattr(values, "__array__") and not hasattr(values, "__arrow_array__") and not hasattr(values, "iloc"):
        values = np.asarray(values)
        if values.ndim != 1:
            message = f"column '{name}' has shape {values.shape}, not one value a row"
            raise DataError("not_a_vector", message, "give each column as a vector")
    try:
        return from_arrow(name, pa.chunked_array([pa.array(values, from_pandas=True)]), reading, own_order=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
        raise _mixed(name, values, error) from error


def _mixed(name: str, values: Any, error: Exception) -> DataError:
    """The error for a column of Python objects that are not all of one type."""
    first: tuple[int, Any] | None = None
    for row, value in enumerate(values, start=1):
        if value is None or value != value:
            continue
        if first is None:
            first = row, value
        elif type(value) is not type(first[1]):
            message = f"column '{name}' mixes types: {first[1]!r} in row {first[0]}, {value!r} in row {row}"
            return DataError("mixed_types", message, "make all values numbers, or all of them text")
    return DataError(
        "unsupported_type",
        f"column '{name}' cannot be read: {shorten(str(error), 200)}",
        "convert it to numbers or text",
    )


def from_arrow(
    name: str, chunked: Any, reading: Reading, own_order: bool, first: int = 1
) -> tuple[Column, list[Finding]]:
    """A column from a chunked array; `own_order` says that dictionaries stand in an order that means something.

    `first` is the number of the first row.
    """
    import pyarrow as pa

    kind, is_type = chunked.type, pa.types
    if is_type.is_null(kind):
        return Column(name, "number", np.full(len(chunked), np.nan)), []
    if is_type.is_integer(kind):
        return number_column(name, arrow.float_values(chunked), reading.na), _large_integers(name, chunked, first)
    if is_type.is_floating(kind):
        return number_column(name, arrow.float_values(chunked), reading.na), []
    if is_type.is_decimal(kind):
        return _from_decimals(name, chunked.to_pylist(), reading)
    if is_type.is_boolean(kind):
        truth = arrow.float_values(chunked)
        codes = np.where(np.isnan(truth), -1, truth).astype(np.int64)
        return Column.factor(name, "boolean", codes, ("False", "True")), []
    if is_type.is_dictionary(kind):
        codes, values = arrow.codes_and_levels(chunked)
        levels = [str(value) for value in values]
        codes = _without(codes, levels, reading.na)
        if kind.ordered or own_order:
            return Column.factor(name, "text", codes, levels), []
        return sorted_factor(name, "text", codes, levels), []
    if is_type.is_date(kind) or is_type.is_timestamp(kind) or is_type.is_time(kind):
        codes, levels = arrow.codes_and_levels(chunked.cast(pa.utf8()).dictionary_encode())
        levels = _plain_dates(levels)
        return sorted_factor(name, "date", _without(codes, levels, reading.na), levels), []
    if "string" in str(kind) or "binary" in str(kind):
        return _from_strings(name, chunked, reading)
    message = f"column '{name}' holds values of type {kind}, which is neither numbers nor text"
    raise DataError("unsupported_type", message, "convert it to numbers or text before")


def _from_strings(name: str, chunked: Any, reading: Reading) -> tuple[Column, list[Finding]]:
    import pyarrow as pa

    try:
        codes, levels = arrow.codes_and_levels(chunked.cast(pa.large_utf8()).dictionary_encode())
    except pa.ArrowInvalid as error:
        message = f"column '{name}' holds bytes that are not UTF-8 text: {shorten(str(error), 200)}"
        raise DataError("not_utf8", message, "store it as text in UTF-8") from error
    column = sorted_factor(name, "text", _without(codes, levels, reading.na), levels)
    return of_text(column, reading)


def of_text(column: Column, reading: Reading) -> tuple[Column, list[Finding]]:
    """A column of text as it is, or as the dates that all of it is, or as numbers where that was asked for."""
    levels = column.levels or ()
    if reading.thousands or reading.decimal:
        numbers, findings = numbers_in_text(column.name, column.values, levels, reading)
        if numbers is not None:
            return numbers, findings
    return (replace(column, kind="date") if levels and all(map(is_date, levels)) else column), []


def _from_decimals(name: str, decimals: list[Decimal | None], reading: Reading) -> tuple[Column, list[Finding]]:
    # float(Decimal) rounds correctly; a division by a power of ten need not.
    values = np.array([np.nan if value is None else float(value) for value in decimals], dtype=np.float64)
    for at in np.flatnonzero(np.abs(values) >= EXACT):
        value = decimals[at]
        if value is not None and value == value.to_integral_value() and int(value) != int(values[at]):
            return number_column(name, values, reading.na), [large_integer(name, int(at) + 1, str(int(value)))]
    return number_column(name, values, reading.na), []


def _large_integers(name: str, chunked: Any, first: int) -> list[Finding]:
    """The finding for the first integer that float64 rounds, told from the integers themselves."""
    start = first
    for chunk in chunked.chunks:
        values = arrow.values(chunk)
        if values.dtype.itemsize == 8:
            bound = int(EXACT)
            large = (values >= bound) | (values <= -bound if values.dtype.kind == "i" else False)
            for at in np.flatnonzero(large & arrow.valid(chunk)):
                if int(values[at]) != int(float(values[at])):
                    return [large_integer(name, start + int(at), str(values[at]))]
        start += len(chunk)
    return []


def number_names(values: np.ndarray) -> list[str]:
    """Numbers as the levels of a factor: whole numbers without a point."""
    if np.all(values == np.floor(values)) and np.all(np.abs(values) < EXACT):
        return [str(int(value)) for value in values]
    return [repr(float(value)) for value in values]


def _without(codes: np.ndarray, levels: list[str], na: tuple[str, ...]) -> np.ndarray:
    """The codes with -1 where the level is one of the spellings `na` of a missing value."""
    absent = [at for at, level in enumerate(levels) if level in na]
    return np.where(np.isin(codes, absent), -1, codes) if absent else codes


def _plain_dates(levels: list[str]) -> list[str]:
    """Dates without empty fractions of a second, and without the time of day where it is midnight throughout."""
    levels = [_ZERO_FRACTION.sub(r"\1", level) for level in levels]
    if all(level.endswith(" 00:00:00") for level in levels):
        return [level.removesuffix(" 00:00:00") for level in levels]
    return levels


def damaged(name: str, kind: str, error: Exception) -> DataError:
    """The error for a file of some kind that its library cannot read."""
    message = f"{name} is a damaged or incomplete {kind} file: {shorten(str(error), 200)}"
    remedy = "write or download the file again"
    return DataError("damaged_parquet" if kind == "Parquet" else "damaged_file", message, remedy)
