"""A fit of `log_likelihood(params, data)` from start to end: likelihood -> maximum -> Fit, with the same verdicts."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from glmfit import result
from glmfit.dense.intervals import natural_rows, with_profiles, with_replicates
from glmfit.dense.prepare import Dense, prepare
from glmfit.errors import Finding
from glmfit.estimate.blueprint import asked as asked_options
from glmfit.estimate.blueprint import file_hash
from glmfit.estimate.bootstrap import asked_of
from glmfit.estimate.flat import settled_flat_directions
from glmfit.estimate.replicates import Progress
from glmfit.families.userfile import load, split, stem
from glmfit.inference import Count, Covariance, Reference, inverse_information, sandwich, unsupported_places, wald
from glmfit.numerics import Optimum, Trace, full, newton, scipy_optimum, unit_diagonal
from glmfit.result import Blueprint, Coefficient, Fingerprint, Fitted
from glmfit.rows.fingerprint import hashed
from glmfit.spec import ModelSpec
from glmfit.table import open_data
from glmfit.trust import FlatDirections, diagnose
from glmfit.version import __version__

SINGULAR = 2e-14  # an eigenvalue of the information with unit diagonal below this is rounding error
FAR = 2.0  # standard errors, at which
LEVEL = 0.1  # a log-likelihood that has fallen by less has no peak


def fit_dense(
    spec: ModelSpec,
    data: Any,
    trace: Trace | None = None,
    progress: Progress | None = None,
) -> Fitted:
    """The fit of the file that `spec.family` names to whatever holds the data, as for `glmfit.fit_spec`."""
    clock = time.perf_counter()
    model = prepared(spec, data)
    read = time.perf_counter() - clock
    fit = fit_prepared(model, trace, progress)
    return replace(fit, seconds={"read": read, **fit.seconds})


def prepared(spec: ModelSpec, data: Any) -> Dense:
    """The likelihood of the file that `spec.family` names, on the rows of whatever holds the data."""
    path, _ = split(spec.family)
    return prepare(spec, open_data(data, spec.reading), path, load(path))


def fit_prepared(
    model: Dense,
    trace: Trace | None = None,
    progress: Progress | None = None,
    profiled: Collection[str] | None = None,
) -> Fitted:
    """The fit of a likelihood on its rows; `profiled` are the terms that need profiles, None all."""
    clock = time.perf_counter()
    optimum = _search(model, trace)
    flat = _flat(model, optimum)
    optimize, clock = time.perf_counter() - clock, time.perf_counter()
    fit = _summarise(model, optimum, flat)
    if model.spec.ci == "profile" and flat is None:
        fit = with_profiles(model, optimum, fit, profiled)
    asked = asked_of(model.spec)
    if asked is not None:
        fit = with_replicates(model, optimum, fit, asked, progress)
    seconds = {"design": 0.0, "optimize": optimize, "inference": time.perf_counter() - clock}
    return replace(fit, seconds=seconds)


def _search(model: Dense, trace: Trace | None) -> Optimum:
    spec, theta = model.spec, model.parameters.start()
    if spec.optimizer != "newton":
        return scipy_optimum(model.likelihood, theta, spec.optimizer, spec.max_iter, trace)
    return newton(model.likelihood, theta, spec.tol, spec.max_iter, trace)


def _flat(model: Dense, optimum: Optimum) -> FlatDirections | None:
    """What the data do not determine: singular information, or information that has vanished since the start.

    A start is the user's, and information may well shrink on the way from a bad one (where sigma grows from 1 to 1e6).
    So the likelihood is asked: it has a peak where it falls two standard errors away on either side.
    """
    labels = model.parameters.labels
    values, vectors = torch.linalg.eigh(unit_diagonal(-full(optimum.hessian))[0])
    singular = vectors[:, values.abs() < SINGULAR]
    if singular.shape[1]:
        share = singular.abs().amax(dim=1).tolist()
        return diagnose.undetermined([place for place, part in enumerate(share) if part > 0.1], labels)
    flat = settled_flat_directions(model.likelihood, optimum, optimum.reference, labels)
    bread = _bread(optimum)
    if flat is None or bread is None:
        return flat
    places = [place for place in flat.places if not _has_peak(model, optimum, bread[:, place], bread[place, place])]
    return diagnose.undetermined(places, labels) if places else None


def _bread(optimum: Optimum) -> Tensor | None:
    found = inverse_information(optimum)
    return None if found is None else full(found)


def _has_peak(model: Dense, optimum: Optimum, column: Tensor, variance: Tensor) -> bool:
    along = model.likelihood.along(optimum.theta, FAR * column / torch.sqrt(variance))
    return not any(along(side) >= optimum.value - LEVEL for side in (-1.0, 1.0))


def _summarise(model: Dense, optimum: Optimum, flat: FlatDirections | None) -> Fitted:
    """Everything that is said of a maximum."""
    spec, parameters = model.spec, model.parameters
    bread = _bread(optimum)
    if bread is None and flat is not None:
        bread = diagnose.generalized_inverse(optimum, optimum.reference)
    cov = _covariance(model, optimum, bread)
    if flat is not None:
        cov.whole[list(flat.places), :] = cov.whole[:, list(flat.places)] = math.nan
    errors = cov.whole if cov.bread is None else full(cov.bread)
    unsupported = unsupported_places(cov.blind, torch.sqrt(torch.diagonal(errors)), torch.clone)
    cov.whole[unsupported, :] = cov.whole[:, unsupported] = math.nan
    coefficients = _coefficients(model, optimum, cov, flat, unsupported)
    size = len(coefficients)
    pseudo = spec.sampling_weights is not None
    minus_two = math.nan if pseudo else -2 * optimum.value
    return replace(
        described(model),
        coefficients=coefficients,
        statistic=Reference(None if cov.df is None else float(cov.df[0])).statistic,
        covariance=result.CovarianceSummary(
            cov.kind,
            cov.correction,
            tuple(tuple(row) for row in cov.whole.tolist()),
            cov.clusters,
            None if cov.kind == "hessian" else "observed",
        ),
        auxiliary=natural_rows(model, coefficients),
        fit=result.FitStatistics(
            log_likelihood=optimum.value,
            deviance=math.nan,
            null_deviance=math.nan,
            pearson_chi2=math.nan,
            aic=minus_two + 2 * size,
            bic=minus_two + math.log(model.n) * size,
            n_parameters=size,
            df_residual=model.n - size,
            df_null=model.n,
        ),
        convergence=result.Convergence(
            status=optimum.status,
            converged=optimum.converged,
            optimizer=optimum.optimizer,
            iterations=optimum.iterations,
            gradient_max_abs=float(optimum.gradient.abs().max()),
            newton_decrement=optimum.decrement,
            message=optimum.message,
        ),
        identification=result.Identification(model.aliased, None, bread is not None and flat is None),
        warnings=(*model.findings, *_findings(optimum, bread, flat, cov, unsupported, parameters.labels)),
    )


def described(model: Dense) -> Fitted:
    """What is said of a likelihood and its data before anything is estimated."""
    n, nothing = model.n, math.nan
    return Fitted(
        version=__version__,
        model=_reported_model(model),
        data=result.DataSummary(model.table.source, model.table.rows_read, len(model.table), model.dropped),
        coefficients=(),
        statistic="z",
        level=model.spec.level,
        ci="wald",
        covariance=result.CovarianceSummary("none", None, None),
        dispersion=result.Dispersion(nothing, "none"),
        auxiliary=(),
        fit=result.FitStatistics(nothing, nothing, nothing, nothing, nothing, nothing, 0, n, n),
        convergence=result.Convergence("max_iter", False, "none", 0, nothing, nothing, ""),
        identification=result.Identification(model.aliased, None, True),
        warnings=(),
        seconds={},
        blueprint=_blueprint(model),
    )


def _blueprint(model: Dense) -> Blueprint:
    """Without linear predictors: what such a likelihood says of new rows is not known."""
    return Blueprint(
        family=model.spec.family,
        file_sha256=file_hash(model.spec.family),
        predictors=(),
        variables=(),
        terms=(),
        aliases=(),
        trials=(),
        trial_columns=(),
        levels={},
        transforms={},
        df=None,
        reading=model.spec.reading,
        asked=asked_options(model.spec),
        fingerprint=fingerprint(model),
    )


def fingerprint(model: Dense) -> Fingerprint:
    """Of the response, or where there is no formula of all columns that the file uses, and of the weights."""
    reader, weight = model.likelihood.reader, model.likelihood.weight
    response = reader.given.get("y")
    columns = [response] if isinstance(response, Tensor) else [reader.tensors[name] for name in sorted(reader.tensors)]
    return Fingerprint(
        rows=len(model.table),
        response=hashed(column.numpy() for column in columns),
        weights=None if weight is None else hashed([weight.numpy()]),
    )


def _covariance(model: Dense, optimum: Optimum, bread: Tensor | None) -> Covariance:
    """Of theta; NaN where there is no peak."""
    spec = model.spec
    kind = spec.se or ("sampling" if spec.sampling_weights else "hessian")
    if bread is None:
        return Covariance(torch.full_like(full(optimum.hessian), math.nan), kind)
    if kind == "hessian":
        return Covariance(bread, kind)
    return sandwich(kind, model.likelihood.scores(optimum.theta), bread, Count(model.n, len(bread)), model.clusters)


def _coefficients(
    model: Dense, optimum: Optimum, cov: Covariance, flat: FlatDirections | None, unsupported: Sequence[int]
) -> tuple[Coefficient, ...]:
    """A row for each element of theta, on the link scale."""
    without = dict.fromkeys(unsupported, "cluster_rank")
    if flat is not None:
        without |= dict.fromkeys(flat.places, "not_identified")
    errors = torch.sqrt(torch.diagonal(cov.whole)).tolist()
    references = [None] * len(errors) if cov.df is None else cov.df.tolist()
    rows = []
    for at, ((parameter, term), estimate) in enumerate(
        zip(model.parameters.names, optimum.theta.tolist(), strict=True)
    ):
        error = math.nan if at in without else errors[at]
        reference = Reference(references[at])
        rows.append(wald.coefficient(parameter, term, estimate, error, without.get(at), reference, model.spec.level))
    return tuple(rows)


def _findings(
    optimum: Optimum,
    bread: Tensor | None,
    flat: FlatDirections | None,
    cov: Covariance,
    unsupported: Sequence[int],
    names: Sequence[str],
) -> list[Finding]:
    found: list[Finding | None] = []
    if flat is not None:
        found.append(flat.finding)
    elif not optimum.converged:
        found.append(Finding("not_converged", f"{optimum.optimizer} {optimum.message}: do not use these estimates"))
    if flat is None:
        peak = bread is not None
        found.append(diagnose.collinearity(optimum, names) if peak else diagnose.not_a_maximum(optimum.hessian, names))
    if cov.clusters:
        found.append(diagnose.few_clusters(cov.clusters, []))
        found.append(diagnose.cluster_rank([names[place] for place in unsupported], cov.clusters))
    negative = torch.diagonal(cov.whole) < 0
    found.append(diagnose.negative_variance([name for name, below in zip(names, negative, strict=True) if below]))
    return [finding for finding in found if finding is not None]


def _reported_model(model: Dense) -> result.ModelSummary:
    spec, parameters = model.spec, model.parameters
    return result.ModelSummary(
        formulas=() if model.formula is None else model.formula.texts,
        response="" if model.formula is None else model.formula.response.label,
        family=stem(model.likelihood.path),
        links={array.name: array.link.name for array in parameters.arrays},
        fixed=dict(spec.fixed),
        freq_weights=spec.freq_weights,
        sampling_weights=spec.sampling_weights,
        main=(parameters.arrays[0].name,),
        measure=model.measure,
        where=spec.where,
    )
