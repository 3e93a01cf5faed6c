"""Maxima that a search may miss: plateaus of a zero part, several peaks in phi, an offset far out, nu without end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import glmfit
from glmfit.result import Fit

FOLDER = Path(__file__).resolve().parents[1] / "reference" / "search"
R = json.loads((FOLDER / "search.json").read_text())
ORCHARD = "sample_data/orchard.csv"


@pytest.mark.parametrize("case", R["sparse"], ids=lambda case: case["name"])
def test_zero_inflated_counts_reach_the_highest_of_many_maxima(case: dict[str, float | str]) -> None:
    found = {}
    for family in ("zip", "zinb"):
        fit = glmfit.fit(["y ~ att*st", "zero ~ att*st"], FOLDER / f"{case['name']}.csv", family=family)
        found[family] = fit.fit.log_likelihood
        # R's BFGS stops on the slope of a zero part without end
        assert found[family] == pytest.approx(case[family], abs=5e-5)
        assert found[family] >= float(case[family]) - 1e-9
    assert found["zinb"] >= found["zip"] - 1e-7


def test_the_highest_of_several_peaks_in_phi() -> None:
    fit = glmfit.fit(
        "y ~ x", FOLDER / "zeros_and_amounts.csv", family="tweedie", fixed={"power": 1.02}, dispersion="ml"
    )
    assert fit.dispersion.estimate == pytest.approx(R["tweedie"]["phi"], rel=1e-7)
    assert fit.fit.log_likelihood == pytest.approx(R["tweedie"]["log_likelihood"], rel=1e-10)


def test_an_intercept_beside_an_offset_far_out() -> None:
    fit = glmfit.fit("dlt ~ 1 + offset(o)", FOLDER / "large_offset.csv", family="binomial")
    expected = R["large_offset"]
    assert fit.exit_code == 0
    assert fit.coefficients[0].estimate == pytest.approx(expected["intercept"], rel=1e-12)
    assert fit.coefficients[0].std_error == pytest.approx(expected["std_error"], rel=1e-9)
    assert fit.fit.log_likelihood == pytest.approx(expected["log_likelihood"], rel=1e-12)
    more = glmfit.fit("dlt ~ dose + offset(o)", FOLDER / "large_offset.csv", family="binomial")
    assert more.fit.null_deviance == pytest.approx(-2 * expected["log_likelihood"], rel=1e-12)


def test_a_bernoulli_response_takes_nu_to_its_end() -> None:
    expected = R["bernoulli"]
    data = {name: np.array(expected[name], dtype=float) for name in ("x", "y")}
    fit = glmfit.fit("y ~ x", data, family="conway-maxwell-poisson")
    assert [finding.code for finding in fit.warnings] == ["at_limit"]
    assert [row.estimate for row in fit.coefficients[:2]] == pytest.approx(expected["coefficients"], rel=1e-7)
    assert fit.fit.log_likelihood == pytest.approx(expected["log_likelihood"], rel=1e-11)


def orchard(family: str, y: str = "fruits") -> Fit:
    return glmfit.fit(f"{y} ~ spray", ORCHARD, family=family)


def test_degrees_of_freedom_are_those_of_mass_pscl_and_glmmtmb() -> None:
    found = {
        "negative_binomial": orchard("negative-binomial"),
        "zero_inflated_negative_binomial": orchard("zero-inflated-negative-binomial"),
        "hurdle_negative_binomial": orchard("hurdle-negative-binomial"),
        "beta_binomial": orchard("beta-binomial", "taken/grafts"),
    }
    assert {name: fit.fit.df_residual for name, fit in found.items()} == R["residual_df"]
