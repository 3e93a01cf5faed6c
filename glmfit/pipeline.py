"""A fit from start to end: data -> model -> start -> maximum -> dispersion -> covariance -> checks -> `Fit`."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from glmfit import __version__, diagnose, start
from glmfit.curvature import usable_root
from glmfit.data import Data
from glmfit.dispersion import Goodness, goodness, maximum_likelihood
from glmfit.errors import Finding, UsageError
from glmfit.families.base import Parameter, natural
from glmfit.inference import Covariance, Reference, covariance, inverse_information
from glmfit.likelihood import Likelihood
from glmfit.links import Link
from glmfit.model import Model, assemble
from glmfit.optimize import Optimum, Trace, least_squares, newton, scipy_optimum
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
from glmfit.spec import DISPERSIONS, ModelSpec

PERFECT = 1e-26  # deviance relative to the size of the means: nothing but rounding is left
STAGES = ("design", "optimize", "inference")
NEAR_LIMIT = 1.0  # log-likelihood lost at the end of a parameter's range, beyond which the end is out of the question
AS_GOOD = 1e-7  # log-likelihood that tells an interior maximum from one at the end of the range
PHI_SETTLED = 0.5  # refit once phi has fallen below this share of the phi that the search used as its unit


@dataclass(frozen=True, slots=True, eq=False)
class Maximum:
    """The maximum of the log-likelihood, with phi held at `phi` where the family has one that is not modelled."""

    model: Model
    likelihood: Likelihood
    optimum: Optimum
    constants: Mapping[str, float]
    phi: float
    flat: Finding | None


def fit_data(data: Data, trace: Trace | None = None, read_seconds: float = 0.0) -> Fit:
    """The fit of prepared data; raises a `GlmfitError` where there can be none."""
    clock = [time.perf_counter()]
    model = assemble(data)
    clock.append(time.perf_counter())
    found = maximise(model, data.spec, trace)
    clock.append(time.perf_counter())
    fit = report(data, found)
    clock.append(time.perf_counter())
    seconds = (after - before for before, after in pairwise(clock))
    return replace(fit, seconds={"read": read_seconds, **dict(zip(STAGES, seconds, strict=True))})


def maximise(model: Model, spec: ModelSpec, trace: Trace | None) -> Maximum:
    """The maximum in the coefficients. phi does not move it, but sets the unit in which the search measures progress:
    it is held at that of the intercept-only fit, and the search goes on where the fit has made it much smaller."""
    constants = start.constants(model)
    phi = 1.0
    if model.holds_phi:
        phi = start.held_phi(model, constants)
        model = model.held_at(phi)
    theta = start.coefficients(model, constants, spec.start)
    likelihood = model.likelihood()
    optimum = _search(likelihood, theta, spec, trace)
    reference = optimum.reference
    flat = _flat(model, likelihood, optimum, reference)
    while model.holds_phi and optimum.converged and optimum.root is None and flat is None:
        sums = goodness(model, likelihood, optimum.theta)
        now = sums.pearson / model.n
        if not PERFECT * sums.size < sums.deviance or now > PHI_SETTLED * phi:
            break
        reference = reference * math.sqrt(phi / now)
        phi, model, before = now, model.held_at(now), optimum.iterations
        likelihood = model.likelihood()
        optimum = _search(likelihood, optimum.theta, spec, trace)
        optimum = replace(optimum, iterations=before + optimum.iterations)
        flat = _flat(model, likelihood, optimum, reference)
    return _at_limit(Maximum(model, likelihood, optimum, constants, phi, flat), spec)


def _flat(model: Model, likelihood: Likelihood, optimum: Optimum, reference: Tensor) -> Finding | None:
    """What the data do not determine. Where the information is suspiciously small, Newton's method must agree: on a
    slope that never ends an optimiser that looks at values stops early, and Newton's goes on a unit at a time."""
    smallest = float(diagnose.relative_information(optimum, reference)[0].abs().min())
    if diagnose.VANISHED < smallest < diagnose.SUSPICIOUS:
        optimum = newton(likelihood, optimum.theta)
    return diagnose.flat_directions(optimum, reference, [model.label(place) for place in range(model.size)])


def _at_limit(found: Maximum, spec: ModelSpec) -> Maximum:
    """The same, or the model with a parameter at the end of its range where that is as good: no overdispersion, say."""
    for predictor in found.model.rows.predictors:
        parameter = found.model.family.parameter(predictor.parameter)
        if parameter.limit is None or predictor.X.names != ("Intercept",):
            continue
        model = found.model.at_limit(parameter.name)
        likelihood = model.likelihood()
        theta = found.optimum.theta[torch.cat([p.columns for p in found.model.rows.predictors if p is not predictor])]
        if likelihood.value(theta) < found.optimum.value - NEAR_LIMIT:
            continue
        optimum = _search(likelihood, theta, spec, None)
        if optimum.value >= found.optimum.value - AS_GOOD:
            flat = _flat(model, likelihood, optimum, optimum.reference)
            return replace(found, model=model, likelihood=likelihood, optimum=optimum, flat=flat)
    return found


