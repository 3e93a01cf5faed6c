"""Many fits as one table: a line for each with its estimates, their standard errors in brackets, and how it ended.

Where a line is too short for both, standard errors stand below; where it is too short for all terms, the last ones are
left out and counted. A line of totals comes last.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from glmfit.errors import explain
from glmfit.many.fits import OK, Entry
from glmfit.many.stream import Tally
from glmfit.report import numbers
from glmfit.report.markdown import escape
from glmfit.report.terminal import GAP, Line, printed, sentence, terminal

LONGEST_LABEL = 24
MOST_NAMED = 6  # terms that found no room
FEWER = 1  # digits than a table of one fit has


@dataclass(frozen=True, slots=True)
class _Column:
    """One column: its heading, and a cell or two, one below the other, for each record."""

    heading: str
    cells: list[tuple[str, str]]
    is_text: bool = False

    @property
    def size(self) -> int:
        from rich.cells import cell_len

        return max(map(cell_len, (self.heading, *(text for cell in self.cells for text in cell))))


def overview(
    entries: Sequence[Entry],
    tally: Tally,
    format: str,
    names: Sequence[str],
    notes: Sequence[str],
    what: str,
    plain: bool,
) -> str:
    """The table as text for a terminal, `plain` for a file, or as Markdown; `notes` follow the totals of `what`."""
    said = [totals(tally, what), *notes]
    if format == "markdown":
        return _markdown(entries, names, said)
    console = terminal(None, plain)
    return printed(console, _lines(entries, names, said, tally, console.width))


def totals(tally: Tally, what: str) -> str:
    """`12 groups: 10 fitted, 2 not (1 separation, 1 too_few_rows)`."""
    one = what.removesuffix("s") if tally.records == 1 else what
    text = f"{tally.records:,} {one}: {tally.records - tally.failed:,} fitted"
    if not tally.failed:
        return text
    each = ", ".join(f"{count:,} {code}" for code, count in tally.problems.most_common())
    return f"{text}, {tally.failed:,} not ({each})"


def _lines(
    entries: Sequence[Entry], names: Sequence[str], said: Sequence[str], tally: Tally, width: int
) -> Iterator[Line]:
    left, terms, right = _columns(entries, names)
    for stacked in (False, True):
        shown = [_stacked(column) if stacked else _beside(column) for column in terms]
        if _total([*left, *shown, *right]) <= width:
            break
    lost: list[_Column] = []
    while shown and _total([*left, *shown, *right]) > width:
        lost.insert(0, shown.pop())
    columns = [*left, *shown, *right]
    sizes = [column.size for column in columns]
    yield [(_line([column.heading for column in columns], columns, sizes), "bold")]
    yield [("-" * _total(columns), "dim")]
    for at, entry in enumerate(entries):
        for below in range(2 if any(column.cells[at][1] for column in columns) else 1):
            text = _line([column.cells[at][below] for column in columns], columns, sizes)
            yield [(text, ("" if entry.outcome == OK else "yellow") if below == 0 else "dim")]
    yield []
    for text in said:
        yield from sentence(text, "", width)
    if lost:
        named = ", ".join(column.heading for column in lost[:MOST_NAMED]) + (" ..." if len(lost) > MOST_NAMED else "")
        plural = "s" if len(lost) > 1 else ""
        yield from sentence(f"--json or --format csv shows {len(lost)} more term{plural}: {named}", "dim", width)
    if tally.failed:
        yield from sentence(f"More: {explain(tally.problems)}", "dim", width)


def _columns(entries: Sequence[Entry], names: Sequence[str]) -> tuple[list[_Column], list[_Column], list[_Column]]:
    """Labels and rows; the terms, with estimate and standard error in a cell; how it ended."""
    labels = [_Column(name, [(_short(entry.labels[k]), "") for entry in entries], True) for k, name in enumerate(names)]
    rows = _Column("n", [("" if entry.n is None else f"{entry.n:,}", "") for entry in entries])
    terms = []
    for term in dict.fromkeys(term for entry in entries for term in entry.estimates):
        there = [at for at, entry in enumerate(entries) if term in entry.estimates]
        texts = numbers.columns([entries[at].estimates[term] for at in there], FEWER)
        cells = [("", "")] * len(entries)
        for at, (estimate, error) in zip(there, texts, strict=True):
            known = not math.isnan(entries[at].estimates[term][1])
            cells[at] = ("" if estimate == "NaN" else estimate, f"({error})" if known else "")
        terms.append(_Column(numbers.visible(term), cells))
    outcome = _Column("Outcome", [(entry.outcome, "") for entry in entries], True)
    return [*labels, rows], terms, [outcome]


def _beside(column: _Column) -> _Column:
    """Estimate and standard error in one line."""
    wide = max((len(error) for _, error in column.cells), default=0)
    return _Column(column.heading, [(f"{first} {second.rjust(wide)}".rstrip(), "") for first, second in column.cells])


def _stacked(column: _Column) -> _Column:
    """The standard error below the estimate, its digits below those of it."""
    heading = column.heading if len(column.heading) <= LONGEST_LABEL else _short(column.heading)
    return _Column(heading, [(f"{first} " if second else first, second) for first, second in column.cells])


def _total(columns: Sequence[_Column]) -> int:
    return sum(column.size for column in columns) + len(GAP) * (len(columns) - 1)


def _line(cells: Sequence[str], columns: Sequence[_Column], sizes: Sequence[int]) -> str:
    from rich.cells import cell_len, set_cell_size

    parts = [
        set_cell_size(cell, size) if column.is_text else " " * (size - cell_len(cell)) + cell
        for cell, column, size in zip(cells, columns, sizes, strict=True)
    ]
    return GAP.join(parts).rstrip()


def _short(text: str) -> str:
    text = numbers.visible(text)
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 3]}..."


def _markdown(entries: Sequence[Entry], names: Sequence[str], said: Sequence[str]) -> str:
    left, terms, right = _columns(entries, names)
    columns = [*left, *map(_beside, terms), *right]
    rows = [[column.heading for column in columns], ["---" if c.is_text else "---:" for c in columns]]
    rows += [[column.cells[at][0] for column in columns] for at in range(len(entries))]
    lines = [f"| {' | '.join(cell if at == 1 else escape(cell) for cell in row)} |" for at, row in enumerate(rows)]
    return "\n".join([*lines, "", *map(escape, said)]) + "\n"
