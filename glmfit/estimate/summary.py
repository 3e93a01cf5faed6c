"""What is said of a maximum: coefficients, covariance, dispersion, fit statistics and findings, as a `Fit`."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from glmfit.errors import Finding
from glmfit.estimate import absorbing, remarks, smoothed, wild
from glmfit.estimate.blueprint import blueprint
from glmfit.estimate.described import reported_data, reported_model
from glmfit.estimate.maximum import Maximum
from glmfit.estimate.placed import among, in_rows, parts, without_places
from glmfit.families import make_family
from glmfit.inference import (
    Covariance,
    Goodness,
    Reference,
    Scale,
    goodness,
    inverse_expected,
    joint_tests,
    nowhere,
    null_deviance,
    null_df,
    residual_df,
    wald,
)
from glmfit.inference.covariance import LEVERAGE, covariance
from glmfit.inference.dispersion import dispersion
from glmfit.inference.profiles import profiled, reported_directions
from glmfit.model import Model
from glmfit.numerics import LowRank, Optimum, full
from glmfit.result import (
    Auxiliary,
    Coefficient,
    Convergence,
    CovarianceSummary,
    Dispersion,
    FitStatistics,
    Fitted,
    Identification,
    Separation,
)
from glmfit.rows import Data
from glmfit.smooths import SmoothTerm
from glmfit.trust import diagnose, reported_map
from glmfit.version import __version__


def summarise(data: Data, found: Maximum, codes: Mapping[str, str], terms: Collection[str] | None = None) -> Fitted:
    """Everything that is said of a maximum.

    `codes` are numeric columns that may hold codes of categories, `terms` those that need profiles, None all.
    """
    model, optimum, spec = found.model, found.optimum, data.spec
    dropped = found.rest is not None and spec.separation == "drop"
    whole = model if found.whole is None or dropped else found.whole  # what n, AIC and the null model are of
    df = smoothed.freedom(found, residual_df(model))  # separated rows say nothing of phi
    sums = goodness(found.likelihood, optimum.theta, optimum.low)
    scale = dispersion(model, spec, optimum, sums, df)
    constant = found.constants.get(model.family.main, math.nan)
    complete, theta = found.of_all_rows(whole)
    null = null_deviance(complete, complete.likelihood(), theta, constant)
    if scale.method == "modelled":  # deviances and Pearson's chi-square are in units of one phi
        sums, null = Goodness(math.nan, math.nan, math.nan), math.nan
    # The search measured in units of the phi it held; what is said is in units of the phi found.
    unit = scale.phi / found.phi if model.holds_phi else 1.0 if model.family.has_dispersion else scale.phi
    step = 1 / unit if model.holds_phi and not sums.perfect else 1.0
    cov = _covariance(data, found, unit)
    reference = Reference(df if scale.estimated else None)
    references = [reference] * model.size
    if cov.df is not None:
        references = [Reference(each) for each in cov.df.tolist()]
        reference = min(references, key=lambda one: one.df or 0.0)  # for what rests on several coefficients
    unseen = remarks.unsupported(found, cov)
    gone = _gone(data, found)
    lost = 0 if gone is None else int(gone.sum())
    rows = data.table.rows if gone is None else data.table.rows[~gone]
    exact = [] if sums.perfect else remarks.exact_rows(found, cov, unseen, rows)
    because = "cluster_rank" if cov.clusters else "exact_rows"
    unsupported = dict.fromkeys(unseen, because) if cov.clusters or exact else {}
    coefficients, matrix = _coefficients(found, cov, references, spec.level, dropped, unsupported)
    smooths: tuple[SmoothTerm, ...] = ()
    if found.smoothed is not None:
        units, estimated = smoothed.Units(found.phi, unit), df if scale.estimated else None
        smooths = smoothed.smooth_terms(model, found.smoothed.free, coefficients, full(matrix), units, estimated)
    of_smooths = {row.first for row in smooths}
    tests = joint_tests(coefficients, matrix, model.terms, reference)
    tests = tuple(test for test in tests if test.first not in of_smooths)
    unprofiled: list[Finding] = []
    how = None
    if cov.kind.startswith("wild:") and cov.clusters:
        coefficients, how, unprofiled = wild.bootstrapped(data, found, coefficients, references, spec.level)
    if spec.ci == "profile":
        coefficients, unprofiled = _profiled(found, coefficients, unit, references, spec.level, terms)
    findings = [*data.table.findings, *data.response.findings]
    if found.separated is not None:
        findings.append(_separation(found, lost, dropped))
    findings += _findings(found, rows, sums, scale, null, df)
    findings += unprofiled
    aliased = diagnose.aliased((found.whole or whole).aliased, whole.aliases)  # those that rows took with them are said
    findings += [] if aliased is None else [aliased]
    findings += remarks.of_clusters(model, cov, matrix, unseen)
    findings += exact
    findings += remarks.of_spread(data, found, cov, scale, sums, df)
    return Fitted(
        version=__version__,
        model=reported_model(data, model),
        data=replace(
            reported_data(data, codes),
            rows_used=len(data.table) - (lost if dropped else 0),
            dropped={**data.dropped, "separated": {data.response.label: lost}} if dropped else data.dropped,
            groups=None if data.groups is None else len(whole.rows),
        ),
        coefficients=coefficients,
        statistic=reference.statistic,
        level=spec.level,
        ci="wild" if how is not None else "profile" if spec.ci == "profile" else "wald",
        covariance=CovarianceSummary(
            cov.kind,
            cov.correction,
            None if isinstance(matrix, LowRank) else in_rows(matrix),
            cov.clusters,
            None if cov.kind in ("hessian", "expected") else spec.bread or "observed",
            how,
            low_rank=parts(matrix),
        ),
        dispersion=Dispersion(scale.phi, scale.method),
        auxiliary=auxiliary(data, model, coefficients),
        joint_tests=tests,
        smooths=smooths,
        smoothing=smoothed.smoothing(found, sums.deviance, null),
        fit=replace(
            _statistics(data, found, whole, sums, scale, null),
            penalised_log_likelihood=math.nan if found.penalised is None else found.penalised,
        ),
        convergence=Convergence(
            status=optimum.status,
            converged=optimum.converged,
            optimizer=optimum.optimizer,
            iterations=optimum.iterations,
            gradient_max_abs=step * float(model.reported_gradient(optimum.gradient).abs().max()),
            newton_decrement=math.sqrt(step) * optimum.decrement,
            message=optimum.message,
        ),
        identification=Identification(
            whole.aliased,
            None if dropped else _reported_separation(found),
            found.bread is not None and found.flat is None and (found.separated is None or dropped),
            found.overlapping,
        ),
        warnings=tuple(findings),
        seconds={},
        blueprint=blueprint(data, found.whole or model, reference, _estimates(model, optimum)),
    )


def _gone(data: Data, found: Maximum) -> np.ndarray | None:
    """(N,) bool: rows that the limit of separated data is without, where there is one."""
    if found.rest is None or found.separated is None:
        return None
    return found.separated.gone(None if data.groups is None else torch.from_numpy(data.groups)).numpy()


def _separation(found: Maximum, rows: int, dropped: bool) -> Finding:
    assert found.separated is not None
    if not dropped or found.whole is None:
        absorbed = found.model.absorbed
        effects = "" if absorbed is None else " and ".join(one.factor for one in absorbed.factors)
        return diagnose.separation(found.separated, (found.whole or found.model).labels, effects)
    kept = set(found.model.labels)
    return diagnose.separated_rows_dropped(
        found.separated, [name for name in found.whole.labels if name not in kept], rows
    )


def _reported_separation(found: Maximum) -> Separation | None:
    separated = found.separated
    if separated is None:
        return None
    return Separation(separated.kind, int(separated.separates.sum()), separated.terms)


def _covariance(data: Data, found: Maximum, unit: float) -> Covariance:
    """Of the working coefficients; NaN where there is no peak, or leverages tend to 1 along a slope that never ends."""
    spec, model, size = data.spec, found.model, found.model.size
    default = "sampling" if spec.sampling_weights else "expected" if spec.bias_reduction else "hessian"
    kind = spec.se or default
    of_leverage = kind in ("hc2", "hc3") or spec.small_sample == "cr2"
    if found.bread is None or found.optimum.edge or (found.flat is not None and of_leverage):
        return Covariance(nowhere(size), kind)
    if found.smoothed is not None:
        half = None if found.optimum.half is None else math.sqrt(unit) * found.optimum.half
        return Covariance(unit * found.bread, "bayesian", half=half)
    clusters = wild.cluster_codes(data, found)
    likelihood, expected = found.likelihood, spec.bread == "expected"
    if model.absorbed is not None and (expected or kind == "expected"):
        likelihood = absorbing.of_expected(found).likelihood()
    bread = inverse_expected(likelihood, found.optimum) if expected else found.bread
    reported = reported_map(found.model) if spec.small_sample == "cr2" else None
    of = absorbing.counted(data, model)
    lengths = absorbing.lengths(found) if model.absorbed is not None and kind in LEVERAGE else None
    optimum = found.optimum
    return covariance(
        kind, likelihood, optimum, bread, unit, of, clusters, reported, expected=expected, lengths=lengths
    )


def _statistics(data: Data, found: Maximum, model: Model, sums: Goodness, scale: Scale, null: float) -> FitStatistics:
    """Goodness of fit; every estimated parameter counts in AIC and BIC, phi among them, penalised ones as far as they
    are free."""
    size = model.size if found.smoothed is None else float(found.smoothed.free.edf.sum())
    estimated = size + model.effects + len(model.limits) + (1 if model.holds_phi and scale.estimated else 0)
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
        df_residual=smoothed.freedom(found, residual_df(model)),
        df_null=null_df(model),
    )


def _worse_than_null(found: Maximum, sums: Goodness, null: float) -> Finding | None:
    model = found.model
    if model.family.has_deviance:
        return diagnose.worse_than_null("deviance", sums.deviance, null) if model.has_intercept else None
    if not found.constants or not all(
        bool((s.unit != 0).any()) for p, s in model.pairs if p.parameter in found.constants
    ):
        return None  # the constants are no special case of this model
    constants = [found.constants[name] for name in model.with_constants]
    begin = torch.tensor(constants, dtype=torch.float64)
    worst = -2 * model.constants_only(model.with_constants).value(begin)
    return diagnose.worse_than_null("-2 log-likelihood", -2 * found.optimum.value, worst)


def _findings(found: Maximum, rows: np.ndarray, sums: Goodness, scale: Scale, null: float, df: float) -> list[Finding]:
    model, optimum, flat = found.model, found.optimum, found.flat
    names = model.labels
    checks: list[Finding | None] = []
    if found.undecided:
        checks.append(diagnose.separation_undecided(model.source is not None))
    nothing_left = found.separated is not None and found.rest is None
    if flat is None and not nothing_left and not optimum.converged:
        checks.append(Finding("not_converged", f"{optimum.optimizer} {optimum.message}: do not use these estimates"))
    if optimum.edge:
        checks.append(diagnose.on_the_edge(model.links[model.family.main].name, rows[list(optimum.edge)]))
    elif nothing_left:
        pass
    elif flat is not None:
        checks.append(flat.finding)
    elif found.bread is None:
        checks.append(diagnose.not_a_maximum(optimum.hessian, names))
    else:
        near = diagnose.collinearity(optimum, names)
        # columns of one smooth may lie as close as they will: the penalty tells them apart
        inside = [{names[place] for place in block.places.tolist()} for block in model.smooths]
        checks.append(None if near is not None and any(one.issuperset(near.terms) for one in inside) else near)
    checks.append(None if nothing_left else diagnose.boundary(found.likelihood, optimum.theta))
    if not model.family.quasi and found.penalised is None:
        checks.append(_worse_than_null(found, sums, null))
    checks.append(at_limit(model))
    checks.append(diagnose.caution(found.likelihood, optimum.theta))
    if scale.estimated and sums.perfect:
        checks.append(Finding("perfect_fit", "the model fits perfectly: standard errors are rounding error"))
    if scale.estimated and df <= 0:
        checks.append(
            Finding("saturated", "no degrees of freedom are left to estimate the dispersion: no standard errors")
        )
    return [finding for finding in checks if finding is not None]


def at_limit(model: Model) -> Finding | None:
    """That parameters are held at the ends of their ranges, if any are."""
    beyond = [end.beyond for end in model.limits.values() if end.beyond]
    return diagnose.at_limit(list(model.limits), _family_at(model), beyond)


def end_of(model: Model, parameter: str) -> float:
    """The linear predictor of a parameter that is held at the end of its range."""
    return float(model.links[parameter].link(torch.tensor(model.limits[parameter].value, dtype=torch.float64)))


def _family_at(model: Model) -> str:
    """The name of the family that the model's is where parameters have met the end of their range."""
    family = model.family
    if len(model.limits) == 1 and (text := next(iter(model.limits.values())).text):
        return text
    for name, end in model.limits.items():
        (found,) = (one for one in family.parameter(name).special if one.value == end.value)
        family = make_family(found.family, {})
    return family.name


