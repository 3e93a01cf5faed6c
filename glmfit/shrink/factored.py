"""Solutions of H_AA x = r for sets A that change a little at a time: one factor, and what joins or leaves as a border.

    [ H_bb  H_be  I_d  C_b ] [x_b]   [r_b]      b: the set that was factored, e = A - b, d = b - A, where x is held at 0
    [ H_eb  H_ee       C_e ] [x_e] = [r_e]
    [ I_d'                 ] [ m ]   [ 0 ]      C M^-1 C' is taken off H: a few secants
    [ C_b'  C_e'       M   ] [ z ]   [ 0 ]

A border of r columns costs |b|^2 r in place of |A|^3 / 3.
"""

from __future__ import annotations

import torch
from torch import Tensor

SHARE = 6  # a border wider than one in so many of the columns is dearer than another factor
NARROW = 8  # and one of no more columns never is


class NotPositive(Exception):
    """The matrix of a set of columns is not positive definite."""


class Factored:
    """A symmetric matrix H - C M^-1 C' (m, m) of which sets of rows and columns are solved; C (m, c) is narrow."""

    def __init__(self, H: Tensor) -> None:
        self.H = H
        self.C, self.M = H.new_zeros((len(H), 0)), H.new_zeros((0, 0))
        self.base: Tensor | None = None  # (b,) sorted
        self.factor = H

    def grown(self, H: Tensor) -> Factored:
        """The same of a matrix of which this is the beginning."""
        found = Factored(H)
        found.base, found.factor = self.base, self.factor
        return found

    def corrected(self, C: Tensor, M: Tensor) -> None:
        """Take C M^-1 C' off H from now on, in place of what was."""
        self.C, self.M = C, M

    def times(self, v: Tensor) -> Tensor:
        """The matrix times v (m,)."""
        found = self.H @ v
        return found if not len(self.M) else found - self.C @ torch.linalg.solve(self.M, self.C.T @ v)

    def diagonal(self) -> Tensor:
        """(m,) its diagonal."""
        found = torch.diagonal(self.H)
        return found if not len(self.M) else found - (self.C * torch.linalg.solve(self.M, self.C.T).T).sum(dim=1)

    def solve(self, chosen: Tensor, r: Tensor) -> Tensor:
        """x (a,) of the columns `chosen` (m,) bool, for r (m,) of which theirs counts; `NotPositive` where none is."""
        entering, leaving = self._changes(chosen)
        if self.base is None or len(entering) + len(leaving) > max(NARROW, len(self.base) // SHARE):
            self._afresh(chosen)
            entering, leaving = self._changes(chosen)
        assert self.base is not None
        few, wide = len(entering), len(entering) + len(leaving) + len(self.M)
        right = torch.where(chosen, r, 0.0)[self.base]
        x = torch.zeros_like(r)
        if not wide:
            x[self.base] = self._times(right)
            return x[chosen]
        border = torch.cat([self.H[self.base[:, None], entering], self._units(leaving), self.C[self.base]], dim=1)
        carried = self._times(torch.cat([border, right[:, None]], dim=1))
        corner = torch.zeros((wide, wide), dtype=torch.float64)
        corner[:few, :few] = self.H[entering[:, None], entering]
        if len(self.M):
            secants = slice(wide - len(self.M), wide)
            corner[secants, secants] = self.M
            corner[:few, secants] = self.C[entering]
            corner[secants, :few] = self.C[entering].T
        below = torch.zeros(wide, dtype=torch.float64)
        below[:few] = r[entering]
        z = torch.linalg.solve(corner - border.T @ carried[:, :-1], below - border.T @ carried[:, -1])
        x[self.base] = carried[:, -1] - carried[:, :-1] @ z
        x[entering] = z[:few]
        return x[chosen]

    def _changes(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """What joins the base, and the positions in it of what leaves."""
        if self.base is None:
            return torch.arange(0), torch.arange(0)
        inside = torch.zeros_like(chosen)
        inside[self.base] = True
        return torch.nonzero(chosen & ~inside)[:, 0], torch.nonzero(~chosen[self.base])[:, 0]

    def _afresh(self, chosen: Tensor) -> None:
        base = torch.nonzero(chosen)[:, 0]
        factor, info = torch.linalg.cholesky_ex(self.H[base[:, None], base])
        if int(info):
            raise NotPositive
        self.base, self.factor = base, factor

    def _times(self, right: Tensor) -> Tensor:
        """H_bb^-1 of a vector or of columns."""
        columns = right[:, None] if right.ndim == 1 else right
        found = torch.cholesky_solve(columns, self.factor)
        return found[:, 0] if right.ndim == 1 else found

    def _units(self, places: Tensor) -> Tensor:
        assert self.base is not None
        units = torch.zeros((len(self.base), len(places)), dtype=torch.float64)
        units[places, torch.arange(len(places))] = 1.0
        return units
