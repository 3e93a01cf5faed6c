"""Amounts with exact zeros: against R (tests/reference/amounts), and as the two models that they are made of."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glmfit
from glmfit import fit_spec
from glmfit.errors import ModelError
from glmfit.families.catalogue import find_family, make_family
from glmfit.result import Fit
from glmfit.spec import ModelSpec

ROOT = Path(__file__).resolve().parents[2]
CASES: list[dict[str, Any]] = json.loads((ROOT / "tests" / "reference" / "amounts" / "amounts.json").read_text())
DATA = str(ROOT / "tests" / "reference" / "data" / "continuous.csv")
ESTIMATE = 5e-8  # in standard errors: the reference differentiates numerically
BASES = ("gamma", "inverse-gaussian", "log-normal", "weibull")


def rows(fit: Fit, parameter: str) -> list[float]:
    return [v for row in fit.coefficients if row.parameter == parameter for v in (row.estimate, row.std_error)]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_against_r(case: dict[str, Any]) -> None:
    fit = fit_spec(ModelSpec(**{**case["spec"], "formulas": tuple(case["spec"]["formulas"])}), DATA)
    assert fit.exit_code == 0
    order = [row.parameter for row in fit.coefficients]
    assert order == sorted(order, key=[fit.model.main[0], case["second"], "zero"].index)
    for row, estimate, error in zip(fit.coefficients, case["estimates"], case["std_errors"], strict=True):
        assert abs(row.estimate - estimate) <= ESTIMATE * error, row.term
        assert row.std_error == pytest.approx(error, rel=1e-6), row.term
    assert fit.fit.log_likelihood == pytest.approx(case["log_likelihood"], rel=1e-11)


def test_there_are_enough_cases() -> None:
    assert {case["spec"]["family"] for case in CASES} == {f"hurdle-{name}" for name in BASES}


def data(size: int = 150) -> dict[str, np.ndarray]:
    random = np.random.default_rng(5)
    x = random.normal(size=size)
    y = random.gamma(2.0, np.exp(0.3 * x)) * (random.random(size) > 0.4)
    return {"y": y, "x": x, "f": random.integers(1, 4, size) * 1.0, "g": np.arange(size) % 3 * 1.0}


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("weights", [None, "f"])
def test_the_parts_are_a_binomial_and_the_family_of_the_amounts(base: str, weights: str | None) -> None:
    """With frequency weights the likelihoods add up, log-likelihoods too."""
    columns = data()
    links = {"mu": "log"} if base == "inverse-gaussian" else {}
    whole = glmfit.fit(["y ~ x", "zero ~ g"], columns, family=f"hurdle-{base}", links=links, freq_weights=weights)
    positive = {name: column[columns["y"] > 0] for name, column in columns.items()}
    phi = {"formulas": ("y ~ x", "phi ~ 1")} if base in ("gamma", "inverse-gaussian") else {"formulas": ("y ~ x",)}
    amounts = fit_spec(ModelSpec(**phi, family=base, links=links, freq_weights=weights), positive)
    none = glmfit.fit("n ~ g", {**columns, "n": (columns["y"] == 0) * 1.0}, family="binomial", freq_weights=weights)
    for parameter in {row.parameter for row in amounts.coefficients}:
        assert rows(whole, parameter) == pytest.approx(rows(amounts, parameter), rel=1e-9)
    assert rows(whole, "zero") == pytest.approx(rows(none, "mu"), rel=1e-9)
    assert whole.fit.log_likelihood == pytest.approx(amounts.fit.log_likelihood + none.fit.log_likelihood, rel=1e-12)
    assert whole.exit_code == 0


@pytest.mark.parametrize("base", [*BASES, "exponential", "log-logistic"])
def test_the_error_on_a_zero_leads_to_a_fit(base: str) -> None:
    with pytest.raises(ModelError, match="is 0 in row") as caught:
        glmfit.fit("y ~ x", data(), family=base)
    assert caught.value.code == "outside_support"
    names = [word for word in caught.value.hint.replace(",", "").split() if word.startswith(("hurdle-", "tweedie"))]
    assert len(names) == 2
    for name in names:
        assert glmfit.fit("y ~ x", data(), family=name).exit_code == 0
    with pytest.raises(ModelError) as negative:
        glmfit.fit("y ~ x", {**data(), "y": data()["y"] - 1}, family=base)
    assert "hurdle" not in negative.value.hint


def test_names() -> None:
    for name in ("ziGamma", "zero_inflated_gamma", "hurdle_gamma", "ZAGA"):
        assert find_family(name).name == "hurdle-gamma"
    assert find_family("hurdle_lognormal").name == "hurdle-log-normal"


@pytest.mark.parametrize("base", BASES)
def test_zeros_that_a_level_decides_are_separated(base: str) -> None:
    columns = data()
    columns["y"] = np.where(columns["g"] == 2, 0.0, columns["y"])
    links = {"mu": "log"} if base == "inverse-gaussian" else {}
    fit = glmfit.fit(["y ~ x", "zero ~ C(g)"], columns, family=f"hurdle-{base}", links=links)
    assert fit.exit_code == 5
    assert fit.identification.separation is not None
    (term,) = fit.identification.separation.terms
    assert (term.parameter, term.term, term.direction) == ("zero", "C(g)[T.2]", 1)
    # the amounts are as they are without the level
    assert all(math.isfinite(v) for v in rows(fit, fit.model.main[0]))
    overlap = glmfit.fit(["y ~ x", "zero ~ C(g)"], data(), family=f"hurdle-{base}", links=links, check_separation=True)
    assert overlap.exit_code == 0


def test_moments_hold_whatever_the_dispersion_is_called() -> None:
    import torch

    one = torch.ones(1, dtype=torch.float64)
    gamma = make_family("hurdle-gamma", {})
    # mean 0.75 * 2; E y^2 = 0.75 (0.5 * 4 + 4)
    variance = 0.5 * float(gamma.variance(2 * one, 0.5 * one, 0.25 * one))
    assert variance == pytest.approx(0.75 * 6 - 1.5**2)
