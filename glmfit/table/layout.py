"""Where in a delimited text its header is and what stands between fields: from what was asked for, or its first lines.

    lines left out above | sep=; | the header | lines left out below | rows

Comments are taken out, and separators that the parser does not know become one that it does. `remedy` is for a header
that can hardly be one: it says which option would make the lines below a table.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from mmap import mmap

from glmfit.errors import DataError
from glmfit.reading import WHITESPACE, Reading
from glmfit.table.text import is_number

DELIMITERS = (",", "\t", ";", "|")
BOM = b"\xef\xbb\xbf"

_LINE = re.compile(rb"[^\r\n]*(?:\r\n?|\n)")
_CONTENT = re.compile(rb"[^\r\n]")
_SEP = re.compile(rb'[ \t]*"?sep=([^\r\n"])"?[ \t]*(?:\r\n?|\n|$)', re.IGNORECASE)
_RUNS = re.compile(rb'(?:(?<=[\s])|^)("(?:[^"]|"")*")|[ \t]+', re.MULTILINE)
_AT_ENDS = re.compile(rb"^\t+|\t+(?=\r?$)", re.MULTILINE)
_UNUSED = b"\x1f"  # the control character for this very purpose
_COMMENTS = ("#", "%", "//", "*", "!", "--", "'", ";")
_SAMPLE = 1 << 16  # characters, and at most
_MOST_LINES = 200  # lines that are looked at for a remedy


@dataclass(frozen=True, slots=True)
class Layout:
    """The text as the parser takes it: `data` from `start` on, fields between `delimiter`, None to be detected."""

    data: bytes | mmap
    start: int
    delimiter: str | None


def lay_out(name: str, data: bytes | mmap, reading: Reading, tab: bool) -> Layout:
    """The layout that was asked for; `tab` says that the name of the file promises tabs."""
    start = len(BOM) if data[: len(BOM)] == BOM else 0
    for line in range(reading.lines_above):
        match = _LINE.match(data, start)
        if match is None:
            lines, out = line + (start < len(data)), reading.lines_above
            message = f"{name} has {lines} lines, and --skip leaves out {out} above the header"
            raise DataError("empty_file", message, "give the number of lines above the header")
        start = match.end()
    if reading.comment is not None:
        data, start = _without_comments(data[start:], reading.comment.encode()), 0
    start = _content(data, start)
    delimiter = "\t" if tab else None
    if said := _SEP.match(data, start):
        delimiter, start = said[1].decode("latin-1"), _content(data, said.end())
    if reading.separator == WHITESPACE:
        data, start, delimiter = _with_tabs(data[start:]), 0, "\t"
        start = _content(data, 0)
    elif reading.separator is not None:
        delimiter = reading.separator
        if len(delimiter.encode()) > 1:
            data, start = bytes(data[start:]).replace(delimiter.encode(), _UNUSED), 0
            delimiter = _UNUSED.decode()
    if start == len(data):
        what = "nothing but comments" if reading.comment else "no header"
        raise DataError("empty_file", f"{name} has {what}", "give a file with a header and rows of data")
    return Layout(data, start, delimiter)


def below(data: bytes | mmap, start: int, lines: int) -> int:
    """Where the rows begin if so many lines with content are left out from `start` on."""
    for _ in range(lines):
        match = _LINE.match(data, _content(data, start))
        start = len(data) if match is None else match.end()
    return start


def detect_delimiter(text: str) -> str:
    """The delimiter that splits the header into most fields; in a tie the one that splits the next row as often."""

    def fields(delimiter: str) -> tuple[int, bool]:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        first = _width(rows)
        return first, first == _width(rows)

    return max(DELIMITERS, key=fields)


def remedy(text: str, separated: bool, above: int = 0) -> str | None:
    """What to do about a text whose first line is no header; `separated` says that the separator was asked for.

    The table is where the lines begin to have as many fields as most lines have; `above` are left out already.
    """
    lines = text[:_SAMPLE].splitlines()[:_MOST_LINES]
    if len(text) > _SAMPLE:
        lines = lines[:-1]
    filled = [(number, line) for number, line in enumerate(lines) if line.strip()]
    if len(filled) < 2:
        return None
    widths = {sign: [len(fields) for fields in _split([line for _, line in filled], sign)] for sign in DELIMITERS}
    usual = {sign: Counter(counts[len(counts) // 3 :]).most_common(1)[0] for sign, counts in widths.items()}
    best = max(DELIMITERS, key=lambda sign: (usual[sign][0] > 1, usual[sign][1], usual[sign][0]))
    width = usual[best][0]
    if width > 1:
        rows = _split([line for _, line in filled], best)
        first = _header(rows, width)
        above_it = (
            first > 0 and 2 * sum(map(is_number, rows[first])) < width
        )  # else it is a row, and there is no header
        return _above(filled[:first], above + filled[first][0]) if above_it else None
    return None if separated else _another_separator([line for _, line in filled])


def _header(rows: list[list[str]], width: int) -> int:
    """The first line as wide as most, titles apart that a spreadsheet has filled up with delimiters."""
    full = [sum(bool(field.strip()) for field in fields) for fields in rows]
    usual = Counter(full[len(full) // 3 :]).most_common(1)[0][0]
    wide = [at for at, fields in enumerate(rows) if len(fields) == width]
    return next((at for at in wide if 2 * full[at] > usual), wide[0])


def _above(filled: list[tuple[int, str]], header: int) -> str:
    """The option that leaves out the lines above the header, which is line `header`, counted from 0."""
    for sign in _COMMENTS:
        if all(line.lstrip().startswith(sign) for _, line in filled):
            return f"the header seems to be line {header + 1}, below comments: add --comment '{sign}'"
    lines = "line" if header == 1 else "lines"
    return f"the header seems to be line {header + 1}: add --skip {header} to leave out the {lines} above it"


def _another_separator(lines: list[str]) -> str | None:
    """The option for a separator that is not among the usual ones, and splits every line into as many fields."""
    comments = next((sign for sign in _COMMENTS[:4] if lines[0].lstrip().startswith(sign)), None)
    rows = [line for line in lines if comments is None or not line.lstrip().startswith(comments)]
    first = f"--comment '{comments}' " if comments else ""
    counts = {len(line.split()) for line in rows}
    if len(counts) == 1 and counts != {1}:
        fields = counts.pop()
        return f"every line has {fields} fields between blanks: add {first}--separator whitespace"
    for sign in ":^~!/&@":
        counts = {line.count(sign) for line in rows}
        if len(counts) == 1 and 0 not in counts:
            fields = counts.pop() + 1
            return f"every line has {fields} fields between '{sign}': add {first}--separator '{sign}'"
    return None


def _split(lines: list[str], sign: str) -> list[list[str]]:
    """The fields of each line; quoted line ends are not allowed for."""
    fields = []
    for line in lines:
        try:
            fields.append(next(csv.reader([line], delimiter=sign), []))
        except csv.Error:
            fields.append([])
    return fields


def _content(data: bytes | mmap, start: int) -> int:
    match = _CONTENT.search(data, start)
    return match.start() if match else len(data)


def _without_comments(data: bytes, sign: bytes) -> bytes:
    """The text without the lines that begin with `sign`, unless they are part of a quoted value."""
    quoted = rb'(?:^|(?<=[,;|\t]))"(?:[^"]|"")*"'
    lines = rb"^[ \t]*" + re.escape(sign) + rb"[^\r\n]*(?:\r\n?|\n|\Z)"
    return re.sub(rb"(" + quoted + rb")|" + lines, rb"\1", data.replace(b"\r\n", b"\n"), flags=re.MULTILINE)


def _with_tabs(data: bytes) -> bytes:
    """The text with a tab in place of each run of blanks outside quotes, and without blanks at the ends of lines."""
    tabs = _RUNS.sub(lambda run: run[1] or b"\t", bytes(data))
    return _AT_ENDS.sub(b"", tabs)


def _width(rows: csv._reader) -> int:  # type: ignore[name-defined]
    """The fields in the next row; 0 where there is none, or one of them is far too long for a name."""
    try:
        return len(next(rows, []))
    except csv.Error:
        return 0
