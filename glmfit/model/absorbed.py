"""Effects that are fitted beside the coefficients and not reported: eta = offset + X beta + D a of the main predictor.

    max over a of l(beta, a)        gradient = X~' g,  Hessian = -X~' W X~,  X~ = X - D (D'WD)^- D'WX,  W = -h

With X~ for X, and the effects in the offset, a model at its maximum is an ordinary one of p columns: value, gradient,
Hessian, scores and every sandwich are those of the coefficients in the model with all indicators (Frisch & Waugh 1933).
The effects follow the coefficients of other predictors too: X~ has the columns -D (D'WD)^- D'W_k X_k for these.
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
from glmfit.model.rows import Predictor, Rows
from glmfit.numerics import Indicators, Normal, cholesky
from glmfit.numerics.curvature import repaired

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
    """At K linear predictors: the log-likelihood, the weighted derivatives g (K, n) and the weights w = -h (K, K, n).

    The effects are in the one of place `main`.
    """

    value: float
    g: np.ndarray
    w: np.ndarray
    main: int

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.value) and np.isfinite(self.g).all() and np.isfinite(self.w).all())

    @property
    def own(self) -> np.ndarray:
        """(n,) the weights of the effects."""
        return self.w[self.main, self.main]

    @property
    def curves_down(self) -> bool:
        """Whether all weights of the effects are positive."""
        return bool((self.own > 0).all())

    def alone(self, w: np.ndarray) -> Slopes:
        """The same with weights w (n,) of the main predictor, which has none with the others."""
        weights = self.w.copy()
        weights[self.main] = weights[:, self.main] = 0.0
        weights[self.main, self.main] = w
        return replace(self, w=weights)

    def of_main(self, g: np.ndarray) -> Slopes:
        """The same with derivatives g (n,) of the main predictor, and none of the others."""
        slopes = np.zeros_like(self.g)
        slopes[self.main] = g
        return replace(self, g=slopes)


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What Newton's method adds: to the coefficients (p,), and to the linear predictors (K, n).

    `curvature` is X~'WX~ (p, p), made positive where it is not, `slope` the derivative along the step, `solved` what
    the equations were solved from.
    """

    beta: Tensor
    eta: np.ndarray
    curvature: Tensor
    gradient: Tensor
    slope: float
    solved: np.ndarray


