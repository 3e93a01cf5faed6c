"""Likelihoods in users' files: equal to the built-in ones, checked before they are maximised, told by their lines."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glmfit
from glmfit.commands.app import main
from glmfit.errors import GlmfitError, ModelError, UsageError
from glmfit.estimate import start
from glmfit.families.base import Family
from glmfit.families.catalogue import FAMILIES, make_family
from glmfit.families.links import POSITIVE_LINKS, REAL_LINKS, UNIT_LINKS
from glmfit.families.userfile import is_path
from glmfit.result import Fit

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "sample_data" / "likelihoods"
OWN = Path(__file__).resolve().parent / "user_files"
POISSON = str(EXAMPLES / "poisson.py")
NEGATIVE_BINOMIAL = str(OWN / "negative_binomial.py")
WEIBULL = str(OWN / "weibull.py")
SAMPLES = ROOT / "sample_data"

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A file of the given name with a text in it; its path."""

    def write_file(text: str, name: str = "own.py") -> str:
        path = tmp_path / name
        path.write_text("import torch\n\n\n" + textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return str(path)

    return write_file


def counts(n: int = 60, seed: int = 3) -> dict[str, Any]:
    """Counts with zeros among them, covariates, a factor, and columns of every kind of weight."""
    rng = np.random.default_rng(seed)
    x, g = rng.normal(size=n), rng.choice(["a", "b", "c"], size=n)
    mean = np.exp(0.4 + 0.5 * x + 0.3 * (g == "b"))
    y = rng.poisson(mean * rng.gamma(1.5, 1 / 1.5, size=n)).astype(float)
    weights = {"w": rng.uniform(0.5, 2, size=n), "f": rng.integers(1, 4, size=n), "s": rng.uniform(1, 9, size=n)}
    return {"y": y, "x": x, "g": g, "c": np.arange(n) % 12, "e": rng.uniform(1, 3, size=n), **weights}


def lifetimes(n: int = 80) -> dict[str, Any]:
    rng = np.random.default_rng(8)
    x = rng.normal(size=n)
    weights = {"w": rng.uniform(0.5, 2, size=n), "f": rng.integers(1, 4, size=n), "s": rng.uniform(1, 9, size=n)}
    return {"y": np.exp(1 + 0.5 * x) * rng.weibull(1.7, size=n), "x": x, "c": np.arange(n) % 12, **weights}


def failure(family: str, data: Any = None, formula: str | list[str] = "y ~ x", **options: Any) -> GlmfitError:
    with pytest.raises(GlmfitError) as caught:
        glmfit.fit(formula, counts() if data is None else data, family=family, **options)
    return caught.value


def own_message(error: GlmfitError, *parts: str) -> None:
    for part in parts:
        assert part in error.message
    assert "/glmfit/" not in error.message  # our own lines are nobody's business
    assert error.hint


# ---- The same numbers as the built-in families ----


def assert_equal(own: Fit, built_in: Fit, relative: float = 1e-10) -> None:
    """Coefficients, standard errors, statistics and verdicts."""
    assert own.exit_code == built_in.exit_code
    assert [(c.parameter, c.term, c.status) for c in own.coefficients] == [
        (c.parameter, c.term, c.status) for c in built_in.coefficients
    ]
    for a, b in zip(own.coefficients, built_in.coefficients, strict=True):
        assert a.estimate == pytest.approx(b.estimate, rel=relative, abs=relative * max(b.std_error, 1e-3), nan_ok=True)
        assert a.std_error == pytest.approx(b.std_error, rel=relative, nan_ok=True)
        assert a.conf_high == pytest.approx(b.conf_high, rel=relative, abs=relative, nan_ok=True)
    for a, b in zip(own.auxiliary, built_in.auxiliary, strict=True):
        assert (a.name, a.fixed) == (b.name, b.fixed)
        assert a.estimate == pytest.approx(b.estimate, rel=relative)
        assert a.std_error == pytest.approx(b.std_error, rel=relative, nan_ok=True)
    assert own.covariance.kind == built_in.covariance.kind
    np.testing.assert_allclose(own.covariance.matrix, built_in.covariance.matrix, rtol=1e-9, atol=1e-12)
    for name in ("log_likelihood", "aic", "bic", "n_parameters"):
        assert getattr(own.fit, name) == pytest.approx(getattr(built_in.fit, name), rel=relative, nan_ok=True)


KINDS: list[dict[str, Any]] = [
    {},
    {"se": "hc0"},
    {"se": "hc1"},
    {"se": "cluster:c"},
    {"weights": "w"},
    {"freq_weights": "f"},
    {"freq_weights": "f", "se": "hc1"},
    {"sampling_weights": "s"},
    {"sampling_weights": "s", "se": "cluster:c"},
    {"level": 0.8, "optimizer": "bfgs"},
    {"missing": "error", "intercept": False},
]


@pytest.mark.parametrize("options", KINDS, ids=str)
@pytest.mark.parametrize(
    ("own", "built_in", "data", "formula"),
    [
        (POISSON, "poisson", counts, ["y ~ x + g"]),
        (NEGATIVE_BINOMIAL, "negative-binomial", counts, ["y ~ x + g"]),
        (NEGATIVE_BINOMIAL, "negative-binomial", counts, ["y ~ x", "log_alpha ~ x"]),
        (WEIBULL, "weibull", lifetimes, ["y ~ x"]),
        (WEIBULL, "weibull", lifetimes, ["y ~ x", "shape ~ x"]),
    ],
    ids=["poisson", "nb", "nb alpha", "weibull", "weibull shape"],
)
def test_a_file_gives_the_numbers_of_the_built_in_family(
    own: str, built_in: str, data: Callable[[], Any], formula: list[str], options: dict[str, Any]
) -> None:
    relative = 1e-6 if "optimizer" in options else 1e-10  # a quasi-Newton search stops 1e-4 standard errors away
    found, known = (glmfit.fit(formula, data(), family=family, **options) for family in (own, built_in))
    if "optimizer" in options:
        for a, b in zip(found.coefficients, known.coefficients, strict=True):
            assert a.estimate == pytest.approx(b.estimate, abs=1e-3 * b.std_error)
    else:
        assert_equal(found, known, relative)
    assert found.exit_code == 0


@pytest.mark.parametrize("kind", ["hc2", "hc3"])
def test_leverage_is_that_of_the_built_in_family(kind: str) -> None:
    own = str(OWN / "poisson_class.py")
    assert_equal(*(glmfit.fit("y ~ x + g", counts(), family=family, se=kind) for family in (own, "poisson")))
    assert failure(POISSON, se=kind).code == "no_expected_information"  # a function states no variance


@pytest.mark.parametrize(
    "options",
    [
        {"fixed": {"alpha": 0.7}},
        {"links": {"alpha": "identity"}},
        {"links": {"mu": "sqrt", "log_alpha": "sqrt"}},
        {"links": {"log_mu": "identity"}, "formula": "y ~ g"},
        {"exposure": "e"},
        {"offset": "e"},
        {"start": {"x": 1.0, "log_alpha:Intercept": -1.0}},
        {"start": {"alpha:Intercept": -1.0}, "max_iter": 1},
    ],
    ids=str,
)
def test_links_held_parameters_offsets_and_starts(options: dict[str, Any]) -> None:
    formula, options = options.get("formula", "y ~ x"), {k: v for k, v in options.items() if k != "formula"}
    fits = [glmfit.fit(formula, counts(), family=family, **options) for family in (NEGATIVE_BINOMIAL, "nb")]
    if "max_iter" in options:
        assert {fit.exit_code for fit in fits} == {4}
    else:
        assert_equal(*fits)


def test_separated_counts_get_the_verdict_of_the_built_in_family() -> None:
    data = counts()
    data["y"] = np.where(data["g"] == "c", 0.0, data["y"])
    found, known = (glmfit.fit("y ~ g", data, family=family) for family in (POISSON, "poisson"))
    assert found.exit_code == known.exit_code == 5
    for fit in (found, known):
        assert [c.term for c in fit.coefficients if c.status is not None] == ["g[T.c]"]


def test_the_worked_example_has_the_numbers_of_r() -> None:
    fit = glmfit.fit("y ~ 0 + x1 + x2", str(SAMPLES / "poisson.csv"), family=POISSON)
    # glm(y ~ 0 + x1 + x2, family = poisson), run until the coefficients no longer moved
    assert [c.estimate for c in fit.coefficients] == pytest.approx([0.970642532299103, 1.7922187567993], rel=1e-12)
    assert [c.std_error for c in fit.coefficients] == pytest.approx([0.0412609947325, 0.0377788326752], rel=1e-9)


def test_a_censored_exponential_is_a_poisson_regression_of_events() -> None:
    path, own = str(SAMPLES / "veteran.csv"), str(EXAMPLES / "survival.py")
    found = glmfit.fit("time ~ karno + celltype", path, family=own)
    known = glmfit.fit("status ~ karno + celltype", path, family="poisson", exposure="time")
    assert [c.estimate for c in found.coefficients] == pytest.approx([c.estimate for c in known.coefficients], rel=1e-9)
    assert [c.std_error for c in found.coefficients] == pytest.approx([c.std_error for c in known.coefficients])
    assert found.exit_code == 0


# ---- What a signature says ----


def family_of(path: str) -> Family:
    return make_family(path, {})


def test_a_signature_is_a_specification(write: Write) -> None:
    path = write("def log_density(y, mu, log_sigma, logit_zero, /, log, *, event, shift=0.0): ...")
    family = family_of(path).of_columns(["y", "event"])
    assert [(p.name, p.scale, p.links[0]) for p in family.parameters] == [
        ("mu", "identity", "identity"),
        ("sigma", "log", "log"),
        ("zero", "logit", "logit"),
        ("log", "identity", "identity"),
    ]
    assert family.name == "own"
    assert family.main == "mu"
    assert family.columns == ("event",)
    assert family_of(path).of_columns(["shift", "event"]).columns == ("event", "shift")
    with pytest.raises(ModelError, match="a column 'event', which the data do not have"):
        family_of(path).of_columns(["y", "shift", "Event"])


def test_a_name_picks_a_function_or_a_class(write: Write) -> None:
    path = write(
        """
        from math import sqrt  # of another module, and no candidate

        from glmfit.families.base import Family, Parameter

        def narrow(y, mu): return -((y - mu) ** 2)
        def _helper(y, mu): return y

        class Wide(Family):
            parameters = (Parameter("location", "identity", ("identity",)),)
            def log_density(self, y, location): return -((y - location) ** 2) / 8
        """
    )
    assert family_of(f"{path}:narrow").name == "narrow"
    assert family_of(f"{path}:narrow").main == "mu"
    assert family_of(path).main == "location"  # a class, where there is one and no log_density
    assert family_of(f"{path}:Wide").name == "Wide"
    for name, hint in (("narow", "did you mean 'narrow'?"), ("sqrt", ""), ("torch", "")):
        with pytest.raises(UsageError) as caught:
            family_of(f"{path}:{name}")
        assert caught.value.code in ("no_density", "bad_signature")
        assert hint in (caught.value.hint or "")


def test_the_only_function_is_the_likelihood(write: Write) -> None:
    assert family_of(write("def whatever(y, mu): return -((y - mu) ** 2)")).main == "mu"


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        ("x = 1", "no_density", "defines no likelihood"),
        ("def a(y, mu): ...\ndef b(y, mu): ...", "no_density", "which of them"),
        ("def log_density(y): ...", "bad_signature", "no linear predictor"),
        ("def log_density(y, *mu): ...", "bad_signature", "takes *mu"),
        ("def log_density(y, mu, **more): ...", "bad_signature", "takes **more"),
        ("def log_density(y, mu, log_sigma=0.0): ...", "bad_signature", "log_sigma a default"),
        ("def log_density(y, mu, log_mu): ...", "bad_signature", "the parameter mu twice"),
        (
            "from glmfit.families.base import Family\nclass A(Family):\n    def log_density(self, y, mu): ...",
            "bad_signature",
            "states no tuple of parameters",
        ),
        (
            "from glmfit.families.base import Family, Parameter\n"
            "class A(Family):\n    parameters = (Parameter('mu', 'sqrt', ('sqrt',)),)\n"
            "    def log_density(self, y, mu): ...",
            "bad_signature",
            "the scale of mu is 'sqrt'",
        ),
        (
            "from glmfit.families.base import Family, Parameter\n"
            "class A(Family):\n    parameters = (Parameter('mu', 'log', ('log',)),)",
            "no_density",
            "defines no log_density",
        ),
    ],
)
def test_what_is_no_likelihood_is_refused(write: Write, text: str, code: str, part: str) -> None:
    error = failure(write(text))
    assert (error.code, error.exit_code) == (code, 2)
    own_message(error, part, "own.py")


