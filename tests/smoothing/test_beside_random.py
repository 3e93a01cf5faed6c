"""Smooths beside random effects against mgcv, of which s(g, bs = "re") is the same model, and gamm4.

Tolerances: fitted values 1e-4 of their standard errors, effective degrees of freedom 1e-3, scores 1e-5, standard
deviations 1e-4. gamm4's optimum is that of lme4's search, which has fewer digits: 1e-3.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import glmfit
from glmfit.errors import GlmfitError
from glmfit.fitted import FittedModel
from glmfit.report import to_json, to_table
from glmfit.report.saved import model_from_json, model_json

HERE = Path(__file__).parents[1] / "reference" / "smooths"
WRITTEN: Mapping[str, Any] = json.loads((HERE / "mixed.json").read_text())
DATA = str(HERE / "mixed.csv")
ROWS = pd.read_csv(DATA)[::10]
# formulas, the family, and mgcv's names of what are random effects here
ASKED: Mapping[str, tuple[Any, str, tuple[str, ...]]] = {
    "poisson": ("count ~ s(x) + (1 | g)", "poisson", ("s(g)",)),
    "poisson_ml": ("count ~ s(x) + (1 | g)", "poisson", ("s(g)",)),
    "binomial": ("event ~ s(x, bs='cr') + z + (1 | h)", "binomial", ("s(h)",)),
    "negative_binomial": ("over ~ s(x) + s(z) + (1 | h)", "negative-binomial", ("s(h)",)),
    "gaussian_by": ("normal ~ f + s(x, by=f) + (1 | g) + (1 | h)", "gaussian", ("s(g)", "s(h)")),
    "gaussian_ml": ("normal ~ s(x, bs='ps') + (1 | g)", "gaussian", ("s(g)",)),
    "gaussian_te": ("normal ~ te(x, z) + (x || h)", "gaussian", ("s(h)", "s(x,h)")),
    "gaulss": (("spread ~ s(x, bs='cr') + (1 | h)", "phi ~ s(z, bs='cr')"), "gaussian", ("s(h)",)),
}
FITTED: dict[str, FittedModel] = {}


def fit_of(name: str) -> FittedModel:
    """The fit of a reference, made once."""
    if name not in FITTED:
        formula, family, _ = ASKED[name]
        smoothing = "ml" if name.endswith("_ml") else None
        FITTED[name] = glmfit.fit(formula, DATA, family=family, smoothing=smoothing)
    return FITTED[name]


@pytest.mark.parametrize("name", ASKED)
def test_the_model_is_mgcvs(name: str) -> None:
    fit, expected = fit_of(name), WRITTEN["gam"][name]
    assert fit.convergence.converged
    assert fit.smoothing is not None
    assert fit.random_effects is not None
    # the coefficients of log phi are twice those of log sigma: REML integrates over two that are not penalised
    shift = 2 * math.log(2) if name == "gaulss" else 0.0
    np.testing.assert_allclose(fit.smoothing.score + shift, expected["score"], rtol=1e-5)
    assert fit.fit.log_likelihood == pytest.approx(-fit.smoothing.score)
    theirs = {key: [row[key] for row in expected["smooths"]] for key in ("edf", "ref_df", "statistic", "p_value")}
    np.testing.assert_allclose([row.edf for row in fit.smooths], theirs["edf"], atol=1e-3)
    np.testing.assert_allclose([row.ref_df for row in fit.smooths], theirs["ref_df"], atol=2e-3)
    np.testing.assert_allclose([row.statistic for row in fit.smooths], theirs["statistic"], rtol=2e-3)
    np.testing.assert_allclose([row.p_value for row in fit.smooths], theirs["p_value"], rtol=0.02, atol=4e-5)
    sizes = [one.estimate for term in fit.random_effects.terms for one in term.deviations]
    np.testing.assert_allclose(sizes, [expected["sd"][key][0] for key in ASKED[name][2]], rtol=1e-4)
    if name == "negative_binomial":
        assert fit.auxiliary[0].estimate == pytest.approx(1 / expected["theta"][0], rel=1e-4)
    elif "scale" in expected["sd"]:
        assert fit.auxiliary[0].estimate == pytest.approx(expected["sd"]["scale"][0] ** 2, rel=1e-4)


@pytest.mark.parametrize("name", ASKED)
def test_predictions_are_mgcvs(name: str) -> None:
    """With the effects of the levels, and without them, as `exclude` leaves them out."""
    fit, expected = fit_of(name), WRITTEN["gam"][name]
    errors = np.array(expected["se"])
    for random, of in (("include", "fitted"), ("zero", "smooth")):
        found = fit.predict(ROWS, "link", random=random)
        assert np.abs((found["estimate"] - expected[of]) / errors).max() < 1e-4
    if name == "gaussian_ml":  # whose phi is that of maximum likelihood here, Pearson's in mgcv
        errors = errors * math.sqrt(fit.auxiliary[0].estimate / expected["dispersion"])
    np.testing.assert_allclose(found["std_error"], errors, rtol=1e-4)


@pytest.mark.parametrize("method", ["reml", "ml"])
def test_correlated_effects_are_gamm4s(method: str) -> None:
    fit, expected = glmfit.fit("normal ~ s(x, bs='cr') + (x | h)", DATA, smoothing=method), WRITTEN["gamm4"][method]
    assert fit.random_effects is not None
    (term,) = fit.random_effects.terms
    found = [one.estimate for one in term.deviations] + [term.correlations[0].estimate]
    np.testing.assert_allclose(found, expected["sd"][:3], rtol=1e-3, atol=1e-4)
    assert fit.auxiliary[0].estimate == pytest.approx(expected["sd"][3] ** 2, rel=1e-4)
    assert fit.smooths[0].edf == pytest.approx(expected["edf"], abs=2e-3)
    mine = fit.predict(ROWS, "link", random="zero")
    assert np.abs((mine["estimate"] - expected["smooth"]) / mine["std_error"]).max() < 1e-3
    if method == "ml":  # of REML the columns that are not penalised differ by a factor
        assert fit.fit.log_likelihood == pytest.approx(expected["log_likelihood"], abs=1e-5)


def test_what_is_said_and_kept() -> None:
    fit = fit_of("gaussian_by")
    text = to_table(fit, plain=True)
    assert max(map(len, text.splitlines())) <= 80
    assert "s(x, by=f)[a]" in text
    assert "(1 | g), 230 levels" in text
    document = json.loads(to_json(fit))
    assert [row["term"] for row in document["smooths"]] == ["s(x, by=f)[a]", "s(x, by=f)[b]"]
    assert document["covariance"]["kind"] == "bayesian"
    again = FittedModel.of(model_from_json(model_json(fit), "model.json"))
    for random in ("include", "zero"):
        pd.testing.assert_frame_equal(
            again.predict(ROWS, "link", random=random), fit.predict(ROWS, "link", random=random)
        )


@pytest.mark.parametrize(
    ("formula", "options", "code"),
    [
        ("count ~ s(x) + (1 | g)", {"smoothing": "gcv"}, "random_excludes"),
        ("normal ~ s(x) + (1 | g)", {"family": "gaussian", "smoothing": "ml", "reml": True}, "contradiction"),
        ("count ~ s(x) + s(h, bs='re') + (1 | g)", {}, "random_excludes"),
    ],
)
def test_what_is_refused(formula: str, options: dict[str, Any], code: str) -> None:
    with pytest.raises(GlmfitError) as raised:
        glmfit.fit(formula, DATA, **{"family": "poisson", **options})
    assert raised.value.code == code
    assert raised.value.hint


@pytest.mark.parametrize("expected", json.loads((HERE / "apart.json").read_text()), ids=lambda one: str(one["k"]))
def test_a_strength_without_end_in_a_tensor_product(expected: Mapping[str, Any]) -> None:
    fit = glmfit.fit(f"yg ~ te(x, z, k={expected['k']}) + (1 | g)", str(HERE / "apart.csv"))
    assert fit.exit_code == 0
    assert fit.smoothing is not None
    assert fit.random_effects is not None
    np.testing.assert_allclose(fit.smoothing.score, expected["score"], rtol=1e-7)
    assert fit.smooths[0].edf == pytest.approx(expected["edf"], abs=1e-3)
    assert fit.random_effects.terms[0].deviations[0].estimate == pytest.approx(expected["sd"], rel=1e-4)
