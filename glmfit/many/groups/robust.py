"""Covariances of the coefficients of a panel: the kinds of `inference.covariance` that sum over rows, side by side."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from glmfit.many.groups.block import Block, Laid
from glmfit.many.groups.maximum import Maxima
from glmfit.numerics.batch import factors
from glmfit.spec import cluster_columns

SEEN = 1e-9  # share of the scores' spread below which a direction may be one that they do not see
LEVERAGE_ONE = 1e-8


@dataclass(frozen=True, slots=True)
class Covariances:
    """(B, p, p) of the working coefficients; `good` (B,) where nothing has to be said of them; the degrees of freedom
    (B,) of tests and the clusters, a column with the number (B,) of each group, where there are any."""

    matrix: Tensor
    good: Tensor
    df: Tensor | None = None
    clusters: tuple[str, Tensor] | None = None


def covariance(block: Block, laid: Laid, found: Maxima, unit: Tensor, n: Tensor) -> Covariances:
    """Those of the kind asked for; `unit` (B,) is phi over the phi held, `n` (B,) the observations."""
    spec, panel = block.data.spec, found.panel
    kind = spec.se or ("sampling" if spec.sampling_weights else "hessian")
    lower, good = factors(-found.at.hessian)
    bread = torch.cholesky_inverse(lower)
    if kind == "hessian":
        return Covariances(unit[:, None, None] * bread, good)
    row = panel.row_derivatives(found.theta)
    if kind == "expected" or spec.bread == "expected" or kind in ("hc2", "hc3"):
        expected_rows = panel.expected_rows(found.theta, row.h)
        lower, fine = factors(-panel.contracted(expected_rows))
        good &= fine
        expected = torch.cholesky_inverse(lower)
        if kind == "expected":
            return Covariances(unit[:, None, None] * expected, good)
        bread = expected if spec.bread == "expected" else bread
    weight, frequency = panel.weight, torch.where(panel.there, panel.frequency, 1.0)
    scores = torch.cat(
        [(weight * row.g[:, :, k])[:, None] * p.X for k, p in enumerate(panel.predictors)], dim=1
    )  # (B, p, m)
    if kind in ("hc2", "hc3"):
        (only,) = panel.predictors
        information = -(weight / frequency) * expected_rows[:, :, 0, 0]
        spare = 1 - information * ((expected @ only.X) * only.X).sum(dim=1)
        good &= (spare > LEVERAGE_ONE).all(dim=1)
        scores = scores / (frequency.sqrt() * spare ** (0.5 if kind == "hc2" else 1.0))[:, None]
        return Covariances(bread @ (scores @ scores.mT) @ bread, good)
    if cluster_columns(spec.se):
        return _clustered(block, laid, found, scores, bread, good)
    part = scores / frequency.sqrt()[:, None]
    meat = part @ part.mT
    good &= _seen(meat, bread)
    p = panel.size
    factor = {"hc0": torch.ones_like(n), "hc1": n / (n - p), "sampling": n / (n - 1)}[kind]
    good &= torch.isfinite(factor) & (factor > 0)
    return Covariances(factor[:, None, None] * (bread @ meat @ bread), good)


def _clustered(block: Block, laid: Laid, found: Maxima, scores: Tensor, bread: Tensor, good: Tensor) -> Covariances:
    """One way: sums of scores of the clusters of each group."""
    (name,) = cluster_columns(block.data.spec.se)
    panel = found.panel
    codes = torch.from_numpy(block.data.clusters[name])[laid.index]
    place = torch.arange(len(panel))[:, None] * (int(codes.max()) + 1) + codes
    known, pair = torch.unique(place.reshape(-1), return_inverse=True)
    rows = scores.permute(0, 2, 1).reshape(-1, panel.size)
    sums = torch.zeros((len(known), panel.size), dtype=torch.float64).index_add_(0, pair, rows)
    group = known // (int(codes.max()) + 1)
    counts = torch.bincount(group, minlength=len(panel)).to(torch.float64)
    meat = torch.zeros_like(bread).index_add_(0, group, sums[:, :, None] * sums[:, None, :])
    good = good & (counts > max(1, panel.size)) & _seen(meat, bread)
    factor = counts / (counts - 1)
    matrix = factor[:, None, None] * (bread @ meat @ bread)
    return Covariances(matrix, good, counts - 1, (name, counts.to(torch.int64)))


def _seen(meat: Tensor, bread: Tensor) -> Tensor:
    """(B,) whether the scores clearly vary in every direction of the coefficients."""
    root, fine = factors(bread)
    whitened = root.mT @ meat @ root
    trace = torch.diagonal(whitened, dim1=1, dim2=2).sum(dim=1)
    eye = torch.eye(meat.shape[1], dtype=torch.float64)
    return fine & factors(whitened - (SEEN * trace)[:, None, None] * eye)[1]
