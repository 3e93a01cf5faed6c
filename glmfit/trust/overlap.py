"""Rows that no direction of C = {d : E d = 0, A d >= 0} separates, proved by the score equations, without a program.

    sum_i m_i a_i = 0 with m_i > 0 over some rows of A, and any m_i over those of E, gives a_i'd = 0 for each d in C

(Stiemke 1915). Where l has its maximum its derivatives are such multipliers, for they add up to a score of 0. Rounding,
and rows so far out that they hardly pull, are taken up by the least change of the others that makes the sum 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from glmfit.model import Model, Rows, add_gradient
from glmfit.numerics import (
    Symmetric,
    cholesky,
    full,
    structured,
    structured_factor,
    unit_diagonal,
    well_conditioned,
)

PULLS = 1e-4  # a multiplier below this is not looked at: the row is left to the linear program
KEEPS = 0.5  # the least share of a multiplier that may be left of it
ZERO = 1e-13  # rounding error of the sum, relative to the length of its terms
FULL_RANK = 1e-9  # eigenvalues of M'M with unit diagonal, relative to their largest, above which M has no null space
NULL = 1e-12  # and below which it is rounding
ROUNDS = 8
BALANCED = 3  # times that a sum is made 0, after which it is so but for rounding


@dataclass(frozen=True, slots=True, eq=False)
class Overlap:
    """Which constraints are known to hold as equations; `all` says that only d = 0 does.

    `covered` are the places of the coefficients that the constraints are about.
    """

    parts: _Parts
    all: bool
    covered: Tensor

    def rows(self) -> Iterator[Tensor]:
        """Which they are, (n, F) bool for each chunk."""
        return (part.sure for part in self.parts)


@dataclass(slots=True, eq=False)
class _Part:
    """Constraints of one chunk: weights (n, F, K), multipliers (n, F), those of E and those of A in the sum (n, F).

    `covered` (p,) are the coefficients that they are about. They are no such thing unless they are `sound`.
    """

    chunk: Rows
    covered: Tensor
    weights: Tensor
    multipliers: Tensor
    equal: Tensor
    sure: Tensor
    sound: bool = True

    def balanced(self, change: Tensor) -> Tensor:
        """(n, F) the multipliers in use, less what a change (p,) of the coefficients does to the constraints."""
        moves = torch.stack([p.X.matvec(change[p.columns]) for p in self.chunk.predictors], dim=1)
        less = torch.einsum("nfk,nk->nf", self.weights, moves)
        return torch.where(self.equal | self.sure, self.multipliers - less, 0.0)

    def kept(self, balanced: Tensor) -> Tensor:
        """(n, F) those of A of which most is left."""
        return self.sure & (balanced >= KEEPS * self.multipliers)


class _Parts:
    """The constraints of each chunk: held for rows in memory, made anew each time for those in a file."""

    def __init__(self, model: Model, theta: Tensor) -> None:
        self.model, self.theta = model, theta
        self._changes: list[Tensor] = []
        self._held = None if model.rows.mapped else list(self._made())

    def __iter__(self) -> Iterator[_Part]:
        return iter(self._made() if self._held is None else self._held)

    def narrow(self, change: Tensor) -> None:
        """From here on only those are sure of which a change (p,) leaves most."""
        self._changes.append(change)
        for part in self._held or ():
            part.sure = part.kept(part.balanced(change))

    def _made(self) -> Iterator[_Part]:
        family = self.model.family
        places = [k for k, parameter in enumerate(family.parameters) if parameter.name not in self.model.rows.held]
        for chunk, _, row in self.model.likelihood().rows(self.theta):
            part = _part(self.model, places, chunk, row.g)
            for change in self._changes:
                part.sure = part.kept(part.balanced(change))
            yield part


def overlap(model: Model, theta: Tensor) -> Overlap | None:
    """What the score equations at theta prove; None where that is nothing."""
    parts = _Parts(model, theta)
    for _ in range(ROUNDS):
        found = _balanced(model, parts)
        if found is None:
            return None
        change, lost, rank, covered = found
        if not lost:
            return Overlap(parts, rank, torch.nonzero(covered)[:, 0])
        parts.narrow(change)
    return None


def _part(model: Model, places: Sequence[int], chunk: Rows, g: Tensor) -> _Part:
    """The constraints of a chunk, with the multipliers in which the score of each row is a sum of them."""
    faces = model.family.recession(chunk.y, model.links, **chunk.columns)
    some = [] if faces is None else list(islice(faces, len(places) + 2))
    weights = torch.zeros((len(chunk.y), len(some), len(places)), dtype=torch.float64)
    for f, face in enumerate(some):
        for k, place in enumerate(places):
            own = face.of_predictor(place)
            if own is not None:
                weights[:, f, k] = own
    stated = (weights != 0).any(dim=2)
    covered = torch.zeros(model.size, dtype=torch.bool)
    if not 0 < len(some) < len(places) + 2:  # more constraints than the score has parts
        return _Part(chunk, covered, weights, weights[:, :, 0], stated, stated, sound=False)
    square = weights @ weights.transpose(1, 2) + torch.diag_embed((~stated).double())
    score = (weights @ (chunk.weight[:, None] * g)[:, :, None])[:, :, 0]
    multipliers, info = torch.linalg.solve_ex(square, score)
    equal = stated & torch.stack([face.equal for face in some], dim=1)
    sure = stated & ~equal & (multipliers > PULLS * chunk.weight[:, None])
    for place, predictor in zip(places, chunk.predictors, strict=True):
        covered[predictor.columns] |= any(face.of_predictor(place) is not None for face in some)
    sound = not bool(info.any()) and bool(torch.isfinite(multipliers).all())
    return _Part(chunk, covered, weights, multipliers, equal, sure, sound)


def _balanced(model: Model, parts: _Parts) -> tuple[Tensor, int, bool, Tensor] | None:
    """The change (p,) of the multipliers that makes their sum 0, and how many of them then lose most of themselves;
    whether the rows determine all of d, and what the constraints are about (p,).

    None where there is no such change, or nothing to change.
    """
    likelihood = model.likelihood()
    square, none = likelihood.no_curvature(), torch.zeros(model.size, dtype=torch.float64)
    sums, covered = _Sums.zero(model), none.bool()
    for part in parts:
        if not part.sound:
            return None
        covered = part.covered
        used = (part.equal | part.sure).double()
        likelihood.add_hessian(square, part.chunk, torch.einsum("nf,nfj,nfk->njk", used, part.weights, part.weights))
        sums.add(part, torch.where(part.equal | part.sure, part.multipliers, 0.0))
    normal = _normal(square, covered, likelihood.structure is not None) if sums.sure else None
    if normal is None:
        return None
    solve, scale, whole = normal
    change = none
    for _ in range(BALANCED):
        if bool((sums.total.abs() <= ZERO * scale * sums.squares**0.5).all()):
            return change, sums.lost, whole, covered
        change = change + solve(sums.total)
        sums = _Sums.zero(model)
        for part in parts:
            sums.add(part, part.balanced(change))
    return None


@dataclass(slots=True, eq=False)
class _Sums:
    """Of constraints times multipliers: their total (p,), the sum of squares of the multipliers, how many of A are in
    use and how many of these have lost most of theirs."""

    total: Tensor
    squares: float = 0.0
    sure: int = 0
    lost: int = 0

    @staticmethod
    def zero(model: Model) -> _Sums:
        return _Sums(torch.zeros(model.size, dtype=torch.float64))

    def add(self, part: _Part, multipliers: Tensor) -> None:
        add_gradient(self.total, part.chunk, torch.einsum("nf,nfk->nk", multipliers, part.weights))
        self.squares += float(multipliers.square().sum())
        count = int(part.sure.sum())
        self.sure += count
        self.lost += count - int(part.kept(multipliers).sum())


def _normal(square: Symmetric, covered: Tensor, apart: bool) -> tuple[Callable[[Tensor], Tensor], Tensor, bool] | None:
    """What solves M'M of the constraints in use, the lengths (p,) of the columns of M, whether it has full rank.

    Levels may be set `apart`.
    """
    if apart:
        lower = cholesky(structured(square).plus_diagonal((~covered).double()))
        if lower is None or not well_conditioned(lower):
            return None
        return structured_factor(lower).solve, torch.sqrt(structured(square).diagonal()), True
    unit, scale = unit_diagonal(full(square))
    values, vectors = torch.linalg.eigh(unit)
    seen = values > FULL_RANK * values[-1]
    if bool(((values > NULL * values[-1]) & ~seen).any()):
        return None  # nearly collinear: the program, on the rows themselves, sees more
    vectors = vectors[:, seen]

    def solve(total: Tensor) -> Tensor:
        return (vectors @ ((vectors.T @ (total / scale)) / values[seen])) / scale

    return solve, scale, int(seen.sum()) == int(covered.sum())
