"""A penalised fit of `log_likelihood(params, data)`, such as Cox's, from start to end.

The penalty is on the vector with an element for each column of data.X; other parameters are estimated beside it. Rows
that were left out are judged by what they add to the log-likelihood: that of all rows less that of those fitted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from glmfit import result
from glmfit.dense import Dense, described, prepared
from glmfit.dense.columns import Reader
from glmfit.dense.intervals import natural_rows
from glmfit.dense.likelihood import DenseLikelihood
from glmfit.errors import ModelError
from glmfit.formula import INTERCEPT
from glmfit.result import Fitted
from glmfit.shrink.basis import Basis, Norms
from glmfit.shrink.crossval import averaged, blamed, validation
from glmfit.shrink.folds import folds_by
from glmfit.shrink.path import Step, along_which, begin, strengths, walk
from glmfit.shrink.penalty import Penalty, factors
from glmfit.shrink.told import REASON, Walk, chosen_of, coefficients_of, convergence_of, findings_of, shrunk_of
from glmfit.shrink.whole import Whole
from glmfit.shrinkage import Shrinkage
from glmfit.spec import SEED, ModelSpec

Progress = Callable[[int, int], None]
MOST = 2_000  # coefficients: each that is looked at costs a reverse pass over all rows at every step


def fit_shrunk_whole(spec: ModelSpec, data: Any, progress: Progress | None = None) -> Fitted:
    """The penalised fit of the file that `spec.family` names; raises a `GlmfitError` where there can be none."""
    clock = [time.perf_counter()]
    asked = spec.shrinkage
    assert asked is not None
    _refuse(asked)
    model = prepared(spec, data)
    clock.append(time.perf_counter())
    penalty = _penalty(model, model.likelihood, asked)
    search = begin(_columns(model.likelihood, penalty), _beginning(model, penalty), penalty, spec.tol, spec.max_iter)
    path, early = along_which(asked, strengths(search.slope(), penalty, len(model.table)))
    steps = walk(search, penalty, path, lambda point, state: math.nan, early, progress)
    names = model.parameters.names
    found = Walk(penalty, steps, names, range(len(names)), (lambda theta: theta, lambda slope: slope))
    clock.append(time.perf_counter())
    if asked.cross_validated:
        found = _validated(model, asked, found, progress)
    clock.append(time.perf_counter())
    seconds = {"read": clock[1] - clock[0], "optimize": clock[2] - clock[1], "inference": clock[3] - clock[2]}
    return replace(_summarise(model, asked, found), seconds={"design": 0.0, **seconds})


def _refuse(asked: Shrinkage) -> None:
    for option, given in (("--group-terms", asked.group_terms), ("--group-categories", asked.group_categories)):
        if given:
            message = f"{option} is for families, and a log_likelihood has columns of data.X alone"
            raise ModelError("shrinkage_excludes", message, "leave it out, or write a log_density")


def _weights(likelihood: DenseLikelihood) -> Tensor:
    """(n,) of the rows."""
    return torch.ones(len(likelihood.data), dtype=torch.float64) if likelihood.weight is None else likelihood.weight


def _columns(likelihood: DenseLikelihood, penalty: Penalty) -> Whole:
    return Whole(likelihood, float(_weights(likelihood).sum()), penalty.basis)


def _penalty(model: Dense, likelihood: DenseLikelihood, asked: Shrinkage) -> Penalty:
    """That on the first vector with an element for each column of data.X, in units of their standard deviations."""
    terms = tuple(likelihood.reader.given.get("terms", ()))
    main = next((array for array in model.parameters.free if terms and array.labels == terms), None)
    path = likelihood.path
    if main is None:
        message = f"{path}: no parameter has an element for each column of data.X, on which a penalty would be"
        hint = "give a formula, and in start a vector of zeros: torch.zeros(data.X.shape[1])"
        raise ModelError("nothing_penalised", message, hint)
    if len(terms) > MOST:
        message = f"data.X has {len(terms):,} columns, and the Hessian of {path} is found a coefficient at a time"
        hint = f"leave terms out, to {MOST:,} at most; a log_density(y, mu, ...) takes many more"
        raise ModelError("shrinkage_excludes", message, hint)
    names = model.parameters.names
    penalised = torch.tensor([parameter == main.name and term != INTERCEPT.name for parameter, term in names])
    labels = [term for _, term in names]
    factor = factors(labels, labels, asked, penalised)
    X, weight = likelihood.data.X, _weights(likelihood)
    own = torch.tensor([parameter == main.name for parameter, _ in names])
    spread = torch.ones_like(factor)
    mean = weight @ X / weight.sum()
    spread[own] = (weight @ (X - mean).square() / weight.sum()).sqrt()
    held = penalised & (spread == 0)
    stretch = torch.where(penalised & ~held & asked.standardize, 1 / spread, 1.0)
    return Penalty(asked.alpha, factor, torch.ones_like(factor), Norms(None), held, penalised, Basis(stretch))


def _beginning(model: Dense, penalty: Penalty) -> Tensor:
    """The file's start, where all that is penalised is 0."""
    return torch.where(penalty.covariates, 0.0, model.parameters.start())


