"""A model of a scan is the same model fitted alone: numbers, rows, findings, and what went wrong."""

from __future__ import annotations

from typing import Any

import pytest
from scans import check, columns, shared

FRAME = shared()
GUMBEL = """
import torch
def log_density(y, mu, log_sigma):
    z = (y - mu) * torch.exp(-log_sigma)
    return -log_sigma - z - torch.exp(-z)
"""
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "gaussian": ("real ~ {} + age + sex", {}),
    "gaussian, weights": ("real ~ age + {} + arm", {"weights": "w"}),
    "gaussian, hc3": ("real ~ {} + age", {"se": "hc3"}),
    "logit": ("yes ~ {} + age + sex", {"family": "binomial"}),
    "logit, hc1": ("yes ~ {} + age + sex", {"family": "binomial", "se": "hc1"}),
    "probit, expected": ("yes ~ {} + age", {"family": "binomial", "links": {"mu": "probit"}, "se": "expected"}),
    "trials": ("dead/tried ~ {} + arm", {"family": "binomial"}),
    "poisson": ("count ~ {} + age + sex", {"family": "poisson"}),
    "poisson, spread": ("wild ~ {} + age + sex", {"family": "poisson"}),
    "poisson, cluster": ("wild ~ {} + age", {"family": "poisson", "se": "cluster:firm"}),
    "poisson, hc0, frequency": ("count ~ {} + age", {"family": "poisson", "se": "hc0", "freq_weights": "k"}),
    "poisson, sampling": ("count ~ {} + age", {"family": "poisson", "sampling_weights": "w"}),
    "quasi-poisson": ("wild ~ {} + age + sex", {"family": "quasi-poisson", "dispersion": "deviance"}),
    "negative binomial": ("wild ~ {} + age + sex", {"family": "negative-binomial"}),
    "geometric, hc2": ("wild ~ {} + sex", {"family": "geometric", "se": "hc2"}),
    "poisson, scaled": ("wild ~ {} + age", {"family": "poisson", "dispersion": "pearson"}),
    "beta-binomial": ("dead/tried ~ {} + age", {"family": "beta-binomial"}),
    "ordinal": ("grade ~ {} + age", {"family": "ordinal"}),
    "multinomial": ("grade ~ {} + age", {"family": "multinomial"}),
    "no intercept": ("count ~ 0 + {} + age + sex", {"family": "poisson", "links": {"mu": "identity"}}),
    "scale": (("real ~ age + sex", "phi ~ {}"), {}),
    "offset, log": ("amount ~ {} + offset(sex)", {"family": "inverse-gaussian", "links": {"mu": "log"}}),
    "learned": ("yes ~ poly(age, 2) + {}", {"family": "binomial"}),
    "interaction": ("yes ~ {}*sex + age", {"family": "binomial"}),
    "by a factor": ("count ~ age + {}:arm", {"family": "poisson"}),
    "inside a call": ("real ~ I({} ** 2) + age", {}),
    "polynomial": ("yes ~ poly({}, 2) + age", {"family": "binomial"}),
    "gamma": ("amount ~ {} + age", {"family": "gamma", "links": {"mu": "log"}}),
}


@pytest.mark.parametrize("case", CASES)
def test_every_row_is_that_of_the_model_alone(case: str) -> None:
    formula, options = CASES[case]
    check(formula, FRAME, columns(FRAME, seed=len(case), plain=4), **options)
