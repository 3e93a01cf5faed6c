"""Numbers for people: a few significant digits, one number of decimals per column, p-values that are never 0.

The decimals of estimates follow from the smallest standard error, as that is what says how far digits mean anything.
A row too small or too large for those decimals is written in scientific notation rather than rounded to nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

SIGNIFICANT = 4  # digits of the smallest standard error
MAX_DECIMALS = 6
MOST_DIGITS = 11  # of one number, however small its standard error
MAX_DIGITS = 9  # before and after the decimal point together, in fixed notation
LARGEST = 1e7  # beyond it fixed notation is too wide
SMALLEST_P = 2.220446049250313e-16  # double precision: a p-value below it is not told from 0


def _special(value: float) -> str | None:
    """`NaN`, `Inf` or `-Inf`, or None for a finite number."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    return None


def _magnitude(value: float) -> int:
    """The power of ten of the leading digit; 0 for 0."""
    return math.floor(math.log10(abs(value))) if value else 0


def columns(rows: Sequence[Sequence[float]], fewer: int = 0) -> list[list[str]]:
    """Rows of (estimate, standard error, further numbers in the same unit ...) as text with common decimals.

    `fewer` digits than usual where a line is short.
    """
    scales = [_scale(row) for row in rows]
    largest = [max((abs(v) for v in row if math.isfinite(v)), default=0.0) for row in rows]
    plain = [(s, m) for s, m in zip(scales, largest, strict=True) if s >= 10.0**-MAX_DECIMALS and m < LARGEST]
    decimals = _decimals(plain, fewer)
    return [_row(row, scale, top, decimals) for row, scale, top in zip(rows, scales, largest, strict=True)]


def _row(row: Sequence[float], scale: float, top: float, decimals: int) -> list[str]:
    """One row in fixed notation with the common decimals, its own, or in scientific notation: what keeps its digits."""
    if not _is_lost(scale, top, decimals):
        return [number(v, decimals) for v in row]
    if not row[1] > 0 or not math.isfinite(row[1]):  # no standard error says how far digits mean anything
        return [number(v, decimals, scientific=True) for v in row]
    own = 1 - _magnitude(scale)  # two digits of the standard error
    if top >= 1 and own > 0 and own + 1 + _magnitude(top) <= MOST_DIGITS:
        return [number(v, own) for v in row]
    digits = 2 + _magnitude(top) - _magnitude(scale)
    return [number(v, decimals, scientific=True, digits=min(MOST_DIGITS, digits)) for v in row]


def _scale(row: Sequence[float]) -> float:
    """What the digits of a row are measured by: its standard error, or without one its smallest number but 0."""
    std_error = row[1]
    if math.isfinite(std_error) and std_error > 0:
        return std_error
    return min((abs(v) for v in row if math.isfinite(v) and v), default=0.0)


def _decimals(plain: Sequence[tuple[float, float]], fewer: int) -> int:
    if not plain:
        return SIGNIFICANT - fewer
    wanted = SIGNIFICANT - fewer - 1 - _magnitude(min(scale for scale, _ in plain))
    integer_digits = max(1, 1 + _magnitude(max(top for _, top in plain)))
    return max(0, min(wanted, MAX_DECIMALS, MAX_DIGITS - integer_digits))


def _is_lost(scale: float, top: float, decimals: int) -> bool:
    """Whether fixed notation would leave fewer than two digits of the row's standard error, or be too wide."""
    return 0 < scale < 10.0 ** (1 - decimals) or top >= LARGEST


def number(value: float, decimals: int, *, scientific: bool = False, digits: int = SIGNIFICANT) -> str:
    """One number with given decimals; in scientific notation if asked, or where it would be rounded to 0."""
    special = _special(value)
    if special is not None:
        return special
    if scientific and value:
        return f"{value:.{max(SIGNIFICANT, digits) - 1}e}"
    text = f"{value:.{decimals}f}"
    return text if text.strip("-0.") or not value else f"{value:.1e}"


def test_statistics(values: Sequence[float], fewer: int = 0) -> list[str]:  # noqa: PT028 (no test)
    """z or t values: three decimals, scientific where they are huge."""
    return [number(v, 3 - fewer, scientific=abs(v) >= 1e5) for v in values]


def p_value(value: float) -> str:
    """`0.0123`, `1.3e-05`, and `<2e-16` where double precision ends."""
    special = _special(value)
    if special is not None:
        return special
    if value < SMALLEST_P:
        return "<2e-16"
    return f"{value:.1e}" if value < 1e-3 else f"{value:.4f}"


def statistics(values: Sequence[float], fewer: int = 0) -> list[str]:
    """Log-likelihoods, deviances, information criteria: seven digits of the largest, the same decimals for all."""
    largest = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    decimals = max(1, min(4, 6 - _magnitude(largest)) - fewer)
    fewest = 10.0 ** (2 - decimals)  # below it fewer than three digits would be left
    return [
        "n/a" if math.isnan(v) else number(v, decimals, scientific=abs(v) >= 1e10 or abs(v) < fewest) for v in values
    ]


def visible(text: str) -> str:
    """Text from the data with control characters written out, so that it cannot move a terminal's cursor."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def short(value: float) -> str:
    """Five significant digits at most, for a number inside a sentence."""
    return _special(value) or f"{value:.5g}"


def small(value: float) -> str:
    """Two significant digits, for gradients and other distances from zero."""
    return _special(value) or f"{value:.1e}"


def percent(share: float) -> str:
    """A share as a percentage without noise digits: 0.025 -> `2.5 %`."""
    return f"{100 * share:.6g} %"
