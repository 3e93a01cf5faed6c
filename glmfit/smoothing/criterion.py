"""What the strengths are chosen by, with its exact gradient: Laplace's approximation to the (restricted) likelihood.

    V = -l(b) + b'S b / 2 + log|A| / 2 - log|S|+ / 2 - (M - r) log(2 pi) / 2        A = -H + S over M coordinates

at the b that settles for the strengths; REML integrates over all coefficients, ML over those that are penalised alone.
The gradient follows b by the implicit function theorem: d b / d rho_j = -A^-1 exp(rho_j) S_j b, and |A| by third
derivatives. Where phi is estimated it is at its best for the strengths, S being in units of phi (Wood 2011).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from glmfit.errors import ModelError
from glmfit.inference import goodness
from glmfit.model import AsFitted, Likelihood, Model
from glmfit.numerics import full, newton
from glmfit.smoothing.inner import Inner, settle
from glmfit.smoothing.penalty import Penalty
from glmfit.smoothing.third import slope_of_trace

LOG_2_PI = math.log(2 * math.pi)


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """The criterion at psi (k,), with its gradient (k,), what it settled at, and the phi that went with it."""

    psi: Tensor
    value: float
    gradient: Tensor
    inner: Inner
    phi: float


@dataclass(frozen=True, slots=True, eq=False)
class Settings:
    """A model's likelihood with phi held at `unit`; `free` and `outer` are positions of the coordinates that settle,
    and of those that are found with the strengths; `integrated` are among the free ones.

    `constant` is what the coordinates' units add to log|A| / 2; `phi` is given, or None where it is found with them.
    """

    model: Model
    likelihood: Likelihood
    penalty: Penalty
    free: Tensor
    outer: Tensor
    integrated: Tensor
    unit: float
    constant: float
    phi: float | None

    @property
    def strengths(self) -> int:
        return len(self.penalty.parts)

    def expected(self, inner: Inner) -> Tensor:
        """(size, size) the expected information of the mean; ModelError where the family states none."""
        turn = self.penalty.turn
        found = self.likelihood.expected(turn @ inner.b)
        if found is None:
            name = self.likelihood.family.name
            message = f"the {name} family has no expected information for this model"
            raise ModelError("no_expected_information", message, "use --se hessian, and --smoothing reml or ml")
        information = -(turn.T @ full(found) @ turn)
        return 0.5 * (information + information.T)


def settled(of: Settings, psi: Tensor, begin: Tensor) -> Inner | None:
    """The coordinates at psi = (rho, outer coordinates), sought from `begin`."""
    rho = psi[: of.strengths]
    start = begin.clone()
    start[of.outer] = psi[of.strengths :]
    return settle(of.likelihood, of.penalty.turn, of.penalty.matrix(rho) / of.unit, of.free, start)


class Marginal:
    """REML or ML, to be minimised."""

    def __init__(self, of: Settings) -> None:
        self.of = of

    def at(self, psi: Tensor, begin: Tensor) -> Point | None:
        """The criterion at psi; None where it is not defined."""
        of, rho = self.of, psi[: self.of.strengths]
        inner = settled(of, psi, begin)
        if inner is None:
            return None
        S = of.penalty.matrix(rho) / of.unit
        A = inner.information + S
        chosen, free = of.integrated, of.free
        over, half_log_det = inverse(A, chosen)
        whole, _ = (over, 0.0) if len(chosen) == len(free) else inverse(A, free)
        if over is None or whole is None:
            return None
        log_det, slopes = of.penalty.log_det(rho)
        moved = of.penalty.moved(rho, inner.b)
        pulled = float(inner.b @ moved.sum(dim=0))  # b'S b in units of phi = 1
        rank, size = of.penalty.rank, len(chosen)
        plain, phi = self._scale(inner, pulled, size - rank)
        value = plain + half_log_det - 0.5 * log_det + of.constant - 0.5 * (size - rank) * LOG_2_PI
        if phi != of.unit:  # A is in units of the phi that is held
            value += 0.5 * size * math.log(of.unit / phi)
        value += 0.5 * rank * math.log(phi)
        turn = of.penalty.turn
        change = turn.T @ slope_of_trace(of.likelihood, turn @ inner.b, turn @ over @ turn.T)
        through = whole @ change
        direct = 0.5 * (moved @ inner.b) / phi + 0.5 * of.penalty.traces(rho, over) / of.unit - 0.5 * slopes
        gradient = [direct - moved @ through / of.unit]
        outer = of.outer
        gradient.append(-inner.gradient[outer] + change[outer] - inner.information[outer] @ through)
        found = torch.cat(gradient)
        ok = math.isfinite(value) and bool(torch.isfinite(found).all())
        return Point(psi, value, found, inner, phi) if ok else None

    def _scale(self, inner: Inner, pulled: float, spare: int) -> tuple[float, float]:
        """-l + b'S b / (2 phi), and phi."""
        of = self.of
        if of.phi is not None:
            value = (
                inner.value if of.phi == of.unit else of.model.held_at(of.phi).likelihood().value(self._theta(inner))
            )
            return -value + 0.5 * pulled / of.phi, of.phi
        objective = _Scale(of.model, self._theta(inner), pulled, spare)
        begin = torch.tensor([math.log(of.unit)], dtype=torch.float64)
        found = newton(objective, begin, 1e-10)
        phi = math.exp(float(found.theta))
        if not found.converged or goodness(of.likelihood, self._theta(inner)).perfect:
            message = "smooth terms fit the response perfectly: there is no noise to choose how smooth they are by"
            hint = "leave out what tells the response exactly, or give smooths a smaller k"
            raise ModelError("smooth_limit", message, hint)
        return -found.value + 0.5 * spare * float(found.theta), phi

    def _theta(self, inner: Inner) -> Tensor:
        return self.of.penalty.turn @ inner.b


