"""Arrow arrays to numpy, straight from their buffers.

Arrow's own `to_numpy` imports pandas, and most of its methods import pyarrow.compute; either costs more than reading a
small file does. Values and validity bits are therefore read from the buffers here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

_NUMPY_NAMES = {"halffloat": "float16", "float": "float32", "double": "float64"}


def valid(array: Any) -> np.ndarray:
    """Where an Arrow array is not null: bool (n,)."""
    bits = array.buffers()[0]
    if bits is None or array.null_count == 0:
        return np.ones(len(array), dtype=bool)
    return _bits(bits, array.offset, len(array))


def values(array: Any) -> np.ndarray:
    """The values of an Arrow array of integers, floats or booleans, arbitrary where it is null: (n,), not a copy."""
    n, data = len(array), array.buffers()[1]
    if n == 0 or data is None:
        return np.zeros(n)
    if str(array.type) == "bool":
        return _bits(data, array.offset, n)
    dtype = np.dtype(_NUMPY_NAMES.get(str(array.type), str(array.type)))
    return np.frombuffer(data, dtype=dtype, count=n, offset=array.offset * dtype.itemsize)


def float_values(chunked: Any) -> np.ndarray:
    """A chunked array of numbers or booleans as float64 (n,), NaN where null."""
    out = np.empty(len(chunked))
    fill(out, chunked.chunks)
    return out


def fill(out: np.ndarray, chunks: Iterable[Any]) -> None:
    """Put the values of arrays of numbers or booleans one after the other into `out`, NaN where null."""
    start = 0
    for chunk in chunks:
        part = out[start : start + len(chunk)]
        part[:] = values(chunk)
        if chunk.null_count:
            part[~valid(chunk)] = np.nan
        start += len(chunk)


def codes_and_levels(chunked: Any) -> tuple[np.ndarray, list[Any]]:
    """A chunked dictionary array as int64 codes (n,), -1 where null, and its values in the order of the dictionary."""
    if len(chunked) == 0:
        return np.zeros(0, dtype=np.int64), []
    chunks = chunked.unify_dictionaries().chunks
    codes = np.empty(len(chunked), dtype=np.int64)
    start = 0
    for chunk in chunks:
        part = codes[start : start + len(chunk)]
        part[:] = values(chunk.indices)
        part[~valid(chunk.indices)] = -1
        start += len(chunk)
    levels = chunks[0].dictionary.to_pylist()
    if None in levels:  # a null may also stand in the dictionary itself
        codes[np.isin(codes, [at for at, level in enumerate(levels) if level is None])] = -1
        levels = ["" if level is None else level for level in levels]
    return codes, levels


def of_column(column: Any) -> Any:
    """A `Column` as a chunked array: whole numbers as integers, levels as text, nulls where it is missing."""
    import pyarrow as pa

    absent = column.missing
    if column.kind == "boolean":
        found = pa.array(np.array([level == "True" for level in (*column.levels, "")])[column.values], mask=absent)
    elif column.levels is not None:
        found = pa.array(np.array([*column.levels, ""], dtype=object)[column.values], pa.utf8(), mask=absent)
    else:
        whole = np.where(absent, 0.0, column.values)
        integers = bool(np.all(whole == np.rint(whole)) and np.all(np.abs(whole) < 2.0**53))
        found = pa.array(whole.astype(np.int64) if integers else column.values, mask=absent)
    return pa.chunked_array([found])


def give_back() -> None:
    """Memory that Arrow keeps for what it may read next goes back to the system."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


def _bits(buffer: Any, offset: int, n: int) -> np.ndarray:
    """Bits `offset` to `offset + n` of a buffer, the least significant of each byte first: bool (n,)."""
    first = offset // 8
    packed = np.frombuffer(buffer, dtype=np.uint8, count=(offset + n + 7) // 8 - first, offset=first)
    skip = offset - 8 * first
    return np.unpackbits(packed, bitorder="little", count=skip + n)[skip:].astype(bool)
