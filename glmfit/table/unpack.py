"""Compressed files and archives of one file to the bytes inside, as long as these are no bomb.

What the first bytes are decides, whatever the name. A bomb unpacks to thousands of times its size: it is refused while
it grows, before it has filled the memory.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from mmap import mmap
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from glmfit import memory
from glmfit.errors import DataError, shorten
from glmfit.spill import Spill

_SUFFIXES = {".gz", ".gzip", ".zst", ".zstd", ".bz2", ".xz"}
_DEPTH = 3  # a table may be compressed within an archive, and hardly deeper
_CHUNK = 1 << 24
_HELD = 1 << 26  # bytes that are held in memory where more would go to a file
_MOST = 1 << 26  # bytes that anything may unpack to; above, no more than
_RATIO = 2000  # times its size


def unpacked(path: str, data: bytes | mmap, spool: Spill | None = None) -> tuple[bytes | mmap, str]:
    """The bytes inside `data`, and the name of the file that they would be; as they are where nothing is packed.

    With `spool` they go to a temporary file, if they are many. A workbook is an archive too, and stays one. Raises
    `DataError` for archives of several files, damaged ones, bombs.
    """
    name = path
    for _ in range(_DEPTH):
        opening = _opening(data)
        if opening is None:
            return data, name
        codec, stream = opening
        if stream is None:
            if is_workbook(data):
                return data, name
            data, name = _member(path, data, spool)
            continue
        if codec == "gzip" and spool is None:  # which ends in the size of the text, modulo 2^32
            _check_memory(path, max(len(data), int.from_bytes(data[-4:], "little")))
        data = _read(path, codec, stream, len(data), spool)
        name = name[: -len(suffix)] if (suffix := PurePosixPath(name).suffix).lower() in _SUFFIXES else name
    raise DataError(
        "damaged_compression",
        f"{path} is packed more than {_DEPTH} times over",
        "unpack it, and give the file inside",
    )


def is_workbook(data: bytes | mmap) -> bool:
    """Whether an archive is a workbook of Excel or of OpenDocument."""
    beginning = data[: 1 << 12]
    if b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet" in beginning:
        return True
    import zipfile

    try:
        with zipfile.ZipFile(_file(data)) as archive:
            return any(name.startswith("xl/workbook.") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError):
        return b"xl/" in beginning or b"[Content_Types].xml" in beginning


def _opening(data: bytes | mmap) -> tuple[str, Callable[[], Any] | None] | None:
    """What the data are packed by, and what opens a stream of the bytes inside; no stream for an archive."""
    import pyarrow as pa

    def arrow(codec: str) -> Callable[[], Any]:
        return lambda: pa.CompressedInputStream(pa.BufferReader(pa.py_buffer(data)), codec)

    if data[:2] == b"\x1f\x8b":
        return "gzip", arrow("gzip")
    if data[:4] == b"\x28\xb5\x2f\xfd":
        return "zstd", arrow("zstd")
    if data[:3] == b"BZh" and data[4:10] == b"1AY&SY":
        return "bzip2", arrow("bz2")
    if data[:6] == b"\xfd7zXZ\0":
        import lzma

        return "xz", lambda: lzma.open(_file(data))
    return ("zip", None) if data[:4] in (b"PK\x03\x04", b"PK\x05\x06") else None


def spooled(chunks: Iterator[bytes], spill: Spill) -> bytes | mmap:
    """All that comes, in a temporary file that nobody else sees, unless it is little."""
    held: list[bytes] = []
    for chunk in chunks:
        held.append(chunk)
        if sum(map(len, held)) > _HELD:
            break
    else:
        return b"".join(held)
    file = spill.growing(np.uint8)
    while held:
        file.append(np.frombuffer(held.pop(0), dtype=np.uint8))
    for chunk in chunks:  # what fails here is a failure of what they come from
        file.append(np.frombuffer(chunk, dtype=np.uint8))
    return file.text()


def _member(path: str, data: bytes | mmap, spool: Spill | None) -> tuple[bytes | mmap, str]:
    """The one file in a zip archive, and its name."""
    import zipfile

    try:
        with zipfile.ZipFile(_file(data)) as archive:
            files = [one for one in archive.infolist() if not one.is_dir() and not _is_aside(one.filename)]
            if len(files) != 1:
                raise _not_one(path, [one.filename for one in files])
            (file,) = files
            if file.flag_bits & 1:
                message = f"{path} is protected by a password"
                raise DataError("password", message, f"unpack it first: unzip '{path}'")
            _check_size(path, file.file_size, file.compress_size)
            if spool is None:
                _check_memory(path, file.file_size)
            return _read(path, "zip", lambda: archive.open(file), file.compress_size, spool), file.filename
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise _damaged(path, "zip", error) from error


def _is_aside(name: str) -> bool:
    """Whether a file is what a system adds to an archive by itself."""
    return name.startswith("__MACOSX/") or PurePosixPath(name).name.startswith(".")


def _not_one(path: str, names: list[str]) -> DataError:
    if not names:
        return DataError("not_one_file", f"{path} is an archive without a file", "give an archive with one table")
    if any(name.startswith(("word/", "ppt/")) for name in names):
        return DataError("not_a_table", f"{path} is a text document, not a table", "save the table as CSV")
    listed = ", ".join(f"'{shorten(name)}'" for name in names[:4]) + (" ..." if len(names) > 4 else "")
    hint = f"unpack one of them: unzip -p '{path}' '{names[0]}' | glmfit fit - ..."
    return DataError("not_one_file", f"{path} is an archive of {len(names)} files: {listed}", hint)


def _read(path: str, codec: str, opened: Callable[[], Any], packed: int, spool: Spill | None) -> bytes | mmap:
    """All that a stream gives, unless that is a bomb, or more than the memory holds."""
    import lzma
    import zipfile
    import zlib

    try:
        with opened() as stream:
            chunks = _chunks(path, stream, packed, in_memory=spool is None)
            if spool is not None:
                return spooled(chunks, spool)
            found = list(chunks)
    except (OSError, EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
        if memory.ran_out(error):
            raise
        raise _damaged(path, codec, error) from error
    return found[0] if len(found) == 1 else b"".join(found)


def _chunks(path: str, stream: Any, packed: int, in_memory: bool) -> Iterator[bytes]:
    """What a stream gives, piece by piece; `DataError` once that is too much."""
    size, checked = 0, 0
    while chunk := stream.read(_CHUNK):
        size += len(chunk)
        _check_size(path, size, packed)
        if in_memory and size > 2 * checked:
            _check_memory(path, size)
            checked = size
        yield chunk


def _check_size(path: str, size: int, packed: int) -> None:
    if size > _MOST and size > _RATIO * packed:
        message = f"{path} unpacks to more than {_RATIO:,} times its size: {memory.spoken(size)} and counting"
        raise DataError("archive_bomb", message, "if it is what you take it for, unpack it first")


def _check_memory(path: str, size: int) -> None:
    what = f"{path} is unpacked in memory"
    memory.check([memory.Need(size, what, "write it as Parquet, or unpack it first")], f"reading {path} takes")


def _damaged(path: str, codec: str, error: Exception) -> DataError:
    message = f"{path} is a damaged or incomplete {codec} file: {shorten(str(error), 200)}"
    return DataError("damaged_compression", message, "write or download the file again")


def _file(data: bytes | mmap) -> Any:
    """The data as a file that can be sought in; a mapped file is one already."""
    if isinstance(data, mmap):
        data.seek(0)
        return _Kept(data)
    return io.BytesIO(data)


class _Kept(io.RawIOBase):
    """A mapped file that stays open when the file made of it is closed."""

    def __init__(self, data: mmap) -> None:
        self._data = data

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._data.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def seek(self, place: int, whence: int = 0) -> int:
        try:
            self._data.seek(place, whence)  # type: ignore[arg-type]
        except ValueError as error:  # which other files raise as an OSError
            raise OSError(str(error)) from error
        return self._data.tell()

    def tell(self) -> int:
        return self._data.tell()
