"""A chart in signs: cells of a terminal with axes, in which points are braille dots and lines dots or signs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from glmfit.report.pictures.lines import Axis
from glmfit.report.terminal import Line

HEIGHT = 16  # lines
BRAILLE = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of a cell, four rows of two dots
SHADES, ASCII_SHADES = "░▒▓█", ".:*#"


class Canvas:
    """Cells from (0, 0) at the upper left; what is drawn later lies above, dots above signs."""

    def __init__(self, width: int, x: tuple[float, float], y: tuple[float, float], *, plain: bool) -> None:
        self.x, self.y, self.plain = _wide(*x), _wide(*y), plain
        texts = [_text(tick) for tick in Axis(*self.y, False).ticks(5)]
        self.margin = max(map(len, texts), default=1) + 1
        self.width, self.height = max(width - self.margin - 2, 10), HEIGHT
        self.signs = [[" "] * self.width for _ in range(self.height)]
        self.dots = [[0] * self.width for _ in range(self.height)]
        self.words: set[tuple[int, int]] = set()  # cells of labels

    def _place(self, x: float, y: float, across: int, down: int) -> tuple[int, int] | None:
        """Where a point is on a grid; None outside."""
        if not (math.isfinite(x) and math.isfinite(y)):
            return None
        share_x = (x - self.x[0]) / (self.x[1] - self.x[0])
        share_y = (y - self.y[0]) / (self.y[1] - self.y[0])
        if not (-1e-9 <= share_x <= 1 + 1e-9 and -1e-9 <= share_y <= 1 + 1e-9):
            return None
        return min(int(share_x * across), across - 1), down - 1 - min(int(share_y * down), down - 1)

    def sign(self, x: float, y: float, sign: str) -> None:
        """A sign at a point."""
        at = self._place(x, y, self.width, self.height)
        if at is not None:
            self.signs[at[1]][at[0]], self.dots[at[1]][at[0]] = sign, 0

    def label(self, x: float, y: float, text: str) -> None:
        """A word at a point, unless another one is there."""
        at = self._place(x, y, self.width, self.height)
        if at is None:
            return
        start = min(at[0], self.width - len(text))
        own = {(column, at[1]) for column in range(start - 1, start + len(text) + 1)}
        if not own & self.words:
            self.words |= own
            for along, one in enumerate(text):
                self.signs[at[1]][start + along], self.dots[at[1]][start + along] = one, 0

    def points(self, xs: Sequence[float], ys: Sequence[float]) -> None:
        """Dots."""
        for x, y in zip(xs, ys, strict=True):
            at = self._place(x, y, 2 * self.width, 4 * self.height)
            if at is not None:
                self.dots[at[1] // 4][at[0] // 2] |= BRAILLE[at[1] % 4][at[0] % 2]

    def path(self, xs: Sequence[float], ys: Sequence[float]) -> None:
        """Dots close to each other along straight lines between points."""
        for a, b, c, d in zip(xs, ys, xs[1:], ys[1:], strict=False):
            if not all(map(math.isfinite, (a, b, c, d))):
                continue
            far = max(abs(c - a) / (self.x[1] - self.x[0]), abs(d - b) / (self.y[1] - self.y[0]) / 2)
            steps = min(max(1, int(far * 4 * self.width)), 4 * self.width)
            shares = [step / steps for step in range(steps + 1)]
            self.points([a + share * (c - a) for share in shares], [b + share * (d - b) for share in shares])

    def shade(self, xs: Sequence[float], ys: Sequence[float], counts: Sequence[float]) -> None:
        """Cells the darker the more is in them, in logs."""
        sums: dict[tuple[int, int], float] = {}
        for x, y, count in zip(xs, ys, counts, strict=True):
            at = self._place(x, y, self.width, self.height)
            if at is not None:
                sums[at] = sums.get(at, 0.0) + count
        top = math.log(max(sums.values(), default=1.0) + 1)
        shades = ASCII_SHADES if self.plain else SHADES
        for (column, row), count in sums.items():
            self.signs[row][column] = shades[min(3, int(4 * math.log(count + 1) / top))]

    def line(self, sign: str, *, x: float | None = None, y: float | None = None) -> None:
        """A line across at y, or down at x, behind what is there."""
        at = self._place(self.x[0] if x is None else x, self.y[0] if y is None else y, self.width, self.height)
        if at is None:
            return
        cells = [(at[0], row) for row in range(self.height)] if y is None else [(c, at[1]) for c in range(self.width)]
        for column, row in cells:
            if self.signs[row][column] == " ":
                self.signs[row][column] = sign

    def slope(self, sign: str, xs: Sequence[float], ys: Sequence[float]) -> None:
        """A line of signs behind what is there, one in each column that it passes."""
        for column in range(self.width):
            x = self.x[0] + (column + 0.5) / self.width * (self.x[1] - self.x[0])
            y = _between(x, xs, ys)
            at = self._place(x, y, self.width, self.height)
            if at is not None and self.signs[at[1]][at[0]] == " ":
                self.signs[at[1]][at[0]] = sign

    def lines(self, x_name: str, y_name: str, names: Mapping[float, str] | None = None) -> Iterator[Line]:
        """The chart, its axes and their names; below it numbers, or `names` at their places."""
        axis = Axis(*self.y, False)
        labels: dict[int, str] = {}
        for tick in axis.ticks(5):
            at = self._place(self.x[0], tick, self.width, self.height)
            if at is not None:
                labels.setdefault(at[1], _text(tick))
        side = "|" if self.plain else "│"
        yield [(y_name[: self.width + self.margin], "dim")]
        for row in range(self.height):
            text = "".join(self._cell(row, column) for column in range(self.width))
            yield [(f"{labels.get(row, '').rjust(self.margin)}{side}", "dim"), (text.rstrip(), "")]
        yield from self._ruler(x_name, names)

    def _cell(self, row: int, column: int) -> str:
        dots = self.dots[row][column]
        if not dots:
            return self.signs[row][column]
        if self.plain:
            return "." if dots.bit_count() < 3 else ":" if dots.bit_count() < 6 else "#"
        return chr(0x2800 + dots)

    def _ruler(self, name: str, names: Mapping[float, str] | None) -> Iterator[Line]:
        from glmfit.report.unicode import ASCII, UNICODE, ruler

        axis, signs = Axis(*self.x, False), ASCII if self.plain else UNICODE
        yield from ruler(axis, self.width, self.margin + 1, signs, names)
        yield [(" " * (self.margin + 1) + name[: self.width], "dim")]


def _wide(low: float, high: float) -> tuple[float, float]:
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _text(value: float) -> str:
    return f"{value:.4g}" if abs(value) > 1e-12 else "0"


def _between(x: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    """The height at x of straight lines between points, NaN beyond them."""
    for a, b, c, d in zip(xs, ys, xs[1:], ys[1:], strict=False):
        if a <= x <= c:
            return b if c == a else b + (x - a) / (c - a) * (d - b)
    return math.nan
