"""The model asked for: the options that all commands share which fit one, and the specification that they make.

A command that is marked `takes_model` has one parameter for all of them, `spec`, in whose place they stand.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from glmfit.commands import options, random
from glmfit.commands.output import say
from glmfit.commands.progress import progress
from glmfit.commands.reading import takes_data
from glmfit.commands.shrink import takes_penalty
from glmfit.reading import PLAIN, Reading
from glmfit.shrinkage import Shrinkage
from glmfit.spec import ModelSpec
from glmfit.watch import watching


@takes_penalty
@takes_data
def asked_for(
    formulas: options.Formulas = None,
    y: options.Y = None,
    x: options.X = None,
    family: options.FamilyName = "gaussian",
    link: options.Link = None,
    fix: options.Fix = None,
    no_intercept: options.NoIntercept = False,
    offset: options.Offset = None,
    exposure: options.Exposure = None,
    success: options.Success = None,
    levels: options.Levels = None,
    base: options.Base = None,
    relax: options.Relax = None,
    absorb: options.Absorb = None,
    group: options.GroupColumn = None,
    event: options.Event = None,
    censor: options.Censor = None,
    weights: options.Weights = None,
    freq_weights: options.FreqWeights = None,
    sampling_weights: options.SamplingWeights = None,
    where: options.Where = None,
    missing: options.Missing = "drop",
    reading: Reading = PLAIN,
    dispersion: options.DispersionOption = None,
    se: options.Se = None,
    small_sample: options.SmallSample = None,
    wild_weights: options.WildWeights = None,
    replicates: options.Replicates = None,
    seed: options.Seed = None,
    bread: options.Bread = None,
    ci: options.Ci = "wald",
    bootstrap_by: options.BootstrapBy = None,
    level: options.Level = "0.95",
    bias_reduction: options.BiasReduction = None,
    reml: random.Reml = False,
    quadrature: random.Quadrature = None,
    penalty: Shrinkage | None = None,
    smoothing: options.Smoothing = None,
    optimizer: options.OptimizerOption = "newton",
    max_iter: options.MaxIter = "100",
    tol: options.Tol = "1e-8",
    start: options.Start = None,
    separation: options.SeparationOption = "report",
    check_separation: options.CheckSeparation = False,
    memory: options.Memory = None,
    spill: options.Spill = None,
) -> ModelSpec:
    """What these options ask for."""
    return options.model_spec(
        formulas=formulas,
        y=y,
        x=x,
        no_intercept=no_intercept,
        family=family,
        link=link,
        fix=fix,
        weights=weights,
        freq_weights=freq_weights,
        sampling_weights=sampling_weights,
        offset=offset,
        exposure=exposure,
        success=success,
        levels=options.levels(levels),
        base=base,
        relax=options.items(relax),
        absorb=options.levels(absorb),
        group=group,
        event=event,
        censor=censor,
        dispersion=options.dispersion(dispersion),
        se=se,
        small_sample=small_sample,
        wild_weights=wild_weights,
        replicates=options.maybe_whole("--replicates", replicates),
        seed=options.maybe_whole("--seed", seed),
        bread=bread,
        ci=ci,
        bootstrap_by=bootstrap_by,
        level=options.number("--level", level),
        bias_reduction=bias_reduction,
        reml=reml,
        quadrature=options.maybe_whole("--quadrature", quadrature),
        shrinkage=penalty,
        smoothing=smoothing,
        where=where,
        missing=missing,
        reading=reading,
        optimizer=optimizer,
        max_iter=options.whole_number("--max-iter", max_iter),
        tol=options.number("--tol", tol),
        separation=separation,
        check_separation=check_separation,
        start=start,
        memory=memory,
        spill=spill,
    )


def takes_model(*without: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command with the options of a model, together its `spec`, `without` those that it has no use for."""
    shared = inspect.signature(asked_for, eval_str=True).parameters
    taken = [one for name, one in shared.items() if name not in without]

    def taking(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True)
        places = own.parameters.items()
        parameters = [new for name, one in places for new in (taken if name == "spec" else [one])]

        @functools.wraps(command)
        def with_model(**given: Any) -> None:
            spec = asked_for(**{one.name: given.pop(one.name) for one in taken})
            quiet = bool(given.get("quiet"))
            with progress("rows", quiet=quiet) as told, watching(None if quiet else say, told):
                command(**given, spec=spec)

        with_model.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        with_model.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return with_model

    return taking
