"""What comes after a fit with random effects: predictions against lme4's (tests/reference/random/write_predict.R), the
commands that take its coefficients, and those that refuse it.

Polished optima of lme4: linear predictors to 1e-6, standard errors to 1e-4, as they are differences of a deviance.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from random_fits import once

import glmfit
from glmfit.commands.app import main
from glmfit.errors import DataError, ModelError, UsageError
from glmfit.fitted import FittedModel
from glmfit.random_effects import RandomLaw

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "tests" / "reference" / "random"
CASES: dict[str, dict[str, Any]] = {one["name"]: one for one in json.loads((REFERENCE / "predict.json").read_text())}
FRAMES = json.loads((REFERENCE / "random.json").read_text())["frames"]
fitted = once(CASES, FRAMES)
EPIL = "sample_data/epil.csv"
LAW = (((1.0, 0.0), (0.0, 1.0)),)  # of a model of which nothing more is known
FORMULA = "y ~ trt + (1 | subject)"
Run = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("name", sorted(CASES))
@pytest.mark.parametrize("of", ["link", "mean"])
def test_predictions_are_those_of_lme4(name: str, of: str) -> None:
    case, fit = CASES[name], fitted(name)
    known, new = pd.DataFrame(case["known"]), pd.DataFrame(case["new"])
    include = fit.predict(known, of, interval="none")
    assert list(include["estimate"]) == pytest.approx(case["include"][of], rel=1e-6, abs=1e-6)
    if of == "link" or name in ("sleepstudy", "nested"):  # lme4 has the mean at effects of 0, and not their average
        allowed = fit.predict(new, of, interval="none", random="new")
        assert list(allowed["estimate"]) == pytest.approx(case["allowed"][of], rel=1e-6, abs=1e-6)
    fixed = [name for name in known if name in ("Days", "x", "period", "size")]
    zero = fit.predict(known[fixed], of, random="zero")  # which needs no groups
    assert list(zero["estimate"]) == pytest.approx(case["zero"][of], rel=1e-6, abs=1e-6)
    if of == "link":
        assert list(zero["std_error"]) == pytest.approx(case["std_error"], rel=1e-4)
    with pytest.raises(DataError, match="that the model has not seen") as refused:
        fit.predict(new, of, interval="none")
    assert refused.value.code == "unknown_level"
    assert "--random new" in str(refused.value.hint)
    kept = fit.predict(pd.concat([known, new]), of, interval="none", missing="keep")["estimate"]
    assert list(kept[: len(known)]) == pytest.approx(list(include["estimate"]))
    assert kept[len(known) :].isna().any()


@pytest.mark.parametrize("name", [name for name, case in sorted(CASES.items()) if case["residuals"]])
def test_residuals_given_the_modes_are_those_of_lme4(name: str) -> None:
    case, fit = CASES[name], fitted(name)
    found = fit.residuals(pd.DataFrame(FRAMES[case["data"]])).iloc[[row - 1 for row in case["rows"]]]
    for kind, known in case["residuals"].items():
        assert list(found[kind]) == pytest.approx(known, rel=1e-5, abs=1e-6), kind
    assert found["leverage"].isna().all()


def test_a_mean_of_other_parameters_than_its_own_is_averaged_too() -> None:
    """E(time) of a Weibull law with scale exp(x'b + u) and u ~ N(0, s^2) is exp(x'b + s^2/2) Gamma(1 + 1/shape)."""
    lives = pd.read_csv(ROOT / "sample_data" / "veteran.csv")
    fit = glmfit.fit("time ~ karno + (1 | celltype)", lives, family="weibull", event="status")
    assert fit.random_effects is not None
    b = [row.estimate for row in fit.coefficients]
    s, shape = fit.random_effects.terms[0].deviations[0].estimate, fit.auxiliary[0].estimate
    found = fit.predict(lives, "mean", random="population", interval="none")["estimate"]
    expected = np.exp(b[0] + b[1] * lives["karno"] + s**2 / 2) * math.gamma(1 + 1 / shape)
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_a_level_is_its_number_and_crossed_names_are_not_confused() -> None:
    data = pd.DataFrame({"y": [1, 4, 2, 6, 3, 9, 2, 5] * 3, "g": [1.0, 2.0, 3.0, 4.0] * 6})
    fit = glmfit.fit("y ~ 1 + (1 | g)", data, family="poisson")
    whole, half = (
        fit.predict({"g": [2]}, interval="none"),
        fit.predict({"g": [2.0, 2.5]}, interval="none", random="new"),
    )
    assert half["estimate"][0] == pytest.approx(whole["estimate"][0])
    any_level = fit.predict({"a": [1]}, interval="none", random="population")["estimate"][0]
    assert half["estimate"][1] == pytest.approx(any_level)
    data["h"], data["g"] = ["b:c", "c", "b:c", "c"] * 6, ["a", "a:b", "a:b", "a"] * 6
    crossed = glmfit.fit("y ~ 1 + (1 | g:h)", data, family="poisson")
    with pytest.raises(ModelError, match="cannot be told apart"):
        crossed.predict(data, interval="none")


def test_intervals_that_would_be_wrong_are_refused() -> None:
    fit, known = fitted("sleepstudy"), CASES["sleepstudy"]["known"]
    with pytest.raises(ModelError) as refused:
        fit.predict(known, random="zero", interval="prediction")
    assert refused.value.code == "random_intervals"
    old = replace(fit.opened().fit, blueprint=replace(fit.blueprint, random=RandomLaw(LAW, None)))
    with pytest.raises(ModelError, match="is not kept") as refused:
        FittedModel.of(old).predict(known, interval="confidence")
    assert refused.value.code == "random_intervals"
    assert list(FittedModel.of(old).predict(known)) == ["estimate"]
    with pytest.raises(UsageError, match="has no random effects"):
        glmfit.fit("Reaction ~ Days", pd.DataFrame(FRAMES["sleepstudy"])).predict(known, random="zero")


# ---- Other commands ----


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a saved model of the data."""
    path = tmp_path_factory.mktemp("random")
    (path / "sample_data").symlink_to(ROOT / "sample_data")
    glmfit.fit(FORMULA, ROOT / EPIL, family="poisson").save(path / "m.json")
    return path


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(folder)

    def one(*words: str) -> tuple[int, str, str]:
        status = main(list(words))
        return (status, *capsys.readouterr())

    return one


