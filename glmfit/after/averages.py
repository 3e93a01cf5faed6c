"""Averages of a quantity over the rows of data as they would be: some columns set to values, or differentiated in one.

    f = sum_i w_i f_i / sum_i w_i      J = d f / d theta = sum_i w_i J_i / sum_i w_i      of each group of rows
    slope: f_i = sum_k (d f / d eta_k) (d eta_k / d x),    d eta_k / d x = (d X_k / d x) theta

autograd gives f_k and its derivatives in eta, the formula d X / d x, exactly. Rows are read in runs, and sums are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from glmfit.after.law import RandomPart, random_part
from glmfit.after.newdata import NewRows
from glmfit.after.prediction import CELLS, FEWEST_ROWS, MOST_ROWS, Part, linear_predictors, part, slopes, times
from glmfit.after.quantities import Quantity
from glmfit.after.saved import SavedModel
from glmfit.design import Matrix, build
from glmfit.errors import DataError
from glmfit.formula import Evaluator, PredictorFormula, factor_slope, offset_slope
from glmfit.result import Variable
from glmfit.table import Column


@dataclass(frozen=True, slots=True)
class Shift:
    """A column of numbers as it is, with something added."""

    by: float


Value = float | str | Shift  # a number, or a level


@dataclass(frozen=True, slots=True)
class Setting:
    """Columns held at values in all rows, and the column in which the quantity is differentiated there, if any."""

    held: tuple[tuple[str, Value], ...] = ()
    slope: str | None = None


@dataclass(slots=True, eq=False)
class Average:
    """Of m categories: value (m,) and derivatives (m, p); `finite` says that no row had an infinite predictor.

    Where `undefined` is a sentence there is no average: a row of the setting cannot be told from the data of the fit.
    """

    value: Tensor
    jacobian: Tensor
    finite: bool = True
    undefined: str | None = None


@dataclass(slots=True, eq=False)
class Groups:
    """Groups of rows as they turn up: their total weights, and an average for each setting."""

    settings: Sequence[Setting]
    categories: int
    coefficients: int
    weight: dict[Any, float] = field(default_factory=dict)
    sums: dict[Any, list[Average]] = field(default_factory=dict)
    rows: int = 0

    def of(self, key: Any) -> list[Average]:
        """The sums of a group, 0 at first."""
        if key not in self.sums:
            m, p = self.categories, self.coefficients
            self.weight[key] = 0.0
            self.sums[key] = [
                Average(torch.zeros(m, dtype=torch.float64), torch.zeros((m, p), dtype=torch.float64))
                for _ in self.settings
            ]
        return self.sums[key]

    def averages(self, key: Any) -> list[Average]:
        """The averages of a group."""
        total = self.weight[key]
        return [replace(one, value=one.value / total, jacobian=one.jacobian / total) for one in self.sums[key]]


@dataclass(frozen=True, slots=True, eq=False)
class Weighted:
    """A run of rows with their weights (m,), and which group each belongs to: codes (m,) into `keys`."""

    rows: NewRows
    weights: np.ndarray
    codes: np.ndarray
    keys: Sequence[Any]


def average(model: SavedModel, of: Quantity, settings: Sequence[Setting], runs: Iterable[Weighted]) -> Groups:
    """The averages of a quantity at each setting, in each group of the rows."""
    groups = Groups(settings, max(1, len(of.levels)), len(model.theta))
    size = max(FEWEST_ROWS, min(MOST_ROWS, CELLS // max(1, model.width)))
    for run in runs:
        n = len(run.weights)
        groups.rows += n
        for start in range(0, n, size):
            index = np.arange(start, min(start + size, n))
            _add(groups, model, of, replace(run, rows=run.rows.rows(index), weights=run.weights[index],
                                            codes=run.codes[index]))  # fmt: skip
    return groups


def _add(groups: Groups, model: SavedModel, of: Quantity, run: Weighted) -> None:
    weights = torch.from_numpy(run.weights)
    members = []
    for code in np.unique(run.codes).tolist():
        key = run.keys[code]
        own = torch.where(torch.from_numpy(run.codes == code), weights, 0.0)
        sums = groups.of(key)
        groups.weight[key] += float(own.sum())
        members.append((own, sums))
    places: dict[tuple[tuple[str, Value], ...], list[int]] = {}
    for at, setting in enumerate(groups.settings):
        places.setdefault(setting.held, []).append(at)
    for held, wanted in places.items():
        try:
            rows = hold(model, run.rows, held)
            one = part(model, rows)
        except DataError as error:
            if error.code != "not_estimable":
                raise
            for _, sums in members:
                for at in wanted:
                    sums[at].undefined = error.message
            continue
        etas = linear_predictors(model, one)
        for at in wanted:
            slope = groups.settings[at].slope
            found = _values(model, of, one, etas) if slope is None else _slopes(model, of, rows, one, etas, slope)
            _accumulate(found, members, at)


def hold(model: SavedModel, rows: NewRows, held: Sequence[tuple[str, Value]]) -> NewRows:
    """The rows with some columns at one value."""
    variables = {variable.name: variable for variable in model.fit.blueprint.variables}
    n, columns = len(rows.place), dict(rows.table.columns)
    for name, value in held:
        columns[name] = _column(variables[name], value, rows.table.columns[name].values, n)
    return replace(rows, table=replace(rows.table, columns=columns)) if held else rows


def _column(variable: Variable, value: Value, values: np.ndarray, n: int) -> Column:
    if isinstance(value, Shift):
        return Column(variable.name, "number", values + value.by)
    if variable.kind == "number":
        return Column(variable.name, "number", np.full(n, float(value)))
    at = variable.levels.index(str(value))
    return Column(variable.name, variable.kind, np.full(n, at, dtype=np.int64), variable.levels)


# ---- Values of rows, and their derivatives ----


@dataclass(frozen=True, slots=True, eq=False)
class _Values:
    """Values (n, m), where finite (n,), and d sum(v f_j) / d theta (p,) of category j as a function of v (n,)."""

    value: Tensor
    finite: Tensor
    pull: Callable[[Tensor, int], Tensor]


def _accumulate(found: _Values, members: Iterable[tuple[Tensor, list[Average]]], at: int) -> None:
    whole = bool(found.finite.all())
    for weights, sums in members:
        one = sums[at]
        if not whole and not bool(found.finite[weights > 0].all()):
            one.finite = False
        # 0 * inf: a row of no weight, or of another group, counts for nothing whatever it is
        one.value += torch.where(weights[:, None] > 0, weights[:, None] * found.value, 0.0).sum(dim=0)
        if one.finite:
            for j in range(found.value.shape[1]):
                one.jacobian[j] += found.pull(weights, j)


def _infinite(etas: Sequence[Tensor]) -> Tensor:
    return torch.stack([torch.isfinite(eta) for eta in etas]).all(dim=0)


def _pull(out: Tensor, matrices: Sequence[Matrix], places: Sequence[Tensor], by: Sequence[Tensor]) -> Tensor:
    """out + sum_k X_k' v_k, at the places of the coefficients."""
    for X, place, v in zip(matrices, places, by, strict=True):
        out.index_add_(0, place, X.rmatvec(v))
    return out


