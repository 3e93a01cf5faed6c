"""What contrasts do to tests of type III: which of them depend on reference levels, and sum contrasts in their place.

A main effect is tested where the factors that it interacts with are 0: with indicators at their reference levels, which
are as good as any; with contrasts that add up to 0 at the average of their levels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from glmfit.after.terms import ModelTerm
from glmfit.errors import Finding
from glmfit.formula import Evaluator, Factor, Levels, PredictorFormula, Term
from glmfit.formula.admit import arguments
from glmfit.formula.expression import Node, read
from glmfit.rows import Data

INDICATORS = ("treatment", "SAS")


def factors_of(data: Data) -> dict[Factor, Levels]:
    """The factors with levels of all terms, over the rows of the data."""
    evaluator = Evaluator(data.table, frequency=data.frequency)
    used = (f for predictor in data.formula.predictors for term in predictor.terms for f in term.factors)
    found = {factor: evaluator.factor(factor) for factor in used}
    return {factor: one for factor, one in found.items() if isinstance(one, Levels)}


def reference_levels_matter(terms: Sequence[ModelTerm], levels: Mapping[Factor, Levels]) -> Finding | None:
    """Which terms are tested at the reference levels of others that they interact with."""
    indicators = {factor for factor, one in levels.items() if one.kind in INDICATORS}
    found: dict[str, set[Factor]] = {}
    for term in terms:
        others = {f for other in terms if term.within(other) for f in other.factors - term.factors}
        if others & indicators:
            found[term.name] = others & indicators
    if not found:
        return None
    tests = ", ".join(f"'{name}'" for name in found)
    at = ", ".join(sorted({f"'{factor.text}'" for factors in found.values() for factor in factors}))
    message = (
        f"type III tests of {tests} are those at the reference level of {at}: other contrasts, other tests; "
        "add --sum-contrasts, or use --type 2"
    )
    return Finding("reference_levels", message, tuple(found))


def with_sum_contrasts(data: Data) -> Data:
    """The same model with contrasts that add up to 0 for every factor that has indicators."""
    other = {f: _sum_coded(f) for f, one in factors_of(data).items() if one.kind in INDICATORS}

    def recoded(predictor: PredictorFormula) -> PredictorFormula:
        terms = tuple(Term(tuple(other.get(f, f) for f in term.factors)) for term in predictor.terms)
        return replace(predictor, terms=terms)

    predictors = tuple(map(recoded, data.formula.predictors))
    return replace(data, formula=replace(data.formula, predictors=predictors))


def _sum_coded(factor: Factor) -> Factor:
    """C(g, contr.sum) for g, C(g) or C(g, ref='a'); the order of its levels is kept."""
    given = arguments(factor.tree) if factor.tree.kind == "call" and factor.tree.value == "C" else {}
    data = factor.tree.args[0] if given else factor.tree
    keywords = [("contrasts", read("contr.sum", arithmetic=True))]
    keywords += [("levels", given["levels"])] if "levels" in given else []
    return Factor.of(Node("call", "C", (data,), tuple(keywords)))
