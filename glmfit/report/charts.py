"""Charts of frames for the terminal: what a file shows finely, coarsely, for a look where there is no screen."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from glmfit.report import numbers
from glmfit.report.canvas import Canvas
from glmfit.report.pictures.frame import Frame
from glmfit.report.terminal import Line
from glmfit.report.unicode import ASCII, UNICODE, Signs, foot, heading

DOT, DASH, POST = "·", "╌", "┊"


def qq(frame: Frame, width: int, signs: Signs = UNICODE) -> Iterator[Line]:
    """The points, the diagonal, and the edges of the band of all points."""
    canvas = _canvas(width, (0, 1), (0, 1), signs)
    bands = _columns(frame, "bands")
    for name in ("all_low", "all_high"):
        canvas.slope(_plain(signs, DOT, "."), bands["expected"], bands[name])
    canvas.slope(_plain(signs, "─", "-"), [0, 1], [0, 1])
    points = _columns(frame, "points")
    canvas.points(points["expected"], points["uniform"])
    yield from _whole(frame, canvas, width)


def effects(frame: Frame, width: int, signs: Signs = UNICODE) -> Iterator[Line]:
    """A sign in each column for each line; of a factor a forest of its levels would be as good, and this is it."""
    rows = list(frame.rows("curve"))
    lines = list(dict.fromkeys((row["by"], row["level"]) for row in rows))
    places = list(dict.fromkeys(row["x"] for row in rows))
    of_levels = isinstance(places[0], str)
    ends = [row[name] for row in rows for name in ("conf_low", "conf_high", "estimate") if _finite(row[name])]
    x = (-0.5, len(places) - 0.5) if of_levels else (min(places), max(places))
    canvas = _canvas(width, x, (min(ends, default=0.0), max(ends, default=1.0)), signs)
    for at, line in enumerate(lines):
        own = [row for row in rows if (row["by"], row["level"]) == line]
        xs = [places.index(row["x"]) if of_levels else row["x"] for row in own]
        mark = signs.points[at % len(signs.points)]
        if of_levels:
            xs = [x + 0.5 * (at - 0.5 * (len(lines) - 1)) / max(len(lines), 2) for x in xs]
            for x_at, row in zip(xs, own, strict=True):
                _post(canvas, x_at, row["conf_low"], row["conf_high"], signs)
                canvas.sign(x_at, _number(row["estimate"]), mark)
            continue
        canvas.slope(mark, xs, [_number(row["estimate"]) for row in own])
        for name in ("conf_low", "conf_high") if len(lines) == 1 else ():
            canvas.slope(_plain(signs, DOT, "."), xs, [_number(row[name]) for row in own])
    yield from heading(frame, width)
    if len(lines) > 1:
        for at, line in enumerate(lines):
            name = ", ".join(str(part) for part in line if part is not None)
            yield [(f"{signs.points[at % len(signs.points)]} {numbers.visible(name)}"[:width], "")]
        yield []
    names = {float(at): numbers.visible(place) for at, place in enumerate(places)} if of_levels else None
    yield from canvas.lines(frame.x, frame.y, names)
    yield from foot(frame, width)


def calibration(frame: Frame, width: int, signs: Signs = UNICODE) -> Iterator[Line]:
    """The groups with their intervals around the diagonal."""
    canvas = _canvas(width, (0, 1), (0, 1), signs)
    canvas.slope(_plain(signs, DOT, "."), [0, 1], [0, 1])
    for row in frame.rows("groups"):
        _post(canvas, row["predicted"], row["conf_low"], row["conf_high"], signs)
        canvas.sign(row["predicted"], row["observed"], signs.points[0])
    yield from _whole(frame, canvas, width)


def roc(frame: Frame, width: int, signs: Signs = UNICODE) -> Iterator[Line]:
    """The curve above the diagonal."""
    canvas = _canvas(width, (0, 1), (0, 1), signs)
    canvas.slope(_plain(signs, DOT, "."), [0, 1], [0, 1])
    curve = _columns(frame, "curve")
    canvas.path(curve["false_positive"], curve["true_positive"])
    yield from _whole(frame, canvas, width)


def influence(frame: Frame, width: int, signs: Signs = UNICODE) -> Iterator[Line]:
    """The points, and the numbers of the worst rows."""
    worst = _columns(frame, "worst")
    all_of = _columns(frame, "bins" if "bins" in frame.tables else "points")
    x = all_of["x" if "bins" in frame.tables else "leverage"]
    y = all_of["y" if "bins" in frame.tables else "cooks_distance"]
    canvas = _canvas(width, (0, max([*x, *worst["leverage"]])), (0, max(worst["cooks_distance"]) or 1.0), signs)
    if math.isfinite(frame.facts["bound"]):
        canvas.line(_plain(signs, DASH, "-"), y=frame.facts["bound"])
    canvas.line(_plain(signs, POST, ":"), x=frame.facts["mean_leverage"])
    if "bins" in frame.tables:
        canvas.shade(x, y, all_of["count"])
    else:
        canvas.points(x, y)
    for row in frame.rows("worst"):
        canvas.label(row["leverage"], row["cooks_distance"], f"{row['row']}")
    yield from _whole(frame, canvas, width)


def profile(frame: Frame, width: int, signs: Signs = UNICODE) -> Iterator[Line]:
    """The fall of the likelihood, the parabola of Wald's interval, and the level that cuts both."""
    curve, cut = _columns(frame, "curve"), frame.facts["quantile"] ** 2
    canvas = _canvas(width, (min(curve["value"]), max(curve["value"])), (0, 1.6 * cut), signs)
    canvas.line(_plain(signs, DASH, "-"), y=cut)
    canvas.slope(_plain(signs, DOT, "."), curve["value"], curve["wald"])
    canvas.path(curve["value"], curve["drop"])
    yield from _whole(frame, canvas, width)


