"""A model of a scan is the same model fitted alone: numbers, rows, findings, and what went wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scans import alone, check, close, columns, responses, shared

from glmfit.many.scan.rows import FIRTH
from glmfit.many.scan.run import records, scan
from glmfit.spec import ModelSpec

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
    "ordinal, levels": ("arm ~ {} + age", {"family": "ordinal", "levels": ("c", "a", "b")}),
    "censored": ("amount ~ {} + age", {"family": "weibull", "event": "sex"}),
    "bias reduction": ("yes ~ {} + age", {"family": "binomial", "bias_reduction": "firth"}),
    "gamma": ("amount ~ {} + age", {"family": "gamma", "links": {"mu": "log"}}),
}


@pytest.mark.parametrize("case", CASES)
def test_every_row_is_that_of_the_model_alone(case: str) -> None:
    formula, options = CASES[case]
    check(formula, FRAME, columns(FRAME, seed=len(case), plain=2), **options)


RESPONSES: dict[str, tuple[str, dict[str, Any]]] = {
    "gaussian": ("{} ~ age + arm", {}),
    "gaussian, hc1": ("{} ~ age*sex", {"se": "hc1"}),
    "logit": ("{} ~ age + sex", {"family": "binomial"}),
    "poisson": ("{} ~ age + arm", {"family": "poisson"}),
    "poisson, cluster": ("{} ~ age", {"family": "poisson", "se": "cluster:firm"}),
    "negative binomial": ("{} ~ age + sex", {"family": "negative-binomial"}),
    "gamma, expected": ("{} ~ age + sex", {"family": "gamma", "links": {"mu": "log"}, "se": "expected"}),
    "inverse gaussian": ("{} ~ sex", {"family": "inverse-gaussian", "links": {"mu": "log"}, "weights": "w"}),
    "a call": ("log({}) ~ age", {}),
}


@pytest.mark.parametrize("case", RESPONSES)
def test_every_response_is_that_of_the_model_alone(case: str) -> None:
    formula, options = RESPONSES[case]
    check(formula, FRAME, responses(seed=len(case), plain=2), **options)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("case", CASES)
def test_every_row_of_other_data_is(case: str, seed: int) -> None:
    formula, options = CASES[case]
    frame = shared(100 + seed)
    check(formula, frame, columns(frame, seed=200 + seed, plain=6), **options)


def test_a_likelihood_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "gumbel.py"
    file.write_text(GUMBEL, encoding="utf-8")
    check("real ~ {} + age", FRAME, columns(FRAME, plain=1), family=str(file))


def test_a_separated_model_falls_back_on_firths_penalty() -> None:
    scanned = columns(FRAME, plain=1)
    spec = ModelSpec(formulas=("yes ~ {} + age",), family="binomial")
    found = {
        record.rows[0].column: record.rows[0]
        for record in records(scan(spec, FRAME | scanned, list(scanned), firth_fallback=True))
    }
    for name in ("answer", "half_answer", "rare"):
        (want,) = alone(replace(spec, formulas=(f"yes ~ {name} + age",), bias_reduction="firth"), FRAME | scanned, name)
        assert found[name].status == FIRTH
        close(found[name], want.numbers, name)
    assert found["x0"].status == "ok"


def test_what_is_known_beforehand_is_the_status() -> None:
    found = check("yes ~ {} + age + sex", FRAME, columns(FRAME, plain=1), family="binomial")
    said = {name: rows[0].status for name, rows in found.items()}
    assert {name: status for name, status in said.items() if status != "ok"} == {
        "constant": "constant",
        "constant_holes": "constant",
        "nothing": "no_rows",
        "same": "collinear",
        "nearly": "collinear",
        "inflated": "variance_inflation",
        "answer": "separation",
        "half_answer": "separation",
        "rare": "separation",
        "infinite": "not_finite",
    }