def test_coefficients_of_a_saved_model_are_tested_and_drawn(run: Run) -> None:
    row = next(one for one in glmfit.load("m.json").coefficients if one.term != "Intercept")
    status, out, _ = run("test", "m.json", row.term, "--format", "csv")
    (tested,) = csv.DictReader(io.StringIO(out))
    assert status == 0
    for name in ("estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"):
        assert float(tested[name]) == pytest.approx(getattr(row, name), rel=1e-9)
    intervals = csv.DictReader(io.StringIO(run("confint", "m.json", "--format", "csv")[1]))
    drawn = json.loads(run("plot", "forest", "m.json", "--json")[1])["tables"]["rows"]
    for found in (*(one for one in intervals if one["term"] == row.term), *drawn):
        assert found["term"] == row.term
        for name in ("estimate", "conf_low", "conf_high"):
            assert float(found[name]) == pytest.approx(getattr(row, name), rel=1e-9)


def test_modes_are_drawn_and_a_page_has_them(run: Run) -> None:
    """The caterpillar shows all levels; effects are averages over random ones, and the report has its own block."""
    drawn = json.loads(run("plot", "caterpillar", "m.json", "--json")[1])
    (term,) = glmfit.load("m.json").random_effects.terms  # type: ignore[union-attr]
    known = sorted(term.modes or (), key=lambda one: one.estimate)
    assert [row["group"] for row in drawn["tables"]["rows"]] == [one.level for one in known]
    assert [row["estimate"] for row in drawn["tables"]["rows"]] == pytest.approx([one.estimate for one in known])
    shown = json.loads(run("plot", "effects", "m.json", EPIL, "--x", "trt", "--json")[1])["tables"]["curve"]
    frame = glmfit.load("m.json").margins(ROOT / EPIL, at={"trt": ["placebo", "progabide"]})
    for name in ("estimate", "conf_low"):
        assert [row[name] for row in shown] == pytest.approx(list(frame[name]))
    for kind in ("residuals", "qq", "rootogram"):
        assert run("plot", kind, "m.json", EPIL)[0] == 0
    status, _, err = run("report", "m.json", EPIL, "-o", "page.md")
    assert status == 0, err
    page = Path("page.md").read_text()
    assert "## Random effects" in page
    assert "SD Intercept" in page
    assert page.count("m-caterpillar") >= 1
    assert "subject" not in page.split("## Effects")[1].split("## Check")[0]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (f"plot influence m.json {EPIL}", "no_picture"),
        (f"plot profile m.json {EPIL}", "random_excludes"),
        (f"predict m.json {EPIL} --random population --of quantile:0.9", "no_expectation"),
        (f"predict m.json {EPIL} --random zero --interval prediction", "random_intervals"),
        (f"confint m.json {EPIL}", "random_excludes"),
    ],
)
def test_what_has_no_meaning_after_random_effects_is_refused(run: Run, words: str, code: str) -> None:
    status, out, err = run(*words.split())
    assert (status, out) == (3, "")
    assert f"glmfit explain {code}" in err


@pytest.mark.parametrize(
    "words",
    [
        *(["--se", "hc3"], ["--se", "cluster:trt"], ["--sampling-weights", "age"], ["--ci", "profile"]),
        *(["--ci", "bca"], ["--ci", "bootstrap", "--bootstrap-by", "rows"]),
        *(["--bias-reduction", "firth"], ["--absorb", "period"], ["--dispersion", "pearson"], ["--optimizer", "bfgs"]),
        *(["--separation", "drop"], ["--by", "period"], ["--reml"], ["--ridge", "0.1"]),
        *(["--scan", "V4"], ["--lasso", "0.1"], ["--check-separation"], ["--family", "quasi-poisson"]),
        ["step"],
    ],
    ids=" ".join,
)
def test_what_does_not_go_with_random_effects_is_refused_before_the_fit(run: Run, words: list[str]) -> None:
    command = words if words[0] == "step" else ["fit", *words]
    formula = "y ~ trt + {} + (1 | subject)" if "--scan" in words else FORMULA
    family = () if "--family" in words else ("--family", "poisson")
    status, out, err = run(command[0], EPIL, formula, *command[1:], *family)
    assert (status, out) == (3, "")
    assert "glmfit explain random_excludes" in err
