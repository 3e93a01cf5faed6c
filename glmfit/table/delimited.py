"""Delimited text: comma, tab, semicolon, pipe or what was asked for, with quotes.

pyarrow infers a type from the first block of a file and fails where a later block differs. Here its inference only says
which columns to try as float64; a column that fails is read again as text, and its distinct values decide (`infer`).
Numbers that a float64 may have rounded are read again as text too, so that the digits themselves tell.
"""

from __future__ import annotations

import csv
import io
import mmap
import re
from collections.abc import Collection, Iterator, Sequence
from copy import copy
from itertools import islice
from typing import Any

import numpy as np

from glmfit.errors import DataError, Finding, shorten
from glmfit.reading import PLAIN, Reading
from glmfit.table import arrow
from glmfit.table.columns import Column
from glmfit.table.infer import number_column, typed_column
from glmfit.table.layout import below, detect_delimiter, lay_out, remedy
from glmfit.table.pages import let_go
from glmfit.table.parser import BLOCK, Reader
from glmfit.table.source import Loaded, Source
from glmfit.table.text import EXACT, MISSING

_HEADER_LIMIT = 1 << 20
_RUN = 1 << 23  # bytes of a run of rows
_ROWS = 65_536  # numbers looked at together
_CONTENT = re.compile(rb"[^\r\n]")
_UNDECODABLE = re.compile("[\udc80-\udcff]")  # what the error handler surrogateescape makes of bytes that are no UTF-8
_RAGGED = re.compile(
    r"Row #(?P<row>\d+): Expected (?P<expected>\d+) columns, got (?P<got>\d+): (?P<text>.*)", re.DOTALL
)
_ROW_END = re.compile(r"(?:\r\n?|\n)+")
_AROUND = 20  # bytes that are shown of a value on either side of one that is no UTF-8