def test_only_a_path_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "poisson").write_text("raise RuntimeError", encoding="utf-8")
    (tmp_path / "gumbell.py").write_text("raise RuntimeError", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert not is_path("poisson")
    assert glmfit.fit("y ~ x", counts(), family="poisson").exit_code == 0
    assert failure("gumbell").code == "unknown_family"
    assert all(not is_path(name) for family in FAMILIES for name in (family.name, *family.aliases))
    assert all(is_path(name) for name in ("own.py", "own.py:NAME", "./own", "folder/own.py"))


def test_a_held_parameter_is_given_on_its_natural_scale() -> None:
    error = failure(NEGATIVE_BINOMIAL, fixed={"log_alpha": 1.0})
    assert error.code == "unknown_parameter"
    assert error.hint == "write --fix alpha=VALUE"


def test_successes_out_of_trials(write: Write) -> None:
    own = write(
        """
        def log_density(y, logit_p, *, trials):
            choose = torch.lgamma(trials + 1) - torch.lgamma(y + 1) - torch.lgamma(trials - y + 1)
            return choose + y * logit_p - trials * torch.nn.functional.softplus(logit_p)
        """
    )
    for formula, data, link in (
        ("dead/n ~ dose", "beetles", "cloglog"),
        ("cbind(dead, alive) ~ sex", "budworm", "probit"),
        ("low ~ smoke + race", "birthwt", "logit"),
    ):
        path = str(SAMPLES / f"{data}.csv")
        found = glmfit.fit(formula, path, family=own, links={"p": link})
        known = glmfit.fit(formula, path, family="binomial", links={"mu": link})
        assert [c.estimate for c in found.coefficients] == pytest.approx(
            [c.estimate for c in known.coefficients], rel=1e-9
        )
        assert found.fit.log_likelihood == pytest.approx(known.fit.log_likelihood, rel=1e-12)


def test_columns_are_read_and_cost_rows_where_they_are_missing(tmp_path: Path) -> None:
    path = tmp_path / "times.csv"
    rows = ["time,x,status,late", "3,1,1,", "5,2,0,", "2,NA,1,", "8,1,,", "1,3,1,", "4,2,1,", "9,0,1,"]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    fit = glmfit.fit("time ~ x", str(path), family=str(EXAMPLES / "survival.py"))
    assert (fit.data.rows_read, fit.data.rows_used) == (7, 5)
    assert fit.data.dropped["missing"] == {"x": 1, "status": 1}
    every = glmfit.fit("time ~ . - late", str(path), family=str(EXAMPLES / "survival.py"))
    assert [c.term for c in every.coefficients] == ["Intercept", "x"]  # `.` leaves status to the density


def test_a_default_stands_for_a_column_that_is_not_there(write: Write) -> None:
    own = write("def log_density(y, log_rate, *, event=1.0): return event * log_rate - y * torch.exp(log_rate)")
    data = lifetimes()
    without = glmfit.fit("y ~ 1", data, family=own)
    assert without.coefficients[0].estimate == pytest.approx(-math.log(data["y"].mean()))
    data["event"] = (np.arange(80) % 4 > 0).astype(float)
    assert glmfit.fit("y ~ 1", data, family=own).coefficients[0].estimate == pytest.approx(
        math.log(60 / data["y"].sum())
    )


def test_phi_is_estimated_with_the_coefficients_and_takes_the_weights(write: Write) -> None:
    own = write("def log_density(y, mu, log_phi): return -0.5 * (log_phi + (y - mu) ** 2 * torch.exp(-log_phi))")
    data = lifetimes()
    X, w = np.column_stack([np.ones(80), data["x"]]), data["w"]
    beta = np.linalg.solve(X.T @ (w[:, None] * X), X.T @ (w * data["y"]))
    phi = float(np.mean(w * (data["y"] - X @ beta) ** 2))
    fit = glmfit.fit("y ~ x", data, family=own, weights="w")
    assert [c.estimate for c in fit.coefficients[:2]] == pytest.approx(beta.tolist(), rel=1e-9)
    assert fit.auxiliary[0].estimate == pytest.approx(phi, rel=1e-9)
    assert fit.fit.n_parameters == 3


# ---- Families in full ----


def test_a_class_brings_links_support_start_and_moments() -> None:
    own = str(EXAMPLES / "inverse_gamma.py")
    family = family_of(own)
    assert family.has_moments
    assert family.support.text == "positive numbers"
    fit = glmfit.fit("time ~ poison + treat", str(SAMPLES / "poisons.csv"), family=own)
    assert fit.exit_code == 0
    assert math.isfinite(fit.fit.pearson_chi2)
    error = failure(own, {"y": np.array([1.0, -2.0, 3.0]), "x": np.arange(3.0)})
    assert error.code == "outside_support"
    assert "'y' is -2 in row 2" in error.message


def test_the_inverse_gamma_is_scipys() -> None:
    import torch
    from scipy import stats

    family = family_of(str(EXAMPLES / "inverse_gamma.py"))
    y, mu, alpha = np.array([0.2, 1.0, 7.0]), np.array([0.5, 2.0, 3.0]), np.array([0.3, 1.0, 0.02])
    shape = 2 + 1 / alpha
    known = stats.invgamma.logpdf(y, shape, scale=(shape - 1) * mu)
    found = family.log_density(*(torch.from_numpy(v) for v in (y, np.log(mu), np.log(alpha))))
    np.testing.assert_allclose(found.numpy(), known, rtol=1e-11)
    draws = family.simulate(np.random.default_rng(1), np.full(200_000, 2.0), np.full(200_000, 0.1))
    assert draws.mean() == pytest.approx(2.0, rel=0.01)
    assert draws.var() == pytest.approx(0.4, rel=0.05)


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ("return [1.0]", "start must return"),
        ("return {'sigma': 1.0}", "has no parameter 'sigma'"),
        ("return {'mu': 'one'}", "could not convert"),
        ("return {'mu': 1 / 0}", "ZeroDivisionError"),
    ],
)
def test_a_start_that_cannot_be_used_is_told_by_its_line(write: Write, body: str, part: str) -> None:
    error = failure(
        write(
            f"""
            from glmfit.families.base import Family, Parameter

            class Own(Family):
                parameters = (Parameter("mu", "identity", ("identity",)),)
                def log_density(self, y, mu): return -((y - mu) ** 2)
                def start(self, y, weight): {body}
            """
        )
    )
    own_message(error, part)


