"""Pictures of very many models: volcano and Manhattan plots, with a line beyond which a model counts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from glmfit.report.pictures import style
from glmfit.report.pictures.frame import Frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PALE = "#8fa3b3"


def volcano(frame: Frame) -> Figure:
    """Estimates against their strength; those that count stand out, the strongest with their names."""
    figure, ax = style.axes(frame)
    _points(figure, ax, frame)
    ax.axvline(0, color=style.FAINT, linewidth=1, zorder=0)
    _line(ax, frame)
    _names(ax, frame)
    return figure


def manhattan(frame: Frame) -> Figure:
    """Strength in order; the parts, where there are some, in two shades in turn."""
    figure, ax = style.axes(frame, width=9.0)
    _points(figure, ax, frame)
    parts = list(frame.rows("parts"))
    if parts:
        middles = [0.5 * (part["low"] + part["high"]) for part in parts]
        ax.set_xticks(middles, _apart(middles, [str(part["part"]) for part in parts]), fontsize=9)
        ax.tick_params(axis="x", length=0)
        for at, part in enumerate(parts):
            if at % 2:
                ax.axvspan(part["low"], part["high"], color="#f1f1f1", linewidth=0, zorder=0)
    _line(ax, frame)
    _names(ax, frame)
    return figure


def _apart(places: list[float], texts: list[str]) -> list[str]:
    """The names that stand clear of the one before, the others empty."""
    room, free, found = 0.011 * max(places[-1], 1e-300), -math.inf, []  # of a sign, in units of the axis
    for place, text in zip(places, texts, strict=True):
        clear = place - 0.5 * len(text) * room >= free
        found.append(text if clear else "")
        free = place + (0.5 * len(text) + 1) * room if clear else free
    return found


def _points(figure: Any, ax: Axes, frame: Frame) -> None:
    if "bins" in frame.tables:
        width, height = frame.facts["hexagon"]
        style.hexagons(figure, ax, frame.tables["bins"], width, height, what="models")
    points = frame.tables.get("points")
    if points is not None:
        x, y, beyond = (np.asarray(points[name]) for name in ("x", "y", "beyond"))
        style.points(ax, x[~beyond], y[~beyond], colour=PALE)
        style.points(ax, x[beyond], y[beyond], colour=style.ALARM, marker="D", strong=True)
    ax.margins(0.04, 0.06)
    ax.set_ylim(bottom=0)


def _line(ax: Axes, frame: Frame) -> None:
    bound = frame.facts["bound"]
    if math.isfinite(bound):
        ax.axhline(bound, color=style.INK, linewidth=0.9, linestyle=style.DASHES[1])
        if bound > ax.get_ylim()[1]:
            ax.set_ylim(0, 1.1 * bound)


def _names(ax: Axes, frame: Frame) -> None:
    named = frame.tables["named"]
    texts = [text if len(text) <= 24 else f"{text[:23]}…" for text in map(str, named["term"])]
    style.names(ax, list(named["x"]), list(named["y"]), texts)
