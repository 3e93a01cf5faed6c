"""Maximisation: Newton's method with a line search, least squares by QR, and bridges to scipy.optimize.

    step solves (-H) d = g        decrement = sqrt(g' d): the distance to the maximum in standard errors

An iteration ends when the scaled gradient max_j |g_j| / sqrt(-H_jj) and the decrement are both below the tolerance,
never because the coefficients have stopped moving. One more step is then taken, which squares the error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from glmfit import memory
from glmfit.errors import ModelError
from glmfit.numerics import curvature
from glmfit.numerics.objective import Objective
from glmfit.numerics.precise import Pair, exact
from glmfit.numerics.symmetric import Factor, Symmetric

Trace = Callable[[dict[str, float]], None]

ARMIJO = 1e-4
HALVINGS = 10
REDUCTIONS = 60  # of the step's length, by halves and then by tens: where curvature vanishes steps are 1e30 too long
ROUNDING = 16 * torch.finfo(torch.float64).eps  # of a sum, relative to its value
AT_ROUNDING = 1e-6  # a decrement below this that no longer falls has met the rounding error of the gradient,
UNSEEN = 1e-4  # and so has one below this whose promised rise is less than the rounding error of the value
POLISHED = 1e-13  # a decrement below this is rounding: one more step would find nothing
SHORT, SHORT_STEPS, CRAWL = 0.01, 6, 1e-5  # so many steps this short, none of which rises more: along an edge or a kink
STILL = 0.9  # a decrement that is more than this share of the one before no longer falls
REFINEMENTS = 3  # each takes eps times the condition number off the error
FALLEN = 1e-8  # relative: a value computed along a line, and then at the point, differs by less, unless it is garbage
QUASI_NEWTON_TOL = 1e-4  # line searches on values alone cannot see differences below this (in standard errors)

STATUS_TEXT: Mapping[str, str] = {
    "converged": "converged",
    "max_iter": "stopped at the limit of iterations before the maximum was found",
    "boundary": "found the maximum on the edge of the link's domain, where the gradient need not be zero",
    "stalled": "stopped where no step raises the log-likelihood, although the gradient is not zero",
}


@dataclass(frozen=True, slots=True)
class Optimum:
    """Where an optimiser stopped: theta (p,), value, gradient (p,), Hessian (p, p), and how it got there.

    `reference` is the factor L (p, p) of the curvature L L' where it began. `root` is an upper triangular R with
    R'R = -Hessian, where the Hessian has lost too many digits. `low` (p,) is what theta lacks of a least squares
    solution for want of digits, and `half` (p, p) has half'half = (-Hessian)^-1 to the last digit.
    """

    theta: Tensor
    value: float
    gradient: Tensor
    hessian: Symmetric
    decrement: float
    iterations: int
    status: str
    optimizer: str
    reference: Factor
    root: Tensor | None = None
    edge: tuple[int, ...] = ()  # positions of rows held at a bound of the link's domain
    low: Tensor | None = None
    half: Tensor | None = None

    @property
    def converged(self) -> bool:
        return self.status in ("converged", "boundary")

    @property
    def message(self) -> str:
        return STATUS_TEXT[self.status]


def scaled_gradient(gradient: Tensor, hessian: Symmetric) -> float:
    """max_j |g_j| / sqrt(|H_jj|), the gradient in units of each coefficient's conditional standard error."""
    if gradient.numel() == 0:
        return 0.0
    size = torch.sqrt(curvature.diagonal(hessian).abs())
    return float(torch.where(gradient == 0, 0.0, gradient.abs() / size).max())