TAILS = """
    import math
    from glmfit.families.base import Family, Parameter, Support
    from glmfit.families.links import POSITIVE_LINKS


    class Own(Family):
        support = Support(0, math.inf, lower_open=True, text="positive numbers")
        parameters = (Parameter("scale", "log", POSITIVE_LINKS), Parameter("shape", "log", POSITIVE_LINKS))

        def log_density(self, y, log_scale, log_shape):
            log_z = torch.exp(log_shape) * (torch.log(y) - log_scale)
            return log_shape + log_z - torch.log(y) - torch.exp(log_z)

        def log_survival(self, y, log_scale, log_shape):
            return SURVIVAL

        def log_cdf(self, y, log_scale, log_shape):
            return torch.log(-torch.expm1(self.log_survival(y, log_scale, log_shape)))
"""


def test_censored_responses_take_the_tails_of_a_class(write: Write) -> None:
    right = "-torch.exp(torch.exp(log_shape) * (torch.log(y) - log_scale))"
    path, options = str(SAMPLES / "veteran.csv"), {"event": "status"}
    own = write(TAILS.replace("SURVIVAL", right))
    assert_equal(*(glmfit.fit("time ~ karno", path, family=family, **options) for family in (own, "weibull")))
    error = failure(write(TAILS.replace("SURVIVAL", f"({right}).sum()")), path, "time ~ karno", **options)
    assert error.code == "not_row_wise"
    error = failure(write(TAILS.replace("SURVIVAL", "nu")), path, "time ~ karno", **options)
    own_message(error, "NameError", "own.py:18: return nu")
    assert failure(str(EXAMPLES / "gumbel.py"), path, "time ~ karno", **options).code == "bad_censoring"


