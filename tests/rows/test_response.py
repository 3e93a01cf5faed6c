"""What a response, weights and parameters may be; every refusal names the column, the row, the value and a way out."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import glmfit
from glmfit.errors import DataError, GlmfitError, ModelError, UsageError
from glmfit.result import Fit

Columns = dict[str, Any]


def columns(**replaced: Any) -> Columns:
    """Eight rows; `replaced` puts other columns in."""
    data: Columns = {
        "x": [0.1, 0.5, 0.9, 1.1, 1.6, 2.2, 2.4, 3.0],
        "y": [1.0, 0.0, 2.0, 3.0, 1.0, 4.0, 6.0, 5.0],
        "b": [0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0],
        "t": ["no", "yes", "no", "no", "yes", "yes", "no", "yes"],
        "dead": [1.0, 0.0, 2.0, 3.0, 1.0, 4.0, 2.0, 5.0],
        "n": [4.0, 3.0, 5.0, 4.0, 2.0, 6.0, 5.0, 7.0],
        "alive": [3.0, 3.0, 3.0, 1.0, 1.0, 2.0, 3.0, 2.0],
        "p": [1.2, 0.8, 2.2, 3.1, 1.4, 4.0, 6.1, 5.2],
        "w": [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0],
        "g": ["u", "v", "u", "v", "u", "v", "u", "v"],
    }
    return data | replaced


def with_value(name: str, row: int, value: float) -> Columns:
    """The same with one value replaced; rows are counted from 1."""
    column = list(columns()[name])
    column[row - 1] = value
    return columns(**{name: column})


def refused(
    kind: type[GlmfitError], code: str, message: str, formula: Any, data: Columns, **options: Any
) -> GlmfitError:
    with pytest.raises(kind, match=re.escape(message)) as caught:
        glmfit.fit(formula, data, **options)
    assert caught.value.code == code
    assert caught.value.hint
    return caught.value


def estimates(found: Fit) -> list[float]:
    return [row.estimate for row in found.coefficients]


# ---- support ----


@pytest.mark.parametrize(
    ("family", "name", "value", "text"),
    [
        ("poisson", "y", -1.0, "'y' is -1 in row 3: responses of the poisson family are counts"),
        ("negative-binomial", "y", -0.5, "'y' is -0.5 in row 3: responses of the negative-binomial family"),
        ("geometric", "y", -2.0, "'y' is -2 in row 3"),
        ("quasi-poisson", "y", -1e-9, "'y' is -1e-09 in row 3: responses of the quasi-poisson family are numbers"),
        ("gamma", "p", 0.0, "'p' is 0 in row 3: responses of the gamma family are positive numbers"),
        ("gamma", "p", -3.25, "'p' is -3.25 in row 3"),
        ("inverse-gaussian", "p", 0.0, "'p' is 0 in row 3"),
        ("binomial", "b", 2.0, "'b' is 2 in row 3: a binomial response is 0/1"),
        ("quasi-binomial", "b", -1.0, "'b' is -1 in row 3: a binomial response is 0/1"),
    ],
)
def test_a_response_outside_the_support(family: str, name: str, value: float, text: str) -> None:
    refused(ModelError, "outside_support", text, f"{name} ~ x", with_value(name, 3, value), family=family)


def test_the_support_of_tweedie_depends_on_its_power() -> None:
    data = with_value("p", 4, 0.0)
    assert glmfit.fit("p ~ x", data, family="tweedie", fixed={"power": 1.5}).exit_code == 0
    refused(ModelError, "outside_support", "'p' is 0 in row 4", "p ~ x", data, family="tweedie", fixed={"power": 2.0})


def test_the_row_is_that_of_the_file_after_rows_were_dropped() -> None:
    data = with_value("y", 6, -7.0)
    data["x"] = [None, None, *data["x"][2:]]
    error = refused(ModelError, "outside_support", "'y' is -7 in row 6", "y ~ x", data, family="poisson")
    assert "more" not in error.message


def test_further_violations_are_counted() -> None:
    data = columns(y=[1.0, -2.0, 3.0, -1.0, 2.0, -5.0, 1.0, 0.0])
    refused(ModelError, "outside_support", "'y' is -2 in row 2 (and 2 more)", "y ~ x", data, family="poisson")


def test_counts_off_the_integers_are_fitted_and_reported() -> None:
    found = glmfit.fit("y ~ x", with_value("y", 5, 1.25), family="poisson")
    assert [finding.code for finding in found.warnings] == ["non_integer_response"]
    assert "'y' is no whole number in 1 rows (first in row 5)" in found.warnings[0].message
    assert not glmfit.fit("y ~ x", columns(), family="poisson").warnings


# ---- successes ----


def test_every_form_of_zero_and_one_is_the_same_response() -> None:
    base = glmfit.fit("b ~ x", columns(), family="binomial")
    text = glmfit.fit("t ~ x", columns(), family="binomial")
    flag = glmfit.fit("f ~ x", columns(f=[t == "yes" for t in columns()["t"]]), family="binomial")
    assert estimates(text) == pytest.approx(estimates(base), rel=1e-12)
    assert estimates(flag) == pytest.approx(estimates(base), rel=1e-12)
    assert (base.model.success, text.model.success, flag.model.success) == (None, "yes", "True")


def test_the_other_level_as_success_turns_every_sign() -> None:
    base = glmfit.fit("t ~ x", columns(), family="binomial", success="yes")
    other = glmfit.fit("t ~ x", columns(), family="binomial", success="no")
    assert estimates(other) == pytest.approx([-b for b in estimates(base)], rel=1e-10)
    assert other.model.success == "no"


def test_ratio_cbind_and_proportion_are_the_same_response() -> None:
    data = columns()
    data["share"] = [d / n for d, n in zip(data["dead"], data["n"], strict=True)]
    ratio = glmfit.fit("dead/n ~ x", data, family="binomial")
    for found in (
        glmfit.fit("cbind(dead, alive) ~ x", data, family="binomial"),
        glmfit.fit("share ~ x", data, family="binomial", weights="n"),
    ):
        assert estimates(found) == pytest.approx(estimates(ratio), rel=1e-12)
        assert found.fit.log_likelihood == pytest.approx(ratio.fit.log_likelihood, rel=1e-12)
        assert not found.warnings


def test_proportions_without_trials_are_a_finding() -> None:
    data = with_value("b", 2, 0.5)
    found = glmfit.fit("b ~ x", data, family="binomial")
    assert [finding.code for finding in found.warnings] == ["fractional_response"]


def test_rows_without_trials_are_dropped_and_counted() -> None:
    data = columns()
    data["dead"], data["n"] = [*data["dead"], 0.0], [*data["n"], 0.0]
    more = {name: values if len(values) == 9 else [*values, values[0]] for name, values in data.items()}
    found = glmfit.fit("dead/n ~ x", more, family="binomial")
    assert found.data.dropped["zero_trials"] == {"dead / n": 1}
    assert (found.data.rows_read, found.data.rows_used) == (9, 8)
    assert estimates(found) == pytest.approx(estimates(glmfit.fit("dead/n ~ x", columns(), family="binomial")))


@pytest.mark.parametrize(
    ("formula", "data", "text"),
    [
        ("dead/n ~ x", with_value("dead", 2, 3.5), "'dead / n' is 3.5 in row 2: responses of the binomial family"),
        ("dead/n ~ x", with_value("dead", 7, -1.0), "'dead / n' is -1 in row 7: responses of the binomial family"),
        ("dead/n ~ x", with_value("n", 4, -2.0), "is -2 in row 4: trials are counted from 1"),
        ("dead/n ~ x", with_value("n", 4, 0.0), "is 0 in row 4: trials are counted from 1"),
        ("cbind(dead, alive) ~ x", with_value("alive", 5, -1.0), "'alive' is -1 in row 5: failures are counted from 0"),
        ("cbind(dead, alive) ~ x", with_value("dead", 5, -1.0), "in row 5"),
    ],
)
def test_successes_and_trials_that_cannot_be(formula: str, data: Columns, text: str) -> None:
    refused(ModelError, "outside_support", text, formula, data, family="binomial")


def test_a_text_response_has_two_levels() -> None:
    data = columns(t=["a", "b", "c", "a", "b", "c", "a", "b"])
    refused(
        ModelError, "bad_response", "has two levels, and 't' has 3: 'a', 'b', 'c'", "t ~ x", data, family="binomial"
    )
    one = columns(t=["a"] * 8)
    refused(ModelError, "bad_response", "'t' has 1: 'a'", "t ~ x", one, family="binomial")


@pytest.mark.parametrize(
    ("formula", "options", "text"),
    [
        ("t ~ x", {"success": "maybe"}, "'t' has no level 'maybe'"),
        ("b ~ x", {"success": "yes"}, "'b' is never yes"),
        ("b ~ x", {"success": "2"}, "'b' is never 2"),
        ("y ~ x", {"success": "yes", "family": "poisson"}, "--success names one of two values"),
    ],
)
def test_a_success_that_is_no_level(formula: str, options: dict[str, Any], text: str) -> None:
    refused(UsageError, "bad_success", text, formula, columns(), **{"family": "binomial", **options})


def test_a_success_may_be_one_of_two_numbers() -> None:
    data = columns()
    coded = {**data, "b": np.asarray(data["b"]) + 1}
    for success, sign in (("2", 1.0), ("1.0", -1.0)):
        fit = glmfit.fit("b ~ x", coded, family="binomial", success=success)
        plain = glmfit.fit("b ~ x", data, family="binomial")
        assert fit.model.success == success[0]
        for one, other in zip(fit.coefficients, plain.coefficients, strict=True):
            assert one.estimate == pytest.approx(sign * other.estimate, rel=1e-9)
    refused(ModelError, "outside_support", "'b' is 2 in row", "b ~ x", coded, family="binomial")
    refused(ModelError, "bad_response", "'y' has 7", "y ~ x", data, family="binomial", success="1")


def test_successes_and_failures_are_for_families_of_trials() -> None:
    refused(
        ModelError,
        "bad_response",
        "the poisson family does not take",
        "cbind(dead, alive) ~ x",
        columns(),
        family="poisson",
    )


def test_a_text_response_of_another_family() -> None:
    with pytest.raises(GlmfitError, match="'t'"):
        glmfit.fit("t ~ x", columns(), family="poisson")


# ---- weights, offsets and exposures ----


@pytest.mark.parametrize("option", ["weights", "freq_weights", "sampling_weights"])
@pytest.mark.parametrize("value", [-1.0, float("inf")])
def test_weights_are_positive_and_finite(option: str, value: float) -> None:
    text = f"column 'w' is {value:g} in row 4: --{option.replace('_', '-')} are positive, finite numbers"
    refused(DataError, "bad_weight", text, "y ~ x", with_value("w", 4, value), family="poisson", **{option: "w"})


def test_frequencies_are_whole() -> None:
    text = "column 'w' is 1.5 in row 4: whole numbers of repetitions"
    refused(DataError, "bad_weight", text, "y ~ x", with_value("w", 4, 1.5), family="poisson", freq_weights="w")


def test_weights_are_of_one_kind() -> None:
    text = "prior, frequency and sampling weights mean different things"
    refused(UsageError, "two_weights", text, "y ~ x", columns(), weights="w", freq_weights="w")


def test_all_weights_zero() -> None:
    data = columns(w=[0.0] * 8)
    refused(DataError, "no_rows", "every row has zero weight in 'w'", "y ~ x", data, weights="w")


@pytest.mark.parametrize("value", [0.0, -2.0, float("inf")])
def test_an_exposure_is_positive(value: float) -> None:
    text = f"column 'w' is {value:g} in row 6: an exposure is positive, finite"
    refused(DataError, "bad_offset", text, "y ~ x", with_value("w", 6, value), family="poisson", exposure="w")


def test_an_exposure_needs_the_log_link() -> None:
    for options in ({"family": "gaussian"}, {"family": "poisson", "links": {"mu": "sqrt"}}):
        refused(
            UsageError, "bad_exposure", "an exposure needs the log link", "y ~ x", columns(), exposure="w", **options
        )


def test_an_unknown_column_suggests_a_near_one() -> None:
    with pytest.raises(ModelError, match="no column 'wgt'"):
        glmfit.fit("y ~ x", columns(), weights="wgt")


# ---- parameters and links ----


@pytest.mark.parametrize(
    ("formula", "options", "kind", "code", "text"),
    [
        ("y ~ x", {"family": "poisson", "links": {"alpha": "log"}}, UsageError, "unknown_parameter", "no parameter"),
        (["y ~ x", "phi ~ x"], {"family": "poisson"}, UsageError, "unknown_parameter", "no parameter 'phi'"),
        ("y ~ x", {"family": "poisson", "links": {"mu": "logit"}}, UsageError, "bad_link", "logit link makes no sense"),
        ("b ~ x", {"family": "binomial", "links": {"mu": "inverse"}}, UsageError, "bad_link", "inverse link makes"),
        ("y ~ x", {"family": "poisson", "links": {"mu": "lgo"}}, UsageError, "unknown_link", "no link 'lgo'"),
        (
            ["y ~ x", "alpha ~ x"],
            {"family": "negative-binomial", "fixed": {"alpha": 1.0}},
            UsageError,
            "fixed_and_modelled",
            "alpha has a formula and is fixed as well",
        ),
        (["y ~ x", "phi ~ x"], {"family": "quasi-poisson"}, ModelError, "quasi_phi", "is a quasi-likelihood"),
        ("y ~ x", {"family": "tweedie", "fixed": {"power": 0.5}}, UsageError, "bad_power", "power=0.5 is no Tweedie"),
        ("y ~ x", {"family": "poisson", "fixed": {"alpha": 1.0}}, UsageError, "unknown_parameter", "--fix alpha"),
        (
            "y ~ x",
            {"family": "negative-binomial", "fixed": {"alpha": -1.0}},
            UsageError,
            "bad_fix",
            "alpha = -1 is outside its range",
        ),
        ("y ~ x", {"family": "poison"}, UsageError, "unknown_family", "no family 'poison'"),
        ("y ~ 0", {}, ModelError, "empty_model", "the model has no coefficient to estimate"),
    ],
)  # fmt: skip
def test_parameters_and_links_that_cannot_be(
    formula: Any, options: dict[str, Any], kind: type[GlmfitError], code: str, text: str
) -> None:
    refused(kind, code, text, formula, columns(), **options)


def test_more_coefficients_than_rows() -> None:
    data = {name: np.array(values[:2]) for name, values in columns().items()}
    data["z"] = np.array([1.0, 4.0])
    found = glmfit.fit("y ~ x + z", data)  # the third column is aliased
    assert found.identification.aliased == ("z",)
    assert "saturated" in {finding.code for finding in found.warnings} or found.fit.df_residual == 0


def test_a_boolean_response_takes_the_success_as_the_file_spells_it() -> None:
    data = {"y": np.array([True, False, True, True, False]), "x": np.array([1.0, 2.0, 2.5, 0.5, 3.0])}
    fits = [glmfit.fit("y ~ x", data, family="binomial", success=word) for word in ("TRUE", "True", "t")]
    assert {fit.model.success for fit in fits} == {"True"}


def test_success_follows_the_alphabet_whatever_the_case() -> None:
    data = {"y": np.array(["Yes", "no", "Yes", "no", "no"]), "x": np.arange(5.0)}
    assert glmfit.fit("y ~ x", data, family="binomial").model.success == "Yes"


def test_a_word_among_numbers_is_named() -> None:
    words = [f"{value:.2f}" for value in np.linspace(0, 5, 40)]
    words[17] = "abc"
    data = {"y": np.arange(40.0) ** 1.5, "x": np.array(words)}
    with pytest.raises(DataError, match="column 'x' is text because of 'abc' in row 18") as caught:
        glmfit.fit("y ~ x", data)
    assert caught.value.code == "mostly_numbers"
    assert "--na abc" in caught.value.hint
    assert len(glmfit.fit("y ~ C(x)", data).coefficients) == 40, "C() asks for the factor"
    coded = {"y": np.arange(40.0) ** 1.5, "x": np.array(["1", "2", "3", "other"] * 10)}
    assert glmfit.fit("y ~ x", coded).warnings == ()


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"family": None}, "family"),
        ({"level": "0.9"}, "level"),
        ({"fixed": {"alpha": "a"}, "family": "nb"}, "not a number"),
        ({"links": "log"}, "links"),
        ({"max_iter": 1.5}, "max_iter"),
        ({"na": "x"}, "na"),
        ({"weights": np.ones(5)}, "weights"),
    ],
)
def test_an_option_of_the_wrong_kind_is_a_usage_error(options: dict[str, object], part: str) -> None:
    with pytest.raises(UsageError, match=part):
        glmfit.fit("y ~ x", {"y": np.arange(5.0), "x": np.array([1.0, 0, 2, 1, 4])}, **options)  # type: ignore[arg-type]


def test_data_in_the_place_of_the_formula_are_said() -> None:
    with pytest.raises(UsageError, match="stands where the data belong") as caught:
        glmfit.fit({"y": [1.0, 2, 4], "x": [1.0, 2, 3]}, "y ~ x")  # type: ignore[arg-type]
    assert "the formula comes first" in caught.value.hint


def test_an_unknown_option_suggests_the_known_one() -> None:
    with pytest.raises(UsageError) as caught:
        glmfit.fit("y ~ x", {"y": np.arange(5.0), "x": np.arange(5.0)}, link="log")
    assert "links" in caught.value.hint


def test_a_response_of_0_and_1_is_hardly_a_real_number() -> None:
    data = {"y": np.array([0.0, 1, 1, 0, 1, 0, 0, 1]), "x": np.arange(8.0)}
    for family, expected in {"logistic": ["binary_response"], "gaussian": [], "binomial": []}.items():
        assert [finding.code for finding in glmfit.fit("y ~ x", data, family=family).warnings] == expected
    assert glmfit.fit("x ~ y", data, family="logistic").warnings == ()
