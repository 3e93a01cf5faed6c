"""Which columns are combinations of earlier ones where the levels of a factor are set apart, without a matrix of all.

    X_B - X_D A,  A = D^-1 B    what the levels do not explain of the border: its null space z, by QR of rows
    N = [z; -A z]               directions along which no row moves: their last places are the aliased columns

A level's own columns, if it has several, are looked at first, in its block.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from glmfit.design.border import Structure
from glmfit.design.matrix import CHUNK_ROWS, MOST_DENSE_COLUMNS, Matrix
from glmfit.numerics import Bordered, last_independent, stacked_root

NULL, FULL = 1e-10, 1e-7  # of unit columns: a combination shorter than this is none, one longer than this is one
BLOCK_NULL = 1e-12  # the same of a block's eigenvalues, which are squares
NO_PART = 1e-7  # of a direction, relative to its largest part


def dependent_columns(standard: Matrix, apart: Structure, square: Bordered) -> list[int] | None:
    """Positions of the columns of a standardised matrix, X'X = `square`, that are combinations of those before them.

    None where that cannot be told so.
    """
    length = torch.sqrt(square.diagonal())
    empty = length == 0
    length = torch.where(empty, 1.0, length)
    m, q = length[apart.inner], length[apart.outer]
    blocks = square.blocks / (m[:, :, None] * m[:, None, :])
    torch.diagonal(blocks, dim1=1, dim2=2)[empty[apart.inner]] = 1.0
    values, vectors = torch.linalg.eigh(blocks)
    none = values < BLOCK_NULL
    if bool(none.any()) and len(length) <= MOST_DENSE_COLUMNS:
        return None  # QR of all columns sees more
    inverse = torch.where(none, 0.0, 1 / torch.where(none, 1.0, values))
    explained = (vectors * inverse[:, None, :]) @ vectors.transpose(1, 2) @ (square.border / m[:, :, None] / q)

    def left() -> Iterator[Tensor]:
        for start in range(0, standard.n_rows, CHUNK_ROWS):
            part = standard.rows(slice(start, min(start + CHUNK_ROWS, standard.n_rows)))
            split = apart.rows([(part, torch.arange(len(length)))])
            at, rows = split.level.clamp(min=0), split.outer[0] / q
            for k in range(m.shape[1]):
                rows -= (split.inner[0][:, k] / m[:, k][at])[:, None] * explained[at, k]
            yield rows

    _, sizes, turns = torch.linalg.svd(stacked_root(left(), len(q)), full_matrices=True)
    sizes = torch.cat([sizes, torch.zeros(len(q) - len(sizes), dtype=torch.float64)])
    if bool(((sizes >= NULL) & (sizes < FULL)).any()):
        return None
    beside = turns[sizes < NULL].T
    directions = torch.zeros((len(length), beside.shape[1]), dtype=torch.float64)
    directions[apart.outer] = beside
    within = -explained @ beside
    found = torch.nonzero(empty)[:, 0].tolist()
    for level in torch.nonzero(none.any(dim=1))[:, 0].tolist():
        order = torch.argsort(apart.inner[level])  # that of columns
        own, places = _from_the_end(vectors[level][order][:, none[level]])
        for vector, place in zip(own.T, places, strict=True):
            within[level, order] -= torch.outer(vector, within[level, order[place]])
            found.append(int(apart.inner[level, order[place]]))
    directions[apart.inner] = within
    return sorted({*found, *last_independent(_cleaned(directions))})


def _cleaned(directions: Tensor) -> Tensor:
    """Directions (p, r), 0 where they are rounding."""
    size = torch.linalg.vector_norm(directions, dim=1, keepdim=True)
    return torch.where(size > NO_PART * size.amax(dim=0), directions, 0.0)


def _from_the_end(vectors: Tensor) -> tuple[Tensor, list[int]]:
    """The same space (d, r) by vectors, each 1 at its last place, where all others are 0, and these places."""
    vectors = _cleaned(vectors)
    places = last_independent(vectors)
    return _cleaned(vectors @ torch.linalg.inv(vectors[places])), places
