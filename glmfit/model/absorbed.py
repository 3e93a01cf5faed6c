"""Effects that are fitted beside the coefficients and not reported: eta = offset + X beta + D a, one linear predictor.

    max over a of l(beta, a)        gradient = X~' g,  Hessian = -X~' W X~,  X~ = X - D (D'WD)^- D'WX,  W = -h

With X~ for X, and the effects in the offset, a model at its maximum is an ordinary one of p columns: value, gradient,
Hessian, scores and every sandwich are those of the coefficients in the model with all indicators (Frisch & Waugh 1933).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from glmfit.design import MOST_DENSE_COLUMNS, Dense, Matrix
from glmfit.errors import ModelError
from glmfit.model.likelihood import row_derivatives
from glmfit.model.model import Model
from glmfit.model.rows import Rows
from glmfit.numerics import Indicators, Normal, cholesky

MADE_UP = 1e-9  # of the length of a column, left of it beside the effects: nothing but rounding
EPSILON = float(np.finfo(np.float64).eps)
REFINED = 2  # times that a column is made orthogonal: the second takes up what the rounding of the first left


def beside(matrix: Matrix, indicators: Indicators) -> Matrix:
    """The columns less what the effects make up for, in one dense block; 0 where that is all of them."""
    n, p = matrix.shape
    if p > MOST_DENSE_COLUMNS:
        message = f"the model has {p:,} columns beside its absorbed effects"
        hint = f"absorb the factor of many levels too: at most {MOST_DENSE_COLUMNS:,} columns are reported beside them"
        raise ModelError("too_many_columns", message, hint)
    x = matrix.dense().numpy()
    x = x - x.mean(axis=0)
    lengths = np.sqrt((x * x).sum(axis=0))
    weight = np.ones(n)
    x = swept(x, indicators, indicators.normal(weight), weight)
    x[:, np.sqrt((x * x).sum(axis=0)) <= MADE_UP * lengths] = 0.0
    blocks = (Dense(torch.from_numpy(np.ascontiguousarray(x))),) if p else ()
    return Matrix(blocks, (torch.arange(p),) if p else (), matrix.names, n, matrix.terms)


@dataclass(frozen=True, slots=True, eq=False)
class Slopes:
    """At linear predictors: the log-likelihood, the weighted derivatives g (n,) and the weights w = -h (n,)."""

    value: float
    g: np.ndarray
    w: np.ndarray

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.value) and np.isfinite(self.g).all() and np.isfinite(self.w).all())


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What Newton's method adds: to the coefficients (p,), the effects (L,) and the linear predictor (n,).

    `curvature` is X~'WX~ (p, p), `slope` the derivative along the step, `solved` what the equations were solved from.
    """

    beta: Tensor
    effects: np.ndarray
    eta: np.ndarray
    curvature: Tensor
    gradient: Tensor
    slope: float
    solved: np.ndarray


