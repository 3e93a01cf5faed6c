"""The rows of a model: response, weights, columns of data and linear predictors, all at once or a chunk of them.

Tensors of all rows lie in memory or are mapped from a temporary file, and what is the same for every row is one number
with a stride of 0. Whoever sums over chunks sees tensors of few rows and does not ask where they come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

import torch
from torch import Tensor

from glmfit.design import CHUNK_ROWS, Matrix
from glmfit.numerics import Pair, exact, lies_in, product, taken
from glmfit.spill import let_go
from glmfit.watch import tell

CHUNK_CELLS = 4_000_000  # of the Hessians of rows worked on together
FEWEST_ROWS = 16


@dataclass(frozen=True, slots=True)
class Predictor:
    """One linear predictor: X (n, q) times theta[columns] (q,), plus offset (n,), for the parameter named.

    Where absorbed effects have been fitted, they are in the offset: `effects` (n,) of it. They follow the coefficients
    of other predictors, which are the last `beside` of the columns.
    """

    parameter: str
    X: Matrix
    columns: Tensor
    offset: Tensor
    effects: Tensor | None = None
    beside: int = 0

    @property
    def own(self) -> Tensor:
        """(p,) the places of its own coefficients."""
        return self.columns[: len(self.columns) - self.beside]

    @property
    def own_offset(self) -> Tensor:
        """(n,) the offset without the effects."""
        return self.offset if self.effects is None else self.offset - self.effects

    def eta(self, theta: Tensor) -> Tensor:
        """(n,) the linear predictor at theta."""
        return self.X.matvec(theta[self.columns]) + self.offset

    def precise_eta(self, theta: Tensor, low: Tensor) -> Pair:
        """(n,) the linear predictor at theta + low, in twice the working precision."""
        return product(self.X.dense(), Pair(theta[self.columns], low[self.columns])) + exact(self.offset)

    def rows(self, part: slice | Tensor, shared: dict[int, Tensor] | None = None) -> Predictor:
        effects = None if self.effects is None else taken(self.effects, part)
        X, offset = self.X.rows(part, shared), taken(self.offset, part)
        return Predictor(self.parameter, X, self.columns, offset, effects, self.beside)


@dataclass(frozen=True, slots=True)
class Rows:
    """A run of rows: response, weights that multiply l, the family's data columns, predictors, held parameters.

    Predictors stand in the order of the family's parameters.
    `weight` is the product of frequency and any other weight that multiplies l; `frequency` is how many units a row
    stands for. `held` has the parameters that are not estimated here, on the working scale. `log_prior` is the log of
    the prior weights where they belong to phi, else 0. Every tensor is (n,).
    """

    y: Tensor
    weight: Tensor
    frequency: Tensor
    columns: Mapping[str, Tensor]
    predictors: tuple[Predictor, ...]
    held: Mapping[str, Tensor]
    log_prior: Tensor

    @property
    def square_weight(self) -> Tensor:
        """(n,) the weight of each row in sums of squares: prior weight times frequency or sampling weight."""
        return self.weight * torch.exp(self.log_prior)

    @property
    def sides(self) -> list[tuple[Matrix, Tensor]]:
        """The matrix of each predictor, with the places of its columns."""
        return [(predictor.X, predictor.columns) for predictor in self.predictors]

    def __len__(self) -> int:
        return len(self.y)

    @property
    def mapped(self) -> bool:
        """Whether they lie in a temporary file."""
        return lies_in(self.y) is not None

    def rows(self, part: slice | Tensor) -> Rows:
        """Some of them, by a slice, which is no copy, or by their positions."""
        shared: dict[int, Tensor] = {}
        return Rows(
            taken(self.y, part),
            taken(self.weight, part),
            taken(self.frequency, part),
            {name: taken(column, part) for name, column in self.columns.items()},
            tuple(predictor.rows(part, shared) for predictor in self.predictors),
            {name: taken(value, part) for name, value in self.held.items()},
            taken(self.log_prior, part),
        )

    def chunks(self, size: int = CHUNK_ROWS) -> Chunks:
        """The same rows in even runs of at most `size`, fewer where h (n, K, K) would be large; slices are views."""
        return Chunks(self, min(size, max(CHUNK_CELLS // max(1, len(self.predictors)) ** 2, FEWEST_ROWS)))


class Chunks(Sequence[Rows]):
    """A source of chunks: even runs of rows, of at most `size`, each as `change` makes it.

    Those of rows in memory are made once. Those of rows in a file are made each time that they are looked at, and let
    go of when the next one is.
    """

    def __init__(self, rows: Rows, size: int, change: Callable[[Rows], Rows] | None = None) -> None:
        self.rows, self.size, self.change = rows, size, change
        self.mapped = rows.mapped
        self._count = -(-len(rows) // size)
        self._kept = None if self.mapped else [self._chunk(k) for k in range(self._count)]

    def map(self, change: Callable[[Rows], Rows]) -> Chunks:
        """The same chunks, changed once more."""
        first = self.change
        return Chunks(self.rows, self.size, change if first is None else lambda chunk: change(first(chunk)))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Rows]:
        if self._kept is not None:
            yield from self._kept
            return
        for k in range(self._count):
            yield self._chunk(k)
            let_go(self.size)
            tell(len(self.rows) * (k + 1) // self._count, len(self.rows))

    @overload
    def __getitem__(self, at: int) -> Rows: ...
    @overload
    def __getitem__(self, at: slice) -> list[Rows]: ...
    def __getitem__(self, at: int | slice) -> Rows | list[Rows]:
        if isinstance(at, slice):
            return [self[k] for k in range(*at.indices(self._count))]
        if self._kept is not None:
            return self._kept[at]
        return self._chunk(range(self._count)[at])

    def _chunk(self, k: int) -> Rows:
        n, count = len(self.rows), self._count
        chunk = self.rows.rows(slice(n * k // count, n * (k + 1) // count))
        return chunk if self.change is None else self.change(chunk)
