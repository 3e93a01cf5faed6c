"""When the levels of a date column are: text to numpy's datetime64, as written on the clock and as instants.

A clock shows what is written: `2024-05-31T23:30+02:00` is May 31, 23:30. An instant is a point on one line of time, for
differences: 21:30 UTC. Where no zone is written the clock is taken for the instant; a column that has zones in some
rows only has no instants. A time of day alone, `23:30`, has neither, and only its hours count.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_PARTS = re.compile(
    r"(?P<date>\d{4}[-/.]\d\d[-/.]\d\d)?[T ]?(?P<time>\d{1,2}:\d\d(?::\d\d(?:[.,]\d{1,6})?)?)?\d*"
    r"(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)
_DATE_SIGNS = str.maketrans("/.", "--")
_UNIT = "datetime64[us]"


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """The levels (m,) of a date column: `clock` as written and `instants` in UTC, both datetime64 in microseconds.

    `clock` of what no calendar or clock shows (February 30, 25:00) is NaT. `dated` (m,) says where there is a date, and
    not a time of day alone, whose clock is that of 1970-01-01; `timed` where there is a time, `zoned` where a zone.
    """

    clock: np.ndarray
    instants: np.ndarray
    dated: np.ndarray
    timed: np.ndarray
    zoned: np.ndarray


def moments(levels: Sequence[str]) -> Moments:
    """When these texts are, each a date with or without a time and a zone, or a time of day."""
    parts = [_PARTS.fullmatch(level.strip()) for level in levels]
    split = [("", "", "") if part is None else tuple(piece or "" for piece in part.groups()) for part in parts]
    clock = _parsed([_written(date, time) for date, time, _ in split])
    offsets = np.array([_minutes(zone) for *_, zone in split], dtype="timedelta64[m]")
    return Moments(
        clock,
        clock - offsets,
        np.array([bool(date) for date, _, _ in split], dtype=bool),
        np.array([bool(time) for _, time, _ in split], dtype=bool),
        np.array([bool(zone) for *_, zone in split], dtype=bool),
    )


def transforms(name: str, levels: Sequence[str]) -> str:
    """The transforms of formulas that make numbers of such a column, and the factor that it may be meant as."""
    when = moments(levels)
    calls = [f"{call}({name})" for call in ("days", "year", "month", "weekday")] if when.dated.any() else []
    calls += [f"hour({name})"] if when.timed.any() else []
    return f"{', '.join(calls)}; C({name}) makes a factor of it"


def _written(date: str, time: str) -> str:
    """The date and the time as ISO 8601 writes them; empty where there is neither."""
    if not time:
        return date.translate(_DATE_SIGNS)
    return f"{date.translate(_DATE_SIGNS) or '1970-01-01'}T{time.replace(',', '.').rjust(max(5, len(time)), '0')}"


def _parsed(texts: list[str]) -> np.ndarray:
    """The texts as datetime64 (m,), NaT where one is no moment."""
    try:
        return np.array(texts, dtype=_UNIT)
    except ValueError:
        return np.array([_one(text) for text in texts], dtype=_UNIT)


def _one(text: str) -> np.datetime64:
    try:
        return np.datetime64(text, "us")
    except ValueError:
        return np.datetime64("NaT", "us")


def _minutes(zone: str) -> int:
    """How far a zone is ahead of UTC."""
    if zone in ("", "Z"):
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    return (1 if zone[0] == "+" else -1) * (60 * int(digits[:2]) + int(digits[2:]))
