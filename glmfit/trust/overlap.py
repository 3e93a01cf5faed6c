"""Rows that no direction of C = {d : E d = 0, A d >= 0} separates, proved by the score equations, without a program.

    sum_i m_i a_i = 0 with m_i > 0 over some rows of A, and any m_i over those of E, gives a_i'd = 0 for each d in C

(Stiemke 1915). Where l has its maximum its derivatives are such multipliers, for they add up to a score of 0. Rounding,
and rows so far out that they hardly pull, are taken up by the least change of the others that makes the sum 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from glmfit.model import Model, Rows, add_gradient
from glmfit.numerics import cholesky, full, structured, structured_factor, unit_diagonal, well_conditioned

PULLS = 1e-4  # a multiplier below this is not looked at: the row is left to the linear program
KEEPS = 0.5  # the least share of a multiplier that may be left of it
ZERO = 1e-13  # rounding error of the sum, relative to the length of its terms
FULL_RANK = 1e-9  # eigenvalues of M'M with unit diagonal, relative to their largest, above which M has no null space
NULL = 1e-12  # and below which it is rounding
ROUNDS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Overlap:
    """Which constraints are known to hold as equations, (n, F) bool for each chunk; `all` says that only d = 0 does.

    `covered` are the places of the coefficients that the constraints are about.
    """

    rows: tuple[Tensor, ...]
    all: bool
    covered: Tensor


@dataclass(slots=True, eq=False)
class _Part:
    """Constraints of one chunk: weights (n, F, K), multipliers (n, F), those of E and those of A in the sum (n, F).

    `covered` (p,) are the coefficients that they are about.
    """

    chunk: Rows
    covered: Tensor
    weights: Tensor
    multipliers: Tensor
    equal: Tensor
    sure: Tensor


def overlap(model: Model, theta: Tensor) -> Overlap | None:
    """What the score equations at theta prove; None where that is nothing."""
    parts = _parts(model, theta)
    if parts is None:
        return None
    for _ in range(ROUNDS):
        if not any(bool(part.sure.any()) for part in parts):
            return None
        found = _balanced(model, parts)
        if found is None:
            return None
        kept, rank = found
        if all(bool((part.sure == keep).all()) for part, keep in zip(parts, kept, strict=True)):
            return Overlap(tuple(part.sure for part in parts), rank, torch.nonzero(parts[0].covered)[:, 0])
        for part, keep in zip(parts, kept, strict=True):
            part.sure = keep
    return None


def _parts(model: Model, theta: Tensor) -> list[_Part] | None:
    """The constraints, with the multipliers in which the score of each row is a sum of them."""
    family = model.family
    places = [k for k, parameter in enumerate(family.parameters) if parameter.name not in model.rows.held]
    parts = []
    for chunk, _, row in model.likelihood().rows(theta):
        faces = family.recession(chunk.y, model.links, **chunk.columns)
        some = [] if faces is None else list(islice(faces, len(places) + 2))
        if not 0 < len(some) < len(places) + 2:  # more constraints than the score has parts
            return None
        weights = torch.zeros((len(chunk.y), len(some), len(places)), dtype=torch.float64)
        for f, face in enumerate(some):
            for k, place in enumerate(places):
                own = face.of_predictor(place)
                if own is not None:
                    weights[:, f, k] = own
        stated = (weights != 0).any(dim=2)
        square = weights @ weights.transpose(1, 2) + torch.diag_embed((~stated).double())
        score = (weights @ (chunk.weight[:, None] * row.g)[:, :, None])[:, :, 0]
        multipliers, info = torch.linalg.solve_ex(square, score)
        if bool(info.any()) or not bool(torch.isfinite(multipliers).all()):
            return None
        equal = stated & torch.stack([face.equal for face in some], dim=1)
        sure = stated & ~equal & (multipliers > PULLS * chunk.weight[:, None])
        covered = torch.zeros(model.size, dtype=torch.bool)
        for place, predictor in zip(places, chunk.predictors, strict=True):
            covered[predictor.columns] |= any(face.of_predictor(place) is not None for face in some)
        parts.append(_Part(chunk, covered, weights, multipliers, equal, sure))
    return parts


def _balanced(model: Model, parts: list[_Part]) -> tuple[list[Tensor], bool] | None:
    """Which multipliers keep most of themselves when their sum is made 0, and whether the rows determine all of d."""
    normal = _normal(model, parts)
    if normal is None:
        return None
    solve, scale, whole = normal
    multipliers = [torch.where(part.equal | part.sure, part.multipliers, 0.0) for part in parts]
    for _ in range(3):
        total, length = torch.zeros(model.size, dtype=torch.float64), 0.0
        for part, m in zip(parts, multipliers, strict=True):
            add_gradient(total, part.chunk, torch.einsum("nf,nfk->nk", m, part.weights))
            length += float(m.square().sum())
        if bool((total.abs() <= ZERO * scale * length**0.5).all()):
            kept = [part.sure & (m >= KEEPS * part.multipliers) for part, m in zip(parts, multipliers, strict=True)]
            return kept, whole
        change = solve(total)
        for at, part in enumerate(parts):
            moves = torch.stack([p.X.matvec(change[p.columns]) for p in part.chunk.predictors], dim=1)
            less = torch.einsum("nfk,nk->nf", part.weights, moves)
            multipliers[at] = torch.where(part.equal | part.sure, multipliers[at] - less, 0.0)
    return None


def _normal(model: Model, parts: list[_Part]) -> tuple[Callable[[Tensor], Tensor], Tensor, bool] | None:
    """What solves M'M of the constraints in use, the lengths (p,) of the columns of M, whether it has full rank."""
    likelihood = model.likelihood()
    square, covered = likelihood.no_curvature(), parts[0].covered
    for part in parts:
        used = (part.equal | part.sure).double()
        h = torch.einsum("nf,nfj,nfk->njk", used, part.weights, part.weights)
        likelihood.add_hessian(square, part.chunk, h)
    if likelihood.structure is not None:
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
