"""The rows of data as a saved model sees them: which have an answer, and what is refused by name.

That they are those of the fit, and have its log-likelihood, is tested with every reference in tests/whole.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import glmfit
from glmfit.after.newdata import Asked
from glmfit.after.rows import row_log_likelihoods
from glmfit.errors import DataError
from glmfit.table import open_data

DATA = {
    "y": ["no", "yes", "no", "yes", "yes", "no", "yes", "no"],
    "x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0],
    "w": [1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 2.0, 1.0],
    "g": ["a", "a", "a", "b", "b", "b", "b", "c"],
}


def rows(fit: glmfit.fitted.FittedModel, data: object, missing: str = "keep") -> np.ndarray:
    return row_log_likelihoods(fit.opened(), open_data(data), Asked(missing=missing))


def test_rows_that_the_fit_left_out_have_no_answer() -> None:
    fit = glmfit.fit("y ~ x", DATA, family="binomial", freq_weights="w", where="g != 'c'")
    found = rows(fit, DATA, "error")  # neither of the two is an error
    assert np.flatnonzero(np.isnan(found)).tolist() == [2, 7]
    assert np.nansum(found) == pytest.approx(fit.fit.log_likelihood, rel=1e-12)
    # A row by itself is what it is among the others, though its response has one level only.
    alone = {name: values[6:7] for name, values in DATA.items()}
    assert rows(fit, alone) == pytest.approx(found[6:7], rel=1e-14)


def test_a_response_that_the_model_does_not_know_is_named() -> None:
    fit = glmfit.fit("y ~ x", DATA, family="binomial")
    for y, said in (("maybe", "'y' is 'maybe' in row 3"), (None, "'y' is missing in row 3")):
        other = {**DATA, "y": [*DATA["y"][:2], y, *DATA["y"][3:]]}
        with pytest.raises(DataError, match=said):
            rows(fit, other, "error")
        assert np.flatnonzero(np.isnan(rows(fit, other))).tolist() == [2]
    scaled = {"x": DATA["x"], "y": DATA["x"][::-1]}
    with pytest.raises(glmfit.errors.ModelError, match=r"scale\(y\).* not kept"):
        rows(glmfit.fit("scale(y) ~ x", scaled), scaled)
    counts = {"n": [3, 1, 4, 1, 5, 9], "x": [1.0, 2, 3, 4, 5, 6]}
    with pytest.raises(glmfit.errors.ModelError, match="-1 in row 2"):
        rows(glmfit.fit("n ~ x", counts, family="poisson"), {"n": [1, -1], "x": [1.0, 2.0]})


def test_proportions_have_their_weights_as_trials_in_each_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in a run whose proportions are all 0 or 1."""
    share, trials = [0.25, 0.5, 0.0, 1.0, 0.75, 0.2] * 20, [4, 2, 3, 5, 4, 5] * 20
    lines = [f"{p},{m},{k % 7}" for k, (p, m) in enumerate(zip(share, trials, strict=True))]
    path = tmp_path / "shares.csv"
    path.write_text("\n".join(["p,m,x", *sorted(lines)]) + "\n")
    fit = glmfit.fit("p ~ x", str(path), family="binomial", weights="m")
    whole = rows(fit, str(path))
    assert whole.sum() == pytest.approx(fit.fit.log_likelihood, rel=1e-12)
    monkeypatch.setattr("glmfit.table.delimited._RUN", 60)
    np.testing.assert_allclose(rows(fit, str(path)), whole, rtol=1e-13)
