"""Coefficients at given strengths: the maximum of l(Q b) - b'S b / 2 in those coordinates that are not held.

An `Objective` of the coordinates b that are free; the information A = -H + S of all of them is the curvature there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from glmfit.model import Likelihood
from glmfit.numerics import full, newton

TOL = 1e-9  # of the inner search; the step that ends it squares what is left
MOST_STEPS = 100


class Penalised:
    """l(Q b) - b'S b / 2 of the coordinates `free` (positions), the others as in `base` (size,)."""

    def __init__(self, likelihood: Likelihood, turn: Tensor, S: Tensor, free: Tensor, base: Tensor) -> None:
        self.likelihood, self.turn, self.S, self.free, self.base = likelihood, turn, S, free, base
        self.basis = turn[:, free]

    def whole(self, b: Tensor) -> Tensor:
        """All coordinates (size,)."""
        out = self.base.clone()
        out[self.free] = b
        return out

    def value(self, b: Tensor) -> float:
        whole = self.whole(b)
        return self.likelihood.value(self.turn @ whole) - 0.5 * float(whole @ self.S @ whole)

    def along(self, b: Tensor, direction: Tensor) -> Callable[[float], float]:
        plain = self.likelihood.along(self.turn @ self.whole(b), self.basis @ direction)

        def value(t: float) -> float:
            whole = self.whole(b + t * direction)
            return plain(t) - 0.5 * float(whole @ self.S @ whole)

        return value

    def derivatives(self, b: Tensor) -> tuple[float, Tensor, Tensor]:
        whole = self.whole(b)
        value, gradient, hessian = self.likelihood.derivatives(self.turn @ whole)
        pulled = self.S @ whole
        inside = self.free[:, None], self.free
        return (
            value - 0.5 * float(whole @ pulled),
            self.basis.T @ gradient - pulled[self.free],
            self.basis.T @ full(hessian) @ self.basis - self.S[inside],
        )

    def expected(self, b: Tensor) -> Tensor | None:
        found = self.likelihood.expected(self.turn @ self.whole(b))
        inside = self.free[:, None], self.free
        return None if found is None else self.basis.T @ full(found) @ self.basis - self.S[inside]

    def information_root(self, b: Tensor) -> Tensor | None:
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Inner:
    """Where the coordinates b (size,) settle: log-likelihood `value`, its gradient (size,), and -H (size, size) there.

    `converged` says whether that is a maximum in the free ones.
    """

    b: Tensor
    value: float
    gradient: Tensor
    information: Tensor
    iterations: int
    decrement: float
    converged: bool


def settle(likelihood: Likelihood, turn: Tensor, S: Tensor, free: Tensor, begin: Tensor) -> Inner | None:
    """The coordinates at the strengths of S, sought from `begin` (size,); None where there is no value there."""
    objective = Penalised(likelihood, turn, S, free, begin)
    start = begin[free]
    found = objective.derivatives(start)
    if not bool(torch.isfinite(found[1]).all() and torch.isfinite(found[2]).all()) or found[0] != found[0]:
        return None
    optimum = newton(objective, start, TOL, MOST_STEPS)
    b = objective.whole(optimum.theta)
    value, gradient, hessian = likelihood.derivatives(turn @ b)
    information = -(turn.T @ full(hessian) @ turn)
    information = 0.5 * (information + information.T)
    return Inner(b, value, turn.T @ gradient, information, optimum.iterations, optimum.decrement, optimum.converged)
