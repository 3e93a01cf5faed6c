"""Pictures of rows: residuals against predictions, quantile plots, and influence; of very many rows hexagons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from glmfit.report.pictures import style
from glmfit.report.pictures.frame import Frame

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def residuals(frame: Frame) -> Figure:
    """Points, level lines at the quartiles, and what the quartiles of the residuals are."""
    figure, ax = style.axes(frame)
    ax.set_xlim(-0.01, 1.01)
    ax.set_ylim(-0.015, 1.015)
    if "bins" in frame.tables:
        style.hexagons(figure, ax, frame.tables["bins"], *frame.facts["hexagon"])
    else:
        points = frame.tables["points"]
        style.points(ax, points["rank"], points["uniform"])
    curves: dict[str, Any] = {name: np.asarray(values) for name, values in frame.tables["curves"].items()}
    for at, share in enumerate((0.25, 0.5, 0.75)):
        own = curves["share"] == share
        ax.axhline(share, color=style.INK, linewidth=0.9, linestyle=style.DASHES[2])
        how: dict[str, Any] = {"color": style.ALARM, "linewidth": 2.4 if share == 0.5 else 1.7}
        if own.sum() <= 10:  # the quartiles at each of few predictions
            how |= {"marker": "_", "markersize": 14, "markeredgewidth": 2}
        label = "quartiles of the residuals" if at == 1 else None
        ax.plot(curves["x"][own], curves["value"][own], label=label, **how)
    ax.plot([], [], color=style.INK, linewidth=0.9, linestyle=style.DASHES[2], label="of a true model")
    ax.set_yticks([0, 0.25, 0.5, 0.75, 1])
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.1)
    return figure


def qq(frame: Frame) -> Figure:
    """The order statistics on the diagonal, with the bands of each and of all."""
    figure, ax = style.axes(frame, width=5.6, height=5.2)
    bands = frame.tables["bands"]
    edges = [0.0, *bands["expected"], 1.0]
    low, high = ([0.0, *bands[name], 1.0] for name in ("low", "high"))
    ax.fill_between(edges, low, high, color=style.BAND, linewidth=0, label="95 % of each point")
    for name, label in (("all_low", "95 % of all points"), ("all_high", None)):
        ax.plot(bands["expected"], bands[name], color=style.INK, linewidth=0.9, linestyle=style.DASHES[1], label=label)
    ax.plot([0, 1], [0, 1], color=style.INK, linewidth=0.9)
    points = frame.tables["points"]
    style.points(ax, points["expected"], points["uniform"])
    ax.set_xlim(-0.01, 1.01)
    ax.set_ylim(-0.01, 1.01)
    ax.set_aspect("equal")
    ax.legend(loc="lower right")
    return figure


def influence(frame: Frame) -> Figure:
    """Cook's distance against leverage, the bound where it is within sight, the worst rows by their numbers."""
    figure, ax = style.axes(frame)
    if "bins" in frame.tables:
        style.hexagons(figure, ax, frame.tables["bins"], *frame.facts["hexagon"])
    else:
        points = frame.tables["points"]
        style.points(ax, points["leverage"], points["cooks_distance"])
    worst = frame.tables["worst"]
    x, y = np.asarray(worst["leverage"], dtype=float), np.asarray(worst["cooks_distance"], dtype=float)
    top = float(y.max()) or 1.0
    ax.set_ylim(-0.03 * top, 1.08 * top)
    right = ax.get_xlim()[1]
    ax.set_xlim(0, right)
    ax.axvline(frame.facts["mean_leverage"], color=style.INK, linewidth=0.9, linestyle=style.DASHES[2])
    bound = frame.facts["bound"]
    if bound <= 1.08 * top:
        ax.axhline(bound, color=style.ALARM, linewidth=1, linestyle=style.DASHES[1])
    ax.plot(x, y, "o", color=style.ALARM, markersize=5, markerfacecolor="none", linestyle="none")
    style.names(ax, x.tolist(), y.tolist(), [f"row {row}" for row in worst["row"]])
    return figure
