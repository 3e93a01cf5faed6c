"""Where the log-densities of a family never fall: linear constraints on the changes of a row's linear predictors.

A direction in which every row keeps to its constraints, and some row strictly, is one in which the log-likelihood rises
for ever (Albert & Anderson 1984, Biometrika 71, 1-10; Correia, Guimaraes & Zylkin 2019, arXiv:1903.01633).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glmfit.families.links import Link
from glmfit.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

INFINITE = 1e15  # tan(pi / 2) in double precision, the cauchit of 1, is 1.6e16


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One constraint per row: weights (n, k) times the changes of k linear predictors from `first` is not negative.

    Where `equal` (n,) it is 0: the log-density falls to either side. A row of zeros is no constraint. Where it is
    `last` (n,), a row that keeps to it strictly says nothing more in the limit, whatever its other constraints.
    """

    weights: Tensor
    equal: Tensor
    first: int = 0
    last: Tensor | None = None

    def of_predictor(self, place: int) -> Tensor | None:
        """The weights (n,) of the change of the linear predictor at this place, if it has any."""
        at = place - self.first
        return self.weights[:, at] if 0 <= at < self.weights.shape[1] else None


def infinite_end(link: Link, value: float) -> float:
    """-1 or 1 where the linear predictor of `value` is -inf or inf, 0 where it is finite."""
    eta = float(link.link(torch.tensor(value, dtype=torch.float64)))
    return math.copysign(1.0, eta) if abs(eta) > INFINITE else 0.0


def of_zeros(y: Tensor, link: Link) -> Iterator[Face]:
    """Counts and amounts: the log-density of a 0 rises to 0 with the mean at 0, that of a y > 0 has its peak inside."""
    sign = torch.where(y == 0, infinite_end(link, 0.0), 0.0)
    yield _face(sign)


def of_successes(y: Tensor, trials: Tensor, link: Link) -> Iterator[Face]:
    """Successes out of trials: all of them ask for a probability of 1, none for 0, and any other number for neither."""
    none = torch.where(y == 0, infinite_end(link, 0.0), 0.0)
    yield _face(torch.where(y == trials, infinite_end(link, 1.0), none))


def of_positive_counts(y: Tensor, link: Link) -> Face:
    """Counts that are known not to be 0: one of 1 asks for a mean of 0, where it is certain; a 0 is no such count."""
    face = _face(torch.where(y == 1, infinite_end(link, 0.0), 0.0))
    return Face(torch.where(y[:, None] > 0, face.weights, 0.0), face.equal & (y > 0))


def of_zero_or_not(y: Tensor, link: Link, first: int) -> Face:
    """Whether a count is 0, for the probability of 0 whose linear predictor is at the place `first`."""
    (face,) = of_successes((y == 0).double(), torch.ones_like(y), link)
    return Face(face.weights, face.equal, first, last=y == 0)


def _face(sign: Tensor) -> Face:
    equal = sign == 0
    return Face(torch.where(equal, 1.0, sign)[:, None], equal)
