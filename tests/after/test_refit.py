"""A saved model fitted again is the same model, whatever was asked for; other data are refused with what differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import glmfit
from glmfit.after.refit import check_estimates, dense_rows_of, rows_of, specification
from glmfit.after.saved import read_fitted
from glmfit.commands.app import main
from glmfit.errors import DataError, UsageError
from glmfit.estimate.pipeline import fit_data

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "sample_data"
FITS: dict[str, list[str]] = {
    "plain": ["mtcars.csv", "--y", "mpg", "--x", "wt,hp", "--no-intercept", "--level", "0.9"],
    "counts": [
        *("quine.csv", "Days ~ Sex*Age + Eth", "alpha ~ Sex", "-f", "nb", "--where", "Lrn == 'AL'"),
        *("--se", "cluster:Age", "--small-sample", "cr1", "--start", "Sex[T.M]=0.1", "--missing", "error"),
    ],
    "trials": ["budworm.csv", "dead/n ~ sex*log(dose)", "-f", "binomial", "--link", "probit", "--se", "hc0"],
    "exposure": ["insurance.csv", "Claims ~ District", "-f", "poisson", "--exposure", "Holders", "--ci", "profile"],
    "ordered": ["housing.csv", "Sat ~ Infl", "-f", "ordinal", "--freq-weights", "Freq", "--levels", "Low,Medium,High"],
    "held": ["quine.csv", "Days ~ Sex", "-f", "nb", "--fix", "alpha=1", "--tol", "1e-9", "--na", "n/a"],
}


def save(tmp_path: Path, arguments: list[str]) -> str:
    path = str(tmp_path / "model.json")
    data, *rest = arguments
    assert main(["fit", str(SAMPLE / data), *rest, "--save", path, "-q", "-o", str(tmp_path / "fit.txt")]) in (0, 4, 5)
    return path


@pytest.mark.parametrize("name", FITS)
def test_a_model_is_fitted_again(name: str, tmp_path: Path) -> None:
    data = SAMPLE / FITS[name][0]
    model = read_fitted(save(tmp_path, FITS[name]))
    again = fit_data(rows_of(model, data))
    assert str(again.coefficients) == str(model.coefficients)  # NaN is NaN
    assert str(again.covariance) == str(model.covariance)
    assert again.model == model.model
    assert specification(again) == specification(model)
    check_estimates(model, again, "the data")


def test_a_likelihood_of_ones_own_is_fitted_again(tmp_path: Path) -> None:
    file = str(SAMPLE / "likelihoods" / "cox.py")
    model = read_fitted(save(tmp_path, ["veteran.csv", "time ~ karno + celltype", "-f", file]))
    with pytest.raises(UsageError) as caught:
        specification(model)
    assert caught.value.code == "family_file"
    assert dense_rows_of(model, SAMPLE / "veteran.csv", file).n == model.data.rows_used


def test_other_data_are_refused_with_what_differs() -> None:
    data: dict[str, Any] = {"y": [1, 2, 0, 4, 3, 1.0], "x": [1, 2, 3, 4, 5, 7.0], "w": [1, 2, 1, 2, 1, 2]}
    model = glmfit.fit("y ~ x", data, family="poisson", freq_weights="w")

    def again(changes: dict[str, Any]) -> None:
        check_estimates(model, fit_data(rows_of(model, {**data, **changes})), "the frame")

    def refusal(**changes: Any) -> str:
        with pytest.raises(DataError) as caught:
            again(changes)
        assert caught.value.code == "other_data"
        return caught.value.message

    assert "6 rows" in refusal(x=[1, 2, 3, 4, 5, None])
    assert "responses" in refusal(y=data["y"][::-1])
    assert "weights" in refusal(w=[1, 2, 1, 2, 2, 2])
    assert "a covariate differs" in refusal(x=[7.0, 2, 3, 4, 5, 1])