class DelimitedSource(Source):
    """A delimited text held as bytes or as a mapped file; `tab` says that the delimiter is known to be a tab."""

    kind = "delimited text"
    takes = frozenset(["na", "thousands", "decimal", "comment", "skip", "separator", "encoding"])

    def __init__(self, name: str, data: bytes | mmap.mmap, reading: Reading = PLAIN, tab: bool = False) -> None:
        layout = lay_out(name, data, reading, tab)
        self._data: Any = layout.data
        start = layout.start
        text = self._data[start : start + _HEADER_LIMIT].decode("utf-8", "surrogateescape")
        self._beginning = text
        try:
            self._delimiter = layout.delimiter or detect_delimiter(text)
            header, length = _header(text, self._delimiter)
        except csv.Error as error:
            raise _unclosed_quote(name, "the header") from error
        cut = len(self._data) - start > _HEADER_LIMIT
        if length == len(text) and (cut or text.count('"') % 2):
            raise _unclosed_quote(name, "the header")
        body = start + len(text[:length].encode("utf-8", "surrogateescape"))
        self._body = below(self._data, body, reading.lines_below)
        self._quoted = self._data.find(b'"', self._body) >= 0
        super().__init__(name, header, reading)
        if _UNDECODABLE.search("".join(self.header)):
            raise self._not_utf8()

    def expected_rows(self) -> int:
        size, first = len(self._data) - self._body, bytes(self._data[self._body : self._body + BLOCK])
        return size * first.count(b"\n") // max(1, len(first))

    def remedy(self) -> str | None:
        if self.reading.comment is not None:
            return None
        return remedy(self._beginning, self.reading.separator is not None, self.reading.lines_above)

    def load(self, positions: list[int], words: Collection[int] = ()) -> Loaded:
        import pyarrow as pa

        if self._is_empty():
            return 0, [(Column(self.header[at], "number", np.zeros(0)), []) for at in positions]
        reader = self._reader()
        try:
            numeric = reader.guess_numeric(positions) - set(words)
            table = reader.retrying(numeric, lambda: reader.gather(positions, numeric, self._texts_of_runs()))
            self._refuse_open_quote(reader, positions[0], table.rows)
            numbers, texts = table.numbers, table.texts
            rounded = [at for at, values in numbers.items() if _may_be_rounded(values)]
            if rounded:
                again = reader.read(rounded, set())
                texts |= {at: again[str(at)] for at in rounded}
            coded = {at: arrow.codes_and_levels(texts.pop(at)) for at in list(texts)}
            arrow.give_back()
            absent = _all_absent([*numbers.values(), *(codes for codes, _ in coded.values())])
            blank = self._blank_rows(reader, absent)
        except pa.ArrowInvalid as error:
            raise self._explain(reader, positions, error) from error

        def column(at: int) -> tuple[Column, list[Finding]]:
            if at not in coded:
                return number_column(self.header[at], _without(numbers[at], blank), self.reading.na), []
            codes, levels = coded[at]
            return self.typed(at, _without(codes, blank), levels, at in words)

        return table.rows - len(blank), [column(at) for at in positions]

    def texts(self, at: int) -> tuple[np.ndarray, list[str]]:
        """The column at a position as codes (n,) into distinct texts, -1 where empty, whatever they mean."""
        if self._is_empty():
            return np.zeros(0, dtype=np.int64), []
        reader = self._reader()
        codes, levels = arrow.codes_and_levels(reader.read([at], set())[str(at)])
        return _without(codes, self._blank_rows(reader, codes < 0)), levels

    def typed(
        self, at: int, codes: np.ndarray, levels: list[str], as_text: bool = False
    ) -> tuple[Column, list[Finding]]:
        """What texts mean that are those of the column at a position."""
        return typed_column(self.header[at], codes, levels, self.reading, self._delimiter == ";", as_text, self.first)

    def verbatim(self, columns: Sequence[str]) -> dict[str, Any]:
        import pyarrow as pa

        positions = [self.place(name) for name in columns]
        if self._is_empty():
            return {name: pa.chunked_array([pa.array([], pa.utf8())]) for name in columns}
        reader = self._reader(missing=())
        try:
            table = reader.retrying(set(), lambda: reader.read(positions, set()))
        except pa.ArrowInvalid as error:
            raise self._explain(reader, positions, error) from error
        coded = [arrow.codes_and_levels(table[str(at)]) for at in positions]
        empty = [np.array([text == "" for text in levels])[codes] for codes, levels in coded]
        blank = self._blank_rows(reader, np.logical_and.reduce(empty))
        if blank.size:
            table = table.take(pa.array(np.delete(np.arange(len(table)), blank)))
        return {name: table[str(at)].cast(pa.utf8()) for name, at in zip(columns, positions, strict=True)}

    def runs(self, columns: Sequence[str]) -> Iterator[Source]:
        start, first = self._body, 1
        while start < len(self._data) or start == self._body:
            part, end = copy(self), self._cut(start)
            part._data, part._body, part.first, part._kept = memoryview(self._data)[start:end], 0, first, None
            yield part
            first += part.count
            let_go(self._data, start, end)
            if end == start:
                return
            start = end

    def _texts_of_runs(self) -> Iterator[memoryview]:
        """The rows as texts of a run's length, which leave the memory one after the other.

        Where there are quotes all rows are one run: only a parser knows which line ends are part of a value. So are
        those of what is a run itself.
        """
        start = self._body
        while start < len(self._data):
            whole = self._quoted or isinstance(self._data, memoryview)
            end = len(self._data) if whole else self._cut(start)
            if _CONTENT.search(self._data, start, end):
                yield memoryview(self._data)[start:end]
            let_go(self._data, start, end)
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
                return int(end + 1)
            at = end + 1
        return len(self._data)

    def _is_empty(self) -> bool:
        return _CONTENT.search(self._data, self._body) is None

    def _reader(self, missing: Collection[str] | None = None) -> Reader:
        missing = MISSING.union(self.reading.na) if missing is None else missing
        decimal = self.reading.decimal or "."
        return Reader(self._slice(), len(self.header), self._delimiter, self._quoted, missing, decimal)

    def _blank_rows(self, reader: Reader, absent: np.ndarray) -> np.ndarray:
        """The rows, counted from 0, that are nothing but delimiters, among those `absent` (n,) from what is read."""
        nothing = self._delimiter.encode() * (len(self.header) - 1)
        none = np.zeros(0, dtype=np.int64)
        if not nothing or not absent.any():
            return none
        body = self._slice()
        if body[: len(nothing)] != nothing and not re.search(rb"[\r\n]" + re.escape(nothing), body):
            return none
        return reader.blank(np.flatnonzero(absent))

    def _slice(self) -> memoryview:
        return memoryview(self._data)[self._body :]

    def _refuse_open_quote(self, reader: Reader, position: int, rows: int) -> None:
        """Raise where the last quote is never closed: a parser then takes the rest of the file for one value."""
        if not self._quoted or _count_byte(self._slice(), ord('"')) % 2 == 0:
            return
        # An odd quote may also stand inside a value. A further row decides: an open quote would swallow it.
        sentinel = "\nend" + self._delimiter * (len(self.header) - 1) + "\n"
        if len(reader.with_data(bytes(self._slice()) + sentinel.encode()).read([position], set())) == rows:
            raise _unclosed_quote(self.name, f"row {rows}")

    def _explain(self, reader: Reader, positions: list[int], error: Exception) -> DataError:
        """What was wrong, in terms of the file: the rows are parsed once more, one by one, to find the place."""
        import pyarrow as pa

        said = str(error)
        try:
            reader.read(positions, set(), in_order=True)
        except pa.ArrowInvalid as again:
            said = str(again)
        ragged = _RAGGED.search(said)
        if ragged:
            row = self.first - 1 + int(ragged["row"])
            return self._ragged(row, int(ragged["expected"]), int(ragged["got"]), ragged["text"])
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
        elif (misplaced := self.remedy()) is not None:
            hint = misplaced
        else:
            hint = f"values that contain '{self._delimiter}' or line ends must stand in double quotes"
            hint += "; remove a note that stands below the table" if got == 1 else ""
        return DataError("ragged_rows", message, hint)

    def _not_utf8(self) -> DataError:
        text = str(self._data, "utf-8", "surrogateescape")
        bad = _UNDECODABLE.search(text)
        at = len(text[: bad.start() if bad else len(text)].encode())
        before = bytes(self._data[self._body : max(at, self._body)]).decode()
        # Line ends inside quotes are part of a value: they stand in every second piece between quotes.
        row = self.first + sum(len(_ROW_END.findall(piece)) for piece in before.split('"')[::2])
        place = "in the header" if at < self._body else f"in row {row}"
        value, guess = self._around(at), "windows-1252"
        shown = " ".join(f"{byte:02X}" for byte in value)
        try:
            meant = value.decode(guess)
        except UnicodeDecodeError:
            guess = "latin-1"
            meant = value.decode(guess)
        message = (
            f"{self.name} is not UTF-8 text: byte 0x{self._data[at]:02X} at position {at + 1}, {place} "
            f"(row 1 is the first after the header), within the bytes {shown}"
        )
        return DataError("not_utf8", message, f"--encoding {guess} would read '{meant}' there; name the right one")

    def _around(self, at: int) -> bytes:
        """The bytes of a value around a position."""
        ends = b'\r\n"' + self._delimiter.encode()
        before = bytes(self._data[max(0, at - _AROUND) : at])
        after = bytes(self._data[at : at + _AROUND])
        start = max((before.rfind(bytes([end])) + 1 for end in ends), default=0)
        stop = min((place for end in ends if (place := after.find(bytes([end]))) >= 0), default=len(after))
        return before[start:] + after[:stop]


