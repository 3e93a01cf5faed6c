"""What rows that depend on each other within clusters leave of the information: sums of scores, and what they see.

    M = sum_g S_g S_g',  S_g = sum of the scores of cluster g        two ways: M1 + M2 - M12, each with its G / (G - 1)

At the maximum the S_g add up to 0, so M has a rank of at most G - 1, and less where a term varies in no cluster or in
one alone. A coefficient that takes part in a direction that no sum sees has a variance too small, or none at all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from glmfit.errors import ModelError
from glmfit.numerics import by_rows, lies_in, unit_diagonal

# A run of rows: where they stand among all rows, their frequencies (rows,), their weighted scores (rows, p).
Scores = tuple[slice, Tensor, Tensor]

# A direction v, v'B^-1 v = 1, is one that sums do not see where v'M v is below this share of what the scores of rows
# vary by in all, tr(B M). Of sums that are 0 products of matrices leave p eps of it: 1e-12 for thousands of columns.
ROUNDING = 1e-12
UNSOLVED = 10.0  # nor one of less than so many times the distance to the maximum, in standard errors
# Share of a coefficient's standard error that lies in directions not seen: a complement gives its square as a
# difference of 1, with the rounding error of an inverse.
TAKES_PART = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Unseen:
    """Directions (p, q) of the coefficients that no sum sees, v'B^-1 v = 1 of a bread B and at right angles; or the
    `complement` of those that are given."""

    directions: Tensor
    complement: bool = False


@dataclass(frozen=True, slots=True)
class Clustered:
    """The meat (p, p); how many clusters each column has; what no sum sees."""

    meat: Tensor
    counts: Mapping[str, int]
    blind: tuple[Unseen, ...]


def freedom(counts: Mapping[str, int]) -> float:
    """Degrees of freedom of tests: those of the way with the fewest clusters."""
    return min(counts.values()) - 1.0


def with_both(clusters: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Codes (n,) of one way to sum, or of two and of both together, and the sign that each has in the meat."""
    codes = dict(clusters)
    signs = dict.fromkeys(codes, 1.0)
    if len(codes) == 2:
        (first, a), (second, b) = codes.items()
        both = f"{first}&{second}"
        codes[both] = _distinct(by_rows(lambda one, other: one * (int(b.max()) + 1) + other, a, b))
        signs[both] = -1.0
    for name, code in codes.items():
        cluster_count(name, code)
    return codes, signs


@dataclass(frozen=True, slots=True, eq=False)
class ScoreSums:
    """Scores added up by cluster, each way (G, p); `spread` is the squares of those of rows, in standard errors."""

    ways: Mapping[str, Tensor]
    spread: float

    def __add__(self, other: ScoreSums) -> ScoreSums:
        ways = {name: sums + other.ways[name] for name, sums in self.ways.items()}
        return ScoreSums(ways, self.spread + other.spread)


def summed_by(
    rows: Iterable[Scores], codes: Mapping[str, Tensor], counts: Mapping[str, int], root: Tensor
) -> ScoreSums:
    """The sums of rows whose clusters are `codes` (n,); there are so many of them, not all of which may be met here."""
    sums, spread = {name: root.new_zeros((count, len(root))) for name, count in counts.items()}, 0.0
    for part, _, scores in rows:
        spread += float((scores @ root).square().sum())
        for name, code in codes.items():
            sums[name].index_add_(0, code[part], scores)
    return ScoreSums(sums, spread)


def _distinct(values: Tensor) -> Tensor:
    """Codes (n,) of the distinct of some whole numbers (n,), in a file where these are in one."""
    home = lies_in(values)
    if home is None:
        return torch.unique(values, return_inverse=True)[1]
    return torch.from_numpy(np.unique(home.lent(values.numpy()), return_inverse=True)[1])


def clustered(sums: ScoreSums, bread: Tensor, signs: Mapping[str, float], names: Collection[str]) -> Clustered:
    """The meat of one-way clusters, or M1 + M2 - M12 for two ways (Cameron, Gelbach & Miller 2011)."""
    meat, root = torch.zeros_like(bread), root_of(bread)
    for name, total in sums.ways.items():
        meat += signs[name] * len(total) / (len(total) - 1) * (total.T @ total)
    blind = tuple(Unseen(_not_seen(sums.ways[name], root, sums.spread)) for name in names)
    return Clustered(meat, {name: len(sums.ways[name]) for name in names}, blind)


def cluster_sums(rows: Iterable[Scores], codes: Tensor, count: int, size: int) -> Tensor:
    """(G, p) the scores of each cluster's rows added up; `codes` (n,) are those of the clusters."""
    sums = torch.zeros((count, size), dtype=torch.float64)
    for part, _, scores in rows:
        sums.index_add_(0, codes[part], scores)
    return sums


def cluster_count(name: str, codes: Tensor) -> int:
    """How many clusters there are, two at least."""
    count = int(codes.max()) + 1
    if count < 2:
        raise ModelError(
            "one_cluster", f"column '{name}' has a single cluster", "cluster by a column with more than one value"
        )
    return count


def root_of(covariance: Tensor) -> Tensor:
    """L (p, p) with L L' = a covariance, which may be singular."""
    unit, scale = unit_diagonal(covariance)
    values, vectors = torch.linalg.eigh(unit)
    return scale[:, None] * vectors * torch.sqrt(values.clamp(min=0))


def _not_seen(sums: Tensor, root: Tensor, spread: float) -> Tensor:
    """Directions (p, q) of the coefficients, of length 1 in standard errors, in which the sums (G, p) do not vary."""
    whitened = torch.linalg.qr(sums @ root, mode="r").R
    _, values, vectors = torch.linalg.svd(whitened, full_matrices=True)
    distance = float(torch.linalg.vector_norm(sums.sum(dim=0) @ root))
    seen = int((values.square() > least_seen(spread, distance**2)).sum())
    return root @ vectors[seen:].T


def not_seen_by_rows(meat: Tensor, root: Tensor) -> Tensor:
    """The same of sums that are single rows, from M (p, p) alone: rows that a coefficient of their own fits exactly."""
    whitened = root.T @ meat @ root
    values, vectors = torch.linalg.eigh(0.5 * (whitened + whitened.T))
    return root @ vectors[:, values < least_seen(float(values.sum()))]


def least_seen(spread: float, squared_distance: float = 0.0) -> float:
    """v'M v of a direction of length 1 that sums see: more than rounding leaves of tr(B M), `spread`, where they are 0,
    and than being so far from the maximum makes of them."""
    return max(ROUNDING * spread, UNSOLVED**2 * squared_distance)


def unsupported_places(blind: Sequence[Unseen], errors: Tensor, reported: Callable[[Tensor], Tensor]) -> list[int]:
    """Coefficients that move along what sums do not see by a share of the standard errors (p,) that the bread gives.

    `reported` takes a direction of the working coefficients to one of the reported ones.
    """
    out = torch.zeros(len(errors), dtype=torch.bool)
    for each in blind:
        moved = torch.zeros_like(errors)
        for direction in each.directions.T:
            moved += reported(direction).square()
        out |= (errors.square() - moved if each.complement else moved) > (TAKES_PART * errors).square()
    return torch.nonzero(out)[:, 0].tolist()
