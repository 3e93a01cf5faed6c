"""Distribution functions and quantiles of any response, from its log-density or its tails; constants, not derivatives.

    log Pr(Y <= y) = log sum_{k <= y} f(k)        quantile(p) = the smallest y with Pr(Y <= y) >= p

Counts are summed from y outwards, where their probabilities fall, so that the smaller tail has every digit; runs of
more than NODES counts by Gauss's rule for sums. Quantiles are bisected: over the integers, or over the doubles
themselves in their order, which knows no scale and ends at the last digit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from glmfit.families.special import log1mexp
from glmfit.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    # (counts (m, q), which of the n rows they belong to (m,)) -> log-probabilities (m, q)
    LogMasses = Callable[[Tensor, Tensor], Tensor]
    # (values (m,), which of the n rows they belong to (m,)) -> log Pr(Y <= y) and log Pr(Y > y), (m,) each
    Tails = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

NODES = 16  # of Gauss's rule for a sum over a block of integers; a block no longer than this is summed as it is
GROWTH = 1.25  # from one tabulated length of a block to the next
LENGTHS = 260  # how many are tabulated: up to 1e25 terms in all
NEGLIGIBLE = 45.0  # a block below exp(-45) of the sum ends it where terms fall
LARGEST = 2.0**53  # from here on neighbouring doubles are further apart than counts
COARSE = 12  # halvings before the first chord: by then two doubles have the same exponent, or nearly
EXACT = 16 * 2.0**-52  # of the logarithm of a probability: where it is so near to the one asked for, it is that
ROUNDING = 64 * 2.0**-52  # of a probability at which a quantile is asked for: 0.5 is reached by 0.5 less rounding


@lru_cache(maxsize=1)
def gauss_sums() -> tuple[Tensor, Tensor, Tensor]:
    """Lengths (L,) of blocks 0, 1, ... N - 1, and for each the nodes (L, NODES) and log weights of Gauss's rule.

    Exact for polynomials of degree 2 NODES - 1; the eigenvalues of the Jacobi matrix of the discrete Chebyshev
    polynomials (Szego, Orthogonal Polynomials, 2.8). At N = NODES it is the sum itself.
    """
    lengths = np.ceil(NODES * GROWTH ** np.arange(LENGTHS))
    k = np.arange(1, NODES)
    jacobi = np.zeros((LENGTHS, NODES, NODES))
    jacobi[:, k - 1, k] = jacobi[:, k, k - 1] = 0.5 * k * np.sqrt((1 - (k / lengths[:, None]) ** 2) / (4 * k**2 - 1.0))
    values, vectors = np.linalg.eigh(jacobi)
    nodes = 0.5 * (lengths[:, None] - 1) + values * lengths[:, None]
    weights = np.log(lengths)[:, None] + 2 * np.log(np.abs(vectors[:, 0]))
    nodes[0], weights[0] = np.arange(NODES), 0.0
    return torch.from_numpy(lengths), torch.from_numpy(nodes), torch.from_numpy(weights)


def tails_of_counts(
    log_masses: LogMasses, y: Tensor, lower: Tensor, upper: Tensor, smooth: bool
) -> tuple[Tensor, Tensor]:
    """(n,) log Pr(Y <= y) and log Pr(Y > y) of counts from `lower` to `upper` (n,), which may be infinite.

    `smooth` says that the log-probability is a smooth function between the counts too.
    """
    y = torch.floor(y)
    below, beyond = (y < lower), (y >= upper)
    at = torch.where(below | beyond, lower, y)
    rows = torch.arange(len(y))
    neighbours = log_masses(torch.stack([at, torch.minimum(at + 1, upper)], dim=1), rows)
    falling = neighbours[:, 1] < neighbours[:, 0]
    one = torch.where(falling, 1.0, -1.0)
    outer = log_sum(log_masses, torch.where(falling, at + 1, at), one, lower, upper, rows, smooth)
    outer = torch.where(outer > 0, 0.0, outer)  # but for rounding
    inner = log1mexp(torch.where(outer < -math.log(2), outer, -1.0))
    left = (outer >= -math.log(2)).nonzero()[:, 0]
    if len(left):
        begin = torch.where(falling, at, at + 1)[left]
        inner[left] = log_sum(log_masses, begin, -one[left], lower[left], upper[left], left, smooth)
    inner = torch.where(torch.isnan(outer), math.nan, inner)
    up_to, above = torch.where(falling, inner, outer), torch.where(falling, outer, inner)
    nothing, certain = torch.full_like(y, -math.inf), torch.zeros_like(y)
    return (
        torch.where(below, nothing, torch.where(beyond, certain, up_to)),
        torch.where(below, certain, torch.where(beyond, nothing, above)),
    )


def log_sum(
    log_masses: LogMasses, begin: Tensor, side: Tensor, lower: Tensor, upper: Tensor, rows: Tensor, smooth: bool
) -> Tensor:
    """(m,) log of the sum of probabilities from `begin` on, upwards or downwards, up to the end of the support.

    Blocks grow as they get further away, but are no longer than it is from them to the ends, where the logarithm of a
    factorial has its singularities.
    """
    lengths, nodes, log_weights = gauss_sums()
    total = torch.full_like(begin, -math.inf)
    at, last = begin.clone(), torch.where(side > 0, upper, lower)
    left = ((last - at) * side >= 0).nonzero()[:, 0]
    longest = 0
    while len(left):
        start, way = at[left], side[left]
        room = (last[left] - start) * way + 1
        most = torch.minimum(0.5 * room, torch.where(way > 0, 2 * (start - lower[left]), 0.5 * (upper[left] - start)))
        place = (torch.searchsorted(lengths, most, right=True) - 1).clamp(0, longest if smooth else 0)
        steps = nodes[place]
        k = start[:, None] + way[:, None] * torch.minimum(steps, room[:, None] - 1)
        log_f = log_masses(k, rows[left])
        block = torch.logsumexp(torch.where(steps < room[:, None], log_f + log_weights[place], -math.inf), dim=1)
        total[left] = torch.logaddexp(total[left], block)
        at[left] = start + way * lengths[place]
        negligible = (block <= total[left] - NEGLIGIBLE) & ~(log_f[:, -1] > log_f[:, 0])
        over = negligible | torch.isnan(block) | ((last[left] - at[left]) * way < 0)
        left = left[~over]
        longest = min(longest + 1, LENGTHS - 1)
    return total


def compound_gamma_tails(events: Tensor, shape: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """(n,) log Pr(0 < Y <= x) and log Pr(Y > x) of a Poisson number of gamma amounts of this shape and scale 1."""
    from scipy.special import gammainc, gammaincc

    log_events = events.log()

    def terms(tail: Callable[..., np.ndarray]) -> LogMasses:
        def log_masses(j: Tensor, rows: Tensor) -> Tensor:
            own = torch.from_numpy(tail((j * shape[rows, None]).numpy(), x[rows, None].expand_as(j).numpy()))
            return j * log_events[rows, None] - events[rows, None] - torch.lgamma(j + 1) + own.log()

        return log_masses

    rows, one = torch.arange(len(x)), torch.ones_like(x)
    up, down, end = torch.ones_like(x), -torch.ones_like(x), torch.full_like(x, math.inf)
    found = []
    for tail, highest, rises in ((gammainc, events, False), (gammaincc, torch.maximum(events, x / shape), True)):
        log_masses = terms(tail)

        def falls(j: Tensor, own: Tensor, log_masses: LogMasses = log_masses, rises: bool = rises) -> Tensor:
            both = log_masses(torch.stack([j, j + 1], dim=1), own)
            change = both[:, 1] - both[:, 0]
            return torch.where(torch.isnan(change), not rises, change < 0)

        peak = _bisected_counts(falls, one, torch.ceil(highest) + 1, rows)
        parts = (
            log_sum(log_masses, begin, side, one, end, rows, smooth=True)
            for begin, side in ((peak, up), (peak - 1, down))
        )
        found.append(torch.logaddexp(*parts))
    return found[0], found[1]


def inverse(lower: Callable[..., np.ndarray], upper: Callable[..., np.ndarray], p: Tensor, *shapes: Tensor) -> Tensor:
    """(n,) a standard variable by scipy's inverses of its lower and of its upper tail, each where it is the smaller."""
    arrays, low = [shape.numpy() for shape in shapes], (p <= 0.5).numpy()
    with np.errstate(all="ignore"):
        found = np.where(low, lower(*arrays, p.numpy()), upper(*arrays, (1 - p).numpy()))
    return torch.from_numpy(found)


