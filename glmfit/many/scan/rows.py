"""The rows of a scan: what became of each coefficient of each model, and p-values adjusted for how many there are.

Tests of the same term of the formula are adjusted together: those of {} apart from those of {}:age.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from glmfit.errors import Finding

SCHEMA = "glmfit/scan/1"
OK, FIRTH = "ok", "firth"
NUMBERS = ("n", "estimate", "std_error", "statistic", "df", "p_value", "p_adjusted")
HEADER = ("column", "parameter", "term", *NUMBERS, "status", "findings", "message")


@dataclass(slots=True)
class ScanRow:
    """One coefficient of the model of one column; NaN where there is no number.

    `place` tells the terms of the formula apart, `n` is how many rows were used, `df` NaN where the test is normal.
    `status` is ok, firth, or the code of what is wrong; `failed` says that there is no estimate to trust.
    """

    column: str
    parameter: str
    term: str
    place: int
    n: int | None = None
    estimate: float = math.nan
    std_error: float = math.nan
    statistic: float = math.nan
    df: float = math.nan
    p_value: float = math.nan
    p_adjusted: float = math.nan
    status: str = OK
    failed: bool = False
    findings: Sequence[str] = ()
    message: str | None = None


@dataclass(frozen=True, slots=True)
class ScanRecord:
    """The rows of one model."""

    rows: list[ScanRow] = field(default_factory=list)

    @property
    def problem(self) -> str | None:
        """The code of what went wrong, None where nothing did."""
        return next((row.status for row in self.rows if row.failed), None)

    def json(self) -> str:
        return "\n".join(json.dumps(_document(row), allow_nan=False, ensure_ascii=False) for row in self.rows)

    def csv(self) -> Iterator[list[str]]:
        for row in self.rows:
            numbers = ["" if row.n is None else str(row.n), *(_text(getattr(row, name)) for name in NUMBERS[1:])]
            yield [
                row.column,
                row.parameter,
                row.term,
                *numbers,
                row.status,
                ";".join(row.findings),
                row.message or "",
            ]

    def entry(self) -> list[ScanRow]:
        return self.rows


Outcome = tuple[int, ScanRecord | Finding]  # the place of a column, and its record or what is known of it beforehand


def tested(
    name: str, parameter: str, term: str, place: int, n: int, estimate: float, error: float, df: float | None,
    findings: list[str],
) -> ScanRow:  # fmt: skip
    """The row of a coefficient, with its test against 0."""
    from glmfit.inference import Reference

    statistic = estimate / error
    p = Reference(df).p_value(statistic)
    freedom = math.nan if df is None else df
    return ScanRow(name, parameter, term, place, n, estimate, error, statistic, freedom, p, findings=findings)


def _document(row: ScanRow) -> dict[str, Any]:
    numbers = {name: _number(getattr(row, name)) for name in NUMBERS[1:]}
    head = {"schema": SCHEMA, "column": row.column, "parameter": row.parameter, "term": row.term, "n": row.n}
    return {**head, **numbers, "status": row.status, "findings": list(row.findings), "message": row.message}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _text(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.17g}"


def adjusted(records: Sequence[ScanRecord], method: str) -> None:
    """Sets the adjusted p-values of all rows."""
    from glmfit.after import multiplicity

    if method == "none":
        return
    by_place: dict[tuple[str, int], list[ScanRow]] = {}
    for record in records:
        for row in record.rows:
            by_place.setdefault((row.parameter, row.place), []).append(row)
    for rows in by_place.values():
        for row, p in zip(rows, multiplicity.adjusted([row.p_value for row in rows], method), strict=True):
            row.p_adjusted = p
