"""Joint Wald tests are R's, whatever the covariance and whatever is aliased; long terms are folded, none is lost."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch

import glmfit
from glmfit.inference.covariance import Reference
from glmfit.inference.joint import joint_test, wald
from glmfit.report import fit_from_json, schema, to_csv, to_json, to_markdown, to_table
from glmfit.result import Fit

ROOT = Path(__file__).resolve().parents[2]
R = json.loads((ROOT / "tests" / "reference" / "formula" / "transforms.json").read_text())


@pytest.mark.parametrize("case", R["joint_tests"], ids=lambda case: f"{case['formula']} {case['se'] or ''}")
def test_they_are_those_of_r(case: dict[str, Any]) -> None:
    data = str(ROOT / "sample_data" / f"{case['data']}.csv")
    fit = glmfit.fit(case["formula"], data, family=case["family"], se=case["se"])
    found = {test.term: test for test in fit.joint_tests}
    assert set(found) == {test["term"] for test in case["tests"]}
    for expected in case["tests"]:
        test = found[expected["term"]]
        assert (test.parameter, test.df) == ("mu", expected["df"])
        assert test.statistic_kind == ("F" if case["family"] == "gaussian" else "chi2")
        assert test.statistic == pytest.approx(expected["statistic"], rel=1e-7)
        assert test.p_value == pytest.approx(expected["p_value"], rel=1e-6)
        rows = fit.coefficients[test.first : test.first + test.coefficients]
        assert sum(row.status != "aliased" for row in rows) == test.df
        assert all(expected["term"].split(":")[0] in row.term for row in rows)


def test_one_coefficient_is_its_own_test() -> None:
    z, error = 1.7, 0.3
    statistic = wald(torch.tensor([z * error], dtype=torch.float64), torch.tensor([[error**2]], dtype=torch.float64))
    assert statistic == pytest.approx(z**2)
    for reference in (Reference(None), Reference(7.0)):
        assert joint_test(statistic, 1, reference)[2] == pytest.approx(reference.p_value(z), rel=1e-12)


def test_what_is_singular_or_infinite_has_no_test() -> None:
    b = torch.tensor([1.0, 2.0], dtype=torch.float64)
    assert math.isnan(wald(b, torch.ones((2, 2), dtype=torch.float64)))
    assert math.isnan(wald(b * math.inf, torch.eye(2, dtype=torch.float64)))
    # fewer clusters than levels: the covariance of all of them has no inverse
    data = {"y": list(np.arange(24.0) % 7), "g": list("abcdefgh") * 3, "k": [1] * 8 + [2] * 8 + [3] * 8}
    (test,) = glmfit.fit("y ~ g", data, se="cluster:k").joint_tests
    assert math.isnan(test.statistic)
    assert math.isnan(test.p_value)


def test_each_parameter_has_its_own() -> None:
    data = str(ROOT / "sample_data" / "warpbreaks.csv")
    fit = glmfit.fit(("breaks ~ wool + tension", "alpha ~ tension"), data, family="nb")
    assert [(test.parameter, test.term, test.first) for test in fit.joint_tests] == [
        ("mu", "tension", 2),
        ("alpha", "tension", 5),
    ]
    ordinal = glmfit.fit("Sat ~ Infl + Cont", _housing(), family="ordinal", levels=("Low", "Medium", "High"))
    assert [(test.term, test.first, test.coefficients) for test in ordinal.joint_tests] == [("Infl", 0, 2)]
    assert [row.term for row in ordinal.coefficients[:2]] == ["Infl[T.Low]", "Infl[T.Medium]"]
    several = glmfit.fit("Sat ~ Infl", _housing(), family="multinomial", levels=("Low", "Medium", "High"))
    assert [(test.parameter, test.first) for test in several.joint_tests] == [("Medium", 1), ("High", 4)]


def _housing() -> str:
    return str(ROOT / "sample_data" / "housing.csv")


@cache
def many() -> Fit:
    """A factor of 41 levels, the last of which is far from the others, beside one of three."""
    random = np.random.default_rng(8)
    g = np.repeat([f"l{i:02d}" for i in range(41)], 8)
    y = random.normal(size=len(g)) + 9.0 * (g == "l40") - 5.0 * (g == "l23")
    return glmfit.fit("y ~ h + g", {"y": y, "g": g, "h": np.tile(["a", "b", "c", "c"], 82)})


def test_a_long_term_is_folded() -> None:
    text = to_table(many(), width=100)
    assert "... 30 more levels of g: --all-levels, or --json" in text
    shown = [line.split()[0] for line in text.splitlines() if line.startswith("g[")]
    assert shown[:5] == [f"g[T.l{i:02d}]" for i in range(1, 6)]
    assert len(shown) == 10
    assert {"g[T.l23]", "g[T.l40]"} < set(shown)
    (_, test) = many().joint_tests
    (row,) = (line for line in text.splitlines() if line.startswith("g: F on 40, 285 df"))
    assert row.split()[-2:] == [f"{test.statistic:.3f}", "<2e-16"]
    assert max(map(len, text.splitlines())) <= 100
    markdown = to_markdown(many())
    assert "| ... 30 more levels of g: --all-levels, or --json |" in markdown
    assert "| g: F on 40, 285 df |" in markdown


def test_every_row_can_be_had() -> None:
    terms = [row.term for row in many().coefficients]
    for text in (to_table(many(), all_levels=True), to_markdown(many(), all_levels=True), to_csv(many())):
        assert all(term in text.replace("\\", "") for term in terms)
        assert "more levels" not in text
    document = json.loads(to_json(many()))
    jsonschema.validate(document, schema("glmfit/fit/1"))
    assert [row["term"] for row in document["coefficients"]] == terms
    assert document["joint_tests"][1]["term"] == "g"
    assert fit_from_json(to_json(many())).joint_tests == many().joint_tests


def test_a_factor_of_thirty_levels_is_shown_whole() -> None:
    data = {"y": list(range(62)), "g": [f"l{i:02d}" for i in range(31)] * 2}
    fit = glmfit.fit("y ~ g", data)
    assert "more levels" not in to_table(fit)
    assert fit.joint_tests[0].coefficients == 30