def quantiles(tails: Tails, probability: Tensor, lower: Tensor, upper: Tensor, integer: bool) -> Tensor:
    """(n,) the smallest y between `lower` and `upper` (n,) with Pr(Y <= y) >= `probability` (n,); NaN where unknown."""
    log_p, log_q = torch.log(probability) - ROUNDING, torch.log1p(-probability) + ROUNDING

    def excess(y: Tensor, rows: Tensor) -> Tensor:
        up_to, above = tails(y, rows)
        return torch.where(probability[rows] <= 0.5, up_to - log_p[rows], log_q[rows] - above)

    inside = (probability > 0) & (probability < 1)
    rows = inside.nonzero()[:, 0]
    found = torch.where(probability <= 0, lower, torch.where(probability >= 1, upper, math.nan))
    if integer:
        own = _bisected_counts(lambda y, at: excess(y, at) >= 0, lower[rows], upper[rows], rows)
    else:
        own = _bisected_doubles(excess, lower[rows], upper[rows], rows)
    return found.index_put((rows,), own)


def _bisected_counts(reached: Callable[[Tensor, Tensor], Tensor], lower: Tensor, upper: Tensor, rows: Tensor) -> Tensor:
    low, high, width = lower - 1, torch.minimum(lower, upper), torch.ones_like(lower)
    open_ended = torch.arange(len(rows))
    while len(open_ended):  # twice as far until it is reached
        there = reached(high[open_ended], rows[open_ended]) | (high[open_ended] >= upper[open_ended])
        open_ended = open_ended[~there & (width[open_ended] < LARGEST)]
        low[open_ended], width[open_ended] = high[open_ended], 2 * width[open_ended]
        high[open_ended] = torch.minimum(lower[open_ended] + width[open_ended], upper[open_ended])
    high = torch.where(width < LARGEST, high, math.nan)
    left = (high - low > 1).nonzero()[:, 0]
    while len(left):
        middle = torch.floor(0.5 * (low[left] + high[left]))
        there = reached(middle, rows[left])
        high[left], low[left] = torch.where(there, middle, high[left]), torch.where(there, low[left], middle)
        left = left[high[left] - low[left] > 1]
    return high


