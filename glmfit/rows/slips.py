"""Slips in the data that change what a column is, told as findings."""

from __future__ import annotations

import numpy as np

from glmfit.formula import Factor, ModelFormula
from glmfit.spilled import few
from glmfit.table import Table

FEWEST_CODES, MOST_CODES = 3, 10  # different whole numbers of a column that may be codes of categories


def numeric_codes(table: Table, formula: ModelFormula) -> dict[str, str]:
    """Columns that enter as numbers and hold a few whole ones, as codes do; nothing is guessed, and it is said."""
    used = (factor.column for predictor in formula.predictors for term in predictor.terms for factor in term.factors)
    found = {}
    for name in dict.fromkeys(column for column in used if column is not None):
        column = table[name]
        if column.levels is not None or column.kind != "number":
            continue
        values = few(column.values, MOST_CODES)
        if values is not None and len(values) >= FEWEST_CODES and bool((values == np.rint(values)).all()):
            found[name] = code_text(Factor.of_column(name))
    return found


def code_text(column: Factor) -> str:
    """What is said of such a column."""
    return f"numeric; C({column.spelled}) makes it a factor"
