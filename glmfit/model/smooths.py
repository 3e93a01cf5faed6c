"""Which coefficients of a model belong to smooths, and what their penalties tell apart that the rows do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from glmfit.design import Matrix, Standardization
from glmfit.errors import ModelError
from glmfit.formula import Penalised
from glmfit.model.model import SmoothBlock
from glmfit.model.rows import Predictor

NOTHING = 1e-10  # of the largest eigenvalue: a direction that no penalty touches, were it not for rounding
Smooths = Mapping[str, tuple[Penalised, ...]]  # by the texts of their terms


def penalty_root(matrix: Matrix, standardization: Standardization, smooths: Smooths) -> Tensor | None:
    """(r, p) rows whose squares are the penalties of the standardised columns; None where no term is a smooth."""
    rows = []
    for text in dict.fromkeys(matrix.terms):
        for smooth in smooths.get(text, ()):
            places = _places(matrix.terms, text)[smooth.first : smooth.first + smooth.size]
            whole = torch.from_numpy(sum(smooth.penalties[1:], smooth.penalties[0]))
            values, vectors = torch.linalg.eigh(whole)
            root = torch.zeros((len(places), matrix.shape[1]), dtype=torch.float64)
            some = values > NOTHING * values[-1]
            root[:, places] = vectors.T / standardization.scale[places]
            rows.append(root[some] * values[some].sqrt()[:, None])
    return torch.cat(rows) if rows else None


def refuse_overlap(matrix: Matrix, aliased: Sequence[int], smooths: Smooths) -> None:
    """Raise where a smooth can be what earlier terms are: its penalty does not decide between them."""
    for j in aliased:
        if (text := matrix.terms[j]) in smooths:
            what = f"'{text}' holds what earlier terms are already, a straight line most often"
            hint = "leave the column itself out where it has a smooth, or its s() where it is in te()"
            raise ModelError("smooth_overlap", what, hint)


def smooth_blocks(predictors: Sequence[Predictor], smooths: Smooths) -> tuple[SmoothBlock, ...]:
    """The smooths of all linear predictors, in the order of their coefficients."""
    return tuple(
        SmoothBlock(
            predictor.parameter,
            text + smooth.label,
            predictor.columns[_places(predictor.X.terms, text)[smooth.first : smooth.first + smooth.size]],
            tuple(map(torch.from_numpy, smooth.penalties)),
            smooth.free,
        )
        for predictor in predictors
        for text in dict.fromkeys(predictor.X.terms)
        for smooth in smooths.get(text, ())
    )


def _places(terms: Sequence[str], text: str) -> list[int]:
    """The columns of a term."""
    return [j for j, term in enumerate(terms) if term == text]
