"""Covariances of many maxima at once: the kinds of `inference.covariance`, whose formulas these are, for m models each.

    hessian, expected   A^-1 phi           hc0 ... cluster   A^-1 M A^-1

A model whose scores say nothing of some direction, where a single fit would name terms or rows, is not plain.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from glmfit.model import Run, RunDerivatives, VaryingLikelihood
from glmfit.numerics.batch import inverses, unit_diagonals

SEEN_BY_ROWS = 1e-9  # share of the sum of squared scores, in standard errors, that each direction has of it
SEEN_BY_CLUSTERS = 1e-9  # the same of sums of clusters, beside the scores of rows
LEVERAGE = 1e-8  # less of a row than this that is not fitted by itself
FAR = 100.0  # times the distance to the maximum that sums of clusters vary by at least


@dataclass(frozen=True, slots=True, eq=False)
class Covariances:
    """Of m models: matrices (m, p, p), whether each is plain (m,), and of clusters how many there are (m,) or None."""

    matrix: Tensor
    plain: Tensor
    clusters: Tensor | None = None


def covariances(
    kind: str,
    batch: VaryingLikelihood,
    theta: Tensor,
    hessian: Tensor,
    which: Tensor,
    unit: Tensor,
    n: Tensor,
    clusters: Tensor | None,
) -> Covariances:
    """The covariances of `kind`; `unit` (m,) is phi over the phi held, `n` (m,) the numbers of observations.

    `clusters` are the codes (n,) of the rows that all share, where the kind is one of clusters.
    """
    bread, plain = inverses(-hessian)
    if clusters is not None:
        return _clustered(batch, theta, bread, plain, which, clusters)
    if kind == "hessian":
        return Covariances(unit[:, None, None] * bread, plain)
    if kind == "expected":
        expected, definite = inverses(-_expected(batch, theta, which))
        return Covariances(unit[:, None, None] * expected, plain & definite)
    if kind in ("hc2", "hc3"):
        meat, fine = _leverage_meat(kind, batch, theta, which)
        return Covariances(_sandwiched(bread, meat), plain & fine)
    meat = _meat(batch, theta, which)
    factor = torch.ones_like(n)
    if kind == "hc1":
        factor = n / (n - batch.size)
    elif kind == "sampling":
        factor = n / (n - 1)
    seen = _spectrum(bread, meat)
    plain = plain & (factor > 0) & torch.isfinite(factor) & (seen[:, 0] > SEEN_BY_ROWS * seen.sum(dim=1))
    return Covariances(factor[:, None, None] * _sandwiched(bread, meat), plain)


def _clustered(
    batch: VaryingLikelihood, theta: Tensor, bread: Tensor, plain: Tensor, which: Tensor, codes: Tensor
) -> Covariances:
    """G/(G-1) times what the sums of clusters leave; a model need not have rows of all of them."""
    m, count = len(which), int(codes.max()) + 1
    sums = torch.zeros((m, batch.size, count), dtype=torch.float64)
    members = torch.zeros((m, count), dtype=torch.float64)
    for run, row in batch.rows(theta, which):
        here = codes[run.chunk.part]
        members[run.part].index_add_(1, here, (run.weight > 0).double())
        for place, part in _scores(batch, run, row):
            sums[run.part, place] = sums[run.part, place].index_add(1, here, part)
    total = (members > 0).double().sum(dim=1)
    square = sums @ sums.mT
    rows, found = _spectrum(bread, _meat(batch, theta, which)), _spectrum(bread, square)
    gradient = sums.sum(dim=2)
    distance = torch.einsum("mp,mpq,mq->m", gradient, bread, gradient).clamp(min=0)
    least = torch.maximum(SEEN_BY_CLUSTERS * rows.sum(dim=1), FAR**2 * distance)
    plain = plain & (total > 1) & (found[:, 0] > least)
    factor = total / (total - 1)
    return Covariances(factor[:, None, None] * _sandwiched(bread, square), plain, total)


def _sandwiched(bread: Tensor, meat: Tensor) -> Tensor:
    product = bread @ meat @ bread
    return 0.5 * (product + product.mT)


def _spectrum(bread: Tensor, meat: Tensor) -> Tensor:
    """(m, p) the eigenvalues of L' M L with L L' = the bread, ascending; NaN where that is not possible."""
    scaled, scale = unit_diagonals(bread)
    factor, info = torch.linalg.cholesky_ex(scaled)
    root = scale[:, :, None] * factor
    inside = root.mT @ meat @ root
    fine = (info == 0) & torch.isfinite(inside).flatten(1).all(dim=1)
    inside = torch.where(fine[:, None, None], inside, 0.0)
    return torch.where(fine[:, None], torch.linalg.eigvalsh(0.5 * (inside + inside.mT)), torch.nan)


def _scores(batch: VaryingLikelihood, run: Run, row: RunDerivatives) -> list[tuple[int, Tensor]]:
    """The places of coefficients, with the weighted scores (m, n) of rows in each; a place may come twice."""
    found = []
    for k, predictor in enumerate(run.chunk.rows.predictors):
        g = batch.weighted(run, row.g[k])
        found += [(place, g * x) for place, x in zip(predictor.columns.tolist(), run.chunk.X[k].T, strict=True)]
        if k in batch.slots:
            found += [(place, g * z) for place, z in zip(batch.slots[k].tolist(), run.Z.unbind(1), strict=True)]
    return found


def _meat(batch: VaryingLikelihood, theta: Tensor, which: Tensor) -> Tensor:
    """(m, p, p) the sums of outer products of the rows' scores; a row of frequency f is f rows of score s/f each."""
    total = torch.zeros((len(which), batch.size, batch.size), dtype=torch.float64)
    for run, row in batch.rows(theta, which):
        g = [batch.weighted(run, one) / torch.sqrt(run.chunk.rows.frequency) for one in row.g]
        batch.add_products(total[run.part], run, {(j, k): g[j] * g[k] for j, k in row.h})
    return total


