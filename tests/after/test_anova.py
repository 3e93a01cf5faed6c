"""`glmfit anova` against R (tests/reference/after/anova.json), what is refused, and what has no test."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import glmfit
from glmfit.after.anova import analysis
from glmfit.commands.app import main
from glmfit.errors import GlmfitError
from glmfit.report import schema
from glmfit.report.records import Records
from glmfit.spec import ModelSpec

ROOT = Path(__file__).resolve().parents[2]
CASES: list[dict[str, Any]] = json.loads((ROOT / "tests" / "reference" / "after" / "anova.json").read_text())
QUINE = str(ROOT / "sample_data" / "quine.csv")


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_tests_are_those_of_r(case: dict[str, Any]) -> None:
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in case["spec"].items()}
    rows = analysis(ModelSpec(**options), str(ROOT / case["data"]), **case["asked"])[0].rows
    assert [row["term"] for row in rows] == [row["term"] for row in case["rows"]]
    for row, expected in zip(rows, case["rows"], strict=True):
        assert row["reason"] is None
        for name, value in expected.items():
            assert row[name] == (value if name == "term" else pytest.approx(value, rel=1e-7)), name


@cache
def quine(*formulas: str, family: str = "poisson", **options: Any) -> Records:
    asked = {name: options.pop(name) for name in ("type", "test", "sum_contrasts") if name in options}
    return analysis(ModelSpec(formulas=formulas, family=family, **options), QUINE, **asked)[0]


def statistics(records: Records) -> dict[str, float]:
    return {row["term"]: row["statistic"] for row in records.rows}


def test_terms_of_every_parameter() -> None:
    records = quine("Days ~ Sex * Eth", "alpha ~ Sex", family="negative-binomial")
    assert [row["term"] for row in records.rows] == ["Sex", "Eth", "Sex:Eth", "alpha:Sex"]
    alone = glmfit.fit(["Days ~ Sex * Eth", "alpha ~ 1"], QUINE, family="negative-binomial").fit.log_likelihood
    whole = glmfit.fit(["Days ~ Sex * Eth", "alpha ~ Sex"], QUINE, family="negative-binomial").fit.log_likelihood
    assert statistics(records)["alpha:Sex"] == pytest.approx(2 * (whole - alone), rel=1e-8)
    by_wald = quine("Days ~ Sex * Eth", "alpha ~ Sex", family="negative-binomial", type=3, test="wald")
    fit = glmfit.fit(["Days ~ Sex * Eth", "alpha ~ Sex"], QUINE, family="negative-binomial")
    tested = fit.test(terms=True)
    assert list(statistics(by_wald).values()) == pytest.approx(list(tested["statistic"]), rel=1e-12)


def test_columns_stay_as_they_are_coded_beside_all_terms() -> None:
    # Sex[T.M]:Eth[T.N] without Eth is not coded anew, which would give the whole model again.
    by_hand = "Days ~ Sex + I((Sex == 'M') * (Eth == 'N'))"
    small, whole = (glmfit.fit(f, QUINE, family="poisson").fit.deviance for f in (by_hand, "Days ~ Sex * Eth"))
    assert statistics(quine("Days ~ Sex * Eth", type=3))["Eth"] == pytest.approx(small - whole, rel=1e-9)
    twice = quine("Days ~ Sex + C(Sex) + Eth", type=1)
    assert [row["reason"] is None for row in twice.rows] == [True, False, True]


def test_what_the_contrasts_of_type_three_do() -> None:
    treatment, sums = (quine("Days ~ Sex * Age + Eth", type=3, sum_contrasts=chosen) for chosen in (False, True))
    codes = [[one.code for one in records.findings] for records in (treatment, sums)]
    assert "reference_levels" in codes[0]
    assert "reference_levels" not in codes[1]
    (found,) = (one for one in treatment.findings if one.code == "reference_levels")
    assert found.terms == ("Sex", "Age")
    assert "reference_levels" not in [one.code for one in quine("Days ~ Sex + Age", type=3).findings]
    written = quine("Days ~ C(Sex, contr.sum) * C(Age, contr.sum) + C(Eth, contr.sum)", type=3)
    assert list(statistics(sums).values()) == pytest.approx(list(statistics(written).values()), rel=1e-9)
    assert list(statistics(sums)) == ["Sex", "Age", "Eth", "Sex:Age"]


def test_robust_errors_lead_to_wald() -> None:
    records = quine("Days ~ Sex + Eth", se="hc1")
    assert records.facts["test"] == "wald"
    for options in ({"se": "hc1"}, {"sampling_weights": "Days"}):
        for test in ("lr", "f", "score"):
            with pytest.raises(GlmfitError, match="takes the likelihood to be right") as caught:
                quine("Days ~ Sex + Eth", test=test, **options)
            assert caught.value.code == "bad_test"
    with pytest.raises(GlmfitError, match="dispersion that is estimated"):
        quine("Days ~ Sex + Eth", test="f")
    with pytest.raises(GlmfitError, match="penalised"):
        quine("Days ~ Sex + Eth", test="lr", bias_reduction="firth")


def test_a_model_that_cannot_be_fitted_is_a_row() -> None:
    records = quine("Days ~ 0 + Sex")
    assert [(row["term"], row["reason"]) for row in records.rows] == [
        ("Sex", "the model has no coefficient to estimate")
    ]
    assert "no_test" in [one.code for one in records.findings]
    with pytest.raises(GlmfitError) as caught:
        quine("Days ~ 1")
    assert caught.value.code == "no_terms"


def test_the_command_and_python(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = [QUINE, "Days ~ Sex + Eth", "-f", "nb"]
    assert main(["anova", *asked, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema("glmfit/anova/1"))
    assert document["type"] == 2
    assert main(["anova", *asked, "--type", "1", "-o", str(tmp_path / "a.csv")]) == 0
    header = "term,df,statistic,statistic_kind,p_value,deviance,df_residual,residual_deviance,reason\n"
    assert (tmp_path / "a.csv").read_text().startswith(header)
    assert main(["anova", QUINE, "Days ~ 0 + Sex", "-f", "poisson", "--json"]) == 5
    jsonschema.validate(json.loads(capsys.readouterr().out), schema("glmfit/anova/1"))
    for spelled in (["--type", "II", "--test", "Chisq"], ["--type", "2", "--test", "LRT"]):
        assert main(["anova", *asked, *spelled, "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == document
    assert main(["anova", *asked, "--type", "4"]) == 2
    assert main(["anova", *asked, "--se", "wild:Age"]) == 2
    assert main(["anova", *asked, "--test", "exact"]) == 2
    capsys.readouterr()
    frame = glmfit.anova("Days ~ Sex + Eth", QUINE, family="nb")
    assert list(frame["statistic"]) == [row["statistic"] for row in document["rows"]]
    assert math.isclose(frame["deviance"][0], frame["statistic"][0], rel_tol=0.5)
