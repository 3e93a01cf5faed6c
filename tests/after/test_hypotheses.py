"""`glmfit test` against R (tests/reference/after/hypotheses.json), what its names mean, and what it refuses.

`python tests/after/test_hypotheses.py` prints the worst differences from R.
"""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import glmfit
from glmfit.after.multiplicity import adjusted, single_step
from glmfit.after.tested import wald_tests
from glmfit.commands.app import main
from glmfit.errors import GlmfitError
from glmfit.fitted import FittedModel
from glmfit.report import schema
from glmfit.report.saved import model_from_json, model_json

ROOT = Path(__file__).resolve().parents[2]
CASES: list[dict[str, Any]] = json.loads((ROOT / "tests" / "reference" / "after" / "hypotheses.json").read_text())
IDS = [case["name"] for case in CASES]
ESTIMATE, OTHER = 1e-8, 1e-6  # relative, as for fits: estimates, and what rests on a covariance
SINGLE_STEP = 1e-4  # absolute: both integrals are quasi-random, R's says "completion with error > abseps"


@cache
def fitted(formula: str, data: str, family: str = "gaussian", **options: Any) -> FittedModel:
    """A model from its file."""
    fit = glmfit.fit(formula, str(ROOT / data), family=family, **options)
    return FittedModel.of(model_from_json(model_json(fit), "model.json"))


def of_case(case: dict[str, Any]) -> FittedModel:
    spec = {key: value for key, value in case["spec"].items() if key != "formulas"}
    return fitted(case["spec"]["formulas"][0], case["data"], **spec)


def differences(case: dict[str, Any]) -> dict[str, float]:
    """The worst relative difference of each column of the tests and of the tests of terms."""
    fit, worst = of_case(case), {"estimate": 0.0, "other": 0.0}
    texts = [one["hypothesis"] for one in case["tests"]]
    rows = list(wald_tests(fit, texts, terms="terms" in case).rows)
    for row, expected in zip(rows, [*case["tests"], *case.get("terms", [])], strict=True):
        assert row["df"] == expected["df"]
        for name in expected.keys() - {"hypothesis", "df"}:
            found, reference = row[name], expected[name]
            kind = "estimate" if name == "estimate" else "other"
            size = abs(reference) if name != "p_value" else max(abs(reference), 1e-250)
            loose = 100 if name == "p_value" else 1  # whose relative error is that of the statistic, magnified
            worst[kind] = max(worst[kind], abs(found - reference) / size / loose)
    for name, row in zip([one["hypothesis"] for one in case.get("terms", [])], rows[len(texts) :], strict=True):
        assert row["hypothesis"] == name
    return worst


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_tests_are_those_of_r(case: dict[str, Any]) -> None:
    worst = differences(case)
    assert worst["estimate"] <= ESTIMATE
    assert worst["other"] <= OTHER


@pytest.mark.parametrize(
    "case", [c for c in CASES if "adjusted" in c], ids=[c["name"] for c in CASES if "adjusted" in c]
)
def test_adjusted_p_values_are_those_of_multcomp(case: dict[str, Any]) -> None:
    texts = [one["hypothesis"] for one in case["tests"]][: len(case["adjusted"]["holm"])]
    for method, expected in case["adjusted"].items():
        found = [row["p_adjusted"] for row in wald_tests(of_case(case), texts, adjust=method).rows]
        if method == "single-step":
            assert found == pytest.approx(expected, abs=SINGLE_STEP)
        else:
            assert found == pytest.approx(expected, rel=1e-4, abs=1e-14)


def test_single_step_against_what_is_known() -> None:
    # Independent statistics: 1 - (1 - p)^m. The same one twice: p itself.
    p = math.erfc(1.5 / math.sqrt(2))
    assert single_step([1.5] * 3, [p] * 3, np.eye(3), None) == pytest.approx([1 - (1 - p) ** 3] * 3, abs=1e-7)
    assert single_step([1.5] * 2, [p] * 2, np.ones((2, 2)), None) == pytest.approx([p] * 2, abs=1e-7)
    assert math.isnan(adjusted([0.01, math.nan, 0.04], "holm")[1])
    assert adjusted([0.01, math.nan, 0.04], "bonferroni")[0] == 0.02


# ---- Names ----

QUINE = ("Days ~ Sex*Age + Eth", "sample_data/quine.csv", "negative-binomial")


