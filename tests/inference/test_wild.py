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
from glmfit.trust import diagnose

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


def test_an_end_is_found_where_the_whole_observed_information_is_indefinite(tmp_path: Path) -> None:
    # beyond 3.90 alpha's curvature along the maxima is of the wrong sign; the maximum with b held is one all the same
    fit = glmfit.fit("Days ~ Sex", QUINE, family="negative-binomial", se="wild:Age")
    assert "no_profile" not in [finding.code for finding in fit.warnings]
    low, high = fit.coefficients[0].conf_low, fit.coefficients[0].conf_high
    assert low < fit.coefficients[0].estimate < 3.9 < high < 4.2
    lines = Path(QUINE).read_text().splitlines()
    (tmp_path / "quine.csv").write_text("\n".join([lines[0] + ",one", *(line + ",1.0" for line in lines[1:])]) + "\n")
    for end, inside in ((low, 1), (high, -1)):
        for side in (inside, -inside):
            formula = f"Days ~ Sex + offset({end + 1e-3 * side:.12f}*one)"
            moved = glmfit.fit(formula, str(tmp_path / "quine.csv"), family="negative-binomial", se="wild:Age")
            assert (moved.coefficients[0].p_value > 0.05) == (side == inside)


def test_what_was_not_found_is_said_by_its_end() -> None:
    said = diagnose.not_bootstrapped({"Intercept": ["upper end"], "x": ["p-value", "lower end"]})
    assert "the upper end of 'Intercept', the p-value and the lower end of 'x'" in said.message
    assert said.code == "no_profile"
    warp = str(ROOT / "sample_data" / "warpbreaks.csv")
    fit = glmfit.fit("breaks ~ wool", warp, family="poisson", links={"mu": "identity"}, se="wild:tension")
    missing = next(finding for finding in fit.warnings if finding.code == "no_profile")
    parts = {"p-value": "p_value", "lower end": "conf_low", "upper end": "conf_high"}
    for row in fit.coefficients:
        absent = [part for part, name in parts.items() if math.isnan(getattr(row, name))]
        if absent:
            assert f"the {' and the '.join(absent)} of '{row.term}'" in missing.message
        else:
            assert f"'{row.term}'" not in missing.message


@pytest.mark.parametrize(
    ("kind", "clusters", "enumerated", "advised"),
    [
        ("rademacher", 5, True, "use --wild-weights webb or --small-sample cr2 with --se cluster"),
        (
            "rademacher",
            5,
            False,
            "use more --replicates or --wild-weights webb or --small-sample cr2 with --se cluster",
        ),
        ("rademacher", 20, False, "use more --replicates or --small-sample cr2 with --se cluster"),
        ("webb", 5, False, "use more --replicates or --small-sample cr2 with --se cluster"),
        ("webb", 3, True, "with so few clusters no method helps"),
        ("rademacher", 2, True, "with so few clusters no method helps"),
    ],
)
def test_what_is_in_force_is_not_advised(kind: str, clusters: int, enumerated: bool, advised: str) -> None:
    finding = diagnose.coarse_p_values(kind, clusters, 0.03, 0.05, enumerated=enumerated)
    assert finding is not None
    assert finding.message.endswith("; " + advised)


def test_three_clusters_are_beyond_help() -> None:
    fit = glmfit.fit("breaks ~ wool", str(ROOT / "sample_data" / "warpbreaks.csv"), se="wild:tension")
    (finding,) = (one for one in fit.warnings if one.code == "coarse_p_values")
    assert "no method helps" in finding.message
    assert "--" not in finding.message


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
