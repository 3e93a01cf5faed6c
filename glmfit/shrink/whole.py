"""What a search needs of a likelihood of all rows at once, such as a partial likelihood: it is differentiated in theta.

The gradient is one reverse pass; the Hessian has a row for each coefficient that is looked at, a reverse pass each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from glmfit.dense.likelihood import DenseLikelihood
from glmfit.shrink.basis import Basis


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where a search is: coordinates u (size,), the mean log-likelihood and its gradient in u, rows of its Hessian."""

    u: Tensor
    value: float
    slope: Tensor
    hessian: Callable[[Tensor], Tensor]


class Whole:
    """A likelihood in coordinates u; `total` is the weight of all rows, `chosen` (m,) what is looked at."""

    def __init__(self, likelihood: DenseLikelihood, total: float, basis: Basis) -> None:
        self.likelihood, self.total, self.basis = likelihood, total, basis
        self.size = len(basis.stretch)
        self.predictors = 1
        self.chosen = torch.zeros(0, dtype=torch.int64)

    def look_at(self, more: Tensor) -> None:
        """Add coefficients (m,) to those that are looked at."""
        self.chosen = torch.cat([self.chosen, more])

    def at(self, u: Tensor) -> Place:
        """The place at coordinates u (size,)."""
        value, gradient, hessian = self.likelihood.expanded(self.basis.coefficients(u))
        stretch = self.basis.stretch

        def rows(places: Tensor) -> Tensor:
            return stretch[places, None] * hessian(places) * stretch / self.total

        return Place(u, value / self.total, self.basis.slopes(gradient) / self.total, rows)

    def changes(self, move: Tensor) -> Tensor:
        """A move of the chosen coefficients (m,) as one of all (size,)."""
        return torch.zeros(self.size, dtype=torch.float64).index_add(0, self.chosen, move)

    def moved(self, state: Place, changes: Tensor, t: float) -> Place:
        """The place t times the changes away."""
        return self.at(state.u + t * changes)

    def gradient(self, state: Place) -> Tensor:
        """(size,) of all coordinates."""
        return state.slope

    def gradient_of_chosen(self, state: Place) -> Tensor:
        """(m,) of those looked at."""
        return state.slope[self.chosen]

    def bend(self, state: Place) -> float:
        """Not known without the Hessian."""
        return 1.0

    def curvature(self, state: Place, since: int = 0) -> Tensor:
        """(m, m - since) between all chosen coefficients and those from `since` on."""
        rows = -state.hessian(self.chosen[since:])[:, self.chosen]
        if since == 0:
            rows = 0.5 * (rows + rows.T)
        return rows.T
