"""What an optimiser knows of a model: a value, its derivatives, and its values along a line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

from glmfit.numerics.symmetric import Symmetric


class Objective(Protocol):
    """A function of theta (p,) to be maximised."""

    def derivatives(self, theta: Tensor) -> tuple[float, Tensor, Symmetric]:
        """Value (NaN or -inf where it is not defined), gradient (p,), Hessian (p, p)."""

    def along(self, theta: Tensor, direction: Tensor) -> Callable[[float], float]:
        """t -> the value at theta + t direction."""

    def expected(self, theta: Tensor) -> Symmetric | None:
        """(p, p) an expected Hessian to step with where the observed one is not negative definite, or None."""

    def information_root(self, theta: Tensor) -> Tensor | None:
        """Upper triangular R (p, p) with R'R = -Hessian, not computed from the Hessian; None where there is none."""
