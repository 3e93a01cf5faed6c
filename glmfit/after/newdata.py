"""Rows of new data for a saved model: its columns, in the kinds and with the levels that the model knows.

A file is read in runs of rows, so that its size does not matter. A row with a missing value, or with a level that the
model has not seen, is an error that names it, or is left without an answer (`keep`); no row is ever dropped.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from glmfit.after.saved import SavedModel
from glmfit.errors import DataError, GlmfitError, ModelError, UsageError, shorten
from glmfit.formula import Evaluator, Factor, role_factor
from glmfit.result import Effects, Variable
from glmfit.rows.weights import called, values_of
from glmfit.table import Column, Source, Table, number_names, refuse

POLICIES = ("error", "keep")
AS_TEXT = ("text", "date")
# Errors of one row's values, which say nothing of the others.
OF_A_ROW = ("unknown_level", "no_effect", "not_finite", "transform", "outside_breaks", "not_a_date", "not_estimable")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command says of new data; an offset or an exposure is a column's name, or a number for all rows.

    `missing` is one of POLICIES, or None: rows without an answer are kept where the others are those of the fit; with
    `trials` the trials of a binomial response are needed too. `numbers` are further columns of the
    table, and complete rows have them.
    """

    offset: str | float | None = None
    exposure: str | float | None = None
    missing: str | None = "error"
    keep: tuple[str, ...] = ()
    trials: bool = False
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class NewRows:
    """A run of n rows: `table` has the m complete ones, of which `place` (m,) says where they stand among the n.

    `offset` (m,) is that of the main linear predictor, `trials` (m,) or None; `kept` are columns (n,) of the input.
    """

    table: Table
    place: np.ndarray
    n: int
    offset: np.ndarray
    trials: np.ndarray | None
    kept: Mapping[str, Any]

    def rows(self, index: np.ndarray) -> NewRows:
        """Some of the complete rows."""
        return replace(
            self,
            table=self.table.keep(index),
            place=self.place[index],
            offset=self.offset[index],
            trials=None if self.trials is None else self.trials[index],
        )


def new_rows(model: SavedModel, source: Source, asked: Asked) -> Iterator[NewRows]:
    """All rows of a source, a run at a time."""
    yield from Reader(model, source, asked).runs()


