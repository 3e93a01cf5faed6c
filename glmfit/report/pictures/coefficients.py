"""Forests and caterpillars: intervals side by side along one axis."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from glmfit.report.pictures import style
from glmfit.report.pictures.frame import Frame
from glmfit.report.pictures.lines import Entry, axis_of, entries, in_words, tick_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINE = 0.25  # inches
NARROW = 0.11  # of a further model on the same line
LONGEST = 44  # characters of a label
MOST_NAMED = 60  # groups


def forest(frame: Frame) -> Figure:
    """Estimates as points with their intervals, the value of no effect as a line, the numbers at the right."""
    found, models = entries(frame), list(frame.facts["models"])
    step = LINE + NARROW * (len(models) - 1)
    heights = [step if entry.rows else LINE for entry in found]
    legend = 0.3 if len(models) > 1 else 0.0
    figure, ax = style.axes(frame, height=1.45 + sum(heights) + legend)
    tops = [sum(heights[: at + 1]) - 0.5 * heights[at] for at in range(len(found))]
    axis = axis_of(frame)
    if axis.log:
        ax.set_xscale("log")
    ax.set_xlim(axis.low, axis.high)
    ax.set_ylim(sum(heights), 0)
    ticks = axis.ticks(8)
    ax.set_xticks(ticks, [tick_text(tick) for tick in ticks])
    ax.minorticks_off()
    ax.axvline(frame.facts["reference"], color=style.FAINT, linewidth=1, zorder=0)
    for at, model in enumerate(models):
        shift = NARROW * (at - 0.5 * (len(models) - 1))
        lines = zip(tops, found, strict=True)
        places = [(top + shift, entry.rows[model]) for top, entry in lines if model in entry.rows]
        _intervals(ax, axis, places, at, model if len(models) > 1 else None)
    _labels(ax, found, tops)
    if len(models) == 1:
        _numbers(ax, found, tops)
    else:
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=min(len(models), 3), borderaxespad=0.2)
    return figure


def _intervals(ax: Axes, axis: Any, places: list[tuple[float, Any]], at: int, label: str | None) -> None:
    colour = style.COLOURS[at % len(style.COLOURS)]
    starts, ends, arrows, xs, ys = [], [], [], [], []
    for y, row in places:
        low, middle, high = row["conf_low"], row["estimate"], row["conf_high"]
        if math.isfinite(middle) and 0 <= axis.share(middle) <= 1:
            xs.append(middle)
            ys.append(y)
        if math.isnan(low) or math.isnan(high):
            if math.isinf(middle) or (axis.log and middle == 0):
                arrows.append((axis.high if middle > 1 else axis.low, y, ">" if middle > 1 else "<"))
            continue
        starts.append((max(low, axis.low), y))
        ends.append((min(high, axis.high), y))
        arrows += [(axis.low, y, "<")] * (low < axis.low) + [(axis.high, y, ">")] * (high > axis.high)
    style.segments(ax, starts, ends, color=colour, linewidth=1.6, solid_capstyle="butt")
    for x, y, sign in arrows:
        ax.plot([x], [y], sign, color=colour, markersize=6, clip_on=False, markeredgewidth=0)
    ax.plot(xs, ys, style.MARKERS[at % len(style.MARKERS)], color=colour, markersize=6, linestyle="none", label=label)


def _labels(ax: Axes, found: list[Entry], tops: list[float]) -> None:
    texts = ["   " * entry.depth + _cut(entry.label) for entry in found]
    ax.set_yticks(tops, texts, ha="left")
    longest = max((len(text) for text in texts), default=0)
    ax.tick_params(axis="y", length=0, pad=6.0 * longest * 0.98 + 6)
    for label, entry in zip(ax.get_yticklabels(), found, strict=True):
        label.set_fontweight("normal" if entry.rows else "bold")
    ax.spines["left"].set_visible(False)


def _numbers(ax: Axes, found: list[Entry], tops: list[float]) -> None:
    """Estimates and intervals in figures, in a column at the right."""
    rows = [next(iter(entry.rows.values())) for entry in found if entry.rows]
    right = ax.twinx()
    right.set_ylim(*ax.get_ylim())
    texts = [text.replace("-", "\N{MINUS SIGN}") for text in in_words(rows)]
    right.set_yticks([top for top, entry in zip(tops, found, strict=True) if entry.rows], texts, fontsize=9)
    right.tick_params(axis="y", length=0)
    for spine in right.spines.values():
        spine.set_visible(False)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def caterpillar(frame: Frame) -> Figure:
    """The intervals of all groups in the order of the estimates, with their names where there is room for them."""
    rows = list(frame.rows("rows"))
    few = len(rows) <= MOST_NAMED
    figure, ax = style.axes(frame, height=1.45 + 0.2 * len(rows) if few else style.HEIGHT + 1.4)
    axis = axis_of(frame)
    if axis.log:
        ax.set_xscale("log")
    ax.set_xlim(axis.low, axis.high)
    ticks = axis.ticks(8)
    ax.set_xticks(ticks, [tick_text(tick) for tick in ticks])
    ax.minorticks_off()
    ax.set_ylim(-0.8, len(rows) - 0.2)
    ax.axvline(frame.facts["reference"], color=style.FAINT, linewidth=1, zorder=0)
    ends = [(max(row["conf_low"], axis.low), min(row["conf_high"], axis.high)) for row in rows]
    held = [at for at, (low, high) in enumerate(ends) if low <= high]
    width = 1.6 if few else max(0.4, min(1.4, 250 / len(rows)))
    how = {"color": style.COLOURS[0] if few else "#7fb3d5", "linewidth": width, "solid_capstyle": "butt"}
    style.segments(ax, [(ends[at][0], at) for at in held], [(ends[at][1], at) for at in held], **how)
    middles = [row["estimate"] for row in rows]
    if few:
        ax.plot(middles, range(len(rows)), "o", color=style.COLOURS[0], markersize=5, linestyle="none")
        ax.set_yticks(range(len(rows)), [_cut(row["label"]) for row in rows], fontsize=9)
    else:
        ax.plot(middles, range(len(rows)), color=style.INK, linewidth=1.6)
        ax.set_yticks([])
        ax.set_ylabel("Groups, by their estimates")
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    if frame.facts["overall"] is not None:
        ax.axvline(frame.facts["overall"], color=style.ALARM, linewidth=1.2, linestyle=style.DASHES[1])
    return figure