def _search(likelihood: Likelihood, theta: Tensor, spec: ModelSpec, trace: Trace | None) -> Optimum:
    if spec.optimizer != "newton":
        return scipy_optimum(likelihood, theta, spec.optimizer, spec.max_iter, trace)
    if likelihood.links[likelihood.family.main].name in likelihood.family.quadratic_links:
        root = usable_root(likelihood, theta)
        if root is not None:
            return least_squares(likelihood, root, theta, trace=trace)
    return newton(likelihood, theta, spec.tol, spec.max_iter, trace)


@dataclass(frozen=True, slots=True)
class Scale:
    """phi, how it was found, and the log-likelihood at its own maximum likelihood estimate (or at a phi given)."""

    phi: float
    method: str
    log_likelihood: float

    @property
    def estimated(self) -> bool:
        return self.method in DISPERSIONS


def _scale(data: Data, found: Maximum, sums: Goodness, df: float) -> Scale:
    model, spec = found.model, data.spec
    asked = spec.fixed.get("phi", spec.dispersion)
    if not model.holds_phi and model.family.has_dispersion:
        if asked is not None:
            raise UsageError("bad_dispersion", "phi has a formula, and a dispersion is given", "leave one of them out")
        return Scale(1.0, "modelled", found.optimum.value)
    if asked is None:
        asked = "pearson" if model.holds_phi else 1.0
    if asked == "ml" and (model.family.quasi or not model.holds_phi):
        raise UsageError(
            "bad_dispersion",
            f"the {model.family.name} family has no density in which phi could be estimated by maximum likelihood",
            "use --dispersion pearson or deviance",
        )
    phi, log_likelihood = math.nan, math.nan if model.family.quasi else found.optimum.value
    if model.holds_phi and not model.family.quasi:
        if not isinstance(asked, str):
            log_likelihood = model.held_at(asked).likelihood().value(found.optimum.theta)
        elif sums.deviance > PERFECT * sums.size:
            phi, log_likelihood = maximum_likelihood(model, found.optimum.theta, sums.deviance / model.n)
        else:
            phi, log_likelihood = 0.0, math.inf
    if not isinstance(asked, str):
        return Scale(float(asked), "fixed", log_likelihood)
    if asked != "ml":
        phi = {"pearson": sums.pearson, "deviance": sums.deviance}[asked] / df if df > 0 else math.nan
    return Scale(phi, asked, log_likelihood)


def _null_deviance(data: Data, found: Maximum) -> float:
    """The deviance of the intercept alone (without one: of the offset alone), other parameters as fitted."""
    model, likelihood, theta = found.model, found.likelihood, found.optimum.theta
    main = model.family.main
    working = [likelihood.working(chunk, likelihood.etas(chunk, theta)) for chunk in likelihood.chunks]
    others = {
        parameter.name: torch.cat([chunk[k] for chunk in working])
        for k, parameter in enumerate(model.family.parameters)
        if parameter.name != main
    }
    null = model.constants_only((main,), others)
    begin = torch.tensor([found.constants[main] if model.has_intercept else 0.0], dtype=torch.float64)
    if not math.isfinite(null.value(begin)):
        return math.nan
    theta = newton(null, begin).theta if model.has_intercept else begin
    return goodness(model, null, theta).deviance


