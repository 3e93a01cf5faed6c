"""The minimum of a quadratic with lengths of groups: sweeps over the groups, and Newton steps among those not at 0.

    q(b) = c'b + b'Hb / 2 + sum_g l_g ||b_g||

One group is lowered exactly, the others held: it is 0 where ||r|| <= l, r being its slope there, else
(H_gg + (l / t) I) b_g = -r with t = ||b_g||, a root in one variable. Sweeps find which groups are 0; q is smooth in the
others, whose Newton steps bring all digits.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from glmfit.shrink.basis import Norms
from glmfit.shrink.factored import NotPositive
from glmfit.shrink.quadratic import kkt

MOST_SWEEPS = 1_000
MOST_NEWTON = 30
MOST_HALVINGS = 30
ENOUGH = 1e-4
ROUNDING = 1e-15


def minimise_groups(H: Tensor, c: Tensor, l1: Tensor, b: Tensor, tol: Tensor, norms: Norms) -> Tensor:
    """(m,) the minimum, from b; `tol` (m,) is the residual that is allowed. `NotPositive` where H is not convex."""
    groups = [_Group(H, l1, places) for places in norms.groups()]
    best = math.inf
    for _ in range(MOST_SWEEPS):
        slope = c + H @ b
        residual = kkt(slope, l1, b, norms)
        worst = float((residual / tol).max())
        if worst <= 1.0 or (worst >= best and worst < 1e3):  # rounding error is all that is left
            break
        best = min(best, worst)
        b = _swept(H, groups, slope, b, residual > 0)
        b = _newton(H, c, l1, b, tol, norms)
    return b


class _Group:
    """One group in its own axes: `places`, the eigenvalues E and vectors V of H_gg, and l."""

    def __init__(self, H: Tensor, l1: Tensor, places: Tensor) -> None:
        self.places = places.numpy()
        self.l = float(l1[places[0]])
        E, V = torch.linalg.eigh(H[places[:, None], places])
        if not float(E[0]) > 0:
            raise NotPositive
        self.E, self.V = E.numpy(), V.numpy()

    def lowest(self, r: np.ndarray) -> np.ndarray:
        """The minimum of r'b + b'H_gg b / 2 + l ||b||."""
        if self.l == 0:
            return -self.V @ ((self.V.T @ r) / self.E)
        size = math.sqrt(float(r @ r))
        if size <= self.l:
            return np.zeros_like(r)
        if len(r) == 1:
            return -r * (1 - self.l / size) / self.E
        turned = self.V.T @ r
        t = (size - self.l) / float(self.E[-1])  # not above the root: phi rises to it from below
        for _ in range(100):  # 1 / ||z|| is concave in t, z = turned / (E t + l), and 1 at the root
            below = self.E * t + self.l
            square = float(np.square(turned / below).sum())
            slope = float((np.square(turned) * self.E / below**3).sum())
            step = (square - math.sqrt(square)) * math.sqrt(square) / slope if slope else 0.0
            t += step
            if abs(step) <= 4e-16 * t:
                break
        return -self.V @ (turned * t / (self.E * t + self.l))


def _swept(H: Tensor, groups: list[_Group], slope: Tensor, b: Tensor, wanted: Tensor) -> Tensor:
    """b after each of the groups that are wanted, or are not at 0, has been lowered."""
    rows, slopes, found = H.numpy(), slope.numpy().copy(), b.numpy().copy()
    active = (wanted | (b != 0)).numpy()
    for group in groups:
        at = group.places
        if not active[at].any():
            continue
        own = found[at]
        r = slopes[at] - group.V @ (group.E * (group.V.T @ own))
        lowered = group.lowest(r)
        move = lowered - own
        if move.any():
            slopes += move @ rows[at]
            found[at] = lowered
    return torch.from_numpy(found)


def _newton(H: Tensor, c: Tensor, l1: Tensor, b: Tensor, tol: Tensor, norms: Norms) -> Tensor:
    """Steps in the coefficients of groups that are not at 0, for as long as q falls."""
    inside = torch.nonzero((norms.of(b) > 0) | (l1 == 0))[:, 0]
    if not len(inside):
        return b
    part, own_H, own_c, own_l1 = norms.part(inside), H[inside[:, None], inside], c[inside], l1[inside]
    same = torch.eye(len(inside), dtype=torch.bool) if part.single else part.group[:, None] == part.group
    x = b[inside]

    def value(x: Tensor) -> float:
        return float(own_c @ x + 0.5 * (x @ (own_H @ x)) + part.total(own_l1, x))

    here = value(x)
    for _ in range(MOST_NEWTON):
        direction, size = part.direction(x), part.of(x)
        slope = own_c + own_H @ x + own_l1 * direction
        if bool((part.of(slope) <= 0.1 * tol[inside]).all()):
            break
        bend = torch.where(own_l1 > 0, own_l1 / torch.where(size > 0, size, 1.0), 0.0)
        curved = torch.diag(bend) - torch.where(same, bend[:, None] * torch.outer(direction, direction), 0.0)
        factor, info = torch.linalg.cholesky_ex(own_H + curved)
        if int(info):
            raise NotPositive
        move = -torch.cholesky_solve(slope[:, None], factor)[:, 0]
        t, promised = 1.0, -float(slope @ move)
        slack = ROUNDING * (abs(here) + float((own_c * x).abs().sum()))
        for _ in range(MOST_HALVINGS):
            there = value(x + t * move)
            if there <= here - ENOUGH * t * promised + slack:
                break
            t *= 0.5
        else:
            break
        x, here = x + t * move, there
    found = b.clone()
    found[inside] = x
    return found
