"""Profile likelihood: likelihood-ratio tests of single coefficients, and the intervals that these tests define.

    r(b) = sign(estimate - b) sqrt(2 (l(theta^) - max_{theta_j = b} l(theta)) / phi)        interval: |r(b)| <= quantile

phi is that of the fit. At an end l has fallen by quantile^2 phi / 2 and has no slope but in b: Newton's method for both
(Venzon & Moolgavkar 1988, Applied Statistics 37, 87-94). Where that does not arrive, r is found by Newton's method on
the hyperplane theta_j = b, an end by Newton's method on r, within a bracket. An end that r never reaches is infinite.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from glmfit.numerics import curvature
from glmfit.numerics.objective import Objective
from glmfit.numerics.optimize import all_finite, newton

CLOSE = 1e-9  # of r from the quantile: an end is as exact as the maxima on either side of it
LEVEL = 1e-6  # rise of r within a standard error below which it has levelled off
FARTHEST = 2.0**12  # standard errors from the estimate, beyond which no end is looked for
STEPS = 80
STEEPEST = 1e6  # r's slope, relative to r / t: no r that rises more is believed
DIRECT_STEPS = 12  # to an end by Newton's method for all coefficients at once
STRAIGHT = 1e-8  # standard errors beside the maximum of the others at an end so found
APPROACH = 24  # attempts to come near where the straight way leaves the domain of a link
NEAR = 1e-6  # distance in standard errors to a maximum on the hyperplane that will do, should rounding stop there


@dataclass(frozen=True, slots=True)
class Profile:
    """The signed root r of the likelihood ratio against 0, and the ends of the interval; NaN where not found."""

    root: float
    low: float
    high: float


class Hyperplane:
    """An objective on { origin + basis u }: an `Objective` of u."""

    def __init__(self, objective: Objective, origin: Tensor, basis: Tensor) -> None:
        self.objective, self.origin, self.basis = objective, origin, basis

    def at(self, u: Tensor) -> Tensor:
        """The point in the space of the whole objective."""
        return self.origin + self.basis @ u

    def derivatives(self, theta: Tensor) -> tuple[float, Tensor, Tensor]:
        value, gradient, hessian = self.objective.derivatives(self.at(theta))
        return value, self.basis.T @ gradient, self.basis.T @ curvature.full(hessian) @ self.basis

    def along(self, theta: Tensor, direction: Tensor) -> Callable[[float], float]:
        return self.objective.along(self.at(theta), self.basis @ direction)

    def expected(self, theta: Tensor) -> Tensor | None:
        found = self.objective.expected(self.at(theta))
        return None if found is None else self.basis.T @ curvature.full(found) @ self.basis

    def information_root(self, theta: Tensor) -> Tensor | None:
        root = self.objective.information_root(self.at(theta))
        return None if root is None else torch.linalg.qr(root @ self.basis, mode="r").R


def profile(
    objective: Objective, theta: Tensor, covariance: Tensor, row: Tensor, phi: float, quantile: float
) -> Profile:
    """The profile of b = row' theta, row (p,), at the maximum theta (p,); `covariance` (p, p) is the inverse curvature.

    phi divides twice the drop of the objective, so that r is measured in units of the quantile.
    """
    search = Search(objective, theta, covariance, row, phi)
    centre = float(row @ theta)
    low, high = (search.direct_end(side, quantile) or search.end(side, quantile) for side in (-1.0, 1.0))
    root = search.root_at(-centre / search.error)
    return Profile(math.copysign(root, centre), centre + low * search.error, centre + high * search.error)


class Search:
    """r as a function of t, the distance of b from the estimate in standard errors."""

    def __init__(self, objective: Objective, theta: Tensor, covariance: Tensor, row: Tensor, phi: float) -> None:
        spread = covariance @ row
        self.objective, self.theta, self.phi, self.row = objective, theta, phi, row
        self.top = objective.derivatives(theta)[0]
        self.error = math.sqrt(float(row @ spread))
        # One standard error up, along which the others have their conditional maxima if l is quadratic.
        self.direction = spread / self.error
        whole = torch.linalg.qr(row[:, None], mode="complete").Q
        self.basis = whole[:, 1:]
        self.known = {0.0: theta}

    def at(self, t: float) -> tuple[float, float]:
        """|r| and d|r|/d|t| at t; infinite outside the domain of the objective, NaN where the maximum is not found.

        Where the straight way from the nearest maximum known leaves the domain, it is gone a part at a time: the maxima
        on the way bend it.
        """
        base, share = min(self.known, key=lambda other: abs(other - t)), 1.0
        for _ in range(APPROACH):
            to = t if share == 1 else base + share * (t - base)
            found = self._from(base, to)
            if found is None:
                share *= 0.5
            elif to == t or math.isnan(found[0]):
                return found
            else:
                base, share = to, min(1.0, 2 * share)
        return math.inf, math.inf

    def _from(self, start: float, t: float) -> tuple[float, float] | None:
        """The same at t, from the maximum at `start` straight on; None where that leaves the domain."""
        origin = self.known[start] + (t - start) * self.direction
        value, gradient, _ = self.objective.derivatives(origin)
        if not (math.isfinite(value) and bool(torch.isfinite(gradient).all())):
            return None
        if self.basis.shape[1]:
            hyperplane = Hyperplane(self.objective, origin, self.basis)
            found = newton(hyperplane, torch.zeros(self.basis.shape[1], dtype=torch.float64))
            if not found.converged and found.decrement > NEAR:
                return math.nan, math.nan
            origin = hyperplane.at(found.theta)
            value, gradient, _ = self.objective.derivatives(origin)
        self.known[t] = origin
        r = math.sqrt(max(2 * (self.top - value) / self.phi, 0.0))
        slope = -math.copysign(1.0, t) * float(gradient @ self.direction) / self.phi
        return r, slope / r if r > 0 else 1.0

    def maximum_at(self, t: float) -> Tensor | None:
        """The maximum on the hyperplane at t (p,); None outside the domain, or where it is not found."""
        if t not in self.known:
            self.at(t)
        return self.known.get(t)

    def root_at(self, t: float) -> float:
        """|r| of the hypothesis at t; NaN where it cannot be reached."""
        r, slope = self.at(t) if t else (0.0, 0.0)
        # On the edge of the domain only rounding makes r finite, and it rises there without limit.
        return r if math.isfinite(r) and abs(slope * t) <= STEEPEST * r else math.nan

    def direct_end(self, side: float, quantile: float) -> float | None:
        """t of the end on one side by Newton's method in all coefficients; None where it does not lead there.

        With C = -Hessian and v = C^-1 row the step is C^-1 g - m v: no slope is left but for a multiple m of the row,
        and the quadratic has the value asked for where m^2 row'v / 2 is what it would rise by to its top above that.
        """
        aim = self.top - 0.5 * self.phi * quantile**2
        theta = self.theta + side * quantile * self.direction
        for _ in range(DIRECT_STEPS):
            value, gradient, hessian = there = self.objective.derivatives(theta)
            lower = curvature.cholesky(-hessian) if all_finite(there) else None
            if lower is None or not curvature.well_conditioned(lower):
                return None
            up, along = curvature.solve(lower, gradient), curvature.solve(lower, self.row)
            length = float(self.row @ along)
            beside = float(gradient @ up) - float(self.row @ up) ** 2 / length
            r = math.sqrt(max(2 * (self.top - value) / self.phi, 0.0))
            t = float(self.row @ (theta - self.theta)) / self.error
            if abs(r - quantile) <= CLOSE * quantile and beside <= STRAIGHT**2:
                self.known[t] = theta
                return t if t * side > 0 else None
            above = value + 0.5 * float(gradient @ up) - aim
            if not above > 0:
                return None
            theta = theta + up + side * math.sqrt(2 * above / length) * along
        return None

    def end(self, side: float, quantile: float) -> float:
        """t at which |r| is the quantile, on one side; infinite where r stays below it."""
        inside, outside, t, rise = 0.0, math.inf, quantile, 1.0
        for _ in range(STEPS):
            r, slope = self.at(side * t)
            if math.isnan(r) or abs(r - quantile) <= CLOSE * quantile:
                return side * t if r == r else math.nan
            inside, outside, rise = (t, outside, slope) if r < quantile else (inside, t, rise)
            if inside >= FARTHEST:
                return side * math.inf
            step = t + (quantile - r) / slope if math.isfinite(r) and slope > 0 else math.nan
            limit = min(outside, 4 * inside + quantile)
            t = step if inside < step < limit else 0.5 * (inside + limit)
            if outside < math.inf and outside - inside <= CLOSE * outside:
                if rise <= LEVEL:
                    return side * math.inf
                # r jumps: the edge of the domain, or with other coefficients their maxima have come to lie on it.
                return math.nan if self.basis.shape[1] else side * outside
        return math.nan
