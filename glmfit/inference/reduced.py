"""CR2: clustered covariances without bias if the model is right, and Satterthwaite's degrees of freedom for each test.

    M = sum_g s_g s_g',   s_g = X_g' W_g A_g r_g,   A_g = D (D B_g D)^(-1/2) D,   D = W_g^(-1/2)

r = y - mu, X = d mu / d theta, W^-1 the variance of r if the model is right, B_g = W_g^-1 - X_g (X'WX)^-1 X_g' what the
fit leaves of it (Bell & McCaffrey 2002; Pustejovsky & Tipton 2018, JBES 36, 672-683; R package clubSandwich).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from glmfit.errors import ModelError
from glmfit.model import Likelihood, Rows
from glmfit.numerics import Optimum

OWN = 1e-10  # what others know of a direction, relative to what one cluster does, below which they know nothing
EVEN = 1e-12  # weights that differ by less than this, relative to their mean, are the same
VANISHES = 1e-9  # singular values below this, relative to the largest, are 0
MOST_ROWS = 3_000  # of a cluster with uneven weights, which takes a matrix of its own size squared


@dataclass(frozen=True, slots=True)
class Reduced:
    """The meat (p, p), degrees of freedom (p,) of the reported coefficients, directions (p, q) of one cluster alone."""

    meat: Tensor
    df: Tensor
    blind: Tensor


@dataclass(frozen=True, slots=True)
class _Cluster:
    """W^(1/2) X (n, p), W^(1/2) r (n,) and W (n,) of the rows of a cluster."""

    x: Tensor
    residuals: Tensor
    weight: Tensor


@dataclass(frozen=True, slots=True)
class _Adjusted:
    """s_g (p,); of P, whose trace gives E(variance): a'a (coefficients,) and C^-1 X'a (p, coefficients); own (p, q)."""

    sums: Tensor
    squares: Tensor
    moved: Tensor
    own: Tensor


def reduced(likelihood: Likelihood, optimum: Optimum, lower: Tensor, codes: Tensor, reported: Tensor) -> Reduced:
    """Of a model with one linear predictor; `lower` C (p, p) has C C' = X'WX, the expected information.

    The rows of `reported` (p, p) are the reported coefficients as functions of the working ones.
    """
    size = len(lower)
    contrasts = torch.linalg.solve_triangular(lower, reported.T, upper=False)
    meat, satterthwaite, own = torch.zeros((size, size), dtype=torch.float64), _Satterthwaite(size), []
    for cluster in _by_cluster(likelihood, optimum, codes):
        even = bool((cluster.weight - cluster.weight.mean()).abs().max() <= EVEN * cluster.weight.mean())
        found = (_of_even_weights if even else _of_uneven_weights)(cluster, lower, contrasts)
        meat += torch.outer(found.sums, found.sums)
        satterthwaite.add(found)
        own.append(found.own)
    return Reduced(meat, satterthwaite.df(), torch.linalg.solve_triangular(lower.T, torch.cat(own, dim=1), upper=True))


def _of_even_weights(cluster: _Cluster, lower: Tensor, contrasts: Tensor) -> _Adjusted:
    """A is (I - H)^(-1/2) then, and what it does to sums follows from J = C^-1 X'W X C^-T (p, p)."""
    half = torch.linalg.solve_triangular(lower, cluster.x.T @ cluster.x, upper=False)
    share, vectors = torch.linalg.eigh(torch.linalg.solve_triangular(lower, half.T, upper=False))
    left = 1 - share.clamp(0, 1)
    shared = left > OWN
    inverse = torch.where(shared, left, 1.0) ** -0.5 * shared
    score = torch.linalg.solve_triangular(lower, (cluster.x.T @ cluster.residuals)[:, None], upper=False)
    turned = vectors.T @ contrasts
    weights = ((1 - left) * inverse)[:, None]
    return _Adjusted(
        lower @ (vectors @ (inverse * (vectors.T @ score)[:, 0])),
        (weights * inverse[:, None] * turned**2).sum(dim=0),
        vectors @ (weights * turned),
        vectors[:, ~shared],
    )


