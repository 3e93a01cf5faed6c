"""JSON lines, one object a row, or an array of such objects: keys are columns, and a key that is absent is missing.

Values have the types that JSON gives them: numbers, true and false, text, null.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from mmap import mmap
from typing import Any

from glmfit.errors import DataError, shorten
from glmfit.reading import PLAIN, Reading
from glmfit.table.source import Loaded, Source
from glmfit.table.typed import from_memory


class RecordSource(Source):
    """JSON held as bytes or as a mapped file, read as a whole when it is opened."""

    kind = "JSON"
    takes = Source.takes | {"encoding"}

    def __init__(self, name: str, data: bytes | mmap, reading: Reading = PLAIN) -> None:
        self._records = _records(name, data)
        # in the order in which they are met, as a later object may have keys that the first one lacks
        self._keys = list(dict.fromkeys(key for record in self._records for key in record))
        super().__init__(name, self._keys, reading)

    def load(self, positions: list[int], words: Collection[int] = ()) -> Loaded:
        loaded = [from_memory(self.header[at], self._values(at), self.as_asked(at, words)) for at in positions]
        return len(self._records), loaded

    def _values(self, at: int) -> list[Any]:
        name, key = self.header[at], self._keys[at]
        values = [record.get(key) for record in self._records]
        for row, value in enumerate(values, start=1):
            if isinstance(value, dict | list):
                message = f"column '{name}' holds {shorten(json.dumps(value))} in row {row}, which is no single value"
                raise DataError("unsupported_type", message, "write each of its values under a name of its own")
        if any(isinstance(value, float) for value in values):  # beside which whole numbers are numbers too
            return [float(value) if type(value) is int else value for value in values]
        return values


def _records(name: str, data: bytes | mmap) -> list[dict[str, Any]]:
    try:
        text = bytes(data).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{name} is not UTF-8 text: byte 0x{data[error.start]:02X} at position {error.start + 1}"
        raise DataError("not_utf8", message, "name its encoding, as in --encoding windows-1252") from error
    if text.lstrip().startswith("["):
        return _checked(name, _parsed(name, text, "the array"), "row")
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    try:
        found = [json.loads(line) for _, line in lines]
    except json.JSONDecodeError:
        try:
            whole = json.loads(text)
        except json.JSONDecodeError:
            found = [_parsed(name, line, f"line {number}") for number, line in lines]  # which names the line
        else:
            if isinstance(whole, dict) and str(whole.get("schema")).startswith("glmfit/"):
                message = f"{name} was written by glmfit: it is {whole['schema']}, where data are asked for"
                hint = "a saved model goes to predict, test, margins, confint, residuals, simulate or compare"
                raise DataError("not_a_table", message, hint) from None
            message = f"{name} is one JSON object, with the keys {', '.join(map(repr, list(whole)[:6]))}"
            hint = "give an array of objects, or one object a line: jq -c '.KEY[]' FILE | glmfit fit - ..."
            raise DataError("not_a_table", message, hint.replace("FILE", f"'{name}'")) from None
    return _checked(name, found, "row")


def _parsed(name: str, text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        message = f"{name} is damaged or no JSON: {place}, character {error.pos + 1}: {error.msg}"
        raise DataError("damaged_file", message, "write or download the file again") from error


def _checked(name: str, found: Any, place: str) -> list[dict[str, Any]]:
    for row, record in enumerate(found, start=1):
        if not isinstance(record, dict):
            message = f"{place} {row} of {name} is no object with names: {shorten(json.dumps(record))}"
            raise DataError("not_a_table", message, 'write every row as {"name": value, ...}')
    return list(found)
