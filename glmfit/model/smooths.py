"""Which coefficients of a model belong to smooths, and what their penalties tell apart that the rows do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from glmfit.design import Combination, Matrix, Standardization
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


def refuse_overlap(matrix: Matrix, aliased: Mapping[int, Combination], smooths: Smooths) -> None:
    """Raise where a smooth can be what other terms are, before it or after: its penalty does not decide between them.

    `aliased` are the columns that are combinations of earlier ones.
    """
    terms = dict(zip(matrix.names, matrix.terms, strict=True))
    for j, combination in aliased.items():
        within = [matrix.terms[j], *(terms[name] for name, _ in combination)]
        if smooth := next((term for term in within if term in smooths), None):
            other = "earlier terms are already" if within[0] == smooth else f"'{within[0]}' is too"
            what = f"'{smooth}' holds what {other}, a straight line most often"
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
