"""A fit as an aligned table for a terminal, a pipe or a file: what was fitted, coefficients, statistics, findings.

rich finds out the width and whether colour is welcome; columns of numbers get the width they need, and a term that does
not fit beside them stands on a line of its own. No number is ever cut: where even that is too wide, lines run on.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from textwrap import wrap
from typing import TYPE_CHECKING

from glmfit.errors import explain
from glmfit.report import numbers, random, shrunk, words
from glmfit.report.exponentiate import coefficients
from glmfit.report.fold import Fold, folded
from glmfit.report.random import auxiliary_rows
from glmfit.result import Coefficient, Fit

if TYPE_CHECKING:
    from rich.console import Console

GAP = "  "
SMOOTH_TERMS = "Smooth terms"
FILLER = "\ue000"  # of private use
SHORT = {"signed root": "root", "Std. Error": "SE"}  # headings where the line is too short for the usual ones
SHORTEST_TERM = 12  # terms get at least this much room
LONGEST_TERM = 60  # and at most this much, however wide the terminal
Line = list[tuple[str, str]]  # pieces of text with their styles
Row = tuple[str, list[str]]  # a term and its numbers
Table = tuple[str, list[str], list[Row]]  # title, headings, rows


def to_table(
    fit: Fit, *, exp: bool = False, width: int | None = None, plain: bool = False, all_levels: bool = False
) -> str:
    """The fit as text for standard output; `plain` for a file: no colour, 80 columns unless `width` says otherwise.

    Terms of many coefficients are folded unless `all_levels` are asked for.
    """
    console = terminal(width, plain)
    return printed(console, _lines(fit, exp, console.width, all_levels))


def printed(console: Console, lines: Iterable[Line]) -> str:
    """Lines in the style of a terminal, as text."""
    from rich.text import Text

    console.file = io.StringIO()  # the style is that of standard output, but nothing is written there yet
    console.print(Text("\n").join(Text.assemble(*line) for line in lines), soft_wrap=True)
    return console.file.getvalue()


def terminal(width: int | None, plain: bool) -> Console:
    """Where standard output goes, or `plain`: 80 columns without colour; `width` overrules both."""
    from rich.console import Console

    if plain:
        return Console(file=io.StringIO(), width=width or 80, color_system=None)
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") in ("dumb", "unknown"):
        return Console(width=width, color_system=None)
    return Console(width=width)


def _lines(fit: Fit, exp: bool, width: int, all_levels: bool) -> Iterator[Line]:
    yield from _facts(fit, exp, width)
    yield []
    tables = _tables(fit, exp, all_levels) if fit.shrinkage is None else _shrunk_tables(fit)
    tables, gap, widths = _laid_out(tables, width)
    shown: list[str] = []  # headings stand once, and again only where they change
    for title, heading, rows in tables:
        yield from _numbers(title, [] if heading == shown else heading, rows, widths, gap, width)
        yield []
        shown = heading
    if fit.shrinkage is not None:
        yield from sentence(shrunk.NO_ERRORS if fit.shrinkage.chosen is not None else shrunk.NOT_CHOSEN, "", width)
        yield []
    if fit.shrinkage is None or fit.shrinkage.chosen is not None:
        yield from _modes(fit, width)
        yield from _smooths(fit, width)
        yield from _statistics(fit, width)
        yield []
    yield from sentence(words.convergence(fit), "" if fit.convergence.converged else "bold red", width)
    for finding in fit.warnings:
        yield from sentence(f"Warning: {finding.message} [{finding.code}]", "yellow", width)
    if fit.warnings:
        yield from sentence(f"More: {explain(finding.code for finding in fit.warnings)}", "dim", width)


def _facts(fit: Fit, exp: bool, width: int) -> Iterator[Line]:
    facts = words.facts(fit, exp=exp)
    indent = max(len(label) for label, _ in facts) + len(GAP)
    for label, text in facts:
        for i, part in enumerate(wrapped(text, max(width - indent, 20)) or [""]):
            yield [((label if i == 0 else "").ljust(indent), "bold"), (part, "")]


def _tables(fit: Fit, exp: bool, all_levels: bool) -> list[tuple[str, list[str], list[Row]]]:
    """Title, headings and rows of each parameter's coefficients, then of the parameters on their natural scale."""
    interval = words.interval_headings(fit.level)
    groups = words.groups(fit, coefficients(fit, exp))
    tables = []
    for name, rows in groups.items():
        title = words.group_heading(fit, name) if len(groups) > 1 else ""
        heading = [words.estimate_heading(fit, name, exp), "Std. Error", *words.test_headings(fit), *interval]
        shown = folded(fit, name, rows, all_levels)
        tables += [(title, heading, _coefficient_rows(fit, shown))] if shown else []
    if fit.random_effects is not None:
        blank = ["", ""]
        block = [row for note, found in random.lines(fit) for row in _block(note, found, blank)]
        tables.append((random.TITLE, ["Estimate", "Std. Error", *blank, *interval], block))
    if auxiliary_rows(fit):
        tests = ("", "") if exp or not tables else words.test_headings(fit)
        tables.append(("Parameters", ["Estimate", "Std. Error", *tests, *interval], _auxiliary_rows(fit)))
    return tables


