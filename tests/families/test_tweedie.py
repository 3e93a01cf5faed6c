"""Tweedie: the series against the sum that defines it, in 40 digits, on both sides of every switch; the power held."""

from __future__ import annotations

import math
from itertools import product

import mpmath
import numpy as np
import pytest
import torch
from family_cases_continuous import tweedie_density
from torch import Tensor

import glmfit
from glmfit.errors import UsageError
from glmfit.families.base import Family
from glmfit.families.catalogue import make_family
from glmfit.model.likelihood import row_derivatives

# Torch's trigamma, which the second derivative of lgamma is, carries 5e-10 of relative error.
TRIGAMMA = 1e-8


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def tweedie(power: float) -> Family:
    return make_family("tweedie", {"power": power})


def phi_for(events: float, y: float, power: float) -> float:
    """The phi at which the largest term of the series at y is that of so many events."""
    return y ** (2 - power) / (events * (2 - power))


# The sum becomes an integral at lambda / (p - 1) = 100 and lambda (p - 1) = 2.2.
SWITCHES = [
    (power, events)
    for power in (1.05, 1.3, 1.5, 1.9, 1.98)
    for events in (
        *(0.03, 0.99, 1.01, 7.0, 700.0),
        *(99.9 * (power - 1), 100.1 * (power - 1)),
        *(2.19 / (power - 1), 2.21 / (power - 1)),
    )
]


@pytest.mark.parametrize(("power", "events"), SWITCHES)
def test_the_density_is_the_sum_that_defines_it(power: float, events: float) -> None:
    y = 3.0
    phi = phi_for(events, y, power)
    for mu in (2.4, 3.0):
        found = make_family("tweedie", {}).log_density(
            tensor(y), tensor(mu).log(), tensor(phi).log(), torch.logit(tensor(power - 1))
        )
        assert float(found) == pytest.approx(tweedie_density(y, mu, phi, power), rel=1e-11, abs=1e-11)