def report(data: Data, found: Maximum) -> Fit:
    """Everything that is said of a maximum."""
    model, optimum, spec = found.model, found.optimum, data.spec
    n = model.n
    mean_columns = sum(len(p.columns) for p in model.rows.predictors if p.parameter == model.family.main)
    df = n - mean_columns
    sums = goodness(model, found.likelihood, optimum.theta)
    scale = _scale(data, found, sums, df)
    if scale.method == "modelled":  # deviances and Pearson's chi-square are in units of one phi
        sums, null = Goodness(math.nan, math.nan, math.nan), math.nan
    else:
        null = _null_deviance(data, found)
    findings = [*data.table.findings, *data.response.findings, *_findings(found, sums, scale, null, df)]
    bread = inverse_information(optimum)
    kind = spec.se or ("sampling" if spec.sampling_weights else "hessian")
    unit = scale.phi / found.phi if model.holds_phi else scale.phi
    clusters = {name: torch.from_numpy(codes) for name, codes in data.clusters.items()}
    if bread is None:
        cov = Covariance(torch.full((model.size, model.size), math.nan, dtype=torch.float64), kind)
    else:
        cov = covariance(kind, found.likelihood, optimum, bread, unit, n, clusters)
    flat = () if found.flat is None else found.flat.terms
    reference = Reference(df if scale.estimated else None)
    coefficients, matrix = _coefficients(model, optimum.theta, cov.matrix, reference, spec.level, flat)
    if any(c.status is None and math.isnan(c.std_error) for c in coefficients) and bread is not None and df > 0:
        findings.append(Finding("negative_variance", "some variances came out negative: no standard error exists"))
    estimated = model.size + len(model.limits) + (1 if model.holds_phi and scale.estimated else 0)
    pseudo = spec.sampling_weights is not None
    minus_two = math.nan if pseudo else -2 * scale.log_likelihood
    # The search measured in units of the phi it held; what is said is in units of the phi found.
    step = 1 / unit if model.holds_phi and sums.deviance > PERFECT * sums.size else 1.0
    gradient = step * model.reported_gradient(optimum.gradient)
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
        fit=FitStatistics(
            log_likelihood=scale.log_likelihood,
            deviance=sums.deviance,
            null_deviance=null,
            pearson_chi2=sums.pearson,
            aic=minus_two + 2 * estimated,
            bic=minus_two + math.log(n) * estimated,
            n_parameters=estimated,
            df_residual=df,
            df_null=n - 1 if model.has_intercept else n,
        ),
        convergence=Convergence(
            status=optimum.status,
            converged=optimum.converged,
            optimizer=optimum.optimizer,
            iterations=optimum.iterations,
            gradient_max_abs=float(gradient.abs().max()),
            newton_decrement=math.sqrt(step) * optimum.decrement,
            message=optimum.message,
        ),
        identification=Identification(model.aliased, None, bread is not None and not flat),
        warnings=tuple(findings),
        seconds={},
    )


def _findings(found: Maximum, sums: Goodness, scale: Scale, null: float, df: float) -> list[Finding]:
    model, optimum = found.model, found.optimum
    names = [model.label(place) for place in range(model.size)]
    checks: list[Finding | None] = []
    flat = found.flat
    if flat is None and not optimum.converged:
        checks.append(Finding("not_converged", f"{optimum.optimizer} {optimum.message}: do not use these estimates"))
    if flat is not None:
        checks.append(flat)
    elif inverse_information(optimum) is None:
        checks.append(diagnose.not_a_maximum(optimum.hessian, names))
    else:
        checks.append(diagnose.collinearity(optimum, names))
    checks.append(diagnose.boundary(found.likelihood, optimum.theta))
    if model.has_intercept and not model.family.quasi:
        checks.append(diagnose.worse_than_null(sums.deviance, null))
    for name in model.limits:
        simpler = (model.family.parameter(name).limit or (0.0, ""))[1]
        checks.append(
            Finding(
                "at_limit",
                f"{name} is estimated at the end of its range, where the family is {simpler}: {name} has no standard "
                f"error, and all else is that of the {simpler} model",
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
    model: Model, gamma: Tensor, working: Tensor, reference: Reference, level: float, flat: Sequence[str]
) -> tuple[tuple[Coefficient, ...], tuple[tuple[float, ...], ...]]:
    """Rows for every term of every formula, and the covariance aligned with them; aliased terms are NaN."""
    size = len(model.names)
    kept = torch.tensor(model.kept)
    estimates = torch.full((size,), math.nan, dtype=torch.float64)
    estimates[kept] = model.reported(gamma)
    matrix = torch.full((size, size), math.nan, dtype=torch.float64)
    matrix[kept[:, None], kept] = model.reported_covariance(working)
    errors = torch.sqrt(torch.diagonal(matrix)).tolist()
    width = reference.quantile(level)
    inside = set(model.kept)
    unidentified = {model.kept[place] for place in range(model.size) if model.label(place) in set(flat)}
    rows = []
    for at, ((parameter, term), estimate) in enumerate(zip(model.names, estimates.tolist(), strict=True)):
        error = math.nan if at in unidentified else errors[at]
        status = "not_identified" if at in unidentified else None if at in inside else "aliased"
        if parameter in model.limits:
            limit = model.family.parameter(parameter)
            end = natural(limit.scale, torch.tensor((limit.limit or (math.nan,))[0], dtype=torch.float64)).round(
                decimals=12
            )
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
    value = natural(parameter.scale, link.to(parameter.scale, torch.tensor(eta, dtype=torch.float64)))
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
