"""What is said of a fit with random effects: as of any other, but the likelihood is the integrated one.

Standard errors are from its exact Hessian in all that is estimated together; with REML those of the mean's
coefficients, which are integrated, are from the curvature that they are integrated with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from glmfit.errors import Finding
from glmfit.estimate.blueprint import blueprint
from glmfit.estimate.described import reported_data, reported_model
from glmfit.estimate.flat import settled_flat_directions
from glmfit.estimate.law import law
from glmfit.estimate.mixed import MixedMaximum
from glmfit.estimate.placed import in_rows
from glmfit.estimate.smoothed import Units, by_expected, found_along, smooth_terms
from glmfit.estimate.summary import at_limit, auxiliary, end_of
from glmfit.estimate.variances import free_factor, random_effects
from glmfit.formula import smooth_of
from glmfit.formula.expression import render
from glmfit.inference import Reference, joint_tests, wald
from glmfit.numerics import Factor, LowRank, cholesky, curvature, full
from glmfit.penalty import PenalisedOwn
from glmfit.penalty.search import Free
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
from glmfit.smoothing import Freedom, freedom
from glmfit.smooths import Smoothing, SmoothTerm
from glmfit.trust import FlatDirections, diagnose, separation
from glmfit.version import __version__


def summarise_mixed(data: Data, found: MixedMaximum) -> Fitted:
    """Everything that is said of a maximum with random effects."""
    model, peak, spec = found.model, found.peak, data.spec
    flat = flat_of(found)
    free = _freedom(data, found)
    working = _covariance(found, flat, free)
    matrix = None if working is None else working[: model.size, : model.size]
    coefficients, reported = _coefficients(found, matrix, flat, spec.level)
    theta = model.reported(found.theta)
    reference = Reference(None)
    of_omega = None if working is None else working[model.size :, model.size :]
    random = random_effects(found, of_omega, spec.level, _level_variances(found, flat))
    if flat is not None and _not_identified(found, flat):  # a share of what grows for ever is none
        random = replace(random, r2_marginal=math.nan, r2_conditional=math.nan)
    smooths = _smooths(data, found, free, coefficients, reported)
    of_smooths = {row.first for row in smooths}
    tests = joint_tests(coefficients, reported, model.terms, reference)
    own = sum(one.prior.rank for one in peak.laplace.of.terms if isinstance(one, PenalisedOwn))
    estimated = model.size + len(model.limits) - own + peak.laplace.of.sizes[1]
    value, optimum = found.value, peak.optimum
    return Fitted(
        version=__version__,
        model=reported_model(data, model),
        data=reported_data(data, numeric_codes(data.table, data.formula)),
        coefficients=coefficients,
        statistic=reference.statistic,
        level=spec.level,
        ci="wald",
        covariance=CovarianceSummary("hessian" if free is None else "bayesian", None, in_rows(reported)),
        dispersion=Dispersion(*_dispersion(data)),
        auxiliary=auxiliary(data, model, coefficients),
        joint_tests=tuple(test for test in tests if test.first not in of_smooths),
        random_effects=random,
        smooths=smooths,
        smoothing=_smoothing(data, found, free),
        fit=FitStatistics(
            log_likelihood=value,
            deviance=math.nan,
            null_deviance=math.nan,
            pearson_chi2=math.nan,
            aic=-2 * value + 2 * estimated,
            bic=-2 * value + math.log(model.n) * estimated,
            n_parameters=estimated,
            df_residual=model.n - (estimated if free is None else _mean_freedom(found, free)),
            df_null=model.n - len(model.with_constants),
        ),
        convergence=Convergence(
            status=optimum.status,
            converged=optimum.converged,
            optimizer=optimum.optimizer,
            iterations=optimum.iterations,
            gradient_max_abs=_largest_gradient(found),
            newton_decrement=optimum.decrement,
            message=optimum.message,
        ),
        identification=Identification(model.aliased, None, working is not None and flat is None),
        warnings=tuple(_findings(data, found, working, flat)),
        seconds={},
        blueprint=replace(
            blueprint(data, model, reference, theta), random=law(found, None if flat is not None else working)
        ),
    )


def _dispersion(data: Data) -> tuple[float, str]:
    """phi and how it was found: as a parameter with a formula, unless it is held, or known to be 1."""
    if "phi" in data.spec.fixed:
        return float(data.spec.fixed["phi"]), "fixed"
    return (math.nan, "modelled") if data.family.has_dispersion else (1.0, "fixed")


def names(found: MixedMaximum) -> list[str]:
    """What the arguments of the integrated likelihood are called: coefficients, then standard deviations."""
    labels = found.model.labels
    of = found.peak.laplace.of
    out = [labels[at] for at in of.kept.tolist()]
    for term in of.terms:
        out += [term.name] * term.prior.size
    return out


def flat_of(found: MixedMaximum) -> FlatDirections | None:
    """What the data do not determine of what is not integrated, by places among the free arguments."""
    peak = found.peak
    free = peak.free
    if not len(free):
        return None
    called = names(found)
    objective = Free(peak.laplace, peak.psi, free)
    labels = [called[at] for at in free.tolist()]
    flat = settled_flat_directions(objective, peak.optimum, _reference(found), labels)
    if flat is None:
        return None
    first = len(peak.laplace.of.kept)
    if not all(first <= int(free[at]) < first + found.parameters for at in flat.places):
        return flat
    terms = tuple(dict.fromkeys(labels[at] for at in flat.places))
    message = (
        f"the data do not determine the standard deviations of {', '.join(map(repr, terms))}: the likelihood rises or "
        "stays level as they change together (factors with the same groups of rows, effects that another term holds "
        "too); they have no standard errors"
    )
    return FlatDirections(flat.places, Finding("flat_direction", message, terms))


def _reference(found: MixedMaximum) -> Factor:
    """A factor of the information at the start, in what is free at the end."""
    begin = -found.peak.begin[found.peak.free[:, None], found.peak.free]
    found_there = cholesky(begin)
    return curvature.repaired(begin) if found_there is None else found_there


def _level_variances(found: MixedMaximum, flat: FlatDirections | None) -> Tensor:
    """Which of all omega (k,) take part in what the data do not determine."""
    of, peak = found.peak.laplace.of, found.peak
    out = torch.zeros(len(peak.psi), dtype=torch.bool)
    if flat is not None:
        out[peak.free[list(flat.places)]] = True
    return out[len(of.kept) :]


def _freedom(data: Data, found: MixedMaximum) -> Freedom | None:
    """How free the coefficients are where some are those of smooths."""
    model, of = found.model, found.peak.laplace.of
    if not model.smooths:
        return None
    expected = by_expected(model, found.peak.integrated.likelihood, data.spec, found_along(model))
    return freedom(of, found.peak.integrated, expected, model.size)


def _mean_freedom(found: MixedMaximum, free: Freedom) -> float:
    """The effective degrees of freedom of the mean, or of everything where the family has no deviance."""
    model = found.model
    counted = [
        one for one in model.rows.predictors if not model.family.has_deviance or one.parameter == model.family.main
    ]
    own = free.edf[torch.unique(torch.cat([one.columns for one in counted]))]
    names = {one.parameter for one in counted}
    beside = zip(found.columns, free.beside, strict=True)
    return float(own.sum()) + sum(edf for one, edf in beside if one.term.parameter in names)


def _smooths(
    data: Data, found: MixedMaximum, free: Freedom | None, coefficients: Sequence[Coefficient], matrix: Tensor
) -> tuple[SmoothTerm, ...]:
    """Their rows; strengths are those of a penalty in units of phi where that is a constant."""
    if free is None:
        return ()
    model, phi = found.model, _constant_phi(data, found)
    df = None if phi is None or "phi" in data.spec.fixed else model.n - _mean_freedom(found, free)
    return smooth_terms(model, free, coefficients, matrix, Units(phi or 1.0, 1.0), df)


def _constant_phi(data: Data, found: MixedMaximum) -> float | None:
    """phi where the family has one that is the same for all rows."""
    if not data.family.has_dispersion:
        return None
    if "phi" in data.spec.fixed:
        return float(data.spec.fixed["phi"])
    if "phi" not in found_along(found.model):
        return None
    predictor = next(one for one in found.model.rows.predictors if one.parameter == "phi")
    return float(found.model.links["phi"].inverse(found.model.reported(found.theta)[predictor.columns[0]]))


def _smoothing(data: Data, found: MixedMaximum, free: Freedom | None) -> Smoothing | None:
    if free is None:
        return None
    edf, phi = float(free.edf.sum()) + sum(free.beside), _constant_phi(data, found)
    return Smoothing("reml" if found.reml else "ml", -found.value, edf, phi or 1.0, math.nan)


def _covariance(found: MixedMaximum, flat: FlatDirections | None, free: Freedom | None) -> Tensor | None:
    """(p + k, p + k) of the fixed coefficients in working coordinates, and of all omega; 0 for those that are held.

    None where the likelihood has no peak in what is free and not flat.
    """
    peak, of = found.peak, found.peak.laplace.of
    p, k = found.model.size, of.sizes[1]
    out = torch.zeros((p + k, p + k), dtype=torch.float64)
    if flat is None:
        lower = cholesky(-full(peak.optimum.hessian))
        inverse = None if lower is None else torch.cholesky_inverse(lower)
    else:
        inverse = diagnose.generalized_inverse(peak.optimum, _reference(found))
    if inverse is None:
        return None
    place = torch.cat([of.kept, torch.arange(p, p + k)])[peak.free]
    out[place[:, None], place] = inverse
    if free is not None:
        out[:p, :p] += free.covariance
    elif len(of.taken):
        V = peak.integrated.inverse()
        own = torch.arange(len(of.taken))
        block = V.block(own) if isinstance(V, LowRank) else V[: len(own), : len(own)]
        out[of.taken[:, None], of.taken] = block
    return out


def _coefficients(
    found: MixedMaximum, matrix: Tensor | None, flat: FlatDirections | None, level: float
) -> tuple[tuple[Coefficient, ...], Tensor]:
    """Rows for every term of every formula, and the covariance aligned with them; NaN where there is none."""
    model = found.model
    size, kept = len(model.names), torch.tensor(model.kept)
    estimates = torch.full((size,), math.nan, dtype=torch.float64)
    estimates[kept] = model.reported(found.theta)
    covariance = torch.full((size, size), math.nan, dtype=torch.float64)
    if matrix is not None:
        moved = model.reported_covariance(matrix)
        assert isinstance(moved, Tensor)
        covariance[kept[:, None], kept] = moved
    unknown = _not_identified(found, flat)
    covariance[unknown, :] = covariance[:, unknown] = math.nan
    errors = torch.sqrt(torch.diagonal(covariance)).tolist()
    rows = []
    for at, ((parameter, term), estimate) in enumerate(zip(model.names, estimates.tolist(), strict=True)):
        status = "aliased" if at not in model.kept else "not_identified" if at in unknown else None
        if parameter in model.limits:
            estimate, status = end_of(model, parameter), "at_limit"
        rows.append(wald.coefficient(parameter, term, estimate, errors[at], status, Reference(None), level))
    return tuple(rows), covariance


def _not_identified(found: MixedMaximum, flat: FlatDirections | None) -> list[int]:
    """Places among the reported coefficients of those along which the likelihood has no peak."""
    if flat is None:
        return []
    of, peak = found.peak.laplace.of, found.peak
    places = [int(peak.free[at]) for at in flat.places]
    return [found.model.kept[int(of.kept[at])] for at in places if at < len(of.kept)]


def _largest_gradient(found: MixedMaximum) -> float:
    """The largest |d logL / d coefficient| of the columns as they are, and of what the variances are made of."""
    model, peak, of = found.model, found.peak, found.peak.laplace.of
    whole = torch.zeros(len(peak.psi), dtype=torch.float64)
    whole[peak.free] = peak.optimum.gradient
    fixed = torch.zeros(model.size, dtype=torch.float64)
    fixed[of.kept] = whole[: len(of.kept)]
    return float(torch.cat([model.reported_gradient(fixed), whole[len(of.kept) :]]).abs().max())


def _findings(data: Data, found: MixedMaximum, working: Tensor | None, flat: FlatDirections | None) -> list[Finding]:
    model, peak = found.model, found.peak
    out = [*data.table.findings, *data.response.findings]
    checks: list[Finding | None] = []
    if flat is None and not peak.optimum.converged:
        message = f"{peak.optimum.optimizer} {peak.optimum.message}: do not use these estimates"
        checks.append(Finding("not_converged", message))
    if flat is not None:
        checks.append(_separated(found) or flat.finding)
    elif working is None:
        called = names(found)
        checks.append(diagnose.not_a_maximum(peak.optimum.hessian, [called[at] for at in peak.free.tolist()]))
    checks += _at_the_boundary(found)
    checks += _slopes_alone(found)
    checks.append(at_limit(model))
    checks.append(diagnose.aliased(model.aliased, model.aliases))
    return [*out, *(finding for finding in checks if finding is not None)]


def _separated(found: MixedMaximum) -> Finding | None:
    """That the fixed terms separate the data, if that is why the likelihood has no peak."""
    model = found.model
    if not model.family.has_recession:
        return None
    decision = separation.decide(model, found.theta)
    return None if decision.separated is None else diagnose.separation(decision.separated, model.labels)


def _at_the_boundary(found: MixedMaximum) -> list[Finding]:
    """Variances of 0, correlations of 1 and other ties of effects, with the model that is left."""
    out = []
    for place, term in enumerate(random_effects(found, None, 0.95).terms):
        zero = [one.effect for one in term.deviations if one.status == "boundary"]
        where = f"{term.term} of {term.parameter}"
        if zero:
            what = "the standard deviation" if len(zero) == 1 else "standard deviations"
            left = (
                f"all other estimates are those of the model without {term.term}"
                if len(zero) == len(term.deviations)
                else f"all other estimates are those of the model in which {' and '.join(zero)} have the same "
                f"coefficient in each {term.group}"
            )
            message = f"{what} of {' and '.join(zero)} in {where} is estimated at 0: {left}"
            out.append(Finding("zero_variance", message, (term.term,)))
        tied = [one for one in term.correlations if one.status == "boundary" and not math.isnan(one.estimate)]
        if tied:
            pairs = ", ".join(f"{one.first} and {one.second} ({one.estimate:+.0f})" for one in tied)
            message = (
                f"effects in {where} are correlated by 1 or -1, {pairs}: the likelihood is highest where one of the "
                "effects is a multiple of the others"
            )
            out.append(Finding("perfect_correlation", message, (term.term,)))
        ways = int((free_factor(found, place)[0] != 0).any(dim=0).sum())
        if not tied and ways < len(term.deviations) - len(zero):
            message = (
                f"effects in {where} vary in {ways} ways alone: the likelihood is highest where one of them is a "
                "combination of the others, and correlations are at the edge of their range together"
            )
            out.append(Finding("perfect_correlation", message, (term.term,)))
    return out


def _slopes_alone(found: MixedMaximum) -> list[Finding]:
    """Effects that differ by level around 0, for want of a fixed effect of the same name."""
    out = []
    fixed: dict[str, set[str]] = {}
    for parameter, term in found.model.names:
        fixed.setdefault(parameter, set()).add(term)
    for formula in found.model.formulas:  # a smooth has a straight line in it
        smooths = [smooth_of(term.factors[0].tree) for term in formula.smooths]
        fixed.setdefault(formula.parameter, set()).update(render(one) for of in smooths for one in of.variables)
    for one in found.columns:
        parameter = one.term.parameter
        located = found.model.family.location and parameter == found.model.family.main
        alone = [name for name in one.effects if name not in fixed.get(parameter, set())]
        if located:
            alone = [name for name in alone if name != "Intercept"]
        if alone and one.of.terms and not _coded_apart(one.effects, fixed.get(parameter, set())):
            message = (
                f"{one.of.spelled} of {parameter} has effects of {', '.join(alone)} that vary around 0, as no fixed "
                "effect says around what"
            )
            out.append(Finding("random_without_fixed", message, tuple(alone)))
    return out


def _coded_apart(effects: tuple[str, ...], fixed: set[str]) -> bool:
    """Whether the effects are of all levels of a factor whose fixed effects are coded beside a constant."""
    stems = {name.partition("[")[0] for name in fixed if "[" in name}
    return "Intercept" in fixed and all("[" in name and name.partition("[")[0] in stems for name in effects)
