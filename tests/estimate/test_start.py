"""Where the search starts with many rows: nearer to the maximum, and never at the price of another answer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import glmfit
from glmfit.estimate import start
from glmfit.result import Fit

N = 60_000
FAMILIES = ("negative-binomial", "poisson", "binomial", "gamma")
Columns = dict[str, Any]


def simulated(family: str) -> Columns:
    random = np.random.default_rng(5)
    x, u, g = random.normal(size=N), random.uniform(0, 2, N), np.array(["a", "b", "c"])[np.arange(N) % 3]
    eta = -0.5 + 0.4 * x - 0.3 * u + 0.2 * (g == "b")
    y = {
        "negative-binomial": lambda: random.poisson(random.gamma(2.0, np.exp(eta) / 2)),
        "poisson": lambda: random.poisson(np.exp(eta)),
        "binomial": lambda: random.random(N) < 1 / (1 + np.exp(-eta)),
        "gamma": lambda: random.gamma(3.0, np.exp(eta) / 3),
    }[family]()
    return {"y": y * 1.0, "x": x, "u": u, "g": g}


def without(monkeypatch: pytest.MonkeyPatch, *arguments: Any, **options: Any) -> Fit:
    """The fit that starts from the intercept-only one, however many the rows."""
    with monkeypatch.context() as patch:
        patch.setattr(start, "ENOUGH_ROWS", 10 * N)
        return glmfit.fit(*arguments, **options)


def assert_same(found: Fit, expected: Fit) -> None:
    assert found.exit_code == expected.exit_code
    assert found.warnings == expected.warnings
    for row, other in zip(
        (*found.coefficients, *found.auxiliary), (*expected.coefficients, *expected.auxiliary), strict=True
    ):
        assert row.estimate == pytest.approx(other.estimate, rel=1e-10, abs=1e-10)
        assert row.std_error == pytest.approx(other.std_error, rel=1e-9, nan_ok=True)
    for name in ("log_likelihood", "deviance", "null_deviance"):
        assert getattr(found.fit, name) == pytest.approx(getattr(expected.fit, name), rel=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_maximum_in_fewer_steps(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = simulated(family)
    found = glmfit.fit("y ~ x + u + g", data, family=family)
    expected = without(monkeypatch, "y ~ x + u + g", data, family=family)
    assert found.convergence.converged
    assert found.convergence.iterations < expected.convergence.iterations
    assert_same(found, expected)


def test_a_level_that_the_sample_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    data = simulated("poisson")
    rare = np.isin(np.arange(N), (7, 1001, 20_003))
    data |= {"g": np.where(rare, "rare", data["g"]), "y": np.where(rare, 2.0, data["y"])}
    found = glmfit.fit("y ~ x + g", data, family="poisson")
    assert_same(found, without(monkeypatch, "y ~ x + g", data, family="poisson"))
    assert all(row.std_error > 0 for row in found.coefficients)


@pytest.mark.parametrize("family", ["poisson", "negative-binomial"])
def test_separation_is_found_all_the_same(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = simulated(family)
    data["y"] = np.where(data["g"] == "c", 0.0, data["y"])
    found = glmfit.fit("y ~ x + g", data, family=family)
    assert found.exit_code == 5
    assert [finding.code for finding in found.warnings] == ["separation"]
    assert math.isinf(next(row for row in found.coefficients if row.term == "g[T.c]").estimate)
    assert_same(found, without(monkeypatch, "y ~ x + g", data, family=family))


def test_starting_values_given_are_those_of_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    data = simulated("poisson")
    monkeypatch.setattr(start, "ahead", None)  # would be called
    assert glmfit.fit("y ~ x", data, family="poisson", start={"x": 0.1}).convergence.converged
