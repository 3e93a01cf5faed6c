"""What numpy's functions are of arrays in a temporary file: a run of rows at a time.

Each takes the folder that results go to and numpy's own arguments, and leaves what it does not know, by
`NotImplemented`, to numpy, which then computes it in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from glmfit import spill as files
from glmfit.spill import Spill, Spilled, of, plain, runs

Function = Callable[..., Any]
_SIGN = np.uint64(1 << 63)


def few(values: np.ndarray, most: int) -> np.ndarray | None:
    """The different values (n,) in ascending order; None where there are more than `most`."""
    found = np.unique(values[: files.RUN])
    for part in runs(len(values)):
        if len(found) > most:
            return None
        found = np.union1d(found, values[part])
    return found if len(found) <= most else None


def looked_up(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """values[codes] (n,), where the codes lie: what belongs to the level of each row."""
    if not isinstance(codes, Spilled) or codes.spill is None or len(codes) <= files.RUN:
        return np.asarray(values[codes])
    return codes.spill.each(len(codes), (plain(codes),), lambda some: values[some])


@of(np.where)
def _where(spill: Spill, condition: Any, *choices: Any) -> Any:
    if len(choices) != 2:
        return (_positions(spill, condition),)
    return _each(spill, np.where, condition, *choices)


def _each(spill: Spill, make: Function, *inputs: Any, **options: Any) -> Any:
    """A function row by row of one-dimensional arrays and scalars."""
    inputs = tuple(plain(one) for one in inputs)
    n = max(len(one) for one in inputs if np.ndim(one))
    if n <= files.RUN or any(np.ndim(one) > 1 or (np.ndim(one) and len(one) != n) for one in inputs):
        return NotImplemented
    return spill.each(n, inputs, lambda *some: make(*some, **options))


@of(np.isin)
def _isin(spill: Spill, element: Any, test_elements: Any, **options: Any) -> Any:
    if isinstance(test_elements, Spilled):
        return NotImplemented
    return _each(spill, lambda some: np.isin(some, test_elements, **options), element)


@of(np.searchsorted)
def _searchsorted(spill: Spill, a: Any, v: Any, **options: Any) -> Any:
    if isinstance(a, Spilled):
        return NotImplemented
    return _each(spill, lambda some: np.searchsorted(a, some, **options), v)


@of(np.flatnonzero)
def _positions(spill: Spill, a: Any) -> Any:
    """Where an array (n,) is not zero."""
    n, found = int(np.count_nonzero(a)), plain(a)
    out: Any = spill.empty(n, np.int64) if n > files.RUN else np.empty(n, dtype=np.int64)
    base, filled = plain(out), 0
    for part in runs(len(found)):
        here = np.flatnonzero(found[part])
        base[filled : filled + len(here)] = here + part.start
        filled += len(here)
    return out


@of(np.count_nonzero)
def _count_nonzero(spill: Spill, a: Any, **options: Any) -> Any:
    if options or np.ndim(a) != 1:
        return NotImplemented
    return sum(int(np.count_nonzero(plain(a)[part])) for part in runs(len(a)))


@of(np.bincount)
def _bincount(spill: Spill, x: Any, weights: Any = None, minlength: int = 0) -> Any:
    x, weights = plain(x), plain(weights)
    parts = (np.bincount(x[part], None if weights is None else weights[part], minlength) for part in runs(len(x)))
    total = np.zeros(minlength, dtype=np.intp if weights is None else np.float64)
    for part in parts:
        longer, shorter = (total, part) if len(total) >= len(part) else (part, total)
        longer[: len(shorter)] += shorter
        total = longer
    return total


@of(np.unique)
def _unique(spill: Spill, ar: Any, *, return_inverse: bool = False, **options: Any) -> Any:
    if options or np.ndim(ar) != 1 or len(ar) <= files.RUN:
        return NotImplemented
    values = plain(ar)
    found: Any = few(values, files.RUN)
    if found is None:
        there = spill.each(len(values), (values,), np.copy)
        plain(there).sort()
        changes = spill.filled(len(values), bool, lambda part: _changes(plain(there), part))
        found = there[changes]
    if not return_inverse:
        return found
    return found, _each(spill, lambda some: np.searchsorted(plain(found), some), values)


def _changes(values: np.ndarray, part: slice) -> np.ndarray:
    """Where values in ascending order are larger than the one before."""
    before = values[max(0, part.start - 1) : part.stop]
    return np.append(True, before[1:] != before[:-1]) if part.start == 0 else before[1:] != before[:-1]


@of(np.concatenate)
def _concatenate(spill: Spill, arrays: Sequence[Any], axis: int = 0, **options: Any) -> Any:
    n = sum(map(len, arrays))
    if options or n <= files.RUN or any(np.ndim(one) != 1 for one in arrays):
        return NotImplemented
    out = spill.empty(n, np.result_type(*arrays))
    base, start = plain(out), 0
    for one in map(plain, arrays):
        for part in runs(len(one)):
            base[start + part.start : start + part.stop] = one[part]
        start += len(one)
    return out


def _like(value: Any) -> Function:
    """ones_like or zeros_like."""

    def made(spill: Spill, a: Any, dtype: Any = None, **options: Any) -> Any:
        if options or np.ndim(a) != 1 or len(a) <= files.RUN:
            return NotImplemented
        return spill.each(len(a), (plain(a),), lambda some: np.full(len(some), value, dtype or a.dtype))

    return made


of(np.ones_like)(_like(1))
of(np.zeros_like)(_like(0))


@of(np.broadcast_to)
def _broadcast_to(spill: Spill, array: Any, shape: Any, **options: Any) -> Any:
    return array if np.shape(array) in (shape, (shape,)) else NotImplemented


@of(np.quantile)
@of(np.nanquantile)
def _quantile(spill: Spill, a: Any, q: Any, **options: Any) -> Any:
    """numpy's of finite numbers by linear interpolation, from the two values of the order on either side of each."""
    shares = np.atleast_1d(np.asarray(q, dtype=np.float64))
    if options or np.ndim(a) != 1 or np.ndim(q) > 1 or len(a) <= files.RUN:
        return NotImplemented
    place = shares * (len(a) - 1)
    below = np.floor(place).astype(np.int64)
    ranks = np.unique(np.concatenate([below, np.minimum(below + 1, len(a) - 1)]))
    known = dict(zip(ranks.tolist(), ordered(plain(a), ranks.tolist()), strict=True))
    low = np.array([known[at] for at in below.tolist()])
    high = np.array([known[min(at + 1, len(a) - 1)] for at in below.tolist()])
    share, step = place - below, high - low
    found = np.where(share < 0.5, low + step * share, high - step * (1 - share))
    return found if np.ndim(q) else found[0]


