"""Cases on which fits of generalized linear models are known to fail: huge numbers, hostile starts, perfect fits.

Expected values are exact (a maximum in closed form, mpmath's gamma function), or of the same model in other units.
"""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.stats import skewnorm

import glmfit
from glmfit.errors import ModelError
from glmfit.families.binomial import Binomial
from glmfit.families.counts import Geometric, NegativeBinomial, Poisson
from glmfit.families.links import LINKS
from glmfit.result import Fit

RANDOM = np.random.default_rng(3)
N = 60
X = RANDOM.normal(size=N)
groups = np.repeat([0.0, 1.0], N // 2)
POSITIVE = RANDOM.gamma(2, 0.5, size=N) * np.exp(0.5 * X)


def codes(fit: Fit) -> set[str]:
    return {finding.code for finding in fit.warnings}


def assert_close(fit: Fit, other: Fit, shift: float = 0.0, rel: float = 1e-8) -> None:
    """The same coefficients but for a shift of the intercept, and the same standard errors."""
    assert fit.exit_code == other.exit_code == 0
    for row, expected in zip(fit.coefficients, other.coefficients, strict=True):
        estimate = expected.estimate + (shift if expected.term == "Intercept" else 0.0)
        assert row.estimate == pytest.approx(estimate, rel=rel, abs=rel)
        assert row.std_error == pytest.approx(expected.std_error, rel=rel)
    assert fit.dispersion.estimate == pytest.approx(other.dispersion.estimate, rel=rel)


# ---- Hostile starts ----


@pytest.mark.parametrize("link", ["logit", "probit", "cauchit", "cloglog"])
def test_a_start_from_which_scoring_runs_away(link: str) -> None:
    """y = (1, 1, 1, 0) has its maximum at p = 3/4; scoring from here ends at a probability of 1."""
    expected = {
        "logit": 1.0986122886681098,
        "probit": 0.67448975019608174,
        "cauchit": 1.0,
        "cloglog": math.log(math.log(4)),
    }
    fit = glmfit.fit(
        "y ~ 1", {"y": np.array([1.0, 1, 1, 0])}, family="binomial", links={"mu": link}, start={"Intercept": -1.81}
    )
    assert fit.exit_code == 0
    assert fit.coefficients[0].estimate == pytest.approx(expected[link], rel=1e-10)


@pytest.mark.parametrize("link", ["cloglog", "loglog"])
@pytest.mark.parametrize("eta", [-1e6, -800.0, -720.0, 720.0, 800.0, 1e6])
def test_links_that_exponentiate_twice_far_out(link: str, eta: float) -> None:
    """exp(exp(eta)) is beyond every float; the log-density of what then is certain is 0, and so are its derivatives."""
    at = torch.tensor([eta], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([1.0 if eta > 0 else 0.0], dtype=torch.float64)
    value = Binomial().log_density(y, LINKS[link].to("logit", at), trials=torch.ones_like(y))
    (first,) = torch.autograd.grad(value.sum(), at, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), at)
    assert [float(value), float(first), float(second)] == pytest.approx([0.0, 0.0, 0.0], abs=1e-300)
    mean = LINKS[link].inverse(at)
    assert float(mean) == pytest.approx(float(y), abs=1e-300)
    assert float(torch.autograd.grad(mean.sum(), at)[0]) == pytest.approx(0.0, abs=1e-300)


@pytest.mark.parametrize("se", ["hessian", "expected", "hc1"])
@pytest.mark.parametrize("link", ["cloglog", "loglog"])
def test_rows_that_are_certain_say_nothing(link: str, se: str) -> None:
    near = {"x": np.array([-2.0, -1, 1, 2, 0.5, -0.5]), "y": np.array([0.0, 1, 0, 1, 1, 0])}
    far = np.linspace(500, 5000, 50)
    data = {"x": np.concatenate([near["x"], far, -far]), "y": np.concatenate([near["y"], np.ones(50), np.zeros(50)])}
    fit, expected = (glmfit.fit("y ~ x", d, family="binomial", links={"mu": link}, se=se) for d in (data, near))
    assert fit.exit_code == 0
    for row, other in zip(fit.coefficients, expected.coefficients, strict=True):
        assert row.estimate == pytest.approx(other.estimate, rel=1e-9)
        if se != "hc1":
            assert row.std_error == pytest.approx(other.std_error, rel=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_counts_under_the_identity_link_with_means_near_zero(seed: int) -> None:
    """Steps of scoring leave the domain here and cycle; inside the domain the means of groups are their averages."""
    random = np.random.default_rng(seed)
    g = np.repeat(np.arange(4), 12)
    y = random.poisson(np.array([0.2, 1.0, 5.0, 20.0])[g]).astype(float)
    y[g == 0] = np.where(np.arange(12) == 3, 1, y[g == 0])
    fit = glmfit.fit("y ~ C(g)", {"g": g, "y": y}, family="poisson", links={"mu": "identity"})
    means = [float(y[g == k].mean()) for k in range(4)]
    assert fit.exit_code == 0
    assert fit.coefficients[0].estimate == pytest.approx(means[0], rel=1e-8)
    for row, mean in zip(fit.coefficients[1:], means[1:], strict=True):
        assert row.estimate == pytest.approx(mean - means[0], rel=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_probabilities_near_one_under_the_log_link(seed: int) -> None:
    random = np.random.default_rng(seed)
    g = np.repeat(np.arange(3), 40)
    y = random.binomial(1, np.array([0.1, 0.5, 0.95])[g]).astype(float)
    y[[0, 1, 40, 41, 80, 81]] = [0, 1] * 3
    fit = glmfit.fit("y ~ C(g)", {"g": g, "y": y}, family="binomial", links={"mu": "log"})
    shares = [float(y[g == k].mean()) for k in range(3)]
    assert fit.exit_code == 0
    assert fit.coefficients[0].estimate == pytest.approx(math.log(shares[0]), rel=1e-8)
    for row, share in zip(fit.coefficients[1:], shares[1:], strict=True):
        assert row.estimate == pytest.approx(math.log(share / shares[0]), rel=1e-8)


# ---- Huge counts ----


def exact_negative_binomial(y: float, log_mu: float, log_alpha: float) -> mpmath.mpf:
    y, mu, r = mpmath.mpf(y), mpmath.exp(log_mu), mpmath.exp(-mpmath.mpf(log_alpha))
    constant = mpmath.loggamma(y + r) - mpmath.loggamma(r) - mpmath.loggamma(y + 1)
    return constant + y * mpmath.log(mu / (mu + r)) + r * mpmath.log(r / (mu + r))


def exact_poisson(y: float, log_mu: float) -> mpmath.mpf:
    return y * mpmath.mpf(log_mu) - mpmath.exp(log_mu) - mpmath.loggamma(mpmath.mpf(y) + 1)


@pytest.mark.parametrize("y", [2.0, 9e4, 2e5, 1e9, 1e15])
@pytest.mark.parametrize("change", [-1.0, 0.0, 0.5])
def test_densities_of_huge_counts(y: float, change: float) -> None:
    with mpmath.workdps(50):
        log_mu = float(mpmath.log(y)) + change
        at = torch.tensor([log_mu], dtype=torch.float64)
        counts = torch.tensor([y], dtype=torch.float64)
        # The linear predictor itself is rounded, by 1e-16 of its size, and the density changes by y - mu with it.
        slack = 1e-15 * abs(y - math.exp(log_mu)) * max(1.0, log_mu)
        expected = exact_poisson(y, log_mu)
        tolerance = 2e-10 + slack + 1e-14 * abs(float(expected))
        assert float(Poisson().log_density(counts, at)) == pytest.approx(float(expected), abs=tolerance)
        for log_alpha in (-4.6, 0.0, 2.0):
            alpha = torch.tensor([log_alpha], dtype=torch.float64)
            value = float(exact_negative_binomial(y, log_mu, log_alpha))
            assert float(NegativeBinomial().log_density(counts, at, alpha)) == pytest.approx(value, abs=1e-9)
        geometric = float(exact_negative_binomial(y, log_mu, 0.0))
        assert float(Geometric().log_density(counts, at)) == pytest.approx(geometric, abs=1e-9)


@pytest.mark.parametrize("family", [Poisson(), NegativeBinomial()])
def test_derivatives_of_huge_counts_join_those_of_small_ones(family: Any) -> None:
    """In one tensor with small ones, zeros among them, and by themselves."""
    y = torch.tensor([0.0, 3.0, 2e5, 1e12], dtype=torch.float64)
    held = [torch.full_like(y, -1.0)] * (len(family.parameters) - 1)

    def second(part: slice) -> torch.Tensor:
        eta = (y.clamp_min(1.0).log() + 0.1)[part].requires_grad_(True)
        value = family.log_density(y[part], eta, *(tensor[part] for tensor in held))
        (gradient,) = torch.autograd.grad(value.sum(), eta, create_graph=True)
        return torch.autograd.grad(gradient.sum(), eta)[0]

    together = second(slice(None))
    alone = torch.cat([second(slice(k, k + 1)) for k in range(len(y))])
    assert torch.allclose(together, alone, rtol=1e-9, atol=0)
    assert bool((together < 0).all())


def test_counts_of_1e15() -> None:
    y = np.round(1e15 * np.exp(0.3 * X + 0.1 * RANDOM.normal(size=N)))
    quasi, gamma = (glmfit.fit("y ~ x", {"x": X, "y": y}, family=f) for f in ("quasi-poisson", "gamma"))
    poisson = glmfit.fit("y ~ x", {"x": X, "y": y}, family="poisson")
    assert quasi.exit_code == poisson.exit_code == 0
    for row, other in zip(quasi.coefficients, poisson.coefficients, strict=True):
        assert row.estimate == pytest.approx(other.estimate, rel=1e-10)
        assert row.std_error == pytest.approx(other.std_error * math.sqrt(quasi.dispersion.estimate), rel=1e-8)
    # Such counts are a gamma variable but for 1e-15 of their variance.
    negative_binomial = glmfit.fit("y ~ x", {"x": X, "y": y}, family="negative-binomial")
    assert negative_binomial.exit_code == 0
    ml = glmfit.fit("y ~ x", {"x": X, "y": y}, family="gamma", dispersion="ml")
    for row, other in zip(negative_binomial.coefficients[:2], gamma.coefficients, strict=True):
        assert row.estimate == pytest.approx(other.estimate, rel=1e-8)
    assert negative_binomial.auxiliary[0].estimate == pytest.approx(ml.dispersion.estimate, rel=1e-6)
    assert negative_binomial.fit.log_likelihood == pytest.approx(ml.fit.log_likelihood, rel=1e-8)


def test_the_log_likelihood_of_a_huge_constant_count() -> None:
    fit = glmfit.fit("y ~ 1", {"y": np.full(5, 1e15)}, family="poisson")
    with mpmath.workdps(50):
        exact = float(5 * (1e15 * mpmath.log(1e15) - mpmath.mpf(1e15) - mpmath.loggamma(mpmath.mpf(1e15) + 1)))
    assert fit.fit.log_likelihood == pytest.approx(exact, rel=1e-12)
    assert fit.coefficients[0].std_error == pytest.approx(1 / math.sqrt(5e15), rel=1e-10)


# ---- Units ----


@pytest.mark.parametrize("unit", [1e-300, 1e-150, 1e150, 1e300])
@pytest.mark.parametrize(
    ("family", "power"), [("gamma", 0.0), ("inverse-gaussian", -1.0)], ids=["gamma", "inverse-gaussian"]
)
@pytest.mark.parametrize("se", ["hessian", "expected", "hc1"])
def test_positive_responses_of_any_size(unit: float, family: str, power: float, se: str) -> None:
    options: dict[str, Any] = {"family": family, "links": {"mu": "log"}, "se": se}
    usual = glmfit.fit("y ~ x", {"x": X, "y": POSITIVE}, **options)
    fit = glmfit.fit("y ~ x", {"x": X, "y": POSITIVE * unit}, **options)
    assert fit.exit_code == 0
    for row, expected in zip(fit.coefficients, usual.coefficients, strict=True):
        shift = math.log(unit) if expected.term == "Intercept" else 0.0
        assert row.estimate == pytest.approx(expected.estimate + shift, rel=1e-8)
        assert row.std_error == pytest.approx(expected.std_error, rel=1e-8)
    assert fit.dispersion.estimate == pytest.approx(usual.dispersion.estimate * unit**power, rel=1e-8)
    assert fit.fit.log_likelihood == pytest.approx(usual.fit.log_likelihood - N * math.log(unit), rel=1e-10)


def test_responses_of_1e_minus_300_beside_1e300() -> None:
    """By groups, so that the maximum is known: the logarithms of their means."""
    y = POSITIVE * np.where(groups == 1, 1e300, 1e-300)
    fit = glmfit.fit("y ~ g", {"g": groups, "y": y}, family="gamma")
    low, high = float(np.log(y[groups == 0].mean())), float(np.log(y[groups == 1].mean()))
    assert fit.exit_code == 0
    assert fit.coefficients[0].estimate == pytest.approx(low, rel=1e-12)
    assert fit.coefficients[1].estimate == pytest.approx(high - low, rel=1e-12)
    relative = np.concatenate([y[k == groups] / y[k == groups].mean() for k in (0, 1)])
    phi = float(((relative - 1) ** 2).sum() / (N - 2))
    assert fit.dispersion.estimate == pytest.approx(phi, rel=1e-10)
    assert fit.coefficients[1].std_error == pytest.approx(math.sqrt(phi * 4 / N), rel=1e-8)


@pytest.mark.parametrize("unit", [1e-300, 1e300])
def test_squares_beyond_double_precision_are_refused(unit: float) -> None:
    with pytest.raises(ModelError) as error:
        glmfit.fit("y ~ x", {"x": X, "y": POSITIVE * unit})
    assert error.value.code == "response_scale"


@pytest.mark.parametrize("family", ["poisson", "gamma", "binomial", "gaussian", "negative-binomial"])
@pytest.mark.parametrize(("unit", "shift"), [(1e8, 0.0), (1e-8, 0.0), (1.0, 1e6)])
def test_units_and_origins_of_columns_do_not_matter(family: str, unit: float, shift: float) -> None:
    random = np.random.default_rng(1)
    x = np.round(random.normal(size=80) * 64) / 64  # short binary fractions: moved by 1e6 without rounding
    y = random.poisson(np.exp(0.5 + 0.5 * x) * random.gamma(2, 0.5, 80)).astype(float) + (family == "gamma")
    y = (y > 1).astype(float) if family == "binomial" else y
    usual = glmfit.fit("y ~ x", {"x": x, "y": y}, family=family)
    fit = glmfit.fit("y ~ x", {"x": x * unit + shift, "y": y}, family=family)
    assert fit.exit_code == usual.exit_code == 0
    assert codes(fit) == codes(usual)
    slope, expected = fit.coefficients[1], usual.coefficients[1]
    assert slope.estimate * unit == pytest.approx(expected.estimate, rel=1e-8)
    assert slope.std_error * unit == pytest.approx(expected.std_error, rel=1e-8)
    intercept = fit.coefficients[0].estimate + shift * slope.estimate
    assert intercept == pytest.approx(usual.coefficients[0].estimate, abs=1e-8 * max(1.0, shift * abs(slope.estimate)))
    assert fit.fit.log_likelihood == pytest.approx(usual.fit.log_likelihood, rel=1e-10)


# ---- Hardly any scatter, or none ----


@pytest.mark.parametrize("shape", [1e8, 1e12])
@pytest.mark.parametrize("formula", ["y ~ x", ("y ~ x", "phi ~ 1")], ids=["mean", "joint"])
def test_gamma_responses_of_enormous_shape(shape: float, formula: Any) -> None:
    """As good as a lognormal of that variance: least squares on logarithms."""
    random = np.random.default_rng(4)
    y = np.exp(1 + 0.5 * X) * random.gamma(shape, 1 / shape, size=N)
    fit = glmfit.fit(formula, {"x": X, "y": y}, family="gamma")
    line = glmfit.fit("z ~ x", {"x": X, "z": np.log(y)})
    assert fit.exit_code == 0
    for row, expected in zip(fit.coefficients, line.coefficients, strict=False):
        assert abs(row.estimate - expected.estimate) <= 1e-3 * expected.std_error + 1 / shape
    phi = fit.dispersion.estimate if formula == "y ~ x" else math.exp(fit.coefficients[2].estimate)
    expected_phi = line.dispersion.estimate * (1 if formula == "y ~ x" else (N - 2) / N)
    assert phi == pytest.approx(expected_phi, rel=1e-3)


def test_a_line_without_scatter() -> None:
    fit = glmfit.fit("y ~ x", {"x": X, "y": 1 + 2 * X})
    assert fit.exit_code == 0
    assert codes(fit) == {"perfect_fit"}
    assert [row.estimate for row in fit.coefficients] == pytest.approx([1.0, 2.0], rel=1e-14)


@pytest.mark.parametrize(
    ("family", "exit_code", "expected"),
    [
        ("gaussian", 5, {"perfect_fit", "saturated"}),
        ("gamma", 5, {"perfect_fit", "saturated"}),
        ("quasi-poisson", 5, {"perfect_fit", "saturated"}),
        ("poisson", 0, set()),
        ("geometric", 0, set()),
    ],
)
def test_a_parameter_for_each_row(family: str, exit_code: int, expected: set[str]) -> None:
    y = np.array([1.0, 3, 2, 5, 4])
    fit = glmfit.fit("y ~ C(g)", {"g": np.arange(5.0), "y": y}, family=family)
    assert fit.exit_code == exit_code
    assert codes(fit) == expected
    link = (lambda value: value) if family == "gaussian" else np.log
    values = [link(y[0]), *(link(y[1:]) - link(y[0]))]
    assert [row.estimate for row in fit.coefficients] == pytest.approx(values, abs=1e-9)


def test_a_parameter_for_each_row_of_a_binary_response_separates() -> None:
    fit = glmfit.fit("y ~ C(g)", {"g": np.arange(4.0), "y": np.array([1.0, 0, 1, 0])}, family="binomial")
    assert fit.exit_code == 5
    assert codes(fit) == {"separation"}


def test_a_parameter_too_many_is_refused() -> None:
    with pytest.raises(ModelError) as error:
        glmfit.fit("y ~ C(g)", {"g": np.arange(4.0), "y": np.arange(1.0, 5)}, family="negative-binomial")
    assert error.value.code == "too_few_rows"


@pytest.mark.parametrize(
    ("family", "value", "exit_code", "expected"),
    [
        ("gaussian", 3.0, 0, {"perfect_fit"}),
        ("gaussian", 0.0, 0, {"perfect_fit"}),
        ("gamma", 3.0, 0, {"perfect_fit"}),
        ("inverse-gaussian", 3.0, 0, {"perfect_fit"}),
        ("quasi-poisson", 3.0, 0, {"perfect_fit"}),
        ("poisson", 3.0, 0, {"underdispersion"}),
        ("geometric", 3.0, 0, set()),
        ("negative-binomial", 3.0, 0, {"at_limit"}),
        ("poisson", 0.0, 5, {"separation"}),
        ("quasi-poisson", 0.0, 5, {"separation"}),
        ("geometric", 0.0, 5, {"separation"}),
        ("negative-binomial", 0.0, 5, {"separation", "at_limit"}),
        ("binomial", 0.0, 5, {"separation"}),
        ("binomial", 1.0, 5, {"separation"}),
    ],
)
@pytest.mark.parametrize("formula", ["y ~ 1", "y ~ x"])
def test_a_constant_response(family: str, value: float, exit_code: int, expected: set[str], formula: str) -> None:
    fit = glmfit.fit(formula, {"x": X, "y": np.full(N, value)}, family=family)
    assert fit.exit_code == exit_code
    assert codes(fit) - {"fitted_boundary", "perfect_fit"} == expected - {"perfect_fit"}
    assert ("perfect_fit" in expected) <= ("perfect_fit" in codes(fit))
    if exit_code == 0:
        mean = fit.coefficients[0].estimate
        inverse = {"gaussian": lambda eta: eta, "inverse-gaussian": lambda eta: eta**-0.5}.get(family, math.exp)
        natural = inverse(mean)
        assert natural == pytest.approx(value, abs=1e-12)
    else:
        assert fit.coefficients[0].status == "infinite"
        assert fit.coefficients[0].estimate == (math.inf if value else -math.inf)


@pytest.mark.parametrize("family", ["gamma", "inverse-gaussian"])
def test_zeros_are_no_positive_responses(family: str) -> None:
    with pytest.raises(ModelError) as error:
        glmfit.fit("y ~ 1", {"y": np.zeros(5)}, family=family)
    assert error.value.code == "outside_support"


# ---- Aliased terms ----


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("y ~ x + twice", "'twice' = 2 x is"),
        ("y ~ x + z + mixed", "'mixed' = 5 + x - 1/3 z is"),
        ("y ~ x + decimal", "'decimal' = 0.123 x is"),
        ("y ~ x + odd", "'odd' (from x) is"),
        ("y ~ x + metres", "'metres' = 3000000 + 1000000 x is"),
        ("y ~ x + seven", "'seven' = 7 is"),
        ("y ~ x + nothing", "'nothing' = 0 is"),
        ("y ~ 0 + x + minus", "'minus' = -x is"),
        ("y ~ C(g) + a", "'a' = 1 - C(g)[T.1] - C(g)[T.2] is"),
        ("y ~ x + twice + nothing", "'twice' = 2 x, 'nothing' = 0 are linear combinations"),
    ],
)
def test_aliased_terms_are_said_in_words(formula: str, message: str) -> None:
    random = np.random.default_rng(5)
    x, z, g = random.normal(size=30), random.normal(size=30), np.repeat([0, 1, 2], 10)
    columns: dict[str, Any] = {
        "x": x,
        "z": z,
        "g": g,
        "twice": 2 * x,
        "mixed": x - z / 3 + 5,
        "decimal": 0.123 * x,
        "odd": math.pi * x,
        "metres": 1e6 * x + 3e6,
        "seven": np.full(30, 7.0),
        "nothing": np.zeros(30),
        "minus": -x,
        "a": (g == 0).astype(float),
        "y": random.normal(size=30),
    }
    fit = glmfit.fit(formula, columns)
    assert fit.exit_code == 0
    (finding,) = fit.warnings
    assert finding.code == "aliased"
    assert message in finding.message
    assert "left out" in finding.message
    assert finding.terms == fit.identification.aliased


def test_an_aliased_term_of_another_parameter_is_named_with_it() -> None:
    random = np.random.default_rng(7)
    x = random.normal(size=200)
    data = {"x": x, "x2": 2 * x, "y": random.poisson(4 * random.gamma(1, 1, 200)).astype(float)}
    fit = glmfit.fit(("y ~ x", "alpha ~ x + x2"), data, family="negative-binomial")
    assert [f.message.split(" is ")[0] for f in fit.warnings if f.code == "aliased"] == ["'alpha:x2' = 2 x"]


@pytest.mark.parametrize("slant", [5.0, 1.5, -3.0])
def test_no_skew_normal_ends_where_every_one_is_stationary(slant: float) -> None:
    """At slant 0 the score of slant is a multiple of that of mu: no maximum, but a search from the wrong side ends
    there, as it does where covariates hide which tail is the longer one. scipy's density finds the maximum."""
    delta = slant / math.sqrt(1 + slant**2)
    for seed in range(8):
        random = np.random.default_rng([seed, 9])
        x = 3 * random.normal(size=150)
        first, second = random.normal(size=(2, 150))
        y = 0.3 + x + delta * abs(first) + math.sqrt(1 - delta**2) * second

        def loss(theta: np.ndarray, x: np.ndarray = x, y: np.ndarray = y) -> float:
            return -float(skewnorm.logpdf(y, theta[3], theta[0] + theta[1] * x, math.exp(theta[2])).sum())

        starts = ([y.mean() - side, 1.0, 0.0, 2.0 * side] for side in (-1, 1))
        best = min(minimize(loss, start, method="Nelder-Mead", options={"maxfev": 4000}).fun for start in starts)
        fit = glmfit.fit("y ~ x", {"x": x, "y": y}, family="skew-normal")
        assert fit.exit_code == 0
        assert fit.fit.log_likelihood >= -best - 1e-6


@pytest.mark.parametrize("options", [{}, {"max_iter": 1000}, {"max_iter": 1000, "tol": 1e-4}])
def test_a_slant_without_end_is_said_to_have_none(options: dict[str, Any]) -> None:
    """All residuals on one side of a line that touches them: the half-normal there is likelier than any skew-normal.

    On the way the line is known ever better, beside which the little that is known of the slant must not be lost.
    Far along it there is 1e17 of the one and 1e-38 of the other.
    """
    random = np.random.default_rng(15)
    x = random.normal(size=25)
    fit = glmfit.fit("y ~ x", {"x": x, "y": x - abs(random.normal(size=25))}, family="skew-normal", **options)
    assert fit.exit_code == 5
    assert [finding.terms for finding in fit.warnings if finding.code == "flat_direction"] == [("slant:Intercept",)]
    assert fit.coefficients[-1].status == "not_identified"
    # the information on log(sigma) of n half-normals is 2 n
    assert abs(fit.coefficients[2].std_error - 50**-0.5) < 1e-4


@pytest.mark.parametrize("seed", [1, 5, 8])
@pytest.mark.parametrize("base", ["a", "b", "c"])
def test_a_level_without_positive_counts_has_no_mean_in_a_hurdle(base: str, seed: int) -> None:
    """Whichever level is the base, also where the columns that then coincide are told apart by rounding alone."""
    random = np.random.default_rng(seed)
    g, u = np.array(["a", "b", "c"])[random.permutation(63) % 3], random.uniform(0, 2, 63)
    y = np.where(random.random(63) < 0.15, random.poisson(2, 63) + 1.0, 0.0) * (g != "a")
    data = {"y": y, "g": g, "u": u}
    fit = glmfit.fit(f"y ~ C(g, contr.treatment({base!r})) + u", data, family="hurdle-poisson")
    positive = glmfit.fit("y ~ g + u", {k: v[y > 0] for k, v in data.items()}, family="zero-truncated-poisson")
    assert (fit.exit_code, codes(fit)) == (5, {"flat_direction"})
    found, expected = ({row.term: row for row in one.coefficients}["u"] for one in (fit, positive))
    assert found.estimate == pytest.approx(expected.estimate, rel=1e-8)
    assert found.std_error == pytest.approx(expected.std_error, rel=1e-8)
    unknown = {row.term[-2] for row in fit.coefficients if row.parameter == "mu" and math.isnan(row.std_error)}
    assert unknown == ({"p", "b", "c"} if base == "a" else {"a"})  # the "p" of Intercept