# ---- Checks before the search ----

TRAPS = {
    "branches": ("bad_derivative", 3, ["first derivative in mu", "log at branches.py:6: ", "row 35: y = 0, mu = "]),
    "broadcast": (
        "bad_density",
        3,
        ["shape (n, n)", "mul broadcasts (n,) and (n, 1)", "broadcast.py:6: ", "reshape at broadcast.py:5: eta"],
    ),
    "centred": ("not_row_wise", 3, ["no linear form", "mean at centred.py:5: "]),
    "detached": (
        "bad_derivative",
        3,
        ["9 by autograd", "change by 4.3", "detach at detached.py:5: mu", "row 1: y = 9"],
    ),
    "float32": ("bad_density", 3, ["torch.float32", "float at float32.py:5: "]),
    "in_place": ("bad_density", 3, ["in place", "in_place.py:5: y -= mu"]),
    "kinked": ("bad_derivative", 3, ["second derivative of 0 in mu", "abs at kinked.py:5: "]),
    "summed": ("bad_density", 3, ["shape ()", "sum at summed.py:5: return torch.sum("]),
}


@pytest.mark.parametrize("name", sorted(path.stem for path in (EXAMPLES / "traps").glob("*.py")))
def test_a_trap_is_told_by_its_line(name: str) -> None:
    code, status, parts = TRAPS[name]
    error = failure(str(EXAMPLES / "traps" / f"{name}.py"), str(SAMPLES / "poisson.csv"), "y ~ 0 + x1 + x2")
    assert (error.code, error.exit_code) == (code, status)
    own_message(error, *parts)


