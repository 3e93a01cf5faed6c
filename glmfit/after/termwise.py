"""Which coefficients belong to which term of a fit."""

from __future__ import annotations

from collections.abc import Mapping

from glmfit.errors import ModelError
from glmfit.formula import INTERCEPT
from glmfit.result import Fitted


def places_of_terms(fit: Fitted) -> Mapping[str, list[int]]:
    """For each term but intercepts and smooths the places of its estimated coefficients, in the order of the formulas.

    Of smooths a fit has the tests itself. Terms of further parameters are called `parameter:term`; where parameters
    share one formula, as categories do, a term is that of all of them together. `ModelError` where the likelihood is no
    linear form.
    """
    if not fit.blueprint.predictors:
        message = "the model is a log_likelihood(params, data), whose parameters are no terms of a formula"
        raise ModelError("no_terms", message, "name the hypotheses, as in 'mu:short = mu:long'")
    found: dict[str, list[int]] = {}
    smooths = {at for one in fit.smooths for at in range(one.first, one.first + one.coefficients)}
    for at, (row, term) in enumerate(zip(fit.coefficients, fit.blueprint.terms, strict=True)):
        if at not in smooths and term != INTERCEPT.name and row.status not in ("aliased", "at_limit"):
            found.setdefault(term if row.parameter in fit.model.main else f"{row.parameter}:{term}", []).append(at)
    return found
