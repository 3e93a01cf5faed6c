"""Tests of models with random effects: likelihoods and ratios of glmmTMB (tests/reference/random/write_after.R),
p-values of mixtures, and what cannot be compared.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import glmfit
from glmfit.errors import ModelError, UsageError

REFERENCE = Path(__file__).resolve().parents[2] / "tests" / "reference" / "random"
LADDERS = json.loads((REFERENCE / "after.json").read_text())["ladders"]
FRAMES = json.loads((REFERENCE / "random.json").read_text())["frames"]


def frame(ladder: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(FRAMES[ladder["data"]])


def formula(text: str) -> str:
    return text.replace("cbind(incidence, size - incidence)", "incidence/size").replace("period", "C(period)")


@pytest.mark.parametrize("ladder", LADDERS, ids=lambda one: one["formulas"][-1])
def test_comparisons_are_those_of_glmmtmb(ladder: dict[str, Any]) -> None:
    data = frame(ladder)
    fits = {f"m{i}": glmfit.fit(formula(f), data, **ladder["asked"]) for i, f in enumerate(ladder["formulas"], start=1)}
    models, tests = glmfit.compare(**fits)
    assert list(models["log_likelihood"]) == pytest.approx(ladder["log_likelihood"], abs=1e-6)
    p_values = ladder["p_value"] if isinstance(ladder["p_value"], list) else [ladder["p_value"]]
    for (large, small, df, variances), p_value, (_, row) in zip(
        ladder["tests"], p_values, tests.iterrows(), strict=True
    ):
        assert (row["model"], row["against"], row["df"]) == (f"m{large}", f"m{small}", df)
        assert row["p_value"] == pytest.approx(p_value, rel=1e-4, abs=1e-300)
        assert row["statistic_kind"] == ("chibar2" if variances else "chi2")


def test_likelihoods_that_are_of_different_things_are_not_compared() -> None:
    data = pd.DataFrame(FRAMES["sim"])
    one = glmfit.fit("gauss ~ x + (1 | g)", data, reml=True)
    wide = glmfit.fit("gauss ~ x + (1 | g) + (1 | h)", data, reml=True)
    assert glmfit.compare(a=one, b=wide)[1]["statistic_kind"][0] == "chibar2"
    for other in (glmfit.fit("gauss ~ z + (1 | g)", data, reml=True), glmfit.fit("gauss ~ x + (1 | g)", data)):
        with pytest.raises(ModelError) as refused:
            glmfit.compare(a=one, b=other)
        assert refused.value.code == "reml_compared"
    smooth = glmfit.fit("gauss ~ s(x, k=5)", data)
    for other in (glmfit.fit("gauss ~ x + (1 | g)", data), glmfit.fit("gauss ~ s(x, k=5) + (1 | g)", data)):
        with pytest.raises(ModelError) as refused:
            glmfit.compare(a=other, b=smooth)
        assert refused.value.code == "conditional_compared"
    slopes, crossed = (glmfit.fit(f"gauss ~ x + {term}", data, reml=True) for term in ("(x | g)", "(1 | h)"))
    reason = str(glmfit.compare(a=crossed, b=slopes)[1]["reason"][0])
    assert "no random effects (1 | h)" in reason
    assert "Vuong" not in reason  # rows that share effects have no likelihoods of their own


def test_anova_tests_fixed_effects_by_ratios_and_by_wald() -> None:
    ladder = LADDERS[0]
    rows = glmfit.anova("count ~ x + (1 | g)", frame(ladder), **ladder["asked"])
    assert rows["statistic"][0] == pytest.approx(
        2 * (ladder["log_likelihood"][1] - ladder["log_likelihood"][0]), rel=1e-8
    )
    wald = glmfit.anova("gauss ~ x + z + (1 | g)", pd.DataFrame(FRAMES["sim"]), reml=True)
    fit = glmfit.fit("gauss ~ x + z + (1 | g)", pd.DataFrame(FRAMES["sim"]), reml=True)
    own = [row for row in fit.coefficients if row.term in ("x", "z")]
    assert list(wald["statistic"]) == pytest.approx([row.statistic**2 for row in own], rel=1e-8)
    assert list(wald["p_value"]) == pytest.approx([row.p_value for row in own], rel=1e-8)
    for asked in ({"test": "lr", "reml": True}, {"test": "score"}):
        with pytest.raises(UsageError):
            glmfit.anova("gauss ~ x + (1 | g)", pd.DataFrame(FRAMES["sim"]), **asked)
