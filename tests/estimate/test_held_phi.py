"""Random effects beside a phi that is held: against the density of all responses together."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import gamma, multivariate_normal

import glmfit

_RANDOM = np.random.default_rng(8)
N, PHI = 60, 2.0
X, G, W = _RANDOM.normal(size=N), np.repeat(np.arange(10), 6), _RANDOM.uniform(0.5, 3, size=N)
NAMES = np.array([f"g{at}" for at in range(10)])[G]


@pytest.mark.parametrize("weights", [None, "w"])
def test_gaussian(weights: str | None) -> None:
    y = 1 + 0.5 * X + _RANDOM.normal(size=10)[G] + _RANDOM.normal(size=N)
    data = {"y": y, "x": X, "g": NAMES, "w": W}
    found = glmfit.fit("y ~ x + (1 | g)", data, fixed={"phi": PHI}, weights=weights)
    alike = (G[:, None] == G).astype(float)

    def minus(p: np.ndarray) -> float:
        covariance = np.exp(2 * p[2]) * alike + np.diag(PHI / (W if weights else np.ones(N)))
        return -float(multivariate_normal.logpdf(y, p[0] + p[1] * X, covariance))

    best = minimize(minus, np.zeros(3), method="BFGS", options={"gtol": 1e-7})
    assert found.fit.log_likelihood == pytest.approx(-best.fun, abs=1e-7)
    assert [c.estimate for c in found.coefficients] == pytest.approx(best.x[:2].tolist(), abs=1e-5)
    assert found.random_effects is not None
    (deviation,) = found.random_effects.terms[0].deviations
    assert deviation.estimate == pytest.approx(np.exp(best.x[2]), rel=1e-5)
    assert found.random_effects.icc == pytest.approx(deviation.estimate**2 / (deviation.estimate**2 + PHI), rel=1e-9)


def test_gamma_is_what_its_phi_says() -> None:
    """Laplace's approximation at phi held at its estimate is the maximum over phi too."""
    mean = np.exp(0.5 + 0.3 * X + 0.4 * _RANDOM.normal(size=10)[G])
    y = gamma.rvs(2.0, scale=mean / 2.0, random_state=_RANDOM)
    data = {"y": y, "x": X, "g": NAMES, "w": W}
    asked = {"family": "gamma", "links": {"mu": "log"}, "weights": "w"}
    free = glmfit.fit("y ~ x + (1 | g)", data, **asked)
    phi = free.auxiliary[0].estimate
    held = glmfit.fit("y ~ x + (1 | g)", data, fixed={"phi": phi}, **asked)
    assert held.fit.log_likelihood == pytest.approx(free.fit.log_likelihood, abs=1e-8)
    assert held.coefficients[1].estimate == pytest.approx(free.coefficients[1].estimate, abs=1e-6)
