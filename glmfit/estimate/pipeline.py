"""A fit from start to end: data -> model -> maximum -> summary, and replicates where intervals are made of them."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace
from itertools import pairwise

from glmfit.errors import ModelError
from glmfit.estimate import absorbing, mixed, smoothed
from glmfit.estimate.bootstrap import asked_of, bootstrap, with_bootstrap
from glmfit.estimate.check import inspection_of
from glmfit.estimate.idle import without_idle
from glmfit.estimate.maximum import maximise
from glmfit.estimate.mixed import fitted_model, has_random
from glmfit.estimate.mixed_bootstrap import mixed_bootstrap
from glmfit.estimate.mixed_summary import summarise_mixed
from glmfit.estimate.receding import without_separated
from glmfit.estimate.replicates import Progress
from glmfit.estimate.summary import summarise
from glmfit.model import assemble
from glmfit.numerics import Trace
from glmfit.result import Fitted
from glmfit.rows import Data
from glmfit.rows.slips import numeric_codes
from glmfit.spec import ModelSpec

STAGES = ("design", "optimize", "inference")
MOST_SEARCHED = 1_000  # coefficients whose intervals are searched for one by one


def fit_data(
    data: Data,
    trace: Trace | None = None,
    progress: Progress | None = None,
    profiled: Collection[str] | None = None,
    spend: bool = False,
) -> Fitted:
    """The fit of prepared data; raises a `GlmfitError` where there can be none.

    `progress` is told of replicates that are done, `profiled` are the terms that need profiles, None all. With `spend`
    the data are of no use afterwards, and take up less memory.
    """
    clock = [time.perf_counter()]
    if has_random(data):
        return mixed_fit(data, trace, progress)
    if data.absorbed:
        data = without_idle(data)
    codes = numeric_codes(data.table, data.formula)
    model = assemble(data, spend)
    if profiled is None:
        _check_searches(model.size, data.spec)
    clock.append(time.perf_counter())
    search = maximise if model.absorbed is None else absorbing.maximise
    if model.smooths:
        search = smoothed.maximise
    found = search(model, data.spec, trace, inspection_of(data))
    while data.absorbed and found.separated is not None and data.spec.separation == "drop":
        data = without_separated(data, found)
        model = assemble(data, spend)
        found = search(model, data.spec, trace, None)
    clock.append(time.perf_counter())
    fit = summarise(data, found, codes, profiled)
    asked = asked_of(data.spec)
    if asked is not None:
        fit = with_bootstrap(fit, bootstrap(data, model, found, fit, asked, data.spec.level, progress))
    clock.append(time.perf_counter())
    seconds = (after - before for before, after in pairwise(clock))
    return replace(fit, seconds={"read": data.seconds, **dict(zip(STAGES, seconds, strict=True))})


def _check_searches(size: int, spec: ModelSpec) -> None:
    """`ModelError` where the end of each interval takes searches of its own, and there are very many of them."""
    if size <= MOST_SEARCHED:
        return
    searches = f"would search for both ends of {size:,} intervals, each with work of its own on {size:,} coefficients"
    if spec.ci == "profile":
        hint = (
            "leave it out, or name terms: glmfit confint MODEL DATA --terms TERM; or --absorb the factor of many levels"
        )
        raise ModelError("too_large", f"--ci profile {searches}", hint)
    if (spec.se or "").startswith("wild"):
        raise ModelError("too_large", f"--se {spec.se} {searches}", "use --se cluster:COLUMN, which does without")


def mixed_fit(data: Data, trace: Trace | None = None, progress: Progress | None = None) -> Fitted:
    """The fit of a model with random effects."""
    clock = [time.perf_counter()]
    data, model = fitted_model(data)
    clock.append(time.perf_counter())
    found = mixed.maximise(data, model, trace, inspection_of(data))
    clock.append(time.perf_counter())
    fit = summarise_mixed(data, found)
    asked = asked_of(data.spec)
    if asked is not None:
        fit = mixed_bootstrap(data, model, found, fit, asked, progress)
    clock.append(time.perf_counter())
    seconds = (after - before for before, after in pairwise(clock))
    return replace(fit, seconds={"read": data.seconds, **dict(zip(STAGES, seconds, strict=True))})
