"""Memory by pages: those of a mapped file may leave once they are read, and an array has its own, which go with it.

What is freed among other things that stay is kept for later by the allocator, and a large table would be in memory
twice when its columns have moved into the design.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
from typing import Any

import numpy as np

_SMALL, _LARGE = 1 << 17, 1 << 22  # bytes below which pages are wasted, and from which large pages pay


def own(n: int) -> np.ndarray:
    """float64 (n,) to be written, whose memory goes back to the system when the array goes."""
    size = 8 * n
    if size < _SMALL or not hasattr(mmap, "MAP_ANONYMOUS"):
        return np.empty(n)
    try:
        pages = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(size) if error.errno == errno.ENOMEM else error from error
    if size >= _LARGE and hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # of a system that has none
            pages.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(pages)


def let_go(data: Any, start: int = 0, end: int | None = None) -> None:
    """Bytes `start` to `end` of a mapped file may leave the memory; of bytes that are no file nothing may."""
    if hasattr(data, "madvise") and hasattr(mmap, "MADV_DONTNEED"):
        page = mmap.PAGESIZE * (start // mmap.PAGESIZE)
        end = len(data) if end is None else end
        if end > page:
            data.madvise(mmap.MADV_DONTNEED, page, end - page)