def _expected(batch: VaryingLikelihood, theta: Tensor, which: Tensor) -> Tensor:
    """(m, p, p) the Hessians with expected rows for the mean."""
    total = torch.zeros((len(which), batch.size, batch.size), dtype=torch.float64)
    for run, row in batch.rows(theta, which):
        h = _expected_rows(batch, run, row)
        batch.add_products(total[run.part], run, {(j, k): batch.weighted(run, h[:, j, k]) for j, k in row.h})
    return total


def _expected_rows(batch: VaryingLikelihood, run: Run, row: RunDerivatives) -> Tensor:
    """(m n, K, K) of rows laid end to end."""
    size = range(len(run.etas))
    observed = [torch.stack([row.h[min(j, k), max(j, k)] for k in size], dim=-1) for j in size]
    rows, etas = batch.end_to_end(run)
    return batch.likelihood.expected_rows(rows, etas, torch.stack(observed, dim=-2).flatten(0, 1))


def _leverage_meat(kind: str, batch: VaryingLikelihood, theta: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
    """(m, p, p) for hc2 and hc3, of models with one linear predictor, and where no row has a leverage of 1."""
    covariance, fine = inverses(-_expected(batch, theta, which))
    total = torch.zeros(covariance.shape, dtype=torch.float64)
    for run, row in batch.rows(theta, which):
        frequency, base = run.chunk.rows.frequency, batch.model.size
        each = run.weight / frequency
        X, Z, C = run.chunk.X[0], run.Z, covariance[run.part]
        order = run.chunk.rows.predictors[0].columns
        moved = torch.einsum("mpr,np->mnr", C[:, order, :], X) + torch.einsum("mqr,mqn->mnr", C[:, base:, :], Z)
        along = torch.einsum("mnr,nr->mn", moved[:, :, order], X) + torch.einsum("mnq,mqn->mn", moved[:, :, base:], Z)
        spare = 1 + each * _expected_rows(batch, run, row)[:, 0, 0].view(each.shape) * along
        here = run.weight > 0
        fine[run.part] &= ~((spare < LEVERAGE) & here).any(dim=1)
        scores = torch.sqrt(frequency) * each * row.g[0] / spare ** (0.5 if kind == "hc2" else 1.0)
        batch.add_products(total[run.part], run, {(0, 0): torch.where(here, scores, 0.0) ** 2})
    return total, fine