def _values(model: SavedModel, of: Quantity, one: Part, etas: Sequence[Tensor]) -> _Values:
    value, slope = slopes(of, etas, one.columns)

    def pull(weights: Tensor, j: int) -> Tensor:
        by = [torch.where(weights > 0, weights * slope[:, j, k], 0.0) for k in range(len(etas))]
        return _pull(_nothing(model), one.matrices, one.places, by)

    return _Values(value, _infinite(etas), pull)


def _nothing(model: SavedModel) -> Tensor:
    return torch.zeros(len(model.theta), dtype=torch.float64)


def _slopes(model: SavedModel, of: Quantity, rows: NewRows, one: Part, etas: Sequence[Tensor], column: str) -> _Values:
    """d f / d x of each row; its derivatives are those of its sum in eta, and in the d eta / d x."""
    moved = _moved(model, rows, one, column)
    speeds = []
    for matrices, places, offset in moved:
        speed = offset
        for X, place in zip(matrices, places, strict=True):
            speed = speed + times(X, model.theta[place])
        speeds.append(speed)
    leaves = [eta.detach().requires_grad_(True) for eta in etas]
    columns = dict(one.columns)
    if column in columns:  # the density takes it as it is
        columns[column] = columns[column].detach().requires_grad_(True)
    direct = [columns[column]] if column in columns else []
    value = of.value(leaves, columns)
    found, first, second = [], [], []
    for j in range(value.shape[1]):
        inner = [*leaves, *direct]
        grads = _gradients(value[:, j], inner)
        speed_of = [*speeds, *(torch.ones_like(x) for x in direct)]
        slope = sum((g * s for g, s in zip(grads, speed_of, strict=True)), torch.zeros_like(etas[0]))
        second.append([g.detach() for g in _gradients(slope, leaves)])
        first.append([g.detach() for g in grads[: len(leaves)]])
        found.append(slope.detach())

    def pull(weights: Tensor, j: int) -> Tensor:
        by = [torch.where(weights > 0, weights * g, 0.0) for g in second[j]]
        out = _pull(_nothing(model), one.matrices, one.places, by)
        for (matrices, places, _), g in zip(moved, first[j], strict=True):
            v = torch.where(weights > 0, weights * g, 0.0)
            out = _pull(out, matrices, places, [v] * len(matrices))
        return out

    return _Values(torch.stack(found, dim=1), _infinite([*etas, *speeds]), pull)