def estimates(fit: FittedModel, *texts: str) -> list[float]:
    return [float(row["estimate"]) for row in wald_tests(fit, texts).rows]


def test_names_are_those_of_the_table_and_parameters_natural() -> None:
    fit = fitted(*QUINE)
    rows = {row.term: row for row in fit.coefficients if row.parameter == "mu"}
    alpha = next(one for one in fit.auxiliary if one.name == "alpha")
    assert estimates(fit, "Sex[T.M]:Age[T.F1]", "mu:Eth[T.N]", " Intercept ") == [
        rows["Sex[T.M]:Age[T.F1]"].estimate,
        rows["Eth[T.N]"].estimate,
        rows["Intercept"].estimate,
    ]
    row = wald_tests(fit, ["alpha = 1"]).rows[0]
    assert row["estimate"] == pytest.approx(alpha.estimate, rel=1e-14)
    assert row["std_error"] == pytest.approx(alpha.std_error, rel=1e-12)
    assert row["statistic"] == pytest.approx((alpha.estimate - 1) / alpha.std_error, rel=1e-12)
    log_alpha = next(row for row in fit.coefficients if row.parameter == "alpha")
    assert estimates(fit, "alpha:Intercept", "log(alpha)") == pytest.approx([log_alpha.estimate] * 2, rel=1e-12)


def test_terms_with_any_signs() -> None:
    fit = fitted("mpg ~ I(wt ** 2) + exp(qsec / 10) + C(cyl)", "sample_data/mtcars.csv")
    by_term = {row.term: row.estimate for row in fit.coefficients}
    texts = ["I(wt ** 2)", "I(wt**2)", "exp(qsec / 10)", "exp(exp(qsec/10))", "C(cyl)[T.6] - C(cyl)[T.8]"]
    assert estimates(fit, *texts) == pytest.approx(
        [
            by_term["I(wt ** 2)"],
            by_term["I(wt ** 2)"],
            by_term["exp(qsec / 10)"],
            math.exp(by_term["exp(qsec / 10)"]),
            by_term["C(cyl)[T.6]"] - by_term["C(cyl)[T.8]"],
        ],
        rel=1e-14,
    )
    named = [row["hypothesis"] for row in wald_tests(fit, [], terms=True).rows]
    assert named == ["I(wt ** 2)", "exp(qsec / 10)", "C(cyl)"]


@pytest.mark.parametrize(
    ("formula", "terms"),
    [
        ("Days ~ 0 + Sex + Sex:Age", {"Sex": 2, "Sex:Age": 6}),
        ("Days ~ Sex:Age + Eth", {"Sex:Age": 7, "Eth": 1}),
        (
            "Days ~ Age*Sex*Eth",
            {"Age": 3, "Sex": 1, "Eth": 1, "Age:Sex": 3, "Age:Eth": 3, "Sex:Eth": 1, "Age:Sex:Eth": 3},
        ),
    ],
)
def test_coefficients_are_shared_out_among_their_terms(formula: str, terms: dict[str, int]) -> None:
    fit = fitted(formula, "sample_data/quine.csv", "poisson")
    assert {row["hypothesis"]: row["df"] for row in wald_tests(fit, [], terms=True).rows} == terms


def test_a_term_of_categories_is_that_of_all_of_them() -> None:
    fit = fitted("gear ~ wt", "sample_data/mtcars.csv", "multinomial")
    (row,) = wald_tests(fit, [], terms=True).rows
    (same,) = wald_tests(fit, ["4:wt = 0, 5:wt = 0"]).rows
    assert (row["hypothesis"], row["df"]) == ("wt", 2)
    assert row["statistic"] == pytest.approx(same["statistic"], rel=1e-12)


