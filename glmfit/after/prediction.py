"""Predictions with their derivatives in the coefficients, and standard errors by the delta method.

    f = f(eta_1 .. eta_K)    J = sum_k (d f / d eta_k) X_k    SE(f)^2 = J V J'

autograd gives d f / d eta row by row; V is the covariance that the model was saved with, robust or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from glmfit.after.law import random_part
from glmfit.after.newdata import NewRows, is_of_a_row
from glmfit.after.quantities import Quantity
from glmfit.after.saved import SavedModel
from glmfit.design import Matrix, build
from glmfit.errors import DataError, GlmfitError
from glmfit.formula import Evaluator
from glmfit.report.saved import AGAIN
from glmfit.table import Table

if TYPE_CHECKING:
    from scipy.sparse import csr_array

CELLS = 4_000_000  # numbers of a model matrix that are worked on together
MOST_ROWS = 65_536
FEWEST_ROWS = 64
SAME = 1e-6  # relative: combinations are found to about half the digits


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """New rows as matrices: for each estimated parameter X (n, q), the places (q,) of its coefficients, an offset.

    Deviations of random parts follow the linear predictors as more of these, in the same form. `columns` are what
    densities take by name; `place` (n,) says where the rows of `table` stand in their run.
    """

    matrices: tuple[Matrix, ...]
    places: tuple[Tensor, ...]
    offsets: tuple[Tensor, ...]
    columns: Mapping[str, Tensor]
    place: np.ndarray
    table: Table

    def __len__(self) -> int:
        return len(self.place)


def parts(model: SavedModel, rows: NewRows, keep: bool = False) -> Iterator[Part]:
    """The matrices of new rows, some rows at a time; with `keep` those that cannot be evaluated are left out."""
    size = max(FEWEST_ROWS, min(MOST_ROWS, CELLS // max(1, model.width)))
    n = len(rows.place)
    for start in range(0, n, size):
        yield from _evaluable(model, rows.rows(np.arange(start, min(start + size, n))), keep)


def _evaluable(model: SavedModel, rows: NewRows, keep: bool) -> Iterator[Part]:
    """The matrices of the rows; where that fails for the values of one row, those of either half."""
    try:
        yield part(model, rows)
    except GlmfitError as error:
        if not (keep and is_of_a_row(error)):
            raise
        n = len(rows.place)
        if n > 1:
            yield from _evaluable(model, rows.rows(np.arange(n // 2)), keep)
            yield from _evaluable(model, rows.rows(np.arange(n // 2, n)), keep)


def part(model: SavedModel, rows: NewRows) -> Part:
    """The matrices of new rows; a `GlmfitError` names the row whose values no formula can take."""
    evaluator = Evaluator(rows.table, state=model.state)
    built: dict[tuple[object, ...], tuple[Matrix, Tensor]] = {}
    matrices, places, offsets, spreads = [], [], [], []
    for formula in model.estimated:
        key = formula.terms, formula.offsets
        if key not in built:
            built[key] = build(formula, rows.table, evaluator)
        matrix, offset = built[key]
        if formula.parameter == model.family.main:
            offset = offset + torch.from_numpy(rows.offset)
        _refuse_strange(model, formula.parameter, matrix, rows)
        own = model.rows.get(formula.parameter, {})
        kept = [at for at, name in enumerate(matrix.names) if name in own]
        if len(kept) != len(own):
            lost = next(name for name in own if name not in matrix.names)
            message = f"{model.name} has a coefficient of '{lost}', which its formula does not give"
            raise DataError("damaged_model", message, AGAIN)
        place = torch.tensor([own[matrix.names[at]] for at in kept], dtype=torch.int64)
        matrix = matrix if len(kept) == len(matrix.names) else matrix.select(kept)
        if formula.random and model.random != "fresh":
            more = random_part(model, formula, rows.table, evaluator)
            if more.known is not None:
                matrix, place = beside(matrix, more.known[0]), torch.cat([place, more.known[1]])
            spreads += [] if more.spread is None else [more.spread]
        matrices.append(matrix)
        places.append(place)
        offsets.append(offset)
    for value, slope, place in spreads:
        matrices.append(slope)
        places.append(place)
        offsets.append(value)
    columns = {name: torch.from_numpy(rows.table.numbers(name)) for name in model.family.columns}
    if model.family.trials:
        trials = np.ones(len(rows.place)) if rows.trials is None else rows.trials
        columns["trials"] = torch.from_numpy(trials)
    return Part(tuple(matrices), tuple(places), tuple(offsets), columns, rows.place, rows.table)


def beside(left: Matrix, right: Matrix) -> Matrix:
    """The columns of two matrices."""
    p = len(left.names)
    at = (*left.places, *(p + place for place in right.places))
    return Matrix((*left.blocks, *right.blocks), at, (*left.names, *right.names), left.n_rows)


def _refuse_strange(model: SavedModel, parameter: str, matrix: Matrix, rows: NewRows) -> None:
    """Raises for a row on which an aliased column is not the combination of others that it was on the old rows.

    There the old rows say nothing of its coefficient, and every value of it would be another prediction.
    """
    place = {name: at for at, name in enumerate(matrix.names)}
    for alias in model.fit.blueprint.aliases:
        if alias.parameter != parameter:
            continue
        names = [alias.term, *(part.term for part in alias.parts)]
        if not place.keys() >= set(names):
            raise DataError("damaged_model", f"{model.name} is no whole model: '{alias.term}' is no term", AGAIN)
        values = matrix.select([place[name] for name in names]).dense()
        terms = values * torch.tensor([-1.0, *(part.coefficient for part in alias.parts)], dtype=torch.float64)
        off = terms.sum(dim=1).abs() > SAME * terms.abs().sum(dim=1)
        if bool(off.any()):
            row = int(rows.table.rows[int(off.to(torch.int8).argmax())])
            message = (
                f"row {row}: '{alias.term}' has no coefficient, for it was a linear combination of other terms on the "
                "rows of the fit, and is none here"
            )
            hint = "fit to data that tell them apart; --missing keep leaves such rows without an estimate"
            raise DataError("not_estimable", message, hint)


def linear_predictors(model: SavedModel, rows: Part, theta: Tensor | None = None) -> list[Tensor]:
    """(n,) eta of each estimated parameter; infinite or NaN where a coefficient is that its column multiplies.

    They are followed by the deviations of random parts where there are any.
    """
    theta = model.theta if theta is None else theta
    return [
        times(X, theta[places]) + offset
        for X, places, offset in zip(rows.matrices, rows.places, rows.offsets, strict=True)
    ]


def times(X: Matrix, beta: Tensor) -> Tensor:
    """X beta (n,), where a coefficient without a finite value counts on the rows alone on which its column is not 0."""
    finite = torch.isfinite(beta)
    product = X.matvec(torch.where(finite, beta, 0.0))
    if not bool(finite.all()):
        for block, place in zip(X.blocks, X.places, strict=True):
            at, column, value = block.entries()
            there = torch.nonzero((value != 0) & ~finite[place][column])[:, 0]
            product = product.index_add(0, at[there], value[there] * beta[place][column[there]])
    return product


def slopes(of: Quantity, etas: Sequence[Tensor], columns: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The quantity (n, m), and its derivatives (n, m, K) in the linear predictors."""
    leaves = [eta.detach().requires_grad_(True) for eta in etas]
    value = of.value(leaves, columns)
    n, m = value.shape
    out = torch.zeros((n, m, len(leaves)), dtype=torch.float64)
    for j in range(m):
        if value.requires_grad:
            found = torch.autograd.grad(value[:, j].sum(), leaves, retain_graph=True, allow_unused=True)
            for k, one in enumerate(found):
                if one is not None:
                    out[:, j, k] = one
    return value.detach(), out


