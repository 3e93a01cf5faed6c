"""Sums over rows for some of the columns: what a search needs that looks at few coefficients of many.

    gradient = sum_k X_k' w g_k / N        curvature = -sum_jk X_j' diag(w h_jk) X_k / N        of chosen coordinates

Both are those of the mean log-likelihood, N being the weight of all rows. Columns that are looked at are copied once,
each in one piece, and are never let go: a path adds to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from glmfit import memory
from glmfit.model import Likelihood, Rows
from glmfit.model.likelihood import RowDerivatives, row_derivatives
from glmfit.model.rows import Chunks
from glmfit.shrink.basis import Basis

SLICE = 4096  # rows multiplied at once
BLOCK = 128  # columns whose products with those before them are left out, as they are known


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Where a search is: each chunk's linear predictors and row derivatives, and the mean log-likelihood."""

    etas: tuple[tuple[Tensor, ...], ...]
    rows: tuple[RowDerivatives, ...]
    value: float


class _Copied:
    """Columns of one matrix, which predictors `of` share: for each chunk a tensor (room, n), one row a column."""

    def __init__(self, of: list[int], width: int, lengths: Sequence[int], basis: Basis) -> None:
        self.of, self.lengths, self.basis = of, lengths, basis
        self.place = torch.full((width,), -1, dtype=torch.int64)  # of each column of the matrix among those copied
        self.count = 0
        self.room = [torch.zeros((0, n), dtype=torch.float64) for n in lengths]

    def add(self, columns: Tensor, chunks: Sequence[Rows]) -> None:
        """Copy those that are not yet."""
        new = columns[self.place[columns] < 0].unique()
        if not len(new):
            return
        count = self.count + len(new)
        if count > len(self.room[0]):
            size = min(max(2 * count, 16), len(self.place))
            memory.check([memory.rows_need(sum(self.lengths), size, f"{size:,} columns are copied")])
        turning = self.basis.of(new)
        for k, chunk in enumerate(chunks):
            if count > len(self.room[k]):
                grown = torch.empty((size, self.lengths[k]), dtype=torch.float64)
                grown[: self.count] = self.room[k][: self.count]
                self.room[k] = grown
            X = chunk.predictors[self.of[0]].X
            self.room[k][self.count : count] = turning.turn(X.select(new.tolist()).dense()).T
        self.place[new] = torch.arange(self.count, count)
        self.count = count

    def values(self, k: int) -> Tensor:
        """(count, n) the columns of a chunk."""
        return self.room[k][: self.count]


