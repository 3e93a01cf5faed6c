"""What is said of a penalised fit: the path, the coefficients at the strength chosen, and no errors of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from glmfit.estimate.blueprint import blueprint
from glmfit.estimate.described import reported_data, reported_model
from glmfit.estimate.summary import auxiliary
from glmfit.inference import Goodness, Reference, goodness, null_deviance, null_df
from glmfit.model import Likelihood, Model
from glmfit.result import (
    CovarianceSummary,
    Dispersion,
    FitStatistics,
    Fitted,
    Identification,
)
from glmfit.rows import Data
from glmfit.rows.slips import numeric_codes
from glmfit.shrink.path import Step
from glmfit.shrink.told import REASON, Walk, chosen_of, coefficients_of, convergence_of, findings_of, shrunk_of
from glmfit.shrinkage import Shrinkage
from glmfit.version import __version__


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A path of a model, and the null deviance that it explains."""

    model: Model
    likelihood: Likelihood
    walk: Walk
    null: float
    constants: Mapping[str, float]  # of the model without covariates


def summarise(data: Data, found: Found, asked: Shrinkage) -> Fitted:
    """Everything that is said of it."""
    model, spec = found.model, data.spec
    chosen, choice = chosen_of(found.walk, asked)
    step = found.walk.steps[-1 if chosen is None else chosen]
    coefficients = coefficients_of(found.walk, step, chosen is not None)
    statistics, scale = _statistics(data, found, step if chosen is not None else None)
    theta = found.walk.reported(step.point.theta)
    return Fitted(
        version=__version__,
        model=reported_model(data, model),
        data=reported_data(data, numeric_codes(data.table, data.formula)),
        coefficients=coefficients,
        statistic="z",
        level=spec.level,
        ci="wald",
        covariance=CovarianceSummary("none", None, None, reason=REASON),
        dispersion=scale,
        auxiliary=auxiliary(data, model, coefficients) if chosen is not None else (),
        shrinkage=shrunk_of(found.walk, asked, chosen, choice),
        fit=statistics,
        convergence=convergence_of(found.walk, step, chosen is None),
        identification=Identification((), None, True),
        warnings=(*data.table.findings, *data.response.findings, *findings_of(found.walk)),
        seconds={},
        blueprint=blueprint(data, model, Reference(None), theta),
    )


def _statistics(data: Data, found: Found, step: Step | None) -> tuple[FitStatistics, Dispersion]:
    """Goodness of fit at a point; degrees of freedom count the coefficients that are not 0."""
    model, nothing = found.model, math.nan
    if step is None:
        empty = FitStatistics(nothing, nothing, found.null, nothing, nothing, nothing, 0, model.n, null_df(model))
        return empty, Dispersion(nothing if model.holds_phi else 1.0, "pearson" if model.holds_phi else "fixed")
    left, null = int((step.point.theta != 0).sum()), found.null
    if len(model.rows.predictors) > 1:  # with further parameters as they are
        constant = found.constants.get(model.family.main, nothing)
        null = null_deviance(model, found.likelihood, step.point.theta, constant)
    sums = goodness(found.likelihood, step.point.theta)
    df = model.n - left
    scale = _scale(data, found, sums, df)
    log_likelihood = math.nan if model.family.quasi else _log_likelihood(found, step, scale)
    statistics = FitStatistics(
        log_likelihood, sums.deviance, null, sums.pearson, nothing, nothing, left, df, null_df(model)
    )
    return statistics, scale


def _scale(data: Data, found: Found, sums: Goodness, df: int) -> Dispersion:
    """phi, which the path does without: as asked for, or what Pearson's residuals say of it."""
    spec, model = data.spec, found.model
    asked = spec.fixed.get("phi", spec.dispersion)
    if not model.holds_phi:
        return Dispersion(1.0, "modelled" if model.family.has_dispersion else "fixed")
    if isinstance(asked, float | int):
        return Dispersion(float(asked), "fixed")
    method = asked or "pearson"
    total = sums.deviance if method == "deviance" else sums.pearson
    return Dispersion(total / df if df > 0 else math.nan, method)


def _log_likelihood(found: Found, step: Step, scale: Dispersion) -> float:
    """That of the estimates, phi being what it was found to be."""
    model, theta = found.model, step.point.theta
    if not model.holds_phi:
        return found.likelihood.value(theta)
    if not scale.estimate > 0:
        return math.nan
    return model.held_at(scale.estimate).likelihood().value(theta)
