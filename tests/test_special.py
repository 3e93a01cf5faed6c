"""The special functions and their first two derivatives against 60-digit arithmetic, on both sides of every switch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import pytest
import torch
from mpmath import mp
from torch import Tensor

from glmfit.special import log1mexp, log_gamma_normaliser, log_ndtr, log_rising, softplus

# torch's trigamma, which the second derivative of lgamma is, carries 5e-10 of relative error.
TRIGAMMA = 1e-9


def derivatives(f: Callable[[Tensor], Tensor], at: float) -> tuple[float, float, float]:
    x = torch.tensor(at, dtype=torch.float64, requires_grad=True)
    value = f(x)
    (first,) = torch.autograd.grad(value, x, create_graph=True)
    return value.item(), first.item(), torch.autograd.grad(first, x)[0].item()


def exact(f: Callable[[Any], Any], at: float) -> list[float]:
    with mp.workdps(60):
        return [float(mpmath.diff(f, mpmath.mpf(at), order)) for order in range(3)]


@pytest.mark.parametrize("x", [-700.0, -40.0, -19.0, -1.0, 0.0, 1e-9, 1.0, 19.0, 21.0, 35.0, 40.0, 700.0])
def test_softplus(x: float) -> None:
    found = derivatives(softplus, x)
    assert found == pytest.approx(exact(lambda t: mpmath.log1p(mpmath.exp(t)), x), rel=1e-14, abs=1e-300)


@pytest.mark.parametrize("x", [-300.0, -40.0, -5.0, -0.5, -1e-9, 0.0, 1e-9, 0.5, 5.0, 8.0, 37.0, 40.0, 300.0])
def test_log_ndtr(x: float) -> None:
    value, first, second = derivatives(log_ndtr, x)
    if x < 0:
        expected = exact(lambda t: mpmath.log(mpmath.erfc(-t / mpmath.sqrt(2)) / 2), x)
    else:
        expected = exact(lambda t: mpmath.log1p(-mpmath.erfc(t / mpmath.sqrt(2)) / 2), x)
    assert value == pytest.approx(expected[0], rel=1e-13, abs=1e-300)
    # torch's derivative lambda is exp(-x^2/2 - log Phi), of which x^2/2 digits cancel far down; in the second,
    # -lambda (lambda + x), as many again.
    assert first == pytest.approx(expected[1], rel=1e-15 * max(100.0, x * x), abs=1e-300)
    assert second == pytest.approx(expected[2], rel=1e-15 * max(100.0, x**4), abs=1e-300)


@pytest.mark.parametrize("x", [-30.0, -1.0, -0.69, -1e-3, -1e-10])
def test_log1mexp(x: float) -> None:
    assert derivatives(log1mexp, x) == pytest.approx(exact(lambda t: mpmath.log(-mpmath.expm1(t)), x), rel=1e-12)


def test_log1mexp_outside_its_domain() -> None:
    assert math.isnan(log1mexp(torch.tensor(0.5)).item())


SWITCH = -math.log(16.0)


@pytest.mark.parametrize("log_alpha", [-40.0, -23.0, -9.0, -4.0, SWITCH - 1e-6, SWITCH + 1e-6, -1.0, 0.0, 2.0, 9.0])
@pytest.mark.parametrize("y", [1.0, 2.0, 7.0, 150.0, 2.5])
def test_log_rising(y: float, log_alpha: float) -> None:
    def reference(t: Any) -> Any:
        r = mpmath.exp(-t)
        return mpmath.loggamma(y + r) - mpmath.loggamma(r) + y * t

    value, first, second = derivatives(lambda t: log_rising(torch.tensor(y, dtype=torch.float64), t), log_alpha)
    with mp.workdps(80):
        expected = [float(mpmath.diff(reference, mpmath.mpf(log_alpha), order)) for order in range(3)]
    assert value == pytest.approx(expected[0], rel=1e-12, abs=1e-13 * y)
    assert first == pytest.approx(expected[1], rel=1e-12, abs=1e-13 * y)
    assert second == pytest.approx(expected[2], rel=5e-8, abs=10 * TRIGAMMA)


@pytest.mark.parametrize("log_alpha", [-40.0, -3.0, -2.0, 0.0, 5.0, 40.0])
def test_log_rising_of_nothing_is_flat_at_zero(log_alpha: float) -> None:
    y = torch.tensor(0.0, dtype=torch.float64)
    found = derivatives(lambda t: log_rising(y, t), log_alpha)
    assert found == pytest.approx((0.0, 0.0, 0.0), abs=1e-8)
    assert found[0] == pytest.approx(0.0, abs=1e-14)


@pytest.mark.parametrize("alpha", [1e-8, 1e-3, 0.05, 0.07, 1.0, 30.0])
def test_log_rising_is_the_product_it_stands_for(alpha: float) -> None:
    y = torch.arange(0, 40, dtype=torch.float64)
    products = [sum(math.log1p(j * alpha) for j in range(count)) for count in range(40)]
    found = log_rising(y, torch.full_like(y, math.log(alpha)))
    torch.testing.assert_close(found, torch.tensor(products, dtype=torch.float64), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("log_phi", [-40.0, -12.0, SWITCH - 1e-6, SWITCH + 1e-6, -2.0, 0.0, 1.5, 6.0, 40.0])
def test_log_gamma_normaliser(log_phi: float) -> None:
    def reference(t: Any) -> Any:
        k = mpmath.exp(-t)
        return k * mpmath.log(k) - k - mpmath.loggamma(k)

    value, first, second = derivatives(log_gamma_normaliser, log_phi)
    with mp.workdps(80):
        expected = [float(mpmath.diff(reference, mpmath.mpf(log_phi), order)) for order in range(3)]
    assert value == pytest.approx(expected[0], rel=1e-12)
    assert first == pytest.approx(expected[1], rel=1e-12)
    # the terms of size k cancel; k is at most 16 where they are formed
    assert second == pytest.approx(expected[2], rel=1e-12, abs=TRIGAMMA * 16)
