"""Intervals of a likelihood that is no linear form: natural scales, profiles, replicates where rows are independent.

A replicate weighs rows by how often they are drawn. That is the likelihood of the rows drawn only where the value of a
row does not depend on the others, which is asked of the function itself: with half of the rows it has to give the same.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from glmfit.dense.columns import Reader
from glmfit.dense.likelihood import DenseLikelihood
from glmfit.errors import GlmfitError, ModelError, UsageError
from glmfit.estimate.bootstrap import Asked, Quantity, intervals, with_bootstrap
from glmfit.estimate.replicates import Progress, Replicates
from glmfit.estimate.resample import Units
from glmfit.inference import Reference, inverse_information, wald
from glmfit.inference.profiles import profiled
from glmfit.numerics import Optimum, cholesky, full, newton
from glmfit.result import Auxiliary, Coefficient, Fitted
from glmfit.trust import diagnose

if TYPE_CHECKING:
    from glmfit.dense.prepare import Dense

SAME = 1e-9  # relative: values of rows with and without the others


def natural_rows(model: Dense, coefficients: Sequence[Coefficient]) -> tuple[Auxiliary, ...]:
    """Constrained parameters on their natural scales, element by element, and those that are held."""
    each = iter(coefficients)
    rows = []
    for array in model.parameters.arrays:
        if array.held is not None:
            rows.append(wald.held(array.name, array.held))
            continue
        for term in array.labels:
            row = next(each)
            if array.link.name != "identity":
                rows.append(wald.natural(array.label(term), array.parameter, array.link, row))
    return tuple(rows)


def with_profiles(model: Dense, optimum: Optimum, fit: Fitted, terms: Collection[str] | None = None) -> Fitted:
    """The fit with tests and intervals of profile likelihoods, those of natural values mapped by their links."""
    bread = inverse_information(optimum)
    if bread is None:
        return fit
    eye = torch.eye(len(optimum.theta), dtype=torch.float64)
    directions = {at: (eye[at], Reference(None)) for at in range(len(eye))}
    rows, failed = profiled(
        model.likelihood, optimum.theta, full(bread), 1.0, fit.coefficients, directions, fit.level, terms
    )
    findings = [diagnose.not_profiled([model.parameters.labels[at] for at in failed])] if failed else []
    auxiliary = natural_rows(model, rows)
    return replace(fit, coefficients=rows, auxiliary=auxiliary, ci="profile", warnings=(*fit.warnings, *findings))


def with_replicates(
    model: Dense, optimum: Optimum, fit: Fitted, asked: Asked, progress: Progress | None = None
) -> Fitted:
    """The fit with intervals from replicates, fitted one by one."""
    by, units = _units(model, asked)
    _check_independent(model, optimum.theta)
    parts = units.left_out if asked.interval == "bca" else 0
    total = asked.replicates + parts
    estimates, status = np.full((total, len(optimum.theta)), math.nan), ["failed"] * total
    for b in range(total):
        repeats = units.repeats(b) if b < asked.replicates else units.without(b - asked.replicates)
        estimates[b], status[b] = _replicate(model, optimum, torch.from_numpy(repeats))
        if progress is not None:
            progress(b + 1, total)
    phi, cut = np.full(total, math.nan), asked.replicates
    own = Replicates(estimates[:cut], phi[:cut], status[:cut])
    without = Replicates(estimates[cut:], phi[cut:], status[cut:]) if parts else None
    found = intervals(_quantities(model), fit, own, without, replace(asked, by=by), fit.level)
    return with_bootstrap(fit, found)


def _units(model: Dense, asked: Asked) -> tuple[str, Units]:
    if asked.by == "parametric":
        message = f"{model.likelihood.path} says how likely data are, not how to draw them"
        raise ModelError("no_parametric_bootstrap", message, "draw rows: --bootstrap-by rows")
    n, named = len(model.table), asked.by
    if named is None:
        named = f"cluster:{next(iter(model.clusters))}" if len(model.clusters) == 1 else "rows"
    if named == "rows":
        frequency = model.likelihood.frequency
        return named, Units(np.arange(n), n, asked.seed, None if frequency is None else frequency.numpy())
    name = named.partition(":")[2]
    code = (model.drawn[name] if name in model.drawn else model.clusters[name]).numpy()
    return named, Units(code, int(code.max()) + 1, asked.seed)


def _check_independent(model: Dense, theta: Tensor) -> None:
    """`UsageError` where the function gives no value for each row, or one that depends on which others there are."""
    path, hint = model.likelihood.path, "use profile intervals: --ci profile, or confint --method profile"
    parts = model.likelihood.parts(theta)
    if not parts.shape:
        message = f"a bootstrap draws rows, and log_likelihood of {path} returns their sum"
        raise UsageError("needs_rows", message, hint)
    half = np.arange(0, len(model.table), 2)
    reader = model.likelihood.reader
    given = {name: value[half] if isinstance(value, Tensor) else value for name, value in reader.given.items()}
    fewer = Reader(reader.source, reader.table.keep(half), given)
    likelihood = DenseLikelihood(path, model.likelihood.function, model.parameters, fewer, None, None)
    try:
        same = torch.allclose(likelihood.parts(theta), parts[half], rtol=SAME, atol=SAME)
    except GlmfitError:  # what fails without the other rows depends on them
        same = False
    if not same:
        message = f"a bootstrap draws rows, and in log_likelihood of {path} the value of a row depends on other rows"
        raise UsageError("needs_rows", message, hint)


def _replicate(model: Dense, optimum: Optimum, repeats: Tensor) -> tuple[np.ndarray, str]:
    """The estimates (p,) with rows weighed anew, and their status."""
    own = model.likelihood
    weight = repeats if own.weight is None else own.weight * repeats
    likelihood = DenseLikelihood(own.path, own.function, own.parameters, own.reader, weight, own.frequency)
    missing = np.full(len(optimum.theta), math.nan)
    try:
        found = newton(likelihood, optimum.theta, model.spec.tol, model.spec.max_iter)
    except ModelError:
        return missing, "failed"
    if not found.converged or cholesky(-found.hessian) is None:
        return missing, "not_converged"
    return found.theta.numpy(), "ok"


def _quantities(model: Dense) -> Sequence[Quantity]:
    found: list[Quantity] = []
    for array in model.parameters.free:
        for term in array.labels:
            constant = None
            if array.link.name != "identity":
                constant = (array.label(term), array.parameter, array.link)
            found.append(Quantity(len(found), array.label(term), constant))
    return found
