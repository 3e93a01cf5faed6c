"""A model with a gap over columns that have been read: what its parts are with one of them in the gap, and without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from glmfit.formula import Factor, ModelFormula, PredictorFormula, Term, learned_part
from glmfit.many.scan.template import GAP, Template
from glmfit.rows.asked import Asked
from glmfit.table import Source, Table
from glmfit.table.selection import Selection


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """A model with a gap, over the columns that have been read for it, in the rows that --where chose."""

    template: Template
    asked: Asked  # with the gap as if it were a column
    source: Source
    table: Table
    names: Sequence[str]
    firth_fallback: bool

    @property
    def of_response(self) -> bool:
        """Whether it is the response that changes."""
        return GAP in self.asked.formula.response.columns

    @property
    def title(self) -> str:
        """The formulas, with the gap in its place."""
        return ", ".join(text.replace(f"`{GAP}`", GAP) for text in self.asked.formula.texts)

    @property
    def shared(self) -> tuple[str, ...]:
        """The columns of every model."""
        return tuple(name for name in self.asked.columns if name != GAP)

    def part(self, *more: str) -> Selection:
        """The columns of every model, and some more, as a source of their own."""
        names = dict.fromkeys((*self.shared, *more))
        findings = tuple(one for one in self.table.findings if not one.terms or set(one.terms) & set(names))
        table = replace(self.table, columns={name: self.table[name] for name in names}, findings=findings)
        return Selection(self.source, table, np.arange(len(table)), set(self.source.header).difference(names))

    def held(self) -> list[tuple[PredictorFormula, Term]]:
        """The terms that hold the gap, with their predictors."""
        pairs = ((predictor, term) for predictor in self.asked.formula.predictors for term in predictor.terms)
        return [(predictor, term) for predictor, term in pairs if holds(term.factors)]


def without_gap(formula: ModelFormula) -> ModelFormula:
    """The formula without the terms that hold the gap."""
    predictors = tuple(
        replace(one, terms=tuple(term for term in one.terms if not holds(term.factors))) for one in formula.predictors
    )
    return replace(formula, predictors=predictors, variables=tuple(name for name in formula.variables if name != GAP))


def holds(factors: Sequence[Factor]) -> bool:
    """Whether the gap is in some factors."""
    return any(GAP in factor.columns for factor in factors)


def learns(formula: ModelFormula) -> bool:
    """Whether a transform of a term depends on which rows are used."""
    terms = (term for predictor in formula.predictors for term in predictor.terms)
    return any(learned_part(factor.tree) is not None for term in terms for factor in term.factors)