def _of_uneven_weights(cluster: _Cluster, lower: Tensor, contrasts: Tensor) -> _Adjusted:
    """With R = (I - H)^(1/2) W^-1 = U S V', residuals are multiplied by V S^-1 V' W^-1."""
    n, weight = len(cluster.weight), cluster.weight / cluster.weight.mean()
    if n > MOST_ROWS:
        raise ModelError(
            "cluster_size",
            f"--small-sample cr2 takes a matrix of {n:,} x {n:,} numbers for a cluster of {n:,} rows",
            "leave --small-sample out, or cluster by a column with smaller clusters",
        )
    rows = torch.linalg.solve_triangular(lower, cluster.x.T, upper=False).T  # H = rows rows'
    left_vectors, sizes, right_vectors = torch.linalg.svd(rows, full_matrices=False)
    left = 1 - (sizes**2).clamp(0, 1)
    root = torch.eye(n, dtype=torch.float64) + (left_vectors * (torch.sqrt(left) - 1)) @ left_vectors.T
    _, values, vectors = torch.linalg.svd(root / weight)
    shared = values > VANISHES * values[0]
    inverse = torch.where(shared, 1 / torch.where(shared, values, 1.0), 0.0)
    adjust = (vectors.T * inverse) @ vectors / weight
    a = adjust.T @ (rows @ contrasts)
    return _Adjusted(
        cluster.x.T @ (adjust @ cluster.residuals), a.square().sum(dim=0), rows.T @ a, right_vectors[left <= OWN].T
    )


class _Satterthwaite:
    """Degrees of freedom of each variance, 2 E^2 / Var if the model is right, from sums over clusters.

    The variance of a coefficient is a quadratic form in the residuals; products of its matrix with the clusters are
    P_gh = [g = h] a_g'a_g - m_g'm_h, and 2 E^2 / Var is (tr P)^2 / tr P^2.
    """

    def __init__(self, size: int) -> None:
        self.trace, self.squares = torch.zeros(size, dtype=torch.float64), torch.zeros(size, dtype=torch.float64)
        self.products = torch.zeros((size, size, size), dtype=torch.float64)

    def add(self, cluster: _Adjusted) -> None:
        length = cluster.moved.square().sum(dim=0)
        self.trace += cluster.squares - length
        self.squares += cluster.squares * (cluster.squares - 2 * length)
        self.products += torch.einsum("ij,kj->jik", cluster.moved, cluster.moved)

    def df(self) -> Tensor:
        return self.trace**2 / (self.squares + self.products.square().sum(dim=(1, 2)))


def _inverse_variance(likelihood: Likelihood, chunk: Rows, etas: Sequence[Tensor]) -> Tensor:
    """(n,) w / V(mu) of the response; of successes out of trials that of their share, as in R's glm."""
    size = chunk.columns["trials"] if likelihood.family.trials else torch.ones_like(chunk.y)
    weight = chunk.square_weight / chunk.frequency
    return weight * likelihood.family.over_variance(size, *likelihood.natural(chunk, etas), **chunk.columns)


def _by_cluster(likelihood: Likelihood, optimum: Optimum, codes: Tensor) -> Iterator[_Cluster]:
    """Each cluster, once all of its rows are seen; f rows in one are sqrt(f) times that one."""
    remaining = torch.bincount(codes).tolist()
    begun: dict[int, list[Tensor]] = {}
    first = 0
    for chunk, etas, row in likelihood.rows(optimum.theta):
        x = chunk.predictors[0].X.dense()
        weight = -chunk.weight * likelihood.expected_rows(chunk, etas, row.h)[:, 0, 0]
        residuals = chunk.weight * row.g[:, 0] / torch.sqrt(weight)
        columns = torch.stack([residuals, _inverse_variance(likelihood, chunk, etas)], dim=1)
        rows = torch.cat([torch.sqrt(weight)[:, None] * x, columns], dim=1)
        here, order = torch.sort(codes[first : first + len(x)], stable=True)
        first += len(x)
        clusters, counts = torch.unique_consecutive(here, return_counts=True)
        for cluster, part in zip(clusters.tolist(), torch.split(order, counts.tolist()), strict=True):
            begun.setdefault(cluster, []).append(rows[part])
            remaining[cluster] -= len(part)
            if not remaining[cluster]:
                whole = torch.cat(begun.pop(cluster))
                yield _Cluster(whole[:, :-2].contiguous(), whole[:, -2].contiguous(), whole[:, -1].contiguous())
