"""Inputs that are opened again and again in one run: each is opened once, and each of its columns read once.

Within `keeping` an input that has not changed since is the one that was opened before. Those least used of late are let
go where their columns take more than a share of the memory.
"""

from __future__ import annotations

import contextlib
import glob
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from glmfit import memory
from glmfit.reading import Reading
from glmfit.spill import Spill
from glmfit.table.source import Source

SHARE = 0.25  # of the memory that is free
WITHOUT_NEWS = 1 << 30  # bytes, where the system does not say what is free

_inputs: OrderedDict[tuple[Any, ...], Source] | None = None


@contextlib.contextmanager
def keeping() -> Iterator[None]:
    """Inputs are kept from here on to the end."""
    global _inputs
    _inputs = OrderedDict()
    try:
        yield
    finally:
        _inputs = None


def opened(
    path: str, reading: Reading, spool: Spill | None, open: Callable[[str, Reading, Spill | None], Source]
) -> Source:
    """The input at a path, by `open` where it is not kept; standard input never is."""
    if _inputs is None or path == "-":
        return open(path, reading, spool)
    key = (path, reading, spool, _state(path))
    if key not in _inputs:
        _inputs[key] = open(path, reading, spool)
        _inputs[key].keep_columns()
    _inputs.move_to_end(key)
    most = SHARE * (memory.available() or WITHOUT_NEWS / SHARE)
    while len(_inputs) > 1 and sum(one.kept_bytes() for one in _inputs.values()) > most:
        _inputs.popitem(last=False)
    return _inputs[key]


def _state(path: str) -> tuple[tuple[str, int, int], ...]:
    """Sizes and times of the files that a path, a folder or a pattern names."""
    if os.path.isdir(path):
        paths = [entry.path for entry in os.scandir(path)]
    else:
        paths = [path] if os.path.exists(path) or "\0" in path else glob.glob(path)
    return tuple((one, *_stamp(one)) for one in sorted(paths))


def _stamp(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # what is wrong with it is for whoever opens it to say
        return 0, 0
    return status.st_size, status.st_mtime_ns
