"""The optimisers on functions whose maximum is known, and on those that have none."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from glmfit.errors import ModelError
from glmfit.numerics import curvature
from glmfit.numerics.optimize import (
    STATUS_TEXT,
    least_squares,
    line_search,
    newton,
    scaled_gradient,
    scipy_optimum,
)


class Function:
    """An objective from a function of theta, differentiated whole."""

    def __init__(self, f: Callable[[Tensor], Tensor], information: Callable[[Tensor], Tensor] | None = None) -> None:
        self.f = f
        self.information = information

    def value(self, theta: Tensor) -> float:
        return float(self.f(theta))

    def derivatives(self, theta: Tensor) -> tuple[float, Tensor, Tensor]:
        return self.value(theta), torch.func.grad(self.f)(theta), torch.func.hessian(self.f)(theta)

    def along(self, theta: Tensor, direction: Tensor) -> Callable[[float], float]:
        return lambda t: self.value(theta + t * direction)

    def expected(self, theta: Tensor) -> Tensor | None:
        return None if self.information is None else -self.information(theta)

    def information_root(self, theta: Tensor) -> Tensor | None:
        return None


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def concave(theta: Tensor) -> Tensor:
    """Maximum 0 at (1, -2); not quadratic, and badly scaled."""
    u, v = theta[0] - 1, 1e4 * (theta[1] + 2)
    return -torch.cosh(u + 0.3 * v) + 1 - v**2 - v**4


def rosenbrock(theta: Tensor) -> Tensor:
    """Maximum 0 at (1, 1), with an indefinite Hessian on the way."""
    return -((1 - theta[0]) ** 2) - 100 * (theta[1] - theta[0] ** 2) ** 2


def test_newton_finds_a_maximum_with_its_decrement_and_says_so() -> None:
    traced: list[dict[str, float]] = []
    found = newton(Function(concave), tensor(3.0, -2.0003), trace=traced.append)
    torch.testing.assert_close(found.theta, tensor(1.0, -2.0), rtol=1e-12, atol=1e-12)
    assert (found.status, found.optimizer, found.converged, found.message) == ("converged", "newton", True, "converged")
    assert found.decrement < 1e-8
    assert found.value == pytest.approx(0, abs=1e-15)
    values = [step["log_likelihood"] for step in traced]
    assert values == sorted(values)
    assert [step["iteration"] for step in traced] == list(range(len(traced)))
    begun = found.reference @ found.reference.T
    torch.testing.assert_close(begun, -torch.func.hessian(concave)(tensor(3.0, -2.0003)))
    torch.testing.assert_close(found.hessian, torch.func.hessian(concave)(found.theta))
    assert found.iterations >= len(traced) - 1


@pytest.mark.parametrize("start", [(-1.2, 1.0), (0.0, 3.0), (-2.0, -2.0), (1.0, 1.0)])
def test_newton_passes_an_indefinite_hessian(start: tuple[float, float]) -> None:
    found = newton(Function(rosenbrock), tensor(*start))
    torch.testing.assert_close(found.theta, tensor(1.0, 1.0), rtol=1e-8, atol=1e-8)
    assert found.converged


def test_newton_stays_inside_the_domain() -> None:
    # log is NaN below 0: the full step from 3 lands there
    found = newton(Function(lambda t: (torch.log(t) - t).sum()), tensor(3.0))
    assert found.theta.item() == pytest.approx(1.0, rel=1e-10)
    assert found.converged


def test_a_start_outside_the_domain_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(ModelError, match="not finite at the starting values") as caught:
        newton(Function(lambda t: (torch.log(t) - t).sum()), tensor(-1.0))
    assert "--start" in (caught.value.hint or "")


def test_the_limit_of_iterations() -> None:
    found = newton(Function(rosenbrock), tensor(-1.2, 1.0), max_iter=3)
    assert (found.status, found.iterations, found.converged) == ("max_iter", 3, False)
    assert found.message == STATUS_TEXT["max_iter"]
    start = newton(Function(rosenbrock), tensor(-1.2, 1.0), max_iter=0)
    torch.testing.assert_close(start.theta, tensor(-1.2, 1.0), rtol=0, atol=0)
    assert not start.converged


def test_a_function_without_a_maximum_is_never_converged() -> None:
    found = newton(Function(lambda t: (t - torch.exp(-t)).sum()), tensor(0.0), max_iter=50)
    assert not found.converged


def test_a_kink_stalls() -> None:
    # the gradient at the kink of -|t| is that of one side: no step rises
    found = newton(Function(lambda t: -(torch.abs(t) + 1e-3 * t**2).sum()), tensor(0.3), max_iter=30)
    assert not found.converged
    assert found.status in ("stalled", "max_iter")


@pytest.mark.parametrize("scale", [1e-150, 1e-9, 1.0, 1e9, 1e150])
def test_convergence_does_not_depend_on_the_unit_of_a_coefficient(scale: float) -> None:
    def f(t: Tensor) -> Tensor:
        return -50 * torch.cosh(t[0] / scale - 1.5)

    found = newton(Function(f), tensor(0.0))
    assert found.converged
    assert found.theta.item() == pytest.approx(1.5 * scale, rel=1e-8)


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=9, max_size=9), st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_the_step_always_rises(entries: list[float], slope: list[float]) -> None:
    square = tensor(*entries).reshape(3, 3)
    hessian, gradient = square + square.T, tensor(*slope)
    if float(torch.diagonal(hessian).abs().min()) < 1e-3:
        hessian = hessian - torch.eye(3).double()
    lower = curvature.factor(Function(lambda t: t.sum()), torch.zeros(3).double(), hessian)
    step = curvature.solve(lower, gradient)
    assert bool(torch.isfinite(step).all())
    if float(gradient.abs().max()) > 1e-6:
        assert float(gradient @ step) > 0


def test_the_step_is_newtons_where_it_can_be_and_scorings_where_it_cannot() -> None:
    gradient, information = tensor(1.0, 2.0), torch.diag(tensor(4.0, 8.0))
    f = Function(lambda t: t.sum(), lambda _: information)
    start = torch.zeros(2).double()
    positive = curvature.solve(curvature.factor(f, start, -torch.diag(tensor(2.0, 5.0))), gradient)
    torch.testing.assert_close(positive, tensor(0.5, 0.4))
    indefinite = curvature.solve(curvature.factor(f, start, torch.diag(tensor(-2.0, 5.0))), gradient)
    torch.testing.assert_close(indefinite, tensor(0.25, 0.25))


def test_a_repaired_matrix_keeps_what_is_positive_and_turns_the_rest() -> None:
    lower = curvature.repaired(tensor(2.0, 1.0, 1.0, -3.0).reshape(2, 2))
    assert bool((torch.linalg.eigvalsh(lower @ lower.T) > 0).all())
    matrix = tensor(4.0, 1.0, 1.0, 3.0).reshape(2, 2)
    lower = curvature.repaired(matrix)
    torch.testing.assert_close(lower @ lower.T, matrix)
    torch.testing.assert_close(lower, lower.tril())


def test_the_line_search_rejects_what_is_not_a_number() -> None:
    # the value is NaN beyond 0.3, and -inf between 0.1 and 0.3
    def value(t: float) -> float:
        return math.nan if t > 0.3 else -math.inf if t > 0.1 else t

    assert line_search(value, 0.0, 1.0) == 0.0625
    assert line_search(lambda t: -t, 0.0, 1.0) is None
    assert line_search(lambda t: math.nan, 0.0, 1.0) is None
    assert line_search(lambda t: math.inf if t > 0.3 else t, 0.0, 1.0) == 0.25
    assert line_search(lambda t: t, 0.0, 1.0) == 1.0


def test_the_scaled_gradient_has_no_unit() -> None:
    gradient, hessian = tensor(3.0, -8.0), torch.diag(tensor(-9.0, -4.0))
    assert scaled_gradient(gradient, hessian) == 4.0
    unit = torch.diag(tensor(1e6, 1e-3))
    assert scaled_gradient(unit @ gradient, unit @ hessian @ unit) == pytest.approx(4.0)
    assert scaled_gradient(tensor(0.0), torch.zeros(1, 1).double()) == 0.0
    assert scaled_gradient(tensor(1.0), torch.zeros(1, 1).double()) == math.inf


def test_cholesky_is_none_where_there_is_none() -> None:
    assert curvature.cholesky(torch.diag(tensor(1.0, -1.0))) is None
    assert curvature.cholesky(torch.diag(tensor(1.0, math.nan))) is None
    factor = curvature.cholesky(torch.diag(tensor(4.0, 9.0)))
    assert factor is not None
    torch.testing.assert_close(factor, torch.diag(tensor(2.0, 3.0)))


@pytest.mark.parametrize("method", ["bfgs", "l-bfgs", "trust-exact"])
@pytest.mark.parametrize(
    ("f", "start", "maximum"),
    [
        (concave, (3.0, -2.0003), (1.0, -2.0)),
        (rosenbrock, (-1.2, 1.0), (1.0, 1.0)),
    ],
)
def test_scipys_methods_find_it_too(
    method: str, f: Callable[[Tensor], Tensor], start: tuple[float, float], maximum: tuple[float, float]
) -> None:
    found = scipy_optimum(Function(f), tensor(*start), method)
    torch.testing.assert_close(found.theta, tensor(*maximum), rtol=1e-5, atol=1e-5)
    assert (found.status, found.optimizer) == ("converged", method)
    assert found.iterations > 0


@pytest.mark.parametrize("method", ["bfgs", "l-bfgs", "trust-exact"])
def test_scipys_methods_say_when_they_stop_early(method: str) -> None:
    found = scipy_optimum(Function(rosenbrock), tensor(-1.2, 1.0), method, max_iter=2)
    assert (found.status, found.converged) == ("max_iter", False)


@pytest.mark.parametrize("method", ["bfgs", "l-bfgs", "trust-exact"])
def test_scipys_methods_stay_inside_the_domain(method: str) -> None:
    found = scipy_optimum(Function(lambda t: (torch.log(t) - t).sum()), tensor(3.0), method)
    # the line search of L-BFGS-B gives up at a value that is not finite: it must then say so
    assert math.isfinite(found.value)
    if found.converged or method != "l-bfgs":
        assert found.theta.item() == pytest.approx(1.0, rel=1e-4)


@pytest.mark.parametrize("spread", [1.0, 1e-3, 1e-6])
def test_least_squares_of_nearly_collinear_columns(spread: float) -> None:
    """Coefficients are integers and y exact, so the answer is known whatever the condition number."""
    rng = np.random.default_rng(4)
    base = rng.integers(-50, 50, 40).astype(float)
    x = torch.from_numpy(np.column_stack([np.ones(40), base, base + spread * rng.integers(-5, 5, 40)]))
    truth = tensor(3.0, -2.0, 5.0)
    y = x @ truth
    objective = Function(lambda t: -0.5 * ((y - x @ t) ** 2).sum())
    root = torch.linalg.qr(x, mode="r").R
    found = least_squares(objective, root, torch.zeros(3).double())
    assert found.converged
    torch.testing.assert_close(found.theta, truth, rtol=1e-13 / spread, atol=1e-12 / spread)
    assert found.root is root


@pytest.mark.parametrize("method", ["bfgs", "l-bfgs", "trust-exact"])
def test_scipy_steps_to_no_point_where_the_hessian_is_not_finite(method: str) -> None:
    """Beyond 2 the value is finite, the Hessian is not; the maximum is at 1."""

    class Walled(Function):
        def derivatives(self, theta: Tensor) -> tuple[float, Tensor, Tensor]:
            value, gradient, hessian = super().derivatives(theta)
            return value, gradient, hessian if float(theta) < 2 else hessian * math.inf

    found = scipy_optimum(Walled(lambda t: (t - torch.exp(t - 1)).sum()), torch.full((1,), -5.0).double(), method)
    assert found.converged
    assert float(found.theta) == pytest.approx(1, abs=1e-4)