def _bisected_doubles(excess: Callable[[Tensor, Tensor], Tensor], lower: Tensor, upper: Tensor, rows: Tensor) -> Tensor:
    """Where an increasing function passes 0: by halves of the doubles between two of them, and by the chord in turn."""
    low, high = _place(lower) - 1, _place(upper)
    below, above = torch.full_like(lower, -math.inf), torch.full_like(lower, math.inf)
    before = torch.zeros_like(rows, dtype=torch.bool)
    left, turn = torch.arange(len(rows)), 0
    while len(left):
        a, b = low[left], high[left]
        middle = (a >> 1) + (b >> 1) + (a & b & 1)
        if turn > COARSE and turn % 4:
            x, y = _double(a), _double(b)
            chord = x - below[left] * ((y - x) / (above[left] - below[left]))
            place = _place(torch.where(torch.isfinite(chord), chord, 0.0))
            middle = torch.where(torch.isfinite(chord) & (place > a) & (place < b), place, middle)
        found = excess(_double(middle), rows[left])
        there = found >= 0
        high[left], low[left] = torch.where(there, middle, b), torch.where(there, a, middle)
        # An end that stays again counts for half (Illinois), lest the chord approach from one side alone.
        again = (there == before[left]) & (turn > COARSE)
        above[left] = torch.where(there, found, torch.where(again, 0.5, 1.0) * above[left])
        below[left] = torch.where(there, torch.where(again, 0.5, 1.0) * below[left], found)
        before[left] = there
        done = (high[left] - low[left] == 1) | (found.abs() <= EXACT)
        high[left] = torch.where(found.abs() <= EXACT, middle, high[left])
        left, turn = left[~done], turn + 1
    return _double(high)


def _place(x: Tensor) -> Tensor:
    """(n,) int64: the place of a double among all doubles in ascending order."""
    bits = (x + 0.0).view(torch.int64)
    return torch.where(bits < 0, bits ^ 0x7FFFFFFFFFFFFFFF, bits)


def _double(place: Tensor) -> Tensor:
    """The inverse of `_place`."""
    return torch.where(place < 0, place ^ 0x7FFFFFFFFFFFFFFF, place).view(torch.float64)
