"""Intervals from replicates t_1 .. t_B of an estimate t: percentile, and bias-corrected and accelerated (BCa).

    percentile  quantiles a and 1 - a of t_b          BCa  quantiles Phi(z0 + (z0 + z_a) / (1 - c (z0 + z_a)))
    z0 = Phi^-1(share of t_b below t)                 c = sum L^3 / (6 (sum L^2)^(3/2)),  L_i = (G - 1)(t - t_(i))

t_(i) is the estimate without unit i of G (Efron 1987, JASA 82, 171-185). A quantile is the order statistic (B + 1) a,
found between two of them on the scale of normal quantiles (Davison & Hinkley 1997, 5.2.1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

NORMAL = NormalDist()
Ends = tuple[float, float]


def tails(level: float) -> Ends:
    """The shares below the two ends."""
    return 0.5 * (1 - level), 0.5 * (1 + level)


def percentile(replicates: np.ndarray, level: float) -> Ends:
    """The ends from replicates (B,), of which NaN are left out and infinite ones are as far out as can be."""
    known = np.sort(replicates[~np.isnan(replicates)])
    low, high = (order_statistic(known, share) for share in tails(level))
    return low, high


def bca(replicates: np.ndarray, estimate: float, without: np.ndarray, level: float) -> Ends:
    """The ends from replicates (B,) and the estimates `without` (G,) each unit; NaN where they are not defined."""
    known = np.sort(replicates[~np.isnan(replicates)])
    below = float((known < estimate).mean()) if len(known) else math.nan
    faster = acceleration(estimate, without)
    if not (0 < below < 1 and math.isfinite(faster)):
        return math.nan, math.nan
    bias = NORMAL.inv_cdf(below)
    low, high = (order_statistic(known, _moved(bias, faster, share)) for share in tails(level))
    return low, high


def acceleration(estimate: float, without: np.ndarray) -> float:
    """c from the estimates (G,) without each unit; those that there is none of, as NaN or infinite, are left out."""
    known = without[np.isfinite(without)]
    influence = (len(known) - 1) * (estimate - known)
    square = float((influence**2).sum())
    return float((influence**3).sum()) / (6 * square**1.5) if square > 0 else math.nan


def _moved(bias: float, faster: float, share: float) -> float:
    """The share of replicates below an end."""
    z = bias + NORMAL.inv_cdf(share)
    stretched = 1 - faster * z
    return NORMAL.cdf(bias + z / stretched) if stretched > 0 else math.nan


def order_statistic(ordered: np.ndarray, share: float) -> float:
    """The quantile of ascending values (B,); the outermost one where there are too few for it."""
    if not len(ordered) or math.isnan(share):
        return math.nan
    size = len(ordered)
    rank = (size + 1) * share
    k = math.floor(rank)
    if k < 1 or k >= size:
        return float(ordered[0 if k < 1 else -1])
    lower, upper = float(ordered[k - 1]), float(ordered[k])
    if k == rank or lower == upper:
        return lower
    if math.isinf(lower) or math.isinf(upper):
        return upper if math.isinf(upper) else lower
    z, below, above = (NORMAL.inv_cdf(each) for each in (share, k / (size + 1), (k + 1) / (size + 1)))
    return lower + (z - below) / (above - below) * (upper - lower)


def enough(shares: Sequence[float], size: int) -> bool:
    """Whether these quantiles lie between order statistics of so many values."""
    return all(1 <= (size + 1) * share <= size for share in shares)
