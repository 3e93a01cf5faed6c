"""Distribution functions by quadrature, for families that have none in closed form with derivatives.

    log Pr(a < Y <= b) = log sum_j weight_j exp(h(u_j))      h the log-density of U = g(Y), g increasing

U is a coordinate in which the density has one peak and falls at least exponentially on either side. Gauss-Legendre
panels lie where the mass is at the present parameters, and their nodes are then constants: autograd differentiates a
finite sum, whose derivatives have the accuracy of the sum itself, however far out in a tail.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np

from glmfit.families.base import Family
from glmfit.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    # (nodes (m, q), which of the n rows they belong to (m,)) -> the log of the integrand (m, q)
    LogIntegrand = Callable[[Tensor, Tensor], Tensor]

NODES = 20  # of each panel
FALLS = (0.05, 0.4, 2.0, 10.0, 45.0)  # panels end where the log integrand is this far below its peak; exp(-45) is 3e-20
LOG_STEPS = (-80.0, 100.0)  # of the distances searched: densities of logarithms may fall by 1 in 1e40
PEAK_HALVINGS, FALL_HALVINGS = 50, 12
NEAR_PEAK = 0.02  # a rise of the log integrand that is left to be found
STEP, SMALLEST_STEP = 1e-4, 1e-9  # of a difference quotient: relative to the distance, and to u itself
FINEST = 1e-14  # relative distance between nodes, below which they are all the same


class IntegratedTails(Family):
    """A family whose log_cdf, log_survival and log_interval are integrals of its density.

    For a family on the real line whose first two parameters are a location and the log of a scale, nothing is to be
    added: U = asinh((Y - location) / scale) makes algebraic tails exponential. Others say `coordinate`, g(y), and
    `log_integrand`, the log-density of U, so that neither end of their support is lost to rounding.
    """

    bulk = 4

    def coordinate(self, y: Tensor, *working: Tensor) -> Tensor:
        """(n,) g(y); the parameters only place it, and are constants."""
        return torch.asinh((y - working[0].detach()) * torch.exp(-working[1].detach()))

    def log_integrand(self, u: Tensor, *working: Tensor, **columns: Tensor) -> Tensor:
        """Log-density of g(Y) at u (n, m), from parameters (n, 1)."""
        location, log_scale = working[0].detach(), working[1].detach()
        y = location + torch.exp(log_scale) * torch.sinh(u)
        # log cosh u, which does not overflow
        log_slope = log_scale + u.abs() + torch.log1p(torch.exp(-2 * u.abs())) - math.log(2)
        return self.log_density(y, *working, **columns) + log_slope

    def log_cdf(self, y: Tensor, *working: Tensor, **columns: Tensor) -> Tensor:
        return self.log_interval(torch.full_like(y, -math.inf), y, *working, **columns)

    def log_survival(self, y: Tensor, *working: Tensor, **columns: Tensor) -> Tensor:
        return self.log_interval(y, torch.full_like(y, math.inf), *working, **columns)

    def log_interval(self, lower: Tensor, upper: Tensor, *working: Tensor, **columns: Tensor) -> Tensor:
        low, high = (
            torch.where(torch.isinf(end), end, self.coordinate(torch.where(torch.isinf(end), 0.5, end), *working))
            for end in (lower, upper)
        )

        def integrand(u: Tensor, rows: Tensor) -> Tensor:
            own = {name: column[rows, None] for name, column in columns.items()}
            return self.log_integrand(u, *(parameter[rows, None] for parameter in working), **own)

        return log_integral(integrand, low, high)


def log_integral(integrand: LogIntegrand, lower: Tensor, upper: Tensor) -> Tensor:
    """(n,) log of the integral of a function with one peak from `lower` to `upper` (n,), one of them finite."""
    peak, below, above = _panels(integrand, lower, upper)
    parts = []
    for ends in (below, above):
        rows = (ends[:, -1] != peak).nonzero()[:, 0]
        edges = torch.cat([peak[rows, None], ends[rows]], dim=1)
        empty = torch.full_like(lower, -math.inf)
        parts.append(empty.index_put((rows,), _panel_sums(partial(_of_rows, integrand, rows), edges)))
    return torch.logsumexp(torch.stack(parts, dim=1), dim=1)


def _of_rows(integrand: LogIntegrand, rows: Tensor, u: Tensor) -> Tensor:
    return integrand(u, rows)


def panel(log_density: Callable[[Tensor], Tensor], lower: Tensor, upper: Tensor) -> Tensor:
    """(n,) log of the integral from `lower` to `upper` (n,) of a density that hardly varies between them."""
    return _panel_sums(log_density, torch.stack([lower, upper], dim=1))


def _panel_sums(log_integrand: Callable[[Tensor], Tensor], edges: Tensor) -> Tensor:
    """(m,) log of the integral over the panels between neighbouring edges (m, k), in either direction."""
    nodes, log_weights = gauss_legendre()
    start, width = edges[:, :-1, None], torch.diff(edges, dim=1)[:, :, None]
    u = (start + width * nodes).flatten(1)
    log_weight = (torch.log(width.abs()) + log_weights).flatten(1)
    return torch.logsumexp(log_weight + log_integrand(u), dim=1)


@cache
def gauss_legendre() -> tuple[Tensor, Tensor]:
    """Nodes on (0, 1) and logs of their weights (NODES,)."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return torch.from_numpy(0.5 * (nodes + 1)), torch.from_numpy(np.log(0.5 * weights))


