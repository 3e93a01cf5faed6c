"""Censored responses: the options, what is refused, and truths that hold without a reference.

The numbers against R are in tests/reference/censored.json, the distribution functions in test_tails.py.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glmfit
from glmfit.commands.app import main
from glmfit.errors import GlmfitError
from glmfit.report import fit_from_json, to_json, to_table
from glmfit.result import Fit

N = 150
Columns = dict[str, Any]
NAN, INF = math.nan, math.inf

# One line for every family: the response, and values of parameters that are held.
CASES: tuple[tuple[str, str, Mapping[str, float]], ...] = (
    ("gaussian", "real", {}),
    ("student-t", "real", {"nu": 5.0}),
    ("logistic", "real", {}),
    ("gumbel", "real", {}),
    ("skew-normal", "slanted", {}),
    ("exponential", "time", {}),
    ("weibull", "time", {}),
    ("log-normal", "time", {}),
    ("log-logistic", "time", {}),
    ("gamma", "time", {}),
    ("inverse-gaussian", "time", {}),
    ("beta", "share", {}),
)
LINKS = {"gamma": {"mu": "log"}, "inverse-gaussian": {"mu": "log"}}
NUMERICAL = {"student-t", "skew-normal", "gamma", "beta"}  # whose distribution functions are integrals, and take longer
every_family = pytest.mark.parametrize(
    ("family", "y", "fixed"),
    [pytest.param(*case, marks=pytest.mark.slow if case[0] in NUMERICAL else ()) for case in CASES],
    ids=[name for name, _, _ in CASES],
)


def columns(seed: int = 8) -> Columns:
    """Responses of three kinds, with an event column, and bounds of every kind around each."""
    rng = np.random.default_rng(seed)
    x, g = rng.normal(size=N), rng.choice(["a", "b"], N)
    eta = 0.3 + 0.5 * x + 0.4 * (g == "b")
    slanted = eta + 0.9 * np.abs(rng.normal(size=N)) + 0.44 * rng.normal(size=N)
    data: Columns = {
        "x": x,
        "g": g,
        "real": eta + 0.6 * rng.normal(size=N),
        "slanted": slanted,
        "time": np.exp(eta) * rng.gamma(3, 1 / 3, N) + 0.05,
        "share": 1 / (1 + np.exp(-eta - rng.normal(size=N))),
        "event": rng.binomial(1, 0.7, N).astype(float),
        "all": np.ones(N),
        "w": rng.uniform(0.5, 2, N),
        "f": rng.integers(1, 4, N).astype(float),
    }
    kind = rng.integers(0, 4, N)
    for name in ("real", "slanted", "time", "share"):
        value = data[name]
        width = rng.uniform(0.1, 0.4, (2, N)) * (
            value if name == "time" else np.minimum(value, 1 - value) if name == "share" else 1.0
        )
        data[f"{name}_low"] = np.where(kind == 0, value, np.where(kind == 1, NAN, value - width[0]))
        data[f"{name}_high"] = np.where(kind == 0, value, np.where(kind == 2, NAN, value + width[1]))
    return data


def fit(formula: str, data: Columns, family: str, **options: Any) -> Fit:
    options.setdefault("links", LINKS.get(family, {}))
    found = glmfit.fit(formula, data, family=family, **options)
    assert found.exit_code == 0, (found.convergence, found.warnings)
    return found


def same(one: Fit, other: Fit, sign: float = 1.0, tolerance: float = 1e-9) -> None:
    """Coefficients (those of the main parameter times `sign`), standard errors and log-likelihood agree."""
    for a, b in zip(one.coefficients, other.coefficients, strict=True):
        factor = sign if a.parameter == one.model.main[0] else 1.0
        assert a.estimate == pytest.approx(factor * b.estimate, rel=tolerance, abs=tolerance), a.term
        assert a.std_error == pytest.approx(b.std_error, rel=10 * tolerance), a.term
    assert one.fit.log_likelihood == pytest.approx(other.fit.log_likelihood, rel=1e-11)
    assert one.fit.aic == pytest.approx(other.fit.aic, rel=1e-11)


def refused(code: str, formula: str, data: Columns, family: str, **options: Any) -> GlmfitError:
    with pytest.raises(GlmfitError) as raised:
        glmfit.fit(formula, data, family=family, **options)
    assert raised.value.code == code, raised.value.message
    return raised.value


# ---- Truths ----


@every_family
def test_all_observed_is_no_censoring(family: str, y: str, fixed: Mapping[str, float]) -> None:
    data = columns()
    formula = f"{y} ~ x + g"
    events = fit(formula, data, family, event="all", fixed=fixed)
    same(events, fit("~ x + g", data, family, censor=f"{y},{y}", fixed=fixed))
    plain = fit(formula, data, family, fixed=fixed)
    if events.model.family in ("gaussian", "gamma", "inverse-gaussian"):  # phi by moments there, by likelihood here
        for a, b in zip(events.coefficients, plain.coefficients, strict=False):
            assert a.estimate == pytest.approx(b.estimate, rel=1e-8, abs=1e-9)
        assert events.fit.log_likelihood == pytest.approx(plain.fit.log_likelihood, rel=1e-10)
        modelled = glmfit.fit([formula, "phi ~ 1"], data, family=family, links=LINKS.get(family, {}))
        same(events, modelled)
    else:
        same(events, plain)


@every_family
def test_right_censoring_by_events_and_by_an_empty_upper_bound(family: str, y: str, fixed: Mapping[str, float]) -> None:
    data = columns()
    data["upper"] = np.where(data["event"] == 1, data[y], NAN)
    data["infinite"] = np.where(data["event"] == 1, data[y], 1.0 if y == "share" else INF)
    events = fit(f"{y} ~ x + g", data, family, event="event", fixed=fixed)
    same(events, fit("~ x + g", data, family, censor=f"{y},upper", fixed=fixed))
    same(events, fit("~ x + g", data, family, censor=f"{y},infinite", fixed=fixed))
    seen = int(data["event"].sum())
    assert events.data.censoring == {"observed": seen, "right": N - seen, "left": 0, "interval": 0}


@every_family
def test_limits_are_bounds(family: str, y: str, fixed: Mapping[str, float]) -> None:
    data = columns()
    low, high = (float(np.quantile(data[y], share)) for share in (0.15, 0.8))
    data["lower"] = np.where(data[y] <= low, -INF, np.minimum(data[y], high))
    data["upper"] = np.where(data[y] >= high, INF, np.maximum(data[y], low))
    limits = fit(f"{y} ~ x", data, family, censor=f"{low!r},{high!r}", fixed=fixed)
    same(limits, fit("~ x", data, family, censor="lower,upper", fixed=fixed))
    data[y] = np.clip(data[y], low, high)  # what lies beyond a limit does not matter
    same(limits, fit(f"{y} ~ x", data, family, censor=f"{low!r},{high!r}", fixed=fixed))


@every_family
def test_intervals_do_not_depend_on_the_order_of_rows_or_on_how_often_they_are_written(
    family: str, y: str, fixed: Mapping[str, float]
) -> None:
    data = columns()
    censor = f"{y}_low,{y}_high"
    found = fit("~ x + g", data, family, censor=censor, fixed=fixed, freq_weights="f")
    order = np.repeat(np.arange(N), data["f"].astype(int))[::-1]
    same(
        found,
        fit("~ x + g", {name: values[order] for name, values in data.items()}, family, censor=censor, fixed=fixed),
    )
    wide = max(np.nanmax(data[f"{y}_high"] - data[f"{y}_low"]), 0)
    assert wide > 0
    assert min((found.data.censoring or {}).values()) > 0


@pytest.mark.parametrize("family", ["gaussian", "logistic", "student-t"])
def test_a_mirror_exchanges_left_and_right(family: str) -> None:
    data = columns()
    data["mirror"], data["mirror_low"], data["mirror_high"] = -data["real"], -data["real_high"], -data["real_low"]
    fixed = {"nu": 5.0} if family == "student-t" else {}
    one = fit("~ x + g", data, family, censor="real_low,real_high", fixed=fixed)
    same(one, fit("~ x + g", data, family, censor="mirror_low,mirror_high", fixed=fixed), sign=-1)
    same(
        fit("real ~ x", data, family, censor="0.1,", fixed=fixed),
        fit("mirror ~ x", data, family, censor=",-0.1", fixed=fixed),
        sign=-1,
    )


def test_families_that_are_each_other() -> None:
    data = columns()
    data["log"] = np.log(data["time"])
    for bound in ("low", "high"):
        data[f"log_{bound}"] = np.log(data[f"time_{bound}"])
    # phi is sigma squared; the densities differ by the Jacobian of the observed rows
    normal, log_normal = (
        fit("~ x + g", data, f, censor=c)
        for f, c in (("gaussian", "log_low,log_high"), ("log-normal", "time_low,time_high"))
    )
    for a, b in zip(normal.coefficients[:-1], log_normal.coefficients[:-1], strict=True):
        assert a.estimate == pytest.approx(b.estimate, rel=1e-9)
        assert a.std_error == pytest.approx(b.std_error, rel=1e-8)
    assert normal.auxiliary[0].estimate == pytest.approx(log_normal.auxiliary[0].estimate ** 2, rel=1e-9)
    observed = data["time_low"] == data["time_high"]
    jacobian = float(data["log"][observed].sum())
    assert normal.fit.log_likelihood - jacobian == pytest.approx(log_normal.fit.log_likelihood, rel=1e-11)

    exponential = fit("time ~ x", data, "exponential", event="event")
    gamma = fit("time ~ x", data, "gamma", event="event", fixed={"phi": 1.0})
    weibull = fit("time ~ x", data, "weibull", event="event", fixed={"shape": 1.0})
    for other in (gamma, weibull):
        for a, b in zip(exponential.coefficients, other.coefficients, strict=True):
            assert a.estimate == pytest.approx(b.estimate, rel=1e-9)
            assert a.std_error == pytest.approx(b.std_error, rel=1e-8)
        assert exponential.fit.log_likelihood == pytest.approx(other.fit.log_likelihood, rel=1e-11)
    normal = fit("real ~ x", data, "gaussian", event="event")
    heavy = fit("real ~ x", data, "student-t", event="event", fixed={"nu": 1e12})
    assert heavy.coefficients[1].estimate == pytest.approx(normal.coefficients[1].estimate, rel=1e-8)


def test_a_narrow_interval_is_the_density_times_its_width() -> None:
    data = columns()
    width = 2.0**-30  # exact in both bounds of numbers between 1 and 8, on a grid of that step
    for family, y in (("gaussian", "real"), ("weibull", "time"), ("gamma", "time"), ("student-t", "real")):
        data["from"] = np.round((data[y] + (3 if y == "real" else 1)) / width) * width
        data["to"] = data["from"] + width
        fixed = {"nu": 5.0} if family == "student-t" else {}
        data["middle"] = data["from"] + 0.5 * width
        exact = fit("~ x", data, family, censor="middle,middle", fixed=fixed)
        narrow = fit("~ x", data, family, censor="from,to", fixed=fixed)
        for a, b in zip(exact.coefficients, narrow.coefficients, strict=True):
            assert a.estimate == pytest.approx(b.estimate, rel=1e-8, abs=1e-9)
            assert a.std_error == pytest.approx(b.std_error, rel=1e-8)
        assert narrow.fit.log_likelihood - N * math.log(width) == pytest.approx(exact.fit.log_likelihood, rel=1e-10)


def test_prior_weights_scale_phi_and_multiply_the_likelihood_where_there_is_none() -> None:
    data = columns()
    data["double"], data["two"] = 2 * data["w"], np.full(N, 2.0)
    one, two = (fit("real ~ x", data, "gaussian", event="event", weights=w) for w in ("w", "double"))
    assert two.coefficients[1].std_error == pytest.approx(one.coefficients[1].std_error, rel=1e-9)
    assert two.auxiliary[0].estimate == pytest.approx(2 * one.auxiliary[0].estimate, rel=1e-9)
    assert two.fit.log_likelihood == pytest.approx(one.fit.log_likelihood, rel=1e-12)
    one, two = (fit("time ~ x", data, "weibull", event="event", **{k: "two"}) for k in ("weights", "freq_weights"))
    same(one, replace(two, fit=replace(two.fit, aic=one.fit.aic)))


@every_family
def test_a_bound_beyond_all_reason_is_none(family: str, y: str, fixed: Mapping[str, float]) -> None:
    if y == "share":
        return
    data = columns()
    base = fit("~ x + g", data, family, censor=f"{y}_low,{y}_high", fixed=fixed)
    data[f"{y}_high"][np.isnan(data[f"{y}_high"])] = 1e300
    data[f"{y}_low"][np.isnan(data[f"{y}_low"])] = -1e300 if y != "time" else 1e-300
    same(base, fit("~ x + g", data, family, censor=f"{y}_low,{y}_high", fixed=fixed))


def test_no_event_at_all_has_no_maximum() -> None:
    data = columns() | {"none": np.zeros(N)}
    found = glmfit.fit("time ~ x", data, family="weibull", event="none")
    assert found.exit_code in (4, 5)


def test_rows_that_say_nothing_change_nothing() -> None:
    data = columns()
    more = {name: np.concatenate([values, values[:3]]) for name, values in data.items()}
    more["time"][N:], more["event"][N:] = 0.0, 0.0  # censored at once
    found = fit("time ~ x + g", more, "weibull", event="event")
    base = fit("time ~ x + g", data, "weibull", event="event")
    for a, b in zip(found.coefficients, base.coefficients, strict=True):
        assert a.estimate == pytest.approx(b.estimate, rel=1e-10)
        assert a.std_error == pytest.approx(b.std_error, rel=1e-9)
    assert found.fit.log_likelihood == pytest.approx(base.fit.log_likelihood, rel=1e-13)
    more["time_low"][N:], more["time_high"][N:] = 0.0, INF
    same(
        fit("~ x", more, "weibull", censor="time_low,time_high"),
        fit("~ x", data, "weibull", censor="time_low,time_high"),
    )


def test_a_lower_bound_below_the_range_is_none() -> None:
    data = columns()
    data["zero"], data["minus"] = (np.where(np.isnan(data["time_low"]), v, data["time_low"]) for v in (0.0, -7.0))
    base = fit("~ x", data, "gamma", censor="time_low,time_high")
    for name in ("zero", "minus"):
        same(base, fit("~ x", data, "gamma", censor=f"{name},time_high"))


# ---- The options ----


def test_missing_bounds_are_information_and_missing_both_is_not() -> None:
    data = columns()
    data["time_low"][5] = data["time_high"][5] = NAN
    data["time_low"][6], data["time_high"][6] = -INF, NAN
    data["x"][7] = NAN
    found = fit("~ x", data, "weibull", censor="time_low,time_high")
    assert found.data.dropped == {"missing": {"[time_low, time_high]": 2, "x": 1}}
    assert found.data.rows_used == N - 3
    assert sum((found.data.censoring or {}).values()) == N - 3
    error = refused("missing_values", "~ x", data, "weibull", censor="time_low,time_high", missing="error")
    assert "'[time_low, time_high]' in 2 rows, first in row 6" in error.message


def test_the_response_may_be_left_out_or_be_either_bound() -> None:
    data = columns()
    found = fit("~ x", data, "weibull", censor="time_low, time_high")
    assert found.model.response == "[time_low, time_high]"
    assert found.model.formulas == ("~ x",)
    for formula in ("time_low ~ x", "time_high ~ x"):
        same(found, fit(formula, data, "weibull", censor="time_low,time_high"))
    spec = glmfit.spec.ModelSpec(x=("x",), family="weibull", censor="time_low,time_high")  # type: ignore[attr-defined]
    same(found, glmfit.fit_spec(spec, data))
    refused("bad_censoring", "real ~ x", data, "gaussian", censor="time_low,time_high")
    refused("bad_censoring", "log(time_low) ~ x", data, "gaussian", censor="time_low,time_high")
    assert "names no response" in refused("formula", "~ x", data, "gaussian", event="event").message


def test_columns_of_the_response_are_no_covariates() -> None:
    data = {name: columns()[name] for name in ("time", "event", "x", "g", "time_low", "time_high")}
    both = {name: data[name] for name in ("time_low", "time_high", "x")}
    assert fit("~ .", both, "weibull", censor="time_low,time_high").model.formulas == ("~ x",)
    del data["time_low"], data["time_high"]
    assert fit("time ~ .", data, "weibull", event="event").model.formulas == ("time ~ x + g",)
    refused("response_on_right", "time ~ x + event", data, "weibull", event="event")


def test_events_may_be_true_and_false() -> None:
    data = columns()
    base = fit("time / 2 ~ x", data, "weibull", event="event")
    same(base, fit("time / 2 ~ x", data | {"event": data["event"] == 1}, "weibull", event="event"))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([2.0, 1.0], "column 'event' is 2 in row 1 (and 74 more)"),
        (["dead", "alive"], "column 'event' is 'dead' in row 1"),
    ],
)
def test_other_events_are_refused(values: list[Any], said: str) -> None:
    data = columns() | {"event": np.array(values * (N // 2))}
    assert said in refused("bad_event", "time ~ x", data, "weibull", event="event").message


@pytest.mark.parametrize(
    ("family", "formula", "options", "code"),
    [
        ("poisson", "count ~ x", {"event": "event"}, "bad_censoring"),
        ("binomial", "event ~ x", {"censor": "0,"}, "bad_censoring"),
        ("quasi-poisson", "time ~ x", {"event": "event"}, "bad_censoring"),
        ("tweedie", "time ~ x", {"event": "event"}, "bad_censoring"),
        ("zero-one-inflated-beta", "share ~ x", {"censor": "0.1,"}, "bad_censoring"),
        ("weibull", "time ~ x", {"event": "event", "censor": "1,"}, "contradiction"),
        ("gamma", "time ~ x", {"event": "event", "dispersion": "pearson"}, "bad_dispersion"),
        ("gamma", "time ~ x", {"event": "event", "dispersion": 2.0}, "bad_dispersion"),
        ("gaussian", "real ~ x", {"event": "event", "se": "hc2"}, "bad_se"),
        ("gaussian", "real ~ x", {"event": "event", "se": "hc3"}, "bad_se"),
        ("gaussian", "real ~ x", {"event": "event", "se": "expected"}, "bad_se"),
        ("gaussian", "real ~ x", {"event": 3}, "invalid_value"),
        ("gaussian", "real ~ x", {"censor": 3}, "invalid_value"),
        ("weibull", "time ~ x", {"event": "evnt"}, "unknown_column"),
        ("weibull", "time ~ x", {"censor": "0,"}, "bad_censoring"),
        ("weibull", "time ~ x", {"censor": "-1,5"}, "bad_censoring"),
        ("beta", "share ~ x", {"censor": "0.1,1"}, "bad_censoring"),
        ("gaussian", "real ~ x", {"censor": ","}, "bad_censoring"),
        ("gaussian", "real ~ x", {"censor": "1"}, "bad_censoring"),
        ("gaussian", "real ~ x", {"censor": "2,1"}, "bad_censoring"),
        ("gaussian", "real ~ x", {"censor": "1,2,3"}, "bad_censoring"),
        ("gaussian", "real ~ x", {"censor": "nan,3"}, "bad_censoring"),
        ("gaussian", "real ~ x", {"censor": "real,3"}, "bad_censoring"),
        ("gaussian", "~ x", {"censor": "real_low,real_hihg"}, "bad_censoring"),
        ("gaussian", "real_low ~ x", {"censor": "real_high,real_low"}, "bad_censoring"),
    ],
)
def test_what_is_refused(family: str, formula: str, options: dict[str, Any], code: str) -> None:
    data = columns() | {"count": np.arange(N) % 4.0}
    error = refused(code, formula, data, family, **options)
    assert error.hint


@pytest.mark.parametrize(
    ("lower", "upper", "said"),
    [
        (2.0, 1.0, "column 'low' is 2 in row 4: 'low' is the lower bound, and 'high' is 1 there"),
        (-2.0, -2.0, "'[low, high]' is -2 in row 4"),
        (NAN, 0.0, "'[low, high]' is 0 in row 4"),
        (-3.0, -1.0, "'[low, high]' is -1 in row 4"),
        (0.0, 0.0, "'[low, high]' is 0 in row 4"),
        (INF, INF, "column 'low' is inf in row 4"),
        (-INF, -INF, "column 'high' is -inf in row 4"),
    ],
)
def test_impossible_bounds_are_named(lower: float, upper: float, said: str) -> None:
    data = columns()
    data["low"], data["high"] = data["time"].copy(), data["time"].copy()
    data["low"][3], data["high"][3] = lower, upper
    with pytest.raises(GlmfitError) as raised:
        glmfit.fit("~ x", data, family="weibull", censor="low,high")
    assert raised.value.code in ("bad_censoring", "outside_support")
    assert said in raised.value.message


def test_impossible_times_are_named() -> None:
    data = columns()
    data["time"][3], data["event"][3] = -1.0, 0.0
    assert "'time' is -1 in row 4" in refused("outside_support", "time ~ x", data, "weibull", event="event").message
    data["time"][3], data["event"][3] = 0.0, 1.0
    assert "'time' is 0 in row 4" in refused("outside_support", "time ~ x", data, "weibull", event="event").message


def test_what_is_reported() -> None:
    found = fit("time ~ x", columns(), "gamma", event="event")
    assert math.isnan(found.fit.deviance)
    assert math.isnan(found.fit.pearson_chi2)
    assert [row.name for row in found.auxiliary] == ["phi"]
    assert found.fit.n_parameters == 3
    assert found.statistic == "z"
    counts = found.data.censoring or {}
    assert f"Censoring    {counts['observed']} events, {counts['right']} right-censored\n" in to_table(found)
    document = json.loads(to_json(found))
    assert document["data"]["censoring"] == counts
    assert (document["model"]["event"], document["model"]["censor"]) == ("event", None)
    assert fit_from_json(to_json(found)).data == found.data
    limits = fit("real ~ x", columns(), "gaussian", censor=",1")
    assert "observed, " in to_table(limits)
    assert json.loads(to_json(limits))["model"]["censor"] == ",1"
    assert json.loads(to_json(fit("real ~ x", columns(), "gaussian")))["data"]["censoring"] is None


def test_dispersion_may_have_a_formula_or_be_held() -> None:
    data = columns()
    found = glmfit.fit(["time ~ x", "phi ~ g"], data, family="gamma", links={"mu": "log"}, event="event")
    assert found.exit_code == 0
    assert [row.term for row in found.coefficients if row.parameter == "phi"] == ["Intercept", "g[T.b]"]
    free = fit("time ~ x", data, "gamma", event="event")
    held = fit("time ~ x", data, "gamma", event="event", fixed={"phi": free.auxiliary[0].estimate})
    for a, b in zip(held.coefficients, free.coefficients[:2], strict=True):
        assert a.estimate == pytest.approx(b.estimate, rel=1e-8)
    assert held.dispersion.estimate == free.auxiliary[0].estimate
    assert held.fit.n_parameters == free.fit.n_parameters - 1


def test_a_class_of_the_user_takes_part(tmp_path: Path) -> None:
    path = tmp_path / "hazard.py"
    path.write_text(
        "import math\n"
        "import torch\n"
        "from glmfit.families.base import Family, Parameter, Support\n\n\n"
        "class Hazard(Family):\n"
        "    support = Support(0, math.inf, lower_open=True, text='positive numbers')\n"
        "    parameters = (Parameter('rate', 'log', ('log',)),)\n\n"
        "    def log_density(self, y, log_rate):\n"
        "        return log_rate - y * torch.exp(log_rate)\n\n"
        "    def log_survival(self, y, log_rate):\n"
        "        return -y * torch.exp(log_rate)\n\n"
        "    def log_cdf(self, y, log_rate):\n"
        "        return torch.log(-torch.expm1(-y * torch.exp(log_rate)))\n"
    )
    data = columns()
    for options in ({"event": "event"}, {"censor": "0.4,2"}):
        own = fit("time ~ x", data, str(path), **options)
        same(own, fit("time ~ x", data, "exponential", **options), sign=-1)
    path.write_text("import torch\n\n\ndef log_density(y, log_rate):\n    return log_rate - y * torch.exp(log_rate)\n")
    refused("bad_censoring", "time ~ x", data, str(path), event="event")


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = columns()
    path = tmp_path / "times.csv"
    rows = zip(data["x"], data["time"], data["event"].astype(int), data["real"], strict=True)
    path.write_text("x,time,dead,real\n" + "".join(f"{x:.17g},{t:.17g},{e},{r:.17g}\n" for x, t, e, r in rows))
    assert main(["fit", str(path), "time ~ x", "-f", "weibull", "--event", "dead", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    expected = fit("time ~ x", data, "weibull", event="event")
    assert document["coefficients"][1]["estimate"] == pytest.approx(expected.coefficients[1].estimate, rel=1e-9)
    assert main(["fit", str(path), "real ~ x", "--censor", "-0.5,1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["censoring"]["left"] > 0
    assert main(["fit", str(path), "real ~ x", "-f", "poisson", "--event", "dead"]) == 2
    assert "does not take censored responses" in capsys.readouterr().err
