"""Terms kept or dropped as a whole, against proximal gradient steps to 1e-14 (tests/reference/shrink/groups.R)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glmfit
from glmfit.commands.app import main

REFERENCE = Path(__file__).resolve().parent.parent / "reference" / "shrink"
CASES = json.loads((REFERENCE / "groups.json").read_text())
TERMS = "g + h + x1 + x2 + x3 + I(x1**2) + h:x1"


def fitted(case: dict[str, Any], terms: str = TERMS, **options: Any) -> Any:
    options |= {key: case[key] for key in ("weights", "offset") if case[key]}
    return glmfit.fit(
        f"{case['response']} ~ {terms}",
        REFERENCE / "grouped.csv",
        family=case["family"],
        elastic_net=case["alpha"],
        standardize=case["standardize"],
        penalty_factors=case["factors"] or {},
        group_terms=True,
        **options,
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['family']}-{case['alpha']}")
def test_paths_are_those_of_proximal_gradient_steps(case: dict[str, Any]) -> None:
    fit = fitted(case)
    path = fit.shrinkage.path
    assert all(one.converged for one in path)
    at = [k for k in case["at"] if k < len(path)]
    assert len(at) >= 5
    names = [row.term for row in fit.coefficients]
    for k, strength, expected in zip(at, case["lambda"], case["coefficients"], strict=False):
        assert path[k].strength == pytest.approx(strength, rel=1e-9)
        found = np.zeros(len(names))
        found[list(path[k].places)] = path[k].estimates
        np.testing.assert_allclose(found, expected, atol=1e-7, rtol=1e-7)


def test_neither_base_nor_contrasts_matter() -> None:
    case = CASES[0] | {"factors": None}
    fits = [fitted(case, f"C(g, {coding}) + x1 + poly(x3, 2)", strength=0.02) for coding in ("contr.sum", "ref='d'")]
    means = [fit.predict(REFERENCE / "grouped.csv")["estimate"] for fit in fits]
    np.testing.assert_allclose(*means, rtol=1e-9)
    assert [one.nonzero for one in fits[0].shrinkage.path] == [one.nonzero for one in fits[1].shrinkage.path]
    assert {one.nonzero for one in fits[0].shrinkage.path} <= {0, 1, 4, 6}  # three coefficients of g, two of x3


def test_a_level_that_a_fold_lacks_is_no_obstacle(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(REFERENCE / "grouped.csv")
    asked = ["fit", path, "y ~ g + h:x1", "--lasso", "path", "--group-terms", "--cv-folds", "g"]
    assert main(asked) == 0
    assert "of terms are 0 together" in capsys.readouterr().out
    assert main(["fit", path, "y ~ g + x1", "--lasso", "1", "--group-terms", "--penalty-factor", "g[T.b]=2"]) == 3
    assert "g=2" in capsys.readouterr().err
