"""Separation: whether the log-likelihood rises for ever in some direction, decided by linear programs on the data.

    C = {d : E d = 0, A d >= 0}: no row's log-density ever falls along d        separated: A_i d > 0 for some d in C

Families state the rows of E and A (`Family.recession`). The coefficients that take part in C are infinite; all others
are those of the rows that remain in the limit: the rows that no d in C separates (Kosmidis & Schumacher 2021, R package
detectseparation). Directions are measured by what they do to rows, so units of measurement do not matter.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from glmfit import memory
from glmfit.design import MOST_DENSE_COLUMNS
from glmfit.model import Model
from glmfit.numerics import last_independent, stacked_root
from glmfit.result import SeparationTerm
from glmfit.trust.cone import STRICT, Cone
from glmfit.trust.overlap import Overlap, overlap

MOST_CELLS = 200_000_000  # of A,
COPIES = 6  # of which there are so many at a time
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


@dataclass(frozen=True, slots=True, eq=False)
class _Constraints:
    """Rows A (m, p) with the row of the data that each belongs to (m,); the root of E (p or fewer, p), its rows (n,).

    `last` (m,) are the rows of A that settle their row of the data alone. `covered` are the columns (c,) that the
    family's statement is about; all others do not move.
    """

    A: Tensor
    owner: Tensor
    last: Tensor
    equal_root: Tensor
    equal: Tensor
    covered: Tensor


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
    found = _constraints(model, known)
    if found is None:
        return UNDECIDED
    nothing = _nothing(model, found.covered)
    if not len(found.covered) or _full_rank(found.equal_root[:, found.covered]):
        return nothing
    # Coordinates z, d = frame z, in which the rows of A and E together have orthonormal columns.
    A, E = found.A[:, found.covered], found.equal_root[:, found.covered]
    _, values, vectors = torch.linalg.svd(stacked_root([E, A], len(found.covered)), full_matrices=True)
    seen = int((values > SEEN * values[0]).sum())
    frame, unseen = vectors[:seen].T / values[:seen], vectors[seen:].T
    nothing = _nothing(model, found.covered[(unseen.abs() <= TAKES_PART).all(dim=1)])
    # Rounding of the rows, and of the root of E, is magnified as much as the least visible direction is.
    exact = max(EXACT, ROUNDING * float(values[0] / values[seen - 1]))
    span = _null_space(E @ frame, exact)
    rows = A @ frame
    lengths = torch.linalg.vector_norm(rows, dim=1)
    rows = rows @ span / torch.where(lengths > 0, lengths, 1.0)[:, None]
    moved = torch.linalg.vector_norm(rows, dim=1)
    open_ = torch.nonzero(moved > exact)[:, 0]
    if not len(open_):
        return nothing
    unit = rows[open_] / moved[open_, None]
    interior = Cone(unit.numpy()).interior()
    if interior is None:
        return UNDECIDED
    z, strict = torch.from_numpy(interior[0]), torch.from_numpy(interior[1])
    if not bool(strict.any()):
        return nothing
    ties = unit[~strict]
    inner = _null_space(stacked_root([ties], ties.shape[1]), STRICT * math.sqrt(max(1, len(ties))))
    if not inner.shape[1] or float(torch.linalg.vector_norm(z - inner @ (inner.T @ z))) > 1e-6:
        return UNDECIDED
    is_strict = torch.zeros(len(A), dtype=torch.bool)
    is_strict[open_[strict]] = True
    cone = Cone(torch.nn.functional.normalize(unit[strict] @ inner, dim=1).numpy())
    return _separated(model, found, is_strict, frame, span @ inner, exact, unseen, inner.T @ z, cone)


def _nothing(model: Model, covered: Tensor) -> Decision:
    """No direction is separated; where there may be others than those that are stated, that says nothing of them."""
    return Decision(True, None, frozenset() if model.family.more_recession else frozenset(covered.tolist()))


def _constraints(model: Model, known: Overlap | None) -> _Constraints | None:
    """All rows of A and the root of E, those that are `known` to be equations among these.

    None where they are too many, or the family does not state them.
    """
    family, size, n = model.family, model.size, len(model.rows.y)
    places = [k for k, parameter in enumerate(family.parameters) if parameter.name not in model.rows.held]
    parts: list[Tensor] = []
    owners: list[Tensor] = []
    lasts: list[Tensor] = []
    root, equal = torch.zeros((0, size), dtype=torch.float64), torch.zeros(n, dtype=torch.bool)
    covered = torch.zeros(size, dtype=torch.bool)
    room = memory.available()
    most = MOST_CELLS if room is None else min(MOST_CELLS, room // (COPIES * memory.NUMBER))
    first, cells = 0, 0
    for number, chunk in enumerate(model.rows.chunks()):
        faces = family.recession(chunk.y, model.links, **chunk.columns)
        if faces is None:
            return None
        dense = [predictor.X.dense() for predictor in chunk.predictors]
        owner = torch.arange(first, first + len(chunk.y))
        for f, face in enumerate(faces):
            values = torch.zeros((len(chunk.y), size), dtype=torch.float64)
            for place, predictor, x in zip(places, chunk.predictors, dense, strict=True):
                weights = face.of_predictor(place)
                if weights is not None:
                    values.index_add_(1, predictor.columns, weights[:, None] * x)
                    covered[predictor.columns] = True
            stated = (face.weights != 0).any(dim=1)
            equations = face.equal if known is None else face.equal | known.rows[number][:, f]
            fixed, free = stated & equations, stated & ~equations
            if bool(fixed.any()):
                root = stacked_root([root, values[fixed]], size)
                equal[owner[fixed]] = True
            parts.append(values[free])
            owners.append(owner[free])
            lasts.append(torch.zeros(int(free.sum()), dtype=torch.bool) if face.last is None else face.last[free])
            cells += parts[-1].numel()
            if cells > most:
                return None
        first += len(chunk.y)
    return _Constraints(
        torch.cat(parts), torch.cat(owners), torch.cat(lasts), root, equal, torch.nonzero(covered)[:, 0]
    )


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
    model: Model,
    found: _Constraints,
    strict: Tensor,
    frame: Tensor,
    span: Tensor,
    exact: float,
    unseen: Tensor,
    z: Tensor,
    cone: Cone,
) -> Decision:
    """What is separated, from the strictly positive rows of A and the span of C in the coordinates of `frame`.

    Shares below `exact` are rounding."""
    n, size = len(model.rows.y), model.size
    open_rows = found.equal.clone()
    open_rows[found.owner[~strict]] = True
    separates = torch.zeros(n, dtype=torch.bool)
    separates[found.owner[strict]] = True
    left = open_rows | ~separates
    left[found.owner[strict & found.last]] = False
    # Nothing but rounding is cleared in coordinates that are centred and scaled; sums of them are what is reported.
    along = frame @ span
    small = max(TAKES_PART, exact) * torch.linalg.vector_norm(frame, dim=1)
    along = torch.where(torch.linalg.vector_norm(along, dim=1, keepdim=True) > small[:, None], along, 0.0)
    directions = torch.zeros((size, span.shape[1]), dtype=torch.float64)
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
    whole = torch.cat([directions, hidden, _of_others(model, found.covered, left)], dim=1)
    if min(len(last_independent(whole)), len(last_independent(reported_moves(reported, whole)))) < whole.shape[1]:
        return UNDECIDED
    involved = reported_moves(reported, whole).abs().amax(dim=1).tolist()
    undetermined = [place for place, part in enumerate(involved) if part > 0 and place not in infinite]
    direction = directions @ z
    partial = strict & left[found.owner]
    margin = float((found.A[partial] @ direction).min()) if bool(partial.any()) else math.inf
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
        for chunk in model.rows.rows(torch.nonzero(left)[:, 0]).chunks():
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