def _panels(integrand: LogIntegrand, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where the integrand is highest between the ends (n,), and ends of panels below and above it, (n, FALLS) each."""
    with torch.no_grad():
        peak = _peak(integrand, lower, upper)[:, None]
        rows, count = torch.arange(len(lower)), len(FALLS)
        falls = torch.tensor([*FALLS, *FALLS], dtype=torch.float64)
        side = torch.tensor([-1.0] * count + [1.0] * count, dtype=torch.float64)
        floor = integrand(peak, rows) - falls
        steps = _last_step(lambda v: integrand(peak + side * v, rows) > floor, floor, FALL_HALVINGS)
        ends = peak + side * torch.maximum(steps, FINEST * (1 + peak.abs()))
        below, above = torch.maximum(ends[:, :count], lower[:, None]), torch.minimum(ends[:, count:], upper[:, None])
        return peak[:, 0], below, above


def _peak(integrand: LogIntegrand, lower: Tensor, upper: Tensor) -> Tensor:
    """(n,) about where the integrand is highest between the ends: at the finite end, or as far from it as it rises."""
    upwards = ~torch.isinf(lower)
    peak, sign = torch.where(upwards, lower, upper), torch.where(upwards, 1.0, -1.0)
    rows = torch.arange(len(peak))
    slope = _slope(integrand, peak, sign, torch.zeros_like(peak), rows)
    rows = (slope > 0).nonzero()[:, 0]
    edge, side, slope = peak[rows], sign[rows], slope[rows]
    low, high = (torch.full_like(edge, end) for end in LOG_STEPS)
    for _ in range(PEAK_HALVINGS):
        if not bool((slope * (torch.exp(high) - torch.exp(low)) > NEAR_PEAK).any()):  # no more to gain
            break
        middle = 0.5 * (low + high)
        here = _slope(integrand, edge, side, torch.exp(middle), rows)
        rises = here > 0
        low, high = torch.where(rises, middle, low), torch.where(rises, high, middle)
        slope = torch.where(rises, here, slope)
    peak = peak.index_put((rows,), edge + side * torch.exp(low))
    return torch.minimum(torch.maximum(peak, lower), upper)


def _slope(integrand: LogIntegrand, edge: Tensor, side: Tensor, step: Tensor, rows: Tensor) -> Tensor:
    """(m,) how fast the integrand rises at a step from the edge, going on to the same side."""
    small = STEP * step + SMALLEST_STEP * (1 + edge.abs())
    at = integrand(edge[:, None] + side[:, None] * torch.stack([step, step + small], dim=1), rows)
    return (at[:, 1] - at[:, 0]) / small


def _last_step(holds: Callable[[Tensor], Tensor], like: Tensor, halvings: int) -> Tensor:
    """The step, by bisection of its logarithm, up to which a condition holds that fails from there on."""
    low, high = (torch.full_like(like, end) for end in LOG_STEPS)
    for _ in range(halvings):
        middle = 0.5 * (low + high)
        true = holds(torch.exp(middle))
        low, high = torch.where(true, middle, low), torch.where(true, high, middle)
    return torch.exp(0.5 * (low + high))
