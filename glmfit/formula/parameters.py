"""The formulas of a family's parameters: which terms each linear predictor has once the family is known.

The first formula is for the main parameter; for all of them where the family says so (a multinomial's categories). An
ordinal family's location leaves its constant to the cut points, and terms that `relax` names have a coefficient there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from glmfit.errors import UsageError, did_you_mean
from glmfit.families import Family
from glmfit.formula.terms import INTERCEPT, ModelFormula, PredictorFormula


def for_family(formula: ModelFormula, family: Family, relax: Sequence[str] = (), absorbs: bool = False) -> ModelFormula:
    """The same model with a formula for each parameter that has covariates, under the names of the family.

    What `absorbs` effects leaves its constant to them: factors are coded as beside one.
    """
    main, *further = formula.predictors
    predictors = {family.main: replace(main, parameter=family.main)}
    if family.location and INTERCEPT not in main.terms:  # factors are coded as beside a constant
        predictors[family.main] = replace(predictors[family.main], terms=(INTERCEPT, *main.terms))
    if absorbs:
        terms = (INTERCEPT, *(term for term in main.terms if term != INTERCEPT))
        predictors[family.main] = replace(predictors[family.main], terms=terms, without=frozenset({INTERCEPT}))
    own: dict[str, PredictorFormula] = {}
    for predictor in further:
        name = family.parameter(predictor.parameter).name
        if name in own or (name == family.main and not family.shared_formula):
            raise UsageError("formula", f"the parameter '{name}' has two formulas", "join their terms with +")
        own[name] = replace(predictor, parameter=name)
    if family.shared_formula:
        if main.offsets:
            message = f"offset() in the first formula of the {family.name} family would be that of every category"
            raise UsageError("bad_offset", message, "write it in the formula of one category")
        predictors = {p.name: replace(main, parameter=p.name) for p in family.parameters}
    predictors |= own
    if relax:
        predictors = _relaxed(predictors, family, relax)
    ordered = (predictors[p.name] for p in family.parameters if p.name in predictors)
    return replace(formula, predictors=tuple(ordered))


def _relaxed(
    predictors: dict[str, PredictorFormula], family: Family, relax: Sequence[str]
) -> dict[str, PredictorFormula]:
    """Terms of the location moved to every cut point."""
    location = predictors[family.main]
    by_name = {term.name: term for term in location.terms if term != INTERCEPT}
    for name in relax:
        if name not in by_name:
            hint = did_you_mean(name, by_name) or f"terms: {', '.join(by_name)}"
            raise UsageError("unknown_term", f"--relax {name}: no such term in the model", hint)
    moved = tuple(by_name[name] for name in dict.fromkeys(relax))
    out = {family.main: replace(location, terms=tuple(term for term in location.terms if term not in moved))}
    for parameter in family.parameters[1:]:
        own = predictors.get(parameter.name, PredictorFormula(parameter.name, (INTERCEPT,)))
        out[parameter.name] = replace(own, terms=tuple(dict.fromkeys((*own.terms, *moved))))
    return out
