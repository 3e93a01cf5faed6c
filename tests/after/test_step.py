"""`glmfit step` against R's step() and MASS's stepAIC() (tests/reference/after/step.json), and scopes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import glmfit
from glmfit.after.refit import rows_of
from glmfit.after.stepwise import Asked, choose
from glmfit.commands.app import main
from glmfit.errors import GlmfitError
from glmfit.report import schema
from glmfit.report.records import Records
from glmfit.result import Fitted
from glmfit.spec import ModelSpec

ROOT = Path(__file__).resolve().parents[2]
CASES: list[dict[str, Any]] = json.loads((ROOT / "tests" / "reference" / "after" / "step.json").read_text())
QUINE = str(ROOT / "sample_data" / "quine.csv")


def chosen(spec: dict[str, Any], data: str, asked: dict[str, Any]) -> tuple[Records, Fitted]:
    options, how = (
        {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
        for given in (spec, asked)
    )
    return choose(ModelSpec(**options), data, Asked(**how))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_path_is_that_of_r(case: dict[str, Any]) -> None:
    records, final = chosen(case["spec"], str(ROOT / case["data"]), case["asked"])
    path = [row for row in records.rows if row["chosen"] and row["action"] != "stay"]
    assert [row["action"] for row in path] == case["action"]
    assert [set(row["term"].split(":")) for row in path] == [set(term.split(":")) for term in case["term"]]
    name = case["asked"].get("criterion", "aic")
    before = [row[name] for row in records.rows if row["action"] == "stay"]
    changes = [row[name] - one for row, one in zip(path, before, strict=False)]
    assert changes == pytest.approx(case["change"], abs=1e-8)
    terms = {term for term in final.blueprint.terms if term != "Intercept"}
    assert {frozenset(term.split(":")) for term in terms} == {frozenset(term.split(":")) for term in case["final"]}
    assert getattr(final.fit, name) == pytest.approx(min(row[name] for row in records.rows), rel=1e-12)
    assert [one.code for one in final.warnings][-1] == "selected_terms"


def test_terms_of_every_parameter() -> None:
    spec = {"formulas": ["Days ~ Sex + Eth", "alpha ~ Eth"], "family": "negative-binomial"}
    records, final = chosen(spec, QUINE, {})
    assert {row["term"] for row in records.rows} == {None, "Sex", "Eth", "alpha:Eth"}
    assert final.model.formulas == ("Days ~ Eth", "alpha ~ Eth")
    grown, _ = chosen(spec | {"formulas": ["Days ~ Eth"]}, QUINE, {"upper": ["~ Eth + Sex", "alpha ~ Eth"]})
    assert {row["term"] for row in grown.rows if row["action"] == "add"} == {"Sex", "alpha:Eth"}
    assert grown.facts["formulas"] == ["Days ~ Eth", "alpha ~ Eth"]


def test_offsets_and_the_plain_way_stay() -> None:
    insurance = str(ROOT / "sample_data" / "insurance.csv")
    spec = {"y": "Claims", "x": ["District", "offset(log(Holders))"], "family": "poisson"}
    records, final = chosen(spec, insurance, {"upper": ["District + Group + Age"]})
    assert final.model.formulas == ("Claims ~ District + Group + Age + offset(log(Holders))",)
    one = glmfit.fit("Claims ~ District + Group + Age + offset(log(Holders))", insurance, family="poisson")
    assert final.fit.aic == pytest.approx(one.fit.aic, rel=1e-12)
    without = {"y": "Claims", "x": ["District", "Age"], "intercept": False, "exposure": "Holders", "family": "poisson"}
    assert chosen(without, insurance, {})[1].model.formulas == ("Claims ~ 0 + District + Age",)
    assert {row["step"] for row in records.rows} == {1, 2, 3}


def test_standard_errors_are_those_of_the_model_in_the_end() -> None:
    _, final = chosen({"formulas": ["Days ~ Sex + Eth"], "family": "negative-binomial", "se": "hc0"}, QUINE, {})
    alone = glmfit.fit("Days ~ Eth", QUINE, family="negative-binomial", se="hc0")
    assert final.covariance.kind == "hc0"
    assert [row.std_error for row in final.coefficients] == [row.std_error for row in alone.coefficients]


def test_rows_are_those_of_the_whole_scope() -> None:
    air = str(ROOT / "sample_data" / "airquality.csv")
    asked = {"upper": ["~ Wind + Solar.R + Temp"]}
    records, final = chosen({"formulas": ["Ozone ~ Wind"], "family": "gaussian"}, air, asked)
    assert records.facts["rows_used"] == 111 == final.data.rows_used


@pytest.mark.parametrize(
    ("spec", "asked", "code", "said"),
    [
        ({"family": "quasi-poisson"}, {}, "no_criterion", "no likelihood"),
        ({"family": "poisson", "sampling_weights": "Days"}, {}, "no_criterion", "sample"),
        ({"family": "poisson", "bias_reduction": "firth"}, {}, "contradiction", "penalised"),
        ({"family": "poisson"}, {"direction": "forward"}, "missing_argument", "no scope"),
        ({"family": "poisson"}, {"direction": "up"}, "invalid_value", "--direction"),
        ({"family": "poisson"}, {"criterion": "aicc"}, "invalid_value", "--criterion"),
        ({"family": "poisson"}, {"upper": ["~ Sex", "Eth"]}, "contradiction", "two formulas"),
        ({"family": "poisson"}, {"upper": ["~ Sexx"]}, "unknown_column", "Sexx"),
    ],
)
def test_what_is_refused(spec: dict[str, Any], asked: dict[str, Any], code: str, said: str) -> None:
    with pytest.raises(GlmfitError) as caught:
        chosen(spec | {"formulas": ["Days ~ Sex + Eth"]}, QUINE, asked)
    assert caught.value.code == code
    assert said in caught.value.message


def test_the_command_and_python(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(tmp_path / "model.json")
    asked = [QUINE, "Days ~ Sex + Eth + Lrn", "-f", "nb"]
    assert main(["step", *asked, "--json", "--save", model]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema("glmfit/step/1"))
    jsonschema.validate(document["fit"], schema())
    assert document["formulas"] == ["Days ~ Eth"]
    saved = glmfit.load(model)
    assert rows_of(saved, QUINE).formula.texts == ("Days ~ Eth",)
    assert saved.model.formulas == ("Days ~ Eth",)
    assert main(["step", *asked, "-o", str(tmp_path / "path.csv")]) == 0
    header = "step,action,term,df,log_likelihood,aic,bic,chosen,reason\n"
    assert (tmp_path / "path.csv").read_text().startswith(header)
    assert main(["step", *asked]) == 0
    shown = capsys.readouterr().out
    assert shown.count("p-value") == 1
    assert "smaller" in shown
    assert main(["step", *asked, "--scope", "~ Sex * Eth + Lrn", "--lower", "Sex", "--criterion", "bic"]) == 0
    capsys.readouterr()
    fit, trace = glmfit.step("Days ~ Sex + Eth + Lrn", QUINE, family="nb")
    assert fit.fit.aic == saved.fit.aic
    assert list(trace["chosen"]).count(True) == trace["step"].max()
