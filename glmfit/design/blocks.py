"""Blocks of a model matrix and the three operations that every estimate is made of.

    matvec(b) = X b        rmatvec(v) = X' v        sandwich(h, Z) = X' diag(h) Z

A `Dense` block is a matrix, `Columns` are what one is made of. A `Categorical` block is a code per row and a coding of
the levels: its products gather and scatter levels, never see a one-hot matrix, and cost for 5,000 levels what they do
for one. A coding is int64 (p,), the level that each column indicates, or a contrast matrix, float64 (levels, p).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from glmfit.numerics import beside, taken

_CELLS = 1 << 18  # multiplied at once: X * h for a slice stays in cache,
_FEWEST, _ROWS = 1024, 8192  # of at least and at most so many rows
_FEW = 16  # columns up to which a slice of a factor is cheaper as a matrix than as codes


def _slices(n: int, p: int) -> Iterator[slice]:
    """Runs of the rows of a block (n, p)."""
    rows = min(_ROWS, max(_FEWEST, _CELLS // max(1, p)))
    return (slice(start, start + rows) for start in range(0, n, rows))


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """A block of numeric columns: `values` float64 (n, p), in memory one column after the other."""

    values: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """(n, p)."""
        return self.values.shape[0], self.values.shape[1]

    def matvec(self, beta: Tensor) -> Tensor:
        """X beta: (p,) -> (n,)."""
        return self.values @ beta

    def rmatvec(self, v: Tensor) -> Tensor:
        """X' v: (n,) -> (p,)."""
        return self.values.T @ v

    def sandwich(self, h: Tensor, other: Block) -> Tensor:
        """X' diag(h) Z: (p, q)."""
        if isinstance(other, Categorical):
            return other.sandwich(h, self).T
        values = other.dense()
        out = self.values.new_zeros(self.shape[1], other.shape[1])
        for part in _slices(*values.shape):
            out.addmm_(self.values[part].T, values[part] * h[part, None])
        return out

    def rows(self, part: slice | Tensor, shared: dict[int, Tensor] | None = None) -> Dense:
        """Some of the rows: a slice is not a copy."""
        return Dense(taken(self.values, part))

    def select(self, columns: Sequence[int]) -> Dense:
        """Some of the columns."""
        return Dense(beside([self.values[:, j] for j in columns]))

    def dense(self) -> Tensor:
        """The block as a matrix: (n, p)."""
        return self.values

    def entries(self) -> tuple[Tensor, Tensor, Tensor]:
        """Row, column and value (e,) of all that may not be 0."""
        n, p = self.shape
        rows, columns = torch.meshgrid(torch.arange(n), torch.arange(p), indexing="ij")
        return rows.flatten(), columns.flatten(), self.values.flatten()


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Numeric columns as they lie in a table, float64 (n,) each, of which there is no block yet."""

    columns: list[Tensor]

    @property
    def shape(self) -> tuple[int, int]:
        """(n, p)."""
        return len(self.columns[0]), len(self.columns)

    def matvec(self, beta: Tensor) -> Tensor:
        """X beta: (p,) -> (n,)."""
        return self._block().matvec(beta)

    def rmatvec(self, v: Tensor) -> Tensor:
        """X' v: (n,) -> (p,)."""
        return self._block().rmatvec(v)

    def sandwich(self, h: Tensor, other: Block) -> Tensor:
        """X' diag(h) Z: (p, q)."""
        return self._block().sandwich(h, other)

    def rows(self, part: slice | Tensor, shared: dict[int, Tensor] | None = None) -> Columns:
        """Some of the rows: a slice is not a copy."""
        return Columns([taken(column, part) for column in self.columns])

    def select(self, columns: Sequence[int]) -> Columns:
        """Some of the columns."""
        return Columns([self.columns[j] for j in columns])

    def dense(self) -> Tensor:
        """The block as a matrix: (n, p)."""
        return beside(self.columns)

    def entries(self) -> tuple[Tensor, Tensor, Tensor]:
        """Row, column and value (e,) of all that may not be 0."""
        return self._block().entries()

    def _block(self) -> Dense:
        return Dense(self.dense())


