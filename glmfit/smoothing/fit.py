"""A model with smooths at the strengths that a criterion chooses, and how free its coefficients are there.

    F = A^-1 (-H) over the coordinates that settle        edf = diag F        edf1 = 2 edf - diag F F

tr F over a smooth is its effective degrees of freedom; A^-1 is the covariance of coefficients given the data (Wood
2006, Scandinavian Journal of Statistics 33, 775-801), for strengths known.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from glmfit.errors import ModelError
from glmfit.model import Model
from glmfit.smoothing.criterion import Marginal, Point, Settings, inverse, settled
from glmfit.smoothing.penalty import Penalty
from glmfit.smoothing.search import LEVEL, Criterion, Found, minimum
from glmfit.smoothing.validation import Validated

Trace = Callable[[dict[str, float]], None]


@dataclass(frozen=True, slots=True, eq=False)
class Smoothed:
    """A fit in working coordinates: coefficients theta (size,), their curvature A (size, size) with A = `half`^-1
    `half`^-T, log-likelihood `value`; all with phi held at `unit`.

    `information` (size, size) is -H, `edf` and `edf1` (size,) add up over smooths; `score` is that of `method`, at
    `phi`; `strengths` are mgcv's, by smooths.
    """

    method: str
    theta: Tensor
    value: float
    gradient: Tensor
    curvature: Tensor
    half: Tensor
    information: Tensor
    penalty: Tensor
    edf: Tensor
    edf1: Tensor
    score: float
    phi: float
    strengths: tuple[tuple[float, ...], ...]
    decrement: float
    iterations: int
    converged: bool


def smooth(
    model: Model,
    method: str,
    theta: Tensor,
    constants: Collection[str],
    unit: float,
    phi: float | None,
    expected: bool,
    max_iter: int = 100,
    trace: Trace | None = None,
) -> Smoothed:
    """The fit of a model whose phi is held at `unit`, from theta on; `phi` is known, or None where it is estimated.

    `constants` are parameters without covariates, which are found along with the strengths, not integrated over.
    `expected` asks for the expected information in place of -H in what is said of the coefficients, as mgcv has it.
    """
    of = _settings(model, method, constants, unit, phi)
    criterion = Validated(of) if method == "gcv" else Marginal(of)
    begin = _begin(of, criterion, theta)

    def told(iteration: int, point: Point) -> None:
        if trace is not None:
            trace({"iteration": iteration, method: point.value})

    return _answer(of, method, expected, minimum(criterion, begin, max_iter, told))


def _settings(model: Model, method: str, constants: Collection[str], unit: float, phi: float | None) -> Settings:
    size = model.size
    moves = torch.eye(size, dtype=torch.float64)
    for block in model.smooths:
        for place in block.places.tolist():
            moves[:, place] = model.working(torch.eye(size, dtype=torch.float64)[place])
    outer = [p.columns for p in model.rows.predictors if p.parameter in constants]
    if model.family.location and outer:  # all cut points move together with the first, as an intercept moves them
        first = outer.pop(0)
        moves[torch.cat(outer), first] = 1.0
    outside = torch.cat(outer) if outer else torch.zeros(0, dtype=torch.int64)
    inside = torch.ones(size, dtype=torch.bool)
    inside[outside] = False
    penalty = Penalty(model.smooths, size, moves)
    integrated = inside if method != "ml" else penalty.penalised
    scale = torch.ones(size, dtype=torch.float64)
    for predictor, standardization in model.pairs:
        scale[predictor.columns] = standardization.scale
    plain = integrated.clone()
    for block in model.smooths:  # whose coordinates are those reported
        plain[block.places] = False
    return Settings(
        model=model,
        likelihood=model.likelihood(),
        penalty=penalty,
        free=torch.nonzero(inside)[:, 0],
        outer=outside,
        integrated=torch.nonzero(integrated)[:, 0],
        unit=unit,
        constant=float(scale[plain].log().sum()),
        phi=phi,
    )


def _begin(of: Settings, criterion: Criterion, theta: Tensor) -> Point:
    """Strengths as large as the information of what they penalise, there and where that leads."""
    turn = of.penalty.turn
    b = torch.linalg.solve(turn, theta)
    hessian = of.likelihood.derivatives(theta)[2]
    for _ in range(2):
        assert isinstance(hessian, Tensor)
        rho = of.penalty.start(-of.unit * (turn.T @ hessian @ turn))
        psi = torch.cat([rho, b[of.outer]])
        inner = settled(of, psi, b)
        if inner is None:
            break
        b, hessian = inner.b, of.likelihood.derivatives(turn @ inner.b)[2]
    begin = criterion.at(psi, b)
    if begin is None:
        message = "the criterion that chooses how smooth terms are is not finite where the search begins"
        raise ModelError("bad_start", message, "leave terms out, give smooths a smaller k, or use another family")
    return begin


def _answer(of: Settings, method: str, expected: bool, found: Found) -> Smoothed:
    point, inner = found.point, found.point.inner
    rho = point.psi[: of.strengths]
    S = of.penalty.matrix(rho) / of.unit
    information = of.expected(inner) if expected else inner.information
    A_inverse, _ = inverse(information + S, of.free)
    if A_inverse is None:
        message = "the expected information has vanished where the search ended: means are at the end of their range"
        hint = "look for terms that tell the response exactly, and leave them out"
        raise ModelError("no_expected_information", message, hint)
    share = A_inverse @ information
    share[of.outer] = 0.0
    share[:, of.outer] = 0.0
    share[of.outer, of.outer] = 1.0
    A_inverse[of.outer[:, None], of.outer] = _outer_covariance(of, found.hessian)
    turn = of.penalty.turn
    back = torch.linalg.inv(turn)
    half = _root(A_inverse) @ turn.T
    F = turn @ share @ back
    penalty = back.T @ S @ back
    gradient = inner.gradient - S @ inner.b
    gradient[of.outer] = -point.gradient[of.strengths :]  # these maximise the criterion
    strengths: list[tuple[float, ...]] = [()] * len(of.penalty.blocks)
    for owner, strength in zip(of.penalty.owners, rho.exp().tolist(), strict=True):
        strengths[owner] = (*strengths[owner], strength)
    edf = torch.diagonal(F)
    return Smoothed(
        method=method,
        theta=turn @ inner.b,
        value=inner.value,
        gradient=back.T @ gradient,
        curvature=torch.linalg.inv(turn @ A_inverse @ turn.T),
        half=half,
        information=back.T @ information @ back,
        penalty=penalty,
        edf=edf,
        edf1=2 * edf - (F * F.T).sum(dim=1),
        score=point.value,
        phi=point.phi,
        strengths=tuple(strengths),
        decrement=inner.decrement,
        iterations=found.iterations,
        converged=found.converged,
    )


def _outer_covariance(of: Settings, hessian: Tensor) -> Tensor:
    """Of the parameters found along with the strengths: their part of the inverse of the criterion's Hessian.

    ModelError for one that tends to the end of its range, where the criterion is level.
    """
    strengths = of.strengths
    cross, own = hessian[:strengths, strengths:], hessian[strengths:, strengths:]
    if not len(own):
        return own
    values, vectors = torch.linalg.eigh(hessian[:strengths, :strengths])
    steep = values > LEVEL  # strengths without end say nothing of the others
    along = vectors[:, steep].T @ cross
    values, vectors = torch.linalg.eigh(own - along.T @ (along / values[steep, None]))
    if bool((values <= LEVEL).any()):
        place = int(of.outer[int(vectors[:, 0].abs().argmax())])
        name = next(p.parameter for p in of.model.rows.predictors if place in p.columns.tolist())
        message = f"{name} tends to the end of its range, where nothing tells it from a simpler model"
        hint = f"use a family without {name}, or hold it with --fix {name}=VALUE"
        raise ModelError("smooth_limit", message, hint)
    return (vectors / values) @ vectors.T


def _root(matrix: Tensor) -> Tensor:
    """V with V'V = a positive definite matrix."""
    scale = torch.diagonal(matrix).sqrt()
    return torch.linalg.cholesky(matrix / torch.outer(scale, scale)).T * scale