class Reader:
    """The columns that a model needs of new data, found once, and what makes rows of them.

    `further` columns are needed as well, and are left as they are; those that are `loose` may have missing values.
    """

    def __init__(
        self,
        model: SavedModel,
        source: Source,
        asked: Asked,
        further: Sequence[str] = (),
        loose: Sequence[str] = (),
        words: Sequence[str] = (),
    ) -> None:
        self.model, self.asked = model, asked
        self.effects = _effects(model)
        self.variables = {variable.name: variable for variable in model.fit.blueprint.variables}
        self.variables |= {one.factor: Variable(one.factor, "text", one.levels) for one in self.effects}
        self.leveled = {factor.levels_of for predictor in model.predictors for factor in predictor.ungrouped}
        self.leveled |= {one.factor for one in self.effects}
        self.offset = _given(model, source, "offset", model.fit.model.offset, asked.offset)
        self.exposure = _given(model, source, "exposure", model.fit.model.exposure, asked.exposure)
        self.trials = model.trials if asked.trials else ()
        header = source.header
        of_rows = [given for given in (self.offset, self.exposure) if isinstance(given, Factor)]
        columns = [*self.variables, *asked.numbers]
        columns += [name for factor in (*of_rows, *self.trials) for name in factor.columns]
        self.source, self.further = source, frozenset(further)
        self.loose = frozenset(loose) - set(columns) - self.further
        self.words = [*words, *(name for name, variable in self.variables.items() if variable.kind in AS_TEXT)]
        self.columns = tuple(dict.fromkeys([*columns, *further, *loose]))
        self.kept = header if asked.keep == ("all",) and "all" not in header else asked.keep
        source.read_header([*self.columns, *self.kept])

    def runs(self) -> Iterator[NewRows]:
        """All rows, a run at a time."""
        for part in self.source.runs([*self.columns, *self.kept]):
            yield self.read(part)

    def read(self, part: Source) -> NewRows:
        """The rows of a run."""
        table = part.read(self.columns, self.words)
        n = len(table)
        inside = self.inside(table)
        table = _chosen(table, inside)
        fits = np.ones(len(table), dtype=bool)
        columns = dict(table.columns)
        for name in self.columns:
            if name not in self.loose:
                columns[name], good = self._conform(table, name)
                fits &= good
        table = _chosen(replace(table, columns=columns), fits)
        counted = self.counted(table)
        place = np.flatnonzero(inside)[fits][counted]
        kept = part.verbatim(self.kept) if self.kept and n else {}
        rows = NewRows(_chosen(table, counted), place, n, np.zeros(len(place)), None, kept)
        return self._with_offset(rows)

    def inside(self, table: Table) -> np.ndarray:
        """(n,) bool: the rows that are looked at, of a table whose values may be missing."""
        return np.ones(len(table), dtype=bool)

    def counted(self, table: Table) -> np.ndarray:
        """(n,) bool: of complete rows those that count."""
        return np.ones(len(table), dtype=bool)

    def _conform(self, table: Table, name: str) -> tuple[Column, np.ndarray]:
        """A column as the model knows it, and where its values can be used; raises for others unless they are kept."""
        variable = self.variables.get(name) or Variable(name, "number")
        column = table[name]
        missing = column.missing
        self._refuse_missing(table, name, missing)
        if name in self.further and name not in self.variables:
            return column, ~missing
        if variable.kind == "number":
            if column.levels:
                if column.kind == "boolean":
                    raise _wrong_kind(table, column, "true or false", "numbers")
                table.numbers(name)  # raises, naming value and row
            return (column if column.levels is None else Column(name, "number", np.full(len(table), np.nan))), ~missing
        if variable.kind == "boolean" and column.levels is None and not missing.all():
            raise _wrong_kind(table, column, "a number", "true or false")
        levels, codes = as_text(column)
        if variable.kind in AS_TEXT and name not in self.leveled:  # compared with, or a date: any value will do
            return Column(name, variable.kind, codes, tuple(levels)), ~missing
        place = {level: at for at, level in enumerate(variable.levels)}
        moved = np.array([*(place.get(level, -1) for level in levels), -1], dtype=np.int64)[codes]
        strange = (moved < 0) & ~missing
        if strange.any() and self.asked.missing == "error":
            at = int(np.argmax(strange))
            level, row = levels[codes[at]], int(table.rows[at])
            if level in self._empty(name):
                raise _without_effect(name, level, row)
            raise unseen(name, level, row, variable.levels)
        return Column(name, variable.kind, moved, variable.levels), moved >= 0

    def _empty(self, name: str) -> tuple[str, ...]:
        """The levels of an absorbed factor that have no effect; none of another column."""
        return next((one.dropped for one in self.effects if one.factor == name), ())

    def has_effects(self, table: Table) -> np.ndarray:
        """(n,) bool: rows in none of the absorbed levels whose rows the fit dropped."""
        found = np.ones(len(table), dtype=bool)
        for one in self.effects:
            levels, codes = as_text(table[one.factor])
            dropped = frozenset(one.dropped)
            found &= ~np.array([*(level in dropped for level in levels), False])[codes]
        return found

    def _refuse_missing(self, table: Table, name: str, missing: np.ndarray) -> None:
        if missing.any() and self.asked.missing == "error":
            row = int(table.rows[np.argmax(missing)])
            message = f"'{name}' is missing in row {row} of {table.source}"
            hint = "complete it, or write --missing keep, which leaves such rows without an estimate"
            raise DataError("missing_values", message, hint)

    def _with_offset(self, rows: NewRows) -> NewRows:
        table, offset = rows.table, rows.offset
        for one in self.effects:
            offset = offset + np.array(one.effects)[table[one.factor].values]
        for option, given in (("offset", self.offset), ("exposure", self.exposure)):
            if given is None:
                continue
            values = values_of(given, table) if isinstance(given, Factor) else np.full(len(table), given)
            wrong = ~np.isfinite(values) if option == "offset" else ~((values > 0) & np.isfinite(values))
            rule = "an offset is a finite number" if option == "offset" else "an exposure is positive, finite"
            error = DataError("bad_offset", rule, "correct the value, or leave the row out")
            refuse(called(given) if isinstance(given, Factor) else f"--{option}", values, wrong, table.rows, error)
            offset = offset + (values if option == "offset" else np.log(values))
        trials = None
        if self.trials:
            evaluator = Evaluator(table)
            trials = np.sum([evaluator.numbers(factor) for factor in self.trials], axis=0)
            error = DataError("outside_support", "trials are counted from 1", "correct the value, or drop the row")
            refuse(" + ".join(factor.text for factor in self.trials), trials, ~(trials > 0), table.rows, error)
        return replace(rows, offset=offset, trials=trials)


