"""What can hardly have been meant as a factor: dates, numbers that a few values make text of, a level for each row.

Of a column that stands in a formula by itself, as nobody says there what it is. `C(x)` says that it is a factor.
"""

from __future__ import annotations

import re

import numpy as np

from glmfit.errors import DataError, Finding, ModelError, shorten
from glmfit.formula import ModelFormula, tokenize
from glmfit.spec import ModelSpec
from glmfit.spilled import looked_up
from glmfit.table import Column, Source, Table
from glmfit.table.dates import transforms
from glmfit.table.disguise import Hidden, hidden_numbers, missing_options, was_meant_as_numbers

MANY_LEVELS = 0.8  # levels for each row,
FEW = 10  # and more than so many of them, hardly are those of a factor
_LONG = 25  # characters of a value that is rather a text than a name
_OTHER_DATE = re.compile(
    r"\d{1,4}[-/. ](\d{1,2}|[A-Za-z]{3,9})[-/. ,]+\d{2,4}\b.*|[A-Za-z]{3,9}\.? \d{1,2},? \d{4}\b.*"
)


def refuse_disguised(table: Table, formula: ModelFormula) -> None:
    """Raises for a column that would be a factor by itself and is dates, or numbers but for how they are written.

    `table` is as it was read: a row that will be dropped may be what made text of a column.
    """
    for column in _bare(table, formula):
        levels = column.levels or ()
        if column.kind == "date":
            at = int(np.argmin(column.missing))
            message = f"'{column.name}' holds dates, such as '{levels[column.values[at]]}' in row {table.rows[at]}"
            hint = f"say what of them counts: {transforms(column.name, levels)}"
            raise ModelError("bare_date", f"{message}: a coefficient for each of {len(levels)} says nothing", hint)
        hidden = hidden_numbers(levels) if column.kind == "text" else None
        if hidden is not None and was_meant_as_numbers(column.values, levels, hidden.numbers):
            if hidden.disguised.any():
                raise _disguised(table, column, hidden)
            if not hidden.numbers.all():
                raise _few_words(table, column, hidden)


def of_factors(spec: ModelSpec, formula: ModelFormula, table: Table, source: Source) -> list[Finding]:
    """What must be said of the columns of a model: those left out for want of a name, those of too many levels."""
    return [*_left_out(spec, source), *_many_levels(table, formula)]


def _many_levels(table: Table, formula: ModelFormula) -> list[Finding]:
    """Columns of text with nearly as many levels as rows: each has a coefficient that fits its own row."""
    findings = []
    for column in _bare(table, formula):
        levels = column.levels or ()
        share = MANY_LEVELS if not _are_dates(levels) else 0
        if column.kind == "text" and len(levels) > FEW and len(levels) >= share * len(table):
            first = levels[column.values[0]]
            message = (
                f"column '{column.name}' is a factor of {len(levels)} levels in {len(table)} rows, such as "
                f"'{shorten(first)}' in row {table.rows[0]}: {_guess(levels)}"
            )
            findings.append(Finding("many_levels", message, (column.name,)))
    return findings


def _left_out(spec: ModelSpec, source: Source) -> list[Finding]:
    """Columns without a name, which are not among those that `.` stands for, where it is used."""
    texts = (*spec.formulas, *spec.x)
    uses_dot = any(token.text == "." and token.kind == "name" for text in texts for token in tokenize(text))
    return source.unnamed() if uses_dot and "." not in source.header else []


def _bare(table: Table, formula: ModelFormula) -> list[Column]:
    """The columns that are factors of terms by themselves, each once."""
    terms = (term for predictor in formula.predictors for term in predictor.terms)
    names = dict.fromkeys(factor.column for term in terms for factor in term.factors)
    return [table.columns[name] for name in names if name is not None]


def _disguised(table: Table, column: Column, hidden: Hidden) -> DataError:
    levels = column.levels or ()
    at = np.flatnonzero(looked_up(np.append(hidden.disguised, False), column.values))
    words, first = [level for level, number in zip(levels, hidden.numbers, strict=True) if not number], at[0]
    example = levels[column.values[first]]
    message = (
        f"column '{column.name}' is text: {at.size} of its {int((~column.missing).sum())} values are numbers written "
        f"in a way that is not read, first '{shorten(example)}' in row {table.rows[first]}"
    )
    hint = hidden.remedy(example) + (f"; {missing_options(words)} for what is missing" if words else "")
    return DataError("disguised_numbers", message, f"{hint}; C({column.name}) makes a factor of it")


def _few_words(table: Table, column: Column, hidden: Hidden) -> DataError:
    levels = column.levels or ()
    at = np.flatnonzero(looked_up(np.append(~hidden.numbers, False), column.values))
    words = list(dict.fromkeys(levels[code] for code in column.values[at]))
    row, rest = table.rows[at[0]], int((~column.missing).sum()) - at.size
    more = f" (and {at.size - 1} more)" if at.size > 1 else ""
    message = (
        f"column '{column.name}' is text because of '{shorten(words[0])}' in row {row}{more}: its other {rest} values "
        "are numbers"
    )
    units = "--skip 0,1 leaves out a line of units; " if row == 1 and at.size == 1 else ""
    missing = missing_options(words)
    hint = f"correct the value; {units}" + (f"{missing} takes it for missing" if missing else "a quote may be open")
    return DataError("mostly_numbers", message, f"{hint}; C({column.name}) makes a factor of it")


def _are_dates(levels: tuple[str, ...]) -> bool:
    """Whether texts are dates that are not written from the year down."""
    return all(_OTHER_DATE.fullmatch(level.strip()) for level in levels[:: 1 + len(levels) // 100])


def _guess(levels: tuple[str, ...]) -> str:
    """What a column may be that has a level for nearly every row."""
    sample = levels[:: 1 + len(levels) // 100]
    if _are_dates(levels):
        return "dates? write them from the year down, 2024-05-31, and use days() or month()"
    if sum(len(level) > _LONG or level.count(" ") > 2 for level in sample) > len(sample) / 2:
        return "free text? leave it out of the model"
    if sum(any(sign.isdigit() for sign in level) for level in sample) > len(sample) / 2:
        return "an identifier, or numbers with other signs among them? leave it out, or correct them"
    return "an identifier? leave it out of the model"
