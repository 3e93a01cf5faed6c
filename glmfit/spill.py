"""Vectors that lie in a temporary file in place of the memory, and are computed with a run of rows at a time.

A `Spilled` is an array like any other, mapped from a file without a name, so that nothing is left of it however the
process ends. What is computed row by row from one is another; what has been looked at is let go of. Whatever is not
computed by runs here is computed by numpy as of any array: the same numbers, from memory that the system can reclaim.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import tempfile
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from glmfit.errors import DataError
from glmfit.memory import spoken

RUN = 65_536  # rows looked at together; shorter vectors are in memory
_LETS_GO = 1 << 25  # bytes looked at between two times that pages are let go of

# What is mapped: where it begins, its size, what it lies in.
_maps: weakref.WeakKeyDictionary[mmap.mmap, tuple[int, int, Spill]] = weakref.WeakKeyDictionary()
_REDUCED = {np.add, np.maximum, np.minimum, np.logical_or, np.logical_and, np.fmax, np.fmin}


class Spill:
    """A folder for temporary files; the system's own where None is given."""

    def __init__(self, folder: str | None = None) -> None:
        self.folder = folder or tempfile.gettempdir()
        if not os.path.isdir(self.folder):
            what = "is not a folder" if os.path.exists(self.folder) else "is not there"
            raise DataError("bad_spill", f"--spill {self.folder} {what}", "name a folder that can be written to")
        if not os.access(self.folder, os.W_OK | os.X_OK):
            message = f"--spill {self.folder} cannot be written to: permission denied"
            raise DataError("bad_spill", message, "name another folder, or change its permissions")

    def empty(self, shape: int | tuple[int, ...], dtype: Any = np.float64) -> Spilled:
        """An array whose values are yet to be written."""
        dtype = np.dtype(dtype)
        size = max(1, int(np.prod(shape)) * dtype.itemsize)
        try:
            with tempfile.TemporaryFile(dir=self.folder) as file:
                if hasattr(os, "posix_fallocate"):  # a full disk is found out now, and not when a page is written
                    os.posix_fallocate(file.fileno(), 0, size)
                else:
                    file.truncate(size)
                mapped = mmap.mmap(file.fileno(), size)
        except OSError as error:
            raise self.failed(error, size) from error
        array = np.frombuffer(mapped, dtype, int(np.prod(shape))).reshape(shape).view(Spilled)
        array.spill = self
        _maps[mapped] = array.ctypes.data, size, self
        return array

    def filled(self, shape: int | tuple[int, ...], dtype: Any, run: Callable[[slice], Any]) -> Spilled:
        """An array of which `run` gives each run of rows."""
        out = self.empty(shape, dtype)
        base = out.view(np.ndarray)
        for part in runs(len(out)):
            base[part] = run(part)
        return out

    def failed(self, error: OSError, size: int) -> DataError:
        """What a file that cannot be written means to a user."""
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            with contextlib.suppress(OSError):
                free = os.statvfs(self.folder).f_bavail * os.statvfs(self.folder).f_frsize
                message = f"{self.folder} has no room for {spoken(size)} of temporary data: {spoken(free)} are free"
                return DataError("spill_full", message, "make room, or name a folder on a larger disk with --spill")
        message = f"no temporary file can be written in {self.folder}: {error.strerror}"
        return DataError("bad_spill", message, "name another folder with --spill")


def runs(n: int, size: int | None = None) -> Iterator[slice]:
    """Slices of n rows, one after the other; what was looked at in one is let go of before the next."""
    size = size or RUN
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))
        let_go(size)


_looked_at = 0


def let_go(rows: int) -> None:
    """Takes what is mapped out of the memory of this process, every so many rows; the system may keep it for later."""
    global _looked_at
    _looked_at += rows * 8 * max(1, len(_maps))
    if _looked_at >= _LETS_GO:
        _looked_at = 0
        if hasattr(mmap, "MADV_DONTNEED"):
            for one in list(_maps):
                one.madvise(mmap.MADV_DONTNEED)


def at(address: int) -> Spill | None:
    """What the number at an address lies in, None if that is the memory."""
    return next((home for start, size, home in list(_maps.values()) if start <= address < start + size), None)


class Spilled(np.ndarray[Any, Any]):
    """An array in a temporary file of `spill`; its views of more rows than a run are such arrays too."""

    spill: Spill | None = None

    def __array_finalize__(self, obj: Any) -> None:
        self.spill = getattr(obj, "spill", None)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        plain = [_plain(one) for one in inputs]
        out = options.get("out")
        if method == "__call__" and not options.keys() - {"out", "dtype", "casting"} and ufunc.nout == 1:
            shape = np.broadcast_shapes(*(np.shape(one) for one in plain))
            if len(shape) and shape[0] > RUN and all(_by_rows(one, shape) for one in plain):
                options.pop("out", None)
                return self._each(shape, plain, lambda *one: ufunc(*one, **options), out[0] if out else None)
        if method == "reduce" and out in (None, (None,)) and ufunc in _REDUCED and len(plain[0]) > RUN:
            options.pop("out", None)
            if options.get("axis", 0) in (None, 0, (0,)) and options.get("where", True) is True:
                parts = [ufunc.reduce(plain[0][part], **options) for part in runs(len(plain[0]))]
                return ufunc.reduce(np.stack(parts), axis=0)
        if out:
            options["out"] = tuple(_plain(one) for one in out)
        found = getattr(ufunc, method)(*plain, **options)
        return out[0] if out else found

    def _each(self, shape: tuple[int, ...], inputs: list[Any], make: Callable[..., Any], out: Any = None) -> Any:
        """An array of that shape, made of each run of the inputs."""

        def run(part: slice) -> Any:
            return make(*(one[part] if _has_rows(one, shape) else one for one in inputs))

        if out is not None:
            base = _plain(out)
            for part in runs(shape[0]):
                base[part] = run(part)
            return out
        assert self.spill is not None
        kind = np.asarray(run(slice(0, 1))).dtype
        return self.spill.filled(shape, kind, run)


def _plain(one: Any) -> Any:
    return one.view(np.ndarray) if isinstance(one, Spilled) else one


def _by_rows(one: Any, shape: tuple[int, ...]) -> bool:
    """Whether an operand is one for all rows, or has the rows of the result."""
    return np.ndim(one) < len(shape) or np.shape(one)[0] in (1, shape[0])


def _has_rows(one: Any, shape: tuple[int, ...]) -> bool:
    return np.ndim(one) == len(shape) and np.shape(one)[0] == shape[0]
