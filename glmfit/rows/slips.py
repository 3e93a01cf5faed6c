"""Slips in the data that change what a column is, told as findings."""

from __future__ import annotations

import numpy as np

from glmfit.errors import Finding, shell, shorten
from glmfit.formula import Factor, ModelFormula
from glmfit.table import Table, is_number

MOST_LEVELS = 10  # a factor of more levels than this,
FEWEST_CODES, MOST_CODES = 3, 10  # different whole numbers of a column that may be codes of categories
FEW_WORDS = 0.1  # and of fewer words than this share of its rows, was meant as numbers


def mostly_numbers(table: Table, formula: ModelFormula) -> list[Finding]:
    """Columns that are factors only because of a few words among their numbers: a slip in the data, most likely."""
    findings = []
    for name in formula.variables:
        column = table[name]
        if column.kind != "text" or column.levels is None or len(column.levels) <= MOST_LEVELS:
            continue
        is_word = np.array([not is_number(level) for level in column.levels])[column.values]
        if 0 < is_word.mean() <= FEW_WORDS:
            at = int(np.argmax(is_word))
            word = column.levels[column.values[at]]
            message = (
                f"column '{name}' is a factor of {len(column.levels)} levels because of '{shorten(word)}' in row "
                f"{table.rows[at]}; all but {int(is_word.sum())} of its {len(table)} values are numbers: correct the "
                f"value, or declare it missing with {shell('--na', shorten(word))}"
            )
            findings.append(Finding("mostly_numbers", message, (name,)))
    return findings


def numeric_codes(table: Table, formula: ModelFormula) -> dict[str, str]:
    """Columns that enter as numbers and hold a few whole ones, as codes do; nothing is guessed, and it is said."""
    used = (factor.column for predictor in formula.predictors for term in predictor.terms for factor in term.factors)
    found = {}
    for name in dict.fromkeys(column for column in used if column is not None):
        column = table[name]
        if column.levels is not None or column.kind != "number":
            continue
        values = np.unique(column.values)
        if FEWEST_CODES <= len(values) <= MOST_CODES and bool((values == np.rint(values)).all()):
            found[name] = f"numeric; C({Factor.of_column(name).spelled}) makes it a factor"
    return found
