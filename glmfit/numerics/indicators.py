"""Least squares on the indicators of several factors, of however many levels, without their columns.

    minimise sum_i w_i (v_i - a_f(i) - b_g(i) - ...)^2        D'WD (a, b, ...) = D'Wv

The block of the factor with the most levels is diagonal and is eliminated. What is left of the others,
S = A - C'F^-1 C, is solved by conjugate gradients, scaled by its diagonal; where they take many steps it is formed, if
it is sparse. They take the square root of the steps that alternating projections take, and mind no singular S.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

EXACT = 1e-13  # of the size of the right-hand side, in the norm of S^-1 but for rounding
MOST_STEPS = 20_000
FEW = 25  # products with S, beyond which it is formed
CHEAP = 1e8  # where that takes no more products of cells than these
NOTHING = 1e-12  # of a diagonal, left of it by the elimination: an effect that those of the other factor make up for


class Indicators:
    """D (n, L): a column for each level of each factor; `codes` are (n,) int64 of each, `sizes` their levels."""

    def __init__(self, codes: Sequence[np.ndarray], sizes: Sequence[int]) -> None:
        self.codes, self.sizes = tuple(codes), tuple(sizes)
        ends = np.cumsum([0, *sizes])
        self.places = tuple(slice(*pair) for pair in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True))
        self.size = int(ends[-1])
        self.largest = int(np.argmax(sizes))

    def times(self, effects: np.ndarray) -> np.ndarray:
        """D a: (L,) or (L, k) -> (n,) or (n, k)."""
        return self._matrix @ effects

    def sums(self, rows: np.ndarray) -> np.ndarray:
        """D'v: (n,) or (n, k) -> (L,) or (L, k)."""
        return self._matrix.T @ rows

    @cached_property
    def _matrix(self) -> csr_matrix:
        """D as a sparse matrix, by which all columns of a row are added at once: levels are far apart in memory."""
        from scipy.sparse import csr_matrix

        n, factors = len(self.codes[0]), len(self.sizes)
        kind = np.int32 if max(n * factors, self.size) < 2**31 else np.int64
        places = np.empty((n, factors), dtype=kind)
        for k, (place, code) in enumerate(zip(self.places, self.codes, strict=True)):
            places[:, k] = code + place.start
        ends = np.arange(0, n * factors + 1, factors, dtype=kind)
        return csr_matrix((np.ones(n * factors), places.ravel(), ends), shape=(n, self.size))

    def normal(self, weight: np.ndarray) -> Normal:
        """D'WD for weights (n,)."""
        diagonal = self.sums(weight)
        inner = self.places[self.largest]
        if len(self.sizes) == 1:
            return Normal(inner, diagonal, None, None)
        from scipy.sparse import bmat, diags, hstack

        outer = [k for k in range(len(self.sizes)) if k != self.largest]
        border = hstack([self._tables[self.largest, k].filled(weight) for k in outer], format="csr")
        blocks = [
            [
                diags(diagonal[self.places[k]])
                if k == j
                else self._tables[k, j].filled(weight)
                if k < j
                else self._tables[j, k].filled(weight).T
                for j in outer
            ]
            for k in outer
        ]
        return Normal(inner, diagonal, border, bmat(blocks, format="csr"))

    @cached_property
    def _tables(self) -> dict[tuple[int, int], _Table]:
        """Which levels of two factors meet, for the pairs that `normal` asks for."""
        outer = [k for k in range(len(self.sizes)) if k != self.largest]
        pairs = [(self.largest, k) for k in outer] + [(j, k) for j in outer for k in outer if j < k]
        return {(j, k): _Table.of(self.codes[j], self.codes[k], self.sizes[j], self.sizes[k]) for j, k in pairs}

    def redundant(self) -> tuple[int, ...]:
        """For each factor, how many of its effects those of the factors before it make up for.

        Of two factors that are the connected components of the levels that meet, which is exact. A third or further
        one has at least the largest number that it has with any one before it.
        """
        count = len(self.sizes)
        return tuple(max((self._components(j, k) for j in range(k)), default=0) for k in range(count))

    def _components(self, j: int, k: int) -> int:
        table = self._tables[j, k] if (j, k) in self._tables else self._tables[k, j]
        return table.components()


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """The cells in which rows of two factors lie, as those of a sparse matrix, and the cell of each row (n,)."""

    cell: np.ndarray
    indptr: np.ndarray
    indices: np.ndarray
    shape: tuple[int, int]

    @classmethod
    def of(cls, first: np.ndarray, second: np.ndarray, rows: int, columns: int) -> _Table:
        cells, cell = np.unique(first * columns + second, return_inverse=True)
        begins = np.searchsorted(cells, np.arange(rows + 1) * columns)
        return cls(cell, begins.astype(np.int32), (cells % columns).astype(np.int32), (rows, columns))

    def components(self) -> int:
        """How many sets of levels of the two factors there are that never meet each other."""
        from scipy.sparse import csr_matrix
        from scipy.sparse.csgraph import connected_components

        rows, columns = self.shape
        begins = np.concatenate([self.indptr, np.full(columns, self.indptr[-1])])
        meets = np.ones(len(self.indices), dtype=np.int8)
        graph = csr_matrix((meets, self.indices + rows, begins), shape=(rows + columns, rows + columns))
        return int(connected_components(graph, directed=False)[0])

    def filled(self, weight: np.ndarray) -> csr_matrix:
        """The sums of weights (n,) in the cells."""
        from scipy.sparse import csr_matrix

        sums = np.bincount(self.cell, weights=weight, minlength=len(self.indices))
        return csr_matrix((sums, self.indices, self.indptr), shape=self.shape)


