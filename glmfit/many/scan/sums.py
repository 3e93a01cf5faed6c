"""What is said of many maxima from sums over their rows: dispersion, means on the boundary, too much spread.

All are made in one pass over the rows of all models, as the summary of a single fit makes them one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from glmfit.families import Family
from glmfit.model import Run, VaryingLikelihood
from glmfit.trust.diagnose import BOUNDARY
from glmfit.trust.spread import INSTEAD, kurtosis

NEAR_BOUNDARY = 2 * BOUNDARY  # fitted means this near to an end of their range are looked at one by one


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Of m models (m,) each: Pearson's chi-square, the deviance, the size of the means (as `Goodness` has them), the
    variance of the chi-square, whether a row has more than one trial, and whether nothing else is to be said."""

    pearson: Tensor
    deviance: Tensor
    size: Tensor
    variance: Tensor
    tried: Tensor
    plain: Tensor


def sums_of(batch: VaryingLikelihood, theta: Tensor, which: Tensor, wanted: frozenset[str]) -> Sums:
    """The sums of the models `which` at theta (m, p); those that are not `wanted` are NaN."""
    family, m = batch.model.family, len(which)
    found = {name: torch.zeros(m, dtype=torch.float64) for name in ("pearson", "size", "deviance", "variance")}
    for name in set(found) - wanted - ({"size"} if "pearson" in wanted else set()):
        found[name] += torch.nan
    tried, plain = torch.zeros(m, dtype=torch.bool), torch.ones(m, dtype=torch.bool)
    with torch.no_grad():
        for run in batch.runs(theta, which):
            natural = batch.likelihood.natural(run.rows, run.etas)
            if family.caution(*natural) is not None:
                plain[run.part] = False
            plain[run.part] &= _inside(family, natural[0], run)
            for name, terms in _terms(batch, run, natural, wanted).items():
                found[name][run.part] += torch.where(run.weight == 0, 0.0, terms.view(run.weight.shape)).sum(dim=1)
            if family.trials:
                many = (run.chunk.rows.columns["trials"] > 1).expand(run.weight.shape)
                tried[run.part] |= (many & (run.weight > 0)).any(dim=1)
    return Sums(found["pearson"], found["deviance"], found["size"], found["variance"], tried, plain)


def _terms(batch: VaryingLikelihood, run: Run, natural: list[Tensor], wanted: frozenset[str]) -> dict[str, Tensor]:
    """The terms (m, n) of each sum, weighted."""
    family, rows, shape = batch.model.family, run.rows, run.weight.shape
    out = {}
    square = run.weight * torch.exp(run.chunk.rows.log_prior)
    if "pearson" in wanted:
        mean = family.mean(*natural, **rows.columns)
        out["pearson"] = square * family.over_variance(rows.y - mean, *natural, **rows.columns).view(shape)
        out["size"] = square * family.over_variance(mean, *natural, **rows.columns).view(shape)
    if "deviance" in wanted:
        working = batch.likelihood.working(rows, run.etas)
        out["deviance"] = square * family.unit_deviance(rows.y, *working, **rows.columns).view(shape)
    if "variance" in wanted:
        out["variance"] = run.chunk.rows.frequency * (2 + kurtosis(family.name, natural[0], rows.columns).view(shape))
    return out


def _inside(family: Family, mu: Tensor, run: Run) -> Tensor:
    """(m,) whether no fitted mean is near to an end of its range."""
    if family.parameters[0].scale in ("identity", "predictor"):
        return torch.ones(len(run.weight), dtype=torch.bool)
    mu = mu.view(run.weight.shape)
    if family.trials:
        near = (mu < NEAR_BOUNDARY) | (mu > 1 - NEAR_BOUNDARY)
    else:
        there = run.weight > 0
        mean = torch.where(there, mu, 0.0).sum(dim=1) / there.sum(dim=1).clamp(min=1)
        near = mu < NEAR_BOUNDARY * (mean.clamp(min=1.0) if family.support.integer else mean)[:, None]
    return ~(near & (run.weight > 0)).any(dim=1)


def may_spread(family: Family) -> bool:
    """Whether the responses of a family may vary more than it allows."""
    return family.name in INSTEAD
