"""`glmfit compare` against R (tests/reference/after/compare.json), and when there is no test or no comparison."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import glmfit
from glmfit.after.compared import compared
from glmfit.commands.app import main
from glmfit.errors import GlmfitError
from glmfit.fitted import FittedModel
from glmfit.report import schema

ROOT = Path(__file__).resolve().parents[2]
CASES: list[dict[str, Any]] = json.loads((ROOT / "tests" / "reference" / "after" / "compare.json").read_text())
QUINE = "sample_data/quine.csv"


@cache
def fitted(formula: str, data: str = QUINE, **options: Any) -> FittedModel:
    return glmfit.fit(formula, str(ROOT / data), **options)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_tests_and_criteria_are_those_of_r(case: dict[str, Any]) -> None:
    fits = [fitted(formula, case["data"], **case["spec"]) for formula in case["formulas"]]
    models, tests = compared([("large", fits[1]), ("small", fits[0])])
    (test,) = tests.rows
    assert (test["model"], test["against"], test["reason"]) == ("large", "small", None)
    for name, expected in case["test"].items():
        assert test[name] == (expected if isinstance(expected, str) else pytest.approx(expected, rel=1e-7)), name
    for row, expected in zip(models.rows[::-1], case["models"] or [], strict=False):
        for name, value in expected.items():
            assert row[name] == pytest.approx(value, rel=1e-8, abs=1e-8), name


def reason(*fits: FittedModel) -> str:
    return str(compared([(str(at), fit) for at, fit in enumerate(fits)])[1].rows[-1]["reason"])


def test_why_there_is_no_test() -> None:
    small = fitted("Days ~ Sex", family="poisson")
    large = fitted("Days ~ Sex + Eth", family="poisson")
    assert reason(small, large) == "None"
    assert "robust (hc1)" in reason(small, fitted("Days ~ Sex + Eth", family="poisson", se="hc1"))
    assert "families differ" in reason(small, fitted("Days ~ Sex", family="negative-binomial"))
    assert "no term 'Sex'" in reason(small, fitted("Days ~ Age", family="poisson"))
    assert "as many parameters" in reason(small, fitted("Days ~ Eth", family="poisson"))
    assert "links of mu differ" in reason(
        small, glmfit.fit("Days ~ Sex + Eth", str(ROOT / QUINE), family="poisson", links={"mu": "sqrt"})
    )
    # A model between them that is of another kind does not stand in the way.
    between = fitted("Days ~ Sex", family="negative-binomial")
    rows = compared([("a", fitted("Days ~ 1", family="poisson")), ("b", between), ("c", large)])[1].rows
    assert {(row["model"], row["against"]): row["reason"] is None for row in rows}[("c", "a")]


def test_models_of_other_data_are_refused() -> None:
    first = fitted("Days ~ Sex", family="poisson")
    air = ("sample_data/airquality.csv", "Ozone ~ Wind", "Ozone ~ Wind + Solar.R")
    for pair, said in (
        ((fitted(air[1], air[0]), fitted(air[2], air[0])), "missing values of 'Ozone' (37), 'Solar.R' (7)"),
        ((fitted("Days ~ Sex"), fitted("log(Days + 1) ~ Sex")), "'Days' and 'log(Days + 1)'"),
        ((first, glmfit.fit("Days ~ Sex", str(ROOT / QUINE), family="poisson", weights="Days")), ""),
    ):
        with pytest.raises(GlmfitError) as caught:
            compared([("a.json", pair[0]), ("b.json", pair[1])])
        assert caught.value.code == "different_data"
        assert said in caught.value.message


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(tmp_path / "a.json"), str(tmp_path / "b.json")]
    fitted("Days ~ Sex", family="poisson").save(paths[0])
    fitted("Days ~ Sex + Eth", family="poisson").save(paths[1])
    assert main(["compare", *paths, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema("glmfit/compare/1"))
    assert (len(document["models"]), len(document["tests"])) == (2, 1)
    assert main(["compare", *paths, "--format", "csv", "--tests"]) == 0
    assert capsys.readouterr().out.startswith("model,against,statistic,statistic_kind,df,df_residual,p_value,reason\n")
    assert main(["compare", *paths, "--format", "csv", "-o", str(tmp_path / "models.csv")]) == 0
    assert (tmp_path / "models.csv").read_text().count("\n") == 3
    assert main(["compare", *paths]) == 0
    assert "AICc" in capsys.readouterr().out
    glmfit.fit("Days ~ Sex + Age", str(ROOT / QUINE), family="poisson", max_iter=1).save(tmp_path / "c.json")
    assert main(["compare", paths[0], str(tmp_path / "c.json"), "--json"]) == 4
    assert [one["code"] for one in json.loads(capsys.readouterr().out)["warnings"]] == ["not_converged"]
    assert main(["compare", paths[0]]) == 2
    assert main(["compare", *paths, "-o", paths[0]]) == 2
    capsys.readouterr()


def test_in_python() -> None:
    models, tests = glmfit.compare(
        a=fitted("Days ~ Sex", family="poisson"), b=fitted("Days ~ Sex + Eth", family="poisson")
    )
    assert list(models["model"]) == ["a", "b"]
    assert len(tests) == 1


def test_dispersions_that_are_held() -> None:
    first = fitted("Days ~ Sex", family="poisson", dispersion=2.0)
    assert "different values" in reason(first, fitted("Days ~ Sex + Eth", family="poisson", dispersion=3.0))
    assert "found differently" in reason(first, fitted("Days ~ Sex + Eth", family="poisson", dispersion="pearson"))