def _header(text: str, delimiter: str) -> tuple[list[str], int]:
    """The names in the first row, blanks around them removed, and the characters that the row takes up."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    names = [name.strip() for name in next(rows, [])]
    return names, sum(len(line) for line in islice(io.StringIO(text, newline=""), rows.line_num))


def _all_absent(columns: Sequence[np.ndarray]) -> np.ndarray:
    """The rows in which all of some columns, of numbers or codes, are missing: bool (n,)."""
    absent = np.ones(len(columns[0]), dtype=bool)
    for column in columns:  # which ends at the first one that is complete, as most are
        absent &= np.isnan(column) if column.dtype.kind == "f" else column < 0
        if not absent.any():
            break
    return absent


def _without(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The values (n,) without some rows; no copy where there are none."""
    return np.delete(values, rows) if rows.size else values


def _may_be_rounded(values: np.ndarray) -> bool:
    parts = (values[start : start + _ROWS] for start in range(0, len(values), _ROWS))
    return any(bool(np.any(np.isfinite(part) & (np.abs(part) >= EXACT))) for part in parts)


def _count_byte(data: memoryview, byte: int) -> int:
    values = np.frombuffer(data, dtype=np.uint8)
    return sum(int(np.count_nonzero(values[at : at + BLOCK] == byte)) for at in range(0, len(values), BLOCK))


def _unclosed_quote(name: str, place: str) -> DataError:
    message = f"a double quote that opens a value in {place} of {name} is never closed"
    return DataError("unclosed_quote", message, 'close it, or double it ("") where it is part of a quoted value')