# ---- What is refused ----


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("Age[T.F9] = 0", "no_such_term", "'Age[T.F9]'"),
        ("Ethn = 0", "no_such_term", "'Ethn'"),
        ("__import__('os').system('id')", "formula", "unexpected '.system'"),
        ("eval(alpha)", "formula", "'eval(...)'"),
        ("exp(alpha, alpha)", "formula", "'exp(...)'"),
        ("alpha == 1", "formula", "=="),
        ("alpha > 1", "formula", "'>'"),
        ("alpha = 1 = 2", "formula", "more than one ="),
        ("alpha = ", "formula", "something is missing"),
        ("", "formula", "something is missing"),
        ("alpha = 1,", "formula", "something is missing"),
        ("'alpha'", "formula", "no place"),
        ("1 = 1", "formula", "names no term"),
        ("(" * 200 + "alpha" + ")" * 200, "formula", "nested too deeply"),
        ("alpha + " * 3000 + "alpha", "formula", "at most"),
        ("alpha - alpha", "undefined_hypothesis", "does not depend"),
        ("log(Eth[T.N])", "undefined_hypothesis", "not a finite number"),
        ("Eth[T.N] = 0, 2*Eth[T.N] = 1", "dependent_hypotheses", "follows from the others"),
    ],
)
def test_what_is_refused(text: str, code: str, said: str) -> None:
    with pytest.raises(GlmfitError) as caught:
        wald_tests(fitted(*QUINE), [text])
    assert caught.value.code == code
    assert said in caught.value.message


def test_names_of_several_things_and_of_what_was_not_estimated() -> None:
    two = FittedModel.of(glmfit.fit(["Days ~ Sex", "alpha ~ Sex"], str(ROOT / QUINE[1]), family=QUINE[2]))
    with pytest.raises(GlmfitError, match="more than one thing") as caught:
        wald_tests(two, ["Sex[T.M] = 0"])
    assert caught.value.hint == "write 'mu:Sex[T.M]' or 'alpha:Sex[T.M]'"
    assert len(wald_tests(two, ["mu:Sex[T.M] = alpha:Sex[T.M]"], terms=True).rows) == 3
    aliased = fitted("mpg ~ wt + I(2 * wt)", "sample_data/mtcars.csv")
    for text, why in (("I(2 * wt)", "combination"), ("phi = 1", "residuals")):
        with pytest.raises(GlmfitError, match=why) as caught:
            wald_tests(aliased, [text])
        assert caught.value.code == "not_estimated"
    held = FittedModel.of(glmfit.fit("Days ~ Sex", str(ROOT / QUINE[1]), family=QUINE[2], fixed={"alpha": 1.0}))
    with pytest.raises(GlmfitError, match="held at a value"):
        wald_tests(held, ["alpha = 1"])


def test_a_separated_term_has_no_test_and_others_have() -> None:
    fit = fitted("vs ~ C(cyl) + wt", "sample_data/mtcars.csv", "binomial")
    records = wald_tests(fit, ["C(cyl)[T.8] = 0", "wt = 0"])
    assert math.isnan(records.rows[0]["statistic"])
    assert math.isfinite(records.rows[1]["statistic"])
    assert [finding.code for finding in records.findings] == ["no_test"]


# ---- The command ----


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "model.json"
    fitted(*QUINE).save(model)
    arguments = ["test", str(model), "alpha = 1", "Age[T.F1] = 0, Age[T.F2] = 0", "--terms", "--adjust", "holm"]
    assert main([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema("glmfit/test/1"))
    assert [row["hypothesis"] for row in document["tests"]][2:] == ["Sex", "Age", "Eth", "Sex:Age"]
    assert main([*arguments, "--format", "csv", "-o", str(tmp_path / "tests.csv")]) == 0
    lines = (tmp_path / "tests.csv").read_text().splitlines()
    assert (
        lines[0]
        == "hypothesis,estimate,std_error,statistic,statistic_kind,df,df_residual,p_value,conf_low,conf_high,p_adjusted"
    )
    assert len(lines) == 7
    assert main(["test", str(model), "alpha = 1", "--format", "markdown"]) == 0
    assert "alpha = 1" in capsys.readouterr().out
    for wrong, status in ((["test", str(model)], 2), (["test", str(model), "alpha", "--adjust", "fdr"], 2)):
        assert main(wrong) == status
    assert main(["test", str(model), "--terms", "--adjust", "single-step"]) == 2
    assert main(["test", str(model), "alhpa = 1"]) == 3
    assert "did you mean 'alpha'" in capsys.readouterr().err


def test_in_python() -> None:
    frame = fitted(*QUINE).test("alpha = 1", "exp(Eth[T.N])", adjust="bh", level=0.9)
    assert list(frame.columns)[:3] == ["hypothesis", "estimate", "std_error"]
    assert list(frame["statistic_kind"]) == ["z", "z"]


if __name__ == "__main__":
    for one in CASES:
        print(one["name"], {key: f"{value:.2g}" for key, value in differences(one).items()})
