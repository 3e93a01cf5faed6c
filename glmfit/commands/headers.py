"""The names of the columns of a file, told from its beginning within a blink: what a shell offers at the TAB key.

Where that is not possible there are none: a fit will say what is wrong with the file. Only what a kind of file needs is
imported.
"""

from __future__ import annotations

import csv
import io
import json
import zlib
from collections.abc import Callable

BYTES = 1 << 16  # of a file, or of what is packed in it, that are looked at
_LARGEST = 1 << 21  # bytes of a workbook, all of which has to be read
_DELIMITERS = ",\t;|"


def header(path: str) -> list[str]:
    """The names of the columns in a file; none where they cannot be told."""
    try:
        with open(path, "rb") as stream:
            data = stream.read(BYTES)
        return _names(path, data)
    except Exception:  # of any library, about any file: a key that was pressed has no use for it
        return []


def _names(path: str, data: bytes) -> list[str]:
    if data[:4] == b"PAR1":
        from pyarrow import parquet

        return [str(name) for name in parquet.read_schema(path).names]
    if data[:6] == b"ARROW1":
        import pyarrow as pa

        with pa.memory_map(path) as file:
            return [str(name) for name in pa.ipc.open_file(file).schema.names]
    if data[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
        return _of_archive(path, data)
    for begins, unpack in _UNPACKED.items():
        if data.startswith(begins):
            return _of_text(unpack(path, data))
    if data.startswith(b"<stata_dta>"):
        return _of_stata(data)
    return _of_text(data)


def _of_archive(path: str, data: bytes) -> list[str]:
    """Those of a workbook that is not large, or of the one file in an archive."""
    import zipfile

    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            if len(names) == 1:
                with archive.open(names[0]) as inside:
                    return _of_text(inside.read(BYTES))
    import os

    if os.path.getsize(path) > _LARGEST:
        return []
    from python_calamine import CalamineWorkbook

    with CalamineWorkbook.from_path(path) as workbook:
        rows = workbook.get_sheet_by_index(0).to_python(nrows=1)
    return [str(name).strip() for name in rows[0]] if rows else []


def _of_stata(data: bytes) -> list[str]:
    """Those of a data set of Stata 13 or later, each in a field of fixed length."""
    start = data.index(b"<varnames>") + 10
    block = data[start : data.index(b"</varnames>")]
    length = 33 if b"<release>117" in data[:60] else 129
    fields = (block[at : at + length] for at in range(0, len(block), length))
    return [field.split(b"\0")[0].decode() for field in fields]


def _of_text(data: bytes) -> list[str]:
    """Those of delimited text, or of JSON lines."""
    utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    lines = data.decode("utf-16" if utf16 else "utf-8-sig", "replace").splitlines()
    lines = [line for line in lines if line.strip() and not line.lower().startswith("sep=")]
    if not lines or "\0" in lines[0]:
        return []
    if lines[0].lstrip().startswith("{"):
        return list(json.loads(lines[0]))
    delimiter = max(_DELIMITERS, key=lines[0].count)
    return [name.strip() for name in next(csv.reader(lines[:1], delimiter=delimiter))]


def _gzip(path: str, data: bytes) -> bytes:
    return zlib.decompressobj(31).decompress(data, BYTES)


def _zstd(path: str, data: bytes) -> bytes:
    from pyarrow import CompressedInputStream

    with CompressedInputStream(path, "zstd") as inside:
        return bytes(inside.read(BYTES))


def _bzip2(path: str, data: bytes) -> bytes:
    import bz2

    with bz2.open(path) as inside:
        return inside.read(BYTES)


def _xz(path: str, data: bytes) -> bytes:
    import lzma

    with lzma.open(io.BytesIO(data)) as inside:
        return inside.read1(BYTES)


_UNPACKED: dict[bytes, Callable[[str, bytes], bytes]] = {
    b"\x1f\x8b": _gzip,
    b"\x28\xb5\x2f\xfd": _zstd,
    b"BZh": _bzip2,
    b"\xfd7zXZ\0": _xz,
}
