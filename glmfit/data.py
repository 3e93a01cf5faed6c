"""From a file to the rows of a model: columns read, incomplete rows dropped, weights and response checked; no torch.

Whatever can be wrong with the data is found here, before anything expensive starts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from glmfit.errors import DataError, UsageError
from glmfit.families.base import Family
from glmfit.families.catalogue import make_family
from glmfit.formula import ModelFormula, parse
from glmfit.response import Response, read_response
from glmfit.spec import ModelSpec, cluster_columns, validate
from glmfit.table import Source, Table, complete_rows, from_frame, open_source
from glmfit.terms import Evaluator


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """The rows that a fit uses: n of them, all complete and of positive weight.

    `weights` (prior), `frequency` and `sampling` are (n,) or None; `offset` (n,) is that of the mean apart from
    offset() terms; `clusters` maps each clustering column to codes (n,).
    """

    spec: ModelSpec
    family: Family
    formula: ModelFormula
    table: Table
    response: Response
    weights: np.ndarray | None
    frequency: np.ndarray | None
    sampling: np.ndarray | None
    offset: np.ndarray
    clusters: Mapping[str, np.ndarray]
    dropped: Mapping[str, Mapping[str, int]]


def prepare(spec: ModelSpec, source: Source) -> Data:
    """Read the columns that the model uses and check everything that can be checked without fitting."""
    validate(spec)
    family = make_family(spec.family, spec.fixed)
    _check_exposure(spec, family)
    formula = parse(spec, source.header)
    special = (spec.weights, spec.freq_weights, spec.sampling_weights, spec.offset, spec.exposure)
    used = [*formula.variables, *(name for name in special if name), *cluster_columns(spec.se)]
    columns = list(dict.fromkeys(used))
    table = complete_rows(source.read(columns, spec.na), columns, spec.missing)
    dropped: dict[str, dict[str, int]] = {"missing": dict(table.dropped)}
    table = _drop_weightless(spec, formula, family, table, dropped)
    weights = _weights(table, spec.weights, "--weights")
    frequency = _weights(table, spec.freq_weights, "--freq-weights")
    if frequency is not None:
        _refuse(spec.freq_weights, frequency, frequency != np.rint(frequency), table, "whole numbers of repetitions")
    sampling = _weights(table, spec.sampling_weights, "--sampling-weights")
    if sampling is not None:
        sampling = sampling / sampling.mean()  # only their ratios mean anything, and phi must not grow with their unit
    response = read_response(formula.response, table, family, spec.success, weights)
    return Data(
        spec=spec,
        family=family,
        formula=formula,
        table=table,
        response=response,
        weights=None if response.weights_are_trials else weights,
        frequency=frequency,
        sampling=sampling,
        offset=_offset(spec, table),
        clusters={name: _codes(table, name) for name in cluster_columns(spec.se)},
        dropped=dropped,
    )


def _check_exposure(spec: ModelSpec, family: Family) -> None:
    if spec.exposure:
        link = family.parameters[0].link(spec.links.get("mu"), family.name).name
        if link != "log":
            raise UsageError(
                "bad_exposure", f"an exposure needs the log link, not {link}", "use --link log, or --offset COLUMN"
            )


def _drop_weightless(
    spec: ModelSpec, formula: ModelFormula, family: Family, table: Table, dropped: dict[str, dict[str, int]]
) -> Table:
    """Rows of weight 0, or of no trials, say nothing: they are left out and counted, as R leaves them out of n."""
    for name in (spec.weights, spec.freq_weights, spec.sampling_weights):
        if name:
            table = _without(table, table.numbers(name) == 0, "zero_weight", name, dropped)
    response = formula.response
    if family.trials and response.kind in ("ratio", "cbind"):
        evaluator = Evaluator(table)
        # no successes and no trials (or no failures); 3 out of 0, or -1 and 1, are for the response to refuse
        first, second = (evaluator.numbers(part) for part in response.parts)
        table = _without(table, (first == 0) & (second == 0), "zero_trials", response.label, dropped)
    return table


def _without(table: Table, out: np.ndarray, reason: str, name: str, dropped: dict[str, dict[str, int]]) -> Table:
    if not out.any():
        return table
    if out.all():
        raise DataError("no_rows", f"every row has {reason.replace('_', ' ')} in '{name}'", "check that column")
    dropped[reason] = {name: int(out.sum())}
    columns = {key: column.take(~out) for key, column in table.columns.items()}
    return replace(table, columns=columns, rows=table.rows[~out])


def _weights(table: Table, name: str | None, option: str) -> np.ndarray | None:
    if name is None:
        return None
    values = table.numbers(name)
    _refuse(name, values, ~((values > 0) & np.isfinite(values)), table, f"{option} are positive, finite numbers")
    return values


def _offset(spec: ModelSpec, table: Table) -> np.ndarray:
    offset = np.zeros(len(table))
    if spec.offset:
        values = table.numbers(spec.offset)
        _refuse(spec.offset, values, ~np.isfinite(values), table, "an offset is a finite number")
        offset = offset + values
    if spec.exposure:
        values = table.numbers(spec.exposure)
        _refuse(spec.exposure, values, ~((values > 0) & np.isfinite(values)), table, "an exposure is positive, finite")
        offset = offset + np.log(values)
    return offset


def _refuse(name: str | None, values: np.ndarray, wrong: np.ndarray, table: Table, rule: str) -> None:
    if wrong.any():
        at = int(np.argmax(wrong))
        raise DataError(
            "bad_weight" if "weight" in rule or "repetitions" in rule else "bad_offset",
            f"column '{name}' is {values[at]:.10g} in row {table.rows[at]}: {rule}",
            "correct the value, or leave the row out",
        )


def _codes(table: Table, name: str) -> np.ndarray:
    column = table[name]
    if column.levels is None:
        return np.unique(column.values, return_inverse=True)[1].astype(np.int64)
    return column.values


def read(spec: ModelSpec, data: Any) -> Data:
    """Prepared data from whatever holds it: a path (`-` for standard input), an opened source, a frame or a mapping."""
    if isinstance(data, Source):
        return prepare(spec, data)
    return prepare(spec, open_source(str(data)) if isinstance(data, str | os.PathLike) else from_frame(data))