@dataclass(frozen=True, slots=True, eq=False)
class Categorical:
    """A factor, or several crossed: row i of the block is coding[codes[i]] * multiplier[i].

    `codes` int64 (n,) in 0..levels-1; `coding` int64 (p,) or float64 (levels, p); `multiplier` float64 (n,) or None.
    """

    codes: Tensor
    coding: Tensor
    levels: int
    multiplier: Tensor | None = None

    @property
    def indicator(self) -> bool:
        """Whether each column indicates one level."""
        return self.coding.ndim == 1

    def has_codes_of(self, other: Categorical) -> bool:
        """Whether two blocks are of one factor: whether their codes are the same memory."""
        a, b = self.codes, other.codes
        alike = a.data_ptr() == b.data_ptr() and a.shape == b.shape and a.stride() == b.stride()
        return self.levels == other.levels and (a is b or alike)

    @property
    def contrast(self) -> Tensor:
        """The coding as a matrix: (levels, p)."""
        if not self.indicator:
            return self.coding
        eye = torch.zeros(self.levels, len(self.coding), dtype=torch.float64)
        eye[self.coding, torch.arange(len(self.coding))] = 1.0
        return eye

    @property
    def shape(self) -> tuple[int, int]:
        """(n, p)."""
        return len(self.codes), self.coding.shape[-1]

    def _times(self, v: Tensor) -> Tensor:
        return v if self.multiplier is None else v * self.multiplier

    def _gathered(self, sums: Tensor) -> Tensor:
        """Sums by level (levels, ...) -> by column (p, ...)."""
        return sums[self.coding] if self.indicator else self.coding.T @ sums

    def _by_level(self, v: Tensor) -> Tensor:
        return torch.zeros(self.levels, dtype=torch.float64).index_add_(0, self.codes, v)

    def matvec(self, beta: Tensor) -> Tensor:
        """X beta: (p,) -> (n,)."""
        if self.indicator:
            effects = torch.zeros(self.levels, dtype=torch.float64).index_add_(0, self.coding, beta)
        else:
            effects = self.coding @ beta
        return self._times(effects[self.codes])

    def rmatvec(self, v: Tensor) -> Tensor:
        """X' v: (n,) -> (p,)."""
        return self._gathered(self._by_level(self._times(v)))

    def sandwich(self, h: Tensor, other: Block) -> Tensor:
        """X' diag(h) Z: (p, q), by way of sums over levels."""
        h = self._times(h)
        if isinstance(other, Columns):
            other = Dense(other.dense())
        if isinstance(other, Dense):
            return self._with_dense(h, other)
        h = other._times(h)
        if self.has_codes_of(other):
            return self._same_codes(self._by_level(h), other)
        return self._crossed(h, other)

    def squares(self, h: Tensor, other: Categorical) -> Tensor:
        """The diagonal (p,) of X' diag(h) Z, and all of it, where both indicate the same levels, which never meet."""
        return self._by_level(other._times(self._times(h)))[self.coding]

    def _with_dense(self, h: Tensor, other: Dense) -> Tensor:
        """coding' (sums over levels of the other block's rows); few columns are unrolled a slice of rows at a time."""
        few = self.shape[1] <= _FEW
        contrast = self.contrast if few else self.coding
        out = torch.zeros(self.shape[1] if few else self.levels, other.shape[1], dtype=torch.float64)
        for part in _slices(*other.values.shape):
            weighted = other.values[part] * h[part, None]
            if few:  # a product of matrices beats adding row by row
                out.addmm_(contrast.index_select(0, self.codes[part]).T, weighted)
            else:
                out.index_add_(0, self.codes[part], weighted)
        return out if few else self._gathered(out)

    def _same_codes(self, sums: Tensor, other: Categorical) -> Tensor:
        """coding' diag(sums) coding of the other block."""
        if self.indicator and other.indicator:
            # Only columns of the same level meet.
            place = torch.full((self.levels,), -1, dtype=torch.int64)
            place[other.coding] = torch.arange(len(other.coding))
            column = place[self.coding]
            met = torch.nonzero(column >= 0).squeeze(1)
            out = torch.zeros(len(self.coding), len(other.coding), dtype=torch.float64)
            out[met, column[met]] = sums[self.coding[met]]
            return out
        if self.indicator:
            return sums[self.coding, None] * other.coding[self.coding]
        if other.indicator:
            return other._same_codes(sums, self).T
        return self.coding.T @ (sums[:, None] * other.coding)

    def _crossed(self, h: Tensor, other: Categorical) -> Tensor:
        """The table of two different codes, then each one's coding."""
        mine, mine_columns = self._cells()
        theirs, their_columns = other._cells()
        table = torch.zeros(mine_columns * their_columns, dtype=torch.float64)
        table = table.index_add_(0, mine * their_columns + theirs, h).view(mine_columns, their_columns)
        table = table[: self.shape[1]] if self.indicator else self.coding.T @ table
        return table[:, : other.shape[1]] if other.indicator else table @ other.coding

    def _cells(self) -> tuple[Tensor, int]:
        """What to count by: for indicators the column of each row, with one more for rows that have none."""
        if not self.indicator:
            return self.codes, self.levels
        p = len(self.coding)
        column = torch.full((self.levels,), p, dtype=torch.int64)
        column[self.coding] = torch.arange(p)
        return column[self.codes], p + 1

    def rows(self, part: slice | Tensor, shared: dict[int, Tensor] | None = None) -> Categorical:
        """Some of the rows: a slice is not a copy; codes that are `shared` by their memory stay so."""
        multiplier = None if self.multiplier is None else taken(self.multiplier, part)
        shared, key = {} if shared is None else shared, self.codes.data_ptr()
        if key not in shared:
            shared[key] = taken(self.codes, part)
        return replace(self, codes=shared[key], multiplier=multiplier)

    def select(self, columns: Sequence[int] | Tensor) -> Categorical:
        """Some of the columns."""
        index = torch.as_tensor(columns, dtype=torch.int64)
        return replace(self, coding=self.coding[..., index])

    def entries(self) -> tuple[Tensor, Tensor, Tensor]:
        """Row, column and value (e,) of all that may not be 0."""
        if not self.indicator:
            return Dense(self.dense()).entries()
        columns, p = self._cells()
        rows = torch.nonzero(columns < p - 1)[:, 0]
        one = torch.ones(len(rows), dtype=torch.float64)
        return rows, columns[rows], one if self.multiplier is None else self.multiplier[rows]

    def dense(self) -> Tensor:
        """The block as a matrix: (n, p)."""
        rows = self.contrast[self.codes]
        return rows if self.multiplier is None else rows * self.multiplier[:, None]


Block: TypeAlias = Dense | Columns | Categorical