class AbsorbedLikelihood:
    """The log-likelihood of a model of one predictor, whose X is `beside` its effects, as a function of eta (n,)."""

    def __init__(self, model: Model) -> None:
        assert model.absorbed is not None
        self.model, self.indicators = model, model.absorbed.indicators
        self.likelihood = model.likelihood()
        (predictor,) = model.rows.predictors
        self.X = predictor.X.dense().numpy()
        self.offset = predictor.offset.numpy()

    def parts(self, eta: np.ndarray) -> list[tuple[Rows, Tensor]]:
        """The chunks of rows, with their own linear predictors."""
        found, first = [], 0
        for chunk in self.likelihood.chunks:
            last = first + len(chunk.y)
            found.append((chunk, torch.from_numpy(eta[first:last])))
            first = last
        return found

    def value(self, eta: np.ndarray) -> float:
        """The log-likelihood; NaN or -inf outside the domain."""
        with torch.no_grad():
            rows = [(c.weight * self.likelihood.log_density(c, one)).sum() for c, one in self.parts(eta)]
        return float(torch.stack(rows).sum())

    def slopes(self, eta: np.ndarray, expected: bool = False) -> Slopes:
        """Value and derivatives; `expected` weights are E(-h), where the family states them."""
        value, g, w = 0.0, [], []
        for chunk, one in self.parts(eta):
            row = row_derivatives(lambda eta, chunk=chunk: self.likelihood.log_density(chunk, eta), [one])
            h = self.likelihood.expected_rows(chunk, [one], row.h) if expected else row.h
            value += float((chunk.weight * row.l).sum())
            g.append(chunk.weight * row.g[:, 0])
            w.append(-chunk.weight * h[:, 0, 0])
        return Slopes(value, torch.cat(g).numpy(), torch.cat(w).numpy())

    def rises_for_ever(self, at: Slopes) -> bool:
        """Whether an effect has a slope and no curvature: the observed information says nothing of where it ends."""
        return bool((self.indicators.sums(at.g)[self.indicators.sums(at.w) <= 0] != 0).any())

    def step(self, at: Slopes, begin: np.ndarray | None, tolerance: float) -> Step | None:
        """Newton's step with the weights of `at`, its equations solved from `begin`; None where none are positive."""
        normal = self.indicators.normal(at.w)
        wX = at.w[:, None] * self.X
        right = np.column_stack([self.indicators.sums(wX), self.indicators.sums(at.g)])
        if begin is not None:  # the columns move little from step to step, the gradient goes to 0
            begin = np.column_stack([begin[:, :-1], np.zeros(len(begin))])
        rounding = np.zeros_like(right)
        rounding[:, -1] = EPSILON * self.indicators.sums(np.abs(at.g))
        solved = normal.solve(right, begin, tolerance, rounding)
        if not np.isfinite(solved).all() or self.rises_for_ever(at):
            return None
        tangent, alone = solved[:, :-1], solved[:, -1]
        curvature = torch.from_numpy(self.X.T @ wX - right[:, :-1].T @ tangent)
        curvature = 0.5 * (curvature + curvature.T)
        gradient = torch.from_numpy(self.X.T @ at.g - tangent.T @ right[:, -1])
        beta = _solved(curvature, gradient)
        if beta is None:
            return None
        effects = alone - tangent @ beta.numpy()
        eta = self.X @ beta.numpy() + self.indicators.times(effects)
        return Step(beta, effects, eta, curvature, gradient, float(at.g @ eta), solved)


def _solved(curvature: Tensor, gradient: Tensor) -> Tensor | None:
    lower = cholesky(curvature)
    return None if lower is None else torch.cholesky_solve(gradient[:, None], lower)[:, 0]


def swept(X: np.ndarray, indicators: Indicators, normal: Normal, weight: np.ndarray) -> np.ndarray:
    """X~ (n, p), orthogonal to all indicators under the weights (n,)."""
    rounding = EPSILON * indicators.sums(np.abs(weight[:, None] * X))
    for _ in range(REFINED):
        X = X - indicators.times(normal.solve(indicators.sums(weight[:, None] * X), rounding=rounding))
    return X


def profiled(model: Model, beta: Tensor, eta: np.ndarray, weight: np.ndarray) -> Model:
    """The model of p columns that stands for this one at its maximum beta (p,), eta (n,) with the weights -h (n,)."""
    assert model.absorbed is not None
    (predictor,) = model.rows.predictors
    indicators = model.absorbed.indicators
    X = swept(predictor.X.dense().numpy(), indicators, indicators.normal(weight), weight)
    matrix = replace(predictor.X, blocks=(Dense(torch.from_numpy(X)),))
    effects = torch.from_numpy(eta) - torch.from_numpy(X) @ beta - predictor.own_offset
    fitted = replace(predictor, X=matrix, offset=predictor.own_offset + effects, effects=effects)
    return replace(model, rows=replace(model.rows, predictors=(fitted,)))