class AbsorbedLikelihood:
    """The log-likelihood of a model whose main X is `beside` its effects, as a function of its predictors (K, n)."""

    def __init__(self, model: Model) -> None:
        assert model.absorbed is not None
        self.model, self.indicators = model, model.absorbed.indicators
        self.likelihood = model.likelihood()
        predictors = model.rows.predictors
        self.main = main_place(model)
        self.columns = [predictor.own.numpy() for predictor in predictors]
        self.X = [one.X.dense().numpy()[:, : len(own)] for one, own in zip(predictors, self.columns, strict=True)]
        self.others = np.setdiff1d(np.arange(model.size), self.columns[self.main])  # coefficients of other predictors
        self.offset = np.stack([predictor.offset.numpy() for predictor in predictors])

    def eta(self, beta: Tensor) -> np.ndarray:
        """(K, n) the linear predictors, without effects."""
        return self.offset + self.moved(beta)

    def moved(self, beta: Tensor) -> np.ndarray:
        """(K, n) what coefficients add to them."""
        return np.stack([X @ beta.numpy()[columns] for X, columns in zip(self.X, self.columns, strict=True)])

    def parts(self, eta: np.ndarray) -> list[tuple[Rows, list[Tensor]]]:
        """The chunks of rows, with their own linear predictors."""
        found, first = [], 0
        for chunk in self.likelihood.chunks:
            last = first + len(chunk.y)
            found.append((chunk, [torch.from_numpy(one[first:last]) for one in eta]))
            first = last
        return found

    def value(self, eta: np.ndarray) -> float:
        """The log-likelihood; NaN or -inf outside the domain."""
        with torch.no_grad():
            rows = [(c.weight * self.likelihood.log_density(c, *one)).sum() for c, one in self.parts(eta)]
        return float(torch.stack(rows).sum())

    def slopes(self, eta: np.ndarray, expected: bool = False) -> Slopes:
        """Value and derivatives; `expected` weights are E(-h), where the family states them."""
        value, g, w = 0.0, np.empty_like(eta), np.empty((len(eta), *eta.shape))
        first = 0
        for chunk, one in self.parts(eta):
            row = row_derivatives(lambda *eta, chunk=chunk: self.likelihood.log_density(chunk, *eta), one)
            h = self.likelihood.expected_rows(chunk, one, row.h) if expected else row.h
            value += float((chunk.weight * row.l).sum())
            part = slice(first, first + len(chunk.y))
            g[:, part] = (chunk.weight[:, None] * row.g).T.numpy()
            w[:, :, part] = -(chunk.weight[:, None, None] * h).permute(1, 2, 0).numpy()
            first = part.stop
        return Slopes(value, g, w, self.main)

    def rises_for_ever(self, at: Slopes) -> bool:
        """Whether an effect has a slope and no curvature: the observed information says nothing of where it ends."""
        slopes = self.indicators.sums(at.g[self.main])
        return bool((slopes[self.indicators.sums(at.own) <= 0] != 0).any())

    def step(self, at: Slopes, begin: np.ndarray | None, tolerance: float) -> Step | None:
        """Newton's step with the weights of `at`, its equations solved from `begin`.

        None where effects do not curve downward, or where the only predictor does not.
        """
        normal, g = self.indicators.normal(at.own), at.g[self.main]
        wX = self.crossed(at)
        right = np.column_stack([self.indicators.sums(wX), self.indicators.sums(g)])
        if begin is not None:  # the columns move little from step to step, the gradient goes to 0
            begin = np.column_stack([begin[:, :-1], np.zeros(len(begin))])
        rounding = np.zeros_like(right)
        rounding[:, -1] = EPSILON * self.indicators.sums(np.abs(g))
        if len(self.others):  # which may add up to nothing in each level
            rounding[:, self.others] = EPSILON * self.indicators.sums(np.abs(wX[:, self.others]))
        solved = normal.solve(right, begin, tolerance, rounding)
        if not np.isfinite(solved).all() or self.rises_for_ever(at):
            return None
        tangent, alone = solved[:, :-1], solved[:, -1]
        curvature = torch.from_numpy(self._information(at, wX) - right[:, :-1].T @ tangent)
        curvature = 0.5 * (curvature + curvature.T)
        gradient = torch.from_numpy(self._gradient(at) - tangent.T @ right[:, -1])
        lower = cholesky(curvature)
        if lower is None:
            if len(self.X) == 1:
                return None
            near = repaired(curvature)
            assert isinstance(near, Tensor)
            lower, curvature = near, near @ near.T
        beta = torch.cholesky_solve(gradient[:, None], lower)[:, 0]
        eta = self.moved(beta)
        eta[self.main] += self.indicators.times(alone - tangent @ beta.numpy())
        return Step(beta, eta, curvature, gradient, float((at.g * eta).sum()), solved)

    def crossed(self, at: Slopes) -> np.ndarray:
        """(n, p) sum_k w_mk X_k: what each coefficient has with the effects, which are in the predictor m."""
        out = np.zeros((len(at.own), self.model.size))
        for X, columns, w in zip(self.X, self.columns, at.w[self.main], strict=True):
            out[:, columns] += w[:, None] * X
        return out

    def _information(self, at: Slopes, crossed: np.ndarray) -> np.ndarray:
        """(p, p) sum_jk X_j' diag(w_jk) X_k."""
        out = np.zeros((self.model.size, self.model.size))
        for j, (X, rows) in enumerate(zip(self.X, self.columns, strict=True)):
            if j == self.main:
                out[rows] += X.T @ crossed
                continue
            for k, (other, columns) in enumerate(zip(self.X, self.columns, strict=True)):
                out[np.ix_(rows, columns)] += X.T @ (at.w[j, k][:, None] * other)
        return out

    def _gradient(self, at: Slopes) -> np.ndarray:
        """(p,) sum_k X_k' g_k."""
        out = np.zeros(self.model.size)
        for X, columns, g in zip(self.X, self.columns, at.g, strict=True):
            out[columns] += X.T @ g
        return out

    def swept(self, at: Slopes) -> tuple[np.ndarray, np.ndarray]:
        """(n, p) X~, what the main predictor moves by with each coefficient where the effects follow, and its places:
        the columns of its own coefficients first."""
        own, others = self.columns[self.main], self.others
        normal = self.indicators.normal(at.own)
        X = swept(self.X[self.main], self.indicators, normal, at.own)
        if len(others):
            crossed = self.crossed(at)[:, others]
            with_own = at.own[:, None]
            rounding = EPSILON * self.indicators.sums(np.abs(crossed))
            moved = np.zeros_like(crossed)
            for _ in range(REFINED):
                left = self.indicators.sums(crossed + with_own * moved)
                moved -= self.indicators.times(normal.solve(left, rounding=rounding))
            X = np.column_stack([X, moved])
        return X, np.concatenate([own, others])


def main_place(model: Model) -> int:
    """The position of the main predictor."""
    return [predictor.parameter for predictor in model.rows.predictors].index(model.family.main)


def swept(X: np.ndarray, indicators: Indicators, normal: Normal, weight: np.ndarray) -> np.ndarray:
    """X~ (n, p), orthogonal to all indicators under the weights (n,)."""
    rounding = EPSILON * indicators.sums(np.abs(weight[:, None] * X))
    for _ in range(REFINED):
        X = X - indicators.times(normal.solve(indicators.sums(weight[:, None] * X), rounding=rounding))
    return X


def profiled(absorbed: AbsorbedLikelihood, beta: Tensor, at: Slopes, eta: np.ndarray) -> Model:
    """The model of p columns that stands for this one at its maximum beta (p,), eta (K, n), where slopes are `at`."""
    model, place = absorbed.model, absorbed.main
    predictors = list(model.rows.predictors)
    main = predictors[place]
    X, columns = absorbed.swept(at)
    names = tuple(model.names[model.kept[column]][1] for column in columns.tolist())
    matrix = Matrix((Dense(torch.from_numpy(X)),), (torch.arange(len(columns)),), names, len(X))
    places = torch.from_numpy(columns)
    effects = torch.from_numpy(eta[place]) - matrix.matvec(beta[places]) - main.own_offset
    predictors[place] = Predictor(
        main.parameter, matrix, places, main.own_offset + effects, effects, len(columns) - len(absorbed.columns[place])
    )
    return replace(model, rows=replace(model.rows, predictors=tuple(predictors)))
