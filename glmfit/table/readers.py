"""Opening an input: what its first bytes are decides how it is read, whatever its name.

Standard input and compressed files are held in memory, plain files are mapped. A folder, or a pattern such as
`part-*.csv`, is one table of all its files.
"""

from __future__ import annotations

import glob
import mmap
import os
import re
import stat
import sys
from pathlib import Path
from typing import Any

from glmfit.errors import DataError, did_you_mean
from glmfit.reading import PLAIN, Reading
from glmfit.spill import Spill
from glmfit.table.delimited import DelimitedSource
from glmfit.table.layout import BOM
from glmfit.table.many import ManySource
from glmfit.table.records import RecordSource
from glmfit.table.source import Source
from glmfit.table.statistics import STATISTICS, StatisticsSource
from glmfit.table.typed import ARROW_FILE, ArrowSource, FrameSource, ParquetSource
from glmfit.table.unpack import is_workbook, spooled, unpacked
from glmfit.table.workbook import OLD_WORKBOOK, WorkbookSource

_IN_R = "write it as CSV in R: write.csv(data, 'data.csv', row.names = FALSE)"
_IN_PANDAS = "write it as CSV in Python: pandas.DataFrame(...).to_csv('data.csv', index=False)"
_FOREIGN = {  # how it begins -> what it is, and how to get a file that can be read
    rb".{257}ustar": ("a tar archive", "unpack it: tar -xOf FILE | glmfit fit - ..."),
    rb"RD[ABX]\d\n[ABX]\n|X\n\0\0": ("an R data file", _IN_R),
    rb"FEA1\0": ("a Feather file of the first version", "write it anew: every version since 2020 writes the second"),
    rb"SQLite format 3": ("an SQLite database", "export the table: sqlite3 -header -csv FILE 'select * from ...'"),
    rb"%PDF": ("a PDF document", "extract the table as CSV"),
    rb"\x80[\x02-\x05]": ("a Python pickle", _IN_PANDAS),
    rb"\x93NUMPY": ("a NumPy array", _IN_PANDAS),
    rb"\x89HDF": ("an HDF5 file", "write it as CSV with the program that made it"),
    rb"7z\xbc\xaf\x27\x1c|Rar!": ("an archive", "unpack it"),
    rb"(?i:\s*<(!doctype html|html|head|body))": (
        "a web page",
        "download the data themselves, not the page about them",
    ),
    rb"\s*<\?xml": ("an XML document", "extract the table as CSV"),
}
_PARQUET, _ARROW_STREAM = b"PAR1", b"\xff\xff\xff\xff"
_JSON = re.compile(rb"\s*(\[\s*)?\{\s*\"")
_UTF16, _UTF32 = (b"\xff\xfe", b"\xfe\xff"), (b"\xff\xfe\0\0", b"\0\0\xfe\xff")
_PROBE = 1 << 16
_IN_FOLDER = (".csv", ".tsv", ".tab", ".txt", ".parquet", ".pq", ".feather", ".arrow", ".jsonl", ".ndjson", ".json")
_MOST_MAPPED = 200  # files: each takes a descriptor, of which a process has a thousand


def open_source(path: str, reading: Reading = PLAIN, spool: Spill | None = None) -> Source:
    """The input at `path`, "-" for standard input: a file, a folder of files, or a pattern that names files.

    With `spool`, standard input and what is unpacked go to a temporary file where they are too large to be held.
    Raises `DataError` where it cannot be opened or is no table, `UsageError` where `reading` has no meaning for it.
    """
    if path == "-":
        return _opened(path, _standard_input(spool), reading, spool)
    paths = paths_of(path)
    if len(paths) == 1:
        return _opened(paths[0], _contents(paths[0]), reading, spool)
    mapped = len(paths) <= _MOST_MAPPED
    return ManySource(path, [_opened(one, _contents(one, mapped), reading, spool) for one in paths], reading)


def paths_of(path: str) -> list[str]:
    """The file itself, or those that a folder or a pattern names, in the order of their names."""
    if not os.path.isdir(path) and (os.path.exists(path) or not glob.has_magic(path) or "\0" in path):
        return [path]
    return _in_folder(path) if os.path.isdir(path) else _matching(path)


def _opened(path: str, data: bytes | mmap.mmap, reading: Reading, spool: Spill | None) -> Source:
    """The source that bytes are, told from their beginning."""
    data, name = unpacked(path, data, spool)
    beginning = bytes(data[: len(ARROW_FILE)])
    if beginning.startswith(_PARQUET):
        return ParquetSource(path, data, reading)
    if beginning == ARROW_FILE or beginning.startswith(_ARROW_STREAM):
        return ArrowSource(path, data, reading)
    if beginning.startswith((b"PK", OLD_WORKBOOK)) and (beginning[:2] != b"PK" or is_workbook(data)):
        return WorkbookSource(path, data, reading)
    probe = bytes(data[:_PROBE])
    for beginning_of, kind in STATISTICS.items():
        if re.match(beginning_of, probe, re.DOTALL):
            return StatisticsSource(path, data, kind, reading)
    data = _as_utf8(path, data, reading)
    probe = bytes(data[:_PROBE])
    if not probe.removeprefix(BOM).strip():
        what = "standard input" if path == "-" else path
        raise DataError("empty_file", f"{what} is empty", "give a file with a header and rows of data")
    _refuse_foreign(path, probe)
    if _JSON.match(probe.removeprefix(BOM)):
        return RecordSource(path, data, reading)
    return DelimitedSource(path, data, reading, tab=Path(name).suffix.lower() in (".tsv", ".tab"))


