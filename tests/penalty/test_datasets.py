"""Published data with random effects against glmmTMB, polished, and sums in R: write_datasets.R and write_wine.R in
tests/reference/random.

log-likelihoods to 1e-6, coefficients to 1e-5 of their standard errors, standard errors to 1e-4: those of glmmTMB are
differences of gradients.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import glmfit

_FOLDER = Path(__file__).parents[1] / "reference" / "random"
_DOCUMENT = json.loads((_FOLDER / "datasets.json").read_text(encoding="utf-8"))
CASES: dict[str, dict[str, Any]] = {case["name"]: case for case in _DOCUMENT["cases"]}
PARAMETERS = {"beta": "mu", "betazi": "zero", "betad": "alpha"}


def frame(name: str) -> pd.DataFrame:
    if name == "contraception":
        document = json.loads((_FOLDER / "quadrature.json").read_text(encoding="utf-8"))
        return pd.DataFrame(document["frames"][name])
    if name == "verbagg":  # a text of 24 responses for each of 316 persons
        found = _DOCUMENT["frames"][name]
        persons, items = pd.DataFrame(found["persons"]), pd.DataFrame(found["items"])
        persons["responses"] = found["responses"]
        whole = persons.merge(items.assign(place=range(len(items))), how="cross")
        return whole.assign(y=[int(text[at]) for text, at in zip(whole["responses"], whole["place"], strict=True)])
    return pd.DataFrame(_DOCUMENT["frames"][name])


@pytest.mark.parametrize("name", CASES)
def test_fits_are_those_of_the_peers(name: str) -> None:
    case = CASES[name]
    asked = dict(case["glmfit"])
    fit = glmfit.fit(asked.pop("formulas"), frame(case["data"]), **asked)
    assert fit.convergence.converged
    assert fit.fit.log_likelihood == pytest.approx(case["log_likelihood"], abs=1e-6)
    estimate, error = np.array(case["estimate"]), np.array(case["std_error"])
    _check_coefficients(case, fit, estimate, error)
    assert fit.random_effects is not None
    sizes = [math.log(one.estimate) for term in fit.random_effects.terms for one in term.deviations]
    if name != "contraception":  # whose theta ends with a correlation
        assert sizes == pytest.approx(np.atleast_1d(case["theta"]).tolist(), abs=1e-4)


def _check_coefficients(case: dict[str, Any], fit: Any, estimate: np.ndarray, error: np.ndarray) -> None:
    names = np.array(case["parameter"])
    for kind, parameter in PARAMETERS.items():
        mine = [one for one in fit.coefficients if one.parameter == parameter]
        at = names == kind
        if not mine:
            continue
        sign = -1.0 if kind == "betad" else 1.0  # glmmTMB 1.1.5: log(1/alpha)
        if kind == "betad" and fit.model.family == "negative-binomial-1":
            sign = 1.0
        found, errors = np.array([one.estimate for one in mine]), np.array([one.std_error for one in mine])
        assert np.allclose(sign * found, estimate[at], rtol=0, atol=1e-5 * error[at])
        assert np.allclose(errors, error[at], rtol=1e-4)


@pytest.mark.parametrize("place", [0, 1])
def test_an_ordered_response_has_the_numbers_of_sums_in_R(place: int) -> None:
    document = json.loads((_FOLDER / "wine.json").read_text(encoding="utf-8"))
    case, formula = document["cases"][place], "rating ~ temp + contact + (1 | judge)"
    fit = glmfit.fit(formula, pd.DataFrame(document["frame"]), family="ordinal", quadrature=case["nodes"])
    assert fit.fit.log_likelihood == pytest.approx(case["log_likelihood"], abs=1e-8)
    assert fit.fit.log_likelihood == pytest.approx(case["clmm"], abs=1e-6)
    error = np.array(case["std_error"])
    assert np.allclose([one.estimate for one in fit.coefficients], case["estimate"], rtol=0, atol=1e-6 * error)
    assert np.allclose([one.std_error for one in fit.coefficients], error, rtol=1e-6)
    assert fit.random_effects is not None
    size = fit.random_effects.terms[0].deviations[0]
    assert size.estimate == pytest.approx(case["sd"], rel=1e-6)
    assert size.std_error / size.estimate == pytest.approx(case["log_sd_error"], rel=1e-6)
