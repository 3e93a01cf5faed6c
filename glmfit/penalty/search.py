"""The maximum of Laplace's approximation: Newton's method on all of psi, and variances that vanish held at 0.

A variance whose likelihood rises all the way to 0 has no maximum in its logarithm. Once it says next to nothing it is
held at an end where it says nothing at all; at the maximum of the others it must still want to be there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from glmfit.numerics import Optimum, Trace, newton
from glmfit.numerics.optimize import ROUNDING, UNSEEN
from glmfit.penalty.laplace import Integrated
from glmfit.penalty.matrices import diagonal
from glmfit.penalty.term import Penalised

ROUND = 4  # steps between two looks at the variances
RELEASES = 3  # of variances that were held too early
APART = 1e-6  # relative to the likelihood, beyond which an end is not the limit of where the search came from
UNWANTED = 1e-6  # of a slope per unit of log standard deviation, below which an end is wanted


class Criterion(Protocol):
    """What chooses psi: an objective, and the coefficients that go with it."""

    @property
    def of(self) -> Penalised: ...

    def at(self, psi: Tensor) -> Integrated | None:
        """The coefficients at psi, None where they have no maximum."""

    def value(self, psi: Tensor) -> float: ...

    def derivatives(self, psi: Tensor) -> tuple[float, Tensor, Tensor]:
        """Value, gradient (r,) and Hessian (r, r)."""


@dataclass(frozen=True, slots=True, eq=False)
class Free:
    """An objective of some of psi, the others held."""

    of: Criterion
    psi: Tensor
    free: Tensor  # (f,) places

    def whole(self, part: Tensor) -> Tensor:
        out = self.psi.clone()
        out[self.free] = part
        return out

    def derivatives(self, part: Tensor) -> tuple[float, Tensor, Tensor]:
        value, gradient, hessian = self.of.derivatives(self.whole(part))
        return value, gradient[self.free], hessian[self.free[:, None], self.free]

    def along(self, part: Tensor, direction: Tensor) -> Callable[[float], float]:
        return lambda t: self.of.value(self.whole(part + t * direction))

    def expected(self, part: Tensor) -> Tensor | None:
        return None

    def information_root(self, part: Tensor) -> Tensor | None:
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Peak:
    """The maximum: psi (r,), which of it are `free` (f,), the optimum in these, and the integrated coefficients."""

    laplace: Criterion
    psi: Tensor
    free: Tensor
    optimum: Optimum
    integrated: Integrated
    begin: Tensor  # (r, r) the Hessian where the search began

    @property
    def value(self) -> float:
        """The likelihood at the end: where a variance v is held at what is not quite 0 it is v d/dv less."""
        _, gradient, _ = self.laplace.derivatives(self.psi)
        return self.optimum.value - sum(
            term.prior.beyond(gradient[part], self.held[part])
            for term, part in zip(self.laplace.of.terms, self.laplace.of.omegas, strict=True)
        )

    @property
    def coefficients(self) -> Tensor:
        """Those of the model, in its working coordinates."""
        return self.laplace.of.coefficients(self.psi, self.integrated.theta)

    @property
    def sensitivity(self) -> Tensor:
        """(|I|, r) how the integrated coefficients move with psi."""
        assert self.integrated.moves is not None
        return self.integrated.moves

    @property
    def held(self) -> Tensor:
        """(r,) bool: parameters of priors at an end of their range."""
        out = torch.ones(len(self.psi), dtype=torch.bool)
        out[self.free] = False
        return out


def maximum(laplace: Criterion, psi: Tensor, tol: float, max_iter: int, trace: Trace | None = None) -> Peak:
    """The maximum from psi, where the approximation must be finite."""
    held = torch.zeros(len(psi), dtype=torch.bool)
    longest = torch.full_like(psi, math.inf)
    for term, part in zip(laplace.of.terms, laplace.of.omegas, strict=True):
        longest[part] = term.prior.longest
    begin = laplace.derivatives(psi)[2]
    iterations, releases, before = 0, 0, -math.inf
    while True:
        free = torch.nonzero(~held)[:, 0]
        objective = Free(laplace, psi, free)
        steps = min(ROUND, max_iter - iterations)
        found = newton(objective, psi[free], tol, steps, _counted(trace, iterations), longest[free])
        still = found.value - before <= ROUNDING * abs(found.value)  # a round without a rise has met rounding error
        if found.status == "max_iter" and found.decrement <= UNSEEN and still:
            found = replace(found, status="converged")
        before = found.value
        psi, iterations = objective.whole(found.theta), iterations + found.iterations
        going = _ended(laplace, psi, held)
        if going is not None:
            psi, held = going
        elif found.status == "max_iter" and iterations < max_iter:
            continue
        elif releases < RELEASES and (back := _released(laplace, psi, held)) is not None:
            (psi, held), releases = back, releases + 1
        else:
            laplace.derivatives(psi)
            integrated = laplace.at(psi)
            assert integrated is not None
            return Peak(laplace, psi, free, replace(found, iterations=iterations), integrated, begin)


def _counted(trace: Trace | None, before: int) -> Trace | None:
    """A trace that counts on from the iterations before."""
    if trace is None:
        return None
    return lambda numbers: trace({**numbers, "iteration": before + numbers["iteration"]})


def information(laplace: Criterion, psi: Tensor) -> list[Tensor]:
    """For each term (d,) the most that the rows say of a coefficient of one block: the largest diagonal of Z'(-h)Z."""
    found = laplace.at(psi)
    assert found is not None
    whole = diagonal(found.factor)
    return [
        (whole[places] - torch.diagonal(one.P)).amax(dim=0).clamp(min=0)
        for places, one in zip(laplace.of.places, found.jets, strict=True)
    ]


def _ended(laplace: Criterion, psi: Tensor, held: Tensor) -> tuple[Tensor, Tensor] | None:
    """psi and what is held of it, once more of it has come to an end; None where nothing has, or an end is no limit.

    Strengths of a tensor product are so far apart at an end that rounding error may move the likelihood there.
    """
    value, gradient, _ = laplace.derivatives(psi)
    moved, now = psi.clone(), held.clone()
    for term, part, of in zip(laplace.of.terms, laplace.of.omegas, information(laplace, psi), strict=True):
        end = term.prior.ended(psi[part], gradient[part], of)
        if end is not None:
            omega, at_end = end
            new = at_end & ~held[part]
            if bool(new.any()):
                moved[part], now[part] = omega, held[part] | at_end
    if not bool((now & ~held).any()) or not abs(laplace.value(moved) - value) <= APART * (1 + abs(value)):
        return None
    return moved, now


def _released(laplace: Criterion, psi: Tensor, held: Tensor) -> tuple[Tensor, Tensor] | None:
    """psi and what is held of it without what would rise when it came back; None where all want to stay."""
    of = laplace.of
    for term, part, most in zip(of.terms, of.omegas, information(laplace, psi), strict=True):
        for places, omega in term.prior.returned(psi[part], held[part], most):
            trial = psi.clone()
            trial[part] = omega
            value, gradient, _ = laplace.derivatives(trial)
            if value > laplace.value(psi) and bool((gradient[part][places].abs() > UNWANTED).any()):
                now = held.clone()
                now[part] = held[part] & ~places
                return trial, now
    return None
