"""Pictures of curves: effects with their bands, and what else is a line through few numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from glmfit.report.pictures import style
from glmfit.report.pictures.frame import Frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LONGEST = 22  # characters of a level at an axis


def effects(frame: Frame) -> Figure:
    """A line with its band for each level of the factor, or points with intervals; a panel for each category."""
    curve = list(frame.rows("curve"))
    panels = list(dict.fromkeys(row["level"] for row in curve))
    lines = list(dict.fromkeys(row["by"] for row in curve))
    if len(panels) > 1 and lines == [None]:  # the lines are the categories
        curve = [{**row, "by": row["level"], "level": None} for row in curve]
        panels, lines = [None], panels
    across = min(len(panels), 3)
    down = -(-len(panels) // across)
    figure = style.figure(frame, height=style.HEIGHT if down == 1 else 1.2 + 2.7 * down)
    grid = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    for at, ax in enumerate(grid.flat):
        if at >= len(panels):
            ax.set_visible(False)
            continue
        own = [row for row in curve if row["level"] == panels[at]]
        _lines(ax, own, lines, frame)
        if panels[at] is not None:
            ax.set_title(panels[at], fontsize=10)
        if at // across == down - 1 or at + across >= len(panels):
            ax.set_xlabel(frame.x)
            ax.tick_params(labelbottom=True)
        if at % across == 0:
            ax.set_ylabel(frame.y if down == 1 else frame.y[:40])
    if lines != [None]:
        handles, texts = grid.flat[0].get_legend_handles_labels()
        title = frame.facts.get("legend") or None
        figure.legend(handles, texts, loc="outside right center", title=title, title_fontsize=9)
    return figure


def _lines(ax: Axes, curve: list[dict[str, Any]], lines: list[Any], frame: Frame) -> None:
    is_factor = curve and isinstance(curve[0]["x"], str)
    levels = list(dict.fromkeys(row["x"] for row in curve))
    _partial(ax, frame, lines, levels if is_factor else None)
    for at, line in enumerate(lines):
        own = [row for row in curve if row["by"] == line]
        x, middle, low, high = (
            np.array([np.nan if row[name] is None else row[name] for row in own], dtype=float)
            if name != "x" or not is_factor
            else np.array([levels.index(row["x"]) for row in own], dtype=float)
            for name in ("x", "estimate", "conf_low", "conf_high")
        )
        colour, label = style.COLOURS[at % 7], None if line is None else str(line)
        if is_factor:
            x = x + 0.5 * (at - 0.5 * (len(lines) - 1)) / max(len(lines), 2)
            style.segments(ax, zip(x, low, strict=True), zip(x, high, strict=True), color=colour, linewidth=1.8)
            ax.plot(x, middle, style.MARKERS[at % 7], color=colour, markersize=6, linestyle="none", label=label)
        else:
            ax.fill_between(x, low, high, color=colour, alpha=0.18 if len(lines) < 3 else 0.12, linewidth=0)
            ax.plot(x, middle, color=colour, linestyle=style.DASHES[at % 7], label=label, zorder=3)
    if is_factor:
        texts = [level if len(level) <= LONGEST else f"{level[: LONGEST - 1]}…" for level in levels]
        crowded = sum(map(len, texts)) > 60
        ax.set_xticks(range(len(levels)), texts, rotation=35 if crowded else 0, ha="right" if crowded else "center")
        ax.set_xlim(-0.6, len(levels) - 0.4)
    elif "deciles" in frame.tables:
        from matplotlib.transforms import blended_transform_factory

        x = np.asarray(frame.tables["deciles"]["x"], dtype=float)
        at_foot = blended_transform_factory(ax.transData, ax.transAxes)
        style.segments(
            ax, [(one, 0.0) for one in x], [(one, 0.025) for one in x], color=style.INK, linewidth=1, transform=at_foot
        )


def _partial(ax: Axes, frame: Frame, lines: list[Any], levels: list[str] | None) -> None:
    """Partial residuals, in the colours of their lines."""
    if "bins" in frame.tables:
        style.hexagons(ax.figure, ax, frame.tables["bins"], *frame.facts["hexagon"])  # type: ignore[arg-type]
    if "partial" not in frame.tables:
        return
    rows = list(frame.rows("partial"))
    for at, line in enumerate(lines):
        own = [row for row in rows if row["by"] == line]
        if levels is None:
            x = [row["x"] for row in own]
        else:
            aside = 0.5 * (at - 0.5 * (len(lines) - 1)) / max(len(lines), 2)
            spread = np.random.default_rng(1).uniform(-0.06, 0.06, len(own))
            x = [levels.index(row["x"]) + aside + off for row, off in zip(own, spread, strict=True)]
        how: dict[str, Any] = {"colour": style.COLOURS[at % 7], "marker": style.MARKERS[at % 7], "zorder": 2.5}
        style.points(ax, x, [row["value"] for row in own], **how)
