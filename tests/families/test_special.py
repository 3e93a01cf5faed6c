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

from glmfit.families.special import (
    expm1_ratio,
    log1mexp,
    log_erfcx,
    log_factorial,
    log_gamma_normaliser,
    log_ndtr,
    log_one_minus_exp_minus_exp,
    log_rising,
    logaddexp,
    logit_cauchy,
    logit_ndtr,
    relative_entropy,
    softplus,
)

# Rounding of the trigamma function where terms of its size cancel.
TRIGAMMA = 1e-14


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
    assert first == pytest.approx(expected[1], rel=1e-13, abs=1e-300)
    # log erfcx has the larger error, half way to where its series begins; above 0 lambda (lambda + x) is exact
    assert second == pytest.approx(expected[2], rel=1e-11, abs=1e-300)


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


@pytest.mark.parametrize("y", [0.0, 1.0])
@pytest.mark.parametrize("log_alpha", [-40.0, -5.0, -3.0, -2.0, 0.0, 5.0, 40.0])
def test_log_rising_of_nothing_is_flat_at_zero(y: float, log_alpha: float) -> None:
    """To the last digit: a truncated density divides its rounding error by a probability that may be next to 0."""
    found = derivatives(lambda t: log_rising(torch.tensor(y, dtype=torch.float64), t), log_alpha)
    assert found == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("alpha", [1e-8, 1e-3, 0.05, 0.07, 1.0, 30.0])
def test_log_rising_is_the_product_it_stands_for(alpha: float) -> None:
    y = torch.arange(0, 40, dtype=torch.float64)
    products = [sum(math.log1p(j * alpha) for j in range(count)) for count in range(40)]
    found = log_rising(y, torch.full_like(y, math.log(alpha)))
    torch.testing.assert_close(found, torch.tensor(products, dtype=torch.float64), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("log_alpha", [-40.0, -3.0, 0.0, 9.0])
def test_log_rising_of_one_alpha_for_all_rows(log_alpha: float) -> None:
    """By a table; three derivatives, each row's own."""
    y = torch.tensor([0.0, 1.0, 2.0, 7.0, 3.0, *[1.0] * 5], dtype=torch.float64)
    x = torch.full_like(y, log_alpha).requires_grad_(True)
    found = [log_rising(y, x)]
    for _ in range(3):
        found += torch.autograd.grad(found[-1].sum(), x, create_graph=True)
    with mp.workdps(80):
        expected = [
            [float(mpmath.diff(lambda t, y=n: mp.log(mp.rf(mp.exp(-t), y)) + y * t, log_alpha, k)) for n in y.tolist()]
            for k in range(4)
        ]
    wanted = torch.tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(torch.stack(found).detach(), wanted, rtol=1e-12, atol=1e-30)


@pytest.mark.parametrize("x", [-300.0, -18.0, -16.0, -5.01, -4.99, -1.0, 0.5, 5.01, 40.0])
def test_third_derivatives_and_logits_of_the_normal(x: float) -> None:
    """The logit is that of two logarithms, and what is written out is closed under differentiation."""
    gradients = []
    for f in (logit_ndtr, lambda t: log_ndtr(t) - log_ndtr(-t)):
        at = torch.tensor(x, dtype=torch.float64, requires_grad=True)
        found = [f(at)]
        for _ in range(3):
            found += torch.autograd.grad(found[-1], at, create_graph=True)
        gradients.append([one.item() for one in found])
    assert gradients[0] == pytest.approx(gradients[1], rel=1e-9, abs=1e-300)
    with mp.workdps(80):
        third = float(mpmath.diff(lambda t: mp.log(mp.erfc(-t / mp.sqrt(2)) / mp.erfc(t / mp.sqrt(2))), x, 3))
    assert gradients[0][3] == pytest.approx(third, rel=1e-8)


@pytest.mark.parametrize("x", [-1e8, -40.0, -1.0, 0.0, 0.3, 7.0, 1e4])
def test_three_derivatives_of_the_logit_of_the_cauchy(x: float) -> None:
    at = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    found = [logit_cauchy(at)]
    for _ in range(3):
        found += torch.autograd.grad(found[-1], at, create_graph=True)
    with mp.workdps(120):
        expected = [float(mpmath.diff(lambda t: mp.log(mp.atan2(1, -t) / mp.atan2(1, t)), x, k)) for k in range(4)]
    assert [one.item() for one in found] == pytest.approx(expected, rel=1e-13, abs=1e-15)


def test_factorials_are_those_of_the_gamma_function() -> None:
    for y in ([0.0, 1.0, 5.0, 2.0, 3.0, 0.0], [0.5, 1.0, 2.0], [1e9, 3.0]):
        at = torch.tensor(y, dtype=torch.float64)
        torch.testing.assert_close(log_factorial(at), torch.lgamma(at + 1), rtol=0, atol=0)


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


@pytest.mark.parametrize("x", [0.0, 0.3, 2.0, 8.0, 11.99, 12.01, 30.0, 1e4])
def test_log_erfcx(x: float) -> None:
    value, first, second = derivatives(log_erfcx, x)
    expected = exact(lambda t: t**2 + mpmath.log(mpmath.erfc(t)), x)
    assert value == pytest.approx(expected[0], rel=1e-14, abs=1e-300)
    assert first == pytest.approx(expected[1], rel=1e-13)
    assert second == pytest.approx(expected[2], rel=1e-11)


@pytest.mark.parametrize("x", [-700.0, -30.0, -2.51, -2.49, -1.0, 0.0, 1.0, 3.5])
def test_log_one_minus_exp_minus_exp(x: float) -> None:
    found = derivatives(log_one_minus_exp_minus_exp, x)
    expected = exact(lambda t: mpmath.log(-mpmath.expm1(-mpmath.exp(t))), x)
    assert found == pytest.approx(expected, rel=1e-13, abs=1e-300)


@pytest.mark.parametrize("u", [-40.0, -1.0, -0.031, -0.029, -1e-6, 0.0, 1e-9, 0.029, 0.031, 2.0, 30.0])
def test_relative_entropy(u: float) -> None:
    found = derivatives(relative_entropy, u)
    # (u e^u - expm1(u))' is u e^u by a difference of numbers of size 1
    assert found == pytest.approx(exact(lambda t: t * mpmath.exp(t) - mpmath.expm1(t), u), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("x", [-700.0, -2.0, -0.031, -0.029, 0.0, 1e-8, 0.029, 0.031, 3.0, 600.0])
def test_expm1_ratio(x: float) -> None:
    series = (1.0, 0.5, 1 / 3)
    expected = exact(lambda t: mpmath.expm1(t) / t, x) if x else series
    assert derivatives(expm1_ratio, x) == pytest.approx(expected, rel=1e-11)


def test_logaddexp_has_two_derivatives_however_far_apart() -> None:
    a = torch.tensor([0, 0, 0, -1e30, -1e30, 3], dtype=torch.float64, requires_grad=True)
    b = torch.tensor([0, 800, -800, 5, -1e30, 4], dtype=torch.float64)
    value = logaddexp(a, b)
    (first,) = torch.autograd.grad(value.sum(), a, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), a)
    share = torch.sigmoid(a.detach() - b)
    assert torch.allclose(value, torch.logaddexp(a, b))
    assert torch.allclose(first, share)
    assert torch.allclose(second, share * (1 - share))
