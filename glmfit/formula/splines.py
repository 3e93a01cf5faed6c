"""Natural cubic splines with the basis of R's splines::ns: B-splines whose second derivatives are 0 at the boundary.

    basis = B(x) Q        B (n, k + 4) cubic B-splines over k knots and the boundary, Q the part of the orthogonal
                          factor of their second derivatives at the boundary that these leave free

Beyond the boundary every column goes on as the straight line it is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

DEGREE = 3


def natural_knots(
    x: np.ndarray, df: int | None, knots: Any, intercept: bool, boundary: Any
) -> tuple[list[float], list[float]]:
    """The knots and both ends, given or learned from x (n,): quantiles, and the range. ValueError for what is none."""
    ends = [float(x.min()), float(x.max())] if boundary is None else sorted(map(float, _numbers(boundary)))
    if len(ends) != 2 or not ends[0] < ends[1]:
        raise ValueError("the boundary is two different numbers")
    if knots is not None:
        inner = sorted(map(float, _numbers(knots)))
    else:
        count = (1 + intercept if df is None else df) - 1 - intercept
        if count < 0:
            raise ValueError(f"df must be at least {1 + intercept}")
        inside = x[(x >= ends[0]) & (x <= ends[1])]
        if count and not len(inside):
            raise ValueError("no value lies inside the boundary")
        inner = np.quantile(inside, np.linspace(0, 1, count + 2)[1:-1]).tolist() if count else []
    if inner and not (ends[0] < inner[0] and inner[-1] < ends[1]):
        outside = inner[0] if inner[0] <= ends[0] else inner[-1]
        raise ValueError(f"the knot {outside:g} is not inside the boundary, {ends[0]:g} to {ends[1]:g}")
    return inner, ends


def _numbers(value: Any) -> Sequence[float]:
    values = value if isinstance(value, list) else [value]
    if any(isinstance(one, bool) or not isinstance(one, int | float) for one in values):
        raise ValueError("knots are numbers")
    return values


def natural_basis(x: np.ndarray, knots: Sequence[float], boundary: Sequence[float], intercept: bool) -> np.ndarray:
    """The basis at x: (n, k + 1), with an intercept (n, k + 2)."""
    from scipy.interpolate import BSpline

    low, high = boundary
    places = np.array([low] * (DEGREE + 1) + list(knots) + [high] * (DEGREE + 1))
    splines = BSpline(places, np.eye(len(knots) + DEGREE + 1), DEGREE)
    values = splines(np.clip(x, low, high))
    for end, out in ((low, x < low), (high, x > high)):
        if out.any():
            values[out] = splines(end) + np.outer(x[out] - end, splines(end, nu=1))
    curved = splines(np.array([low, high]), nu=2)
    first = 0 if intercept else 1
    # LINPACK's reflections, which R uses, are those of LAPACK: the columns and their signs are R's.
    rotation = np.linalg.qr(curved[:, first:].T, mode="complete")[0]
    return np.asarray(values[:, first:] @ rotation[:, 2:])
