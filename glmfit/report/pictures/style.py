"""One look for all pictures: what is data is dark, what helps to read it is light, and nothing else is drawn.

Colours are those of Okabe and Ito, which the colour-blind tell apart; in print without colour lines still differ by
their dashes and points by their shapes. A figure has its title at the left, and its notes below.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from glmfit.report.pictures.frame import Frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (7, 2, 1.5, 2)), (0, (4, 1, 1, 1, 1, 1)), (0, (1, 1)), "-")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, FAINT, BAND = "#222222", "#8a8a8a", "#d9d9d9"
ALARM = COLOURS[1]
WIDTH, HEIGHT = 7.0, 4.6  # inches
POINTS = 72  # an inch
FEW = 500  # points that are drawn one by one; more become one image, whatever the format
FONTS = ("DejaVu Sans", "Noto Sans CJK JP", "Noto Sans CJK SC", "Hiragino Sans", "Yu Gothic", "WenQuanYi Zen Hei")
SETTINGS: dict[str, Any] = {
    "font.size": 10,
    "text.parse_math": False,  # a name with dollar signs is a name
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "axes.formatter.use_mathtext": False,
    "axes.formatter.limits": (-4, 5),
    "axes.formatter.useoffset": False,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "svg.fonttype": "none",
    "svg.hashsalt": "glmfit",
    "pdf.fonttype": 42,
    "path.simplify": True,
}


def settings() -> Any:
    """What matplotlib has to be told, the fonts that are there among it."""
    from matplotlib import font_manager

    known = set(font_manager.get_font_names())
    found = [name for name in FONTS if name in known]
    return {**SETTINGS, "font.family": found, "font.sans-serif": found}


def figure(frame: Frame, *, width: float = WIDTH, height: float = HEIGHT) -> Figure:
    """An empty figure with the title of a frame above, and its notes below."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    notes = [line for note in frame.notes for line in wrap(note, int(14.5 * width))]
    above, below = 44 / POINTS, (12 * len(notes) + 8 * bool(notes)) / POINTS
    total = height + below
    left = 8 / POINTS / width
    inside = (left, below / total, 1 - 2 * left, 1 - (above + below) / total)
    found = Figure(figsize=(width, total), layout=ConstrainedLayoutEngine(rect=inside))
    found.text(left, 1 - 12 / POINTS / total, shortened(frame.title, width, 12), fontsize=12, weight="bold", va="top")
    found.text(left, 1 - 29 / POINTS / total, shortened(frame.of, width, 9), fontsize=9, color="#555555", va="top")
    if notes:
        found.text(left, 8 / POINTS / total, "\n".join(notes), fontsize=8.5, color="#555555", va="bottom")
    return found


def axes(frame: Frame, **size: float) -> tuple[Figure, Axes]:
    """A figure with one pair of axes, which have their names."""
    found = figure(frame, **size)
    ax = found.add_subplot()
    ax.set_xlabel(frame.x)
    ax.set_ylabel(frame.y)
    return found, ax


def shortened(text: str, width: float, size: float) -> str:
    """The text as far as a line of so many inches has room for it."""
    most = int(width * POINTS / (0.58 * size))
    return text if len(text) <= most else f"{text[: most - 1]}…"


def points(
    ax: Axes, x: Any, y: Any, *, colour: str = COLOURS[0], marker: str = "o", strong: bool = False, **how: Any
) -> None:
    """Single points, pale where there are many of them unless they are `strong`; then one image in whatever format."""
    n = len(x)
    size, alpha = (5.0, 0.65) if n <= 200 else (3.5, 0.4) if n <= 2000 else (2.5, 0.2)
    how |= {"markersize": max(size, 4.0) if strong else size, "alpha": 0.9 if strong else alpha}
    ax.plot(x, y, marker, color=colour, markeredgewidth=0, linestyle="none", rasterized=n > FEW, **how)


def hexagons(figure: Figure, ax: Axes, bins: Any, width: float, height: float, what: str = "rows") -> None:
    """Hexagons at the centres of bins, the darker the more rows are in them; one image in whatever format."""
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import LinearSegmentedColormap, LogNorm

    x, y, count = (np.asarray(bins[name], dtype=float) for name in ("x", "y", "count"))
    corners = np.array([(0.5, -1 / 6), (0.5, 1 / 6), (0, 1 / 3), (-0.5, 1 / 6), (-0.5, -1 / 6), (0, -1 / 3)])
    shape = corners * np.array([width, 2 * height])
    shades = LinearSegmentedColormap.from_list("rows", ["#c9deed", "#7fb3d5", "#0072B2", "#003a5c"])
    norm = LogNorm(1, max(2.0, count.max())) if len(count) else None
    drawn = PolyCollection(
        np.stack([x, y], axis=1)[:, None, :] + shape, array=count, cmap=shades, norm=norm, edgecolors="face",
        linewidths=0.2, rasterized=True,
    )  # fmt: skip
    ax.add_collection(drawn)
    bar = figure.colorbar(drawn, ax=ax, shrink=0.6, aspect=25, pad=0.015)
    bar.set_label(f"{what} in a hexagon", fontsize=8.5)
    bar.ax.tick_params(labelsize=8.5)
    plain_logs(bar.ax.yaxis)
    bar.outline.set_visible(False)


def plain_logs(axis: Any) -> None:
    """The powers of ten of an axis in logs as plain numbers."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("e-0", "e-").replace("e+0", "e")))
    axis.set_minor_formatter(NullFormatter())


def segments(ax: Axes, starts: Iterable[tuple[float, float]], ends: Iterable[tuple[float, float]], **how: Any) -> None:
    """Many straight lines as one, with gaps."""
    pairs = [(a, b, (np.nan, np.nan)) for a, b in zip(starts, ends, strict=True)]
    path = np.array(pairs, dtype=float).reshape(-1, 2)
    ax.plot(path[:, 0], path[:, 1], **how)


def names(ax: Axes, x: Sequence[float], y: Sequence[float], texts: Sequence[str]) -> None:
    """Names of points beside them, those that would lie on one another further away."""
    placed: list[tuple[float, float]] = []
    to_pixels = ax.transData.transform
    order = sorted(range(len(texts)), key=lambda at: -y[at])
    middle = ax.transAxes.transform((0.85, 0))[0]
    for at in order:
        px, py = to_pixels((x[at], y[at]))
        while any(abs(py - other) < 12 and abs(px - beside) < 70 for beside, other in placed):
            py -= 6
        placed.append((px, py))
        left = px > middle
        shift = (py - to_pixels((x[at], y[at]))[1]) * POINTS / ax.figure.dpi
        ax.annotate(
            texts[at], (x[at], y[at]), (-7 if left else 7, shift), textcoords="offset points", fontsize=8.5,
            ha="right" if left else "left", va="center",
        )  # fmt: skip
