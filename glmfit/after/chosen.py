"""The rows of a source in which a condition holds, as a source of their own, each with the number that it has."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np

from glmfit.formula import Factor
from glmfit.rows.where import truth
from glmfit.table import Source, Table
from glmfit.table.source import Loaded


class Chosen(Source):
    """The rows of `whole` where a condition over its columns is true."""

    kind = "some rows of a source"
    may_be_empty = True

    def __init__(self, whole: Source, where: Factor) -> None:
        super().__init__(whole.name, whole.header)
        self._whole, self._where = whole, where

    def runs(self, columns: Sequence[str]) -> Iterator[Source]:
        for run in self._whole.runs([*columns, *self._where.columns]):
            yield Chosen(run, self._where)

    def read(self, columns: Sequence[str], words: Collection[str] = ()) -> Table:
        found = self._whole.read(columns, words).keep(self._inside())
        self.count = len(found)
        return found

    def load(self, positions: list[int], words: Collection[int] = ()) -> Loaded:
        at = np.flatnonzero(self._inside())
        return len(at), [(column.take(at), said) for column, said in self._whole.load(positions, words)[1]]

    def _inside(self) -> np.ndarray:
        """(n,) bool."""
        return truth(self._where, self._whole.read(self._where.columns)) == 1
