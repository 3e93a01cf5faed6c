"""A model in the coordinates of its penalties, in which a strength without end touches its own coordinates alone.

    theta = T b        penalties sum_j exp(omega_j) S_j of the first coordinates of each smooth, none of the others

Of each smooth T has the eigenvectors of its penalties together, so that the others lose no digits (Wood 2011, JRSS B
73, 3-36). Columns of smooths are neither centred nor scaled.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from glmfit.design import Dense, Matrix, Standardization
from glmfit.model import NOTHING, Model, Predictor, SmoothBlock
from glmfit.penalty import PenalisedOwn, Strengths

Turn = tuple[Tensor, Tensor]  # places (d,) of a smooth, and the eigenvectors (d, d) of its penalties


@dataclass(frozen=True, slots=True, eq=False)
class Turned:
    """The model whose working coefficients are b, and the terms that its smooths are, in the order of their blocks.

    `outer` (size,) bool are the coordinates of parameters that are found along with the strengths.
    """

    model: Model
    terms: tuple[PenalisedOwn, ...]
    outer: Tensor


def turned(model: Model, along: Collection[str] = ()) -> Turned:
    """The model with its smooths turned; the parameters `along` are found with the strengths."""
    turns: list[Turn] = []
    terms = []
    for block in model.smooths:
        vectors, touched = _eigenvectors(block)
        turns.append((block.places, vectors))
        own = vectors[:, touched]
        matrices = [own.T @ one @ own for one in block.penalties]
        prior = Strengths.of([0.5 * (one + one.T) for one in matrices])
        terms.append(PenalisedOwn(block.parameter, block.term, block.places[touched][None], prior))
    outer = torch.zeros(model.size, dtype=torch.bool)
    constants = [p.columns for p in model.rows.predictors if p.parameter in along]
    predictors = _turned_predictors(model, turns)
    T = torch.eye(model.size, dtype=torch.float64)
    for places, vectors in turns:
        T[places[:, None], places] = vectors
    if model.family.location and constants:  # all cut points move together with the first, as an intercept moves them
        first = constants.pop(0)
        predictors = tuple(_moved(p, first) if p.parameter in along else p for p in predictors)
        for rest in constants:
            T[rest, first] = 1.0
    for rest in constants:
        outer[rest] = True
    plain = _uncentred(model, [places for places, _ in turns])
    lift = torch.stack([plain.reported(column) for column in T.T], dim=1)
    rows = replace(model.rows, predictors=predictors)
    return Turned(replace(plain, rows=rows, lift=lift), tuple(terms), outer)


def _eigenvectors(block: SmoothBlock) -> tuple[Tensor, Tensor]:
    """Those of the penalties together (d, d), and (d,) bool: those that a penalty touches."""
    together = sum((one / torch.linalg.matrix_norm(one) for one in block.penalties), torch.zeros(()))
    values, vectors = torch.linalg.eigh(together)
    return vectors, values > NOTHING * values[-1]


def _turned_predictors(model: Model, turns: Sequence[Turn]) -> tuple[Predictor, ...]:
    pairs = {id(predictor): standardization for predictor, standardization in model.pairs}
    shared = model.standardizations[0]
    return tuple(
        replace(p, X=_turned_matrix(p.X, p.columns, pairs.get(id(p), shared), turns)) for p in model.rows.predictors
    )


def _turned_matrix(X: Matrix, columns: Tensor, standardization: Standardization, turns: Sequence[Turn]) -> Matrix:
    """The matrix with the columns of smooths as they are, turned; those of one lie in one block."""
    place = {column: j for j, column in enumerate(columns.tolist())}
    inside = [
        (torch.tensor([place[at] for at in places.tolist()]), vectors)
        for places, vectors in turns
        if int(places[0]) in place
    ]
    blocks = []
    for block, own in zip(X.blocks, X.places, strict=True):
        at = {column: j for j, column in enumerate(own.tolist())}
        mine = [(local, vectors) for local, vectors in inside if int(local[0]) in at]
        if mine:
            assert isinstance(block, Dense)
            values = block.values.clone()
            for local, vectors in mine:
                slots = torch.tensor([at[j] for j in local.tolist()])
                raw = values[:, slots] * standardization.scale[local] + standardization.center[local]
                values[:, slots] = raw @ vectors
            block = Dense(values)
        blocks.append(block)
    return replace(X, blocks=tuple(blocks))


def _moved(predictor: Predictor, first: Tensor) -> Predictor:
    """A constant that is the first one and its own beyond that."""
    if bool((predictor.columns == first).all()):
        return predictor
    (block,), n = predictor.X.blocks, predictor.X.n_rows
    ones = block.dense()
    X = Matrix((Dense(torch.cat([ones, ones], dim=1)),), (torch.arange(2),), predictor.X.names * 2, n)
    return replace(predictor, X=X, columns=torch.cat([first, predictor.columns]))


def _uncentred(model: Model, places: Sequence[Tensor]) -> Model:
    """The model's maps between working and reported coefficients, for columns at `places` that are as they are."""
    raw = torch.zeros(model.size, dtype=torch.bool)
    for own in places:
        raw[own] = True
    standardizations = []
    for predictor, standardization in model.pairs:
        here = raw[predictor.columns]
        center = torch.where(here, 0.0, standardization.center)
        scale = torch.where(here, 1.0, standardization.scale)
        standardizations.append(replace(standardization, center=center, scale=scale))
    shift = model.shift
    if shift is not None:
        shift = replace(shift, center=torch.where(raw, 0.0, shift.center))
    return replace(model, standardizations=tuple(standardizations), shift=shift)