class _Scale:
    """l(phi) - b'S b / (2 phi) + spare log(phi) / 2 as an objective of log phi, the mean held."""

    def __init__(self, model: Model, theta: Tensor, pulled: float, spare: int) -> None:
        self.plain = model.constants_only(("phi",), AsFitted(theta, None, (model.family.main,)))
        self.pulled, self.spare = pulled, spare

    def _rest(self, t: Tensor) -> float:
        return float(-0.5 * self.pulled * torch.exp(-t) + 0.5 * self.spare * t)

    def value(self, t: Tensor) -> float:
        return self.plain.value(t) + self._rest(t)

    def along(self, t: Tensor, direction: Tensor):  # type: ignore[no-untyped-def]
        return lambda step: self.value(t + step * direction)

    def derivatives(self, t: Tensor) -> tuple[float, Tensor, Tensor]:
        value, gradient, hessian = self.plain.derivatives(t)
        pull = 0.5 * self.pulled * torch.exp(-t)
        return value + self._rest(t), gradient + pull + 0.5 * self.spare, full(hessian) - pull

    def expected(self, t: Tensor) -> Tensor | None:
        return None

    def information_root(self, t: Tensor) -> Tensor | None:
        return None


def inverse(A: Tensor, places: Tensor) -> tuple[Tensor | None, float]:
    """The inverse of A over some places, 0 elsewhere (size, size), and log|A| / 2; None where it is not positive."""
    inside = A[places[:, None], places]
    scale = torch.diagonal(inside).sqrt()
    if not bool((scale > 0).all()):
        return None, math.nan
    lower, info = torch.linalg.cholesky_ex(inside / torch.outer(scale, scale))
    if int(info):
        return None, math.nan
    out = torch.zeros_like(A)
    out[places[:, None], places] = torch.cholesky_inverse(lower) / torch.outer(scale, scale)
    return out, float(torch.diagonal(lower).log().sum() + scale.log().sum())
