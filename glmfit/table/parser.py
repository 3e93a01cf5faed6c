"""pyarrow's reader of delimited text over one text without header; columns are called by their position.

Its inference only says which columns to try as float64: it looks at the first block, and fails where another differs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from glmfit.table import arrow
from glmfit.table.pages import own
from glmfit.watch import tell

BLOCK, _LARGE_BLOCK = 1 << 20, 1 << 28  # a row may not be longer than a block
_CELL = 1 << 11  # bytes of a block for each column that is read: many small pieces take long to put together
_AT_ONCE = 16  # columns that are looked through for empty rows
_SPARE = 8  # a share of the rows read so far that there may be more of than expected
_COLUMN = re.compile(r"In CSV column #(\d+)")


T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """Rows of a text: columns of numbers, float64 (n,), and of text, dictionary arrays of Arrow, by position."""

    rows: int
    numbers: dict[int, np.ndarray]
    texts: dict[int, Any]


class Reader:
    """One text, read as often as needed."""

    def __init__(
        self, data: Any, width: int, delimiter: str, quoted: bool, missing: Iterable[str], decimal: str
    ) -> None:
        self._data, self._width, self._delimiter, self._quoted = data, width, delimiter, quoted
        self._missing, self._decimal = list(missing), decimal
        self._block = BLOCK

    def with_data(self, data: bytes) -> Reader:
        """A reader of another text that is laid out alike."""
        other = Reader(data, self._width, self._delimiter, self._quoted, self._missing, self._decimal)
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

    def gather(self, positions: list[int], numeric: set[int], runs: Iterable[Any]) -> Gathered:
        """The same columns of a text that comes in runs of rows: what Arrow holds beside them is that of one run."""
        import pyarrow as pa

        rows, done = 0, 0
        numbers = {at: np.empty(0) for at in sorted(numeric)}
        texts: dict[int, list[Any]] = {at: [] for at in positions if at not in numeric}
        for run in runs:
            part = self.with_data(run).read(positions, numeric)
            before, rows, done = rows, rows + len(part), done + len(run)
            tell(rows, max(rows, rows * len(self._data) // done), "reading")
            for at, values in numbers.items():
                if len(values) < rows:  # what is not written to takes up no memory
                    numbers[at] = _longer(values, rows * len(self._data) // done + rows // _SPARE)
                arrow.fill(numbers[at][before:rows], part[str(at)].chunks)
            for at, chunks in texts.items():
                chunks += part[str(at)].chunks
        word = pa.dictionary(pa.int32(), pa.utf8())
        return Gathered(
            rows,
            {at: values[:rows] for at, values in numbers.items()},
            {at: pa.chunked_array(chunks, word) for at, chunks in texts.items()},
        )

    def retrying(self, numeric: set[int], read: Callable[[], T]) -> T:
        """What `read` gives; columns that turn out to hold something else are taken out of `numeric`."""
        import pyarrow as pa

        while True:
            try:
                return read()
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
        options = self._options(positions, types, in_order)
        options["read_options"].block_size = min(_LARGE_BLOCK, max(self._block, _CELL * len(positions)))
        return pyarrow.csv.read_csv(self._stream(), **options)

    def blank(self, rows: np.ndarray) -> np.ndarray:
        """Those of some rows, counted from 0, in which every field is empty; columns are read until none is left."""
        import pyarrow as pa
        import pyarrow.csv

        for start in range(0, self._width, _AT_ONCE):
            positions = list(range(start, min(start + _AT_ONCE, self._width)))
            types = {str(at): pa.binary() for at in positions}  # whose text may be in any encoding
            options = self._options(positions, types, False)
            options["convert_options"].null_values = [""]
            options["convert_options"].strings_can_be_null = True
            table = pyarrow.csv.read_csv(self._stream(), **options)
            for at in positions:
                rows = rows[~np.concatenate([arrow.valid(chunk) for chunk in table[str(at)].chunks])[rows]]
            if rows.size == 0:
                break
        return rows

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
                decimal_point=self._decimal,
                null_values=self._missing,
                strings_can_be_null=bool(self._missing),
            ),
        }


def _longer(values: np.ndarray, size: int) -> np.ndarray:
    """An array of a larger size that begins with the values."""
    out = own(size)
    out[: len(values)] = values
    return out
