"""From a source of data to the rows of a model: columns read, incomplete rows dropped, all that is in them checked.

Whatever can be wrong with the data is found here, before anything expensive starts; no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import numpy as np

from glmfit.families import Family, Link
from glmfit.formula import WEIGHTS, ModelFormula
from glmfit.rows.asked import Asked, ask, resolve
from glmfit.rows.censoring import read_censored
from glmfit.rows.factors import of_factors, refuse_disguised
from glmfit.rows.groups import by_group, check_groups, group_codes
from glmfit.rows.response import Observed, read_response
from glmfit.rows.room import table_of
from glmfit.rows.weights import (
    check_trials,
    offset,
    positive,
    row_weights,
    values_of,
    without_trials,
    without_weightless,
)
from glmfit.rows.where import inside
from glmfit.spec import ModelSpec, cluster_columns, drawn_columns
from glmfit.spill import Spill, spill_of
from glmfit.table import Source, Table, complete_rows, open_data

A_WHILE = 500_000  # values to be read, which takes a twentieth of a second


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """The rows that a fit uses: n of them, all complete and of positive weight.

    `links` are those of every parameter of the family; `seconds` is what reading and checking took.
    `weights` (prior), `frequency` and `sampling` are (n,) or None; `offset` (n,) is that of the mean apart from
    offset() terms; `clusters` maps each clustering column to the codes of rows, or of groups where there are `groups`.
    """

    spec: ModelSpec
    family: Family
    links: Mapping[str, Link]
    formula: ModelFormula
    table: Table
    response: Observed
    weights: np.ndarray | None
    frequency: np.ndarray | None
    sampling: np.ndarray | None
    offset: np.ndarray
    clusters: Mapping[str, np.ndarray]
    groups: np.ndarray | None  # codes (n,) of the units of a grouped family
    drawn: Mapping[str, np.ndarray]  # the same as `clusters`, of those that a bootstrap draws
    dropped: Mapping[str, Mapping[str, int]]
    absorbed: Mapping[str, np.ndarray] = field(default_factory=dict)  # the same as `clusters`, of absorbed factors
    empty: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # levels of these whose rows say nothing
    seconds: float = 0.0

    @property
    def spilled(self) -> bool:
        """Whether the rows lie in temporary files."""
        return spill_of(self.table.rows) is not None

    def keep(self, rows: np.ndarray) -> Data:
        """Some of the rows, (n,) bool; codes count what is left from 0."""

        def some(values: np.ndarray | None) -> np.ndarray | None:
            return None if values is None else values[rows]

        def codes(of: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            return {name: np.unique(code[rows], return_inverse=True)[1] for name, code in of.items()}

        return replace(
            self,
            table=self.table.keep(rows),
            response=self.response.keep(rows),
            weights=some(self.weights),
            frequency=some(self.frequency),
            sampling=some(self.sampling),
            offset=self.offset[rows],
            clusters=codes(self.clusters),
            drawn=codes(self.drawn),
            absorbed=codes(self.absorbed),
        )


def read(spec: ModelSpec, data: Any, meanwhile: Callable[[], None] | None = None) -> Data:
    """Prepared data from whatever holds it: a path (`-` for standard input), an opened source, a frame or a mapping.

    `meanwhile` is called where reading will take a while, and begins what can be done beside it.
    """
    begin = perf_counter()
    family, links = resolve(spec)
    source = open_data(data, spec.reading, spool=Spill(spec.spill or ""))
    with source.blaming_the_header():
        asked = ask(spec, family, links, source.header)
    if meanwhile is not None and source.expected_rows() * len(asked.read) > A_WHILE:
        meanwhile()
    prepared = prepare(asked, source)
    return replace(prepared, seconds=perf_counter() - begin)


def prepare(asked: Asked, source: Source) -> Data:
    """Read the columns that the model uses and check everything that can be checked without fitting."""
    return of_rows(asked, *usable_rows(asked, source))


def of_rows(asked: Asked, table: Table, dropped: Mapping[str, Mapping[str, int]]) -> Data:
    """The data of usable rows, checked."""
    spec = asked.spec
    roles = asked.formula.roles
    prior = positive(table, roles.get("weights"), "--weights")
    frequency, sampling = row_weights(roles, table)
    response = _response(asked, table, prior)
    check_trials(roles, asked.formula.response, response, table)
    if asked.family.categories:
        asked = asked.of_categories(response.levels)
    groups, clusters = _units(asked, table)
    drawn = drawn_columns(spec.bootstrap_by)
    return Data(
        spec=spec,
        family=asked.family,
        links=asked.links,
        formula=asked.formula,
        table=table,
        response=response,
        weights=None if response.weights_are_trials else prior,
        frequency=frequency,
        sampling=sampling,
        offset=offset(roles, table, asked.links[asked.family.main].name),
        clusters={name: clusters[name] for name in cluster_columns(spec.se)},
        groups=groups,
        drawn={name: clusters[name] for name in drawn},
        dropped=dropped,
        absorbed={name: group_codes(table, name) for name in spec.absorb},
    )


def usable_rows(asked: Asked, source: Source) -> tuple[Table, dict[str, dict[str, int]]]:
    """The rows that say something, those of a group side by side, and why which others were left out."""
    spec, family = asked.spec, asked.family
    table, outside = inside(asked.where, table_of(asked, source), asked.columns)
    refuse_disguised(table, asked.formula)
    table = asked.observed.with_interval(table)
    table = complete_rows(table, asked.observed.complete(asked.columns), spec.missing)
    table = replace(table, findings=(*table.findings, *of_factors(spec, asked.formula, table, source)))
    missing = {**outside, "missing": dict(table.dropped)}
    table, weightless = without_weightless(asked.formula.roles, table)
    table, trialless = without_trials(asked.formula.response, family, table)
    same: dict[str, dict[str, int]] = {}
    if family.grouped:
        y = read_response(asked.formula.response, table, family, spec, None).y
        table, same["same_response"] = by_group(str(spec.group), y, table)
    return table, missing | {reason: n for reason, n in (weightless | trialless | same).items() if n}


def _response(asked: Asked, table: Table, prior: np.ndarray | None) -> Observed:
    """The response as it was observed; `prior` weights may be the trials of proportions."""
    if asked.observed.columns or asked.spec.censor is not None:
        return read_censored(asked.formula.response, table, asked.family, asked.observed)
    return read_response(asked.formula.response, table, asked.family, asked.spec, prior)


def _units(asked: Asked, table: Table) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
    """The groups (n,) of a grouped family, and the clusters of robust errors, of the groups where there are any."""
    spec = asked.spec
    named = (*cluster_columns(spec.se), *drawn_columns(spec.bootstrap_by))
    clusters = {name: group_codes(table, name) for name in named}
    if not asked.family.grouped:
        return None, clusters
    groups = group_codes(table, str(spec.group))
    weights = (asked.formula.roles.get(role) for role in WEIGHTS)
    weighed = {factor.text: values_of(factor, table) for factor in weights if factor}
    check_groups(table, str(spec.group), groups, {**weighed, **clusters})
    first = np.unique(groups, return_index=True)[1]
    return groups, {name: codes[first] for name, codes in clusters.items()}