@of(np.percentile)
def _percentile(spill: Spill, a: Any, q: Any, **options: Any) -> Any:
    return _quantile(spill, a, np.true_divide(q, 100), **options)


def ordered(values: np.ndarray, ranks: Sequence[int]) -> list[float]:
    """The values of some ranks, from 0 up, of float64 (n,) without NaN: sixteen bits of each in a pass over all."""
    known = [(rank, np.uint64(0)) for rank in ranks]  # what is left of a rank among the values that begin so
    for shift in (48, 32, 16, 0):
        counts = {first: np.zeros(1 << 16, dtype=np.int64) for _, first in known}
        for part in runs(len(values)):
            keys = _in_order(values[part])
            for first, count in counts.items():
                own = keys if shift == 48 else keys[keys >> np.uint64(shift + 16) == first]
                count += np.bincount((own >> np.uint64(shift)) & np.uint64(0xFFFF), minlength=1 << 16)
        for k, (rank, first) in enumerate(known):
            up_to = np.cumsum(counts[first])
            digit = int(np.searchsorted(up_to, rank, side="right"))
            known[k] = rank - int(up_to[digit - 1] if digit else 0), first << np.uint64(16) | np.uint64(digit)
    keys = np.array([first for _, first in known], dtype=np.uint64)
    return np.where(keys & _SIGN, keys ^ _SIGN, ~keys).view(np.float64).tolist()


def _in_order(values: np.ndarray) -> np.ndarray:
    """Whole numbers uint64 (n,) in the order of float64 (n,)."""
    bits = np.ascontiguousarray(values).view(np.uint64)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)
