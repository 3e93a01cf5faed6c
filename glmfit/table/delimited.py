"""Delimited text: comma, tab, semicolon or pipe, with quotes.

pyarrow infers a type from the first block of a file and fails where a later block differs. Here its inference only says
which columns to try as float64; a column that fails is read again as text, and its distinct values decide (`infer`).
Numbers that a float64 may have rounded are read again as text too, so that the digits themselves tell.
"""

from __future__ import annotations

import codecs
import csv
import io
import mmap
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from copy import copy
from itertools import islice
from typing import Any

import numpy as np

from glmfit.errors import DataError, Finding, shorten
from glmfit.table import arrow
from glmfit.table.columns import Column
from glmfit.table.infer import number_column, typed_column
from glmfit.table.source import Loaded, Source
from glmfit.table.text import EXACT, MISSING

DELIMITERS = (",", "\t", ";", "|")

_HEADER_LIMIT = 1 << 20
_BLOCK, _LARGE_BLOCK = 1 << 20, 1 << 28  # a row may not be longer than a block
_RUN = 1 << 23  # bytes of a run of rows
_COLUMN = re.compile(r"In CSV column #(\d+)")
_CONTENT = re.compile(rb"[^\r\n]")
_UNDECODABLE = re.compile("[\udc80-\udcff]")  # what the error handler surrogateescape makes of bytes that are no UTF-8
_RAGGED = re.compile(
    r"Row #(?P<row>\d+): Expected (?P<expected>\d+) columns, got (?P<got>\d+): (?P<text>.*)", re.DOTALL
)
_ROW_END = re.compile(r"(?:\r\n?|\n)+")


