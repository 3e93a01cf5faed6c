"""The directions inside a polyhedral cone {z : Q z >= 0}, by linear programs over few of its rows at a time.

    maximise c'z    subject to    Q z >= 0,  -1 <= z <= 1        with c the sum of the rows not yet strictly positive

Where the maximum is 0 none of those rows is positive anywhere in the cone; else the maximum makes some of them
positive, and the sum of all maxima lies in the relative interior (Konis 2007, thesis, University of Oxford). A program
starts with some rows and takes up those that its solution violates, which one pass over all finds: these may be in a
file. Q has rows of length 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

FEASIBLE = 1e-9  # a row may be this far below 0: rounding in the data must not undo a tie
STRICT = 1e-8  # and is positive above this
TOLERANCE = 1e-10  # of the solver
FIRST, MORE = 10, 5  # rows per column to start with, and to take up at a time
FEWEST = 200


class Chunked(Protocol):
    """Arrays (m, q), as many as it is long, to be gone through as often as one likes."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[np.ndarray]: ...


class Cone:
    """The cone {z : Q z >= 0} of unit rows, of which `rows` gives (m, q) at a time, as often as it is gone through;
    and those that programs have needed so far, by their places among all."""

    def __init__(self, rows: Chunked, columns: int) -> None:
        self.rows = rows
        self.places, self.used = np.zeros(0, dtype=np.int64), np.zeros((0, columns))
        some = -(-max(FEWEST, FIRST * columns) // len(rows))
        for first, part in self._numbered():
            at = np.unique(np.linspace(0, len(part) - 1, min(some, len(part))).astype(np.int64))
            self._take(first + at, part[at])

    def farthest(self, objective: np.ndarray) -> np.ndarray | None:
        """z (q,) of the cone within the unit box with the largest objective'z; None where the solver fails."""
        from scipy.optimize import linprog

        size = np.abs(objective).max()
        if size == 0:
            return np.zeros_like(objective)
        while True:
            program = linprog(
                -objective / size,
                A_ub=-self.used,
                b_ub=np.zeros(len(self.used)),
                bounds=(-1, 1),
                method="highs",
                options={"primal_feasibility_tolerance": TOLERANCE, "dual_feasibility_tolerance": TOLERANCE},
            )
            if program.status != 0:
                return None
            places, rows = self._violated(program.x)
            if not len(places):
                return np.asarray(program.x)
            if not self._take(places, rows):
                return None

    def interior(self) -> tuple[np.ndarray, int] | None:
        """Directions (k, q) of the cone whose sum is in its relative interior, where those rows are strictly positive
        that are so along one of them, and how many are not.

        None where no verdict could be reached.
        """
        ways = np.zeros((0, self.used.shape[1]))
        total, left = self._not_strict(ways)
        while left:
            z = self.farthest(total)
            if z is None:
                return None
            # A maximum above 0 lies on the face of the box: what stays inside is rounding.
            if np.abs(z).max() < 0.5:
                break
            more = np.vstack([ways, z])
            total, still = self._not_strict(more)
            if still == left:
                break
            ways, left = more, still
        return ways, left

    def reaches(self, objective: np.ndarray) -> bool | None:
        """Whether objective'z > 0 somewhere in the cone; `objective` (q,) has length 1."""
        z = self.farthest(objective)
        return None if z is None else bool(objective @ z > STRICT and np.abs(z).max() >= 0.5)

    def _numbered(self) -> Iterator[tuple[int, np.ndarray]]:
        """The rows, and the place of the first of each part."""
        first = 0
        for part in self.rows:
            yield first, part
            first += len(part)

    def _take(self, places: np.ndarray, rows: np.ndarray) -> bool:
        """Takes rows up, in their order; whether there are new ones among them."""
        new = ~np.isin(places, self.places)
        places, rows = np.append(self.places, places[new]), np.vstack([self.used, rows[new]])
        order = np.argsort(places)
        self.places, self.used = places[order], rows[order]
        return bool(new.any())

    def _violated(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places and rows of those farthest below 0 at z (q,), one of each value."""
        # Rows of the same value are mostly repetitions of one.
        most = max(FEWEST, MORE * len(z))
        values, places, rows = np.zeros(0), np.zeros(0, dtype=np.int64), np.zeros((0, len(z)))
        for first, part in self._numbered():
            found = part @ z
            below = np.flatnonzero(found < -FEASIBLE)
            if len(below):
                values, which = np.unique(np.append(values, found[below]), return_index=True)
                values, which = values[:most], which[:most]
                places = np.append(places, first + below)[which]
                rows = np.vstack([rows, part[below]])[which]
        return places, rows

    def _not_strict(self, ways: np.ndarray) -> tuple[np.ndarray, int]:
        """The sum of the rows that are not strictly positive along any of some ways, and how many they are."""
        total, count = np.zeros(self.used.shape[1]), 0
        for part in self.rows:
            some = part[~strictly(part, ways)]
            total, count = total + some.sum(axis=0), count + len(some)
        return total, count


def strictly(rows: np.ndarray, ways: np.ndarray) -> np.ndarray:
    """Which of some rows (m, q) are strictly positive along any of some ways (k, q)."""
    return np.asarray((rows @ ways.T > STRICT).any(axis=1))
