"""What is said of a penalised fit: the path, the coefficients at the strength chosen, and no errors of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from glmfit.errors import Finding
from glmfit.estimate.blueprint import blueprint
from glmfit.estimate.described import reported_data, reported_model
from glmfit.estimate.summary import auxiliary
from glmfit.inference import Goodness, Reference, goodness, null_deviance, null_df, wald
from glmfit.model import Likelihood, Model
from glmfit.result import (
    Coefficient,
    Convergence,
    CovarianceSummary,
    Dispersion,
    FitStatistics,
    Fitted,
    Identification,
)
from glmfit.rows import Data
from glmfit.rows.slips import numeric_codes
from glmfit.shrink.path import Step
from glmfit.shrink.penalty import Penalty
from glmfit.shrinkage import Shrinkage
from glmfit.shrunk import CrossValidation, PathPoint, Shrunk
from glmfit.version import __version__

REASON = "coefficients that the data have chosen and shrunk are biased, and errors of a fit would not be theirs"
NAMES = {0.0: "ridge", 1.0: "lasso"}


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A path of a model, and the null deviance that it explains."""

    model: Model
    likelihood: Likelihood
    penalty: Penalty
    steps: Sequence[Step]
    null: float
    constants: Mapping[str, float]  # of the model without covariates
    losses: Sequence[tuple[float, float]] | None = None  # of each step by cross-validation: mean and its error
    cv: CrossValidation | None = None

    def reported(self, theta: Tensor) -> Tensor:
        """Coefficients (size,) on the scale of the columns as they are."""
        return self.penalty.basis.balance(self.model.reported(theta))


def summarise(data: Data, found: Found, asked: Shrinkage) -> Fitted:
    """Everything that is said of it."""
    model, spec = found.model, data.spec
    chosen, choice = _chosen(found, asked)
    step = found.steps[-1 if chosen is None else chosen]
    coefficients = _coefficients(found, step, chosen is not None)
    statistics, scale = _statistics(data, found, step if chosen is not None else None)
    theta = found.reported(step.point.theta)
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
        shrinkage=Shrunk(
            penalty=NAMES.get(found.penalty.alpha, "elastic net"),
            alpha=found.penalty.alpha,
            standardized=asked.standardize,
            factors=dict(asked.penalty_factors),
            group_terms=asked.group_terms,
            group_categories=asked.group_categories,
            covariates=int(found.penalty.covariates.sum()),
            path=_path(found),
            chosen=chosen,
            choice=choice,
            cv=found.cv,
        ),
        fit=statistics,
        convergence=_convergence(found, step, chosen is None),
        identification=Identification((), None, True),
        warnings=(*data.table.findings, *data.response.findings, *_findings(found)),
        seconds={},
        blueprint=blueprint(data, model, Reference(None), theta),
    )


def _chosen(found: Found, asked: Shrinkage) -> tuple[int | None, str | None]:
    """The place in the path of what is reported, and what chose it."""
    strengths = [step.strength for step in found.steps]
    if asked.only is not None:
        return 0, "given"
    if isinstance(asked.strength, float | int):
        return strengths.index(float(asked.strength)), "given"
    if found.cv is None:
        return None, None
    wanted = found.cv.strength_1se if asked.strength == "1se" else found.cv.strength_min
    return strengths.index(wanted), asked.strength or "min"


def _path(found: Found) -> tuple[PathPoint, ...]:
    points = []
    on, kept = found.penalty.on, torch.tensor(found.model.kept)
    for k, step in enumerate(found.steps):
        theta = step.point.theta
        left = theta != 0
        estimates = found.reported(theta)
        mean, error = (math.nan, math.nan) if found.losses is None else found.losses[k]
        points.append(
            PathPoint(
                step.strength,
                int((left & found.penalty.covariates).sum()),
                step.explained,
                step.point.converged,
                step.point.residual,
                tuple(kept[left | ~on].tolist()),
                tuple(estimates[left | ~on].tolist()),
                mean,
                error,
            )
        )
    return tuple(points)


def _coefficients(found: Found, step: Step, chosen: bool) -> tuple[Coefficient, ...]:
    """Rows without errors; without estimates too, where no strength was chosen."""
    estimates = found.reported(step.point.theta)
    estimates = torch.where((step.point.theta == 0) & found.penalty.on, 0.0, estimates)
    if not chosen:
        estimates = torch.full_like(estimates, math.nan)
    status, none = "penalised" if chosen else "no_strength", Reference(None)
    return tuple(
        wald.coefficient(*found.model.names[at], value, math.nan, status, none, 0.95)
        for at, value in zip(found.model.kept, estimates.tolist(), strict=True)
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


def _convergence(found: Found, step: Step, whole: bool) -> Convergence:
    """How the search ended at a point, or along the whole path; its gradient is that of what is not penalised."""
    slope = found.model.reported_gradient(torch.where(found.penalty.free, step.point.slope, 0.0))
    good = all(one.point.converged for one in found.steps) if whole else step.point.converged
    iterations = sum(one.point.iterations for one in found.steps)
    return Convergence(
        status="converged" if good else "max_iter",
        converged=good,
        optimizer="proximal newton",
        iterations=iterations,
        gradient_max_abs=float(slope.abs().max()),
        newton_decrement=math.nan,
        message="" if good else "the most iterations were made: allow more with --max-iter",
    )


def _findings(found: Found) -> list[Finding]:
    """What a reader must know of the path."""
    lost = [step.strength for step in found.steps if not step.point.converged]
    if not lost:
        return []
    listed = ", ".join(f"{one:.4g}" for one in lost[:6]) + (" and others" if len(lost) > 6 else "")
    return [Finding("path_not_converged", f"the search did not end at {len(lost)} strengths of the path: {listed}")]
