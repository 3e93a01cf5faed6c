"""Leverages of the indicators of several factors: how far each row is fitted by effects of its own.

    D_i (D'WD)^- D_i' = 1 / F_f + u' S^- u,  u = e_g + e_h + ... - B_f' / F_f,  S = A - B'F^-1 B

Row i lies in level f of the largest factor, whose block F is diagonal, and in levels g, h ... of the others, which meet
it in B and each other in A. S is dense, and no larger than there are levels of these others.
"""

from __future__ import annotations

import numpy as np

from glmfit.errors import ModelError
from glmfit.numerics.indicators import Indicators, Normal

MOST_LEVELS = 5_000  # of the factors beside the largest: S is 200 MB then
CELLS = 4_000_000  # numbers that are worked on together
NOTHING = 1e-10  # of a diagonal, left of it beside earlier columns of S: an effect that others make up for


def check_leverages(indicators: Indicators, option: str) -> None:
    """`ModelError` where there are too many levels beside those of the largest factor."""
    others = indicators.size - indicators.sizes[indicators.largest]
    if others > MOST_LEVELS:
        message = (
            f"{option} needs the leverage of each row, and the absorbed factors beside the largest have {others:,} "
            f"levels, more than the {MOST_LEVELS:,} that can be inverted together"
        )
        raise ModelError("too_large", message, "use --se hc1 or cluster:COLUMN, which need no leverages")


def inverse_at_rows(indicators: Indicators, weight: np.ndarray) -> np.ndarray:
    """(n,) D_i (D'WD)^- D_i' for weights (n,)."""
    normal = indicators.normal(weight)
    first = indicators.codes[indicators.largest]
    out: np.ndarray = normal.inverse[first, 0]
    if normal.border is None:
        return out
    inner = indicators.places[indicators.largest]
    before = [place.start - (inner.stop - inner.start) * (place.start > inner.start) for place in indicators.places]
    others = [before[k] + code for k, code in enumerate(indicators.codes) if k != indicators.largest]
    P = _inverse(normal)
    order = np.argsort(first, kind="stable")
    step = max(1, CELLS // len(P))
    for begin in range(0, normal.border.shape[0], step):
        end = begin + step
        share = normal.border[begin:end].multiply(normal.inverse[begin:end]).tocsr()
        moved = share @ P
        rows = order[slice(*np.searchsorted(first, [begin, end], sorter=order))]
        level = first[rows] - begin
        found = np.asarray(share.multiply(moved).sum(axis=1)).ravel()[level]
        for own in others:
            found -= 2 * moved[level, own[rows]]
            for other in others:
                found += P[own[rows], other[rows]]
        out[rows] += found
    return out


def _inverse(normal: Normal) -> np.ndarray:
    """S^- (m, m), 0 for effects that others make up for."""
    from scipy.linalg.lapack import dpotri, dpstrf

    assert normal.border is not None
    assert normal.others is not None
    scaled = normal.border.multiply(np.sqrt(normal.inverse)).tocsr()
    S = normal.others.toarray() - (scaled.T @ scaled).toarray()
    diagonal = np.diag(normal.others.toarray())
    scale = np.where(diagonal > 0, np.sqrt(np.where(diagonal > 0, diagonal, 1.0)), 1.0)
    lower, pivots, rank, _ = dpstrf(S / scale[:, None] / scale, tol=NOTHING, lower=1)
    kept = pivots[:rank] - 1
    half, _ = dpotri(np.asfortranarray(lower[:rank, :rank]), lower=1)
    out = np.zeros_like(S)
    half = np.tril(half)
    out[np.ix_(kept, kept)] = (half + np.tril(half, -1).T) / scale[kept, None] / scale[kept]
    return out
