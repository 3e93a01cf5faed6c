"""Coordinates in which a penalty is a sum of lengths: theta = T u, T by blocks, so that it is ||u_g|| for each group g.

    one coefficient    u_j = s_j theta_j                          a term as a group    u_g = E^(1/2) V' theta_g

s_j is the standard deviation of column j, V E V' the covariance matrix of the columns of a term: these become
orthonormal, and what the term adds to the linear predictor has the variance ||u_g||^2, whatever its contrasts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """T: `stretch` (size,) on its diagonal, but for `blocks`: places (p,) and T_g (p, p) of each term as a group.

    Coefficients of all categories, at `flat` (m, categories) places, are determined up to a constant but for what
    penalises them: among `signed` ones the penalty is least where 0 lies between the middle two, and reported is the
    point half way. Of those that are not penalised, `balanced` (m, categories), the mean is 0.
    """

    stretch: Tensor
    blocks: tuple[tuple[Tensor, Tensor], ...] = ()
    flat: Tensor | None = None
    balanced: Tensor | None = None
    signed: bool = False

    def coefficients(self, u: Tensor) -> Tensor:
        """theta = T u."""
        found = self.stretch * u
        for places, block in self.blocks:
            found[places] = block @ u[places]
        return found

    def _middle(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """The middle two of the coefficients of all categories: (m,) each."""
        assert self.flat is not None
        each, count = u[self.flat].sort(dim=1).values, self.flat.shape[1]
        return each[:, (count - 1) // 2], each[:, count // 2]

    def lowered(self, u: Tensor) -> Tensor:
        """u with the nearest constants whose penalty is least; the likelihood is the same."""
        if self.flat is None or not self.signed:
            return u
        low, high = self._middle(u)
        found = u.clone()
        found[self.flat] -= torch.minimum(torch.maximum(torch.zeros_like(low), low), high)[:, None]
        return found

    def settled(self, u: Tensor) -> Tensor:
        """u with the constants that are reported, as far as these are penalised."""
        if self.flat is None or not self.signed:
            return u
        low, high = self._middle(u)
        found = u.clone()
        found[self.flat] -= (low + high)[:, None] / 2
        return found

    def balance(self, reported: Tensor) -> Tensor:
        """Reported coefficients (size,), those that are not penalised with means of 0."""
        if self.balanced is None:
            return reported
        found = reported.clone()
        found[self.balanced] -= found[self.balanced].mean(dim=1, keepdim=True)
        return found

    def slopes(self, gradient: Tensor) -> Tensor:
        """The gradient in u from that in theta."""
        found = self.stretch * gradient
        for places, block in self.blocks:
            found[places] = block.T @ gradient[places]
        return found

    def of(self, columns: Tensor) -> Basis:
        """That of the coefficients listed alone, all of a group or none of it among them."""
        place = torch.full((len(self.stretch),), -1, dtype=torch.int64)
        place[columns] = torch.arange(len(columns))
        blocks = tuple((place[places], block) for places, block in self.blocks if int(place[places[0]]) >= 0)
        return Basis(self.stretch[columns], blocks)

    def turn(self, X: Tensor) -> Tensor:
        """X T for rows of all columns: (n, p) -> (n, p)."""
        found = X * self.stretch
        for places, block in self.blocks:
            found[:, places] = X[:, places] @ block
        return found


class Norms:
    """Lengths of groups of coefficients: `label` (m,) says the group of each; without it each is one by itself."""

    def __init__(self, label: Tensor | None) -> None:
        self.label = label
        self.group = torch.arange(0)
        if label is not None:
            _, self.group = torch.unique(label, return_inverse=True)
            if len(self.group) == 0 or int(self.group.max()) + 1 == len(self.group):
                self.label = None

    @property
    def single(self) -> bool:
        return self.label is None

    @property
    def alone(self) -> Tensor:
        """(m,) bool: which are one by themselves."""
        if self.label is None:
            return torch.ones(len(self.group), dtype=torch.bool)
        return torch.bincount(self.group)[self.group] == 1

    def of(self, v: Tensor) -> Tensor:
        """(m,) for each coefficient the length of its group."""
        if self.label is None:
            return v.abs()
        return torch.zeros_like(v).index_add_(0, self.group, v.square()).sqrt()[self.group]

    def direction(self, b: Tensor) -> Tensor:
        """(m,) b_g / ||b_g||, 0 for a group at 0."""
        if self.label is None:
            return b.sign()
        size = self.of(b)
        return torch.where(size > 0, b / torch.where(size > 0, size, 1.0), 0.0)

    def total(self, l1: Tensor, b: Tensor) -> Tensor:
        """sum_g l_g ||b_g||, l1 (m,) being l_g for each coefficient of group g."""
        return l1 @ (b * self.direction(b))

    def part(self, chosen: Tensor) -> Norms:
        """Those of some coefficients, all of a group or none of it."""
        return Norms(None if self.label is None else self.label[chosen])

    def whole(self, wanted: Tensor) -> Tensor:
        """(m,) bool: the groups of which a coefficient is wanted."""
        return wanted if self.label is None else self.of(wanted.to(torch.float64)) > 0

    def groups(self) -> Sequence[Tensor]:
        """The places of each group."""
        if self.label is None:
            return list(torch.arange(len(self.group))[:, None])
        order = torch.argsort(self.group, stable=True)
        return torch.split(order, torch.bincount(self.group).tolist())
