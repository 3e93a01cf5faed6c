"""Penalised coefficients: columns beside a model's, such as random effects, or some of its own, such as smooths'.

An approximate likelihood is a function of the model's coefficients that are left to it, and of the priors' omega. All
others are at their joint maximum for these: the model's own first, then those of terms with columns beside. They are
integrated over, but for some that may be `profiled`: held at that maximum, as maximum likelihood in mgcv holds them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from glmfit.design import CHUNK_ROWS, Block, Matrix
from glmfit.model import Model, Predictor, Rows
from glmfit.penalty.prior import Prior, Strengths


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
class PenalisedOwn:
    """Coefficients (m, d) of the model itself, by their places: m blocks of d, each with the prior by itself."""

    parameter: str
    name: str
    coefficients: Tensor
    prior: Strengths

    @property
    def columns(self) -> int:
        """How many are beside the model's."""
        return 0


Term: TypeAlias = PenalisedTerm | PenalisedOwn


@dataclass(frozen=True, slots=True, eq=False)
class Penalised:
    """A model with penalised terms: `outer` and `inner` are its rows with the columns of psi, and of all the rest.

    `kept` (p_O,) are the coefficients of the model that are part of psi, `taken` those that are not, the first places
    of the inner theta; `places` the (m, d) of each term's coefficients there; `size` their number in all; `profiled`
    (u,) those that are not integrated over.
    """

    model: Model
    terms: tuple[Term, ...]
    outer: Rows
    inner: Rows
    kept: Tensor
    taken: Tensor
    places: tuple[Tensor, ...]
    size: int
    profiled: Tensor

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

    @property
    def unit(self) -> float:
        """The log-likelihood of the columns as they are, less that of the working ones: integrals have their units."""
        integrated = torch.ones(len(self.taken), dtype=torch.bool)
        integrated[self.profiled[self.profiled < len(self.taken)]] = False
        scale = torch.ones(self.model.size, dtype=torch.float64)
        for predictor, standardization in self.model.pairs:
            scale[predictor.columns] = standardization.scale
        return -float(scale[self.taken[integrated]].log().sum())

    def coefficients(self, psi: Tensor, theta: Tensor) -> Tensor:
        """(size of the model,) its coefficients, at psi and the inner theta."""
        out = torch.zeros(self.model.size, dtype=torch.float64)
        out[self.kept], out[self.taken] = psi[: len(self.kept)], theta[: len(self.taken)]
        return out


def penalised(
    model: Model, terms: Sequence[Term], integrated: Collection[str] | Tensor = (), profile: bool = False
) -> Penalised:
    """The model with these terms, its coefficients `integrated` too: (size,) bool, or all those of some parameters.

    With `profile` those of them that no term penalises are at their maximum instead.
    """
    taken = integrated if isinstance(integrated, Tensor) else _of_parameters(model, integrated)
    place = torch.where(taken, torch.cumsum(taken, 0) - 1, torch.cumsum(~taken, 0) - 1)
    size, places, starts = int(taken.sum()), [], []
    free = torch.ones(size, dtype=torch.bool)
    for term in terms:
        starts.append(size)
        places.append(place[term.coefficients] if isinstance(term, PenalisedOwn) else size + term.coefficients)
        if isinstance(term, PenalisedOwn):
            free[places[-1].flatten()] = False
        size += term.columns
    outer, inner = [], []
    for predictor in model.rows.predictors:
        mine = taken[predictor.columns]
        outer.append(_selected(predictor, ~mine, place))
        inner.append(_beside(_selected(predictor, mine, place), terms, starts))
    return Penalised(
        model,
        tuple(terms),
        replace(model.rows, predictors=tuple(outer)),
        replace(model.rows, predictors=tuple(inner)),
        torch.nonzero(~taken)[:, 0],
        torch.nonzero(taken)[:, 0],
        tuple(places),
        size,
        torch.nonzero(free & profile)[:, 0],
    )


def _of_parameters(model: Model, names: Collection[str]) -> Tensor:
    """(size,) bool: the coefficients of some parameters."""
    out = torch.zeros(model.size, dtype=torch.bool)
    for predictor in model.rows.predictors:
        out[predictor.columns] = predictor.parameter in names
    return out


def _selected(predictor: Predictor, some: Tensor, place: Tensor) -> Predictor:
    """The predictor with some (q,) bool of its columns, which have other places."""
    columns = place[predictor.columns[some]]
    if bool(some.all()):
        return replace(predictor, columns=columns)
    if not bool(some.any()):
        return replace(predictor, X=Matrix((), (), (), predictor.X.n_rows), columns=columns)
    return replace(predictor, X=predictor.X.select(torch.nonzero(some)[:, 0].tolist()), columns=columns)


def _beside(predictor: Predictor, terms: Sequence[Term], starts: Sequence[int]) -> Predictor:
    """The predictor with the columns of terms after its own."""
    blocks, places, columns = list(predictor.X.blocks), list(predictor.X.places), [predictor.columns]
    count = len(predictor.columns)
    for term, start in zip(terms, starts, strict=True):
        if isinstance(term, PenalisedTerm) and term.parameter == predictor.parameter:
            blocks += term.blocks
            places += [count + place for place in term.places]
            columns.append(start + torch.arange(term.columns))
            count += term.columns
    matrix = Matrix(tuple(blocks), tuple(places), ("",) * count, predictor.X.n_rows)
    return replace(predictor, X=matrix, columns=torch.cat(columns))
