"""Separation: whether the log-likelihood rises for ever in some direction, decided by linear programs on the data.

    C = {d : E d = 0, A d >= 0}: no row's log-density ever falls along d        separated: A_i d > 0 for some d in C

Families state the rows of E and A (`Family.recession`). The coefficients that take part in C are infinite; all others
are those of the rows that remain in the limit: the rows that no d in C separates (Kosmidis & Schumacher 2021, R package
detectseparation). Directions are measured by what they do to rows, so units of measurement do not matter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from glmfit.design import MOST_DENSE_COLUMNS
from glmfit.model import Model
from glmfit.numerics import last_independent, lies_in, stacked_root
from glmfit.result import SeparationTerm
from glmfit.trust.cone import STRICT, Cone, strictly
from glmfit.trust.constraints import Constraints, constraints
from glmfit.trust.overlap import overlap

CLEARLY = 1e-6  # a condition of E above which its rows alone leave no direction
SEEN = 1e-11  # directions that move all rows by less than this, relative to the others, move none
EXACT = 1e-10  # and those that move rows of E by less than this leave them where they are
ROUNDING = 16 * torch.finfo(torch.float64).eps  # of a row, relative to the most that any direction moves rows
TAKES_PART = 1e-8  # share of the most that a direction of its length can move a coefficient
CANCELLED = 1e-12  # rounding error of a sum, relative to the most that its terms could be
FAR, CAUCHIT_FAR = 40.0, 1e6  # as good as infinite for a linear predictor: exp(-40), and 1/(pi 1e12) in the slope


@dataclass(frozen=True, slots=True, eq=False)
class Separated:
    """What is separated in a model, in its working coordinates.

    `separates` (n,) are the rows whose log-density rises along `direction` (p,), of the relative interior of C; `left`
    (n,) those that remain in the limit. `span` (p, r) are the directions in which these do not see the coefficients.
    `undetermined` are places of reported coefficients that they do not see either, although they are not infinite.
    """

    kind: str
    separates: Tensor
    left: Tensor
    direction: Tensor
    far: float
    span: Tensor
    infinite: tuple[int, ...]
    undetermined: tuple[int, ...]
    terms: tuple[SeparationTerm, ...]

    def gone(self, groups: Tensor | None) -> Tensor:
        """(N,) bool: the rows of the data that the limit is without; `groups` (N,) are those that are one unit."""
        return ~self.left if groups is None else ~self.left[groups]


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """The verdict: `separated` is None where nothing is; not `decided` where the linear program has no say.

    `covered` are the places of the coefficients that it speaks of.
    """

    decided: bool
    separated: Separated | None = None
    covered: frozenset[int] = frozenset()


UNDECIDED = Decision(False)


def decide(model: Model, theta: Tensor) -> Decision:
    """Whether the data of a model are separated, and along what.

    At theta the search for a maximum ended; the scores there show of most rows that they are not, often of all.
    """
    if not model.family.has_recession or model.source is not None:  # a constraint for each row
        return UNDECIDED
    known = overlap(model, theta)
    if known is not None and known.all:
        return _nothing(model, known.covered)
    if model.size > MOST_DENSE_COLUMNS:
        return UNDECIDED
    found = constraints(model, known)
    if found is None:
        return UNDECIDED
    covered, root, A = found.covered, found.equal_root[:, found.covered], found.root[:, found.covered]
    nothing = _nothing(model, covered)
    if not len(covered) or _full_rank(root):
        return nothing
    # Coordinates z, d = frame z, in which the rows of A and E together have orthonormal columns.
    _, values, vectors = torch.linalg.svd(stacked_root([root, A], len(covered)), full_matrices=True)
    seen = int((values > SEEN * values[0]).sum())
    frame, unseen = vectors[:seen].T / values[:seen], vectors[seen:].T
    nothing = _nothing(model, covered[(unseen.abs() <= TAKES_PART).all(dim=1)])
    # Rounding of the rows, and of the root of E, is magnified as much as the least visible direction is.
    exact = max(EXACT, ROUNDING * float(values[0] / values[seen - 1]))
    span = _null_space(root @ frame, exact)
    here = _Coordinates(covered, frame, span, exact)
    units = _Made(found, lambda A: here.unit(A)[1])
    if not span.shape[1] or not any(len(unit) for unit in units):
        return nothing
    interior = Cone(units, span.shape[1]).interior()
    if interior is None:
        return UNDECIDED
    ways, ties = interior
    if not len(ways):
        return nothing
    z = torch.from_numpy(ways.sum(axis=0))
    tied = (torch.from_numpy(unit[~strictly(unit, ways)]) for unit in units)
    inner = _null_space(stacked_root(tied, len(z)), STRICT * math.sqrt(max(1, ties)))
    if not inner.shape[1] or float(torch.linalg.vector_norm(z - inner @ (inner.T @ z))) > 1e-6:
        return UNDECIDED
    return _separated(model, found, here, ways, inner, unseen, inner.T @ z)


def _nothing(model: Model, covered: Tensor) -> Decision:
    """No direction is separated; where there may be others than those that are stated, that says nothing of them."""
    return Decision(True, None, frozenset() if model.family.more_recession else frozenset(covered.tolist()))


@dataclass(frozen=True, slots=True, eq=False)
class _Coordinates:
    """Of rows of A: their columns (c,), the frame (c, s), the span of C in it (s, q), and what is rounding."""

    covered: Tensor
    frame: Tensor
    span: Tensor
    exact: float

    def unit(self, A: Tensor) -> tuple[Tensor, np.ndarray]:
        """Which of some rows (m, p) are more than rounding, and these (k, q), of length 1."""
        rows = A[:, self.covered] @ self.frame
        lengths = torch.linalg.vector_norm(rows, dim=1)
        rows = rows @ self.span / torch.where(lengths > 0, lengths, 1.0)[:, None]
        moved = torch.linalg.vector_norm(rows, dim=1)
        open_ = moved > self.exact
        return open_, (rows[open_] / moved[open_, None]).numpy()

    def strict(self, A: Tensor, ways: np.ndarray) -> Tensor:
        """(m,) bool: which of some rows are strictly positive along any of some ways (k, q)."""
        out, unit = self.unit(A)
        out[out.clone()] = torch.from_numpy(strictly(unit, ways))
        return out


class _Made:
    """What is made of each part of A, held where the parts are."""

    def __init__(self, found: Constraints, make: Callable[[Tensor], np.ndarray]) -> None:
        self.found, self.make = found, make
        self._held = [make(part.A) for part in found] if found.held else None

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self.make(part.A) for part in self.found) if self._held is None else iter(self._held)


def _full_rank(root: Tensor) -> bool:
    """Whether the rows R'R = X'X leave no direction, beyond doubt."""
    if len(root) < root.shape[1]:
        return False
    lengths = torch.linalg.vector_norm(root, dim=0)
    if not bool((lengths > 0).all()):
        return False
    values = torch.linalg.svdvals(root / lengths)
    return bool(values[-1] > CLEARLY * values[0])


def _null_space(matrix: Tensor, tolerance: float) -> Tensor:
    """(q, r) orthonormal directions that a matrix (., q) maps to lengths below the tolerance."""
    _, values, vectors = torch.linalg.svd(matrix, full_matrices=True)
    return vectors[int((values > tolerance).sum()) :].T


def _separated(
    model: Model, found: Constraints, here: _Coordinates, ways: np.ndarray, inner: Tensor, unseen: Tensor, z: Tensor
) -> Decision:
    """What is separated, from the rows of A that are strictly positive along some ways (k, q); z (r,) is in the
    relative interior of C, in coordinates of what `inner` (q, r) spans."""

    def positive(A: Tensor) -> np.ndarray:
        unit = here.unit(A)[1]
        rows = torch.from_numpy(unit[strictly(unit, ways)]) @ inner
        return torch.nn.functional.normalize(rows, dim=1).numpy()

    size, frame, along = model.size, here.frame, here.frame @ (here.span @ inner)
    cone = Cone(_Made(found, positive), len(z))
    # Nothing but rounding is cleared in coordinates that are centred and scaled; sums of them are what is reported.
    small = max(TAKES_PART, here.exact) * torch.linalg.vector_norm(frame, dim=1)
    along = torch.where(torch.linalg.vector_norm(along, dim=1, keepdim=True) > small[:, None], along, 0.0)
    directions = torch.zeros((size, len(z)), dtype=torch.float64)
    directions[found.covered] = along
    reported = reported_map(model)
    moves = reported_moves(reported, directions)
    infinite = [place for place, part in enumerate(moves.abs().amax(dim=1).tolist()) if part > 0]
    terms = []
    for place in infinite:
        sign = _direction(moves[place], z, cone)
        if sign is None:
            return UNDECIDED
        parameter, term = model.names[model.kept[place]]
        terms.append(SeparationTerm(parameter, term, sign))
    hidden = torch.zeros((size, unseen.shape[1]), dtype=torch.float64)
    hidden[found.covered] = torch.where(unseen.abs() > TAKES_PART, unseen, 0.0)
    direction = directions @ z
    separates, left, margin = _rows(model, found, lambda A: here.strict(A, ways), direction)
    whole = torch.cat([directions, hidden, _of_others(model, found.covered, left)], dim=1)
    if min(len(last_independent(whole)), len(last_independent(reported_moves(reported, whole)))) < whole.shape[1]:
        return UNDECIDED
    involved = reported_moves(reported, whole).abs().amax(dim=1).tolist()
    undetermined = [place for place, part in enumerate(involved) if part > 0 and place not in infinite]
    wide = any(link.name == "cauchit" for link in model.links.values())
    return Decision(
        True,
        Separated(
            kind="quasi-complete" if bool(left.any()) else "complete",
            separates=separates,
            left=left,
            direction=direction,
            far=(CAUCHIT_FAR if wide else FAR) / margin,
            span=whole,
            infinite=tuple(infinite),
            undetermined=tuple(undetermined),
            terms=tuple(terms),
        ),
    )


def _rows(
    model: Model, found: Constraints, is_strict: Callable[[Tensor], Tensor], direction: Tensor
) -> tuple[Tensor, Tensor, float]:
    """(n,) whether a row's log-density rises along the direction (p,), and whether it remains in the limit; the least
    that a row that does both moves along it."""
    home, n = lies_in(model.rows.y), len(model.rows)
    separates, left = (
        torch.zeros(n, dtype=torch.bool) if home is None else torch.from_numpy(home.empty(n, bool)) for _ in range(2)
    )
    margin = math.inf
    for part in found:
        strict, rows = is_strict(part.A), slice(part.first, part.first + len(part.equal))
        open_, rises = part.equal.clone(), torch.zeros_like(part.equal)
        open_[part.owner[~strict]] = True
        rises[part.owner[strict]] = True
        remains = open_ | ~rises
        remains[part.owner[strict & part.last]] = False
        partial = strict & remains[part.owner]
        if bool(partial.any()):
            margin = min(margin, float((part.A[partial] @ direction).min()))
        separates[rows], left[rows] = rises, remains
    return separates, left, margin


def _direction(moves: Tensor, z: Tensor, cone: Cone) -> int | None:
    """The sign that a coefficient, `moves` (q,) times z, has throughout the cone; 0 where it has either."""
    unit = moves / torch.linalg.vector_norm(moves)
    here = float(unit @ z)
    if abs(here) <= STRICT:
        return 0
    sign = 1 if here > 0 else -1
    if len(z) == 1:
        return sign
    opposite = cone.reaches((-sign * unit).numpy())
    return None if opposite is None else 0 if opposite else sign


def reported_map(model: Model) -> Tensor:
    """(p, p) the reported coefficients from the working ones."""
    return torch.stack([model.reported(unit) for unit in torch.eye(model.size, dtype=torch.float64)], dim=1)


def reported_moves(reported: Tensor, directions: Tensor) -> Tensor:
    """(p, r) what directions (p, r) of the working coefficients do to the reported ones, 0 where that is rounding.

    Directions are one basis of many of the space that they span: what in one of them is 0 but for rounding may be so by
    the choice of the basis alone, and is rounded as the same coefficient is in the others.
    """
    out = reported @ directions
    sizes = torch.linalg.vector_norm(directions, dim=1, keepdim=True)
    return torch.where(out.abs() > CANCELLED * (reported.abs() @ sizes), out, 0.0)


def _of_others(model: Model, covered: Tensor, left: Tensor) -> Tensor:
    """(p, r) directions of coefficients that C does not speak of (of alpha, say) and that the rows left do not see."""
    keep = torch.ones(model.size, dtype=torch.bool)
    keep[covered] = False
    others = torch.nonzero(keep)[:, 0]
    place = torch.full((model.size,), -1)
    place[others] = torch.arange(len(others))

    def blocks() -> Iterator[Tensor]:
        first = 0
        for whole in model.chunks():
            chunk = whole.rows(torch.nonzero(left[first : first + len(whole)])[:, 0])
            first += len(whole)
            for predictor in chunk.predictors:
                if bool((place[predictor.columns] >= 0).all()):
                    x = torch.zeros((len(chunk.y), len(others)), dtype=torch.float64)
                    x[:, place[predictor.columns]] = predictor.X.dense()
                    yield x

    out = torch.zeros((model.size, 0), dtype=torch.float64)
    if len(others):
        root = stacked_root(blocks(), len(others))
        lengths = torch.linalg.vector_norm(root, dim=0)
        null = _null_space(root / torch.where(lengths > 0, lengths, 1.0), EXACT * len(others))
        null = null / torch.where(lengths > 0, lengths, 1.0)[:, None]
        out = torch.zeros((model.size, null.shape[1]), dtype=torch.float64)
        out[others] = torch.where(null.abs() > TAKES_PART * null.abs().amax(dim=0, keepdim=True), null, 0.0)
    return out