@pytest.mark.parametrize(
    ("body", "code", "parts"),
    [
        ("z = (y - mu)", "bad_density", ["returns nothing"]),
        ("return 1.5", "bad_density", ["returns a float"]),
        ("return (y, mu)", "bad_density", ["returns a tuple"]),
        ("return y.numpy()", "bad_density", ["returns a numpy.ndarray"]),
        ("return y[:, None] * mu[:, None]", "bad_density", ["shape (n, 1)", "getitem at own.py:5"]),
        ("return (y * mu)[:1]", "bad_density", ["shape (1,)"]),
        ("return (y * mu)[1:]", "bad_density", ["own.py"]),
        ("return (y > mu)", "bad_density", ["torch.bool"]),
        ("return torch.tensor(y.numpy())", "bad_density", ["do not depend on mu", "own.py:5"]),
        ("return -(y - mu.detach()) ** 2", "bad_density", ["cut off by detach at own.py:5"]),
        ("with torch.no_grad(): return -(y - mu) ** 2", "bad_density", ["do not depend on mu"]),
        (
            "return -torch.tensor((y - mu).tolist()) ** 2 + 0 * mu",
            "bad_derivative",
            ["by autograd", "tolist at own.py:5"],
        ),
        ("return -(y - mu) ** 2 * torch.rand(len(y))", "bad_density", ["called again"]),
        ("return -(y - torch.cumsum(mu, 0)) ** 2", "not_row_wise", ["cumsum at own.py:5"]),
        ("return -(y - mu.flip(0)) ** 2", "not_row_wise", ["flip at own.py:5"]),
        ("return -(y - mu + mu.mean()) ** 2", "not_row_wise", ["mean at own.py:5"]),
        ("return -(torch.cumsum(y, 0) - mu) ** 2", "not_row_wise", ["cumsum at own.py:5"]),
        ("return torch.log(y - 100) - mu ** 2", "bad_start", ["is nan", "log at own.py:5", "row 1: y = "]),
        ("return torch.log(torch.relu(y - 1)) - (y - mu) ** 2", "bad_start", ["is -inf", "log at own.py:5", "row "]),
        ("return -(torch.round(y - mu) + torch.sqrt(0 * mu)) ** 2", "bad_derivative", ["sqrt at own.py:5", "row 1: "]),
        (
            "return -(y - mu) ** 2 + (0 * mu).abs() ** 1.5",
            "bad_derivative",
            ["second derivative in mu", "pow at own.py:5"],
        ),
        ("return -(y - nu) ** 2", "user_code", ["NameError", "own.py:5: return -(y - nu) ** 2"]),
        ("raise SystemExit(3)", "user_code", ["SystemExit", "own.py:5"]),
        ("return -(y - mu).reshape(7, 7)", "user_code", ["RuntimeError", "own.py:5"]),
        (
            "return torch.distributions.Poisson(torch.exp(mu)).log_prob(y - 1)",
            "user_code",
            ["support (IntegerGreaterThan", "own.py:5"],
        ),
    ],
)
def test_what_is_wrong_is_found_before_the_search(write: Write, body: str, code: str, parts: list[str]) -> None:
    error = failure(write(f"def log_density(y, mu):\n    {body}"))
    assert (error.code, error.exit_code) == (code, 3)
    own_message(error, *parts)


