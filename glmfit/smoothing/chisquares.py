"""The upper tail of a weighted sum of chi-squares, to rounding: Q = sum_j w_j chi2(d_j), weights of any sign.

    Pr(Q > q) = (1 / 2 pi i) integral of exp(K(s) - s q) / s ds        K(s) = -sum_j d_j log(1 - 2 w_j s) / 2

along a parabola through the saddle point of the integrand on the real line, right of 0, that opens away from 0: there
it falls off without a turn, so that the trapezoidal rule converges exponentially, and tails keep their digits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

NODES = 4_000
SMALLEST = 1e-18  # of the largest integrand: what is left out
BEYOND = 60.0  # widths of the saddle that are looked at


def upper_tail(q: float, weights: Sequence[float], df: Sequence[float]) -> float:
    """Pr(sum_j w_j chi2(d_j) > q); NaN for what is not finite."""
    w, d = np.array(weights, dtype=float), np.array(df, dtype=float)
    w, d = w[w != 0], d[w != 0]
    if not (math.isfinite(q) and np.isfinite(w).all() and np.isfinite(d).all()):
        return math.nan
    if not len(w) or w.max() <= 0:
        return 1.0 if q < 0 else 0.0
    if w.min() > 0 and q <= 0:
        return 1.0
    scale = w.max()
    return _integral(q / scale, w / scale, d)


def _integral(q: float, w: np.ndarray, d: np.ndarray) -> float:
    """The same where the largest weight is 1: the integrand is analytic for real s between 0 and 1/2."""
    from scipy.optimize import brentq

    def slope(s: float) -> float:
        return float((d * w / (1 - 2 * w * s)).sum()) - q - 1 / s

    # the integrand rises without end towards 0, and towards 1/2 unless its power there is none
    c = brentq(slope, 1e-14, 0.5 * (1 - 1e-14), xtol=1e-15, rtol=1e-13) if slope(0.5 * (1 - 1e-14)) > 0 else 0.25
    bend = float((2 * d * w**2 / (1 - 2 * w * c) ** 2).sum()) + 1 / c**2
    width = 1 / math.sqrt(bend)
    opening = 0.25 / (0.5 - c)

    def at(y: np.ndarray) -> np.ndarray:
        s = c + opening * y**2 + 1j * y
        exponent = -0.5 * (d * np.log(1 - 2 * np.multiply.outer(s, w))).sum(axis=-1) - s * q - np.log(s)
        return np.asarray(exponent + np.log(1 - 2j * opening * y))

    peak = float(at(np.zeros(1)).real[0])
    reach = width * np.geomspace(1e-3, 10.0**6, 400)
    falls = at(reach).real - peak
    inside = np.flatnonzero(falls > math.log(SMALLEST))
    end = float(reach[min(inside[-1] + 1, len(reach) - 1)]) if len(inside) else float(reach[-1])
    # nodes close near the saddle, far apart in the tails: y = a sinh(u)
    a = width
    u = np.linspace(-math.asinh(end / a), math.asinh(end / a), NODES + 1)
    values = np.exp(at(a * np.sinh(u)) - peak) * a * np.cosh(u)
    total = float(values.real.sum()) * float(u[1] - u[0]) / (2 * math.pi)
    return total * math.exp(peak)
