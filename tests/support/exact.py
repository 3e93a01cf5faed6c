"""Separation in exact arithmetic, for small data of whole numbers: an oracle that shares nothing with the program.

    maximise sum s    subject to    A d >= s,  E d = 0,  0 <= s <= 1

by the simplex method on fractions with Bland's rule: s is 1 where a row can be separated and 0 where it cannot.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

Row = Sequence[int | Fraction]


def simplex(objective: Row, rows: Sequence[Row], bounds: Row) -> list[Fraction]:
    """x >= 0 that maximises objective'x subject to rows x <= bounds, bounds >= 0 (so that x = 0 is feasible)."""
    n, m = len(objective), len(rows)
    table = [
        [Fraction(v) for v in row] + [Fraction(int(i == j)) for j in range(m)] + [Fraction(bound)]
        for i, (row, bound) in enumerate(zip(rows, bounds, strict=True))
    ]
    top = [-Fraction(v) for v in objective] + [Fraction(0)] * (m + 1)
    basis = list(range(n, n + m))
    while True:
        column = next((j for j in range(n + m) if top[j] < 0), None)
        if column is None:
            break
        ratios = [(table[i][-1] / table[i][column], basis[i], i) for i in range(m) if table[i][column] > 0]
        assert ratios, "unbounded"
        _, _, at = min(ratios)
        pivot = table[at][column]
        table[at] = [v / pivot for v in table[at]]
        for i in range(m):
            if i != at and table[i][column]:
                factor = table[i][column]
                table[i] = [a - factor * b for a, b in zip(table[i], table[at], strict=True)]
        factor = top[column]
        top = [a - factor * b for a, b in zip(top, table[at], strict=True)]
        basis[at] = column
    x = [Fraction(0)] * (n + m)
    for i, variable in enumerate(basis):
        x[variable] = table[i][-1]
    return x[:n]


def _cone(A: Sequence[Row], E: Sequence[Row]) -> list[list[Fraction]]:
    """Rows r with r (d+, d-) <= 0 for d = d+ - d- in the cone."""
    at_most = [[-Fraction(v) for v in row] for row in A]
    at_most += [[sign * Fraction(v) for v in row] for row in E for sign in (1, -1)]
    return [row + [-v for v in row] for row in at_most]


def separable(A: Sequence[Row], E: Sequence[Row], p: int) -> list[bool]:
    """For each row of A whether some d with A d >= 0 and E d = 0 makes it positive."""
    m = len(A)
    rows = [row + [Fraction(int(i == j)) for j in range(m)] for i, row in enumerate(_cone(A, E)[:m])]
    rows += [row + [Fraction(0)] * m for row in _cone(A, E)[m:]]
    rows += [[Fraction(0)] * (2 * p) + [Fraction(int(i == j)) for j in range(m)] for i in range(m)]
    bounds = [Fraction(0)] * (len(rows) - m) + [Fraction(1)] * m
    found = simplex([0] * (2 * p) + [1] * m, rows, bounds)
    assert all(v in (0, 1) for v in found[2 * p :])
    return [v == 1 for v in found[2 * p :]]


def furthest(objective: Row, A: Sequence[Row], E: Sequence[Row]) -> Fraction:
    """The largest objective'd of the cone with |d| <= 1."""
    p = len(objective)
    rows = _cone(A, E) + [[Fraction(int(i == j)) for j in range(2 * p)] for i in range(2 * p)]
    bounds = [Fraction(0)] * (len(rows) - 2 * p) + [Fraction(1)] * (2 * p)
    x = simplex([*objective, *(-v for v in objective)], rows, bounds)
    return sum((Fraction(c) * (a - b) for c, a, b in zip(objective, x[:p], x[p:], strict=True)), Fraction(0))


def null_space(rows: Sequence[Row], p: int) -> list[list[Fraction]]:
    """A basis of the vectors (p,) that all rows map to 0."""
    reduced: list[list[Fraction]] = []
    pivots: list[int] = []
    for given in rows:
        row = [Fraction(v) for v in given]
        for pivot, other in zip(pivots, reduced, strict=True):
            row = [a - row[pivot] * b for a, b in zip(row, other, strict=True)]
        at = next((j for j, v in enumerate(row) if v), None)
        if at is None:
            continue
        row = [v / row[at] for v in row]
        reduced = [[a - other[at] * b for a, b in zip(other, row, strict=True)] for other in reduced]
        reduced.append(row)
        pivots.append(at)
    basis = []
    for free in (j for j in range(p) if j not in pivots):
        vector = [Fraction(0)] * p
        vector[free] = Fraction(1)
        for pivot, row in zip(pivots, reduced, strict=True):
            vector[pivot] = -row[free]
        basis.append(vector)
    return basis


def verdict(A: Sequence[Row], E: Sequence[Row], p: int) -> tuple[list[bool], dict[int, int]]:
    """Which rows of A are separated, and the infinite coefficients with their signs (0 for either).

    The coefficients are those that the span of the cone moves; X is taken to have full rank.
    """
    strict = separable(A, E, p)
    if not any(strict):
        return strict, {}
    ties = [row for row, positive in zip(A, strict, strict=True) if not positive]
    span = null_space([*ties, *E], p)
    signs = {}
    for j in range(p):
        if any(vector[j] for vector in span):
            up, down = (furthest([s * int(i == j) for i in range(p)], A, E) > 0 for s in (1, -1))
            signs[j] = int(up) - int(down)
    return strict, signs
