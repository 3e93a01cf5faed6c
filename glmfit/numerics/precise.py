"""Sums of products in twice the working precision, for least squares: as many digits as the data determine.

A number is a pair high + low of floats. What a sum or a product of floats loses by rounding is a float again (Knuth
1969; Dekker 1971; Ogita, Rump & Oishi 2005, SIAM J. Sci. Comput. 26, 1955-1988), and goes into the low part.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

import torch
from torch import Tensor

_SPLIT = 2.0**27 + 1
LONGEST = 1e15  # whole numbers below this have at most 15 digits; a float tells every decimal of 15 from all others
MOST_PLACES = 16  # behind the decimal point, that are looked for in all numbers at once


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """high + low, tensors of one shape."""

    high: Tensor
    low: Tensor

    def __add__(self, other: Pair) -> Pair:
        high, low = two_sum(self.high, other.high)
        return normal(high, low + self.low + other.low)

    def __sub__(self, other: Pair) -> Pair:
        return self + Pair(-other.high, -other.low)

    def __mul__(self, other: Pair) -> Pair:
        high, low = two_product(self.high, other.high)
        return normal(high, low + (self.high * other.low + self.low * other.high))

    def __getitem__(self, at: object) -> Pair:
        return Pair(self.high[at], self.low[at])  # type: ignore[index]

    def sum(self) -> Pair:
        """Over the first dimension, by halves."""
        high, low = self.high, self.low
        while len(high) > 1:
            half = len(high) // 2
            odd = high[2 * half :], low[2 * half :]
            total, error = two_sum(high[:half], high[half : 2 * half])
            high = torch.cat([total, odd[0]])
            low = torch.cat([low[:half] + low[half : 2 * half] + error, odd[1]])
        return normal(high[0], low[0])

    def __matmul__(self, other: Pair) -> Pair:
        """(p, q) times (q, k)."""
        return (self.T[:, :, None] * other[:, None, :]).sum()

    @property
    def T(self) -> Pair:
        return Pair(self.high.T, self.low.T)


def exact(tensor: Tensor) -> Pair:
    return Pair(tensor, torch.zeros_like(tensor))


def two_sum(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """a + b as rounded, and the error."""
    total = a + b
    other = total - a
    return total, (a - (total - other)) + (b - other)


def normal(high: Tensor, low: Tensor) -> Pair:
    return Pair(*two_sum(high, low))


def two_product(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """a b as rounded, and the error."""
    product = a * b
    (a, a_low), (b, b_low) = _halves(a), _halves(b)
    return product, a_low * b_low - (((product - a * b) - a_low * b) - a * b_low)


def _halves(a: Tensor) -> tuple[Tensor, Tensor]:
    """26 bits each."""
    high = _SPLIT * a
    high = high - (high - a)
    return high, a - high


def as_written(values: Tensor) -> Pair:
    """Numbers (n,) as a file has them: a float is rounded, the shortest decimal that gives this float is not.

    One of more than 15 digits was not written by hand: it is the float itself that a program computed.
    """
    low, left = torch.zeros_like(values), values != 0
    for places in range(MOST_PLACES):
        power = 10.0**places
        scaled, error = two_product(values, torch.full_like(values, power))
        digits = torch.round(scaled)
        written = left & (digits.abs() < LONGEST) & (digits / power == values)
        low = torch.where(written, ((digits - scaled) - error) / power, low)
        left &= ~written
        if not bool(left.any()):
            break
    rows = torch.nonzero(left)[:, 0]
    for row, value in zip(rows.tolist(), values[rows].tolist(), strict=True):
        text = f"{value:.15g}"
        if math.isfinite(value) and float(text) == value:
            low[row] = float(Decimal(text) - Decimal(value))
    return Pair(values, low)


def product(x: Tensor, theta: Pair) -> Pair:
    """X theta (n,) of X (n, p): large coefficients that cancel leave their rounding in a plain product."""
    return (exact(x.T) * theta[:, None]).sum()


def normal_equations(blocks: Iterable[tuple[Tensor, Pair, Tensor]]) -> Pair:
    """[X r]' W [X r] (p + 1, p + 1) from runs of rows X (n, p), r (n,) and weights (n,)."""
    total: Pair | None = None
    for x, r, weight in blocks:
        rows = Pair(torch.cat([x, r.high[:, None]], dim=1), torch.cat([torch.zeros_like(x), r.low[:, None]], dim=1))
        weighted = rows if bool((weight == 1).all()) else rows * exact(weight)[:, None]
        lines = [(weighted[:, j, None] * rows).sum() for j in range(rows.high.shape[1])]
        part = Pair(torch.stack([line.high for line in lines]), torch.stack([line.low for line in lines]))
        total = part if total is None else total + part
    assert total is not None
    return total
