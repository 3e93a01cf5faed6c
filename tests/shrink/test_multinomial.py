"""Paths of a response of categories against glmnet's (tests/reference/shrink/multinomial.R)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glmfit

REFERENCE = Path(__file__).resolve().parent.parent / "reference" / "shrink"
CASES = json.loads((REFERENCE / "multinomial.json").read_text())
KEPT = 5e-7
TERMS = " + ".join(f"x{j}" for j in range(1, 9))


def fitted(case: dict[str, Any], **options: Any) -> Any:
    return glmfit.fit(
        f"{case['response']} ~ {TERMS}",
        REFERENCE / "kinds.csv",
        family="multinomial",
        elastic_net=case["alpha"],
        standardize=case["standardize"],
        penalty_factors={"x1": 0, "x2": 2} if case["factors"] else {},
        group_categories=case["grouped"],
        weights=case["weights"],
        **options,
    )


@pytest.mark.parametrize(
    "case", CASES, ids=lambda c: f"{c['response']}-{c['alpha']}-{'grouped' if c['grouped'] else 'plain'}"
)
def test_paths_are_those_of_glmnet(case: dict[str, Any]) -> None:
    fit = fitted(case, cv_folds="fold", strength="1se") if case["mean"] else fitted(case)
    path = fit.shrinkage.path
    shared = min(len(path), len(case["lambda"]))
    np.testing.assert_allclose([one.strength for one in path[:shared]], case["lambda"][:shared], rtol=1e-9)
    np.testing.assert_allclose([one.explained for one in path[:shared]], case["explained"][:shared], atol=1e-9)
    assert all(one.converged for one in path)
    assert list(dict.fromkeys(row.parameter for row in fit.coefficients)) == case["levels"]
    at = [k for k in case["at"] if k < shared]
    assert len(at) >= 5
    for k, expected in zip(at, case["coefficients"], strict=False):
        found = np.zeros(len(fit.coefficients))
        found[list(path[k].places)] = path[k].estimates
        np.testing.assert_allclose(found.reshape(len(case["levels"]), -1), expected, atol=KEPT, rtol=KEPT)
    if case["mean"]:
        np.testing.assert_allclose([one.cv_mean for one in path[:shared]], case["mean"][:shared], rtol=1e-7)
        np.testing.assert_allclose([one.cv_error for one in path[:shared]], case["error"][:shared], rtol=1e-7)


def test_what_follows_knows_every_category(tmp_path: Path) -> None:
    fit = fitted({**CASES[0], "weights": None}, strength=0.02)
    fit.save(tmp_path / "m.json")
    again = glmfit.load(str(tmp_path / "m.json"))
    shares = again.predict(REFERENCE / "kinds.csv")
    assert list(shares["level"][:3]) == ["a", "b", "c"]
    np.testing.assert_allclose(shares.groupby("row")["estimate"].sum(), 1.0)
    slopes = np.array([row.estimate for row in fit.coefficients]).reshape(3, -1)
    assert slopes[:, 0].sum() == pytest.approx(0, abs=1e-14)
    np.testing.assert_allclose(np.median(slopes[:, 1:], axis=0), 0)
