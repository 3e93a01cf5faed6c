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


def calibration(frame: Frame) -> Figure:
    """Observed shares with their intervals around the diagonal; below, how the probabilities of either kind spread."""
    figure = style.figure(frame, width=5.8, height=6.0)
    ax, below = figure.subplots(2, 1, sharex=True, height_ratios=[5, 1])
    groups = {name: np.asarray(values, dtype=float) for name, values in frame.tables["groups"].items()}
    ax.plot([0, 1], [0, 1], color=style.INK, linewidth=0.9)
    low, high = (zip(groups["predicted"], groups[name], strict=True) for name in ("conf_low", "conf_high"))
    style.segments(ax, low, high, color=style.COLOURS[0], linewidth=1.8)
    ax.plot(groups["predicted"], groups["observed"], "o", color=style.COLOURS[0], markersize=6, linestyle="none")
    ax.set_ylabel(frame.y)
    ax.set_xlim(-0.01, 1.01)
    ax.set_ylim(-0.01, 1.01)
    spread = {name: np.asarray(values, dtype=float) for name, values in frame.tables["spread"].items()}
    middle, width = 0.5 * (spread["low"] + spread["high"]), 0.9 * (spread["high"] - spread["low"])
    below.bar(middle, spread["ones"], width, color=style.COLOURS[0], linewidth=0)
    below.bar(middle, -spread["zeros"], width, color="#b0b0b0", linewidth=0)
    below.axhline(0, color=style.FAINT, linewidth=0.8)
    below.set_xlabel(frame.x)
    below.set_yticks([])
    below.spines["left"].set_visible(False)
    most = max(spread["ones"].max(), spread["zeros"].max())
    below.set_ylim(-1.15 * most, 1.15 * most)
    for y, text in ((0.6 * most, "ones"), (-0.6 * most, "others")):
        below.annotate(text, (0, y), (-6, 0), textcoords="offset points", ha="right", va="center", fontsize=8.5)
    return figure


def roc(frame: Frame) -> Figure:
    """The curve above the diagonal of chance."""
    figure, ax = style.axes(frame, width=5.6, height=5.2)
    curve = frame.tables["curve"]
    ax.plot([0, 1], [0, 1], color=style.INK, linewidth=0.9, linestyle=style.DASHES[1])
    ax.plot(curve["false_positive"], curve["true_positive"], color=style.COLOURS[0], linewidth=2, clip_on=False)
    facts = frame.facts
    text = f"AUC {facts['area']:.3f}  ({facts['conf_low']:.3f} to {facts['conf_high']:.3f})"
    ax.text(0.97, 0.05, text, ha="right", va="bottom")
    ax.set_xlim(-0.01, 1.01)
    ax.set_ylim(-0.01, 1.01)
    ax.set_aspect("equal")
    return figure


def profile(frame: Frame) -> Figure:
    """The fall of the likelihood, the parabola that Wald's interval takes it for, and the level where both are cut."""
    figure, ax = style.axes(frame)
    curve = {name: np.asarray(values, dtype=float) for name, values in frame.tables["curve"].items()}
    facts = frame.facts
    order = np.argsort(curve["value"])
    value, root = curve["value"][order], curve["root"][order]
    fine = np.unique(np.r_[value, np.linspace(value[0], value[-1], 301)])
    ax.plot(fine, ((fine - facts["estimate"]) / facts["std_error"]) ** 2, color=style.COLOURS[1],
            linestyle=style.DASHES[1], label="by the curvature (Wald)")  # fmt: skip
    smooth = _monotone(value, root)(fine) if len(value) > 2 else np.interp(fine, value, root)
    ax.plot(fine, smooth**2, color=style.COLOURS[0], linewidth=2.2, label="profile")
    cut = facts["quantile"] ** 2
    ax.axhline(cut, color=style.INK, linewidth=0.9, linestyle=style.DASHES[2], label=f"{100 * facts['level']:g} %")
    ends = [end for end in (facts["conf_low"], facts["conf_high"]) if np.isfinite(end)]
    style.segments(ax, [(end, 0.0) for end in ends], [(end, cut) for end in ends], color=style.INK, linewidth=0.9)
    ax.plot([facts["estimate"]], [0], "o", color=style.COLOURS[0], clip_on=False, zorder=4)
    ax.set_ylim(0, max(1.6 * cut, 1.02 * np.nanmax(curve["drop"])) if cut < np.nanmax(curve["drop"]) else 1.15 * cut)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.0))
    return figure


def _monotone(x: np.ndarray, y: np.ndarray) -> Any:
    """Between the points a curve that rises where they do."""
    from scipy.interpolate import PchipInterpolator

    return PchipInterpolator(x, y)


def trace(frame: Frame) -> Figure:
    """What the log-likelihood lacks of its best at each iteration, and the distance to the maximum, both in logs."""
    figure = style.figure(frame, width=8.4)
    left, right = figure.subplots(1, 2)
    steps = list(frame.rows("steps"))
    measure = frame.facts["measure"]
    last = frame.facts["searches"]
    for search in range(1, last + 1):
        own = [step for step in steps if step["search"] == search]
        how: dict[str, Any] = {"color": style.COLOURS[0] if search == last else "#b8b8b8", "marker": "o"}
        how |= {"markersize": 4, "linewidth": 1.8 if search == last else 1.0, "zorder": 3 if search == last else 2}
        x = [step["iteration"] for step in own]
        left.plot(x, [step["deficit"] if step["deficit"] > 0 else np.nan for step in own], **how)
        right.plot(x, [step[measure] if (step[measure] or 0) > 0 else np.nan for step in own], **how)
    right.set_ylabel("Distance to the maximum, standard errors" if measure == "newton_decrement" else "Gradient norm")
    left.set_ylabel(frame.y)
    for ax in (left, right):
        ax.set_yscale("log")
        style.plain_logs(ax.yaxis)
        ax.set_xlabel(frame.x)
        ax.xaxis.get_major_locator().set_params(integer=True)
    return figure
