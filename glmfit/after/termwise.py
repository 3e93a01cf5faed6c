"""Which coefficients belong to which term of a saved model, told from its formulas and the names alone, without rows.

A column of a term is called by its factors in their order, each with what its coding appends in brackets. A term may
be coded in parts with fewer factors, where earlier terms do not span these already: `code_terms` says which.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from glmfit.errors import ModelError
from glmfit.formula import INTERCEPT, Factor, Scoped, Term, code_terms, parse
from glmfit.formula.admit import arguments, literal
from glmfit.result import Fitted
from glmfit.spec import ModelSpec

_SPANNING = {"cr": True, "cc": True}  # bases whose columns add up to the constant; bs where it is asked to


def places_of_terms(fit: Fitted) -> Mapping[str, list[int]]:
    """For each term but intercepts the places of its estimated coefficients, in the order of the formulas.

    Terms of further parameters are called `parameter:term`; where parameters share one formula, as categories do, a
    term is that of all of them together.
    """
    if not fit.blueprint.predictors:
        message = "the model is a log_likelihood(params, data), whose parameters are no terms of a formula"
        raise ModelError("no_terms", message, "name the hypotheses, as in 'mu:short = mu:long'")
    found: dict[str, list[int]] = {}
    main = fit.model.main
    for predictor in fit.blueprint.predictors:
        terms = _terms(fit, predictor.formula)
        pattern = _patterns(fit, terms)
        for at, row in enumerate(fit.coefficients):
            if row.parameter != predictor.parameter or row.status in ("aliased", "at_limit"):
                continue
            term = next((term for term, matches in pattern if matches.fullmatch(row.term)), None)
            if term is not None and term != INTERCEPT.name:
                found.setdefault(term if predictor.parameter in main else f"{row.parameter}:{term}", []).append(at)
    return found


def _terms(fit: Fitted, formula: str) -> tuple[Term, ...]:
    header = [variable.name for variable in fit.blueprint.variables]
    response = "y"
    while response in header:
        response += "_"
    (predictor,) = parse(ModelSpec(formulas=(f"{response} ~ {formula}",)), [response, *header]).predictors
    return predictor.terms


def _patterns(fit: Fitted, terms: tuple[Term, ...]) -> list[tuple[str, re.Pattern[str]]]:
    def spans(factor: Factor) -> bool:
        if factor.text in fit.blueprint.levels:
            return True
        tree = factor.tree
        if factor.column is not None or tree.kind != "call":
            return False
        given = {name: literal(node) for name, node in arguments(tree).items()} if tree.value == "bs" else {}
        return bool(_SPANNING.get(str(tree.value), given.get("include_intercept", False)))

    coded = code_terms(terms, spans)
    # The part with most factors first: `a[x]:b[y]` is no level of a.
    parts = sorted(((term.name, part) for term, own in zip(terms, coded, strict=True) for part in own), key=_fewest)
    return [(name, _pattern(part)) for name, part in parts]


def _fewest(named: tuple[str, Scoped]) -> int:
    return -len(named[1])


def _pattern(part: Scoped) -> re.Pattern[str]:
    pieces = [re.escape(factor.text) + r"(?:\[.*\])?" for factor, _ in part]
    return re.compile(":".join(pieces) or re.escape(INTERCEPT.name), re.DOTALL)
