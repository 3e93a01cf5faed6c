"""Pictures in a terminal: forests, histograms and rootograms in signs, within a width, told apart without colour.

A terminal that cannot show the usual signs gets those of ASCII.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from glmfit.report import numbers
from glmfit.report.pictures.frame import Frame
from glmfit.report.pictures.lines import Axis, Entry, axis_of, entries, in_words
from glmfit.report.terminal import Line, printed, sentence, terminal, wrapped

SHORTEST, LEAST_PLOT = 14, 24  # of labels, and of the axis beside them
LONGEST = 36
MOST_LINES = 60  # of groups


@dataclass(frozen=True, slots=True)
class Signs:
    """What pictures are made of."""

    line: str
    points: str  # of the first model, the second ...
    null: str
    crossed: str  # where an interval crosses the value of no effect
    left: str
    right: str
    cut_left: str
    cut_right: str
    full: str
    part: str  # eighths of a bar, from one to seven
    axis: str
    tick: str
    mark: str


UNICODE = Signs("─", "●○◆◇■□", "┊", "┼", "├", "┤", "◀", "▶", "█", "▏▎▍▌▋▊▉", "─", "┴", "│")
ASCII = Signs("-", "o*x+@%", ":", "+", "|", "|", "<", ">", "#", "", "-", "+", "|")


def shows(encoding: str | None) -> bool:
    """Whether an encoding has the signs."""
    try:
        "".join(getattr(UNICODE, name) for name in Signs.__slots__).encode(encoding or "ascii")
    except (UnicodeError, LookupError):
        return False
    return True


def drawn(frame: Frame, draw: Any, *, width: int | None = None, plain: bool = False, ascii_only: bool = False) -> str:
    """A frame as text for standard output; `plain` for a file: no colour, 80 columns unless `width` says otherwise."""
    console = terminal(width, plain)
    return printed(console, draw(frame, console.width, ASCII if ascii_only else UNICODE))


def heading(frame: Frame, width: int) -> Iterator[Line]:
    """The title and what it is of."""
    yield from ([(part, "bold")] for part in wrapped(frame.title, width))
    yield from ([(part, "dim")] for part in wrapped(frame.of, width))
    yield []


def foot(frame: Frame, width: int) -> Iterator[Line]:
    """The notes."""
    if frame.notes:
        yield []
    for note in frame.notes:
        yield from sentence(note, "dim", width)


# ---- Forests ----


def forest(frame: Frame, width: int, signs: Signs = UNICODE) -> Iterator[Line]:
    """A line for each coefficient: its label, its interval on the axis, and the numbers."""
    found, models = entries(frame), list(frame.facts["models"])
    texts = ["  " * entry.depth + entry.label for entry in found]
    rows = [entry.rows[model] for entry in found for model in models if model in entry.rows]
    words = dict(zip((id(row) for row in rows), in_words(rows), strict=True))
    aside = max(map(len, words.values()), default=0)
    label, plot = _widths(texts, aside, width)
    if plot < LEAST_PLOT:  # no room for numbers
        aside, words = 0, dict.fromkeys(words, "")
        label, plot = _widths(texts, aside, width)
    axis = axis_of(frame)
    yield from heading(frame, width)
    if len(models) > 1:
        for at, model in enumerate(models):
            yield [(f"{signs.points[at % len(signs.points)]} ", ""), (numbers.visible(model)[: width - 2], "")]
        yield []
    for entry, text in zip(found, texts, strict=True):
        yield from _entry(entry, text, models, axis, words, (label, plot), signs, frame)
    yield from ruler(axis, plot, label + 2, signs)
    yield [(" " * (label + 2) + frame.x[: width - label - 2], "dim")]
    yield from foot(frame, width)


def _widths(texts: Sequence[str], aside: int, width: int) -> tuple[int, int]:
    """How wide the labels are, and the axis: labels give way first."""
    from rich.cells import cell_len

    longest = min(max(map(cell_len, texts), default=0), LONGEST)
    room = width - aside - 2 * bool(aside) - 2
    label = max(min(longest, room - LEAST_PLOT - 6), min(longest, SHORTEST))
    return label, room - label


def _entry(
    entry: Entry,
    text: str,
    models: Sequence[str],
    axis: Axis,
    words: Mapping[int, str],
    widths: tuple[int, int],
    signs: Signs,
    frame: Frame,
) -> Iterator[Line]:
    from rich.cells import cell_len, set_cell_size

    label, plot = widths
    lines = [text] if cell_len(text) <= label else wrapped(text, label, "  " * (entry.depth + 1))
    if not entry.rows:
        yield from ([(line, "bold")] for line in lines)
        return
    yield from ([(line, "")] for line in lines[:-1])
    last = lines[-1]
    for at, model in enumerate(models):
        row = entry.rows.get(model)
        if row is None:
            continue
        drawing = _interval(axis, row, plot, signs, signs.points[at % len(signs.points)], frame.facts["reference"])
        yield [(f"{set_cell_size(last, label)}  {drawing}  {words[id(row)]}".rstrip(), "")]
        last = ""


def _interval(axis: Axis, row: Mapping[str, Any], plot: int, signs: Signs, point: str, null: float) -> str:
    """An interval on an axis of so many cells."""
    cells = [" "] * plot

    def cell(value: float) -> int:
        share = min(max(axis.share(value), 0.0), 1.0)
        return min(int(share * plot), plot - 1)

    zero = cell(null)
    cells[zero] = signs.null
    low, middle, high = row["conf_low"], row["estimate"], row["conf_high"]
    if not (math.isnan(low) or math.isnan(high)):
        for at in range(cell(low), cell(high) + 1):
            cells[at] = signs.crossed if at == zero else signs.line
        cells[cell(low)] = signs.left if axis.share(low) >= 0 else signs.cut_left
        cells[cell(high)] = signs.right if axis.share(high) <= 1 else signs.cut_right
    if not math.isnan(middle):
        beyond = axis.share(middle)
        cells[cell(middle)] = signs.cut_left if beyond < 0 else signs.cut_right if beyond > 1 else point
    return "".join(cells)


def ruler(axis: Axis, plot: int, indent: int, signs: Signs, names: Mapping[float, str] | None = None) -> Iterator[Line]:
    """The axis below, with its numbers, or with names at their places as far as there is room."""
    line, text, free = [signs.axis] * plot, [" "] * plot, 0
    shown = names if names is not None else {tick: _number(tick) for tick in axis.ticks(max(3, plot // 9))}
    for tick, name in shown.items():
        at = min(max(int(axis.share(tick) * plot), 0), plot - 1)
        start = min(max(at - len(name) // 2, 0), max(plot - len(name), 0))
        if start < free or len(name) > plot:
            continue
        line[at] = signs.tick
        text[start : start + len(name)] = name
        free = start + len(name) + 1
    yield [(" " * indent + "".join(line), "dim")]
    yield [(" " * indent + "".join(text).rstrip(), "dim")]


def _number(tick: float) -> str:
    return f"{tick:.6g}" if abs(tick) > 1e-12 else "0"


# ---- Bars ----


def histogram(frame: Frame, width: int, signs: Signs = UNICODE) -> Iterator[Line]:
    """The numbers of residuals in twentieths, with the number that a true model has in each, within chance."""
    rows = list(frame.rows("histogram"))
    total = sum(row["count"] for row in rows)
    expected = total / len(rows)
    spread = 1.96 * math.sqrt(expected * (1 - 1 / len(rows)))
    label, numbers_of = 11, max(len(f"{row['count']:,}") for row in rows)
    plot = max(width - label - numbers_of - 4, 10)
    most = max(expected + spread, *(row["count"] for row in rows))
    yield from heading(frame, width)
    for row in rows:
        bar = list(_bar(row["count"] / most * plot, signs).ljust(plot))
        for value in (expected - spread, expected + spread):
            at = min(int(value / most * plot), plot - 1)
            if value > 0 and bar[at] == " ":
                bar[at] = signs.null
            elif value > 0:
                bar[at] = signs.mark if bar[at] == signs.full else bar[at]
        name = f"{row['low']:4.2f}-{row['high']:4.2f}".ljust(label)
        yield [(f"{name} {''.join(bar)}  {row['count']:>{numbers_of},}", "")]
    yield []
    text = (
        f"{total:,} uniform quantile residuals in twentieths. A true model has {expected:.4g} in each; within chance "
        f"in 19 of 20 of them {max(expected - spread, 0):.3g} to {expected + spread:.3g}, marked {signs.null}."
    )
    yield from sentence(text, "dim", width)
    yield from sentence(frame.notes[0], "dim", width)


def _bar(length: float, signs: Signs) -> str:
    """A bar of so many cells, to an eighth of one where there are signs for that."""
    whole = int(length)
    eighths = round(8 * (length - whole))
    if not signs.part:
        return signs.full * round(length)
    if eighths == 8:
        whole, eighths = whole + 1, 0
    return signs.full * whole + (signs.part[eighths - 1] if eighths else "")


def rootogram(frame: Frame, width: int, signs: Signs = UNICODE) -> Iterator[Line]:
    """For each count how far sqrt(observed) is beyond sqrt(expected), to either side, with the limits."""
    rows = list(frame.rows("bars"))
    limit = frame.facts["limit"]
    names = [
        f"{row['low']:.0f}" if row["low"] == row["high"] else f"{row['low']:.0f}-{row['high']:.0f}" for row in rows
    ]
    figures = [f"{row['observed']:,.0f} / {row['expected']:,.1f}" for row in rows]
    label, aside = max(map(len, names)), max(len("seen / expected"), *map(len, figures))
    plot = (max(width - label - aside - 4, 11) - 1) // 2 * 2 + 1
    most = max(1.25 * limit, *(abs(row["hanging"]) for row in rows))
    middle = plot // 2

    def place(value: float) -> int:
        return middle + round(value / most * middle)

    yield from heading(frame, width)
    yield [(f"{'':>{label}}  {'fewer':<{middle}}{'more':>{plot - middle}}  {'seen / expected':>{aside}}", "bold")]
    for name, figure, row in zip(names, figures, rows, strict=True):
        cells = [" "] * plot
        for end in (-limit, limit):
            cells[place(end)] = signs.null
        end = place(-row["hanging"])
        for at in range(min(end, middle), max(end, middle) + 1):
            cells[at] = signs.full
        cells[middle] = signs.mark
        yield [(f"{name:>{label}}  {''.join(cells)}  {figure:>{aside}}", "")]
    yield []
    text = f"Square roots of the numbers seen less those expected; {signs.null} marks a difference of {limit:g}."
    yield from sentence(text, "dim", width)
    yield from sentence(frame.notes[0], "dim", width)


def caterpillar(frame: Frame, width: int, signs: Signs = UNICODE) -> Iterator[Line]:
    """A line for each group; of very many those at either end."""
    from rich.cells import set_cell_size

    rows = list(frame.rows("rows"))
    words = in_words(rows)
    label, plot = _widths([row["label"] for row in rows], max(map(len, words)), width)
    axis = axis_of(frame)
    yield from heading(frame, width)
    left_out = range(MOST_LINES // 2, max(len(rows) - MOST_LINES // 2, 0)) if len(rows) > MOST_LINES else range(0)
    for at, (row, text) in enumerate(zip(rows, words, strict=True)):
        if at in left_out:
            if at == left_out.start:
                yield [(f"{'':>{label}}  ... {len(left_out):,} more ...", "dim")]
            continue
        drawing = _interval(axis, row, plot, signs, signs.points[0], frame.facts["reference"])
        yield [(f"{set_cell_size(row['label'], label)}  {drawing}  {text}".rstrip(), "")]
    yield from ruler(axis, plot, label + 2, signs)
    yield [(" " * (label + 2) + frame.x[: width - label - 2], "dim")]
    yield from foot(frame, width)
