"""Optimisation and linear algebra that know no statistics.

In: an `Objective` (a value and two derivatives of theta) and a start. Out: an `Optimum`, and what its curvature says.
May use: the top of the package.
"""

from glmfit.numerics.batch import BatchDerivatives, BatchObjective, BatchOptimum, newton_batch
from glmfit.numerics.bordered import Bordered, BorderedFactor
from glmfit.numerics.curvature import (
    cholesky,
    exceeds,
    full,
    full_factor,
    inverse,
    stacked_root,
    structured,
    structured_factor,
    well_conditioned,
)
from glmfit.numerics.graded import relative_singular
from glmfit.numerics.independent import last_independent
from glmfit.numerics.indicators import Indicators, Normal
from glmfit.numerics.lowrank import LowRank, Meat, Root
from glmfit.numerics.objective import Objective
from glmfit.numerics.optimize import (
    Optimum,
    Trace,
    all_finite,
    least_squares,
    line_search,
    newton,
    refined,
    scipy_optimum,
)
from glmfit.numerics.precise import Pair, as_written, exact, normal_equations, product
from glmfit.numerics.runs import (
    beside,
    by_rows,
    constant,
    empty_columns,
    extremes,
    generator,
    is_constant,
    laid,
    lies_in,
    positions,
    rows_of,
    summed,
    taken,
)
from glmfit.numerics.sums import Sums
from glmfit.numerics.symmetric import Factor, Structured, StructuredFactor, Symmetric, unit_diagonal

__all__ = [
    "BatchDerivatives",
    "BatchObjective",
    "BatchOptimum",
    "Bordered",
    "BorderedFactor",
    "Factor",
    "Indicators",
    "LowRank",
    "Meat",
    "Normal",
    "Objective",
    "Optimum",
    "Pair",
    "Root",
    "Structured",
    "StructuredFactor",
    "Sums",
    "Symmetric",
    "Trace",
    "all_finite",
    "as_written",
    "beside",
    "by_rows",
    "cholesky",
    "constant",
    "empty_columns",
    "exact",
    "exceeds",
    "extremes",
    "full",
    "full_factor",
    "generator",
    "inverse",
    "is_constant",
    "laid",
    "last_independent",
    "least_squares",
    "lies_in",
    "line_search",
    "newton",
    "newton_batch",
    "normal_equations",
    "positions",
    "product",
    "refined",
    "relative_singular",
    "rows_of",
    "scipy_optimum",
    "stacked_root",
    "structured",
    "structured_factor",
    "summed",
    "taken",
    "unit_diagonal",
    "well_conditioned",
]
