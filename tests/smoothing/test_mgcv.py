"""Smooth terms against mgcv: bases, penalties, fits by REML, ML and GCV, tests and predictions.

Tolerances: bases and penalties 1e-8; fitted values 1e-4 of their standard errors, effective degrees of freedom 1e-3 and
scores 1e-5, where strengths have an end. mgcv's p-values of ranks that are not whole are Davies', to 2e-5. The beta
family states no expected information here, with which mgcv finds its edf and standard errors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import glmfit
from glmfit.fitted import FittedModel
from glmfit.formula import Evaluator, Factor, Numbers
from glmfit.formula.admit import canonical
from glmfit.formula.expression import read
from glmfit.table import Table, open_data

HERE = Path(__file__).parents[1] / "reference" / "smooths"
BASES: Mapping[str, Any] = json.loads((HERE / "bases.json").read_text())
FITS: Mapping[str, Any] = json.loads((HERE / "fits.json").read_text())
DATA = str(HERE / "smooths.csv")
NEW: dict[str, Any] = {
    "x": [-1, 0.5, 3, 9, 12],
    "z": [-4, -1, 0, 1, 4],
    "v": [1, 2, 1.5, 2.5, 3],
    "g": ["a", "b", "c", "a", "b"],
    "h": ["a", "b", "c", "d", "h"],
}
# formulas, and what else is asked for; the rest goes by the names of the references
ASKED: Mapping[str, tuple[Any, dict[str, Any]]] = {
    "gaussian": ("normal ~ s(x, bs='cr')", {}),
    "gaussian_ml": ("normal ~ s(x, bs='cr') + s(z)", {}),
    "gaussian_gcv": ("normal ~ s(x, bs='cr')", {}),
    "gaussian_tp": ("normal ~ s(x, k=15) + g", {}),
    "gaussian_weights": ("normal ~ s(x, bs='ps')", {"weights": "v"}),
    "gaussian_te": ("normal ~ te(x, z)", {}),
    "gaussian_by": ("normal ~ g + s(x, by=g)", {}),
    "gaussian_numeric_by": ("normal ~ s(x, by=v, k=6)", {}),
    "gaussian_re": ("normal ~ s(x) + s(h, bs='re')", {}),
    "poisson": ("count ~ s(x, bs='cr') + s(z)", {}),
    "poisson_ml": ("count ~ s(x, bs='cr') + s(z)", {}),
    "poisson_gcv": ("count ~ s(x, bs='cr') + s(z)", {}),
    "poisson_re": ("count ~ s(x) + s(h, bs='re')", {}),
    "poisson_te": ("count ~ te(x, z, k=[4, 5])", {}),
    "binomial": ("event ~ s(x, bs='cr') + z", {}),
    "probit": ("event ~ s(x, bs='cr')", {"family": "binomial", "links": {"mu": "probit"}}),
    "gamma": ("positive ~ s(x, bs='cr') + s(z)", {"links": {"mu": "log"}}),
    "gamma_gcv": ("positive ~ s(x, bs='cr')", {"links": {"mu": "log"}}),
    "negative_binomial": ("over ~ s(x, bs='cr') + s(z)", {"family": "negative-binomial"}),
    "negative_binomial_re": ("over ~ s(x, bs='cr') + s(h, bs='re')", {"family": "negative-binomial"}),
    "beta": ("share ~ s(x, bs='cr')", {}),
    "ordinal": ("ordered ~ s(x, bs='cr')", {"levels": ("1", "2", "3", "4")}),
    "gaulss": (("spread ~ s(x, bs='cr')", "phi ~ s(z, bs='cr')"), {"family": "gaussian"}),
}
OBSERVED = "beta"  # the only one whose edf and errors are by the observed information, unlike mgcv's
FITTED: dict[str, FittedModel] = {}


def fit_of(name: str) -> FittedModel:
    """The fit of a reference, made once."""
    if name not in FITTED:
        formula, options = ASKED[name]
        family = options.get("family", name.split("_")[0])
        method = FITS[name]["method"]
        rest = {key: value for key, value in options.items() if key != "family"}
        FITTED[name] = glmfit.fit(formula, DATA, family=family, smoothing=None if method == "reml" else method, **rest)
    return FITTED[name]


def table_of(source: Any) -> Table:
    opened = open_data(source)
    return opened.read(list(NEW))


@pytest.mark.parametrize("term", BASES)
def test_bases_and_penalties(term: str) -> None:
    """The same functions of x have the same penalties, at the rows of the fit and beyond."""
    tree = canonical(read(term.replace("c(4, 6)", "[4, 6]"), arithmetic=False))
    factor = Factor.of(tree)
    evaluator = Evaluator(table_of(DATA))
    found = evaluator.factor(factor)
    later = Evaluator(table_of(pd.DataFrame(NEW)), evaluator.state).factor(factor)
    assert isinstance(found, Numbers)
    assert isinstance(later, Numbers)
    whole, beyond = np.column_stack(found.columns), np.column_stack(later.columns)
    random = np.random.default_rng(1)
    for own, theirs in zip(evaluator.penalised[factor.text], BASES[term], strict=True):
        part = slice(own.first, own.first + own.size)
        X, new = np.array(theirs["X"]), np.array(theirs["new"])
        b = random.normal(size=X.shape[1])
        mine = np.linalg.lstsq(whole[::4, part], X @ b)[0]
        assert own.free == theirs["free"]
        np.testing.assert_allclose(whole[::4, part] @ mine, X @ b, rtol=0, atol=1e-8 * np.abs(X @ b).max())
        np.testing.assert_allclose(beyond[:, part] @ mine, new @ b, rtol=0, atol=1e-8 * np.abs(new @ b).max())
        for S, R in zip(own.penalties, theirs["S"], strict=True):
            np.testing.assert_allclose(mine @ S @ mine, b @ np.array(R) @ b, rtol=1e-8)


@pytest.mark.parametrize("name", FITS)
def test_scores_freedom_and_tests(name: str) -> None:
    fit, expected = fit_of(name), FITS[name]
    assert fit.convergence.converged
    assert fit.smoothing is not None
    # the coefficients of log phi are twice those of log sigma: REML integrates over two that are not penalised
    shift = 2 * np.log(2) if name == "gaulss" else 0.0
    np.testing.assert_allclose(fit.smoothing.score + shift, expected["score"], rtol=1e-5)
    theirs = {key: [row[key] for row in expected["smooths"]] for key in ("edf", "ref_df", "statistic", "p_value")}
    np.testing.assert_allclose([r.edf for r in fit.smooths], theirs["edf"], atol=5e-3 if name == OBSERVED else 1e-3)
    if name == OBSERVED:
        return
    np.testing.assert_allclose([r.ref_df for r in fit.smooths], theirs["ref_df"], atol=2e-3)
    np.testing.assert_allclose([r.statistic for r in fit.smooths], theirs["statistic"], rtol=2e-3)
    np.testing.assert_allclose([r.p_value for r in fit.smooths], theirs["p_value"], rtol=0.02, atol=4e-5)
    if name not in ("gaulss", "ordinal"):  # where mgcv's deviance is another
        np.testing.assert_allclose(fit.fit.deviance, expected["deviance"], rtol=1e-6)
        assert fit.smoothing.deviance_explained == pytest.approx(expected["explained"], rel=1e-6)
    if fit.statistic == "z" and not name.startswith(("negative_binomial", "ordinal")):  # whose constants count here
        assert fit.fit.aic == pytest.approx(expected["aic"], abs=2e-3)


@pytest.mark.parametrize("name", FITS)
def test_fitted_values_and_predictions(name: str) -> None:
    """On the scale of the link, at the rows of the fit and at new ones, some of them beyond the range of these."""
    fit, expected = fit_of(name), FITS[name]
    for rows, of, every in ((pd.read_csv(DATA), "fitted", 5), (pd.DataFrame(NEW), "new", 1)):
        theirs, errors = (np.array(expected[key])[:, 0] for key in (of, "se" if of == "fitted" else "new_se"))
        found = fit.predict(rows, "link")[::every]
        mine, own_errors = found["estimate"].to_numpy(), found["std_error"].to_numpy()
        if name == "ordinal":  # whose intercept is that of the cut points here
            assert np.abs((mine - mine[0]) - (theirs - theirs[0])).max() < 1e-4 * errors.min()
            continue
        assert np.abs((mine - theirs) / errors).max() < 1e-4
        if name != OBSERVED:
            np.testing.assert_allclose(own_errors, errors, rtol=1e-4)