@pytest.mark.parametrize("y", [0.0, 0.01, 1.3, 20.0])
@pytest.mark.parametrize("working", [(0.3, -0.2, 0.5), (1.0, 0.5, -1.0), (2.0, -4.5, 0.0), (1.5, -2.0, -2.5)])
def test_two_derivatives_in_all_parameters(y: float, working: tuple[float, ...]) -> None:
    def exact(log_mu: object, log_phi: object, z: object) -> object:
        return _exact(y, log_mu, log_phi, z)

    family = make_family("tweedie", {})
    rows = row_derivatives(lambda *w: family.log_density(tensor(y), *w), [tensor(value) for value in working])
    with mpmath.mp.workdps(50):
        at = tuple(map(mpmath.mpf, working))
        gradient = [float(mpmath.diff(exact, at, tuple(int(i == j) for i in range(3)))) for j in range(3)]
        hessian = [
            [float(mpmath.diff(exact, at, tuple(int(i == j) + int(i == k) for i in range(3)))) for k in range(3)]
            for j in range(3)
        ]
    np.testing.assert_allclose(rows.g[0].numpy(), gradient, rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(rows.h[0].numpy(), hessian, rtol=TRIGAMMA, atol=TRIGAMMA)


def _exact(y: float, log_mu: object, log_phi: object, z: object) -> object:
    mu, phi, p = mpmath.exp(log_mu), mpmath.exp(log_phi), 1 + 1 / (1 + mpmath.exp(-z))
    events = mu ** (2 - p) / (phi * (2 - p))
    if y == 0:
        return -events
    shape, scale, amount = (2 - p) / (p - 1), phi * (p - 1) * mu ** (p - 1), mpmath.mpf(y)
    last = int(y ** float(2 - p) / float(phi * (2 - p)))
    terms = (
        mpmath.exp(
            j * mpmath.log(events)
            - mpmath.loggamma(j + 1)
            + j * shape * mpmath.log(amount / scale)
            - mpmath.loggamma(j * shape)
            - events
            - amount / scale
        )
        for j in range(1, 3 * last + 80)
    )
    return mpmath.log(mpmath.fsum(terms) / amount)


@pytest.mark.parametrize("log_phi", [-6.0, -1.0, 0.0, 2.0])
def test_at_the_end_of_the_range_it_is_the_gamma(log_phi: float) -> None:
    limit = make_family("tweedie", {}).parameter("power").special[0]
    assert limit is not None
    assert limit.family == "gamma"
    y, log_mu = tensor(0.01, 0.3, 5.0, 100.0), tensor(0.2, 0.2, 1.0, 4.0)
    phi = torch.full_like(y, log_phi)
    z = torch.full_like(y, limit.working)
    found = row_derivatives(lambda a, b: make_family("tweedie", {}).log_density(y, a, b, z), [log_mu, phi])
    expected = row_derivatives(lambda a, b: make_family("gamma", {}).log_density(y, a, b), [log_mu, phi])
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("power", [1.2, 1.5, 1.8, 2.4, 3.0])
def test_the_deviance_is_the_integral_that_defines_it(power: float) -> None:
    from scipy.integrate import quad

    held = (torch.logit(tensor(power - 1)),) if power < 2 else ()
    for y, mu in product((0.3, 1.0, 4.0), (0.5, 2.0, 9.0)):
        expected = 2 * quad(lambda t, y=y: (y - t) / t**power, mu, y)[0]
        assert float(tweedie(power).unit_deviance(tensor(y), tensor(mu).log(), *held)) == pytest.approx(
            expected, rel=1e-9
        )


@pytest.mark.parametrize(("power", "name"), [(1, "poisson"), (2, "gamma"), (3, "inverse-gaussian")])
def test_it_meets_the_families_it_contains(power: float, name: str) -> None:
    y, log_mu = tensor(0.5, 2.0, 6.0), tensor(0.3, 0.3, 1.0)
    held, other = tweedie(power), make_family(name, {})
    expected = other.unit_deviance(y, log_mu)
    torch.testing.assert_close(held.unit_deviance(y, log_mu), expected, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(held.variance(log_mu.exp()), other.variance(log_mu.exp()), rtol=1e-14, atol=0)


@pytest.mark.parametrize("power", [0.5, 0.0, -1.0, math.nan, math.inf])
def test_a_power_below_1_is_refused(power: float) -> None:
    with pytest.raises(UsageError, match="no Tweedie variance power"):
        tweedie(power)


# ---- fits ----


@pytest.fixture(scope="module")
def amounts() -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    x = random.uniform(size=400)
    n, mu = len(x), np.exp(0.5 + x)
    family = make_family("tweedie", {})
    return {"y": family.simulate(random, mu, np.full(n, 1.2), np.full(n, 1.4)), "x": x}


def test_a_power_held_at_its_estimate_gives_back_the_fit(amounts: dict[str, np.ndarray]) -> None:
    free = glmfit.fit("y ~ x", amounts, family="tweedie")
    estimates = {auxiliary.name: auxiliary.estimate for auxiliary in free.auxiliary}
    assert estimates["power"] == pytest.approx(1.4, abs=0.15)
    held = glmfit.fit("y ~ x", amounts, family="tweedie", fixed={"power": estimates["power"]})
    for one, other in zip(free.coefficients[:2], held.coefficients, strict=True):
        assert one.estimate == pytest.approx(other.estimate, rel=1e-8)
    # phi by maximum likelihood, whatever phi the standard errors use
    assert held.fit.log_likelihood == pytest.approx(free.fit.log_likelihood, rel=1e-12)
    assert held.fit.n_parameters == free.fit.n_parameters - 1
    assert held.statistic == "t"


def test_the_log_likelihood_tells_powers_apart(amounts: dict[str, np.ndarray]) -> None:
    values = [
        glmfit.fit("y ~ x", amounts, family="tweedie", fixed={"power": power}).fit.log_likelihood
        for power in (1.1, 1.4, 1.8)
    ]
    assert values[1] > max(values[0], values[2])


def test_amounts_without_zeros_are_gamma() -> None:
    random = np.random.default_rng(5)
    x = random.uniform(size=200)
    data = {"y": random.gamma(4.0, np.exp(x) / 4), "x": x}
    found = glmfit.fit("y ~ x", data, family="tweedie")
    assert "at_limit" in {finding.code for finding in found.warnings}
    gamma = glmfit.fit("y ~ x", data, family="gamma")
    assert found.fit.log_likelihood == pytest.approx(gamma.fit.log_likelihood, rel=1e-10)


def test_counts_have_no_tweedie_maximum() -> None:
    """As the power tends to 1 the density becomes a lattice, and on counts it rises for ever."""
    random = np.random.default_rng(6)
    data = {"y": random.poisson(2.0, 100).astype(float), "x": random.uniform(size=100)}
    assert glmfit.fit("y ~ x", data, family="tweedie").exit_code != 0
