"""The directions inside a polyhedral cone {z : Q z >= 0}, by linear programs over few of its rows at a time.

    maximise c'z    subject to    Q z >= 0,  -1 <= z <= 1        with c the sum of the rows not yet strictly positive

Where the maximum is 0 none of those rows is positive anywhere in the cone; else the maximum makes some of them
positive, and the sum of all maxima lies in the relative interior (Konis 2007, thesis, University of Oxford). A program
starts with some rows and takes up those that its solution violates. Q has rows of length 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

FEASIBLE = 1e-9  # a row may be this far below 0: rounding in the data must not undo a tie
STRICT = 1e-8  # and is positive above this
TOLERANCE = 1e-10  # of the solver
FIRST, MORE = 10, 5  # rows per column to start with, and to take up at a time
FEWEST = 200


@dataclass(slots=True, eq=False)
class Cone:
    """The cone {z : Q z >= 0} of unit rows Q (m, q), and the positions of the rows that programs have needed so far."""

    rows: np.ndarray
    used: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        m, q = self.rows.shape
        some = min(m, max(FEWEST, FIRST * q))
        self.used = np.unique(np.linspace(0, m - 1, some).astype(np.int64))

    def farthest(self, objective: np.ndarray) -> np.ndarray | None:
        """z (q,) of the cone within the unit box with the largest objective'z; None where the solver fails."""
        from scipy.optimize import linprog

        size = np.abs(objective).max()
        if size == 0:
            return np.zeros_like(objective)
        while True:
            program = linprog(
                -objective / size,
                A_ub=-self.rows[self.used],
                b_ub=np.zeros(len(self.used)),
                bounds=(-1, 1),
                method="highs",
                options={"primal_feasibility_tolerance": TOLERANCE, "dual_feasibility_tolerance": TOLERANCE},
            )
            if program.status != 0:
                return None
            values = self.rows @ program.x
            violated = np.flatnonzero(values < -FEASIBLE)
            if not len(violated):
                return np.asarray(program.x)
            # Rows of the same value are mostly repetitions of one.
            _, first = np.unique(values[violated], return_index=True)
            more = max(FEWEST, MORE * len(objective))
            taken = np.union1d(self.used, violated[first[:more]])
            if len(taken) == len(self.used):
                return None
            self.used = taken

    def interior(self) -> tuple[np.ndarray, np.ndarray] | None:
        """A direction (q,) of the relative interior and the rows (m,) that are strictly positive there.

        None where no verdict could be reached.
        """
        m, q = self.rows.shape
        direction, strict = np.zeros(q), np.zeros(m, dtype=bool)
        while not strict.all():
            z = self.farthest(self.rows[~strict].sum(axis=0))
            if z is None:
                return None
            more = ~strict & (self.rows @ z > STRICT)
            # A maximum above 0 lies on the face of the box: what stays inside is rounding.
            if not more.any() or np.abs(z).max() < 0.5:
                break
            direction += z
            strict |= more
        return direction, strict

    def reaches(self, objective: np.ndarray) -> bool | None:
        """Whether objective'z > 0 somewhere in the cone; `objective` (q,) has length 1."""
        z = self.farthest(objective)
        return None if z is None else bool(objective @ z > STRICT and np.abs(z).max() >= 0.5)
