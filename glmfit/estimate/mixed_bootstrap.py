"""Bootstrap intervals of a fit with random effects: b from N(0, Sigma) and y from f(. | b) anew, and the fit again.

Rows of a level are not independent, so that none are drawn. A replicate ends as the fit does: a standard deviation may
be 0 in it, which counts as such, and its correlations are then missing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from glmfit.errors import ModelError
from glmfit.estimate.bootstrap import Asked, intervals, quantities, with_bootstrap
from glmfit.estimate.mixed import MixedMaximum, maximise_again
from glmfit.estimate.mixed_summary import flat_of
from glmfit.estimate.replicates import Progress, Replicates, in_places, side_by_side
from glmfit.estimate.resample import check_parametric, responses
from glmfit.estimate.variances import free_factor, sizes_and_correlations
from glmfit.inference import resampling
from glmfit.model import Model
from glmfit.random_effects import RandomEffects
from glmfit.result import Fitted
from glmfit.rows import Data
from glmfit.spec import ModelSpec
from glmfit.trust import FlatDirections, separation


@dataclass(frozen=True, slots=True, eq=False)
class Replicate:
    """Coefficients (q,) of the model; for each term its standard deviations, then correlations; how the fit ended."""

    coefficients: np.ndarray
    variances: np.ndarray
    status: str


def mixed_bootstrap(
    data: Data, model: Model, found: MixedMaximum, fit: Fitted, asked: Asked, progress: Progress | None
) -> Fitted:
    """The fit with percentile intervals of coefficients, constants, standard deviations and correlations."""
    check_parametric(data, model, "leave out --ci bootstrap: intervals are then Wald's")
    every = replicates(model, found, data.spec, asked, progress)
    count = len(every)
    estimates = np.stack([one.coefficients for one in every])
    own = Replicates(estimates, np.full(count, math.nan), [one.status for one in every])
    assert fit.random_effects is not None
    variances = np.stack([one.variances for one in every])
    random, missing = _with_ends(fit.random_effects, variances, data.spec.level)
    asked = replace(asked, by="parametric")
    ends = intervals(quantities(model, fit), fit, own, None, asked, data.spec.level, missing)
    return replace(with_bootstrap(fit, ends), random_effects=random)


def drawn(found: MixedMaximum, random: np.random.Generator) -> np.ndarray:
    """(n,) responses at the estimates, given effects that are drawn for all levels."""
    integrated = found.peak.integrated
    theta = integrated.theta.clone()
    for at, (one, places) in enumerate(zip(found.columns, found.places, strict=True)):
        L = free_factor(found, at)[0] * one.scale[:, None]
        theta[places] = torch.from_numpy(random.standard_normal(tuple(places.shape))) @ L.T
    return responses(integrated.likelihood, theta, random)


def replicates(
    model: Model, found: MixedMaximum, spec: ModelSpec, asked: Asked, progress: Progress | None
) -> list[Replicate]:
    """The fits, each to responses from a random stream of its own, made of the seed and its number."""
    spec = replace(spec, start={})

    def work(block: range) -> Replicate:
        y = torch.from_numpy(drawn(found, np.random.default_rng([asked.seed, block.start])))
        return _replicate(found, replace(model, rows=replace(model.rows, y=y)), spec)

    out: list[Replicate] = []
    for one in side_by_side([range(b, b + 1) for b in range(asked.replicates)], work):
        out.append(one)
        if progress is not None:
            progress(len(out), asked.replicates)
    return out


def _replicate(found: MixedMaximum, model: Model, spec: ModelSpec) -> Replicate:
    """The estimates of a model, that of `found` with other responses."""
    try:
        again = maximise_again(found, model, spec)
    except ModelError:
        sizes = sum(len(one.effects) * (len(one.effects) + 1) // 2 for one in found.columns)
        return Replicate(np.full(model.size, math.nan), np.full(sizes, math.nan), "failed")
    flat = flat_of(again)
    coefficients, status = _coefficients(again, flat, model)
    variances = [part for at in range(len(again.columns)) for part in sizes_and_correlations(again, at)]
    whole = torch.cat(variances)
    if status == "not_converged":
        coefficients, whole = torch.full_like(coefficients, math.nan), torch.full_like(whole, math.nan)
    elif flat is not None and int(again.peak.free[list(flat.places)].max()) >= len(again.peak.laplace.of.kept):
        whole = torch.full_like(whole, math.nan)  # a variance has no maximum either: where the search ended is none
    return Replicate(coefficients.numpy(), whole.numpy(), status)


def _coefficients(again: MixedMaximum, flat: FlatDirections | None, model: Model) -> tuple[Tensor, str]:
    """The coefficients (q,), infinite where fixed terms separate the responses, and how the fit ended."""
    out = in_places(again.model, again.theta, model)
    if flat is None:
        return out, "ok" if again.peak.optimum.converged else "not_converged"
    own = again.model
    separated = separation.decide(own, again.theta).separated if own.family.has_recession else None
    if separated is None:
        return out, "not_converged"
    place = {at: position for position, at in enumerate(model.kept)}
    places = [place[at] for at in own.kept]
    out[[places[at] for at in separated.undetermined]] = math.nan
    for at, term in zip(separated.infinite, separated.terms, strict=True):
        out[places[at]] = math.copysign(math.inf, term.direction) if term.direction else math.nan
    return out, "separated"


def _with_ends(fit: RandomEffects, variances: np.ndarray, level: float) -> tuple[RandomEffects, dict[str, int]]:
    """The terms with the ends from replicates (B, all of them), and how often there is none, by label.

    What is at the boundary has none: replicates of a standard deviation of 0 say nothing of a larger one.
    """
    at, terms = 0, []
    missing: dict[str, int] = {}
    ends = [resampling.percentile(column, level) for column in variances.T]
    for term in fit.terms:
        deviations, pairs = [], []
        for j, one in enumerate(term.deviations, start=at):
            gone = one.status == "boundary"
            deviations.append(one if gone else replace(one, conf_low=ends[j][0], conf_high=ends[j][1]))
            missing[f"{term.term}: SD {one.effect}"] = int(np.isnan(variances[:, j]).sum())
        at += len(deviations)
        for j, pair in enumerate(term.correlations, start=at):
            gone = pair.status == "boundary"
            pairs.append(pair if gone else replace(pair, conf_low=ends[j][0], conf_high=ends[j][1]))
            missing[f"{term.term}: corr {pair.first}, {pair.second}"] = int(np.isnan(variances[:, j]).sum())
        at += len(pairs)
        terms.append(replace(term, deviations=tuple(deviations), correlations=tuple(pairs)))
    return replace(fit, terms=tuple(terms)), missing
