"""What is left of a model in the limit of separated data: fewer rows, and the coefficients that these see.

l(theta + t d) -> the log-likelihood of the rows left, t -> infinity along the direction d that separates
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from glmfit.design import Standardization
from glmfit.model import Model, Predictor, Rows
from glmfit.numerics import Factor, full_factor, laid, last_independent, lies_in, positions
from glmfit.trust import Separated, reported_map, reported_moves


@dataclass(frozen=True, slots=True, eq=False)
class Rest:
    """The model of the rows left in the limit; its working coefficients are those at `places` of the whole model."""

    model: Model
    places: Tensor
    complement: Tensor | None  # (p, size): the whole model's coefficients -> these, that are 0 along the span elsewhere

    def start(self, theta: Tensor) -> Tensor:
        """Its coefficients with the same linear predictors on the rows left."""
        return theta[self.places] if self.complement is None else self.complement @ theta

    def reference(self, factor: Factor) -> Tensor:
        """The factor of a curvature L L' of the whole model, for these coefficients."""
        lower = full_factor(factor)
        return torch.linalg.cholesky((lower @ lower.T)[self.places[:, None], self.places])


def rest(model: Model, separated: Separated) -> Rest:
    """The model without the separated rows, and without the coefficients that the others then do not see.

    Terms give way to earlier ones, as aliased terms do. Where a row is left for some of its constraints, linear
    predictors are moved so far along the direction that the others no longer matter.
    """
    reported = reported_map(model)
    span = separated.span
    seen_reported, seen = reported_moves(reported, span), span
    out, gone = last_independent(seen), last_independent(seen_reported)
    inside = [j for j in range(model.size) if j not in out]
    kept = [j for j in range(model.size) if j not in gone]
    # Adding to the working coefficients what along the span brings the reported ones at `gone` to 0.
    lift = reported[:, inside]
    lift = lift - seen_reported @ torch.linalg.solve(seen_reported[gone], lift[gone])
    complement = torch.eye(model.size, dtype=torch.float64)[inside]
    complement[:, out] -= torch.linalg.solve(seen[out].T, seen[inside].T).T
    rows = model.rows.rows(positions(separated.left))
    predictors, standardizations = _of_columns(model, rows, inside, separated)
    smaller = replace(
        model,
        rows=replace(rows, predictors=tuple(predictors)),
        standardizations=tuple(standardizations),
        kept=tuple(model.kept[j] for j in kept),
        lift=lift[kept],
    )
    return Rest(smaller, torch.tensor(inside, dtype=torch.int64), complement)


def rest_of_levels(model: Model, separated: Separated, gone: Tensor) -> Rest:
    """The same where levels are separated, and with them the coefficients at `gone` (k,), which nothing else moves."""
    stays = torch.ones(model.size, dtype=torch.bool)
    stays[gone] = False
    inside = torch.nonzero(stays)[:, 0]
    rows = model.rows.rows(positions(separated.left))
    predictors, standardizations = _of_columns(model, rows, inside.tolist(), None)
    smaller = replace(
        model,
        rows=replace(rows, predictors=tuple(predictors)),
        standardizations=tuple(standardizations),
        kept=tuple(model.kept[j] for j in inside.tolist()),
    )
    return Rest(smaller, inside, None)


def _of_columns(
    model: Model, rows: Rows, inside: Sequence[int], separated: Separated | None
) -> tuple[list[Predictor], list[Standardization]]:
    """The predictors of some rows with the columns `inside` alone, moved along the direction of what is separated."""
    place = {old: new for new, old in enumerate(inside)}
    predictors: list[Predictor] = []
    standardizations: list[Standardization] = []
    for k, predictor in enumerate(rows.predictors):
        local = [j for j, column in enumerate(predictor.columns.tolist()) if column in place]
        columns = torch.tensor([place[int(predictor.columns[j])] for j in local], dtype=torch.int64)
        offset = predictor.offset
        if separated is not None:
            offset = _moved(predictor, rows, separated)
        predictors.append(Predictor(predictor.parameter, predictor.X.select(local), columns, offset))
        if k < len(model.standardizations):
            standardizations.append(_some(model.standardizations[k], local, separated is None))
    return predictors, standardizations


def _moved(predictor: Predictor, rows: Rows, separated: Separated) -> Tensor:
    """(n,) the offset so far along the direction of what is separated that it no longer matters."""
    along = separated.far * separated.direction[predictor.columns]
    home = lies_in(rows.y)
    if home is None:
        return predictor.offset + predictor.X.matvec(along)
    return laid(home, len(rows), lambda part: predictor.offset[part] + predictor.X.rows(part).matvec(along))


def _some(standardization: Standardization, columns: Sequence[int], whole: bool) -> Standardization:
    """That of some columns; they make up the constant on the rows left where these have the `whole` of it, or where
    all do that made it up before."""
    unit = standardization.unit[columns]
    complete = whole or bool((unit != 0).sum() == (standardization.unit != 0).sum())
    return Standardization(
        standardization.center[columns], standardization.scale[columns], unit if complete else torch.zeros_like(unit)
    )
