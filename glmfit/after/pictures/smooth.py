"""What stands for many points: ranks, curves of quantiles, and hexagons with the numbers of the points in them.

A curve of the tau-quantile is natural cubic in x, with knots at the quarters: it minimises the sum of
(y - f(x)) (tau - [y < f(x)]), a linear program (Koenker and Bassett 1978). Its dual has a number in [0, 1] for each
point, 1 above the curve and 0 below.
"""

from __future__ import annotations

from typing import Any

import numpy as np

QUARTILES = (0.25, 0.5, 0.75)
KNOTS = (0.25, 0.5, 0.75)  # between 0 and 1
MOST_FREE = 10_000  # points that a linear program looks at
FEW_PLACES = 10  # distinct x: at no more of them the quantiles are those of the points there
GRID = 101
ENOUGH = 500  # distinct x that tell whether columns are independent
ACROSS = 40  # hexagons


def ranks(values: np.ndarray) -> np.ndarray:
    """(n,) ranks from 1 / n to 1, those of equal values averaged, divided by the largest."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    middle = last - 0.5 * (count - 1)
    found = middle[place.reshape(-1)]
    return np.asarray(found / found.max())


def quantile_curves(x: np.ndarray, y: np.ndarray) -> dict[str, list[float]]:
    """The curves of the quartiles of y over x in [0, 1] as one table: share, x, value."""
    places = np.unique(x)
    few = len(places) <= FEW_PLACES
    at = places if few else np.linspace(places[0], places[-1], GRID)
    found: dict[str, list[float]] = {"share": [], "x": [], "value": []}
    for share in QUARTILES:
        values = [float(np.quantile(y[x == place], share)) for place in places] if few else _curve(x, y, share, at)
        found["share"] += [share] * len(at)
        found["x"] += at.tolist()
        found["value"] += list(values)
    return found


def _curve(x: np.ndarray, y: np.ndarray, share: float, at: np.ndarray) -> list[float]:
    """Values at `at` of the natural cubic that has the given share of the points below it."""
    places = np.unique(x)
    independent = _independent(natural_cubic(places[:: max(1, len(places) // ENOUGH)]))
    beta = quantile_regression(natural_cubic(x)[:, independent], y, share)
    return [float(value) for value in natural_cubic(at)[:, independent] @ beta]


def quantile_regression(X: np.ndarray, y: np.ndarray, share: float) -> np.ndarray:
    """(p,) the coefficients of the quantile; X (n, p), y (n,).

    Of very many points those far from the curve of a few are taken to lie on the side on which they are, which fixes
    their multipliers; where one does not in the end, more are left free (Portnoy and Koenker 1997).
    """
    n = len(y)
    ones = (1 - share) * X.sum(axis=0)
    if n <= MOST_FREE:
        return _solved(X, y, ones)
    chosen = np.random.default_rng(1).choice(n, MOST_FREE, replace=False)
    beta = _solved(X[chosen], y[chosen], (1 - share) * X[chosen].sum(axis=0))
    free = MOST_FREE
    while True:
        left = y - X @ beta
        near = np.zeros(n, dtype=bool)
        near[np.argpartition(np.abs(left), min(free, n) - 1)[:free]] = True
        above = ~near & (left > 0)
        found = _solved(X[near], y[near], ones - X[above].sum(axis=0))
        if found is not None and ((y - X @ found > 0) == above)[~near].all():
            return found
        free *= 2


def _solved(X: np.ndarray, y: np.ndarray, right: np.ndarray) -> Any:
    """The multipliers of X'a = right at the maximum of y'a over 0 <= a <= 1; None where there is no such a."""
    from scipy.optimize import linprog

    solved = linprog(-y, A_eq=X.T, b_eq=right, bounds=(0, 1), method="highs")
    return -np.asarray(solved.eqlin.marginals) if solved.success else None


def natural_cubic(x: np.ndarray) -> np.ndarray:
    """(n, 5) a basis of natural cubic splines with the knots and the ends 0 and 1 (Hastie et al. 2009, eq. 5.4)."""
    knots = np.array([0.0, *KNOTS, 1.0])

    def part(k: int) -> np.ndarray:
        over = np.maximum(x - knots[k], 0) ** 3 - np.maximum(x - knots[-1], 0) ** 3
        return np.asarray(over / (knots[-1] - knots[k]))

    columns = [part(k) - part(len(knots) - 2) for k in range(len(knots) - 2)]
    return np.stack([np.ones_like(x), x, *columns], axis=1)


def _independent(basis: np.ndarray) -> list[int]:
    """The columns that are no combination of those before them, as where most points have the same x."""
    kept: list[int] = []
    for at in range(basis.shape[1]):
        if np.linalg.matrix_rank(basis[:, [*kept, at]]) == len(kept) + 1:
            kept.append(at)
    return kept


def hexagons(
    x: np.ndarray, y: np.ndarray, of_x: tuple[float, float], of_y: tuple[float, float], across: int = ACROSS
) -> tuple[dict[str, Any], tuple[float, float]]:
    """The centres of hexagons with the numbers of points in them, and their width and the height between two rows.

    Two lattices of rectangles, one at the centres of the other: a point belongs to the nearer centre of the two (Carr
    et al. 1987).
    """
    width = (of_x[1] - of_x[0]) / across or 1.0
    height = 2 * (of_y[1] - of_y[0]) / (across * 1.1) or 1.0
    a, b = (x - of_x[0]) / width, (y - of_y[0]) / height
    first, second = (np.round(a), np.round(b)), (np.floor(a), np.floor(b))
    to_first = (a - first[0]) ** 2 + 3 * (b - first[1]) ** 2
    to_second = (a - second[0] - 0.5) ** 2 + 3 * (b - second[1] - 0.5) ** 2
    near = to_first < to_second
    at = np.where(near, first[0], second[0] + 0.5), np.where(near, first[1], second[1] + 0.5)
    centres, count = np.unique(np.stack(at, axis=1), axis=0, return_counts=True)
    found = {"x": of_x[0] + width * centres[:, 0], "y": of_y[0] + height * centres[:, 1], "count": count}
    return found, (float(width), float(height / 2))
