"""The rows of a scan as a table: what was asked for and what became of it, and a line for each coefficient."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from glmfit.many.overview import totals
from glmfit.many.scan.rows import FIRTH, NUMBERS, OK, SCHEMA, ScanRow
from glmfit.many.stream import Tally
from glmfit.report.records import Records, to_format

LEAST = ("df", "message", "findings", "parameter", "statistic", "column")  # what a short line can do without


def listing(
    entries: Sequence[Sequence[ScanRow]], tally: Tally, format: str, *, facts: dict[str, str], file: bool
) -> str:
    """The table of all rows, for a terminal or a `file`, or as Markdown."""
    rows = [row for entry in entries for row in entry]
    shown = [name for name in ("term", "column", "parameter") if _tells(rows, name)]
    values = [_values(row) for row in rows]
    columns = (*shown, *NUMBERS, "status", "findings")
    said = {**facts, "models": [summed(tally, rows)]}
    records = Records(SCHEMA, "rows", columns, values, said, hidden=("df",), least=LEAST)
    return to_format(records, format, file=file)


def summed(tally: Tally, rows: Iterable[ScanRow]) -> str:
    """How many models there were, and what is said of how many columns."""
    columns: dict[str, set[str]] = {}
    for row in rows:
        if not row.failed and row.status != OK:
            columns.setdefault(row.status, set()).add(row.column)
    return "; ".join([totals(tally, "models"), *(f"{len(names):,} {code}" for code, names in columns.items())])


def cautions(rows: Iterable[ScanRow]) -> list[str]:
    """The codes of what is said of columns whose models did not fail, each once."""
    return list(dict.fromkeys(row.status for row in rows if not row.failed and row.status not in (OK, FIRTH)))


def _tells(rows: Sequence[ScanRow], name: str) -> bool:
    """Whether a column of words says what that of terms does not."""
    if name == "column":
        return any(row.column not in row.term for row in rows)
    return name == "term" or len({row.parameter for row in rows if row.parameter}) > 1


def _values(row: ScanRow) -> dict[str, Any]:
    numbers = {name: None if _is_missing(getattr(row, name)) else getattr(row, name) for name in NUMBERS}
    words = {"column": row.column, "parameter": row.parameter, "term": row.term}
    return {**words, **numbers, "status": row.status, "findings": ", ".join(row.findings) or None}


def _is_missing(value: float | None) -> bool:
    return value is None or math.isnan(value)