def _estimates(model: Model, optimum: Optimum) -> torch.Tensor:
    """The reported coefficients, with all the digits of least squares, which has a single predictor and no limit."""
    if optimum.low is None:
        return model.reported(optimum.theta)
    (standardization,) = model.standardizations
    return standardization.precise_coefficients(optimum.theta, optimum.low)


def _coefficients(
    found: Maximum,
    working: Covariance,
    references: Sequence[Reference],
    level: float,
    dropped: bool,
    unsupported: Mapping[int, str],
) -> tuple[tuple[Coefficient, ...], torch.Tensor | LowRank]:
    """Rows for every term of every formula, and the covariance aligned with them; aliased terms are NaN."""
    model, whole = found.model, found.whole
    separated = None if dropped else found.separated
    size = len(model.names)
    kept = torch.tensor(model.kept)
    estimates = torch.full((size,), math.nan, dtype=torch.float64)
    estimates[kept] = _estimates(model, found.optimum)
    matrix = among(size, kept, model.reported_covariance(working.matrix, working.half))
    errors = torch.sqrt(matrix.diagonal()).tolist()
    inside = dict(zip(model.kept, references, strict=True))
    without = {model.kept[place]: reason for place, reason in unsupported.items()}
    if found.flat is not None:
        without |= {model.kept[place]: "not_identified" for place in found.flat.places}
    ends: dict[int, float] = {}
    if separated is not None:
        places = (whole or model).kept
        without |= {places[place]: "not_identified" for place in separated.undetermined}
        without |= {places[place]: "infinite" for place in separated.infinite}
        ends = {
            places[place]: math.copysign(math.inf, term.direction) if term.direction else math.nan
            for place, term in zip(separated.infinite, separated.terms, strict=True)
        }
    matrix = without_places(matrix, torch.tensor(sorted(without), dtype=torch.int64))
    rows = []
    for at, ((parameter, term), estimate) in enumerate(zip(model.names, estimates.tolist(), strict=True)):
        error = math.nan if at in without else errors[at]
        status = without.get(at, None if at in inside else "aliased")
        estimate = ends.get(at, math.nan if separated is not None and at in without else estimate)
        if status is None and found.optimum.edge:
            status = "boundary"
        if parameter in model.limits:
            estimate, status = end_of(model, parameter), "at_limit"
        reference = inside.get(at, Reference(None))
        rows.append(wald.coefficient(parameter, term, estimate, error, status, reference, level))
    return tuple(rows), matrix