class Normal:
    """D'WD (L, L): `diagonal` (L,), where the factor at `inner` has nothing else, its `border` with the others, and
    what these have among themselves, both None where there are none."""

    def __init__(
        self, inner: slice, diagonal: np.ndarray, border: csr_matrix | None, others: csr_matrix | None
    ) -> None:
        self.inner, self.diagonal, self.border, self.others = inner, diagonal, border, others
        outer = np.ones(len(diagonal), dtype=bool)
        outer[inner] = False
        self.outer = outer
        self.inverse = _inverse(diagonal[inner], 0.0)[:, None]
        self._products = 0

    @property
    def is_positive(self) -> bool:
        """Whether no effect has a negative diagonal, or one that is no number."""
        return bool((self.diagonal >= 0).all())

    def solve(
        self,
        right: np.ndarray,
        begin: np.ndarray | None = None,
        tolerance: float = EXACT,
        rounding: np.ndarray | None = None,
    ) -> np.ndarray:
        """(L, k) a solution of D'WD x = right (L, k), from `begin`; NaN where D'WD is not positive.

        It is as near as `tolerance` says, relative to the right-hand side, or as the `rounding` (L, k) of that allows.
        """
        if not self.is_positive:
            return np.full_like(right, np.nan)
        out = np.empty_like(right)
        if self.border is None:
            out[self.inner] = self.inverse * right[self.inner]
            return out
        rest = right[self.outer] - self._transposed @ (self.inverse * right[self.inner])
        enough = max(tolerance, EXACT) ** 2 * (self._scale * rest**2).sum(axis=0)
        if rounding is not None:
            enough = np.maximum(enough, (self._scale * rounding[self.outer] ** 2).sum(axis=0))
        out[self.outer] = self._conjugate(rest, None if begin is None else begin[self.outer], enough)
        out[self.inner] = self.inverse * (right[self.inner] - self.border @ out[self.outer])
        return out

    @cached_property
    def _transposed(self) -> csr_matrix:
        assert self.border is not None
        return self.border.T.tocsr()

    @cached_property
    def _schur(self) -> csr_matrix | None:
        """S, where its cells are not too many."""
        assert self.border is not None
        from scipy.sparse import diags

        meets = np.diff(self.border.indptr).astype(np.float64)
        if float(meets @ meets) > CHEAP:
            return None
        return (self.others - self._transposed @ (diags(self.inverse[:, 0]) @ self.border)).tocsr()

    def _times(self, x: np.ndarray) -> np.ndarray:
        """S x."""
        self._products += 1
        if self._products > FEW and self._schur is not None:
            return self._schur @ x
        return self.others @ x - self._transposed @ (self.inverse * (self.border @ x))

    @cached_property
    def _scale(self) -> np.ndarray:
        """(m, 1) the inverse of the diagonal of S."""
        whole = self.diagonal[self.outer]
        left = whole - self._transposed.power(2) @ self.inverse[:, 0]
        return _inverse(left, NOTHING * whole)[:, None]

    def _conjugate(self, right: np.ndarray, begin: np.ndarray | None, enough: np.ndarray) -> np.ndarray:
        """S^-1 right, all columns side by side, each until its residual is small `enough` (k,), squared and scaled."""
        x = np.zeros_like(right) if begin is None else begin.copy()
        residual = right.copy() if begin is None else right - self._times(x)
        scaled = self._scale * residual
        direction, size = scaled.copy(), (residual * scaled).sum(axis=0)
        for _ in range(MOST_STEPS):
            going = size > enough
            if not going.any():
                break
            moved = self._times(direction)
            curved = (direction * moved).sum(axis=0)
            length = (direction * direction / np.where(self._scale > 0, self._scale, np.inf)).sum(axis=0)
            if (curved < -NOTHING * length).any():
                return np.full_like(right, np.nan)
            going &= curved > 0  # a direction that S does not see is rounding
            if not going.any():
                break
            step = np.where(going, size / np.where(going, curved, 1.0), 0.0)
            x += step * direction
            residual -= step * moved
            scaled = self._scale * residual
            before, size = size, np.where(going, (residual * scaled).sum(axis=0), 0.0)
            direction = scaled + np.where(going, size / np.where(going, before, 1.0), 0.0) * direction
        return x


def _inverse(diagonal: np.ndarray, nothing: np.ndarray | float) -> np.ndarray:
    """1 / d, and 0 where d is nothing."""
    there = diagonal > nothing
    return np.where(there, 1 / np.where(there, diagonal, 1.0), 0.0)
