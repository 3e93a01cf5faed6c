"""Where results go: standard output, or a file that is either written whole or left as it was.

A file is written beside its target under another name, synced and renamed, so that a full disk or an interruption
cannot leave half a result. A reader that closes its pipe early (`| head`) is not an error.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import IO, BinaryIO, TextIO

from glmfit.commands.interrupt import unfinished
from glmfit.commands.progress import erase
from glmfit.errors import OutputError

REASONS = {
    errno.ENOSPC: ("disk_full", "no space is left on the device", "free some space, or write to another disk"),
    errno.EDQUOT: ("disk_full", "the disk quota is used up", "free some space, or write to another disk"),
    errno.EFBIG: ("file_too_large", "the file would be larger than allowed", "raise the limit (ulimit -f)"),
    errno.EACCES: ("no_permission", "permission denied", "choose a folder you may write to"),
    errno.EPERM: ("no_permission", "permission denied", "choose a folder you may write to"),
    errno.EROFS: ("no_permission", "the file system is read-only", "choose a folder you may write to"),
    errno.ENOENT: ("no_folder", "the folder does not exist", "create the folder first"),
    errno.ENOTDIR: ("no_folder", "a part of the path is not a folder", "check the path"),
    errno.EISDIR: ("is_folder", "it is a folder", "give the name of a file"),
    errno.ENAMETOOLONG: ("bad_name", "the name is too long", "give a shorter name"),
}


def check_target(path: str) -> None:
    """`OutputError` where a result could not be written to `path`, before any time is spent on it."""
    if path == "-" or "\0" in path:
        raise OutputError("bad_name", f"--output '{path}' names no file", "leave it out: results go to standard output")
    target = os.path.realpath(path)
    if os.path.isdir(target) or path.endswith(os.sep):
        raise output_error(path, OSError(errno.EISDIR, ""))
    folder = os.path.dirname(target)
    if os.path.exists(path) and not _is_replaceable(path):
        return  # a device or a pipe: only writing tells
    if not os.path.isdir(folder):
        raise output_error(path, OSError(errno.ENOTDIR if os.path.exists(folder) else errno.ENOENT, ""))
    if not os.access(folder, os.W_OK) or (os.path.exists(target) and not os.access(target, os.W_OK)):
        raise output_error(path, OSError(errno.EACCES, ""))


def write_file(path: str, text: str) -> None:
    """`text` as UTF-8 to a file, all of it or nothing; an existing file keeps its mode, a link its place."""
    target = os.path.realpath(path)
    try:
        if _is_replaceable(path):
            _replace(target, io.BytesIO(text.encode("utf-8", "backslashreplace")))
        else:  # a device or a pipe: there is nothing to replace
            with open(path, "wb") as stream:
                stream.write(text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise output_error(path, error) from error


@contextlib.contextmanager
def stream_to(path: str | None) -> Iterator[IO[bytes]]:
    """A file to write to piece by piece; what is in it at the end goes to `path`, or standard output, as a whole.

    It is kept beside its target, or where temporary files are; after an error there is no trace of it.
    """
    target = None if path is None or not _is_replaceable(path) else os.path.dirname(os.path.realpath(path))
    try:
        with tempfile.TemporaryFile(dir=target, prefix=".glmfit-") as stream:
            yield stream
            stream.seek(0)
            if path is None:
                _copy_to_stdout(stream)
            elif target is None:
                with open(path, "wb") as device:
                    shutil.copyfileobj(stream, device)
            else:
                _replace(os.path.realpath(path), stream)
    except OSError as error:
        raise output_error(path or "standard output", error) from error


@contextlib.contextmanager
def lines_to(path: str | None, *, machine: bool) -> Iterator[Callable[[str], bool]]:
    """A function to send whole lines to, which are in `path`, or in standard output, when it returns; it says whether
    there is still somebody to read. A signal waits for the end of what is sent: what was done is kept."""
    if path is None:
        encoding = "utf-8" if machine else getattr(sys.stdout, "encoding", "utf-8")

        def to_stdout(text: str) -> bool:
            with unfinished(None):
                return write_stdout_bytes(text.encode(encoding, "backslashreplace"))

        yield to_stdout
        return
    try:
        with open(path, "wb", buffering=0) as stream:

            def to_file(text: str) -> bool:
                with unfinished(None):
                    _write_whole(stream, text.encode("utf-8", "backslashreplace"))
                return True

            yield to_file
    except OSError as error:
        raise output_error(path, error) from error


def _copy_to_stdout(stream: IO[bytes]) -> None:
    while piece := stream.read(1 << 20):
        if not write_stdout_bytes(piece):
            return


def write_stdout_bytes(content: bytes) -> bool:
    """Bytes to standard output; whether there is still somebody to read."""
    stream = sys.stdout
    if stream is None:
        raise OutputError("no_stdout", "standard output is closed", "write to a file with --output FILE")
    try:
        stream.flush()
        if isinstance(stream, io.TextIOWrapper):
            erase()
            _write_whole(stream.buffer, content)
        else:
            stream.write(content.decode("utf-8", "replace"))
            stream.flush()
    except BrokenPipeError:
        _discard(stream)
        return False
    except OSError as error:
        _discard(stream)
        raise output_error("standard output", error) from error
    return True


def write_stdout(text: str, *, machine: bool) -> None:
    """`text` to standard output, what machines read always as UTF-8; quiet where the reader has gone."""
    stream = sys.stdout
    if stream is None:
        raise OutputError("no_stdout", "standard output is closed", "write to a file with --output FILE")
    try:
        stream.flush()
        if isinstance(stream, io.TextIOWrapper):
            erase()
            _write_whole(stream.buffer, text.encode("utf-8" if machine else stream.encoding, "backslashreplace"))
        else:
            stream.write(text)
            stream.flush()
    except BrokenPipeError:
        _discard(stream)
    except OSError as error:
        _discard(stream)
        raise output_error("standard output", error) from error


def _write_whole(stream: BinaryIO | io.RawIOBase, content: bytes) -> None:
    """All of `content`: without a buffer (python -u) a call may write a part of it, on a disk that is nearly full."""
    left = memoryview(content)
    while left:
        written = stream.write(left)
        if written is None:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        left = left[written:]
    stream.flush()


def say(text: str) -> None:
    """A line to standard error; to nowhere where that is closed or full, or its reader has gone."""
    if sys.stderr is None:
        return
    if isinstance(sys.stderr, io.TextIOWrapper):
        erase()
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:  # there is nobody left to tell
        _discard(sys.stderr)


def _is_replaceable(target: str) -> bool:
    return not os.path.exists(target) or os.path.isfile(target)


def _replace(target: str, content: IO[bytes]) -> None:
    beside = os.path.join(os.path.dirname(target), f".glmfit-{os.getpid()}-{os.urandom(4).hex()}.tmp")
    with unfinished(beside):
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        try:
            with os.fdopen(handle, "wb") as stream:
                if os.path.exists(target):
                    os.chmod(beside, stat.S_IMODE(os.stat(target).st_mode))
                shutil.copyfileobj(content, stream, 1 << 20)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(beside, target)
        except BaseException:
            os.unlink(beside)
            raise


def _discard(stream: TextIO) -> None:
    """What is written to `stream` to nowhere, so that what is still buffered cannot fail again at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def output_error(path: str, error: OSError) -> OutputError:
    """What an operating system's refusal to write to `path` means."""
    other = ("output", os.strerror(error.errno) if error.errno else str(error), "check the path and the disk")
    code, reason, hint = REASONS.get(error.errno or 0, other)
    return OutputError(code, f"cannot write to {path}: {reason}", hint)
