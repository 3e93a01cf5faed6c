"""The order that the names of levels speak of: numbers in them, as in "<25", "25-29", ">35"; characters have none."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_BELOW = re.compile(r"^\s*(?:<|\u2264|-\d|(?:less|under|below|up to|until|to|at most|max)\b)", re.IGNORECASE)
_ABOVE = re.compile(r"^\s*(?:>|\u2265|(?:more|over|above|from|at least|older)\b)|\+\s*$", re.IGNORECASE)
_SCALES = (
    ("none", "very low", "low", "lower", "medium", "middle", "moderate", "high", "higher", "very high"),
    ("tiny", "small", "medium", "large", "huge"),
    ("never", "rarely", "sometimes", "often", "always"),
    ("poor", "fair", "good", "very good", "excellent"),
    ("none", "mild", "moderate", "severe"),
    ("strongly disagree", "disagree", "neutral", "agree", "strongly agree"),
)


def natural_order(levels: Sequence[str]) -> tuple[str, ...] | None:
    """The levels in the order of the numbers in all of them, or of the words of a scale; None where they tell none."""
    for scale in _SCALES:
        if {level.casefold() for level in levels} <= set(scale):
            return tuple(sorted(levels, key=lambda level: scale.index(level.casefold())))
    places = [_place(level) for level in levels]
    known = [place for place in places if place is not None]
    if len(set(known)) < len(levels):
        return None
    return tuple(level for _, level in sorted(zip(known, levels, strict=True)))


def _place(level: str) -> tuple[float, int] | None:
    """The first number in a level, and whether the level lies below it, begins there or lies above."""
    numbers = _NUMBER.findall(level)
    if not numbers:
        return None
    below, above = bool(_BELOW.match(level)), bool(_ABOVE.search(level)) and len(numbers) == 1
    return float(numbers[0].replace(",", "")), above - below
