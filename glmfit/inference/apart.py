"""Robust covariances of a model whose levels are set apart: every meat in the parts that its bread has.

    rows      M = sum_i s_i s_i'    bordered, for the scores of a row never meet two levels
    clusters  M = sum_g S_g S_g'    bordered where no cluster meets two levels, else Z Z' of sums Z sparse in levels

Nothing here is coefficients x coefficients. What sums do not see is looked for in each level, then in what is left:

    v'M v < tau v'A v    A the inverse of the bread; in a level's block first, and beside it with the level at its least
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from glmfit.inference.clusters import Unseen, least_seen, with_both
from glmfit.model import Likelihood
from glmfit.model.apart import cluster_sums, meat
from glmfit.numerics import Bordered, LowRank, Meat, Sums, cholesky
from glmfit.numerics.bordered import back_solved, solved

MOST_CLUSTERS = 3_000  # of which all pairs are looked at, where they cross levels,
MOST_SEEN = 40_000_000  # in so many numbers of what they see of coefficients


def of_rows(middle: Bordered, bread: LowRank, information: Bordered) -> tuple[LowRank, Unseen]:
    """The sandwich of a meat of single rows, and what these do not see."""
    unseen = _unseen(middle, information, least_seen(_trace(bread, middle)))
    return bread.sandwich([(1.0, middle)]), Unseen(unseen)


def of_clusters(
    likelihood: Likelihood, theta: Tensor, bread: LowRank, information: Bordered, clusters: Mapping[str, Tensor]
) -> tuple[LowRank, tuple[Unseen, ...]]:
    """The sandwich of one-way clusters, or of M1 + M2 - M12, and what each way does not see."""
    codes, signs = with_both(clusters)
    spread = _trace(bread, meat(likelihood, theta, lambda chunk, etas, row: chunk.weight))
    parts: list[tuple[float, Meat]] = []
    unseen = []
    for name, sums in cluster_sums(likelihood, theta, codes).items():
        middle = sums.bordered()
        parts.append((signs[name] * sums.count / (sums.count - 1), sums if middle is None else middle))
        if name in clusters:
            total = sums.total()
            distance = float(total @ bread.times(total[:, None])[:, 0])
            unseen.append(_not_seen(sums, middle, information, least_seen(spread, distance)))
    return bread.sandwich(parts), tuple(unseen)


def _trace(bread: LowRank, middle: Bordered) -> float:
    """tr(B M)."""
    own = float((bread.blocks * middle.blocks).sum())
    return own + float((bread.K * (bread.F.T @ middle.times(bread.F))).sum())


def _not_seen(sums: Sums, middle: Bordered | None, information: Bordered, least: float) -> Unseen:
    """What sums by cluster do not see.

    Where very many clusters cross levels, they are taken to see as much as sums of their number can, but for what can
    be told of each level alone, and of the others alone.
    """
    if middle is not None:
        return Unseen(_unseen(middle, information, least))
    size = len(information)
    if sums.count <= MOST_CLUSTERS and sums.count * size <= MOST_SEEN:
        return Unseen(_seen(sums, information, least), complement=True)
    poor = _with_few_clusters(sums, least * torch.diagonal(information.blocks, dim1=1, dim2=2).flatten())
    if poor is None:
        return Unseen(torch.zeros((size, 0), dtype=torch.float64), complement=True)
    blocks, d = torch.zeros_like(information.blocks), sums.inner.shape[1]
    for k in range(d):
        for other in range(d):
            blocks[:, k, other] = torch.from_numpy((sums.levels[k::d] * sums.levels[other::d]).sum(axis=1))
    blocks[poor] = 0.0
    none = torch.zeros_like(information.border)
    apart = Bordered(sums.inner, sums.outer, blocks, none, sums.others.T @ sums.others)
    return Unseen(_unseen(apart, information, least))


def _with_few_clusters(sums: Sums, least: Tensor) -> Tensor | None:
    """(m,) bool: levels in a network of levels and clusters with no more clusters than columns of levels; None where
    all networks have so few that nothing at all is seen.

    The scores of a level add up to 0, and so the sums of a network of G clusters have a rank of G - 1. Sums whose
    squares are below `least` (m d,) are 0.
    """
    from scipy.sparse import block_array
    from scipy.sparse.csgraph import connected_components

    m, d = sums.inner.shape
    level = sums.levels.tocoo()
    some = level.data**2 >= least.numpy()[level.row]
    met = type(level)((level.data[some], (level.row[some] // d, level.col[some])), shape=(m, sums.count))
    _, label = connected_components(block_array([[None, met], [met.T, None]]), directed=False)
    network = torch.from_numpy(label).long()
    columns = d * torch.bincount(network[:m], minlength=int(network.max()) + 1)
    clusters = torch.bincount(network[m:], minlength=len(columns))
    if bool(((columns > 0) & (columns >= clusters - 1))[clusters > 0].all()):
        return None
    return (columns > clusters - 1)[network[:m]]


def _seen(sums: Sums, information: Bordered, least: float) -> Tensor:
    """(p, r) the directions that sums see, of length 1 in standard errors: L^-T U of L^-1 Z = U S V', L L' = A."""
    lower = cholesky(information)
    assert lower is not None  # of an information that has an inverse
    turn, half = torch.linalg.qr(lower.half_solve(sums.dense()))
    vectors, values, _ = torch.linalg.svd(half, full_matrices=False)
    return lower.back_solve(turn @ vectors[:, values.square() > least])


def _unseen(middle: Bordered, information: Bordered, least: float) -> Tensor:
    """(p, r) directions v with v'M v < `least` v'A v, of length 1 in standard errors: v'A v = 1.

    Those of one level move it alone, and those of different levels, which never meet, are added up.
    """
    inner, outer = information.inner, information.outer
    roots = information.roots()
    assert roots is not None  # of an information that has an inverse
    half = solved(roots, solved(roots, middle.blocks).transpose(1, 2))
    values, vectors = torch.linalg.eigh(0.5 * (half + half.transpose(1, 2)))  # (m, d), (m, d, d)
    gone = values < least
    # What the level does where the border moves by z: at its least in M, and across what M does not see.
    seen = vectors.transpose(1, 2) @ solved(roots, middle.border) / torch.where(gone, 1.0, values)[:, :, None]
    across = vectors.transpose(1, 2) @ solved(roots, information.border)
    answer = torch.zeros((len(information), len(outer)), dtype=torch.float64)
    answer[inner] = -back_solved(roots, vectors @ torch.where(gone[:, :, None], across, seen))
    answer[outer] = torch.eye(len(outer), dtype=torch.float64)
    length = cholesky(answer.T @ information.times(answer))
    assert length is not None
    left = answer.T @ middle.times(answer)
    left = torch.linalg.solve_triangular(
        length, torch.linalg.solve_triangular(length, left, upper=False).T, upper=False
    )
    squares, turns = torch.linalg.eigh(0.5 * (left + left.T))
    beside = answer @ torch.linalg.solve_triangular(length.T, turns[:, squares < least], upper=True)
    own = torch.zeros((len(information), inner.shape[1]), dtype=torch.float64)
    own[inner] = back_solved(roots, vectors * gone[:, None, :])
    return torch.cat([own[:, gone.any(dim=0)], beside], dim=1)
