"""Which rows of a long table are shown: of a term of many coefficients the first and the largest few, and its test.

The largest are those furthest from 0 in standard errors. Of smooths there are none: these say nothing one by one, and
have a table of their own. JSON and CSV have every row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from glmfit.report import numbers
from glmfit.result import Coefficient, Fit, JointTest

MANY = 30  # coefficients of one term: more are folded
FIRST, LARGEST = 5, 5


@dataclass(frozen=True, slots=True)
class Fold:
    """What stands in place of the rows of a term that are not shown: how many they are, and the test of them all."""

    hidden: int
    test: JointTest

    @property
    def note(self) -> str:
        """The line that says that rows are left out."""
        kind = "coefficients" if ":" in self.test.term else "levels"
        return f"... {self.hidden} more {kind} of {numbers.visible(self.test.term)}: --all-levels, or --json"

    @property
    def label(self) -> str:
        """The row of the test."""
        test = self.test
        df = f"{test.df}" if test.df_residual is None else f"{test.df}, {test.df_residual:.10g}"
        return f"{numbers.visible(test.term)}: {test.statistic_kind} on {df} df"

    @property
    def cells(self) -> list[str]:
        """The numbers of that row: neither an estimate nor an interval."""
        (statistic,) = numbers.test_statistics([self.test.statistic])
        return ["", "", statistic, numbers.p_value(self.test.p_value), "", ""]


def folded(
    fit: Fit, parameter: str, rows: Sequence[Coefficient], all_levels: bool
) -> list[tuple[Coefficient, Fold | None]]:
    """The rows of one parameter that are shown, each with the fold that follows it."""
    start = next((at for at, row in enumerate(fit.coefficients) if row.parameter == parameter), 0)
    smooths = [one for one in fit.smooths if one.parameter == parameter and not all_levels]
    hidden = {at - start for one in smooths for at in range(one.first, one.first + one.coefficients)}
    after: dict[int, Fold] = {}
    for test in fit.joint_tests:
        if all_levels or test.parameter != parameter or test.coefficients <= MANY:
            continue
        places = range(test.first - start, test.first - start + test.coefficients)
        rest = sorted(places[FIRST:], key=lambda at: _size(rows[at]), reverse=True)
        hidden |= set(rest[LARGEST:])
        after[max(set(places) - hidden)] = Fold(len(rest) - LARGEST, test)
    return [(row, after.get(at)) for at, row in enumerate(rows) if at not in hidden]


def _size(row: Coefficient) -> tuple[bool, float]:
    """How far a coefficient is from 0; without a standard error it comes last."""
    if math.isfinite(row.statistic):
        return True, abs(row.statistic)
    return False, abs(row.estimate) if not math.isnan(row.estimate) else -1.0