def trace(frame: Frame, width: int, signs: Signs = UNICODE) -> Iterator[Line]:
    """The last search, a line for each iteration: what is lacking, as a bar in logs."""
    measure = frame.facts["measure"]
    rows = [row for row in frame.rows("steps") if row["search"] == frame.facts["searches"]]
    sizes = [math.log10(row["deficit"]) if row["deficit"] > 0 else -math.inf for row in rows]
    low = min((size for size in sizes if math.isfinite(size)), default=0.0) - 1
    high = max([size for size in sizes if math.isfinite(size)] or [1.0])
    plot = max(width - 44, 10)
    name = "decrement" if measure == "newton_decrement" else "gradient"
    yield from heading(frame, width)
    yield [(f"{'':>4}  {'log-likelihood':>16}  {'below best':>10}  {name:>9}"[:width], "bold")]
    for row, size in zip(rows, sizes, strict=True):
        bar = signs.full * max(0, round((size - low) / max(high - low, 1e-9) * plot)) if math.isfinite(size) else ""
        step = "" if row[measure] is None or math.isnan(row[measure]) else f"{row[measure]:.1e}"
        figures = f"{row['iteration']:>4}  {row['log_likelihood']:>16.8g}  {row['deficit']:>10.1e}  {step:>9}"
        yield [(f"{figures} {bar}".rstrip()[:width], "")]
    yield from foot(frame, width)


def volcano(frame: Frame, width: int, signs: Signs = UNICODE) -> Iterator[Line]:
    """Estimates against strength, the strongest by name."""
    yield from _scan(frame, width, signs, zero=True)


def manhattan(frame: Frame, width: int, signs: Signs = UNICODE) -> Iterator[Line]:
    """Strength in order, the strongest by name."""
    yield from _scan(frame, width, signs, zero=False)


def _scan(frame: Frame, width: int, signs: Signs, *, zero: bool) -> Iterator[Line]:
    tables = [_columns(frame, name) for name in ("bins", "points") if name in frame.tables]
    x = [value for table in tables for value in table["x"]]
    y = [value for table in tables for value in table["y"]]
    bound = frame.facts["bound"]
    top = max([*y, bound * 1.05] if math.isfinite(bound) else y)
    canvas = _canvas(width, (min([*x, *([0.0] if zero else [])]), max(x)), (0, top), signs)
    if zero:
        canvas.line(_plain(signs, POST, ":"), x=0.0)
    if math.isfinite(bound):
        canvas.line(_plain(signs, DASH, "-"), y=bound)
    if "bins" in frame.tables:
        canvas.shade(*(tables[0][name] for name in ("x", "y", "count")))
    if "points" in frame.tables:
        canvas.points(tables[-1]["x"], tables[-1]["y"])
    yield from heading(frame, width)
    middles = {0.5 * (part["low"] + part["high"]): str(part["part"]) for part in frame.rows("parts")}
    yield from canvas.lines(frame.x, frame.y, middles or None)
    named = list(frame.rows("named"))
    if named:
        yield []
    for row in named:
        text = f"{numbers.p_value(row['p_value']):>8}  {numbers.visible(str(row['term']))}"
        yield [(text if len(text) <= width else text[: width - 3] + "...", "")]
    yield from foot(frame, width)


def _canvas(width: int, x: tuple[float, float], y: tuple[float, float], signs: Signs) -> Canvas:
    return Canvas(width, x, y, plain=signs is ASCII)


def _plain(signs: Signs, sign: str, other: str) -> str:
    return other if signs is ASCII else sign


def _post(canvas: Canvas, x: float, low: Any, high: Any, signs: Signs) -> None:
    """An interval, upright."""
    if not (_finite(low) and _finite(high)):
        return
    steps = 4 * canvas.height
    for at in range(steps + 1):
        canvas.sign(x, low + at / steps * (high - low), signs.mark)


def _whole(frame: Frame, canvas: Canvas, width: int) -> Iterator[Line]:
    yield from heading(frame, width)
    yield from canvas.lines(frame.x, frame.y)
    yield from foot(frame, width)


def _columns(frame: Frame, table: str) -> dict[str, list[Any]]:
    return {
        name: values.tolist() if hasattr(values, "tolist") else list(values)
        for name, values in frame.tables[table].items()
    }


def _finite(value: Any) -> bool:
    return value is not None and math.isfinite(value)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
