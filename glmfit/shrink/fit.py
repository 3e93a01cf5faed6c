"""A penalised fit from start to end: data -> model -> path -> choice -> what is said of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise

import torch

from glmfit.errors import ModelError
from glmfit.estimate import start
from glmfit.estimate.check import inspection_of
from glmfit.inference import null_deviance
from glmfit.inference.dispersion import goodness_of_rows
from glmfit.model import Likelihood, Model, assemble
from glmfit.numerics import newton
from glmfit.result import Fitted
from glmfit.rows import Data
from glmfit.shrink.columns import Columns, State
from glmfit.shrink.crossval import cross_validated
from glmfit.shrink.path import along_which, begin, strengths, walk
from glmfit.shrink.penalty import beginning, penalty_of, total_weight
from glmfit.shrink.search import Point
from glmfit.shrink.summary import Found, summarise
from glmfit.shrink.told import Walk

Progress = Callable[[int, int], None]


def fit_shrunk(data: Data, progress: Progress | None = None) -> Fitted:
    """The penalised fit of prepared data; raises a `GlmfitError` where there can be none."""
    spec, asked = data.spec, data.spec.shrinkage
    assert asked is not None
    _refuse(data)
    clock = [time.perf_counter()]
    model = assemble(data)
    if model.holds_phi:
        model = model.held_at(1.0)
    inspection = inspection_of(data)
    if inspection is not None:
        inspection.call(model)
    penalty = penalty_of(model, asked)
    constants = start.constants(model, inspection)
    theta, likelihood = beginning(model, constants), model.likelihood()
    if inspection is not None:
        inspection.begin(likelihood, theta)
    clock.append(time.perf_counter())
    null = null_deviance(model, likelihood, theta, constants.get(model.family.main, math.nan))
    columns = Columns(likelihood, total_weight(likelihood.chunks), penalty.basis)
    search = begin(columns, theta, penalty, spec.tol, spec.max_iter)
    along, early = along_which(asked, strengths(search.slope(), penalty, len(model.rows)))
    explained = share_explained(model, likelihood, null, constants)
    steps = walk(search, penalty, along, explained, early, progress)
    clock.append(time.perf_counter())
    names = [model.names[at] for at in model.kept]
    path = Walk(penalty, steps, names, model.kept, (model.reported, model.reported_gradient))
    if asked.cross_validated:
        losses, cv = cross_validated(data, model, asked, [step.strength for step in steps], progress)
        path = replace(path, losses=losses, cv=cv)
    fit = summarise(data, Found(model, likelihood, path, null, constants), asked)
    clock.append(time.perf_counter())
    seconds = dict(zip(("design", "optimize", "inference"), (b - a for a, b in pairwise(clock)), strict=True))
    return replace(fit, seconds={"read": data.seconds, **seconds})


def _refuse(data: Data) -> None:
    """Raises for what has no penalised fit yet."""
    if data.spec.shrinkage is not None and data.spec.shrinkage.group_categories and not data.family.shared_formula:
        message = f"--group-categories: the {data.family.name} family has no coefficients of several categories"
        raise ModelError("bad_strength", message, "leave it out: it is for multinomial")
    if data.formula.smooths:
        message = "smooth terms have penalties of their own, whose strengths are found beside the fit"
        raise ModelError("shrinkage_excludes", message, "leave the penalty out, or write ns(x, 5) for s(x)")
    if data.spilled:
        message = "a path looks at the rows many times, and these are too many for the memory"
        raise ModelError("shrinkage_excludes", message, "give more with --memory, or a sample of the rows")


def share_explained(
    model: Model, likelihood: Likelihood, null: float, constants: Mapping[str, float]
) -> Callable[[Point, State], float]:
    """The share of the null deviance that a point explains; that of categories is minus twice the log-likelihood."""
    family = model.family
    if family.categories:
        value = _null_of_categories(model, likelihood, constants) / total_weight(likelihood.chunks)
        return lambda point, state: 1 - point.value / value
    if len(model.rows.predictors) > 1 or not family.has_deviance:  # or the saturated model changes
        return lambda point, state: math.nan

    def explained(point: Point, state: State) -> float:
        pairs = zip(likelihood.chunks, state.etas, strict=True)
        deviance = sum(float(goodness_of_rows(likelihood, chunk, eta)[0].sum()) for chunk, eta in pairs)
        return 1 - deviance / null

    return explained


def _null_of_categories(model: Model, likelihood: Likelihood, constants: Mapping[str, float]) -> float:
    """The log-likelihood of the model without covariates, `constants` being near to it."""
    if not (model.has_intercept or model.family.location):
        return likelihood.value(torch.zeros(model.size, dtype=torch.float64))
    names = model.with_constants
    begin = torch.tensor([constants[name] for name in names], dtype=torch.float64)
    return newton(model.constants_only(names), begin).value