def jacobian(model: SavedModel, rows: Part, slope: Tensor) -> Tensor:
    """(n, p) d f / d theta, from d f / d eta (n, K)."""
    out = torch.zeros((len(rows), len(model.theta)), dtype=torch.float64)
    dense: dict[int, Tensor] = {}
    for k, (X, places) in enumerate(zip(rows.matrices, rows.places, strict=True)):
        matrix = dense.setdefault(id(X), X.dense())
        out.index_add_(1, places, slope[:, k, None] * matrix)
    return out


def standard_errors(model: SavedModel, derivative: Tensor) -> Tensor:
    """sqrt(J V J') of derivatives (..., p); NaN where one is in a coefficient that has no variance."""
    return torch.sqrt(model.variances.of(derivative))


def errors_of_rows(model: SavedModel, rows: Part, slope: Tensor) -> Tensor:
    """(n,) the same of rows, from d f / d eta (n, K)."""
    if model.variances.by_parts:
        return torch.sqrt(model.variances.of_rows(_sparse_jacobian(model, rows, slope)))
    return standard_errors(model, jacobian(model, rows, slope))


def _sparse_jacobian(model: SavedModel, rows: Part, slope: Tensor) -> csr_array:
    """`jacobian` of a model of very many coefficients, of which a row has few."""
    from scipy.sparse import coo_array

    found = []
    for k, (X, places) in enumerate(zip(rows.matrices, rows.places, strict=True)):
        for block, place in zip(X.blocks, X.places, strict=True):
            at, column, value = block.entries()
            found.append((at, places[place][column], value * slope[at, k]))
    lines, columns, values = (torch.cat(parts).numpy() for parts in zip(*found, strict=True))
    return coo_array((values, (lines, columns)), shape=(len(rows), len(model.theta))).tocsr()
