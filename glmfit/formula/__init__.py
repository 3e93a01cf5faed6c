"""Text to terms to columns: the one place where formulas are read.

In: a specification and the header of a table. Out: a `ModelFormula`, terms whose factors are trees that know their
columns; and an `Evaluator`, which turns factors into numbers and levels and remembers how. May use: families, table.
"""

from glmfit.formula.condition import condition, learned_part, truth
from glmfit.formula.contrasts import Coding, combined
from glmfit.formula.crossing import Extent, Scoped, code_terms, coding, extent
from glmfit.formula.derivative import factor_slope, offset_slope
from glmfit.formula.evaluate import DesignState, Evaluator, Levels, Numbers
from glmfit.formula.order import natural_order
from glmfit.formula.parameters import for_family
from glmfit.formula.parse import asks_for_random, parse
from glmfit.formula.roles import WEIGHTS, role_factor, row_factors
from glmfit.formula.smooth import is_smooth, smooth_of
from glmfit.formula.smoothed import Penalised
from glmfit.formula.terms import INTERCEPT, Factor, ModelFormula, PredictorFormula, RandomTerm, Response, Term
from glmfit.formula.tokens import split_list, tokenize

__all__ = [
    "INTERCEPT",
    "WEIGHTS",
    "Coding",
    "DesignState",
    "Evaluator",
    "Extent",
    "Factor",
    "Levels",
    "ModelFormula",
    "Numbers",
    "Penalised",
    "PredictorFormula",
    "RandomTerm",
    "Response",
    "Scoped",
    "Term",
    "asks_for_random",
    "code_terms",
    "coding",
    "combined",
    "condition",
    "extent",
    "factor_slope",
    "for_family",
    "is_smooth",
    "learned_part",
    "natural_order",
    "offset_slope",
    "parse",
    "role_factor",
    "row_factors",
    "smooth_of",
    "split_list",
    "tokenize",
    "truth",
]
