"""Wild cluster bootstraps are those of their definitions in plain R, sample by sample; and what is said of them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import glmfit
from glmfit.errors import UsageError
from glmfit.report import schema, to_json, to_table

ROOT = Path(__file__).resolve().parents[2]
CASES = json.loads((ROOT / "tests" / "reference" / "wild" / "wild.json").read_text())
INTERIOR = str(ROOT / "tests" / "reference" / "data" / "interior.csv")
QUINE = str(ROOT / "sample_data" / "quine.csv")
# Of an end, in standard errors: R's uniroot, or its refits of the model with a coefficient held, are no more exact.
END = 1e-6


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_all_samples_are_those_of_the_definition(case: dict[str, Any]) -> None:
    options = {"se": f"wild:{case['cluster']}", "wild_weights": case["kind"], **(case["options"] or {})}
    fit = glmfit.fit(case["formula"], str(ROOT / case["data"]), family=case["family"], **options)
    how = fit.covariance.wild
    assert how is not None
    assert (how.enumerated, how.replicates, how.seed) == (True, case["samples"], None)
    assert how.of == ("residuals" if case["family"] == "gaussian" else "scores")
    for row, expected in zip(fit.coefficients, case["coefficients"], strict=True):
        assert row.estimate == pytest.approx(expected["estimate"], rel=1e-8, abs=1e-8)
        assert row.std_error == pytest.approx(expected["std_error"], rel=1e-6)
        assert row.p_value == pytest.approx(expected["p_value"], abs=1e-12), row.term  # a share of the samples
        for end in ("conf_low", "conf_high"):
            if expected[end] is not None:
                assert abs(getattr(row, end) - expected[end]) <= END * row.std_error, end


def test_random_samples_are_near_to_all_and_the_same_by_seed() -> None:
    def fit(**options: Any) -> Any:
        return glmfit.fit("normal ~ x", INTERIOR, se="wild:firm", **options)

    exact = glmfit.fit("normal ~ x", INTERIOR, se="wild:town", wild_weights="rademacher")
    near = glmfit.fit("normal ~ x", INTERIOR, se="wild:town", wild_weights="rademacher", replicates=255)
    assert near.covariance.wild is not None
    assert (near.covariance.wild.enumerated, near.covariance.wild.seed) == (False, 1)
    for one, other in zip(exact.coefficients, near.coefficients, strict=True):
        assert abs(one.p_value - other.p_value) < 0.05
        assert other.conf_low == pytest.approx(one.conf_low, abs=one.std_error)
    first, again, other = fit(), fit(seed=1), fit(seed=2)
    assert first.coefficients == again.coefficients != other.coefficients
    assert first.covariance.wild.weights == "rademacher"
    assert near.covariance.correction == "G/(G-1)"
    clustered = glmfit.fit("normal ~ x", INTERIOR, se="cluster:firm")
    assert first.covariance.matrix == clustered.covariance.matrix
    assert [row.statistic for row in first.coefficients] == [row.statistic for row in clustered.coefficients]
    # a value of the interval's end has a p-value beside the level: the hypothesis is moved by an offset
    low, high = first.coefficients[1].conf_low, first.coefficients[1].conf_high
    for end, inside in ((low, 1), (high, -1)):
        for side in (inside, -inside):
            moved = glmfit.fit(f"normal ~ x + offset({end + 1e-4 * side:.12f}*x)", INTERIOR, se="wild:firm")
            assert (moved.coefficients[1].p_value > 0.05) == (side == inside)


def test_every_kind_of_parameter_is_tested() -> None:
    fit = glmfit.fit("overdispersed ~ x", INTERIOR, family="negative-binomial", se="wild:firm", replicates=199)
    assert [row.term for row in fit.coefficients] == ["Intercept", "x", "Intercept"]
    for row in fit.coefficients:
        assert row.conf_low < row.estimate < row.conf_high
        assert (row.p_value <= 0.05) == (not row.conf_low <= 0 <= row.conf_high)
    separated = glmfit.fit("vs ~ C(cyl)", str(ROOT / "sample_data" / "mtcars.csv"), family="binomial", se="wild:carb")
    assert separated.exit_code == 5
    assert [row.status for row in separated.coefficients] == [None, None, "infinite"]


def test_too_few_samples_for_a_small_p_value_are_said() -> None:
    fit = glmfit.fit("Days ~ Eth + Sex", QUINE, se="wild:Age", wild_weights="rademacher")
    assert all(row.p_value >= 2**-3 for row in fit.coefficients)
    assert all((row.conf_low, row.conf_high) == (-math.inf, math.inf) for row in fit.coefficients)
    (finding,) = (one for one in fit.warnings if one.code == "coarse_p_values")
    assert "0.12" in finding.message
    jsonschema.validate(json.loads(to_json(fit)), schema())
    assert max(map(len, to_table(fit, plain=True).splitlines())) <= 80
    assert not glmfit.fit("normal ~ x", INTERIOR, se="wild:firm").warnings


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"se": "wild:"}, "names no clusters"),
        ({"se": "wild:firm,town"}, "too many clusters"),
        ({"se": "cluster:firm", "replicates": 99}, "--replicates is for the wild cluster bootstrap"),
        ({"se": "wild:firm", "replicates": 0}, "too small"),
        ({"se": "wild:firm", "wild_weights": "mammen"}, "not one of rademacher, webb"),
        ({"se": "wild:firm", "small_sample": "cr2"}, "--small-sample is for clustered"),
        ({"se": "wild:firm", "ci": "profile"}, "profile intervals rest on the likelihood"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        glmfit.fit("normal ~ x", INTERIOR, **options)


def test_a_whole_log_likelihood_leads_to_clusters(tmp_path: Path) -> None:
    file = tmp_path / "normal.py"
    file.write_text(
        "parameters = ['mu']\ndef log_likelihood(params, data):\n    return -((data['normal'] - params['mu']) ** 2)\n"
    )
    with pytest.raises(UsageError) as refused:
        glmfit.fit_spec(glmfit.spec.ModelSpec(family=str(file), se="wild:firm"), INTERIOR)
    assert refused.value.hint == "use --se cluster:firm"
