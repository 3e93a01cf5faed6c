"""A part's rows as a model has them: levels, states of transforms and scales are those of all parts, from the driver.

A part is coded below the rows of an example that shows every level and value, so that whatever is decided by what is
there is decided alike everywhere. A row that contradicts what the example says of the columns is sent back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from glmfit.cluster.partitions import Part, joined
from glmfit.design import Categorical, Combination, Matrix, Standardization, build
from glmfit.errors import Finding
from glmfit.families.catalogue import make_family
from glmfit.formula import DesignState, Evaluator, PredictorFormula
from glmfit.model import Likelihood, Rows, View, assemble, seen, with_constants
from glmfit.numerics import summed
from glmfit.rows.asked import Asked
from glmfit.rows.data import of_rows
from glmfit.table import Table

OTHERS = 4  # columns of a part beside those of the design: response, weights, numbers
FAR = 1e-7  # from what a column is a combination of, relative to their sizes


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What all parts share: rows that show every level, states, columns and scales by parameter, numeric clusters."""

    cover: Table
    state: DesignState
    formulas: tuple[PredictorFormula, ...]
    standard: Mapping[str, tuple[tuple[str, ...], Standardization]]
    combinations: Mapping[tuple[str, str], Combination]
    clusters: Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """The rows of a part, their numbers in the data and clusters as codes (n,), what must be said of it, and rows that
    contradict the plan."""

    rows: Rows
    numbers: np.ndarray
    part: Part
    levels: tuple[str, ...]  # the categories of the response
    codes: Mapping[str, Tensor]
    findings: tuple[Finding, ...]
    strange: Table | None

    def asked(self) -> Asked:
        asked = self.part.asked
        return asked.of_categories(self.levels) if asked.family.categories else asked

    def __sizeof__(self) -> int:
        """Bytes, by which dask decides where it is worth while to move."""
        blocks = {id(block): block for predictor in self.rows.predictors for block in predictor.X.blocks}
        columns = sum(2 if isinstance(block, Categorical) else block.shape[1] for block in blocks.values())
        return object.__sizeof__(self) + 8 * len(self.rows) * (columns + OTHERS + len(self.codes))


def code_part(part: Part, plan: Plan, before: int) -> Coded:
    """On a worker: the rows of a part, which come after `before` others of the data."""
    assert part.table is not None
    first = len(plan.cover)
    own = replace(part.table, rows=part.table.rows + before)
    table = joined([plan.cover, own], ["the other files", own.source])
    data = of_rows(part.asked, table, {})
    model = assemble(data, state=plan.state, standard=plan.standard)
    clusters = {name: _codes(table, name, plan.clusters.get(name))[first:] for name in data.clusters}
    positions = _strange(plan, table)
    strange = table.keep(positions[positions >= first]) if len(positions) else None
    rows = model.rows.rows(slice(first, None))
    codes = {name: torch.from_numpy(code) for name, code in clusters.items()}
    bare = replace(part, table=None)
    return Coded(rows, own.rows, bare, data.response.levels, codes, data.response.findings, strange)


def _codes(table: Table, name: str, values: np.ndarray | None) -> np.ndarray:
    """Codes of clusters, of numbers into the `values` of all."""
    column = table[name]
    return column.values if values is None else np.searchsorted(values, column.values)


def _strange(plan: Plan, table: Table) -> np.ndarray:
    """Positions of a few rows in which a column is not the combination, or adds up to no constant, as it should."""
    found: list[int] = []
    evaluator = Evaluator(table, plan.state)
    for formula in plan.formulas:
        own = {name: parts for (parameter, name), parts in plan.combinations.items() if parameter == formula.parameter}
        names, standardization = plan.standard[formula.parameter]
        constant = bool((standardization.unit != 0).any()) and "Intercept" not in names
        if not own and not constant:
            continue
        matrix, _ = build(formula, table, evaluator)
        for name, parts in own.items():
            column, mixed = _combined(matrix, ((name, 1.0),)), _combined(matrix, parts)
            size = column.abs() + sum((_combined(matrix, (one,)).abs() for one in parts), torch.zeros_like(column))
            found += _first((column - mixed).abs() > FAR * (size + size.mean()))
        if constant:
            total = _combined(matrix, tuple(zip(names, standardization.unit.tolist(), strict=True)))
            found += _first((total - 1).abs() > FAR)
    return np.unique(np.array(found, dtype=np.int64))


def _combined(matrix: Matrix, parts: Combination) -> Tensor:
    beta = torch.zeros(matrix.shape[1], dtype=torch.float64)
    for name, coefficient in parts:
        beta[matrix.names.index(name)] = coefficient
    return matrix.matvec(beta)


def _first(wrong: Tensor) -> list[int]:
    return torch.nonzero(wrong)[:1, 0].tolist()


def report(coded: Coded) -> tuple[float, tuple[Finding, ...], Table | None]:
    """On a worker: observations, what must be said, rows that contradict the plan."""
    return summed(coded.rows.frequency), coded.findings, coded.strange


def part_sum(coded: Coded, view: View, of: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """On a worker: of(likelihood, *arguments) of a part, as a model sees it."""
    asked = coded.asked()
    family, links = asked.family, asked.links
    if view.family != family.name:
        family = make_family(view.family, {})
    rows = seen(coded.rows, view)
    size = max((int(predictor.columns.max()) + 1 for predictor in rows.predictors if len(predictor.columns)), default=0)
    likelihood = Likelihood(family, links, rows.chunks(), size)
    if view.constants is not None:
        change = with_constants(likelihood, view.constants, view.fitted)
        likelihood = Likelihood(family, links, rows.chunks().map(change), view.size)
    likelihood.codes, likelihood.numbers = coded.codes, coded.numbers
    return of(likelihood, *arguments)
