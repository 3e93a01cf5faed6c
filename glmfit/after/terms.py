"""The terms of a model as what is tested, dropped or added: which belong together, and which contain which.

Terms of the parameters that the first formula is for go by their name alone and are one, such as those of all
categories of a multinomial response; others are called `parameter:term`. A model of fewer is one of the same rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from glmfit.families import Family
from glmfit.formula import INTERCEPT, Factor, ModelFormula, PredictorFormula, Term
from glmfit.formula.expression import quote
from glmfit.rows import Data


@dataclass(frozen=True, slots=True)
class ModelTerm:
    """A term of the linear predictors of `parameters`; `main` says that the first formula is theirs."""

    term: Term
    parameters: tuple[str, ...]
    main: bool

    @property
    def name(self) -> str:
        """As tests of terms call it."""
        return self.term.name if self.main else f"{self.parameters[0]}:{self.term.name}"

    @property
    def factors(self) -> frozenset[Factor]:
        """What it is a product of."""
        return frozenset(self.term.factors)

    def within(self, other: ModelTerm) -> bool:
        """Whether the other one contains it: it is marginal to that one."""
        same = self.main == other.main and (self.main or self.parameters == other.parameters)
        return same and self.factors < other.factors

    @property
    def key(self) -> tuple[str, frozenset[Factor]]:
        """What tells it from others, however its factors are ordered."""
        return ("" if self.main else self.parameters[0]), self.factors


def main_parameters(family: Family) -> tuple[str, ...]:
    """The parameters that the first formula is for."""
    if family.shared_formula:
        return tuple(dict.fromkeys(parameter.name for parameter in family.parameters))
    return (family.main,)


def terms_of(predictors: Iterable[PredictorFormula], family: Family) -> tuple[ModelTerm, ...]:
    """All terms but the intercepts, in the order of the formulas."""
    main = main_parameters(family)
    found: dict[tuple[str, frozenset[Factor]], ModelTerm] = {}
    for predictor in predictors:
        for term in predictor.terms:
            if term != INTERCEPT:
                one = ModelTerm(term, (predictor.parameter,), predictor.parameter in main)
                before = found.get(one.key)
                found[one.key] = one if before is None else replace(one, parameters=before.parameters + one.parameters)
    return tuple(found.values())


def without(data: Data, terms: Collection[ModelTerm]) -> Data:
    """The same rows, and a model without the columns of some terms."""

    def less(predictor: PredictorFormula) -> PredictorFormula:
        out = {one.term for one in terms if predictor.parameter in one.parameters}
        return replace(predictor, without=frozenset(term for term in predictor.terms if term in out))

    return replace(data, formula=replace(data.formula, predictors=tuple(map(less, data.formula.predictors))))


def with_terms(data: Data, base: Sequence[PredictorFormula], terms: Collection[ModelTerm]) -> Data:
    """The same rows, and the model of these terms: in the order of `base`, whose intercepts and offsets it has."""
    chosen = {(parameter, one.factors) for one in terms for parameter in one.parameters}
    predictors = tuple(
        replace(
            predictor,
            terms=tuple(
                term
                for term in predictor.terms
                if term == INTERCEPT or (predictor.parameter, frozenset(term.factors)) in chosen
            ),
        )
        for predictor in base
    )
    return replace(data, formula=_formula(data, predictors))


def _formula(data: Data, predictors: tuple[PredictorFormula, ...]) -> ModelFormula:
    """The formula of some predictors, as text as well."""
    formula, main = data.formula, main_parameters(data.family)
    used = [*formula.response.columns, *(name for one in predictors for f in one.factors for name in f.columns)]
    first = next(one for one in predictors if one.parameter in main)
    texts = [f"{formula.response.spelled} ~ {first.spelled}".lstrip()]
    texts += [
        f"{quote(one.parameter)} ~ {one.spelled}"
        for one in predictors
        if one is not first and not (one.parameter in main and one.spelled == first.spelled)
    ]
    return replace(formula, predictors=predictors, variables=tuple(dict.fromkeys(used)), texts=tuple(texts))
