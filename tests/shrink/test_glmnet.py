"""Paths against glmnet's (tests/reference/shrink/glmnet.R): strengths, what is left and the coefficients at each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glmfit

REFERENCE = Path(__file__).resolve().parent.parent / "reference" / "shrink"
CASES = json.loads((REFERENCE / "glmnet.json").read_text())
FACTORS = {"x1": 0.0, "x2": 2.0, "x12": 0.5}
PLAIN = {"factors": False, "standardize": True, "intercept": True, "data": "data"}
KEPT = 5e-7  # of coefficients, absolute and relative; of those of x4 in units of its standard deviation, 1/50


def name(case: dict[str, Any]) -> str:
    kinds = [k for k in ("weights", "offset", "factors") if case[k]]
    kinds += [k for k in ("standardize", "intercept") if not case[k]]
    return "-".join([case["family"], str(case["alpha"]), case["data"], case["response"].replace("/", "-"), *kinds])


def fitted(case: dict[str, Any], **options: Any) -> Any:
    family, _, link = case["family"].partition("-")
    response = {"dead/trials": "cbind(dead, trials - dead)"}.get(case["response"], case["response"])
    letter, many = ("z", 60) if case["data"] == "wide" else ("x", 12)
    terms = " + ".join(f"{letter}{j}" for j in range(1, many + 1))
    options |= {key: case[key] for key in ("weights", "offset") if case[key]}
    options |= {"links": {"mu": link}} if link else {}
    options |= {"link" + "s": {"mu": "log"}} if family == "gamma" else {}
    return glmfit.fit(
        f"{response} ~ {terms}" + ("" if case["intercept"] else " - 1"),
        REFERENCE / f"{case['data']}.csv",
        family=family,
        elastic_net=case["alpha"],
        standardize=case["standardize"],
        penalty_factors=FACTORS if case["factors"] else {},
        **options,
    )


@pytest.mark.parametrize("case", CASES, ids=name)
def test_paths_are_those_of_glmnet(case: dict[str, Any]) -> None:
    fit = fitted(case)
    path, known = fit.shrinkage.path, case["lambda"]
    shared = min(len(path), len(known))
    np.testing.assert_allclose([one.strength for one in path[:shared]], known[:shared], rtol=1e-9)
    first = 1 if case["alpha"] == 0 else 0  # whose first strength glmnet takes for an infinite one
    explained = [one.explained for one in path[first:shared]]
    np.testing.assert_allclose(explained, case["explained"][first:shared], atol=1e-9)
    assert [one.nonzero for one in path[first:shared]] == case["nonzero"][first:shared]
    assert all(one.converged for one in path)
    at = [k for k in case["at"] if k < shared]
    assert len(at) >= 4
    names = [row.term for row in fit.coefficients]
    for k, expected in zip(at, case["coefficients"], strict=False):
        found = np.zeros(len(names))
        found[list(path[k].places)] = path[k].estimates
        if not case["intercept"]:
            expected = expected[1:]
        np.testing.assert_allclose(found, expected, atol=KEPT, rtol=KEPT)


VALIDATED = json.loads((REFERENCE / "cv.json").read_text())


@pytest.mark.parametrize("case", VALIDATED, ids=lambda case: name({**case, **PLAIN}))
def test_cross_validation_is_that_of_glmnet(case: dict[str, Any]) -> None:
    fit = fitted({**case, **PLAIN}, cv_folds="fold", strength="1se")
    shrunk, first = fit.shrinkage, 1 if case["alpha"] == 0 else 0
    shared = min(len(shrunk.path), len(case["lambda"]))
    for key, found in (("mean", [p.cv_mean for p in shrunk.path]), ("error", [p.cv_error for p in shrunk.path])):
        np.testing.assert_allclose(found[first:shared], case[key][first:shared], rtol=1e-7)
    assert shrunk.cv.strength_min == pytest.approx(case["min"], rel=1e-9)
    assert shrunk.cv.strength_1se == pytest.approx(case["one_error"], rel=1e-9)
    assert shrunk.path[shrunk.chosen].strength == shrunk.cv.strength_1se