def _validated(model: Dense, asked: Shrinkage, found: Walk, progress: Progress | None) -> Walk:
    """The same with what cross-validation says of it."""
    spec, whole = model.spec, model.likelihood
    path = [step.strength for step in found.steps]
    folds = folds_by(model.table, asked, SEED if spec.seed is None else spec.seed)
    losses, weights = [], []
    for fold in range(folds.count):
        inside = torch.from_numpy(folds.codes != fold)
        part = _kept(whole, inside)
        with blamed(fold):
            steps = _path_of(model, part, asked, path)
        weights.append(float(_weights(whole)[~inside].sum()))
        losses.append([2 * (_value(part, step) - _value(whole, step)) / weights[-1] for step in steps])
        if progress is not None:
            progress(fold + 1, folds.count)
    mean, error = averaged(losses, weights)
    cv = validation("-2 log-likelihood", folds, asked, path, mean, error)
    return replace(found, losses=list(zip(mean.tolist(), error.tolist(), strict=True)), cv=cv)


def _path_of(model: Dense, likelihood: DenseLikelihood, asked: Shrinkage, path: list[float]) -> list[Step]:
    spec, penalty = model.spec, _penalty(model, likelihood, asked)
    search = begin(_columns(likelihood, penalty), _beginning(model, penalty), penalty, spec.tol, spec.max_iter)
    return walk(search, penalty, path, lambda point, state: math.nan)


def _value(likelihood: DenseLikelihood, step: Step) -> float:
    return likelihood.along(step.point.theta, step.point.theta)(0.0)


def _kept(whole: DenseLikelihood, rows: Tensor) -> DenseLikelihood:
    """The likelihood of some of the rows, as if there were no others."""
    reader, place = whole.reader, rows.numpy()
    given = {name: value[rows] if isinstance(value, Tensor) else value for name, value in reader.given.items()}
    weight, frequency = (None if w is None else w[rows] for w in (whole.weight, whole.frequency))
    part = Reader(reader.source, reader.table.keep(place), given)
    return DenseLikelihood(whole.path, whole.function, whole.parameters, part, weight, frequency)


def _summarise(model: Dense, asked: Shrinkage, found: Walk) -> Fitted:
    """Everything that is said of a path."""
    chosen, choice = chosen_of(found, asked)
    step = found.steps[-1 if chosen is None else chosen]
    coefficients = coefficients_of(found, step, chosen is not None)
    left = int((step.point.theta != 0).sum()) if chosen is not None else 0
    value = _value(model.likelihood, step) if chosen is not None else math.nan
    nothing = math.nan
    statistics = result.FitStatistics(value, nothing, nothing, nothing, nothing, nothing, left, model.n - left, model.n)
    return replace(
        described(model),
        coefficients=coefficients,
        covariance=result.CovarianceSummary("none", None, None, reason=REASON),
        auxiliary=natural_rows(model, coefficients) if chosen is not None else (),
        shrinkage=shrunk_of(found, asked, chosen, choice),
        fit=statistics,
        convergence=convergence_of(found, step, chosen is None),
        warnings=(*model.findings, *findings_of(found)),
    )
