"""The rows of E and A, which a family states of each chunk of rows: those that say what changes leave no row worse.

    E d = 0, A d >= 0        rows known to be equations are among those of E

Of E its root is enough. The rows of A are looked at several times: held where they are few, and stated anew each time
where they would take more memory than there is, so that what they take does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from glmfit import memory
from glmfit.model import Model, Rows
from glmfit.numerics import stacked_root
from glmfit.trust.overlap import Overlap

MOST_CELLS = 200_000_000  # of A that are held,
COPIES = 6  # of which there are so many at a time;
MOST_OF_FILES = 4_000_000  # where the rows of the data are in files


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Rows A (m, p) of a chunk of rows, which of these each belongs to (m,), and which of the chunk have rows of E.

    `last` (m,) are the rows of A that settle their row of the data alone. The first row of the chunk is the one
    numbered `first`.
    """

    A: Tensor
    owner: Tensor
    last: Tensor
    equal: Tensor
    first: int


class Constraints:
    """All of them: parts, to be gone through several times, the roots of E and of A (p or fewer, p).

    `covered` are the columns (c,) that the family's statement is about; all others do not move. `held` says that the
    rows of A are in memory, as one part.
    """

    def __init__(self, model: Model, known: Overlap | None) -> None:
        self.model, self.known = model, known
        none = torch.zeros((0, model.size), dtype=torch.float64)
        self.equal_root, self.root = none, none
        covered, cells, most = torch.zeros(model.size, dtype=torch.bool), 0, _most(model)
        held: list[Part] = []
        for part, fixed, about in self._stated():
            self.equal_root = stacked_root([self.equal_root, fixed], model.size) if len(fixed) else self.equal_root
            self.root = stacked_root([self.root, part.A], model.size) if len(part.A) else self.root
            covered |= about
            cells += part.A.numel()
            if cells <= most:
                held.append(part)
            else:
                held.clear()
        self.covered = torch.nonzero(covered)[:, 0]
        self.held = cells <= most
        self._parts = [_together(held)] if self.held else []

    def __len__(self) -> int:
        return 1 if self.held else len(self.model.chunks())

    def __iter__(self) -> Iterator[Part]:
        return iter(self._parts) if self.held else (part for part, _, _ in self._stated())

    def _stated(self) -> Iterator[tuple[Part, Tensor, Tensor]]:
        """The part of each chunk, the rows (m, p) of E, the columns (p,) that they are about."""
        family, first = self.model.family, 0
        places = [k for k, parameter in enumerate(family.parameters) if parameter.name not in self.model.rows.held]
        known = None if self.known is None else self.known.rows()
        for chunk in self.model.chunks():
            yield self._of(chunk, places, None if known is None else next(known), first)
            first += len(chunk.y)

    def _of(self, chunk: Rows, places: list[int], known: Tensor | None, first: int) -> tuple[Part, Tensor, Tensor]:
        size, n = self.model.size, len(chunk.y)
        dense = [predictor.X.dense() for predictor in chunk.predictors]
        owner, equal = torch.arange(n), torch.zeros(n, dtype=torch.bool)
        covered = torch.zeros(size, dtype=torch.bool)
        parts: list[tuple[Tensor, Tensor, Tensor]] = []
        fixed_rows: list[Tensor] = []
        faces = self.model.family.recession(chunk.y, self.model.links, **chunk.columns)
        for f, face in enumerate(faces or ()):
            values = torch.zeros((n, size), dtype=torch.float64)
            for place, predictor, x in zip(places, chunk.predictors, dense, strict=True):
                weights = face.of_predictor(place)
                if weights is not None:
                    values.index_add_(1, predictor.columns, weights[:, None] * x)
                    covered[predictor.columns] = True
            stated = (face.weights != 0).any(dim=1)
            equations = face.equal if known is None else face.equal | known[:, f]
            fixed, free = stated & equations, stated & ~equations
            fixed_rows.append(values[fixed])
            equal |= fixed
            last = torch.zeros(int(free.sum()), dtype=torch.bool) if face.last is None else face.last[free]
            parts.append((values[free], owner[free], last))
        A, owner, last = (torch.cat(each) for each in zip(*parts, strict=True))
        return Part(A, owner, last, equal, first), torch.cat(fixed_rows), covered


def constraints(model: Model, known: Overlap | None) -> Constraints | None:
    """All constraints, those that are `known` to be equations among these; None where the family states none."""
    first = model.chunks()[0]
    if model.family.recession(first.y, model.links, **first.columns) is None:
        return None
    return Constraints(model, known)


def _most(model: Model) -> int:
    """The cells of A that are held at most."""
    room = memory.available()
    most = MOST_OF_FILES if model.rows.mapped else MOST_CELLS
    return most if room is None else min(most, room // (COPIES * memory.NUMBER))


def _together(parts: list[Part]) -> Part:
    """Parts of chunks that follow each other as one."""
    owner = torch.cat([part.owner + part.first for part in parts])
    A, last, equal = (torch.cat([getattr(part, name) for part in parts]) for name in ("A", "last", "equal"))
    return Part(A, owner, last, equal, parts[0].first)
