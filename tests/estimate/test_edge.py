"""Maxima on the edge of a link's domain, against searches along the edge and scipy's constrained search.

On the edge some fitted mean is 0 or some fitted probability 0 or 1: a linear condition that takes one coefficient away.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, minimize, minimize_scalar

import glmfit
from glmfit.result import Fit


def line() -> tuple[np.ndarray, np.ndarray]:
    """0/1 responses whose probability rises linearly to 1, which it has at x = 1."""
    random = np.random.default_rng(3)
    x = np.repeat(np.arange(21) / 20, 6)
    return x, (random.random(len(x)) < np.minimum(1, 0.02 + 1.1 * x)).astype(float)


def counts(seed: int) -> dict[str, np.ndarray]:
    """Counts whose mean is close to 0 at one end of x, so that the identity link leads to its edge."""
    random = np.random.default_rng(seed)
    x, z = random.uniform(0, 1, 60), random.integers(0, 2, 60).astype(float)
    y = random.poisson(3 * x + 0.4 * z * x).astype(float)
    return {"y": np.append(y, [0.0, 0.0]), "x": np.append(x, [0.0, 0.02]), "z": np.append(z, [0.0, 1.0])}


def boundary(fit: Fit) -> Fit:
    assert fit.convergence.status == "boundary"
    assert fit.convergence.converged
    assert fit.exit_code == 5
    assert [w.code for w in fit.warnings].count("boundary_maximum") == 1
    for row in fit.coefficients:
        assert row.status == "boundary"
        assert math.isnan(row.std_error)
        assert math.isnan(row.p_value)
    return fit


def test_log_binomial_on_its_edge() -> None:
    x, y = line()
    fit = boundary(glmfit.fit("y ~ x", {"x": x, "y": y}, family="binomial", links={"mu": "log"}))

    def minus(b: float) -> float:  # p = 1 at x = 1: the intercept is minus the slope
        eta = b * (x - 1)
        return -float(np.where(y == 1, eta, np.log(-np.expm1(np.where(y == 1, -1.0, eta)))).sum())

    best = minimize_scalar(minus, bounds=(0.1, 10), method="bounded", options={"xatol": 1e-12})
    estimates = [row.estimate for row in fit.coefficients]
    assert fit.fit.log_likelihood == pytest.approx(-best.fun, abs=1e-8)
    assert estimates == pytest.approx([-best.x, best.x], rel=1e-6)
    (finding,) = (w for w in fit.warnings if w.code == "boundary_maximum")
    assert "at the fitted means of 6 rows (121, 122, 123, 124 ...)" in finding.message


def test_identity_binomial_between_both_edges() -> None:
    x, y = line()
    y[x == 0] = 0.0
    fit = boundary(glmfit.fit("y ~ x", {"x": x, "y": y}, family="binomial", links={"mu": "identity"}))
    assert [row.estimate for row in fit.coefficients] == pytest.approx([0.0, 1.0], abs=1e-9)
    x, y = x[(x > 0) & (x < 1)], y[(x > 0) & (x < 1)]
    expected = float(np.where(y == 1, np.log(x), np.log1p(-x)).sum())
    assert fit.fit.log_likelihood == pytest.approx(expected, abs=1e-8)


def poisson_minus(data: dict[str, np.ndarray], mean: Callable[[np.ndarray], np.ndarray]) -> Callable[..., float]:
    y = data["y"]

    def minus(beta: np.ndarray) -> float:
        mu = np.maximum(mean(beta), 1e-300)
        return float((mu - y * np.log(mu)).sum())

    return minus


@pytest.mark.parametrize("seed", range(6))
def test_identity_poisson_against_a_constrained_search(seed: int) -> None:
    data = counts(seed)
    X = np.stack([np.ones_like(data["x"]), data["x"], data["z"]], axis=1)
    fit = glmfit.fit("y ~ x + z", data, family="poisson", links={"mu": "identity"})
    minus = poisson_minus(data, lambda beta: X @ beta)
    begin = np.array([1.0, 1.0, 0.0])
    found = minimize(
        minus,
        begin,
        method="trust-constr",
        constraints=LinearConstraint(X, 0.0),
        options={"gtol": 1e-10, "maxiter": 3000},
    )
    beta = np.array([row.estimate for row in fit.coefficients])
    assert (X @ beta >= -1e-12).all()
    assert minus(beta) <= found.fun + 1e-6
    on_edge = bool((X @ beta < 1e-9).any())
    assert (fit.convergence.status == "boundary") is on_edge
    if on_edge:
        boundary(fit)
    else:
        assert fit.exit_code == 0


def test_seeds_of_counts_reach_the_edge() -> None:
    statuses = [
        glmfit.fit("y ~ x + z", counts(seed), family="poisson", links={"mu": "identity"}).convergence.status
        for seed in range(6)
    ]
    assert statuses.count("boundary") >= 2


def test_sqrt_link_and_offset_on_the_edge() -> None:
    x = np.linspace(0, 1, 30)
    y = np.round(9 * x**2)
    data = {"y": y, "x": x, "o": np.full(30, 0.25)}
    fit = glmfit.fit("y ~ x + offset(o)", data, family="poisson", links={"mu": "sqrt"})
    plain = glmfit.fit("y ~ x", data, family="poisson", links={"mu": "sqrt"})
    assert fit.convergence.status == plain.convergence.status
    assert fit.fit.log_likelihood == pytest.approx(plain.fit.log_likelihood, abs=1e-9)
    assert fit.coefficients[0].estimate == pytest.approx(plain.coefficients[0].estimate - 0.25, abs=1e-7)


def test_an_ordinary_maximum_inside_is_left_alone() -> None:
    random = np.random.default_rng(1)
    x = random.uniform(1, 2, 200)
    fit = glmfit.fit(
        "y ~ x", {"x": x, "y": random.poisson(3 * x).astype(float)}, family="poisson", links={"mu": "identity"}
    )
    assert fit.convergence.status == "converged"
    assert fit.exit_code == 0