def _block(note: str, found: Sequence[random.Line], blank: list[str]) -> list[Row]:
    """The standard deviations and correlations of a term below its name."""
    rows: list[Row] = [(name, [*cells[:2], *blank, *cells[2:]]) for name, cells in found]
    return [(note, []), *rows] if note else rows


def _shrunk_tables(fit: Fit) -> list[Table]:
    """The same of a penalised fit."""
    tables = []
    for title, heading, rows, note in words.shrunk_tables(fit):
        body: list[Row] = [(numbers.visible(term), cells) for term, *cells in rows]
        first = title or ("" if heading[0] in ("Term", "Parameter") else heading[0])
        tables.append((first, heading[1:], [*body, *([(note, [])] if note else [])]))
    return tables


def _smooths(fit: Fit, width: int) -> Iterator[Line]:
    """The table of smooth terms, whose columns are its own."""
    if fit.smooths:
        heading, rows = words.smooth_headings(fit), words.smooth_rows(fit)
        widths = _widths([(heading, rows)], GAP, width)
        widths[0] = max(widths[0], len(SMOOTH_TERMS))
        yield from _numbers(SMOOTH_TERMS, heading, rows, widths, GAP, width)
        yield []


def _coefficient_rows(fit: Fit, shown: Sequence[tuple[Coefficient, Fold | None]]) -> list[Row]:
    rows = [row for row, _ in shown]
    estimates = numbers.columns([(c.estimate, c.std_error, c.conf_low, c.conf_high) for c in rows])
    tests = numbers.test_statistics([c.statistic for c in rows])
    cells = [
        words.or_missing(fit, c, [text[0], text[1], test, numbers.p_value(c.p_value), text[2], text[3]])
        for c, text, test in zip(rows, estimates, tests, strict=True)
    ]
    lines: list[Row] = []
    for (row, fold), line in zip(shown, cells, strict=True):
        lines.append((numbers.visible(row.term), line))
        if fold is not None:
            lines += [(fold.note, []), (fold.label, fold.cells)]
    return lines


def _auxiliary_rows(fit: Fit) -> list[Row]:
    shown = auxiliary_rows(fit)
    estimates = numbers.columns([(a.estimate, a.std_error, a.conf_low, a.conf_high) for a in shown])
    return [
        (a.name, words.or_missing(fit, a, [text[0], text[1], "", "", text[2], text[3]]))
        for a, text in zip(shown, estimates, strict=True)
    ]


def _laid_out(tables: list[Table], width: int) -> tuple[list[Table], str, list[int]]:
    """The tables, the gap between their columns and the widths of these: closer together where the line is short."""
    short = [(title, [SHORT.get(word, word) for word in heading], rows) for title, heading, rows in tables]
    for laid, gap in ((tables, GAP), (short, GAP), (short, GAP[1:])):
        widths = _widths([table[1:] for table in laid], gap, width)
        if sum(widths) + len(gap) * (len(widths) - 1) <= width:
            break
    return laid, gap, widths


