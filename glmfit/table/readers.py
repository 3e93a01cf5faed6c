"""Opening an input: what its first bytes are decides how it is read, whatever its name.

Standard input and compressed files are held in memory, plain files are mapped.
"""

from __future__ import annotations

import mmap
import os
import re
import shutil
import stat
import sys
import tempfile
from pathlib import Path
from typing import Any

from glmfit import memory
from glmfit.errors import DataError, did_you_mean, shorten
from glmfit.table.delimited import DelimitedSource, not_utf8
from glmfit.table.source import Source
from glmfit.table.typed import FrameSource, ParquetSource

_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_PARQUET = b"PAR1"
_SUFFIXES = {".gz", ".gzip", ".zst", ".zstd"}
_CSV = "write it as CSV with the program that made it"
_IN_R = "write it as CSV in R: write.csv(data, 'data.csv', row.names = FALSE)"
_IN_PANDAS = "write it as CSV in Python: pandas.DataFrame(...).to_csv('data.csv', index=False)"
_JQ = "jq -rs 'flatten | (.[0] | keys_unsorted), (.[] | [.[]]) | @csv' FILE | glmfit fit - ..."
_FOREIGN = {  # how it begins -> what it is, and how to get a file that can be read
    rb"PK\x03\x04": ("an Excel workbook or a zip archive", "save the sheet as CSV, or unpack the archive"),
    rb"\xd0\xcf\x11\xe0": ("an old Excel workbook", "save the sheet as CSV"),
    rb"BZh[1-9]1AY&SY": ("compressed with bzip2", "unpack it: bzcat FILE | glmfit fit - ..."),
    rb"\xfd7zXZ": ("compressed with xz", "unpack it: xzcat FILE | glmfit fit - ..."),
    rb".{257}ustar": ("a tar archive", "unpack it: tar -xOf FILE | glmfit fit - ..."),
    rb"RD[ABX]\d\n[ABX]\n|X\n\0\0": ("an R data file", _IN_R),
    rb"(ARROW1|FEA1)\0": ("an Arrow (Feather) file", "write it as Parquet or CSV"),
    rb"SQLite format 3": ("an SQLite database", "export the table: sqlite3 -header -csv FILE 'select * from ...'"),
    rb"%PDF": ("a PDF document", "extract the table as CSV"),
    rb"<stata_dta>|[\x71-\x73][\x01\x02]\x01\0": ("a Stata data set", _CSV),
    rb"\$FL[23]": ("an SPSS data set", _CSV),
    rb"\0{12}\xc2\xea\x81\x60": ("a SAS data set", _CSV),
    rb"\x80[\x02-\x05]": ("a Python pickle", _IN_PANDAS),
    rb"\x93NUMPY": ("a NumPy array", _IN_PANDAS),
    rb"\x89HDF": ("an HDF5 file", _CSV),
    rb"(?i:\s*<(!doctype html|html|head|body))": (
        "a web page",
        "download the data themselves, not the page about them",
    ),
    rb"\s*<\?xml": ("an XML document", "extract the table as CSV"),
    rb"\s*(\[\s*)?\{\s*\"": ("JSON", f"write it as CSV: {_JQ}"),
}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_PROBE = 1 << 16


def open_source(path: str, spool: bool = False) -> Source:
    """The input at `path`, "-" for standard input: delimited text or Parquet, plain or compressed with gzip or zstd.

    With `spool`, what would be held in memory (standard input, and what is unpacked) goes to a temporary file.
    Raises `DataError` where it cannot be opened or is not one of these.
    """
    data = _unpacked(path, _standard_input(spool) if path == "-" else _contents(path), spool)
    if data[: len(_PARQUET)] == _PARQUET:
        return ParquetSource(path, data)
    probe = bytes(data[:_PROBE])
    if not probe.removeprefix(b"\xef\xbb\xbf").strip():
        what = "standard input" if path == "-" else path
        raise DataError("empty_file", f"{what} is empty", "give a file with a header and rows of data")
    _refuse_foreign(path, probe)
    name = Path(path)
    plain = name.with_suffix("") if name.suffix.lower() in _SUFFIXES else name
    return DelimitedSource(path, data, tab=plain.suffix.lower() in (".tsv", ".tab"))


def from_frame(frame: Any) -> Source:
    """A table in memory: a pandas DataFrame, an Arrow table (or what exports one), or a mapping of name to sequence."""
    return FrameSource(frame)


def _standard_input(spool: bool) -> bytes | mmap.mmap:
    if sys.stdin is None:
        raise DataError("not_readable", "standard input is closed", "give a file, or pipe the data in")
    return _spooled(sys.stdin.buffer) if spool else sys.stdin.buffer.read()


def _spooled(stream: Any) -> bytes | mmap.mmap:
    """What a stream gives, in a temporary file that nobody else sees."""
    with tempfile.TemporaryFile() as file:
        shutil.copyfileobj(stream, file, 1 << 20)
        file.flush()
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if file.tell() else b""


def _contents(path: str) -> bytes | mmap.mmap:
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_size > 0:
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            return file.read()
    except FileNotFoundError:
        raise _not_found(path) from None
    except IsADirectoryError:
        raise DataError("is_directory", f"{path} is a directory, not a file", "give one file in it") from None
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


def _unpacked(path: str, data: bytes | mmap.mmap, spool: bool) -> bytes | mmap.mmap:
    codec = next((codec for magic, codec in _COMPRESSED.items() if data[: len(magic)] == magic), None)
    if codec is None:
        return data
    import pyarrow as pa

    if spool:
        try:
            return _spooled(pa.CompressedInputStream(pa.BufferReader(pa.py_buffer(data)), codec))
        except OSError as error:
            raise _damaged(path, codec, error) from error
    # gzip ends in the size of the text, modulo 2^32
    least = max(len(data), int.from_bytes(data[-4:], "little") if codec == "gzip" else 0)
    what = f"{path} is unpacked in memory"
    memory.check([memory.Need(least, what, "write it as Parquet, or unpack it first")], f"reading {path} takes")
    try:
        return pa.CompressedInputStream(pa.BufferReader(pa.py_buffer(data)), codec).read()
    except OSError as error:
        raise _damaged(path, codec, error) from error


def _damaged(path: str, codec: str, error: OSError) -> DataError:
    message = f"{path} is a damaged or incomplete {codec} file: {shorten(str(error), 200)}"
    return DataError("damaged_compression", message, "write or download the file again")


def _refuse_foreign(path: str, probe: bytes) -> None:
    """Raise for what is certainly no UTF-8 text."""
    if probe.startswith(_UTF16):
        raise not_utf8(path, f"{path} is not UTF-8 text but UTF-16", "UTF-16")
    for beginning, (what, remedy) in _FOREIGN.items():
        if re.match(beginning, probe, re.DOTALL):
            raise DataError("not_a_table", f"{path} is {what}", remedy.replace("FILE", f"'{path}'"))
    nul = probe.find(b"\0")
    if nul >= 0:
        for start, encoding in (
            (1, "UTF-16LE"),
            (0, "UTF-16BE"),
        ):  # letters of this alphabet have a NUL byte beside them
            if probe[start::2].count(0) > 0.8 * len(probe) / 2 and not probe[1 - start :: 2].count(0):
                raise not_utf8(path, f"{path} is not UTF-8 text but {encoding}", encoding)
        message = f"{path} is not a text file: NUL byte at position {nul + 1}"
        raise DataError("nul_bytes", message, "give a CSV or Parquet file, in UTF-8, plain or gzip or zstd")
