"""One model in each group of the rows: the groups in order, a block of rows at a time, and a record for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from glmfit.errors import GlmfitError, UsageError
from glmfit.families.userfile import is_dense
from glmfit.formula import condition
from glmfit.many.fits import FitRecord
from glmfit.many.split import Groups, check_by, grouped
from glmfit.memory import running_out
from glmfit.result import Fit
from glmfit.rows import inside, read, resolve
from glmfit.rows.asked import Asked, ask
from glmfit.spec import ModelSpec
from glmfit.table import Selection, Source, Table, open_data

ALL = "(all)"  # what the fit of all rows is called in a table


@dataclass(frozen=True, slots=True, eq=False)
class GroupedFit:
    """A model asked for in each group of some data: `table` has the rows that `where` chose."""

    spec: ModelSpec
    source: Source
    whole: Table
    table: Table
    groups: Groups
    exp: bool
    covariance: bool

    def records(self, told: Callable[[int, int], None] | None = None, *, overall: bool = False) -> Iterator[FitRecord]:
        """One for each group, in order; at last, where it is asked for, that of all rows."""
        spec = replace(self.spec, where=None)
        for group in range(len(self.groups)):
            part = Selection(self.source, self.table, self.groups.rows(group), self.groups.names)
            key = self.groups.key(group)
            yield self._record(key, tuple(map(_field, key.values())), _one(spec, part, self.spec.where))
            if told is not None:
                told(group + 1, len(self.groups))
        if overall:
            part = Selection(self.source, self.whole, slice(None), self.groups.names)
            yield self._record(None, ("",) * len(self.groups.names), _one(self.spec, part, self.spec.where))

    def _record(self, key: dict[str, Any] | None, labels: tuple[str, ...], outcome: Fit | GlmfitError) -> FitRecord:
        shown = labels if key is not None else (ALL, *labels[1:])
        return FitRecord({"group": key}, labels, shown, outcome, self.exp, self.covariance)


def fit_groups(
    spec: ModelSpec, data: Any, by: Sequence[str], *, exp: bool = False, covariance: bool = False
) -> GroupedFit:
    """The rows read and in their groups, and all checked that concerns every group; nothing is fitted yet."""
    source = open_data(data, spec.reading)
    check_by(by, source.header, source.name)
    columns, where = [], None
    if not is_dense(spec.family):
        asked = _asked(spec, source, by)
        columns, where = list(asked.columns), asked.where
    elif spec.where is not None:
        where = condition(spec.where, source.header)
    chooses = () if where is None else where.columns
    whole = source.read([*columns, *by, *chooses])
    table, _ = inside(where, whole, [*columns, *by])
    return GroupedFit(spec, source, whole, table, grouped(table, by), exp, covariance)


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


def _field(value: Any) -> str:
    return str(value)
