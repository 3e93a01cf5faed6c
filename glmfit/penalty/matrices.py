"""What a penalty does to a symmetric matrix, dense or bordered: P is added to it block by block, and read off again.

congruent: L^-1 M L^-T for M of the same form        block_sum: sum_i V[places_i, places_i] (d, d)
profiled: what the inverse over some places is less than the whole inverse
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from glmfit.numerics import Bordered, BorderedFactor, Factor, LowRank, Symmetric
from glmfit.numerics.bordered import solved
from glmfit.numerics.curvature import structured


def add_blocks(total: Symmetric, places: Tensor, P: Tensor, share: float = 1.0) -> None:
    """total[places_i, places_i] += share P for each i, places (m, d) and P (d, d)."""
    if isinstance(total, Tensor):
        total[places[:, :, None], places[:, None, :]] += share * P
        return
    assert isinstance(total, Bordered)
    level, slot, corner = _located(total, places)
    for a in range(places.shape[1]):
        for b in range(places.shape[1]):
            value = share * P[a, b]
            small = (level[:, a] >= 0) & (level[:, b] == level[:, a])
            total.blocks[level[small, a], slot[small, a], slot[small, b]] += value
            beside = (level[:, a] >= 0) & (level[:, b] < 0)
            total.border[level[beside, a], slot[beside, a], corner[beside, b]] += value
            rest = (level[:, a] < 0) & (level[:, b] < 0)
            total.corner[corner[rest, a], corner[rest, b]] += value


def block_sum(V: Tensor | LowRank, places: Tensor) -> Tensor:
    """sum_i V[places_i, places_i] (d, d) of an inverse V, for places (m, d)."""
    if isinstance(V, Tensor):
        return V[places[:, :, None], places[:, None, :]].sum(dim=0)
    return blocks_of(V, places).sum(dim=0)


def blocks_of(V: Tensor | LowRank, places: Tensor) -> Tensor:
    """(m, d, d) V[places_i, places_i]."""
    if isinstance(V, Tensor):
        return V[places[:, :, None], places[:, None, :]]
    rows = V.F[places]
    found = (rows @ V.K) @ rows.transpose(1, 2)
    level, slot = _levels(V.inner, len(V))
    level, slot = level[places], slot[places]
    met = (level[:, :, None] >= 0) & (level[:, :, None] == level[:, None, :])
    i, a, b = torch.nonzero(met, as_tuple=True)
    found[i, a, b] += V.blocks[level[i, a], slot[i, a], slot[i, b]]
    return found


def congruent(L: Factor, M: Symmetric) -> Symmetric:
    """L^-1 M L^-T, of the form of M.

    With L = [R 0; B'R^-T C] its blocks are R^-1 D R^-T, its border R^-1 (E - D W) C^-T, its corner
    C^-1 (S - W'E - E'W + W'D W) C^-T, where M = [D E; E' S] and W = R^-T R^-1 B.
    """
    if isinstance(L, Tensor):
        assert isinstance(M, Tensor)
        half = torch.linalg.solve_triangular(L, M, upper=False)
        return torch.linalg.solve_triangular(L, half.T, upper=False)
    assert isinstance(L, BorderedFactor)
    assert isinstance(M, Bordered)
    W = _back(L.roots, solved(L.roots, L.of.border))
    moved = M.blocks @ W
    half = solved(L.roots, M.border - moved)
    # Was: solve_triangular(L.lower.T, half, left=False), for which torch makes a copy of C for each level.
    border = torch.linalg.solve_triangular(L.lower, half.flatten(0, 1).T, upper=False).T.reshape(half.shape)
    flat, cross = W.flatten(0, 1), (M.border - 0.5 * moved).flatten(0, 1)
    product = flat.T @ cross
    corner = M.corner - product - product.T
    half = torch.linalg.solve_triangular(L.lower, corner, upper=False)
    corner = torch.linalg.solve_triangular(L.lower, half.T, upper=False)
    blocks = solved(L.roots, solved(L.roots, M.blocks).transpose(1, 2))
    return replace(M, blocks=blocks, border=border, corner=corner)


def flattened(M: Symmetric) -> Tensor:
    """The entries of a symmetric matrix such that tr(M N) is the inner product of two of these."""
    if isinstance(M, Tensor):
        return M.flatten()
    assert isinstance(M, Bordered)
    return torch.cat([M.blocks.flatten(), 2**0.5 * M.border.flatten(), M.corner.flatten()])


def diagonal(L: Factor) -> Tensor:
    """(p,) that of L L'."""
    return L.square().sum(dim=1) if isinstance(L, Tensor) else structured(L.square()).diagonal()


def inverse(L: Factor) -> Tensor | LowRank:
    """(L L')^-1."""
    return torch.cholesky_inverse(L) if isinstance(L, Tensor) else L.inverse()


def solve_columns(L: Factor, x: Tensor) -> Tensor:
    """(L L')^-1 x for x (p, r)."""
    if isinstance(L, Tensor):
        return torch.cholesky_solve(x, L)
    return L.solve(x)


def profiled(L: Factor, places: Tensor) -> tuple[Tensor, float]:
    """G (p, u) with (L L')^-1 - G G' the inverse over all other places, and log |(L L')^-1| over these."""
    x = torch.zeros((len(diagonal(L)), len(places)), dtype=torch.float64)
    x[places, torch.arange(len(places))] = 1.0
    columns = solve_columns(L, x)
    lower = torch.linalg.cholesky(columns[places])
    G = torch.linalg.solve_triangular(lower, columns.T, upper=False).T
    return G, 2 * float(torch.diagonal(lower).log().sum())


def without_profiled(V: Tensor | LowRank, G: Tensor) -> Tensor | LowRank:
    """V - G G'."""
    if isinstance(V, Tensor):
        return V - G @ G.T
    K = torch.block_diag(V.K, -torch.eye(G.shape[1], dtype=torch.float64))
    return replace(V, F=torch.cat([V.F, G], dim=1), K=K)


def _back(roots: Tensor, x: Tensor) -> Tensor:
    return x / roots if roots.shape[1] == 1 else torch.linalg.solve_triangular(roots.transpose(1, 2), x, upper=True)


def _levels(inner: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """For each of `size` places the small block that it is in, -1 for none, and where in it."""
    level, slot = torch.full((size,), -1), torch.zeros(size, dtype=torch.int64)
    m, d = inner.shape
    level[inner] = torch.arange(m)[:, None].expand(m, d)
    slot[inner] = torch.arange(d).expand(m, d)
    return level, slot


def _located(total: Bordered, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    level, slot = _levels(total.inner, len(total))
    corner = torch.zeros(len(total), dtype=torch.int64)
    corner[total.outer] = torch.arange(len(total.outer))
    return level[places], slot[places], corner[places]
