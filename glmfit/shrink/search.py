"""Proximal Newton along a path: exact minima of quadratic models over the columns that may matter.

    F(u) = -l(T u) / N + sum_g l_g ||u_g|| + sum_j q_j u_j^2 / 2

Curvature is kept from one strength to the next, and found anew where steps that rest on it no longer pay. The columns
looked at are chosen by the strong rule (Tibshirani et al. 2012); the slopes of all others prove that none is missed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from glmfit.shrink.basis import Basis, Norms
from glmfit.shrink.factored import Factored, NotPositive
from glmfit.shrink.grouped import minimise_groups
from glmfit.shrink.quadratic import kkt, minimise
from glmfit.shrink.secants import Secants

MOST_HALVINGS = 40
ENOUGH = 1e-4  # of the decrease that the model promises
EXACT = 0.1  # residual of a quadratic model's minimum, in units of what is allowed in the end
RIDGE = 1e-10  # of the largest curvature, added where a matrix is not positive definite; then more
SLOW = 20.0  # numbers multiplied in a product of matrices in the time of one in a product with a vector
OF_A_ROW = 300.0  # numbers multiplied in the time of one row's derivatives
STEADY = 1e-6  # of the curvature of a column: what is added along a constant that all categories have
ROUNDING = 1e-13


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """The penalty at one strength: l_g and q_j (size,) of each coefficient; those that are `held` stay 0."""

    l1: Tensor
    l2: Tensor
    held: Tensor
    norms: Norms


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """A point of the path: coefficients (size,), the mean log-likelihood, all slopes (size,), and how it was reached.

    `residual` is the largest by which optimality is missed, in units of the largest slope of the null model.
    """

    theta: Tensor
    value: float
    slope: Tensor  # of the mean log-likelihood
    residual: float
    iterations: int
    converged: bool


class State(Protocol):
    """Where a search is."""

    @property
    def value(self) -> float: ...


class Sums(Protocol):
    """A likelihood in the coordinates u of a basis, of which some are looked at: `chosen` (m,) of `size`."""

    basis: Basis
    size: int
    predictors: int
    chosen: Tensor

    def look_at(self, more: Tensor) -> None: ...
    def at(self, u: Tensor) -> Any: ...
    def changes(self, move: Tensor) -> Any: ...
    def moved(self, state: Any, changes: Any, t: float) -> Any: ...
    def gradient(self, state: Any) -> Tensor: ...
    def gradient_of_chosen(self, state: Any) -> Tensor: ...
    def bend(self, state: Any) -> float: ...
    def curvature(self, state: Any, since: int = 0) -> Tensor: ...


class Search:
    """A search that goes from strength to strength, in coordinates u; slopes are judged in units of `unit`."""

    def __init__(self, columns: Sums, u: Tensor, unit: float, tol: float, max_iter: int) -> None:
        self.columns, self.unit, self.tol, self.max_iter = columns, unit, tol, max_iter
        self.u = u
        self.state: State = columns.at(u)
        self.sloped: State | None = None  # where the slopes are of
        self._slope = u
        self.H = torch.zeros((0, 0), dtype=torch.float64)
        self.curved: State | None = None  # where H is of
        self.rate = 0.0  # by which a step shrinks the residual, since H was found
        self.extra = 0.0  # share of the largest curvature that is added to all
        self.factored: Factored | None = None
        self.stale = False  # H has grown since
        self.secants = Secants()

    def point(self, weights: Weights, before: Weights | None) -> Point:
        """The minimum at a strength, from where the last one ended, `before` being the weights there."""
        l1, norms = weights.l1, weights.norms
        reach = l1 if before is None else 2 * l1 - before.l1
        self.choose(~weights.held & ((l1 == 0) | (norms.of(self.u) > 0) | (norms.of(self.slope()) >= reach)))
        if before is None or bool((weights.l2 != before.l2).any()):
            self.factored = None
        steps = 0
        while True:
            steps += self._descend(weights, steps)
            slope = self.slope()
            downhill = torch.where(weights.held, 0.0, weights.l2 * self.u - slope)
            residual = torch.where(weights.held, 0.0, kkt(downhill, l1, self.u, norms) / self.unit)
            missed = residual > self.tol
            missed[self.columns.chosen] = False
            if not bool(missed.any()) or steps >= self.max_iter:
                break
            self.choose(missed)
        largest = float(residual.max())
        theta = self.columns.basis.coefficients(self.columns.basis.settled(self.u))
        return Point(theta, self.state.value, slope, largest, steps, largest <= self.tol)

    def slope(self) -> Tensor:
        """(size,) of all coefficients, where the search is."""
        if self.sloped is not self.state:
            self.sloped, self._slope = self.state, self.columns.gradient(self.state)
            self.secants.see(self.u, self._slope)
        return self._slope

    def choose(self, wanted: Tensor) -> None:
        """Look at these columns (size,) bool as well; their curvature is found where that of the others is of."""
        wanted = wanted.clone()
        wanted[self.columns.chosen] = False
        more, before = torch.nonzero(wanted)[:, 0], len(self.columns.chosen)
        if not len(more):
            return
        self.columns.look_at(more)
        if self.curved is None:
            return
        new = self.columns.curvature(self.curved, before)
        self.H = torch.cat([torch.cat([self.H, new[:before]], dim=1), torch.cat([new[:before].T, new[before:]], dim=1)])
        self.stale = True

    def _curve(self) -> None:
        """Find the curvature where the search is."""
        self.H = self.columns.curvature(self.state)
        self.curved, self.rate, self.extra, self.factored = self.state, 0.0, 0.0, None
        self.secants.forget()
        if self.sloped is self.state:
            self.secants.see(self.u, self._slope)

    def _descend(self, weights: Weights, done: int) -> int:
        """Steps in the chosen coefficients until they are optimal among themselves; how many they were."""
        chosen = self.columns.chosen
        l1, l2, norms = weights.l1[chosen], weights.l2[chosen], weights.norms.part(chosen)
        tol = torch.full_like(l1, self.tol * self.unit)
        before = math.inf
        for step in range(self.max_iter - done + 1):
            b, slope = self.u[chosen], self._slope_of_chosen()
            residual = float((kkt(-slope + l2 * b, l1, b, norms) / tol).max()) if len(b) else 0.0
            if residual <= 1.0 or step == self.max_iter - done:
                return step
            if step:
                self.rate = max(self.rate, min(residual / before, 1.0))
            if self.curved is None or (self.curved is not self.state and self._too_slow(residual)):
                self._curve()
            fresh = self.curved is self.state
            target = self._target(slope, b, l1, l2, EXACT * tol, norms)
            if not self._step(l1, l2, norms, slope, b, target):
                if fresh:  # rounding error is all that is left
                    return step
                self._curve()
            before = residual
        return self.max_iter - done

    def _slope_of_chosen(self) -> Tensor:
        """(m,) from all of them where these are known, or nearly as soon found."""
        if self.sloped is self.state or 2 * len(self.columns.chosen) > self.columns.size:
            return self.slope()[self.columns.chosen]
        return self.columns.gradient_of_chosen(self.state)

    def _target(self, slope: Tensor, b: Tensor, l1: Tensor, l2: Tensor, tol: Tensor, norms: Norms) -> Tensor:
        """Where the quadratic model is lowest; a proximal term is added where it is not convex."""
        while True:
            if self.factored is None or self.stale:
                more = l2 + self.extra * (float(torch.diagonal(self.H).abs().max()) if self.extra else 0.0)
                H = self._steadied(self.H + torch.diag(more))
                self.factored = Factored(H) if self.factored is None else self.factored.grown(H)
                self.stale = False
            share = self._share(l2)
            if norms.single and self.extra == 0.0 and self.columns.basis.flat is None:
                correction = self.secants.correction(self.factored.H, self.columns.chosen, l2, share)
                if correction is not None:
                    self.factored.corrected(*correction)
            product = self.factored.times(b)
            c = (l2 * b - slope) / share - product
            try:
                if norms.single:
                    return minimise(self.factored, c, l1 / share, b, product, tol / share)
                return minimise_groups(self.factored.H, c, l1 / share, b, tol / share, norms)
            except NotPositive:
                self.extra, self.factored = max(10 * self.extra, RIDGE), None

    def _share(self, l2: Tensor) -> float:
        """How much curvature there is now, of that which is kept: its directions stay good for longer than its size."""
        assert self.curved is not None
        if self.curved is self.state:
            return 1.0
        now, then = self.columns.bend(self.state), self.columns.bend(self.curved)
        return now / then if now > 0 and then > 0 else 1.0

    def _steadied(self, H: Tensor) -> Tensor:
        """H with curvature where it has none: in the constants that coefficients of all categories may have."""
        flat = self.columns.basis.flat
        if flat is None:
            return H
        place = torch.full((self.columns.size,), -1, dtype=torch.int64)
        place[self.columns.chosen] = torch.arange(len(H))
        flat = place[flat]
        flat = flat[(flat >= 0).all(dim=1)]
        size = STEADY * torch.diagonal(H)[flat].mean(dim=1)
        across = size[:, None, None].expand(-1, flat.shape[1], flat.shape[1])
        return H.index_put(
            (flat[:, :, None].expand_as(across), flat[:, None, :].expand_as(across)), across, accumulate=True
        )

    def _too_slow(self, residual: float) -> bool:
        """Whether finding the curvature anew costs less than the steps that the old one would still need."""
        if self.rate == 0.0:
            return False
        if self.rate >= 0.5:
            return True
        m, k = len(self.columns.chosen), self.columns.predictors
        step = 2 * m * SLOW + OF_A_ROW * k
        again = m * m * k * k
        return math.log(residual) / -math.log(self.rate) * step > again + 2 * step

    def _step(self, l1: Tensor, l2: Tensor, norms: Norms, slope: Tensor, b: Tensor, target: Tensor) -> bool:
        """Move towards the target as far as the penalised likelihood rises; whether it has."""
        move = target - b

        def penalty(at: Tensor) -> float:
            return float(norms.total(l1, at) + 0.5 * (l2 @ at.square()))

        here = penalty(b)
        promised = -float(slope @ move) + penalty(target) - here
        changes = self.columns.changes(move)
        t = 1.0
        slack = ROUNDING * (abs(self.state.value) + abs(here))
        for _ in range(MOST_HALVINGS):
            state = self.columns.moved(self.state, changes, t)
            rise = (state.value - self.state.value) - (penalty(b + t * move) - here)
            if rise >= -ENOUGH * t * promised - slack:  # false for NaN
                self.u = self.u.clone()
                self.u[self.columns.chosen] = target if t == 1.0 else b + t * move
                self.u = self.columns.basis.lowered(self.u)
                self.state = state
                return True
            t *= 0.5
        return False
