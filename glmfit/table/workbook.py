"""Sheets of workbooks (.xlsx, .xlsm, .xlsb, .xls, .ods), read by python-calamine.

What a cell's type is, is often an accident: a column is what its values say, as in delimited text, the cells being
written out where they are not all numbers. The first row with content is the header; empty rows below are no rows.
"""

from __future__ import annotations

import datetime
import io
from collections.abc import Collection
from mmap import mmap
from typing import Any

import numpy as np

from glmfit.errors import DataError, Finding, did_you_mean, shorten
from glmfit.reading import PLAIN, Reading
from glmfit.table.columns import Column
from glmfit.table.infer import number_column, typed_column
from glmfit.table.source import Loaded, Source
from glmfit.table.typed import damaged

OLD_WORKBOOK = b"\xd0\xcf\x11\xe0"  # of the container that old and that protected workbooks are
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")  # what a container of a protected workbook holds
_CALENDAR = (datetime.date, datetime.time)


class WorkbookSource(Source):
    """One sheet of a workbook: the one that was asked for, or the first."""

    kind = "a workbook"
    takes = Source.takes | {"skip", "sheet"}

    def __init__(self, name: str, data: bytes | mmap, reading: Reading = PLAIN) -> None:
        rows = _rows(name, data, reading.sheet)[reading.lines_above :]
        rows = [row for row in rows if any(cell != "" for cell in row)]
        if not rows:
            raise DataError("empty_file", f"{name} has no cells below the lines left out", "choose another --sheet")
        width = max(len(row) for row in rows)
        while width > 1 and all(len(row) < width or row[width - 1] == "" for row in rows):
            width -= 1
        self._rows = [(row + [""] * width)[:width] for row in rows[1 + reading.lines_below :]]
        header = (rows[0] + [""] * width)[:width]
        super().__init__(name, [_written(cell, ".").strip() for cell in header], reading)

    def remedy(self) -> str | None:
        """Where a title stands above the header, the rows below are wider."""
        named = sum(bool(name) for name in self.header)
        above = next((at for at, row in enumerate(self._rows[:20]) if all(isinstance(c, str) and c for c in row)), None)
        if named > 1 or above is None:
            return None
        return f"the header seems to be below: add --skip {self.reading.lines_above + above + 1}, or name a --sheet"

    def load(self, positions: list[int], words: Collection[int] = ()) -> Loaded:
        return len(self._rows), [self._column(at, at in words) for at in positions]

    def _column(self, at: int, as_text: bool) -> tuple[Column, list[Finding]]:
        cells, name = [row[at] for row in self._rows], self.header[at]
        if all(type(cell) in (float, int) or cell == "" for cell in cells):
            values = np.array([np.nan if cell == "" else cell for cell in cells], dtype=np.float64)
            return number_column(name, values, self.reading.na), []
        texts = _without_midnights([_written(cell, self.reading.decimal or ".") for cell in cells], cells)
        place: dict[str, int] = {}
        codes = np.array([place.setdefault(text, len(place)) for text in texts], dtype=np.int64)
        return typed_column(name, codes, list(place), self.reading, decimal_comma=False, as_text=as_text)


def _rows(name: str, data: bytes | mmap, sheet: str | None) -> list[list[Any]]:
    """The cells of a sheet, from its first row and column on."""
    try:
        import python_calamine as calamine
    except ImportError:
        raise missing_extra(name, "a workbook", "excel") from None
    if data[: len(OLD_WORKBOOK)] == OLD_WORKBOOK and data.find(_ENCRYPTED) >= 0:
        raise _protected(name)
    try:
        with calamine.CalamineWorkbook.from_filelike(io.BytesIO(data)) as workbook:
            names = workbook.sheet_names
            if sheet is not None and sheet not in names:
                near = did_you_mean(sheet, names) or f"the sheets are {', '.join(map(repr, names[:12]))}"
                raise DataError("unknown_sheet", f"{name} has no sheet '{shorten(sheet)}'", near)
            if not names:
                raise DataError("empty_file", f"{name} has no sheets", "give a workbook with a table")
            return workbook.get_sheet_by_name(sheet or names[0]).to_python(skip_empty_area=False)
    except calamine.PasswordError:
        raise _protected(name) from None
    except (calamine.CalamineError, OSError) as error:
        raise damaged(name, "workbook", error) from error


def _protected(name: str) -> DataError:
    message = f"{name} is protected by a password"
    return DataError("password", message, "save it without one, or save the sheet as CSV")


def missing_extra(name: str, kind: str, extra: str) -> DataError:
    """The error for a kind of file whose library is not installed."""
    message = f"{name} is {kind}, which glmfit reads by a library that is not installed"
    return DataError("missing_extra", message, f"install it: pip install 'glmfit[{extra}]'; or save the table as CSV")


def _written(cell: Any, decimal: str) -> str:
    """A cell as text."""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float | int):
        return f"{cell:.0f}" if cell == int(cell) and abs(cell) < 1e15 else repr(cell).replace(".", decimal)
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(" ")
    if isinstance(cell, datetime.timedelta):  # of hours: 1:30 is one and a half
        return repr(cell.total_seconds() / 3600).replace(".", decimal)
    return cell.isoformat() if isinstance(cell, _CALENDAR) else str(cell)


def _without_midnights(texts: list[str], cells: list[Any]) -> list[str]:
    """Dates without a time where it is midnight throughout."""
    times = [cell.time() for cell in cells if isinstance(cell, datetime.datetime)]
    if all(time == datetime.time(0) for time in times):
        return [text.removesuffix(" 00:00:00") for text in texts]
    return texts
