"""A line of a diagnosis: what was looked at, a verdict in words, and the statistic that it rests on."""

from __future__ import annotations

from typing import Any

COLUMNS = ("check", "verdict", "statistic", "statistic_kind", "df", "p_value", "rows")
UNLIKELY = 0.05  # a p-value below which a verdict is that something is wrong
Row = dict[str, Any]


def verdict(
    check: str,
    words: str,
    statistic: float,
    kind: str | None = None,
    df: float | None = None,
    p_value: float | None = None,
    rows: tuple[int, ...] = (),
) -> Row:
    """One line; `rows` are the numbers of the rows that it names."""
    return dict(
        zip(COLUMNS, (check, words, statistic, kind, df, p_value, ",".join(map(str, rows)) or None), strict=True)
    )
