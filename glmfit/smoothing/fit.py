"""A model with smooths at the strengths that a criterion chooses, and how free its coefficients are there.

    REML: all coefficients of parameters with covariates are integrated, ML: those that are penalised, the others at
    their joint maximum with them, as in mgcv; both by Laplace's approximation. GCV needs no integral.

Parameters without covariates are found along with the strengths, and phi where it is estimated.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from glmfit.errors import ModelError
from glmfit.inference import goodness
from glmfit.model import Model
from glmfit.numerics import Trace, full
from glmfit.numerics.curvature import diagonal
from glmfit.penalty import Laplace, Peak, PenalisedOwn, maximum, penalised
from glmfit.smoothing.freedom import Freedom, freedom
from glmfit.smoothing.turned import Turned, turned
from glmfit.smoothing.validation import Validated

VANISHED = 1e-4  # of the phi at the start, below which a fit may be perfect
LEVEL = 1e-3  # curvature of a direction that may have no end


@dataclass(frozen=True, slots=True, eq=False)
class Smoothed:
    """A fit in the working coordinates of `model`: coefficients theta (size,), their curvature A (size, size) with A =
    `half`^-1 `half`^-T, log-likelihood `value`; all with phi held at `unit`.

    `score` is that of `method`, lower for a better fit.
    """

    model: Model
    method: str
    theta: Tensor
    value: float
    gradient: Tensor
    curvature: Tensor
    half: Tensor
    free: Freedom
    score: float
    unit: float
    decrement: float
    iterations: int
    converged: bool


def smooth(
    model: Model,
    method: str,
    theta: Tensor,
    along: Collection[str],
    unit: float,
    phi: float | None,
    expected: bool,
    tol: float = 1e-8,
    max_iter: int = 100,
    trace: Trace | None = None,
) -> Smoothed:
    """The fit of a model whose phi is held at `unit`, from theta on; `phi` is known, or None where it is estimated.

    `along` are parameters without covariates, which are found along with the strengths, not integrated over.
    `expected` asks for the expected information in place of -H in what is said of the coefficients, as mgcv has it.
    """
    of = turned(model, along)
    b = of.model.working(model.reported(theta))
    criterion, psi = begin(of, method, b, unit, phi)

    def told(numbers: dict[str, float]) -> None:
        if isinstance(criterion, Laplace) and len(criterion.of.kept) > int(of.outer.sum()):
            _refuse_perfect(of, criterion, unit)
        if trace is not None:
            trace(numbers)

    peak = maximum(criterion, psi, tol, max_iter, told)
    return _answer(of, method, criterion, peak, unit, expected)


def begin(of: Turned, method: str, b: Tensor, unit: float, phi: float | None) -> tuple[Laplace | Validated, Tensor]:
    """The criterion, and strengths as large as the information of what they penalise, there and where that leads."""
    model, inside = of.model, ~of.outer
    if phi is not None:
        model = model.held_at(phi) if model.holds_phi else model
    elif method != "gcv":
        model = model.estimating("phi")
        b = torch.cat([b, torch.tensor([unit], dtype=torch.float64).log()])
        inside = torch.cat([inside, torch.tensor([False])])
    laplace = Laplace(penalised(model, of.terms, inside, method == "ml"), b[inside])
    psi = torch.cat([b[~inside], smooth_starts(of.terms, -diagonal(model.likelihood().derivatives(b)[2]))])
    for _ in range(2):
        found = laplace.at(psi)
        if found is None:
            break
        b = b.clone()
        b[inside] = found.theta
        psi = torch.cat([b[~inside], smooth_starts(of.terms, -diagonal(model.likelihood().derivatives(b)[2]))])
    criterion = laplace if method != "gcv" else Validated(laplace, unit if phi is None else phi, phi)
    if criterion.value(psi) == -torch.inf:
        message = "the criterion that chooses how smooth terms are is not finite where the search begins"
        raise ModelError("bad_start", message, "leave terms out, give smooths a smaller k, or use another family")
    return criterion, psi


def _refuse_perfect(of: Turned, laplace: Laplace, unit: float) -> None:
    """Raises where phi is on its way to 0, as nothing is left of the response."""
    found = laplace.last
    assert found is not None
    phi = float(found.psi[len(laplace.of.kept) - 1].exp())
    if phi >= VANISHED * unit:
        return
    b = laplace.of.coefficients(found.psi, found.theta)
    if goodness(of.model.held_at(phi).likelihood(), b[:-1]).perfect:
        message = "smooth terms fit the response perfectly: there is no noise to choose how smooth they are by"
        hint = "leave out what tells the response exactly, or give smooths a smaller k"
        raise ModelError("smooth_limit", message, hint)


def smooth_starts(terms: Collection[PenalisedOwn], information: Tensor) -> Tensor:
    """omega (k,) to begin at, from the information (size,) of each coefficient by itself."""
    return torch.cat([term.prior.start(information[term.coefficients.flatten()]) for term in terms])


def _answer(
    of: Turned, method: str, criterion: Laplace | Validated, peak: Peak, unit: float, expected: bool
) -> Smoothed:
    found, size = peak.integrated, of.model.size
    model, theta = criterion.of.model, peak.coefficients
    if method != "gcv" and len(theta) > size:
        unit = float(theta[size].exp())
        model = of.model.held_at(unit)
    elif isinstance(criterion, Validated):
        unit = criterion.unit
    theta = theta[:size]
    free = freedom(criterion.of, found, expected, size)
    outer = torch.nonzero(of.outer)[:, 0]
    covariance = free.covariance.clone()
    covariance[outer[:, None], outer] = _outer_covariance(of, peak)
    plain = model.likelihood().derivatives(theta)
    gradient = plain[1] - free.penalty @ theta
    gradient[outer] = peak.laplace.derivatives(peak.psi)[1][: len(outer)]  # these maximise the criterion
    score = criterion.score(peak.psi) if isinstance(criterion, Validated) else -peak.value - criterion.of.unit
    return Smoothed(
        model=model,
        method=method,
        theta=theta,
        value=plain[0],
        gradient=gradient,
        curvature=torch.linalg.inv(covariance),
        half=_root(covariance),
        free=free,
        score=score,
        unit=unit if model.holds_phi else 1.0,
        decrement=peak.optimum.decrement,
        iterations=peak.optimum.iterations,
        converged=peak.optimum.converged,
    )


def _outer_covariance(of: Turned, peak: Peak) -> Tensor:
    """Of the parameters found along with the strengths: their part of the inverse of the criterion's Hessian.

    ModelError for one that tends to the end of its range, where the criterion is level.
    """
    outer = torch.nonzero(of.outer)[:, 0]
    count = len(outer)
    if not count:
        return torch.zeros((0, 0), dtype=torch.float64)
    hessian = -full(peak.optimum.hessian)  # these are never held, and come first
    own, cross, rest = hessian[:count, :count], hessian[count:, :count], hessian[count:, count:]
    values, vectors = torch.linalg.eigh(rest)
    steep = values > LEVEL  # strengths without end say nothing of the others
    half = vectors[:, steep].T @ cross
    values, vectors = torch.linalg.eigh(own - half.T @ (half / values[steep, None]))
    if bool((values <= LEVEL).any()):
        place = int(outer[int(vectors[:, 0].abs().argmax())])
        name = next(p.parameter for p in of.model.rows.predictors if place in p.columns.tolist())
        message = f"{name} tends to the end of its range, where nothing tells it from a simpler model"
        hint = f"use a family without {name}, or hold it with --fix {name}=VALUE"
        raise ModelError("smooth_limit", message, hint)
    return (vectors / values) @ vectors.T


def _root(matrix: Tensor) -> Tensor:
    """V with V'V = a positive definite matrix."""
    scale = torch.diagonal(matrix).sqrt()
    return torch.linalg.cholesky(matrix / torch.outer(scale, scale)).T * scale