def test_what_fails_in_a_helper_is_told_by_the_helpers_line(write: Write) -> None:
    own = write(
        """
        def scale(log_sigma):
            return torch.exp(log_sigmma)


        def log_density(y, mu, log_sigma):
            return (y - mu) / scale(log_sigma)
        """
    )
    own_message(failure(own), "NameError", "own.py:5: return torch.exp(log_sigmma)")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("def log_density(y, mu:", "SyntaxError"),
        ("import torchh", "own.py:4: import torchh"),
        ("raise ValueError('no')", "own.py:4: raise ValueError('no')"),
    ],
)
def test_a_file_that_cannot_be_loaded(write: Write, text: str, part: str) -> None:
    error = failure(write(text))
    assert (error.code, error.exit_code) == ("user_code", 3)
    own_message(error, part)


def test_a_missing_file_is_a_mistake_of_usage() -> None:
    error = failure("nowhere/own.py")
    assert (error.code, error.exit_code) == ("no_such_file", 2)


def test_a_file_that_has_changed_is_loaded_again(write: Write) -> None:
    data = lifetimes()
    first = glmfit.fit("y ~ 1", data, family=write("def log_density(y, mu): return -((y - mu) ** 2)"))
    again = glmfit.fit("y ~ 1", data, family=write("def log_density(y, mu): return -((y - mu - 10) ** 2)"))
    assert first.coefficients[0].estimate == pytest.approx(again.coefficients[0].estimate + 10)


def test_one_row_and_equal_rows_pass_the_checks(write: Write) -> None:
    own = write("def log_density(y, mu): return -((y - mu) ** 2)")
    assert glmfit.fit("y ~ 1", {"y": [2.5]}, family=own).coefficients[0].estimate == pytest.approx(2.5)
    assert glmfit.fit("y ~ 1", {"y": [3.0] * 5}, family=own).coefficients[0].estimate == pytest.approx(3.0)


def test_distributions_of_torch_may_be_used(write: Write) -> None:
    """A trial step outside their domain is no exception: with the identity link the search meets some."""
    own = write("def log_density(y, rate): return torch.distributions.Poisson(rate).log_prob(y)")
    data = {"x": np.arange(10.0), "y": np.array([1.0, 0, 0, 1, 0, 2, 1, 0, 9, 30])}
    found, known = (glmfit.fit("y ~ x", data, family=family, links={"mu": "identity"}) for family in (own, "poisson"))
    assert found.exit_code == known.exit_code
    assert [c.estimate for c in found.coefficients] == pytest.approx([c.estimate for c in known.coefficients], rel=1e-6)


# ---- Verdicts ----


def test_a_parameter_that_is_ignored_is_named(write: Write) -> None:
    own = write("def log_density(y, log_mu, log_sigma): return y * log_mu - torch.exp(log_mu) + 0 * y")
    fit = glmfit.fit("y ~ x", counts(), family=own)
    assert fit.exit_code == 5
    assert [c.status for c in fit.coefficients] == [None, None, "not_identified"]
    poisson = glmfit.fit("y ~ x", counts(), family="poisson")
    for row, other in zip(fit.coefficients[:2], poisson.coefficients, strict=True):
        assert (row.estimate, row.std_error) == pytest.approx((other.estimate, other.std_error), rel=1e-9)
    assert all(math.isnan(value) for value in fit.covariance.matrix[2])
    assert any("sigma" in finding.message for finding in fit.warnings)


def test_a_start_can_be_given_where_the_grid_has_none(write: Write) -> None:
    # The density of a shift below every response: impossible for each candidate, as all lie near the response.
    own = write("def log_density(y, shift): return torch.log(y - shift - 500) - (y - shift - 501)")
    error = failure(own, {"y": np.array([1.0, 2.0, 4.0])}, "y ~ 1")
    assert error.code == "bad_start"
    assert "--start TERM=VALUE" in (error.hint or "")
    fit = glmfit.fit("y ~ 1", {"y": np.array([1.0, 2.0, 4.0])}, family=own, start={"Intercept": -600.0})
    z = np.array([1.0, 2.0, 4.0]) - 500 - fit.coefficients[0].estimate
    assert (1 / z).sum() == pytest.approx(3.0)
    assert fit.exit_code == 0


def test_built_in_families_with_a_start_do_not_pay_for_the_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "_search", lambda *arguments: pytest.fail("searched"))
    for family in ("poisson", "nb", "gaussian", "gamma"):
        data = counts()
        data["y"] = data["y"] + 0.5 if family == "gamma" else data["y"]
        glmfit.fit("y ~ x", data, family=family)


