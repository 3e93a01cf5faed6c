"""Adaptive quadrature: derivatives against differences, fits against sums node by node in R and glmer's nAGQ.

tests/reference/random/write_quadrature.R: log-likelihoods to 1e-6 (glmer's own inner search is good to that), those of
the sums and coefficients to 1e-5 of their standard errors, standard errors to 1e-5.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

import glmfit
from glmfit.design import Categorical
from glmfit.errors import GlmfitError
from glmfit.model import Model, assemble
from glmfit.penalty import Covariance, Laplace, PenalisedTerm, Quadrature, penalised
from glmfit.rows import read
from glmfit.spec import ModelSpec

_DOCUMENT = json.loads(
    (Path(__file__).parents[1] / "reference" / "random" / "quadrature.json").read_text(encoding="utf-8")
)
CASES: dict[str, dict[str, Any]] = {case["name"]: case for case in _DOCUMENT["cases"]}
N = 200
_RANDOM = np.random.default_rng(7)
X = _RANDOM.normal(size=N)
G = _RANDOM.integers(0, 40, N)
B = _RANDOM.normal(size=(40, 2)) * [0.7, 0.4]
COUNT = _RANDOM.poisson(np.exp(0.3 + 0.5 * X + B[G, 0] + B[G, 1] * X))
STEP = 1e-3


def effects(parameter: str, d: int, first: int = 0) -> PenalisedTerm:
    """(x | g), (1 | g) or (0 + x | g)."""
    code, own = torch.from_numpy(G.astype(np.int64)), torch.arange(40)
    blocks = (Categorical(code, own, 40), Categorical(code, own, 40, torch.from_numpy(X)))[first : first + d]
    places = tuple(own + 40 * j for j in range(d))
    return PenalisedTerm(parameter, "", blocks, places, torch.stack(places, dim=1), Covariance(d))


def model(family: str, formulas: tuple[str, ...]) -> Model:
    return assemble(read(ModelSpec(formulas=formulas, family=family), {"y": COUNT, "x": X}))


def differences(value: Any, at: Tensor) -> Tensor:
    """The derivatives of `value`, an error of STEP^4."""
    out = []
    for e in STEP * torch.eye(len(at), dtype=torch.float64):
        near, far = value(at + e) - value(at - e), value(at + 2 * e) - value(at - 2 * e)
        out.append((8 * near - far) / (12 * STEP))
    return torch.stack(out)


MODELS = {
    "slopes": ("poisson", ("y ~ x",), [effects("mu", 2)]),
    "apart": ("poisson", ("y ~ x",), [effects("mu", 1), effects("mu", 1, 1)]),
    "two parameters": ("negative-binomial", ("y ~ x", "alpha ~ x"), [effects("mu", 1), effects("alpha", 1)]),
}


@pytest.mark.parametrize("name", MODELS)
def test_derivatives_are_exact_and_one_node_is_laplaces(name: str) -> None:
    family, formulas, terms = MODELS[name]
    of = penalised(model(family, formulas), terms)
    p, k = of.sizes
    psi = torch.cat([torch.linspace(-0.4, 0.3, p), torch.linspace(-0.7, 0.4, k)]).double()
    many = Quadrature(of, points=4)
    _, gradient, hessian = many.derivatives(psi)
    slopes = differences(lambda at: torch.tensor(many.value(at), dtype=torch.float64), psi)
    curvature = differences(lambda at: many.derivatives(at)[1], psi)
    assert torch.allclose(gradient, slopes, rtol=0, atol=1e-9 * float(gradient.abs().max()))
    assert torch.allclose(hessian, curvature, rtol=0, atol=1e-9 * float(hessian.abs().max()))
    value, first, second = Quadrature(of, points=1).derivatives(psi)
    laplace = Laplace(of).derivatives(psi)
    assert value == pytest.approx(laplace[0], rel=1e-13)
    assert torch.allclose(first, laplace[1], rtol=1e-11, atol=1e-11)
    assert torch.allclose(second, laplace[2], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", CASES)
def test_fits_are_those_of_sums_in_R(name: str) -> None:
    case = CASES[name]
    asked = dict(case["glmfit"])
    fit = glmfit.fit(asked.pop("formulas"), pd.DataFrame(_DOCUMENT["frames"][case["data"]]), **asked)
    assert fit.convergence.converged
    assert fit.random_effects is not None
    assert (fit.random_effects.integral, fit.random_effects.nodes) == ("quadrature", asked["quadrature"])
    # Where the rule is only fine, and not the same, it is so to 1e-6.
    assert fit.fit.log_likelihood == pytest.approx(case["log_likelihood"], abs=1e-6 if case["points"] is None else 1e-7)
    if case["glmer"] is not None:
        assert fit.fit.log_likelihood == pytest.approx(case["glmer"], abs=1e-6)
    estimate, error = np.array(case["estimate"]), np.array(case["std_error"])
    mine = [one for one in fit.coefficients if one.parameter == "mu"]
    assert np.allclose([one.estimate for one in mine], estimate, rtol=0, atol=1e-5 * error)
    assert np.allclose([one.std_error for one in mine], error, rtol=1e-5, atol=0)
    deviations = fit.random_effects.terms[0].deviations
    assert [one.estimate for one in deviations] == pytest.approx(np.atleast_1d(case["sd"]).tolist(), rel=1e-5)
    if case["log_sd_error"] is not None:
        assert deviations[0].std_error / deviations[0].estimate == pytest.approx(case["log_sd_error"], rel=1e-5)


REFUSED = {
    "two factors": (["y ~ time + (1 | g) + (1 | time)"], {}, "no_quadrature"),
    "reml": (["y ~ time + (1 | g)"], {"family": "gaussian", "reml": True}, "no_quadrature"),
    "exact": (["y ~ time + (1 | g)"], {"family": "gaussian"}, "no_quadrature"),
    "too many": (["y ~ time + (time | g)"], {"quadrature": 100 + 1}, "invalid_value"),
    "too many together": (["y ~ time + (C(time > 1) + time | g)"], {"quadrature": 30}, "no_quadrature"),
    "none": (["y ~ time + (1 | g)"], {"quadrature": 0}, "invalid_value"),
    "no random effect": (["y ~ time"], {}, "contradiction"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_quadrature_is_refused(name: str) -> None:
    formulas, options, code = REFUSED[name]
    data = pd.DataFrame(_DOCUMENT["frames"]["toenail"]).head(80).assign(time=lambda d: d["time"].round())
    with pytest.raises(GlmfitError) as refused:
        glmfit.fit(formulas, data, **{"family": "binomial", "quadrature": 9, **options})
    assert refused.value.code == code
    assert refused.value.hint


def test_modes_do_not_depend_on_nodes_and_one_node_is_laplaces() -> None:
    data = pd.DataFrame(_DOCUMENT["frames"]["cbpp"])
    plain, one, many = (
        glmfit.fit("y/size ~ C(period) + (1 | g)", data, family="binomial", quadrature=nodes) for nodes in (None, 1, 25)
    )
    assert one.fit.log_likelihood == plain.fit.log_likelihood
    assert one.random_effects == plain.random_effects
    assert many.random_effects is not None
    assert many.random_effects.terms[0].modes is not None
    b = np.array([mode.estimate for mode in many.random_effects.terms[0].modes])
    size = many.random_effects.terms[0].deviations[0].estimate
    coefficients = {c.term: c.estimate for c in many.coefficients}
    shift = data["period"].astype(str).map(lambda level: coefficients.get(f"C(period)[T.{level}]", 0.0))
    code = pd.factorize(data["g"], sort=True)[0]
    eta = coefficients["Intercept"] + shift + b[code]
    score = np.bincount(code, data["y"] - data["size"] / (1 + np.exp(-eta))) - b / size**2
    assert np.abs(score).max() < 1e-7
    assert math.isfinite(many.random_effects.icc)
