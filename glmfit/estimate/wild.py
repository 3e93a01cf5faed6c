"""Tests and intervals of `--se wild:COL`: a fit's rows with those of a wild cluster bootstrap in place of Wald's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from glmfit.errors import Finding
from glmfit.estimate.maximum import Maximum, quadratic
from glmfit.inference import Reference, wild
from glmfit.numerics import full
from glmfit.numerics.profile import Search
from glmfit.result import Coefficient, WildBootstrap
from glmfit.rows import Data
from glmfit.spec import SEED
from glmfit.trust import diagnose, reported_map

REPLICATES = 9999


def cluster_codes(data: Data, found: Maximum) -> dict[str, Tensor]:
    """The clusters (n,) of the rows that the maximum is of, by the names of their columns."""
    clusters = {name: torch.from_numpy(codes) for name, codes in data.clusters.items()}
    if found.rest is None or found.separated is None:
        return clusters
    left = found.separated.left
    return {name: torch.unique(codes[left], return_inverse=True)[1] for name, codes in clusters.items()}


def bootstrapped(
    data: Data, found: Maximum, rows: Sequence[Coefficient], references: Sequence[Reference], level: float
) -> tuple[tuple[Coefficient, ...], WildBootstrap, list[Finding]]:
    """The rows with p-values and intervals by the bootstrap, how it was made, and what is to be said of it."""
    spec, model, out = data.spec, found.model, list(rows)
    ((_, codes),) = cluster_codes(data, found).items()
    seed = SEED if spec.seed is None else spec.seed
    made = wild.draws(spec.wild_weights, int(codes.max()) + 1, spec.replicates or REPLICATES, seed)
    reported = reported_map(model)
    failed: dict[str, list[str]] = {}
    bread = None if found.bread is None else full(found.bread)
    for place, at in enumerate(model.kept):
        row = out[at]
        if row.status is not None or bread is None or not row.std_error > 0:
            continue
        contrast = reported[place]
        error = math.sqrt(float(contrast @ bread @ contrast))
        statistics = _statistics(data, found, bread, contrast, codes, made)
        begin = references[place].quantile(level) * row.std_error / error
        test = wild.tested(statistics, made, row.estimate, error, level, begin)
        out[at] = replace(row, p_value=test.p_value, conf_low=test.low, conf_high=test.high)
        parts = {"p-value": test.p_value, "lower end": test.low, "upper end": test.high}
        missing = [part for part, value in parts.items() if math.isnan(value)]
        if missing:
            failed[model.labels[place]] = missing
    least = made.p_value(0)
    checks = [
        diagnose.not_bootstrapped(failed) if failed else None,
        diagnose.coarse_p_values(made.kind, made.codes.shape[1], least, 1 - level, enumerated=made.enumerated),
    ]
    how = WildBootstrap(
        made.kind,
        made.samples,
        made.enumerated,
        None if made.enumerated else seed,
        "residuals" if _is_linear(found) else "scores",
    )
    return tuple(out), how, [finding for finding in checks if finding is not None]


def _is_linear(found: Maximum) -> bool:
    """Whether residuals can be drawn anew: least squares, whose estimates are linear in the response."""
    return quadratic(found.likelihood) and len(found.model.rows.predictors) == 1


def _statistics(
    data: Data, found: Maximum, bread: Tensor, contrast: Tensor, codes: Tensor, made: wild.Draws
) -> wild.Statistics:
    likelihood, theta = found.likelihood, found.optimum.theta
    if _is_linear(found):
        return wild.linear(likelihood, theta, bread, contrast, codes, made)
    search = Search(found.objective, theta, bread, contrast, 1.0)
    return wild.scored(likelihood, search, contrast, codes, made, expected=data.spec.bread == "expected")