def test_the_grid_finds_a_start_for_any_scale(write: Write) -> None:
    own = write(
        """
        def log_density(y, mu, log_sigma, logit_share, log_nu):
            z = (y - mu) * torch.exp(-log_sigma)
            nu = torch.exp(log_nu)
            wide = torch.lgamma((nu + 1) / 2) - torch.lgamma(nu / 2) - torch.log(nu) / 2
            wide = wide - torch.log1p(z**2 / nu) * (nu + 1) / 2
            zero = -(((y - 5000.0) / 10) ** 2) / 2 - 2.3
            share = torch.nn.functional.logsigmoid
            both = [share(logit_share) + zero, share(-logit_share) - log_sigma + wide]
            return torch.logsumexp(torch.stack(both), dim=0)
        """
    )
    rng = np.random.default_rng(5)
    y = np.where(rng.random(4000) < 0.3, 5000 + 10 * rng.normal(size=4000), 4000 + 200 * rng.standard_t(4, size=4000))
    fit = glmfit.fit("y ~ 1", {"y": y}, family=own)
    values = {"mu": fit.coefficients[0].estimate, **{a.name: a.estimate for a in fit.auxiliary}}
    assert fit.exit_code == 0
    assert values["mu"] == pytest.approx(4000, abs=20)
    assert values["share"] == pytest.approx(0.3, abs=0.03)
    assert values["sigma"] == pytest.approx(200, rel=0.1)


# ---- Reports and streams ----


