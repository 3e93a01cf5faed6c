"""The minimum of a criterion in the logarithms of the strengths, by Newton's method from exact gradients.

Its Hessian is the difference of gradients; it makes steps, and the standard errors of parameters found along with the
strengths. A strength may have no end: then what is left to be gained falls as exp(-rho), gradient and curvature alike,
so that steps of Newton's are all 1: they are made longer, and the search stops where next to nothing is left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from glmfit.smoothing.criterion import Point

STEP = 1e-4  # of a difference
LONGEST = 4.0  # step in the logarithm of a strength
HALVINGS = 25
LEVEL = 1e-3  # curvature of a direction that may have no end,
FLAT = 1e-6  # and the gradient at which next to nothing is left to be gained along it
LEFT = 1e-14  # what a Newton step promises in all others, relative to the criterion
ROUNDED = 1e-11  # the same where no step finds it: rounding
SMALLEST = 1e-8  # curvature that a step is made with


class Criterion(Protocol):
    def at(self, psi: Tensor, begin: Tensor) -> Point | None:
        """The criterion at psi, the coefficients sought from `begin`; None where it is not defined."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The best point, the Hessian (k, k) there, and how it was found."""

    point: Point
    hessian: Tensor
    iterations: int
    converged: bool


def minimum(criterion: Criterion, begin: Point, most: int, trace: Callable[[int, Point], None]) -> Found:
    """The minimum from a point on, in at most so many steps."""
    here = begin
    for iteration in range(most):
        trace(iteration, here)
        values, vectors = torch.linalg.eigh(differenced(criterion, here, both=False))
        along = vectors.T @ here.gradient
        size = 1.0 + abs(here.value)
        steep = values > LEVEL
        gain = float((along[steep] ** 2 / values[steep]).sum())
        ended = not bool((along[~steep].abs() > FLAT).any())
        after = None
        if not (ended and gain <= LEFT * size):
            after = _shorter(criterion, here, *_step(values, vectors, along))
        if after is None:
            converged = ended and gain <= ROUNDED * size and here.inner.converged
            return Found(here, differenced(criterion, here, both=True), iteration, converged)
        here = after
    return Found(here, differenced(criterion, here, both=True), most, False)


def _step(values: Tensor, vectors: Tensor, along: Tensor) -> tuple[Tensor, float]:
    """-|H|^-1 g from the eigenvalues and vectors of H, no longer than LONGEST in any of these; and what it promises."""
    length = along / values.abs().clamp_min(SMALLEST)
    endless = (values.abs() < 100 * LEVEL) & (length.abs() > 0.5)
    length = torch.where(endless, LONGEST * length.sign(), length.clamp(-LONGEST, LONGEST))
    return -vectors @ length, float(along @ length)


def _shorter(criterion: Criterion, here: Point, step: Tensor, promised: float) -> Point | None:
    """The first point of a whole, half, quarter ... step that is lower by enough."""
    length = 1.0
    for _ in range(HALVINGS):
        there = criterion.at(here.psi + length * step, here.inner.b)
        if there is not None and there.value <= here.value - 1e-4 * length * promised:
            return there
        length /= 2
    return None


def differenced(criterion: Criterion, here: Point, *, both: bool) -> Tensor:
    """(k, k) differences of the gradient to one side, or to `both` where both are defined."""
    rows = []
    for unit in torch.eye(len(here.psi), dtype=torch.float64):
        known = [(0.0, here.gradient)]
        for sign in (1.0, -1.0):
            end = criterion.at(here.psi + sign * STEP * unit, here.inner.b) if both or len(known) < 2 else None
            known += [] if end is None else [(sign, end.gradient)]
        (a, first), (b, second) = (known[0], known[-1]) if len(known) < 3 else known[1:]
        rows.append((first - second) / ((a - b) * STEP) if a != b else torch.zeros_like(unit))
    found = torch.stack(rows)
    return 0.5 * (found + found.T)
