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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glmfit.errors import DataError
from glmfit.memory import LEAST, spoken
from glmfit.watch import tell

RUN = 65_536  # rows looked at together; shorter vectors are in memory
LARGE = "/var/tmp"  # for temporary files that are large
_LETS_GO = 1 << 25  # bytes looked at between two times that pages are let go of

# What is mapped: where it begins, its size, what it lies in.
_maps: weakref.WeakKeyDictionary[mmap.mmap, tuple[int, int, Spill]] = weakref.WeakKeyDictionary()
_REDUCED = {np.add, np.maximum, np.minimum, np.logical_or, np.logical_and, np.fmax, np.fmin}


@dataclass(frozen=True)
class Spill:
    """A folder for temporary files, by its name; the system's own where there is none."""

    name: str = ""

    def __post_init__(self) -> None:
        if self.name and not os.path.isdir(self.name):
            what = "is not a folder" if os.path.exists(self.name) else "is not there"
            raise DataError("bad_spill", f"--spill {self.name} {what}", "name a folder that can be written to")
        if self.name:
            with self.failing(0), tempfile.TemporaryFile(dir=self.name):
                pass

    @property
    def folder(self) -> str:
        """Where files are made: as other programs do with large ones not in /tmp, which may be memory itself."""
        asked = self.name or next(filter(None, map(os.environ.get, ("TMPDIR", "TEMP", "TMP"))), None)
        if asked is None and os.access(LARGE, os.W_OK | os.X_OK):
            return LARGE
        return self.name or tempfile.gettempdir()

    def check_room(self, size: int) -> None:
        """Raises `DataError` "spill_full" where a fit that takes about so many bytes has no room, before it begins."""
        with contextlib.suppress(OSError):
            free = self._free()
            if free < LEAST * size:
                raise self._full(f"about {spoken(size)}", free)

    def empty(self, shape: int | tuple[int, ...], dtype: Any = np.float64) -> Spilled:
        """An array whose values are yet to be written."""
        size = max(1, int(np.prod(shape)) * np.dtype(dtype).itemsize)
        with self.failing(size), tempfile.TemporaryFile(dir=self.folder) as file:
            if hasattr(os, "posix_fallocate"):  # a full disk is found out now, and not when a page is written
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            return self.mapped(file, shape, dtype)

    def mapped(self, file: Any, shape: int | tuple[int, ...], dtype: Any) -> Spilled:
        """What stands in a file, as an array that can be written to."""
        count = int(np.prod(shape))
        mapped = mmap.mmap(file.fileno(), max(1, count * np.dtype(dtype).itemsize))
        array = self.lent(np.frombuffer(mapped, dtype, count).reshape(shape))
        _maps[mapped] = array.ctypes.data, len(mapped), self
        return array

    def growing(self, dtype: Any) -> Growing:
        """An array (n,) of which n is not known yet."""
        return Growing(self, np.dtype(dtype))

    def filled(self, shape: int | tuple[int, ...], dtype: Any, run: Callable[[slice], Any]) -> Spilled:
        """An array of which `run` gives each run of rows."""
        out = self.empty(shape, dtype)
        base = out.view(np.ndarray)
        for part in runs(len(out)):
            base[part] = run(part)
        return out

    def lent(self, array: np.ndarray) -> Spilled:
        """An array in one of the files, as one of them."""
        found = array.view(Spilled)
        found.spill = self
        return found

    def each(self, n: int, inputs: Sequence[Any], make: Callable[..., Any], dtype: Any = None) -> Spilled:
        """make(*inputs) (n, ...) row by row, of arrays (n, ...) and scalars."""

        def run(part: slice) -> Any:
            return make(*(rows_of(one, n, part) for one in inputs))

        first = np.asarray(run(slice(0, 1)))
        return self.filled((n, *first.shape[1:]), dtype or first.dtype, run)

    @contextlib.contextmanager
    def failing(self, size: int) -> Iterator[None]:
        """What the system says when so many bytes cannot be written, as the `DataError` that says so."""
        try:
            yield
        except OSError as error:
            raise self._failed(error, size) from error

    def _failed(self, error: OSError, size: int) -> DataError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            with contextlib.suppress(OSError):
                return self._full(spoken(size), self._free())
        message = f"no temporary file can be written in {self.folder}: {error.strerror}"
        return DataError("bad_spill", message, "name another folder with --spill")

    def _free(self) -> int:
        """Bytes that can still be written; an `OSError` where the system does not say."""
        told = os.statvfs(self.folder)
        return told.f_bavail * told.f_frsize

    def _full(self, size: str, free: int) -> DataError:
        message = f"{self.folder} has no room for {size} of temporary data: {spoken(free)} are free"
        return DataError("spill_full", message, "make room, or name a folder on a larger disk with --spill")


class Growing:
    """An array (n,) in the making, in a file that grows by what is appended."""

    def __init__(self, spill: Spill, dtype: Any) -> None:
        self.spill, self.dtype, self.size = spill, dtype, 0
        with spill.failing(0):
            self.file = tempfile.TemporaryFile(dir=spill.folder)  # noqa: SIM115 - closed by `done`, or with this

    def append(self, values: np.ndarray) -> None:
        with self.spill.failing(values.nbytes):
            self.file.write(np.ascontiguousarray(values, self.dtype).data)
        self.size += len(values)

    def done(self) -> Spilled:
        """All that was appended."""
        with self.spill.failing(0), self.file:
            if self.size == 0:
                self.file.truncate(1)
            self.file.flush()
            return self.spill.mapped(self.file, self.size, self.dtype)

    def text(self) -> mmap.mmap:
        """All that was appended, something at least, as bytes that are read once."""
        with self.spill.failing(0), self.file:
            self.file.flush()
            return mmap.mmap(self.file.fileno(), 0, access=mmap.ACCESS_READ)


