"""The columns that a scanned column has in the model matrix, as the design of its own model makes them.

A number that stands by itself is its own column. Anything else, a factor or a term such as {}:sex or poly({}, 2), is
evaluated on the rows in which it is there, as it is for a single fit; all other columns must be those that all share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from glmfit.design import build
from glmfit.errors import GlmfitError
from glmfit.formula import Evaluator, ModelFormula
from glmfit.many.scan.gapped import Scan
from glmfit.many.scan.template import GAP
from glmfit.rows import Data, of_factors, refuse_disguised
from glmfit.rows.asked import ask

MOST = 12  # columns of its own that a model may have among others
Label = tuple[int, str]  # the place of a term among those that hold the column, and the name of a coefficient


@dataclass(frozen=True, slots=True, eq=False)
class Designed:
    """Columns (q, n) of one model, NaN in the rows that it leaves out, with a label for each."""

    values: np.ndarray
    labels: Sequence[Label]


@dataclass(frozen=True, eq=False)
class Designer:
    """Makes the columns of models whose other columns are called `names`, in the predictor of the first of the
    parameters that the column is for, on the rows of `data`."""

    scan: Scan
    data: Data
    parameter: str
    names: Sequence[str]

    @cached_property
    def bare(self) -> bool:
        """Whether the column stands by itself wherever it stands."""
        return all(len(term.factors) == 1 and term.factors[0].column == GAP for _, term in self.scan.held())

    @cached_property
    def index(self) -> np.ndarray:
        """(n,) where the rows of all models stand among those that were read."""
        return np.searchsorted(self.scan.table.rows, self.data.table.rows)

    def columns(self, name: str) -> Designed | None:
        """Those of one model; None where it is no matter of a few columns more."""
        column = self.scan.table[name]
        if any(name in finding.terms for finding in self.scan.table.findings):
            return None
        if self.bare and column.levels is None:
            return Designed(column.values[None, self.index], [(0, name)])
        try:
            return self._evaluated(name)
        except GlmfitError:  # it is met again where the model is fitted by itself, and is then what its row says
            return None

    def _evaluated(self, name: str) -> Designed | None:
        column = self.scan.table[name].take(self.index)
        there = ~column.missing
        formula = self._formula(name)
        table = replace(self.data.table, columns={**self.data.table.columns, name: column})
        refuse_disguised(table, formula)
        if not there.any() or of_factors(replace(self.data.spec, formulas=(), x=()), formula, table, self.scan.source):
            return None
        table = table if there.all() else table.keep(there)
        frequency = None if self.data.frequency is None else self.data.frequency[there]
        (predictor,) = (one for one in formula.predictors if one.parameter == self.parameter)
        matrix, _ = build(predictor, table, Evaluator(table, frequency=frequency))
        places = scanned_terms(formula, name)
        own = [at for at, term in enumerate(matrix.terms) if term in places]
        left = {"Intercept"} if self.data.family.location else set()  # which the family leaves to other predictors
        others = [one for at, one in enumerate(matrix.names) if at not in own and one not in left]
        if others != list(self.names) or not 0 < len(own) <= MOST:
            return None
        values = np.full((len(own), len(there)), np.nan)
        values[:, there] = matrix.select(own).dense().numpy().T
        return Designed(values, [(places[matrix.terms[at]], matrix.names[at]) for at in own])

    def _formula(self, name: str) -> ModelFormula:
        asked, spec = self.scan.asked, replace(self.scan.template.of(name), where=None)
        found = ask(spec, asked.family, asked.links, [*self.scan.shared, name])
        return found.of_categories(self.data.response.levels).formula if asked.family.categories else found.formula


def scanned_terms(formula: ModelFormula, name: str) -> dict[str, int]:
    """The terms that hold a column, with their places among those that do."""
    terms = (term for predictor in formula.predictors for term in predictor.terms)
    held = dict.fromkeys(term.name for term in terms if any(name in factor.columns for factor in term.factors))
    return {term: at for at, term in enumerate(held)}