def newton(
    objective: Objective,
    start: Tensor,
    tol: float = 1e-8,
    max_iter: int = 100,
    trace: Trace | None = None,
    longest: Tensor | None = None,
) -> Optimum:
    """Maximise by Newton's method from `start` (p,), where the value must be finite (ModelError otherwise).

    `longest` (p,) is how far each may move in a step.
    """
    theta = start
    value, gradient, hessian = objective.derivatives(theta)
    if not all_finite((value, gradient, hessian)):
        raise ModelError(
            "bad_start",
            "the log-likelihood or its derivatives are not finite at the starting values",
            "give feasible ones with --start TERM=VALUE, or use a link whose domain is the whole line, such as log",
        )
    reference: Factor | None = None
    status, iterations, decrement, previous, short = "max_iter", 0, math.inf, math.inf, 0
    while True:
        lower = curvature.factor(objective, theta, hessian)
        if reference is None:
            reference = lower
        step = curvature.solve(lower, gradient)
        slope = float(gradient @ step)
        previous, decrement = decrement, math.sqrt(max(slope, 0.0))
        if trace is not None:
            trace({"iteration": iterations, "log_likelihood": value, "newton_decrement": decrement})
        near = max(decrement, scaled_gradient(gradient, hessian))
        still = decrement > STILL * previous
        unseen = near <= UNSEEN and 0.5 * slope <= ROUNDING * abs(value)
        if near <= tol or (still and (near <= AT_ROUNDING or unseen)):
            status = "converged"
        if short >= SHORT_STEPS and status != "converged":
            status = "stalled"
        if status != "max_iter" or iterations >= max_iter:
            break
        if longest is not None:
            share = min(1.0, float((longest / step.abs()).min()))
            step, slope = share * step, share * slope
        length, reached = 1.0, objective.derivatives(theta + step)  # a whole step is right more often than not
        if not (all_finite(reached) and rises_enough(reached[0], value, slope)):
            shorter = line_search(objective.along(theta, step), value, slope)
            if shorter is None:
                status = "stalled"
                break
            length, reached = shorter, objective.derivatives(theta + shorter * step)
            if not all_finite(reached) or reached[0] < value - FALLEN * (1 + abs(value)):
                status = "stalled"
                break
        short = short + 1 if length < SHORT and reached[0] - value < CRAWL else 0
        theta = theta + length * step
        value, gradient, hessian = reached
        iterations += 1
    if status == "converged" and decrement > POLISHED:
        # The error of one more Newton step is the square of this one's.
        last = objective.derivatives(theta + step)
        if all_finite(last):
            last_decrement = _decrement(objective, theta + step, last[1], last[2])
            if last_decrement < decrement:
                theta, (value, gradient, hessian) = theta + step, last
                decrement, iterations = last_decrement, iterations + 1
    return _optimum(objective, theta, (value, gradient, hessian), decrement, iterations, status, "newton", reference)


def _decrement(objective: Objective, theta: Tensor, gradient: Tensor, hessian: Symmetric) -> float:
    step = curvature.solve(curvature.factor(objective, theta, hessian), gradient)
    return math.sqrt(max(float(gradient @ step), 0.0))


def _optimum(
    objective: Objective,
    theta: Tensor,
    derivatives: tuple[float, Tensor, Symmetric],
    decrement: float,
    iterations: int,
    status: str,
    optimizer: str,
    reference: Factor,
) -> Optimum:
    """The optimum, with the root of its information where the Hessian has lost too many digits."""
    value, gradient, hessian = derivatives
    lower = curvature.cholesky(-hessian)
    accurate = lower is not None and curvature.well_conditioned(lower)
    root = None if accurate else curvature.usable_root(objective, theta)
    return Optimum(theta, value, gradient, hessian, decrement, iterations, status, optimizer, reference, root)


def all_finite(derivatives: tuple[float, Tensor, Symmetric]) -> bool:
    value, gradient, hessian = derivatives
    return math.isfinite(value) and bool(torch.isfinite(gradient).all()) and curvature.is_finite(hessian)


def line_search(value_at: Callable[[float], float], value: float, slope: float) -> float | None:
    """The first of 1, 1/2, 1/4 ... at which the value rises enough."""
    length = 1.0
    for reduction in range(REDUCTIONS):
        if rises_enough(value_at(length), value, length * slope):
            return length
        length *= 0.5 if reduction < HALVINGS else 0.1
    return None


def rises_enough(trial: float, value: float, promised: float) -> bool:
    """Armijo's rule, rounding of the value forgiven; NaN and -inf never do."""
    return math.isfinite(trial) and trial >= value + ARMIJO * promised - ROUNDING * abs(value)


def least_squares(
    objective: Objective, root: Tensor, start: Tensor, max_iter: int = 10, trace: Trace | None = None
) -> Optimum:
    """Maximise a quadratic by QR with iterative refinement: R'R d = X'r again and again until d is rounding error.

    `root` (p, p) is the R of a QR factorisation with R'R = -H: the corrected seminormal equations, as accurate as
    Householder QR while the condition number is below 1/eps (Bjorck 1987, Linear Algebra and its Applications 88/89).
    """
    theta, decrement, iterations = start, math.inf, 0
    best = theta
    while iterations < max_iter:
        value, gradient, _ = objective.derivatives(theta)
        half = torch.linalg.solve_triangular(root.T, gradient[:, None], upper=False)
        now = float(torch.linalg.vector_norm(half))
        if trace is not None:
            trace({"iteration": iterations, "log_likelihood": value, "newton_decrement": now})
        if not math.isfinite(now) or now >= 0.5 * decrement:
            break
        best, decrement = theta, now
        theta = theta + torch.linalg.solve_triangular(root, half, upper=True)[:, 0]
        iterations += 1
    value, gradient, hessian = objective.derivatives(best)
    status = "converged" if decrement <= AT_ROUNDING else "stalled"
    return Optimum(best, value, gradient, hessian, decrement, iterations, status, "newton", root.T, root)