def _gradients(value: Tensor, leaves: Sequence[Tensor]) -> list[Tensor]:
    """d sum(value) / d leaf, which can be differentiated again; 0 where the value does not depend on one."""
    if not value.requires_grad:
        return [torch.zeros_like(leaf) for leaf in leaves]
    found = torch.autograd.grad(value.sum(), leaves, create_graph=True, allow_unused=True)
    return [torch.zeros_like(leaf) if one is None else one for leaf, one in zip(leaves, found, strict=True)]


_Moved = tuple[list[Matrix], list[Tensor], Tensor]


def _moved(model: SavedModel, rows: NewRows, one: Part, column: str) -> list[_Moved]:
    """For each estimated parameter the matrices that add up to d X / d x, their coefficients' places, d offset / d x.

    X is linear in each of its factors: their derivatives take the place of one after the other.
    """
    evaluator = Evaluator(rows.table, state=model.state)
    done: dict[tuple[object, ...], tuple[list[tuple[Matrix, set[str]]], Tensor]] = {}
    out, spreads = [], []
    for formula in model.estimated:
        key = formula.terms, formula.offsets
        if key not in done:
            done[key] = _derivatives(formula, rows, evaluator, column)
        own = model.rows.get(formula.parameter, {})
        matrices, places = [], []
        for X, terms in done[key][0]:
            kept = [at for at, (name, term) in enumerate(zip(X.names, X.terms, strict=True))
                    if term in terms and name in own]  # fmt: skip
            if kept:
                matrices.append(X.select(kept))
                places.append(torch.tensor([own[X.names[at]] for at in kept], dtype=torch.int64))
        if formula.random:
            found = _of_effects(model, formula, rows, evaluator, column)
            if found.known is not None:
                matrices.append(found.known[0])
                places.append(found.known[1])
            if found.spread is not None:
                speed, matrix, place = found.spread
                spreads.append(([matrix], [place], speed))
        out.append((matrices, places, done[key][1]))
    return [*out, *spreads]


def _of_effects(
    model: SavedModel, formula: PredictorFormula, rows: NewRows, evaluator: Evaluator, column: str
) -> RandomPart:
    """What random effects add to d eta / d x, as their multipliers move with x."""
    moved = []
    for written in formula.random:
        own = PredictorFormula(formula.parameter, written.terms)
        z, _ = build(own, rows.table, evaluator)
        dz = torch.zeros(z.shape, dtype=torch.float64)
        for X, terms in _derivatives(own, rows, evaluator, column)[0]:
            moving = torch.tensor([term in terms for term in X.terms])
            dz += torch.where(moving, X.dense(), 0.0)
        moved.append(dz)
    return random_part(model, formula, rows.table, evaluator, moved)


def _derivatives(
    formula: PredictorFormula, rows: NewRows, evaluator: Evaluator, column: str
) -> tuple[list[tuple[Matrix, set[str]]], Tensor]:
    """Matrices in which the derivative of a factor stands in its place, with the terms that have it."""
    found = []
    for factor in dict.fromkeys(factor for term in formula.terms for factor in term.factors):
        slope = factor_slope(evaluator, factor, column)
        if slope is not None:
            X, _ = build(replace(formula, offsets=()), rows.table, evaluator.with_factor(factor, slope))
            found.append((X, {term.name for term in formula.terms if factor in term.factors}))
    offset = torch.zeros(len(rows.place), dtype=torch.float64)
    for factor in formula.offsets:
        moved = offset_slope(evaluator, factor, column)
        if moved is not None:
            offset = offset + torch.from_numpy(np.array(moved, dtype=np.float64))
    return found, offset
