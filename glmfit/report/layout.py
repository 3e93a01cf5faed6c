"""Columns on a line of limited length: everything where it is long enough, else ever less until it fits.

In turn: shorter headings, one blank between columns, a digit less, shorter texts (the first above its row, sentences
below it), and at last the columns that say least are left out, and counted. No number is ever cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from glmfit.report.terminal import GAP, SHORTEST_TERM, Line, sentence, wrapped

SENTENCES = ("reason", "note")  # columns of text that stand below their row where the line is short
LEAST = ("df_residual", "statistic_kind", "df")  # which say least, where the records do not say otherwise


@dataclass(frozen=True, slots=True)
class Column:
    """One column: headings and cells as they are where there is room, then shorter ones."""

    name: str
    headings: tuple[str, str]
    cells: tuple[list[str], list[str]]
    is_text: bool

    def size(self, heading: int, cells: int) -> int:
        """Its width in terminal cells, with the usual (0) or shorter (1) heading and cells."""
        from rich.cells import cell_len

        return max(map(cell_len, (self.headings[heading], *self.cells[cells])))


@dataclass(frozen=True, slots=True)
class _Style:
    heading: int = 0
    gap: str = GAP
    cells: int = 0


STYLES = (_Style(), _Style(1), _Style(1, GAP[1:]), _Style(1, GAP[1:], 1))


def whole(columns: Sequence[Column]) -> Iterator[Line]:
    """The table as wide as it is."""
    yield from _drawn(columns, STYLES[0], [column.size(0, 0) for column in columns])


def within(columns: Sequence[Column], least: Sequence[str], width: int) -> Iterator[Line]:
    """The table in lines of at most `width`, and a line that counts the columns which it leaves out."""
    shown = list(columns)
    for name in dict.fromkeys(("", *least, *LEAST, *(column.name for column in columns[:0:-1]))):
        pair = name.replace("_high", "_low")  # one end of an interval says nothing without the other
        shown = [column for column in shown if column.name not in (name, pair)]
        for style in STYLES:
            sizes = [column.size(style.heading, style.cells) for column in shown]
            if _total(sizes, style) <= width:
                break
        else:
            below = [column for column in shown[1:] if column.name in SENTENCES]
            beside = [column for column in shown if column not in below]
            sizes = _squeezed(beside, style, width)
            if _total(sizes, style) > width:
                continue
            yield from _drawn(beside, style, sizes, below, width)
            break
        yield from _drawn(shown, style, sizes)
        break
    else:  # not even the first column
        yield from whole(columns[:1])
    lost = [column for column in columns if column not in shown]
    if lost:
        names = ", ".join(column.headings[0] for column in lost)
        many = "columns" if len(lost) > 1 else "column"
        yield from sentence(f"--json or --format csv shows {len(lost)} more {many}: {names}", "dim", width)


def _total(sizes: Sequence[int], style: _Style) -> int:
    return sum(sizes) + len(style.gap) * max(len(sizes) - 1, 0)


def _squeezed(columns: Sequence[Column], style: _Style, width: int) -> list[int]:
    """Widths where texts share what the numbers leave: the last gives way first."""
    sizes = [column.size(style.heading, style.cells) for column in columns]
    texts = [at for at, column in enumerate(columns) if column.is_text]
    over = _total(sizes, style) - width
    for at in reversed(texts):
        least = min(sizes[at], SHORTEST_TERM)
        taken = min(max(over, 0), sizes[at] - least)
        sizes[at] -= taken
        over -= taken
    return sizes


def _drawn(
    columns: Sequence[Column], style: _Style, sizes: Sequence[int], below: Sequence[Column] = (), width: int = 0
) -> Iterator[Line]:
    from rich.cells import cell_len

    yield [(_line([column.headings[style.heading] for column in columns], columns, sizes, style.gap), "bold")]
    yield [("-" * _total(sizes, style), "dim")]
    for at in range(len(columns[0].cells[0]) if columns else 0):
        cells = [column.cells[style.cells][at] for column in columns]
        if cell_len(cells[0]) > sizes[0]:
            yield from ([(part, "")] for part in wrapped(cells[0], width))
            cells[0] = ""
        yield [(_line(cells, columns, sizes, style.gap), "")]
        for column in below:
            text = column.cells[0][at]
            yield from ([(f"  {part}", "dim")] for part in wrapped(text, width - 2))


def _line(cells: Sequence[str], columns: Sequence[Column], sizes: Sequence[int], gap: str) -> str:
    from rich.cells import set_cell_size

    parts = [
        set_cell_size(_middle_cut(cell, size), size) if column.is_text else cell.rjust(size)
        for cell, column, size in zip(cells, columns, sizes, strict=True)
    ]
    return gap.join(parts).rstrip()


def _middle_cut(text: str, size: int) -> str:
    """A text with its ends, as names and paths differ in either."""
    from rich.cells import cell_len

    if cell_len(text) <= size:
        return text
    tail = (size - 3) // 2
    return f"{text[: size - 3 - tail]}...{text[-tail:]}"