class DelimitedSource(Source):
    """A delimited text held as bytes or as a mapped file; `tab` says that the delimiter is known to be a tab."""

    def __init__(self, name: str, data: bytes | mmap.mmap, tab: bool = False) -> None:
        self._data: Any = data
        first = _CONTENT.search(data, len(codecs.BOM_UTF8) if data[:3] == codecs.BOM_UTF8 else 0)
        start = first.start() if first else len(data)
        text = data[start : start + _HEADER_LIMIT].decode("utf-8", "surrogateescape")
        try:
            self._delimiter = "\t" if tab else _detect_delimiter(text)
            header, length = _header(text, self._delimiter)
        except csv.Error as error:
            raise _unclosed_quote(name, "the header") from error
        cut = len(data) - start > _HEADER_LIMIT
        if length == len(text) and (cut or text.count('"') % 2):
            raise _unclosed_quote(name, "the header")
        self._rows = 0  # of those read
        self._body = start + len(text[:length].encode("utf-8", "surrogateescape"))
        self._quoted = data.find(b'"', self._body) >= 0
        super().__init__(name, header)
        if _UNDECODABLE.search("".join(self.header)):
            raise self._not_utf8()

    def expected_rows(self) -> int:
        size, first = len(self._data) - self._body, bytes(self._data[self._body : self._body + _BLOCK])
        return size * first.count(b"\n") // max(1, len(first))

    def _load(self, positions: list[int], na: tuple[str, ...], words: Collection[int] = ()) -> Loaded:
        import pyarrow as pa

        if _CONTENT.search(self._data, self._body) is None:
            return 0, [(Column(self.header[at], "number", np.zeros(0)), []) for at in positions]
        reader = _Reader(self._slice(), len(self.header), self._delimiter, self._quoted, MISSING.union(na))
        try:
            numeric = reader.guess_numeric(positions) - set(words)
            table = reader.read_retrying(positions, numeric)
            self._refuse_open_quote(reader, positions[0], len(table))
            numbers = {at: arrow.float_values(table[str(at)]) for at in numeric}
            texts = {at: table[str(at)] for at in positions if at not in numeric}
            rounded = [at for at, values in numbers.items() if _may_be_rounded(values)]
            if rounded:
                again = reader.read(rounded, set())
                texts |= {at: again[str(at)] for at in rounded}
        except pa.ArrowInvalid as error:
            raise self._explain(reader, positions, error) from error

        def column(at: int) -> tuple[Column, list[Finding]]:
            if at not in texts:
                return number_column(self.header[at], numbers[at], na), []
            codes, levels = arrow.codes_and_levels(texts[at])
            return typed_column(self.header[at], codes, levels, na, self._delimiter == ";", at in words)

        self._rows = len(table)
        return len(table), [column(at) for at in positions]

    def verbatim(self, columns: Sequence[str]) -> dict[str, Any]:
        import pyarrow as pa

        positions = [self._position(name) for name in columns]
        reader = _Reader(self._slice(), len(self.header), self._delimiter, self._quoted, ())
        try:
            table = reader.read_retrying(positions, set())
        except pa.ArrowInvalid as error:
            raise self._explain(reader, positions, error) from error
        texts = (table[str(at)].cast(pa.utf8()) for at in positions)
        return dict(zip(columns, texts, strict=True))

    def runs(self, columns: Sequence[str]) -> Iterator[Source]:
        start, first = self._body, 1
        while start < len(self._data) or start == self._body:
            part, end = copy(self), self._cut(start)
            part._data, part._body, part._rows, part.first = memoryview(self._data)[start:end], 0, 0, first
            yield part
            first += part._rows
            if hasattr(self._data, "madvise") and hasattr(mmap, "MADV_DONTNEED"):
                page = mmap.PAGESIZE * (start // mmap.PAGESIZE)
                self._data.madvise(mmap.MADV_DONTNEED, page, end - page)  # what has been read may leave the memory
            if end == start:
                return
            start = end

    def _cut(self, start: int) -> int:
        """The end of a row, a run's length or more after `start`; a line end within quotes is part of a value."""
        at = start + _RUN
        if at >= len(self._data):
            return len(self._data)
        inside = self._quoted and _count_byte(memoryview(self._data)[start:at], ord('"')) % 2 == 1
        while (end := self._data.find(b"\n", at)) >= 0:
            if self._quoted and _count_byte(memoryview(self._data)[at:end], ord('"')) % 2 == 1:
                inside = not inside
            if not inside:
                return end + 1
            at = end + 1
        return len(self._data)

    def _slice(self) -> memoryview:
        return memoryview(self._data)[self._body :]

    def _refuse_open_quote(self, reader: _Reader, position: int, rows: int) -> None:
        """Raise where the last quote is never closed: a parser then takes the rest of the file for one value."""
        if not self._quoted or _count_byte(self._slice(), ord('"')) % 2 == 0:
            return
        # An odd quote may also stand inside a value. A further row decides: an open quote would swallow it.
        sentinel = "\nend" + self._delimiter * (len(self.header) - 1) + "\n"
        if len(reader.with_data(bytes(self._slice()) + sentinel.encode()).read([position], set())) == rows:
            raise _unclosed_quote(self.name, f"row {rows}")

    def _explain(self, reader: _Reader, positions: list[int], error: Exception) -> DataError:
        """What was wrong, in terms of the file: the rows are parsed once more, one by one, to find the place."""
        import pyarrow as pa

        said = str(error)
        try:
            reader.read(positions, set(), in_order=True)
        except pa.ArrowInvalid as again:
            said = str(again)
        ragged = _RAGGED.search(said)
        if ragged:
            return self._ragged(
                self.first - 1 + int(ragged["row"]), int(ragged["expected"]), int(ragged["got"]), ragged["text"]
            )
        if "invalid UTF8" in said:
            return self._not_utf8()
        if "straddling" in said or "out of sync" in said:
            return _unclosed_quote(self.name, "a row")
        return DataError(
            "malformed_file", f"{self.name} cannot be read: {shorten(said, 200)}", "check how the file was written"
        )

    def _ragged(self, row: int, expected: int, got: int, text: str) -> DataError:
        opens = re.search(f'(^|{re.escape(self._delimiter)})"[^"]*$', text)
        if opens and got < expected and _count_byte(self._slice(), ord('"')) % 2:
            return _unclosed_quote(self.name, f"row {row}")
        message = (
            f"row {row} of {self.name} has {got} field{'s' * (got != 1)} where the header has {expected}: "
            f"'{shorten(text)}' (row 1 is the first after the header)"
        )
        if got == expected + 1 and text.rstrip("\r\n").endswith(self._delimiter):
            hint = "remove the delimiter at the end of the rows"
        elif got == expected + 1 and row == 1:
            hint = "if the rows begin with row names, give these a name in the header, or write the file without them"
        else:
            hint = f"values that contain '{self._delimiter}' or line ends must stand in double quotes"
        return DataError("ragged_rows", message, hint)

    def _not_utf8(self) -> DataError:
        text = str(self._data, "utf-8", "surrogateescape")
        bad = _UNDECODABLE.search(text)
        at = len(text[: bad.start() if bad else len(text)].encode())
        before = bytes(self._data[self._body : max(at, self._body)]).decode()
        # Line ends inside quotes are part of a value: they stand in every second piece between quotes.
        row = self.first + sum(len(_ROW_END.findall(piece)) for piece in before.split('"')[::2])
        place = "in the header" if at < self._body else f"in row {row}"
        byte = bytes(self._data[at : at + 1]).hex().upper()
        message = (
            f"{self.name} is not UTF-8 text: byte 0x{byte} at position {at + 1}, {place} "
            "(row 1 is the first after the header)"
        )
        return not_utf8(self.name, message, "WINDOWS-1252")


def not_utf8(name: str, message: str, encoding: str) -> DataError:
    """The error for a text in another encoding, probably `encoding`."""
    source = "" if name == "-" else f" '{name}'"
    return DataError("not_utf8", message, f"convert it first: iconv -f {encoding} -t UTF-8{source} > utf8.csv")


class _Reader:
    """pyarrow's reader over one text without header; columns are called by their position."""

    def __init__(self, data: Any, width: int, delimiter: str, quoted: bool, missing: Iterable[str]) -> None:
        self._data, self._width, self._delimiter, self._quoted = data, width, delimiter, quoted
        self._missing = list(missing)
        self._block = _BLOCK

    def with_data(self, data: bytes) -> _Reader:
        other = _Reader(data, self._width, self._delimiter, self._quoted, self._missing)
        other._block = self._block
        return other

    def guess_numeric(self, positions: list[int]) -> set[int]:
        """The columns that are numbers, or nothing but missing values, in the first block."""
        import pyarrow.csv

        try:
            with pyarrow.csv.open_csv(self._stream(), **self._options(positions, {}, True)) as reader:
                schema = reader.schema
        except pyarrow.ArrowInvalid as error:
            self._enlarge(error)
            return self.guess_numeric(positions)
        return {at for at in positions if str(schema.field(str(at)).type) in ("int64", "double", "null")}

    def read_retrying(self, positions: list[int], numeric: set[int]) -> Any:
        """The columns at `positions`; those that turn out to hold something else are taken out of `numeric`."""
        import pyarrow as pa

        while True:
            try:
                return self.read(positions, numeric)
            except pa.ArrowInvalid as error:
                column = _COLUMN.search(str(error))
                if column is not None and int(column[1]) in numeric:
                    numeric.discard(int(column[1]))
                else:
                    self._enlarge(error)

    def read(self, positions: list[int], numeric: set[int], in_order: bool = False) -> Any:
        """An Arrow table: float64 for `numeric`, dictionaries of text for the others.

        Errors name the row only where rows are parsed `in_order`, by one thread.
        """
        import pyarrow as pa
        import pyarrow.csv

        word = pa.dictionary(pa.int32(), pa.utf8())
        types = {str(at): pa.float64() if at in numeric else word for at in positions}
        return pyarrow.csv.read_csv(self._stream(), **self._options(positions, types, in_order))

    def _enlarge(self, error: Exception) -> None:
        """Try larger blocks where a row did not fit into one; raise the error where that is not its reason."""
        if "straddling" not in str(error) or self._block == _LARGE_BLOCK:
            raise error
        self._block = _LARGE_BLOCK

    def _stream(self) -> Any:
        import pyarrow as pa

        return pa.BufferReader(pa.py_buffer(self._data))

    def _options(self, positions: list[int], types: dict[str, Any], in_order: bool) -> dict[str, Any]:
        from pyarrow import csv as pacsv

        read = {
            "column_names": [str(at) for at in range(self._width)],
            "block_size": self._block,
            "use_threads": not in_order,
        }
        return {
            "read_options": pacsv.ReadOptions(**read),
            "parse_options": pacsv.ParseOptions(delimiter=self._delimiter, newlines_in_values=self._quoted),
            "convert_options": pacsv.ConvertOptions(
                column_types=types,
                include_columns=[str(at) for at in positions],
                null_values=self._missing,
                strings_can_be_null=bool(self._missing),
            ),
        }


def _detect_delimiter(text: str) -> str:
    """The delimiter that splits the header into most fields; in a tie the one that splits the next row as often."""

    def fields(delimiter: str) -> tuple[int, bool]:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        first = _width(rows)
        return first, first == _width(rows)

    return max(DELIMITERS, key=fields)


def _width(rows: Iterator[list[str]]) -> int:
    """The fields in the next row; 0 where there is none, or one of them is far too long for a name."""
    try:
        return len(next(rows, []))
    except csv.Error:
        return 0


def _header(text: str, delimiter: str) -> tuple[list[str], int]:
    """The names in the first row, blanks around them removed, and the characters that the row takes up."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    names = [name.strip() for name in next(rows, [])]
    return names, sum(len(line) for line in islice(io.StringIO(text, newline=""), rows.line_num))


def _may_be_rounded(values: np.ndarray) -> bool:
    return bool(np.any(np.isfinite(values) & (np.abs(values) >= EXACT)))


def _count_byte(data: memoryview, byte: int) -> int:
    values = np.frombuffer(data, dtype=np.uint8)
    return sum(int(np.count_nonzero(values[at : at + _BLOCK] == byte)) for at in range(0, len(values), _BLOCK))


def _unclosed_quote(name: str, place: str) -> DataError:
    message = f"a double quote that opens a value in {place} of {name} is never closed"
    return DataError("unclosed_quote", message, 'close it, or double it ("") where it is part of a quoted value')
