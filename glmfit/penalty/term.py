"""Penalised columns beside the fixed ones: which linear predictor they belong to, and which of them share a prior.

The coefficients that are integrated are the fixed ones of some parameters (REML) and those of all terms, in this
order; all other fixed coefficients and the priors' omega are what an approximate likelihood is a function of.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from glmfit.design import CHUNK_ROWS, Block, Matrix
from glmfit.model import Model, Predictor, Rows
from glmfit.penalty.prior import Prior


@dataclass(frozen=True, slots=True, eq=False)
class PenalisedTerm:
    """Columns of one linear predictor, as blocks with their `places` among the term's own, as in a `Matrix`.

    `coefficients` (m, d) are the places of m blocks of d coefficients, each with the prior by itself, all different.
    """

    parameter: str
    name: str
    blocks: tuple[Block, ...]
    places: tuple[Tensor, ...]
    coefficients: Tensor
    prior: Prior

    @property
    def columns(self) -> int:
        return sum(len(place) for place in self.places)


@dataclass(frozen=True, slots=True, eq=False)
class Penalised:
    """A model with penalised terms: `outer` and `inner` are its rows with the columns that are integrated, or not.

    `kept` (p_O,) are the fixed coefficients of the model that are not integrated, `taken` those that are, the first
    places of the inner theta; `places` the (m, d) of each term's coefficients there; `size` their number in all.
    """

    model: Model
    terms: tuple[PenalisedTerm, ...]
    outer: Rows
    inner: Rows
    kept: Tensor
    taken: Tensor
    places: tuple[Tensor, ...]
    size: int

    @property
    def chunk(self) -> int:
        """Rows that are worked on together."""
        return CHUNK_ROWS // self.model.family.bulk

    @property
    def sizes(self) -> tuple[int, int]:
        """How many arguments there are: fixed coefficients, and working parameters of priors."""
        return len(self.kept), sum(term.prior.size for term in self.terms)

    @property
    def omegas(self) -> list[slice]:
        """Where each term's omega is among the arguments."""
        at, out = len(self.kept), []
        for term in self.terms:
            out.append(slice(at, at + term.prior.size))
            at += term.prior.size
        return out


def penalised(model: Model, terms: Sequence[PenalisedTerm], integrated: Collection[str] = ()) -> Penalised:
    """The model with these terms, the fixed coefficients of the parameters `integrated` integrated too."""
    taken = torch.zeros(model.size, dtype=torch.bool)
    for predictor in model.rows.predictors:
        taken[predictor.columns] = predictor.parameter in integrated
    place = torch.where(taken, torch.cumsum(taken, 0) - 1, torch.cumsum(~taken, 0) - 1)
    size, starts = int(taken.sum()), []
    for term in terms:
        starts.append(size)
        size += term.columns
    outer, inner = [], []
    for predictor in model.rows.predictors:
        own = place[predictor.columns]
        empty = Matrix((), (), (), len(model.rows))
        mine = predictor.parameter in integrated
        outer.append(replace(predictor, X=empty, columns=own[:0]) if mine else replace(predictor, columns=own))
        inner.append(_beside(predictor, own if mine else own[:0], empty if not mine else predictor.X, terms, starts))
    return Penalised(
        model,
        tuple(terms),
        replace(model.rows, predictors=tuple(outer)),
        replace(model.rows, predictors=tuple(inner)),
        torch.nonzero(~taken)[:, 0],
        torch.nonzero(taken)[:, 0],
        tuple(start + term.coefficients for start, term in zip(starts, terms, strict=True)),
        size,
    )


def _beside(
    predictor: Predictor, own: Tensor, fixed: Matrix, terms: Sequence[PenalisedTerm], starts: Sequence[int]
) -> Predictor:
    """The predictor with its penalised columns after some `fixed` ones."""
    blocks, places, columns, count = list(fixed.blocks), list(fixed.places), [own], len(own)
    for term, start in zip(terms, starts, strict=True):
        if term.parameter == predictor.parameter:
            blocks += term.blocks
            places += [count + place for place in term.places]
            columns.append(start + torch.arange(term.columns))
            count += term.columns
    matrix = Matrix(tuple(blocks), tuple(places), ("",) * count, fixed.n_rows)
    return replace(predictor, X=matrix, columns=torch.cat(columns))