def refined(found: Optimum, equations: Pair) -> Optimum:
    """The solution of least squares, found with the root R, to the last digit: that of the equations themselves.

    `equations` are [X r]' W [X r] (p + 1, p + 1); their [G b] is solved with R, G = R'R but for rounding, and so again
    with what is left of b. They do not have the condition number of X twice, for they have twice the digits.
    """
    assert found.root is not None
    G, b = equations[:-1, :-1], equations[:-1, -1:]
    S = torch.linalg.solve_triangular(found.root, torch.eye(len(found.theta), dtype=torch.float64), upper=True)
    nearly = (exact(S.T) @ (G @ exact(S))).high  # S'GS, the identity but for the rounding errors of R,
    lower = curvature.cholesky(0.5 * (nearly + nearly.T))
    if lower is None:
        return found
    half = torch.linalg.solve_triangular(lower, S.T, upper=False)  # which G^-1 = S (S'GS)^-1 S' is without
    theta = exact(found.theta[:, None])
    for _ in range(REFINEMENTS):
        theta = theta + exact(half.T @ (half @ (b - G @ theta).high))
    gradient = (b - G @ theta).high[:, 0]
    decrement = float(torch.linalg.vector_norm(half @ gradient))
    if not decrement <= found.decrement:
        return found
    return replace(
        found, theta=theta.high[:, 0], low=theta.low[:, 0], gradient=gradient, decrement=decrement, half=half
    )


def scipy_optimum(
    objective: Objective, start: Tensor, method: str, max_iter: int = 100, trace: Trace | None = None
) -> Optimum:
    """Maximise by scipy's `bfgs`, `l-bfgs` or `trust-exact` with the same derivatives.

    The coordinates are those in which -H at the start is the identity, so scipy's tolerances are in standard errors.
    `l-bfgs` lays out no matrix; `bfgs` has one (p, p) of its own, and `trust-exact` works with whole Hessians.
    """
    from scipy.optimize import minimize

    _, _, hessian = objective.derivatives(start)
    reference = curvature.factor(objective, start, hessian)
    lower, size = curvature.structured_factor(reference), start.numel()
    if method != "l-bfgs":
        memory.check_square(size)
    cache: dict[bytes, tuple[float, np.ndarray, Symmetric]] = {}

    def theta_of(u: np.ndarray) -> Tensor:
        return start + lower.back_solve(torch.from_numpy(u.copy()))

    def at(u: np.ndarray) -> tuple[float, np.ndarray, Symmetric]:
        key = u.tobytes()
        if key not in cache:
            cache.clear()
            value, gradient, hessian = objective.derivatives(theta_of(u))
            used = hessian if method == "trust-exact" else gradient  # the others take no notice of the Hessian
            if not all_finite((value, gradient, used)):
                cache[key] = (math.inf, np.zeros(size), hessian)  # a rejected step
            else:
                cache[key] = (-value, -lower.half_solve(gradient).numpy(), hessian)
        return cache[key]

    def hess(u: np.ndarray) -> np.ndarray:
        value, _, hessian = at(u)
        if math.isinf(value):
            return np.eye(size)
        return -lower.half_solve(lower.half_solve(curvature.full(hessian)).T).numpy()

    count = 0

    def callback(u: np.ndarray) -> None:
        nonlocal count
        count += 1
        if trace is not None:
            value, gradient, _ = at(u)
            trace({"iteration": count, "log_likelihood": -value, "gradient_norm": float(np.linalg.norm(gradient))})

    names = {"bfgs": "BFGS", "l-bfgs": "L-BFGS-B", "trust-exact": "trust-exact"}
    tolerances = {"bfgs": {"gtol": 1e-8}, "l-bfgs": {"gtol": 1e-8, "ftol": 0.0}, "trust-exact": {"gtol": 1e-8}}
    result = minimize(
        lambda u: at(u)[0],
        np.zeros(size),
        method=names[method],
        jac=lambda u: at(u)[1],
        hess=hess if method == "trust-exact" else None,
        callback=callback,
        options={"maxiter": max_iter, **tolerances[method]},
    )
    theta = theta_of(result.x)
    derivatives = objective.derivatives(theta)
    if not all_finite(derivatives):  # it left the domain in its last step
        theta = start
        derivatives = objective.derivatives(start)
    decrement = _decrement(objective, theta, derivatives[1], derivatives[2])
    near = max(decrement, scaled_gradient(derivatives[1], derivatives[2]))
    status = "converged" if near <= QUASI_NEWTON_TOL else "max_iter" if result.nit >= max_iter else "stalled"
    return _optimum(objective, theta, derivatives, decrement, int(result.nit), status, method, reference)
