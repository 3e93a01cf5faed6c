"""A penalised fit from start to end: data -> model -> path -> choice -> what is said of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from glmfit.errors import ModelError
from glmfit.estimate import start
from glmfit.estimate.check import inspection_of
from glmfit.inference import goodness, null_deviance
from glmfit.model import Likelihood, Model, assemble
from glmfit.result import Fitted
from glmfit.rows import Data
from glmfit.shrink.columns import Columns
from glmfit.shrink.crossval import cross_validated
from glmfit.shrink.path import begin, strengths, walk
from glmfit.shrink.penalty import beginning, penalty_of, total_weight
from glmfit.shrink.search import Point
from glmfit.shrink.summary import Found, summarise
from glmfit.shrinkage import Shrinkage

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
    columns = Columns(likelihood, total_weight(likelihood.chunks))
    search = begin(columns, theta, penalty, spec.tol, spec.max_iter)
    along, early = _strengths(asked, strengths(search.slope(), penalty, len(model.rows)))
    explained = share_explained(model, likelihood, columns, search.state.value, null)
    steps = walk(search, penalty, along, explained, early, progress)
    clock.append(time.perf_counter())
    found = Found(model, likelihood, penalty, steps, null, constants)
    if asked.cross_validated:
        losses, cv = cross_validated(data, model, asked, [step.strength for step in steps], progress)
        found = replace(found, losses=losses, cv=cv)
    fit = summarise(data, found, asked)
    clock.append(time.perf_counter())
    seconds = dict(zip(("design", "optimize", "inference"), (b - a for a, b in pairwise(clock)), strict=True))
    return replace(fit, seconds={"read": data.seconds, **seconds})


def _refuse(data: Data) -> None:
    """Raises for what has no penalised fit yet."""
    if data.family.shared_formula:
        message = f"a penalty is not offered for the {data.family.name} family"
        raise ModelError("shrinkage_excludes", message, "fit each category against the rest as binomial")
    if data.formula.smooths:
        message = "smooth terms have penalties of their own, whose strengths are found beside the fit"
        raise ModelError("shrinkage_excludes", message, "leave the penalty out, or write ns(x, 5) for s(x)")
    if data.spilled:
        message = "a path looks at the rows many times, and these are too many for the memory"
        raise ModelError("shrinkage_excludes", message, "give more with --memory, or a sample of the rows")


def _strengths(asked: Shrinkage, path: list[float]) -> tuple[list[float], float]:
    """The strengths to fit at, one that was asked for among them, and below which of them a path may end early."""
    if asked.only is not None:
        return [asked.only], 0.0
    if isinstance(asked.strength, str | None):
        return path, math.inf
    own = float(asked.strength)
    return sorted({*path, own}, reverse=True), own


def share_explained(
    model: Model, likelihood: Likelihood, columns: Columns, value: float, null: float
) -> Callable[[Point], float]:
    """The share of the null deviance that a point explains; `value` is the mean log-likelihood of a point of it."""
    family = model.family
    if len(model.rows.predictors) > 1 and not family.categories:  # the saturated model changes with further parameters
        return lambda point: math.nan
    if family.has_deviance:
        return lambda point: 1 - goodness(likelihood, point.theta).deviance / null
    if family.categories:
        return lambda point: 1 - point.value / value
    return lambda point: math.nan
