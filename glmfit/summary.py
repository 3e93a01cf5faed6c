"""What is said of a maximum: coefficients, covariance, dispersion, fit statistics and findings, as a `Fit`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from glmfit import __version__, diagnose
from glmfit.data import Data
from glmfit.dispersion import PERFECT, Goodness, Scale, dispersion, goodness, null_deviance
from glmfit.errors import Finding
from glmfit.families.base import Parameter
from glmfit.inference import Covariance, Reference, covariance
from glmfit.links import LINKS, Link
from glmfit.maximum import Maximum
from glmfit.model import Model
from glmfit.result import (
    Auxiliary,
    Coefficient,
    Convergence,
    DataSummary,
    Dispersion,
    Fit,
    FitStatistics,
    Identification,
)
from glmfit.result import Covariance as ReportedCovariance
from glmfit.result import Model as ReportedModel


def summarise(data: Data, found: Maximum) -> Fit:
    """Everything that is said of a maximum."""
    model, optimum, spec = found.model, found.optimum, data.spec
    df = model.n - sum(len(p.columns) for p in model.rows.predictors if p.parameter == model.family.main)
    sums = goodness(found.likelihood, optimum.theta)
    scale = dispersion(model, spec, optimum, sums, df)
    null = null_deviance(model, found.likelihood, optimum.theta, found.constants[model.family.main])
    if scale.method == "modelled":  # deviances and Pearson's chi-square are in units of one phi
        sums, null = Goodness(math.nan, math.nan, math.nan), math.nan
    # The search measured in units of the phi it held; what is said is in units of the phi found.
    unit = scale.phi / found.phi if model.holds_phi else scale.phi
    step = 1 / unit if model.holds_phi and sums.deviance > PERFECT * sums.size else 1.0
    cov = _covariance(data, found, unit)
    reference = Reference(df if scale.estimated else None)
    coefficients, matrix = _coefficients(found, cov.matrix, reference, spec.level)
    findings = [*data.table.findings, *data.response.findings, *_findings(found, sums, scale, null, df)]
    if bool((torch.diagonal(cov.matrix) < 0).any()):
        findings.append(Finding("negative_variance", "some variances came out negative: no standard error exists"))
    return Fit(
        version=__version__,
        model=_reported_model(data, model),
        data=DataSummary(data.table.source, data.table.rows_read, len(data.table), data.dropped),
        coefficients=coefficients,
        statistic=reference.statistic,
        level=spec.level,
        ci="wald",
        covariance=ReportedCovariance(cov.kind, cov.correction, matrix, cov.clusters),
        dispersion=Dispersion(scale.phi, scale.method),
        auxiliary=_auxiliary(data, model, coefficients, reference, spec.level),
        fit=_statistics(data, model, sums, scale, null, df),
        convergence=Convergence(
            status=optimum.status,
            converged=optimum.converged,
            optimizer=optimum.optimizer,
            iterations=optimum.iterations,
            gradient_max_abs=step * float(model.reported_gradient(optimum.gradient).abs().max()),
            newton_decrement=math.sqrt(step) * optimum.decrement,
            message=optimum.message,
        ),
        identification=Identification(model.aliased, None, found.bread is not None and found.flat is None),
        warnings=tuple(findings),
        seconds={},
    )


def _covariance(data: Data, found: Maximum, unit: float) -> Covariance:
    """Of the working coefficients; NaN where there is no peak, or leverages tend to 1 along a slope that never ends."""
    spec, size = data.spec, found.model.size
    kind = spec.se or ("sampling" if spec.sampling_weights else "hessian")
    if found.bread is None or (found.flat is not None and kind in ("hc2", "hc3")):
        return Covariance(torch.full((size, size), math.nan, dtype=torch.float64), kind)
    clusters = {name: torch.from_numpy(codes) for name, codes in data.clusters.items()}
    return covariance(kind, found.likelihood, found.optimum, found.bread, unit, found.model.n, clusters)


def _statistics(data: Data, model: Model, sums: Goodness, scale: Scale, null: float, df: int) -> FitStatistics:
    """Goodness of fit; every estimated parameter counts in AIC and BIC, phi among them."""
    estimated = model.size + len(model.limits) + (1 if model.holds_phi and scale.estimated else 0)
    is_pseudo = data.spec.sampling_weights is not None
    minus_two = math.nan if is_pseudo else -2 * scale.log_likelihood
    return FitStatistics(
        log_likelihood=scale.log_likelihood,
        deviance=sums.deviance,
        null_deviance=null,
        pearson_chi2=sums.pearson,
        aic=minus_two + 2 * estimated,
        bic=minus_two + math.log(model.n) * estimated,
        n_parameters=estimated,
        df_residual=df,
        df_null=model.n - 1 if model.has_intercept else model.n,
    )


def _findings(found: Maximum, sums: Goodness, scale: Scale, null: float, df: int) -> list[Finding]:
    model, optimum, flat = found.model, found.optimum, found.flat
    names = model.labels
    checks: list[Finding | None] = []
    if flat is None and not optimum.converged:
        checks.append(Finding("not_converged", f"{optimum.optimizer} {optimum.message}: do not use these estimates"))
    if flat is not None:
        checks.append(flat.finding)
    elif found.bread is None:
        checks.append(diagnose.not_a_maximum(optimum.hessian, names))
    else:
        checks.append(diagnose.collinearity(optimum, names))
    checks.append(diagnose.boundary(found.likelihood, optimum.theta))
    if model.has_intercept and not model.family.quasi:
        checks.append(diagnose.worse_than_null(sums.deviance, null))
    for name, limit in model.limits.items():
        checks.append(
            Finding(
                "at_limit",
                f"{name} is estimated at the end of its range, where the family is {limit.family}: {name} has no "
                f"standard error, and all else is that of the {limit.family} model",
                (name,),
            )
        )
    if scale.estimated and sums.deviance <= PERFECT * sums.size:
        checks.append(Finding("perfect_fit", "the model fits perfectly: standard errors are rounding error"))
    if scale.estimated and df <= 0:
        checks.append(
            Finding("saturated", "no degrees of freedom are left to estimate the dispersion: no standard errors")
        )
    return [finding for finding in checks if finding is not None]


def _coefficients(
    found: Maximum, working: Tensor, reference: Reference, level: float
) -> tuple[tuple[Coefficient, ...], tuple[tuple[float, ...], ...]]:
    """Rows for every term of every formula, and the covariance aligned with them; aliased terms are NaN."""
    model = found.model
    size = len(model.names)
    kept = torch.tensor(model.kept)
    estimates = torch.full((size,), math.nan, dtype=torch.float64)
    estimates[kept] = model.reported(found.optimum.theta)
    matrix = torch.full((size, size), math.nan, dtype=torch.float64)
    matrix[kept[:, None], kept] = model.reported_covariance(working)
    errors = torch.sqrt(torch.diagonal(matrix)).tolist()
    width = reference.quantile(level)
    inside = set(model.kept)
    unidentified = set() if found.flat is None else {model.kept[place] for place in found.flat.places}
    rows = []
    for at, ((parameter, term), estimate) in enumerate(zip(model.names, estimates.tolist(), strict=True)):
        error = math.nan if at in unidentified else errors[at]
        status = "not_identified" if at in unidentified else None if at in inside else "aliased"
        if parameter in model.limits:
            end = torch.tensor(model.limits[parameter].value, dtype=torch.float64)
            estimate, status = float(model.links[parameter].link(end)), "at_limit"
        statistic = estimate / error if error > 0 else math.nan
        rows.append(
            Coefficient(
                parameter,
                term,
                estimate,
                error,
                statistic,
                reference.p_value(statistic),
                estimate - width * error,
                estimate + width * error,
                status,
            )
        )
    return tuple(rows), tuple(tuple(row) for row in matrix.tolist())


def _auxiliary(
    data: Data, model: Model, coefficients: Sequence[Coefficient], reference: Reference, level: float
) -> tuple[Auxiliary, ...]:
    """Parameters without covariates on their natural scales; the delta method, and intervals mapped by the link."""
    rows = []
    width = reference.quantile(level)
    for parameter in model.family.parameters[1:]:
        own = [c for c in coefficients if c.parameter == parameter.name]
        if len(own) == 1 and own[0].term == "Intercept":
            link = model.links[parameter.name]
            eta = torch.tensor(own[0].estimate, dtype=torch.float64, requires_grad=True)
            value = link.inverse(eta)
            (slope,) = torch.autograd.grad(value, eta)
            half = width * own[0].std_error
            ends = [
                natural_end(parameter, link, own[0].estimate + side * half, float(slope) * side) for side in (-1, 1)
            ]
            error = abs(float(slope)) * own[0].std_error
            low, high = (min(ends), max(ends)) if not math.isnan(sum(ends)) else (math.nan, math.nan)
            rows.append(Auxiliary(parameter.name, float(value.detach()), error, low, high))
        elif parameter.name in data.spec.fixed and parameter.name != "phi":
            rows.append(
                Auxiliary(parameter.name, data.spec.fixed[parameter.name], math.nan, math.nan, math.nan, fixed=True)
            )
    for setting in model.family.settings:
        rows.append(Auxiliary(setting, data.spec.fixed[setting], math.nan, math.nan, math.nan, fixed=True))
    return tuple(rows)


def natural_end(parameter: Parameter, link: Link, eta: float, direction: float) -> float:
    """The natural value at an end of an interval in eta; outside the link's domain that is the end of the range.

    `direction` is positive where the parameter rises towards this end, negative where it falls.
    """
    if math.isnan(eta):
        return math.nan
    working = link.to(parameter.scale, torch.tensor(eta, dtype=torch.float64))
    value = LINKS[parameter.scale].inverse(working)
    if not bool(torch.isnan(value)):
        return float(value)
    upper = 1.0 if parameter.scale == "logit" else math.inf
    return upper if direction > 0 else 0.0


def _reported_model(data: Data, model: Model) -> ReportedModel:
    spec = data.spec
    used = {p.parameter for p in model.rows.predictors}
    return ReportedModel(
        formulas=data.formula.texts,
        response=data.response.label,
        family=model.family.name,
        links={name: link.name for name, link in model.links.items() if name in used},
        fixed=dict(spec.fixed),
        weights=spec.weights,
        freq_weights=spec.freq_weights,
        sampling_weights=spec.sampling_weights,
        offset=spec.offset,
        exposure=spec.exposure,
        success=data.response.success,
    )