class Columns:
    """The rows of a likelihood by its columns, in the coordinates u of a basis.

    `total` is the weight of all rows, `chosen` (m,) the coordinates that are looked at.
    """

    def __init__(self, likelihood: Likelihood, total: float, basis: Basis) -> None:
        assert isinstance(likelihood.chunks, Chunks)
        self.likelihood, self.total, self.basis = likelihood, total, basis
        self.chunks = tuple(likelihood.chunks)
        self.size = likelihood.size
        whole = likelihood.chunks.rows.predictors
        self.columns = [predictor.columns for predictor in whole]
        self.predictors = len(whole)
        self.n = sum(len(chunk.y) for chunk in self.chunks)
        self.chosen = torch.zeros(0, dtype=torch.int64)
        shared: dict[int, list[int]] = {}
        for k, predictor in enumerate(whole):
            shared.setdefault(id(predictor.X), []).append(k)
        lengths = [len(chunk.y) for chunk in self.chunks]
        self.copied = [
            _Copied(of, whole[of[0]].X.shape[1], lengths, basis.of(whole[of[0]].columns)) for of in shared.values()
        ]
        self.mine = {k: one for one in self.copied for k in one.of}
        self.sides: list[tuple[Tensor, Tensor]] = []  # of each predictor: places among the copied, and in `chosen`

    def look_at(self, more: Tensor) -> None:
        """Add coefficients (m,) to those that are looked at."""
        self.chosen = torch.cat([self.chosen, more])
        place = torch.full((self.size,), -1, dtype=torch.int64)
        place[self.chosen] = torch.arange(len(self.chosen))
        self.sides = []
        for k, columns in enumerate(self.columns):
            local = torch.nonzero(place[columns] >= 0)[:, 0]
            self.mine[k].add(local, self.chunks)
            self.sides.append((self.mine[k].place[local], place[columns[local]]))

    def at(self, u: Tensor) -> State:
        """The state at coordinates u (size,)."""
        theta = self.basis.coefficients(u)
        return self.state([tuple(self.likelihood.etas(chunk, theta)) for chunk in self.chunks])

    def state(self, etas: Sequence[tuple[Tensor, ...]]) -> State:
        """The state at linear predictors."""
        rows, value = [], 0.0
        for chunk, eta in zip(self.chunks, etas, strict=True):
            row = row_derivatives(lambda *leaves, chunk=chunk: self.likelihood.log_density(chunk, *leaves), eta)
            value += float((chunk.weight * row.l).sum())
            rows.append(row)
        return State(tuple(etas), tuple(rows), value / self.total)

    def moved(self, state: State, changes: Sequence[Sequence[Tensor]], t: float) -> State:
        """The state at the linear predictors plus t times their changes."""
        pairs = zip(state.etas, changes, strict=True)
        return self.state([tuple(e + t * d for e, d in zip(eta, change, strict=True)) for eta, change in pairs])

    def changes(self, move: Tensor) -> list[list[Tensor]]:
        """What a move of the chosen coefficients (m,) does to each chunk's linear predictors."""
        found: list[list[Tensor]] = []
        for k in range(len(self.chunks)):
            of_chunk: list[Tensor] = [move] * len(self.columns)
            for one in self.copied:
                moves = torch.zeros((one.count, len(one.of)), dtype=torch.float64)
                for j, predictor in enumerate(one.of):
                    place, target = self.sides[predictor]
                    moves[place, j] = move[target]
                for j, predictor in enumerate(one.of):
                    of_chunk[predictor] = one.values(k).T @ moves[:, j]
            found.append(of_chunk)
        return found

    def gradient(self, state: State) -> Tensor:
        """(size,) of all coordinates."""
        total = torch.zeros(self.size, dtype=torch.float64)
        for chunk, row in zip(self.chunks, state.rows, strict=True):
            for k, predictor in enumerate(chunk.predictors):
                total.index_add_(0, predictor.columns, predictor.X.rmatvec(chunk.weight * row.g[:, k]))
        return self.basis.slopes(total / self.total)

    def gradient_of_chosen(self, state: State) -> Tensor:
        """(m,) of those looked at."""
        total = torch.zeros(len(self.chosen), dtype=torch.float64)
        for k, (chunk, row) in enumerate(zip(self.chunks, state.rows, strict=True)):
            weighted = chunk.weight[:, None] * row.g
            for one in self.copied:
                slopes = one.values(k) @ weighted[:, one.of] if len(one.of) > 1 else None
                for j, predictor in enumerate(one.of):
                    place, target = self.sides[predictor]
                    own = slopes[:, j] if slopes is not None else one.values(k) @ weighted[:, predictor]
                    total.index_add_(0, target, own[place])
        return total / self.total

    def bend(self, state: State) -> float:
        """The sum of curvatures over rows and predictors: how much of it there is, not in which directions."""
        pairs = zip(self.chunks, state.rows, strict=True)
        return -sum(float(chunk.weight @ row.h.diagonal(dim1=1, dim2=2).sum(dim=1)) for chunk, row in pairs)

    def curvature(self, state: State, since: int = 0) -> Tensor:
        """(m, m - since) between all chosen coefficients and those from `since` on."""
        m = len(self.chosen)
        total = torch.zeros((m, m - since), dtype=torch.float64)
        for k, (chunk, row) in enumerate(zip(self.chunks, state.rows, strict=True)):
            h = -chunk.weight[:, None, None] * row.h
            for i, (right, target) in enumerate(self.sides):
                new = target >= since
                for j, (left, place) in enumerate(self.sides):
                    if not bool(new.any()) or not len(left):
                        continue
                    X, Z = self.mine[j].values(k), self.mine[i].values(k)
                    alike = i == j and since == 0 and len(left) == len(X)
                    block = _symmetric(X, h[:, i, i]) if alike else _between(X, h[:, j, i], Z[right[new]])
                    block = block[left][:, right] if alike else block[left]
                    total.index_put_((place[:, None], target[new] - since), block, accumulate=True)
        return total / self.total


def _between(X: Tensor, h: Tensor, Z: Tensor) -> Tensor:
    """X diag(h) Z' (p, q) of columns (p, n) and (q, n)."""
    out = torch.zeros((len(X), len(Z)), dtype=torch.float64)
    for start in range(0, len(h), SLICE):
        part = slice(start, start + SLICE)
        out.addmm_(X[:, part], (Z[:, part] * h[part]).T)
    return out


def _symmetric(X: Tensor, h: Tensor) -> Tensor:
    """X diag(h) X' (p, p), the products of each pair of columns made once."""
    out = torch.zeros((len(X), len(X)), dtype=torch.float64)
    for start in range(0, len(h), SLICE):
        part = slice(start, start + SLICE)
        weighted = X[:, part] * h[part]
        for first in range(0, len(X), BLOCK):
            out[first : first + BLOCK, first:].addmm_(weighted[first : first + BLOCK], X[first:, part].T)
    upper = torch.triu(out, 1)
    return out.triu() + upper.T
