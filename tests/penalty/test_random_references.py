"""Random effects against lme4 and glmmTMB, whose optima were polished: tests/reference/random/write_random.R.

log-likelihoods to 1e-6 (1e-8 relative), coefficients to 1e-5 of their standard errors. Standard errors to 1e-4: those
of glmmTMB are differences of its gradient. Those of lmer take the variances for known, so that they are compared with
REML alone, where ours do too.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import glmfit
from glmfit.errors import ModelError
from glmfit.fitted import FittedModel

_DOCUMENT = json.loads((Path(__file__).parents[1] / "reference" / "random" / "random.json").read_text(encoding="utf-8"))
CASES: dict[str, dict[str, Any]] = {case["name"]: case for case in _DOCUMENT["cases"]}
_FITS: dict[str, FittedModel] = {}


def fitted(name: str) -> FittedModel:
    if name not in _FITS:
        case = CASES[name]
        asked = dict(case["glmfit"])
        link: dict[str, Any] = {"links": {"mu": asked.pop("link")}} if "link" in asked else {}
        data = pd.DataFrame(_DOCUMENT["frames"][case["data"]])
        _FITS[name] = glmfit.fit(asked.pop("formulas"), data, **asked, **link)
    return _FITS[name]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("name", sorted(CASES))
def test_log_likelihood_and_coefficients_are_those_of_the_peers(name: str) -> None:
    case, fit = CASES[name], fitted(name)
    assert fit.convergence.converged
    assert fit.fit.log_likelihood == pytest.approx(case["log_likelihood"], abs=1e-6, rel=1e-8)
    estimate, error = np.array(listed(case["estimate"])), np.array(listed(case["std_error"]))
    names = listed(case.get("parameter", ["beta"] * len(estimate)))
    order = [i for kind in ("beta", "betad", "betazi") for i, one in enumerate(names) if one == kind]
    auxiliary = {"betad": _dispersion(fit)}
    mine = [c for c in fit.coefficients if c.parameter in ("mu", "zero") or "parameter" in case]
    theirs = [i for i in order if names[i] != "betad" or name == "dispersion"]
    if name != "dispersion":
        mine = [c for c in mine if c.parameter in ("mu", "zero")]
    for row, i in zip(mine, theirs, strict=True):
        assert row.estimate == pytest.approx(estimate[i], abs=1e-5 * error[i])
        if "sd" not in case or case["glmfit"].get("reml"):
            assert row.std_error == pytest.approx(error[i], rel=1e-4)
    for i, one in enumerate(names):
        if one == "betad" and name != "dispersion" and not math.isnan(auxiliary["betad"]):
            assert auxiliary["betad"] == pytest.approx(estimate[i], abs=1e-4 * error[i])


def _dispersion(fit: FittedModel) -> float:
    """What glmmTMB 1.1.5 calls its dispersion: log of sigma^2, of 1/phi, of the precision or of 1/alpha."""
    values = {one.name: one.estimate for one in fit.auxiliary}
    if "alpha" in values:
        return -math.log(values["alpha"])
    if "precision" in values:
        return math.log(values["precision"])
    return -math.log(values["phi"]) if fit.model.family == "gamma" else math.nan


@pytest.mark.parametrize("name", sorted(name for name, case in CASES.items() if "theta" in case))
def test_standard_deviations_are_those_of_glmmTMB(name: str) -> None:
    case, fit = CASES[name], fitted(name)
    assert fit.random_effects is not None
    theta, error, at = listed(case["theta"]), listed(case["theta_error"]), 0
    for term in fit.random_effects.terms:
        d = len(term.deviations)
        for one in term.deviations:  # log SD, then the scaled Cholesky factor of the correlations
            assert math.log(one.estimate) == pytest.approx(theta[at], abs=1e-4 * error[at])
            assert one.std_error / one.estimate == pytest.approx(error[at], rel=1e-3)
            at += 1
        if d == 2:
            rho = theta[at] / math.sqrt(1 + theta[at] ** 2)
            assert term.correlations[0].estimate == pytest.approx(rho, abs=1e-5)
            at += 1
    assert at == len(theta)


@pytest.mark.parametrize("name", sorted(name for name, case in CASES.items() if "sd" in case and name != "dyestuff2"))
def test_standard_deviations_and_modes_are_those_of_lme4(name: str) -> None:
    case, fit = CASES[name], fitted(name)
    assert fit.random_effects is not None
    found = {(t.group, d.effect): d.estimate for t in fit.random_effects.terms for d in t.deviations}
    assert sorted(found.values()) == pytest.approx(sorted(listed(case["sd"])), rel=1e-6)
    assert math.sqrt(fit.auxiliary[-1].estimate) == pytest.approx(case["sigma"], rel=1e-6)
    first = next(t for t in fit.random_effects.terms if t.levels == len(case["levels"]))
    terms = [t for t in fit.random_effects.terms if t.group == first.group]
    theirs, errors = (
        np.array(case["modes"]).reshape(first.levels, -1),
        np.array(case["errors"]).reshape(first.levels, -1),
    )
    for j, (effect, modes) in enumerate(
        (d.effect, t.modes) for t in terms for d in t.deviations if t.modes is not None
    ):
        own = {":".join(sorted(m.level.split(":"))): m for m in modes if m.effect == effect}  # g:k is k:g there
        for i, level in enumerate(":".join(sorted(one.split(":"))) for one in case["levels"]):
            assert own[level].estimate == pytest.approx(theirs[i, j], abs=1e-5 * errors[i, j])
            assert own[level].std_error == pytest.approx(errors[i, j], rel=1e-5)


def test_a_variance_of_0_is_said_and_leaves_the_fit_without_it() -> None:
    fit = fitted("dyestuff2")
    assert [one.code for one in fit.warnings] == ["zero_variance"]
    assert fit.random_effects is not None
    assert fit.random_effects.terms[0].deviations[0].estimate == 0.0
    plain = glmfit.fit("Yield ~ 1", pd.DataFrame(_DOCUMENT["frames"]["Dyestuff2"]), dispersion="ml")
    assert fit.fit.log_likelihood == pytest.approx(plain.fit.log_likelihood, abs=1e-9)


@pytest.mark.parametrize("family", ["negative-binomial", "zero-inflated-negative-binomial"])
def test_parameters_at_the_ends_of_their_ranges_leave_the_fit_without_them(family: str) -> None:
    random = np.random.default_rng(5)
    x, g = random.normal(size=300), random.integers(0, 20, 300)
    eta = -0.5 + 0.4 * x + 0.5 * random.normal(size=20)[g]
    data = pd.DataFrame({"y": random.binomial(8, 1 / (1 + np.exp(-eta))), "x": x, "g": g})  # less spread than a Poisson
    fit = glmfit.fit("y ~ x + (1 | g)", data, family=family)
    plain = glmfit.fit("y ~ x + (1 | g)", data, family="poisson")
    assert fit.convergence.converged
    assert [one.code for one in fit.warnings] == ["at_limit"]
    assert all(one.status == ("at_limit" if one.parameter != "mu" else None) for one in fit.coefficients)
    assert fit.fit.log_likelihood == pytest.approx(plain.fit.log_likelihood, abs=1e-9)
    assert fit.fit.n_parameters == plain.fit.n_parameters + len(fit.coefficients) - len(plain.coefficients)
    for mine, other in zip(fit.coefficients, plain.coefficients, strict=False):
        assert (mine.estimate, mine.std_error) == pytest.approx((other.estimate, other.std_error), rel=1e-7)
    assert fit.random_effects is not None
    assert plain.random_effects is not None
    mine, other = (found.random_effects.terms[0].deviations[0] for found in (fit, plain))
    assert (mine.estimate, mine.std_error) == pytest.approx((other.estimate, other.std_error), rel=1e-7)


def test_effects_that_vary_in_fewer_ways_are_told() -> None:
    """Three effects in a plane, no two of which are multiples of each other."""
    random = np.random.default_rng(0)
    u = random.normal(size=(20, 2))
    effects = np.column_stack([u, 0.7 * u.sum(axis=1)])
    data = pd.DataFrame({"g": np.repeat([f"g{i}" for i in range(20)], 12), "f": np.tile(list("abc"), 80)})
    data["y"] = effects[:, [0, 1, 2] * 4].ravel() + random.normal(size=240)
    fit = glmfit.fit("y ~ f + (0 + f | g)", data)
    assert fit.random_effects is not None
    assert max(abs(one.estimate) for one in fit.random_effects.terms[0].correlations) < 0.99
    (finding,) = fit.warnings
    assert finding.code == "perfect_correlation"
    assert "vary in 2 ways alone" in finding.message


def test_there_is_no_share_of_fixed_effects_that_grow_for_ever() -> None:
    random = np.random.default_rng(2)
    data = pd.DataFrame({"g": np.repeat([f"g{i}" for i in range(15)], 12), "f": np.tile(list("abc"), 60)})
    chance = 1 / (1 + np.exp(-np.repeat(random.normal(size=15), 12)))
    data["y"] = np.where(data.f == "c", 0, random.random(180) < chance).astype(int)
    fit = glmfit.fit("y ~ f + (1 | g)", data, family="binomial")
    assert fit.exit_code == 5
    assert fit.random_effects is not None
    assert math.isnan(fit.random_effects.r2_marginal)
    assert math.isnan(fit.random_effects.r2_conditional)
    assert 0 < fit.random_effects.icc < 1


def _slopes() -> pd.DataFrame:
    random = np.random.default_rng(3)
    g, x = np.repeat(np.arange(30), 8), random.normal(size=240)
    b = random.normal(size=(30, 2)) * [0.7, 0.4]
    data = pd.DataFrame({"y": random.poisson(np.exp(0.5 + b[g, 0] + (0.3 + b[g, 1]) * x)), "x": x, "z": x**2, "g": g})
    return data.assign(same=[f"level {one}" for one in g], f=np.where(g % 2, "a", "b"))


OVERLAPS = {
    "(x | g) + (1 | g)": "leave (1 | g) out",
    "(1 | g) + (x | g)": "leave (1 | g) out",
    "(x | g) + (z | g)": "write (0 + z | g) in place of (1 + z | g), or (1 + x + z | g) for both",
    "(0 + x + z | g) + (0 + x | g)": "leave (0 + x | g) out",
    "(1 | f:g) + (x || g:f)": "leave (1 | f:g) out",
}


@pytest.mark.parametrize("random", OVERLAPS)
def test_the_same_effect_in_two_terms_is_refused(random: str) -> None:
    with pytest.raises(ModelError) as refused:
        glmfit.fit(f"y ~ x + {random}", _slopes(), family="poisson")
    assert (refused.value.code, refused.value.hint) == ("random_overlap", OVERLAPS[random])


def test_two_factors_of_the_same_groups_have_no_standard_deviations_of_their_own() -> None:
    data = _slopes()
    one, fit = (glmfit.fit(f"y ~ x + (x || g){more}", data, family="poisson") for more in ("", " + (1 | same)"))
    (finding,) = fit.warnings
    assert (finding.code, finding.terms) == ("flat_direction", ("(1 | g)", "(1 | same)"))
    assert fit.fit.log_likelihood == pytest.approx(one.fit.log_likelihood, abs=1e-8)
    for mine, other in zip(fit.coefficients, one.coefficients, strict=True):
        assert (mine.estimate, mine.std_error) == pytest.approx((other.estimate, other.std_error), rel=1e-6)
    assert fit.random_effects is not None
    assert one.random_effects is not None
    g, slope, same = (term.deviations[0] for term in fit.random_effects.terms)
    for vague in (g, same):
        assert vague.status == "not_identified"
        assert all(map(math.isnan, (vague.std_error, vague.conf_low, vague.conf_high)))
    alone, beside = (term.deviations[0] for term in one.random_effects.terms)
    assert math.hypot(g.estimate, same.estimate) == pytest.approx(alone.estimate, rel=1e-6)
    assert slope.status is None
    assert (slope.estimate, slope.std_error) == pytest.approx((beside.estimate, beside.std_error), rel=1e-6)
    assert "(not identified)" in repr(fit)
