"""The rows that averages are taken over: complete rows of data with their weights and the groups that they belong to.

Weights are those that the model was fitted with, under their own name or another. A first pass over the rows tells what
has to be known before anything is averaged: the mean and the range of each column, and which hold 0 and 1 alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from glmfit.after.averages import Weighted
from glmfit.after.newdata import Asked, NewRows, new_rows
from glmfit.after.saved import SavedModel
from glmfit.errors import DataError, ModelError, UsageError
from glmfit.formula import WEIGHTS, Factor, role_factor
from glmfit.rows.weights import called, values_of
from glmfit.table import Source, is_number, refuse, unknown_column

MOST_GROUPS = 1_000


@dataclass(slots=True)
class Facts:
    """Of a column of numbers: its weighted sum, its range, and whether it holds 0 and 1 alone."""

    total: float = 0.0
    low: float = float("inf")
    high: float = float("-inf")
    binary: bool = True

    def add(self, values: np.ndarray, weights: np.ndarray) -> None:
        """Take in some rows."""
        self.total += float(values @ weights)
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        self.binary = self.binary and bool(((values == 0) | (values == 1)).all())


@dataclass(slots=True)
class Survey:
    """What a first pass over the rows tells."""

    columns: dict[str, Facts] = field(default_factory=dict)
    weight: float = 0.0
    rows: int = 0

    def mean(self, name: str) -> float:
        """The weighted mean of a column."""
        return self.columns[name].total / self.weight


class Sample:
    """A source of rows for a model; each pass over it reads a file again, and keeps a table that came in one run."""

    def __init__(
        self,
        model: SavedModel,
        source: Source,
        asked: Asked,
        weights: str | float | None = None,
        by: Sequence[str] = (),
    ) -> None:
        self.model, self.source, self.by = model, source, tuple(by)
        self.weights = _weights(model, source, weights)
        known = {variable.name for variable in model.fit.blueprint.variables}
        for name in by:
            if name not in source.header:
                raise unknown_column(name, source.header, source.name)
        extra = self.weights.columns if self.weights else ()
        self.asked = replace(asked, keep=tuple(name for name in by if name not in known), numbers=extra)
        self.keys: dict[tuple[Any, ...], int] = {}
        self._only: list[Weighted] = []

    def __iter__(self) -> Iterator[Weighted]:
        if self._only:
            yield from self._only
            return
        runs = 0
        for rows in new_rows(self.model, self.source, self.asked):
            run = Weighted(rows, self._weight(rows), *self._groups(rows))
            runs += 1
            self._only = [run] if runs == 1 else []
            yield run
        self._only = self._only if runs == 1 else []

    def survey(self, names: Sequence[str]) -> Survey:
        """What columns of numbers hold; `DataError` where no row is left."""
        found = Survey({name: Facts() for name in names})
        for run in self:
            if not len(run.weights):
                continue
            found.rows += len(run.weights)
            found.weight += float(run.weights.sum())
            for name, facts in found.columns.items():
                facts.add(run.rows.table.numbers(name), run.weights)
        if not found.rows:
            message = f"no row of {self.source.name} has all that the model needs"
            raise DataError("no_rows", message, "complete the data, or give other ones")
        return found

    def _weight(self, rows: NewRows) -> np.ndarray:
        n = len(rows.place)
        if self.weights is None:
            return np.ones(n)
        values = values_of(self.weights, rows.table)
        error = DataError(
            "bad_weight", "weights are finite numbers from 0 up", "correct the value, or leave the row out"
        )
        refuse(called(self.weights), values, ~((values >= 0) & np.isfinite(values)), rows.table.rows, error)
        return values

    def _groups(self, rows: NewRows) -> tuple[np.ndarray, list[tuple[Any, ...]]]:
        n = len(rows.place)
        codes = np.zeros(n, dtype=np.int64)
        columns = [self._labels(rows, name) for name in self.by]
        combined = np.zeros(n, dtype=np.int64)
        for labels, own in columns:
            combined = combined * len(labels) + own
        seen, first, codes = np.unique(combined, return_index=True, return_inverse=True)
        keys = [tuple(labels[own[at]] for labels, own in columns) for at in first.tolist()]
        if len(keys) > MOST_GROUPS:
            message = f"--by {','.join(self.by)} makes {len(seen):,} groups; at most {MOST_GROUPS:,} are averaged"
            raise UsageError("invalid_value", message, "give a column with fewer values")
        return codes.reshape(-1), keys

    def _labels(self, rows: NewRows, name: str) -> tuple[Sequence[Any], np.ndarray]:
        """The values of a column, each once, and which of them each row has."""
        if name in rows.kept:
            texts = rows.kept[name].take(rows.place) if len(rows.place) < rows.n else rows.kept[name]
            encoded = texts.dictionary_encode()
            encoded = encoded.combine_chunks() if hasattr(encoded, "combine_chunks") else encoded
            values = [_plain(one) for one in encoded.dictionary.to_pylist()]
            codes = np.asarray(encoded.indices.fill_null(len(values)), dtype=np.int64)
            distinct = {value: at for at, value in enumerate(dict.fromkeys([*values, None]))}
            return list(distinct), np.array([distinct[value] for value in [*values, None]], dtype=np.int64)[codes]
        column = rows.table[name]
        if column.levels is not None:
            return column.levels, column.values
        distinct_numbers, places = np.unique(column.values, return_inverse=True)
        return distinct_numbers.tolist(), places.reshape(-1)


def _plain(value: Any) -> Any:
    """A value of the input as a label: a number where it is spelled as one."""
    if isinstance(value, str):
        return float(value) if is_number(value) else value
    return (
        value
        if value is None or isinstance(value, bool)
        else float(value)
        if isinstance(value, int | float)
        else str(value)
    )


def _weights(model: SavedModel, source: Source, asked: str | float | None) -> Factor | None:
    """The column of the weights, or arithmetic of columns; a model's are never left out silently."""
    if asked is not None:
        alone = str(asked) in ("1", "1.0") and asked not in source.header
        return None if alone else role_factor("weights", str(asked), source.header)
    roles = ((role, getattr(model.fit.model, role)) for role in WEIGHTS)
    role, known = next(((role, text) for role, text in roles if text), ("", ""))
    if not known:
        return None
    try:
        return role_factor(role, known, source.header)
    except (ModelError, UsageError) as error:
        message = f"{model.name} was fitted with the weights '{known}', and {source.name} has no such column"
        hint = "name another column: --weights COLUMN, or count all rows alike: --weights 1"
        raise DataError("unknown_column", message, hint) from error


def in_order(model: SavedModel, by: Sequence[str], keys: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Groups in the order of the levels of each column, numbers before texts."""
    levels = {one.name: {level: at for at, level in enumerate(one.levels)} for one in model.fit.blueprint.variables}

    def place(key: tuple[Any, ...]) -> list[tuple[int, Any]]:
        return [_rank(levels.get(name, {}), value) for name, value in zip(by, key, strict=True)]

    return sorted(keys, key=place)


def _rank(levels: dict[str, int], value: Any) -> tuple[int, Any]:
    if value in levels:
        return 0, float(levels[value])
    return (1, float(value)) if isinstance(value, float | bool) else (3, "") if value is None else (2, str(value))