def _profiled(
    found: Maximum,
    rows: Sequence[Coefficient],
    unit: float,
    references: Sequence[Reference],
    level: float,
    terms: Collection[str] | None,
) -> tuple[tuple[Coefficient, ...], list[Finding]]:
    """The rows with tests and intervals from profile likelihoods, and which of them there are none for."""
    model = found.model
    if found.bread is None:
        return tuple(rows), []
    reported = reported_directions(model)
    directions = {at: (reported[place], references[place]) for place, at in enumerate(model.kept)}
    theta, covariance = found.optimum.theta, unit * full(found.bread)
    out, failed = profiled(found.objective, theta, covariance, unit, rows, directions, level, terms)
    labels = dict(zip(model.kept, model.labels, strict=True))
    return out, [diagnose.not_profiled([labels[at] for at in failed])] if failed else []


def auxiliary(data: Data, model: Model, coefficients: Sequence[Coefficient]) -> tuple[Auxiliary, ...]:
    """Parameters without covariates on their natural scales; the delta method, and intervals mapped by the link."""
    rows = []
    for parameter in model.family.parameters[1:]:
        own = [c for c in coefficients if c.parameter == parameter.name]
        if parameter.scale == "predictor":  # of no natural scale of its own
            continue
        if len(own) == 1 and own[0].term == "Intercept":
            rows.append(wald.natural(parameter.name, parameter, model.links[parameter.name], own[0]))
        elif parameter.name in data.spec.fixed and parameter.name != "phi":
            rows.append(wald.held(parameter.name, data.spec.fixed[parameter.name]))
    for setting in model.family.settings:
        rows.append(wald.held(setting, data.spec.fixed[setting]))
    return tuple(rows)
