"""`glmfit compare` against R (tests/reference/after/compare.json), and when there is no test or no comparison."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import glmfit
from glmfit.after.compared import compared
from glmfit.after.vuong import Rows
from glmfit.commands.app import main
from glmfit.errors import GlmfitError
from glmfit.fitted import FittedModel
from glmfit.report import schema

ROOT = Path(__file__).resolve().parents[2]
CASES: list[dict[str, Any]] = json.loads((ROOT / "tests" / "reference" / "after" / "compare.json").read_text())
VUONG: list[dict[str, Any]] = json.loads((ROOT / "tests" / "reference" / "after" / "vuong.json").read_text())
QUINE = "sample_data/quine.csv"


@cache
def fitted(formula: str | tuple[str, ...], data: str = QUINE, **options: Any) -> FittedModel:
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
    header = "model,against,test,statistic,statistic_kind,df,df_residual,p_value,reason\n"
    assert capsys.readouterr().out.startswith(header)
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


# ---- Vuong's test ----


@pytest.mark.parametrize("case", VUONG, ids=[case["name"] for case in VUONG])
def test_tests_by_rows_are_those_of_r(case: dict[str, Any]) -> None:
    a, b = (fitted(tuple(one["formulas"]), case["data"], family=one["family"]) for one in case["models"])
    _, tests = glmfit.compare(data=str(ROOT / case["data"]), b=b, a=a)
    assert list(tests["model"]) == ["a"] * 3
    assert list(tests["test"]) == ["Vuong", "Vuong, AIC-corrected", "Vuong, BIC-corrected"]
    # R's zeroinfl() ends some 1e-7 from the maximum
    assert list(tests["statistic"]) == pytest.approx(case["statistic"], rel=1e-6)
    assert list(tests["p_value"]) == pytest.approx(case["p_value"], rel=1e-5)


def test_what_is_at_the_edge_of_what(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    poisson, large = fitted("Days ~ Sex", family="poisson"), fitted("Days ~ Sex + Eth", family="poisson")
    nb, zinb = (fitted("Days ~ Age", family=name) for name in ("negative-binomial", "zero-inflated-negative-binomial"))
    rows = Rows(str(ROOT / QUINE))
    tests = compared([("p", poisson), ("q", large), ("nb", nb)], rows)[1]
    assert {(row["model"], row["against"], row["test"].split(",")[0]) for row in tests.rows} == {
        ("q", "p", "likelihood ratio"),
        ("nb", "p", "Vuong"),
        ("nb", "q", "Vuong"),
    }
    assert [one.code for one in tests.findings] == ["vuong_edge"]
    assert "vuong_edge" in [one.code for one in compared([("nb", nb), ("zinb", zinb)], rows)[1].findings]
    assert not compared([("p", poisson), ("r", fitted("Days ~ Age", family="poisson"))], rows)[1].findings
    paths = [str(tmp_path / "p.json"), str(tmp_path / "nb.json")]
    for path, fit in zip(paths, (poisson, nb), strict=True):
        fit.save(path)
    assert main(["compare", *paths, "--data", str(ROOT / QUINE), "--json"]) == 0
    jsonschema.validate(json.loads(capsys.readouterr().out), schema("glmfit/compare/1"))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO((ROOT / QUINE).read_bytes())))
    assert main(["compare", *paths, "--data", "-"]) == 0
    assert "Vuong, BIC-corrected" in capsys.readouterr().out
    assert main(["compare", *paths, "--json"]) == 0
    assert "add --data DATA" in capsys.readouterr().out
    assert main(["compare", *paths, "--data", str(ROOT / "sample_data" / "articles.csv")]) == 3
    capsys.readouterr()


def test_rows_that_have_no_test(tmp_path: Path) -> None:
    poisson, nb = (fitted("Days ~ Sex", family=name) for name in ("poisson", "negative-binomial"))
    shuffled = tmp_path / "shuffled.csv"
    header, *lines = (ROOT / QUINE).read_text().splitlines()
    shuffled.write_text("\n".join([header, *lines[:100]]))
    with pytest.raises(GlmfitError, match="not the rows that") as caught:
        glmfit.compare(data=str(shuffled), a=poisson, b=nb)
    assert caught.value.code == "different_data"
    quasi = fitted("Days ~ Age", family="quasi-poisson")
    (row,) = compared([("a", poisson), ("b", quasi)], Rows(str(ROOT / QUINE)))[1].rows
    assert "b has no log-likelihood" in str(row["reason"])
    weighed = [fitted(f"Days ~ {x}", family="poisson", freq_weights="Days") for x in ("Sex", "Eth")]
    (row,) = compared([("a", weighed[0]), ("b", weighed[1])], Rows(str(ROOT / QUINE)))[1].rows
    assert "frequency weights" in str(row["reason"])