def _widths(tables: Sequence[tuple[list[str], list[Row]]], gap: str, width: int) -> list[int]:
    """Columns of numbers as wide as their widest entry, the terms as wide as the longest that fits beside them."""
    from rich.cells import cell_len

    cells = [heading for heading, _ in tables] + [row[1] for _, rows in tables for row in rows if row[1]]
    columns = [max(map(len, column)) for column in zip(*cells, strict=True)]
    room = max(min(width - sum(columns) - len(gap) * len(columns), LONGEST_TERM), SHORTEST_TERM)
    lengths = [cell_len(term) for _, rows in tables for term, line in rows if line]
    return [max((length for length in lengths if length <= room), default=SHORTEST_TERM), *columns]


def _numbers(
    title: str, heading: Sequence[str], rows: Sequence[Row], widths: Sequence[int], gap: str, width: int
) -> Iterator[Line]:
    from rich.cells import cell_len, set_cell_size

    def beside(left: str, cells: Sequence[str]) -> str:
        right = [cell.rjust(column) for cell, column in zip(cells, widths[1:], strict=False)]
        return gap.join([set_cell_size(left, widths[0]), *right]).rstrip()

    if heading and len(title) > widths[0]:
        yield [(title, "bold")]
        title = ""
    yield [(beside(title, heading) if heading else title, "bold")]
    yield [("-" * (sum(widths) + len(gap) * (len(widths) - 1)), "dim")]
    for term, cells in rows:
        if not cells:  # a note across the table
            yield from ([(part, "dim")] for part in wrapped(term, width))
            continue
        if cell_len(term) > widths[0]:
            yield from ([(part, "")] for part in wrapped(term, width))
            term = ""
        yield [(beside(term, cells), "")]


def _modes(fit: Fit, width: int) -> Iterator[Line]:
    """The effects of single levels, where they were asked for."""
    for note, rows in random.modes(fit):
        body: list[Row] = [(f"{level} {effect}", [estimate, error]) for level, effect, estimate, error in rows]
        heading = ["Estimate", "Std. Error"]
        yield from _numbers(note, heading, body, _widths([(heading, body)], GAP, width), GAP, width)
        yield []


def _statistics(fit: Fit, width: int) -> Iterator[Line]:
    """The fit statistics, those of the likelihood beside those of the residuals, or above where the line is short."""
    halves = []
    for half in words.statistics(fit):
        cells = [(s.label, s.value, s.note) for s in half]
        labels, values, notes = (max(map(len, column)) for column in zip(*cells, strict=True))
        halves.append([(a.ljust(labels) + GAP, b.rjust(values) + GAP, c.ljust(notes)) for a, b, c in cells])
    beside = sum(len("".join(half[0])) for half in halves) + len(GAP) <= width
    rows = zip_longest(*halves, fillvalue=("", "", "")) if beside else ((one,) for half in halves for one in half)
    for row in rows:
        (label, value, note), *residual = row
        text = [(label, "bold"), (value, ""), (note, "")]
        for label, value, note in residual:
            text += [(GAP, ""), (label, "bold"), (value, ""), (note, "")]
        while not text[-1][0].strip():
            text.pop()
        last, style = text.pop()
        yield [*text, (last.rstrip(), style)]


def sentence(text: str, style: str, width: int) -> Iterator[Line]:
    """A sentence folded to the width, its further lines indented."""
    for part in wrapped(text, width, "  "):
        yield [(part, style)]


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Lines of at most `width` cells of a terminal, in which the signs of some scripts take two."""
    from rich.cells import cell_len

    wide = "".join(FILLER * (cell_len(sign) - 1) + sign for sign in text)
    at_most = width - (wide != text)  # a line may begin between a sign and what makes it count twice
    return [line.replace(FILLER, "") for line in wrap(wide, at_most, subsequent_indent=indent, break_on_hyphens=False)]
