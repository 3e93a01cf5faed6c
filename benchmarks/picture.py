"""Time against rows and against levels, a line for each program, by matplotlib (the extra `plot`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.cases import Series
from benchmarks.report import Measured, curves


def draw(series: Sequence[tuple[Series, Measured]], path: Path) -> None:
    """An SVG with one panel for each series, both axes logarithmic."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "glmfit"
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(series), figsize=(4.5 * len(series), 3.6), squeeze=False)
    marks = "osD^vP"
    names = list(dict.fromkeys(name for one, measured in series for name in curves(one, measured)))
    for panel, (one, measured) in zip(panels[0], series, strict=True):
        for name, points in curves(one, measured).items():
            at = names.index(name)
            panel.loglog(*zip(*points, strict=True), marker=marks[at % len(marks)], color=f"C{at}", label=name)
        last = one.cases[-1]
        panel.set_xlabel("rows" if one.over == "rows" else f"levels of a factor ({last.rows:,} rows)")
        panel.set_ylabel("seconds, whole process")
        panel.grid(alpha=0.3)
        panel.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
