"""Bias reduction by Jeffreys' prior, and profile likelihoods: against R (tests/reference/firth) and by identities."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

import glmfit
from glmfit import fit_spec
from glmfit.errors import UsageError
from glmfit.model.assembly import assemble
from glmfit.model.penalised import EXACT_COLUMNS, Jeffreys
from glmfit.report import fit_from_json, to_json, to_markdown, to_table
from glmfit.result import Coefficient, Fit
from glmfit.rows import read
from glmfit.spec import ModelSpec

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "tests" / "reference" / "firth"
CASES: list[dict[str, Any]] = [
    case for name in ("firth", "categories") for case in json.loads((REFERENCE / f"{name}.json").read_text())
]

# In standard errors: both sides solve the score equations to rounding error.
ESTIMATE = 1e-8
# Relative.
STD_ERROR = 1e-7
VALUE = 1e-10
# In standard errors, and of a signed root: the reference differentiates numerically within each maximisation.
PROFILE = 2e-7

every_case = pytest.mark.parametrize("index", range(len(CASES)), ids=[case["name"] for case in CASES])


def spec_of(case: dict[str, Any], **more: Any) -> ModelSpec:
    fields = {key: tuple(value) if key in ("formulas", "x") else value for key, value in case["spec"].items()}
    return ModelSpec(**{**fields, **more})


@cache
def fit_case(index: int) -> Fit:
    case = CASES[index]
    return fit_spec(spec_of(case, ci="profile" if "low" in case else "wald"), str(ROOT / case["data"]))


def held_against(fit: Fit) -> list[Coefficient]:
    """The coefficients of the mean, or of all categories."""
    return [row for row in fit.coefficients if row.parameter == "mu" or fit.model.levels]


@every_case
def test_estimates_and_standard_errors(index: int) -> None:
    case, fit = CASES[index], fit_case(index)
    assert fit.exit_code == 0
    rows = held_against(fit)
    for row, estimate in zip(rows, case["estimates"], strict=True):
        assert abs(row.estimate - estimate) <= ESTIMATE * row.std_error, row.term
    for row, error in zip(rows, case.get("std_errors", []), strict=False):
        assert row.std_error == pytest.approx(error, rel=STD_ERROR), row.term


@every_case
def test_log_likelihoods(index: int) -> None:
    case, fit = CASES[index], fit_case(index)
    for name in ("log_likelihood", "penalised_log_likelihood"):
        if name in case:
            assert getattr(fit.fit, name) == pytest.approx(case[name], rel=VALUE)
    if "log_likelihood" in case:
        assert fit.fit.aic == pytest.approx(2 * fit.fit.n_parameters - 2 * case["log_likelihood"], rel=VALUE)
    if "bias_reduction" not in case["spec"]:
        assert math.isnan(fit.fit.penalised_log_likelihood)


@every_case
def test_profiles(index: int) -> None:
    case, fit = CASES[index], fit_case(index)
    if "low" not in case:
        pytest.skip("the reference has no profile")
    assert fit.ci == "profile"
    # of an ordinal model's the reference has none of the cut points
    for row, root, low, high in zip(held_against(fit), case["roots"], case["low"], case["high"], strict=False):
        assert row.statistic == pytest.approx(root, abs=PROFILE * max(1, abs(root))), row.term
        assert row.conf_low == pytest.approx(low, abs=PROFILE * row.std_error), row.term
        assert row.conf_high == pytest.approx(high, abs=PROFILE * row.std_error), row.term


def test_there_are_enough_cases() -> None:
    reduced = {case["spec"]["family"] for case in CASES if "bias_reduction" in case["spec"]}
    assert len(CASES) >= 24
    assert reduced == {
        *(
            "multinomial",
            "ordinal",
            "binomial",
            "poisson",
            "geometric",
            "negative-binomial",
            "gamma",
            "inverse-gaussian",
            "gaussian",
        )
    }


# ---- The objective ----


def objective(family: str, link: str, columns: int = 3, **options: Any) -> tuple[Jeffreys, torch.Tensor]:
    """Of random data, and a point inside the domain of every link."""
    random = np.random.default_rng(columns)
    data: dict[str, Any] = {f"x{j}": random.normal(size=150) for j in range(columns)}
    few = {"binomial": 2, "multinomial": 3, "ordinal": 4}.get(family)
    data["y"] = random.gamma(2, 1, 150).round() + 1 if few is None else random.integers(0, few, 150).astype(float)
    formula = "y ~ " + " + ".join(f"x{j}" for j in range(columns))
    spec = ModelSpec(formulas=(formula,), family=family, links={"mu": link}, **options)
    likelihood = assemble(read(spec, data)).likelihood()
    generator = torch.Generator().manual_seed(1)
    theta = 0.02 * torch.randn(likelihood.size, generator=generator, dtype=torch.float64)
    if family == "ordinal":  # cut points rise
        theta[-3:] = torch.tensor([-0.7, 0.1, 1.2])
        return Jeffreys(likelihood), theta
    theta[0] = -0.8 if link in ("log", "log-complement") else 0.6
    return Jeffreys(likelihood), theta


@pytest.mark.parametrize(
    ("family", "link"),
    [
        *(("binomial", link) for link in ("logit", "probit", "cauchit", "cloglog", "loglog", "log", "log-complement")),
        *(("poisson", link) for link in ("log", "sqrt", "identity", "inverse", "power:0.3")),
        *(("gamma", link) for link in ("inverse", "log", "identity")),
        *(("inverse-gaussian", link) for link in ("inverse-squared", "log")),
        *(("gaussian", link) for link in ("identity", "log")),
        ("geometric", "log"),
        ("multinomial", "logit"),
        *(("ordinal", link) for link in ("logit", "probit", "cloglog")),
    ],
)
def test_derivatives_are_those_of_the_value(family: str, link: str) -> None:
    jeffreys, theta = objective(family, link)
    _, gradient, hessian = jeffreys.derivatives(theta)
    step = 1e-5
    for j, unit in enumerate(torch.eye(len(theta), dtype=torch.float64)):
        up, down = jeffreys.derivatives(theta + step * unit), jeffreys.derivatives(theta - step * unit)
        assert float(gradient[j]) == pytest.approx((up[0] - down[0]) / (2 * step), rel=1e-5, abs=1e-4)
        slope = (up[1] - down[1]) / (2 * step)
        assert torch.allclose(hessian[j], slope, rtol=1e-5, atol=1e-5 * float(hessian.abs().max()))
    assert jeffreys.value(theta) == pytest.approx(jeffreys.derivatives(theta)[0], rel=1e-14)
    assert jeffreys.along(theta, -theta)(0.5) == pytest.approx(jeffreys.value(0.5 * theta), rel=1e-12)


def test_chunks_of_rows_add_up() -> None:
    jeffreys, theta = objective("binomial", "probit")
    (rows,) = jeffreys.likelihood.chunks
    likelihood = jeffreys.likelihood
    split = Jeffreys(type(likelihood)(likelihood.family, likelihood.links, rows.chunks(40), likelihood.size))
    for whole, parts in zip(jeffreys.derivatives(theta), split.derivatives(theta), strict=True):
        assert torch.allclose(torch.as_tensor(whole), torch.as_tensor(parts), rtol=1e-12, atol=1e-12)


def test_saturated_rows_do_not_disturb_the_penalty() -> None:
    """Fitted probabilities that have rounded to 1 carry no information, and neither does its change."""
    jeffreys, _ = objective("binomial", "probit")
    (rows,) = jeffreys.likelihood.chunks
    eta = torch.tensor([0.3, 12.0, 40.0, -40.0], dtype=torch.float64)
    chunk = rows.rows(slice(0, 4))
    found = torch.autograd.functional.jacobian(lambda e: jeffreys._rows(chunk, (e,))[:, 0, 0], eta)
    assert bool(torch.isfinite(found).all())
    assert float(found[2, 2]) == 0


def test_the_intercept_of_a_proportion() -> None:
    """One proportion: half a success and half a failure are added (Firth 1993, section 3.3)."""
    fit = glmfit.fit("y ~ 1", {"y": np.array([1.0, 1, 1, 1, 1])}, family="binomial", bias_reduction="firth")
    assert fit.exit_code == 0
    assert fit.coefficients[0].estimate == pytest.approx(math.log(5.5 / 0.5), rel=1e-10)


def test_a_two_by_two_table_has_half_a_count_added_to_each_cell() -> None:
    data = {"x": np.repeat([0.0, 1.0], 10), "y": np.array([0.0] * 4 + [1] * 6 + [0] * 10)}
    fit = glmfit.fit("y ~ x", data, family="binomial", bias_reduction="firth")
    assert fit.exit_code == 0
    assert fit.coefficients[0].estimate == pytest.approx(math.log(6.5 / 4.5), rel=1e-9)
    assert fit.coefficients[1].estimate == pytest.approx(math.log(0.5 / 10.5) - math.log(6.5 / 4.5), rel=1e-9)


def test_one_poisson_mean_has_half_a_count_added() -> None:
    fit = glmfit.fit("y ~ 1", {"y": np.zeros(4)}, family="poisson", bias_reduction="firth")
    assert fit.exit_code == 0
    assert fit.coefficients[0].estimate == pytest.approx(math.log(0.5 / 4), rel=1e-10)


@pytest.mark.parametrize("unit", [1e8, 1e-8])
def test_units_of_measurement_do_not_matter(unit: float) -> None:
    x = np.arange(10.0)
    y = (x > 4).astype(float)
    fit = glmfit.fit("y ~ x", {"x": x, "y": y}, family="binomial", bias_reduction="firth")
    other = glmfit.fit("y ~ x", {"x": x * unit, "y": y}, family="binomial", bias_reduction="firth")
    assert other.coefficients[1].estimate * unit == pytest.approx(fit.coefficients[1].estimate, rel=1e-9)
    assert other.coefficients[1].p_value == pytest.approx(fit.coefficients[1].p_value, rel=1e-8)
    change = other.fit.penalised_log_likelihood - fit.fit.penalised_log_likelihood
    assert change == pytest.approx(math.log(unit), rel=1e-9)  # det I is in units of x^2


def test_rows_seen_twice_are_frequencies() -> None:
    random = np.random.default_rng(1)
    data = {"x": random.normal(size=20), "y": random.integers(0, 2, 20).astype(float), "f": random.integers(1, 4, 20)}
    options: dict[str, Any] = {"family": "binomial", "bias_reduction": "firth"}
    fit = glmfit.fit("y ~ x", {**data, "f": data["f"].astype(float)}, freq_weights="f", **options)
    long = glmfit.fit("y ~ x", {name: np.repeat(data[name], data["f"]) for name in ("x", "y")}, **options)
    for row, expected in zip(fit.coefficients, long.coefficients, strict=True):
        assert row.estimate == pytest.approx(expected.estimate, rel=1e-9)
        assert row.std_error == pytest.approx(expected.std_error, rel=1e-9)


@pytest.mark.parametrize("optimizer", ["bfgs", "l-bfgs", "trust-exact"])
def test_other_optimizers_find_the_same(optimizer: str) -> None:
    options: dict[str, Any] = {"family": "binomial", "bias_reduction": "firth", "max_iter": 500}
    path = str(ROOT / "sample_data" / "mtcars.csv")
    fit = glmfit.fit("vs ~ C(cyl) + wt", path, **options)
    other = glmfit.fit("vs ~ C(cyl) + wt", path, optimizer=optimizer, **options)
    for row, expected in zip(other.coefficients, fit.coefficients, strict=True):
        assert abs(row.estimate - expected.estimate) <= 1e-3 * expected.std_error


def test_a_wide_model_is_found_with_the_expected_information_alone() -> None:
    random = np.random.default_rng(2)
    size = EXACT_COLUMNS + 1
    data: dict[str, Any] = {f"x{j}": random.normal(size=1500) for j in range(size)}
    data["y"] = random.integers(0, 2, 1500).astype(float)
    fit = glmfit.fit("y ~ " + " + ".join(f"x{j}" for j in range(size)), data, family="binomial", bias_reduction="firth")
    assert fit.exit_code == 0
    assert fit.convergence.newton_decrement < 1e-8


def test_the_gradient_vanishes_at_the_estimate() -> None:
    fit = glmfit.fit(
        "vs ~ C(cyl) + wt", str(ROOT / "sample_data" / "mtcars.csv"), family="binomial", bias_reduction="firth"
    )
    assert fit.convergence.newton_decrement < 1e-8
    assert fit.convergence.gradient_max_abs < 1e-8


# ---- What is refused, and what is said ----


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"family": "quasi-poisson"}, "no_bias_reduction"),
        ({"family": "negative-binomial"}, "no_bias_reduction"),
        ({"family": "weibull"}, "no_bias_reduction"),
        ({"family": "poisson", "se": "hc1"}, "bad_se"),
        ({"family": "poisson", "se": "hessian"}, "bad_se"),
        ({"family": "poisson", "sampling_weights": "x"}, "contradiction"),
        ({"family": "poisson", "separation": "drop"}, "contradiction"),
        ({"family": "poisson", "bias_reduction": "frith"}, "invalid_value"),
        ({"family": "poisson", "ci": "profiel"}, "invalid_value"),
        ({"family": "poisson", "ci": "profile", "bias_reduction": None, "se": "hc0"}, "contradiction"),
    ],
)
def test_what_has_no_bias_reduction_or_profile_is_refused(options: dict[str, Any], code: str) -> None:
    data = {"x": np.arange(1.0, 7), "y": np.array([1.0, 2, 1, 3, 2, 4])}
    with pytest.raises(UsageError) as error:
        glmfit.fit("y ~ x", data, **{"bias_reduction": "firth", **options})
    assert error.value.code == code
    assert error.value.hint


def test_reports_say_how_the_numbers_were_found() -> None:
    path = str(ROOT / "sample_data" / "mtcars.csv")
    fit = glmfit.fit("vs ~ C(cyl)", path, family="binomial", bias_reduction="firth", ci="profile")
    assert fit.covariance.kind == "expected"
    assert not fit.warnings
    for text in (to_table(fit, width=100), to_markdown(fit)):
        assert "Firth (Jeffreys prior)" in text
        assert "profile likelihood" in text
        assert "signed root" in text
        assert "Penalised" in text
    document = json.loads(to_json(fit))
    assert document["model"]["bias_reduction"] == "firth"
    assert document["ci"] == "profile"
    assert document["fit"]["penalised_log_likelihood"] == pytest.approx(fit.fit.penalised_log_likelihood)
    assert fit_from_json(to_json(fit)).coefficients == fit.coefficients


# ---- Profiles ----


def test_a_gaussian_profile_is_the_wald_interval() -> None:
    path = str(ROOT / "sample_data" / "mtcars.csv")
    wald, profile = (glmfit.fit("mpg ~ wt + hp", path, ci=ci) for ci in ("wald", "profile"))
    for row, expected in zip(profile.coefficients, wald.coefficients, strict=True):
        for name in ("statistic", "conf_low", "conf_high"):
            assert getattr(row, name) == pytest.approx(getattr(expected, name), rel=1e-7), name
        assert row.p_value == pytest.approx(expected.p_value, rel=1e-5)


def test_the_interval_of_an_auxiliary_parameter_is_a_profile_too() -> None:
    """At each end the likelihood with alpha held has dropped by half the quantile of chi-square."""
    path = str(ROOT / "sample_data" / "quine.csv")
    fit = glmfit.fit("Days ~ Sex + Age", path, family="negative-binomial", ci="profile")
    (alpha,) = fit.auxiliary
    for end in (alpha.conf_low, alpha.conf_high):
        held = glmfit.fit("Days ~ Sex + Age", path, family="negative-binomial", fixed={"alpha": end})
        drop = 2 * (fit.fit.log_likelihood - held.fit.log_likelihood)
        assert drop == pytest.approx(3.841458820694124, rel=1e-7)


def test_profiles_of_shared_coefficients() -> None:
    """The p-value of a term of an ordinal model is that of the fit without it."""
    path = str(ROOT / "sample_data" / "housing.csv")
    header = Path(path).read_text().splitlines()[0]
    assert "Cont" in header
    options: dict[str, Any] = {"family": "ordinal", "freq_weights": "Freq", "levels": ("Low", "Medium", "High")}
    fit = glmfit.fit("Sat ~ Infl + Cont", path, ci="profile", **options)
    without = glmfit.fit("Sat ~ Infl", path, **options)
    row = next(c for c in fit.coefficients if c.term.startswith("Cont"))
    assert row.statistic**2 == pytest.approx(2 * (fit.fit.log_likelihood - without.fit.log_likelihood), rel=1e-8)


def test_an_end_that_the_likelihood_never_reaches_is_infinite() -> None:
    """Counts with so little overdispersion that the Poisson fit is hardly worse: alpha may as well be 0."""
    random = np.random.default_rng(5)
    y = random.poisson(3 * random.gamma(20, 1 / 20, size=150)).astype(float)
    fit = glmfit.fit("y ~ 1", {"y": y}, family="negative-binomial", ci="profile")
    poisson = glmfit.fit("y ~ 1", {"y": y}, family="poisson")
    assert 0 < 2 * (fit.fit.log_likelihood - poisson.fit.log_likelihood) < 3.8
    assert fit.coefficients[1].conf_low == -math.inf
    (alpha,) = fit.auxiliary
    assert alpha.conf_low == 0
    assert math.isfinite(alpha.conf_high)
    assert fit.exit_code == 0


def test_the_end_of_a_links_domain_ends_an_interval() -> None:
    """Under the identity link a mean of counts cannot be negative, so neither can the lower end."""
    fit = glmfit.fit("y ~ 1", {"y": np.array([0.0, 0, 1, 0])}, family="poisson", links={"mu": "identity"}, ci="profile")
    row = fit.coefficients[0]
    assert 0 <= row.conf_low < 0.1
    assert math.isnan(row.p_value)  # a mean of 0 is no value that the model can have


@pytest.mark.parametrize("seed", range(6))
def test_profile_ends_near_the_edge_of_a_domain(seed: int) -> None:
    """Under the log link of a probability the straight way to an end may leave the domain; scipy's search does not."""
    random = np.random.default_rng([seed, 4])
    u = random.uniform(0, 1, 60)
    y = (random.random(60) < np.exp(-1.7 + 1.5 * u)) * 1.0

    def log_likelihood(a: float, b: float) -> float:
        eta = a + b * u
        return -math.inf if eta.max() >= 0 else float((y * eta + (1 - y) * np.log1p(-np.exp(eta))).sum())

    def drop(b: float) -> float:
        high = -max(b * u)
        best = minimize_scalar(lambda a: -log_likelihood(a, b), bounds=(high - 8, high), options={"xatol": 1e-12})
        return 2 * (top + best.fun)

    fit = glmfit.fit("y ~ u", {"u": u, "y": y}, family="binomial", links={"mu": "log"}, ci="profile")
    if fit.exit_code:
        pytest.skip("the maximum is on the edge")
    top, row = fit.fit.log_likelihood, fit.coefficients[1]
    for end in (row.conf_low, row.conf_high):
        if math.isnan(end):
            assert [finding.code for finding in fit.warnings] == ["no_profile"]
        else:
            assert drop(end) == pytest.approx(3.841458820694124, abs=2e-4)


def test_derivatives_are_the_same_when_asked_again() -> None:
    x = np.linspace(-1, 1, 20)
    data = {"y": (np.arange(20) % 3 == 0).astype(float), "x": x}
    model = assemble(read(ModelSpec(formulas=("y ~ x",), family="binomial"), data))
    likelihood, theta = model.likelihood(), torch.tensor([0.3, -0.2], dtype=torch.float64)
    plain = likelihood.derivatives(theta)[2].clone()
    first = Jeffreys(likelihood).derivatives(theta)
    again = Jeffreys(likelihood).derivatives(theta)
    assert torch.equal(first[2], again[2])
    assert torch.equal(likelihood.derivatives(theta)[2], plain)
