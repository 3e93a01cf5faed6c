"""`glmfit residuals` and `glmfit simulate`: rows, formats, what is left out by name, and the fit at a glance.

Numbers are held against R in test_residuals_reference.py, sums and moments for every reference in tests/whole.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
import scipy.special
import torch
from test_residuals_reference import DOCUMENT, saved

import glmfit
from glmfit.after.anscombe import anscombe
from glmfit.after.diagnosis import diagnosis
from glmfit.after.newdata import Asked
from glmfit.commands.app import main
from glmfit.report import schema
from glmfit.table import open_data

ROOT = Path(__file__).resolve().parents[2]
INTERIOR = str(ROOT / "tests" / "reference" / "data" / "interior.csv")
SOURCE = "sample_data/insurance.csv"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The commands in a folder of its own, beside a model with an exposure in model.json."""
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    monkeypatch.chdir(tmp_path)

    def one(*words: str) -> tuple[int, str, str]:
        status = main(list(words))
        return (status, *capsys.readouterr())

    words = ("fit", SOURCE, "Claims ~ C(District) + Group + Age", "-f", "poisson", "--exposure", "Holders")
    assert one(*words, "--save", "model.json", "-o", "fit.txt")[0] == 0
    return one


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


# ---- Rows ----


def test_a_row_for_each_row_whatever_the_runs(claims: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("residuals", "model.json", SOURCE, "--keep", "Age", "--dfbeta")
    status, out, err = claims(*words)
    assert (status, err) == (0, "")
    table = pd.read_csv(io.StringIO(out))
    assert list(table)[:2] == ["Age", "fitted"]
    assert "dfbeta[C(District)[T.2]]" in table
    assert len(table) == 64
    assert claims(*words, "-o", "r.parquet")[0] == 0
    np.testing.assert_array_equal(pd.read_parquet("r.parquet")["dffits"], table["dffits"])
    monkeypatch.setattr("glmfit.table.delimited._RUN", 300)
    again = pd.read_csv(io.StringIO(claims(*words)[1]))  # the random numbers are those of the rows as well
    np.testing.assert_allclose(again.iloc[:, 1:], table.iloc[:, 1:], rtol=1e-9, atol=1e-13)
    other = pd.read_csv(io.StringIO(claims(*words, "--seed", "2")[1]))
    assert (other["quantile"] != table["quantile"]).all()
    assert (other["pearson"] == table["pearson"]).all()
    assert claims("residuals", "model.json", SOURCE, "--seed", "-1")[0] == 2
    assert claims("residuals", "model.json", SOURCE, "--check", "--dfbeta")[0] == 2


def test_rows_that_were_not_fitted_have_residuals_and_no_leverage(claims: Run) -> None:
    lines = Path(SOURCE).read_text().splitlines()
    Path("some.csv").write_text("\n".join(lines[:30]) + "\n")
    status, out, err = claims("residuals", "model.json", "some.csv")
    assert status == 0
    assert "leverage, cooks_distance, dffits and covratio are empty: the rows are not those" in err
    assert err.endswith("more: glmfit explain empty_columns\n")
    found, whole = rows(out), rows(claims("residuals", "model.json", SOURCE)[1])
    assert [row["leverage"] for row in found] == [""] * 29
    for name in ("fitted", "deviance", "anscombe", "quantile"):
        assert [float(row[name]) for row in found] == pytest.approx([float(row[name]) for row in whole[:29]], rel=1e-12)
    fields = lines[3].split(",")
    Path("some.csv").write_text("\n".join([*lines[:3], lines[3].replace(fields[1], "huge"), *lines[4:]]) + "\n")
    assert claims("residuals", "model.json", "some.csv")[0] == 3
    _, out, err = claims("residuals", "model.json", "some.csv", "--missing", "keep")
    assert set(rows(out)[2].values()) == {""}
    assert "1 row has no residuals" in err


def test_residuals_of_a_true_model_are_normal() -> None:
    """Whatever the family: discrete, with a lump at 0, in categories; and those of another model are not."""
    random = np.random.default_rng(3)
    n = 4000
    x = random.normal(size=n)
    mu = np.exp(0.5 + 0.4 * x)
    zip_, level = random.poisson(mu) * (random.random(n) > 0.3), x + random.logistic(size=n)
    frame = pd.DataFrame({"x": x, "zip": zip_, "level": np.digitize(level, [-1, 0.5]) + 1})
    frame["amount"] = random.gamma(2, mu / 2) * (random.random(n) > 0.2)
    for formula, family in (("zip ~ x", "zero-inflated-poisson"), ("level ~ x", "ordinal"), ("amount ~ x", "tweedie")):
        q = np.sort(glmfit.fit(formula, frame, family=family).residuals(frame)["quantile"])
        distance = np.abs(scipy.special.ndtr(q) - (np.arange(n) + 0.5) / n).max()
        assert distance < (1.63 / np.sqrt(n) if family != "tweedie" else 1), family
    checks = glmfit.fit("zip ~ x", frame, family="poisson").check(frame).set_index("check")
    assert (checks.loc[["dispersion", "zeros", "uniformity"], "p_value"] < 1e-6).all()


def test_anscombe_is_the_closed_form_where_there_is_one() -> None:
    y = torch.tensor([0.0, 1e-3, 0.5, 3.0, 50.0, 1e4], dtype=torch.float64)
    mu = torch.full_like(y, 2.0)
    alpha = 0.7

    def of_counts(t: torch.Tensor) -> np.ndarray:
        return 1.5 * t.numpy() ** (2 / 3) * scipy.special.hyp2f1(1 / 3, 2 / 3, 5 / 3, -alpha * t.numpy())

    for variance, a in (
        (lambda t: t, lambda t: 1.5 * t.numpy() ** (2 / 3)),
        (lambda t: t**2, lambda t: 3 * t.numpy() ** (1 / 3)),
        (lambda t: t + alpha * t**2, of_counts),
    ):
        expected = (a(y) - a(mu)) / variance(mu).numpy() ** (1 / 6)
        np.testing.assert_allclose(anscombe(y, mu, lambda t, rows, v=variance: v(t)), expected, rtol=1e-9)
    p = {"dead": [0, 3, 8, 10], "n": [10, 10, 10, 10], "x": [1.0, 2.0, 3.0, 4.0]}
    found = glmfit.fit("dead/n ~ x", p, family="binomial").residuals(p)

    def beta(share: np.ndarray) -> np.ndarray:
        return scipy.special.betainc(2 / 3, 2 / 3, share) * scipy.special.beta(2 / 3, 2 / 3)

    m = found["fitted"].to_numpy()
    expected = np.sqrt(10) * (beta(np.array(p["dead"]) / 10) - beta(m)) / (m * (1 - m)) ** (1 / 6)
    np.testing.assert_allclose(found["anscombe"], expected, rtol=1e-9)


# ---- The fit at a glance ----


@pytest.mark.parametrize("name", ["binomial", "poisson"])
def test_checks_are_those_of_r(name: str) -> None:
    expected = DOCUMENT["checks"][name]
    records = diagnosis(saved(expected), open_data(INTERIOR), Asked(), 1)
    found = {row["check"]: row for row in records.rows}
    for key, check, value in (
        ("link", "link", "statistic"),
        ("dispersion", "dispersion", "statistic"),
        ("dispersion_p", "dispersion", "p_value"),
        ("zeros_z", "zeros", "statistic"),
        ("hosmer_lemeshow", "hosmer-lemeshow", "statistic"),
        ("hosmer_lemeshow_p", "hosmer-lemeshow", "p_value"),
        ("auc", "auc", "statistic"),
        ("brier", "brier", "statistic"),
    ):
        if key in expected:
            assert found[check][value] == pytest.approx(expected[key], rel=1e-7), key
    for term, gvif in expected["vif"].items():
        assert found[f"vif {term}"]["statistic"] == pytest.approx(gvif, rel=1e-8)
    assert {row["verdict"] for row in records.rows if row["check"] == "calibration slope"} <= {
        "as it should be, near 1"
    }


def test_the_check_is_a_table_and_a_document(claims: Run) -> None:
    status, out, err = claims("residuals", "model.json", SOURCE, "--check")
    assert (status, err) == (0, "")
    assert "vif C(District)" in out
    assert max(map(len, out.splitlines())) <= 80
    document = json.loads(claims("residuals", "model.json", SOURCE, "--check", "--json")[1])
    jsonschema.validate(document, schema("glmfit/diagnosis/1"))
    table = rows(claims("residuals", "model.json", SOURCE, "--check", "--format", "csv")[1])
    assert [row["check"] for row in table] == [row["check"] for row in document["checks"]]
    assert document["warnings"] == []


def test_units_of_frequency_weights_are_checked_as_rows_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Grouped and single rows have the same verdicts, of a true model and of a wrong one; else the reason is said."""
    random = np.random.default_rng(5)
    x = random.integers(0, 2, 2000)
    single = pd.DataFrame({"x": x, "y": random.poisson(3 + x), "wide": random.negative_binomial(2, 0.4, 2000)})
    for y, true in (("y", True), ("wide", False)):
        grouped = single.groupby(["x", y]).size().reset_index(name="f")
        one = glmfit.fit(f"{y} ~ x", single, family="poisson").check(single).set_index("check")
        fit = glmfit.fit(f"{y} ~ x", grouped, family="poisson", freq_weights="f")
        many = fit.check(grouped).set_index("check")
        for checks in (one, many):
            assert (checks.loc["uniformity", "p_value"] > 0.05) == true
            assert (checks.loc["outliers", "p_value"] > 0.05) == true
        assert many.loc["uniformity", "statistic"] == pytest.approx(one.loc["uniformity", "statistic"], abs=0.02)
    monkeypatch.setattr("glmfit.after.units.MOST_UNITS", 1999)
    verdicts = fit.check(grouped).set_index("check")["verdict"]
    assert verdicts["uniformity"] == verdicts["outliers"] == "cannot be tested: over 1999 units"
    halves = grouped.assign(f=grouped["f"] / 2)
    verdicts = fit.check(halves).set_index("check")["verdict"]
    assert verdicts["uniformity"] == "cannot be tested: frequencies are not whole"


def test_influential_rows_are_named() -> None:
    x = [float(v) for v in range(20)]
    y = [2.0 + 0.5 * v + 0.1 * (-1) ** int(v) for v in x]
    y[19] = 40.0
    checks = glmfit.fit("y ~ x", {"x": x, "y": y}).check({"x": x, "y": y}).set_index("check")
    assert checks.loc["influence", "rows"] == "20"
    assert checks.loc["outliers", "rows"] == "20"


def test_what_has_no_answer_is_left_out_of_the_check() -> None:
    """Separated rows whose linear predictor is infinite less infinite, and a density that states no mean."""
    data = {"y": [0, 0, 0, 1, 1, 1], "x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]}
    separated = glmfit.fit("y ~ x", data, family="binomial")
    assert separated.residuals(data).isna().all(axis=None)
    assert separated.check(data)["check"].tolist() == ["none"]
    wind = pd.read_csv(ROOT / "sample_data" / "airquality.csv")
    own = glmfit.fit("Wind ~ Temp", wind, family=str(ROOT / "sample_data" / "likelihoods" / "gumbel.py"))
    assert own.check(wind)["verdict"].tolist() == ["nothing to rest a check on"]


# ---- Simulation ----


def test_draws(claims: Run) -> None:
    words = ("simulate", "model.json", SOURCE, "--seed", "3")
    status, out, err = claims(*words, "--draws", "4")
    assert (status, err) == (0, "")
    long = pd.read_csv(io.StringIO(out))
    assert list(long) == ["row", "draw", "response"]
    wide = pd.read_csv(io.StringIO(claims(*words, "--draws", "4", "--wide", "--keep", "Claims")[1]))
    assert list(wide) == ["Claims", "draw1", "draw2", "draw3", "draw4"]
    np.testing.assert_array_equal(wide.iloc[:, 1:].to_numpy().ravel(), long["response"])
    assert claims(*words, "--draws", "0")[0] == 2
    status, out, err = claims("simulate", "model.json", SOURCE, "--exposure", "0")
    assert (status, out) == (2, "")


@pytest.mark.parametrize("kind", ["gamma", "inverse-gaussian", "log-normal", "weibull"])
def test_draws_of_amounts_with_zeros(kind: str) -> None:
    """Their means are those of the model; other families are held against it in tests/whole."""
    random = np.random.default_rng(8)
    x = random.normal(size=300)
    frame = {"x": x, "y": np.exp(0.3 * x + 0.5 * random.normal(size=300)) * (random.random(300) > 0.25)}
    fit = glmfit.fit("y ~ x", frame, family=f"hurdle-{kind}")
    draws, mean = fit.simulate(frame, 200).to_numpy(), fit.predict(frame)["estimate"].to_numpy()
    error = np.sqrt((draws.var(axis=1, ddof=1) / 200).sum())
    assert abs((draws.mean(axis=1) - mean).sum()) < 4.5 * error
    zero = fit.predict(frame, "zero")["estimate"].sum()
    assert (draws == 0).mean(axis=1).sum() == pytest.approx(zero, rel=0.05)


def test_draws_of_categories_are_levels_and_prior_weights_divide_phi() -> None:
    data = {"y": ["low", "high", "mid"] * 8, "x": [float(v % 7) for v in range(24)]}
    drawn = glmfit.fit("y ~ x", data, family="multinomial").simulate(data, 5)
    assert set(drawn["draw1"]) <= {"low", "mid", "high"}
    frame = {"y": [1.0, 2.1, 2.9, 4.2, 5.1, 5.8], "x": [1.0, 2, 3, 4, 5, 6], "w": [1.0, 1, 1, 100, 100, 100]}
    fit = glmfit.fit("y ~ x", frame, weights="w")
    draws = fit.simulate(frame, 4000).to_numpy()
    expected = fit.dispersion.estimate / np.array(frame["w"])
    np.testing.assert_allclose(draws.var(axis=1), expected, rtol=0.1)
