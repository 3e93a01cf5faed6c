"""log_cdf and log_survival in closed form, with two derivatives, against 70-digit arithmetic far into both tails."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import mpmath
import pytest
import torch
from mpmath import mp

from glmfit.families.catalogue import make_family
from glmfit.model.likelihood import row_derivatives

# (Pr(Y <= y), Pr(Y > y)) from the parameters on their working scales
Tails = Callable[..., tuple[Any, Any]]


def normal(z: Any) -> tuple[Any, Any]:
    return mpmath.erfc(-z / mpmath.sqrt(2)) / 2, mpmath.erfc(z / mpmath.sqrt(2)) / 2


def logistic(z: Any) -> tuple[Any, Any]:
    return 1 / (1 + mpmath.exp(-z)), 1 / (1 + mpmath.exp(z))


def hazard(h: Any) -> tuple[Any, Any]:
    return -mpmath.expm1(-h), mpmath.exp(-h)


def inverse_gaussian(y: Any, log_mu: Any, log_phi: Any) -> tuple[Any, Any]:
    mu, phi = mpmath.exp(log_mu), mpmath.exp(log_phi)
    root = mpmath.sqrt(phi * y)
    low, high = normal((y / mu - 1) / root)
    reflected = mpmath.exp(2 / (phi * mu)) * normal(-(y / mu + 1) / root)[0]
    return low + reflected, high - reflected


TAILS: dict[str, Tails] = {
    "gaussian": lambda y, mu, s: normal((y - mu) * mpmath.exp(-s / 2)),
    "log-normal": lambda y, mu, s: normal((mpmath.log(y) - mu) * mpmath.exp(-s)),
    "logistic": lambda y, mu, s: logistic((y - mu) * mpmath.exp(-s)),
    "log-logistic": lambda y, a, k: logistic(mpmath.exp(k) * (mpmath.log(y) - a)),
    "gumbel": lambda y, mu, s: hazard(mpmath.exp(-(y - mu) * mpmath.exp(-s)))[::-1],
    "exponential": lambda y, a: hazard(y * mpmath.exp(-a)),
    "weibull": lambda y, a, k: hazard((y * mpmath.exp(-a)) ** mpmath.exp(k)),
    "inverse-gaussian": inverse_gaussian,
}
POSITIVE = (1e-6, 0.02, 0.4, 1.3, 1.36, 4.0, 30.0)
REAL = (-20.0, -3.0, 0.31, 2.0, 15.0)


@pytest.mark.parametrize("name", TAILS)
@pytest.mark.parametrize("side", [0, 1], ids=["cdf", "survival"])
def test_tails_and_their_derivatives(name: str, side: int) -> None:
    family = make_family(name, {})
    size = len(family.parameters)
    method = (family.log_cdf, family.log_survival)[side]
    for y, *working in product(REAL if family.support.lower < 0 else POSITIVE, *[(0.3, -0.8), (0.6, -1.0)][:size]):
        with mp.workdps(70):
            at = tuple(map(mpmath.mpf, working))

            def log_tail(*parameters: Any, y: float = y) -> Any:
                return mpmath.log(TAILS[name](mpmath.mpf(y), *parameters)[side])

            value = log_tail(*at)
            if not -1e5 < value < -1e-25:  # where numerical differences say nothing
                continue
            first = [mpmath.diff(log_tail, at, unit(size, j)) for j in range(size)]
            second = [[mpmath.diff(log_tail, at, unit(size, j, k)) for k in range(size)] for j in range(size)]
        found = row_derivatives(
            lambda *w, y=y: method(torch.tensor([y], dtype=torch.float64), *w),
            [torch.tensor([value], dtype=torch.float64) for value in working],
        )
        steepest, sharpest = max(map(abs, first)), max(abs(h) for row in second for h in row)
        assert float(found.l) == pytest.approx(float(value), rel=1e-11, abs=1e-15), (y, working)
        for j in range(size):
            assert abs(float(found.g[0, j]) - first[j]) <= 1e-10 * steepest + 1e-15, (y, working)
            for k in range(size):
                assert abs(float(found.h[0, j, k]) - second[j][k]) <= 1e-9 * sharpest + 1e-15, (y, working)


def unit(size: int, *places: int) -> tuple[int, ...]:
    return tuple(sum(place == j for place in places) for j in range(size))