@pytest.mark.parametrize("form", ["table", "json", "csv", "markdown"])
def test_every_report_of_a_users_family(form: str, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["fit", str(SAMPLES / "poisson.csv"), "y ~ x1", "--family", POISSON, "--exp", "--format", form]
    assert main(arguments) == 0
    out = capfd.readouterr().out
    assert "poisson" in out or form == "csv"
    if form == "json":
        assert json.loads(out)["model"]["family"] == "poisson"


def test_what_a_file_prints_goes_to_standard_error(write: Write) -> None:
    own = write(
        """
        print("loading")


        def log_density(y, log_mu):
            print("evaluating")
            return y * log_mu - torch.exp(log_mu) - torch.lgamma(y + 1)
        """
    )
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(["fit", str(SAMPLES / "poisson.csv"), "y ~ x1", "--family", own, "--json"])
    assert status == 0
    assert json.loads(out.getvalue())["fit"]["n_parameters"] == 2
    assert "loading" in err.getvalue()
    assert "evaluating" in err.getvalue()


def test_an_error_of_a_file_is_json_too(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    own = write("def log_density(y, mu): return y * nu")
    assert main(["fit", str(SAMPLES / "poisson.csv"), "y ~ x1", "--family", own, "--json"]) == 3
    streams = capsys.readouterr()
    assert json.loads(streams.out)["error"]["code"] == "user_code"
    assert "Traceback" not in streams.err


def test_an_interrupt_inside_a_file_is_an_interrupt(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    own = write("def log_density(y, mu): raise KeyboardInterrupt")
    assert main(["fit", str(SAMPLES / "poisson.csv"), "y ~ x1", "--family", own]) == 130


def test_nothing_is_written_beside_the_file(write: Write, tmp_path: Path) -> None:
    glmfit.fit("y ~ x", counts(), family=write("def log_density(y, mu): return -((y - mu) ** 2)"))
    assert os.listdir(tmp_path) == ["own.py"]


# ---- glmfit check ----


def test_check_says_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(EXAMPLES / "gumbel.py"), str(SAMPLES / "airquality.csv"), "Ozone ~ Temp", "log_sigma ~ Temp"]
    assert main(["check", *arguments]) == 0
    shown = capsys.readouterr().out
    for part in ("log_density(y, mu, log_sigma)", "sigma (log link)", "116 of 153 rows", "Linear form     yes"):
        assert part in " ".join(shown.split()) or part in shown


def test_check_takes_links_and_held_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["check", NEGATIVE_BINOMIAL, str(SAMPLES / "quine.csv"), "Days ~ Age", "--link", "sqrt"]
    assert main([*arguments, "--fix", "alpha=0.5", "--start", "Intercept=4"]) == 0
    assert "mu (sqrt link), alpha fixed at 0.5" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "status"), [("gumbel", 2), ("nowhere.py", 2), (str(EXAMPLES / "traps" / "summed.py"), 3)]
)
def test_check_has_the_status_of_what_is_wrong(file: str, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", file, str(SAMPLES / "poisson.csv"), "y ~ x1"]) == status
    assert capsys.readouterr().err.startswith("error: ")


def test_check_finds_what_a_given_start_makes_impossible(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    own = write("def log_density(y, mu): return torch.log(mu + 1) * y - mu")
    arguments = ["check", own, str(SAMPLES / "poisson.csv"), "y ~ x1"]
    assert main(arguments) == 0
    assert main([*arguments, "--start", "Intercept=-50"]) == 3
    assert "log_density is nan" in capsys.readouterr().err


def test_a_likelihood_with_interacting_rows_is_checked_too(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["check", str(EXAMPLES / "cox.py"), str(SAMPLES / "veteran.csv"), "time ~ karno"]
    assert main(arguments) == 0
    shown = " ".join(capsys.readouterr().out.split())  # where the line folds depends on the length of the path
    assert "log_likelihood(params, data)" in shown


def test_torch_waits_for_a_file_that_needs_it(tmp_path: Path) -> None:
    """What is wrong with the command is said before a second is spent on torch."""
    program = (
        "import sys; from glmfit.commands.app import main; "
        "assert main(['check', 'poisson', 'a.csv', 'y ~ x']) == 2; "
        "assert main(['fit', 'a.csv', 'y ~ x', '--family', 'nowhere.py']) == 2; "
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# ---- Against R, and the documentation ----


def test_the_examples_have_the_numbers_of_r() -> None:
    # Density written with dgamma(1/y) and with actuar::dgumbel, maximised by optim and polished by Newton's method
    # on numDeriv's derivatives.
    fit = glmfit.fit("time ~ poison + treat", str(SAMPLES / "poisons.csv"), family=str(EXAMPLES / "inverse_gamma.py"))
    estimates = [-0.8518746550, -0.2098052727, -0.7625483203, 0.6884041102, 0.1979054541, 0.4917647803, -2.9644103469]
    errors = [0.07702526, 0.07657796, 0.07658785, 0.08844299, 0.08831009, 0.08835997, 0.22345188]
    assert [c.estimate for c in fit.coefficients] == pytest.approx(estimates, abs=2e-9)
    assert [c.std_error for c in fit.coefficients] == pytest.approx(errors, rel=1e-6)
    assert fit.fit.log_likelihood == pytest.approx(46.09805316, abs=1e-8)
    formulas = ["Ozone ~ I(Temp - 78)", "log_sigma ~ I(Temp - 78)"]
    fit = glmfit.fit(formulas, str(SAMPLES / "airquality.csv"), family=str(EXAMPLES / "gumbel.py"))
    estimates, errors = (
        [28.5880912792, 1.2007803513, 2.7518447063, 0.0536366266],
        [1.86501776, 0.16015456, 0.07438619, 0.00886348],
    )
    assert [c.estimate for c in fit.coefficients] == pytest.approx(estimates, abs=2e-9)
    assert [c.std_error for c in fit.coefficients] == pytest.approx(errors, rel=1e-6)
    assert fit.fit.log_likelihood == pytest.approx(-503.84959585, abs=1e-8)


def test_the_files_of_the_page_are_those_that_are_shipped() -> None:
    page = (ROOT / "docs" / "your-own-likelihood.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^```python\n# (\S+\.py)\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL))
    assert len(shown) >= 11
    for name, text in shown.items():
        assert (ROOT / name).read_text(encoding="utf-8") == text
    traps = {str(path.relative_to(ROOT)) for path in (EXAMPLES / "traps").glob("*.py")}
    assert traps <= set(shown)


def test_the_page_lists_the_links_of_each_scale() -> None:
    page = (ROOT / "docs" / "your-own-likelihood.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w*x)` \| `x`.*? \| (\S+) \| (.*) \|$", page, flags=re.MULTILINE)
    shown = {argument: (default, *others.split(", ")) for argument, default, others in rows}
    assert shown == {"x": REAL_LINKS, "log_x": POSITIVE_LINKS, "logit_x": UNIT_LINKS}


def test_a_density_that_ends_on_the_way_is_no_fit_to_trust(write: Write) -> None:
    # The log-likelihood rises up to mu = 1, where it is finite no more.
    own = write("def log_density(y, mu): return torch.log(1 - mu) * 0 + mu + 0 * y")
    fit = glmfit.fit("y ~ 1", {"y": np.array([0.1, 0.2, 0.4])}, family=own)
    assert fit.exit_code in (4, 5)
    assert not fit.convergence.converged or fit.coefficients[0].status == "not_identified"


# ---- What newcomers write ----

LAPLACE = "def log_density(y, mu, log_b): return -log_b - torch.abs(y - mu) * torch.exp(-log_b)"


@pytest.mark.parametrize("formulas", [("y ~ 1",), ("y ~ x + g",), ("y ~ x + g", "b ~ x")])
def test_straight_lines_are_refused(formulas: tuple[str, ...], write: Write) -> None:
    with pytest.raises(ModelError, match=r"second derivative of 0 in mu in every row.* by abs at own\.py:4") as caught:
        glmfit.fit(formulas, counts(), family=write(LAPLACE))
    assert caught.value.code == "bad_derivative"
    assert "torch.sqrt" in str(caught.value.hint)
    smooth = write(LAPLACE.replace("torch.abs(y - mu)", "torch.sqrt((y - mu) ** 2 + 1e-2)"), "smooth.py")
    assert glmfit.fit(formulas, counts(), family=smooth).exit_code == 0


@pytest.mark.parametrize(
    ("body", "remedy"),
    [
        ("-np.abs(y - mu)", "torch.abs for np.abs"),
        ("-y * math.exp(mu)", "torch.exp for math.exp"),
        ("y if y > mu else mu", "torch.where"),
        ("-max(y, mu)", "torch.maximum"),
        ("-tensor.square(y - mu)", "correct the file"),
    ],
)
def test_a_remedy_for_what_newcomers_write(body: str, remedy: str, write: Write) -> None:
    own = write(f"import math\nimport numpy as np\ndef log_density(y, mu): return {body}")
    with pytest.raises(ModelError) as caught:
        glmfit.fit("y ~ x", counts(), family=own)
    assert caught.value.code == "user_code"
    assert remedy in str(caught.value.hint)
    assert "own.py:6" in caught.value.message
