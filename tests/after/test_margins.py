"""`glmfit margins` against R and Python's marginaleffects (tests/reference/after), and what it refuses.

`python tests/after/test_margins.py` prints the worst differences.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import glmfit
from glmfit import fit_spec
from glmfit.after.effects import Request
from glmfit.after.margins import margins
from glmfit.after.newdata import Asked
from glmfit.after.saved import SavedModel, open_model
from glmfit.commands.app import main
from glmfit.errors import GlmfitError
from glmfit.report import schema
from glmfit.report.saved import model_from_json, model_json
from glmfit.spec import ModelSpec
from glmfit.table import open_data

Run = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "tests" / "reference" / "after"
CASES: list[dict[str, Any]] = json.loads((REFERENCE / "margins.json").read_text())
PYTHON: list[dict[str, Any]] = json.loads((REFERENCE / "margins_python.json").read_text())
IDS = [case["name"] for case in CASES]
SINGLE_STEP = 1e-4  # absolute: both integrals are quasi-random
WORDS = ("kind", "term", "contrast", "level", "by", "at")


@cache
def saved(data: str, spec: str) -> SavedModel:
    """A model from its file."""
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in json.loads(spec).items()}
    fitted = fit_spec(ModelSpec(**fields), str(ROOT / data))
    return open_model(model_from_json(model_json(fitted), "model.json"))


def answered(case: dict[str, Any]) -> Any:
    model = saved(case["data"], json.dumps(case["spec"]))
    asked = {key: tuple(value) if isinstance(value, list) else value for key, value in dict(case["asked"]).items()}
    return margins(model, open_data(str(ROOT / case["data"])), Asked(), Request(**asked))


def same(found: Any, expected: Any) -> bool:
    """Whether labels are the same, numbers among them to 12 digits."""
    if not isinstance(expected, dict):
        return bool(found == (pytest.approx(expected, rel=1e-12) if isinstance(expected, float) else expected))
    return found.keys() == expected.keys() and all(same(found[name], one) for name, one in expected.items())


def differences(case: dict[str, Any]) -> dict[str, float]:
    """The worst relative difference of estimates (of those near 0 in standard errors), and of all that rests on a
    covariance; p-values absolutely."""
    worst = {"estimate": 0.0, "std_error": 0.0, "p": 0.0, "adjusted": 0.0}
    rows = answered(case).rows
    assert len(rows) == len(case["rows"])
    for row, expected in zip(rows, case["rows"], strict=True):
        for word in WORDS:
            assert same(row[word], expected.get(word, {} if word in ("at", "by") else None)), word
        for name in expected.keys() - set(WORDS):
            kind = {"p_value": "p", "p_adjusted": "adjusted", "estimate": "estimate"}.get(name, "std_error")
            difference = abs(row[name] - expected[name])
            size = max(abs(expected[name]), expected["std_error"] if kind == "estimate" else 0.0)
            relative = difference if kind in ("p", "adjusted") else difference / size
            worst[kind] = max(worst[kind], relative)
    return worst


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_margins_are_those_of_r(case: dict[str, Any]) -> None:
    worst, tolerance = differences(case), case["tolerance"]
    assert worst["estimate"] <= tolerance["estimate"]
    assert worst["std_error"] <= tolerance["std_error"]
    assert worst["p"] <= tolerance["std_error"]
    assert worst["adjusted"] <= (SINGLE_STEP if dict(case["asked"]).get("adjust") == "single-step" else 1e-8)


def python_differences(case: dict[str, Any]) -> tuple[float, float]:
    """The worst of estimates, and of standard errors, statistics and intervals, in standard errors."""
    rows = {(row["term"], row["contrast"], str(row["by"])): row for row in answered(case).rows}
    worst = [0.0, 0.0]
    for expected in case["rows"]:
        contrast = None if expected["contrast"] == "dY/dX" else expected["contrast"]
        row = rows[expected["term"], contrast, str(expected.get("by", {}))]
        for name in expected.keys() - {"term", "contrast", "by"}:
            size = 1.0 if name == "statistic" else expected["std_error"]
            worst[name != "estimate"] = max(worst[name != "estimate"], abs(row[name] - expected[name]) / size)
    return worst[0], worst[1]


@pytest.mark.parametrize("case", PYTHON, ids=[case["name"] for case in PYTHON])
def test_margins_are_those_of_marginaleffects_and_statsmodels(case: dict[str, Any]) -> None:
    """marginaleffects differentiates by steps, its standard errors of slopes by steps of steps: 4 digits are left."""
    estimate, others = python_differences(case)
    assert estimate <= 1e-8
    assert others <= (1e-3 if case["name"].startswith("logit") else 1e-6)


# ---- What it does beside R ----


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command, in a folder with a model of ten rows."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").write_text(DATA)

    def run(*words: str) -> tuple[int, str, str]:
        status = main(words)
        return status, *capsys.readouterr()

    formula = "n ~ x*g + I(z > 2) + log(t)"
    assert (
        run("fit", "data.csv", formula, "-f", "poisson", "--exposure", "e", "--save", "m.json", "-o", "f.txt")[0] == 0
    )
    return run


DATA = """n,x,g,z,t,e,w,k
3,0.1,a,1,1.5,1,1,p
5,1.2,b,2,2.5,2,0,p
2,0.7,c,3,0.5,1,2,q
8,2.1,a,4,3.5,3,1,q
4,1.9,b,1,1.0,1,1,p
6,0.4,c,2,2.0,2,2,q
9,2.5,a,3,2.2,2,1,p
3,0.3,b,4,1.1,1,1,q
7,1.1,c,1,3.0,2,1,p
4,1.6,a,2,0.8,1,0,q
"""


def test_formats_and_weights(run: Run) -> None:
    status, out, err = run("margins", "m.json", "data.csv", "--by", "k", "--weights", "w", "--json")
    assert (status, err) == (0, "")
    document = json.loads(out)
    jsonschema.validate(document, schema("glmfit/margins/1"))
    assert [finding["code"] for finding in document["warnings"]] == ["left_out"]
    assert document["weights"] == "w"
    first = document["margins"][0]
    assert (first["kind"], first["term"], first["by"]) == ("slope", "x", {"k": "p"})
    _, out, err = run("margins", "m.json", "data.csv", "--by", "k", "--weights", "w", "--format", "csv")
    assert "[left_out]" in err
    table = list(csv.DictReader(io.StringIO(out)))
    assert float(table[0]["estimate"]) == first["estimate"]
    assert [row["by.k"] for row in table[:2]] == ["p", "q"]
    _, out, _ = run("margins", "m.json", "data.csv", "--at", "x=0,1", "--at", "g=b", "--format", "markdown")
    assert "| at.g | at.x | estimate |" in out
    frame = glmfit.load("m.json").margins("data.csv", by="k", weights="w")
    assert frame["estimate"].tolist() == [row["estimate"] for row in document["margins"]]
    kept = "\n".join([DATA.splitlines()[0], *(line for line in DATA.splitlines()[1:] for _ in range(int(line[-3])))])
    Path("often.csv").write_text(kept + "\n")
    often = glmfit.load("m.json").margins("often.csv", by="k")
    np.testing.assert_allclose(often["std_error"], frame["std_error"], rtol=1e-12)


def test_runs_add_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("margins", "m.json", "data.csv", "--by", "g", "--terms", "x", "--at", "means", "--json")
    whole = json.loads(run(*words)[1])["margins"]
    monkeypatch.setattr("glmfit.table.delimited._RUN", 40)
    parts = json.loads(run(*words)[1])["margins"]
    for one, other in zip(whole, parts, strict=True):
        assert one["by"] == other["by"]
        assert other["estimate"] == pytest.approx(one["estimate"], rel=1e-13)
        assert other["std_error"] == pytest.approx(one["std_error"], rel=1e-12)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ("--terms y", 3, "'y' is no covariate of the mean"),
        ("--terms xx", 3, "did you mean 'x'?"),
        ("--terms e", 3, "'e' is no covariate"),
        ("--terms z", 3, "enters the model by steps"),
        ("--at g=d", 3, "'g' has no level 'd'"),
        ("--at x=a", 2, "'a' is not a finite number"),
        ("--at q=1", 3, "has no column 'q'"),
        ("--at x", 2, "not of the form NAME=VALUES"),
        ("--at x=1 --at x=2", 2, "given twice"),
        ("--at t=-1", 3, "'log(t)' is nan where t = -1"),
        ("--pairwise x", 2, "add them: --at x=0,1,2"),
        ("--contrast g:all", 2, "not of the form NAME:reference|sequential|pairwise"),
        ("--by q", 3, "no column 'q'"),
        ("--weights q", 3, "no column 'q'"),
        ("--of probabilities", 2, "no categories"),
        ("--of quantile:0.5 --terms x", 2, "no average slope"),
        ("--inverse x=-1", 3, "no mean of this model can be -1"),
        ("--inverse g=1", 3, "no column of numbers"),
        ("--inverse t=2 --by k", 2, "takes no --by"),
        ("--missing keep", 2, "'keep'"),
        ("--adjust tukey", 2, "'tukey'"),
    ],
)
def test_what_cannot_be_asked(run: Run, words: str, status: int, said: str) -> None:
    found, out, err = run("margins", "m.json", "data.csv", *words.split())
    assert (found, out) == (status, "")
    assert said in err


def test_rows_that_cannot_be_used(run: Run) -> None:
    Path("new.csv").write_text(DATA.replace("2,0.7,c", "2,0.7,d").replace("8,2.1,a", "8,,a"))
    status, _, err = run("margins", "m.json", "new.csv")
    assert status == 3
    assert "row 3" in err or "row 4" in err
    document = json.loads(run("margins", "m.json", "new.csv", "--missing", "drop", "--json")[1])
    assert document["rows"] == 8
    Path("new.csv").write_text(DATA.replace(",e,", ",years,"))
    assert run("margins", "m.json", "new.csv")[0] == 3
    assert run("margins", "m.json", "new.csv", "--exposure", "1")[0] == 0


def test_what_does_not_exist_is_an_empty_cell_with_a_name(run: Run) -> None:
    data = {"y": [1, 1, 1, 0, 1, 0, 1, 0], "g": list("aaabbbcc")}
    found = glmfit.fit("y ~ 0 + g", data, family="binomial").margins(data, at={"g": ["a", "b"]})
    assert found["estimate"].tolist() == pytest.approx([1.0, 1 / 3])
    assert found["std_error"].isna().tolist() == [True, False]
    data = {"y": [1.0, 2, 3, 5, 4, 6], "a": list("uuvvuu"), "b": list("pqppqp")}  # v and q never meet
    Path("cells.csv").write_text("y,a,b\n" + "".join(f"{y},{a},{b}\n" for y, a, b in zip(*data.values(), strict=True)))
    assert run("fit", "cells.csv", "y ~ a*b", "--save", "c.json", "-o", "f.txt")[0] == 0
    status, out, _ = run("margins", "c.json", "cells.csv", "--at", "b=p,q", "--terms", "a", "--json")
    document = json.loads(out)
    assert status == 5
    assert [row["estimate"] is None for row in document["margins"]] == [False, True]
    (finding,) = document["warnings"]
    assert finding["code"] == "no_margin"
    assert finding["terms"] == ["a v - u (b=q)"]


def test_every_solution_of_an_inverse(run: Run) -> None:
    x = np.linspace(-2, 3, 40)
    data = {"x": x, "y": 1 + x**2 + 0.01 * np.sin(7 * x)}
    fit = glmfit.fit("y ~ poly(x, 2)", data)
    found = fit.margins(data, inverse={"x": 2})
    assert found["estimate"].tolist() == pytest.approx([-1, 1], abs=0.01)
    assert (found["fieller_low"] < found["estimate"]).all()
    at = fit.predict({"x": found["fieller_high"].to_numpy()})
    half = (at["conf_high"] - at["conf_low"]) / 2
    np.testing.assert_allclose((at["estimate"] - 2).abs(), half, rtol=1e-6)
    with pytest.raises(GlmfitError, match="never gets there"):
        fit.margins(data, inverse={"x": 0})


if __name__ == "__main__":
    for one in PYTHON:
        print(one["name"], python_differences(one))
    for one in CASES:
        try:
            print(one["name"], {key: f"{value:.2g}" for key, value in differences(one).items()})
        except Exception as error:
            print(one["name"], type(error).__name__, str(error)[:300])
