"""Degrees of freedom: n less the coefficients estimated, by one rule for the fit and for the null model.

Where the family has a deviance, residuals are measured against the mean, and only coefficients of the mean count (R's
glm, and MASS's glm.nb, whose theta counts for nothing); where it has none, all do (pscl, glmmTMB): there the fit is
that of all parameters at once. A parameter at the end of its range was estimated there, and counts.
"""

from __future__ import annotations

from glmfit.model import Model


def residual_df(model: Model) -> int:
    """n - p, p the coefficients that count."""
    if model.family.has_deviance:
        main = sum(len(p.own) for p in model.rows.predictors if p.parameter == model.family.main)
        return model.n - main - model.effects
    return model.n - model.size - len(model.limits) - model.effects


def null_df(model: Model) -> int:
    """n less the constants that count of the model without covariates."""
    if model.family.has_deviance:
        return model.n - 1 if model.has_intercept else model.n
    return model.n - len(model.with_constants) - len(model.limits)
