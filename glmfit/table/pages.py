"""What a mapped file takes up in memory once it has been read: the pages may leave, and come back when asked for."""

from __future__ import annotations

import mmap
from typing import Any


def let_go(data: Any, start: int = 0, end: int | None = None) -> None:
    """Bytes `start` to `end` of a mapped file may leave the memory; of bytes that are no file nothing may."""
    if hasattr(data, "madvise") and hasattr(mmap, "MADV_DONTNEED"):
        page = mmap.PAGESIZE * (start // mmap.PAGESIZE)
        end = len(data) if end is None else end
        if end > page:
            data.madvise(mmap.MADV_DONTNEED, page, end - page)
