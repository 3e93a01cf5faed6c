"""Numbers to the intervals that breaks divide a line into, with the labels of R's cut()."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

FEWEST_DIGITS, MOST_DIGITS = 3, 12  # of a break in a label, as in R


def breaks_of(given: Any, x: np.ndarray) -> list[float]:
    """The breaks in their order; a whole number asks for so many intervals of one width over the range of x (n,).

    Raises ValueError for what is none.
    """
    if isinstance(given, int) and not isinstance(given, bool):
        return _equal(given, float(x.min()), float(x.max()))
    if not isinstance(given, list) or any(isinstance(b, bool) or not isinstance(b, int | float) for b in given):
        raise ValueError("breaks are a list of numbers, or the number of intervals")
    breaks = sorted(map(float, given))
    if len(breaks) < 2 or len(set(breaks)) < len(breaks):
        raise ValueError("breaks are two or more different numbers")
    return breaks


def _equal(count: int, low: float, high: float) -> list[float]:
    """R's: the ends lie a thousandth of the range outside."""
    if not 2 <= count <= 1000:
        raise ValueError("the number of intervals is 2 to 1000")
    width = high - low
    if width == 0:
        width = abs(low) or 1.0
        return np.linspace(low - width / 1000, high + width / 1000, count + 1).tolist()
    inner = np.linspace(low, high, count + 1).tolist()[1:-1]
    return [low - width / 1000, *inner, high + width / 1000]


def interval_codes(x: np.ndarray, breaks: Sequence[float], right: bool, lowest: bool) -> np.ndarray:
    """Which interval each x (n,) lies in, from 0 up; -1 outside. They are (a, b], or [a, b) where not `right`.

    `lowest` closes the outermost interval at its open end.
    """
    edges = np.asarray(breaks)
    codes = np.searchsorted(edges, x, side="left" if right else "right").astype(np.int64) - 1
    if lowest:
        codes[x == (edges[0] if right else edges[-1])] = 0 if right else len(edges) - 2
    return np.where((codes >= 0) & (codes < len(edges) - 1), codes, -1)


def interval_labels(breaks: Sequence[float], right: bool, lowest: bool) -> list[str]:
    """(0,10], (10,20] ... with as few digits as tell the breaks apart."""
    for digits in range(FEWEST_DIGITS, MOST_DIGITS + 1):
        ends = [_shown(value, digits) for value in breaks]
        if len(set(ends)) == len(ends):
            break
    else:
        ends = [repr(value) for value in breaks]
    opens, closes = ("(", "]") if right else ("[", ")")
    labels = [f"{opens}{low},{high}{closes}" for low, high in pairwise(ends)]
    if lowest and right:
        labels[0] = f"[{labels[0][1:]}"
    elif lowest:
        labels[-1] = f"{labels[-1][:-1]}]"
    return labels


def _shown(value: float, digits: int) -> str:
    """As R writes it, with a blank before Inf."""
    return {"inf": " Inf", "-inf": "-Inf"}.get(text := f"{value:.{digits}g}", text)
