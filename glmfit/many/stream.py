"""A row of output per unit of work, in order, and a failure is a row: records as they come, to text as it is sent.

JSON lines and CSV leave as soon as there is a piece of them, so that an interrupted run keeps what was done; a table
has to know all of its rows before it can align the first.
"""

from __future__ import annotations

import csv
import io
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

FORMATS = ("table", "json", "csv", "markdown")
FAILED = 6  # the exit status of a run of which some part failed
PIECE = 1 << 18  # characters that are sent together,
OFTEN = 0.5  # or what there is after so many seconds


class Record(Protocol):
    """What became of one unit of work, in the forms in which it may be written."""

    @property
    def problem(self) -> str | None:
        """The code of what went wrong; None where nothing did."""

    def json(self) -> str:
        """A line, without its end."""

    def csv(self) -> Iterable[Sequence[str]]:
        """The fields of its rows."""

    def entry(self) -> Any:
        """What a table needs to know of it."""


@dataclass(slots=True)
class Tally:
    """How many records there were, and how many of them had which problem."""

    records: int = 0
    problems: Counter[str] = field(default_factory=Counter)

    @property
    def failed(self) -> int:
        return sum(self.problems.values())

    @property
    def exit_code(self) -> int:
        return FAILED if self.failed else 0

    def count(self, record: Record) -> None:
        self.records += 1
        if record.problem is not None:
            self.problems[record.problem] += 1


@dataclass(frozen=True, slots=True)
class Form:
    """The header of the CSV, and the table of all entries as text, plain or Markdown."""

    header: Sequence[str]
    table: Callable[[Sequence[Any], Tally, str], str]


def write(records: Iterable[Record], form: Form, format: str, send: Callable[[str], bool]) -> Tally:
    """Every record to `send`, which says whether there is still somebody to read: if not, the rest is left."""
    tally = Tally()
    if format in ("table", "markdown"):
        entries = []
        for record in records:
            tally.count(record)
            entries.append(record.entry())
        send(form.table(entries, tally, format))
        return tally
    for piece in _pieces(_counted(records, tally), form, format):
        if not send(piece):
            break
    return tally


def _counted(records: Iterable[Record], tally: Tally) -> Iterator[Record]:
    for record in records:
        tally.count(record)
        yield record


def _pieces(records: Iterable[Record], form: Form, format: str) -> Iterator[str]:
    """Whole lines, many of them together."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if format == "csv":
        writer.writerow(form.header)
    sent = time.monotonic()
    for record in records:
        if format == "csv":
            writer.writerows(record.csv())
        else:
            out.write(record.json())
            out.write("\n")
        if out.tell() >= PIECE or time.monotonic() - sent > OFTEN:
            yield out.getvalue()
            out.seek(0)
            out.truncate()
            sent = time.monotonic()
    if out.tell():
        yield out.getvalue()
