"""One model in each group of the rows: the groups in order, a block of rows at a time, and a record for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glmfit import spill
from glmfit.errors import GlmfitError, UsageError
from glmfit.families.userfile import is_dense
from glmfit.formula import condition
from glmfit.many.fits import BatchRecord, Filled, FitRecord, Written
from glmfit.many.groups.split import Groups, check_by, grouped
from glmfit.many.stream import Record
from glmfit.memory import running_out
from glmfit.result import Fit
from glmfit.rows import Data, check_held, inside, read, refuse_random, resolve, room_for, table_of_groups
from glmfit.rows.asked import Asked, ask
from glmfit.spec import ModelSpec
from glmfit.spill import Spill, let_go, spill_of
from glmfit.table import Selection, Source, Table, open_data

if TYPE_CHECKING:
    from glmfit.many.groups.documents import Patterns

ALL = "(all)"  # what the fit of all rows is called in a table
BLOCK_ROWS = 1 << 17  # that are read, fitted and written before the next ones


@dataclass(frozen=True, slots=True, eq=False)
class GroupedFit:
    """A model asked for in each group of some data: `table` has the rows that `where` chose. `asked` is the model in
    parts that are known before any row is read, None where the likelihood is no linear form."""

    spec: ModelSpec
    source: Source
    whole: Table
    table: Table
    groups: Groups
    asked: Asked | None
    written: Written

    def records(self, told: Callable[[int, int], None] | None = None, *, overall: bool = False) -> Iterator[Record]:
        """One for each group, in order; at last, where it is asked for, that of all rows."""
        for block, together in self.worked():
            for group in block:
                if group in together:
                    yield BatchRecord(*together[group], self.written)
                else:
                    (key,) = self.groups.keys([group])
                    labels = tuple(map(str, key.values()))
                    yield FitRecord({"group": key}, labels, labels, self.single(group), self.written)
                if told is not None:
                    told(group + 1, len(self.groups))
        if overall:
            names = self.groups.names
            part = Selection(self.source, self.whole, slice(None), names)
            outcome = _one(self.spec, part, self.spec.where)
            shown = (ALL, *[""] * (len(names) - 1))
            yield FitRecord({"group": None}, ("",) * len(names), shown, outcome, self.written)

    def worked(self) -> Iterator[tuple[range, dict[int, tuple[Filled, int]]]]:
        """The groups a block at a time, with those of it that a batch can fit."""
        patterns = self.patterns()
        if patterns is None:
            yield from ((block, {}) for block in self.blocks())
            return
        from glmfit.many.cores import side_by_side

        yield from side_by_side(self.blocks(), lambda block: (block, self.together(block, patterns)))

    def single(self, group: int) -> Fit | GlmfitError:
        """What the pipeline of a single fit makes of a group."""
        return _one(self._spec, self._rows([group]), self.spec.where)

    @property
    def _spec(self) -> ModelSpec:
        return replace(self.spec, where=None)

    def _rows(self, groups: Sequence[int]) -> Selection:
        """The rows of some groups, one group after the other."""
        index = self.groups.rows(groups)
        let_go(len(index))
        return Selection(self.source, self.table, index, self.groups.names)

    def blocks(self) -> Iterator[range]:
        """The groups in runs of about as many rows as are worked on together."""
        return self.groups.runs(BLOCK_ROWS if spill_of(self.table.rows) is None else spill.RUN)

    def patterns(self) -> Patterns | None:
        """Where patterns of documents are kept; None where nothing can be fitted in a batch."""
        if self.asked is None or len(self.groups) < 2:
            return None
        from glmfit.many.groups.block import batchable
        from glmfit.many.groups.documents import Patterns

        return Patterns() if batchable(self.asked) else None

    def together(self, groups: Sequence[int], patterns: Patterns) -> dict[int, tuple[Filled, int]]:
        """Those of some groups that a batch can fit, with their place in it. Where something about the rows is out of
        the ordinary each half is looked at by itself, and so are groups that lack the same levels of factors."""
        if len(groups) < 2:
            return {}
        from glmfit.many.groups.block import block_of
        from glmfit.many.groups.documents import fit_block

        part = self._rows(groups)
        counts = self.groups.sizes[np.asarray(groups)]
        start = np.concatenate([[0], np.cumsum(counts)])
        try:
            with running_out():
                data = read(self._spec, part)
                ready = block_of(data, part.table, start)
        except GlmfitError:
            ready = None
        if ready is None:
            parts = [groups[: len(groups) // 2], groups[len(groups) // 2 :]]
            return {g: found for each in parts for g, found in self.together(each, patterns).items()}
        missing, plain = _missing(self.asked, data, part.table, start)
        ready = replace(ready, plain=ready.plain & plain)
        found: dict[int, tuple[Filled, int]] = {}
        for filled in fit_block(ready, counts, missing, lambda at: self.single(groups[at]), patterns):
            filled.groups = [groups[at] for at in filled.groups]
            filled.heads = [{"group": key} for key in self.groups.keys(filled.groups)]
            found |= {group: (filled, at) for at, group in enumerate(filled.groups)}
        for alike in ready.classes:
            found |= self.together([groups[at] for at in alike.tolist()], patterns)
        return found


def _missing(
    asked: Asked | None, data: Data, table: Table, start: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """In how many rows of each group a column is missing, for each that is anywhere; and the groups (groups,) that have
    lost no row for another reason."""
    size = len(start) - 1
    group = np.repeat(np.arange(size), np.diff(start))
    columns = () if asked is None else asked.observed.complete(asked.columns)
    missing = {name: table[name].missing for name in dict.fromkeys(columns)}
    counts = {name: np.bincount(group[where], minlength=size) for name, where in missing.items() if where.any()}
    lost = np.logical_or.reduce([np.zeros(len(group), dtype=bool), *missing.values()])
    gone = ~np.isin(table.rows, data.table.rows) if len(table) > len(data.table) else np.zeros(len(group), dtype=bool)
    return counts, np.bincount(group[gone & ~lost], minlength=size) == 0


def fit_groups(
    spec: ModelSpec, data: Any, by: Sequence[str], *, exp: bool = False, covariance: bool = False
) -> GroupedFit:
    """The rows read and in their groups, and all checked that concerns every group; nothing is fitted yet."""
    source = open_data(data, spec.reading, spool=Spill(spec.spill or ""))
    check_by(by, source.header, source.name)
    columns: list[str] = []
    asked, where = None, None
    if not is_dense(spec.family):
        asked = _asked(spec, source, by)
        columns, where = list(asked.columns), asked.where
    elif spec.where is not None:
        where = condition(spec.where, source.header)
    chooses = () if where is None else where.columns
    wanted = list(dict.fromkeys([*columns, *by, *chooses]))
    if asked is None:  # a likelihood that names its columns when it is called, and has them read then
        check_held("--by", spec, source, len(wanted))
    whole = table_of_groups(spec, source, wanted)
    table, _ = inside(where, whole, [*columns, *by])
    groups = grouped(table, by, None if spill_of(table.rows) is None else room_for(spec))
    table = replace(table, columns={name: column for name, column in table.columns.items() if name not in by})
    return GroupedFit(spec, source, whole, table, groups, asked, Written(exp, covariance))


def _asked(spec: ModelSpec, source: Source, by: Sequence[str]) -> Asked:
    """The model over the columns that do not make up the groups; an error where it needs one that does."""
    family, links = resolve(spec)
    others = [name for name in source.header if name not in by]
    with source.blaming_the_header():
        try:
            asked = ask(replace(spec, where=None), family, links, others)
        except GlmfitError as error:
            if error.code == "unknown_column":
                _refuse_inside(ask(spec, family, links, source.header), by)
            raise
        _refuse_inside(asked, by)
        hint = "fit one group at a time with --where; or all in one model, in which (x | g) lets g differ"
        refuse_random(asked.formula, "--by fits groups together", hint)
        return replace(asked, where=None if spec.where is None else condition(spec.where, source.header))


def _refuse_inside(asked: Asked, by: Sequence[str]) -> None:
    """Raises where a column of --by is one of the model, in which it does not vary within a group."""
    name = next((name for name in by if name in asked.columns), None)
    if name is None:
        return
    what = "the response" if name in asked.formula.response.columns else "a part of the model"
    message = f"--by {name}: the column is {what} too, and within a group it is the same in every row"
    raise UsageError("by_in_model", message, f"leave it out of the model, or take '{name}' out of --by")


def _one(spec: ModelSpec, rows: Source, where: str | None) -> Fit | GlmfitError:
    """What the pipeline of a single fit makes of some rows."""
    try:
        with running_out():
            fit = _fitted(spec, rows)
    except GlmfitError as error:
        return error
    return replace(fit, model=replace(fit.model, where=where))


def _fitted(spec: ModelSpec, rows: Source) -> Fit:
    if is_dense(spec.family):
        from glmfit.dense import fit_dense

        return fit_dense(spec, rows)
    data = read(spec, rows)
    from glmfit.estimate.pipeline import fit_data

    return fit_data(data)
