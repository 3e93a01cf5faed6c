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
