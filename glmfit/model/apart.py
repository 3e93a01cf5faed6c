"""Rows of a model whose levels are set apart: their scores, summed, and their leverages, in O(q^2) a row.

sum_i f_i^2 s_i s_i' (p, p), bordered        S_g = sum of the s_i of cluster g        x_j' V x_k (n, K, K)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from glmfit.design import Split
from glmfit.model.likelihood import Likelihood, RowDerivatives
from glmfit.model.rows import Rows
from glmfit.numerics import Bordered, LowRank, Sums

CELLS = 4_000_000  # numbers of rows that are laid out at a time

Factors = Callable[[Rows, Sequence[Tensor], RowDerivatives], Tensor]


def meat(likelihood: Likelihood, theta: Tensor, factor: Factors) -> Bordered:
    """Of single rows; `factor` f (n,) times a row's own derivatives are its scores in the predictors."""
    total = likelihood.no_curvature()
    assert isinstance(total, Bordered)
    for chunk, etas, row in likelihood.rows(theta):
        g = factor(chunk, etas, row)[:, None] * row.g
        likelihood.add_hessian(total, chunk, g[:, :, None] * g[:, None, :])
    return total


def leverages(likelihood: Likelihood, chunk: Rows, covariance: LowRank) -> Tensor:
    """(n, K, K) of the rows of a chunk."""
    apart = likelihood.structure
    assert apart is not None
    return torch.cat([split.quadratic(covariance, apart) for _, split in _splits(likelihood, chunk)])


def cluster_sums(likelihood: Likelihood, theta: Tensor, codes: Mapping[str, Tensor]) -> dict[str, Sums]:
    """Z (p, G) of each of several ways to sum, with the codes (n,) of its clusters."""
    from scipy.sparse import csr_array

    apart = likelihood.structure
    assert apart is not None
    (m, d), q = apart.inner.shape, len(apart.outer)
    counts = {name: int(code.max()) + 1 for name, code in codes.items()}
    levels = {name: csr_array((m * d, count)) for name, count in counts.items()}
    others = {name: torch.zeros((count, q), dtype=torch.float64) for name, count in counts.items()}
    first = 0
    for chunk, _, row in likelihood.rows(theta):
        for part, split in _splits(likelihood, chunk):
            g = (chunk.weight[part, None] * row.g[part]).T[:, :, None]
            inner, outer = (g * split.inner).sum(dim=0), (g * split.outer).sum(dim=0)
            met = torch.nonzero(split.level >= 0)[:, 0]
            values, places = inner[met].flatten().numpy(), d * split.level[met, None] + torch.arange(d)
            for name, code in codes.items():
                here = code[first + part.start : first + part.stop]
                index = places.flatten().numpy(), here[met].repeat_interleave(d).numpy()
                levels[name] = levels[name] + csr_array((values, index), shape=levels[name].shape)
                others[name].index_add_(0, here, outer)
        first += len(chunk.y)
    return {name: Sums(apart.inner, apart.outer, levels[name], others[name]) for name in codes}


def _splits(likelihood: Likelihood, chunk: Rows) -> Iterator[tuple[slice, Split]]:
    """Rows of a chunk by their levels, as many at a time as can be laid out."""
    apart = likelihood.structure
    assert apart is not None
    step = max(1, CELLS // max(1, len(chunk.predictors) * len(apart.outer)))
    for start in range(0, len(chunk.y), step):
        part = slice(start, min(start + step, len(chunk.y)))
        yield part, apart.rows(chunk.rows(part).sides)