def runs(n: int, size: int | None = None, apart: int = 1) -> Iterator[slice]:
    """Slices of n rows, one after the other; what was looked at in one is let go of before the next.

    `apart` is how far from each other rows are that are looked at: each brings its neighbours with it.
    """
    size = size or RUN
    for start in range(0, n, size):
        end = min(start + size, n)
        yield slice(start, end)
        let_go(size * apart)
        if _maps and n > RUN:
            tell(end, n, "preparing")


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


Function = Callable[..., Any]
_functions: dict[Any, Function] = {}  # those of numpy that are computed by runs


def of(function: Any) -> Callable[[Function], Function]:
    """Makes the decorated one what a function of numpy is of spilled arrays: (spill, *numpy's arguments)."""

    def register(own: Function) -> Function:
        _functions[function] = own
        return own

    return register


class Spilled(np.ndarray[Any, Any]):
    """An array in a temporary file of `spill`; its views of more rows than a run are such arrays too."""

    spill: Spill | None = None

    def __array_finalize__(self, obj: Any) -> None:
        self.spill = getattr(obj, "spill", None)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = (None,), **options: Any) -> Any:
        home = next((one.spill for one in (self, *inputs, *out) if isinstance(one, Spilled) and one.spill), None)
        inputs = tuple(map(plain, inputs))
        (result,) = out
        if method == "reduce" and home and ufunc in _REDUCED and result is None and _over_rows(inputs[0], options):
            parts = [ufunc.reduce(inputs[0][part], **options) for part in runs(len(inputs[0]))]
            return ufunc.reduce(np.stack(parts), axis=0)
        shape = np.broadcast_shapes(*map(np.shape, inputs)) if method == "__call__" else ()
        n = shape[0] if shape else 0
        by_rows = all(np.ndim(one) == len(shape) or len(one) != n for one in inputs if np.ndim(one))
        if method != "__call__" or home is None or n <= RUN or not by_rows:
            given = {} if result is None else {"out": plain(result)}
            found = getattr(ufunc, method)(*inputs, **given, **options)
            return found if result is None else result
        if result is None:
            return home.each(n, inputs, lambda *some: ufunc(*some, **options))
        for part in runs(n):
            ufunc(*(rows_of(one, n, part) for one in inputs), out=plain(result)[part], **options)
        return result

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if self.spill is not None and func in _functions:
            found = _functions[func](self.spill, *args, **kwargs)
            if found is not NotImplemented:
                return found
        return super().__array_function__(func, types, args, kwargs)

    def __getitem__(self, index: Any) -> Any:
        found = plain(self)
        index = plain(index)
        if not isinstance(index, np.ndarray) or index.ndim != 1 or self.spill is None:
            found = found[index]
            return self.spill.lent(found) if self.spill and np.ndim(found) and len(found) > RUN else found
        if index.dtype == bool:
            return self._chosen(index)
        if len(index) <= RUN:
            return found[index]
        return self.spill.each(len(index), (index,), lambda some: found[some])

    def _chosen(self, mask: np.ndarray) -> Any:
        """The rows where a mask (n,) is true."""
        n, found = sum(int(np.count_nonzero(mask[part])) for part in runs(len(mask))), plain(self)
        out: Any = np.empty((n, *self.shape[1:]), self.dtype)
        if n > RUN and self.spill is not None:
            out = self.spill.empty(out.shape, self.dtype)
        base, filled = plain(out), 0
        for part in runs(len(found)):
            some = found[part][mask[part]]
            base[filled : filled + len(some)] = some
            filled += len(some)
        return out

    def astype(self, dtype: Any, *others: Any, **options: Any) -> Any:
        if self.spill is None or len(self) <= RUN:
            return plain(self).astype(dtype, *others, **options)
        return self.spill.each(len(self), (plain(self),), lambda some: some.astype(dtype), dtype)

    def copy(self, order: Any = "C") -> Any:
        return self.astype(self.dtype)

    def argmax(self, *others: Any, **options: Any) -> Any:
        return self._at(np.argmax, np.greater)

    def argmin(self, *others: Any, **options: Any) -> Any:
        return self._at(np.argmin, np.less)

    def _at(self, place: Callable[[np.ndarray], Any], better: Callable[[Any, Any], Any]) -> int:
        """The first place of the best of the values (n,)."""
        values, best = plain(self), 0
        for part in runs(len(values)):
            here = part.start + int(place(values[part]))
            if better(values[here], values[best]) or (values[here] != values[here] and values[best] == values[best]):
                best = here
        return best


def rows_of(one: Any, n: int, part: slice) -> Any:
    """Some rows of an operand that has n, else all of it."""
    return one[part] if np.ndim(one) and len(one) == n else one


def _over_rows(values: Any, options: Mapping[str, Any]) -> bool:
    """Whether a sum, or the like, is one over many rows."""
    plain_sum = options.get("axis", 0) in (None, 0, (0,)) and options.get("where", True) is True
    return plain_sum and options.get("keepdims") in (None, False) and np.ndim(values) > 0 and len(values) > RUN


def spill_of(array: np.ndarray) -> Spill | None:
    """What a long array lies in, None if that is the memory."""
    return array.spill if isinstance(array, Spilled) and len(array) > RUN else None


def plain(one: Any) -> Any:
    """The same memory as an array that numpy computes with."""
    return one.view(np.ndarray) if isinstance(one, Spilled) else one


def _by_rows(one: Any, shape: tuple[int, ...]) -> bool:
    """Whether an operand is one for all rows, or has the rows of the result."""
    return np.ndim(one) < len(shape) or np.shape(one)[0] in (1, shape[0])
