"""Data sets of Stata, SPSS and SAS, read by pyreadstat.

A column whose values all have labels is a factor: the labels, in the order of the values. One of which only some have
labels is numbers, and a label that occurs is reported: it may stand for a missing value. Empty text is missing, as in
these programs, and so is what they declare to be.
"""

from __future__ import annotations

import datetime
import io
from collections.abc import Collection, Mapping
from mmap import mmap
from typing import Any

import numpy as np

from glmfit.errors import Finding, shorten
from glmfit.reading import PLAIN, Reading
from glmfit.table.columns import Column
from glmfit.table.infer import number_column
from glmfit.table.source import Loaded, Source
from glmfit.table.typed import damaged, from_memory
from glmfit.table.workbook import missing_extra

STATISTICS = {  # how a file begins -> which program wrote it, and the function that reads it
    rb"<stata_dta>|[\x69\x6c\x6e-\x73][\x01\x02]\x01\0": ("Stata", "read_dta"),
    rb"\$FL[23]": ("SPSS", "read_sav"),
    rb"\0{12}\xc2\xea\x81\x60": ("SAS", "read_sas7bdat"),
    rb"HEADER RECORD\*{7}(LIBRARY|LIBV8)": ("SAS transport", "read_xport"),
}


class StatisticsSource(Source):
    """A data set held as bytes or as a mapped file; `written_by` is a value of STATISTICS."""

    takes = Source.takes | {"encoding"}

    def __init__(self, name: str, data: bytes | mmap, written_by: tuple[str, str], reading: Reading = PLAIN) -> None:
        self._data = data
        self._program, self._function = written_by
        self.kind = f"a data set of {self._program}"
        self._encoding = reading.encoding
        _, self._about = self._read(name, metadataonly=True)
        super().__init__(name, self._about.column_names, reading)

    def expected_rows(self) -> int:
        return int(self._about.number_rows or 0)

    def load(self, positions: list[int], words: Collection[int] = ()) -> Loaded:
        names = [str(self._about.column_names[at]) for at in positions]
        columns, about = self._read(self.name, usecols=names)
        labels = about.variable_value_labels
        loaded = [
            self._column(self.header[at], columns[name], labels.get(name, {}), self.as_asked(at, words))
            for at, name in zip(positions, names, strict=True)
        ]
        return len(loaded[0][0].values), loaded

    def _column(
        self, name: str, values: list[Any], labels: Mapping[Any, str], reading: Reading
    ) -> tuple[Column, list[Finding]]:
        values = [None if value == "" else value for value in values]
        if any(isinstance(value, datetime.datetime | datetime.date | datetime.time) for value in values):
            values = [None if value is None else str(value) for value in values]
        present = sorted({value for value in values if value is not None} if labels else ())
        if present and all(value in labels for value in present):
            place = {value: at for at, value in enumerate(present)}
            codes = np.array([-1 if value is None else place[value] for value in values], dtype=np.int64)
            codes = _without(codes, present, labels, reading)
            return Column.factor(name, "text", codes, _distinct(present, labels)), []
        numeric = all(value is None or isinstance(value, float | int) for value in values)
        if not numeric:
            return from_memory(name, values, reading)
        numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        column = number_column(name, numbers, reading.na)
        return column, _some_labels(column, [value for value in present if value in labels], labels)

    def _read(self, name: str, **options: Any) -> tuple[dict[str, list[Any]], Any]:
        try:
            import pyreadstat
        except ImportError:
            raise missing_extra(name, self.kind, "stat") from None
        data = self._data
        if isinstance(data, mmap):
            data.seek(0)
        file = data if isinstance(data, mmap) else io.BytesIO(data)
        try:
            read = getattr(pyreadstat, self._function)
            return read(file, output_format="dict", encoding=self._encoding, **options)
        except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, UnicodeDecodeError, OverflowError) as error:
            raise damaged(name, self._program, error) from error


def _distinct(values: list[Any], labels: Mapping[Any, str]) -> list[str]:
    """The labels of values; where two have the same one, with the value behind it."""
    names = [str(labels[value]) for value in values]
    return [
        f"{label} [{value:g}]" if names.count(label) > 1 and not isinstance(value, str) else label
        for label, value in zip(names, values, strict=True)
    ]


def _without(codes: np.ndarray, values: list[Any], labels: Mapping[Any, str], reading: Reading) -> np.ndarray:
    """The codes with -1 where the label, or the value itself, is a spelling of a missing value."""
    absent = [
        at
        for at, value in enumerate(values)
        if labels[value] in reading.na or (value if isinstance(value, str) else f"{value:g}") in reading.na
    ]
    return np.where(np.isin(codes, absent), -1, codes) if absent else codes


def _some_labels(column: Column, labelled: list[Any], labels: Mapping[Any, str]) -> list[Finding]:
    """The finding that some values of a column of numbers have a label, and others none."""
    rows = np.flatnonzero(np.isin(column.values, labelled)) if labelled else np.zeros(0)
    if rows.size == 0:
        return []
    value = column.values[rows[0]]
    message = (
        f"column '{column.name}' is numbers of which some have labels: {value:g} in row {rows[0] + 1} is "
        f"'{shorten(str(labels[value]))}'; if it stands for a missing value, add --na {value:g}"
    )
    return [Finding("some_labels", message, (column.name,))]