def _effects(model: SavedModel) -> tuple[Effects, ...]:
    """The absorbed effects that a linear predictor has; raises where they were too many to be kept."""
    absorbed, kept = model.fit.model.absorbed, model.fit.blueprint.absorbed
    if absorbed and not kept:
        levels = ", ".join(f"{one.factor} ({one.levels:,} levels)" for one in absorbed)
        message = f"{model.name} was fitted with --absorb, and keeps no effects of so many levels: {levels}"
        raise ModelError("absorbed_effects", message, "predict needs them: absorb factors of fewer levels")
    return kept


def unseen(name: str, level: str, row: int, levels: Sequence[str]) -> DataError:
    """The error for a level that the model has no coefficient for."""
    message = f"'{name}' is '{shorten(level)}' in row {row}, a level that the model has not seen"
    listed = ", ".join(f"'{known}'" for known in levels[:10]) + (", ..." if len(levels) > 10 else "")
    return DataError(
        "unknown_level", message, f"it knows {listed}; --missing keep leaves such rows without an estimate"
    )


def _without_effect(name: str, level: str, row: int) -> DataError:
    message = (
        f"'{name}' is '{shorten(level)}' in row {row}, an absorbed level whose rows the fit dropped: it has no effect, "
        "or an infinite one"
    )
    return DataError("no_effect", message, "--missing keep leaves such rows without an estimate")


def is_of_a_row(error: GlmfitError) -> bool:
    """Whether an error of evaluating rows is one of the values of some of them."""
    return error.code in OF_A_ROW


def _wrong_kind(table: Table, column: Column, found: str, meant: str) -> DataError:
    at = int(np.argmax(~column.missing))
    value = column.levels[column.values[at]] if column.levels is not None else f"{column.values[at]:.10g}"
    message = f"'{column.name}' is {found} in {table.source} ('{value}' in row {table.rows[at]})"
    return DataError("wrong_kind", f"{message}, and was {meant} when the model was fitted", "give it in the same form")


def as_text(column: Column) -> tuple[Sequence[str], np.ndarray]:
    """Levels and codes of a column that is taken as text."""
    if column.levels is not None:
        return column.levels, column.values
    there = ~np.isnan(column.values)
    distinct, codes = np.unique(column.values[there], return_inverse=True)
    out = np.full(len(column.values), -1, dtype=np.int64)
    out[there] = codes.reshape(-1)
    return number_names(distinct), out


def _chosen(table: Table, rows: np.ndarray) -> Table:
    """The rows where `rows` (n,) is true, with all levels."""
    if rows.all():
        return table
    columns = {name: replace(column, values=column.values[rows]) for name, column in table.columns.items()}
    return replace(table, columns=columns, rows=table.rows[rows])


def _given(model: SavedModel, source: Source, option: str, known: str | None, asked: Any) -> Factor | float | None:
    """What an offset or an exposure is on new data, or its value; it is never left out silently."""
    if known is None:
        if asked is not None:
            message = f"{model.name} was fitted without an {option}"
            raise UsageError("bad_offset", message, f"leave out --{option}")
        return None
    if asked is None:
        try:
            return role_factor(option, known, source.header)
        except (ModelError, UsageError) as error:
            message = f"{model.name} has the {option} '{known}', and {source.name} has no such column"
            hint = f"name another column or set it: --{option} COLUMN, or --{option} {1 if option == 'exposure' else 0}"
            raise DataError("unknown_column", message, hint) from error
    text = str(asked)
    try:
        value = float(text)
    except ValueError:
        return role_factor(option, text, source.header)
    if text in source.header:
        return Factor.of_column(text)
    if not math.isfinite(value) or (option == "exposure" and value <= 0):
        rule = "a positive number" if option == "exposure" else "a finite number"
        raise UsageError("bad_offset", f"--{option} {text} is not {rule}", f"write {rule}, or a column's name")
    return value


def complete(values: np.ndarray, place: np.ndarray, n: int) -> np.ndarray:
    """Values (m, ...) at their places among n rows, NaN in the others."""
    if len(place) == n:
        return values
    out = np.full((n, *values.shape[1:]), np.nan)
    out[place] = values
    return out