def from_frame(frame: Any, reading: Reading = PLAIN) -> Source:
    """A table in memory: a pandas DataFrame, an Arrow table (or what exports one), or a mapping of name to sequence."""
    return FrameSource(frame, reading)


def _standard_input(spool: Spill | None) -> bytes | mmap.mmap:
    if sys.stdin is None:
        raise DataError("not_readable", "standard input is closed", "give a file, or pipe the data in")
    if spool is None:
        return sys.stdin.buffer.read()
    return spooled(iter(lambda: sys.stdin.buffer.read(1 << 20), b""), spool)


def _contents(path: str, mapped: bool = True) -> bytes | mmap.mmap:
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if mapped and stat.S_ISREG(status.st_mode) and status.st_size > 0:
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            return file.read()
    except FileNotFoundError:
        raise _not_found(path) from None
    except PermissionError:
        message = f"{path} may not be read: permission denied"
        raise DataError("not_readable", message, f"check its permissions: ls -l '{path}'") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL character
        raise DataError("not_readable", f"{path!r} cannot be read: {error}", "check the path") from error


def _not_found(path: str) -> DataError:
    if "://" in path:
        return DataError("not_found", f"{path} is not a file", f"download it: curl -sL '{path}' | glmfit fit - ...")
    if not path.strip():
        return DataError("not_found", "the name of the file is empty", "give a path, or - for standard input")
    if "~" in path and not path.startswith("~/") and not path.endswith("~"):
        hint = f"the data come first: glmfit fit DATA '{path}'"
        return DataError("not_found", f"no file '{path}', which looks like a formula", hint)
    folder = Path(path).parent
    if not folder.is_dir():
        return DataError("not_found", f"no file {path}: there is no folder {folder}", "check the path")
    names = sorted(entry.name for entry in folder.iterdir()) if os.access(folder, os.R_OK) else []
    near = did_you_mean(Path(path).name, names)
    return DataError("not_found", f"no file {path}", near or "check the path")


def _in_folder(path: str) -> list[str]:
    """The files of a folder that look like tables, in the order of their names."""
    names = sorted(entry.name for entry in os.scandir(path) if entry.is_file() and entry.name[0] not in "._")
    tables = [name for name in names if any(ending in _IN_FOLDER for ending in Path(name.lower()).suffixes[-2:])]
    if not tables:
        hint = "give one file in it, or a pattern in quotes, such as 'FOLDER/**/*.parquet'"
        raise DataError("is_directory", f"{path} is a folder without CSV or Parquet files", hint)
    return [os.path.join(path, name) for name in tables]


def _matching(pattern: str) -> list[str]:
    """The files that a pattern names, in the order of their names."""
    paths = sorted(found for found in glob.glob(pattern, recursive=True) if os.path.isfile(found))
    if not paths:
        if "~" in pattern:
            raise _not_found(pattern)
        message = f"no file matches '{pattern}'"
        raise DataError("not_found", message, "check the pattern: * stands for any characters, ? for one")
    return paths


def _as_utf8(path: str, data: bytes | mmap.mmap, reading: Reading) -> bytes | mmap.mmap:
    """A text in UTF-8, from the encoding that was asked for or that its mark names."""
    encoding = reading.encoding
    if encoding is None and data[:4] in _UTF32:
        encoding = "utf-32"
    elif encoding is None and data[:2] in _UTF16:
        encoding = "utf-16"
    if encoding is None:
        return data
    try:
        return bytes(data).decode(encoding).removeprefix("\ufeff").encode("utf-8", "replace")
    except UnicodeError as error:
        where = f": byte 0x{data[error.start]:02X} at position {error.start + 1}" if hasattr(error, "start") else ""
        message = f"{path} is not {encoding} text{where}"
        raise DataError("not_utf8", message, "name another --encoding, or write or download the file again") from error


def _refuse_foreign(path: str, probe: bytes) -> None:
    """Raise for what is certainly no UTF-8 text."""
    for beginning, (what, remedy) in _FOREIGN.items():
        if re.match(beginning, probe, re.DOTALL):
            raise DataError("not_a_table", f"{path} is {what}", remedy.replace("FILE", f"'{path}'"))
    nul = probe.find(b"\0")
    if nul < 0:
        return
    for start, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):  # letters of this alphabet have a NUL byte beside them
        if probe[start::2].count(0) > 0.8 * len(probe) / 2 and not probe[1 - start :: 2].count(0):
            message = f"{path} is not UTF-8 text but {encoding.upper()}, without the mark that would say so"
            raise DataError("not_utf8", message, f"add --encoding {encoding}")
    message = f"{path} is not a text file: NUL byte at position {nul + 1}"
    raise DataError("nul_bytes", message, "give a table: docs/data.md lists the kinds of files that are read")
