"""Maxima on the edge of a link's domain: rows whose fitted mean is 0, or whose fitted probability is 0 or 1.

    maximise l(theta)    subject to    lower <= eta_i <= upper for every row i of the main predictor

Under the identity link of a count, or the log link of a probability, l can be highest where some eta_i meets its bound
and the gradient is not zero. An active-set method finds it: Newton steps that leave rows held at their bounds there; a
row joins where a step meets its bound and leaves where its multiplier has the wrong sign (Nocedal & Wright 2006, 16.5).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from glmfit.families import domain
from glmfit.model import Elsewhere, Likelihood, Rows
from glmfit.numerics import Optimum, Trace, curvature, line_search

INSIDE = 1e-11  # rows are held this far inside, in units of the root mean square of eta: derivatives exist there
LEVEL = 1e-6  # a row whose log-density changes less than this on its last way to the bound has a finite value there
STEPS_PER_ROW = 3  # the most often that rows join or leave, times the number of coefficients


def maximise_on_edge(
    likelihood: Likelihood, start: Tensor, tol: float, max_iter: int, trace: Trace | None = None
) -> Optimum | None:
    """The maximum from `start` (p,), which lies inside; its `edge` are the positions of the rows held at a bound.

    None where the link's domain is the whole line, or no row is held in the end: other ways lead to a maximum inside.
    None as well where rows are elsewhere, which are not held one by one.
    """
    if isinstance(likelihood, Elsewhere):
        return None
    search = _Search(likelihood, start)
    if search.unbounded:
        return None
    theta, iterations = start, 0
    value, gradient, hessian = likelihood.derivatives(theta)
    changes = STEPS_PER_ROW * (len(theta) + 10)
    while iterations < max_iter:
        basis = search.free_directions()
        reduced = basis.T @ gradient
        step, decrement = _newton_step(-(basis.T @ curvature.full(hessian) @ basis), reduced)
        if trace is not None:
            trace({"iteration": iterations, "log_likelihood": value, "newton_decrement": decrement})
        if decrement <= tol:
            wrong = search.wrong_multiplier(gradient)
            if wrong is None:
                break
            del search.held[wrong]
            changes -= 1
        elif changes < 0:
            return None
        else:
            direction = basis @ step
            longest, row = search.room(theta, direction)
            slope = longest * float(reduced @ step)
            length = line_search(likelihood.along(theta, longest * direction), value, slope)
            if length is None:
                return None
            theta = theta + length * longest * direction
            if length == 1.0 and row is not None:
                search.held[row[0]] = row[1]
                changes -= 1
        value, gradient, hessian = likelihood.derivatives(theta)
        iterations += 1
    else:
        return None
    if not search.held:
        return None
    reference = curvature.factor(likelihood, start, likelihood.derivatives(start)[2])
    projected = basis @ (basis.T @ gradient)
    edge = search.at_bound(theta)
    return Optimum(theta, value, projected, hessian, decrement, iterations, "boundary", "newton", reference, edge=edge)


def _newton_step(information: Tensor, gradient: Tensor) -> tuple[Tensor, float]:
    """The step and its decrement; from a repaired matrix where the information is not positive definite."""
    if not len(gradient):
        return gradient, 0.0
    lower = curvature.cholesky(information)
    step = curvature.solve(curvature.repaired(information) if lower is None else lower, gradient)
    return step, math.sqrt(max(float(gradient @ step), 0.0))


class _Search:
    """Bounds of the rows of the main predictor, and the rows that are `held` at theirs."""

    def __init__(self, likelihood: Likelihood, start: Tensor) -> None:
        self.likelihood = likelihood
        family = likelihood.family
        first = likelihood.chunks[0].predictors
        places = [k for k, predictor in enumerate(first) if predictor.parameter == family.main]
        lower, upper = -math.inf, math.inf
        if len(places) == 1:
            lower, upper = domain(likelihood.links[family.main], family.parameters[0].scale)
        self.unbounded = lower == -math.inf and upper == math.inf
        self.held: dict[int, bool] = {}  # whether at the lower bound
        if self.unbounded:
            return
        self.place = places[0]
        self.columns = first[self.place].columns
        count, squares = 0, 0.0
        for chunk in likelihood.chunks:
            eta = self.eta(chunk, start)
            count, squares = count + len(eta), squares + float(eta.square().sum())
        inside = self.inside = INSIDE * math.sqrt(squares / count)
        self.bounds = (lower, upper)
        self.lower, self.upper = lower + inside, upper - inside
        self._kept = None if likelihood.mapped else [self._may_hold(chunk) for chunk in likelihood.chunks]

    def eta(self, chunk: Rows, theta: Tensor) -> Tensor:
        """(rows,) the main linear predictor of a chunk."""
        return chunk.predictors[self.place].eta(theta)

    def at_bound(self, theta: Tensor) -> tuple[int, ...]:
        """Positions of all rows at a bound, those that repeat a held row among them."""
        found: list[int] = []
        for first, chunk, low, high in self._chunks():
            eta = self.eta(chunk, theta)
            near = (low & (eta <= self.lower + self.inside)) | (high & (eta >= self.upper - self.inside))
            found += (first + torch.nonzero(near)[:, 0]).tolist()
        return tuple(found)

    def _chunks(self) -> Iterator[tuple[int, Rows, Tensor, Tensor]]:
        """The position of its first row, a chunk, and which of its rows (rows,) may be held at either bound."""
        first = 0
        for k, chunk in enumerate(self.likelihood.chunks):
            yield first, chunk, *(self._may_hold(chunk) if self._kept is None else self._kept[k])
            first += len(chunk.y)

    def _may_hold(self, chunk: Rows) -> tuple[Tensor, Tensor]:
        """(rows,) bool: whether a row's log-density has a finite value at the lower bound, and at the upper one."""
        lower, upper = self.bounds
        return self._finite_at(chunk, lower, self.inside), self._finite_at(chunk, upper, -self.inside)

    def _finite_at(self, chunk: Rows, bound: float, inside: float) -> Tensor:
        if math.isinf(bound):
            return torch.zeros(len(chunk.y), dtype=torch.bool)
        others = self.likelihood.etas(chunk, torch.zeros(self.likelihood.size, dtype=torch.float64))
        values = []
        for distance in (inside, 1e-3 * inside):
            others[self.place] = torch.full_like(chunk.y, bound + distance)
            values.append(self.likelihood.log_density(chunk, *others))
        return (values[0] - values[1]).abs() < LEVEL

    def normals(self) -> Tensor:
        """(held, p) the rows of X that are held, in the space of all coefficients."""
        out = torch.zeros((len(self.held), self.likelihood.size), dtype=torch.float64)
        first = 0
        for chunk in self.likelihood.chunks:
            for at, row in enumerate(self.held):
                if first <= row < first + len(chunk.y):
                    one = chunk.predictors[self.place].X.rows(slice(row - first, row - first + 1))
                    out[at, self.columns] = one.dense()[0]
            first += len(chunk.y)
        return out

    def free_directions(self) -> Tensor:
        """(p, q) an orthonormal basis of the directions that leave the held rows where they are."""
        p = self.likelihood.size
        if not self.held:
            return torch.eye(p, dtype=torch.float64)
        _, values, vectors = torch.linalg.svd(self.normals(), full_matrices=True)
        rank = int((values > 1e-10 * values[0]).sum())
        return vectors[rank:].T

    def wrong_multiplier(self, gradient: Tensor) -> int | None:
        """The held row that most wants to move inside; None where every one presses against its bound."""
        multipliers = torch.linalg.lstsq(self.normals().T, gradient[:, None], driver="gelsd").solution[:, 0]
        inward = [float(m) * (1 if low else -1) for m, low in zip(multipliers, self.held.values(), strict=True)]
        if not inward or max(inward) <= 1e-9 * (1 + float(multipliers.abs().max())):
            return None
        return list(self.held)[inward.index(max(inward))]

    def room(self, theta: Tensor, direction: Tensor) -> tuple[float, tuple[int, bool] | None]:
        """The longest step up to 1 that keeps rows inside, and the row that then meets a bound it may be held at, with
        whether that is the lower one."""
        longest, met, part = math.inf, (0, True), direction[self.columns]
        for first, chunk, low, high in self._chunks():
            eta, slope = self.eta(chunk, theta), chunk.predictors[self.place].X.matvec(part)
            slope[[row - first for row in self.held if first <= row < first + len(eta)]] = 0.0
            down = torch.where(low & (slope < 0), (self.lower - eta) / slope, math.inf).clamp(min=0)
            up = torch.where(high & (slope > 0), (self.upper - eta) / slope, math.inf).clamp(min=0)
            nearest = torch.minimum(down, up)
            row = int(nearest.argmin())
            if float(nearest[row]) < longest:
                longest, met = float(nearest[row]), (first + row, bool(low[row]))
        return (longest, met) if longest <= 1.0 else (1.0, None)
