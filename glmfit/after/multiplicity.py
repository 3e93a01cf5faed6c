"""p-values of several tests adjusted so that the chance of any false rejection, or their share, is kept.

    bonferroni m p    holm max_{j<=i} (m - j + 1) p_(j)    bh min_{j>=i} m p_(j) / j    single-step Pr(max |T| >= |t|)

Single-step integrates the joint distribution of the statistics, whose correlations are those of the estimates
(Hothorn, Bretz & Westfall 2008), and so loses less than Bonferroni where these go together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

METHODS = ("holm", "bonferroni", "bh", "single-step")
SMALL = 1e-4  # of m p: from here on the integral has few digits, and Bonferroni's bound is as good
PRECISION = 1e-7


def adjusted(p_values: Sequence[float], method: str) -> list[float]:
    """By holm, bonferroni or bh; tests without a p-value are not counted."""
    p = np.asarray(p_values, dtype=np.float64)
    out = np.full(len(p), math.nan)
    there = np.flatnonzero(~np.isnan(p))
    order = there[np.argsort(p[there], kind="stable")]
    m = len(order)
    rank = np.arange(1, m + 1)
    if method == "bonferroni":
        out[order] = np.minimum(1.0, m * p[order])
    elif method == "holm":
        out[order] = np.minimum(1.0, np.maximum.accumulate((m - rank + 1) * p[order]))
    else:
        out[order] = np.minimum(1.0, np.minimum.accumulate((m * p[order] / rank)[::-1])[::-1])
    return [float(one) for one in out]


def single_step(
    statistics: Sequence[float], p_values: Sequence[float], correlation: np.ndarray, df: float | None
) -> list[float]:
    """Pr(max |T| >= |t_i|) of normal T, or of Student's on df; never below p, nor above Bonferroni's m p."""
    there = [at for at, p in enumerate(p_values) if not math.isnan(p)]
    m = len(there)
    inside = correlation[np.ix_(there, there)]
    out = [math.nan] * len(p_values)
    for at in there:
        p, most = p_values[at], min(1.0, m * p_values[at])
        if m == 1 or most < SMALL:
            out[at] = most
            continue
        out[at] = min(most, max(p, 1 - _inside(abs(statistics[at]), inside, df)))
    return out


def _inside(half: float, correlation: np.ndarray, df: float | None) -> float:
    """Pr(all |T_j| < half)."""
    from scipy.stats import multivariate_normal, multivariate_t

    m = len(correlation)
    ends = np.full(m, half)
    most = 1_000_000 * m
    if df is None:
        normal = multivariate_normal(np.zeros(m), correlation, allow_singular=True, maxpts=most, abseps=PRECISION)
        return float(normal.cdf(ends, lower_limit=-ends))
    student = multivariate_t(np.zeros(m), correlation, df=df, allow_singular=True, seed=1)
    return float(student.cdf(ends, lower_limit=-ends, maxpts=most, random_state=1))
