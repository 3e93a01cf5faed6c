"""The lines of a forest, whatever draws it: headings and coefficients in order, the axis, and the numbers in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from glmfit.report import numbers
from glmfit.report.pictures.frame import Frame

WIDE = 15.0  # times the next narrower interval: one that is wider is cut at the end of the axis, with an arrow
OUTER = 0.05  # of the axis on either side


@dataclass(frozen=True, slots=True)
class Entry:
    """A line: a heading without rows, or a coefficient with the row of each model by the model's name."""

    label: str
    depth: int
    rows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def entries(frame: Frame) -> list[Entry]:
    """Headings of parameters and terms where they change, each above its coefficients."""
    order: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for row in frame.rows("rows"):
        order.setdefault((row["parameter"], row["term"]), {})[row["model"]] = row
    found: list[Entry] = []
    part = group = ""
    for own in order.values():
        first = next(iter(own.values()))
        if first["part"] != part:
            part, group = first["part"], ""
            found.append(Entry(part, 0))
        if first["group"] != group:
            group = first["group"]
            if group:
                found.append(Entry(group, int(bool(part))))
        found.append(Entry(first["label"], int(bool(part)) + int(bool(group)), own))
    return found


@dataclass(frozen=True, slots=True)
class Axis:
    """Where values stand on an axis, linear or in logs; `low` and `high` are its ends, in values."""

    low: float
    high: float
    log: bool

    def share(self, value: float) -> float:
        """The place of a value, from 0 at the left end to 1; beyond either where it is outside."""
        if self.log:
            value = math.log(value) if value > 0 else -math.inf
        low, high = (math.log(end) if self.log else end for end in (self.low, self.high))
        return (value - low) / (high - low) if math.isfinite(value) else math.copysign(math.inf, value)

    def ticks(self, most: int) -> list[float]:
        """Round numbers on the axis, at most so many."""
        if self.log:
            return _log_ticks(self.low, self.high, most)
        raw = (self.high - self.low) / max(most, 1)
        size = 10.0 ** math.floor(math.log10(raw))
        step = next(size * times for times in (1, 2, 2.5, 5, 10, 20) if size * times >= raw * (1 - 1e-9))
        first = math.ceil(self.low / step - 1e-9)
        return [at * step for at in range(first, math.floor(self.high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    """Of 1, 2, 5 times powers of ten, or of powers alone, the most that there is room for."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        found = [digit * 10.0**e for e in exponents for digit in digits]
        found = [tick for tick in found if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
        if len(found) <= most:
            return found
    return found[:: math.ceil(len(found) / most)]


def axis_of(frame: Frame) -> Axis:
    """An axis with the estimates and intervals of all lines but few that are very much wider than the others."""
    log, null = frame.facts["scale"] == "log", float(frame.facts["reference"])

    def scaled(value: float) -> float:
        if not log:
            return value
        return math.log(value) if 0 < value < math.inf else math.nan

    rows = [[scaled(row[name]) for name in ("conf_low", "estimate", "conf_high")] for row in frame.rows("rows")]
    widest = _widest([high - low for low, _, high in rows if math.isfinite(high - low)])
    shown = [row for row in rows if not row[2] - row[0] > widest]
    inside = [scaled(null), *(value for row in shown for value in row if math.isfinite(value))]
    low, high = min(inside), max(inside)
    room = (high - low) * OUTER or max(1e-3, 0.5 * abs(high)) or 1.0
    low, high = low - room, high + room
    return Axis(math.exp(low), math.exp(high), True) if log else Axis(low, high, False)


def _widest(widths: Sequence[float]) -> float:
    """The width of the widest interval that is shown whole: up to a leap, above which there is at most a quarter."""
    ordered = sorted(widths)
    for at in range(math.ceil(0.75 * len(ordered)), len(ordered)):
        if ordered[at] > WIDE * ordered[at - 1]:
            return ordered[at - 1]
    return math.inf


def in_words(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """`1.50 [1.10, 2.05]` of each row, or why there is no interval."""
    spread = [(row["conf_high"] - row["conf_low"]) / 4 for row in rows]
    cells = numbers.columns(
        [(row["estimate"], width, row["conf_low"], row["conf_high"]) for row, width in zip(rows, spread, strict=True)],
        fewer=2,
    )
    found = []
    for row, (estimate, _, low, high) in zip(rows, cells, strict=True):
        status = row.get("status")
        if status:
            shown = math.isfinite(row["estimate"]) and status != "(infinite)"
            found.append(f"{estimate} {status}" if shown else status)
        else:
            found.append(f"{estimate} [{low}, {high}]")
    return found


def tick_text(value: float) -> str:
    """A number at an axis."""
    return f"{value:.6g}".replace("-", "\N{MINUS SIGN}") if abs(value) > 1e-12 else "0"
