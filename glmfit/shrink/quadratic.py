"""The minimum of a quadratic with absolute values, by active sets: exact, and few solutions of linear equations.

    q(b) = c'b + b'Hb / 2 + sum_j l_j |b_j|

A semismooth Newton step guesses from b and its gradient which coefficients are 0 and what signs the others have, and
solves for these at once. Where that does not descend, what would be 0 or change its sign is found along a line.
"""

from __future__ import annotations

import torch
from torch import Tensor

from glmfit.shrink.basis import Norms
from glmfit.shrink.factored import Factored

MOST_STEPS = 500
ROUNDING = 1e-15
SINGLE = Norms(None)


def minimise(factored: Factored, c: Tensor, l1: Tensor, b: Tensor, product: Tensor, tol: Tensor) -> Tensor:
    """(m,) the minimum, from b with its `product` H b; `tol` (m,) is the residual allowed of each coefficient.

    Raises `NotPositive` where H is not positive definite for a set that it needs.
    """
    free, diagonal = l1 == 0, factored.diagonal()
    for _ in range(MOST_STEPS):
        slope = c + product
        residual = kkt(slope, l1, b)
        if bool((residual <= tol).all()):
            break
        value = _value(c, l1, b, product)
        pull = diagonal * b - slope
        chosen = free | (pull.abs() > l1)
        candidate = torch.zeros_like(b)
        candidate[chosen] = factored.solve(chosen, -(c + l1 * pull.sign()))
        there = factored.times(candidate)
        found = _value(c, l1, candidate, there)
        slack = ROUNDING * (value.abs() + found.abs() + (c * b).abs().sum())
        better = found < value - slack or (
            found <= value + slack and kkt(c + there, l1, candidate).max() < 0.5 * residual.max()
        )
        if not better:
            candidate = _along(factored, c, l1, b, slope, residual)
            if torch.equal(candidate, b):
                break
            there = factored.times(candidate)
        b, product = candidate, there
    return b


def kkt(slope: Tensor, l1: Tensor, b: Tensor, norms: Norms = SINGLE) -> Tensor:
    """(m,) how far each group of coefficients is from optimal, `slope` being the gradient of what is smooth."""
    out = (norms.of(b) == 0) & (l1 > 0)
    return torch.where(out, (norms.of(slope) - l1).clamp(min=0.0), norms.of(slope + l1 * norms.direction(b)))


def _value(c: Tensor, l1: Tensor, b: Tensor, product: Tensor) -> Tensor:
    return c @ b + 0.5 * (b @ product) + l1 @ b.abs()


def _along(factored: Factored, c: Tensor, l1: Tensor, b: Tensor, slope: Tensor, residual: Tensor) -> Tensor:
    """The lowest point from b towards the solution of signs as they are, those of what enters against its slope.

    What would enter the other way stays out; the one that is furthest from optimal always descends.
    """
    inside = (b != 0) | (l1 == 0)
    signs = torch.where(b != 0, b.sign(), -slope.sign())
    entering = ~inside & (residual > 0)
    while True:
        chosen = inside | entering
        target = torch.zeros_like(b)
        target[chosen] = factored.solve(chosen, -(c + torch.where(l1 > 0, l1 * signs, 0.0)))
        move = target - b
        wrong = entering & (move * signs <= 0)
        if not bool(wrong.any()):
            return _lowest(factored, l1, b, slope, move)
        left = entering & ~wrong
        if not bool(left.any()):
            left[int(torch.where(entering, residual, -1.0).argmax())] = int(entering.sum()) > 1
        entering = left


def _lowest(factored: Factored, l1: Tensor, b: Tensor, slope: Tensor, move: Tensor) -> Tensor:
    """b + t move where q is lowest: it is a quadratic between the points at which a coefficient is 0."""
    curvature = float(move @ factored.times(move))
    begin = float(slope @ move + (l1 * torch.where(b != 0, move * b.sign(), move.abs())).sum())
    if begin >= 0 or curvature <= 0:
        return b
    crossing = torch.nonzero((b * move < 0) & (l1 > 0))[:, 0]
    at, order = torch.sort(-b[crossing] / move[crossing])
    crossing = crossing[order]
    jumps = 2 * l1[crossing] * move[crossing].abs()
    slopes = begin + torch.cat([torch.zeros(1, dtype=torch.float64), torch.cumsum(jumps, 0)])  # of each piece at t = 0
    ends = torch.cat([at, torch.full((1,), torch.inf, dtype=torch.float64)])
    piece = int((slopes + curvature * ends >= 0).to(torch.int8).argmax())
    start = float(at[piece - 1]) if piece else 0.0
    t = max(-float(slopes[piece]) / curvature, start)
    found = b + t * move
    if piece and t == start:
        found[crossing[piece - 1]] = 0.0
    return found
