"""The rootogram: bars that hang from what is expected, the axis they should reach, and the limits beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from glmfit.report.pictures import style
from glmfit.report.pictures.frame import Frame

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def rootogram(frame: Frame) -> Figure:
    """Bars from sqrt(expected) down by sqrt(observed); those that end beyond the limits stand out."""
    figure, ax = style.axes(frame)
    bars = {name: np.asarray(values, dtype=float) for name, values in frame.tables["bars"].items()}
    width, limit = frame.facts["width"], frame.facts["limit"]
    middle = 0.5 * (bars["low"] + bars["high"])
    top, length = np.sqrt(bars["expected"]), np.sqrt(bars["observed"])
    beyond = np.abs(bars["hanging"]) > limit
    for chosen, colour, edge in ((~beyond, "#9fb8cc", "#4f6f8a"), (beyond, "#f0b48a", style.ALARM)):
        ax.bar(
            middle[chosen], length[chosen], 0.86 * width, bottom=(top - length)[chosen], color=colour, edgecolor=edge,
            linewidth=0.8,
        )  # fmt: skip
    ax.plot(middle, top, color=style.INK, marker="o", markersize=3.5, linewidth=1.3, label="expected")
    ax.axhline(0, color=style.INK, linewidth=1)
    for end in (-limit, limit):
        ax.axhline(end, color=style.INK, linewidth=0.9, linestyle=style.DASHES[2], label="limits" if end > 0 else None)
    ax.legend(loc="upper right")
    ax.set_xlim(bars["low"][0] - 0.7 * width, bars["high"][-1] + 0.7 * width)
    return figure
