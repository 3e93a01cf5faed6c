"""Data sets whose separation is known, and random ones judged in exact arithmetic."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
from exact import verdict
from scipy.optimize import minimize
from streamed import in_files

import glmfit
from glmfit.commands.app import main
from glmfit.errors import ModelError, UsageError
from glmfit.families.amounts import HURDLE_AMOUNTS
from glmfit.families.catalogue import FAMILIES, make_family
from glmfit.families.counts import Poisson
from glmfit.report import fit_from_json, schema, to_json, to_table
from glmfit.result import Fit
from glmfit.trust.cone import Cone
from glmfit.trust.separation import reported_moves

SAMPLES = Path(__file__).resolve().parents[2] / "sample_data"
Columns = dict[str, Any]
UNIT_LINKS = ("logit", "probit", "cauchit", "cloglog", "loglog")


@dataclass(frozen=True)
class Case:
    """A model, and the truth: None, or the kind, the rows, and the infinite terms with their signs."""

    name: str
    formula: str | tuple[str, ...]
    data: Columns
    family: str = "binomial"
    options: dict[str, Any] = field(default_factory=dict)
    kind: str | None = None
    rows: int = 0
    terms: dict[str, int] = field(default_factory=dict)


def numbers(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)


def letters(text: str) -> np.ndarray:
    return np.array(list(text), dtype=object)


LINE = {"x": np.arange(10.0), "y": (np.arange(10) > 4).astype(float)}
TIED = {"x": numbers(1, 2, 3, 3, 4, 5), "y": numbers(0, 0, 0, 1, 1, 1)}
OVERLAP = {"x": np.arange(10.0), "y": numbers(0, 0, 0, 0, 1, 0, 1, 1, 1, 1)}
CELL = {"g": letters("aaaabbbbcccc"), "y": numbers(0, 1, 0, 1, 0, 1, 1, 1, 1, 1, 1, 1)}
FIRST_CELL = {"g": letters("aaaabbbbcccc"), "y": numbers(0, 0, 0, 0, 0, 1, 1, 1, 0, 1, 0, 1)}
TWO_WAY = {  # no success where g = b and h = v
    "g": letters("aaaaaaaabbbbbbbb"),
    "h": letters("uuuuvvvvuuuuvvvv"),
    "y": numbers(0, 1, 0, 1, 0, 1, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0),
}
# A biopsy marker that was never seen in the mild cases, beside two measurements, as in studies of endometrial cancer.
MARKER = {
    "marker": numbers(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1),
    "size": numbers(13, 26, 20, 17, 8, 33, 23, 15, 38, 20, 19, 22, 16),
    "y": numbers(0, 0, 1, 0, 0, 1, 0, 1, 0, 1, 1, 1, 1),
}
PLANE = {"a": [], "b": [], "c": []}
for _a, _b, _c in ((a, b, c) for a in range(-2, 3) for b in range(-2, 3) for c in range(-2, 3) if a + b != c):
    for _name, _value in zip("abc", (_a, _b, _c), strict=True):
        PLANE[_name].append(float(_value))
PLANE = {name: np.array(values) for name, values in PLANE.items()}
PLANE["y"] = (PLANE["a"] + PLANE["b"] > PLANE["c"]).astype(float)
ZEROS = {"g": letters("aaaaabbbbbccccc"), "y": numbers(3, 1, 0, 2, 4, 0, 2, 5, 1, 1, 0, 0, 0, 0, 0)}
# Every positive count lies where 2 u = v, every zero where 2 u <= v: neither covariate separates on its own.
CERTAIN = {
    "u": numbers(0, 1, 2, -1, 1, 0, 1, 2, -1),
    "v": numbers(0, 2, 4, -2, 2, 1, 4, 4, 0),
    "y": numbers(1, 3, 2, 1, 0, 0, 0, 1, 0),
}
AROUND = {"x": numbers(-1, 0, 0, 0, 1), "y": numbers(0, 2, 1, 3, 0)}  # zeros on either side pull either way
CHOICE = {"s": np.repeat(np.arange(4.0), 3), "x": np.tile([0.0, 1, 2], 4), "y": np.tile([0.0, 0, 1], 4)}
HURDLE = {"g": letters("aaaaabbbbb"), "x": np.arange(10.0), "y": numbers(0, 2, 0, 3, 1, 4, 2, 5, 2, 3)}
INFLATED = {
    "g": letters("a" * 8 + "b" * 8 + "c" * 8),
    "y": np.append(np.tile(numbers(0, 0, 0, 2, 3, 5, 4, 3), 2), np.zeros(8)),
}
DECIDED = (
    *("multinomial", "ordinal", "conditional-logit"),
    *("negative-binomial-1", "generalized-poisson", "poisson-inverse-gaussian", "conway-maxwell-poisson"),
)
COUNTS = ("poisson", "quasi-poisson", "negative-binomial", "geometric", "tweedie", "tweedie at 1.5")


def far_apart() -> Columns:
    """Four rows that overlap, far inside two thousand that do not: all information is in rows that look alike."""
    x = np.concatenate([-np.linspace(1e6, 2e6, 1000), [-2, -1, 1, 2], np.linspace(1e6, 2e6, 1000)])
    y = np.concatenate([np.zeros(1000), [0, 1, 0, 1], np.ones(1000)])
    return {"x": x, "y": y}


def steep() -> Columns:
    rng = np.random.default_rng(1)
    x, z = rng.normal(size=10_000), rng.normal(size=10_000)
    return {"x": x, "z": z, "y": (rng.random(10_000) < 1 / (1 + np.exp(-25 * x + 10 * z))).astype(float)}


def changed(data: Columns, **columns: Any) -> Columns:
    return {**data, **columns}


CASES = (
    Case("complete on a line", "y ~ x", LINE, kind="complete", rows=10, terms={"Intercept": -1, "x": 1}),
    Case("quasi-complete on a line", "y ~ x", TIED, kind="quasi-complete", rows=4, terms={"Intercept": -1, "x": 1}),
    Case("overlap", "y ~ x", OVERLAP),
    Case("falling", "y ~ x", changed(LINE, y=1 - LINE["y"]), kind="complete", rows=10, terms={"Intercept": 1, "x": -1}),
    Case("without an intercept", "y ~ 0 + x", {"x": numbers(-2, -1, 1, 2), "y": numbers(0, 0, 1, 1)}, kind="complete",
         rows=4, terms={"x": 1}),
    Case("without an intercept, a row at 0", "y ~ 0 + x", {"x": numbers(-2, 0, 1, 2), "y": numbers(0, 0, 1, 1)},
         kind="quasi-complete", rows=3, terms={"x": 1}),
    Case("a level of successes", "y ~ g", CELL, kind="quasi-complete", rows=4, terms={"g[T.c]": 1}),
    Case("the first level has none", "y ~ g", FIRST_CELL, kind="quasi-complete", rows=4,
         terms={"Intercept": -1, "g[T.b]": 1, "g[T.c]": 1}),
    Case("the first level has none, no intercept", "y ~ 0 + g", FIRST_CELL, kind="quasi-complete", rows=4,
         terms={"g[a]": -1}),
    Case("an empty cell of an interaction", "y ~ g*h", TWO_WAY, kind="quasi-complete", rows=4,
         terms={"g[T.b]:h[T.v]": -1}),
    Case("an empty cell of main effects", "y ~ g + h", TWO_WAY),
    Case("a marker of severe cases", "y ~ marker + size", MARKER, kind="quasi-complete", rows=3, terms={"marker": 1}),
    Case("a plane through three columns", "y ~ a + b + c", PLANE, kind="complete", rows=len(PLANE["y"]),
         terms={"Intercept": 0, "a": 1, "b": 1, "c": -1}),
    Case("all successes", "y ~ x", changed(LINE, y=np.ones(10)), kind="complete", rows=10,
         terms={"Intercept": 1, "x": 0}),
    Case("a row per level", "y ~ g", {"g": letters("abcd"), "y": numbers(0, 1, 1, 0)}, kind="complete", rows=4,
         terms={"Intercept": -1, "g[T.b]": 1, "g[T.c]": 1, "g[T.d]": 0}),
    Case("all but one row in its place", "y ~ x", changed(LINE, y=numbers(1, 0, 0, 0, 0, 1, 1, 1, 1, 1))),
    Case("an overlap of a millionth", "y ~ x", {"x": numbers(-2, -1, 0, 1e-6, 1, 2), "y": numbers(0, 0, 1, 0, 1, 1)}),
    Case("a gap of a millionth", "y ~ x", {"x": numbers(-2, -1, 0, 1e-6, 1, 2), "y": numbers(0, 0, 0, 1, 1, 1)},
         kind="complete", rows=6, terms={"Intercept": -1, "x": 1}),
    Case("steep but overlapping", "y ~ x + z", steep()),
    Case("overlap in units of 1e-8", "y ~ x", changed(OVERLAP, x=1e8 * OVERLAP["x"])),
    Case("overlap in units of 1e8", "y ~ x", changed(OVERLAP, x=1e-8 * OVERLAP["x"])),
    Case("overlap far from 0", "y ~ x", changed(OVERLAP, x=OVERLAP["x"] + 1e6)),
    Case("ties in units of 1e-8", "y ~ x", changed(TIED, x=1e8 * TIED["x"]), kind="quasi-complete", rows=4,
         terms={"Intercept": -1, "x": 1}),
    Case("ties in units of 1e8", "y ~ x", changed(TIED, x=1e-8 * TIED["x"]), kind="quasi-complete", rows=4,
         terms={"Intercept": -1, "x": 1}),
    Case("ties far from 0", "y ~ x", changed(TIED, x=TIED["x"] / 10 + 1e6), kind="quasi-complete", rows=4,
         terms={"Intercept": -1, "x": 1}),
    Case("a marker beside a year", "y ~ marker + size", changed(MARKER, size=MARKER["size"] + 1e6),
         kind="quasi-complete", rows=3, terms={"marker": 1}),
    Case("the first level has none, beside a year", "y ~ g + x",
         changed(FIRST_CELL, x=np.tile([1e6, 1e6 - 1, 1e6 + 2, 1e6 + 1], 3)),
         kind="quasi-complete", rows=4, terms={"Intercept": -1, "g[T.b]": 1, "g[T.c]": 1}),
    Case("separated and collinear", "y ~ x + x2", changed(TIED, x2=2 * TIED["x"] + 1), kind="quasi-complete", rows=4,
         terms={"Intercept": -1, "x": 1}),
    Case("out of several trials", "y/m ~ x", {"x": np.arange(4.0), "y": numbers(0, 2, 5, 3), "m": numbers(4, 5, 5, 3)},
         kind="quasi-complete", rows=3, terms={"Intercept": -1, "x": 1}),
    Case("out of several trials, a gap", "y/m ~ x", {"x": np.arange(4.0), "y": numbers(0, 0, 5, 3),
         "m": numbers(4, 5, 5, 3)}, kind="complete", rows=4, terms={"Intercept": -1, "x": 1}),
    Case("out of several trials, none certain", "y/m ~ x", {"x": np.arange(3.0), "y": numbers(1, 2, 4),
         "m": numbers(5, 5, 5)}),
    Case("a row of weight 0 is all that overlaps", "y ~ x", changed(LINE, y=numbers(1, 0, 0, 0, 0, 1, 1, 1, 1, 1),
         w=numbers(0, 1, 2, 1, 1, 1, 1, 3, 1, 1)), options={"freq_weights": "w"}, kind="complete", rows=9,
         terms={"Intercept": -1, "x": 1}),
    Case("an offset the other way", "y ~ x", changed(LINE, o=-20 * LINE["x"]), options={"offset": "o"}, kind="complete",
         rows=10, terms={"Intercept": -1, "x": 1}),
    Case("an offset on a level of successes", "y ~ g", changed(CELL, o=np.linspace(-3, 3, 12)), options={"offset": "o"},
         kind="quasi-complete", rows=4, terms={"g[T.c]": 1}),
    Case("quasi-binomial", "y ~ g", CELL, "quasi-binomial", kind="quasi-complete", rows=4, terms={"g[T.c]": 1}),
    Case("log link, a level of failures", "y ~ g", changed(CELL, y=1 - CELL["y"]), options={"links": {"mu": "log"}},
         kind="quasi-complete", rows=4, terms={"g[T.c]": -1}),
    Case("log-complement link, a level of successes", "y ~ g", CELL, options={"links": {"mu": "log-complement"}},
         kind="quasi-complete", rows=4, terms={"g[T.c]": -1}),
    Case("counts: a combination of columns", "y ~ 0 + u + v", CERTAIN, "poisson", kind="quasi-complete", rows=3,
         terms={"u": 1, "v": -1}),
    Case("counts: an intercept besides", "y ~ u + v", CERTAIN, "poisson", kind="quasi-complete", rows=3,
         terms={"u": 1, "v": -1}),
    Case("counts: zeros on either side", "y ~ x", AROUND, "poisson"),
    Case("counts: zeros on one side", "y ~ x", changed(AROUND, x=numbers(1, 0, 0, 0, 2)), "poisson",
         kind="quasi-complete", rows=2, terms={"x": -1}),
    Case("counts: all zeros", "y ~ x", {"x": np.arange(5.0), "y": np.zeros(5)}, "poisson", kind="complete", rows=5,
         terms={"Intercept": -1, "x": 0}),
    Case("counts: many zeros", "y ~ x", {"x": np.arange(8.0), "y": numbers(0, 0, 1, 0, 0, 2, 0, 0)}, "poisson"),
    Case("counts: exposure", "y ~ g", changed(ZEROS, t=np.linspace(1, 9, 15)), "poisson", {"exposure": "t"},
         "quasi-complete", 5, {"g[T.c]": -1}),
    Case("multinomial: a category that a level lacks", "y ~ g", {"g": letters("aaaaaabbbbbb"),
         "y": letters("pqrpqrpqpqpp")}, "multinomial", kind="quasi-complete", rows=6, terms={"r:g[T.b]": -1}),
    Case("multinomial: overlap", "y ~ g", {"g": letters("aaaaaabbbbbb"), "y": letters("pqrpqrpqpqpr")}, "multinomial"),
    Case("multinomial: on a line", "y ~ x", {"x": np.arange(9.0), "y": letters("pppqqqrrr")}, "multinomial",
         kind="complete", rows=9, terms={"q:Intercept": -1, "q:x": 1, "r:Intercept": -1, "r:x": 1}),
    Case("ordinal: on a line", "y ~ x", {"x": np.arange(9.0), "y": np.repeat(numbers(1, 2, 3), 3)}, "ordinal",
         kind="complete", rows=9, terms={"x": 1, "cut1:Intercept": 1, "cut2:Intercept": 1}),
    Case("ordinal: a level in the top category", "y ~ g", {"g": letters("aaaaaabbbb"),
         "y": numbers(1, 2, 3, 1, 2, 3, 3, 3, 3, 3)}, "ordinal", kind="quasi-complete", rows=4, terms={"g[T.b]": 1}),
    Case("ordinal: overlap", "y ~ x", {"x": np.arange(9.0), "y": numbers(1, 1, 2, 1, 2, 3, 2, 3, 3)}, "ordinal"),
    Case("zeros of a hurdle: a level without", ("y ~ x", "zero ~ g"), HURDLE, "hurdle-poisson", kind="quasi-complete",
         rows=5, terms={"zero:g[T.b]": -1}),
    Case("zeros of a hurdle: a level of them", ("y ~ 1", "zero ~ g"),
         changed(HURDLE, y=HURDLE["y"] * (HURDLE["x"] < 5)), "hurdle-poisson",
         kind="quasi-complete", rows=5, terms={"zero:g[T.b]": 1}),
    Case("zeros of a hurdle: overlap", ("y ~ x", "zero ~ g"), changed(HURDLE, y=HURDLE["y"] % 4), "hurdle-poisson"),
    Case("counts beyond a hurdle: a level of ones", ("y ~ g", "zero ~ x"),
         changed(HURDLE, y=numbers(0, 2, 0, 3, 1, 1, 0, 1, 1, 0)), "hurdle-poisson",
         kind="quasi-complete", rows=3, terms={"g[T.b]": -1}),
    Case("counts beyond a hurdle: ones among others", "y ~ g", changed(HURDLE, y=numbers(0, 2, 0, 3, 1, 1, 0, 2, 1, 0)),
         "hurdle-poisson"),
    Case("no zeros: a level of ones", "y ~ g", changed(HURDLE, y=numbers(1, 2, 3, 1, 4, 1, 1, 1, 1, 1)),
         "zero-truncated-poisson", kind="quasi-complete", rows=5, terms={"g[T.b]": -1}),
    Case("no zeros: all ones", "y ~ x", changed(HURDLE, y=np.ones(10)), "zero-truncated-poisson", kind="complete",
         rows=10, terms={"Intercept": -1, "x": 0}),
    Case("no zeros: counts that fit well", "y ~ x", {"x": np.arange(8.0), "y": numbers(1, 1, 1, 1, 2, 2, 4, 5)},
         "zero-truncated-poisson"),
    Case("inflated counts: a level of zeros", "y ~ g", INFLATED, "zero-inflated-poisson", kind="quasi-complete", rows=8,
         terms={"g[T.c]": -1}),
    Case("inflated counts: a level without zeros", ("y ~ 1", "zero ~ g"),
         changed(INFLATED, y=np.where(INFLATED["g"] == "c", 2.0, INFLATED["y"])), "zero-inflated-poisson",
         kind="quasi-complete", rows=8, terms={"zero:g[T.c]": -1}),
    Case("inflated counts: overlap", ("y ~ g", "zero ~ g"), changed(INFLATED, y=np.tile(INFLATED["y"][:8], 3)),
         "zero-inflated-poisson"),
    Case("matched sets: the largest is chosen", "y ~ x", CHOICE, "conditional-logit", {"group": "s"}, "complete", 4,
         {"x": 1}),
    Case("matched sets: but for one", "y ~ x", changed(CHOICE, y=np.concatenate([CHOICE["y"][:9], [0, 1, 0]])),
         "conditional-logit", {"group": "s"}),
)  # fmt: skip


def fitted(case: Case, **options: Any) -> Fit:
    return glmfit.fit(case.formula, case.data, family=case.family, **case.options, **options)


def codes(fit: Fit) -> set[str]:
    return {finding.code for finding in fit.warnings}


def infinite(fit: Fit) -> dict[str, int]:
    """Infinite terms with their signs, the parameter in front where it is not the mean."""
    found = fit.identification.separation
    if found is None:
        return {}
    alone = fit.model.main if len(fit.model.main) == 1 else ()
    return {t.term if t.parameter in alone else f"{t.parameter}:{t.term}": t.direction for t in found.terms}


@pytest.mark.parametrize("check", [False, True], ids=["symptoms", "check"])
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_known_data_set(case: Case, check: bool) -> None:
    fit = fitted(case, check_separation=check)
    found = fit.identification.separation
    assert (found.kind if found else None) == case.kind
    assert (found.rows if found else 0) == case.rows
    assert infinite(fit) == case.terms
    assert ("separation" in codes(fit)) == (case.kind is not None)
    assert "flat_direction" not in codes(fit)
    if case.kind is None:
        assert fit.exit_code == 0
    else:
        assert fit.exit_code == 5
        statuses = [c.status for c in fit.coefficients]
        assert statuses.count("infinite") == len(case.terms)
        assert not fit.identification.hessian_positive_definite
        for c in fit.coefficients:
            if c.status == "infinite":
                assert not math.isfinite(c.estimate)
            if c.status in ("infinite", "not_identified"):
                assert math.isnan(c.std_error)


@pytest.mark.parametrize(
    "case",
    [pytest.param(c, id=c.name, marks=[pytest.mark.slow] if k % 4 or len(c.data["y"]) > 500 else [])
     for k, c in enumerate(CASES) if "y" in c.data],
)  # fmt: skip
def test_a_known_data_set_whose_rows_are_in_files(case: Case) -> None:
    """Programs see the rows that a pass over chunks finds violated, and no chunk is held."""
    with in_files(7):
        test_a_known_data_set(case, check=True)


def test_chunks_of_families_with_smaller_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glmfit.model.model.CHUNK_ROWS", 40)
    y, g = np.tile([0.0, 1.0, 2.0, 5.0], 15), np.repeat(letters("abc"), 20)
    fit = glmfit.fit("y ~ g", {"y": np.where(g == "b", 0.0, y), "g": g}, family="poisson-inverse-gaussian")
    assert infinite(fit) == {"g[T.b]": -1}


@pytest.mark.parametrize("link", UNIT_LINKS)
@pytest.mark.parametrize("name", ["complete on a line", "quasi-complete on a line", "overlap", "a level of successes",
                                  "the first level has none", "a gap of a millionth"])  # fmt: skip
def test_links_with_two_infinite_ends_agree(name: str, link: str) -> None:
    case = next(case for case in CASES if case.name == name)
    fit = fitted(case, links={"mu": link})
    found = fit.identification.separation
    assert (found.kind if found else None, found.rows if found else 0) == (case.kind, case.rows)
    assert infinite(fit) == case.terms


@pytest.mark.parametrize("link", UNIT_LINKS)
def test_all_information_in_four_rows_is_enough(link: str) -> None:
    """The information falls by 1e-12 on the way to a maximum that exists."""
    data = far_apart()
    fit = glmfit.fit("y ~ x", data, family="binomial", links={"mu": link})
    four = glmfit.fit("y ~ x", {k: v[1000:1004] for k, v in data.items()}, family="binomial", links={"mu": link})
    assert fit.identification.separation is None
    assert not codes(fit) & {"separation", "flat_direction"}
    if link != "cauchit":  # its tails are so heavy that a row at 1e6 still pulls
        assert fit.exit_code == 0
        slope, expected = fit.coefficients[1], four.coefficients[1]
        assert slope.estimate == pytest.approx(expected.estimate, rel=1e-9)
        assert slope.std_error == pytest.approx(expected.std_error, rel=1e-8)


@pytest.mark.parametrize("family", COUNTS)
def test_a_level_of_zero_counts(family: str) -> None:
    name, _, power = family.partition(" at ")
    fit = glmfit.fit("y ~ g", ZEROS, family=name, fixed={"power": float(power)} if power else {})
    assert infinite(fit) == {"g[T.c]": -1}
    assert fit.identification.separation is not None
    assert fit.identification.separation.rows == 5


def test_links_with_a_finite_end_have_no_direction() -> None:
    for link in ("identity", "sqrt"):
        fit = glmfit.fit("y ~ g", ZEROS, family="poisson", links={"mu": link}, check_separation=True)
        assert fit.identification.separation is None


def without(data: Columns, level: str) -> Columns:
    keep = data["g"] != level
    return {name: values[keep] for name, values in data.items()}


def large(seed: int = 3) -> Columns:
    """90 rows in three levels with a covariate, a count and an outcome; both are constant in level c."""
    rng = np.random.default_rng(seed)
    g = np.repeat(letters("abc"), 40)
    x = rng.normal(size=120)
    count = rng.poisson(3 * rng.gamma(2, 1 / 2, 120) * np.exp(0.4 * x)).astype(float)
    return {
        "g": g,
        "x": x,
        "w": rng.integers(1, 4, 120).astype(float),
        "id": rng.integers(0, 25, 120).astype(float),
        "count": np.where(g == "c", 0.0, count),
        "yes": np.where(g == "c", 1.0, rng.random(120) < 1 / (1 + np.exp(-x))).astype(float),
        "grade": np.where(g == "c", 3.0, rng.integers(1, 4, 120)),
    }


@pytest.mark.parametrize(
    ("formula", "family", "options"),
    [
        ("yes ~ x + g", "binomial", {}),
        ("yes ~ x + g", "binomial", {"links": {"mu": "cauchit"}}),
        ("yes ~ x + g", "binomial", {"links": {"mu": "cloglog"}, "se": "expected"}),
        ("yes ~ x + g", "binomial", {"se": "hc3"}),
        ("yes ~ x + g", "binomial", {"se": "cluster:id"}),
        ("yes ~ x + g", "binomial", {"freq_weights": "w"}),
        ("yes ~ x + g", "quasi-binomial", {}),
        ("count ~ x + g", "poisson", {"se": "hc1"}),
        ("count ~ x + g", "poisson", {"optimizer": "bfgs"}),
        ("count ~ x + g", "quasi-poisson", {}),
        ("count ~ x + g", "negative-binomial", {}),
        ("count ~ x + g", "geometric", {}),
        ("count ~ x + g", "tweedie", {"fixed": {"power": 1.5}}),
        ("count ~ x + g", "tweedie", {}),
        (("count ~ x + g", "alpha ~ x"), "negative-binomial", {}),
        (("count ~ x + g", "zero ~ g"), "hurdle-poisson", {}),
        (("count ~ x + g", "zero ~ x + g"), "hurdle-negative-binomial", {}),
        ("count ~ x + g", "zero-inflated-poisson", {}),
        (("count ~ x + g", "zero ~ x"), "zero-inflated-negative-binomial", {"se": "hc1"}),
        ("grade ~ x + g", "ordinal", {}),
        ("grade ~ x + g", "ordinal", {"links": {"location": "cauchit"}}),
        ("grade ~ x + g", "multinomial", {}),
    ],
)
def test_all_other_numbers_are_those_without_the_separated_rows(
    formula: str | tuple[str, ...], family: str, options: dict[str, Any]
) -> None:
    data = large()
    fit = glmfit.fit(formula, data, family=family, **options)
    rest = glmfit.fit(formula, without(data, "c"), family=family, **options)
    dropped = glmfit.fit(formula, data, family=family, separation="drop", **options)
    assert (fit.exit_code, dropped.exit_code, rest.exit_code) == (5, 0, 0)
    expected = {(c.parameter, c.term): c for c in rest.coefficients}
    assert fit.fit.log_likelihood == pytest.approx(rest.fit.log_likelihood, rel=1e-9, nan_ok=True)
    assert dropped.fit.aic == pytest.approx(rest.fit.aic, rel=1e-9, nan_ok=True)
    assert dropped.fit.null_deviance == pytest.approx(rest.fit.null_deviance, rel=1e-9, nan_ok=True)
    assert dropped.fit.df_residual == rest.fit.df_residual
    tolerance = 1e-4 if options.get("optimizer") else 1e-7
    for found in (fit, dropped):
        seen = 0
        for c in found.coefficients:
            if c.status is None:
                other = expected[c.parameter, c.term]
                seen += 1
                assert c.estimate == pytest.approx(other.estimate, rel=tolerance, abs=tolerance)
                assert c.std_error == pytest.approx(other.std_error, rel=10 * tolerance)
                assert c.p_value == pytest.approx(other.p_value, rel=1e-4, abs=1e-12)
        assert seen == len(expected)
        assert found.dispersion.estimate == pytest.approx(rest.dispersion.estimate, rel=1e-6, nan_ok=True)


def test_a_level_that_a_part_of_the_model_never_sees() -> None:
    """All counts of level c are 0: counts beyond the hurdle say nothing of it, but no zero is certain."""
    data = large()
    fit = glmfit.fit("count ~ x + g", data, family="hurdle-poisson", check_separation=True)
    rest = glmfit.fit("count ~ x + g", without(data, "c"), family="hurdle-poisson")
    assert fit.exit_code == 5
    assert fit.identification.separation is None
    assert [w.terms for w in fit.warnings if w.code == "flat_direction"] == [("g[T.c]",)]
    others = [c for c in fit.coefficients if c.status != "not_identified"]
    assert len(others) == 4
    for row, expected in zip(others[:3], rest.coefficients[:3], strict=True):
        assert row.estimate == pytest.approx(expected.estimate, rel=1e-7)
        assert row.std_error == pytest.approx(expected.std_error, rel=1e-7)
    share = float((data["count"] == 0).mean())
    assert others[3].std_error == pytest.approx(1 / math.sqrt(120 * share * (1 - share)), rel=1e-7)


def test_the_whole_data_are_counted_where_separation_is_reported() -> None:
    fit = glmfit.fit("yes ~ x + g", large(), family="binomial")
    null = glmfit.fit("yes ~ 1", large(), family="binomial")
    assert fit.data.rows_used == 120
    assert (fit.fit.n_parameters, fit.fit.df_residual, fit.fit.df_null) == (4, 116, 119)
    assert fit.fit.null_deviance == pytest.approx(null.fit.deviance, rel=1e-12)
    assert fit.fit.bic == pytest.approx(-2 * fit.fit.log_likelihood + 4 * math.log(120), rel=1e-12)


def test_dropping_says_so() -> None:
    fit = glmfit.fit("yes ~ x + g", large(), family="binomial", separation="drop")
    (finding,) = (finding for finding in fit.warnings if finding.code == "separated_rows_dropped")
    assert finding.terms == ("g[T.c]",)
    assert "40 rows" in finding.message
    assert fit.data.dropped["separated"] == {"yes": 40}
    assert fit.data.rows_used == 80
    assert fit.identification.separation is None
    assert fit.identification.hessian_positive_definite
    assert fit.identification.aliased == ("g[T.c]",)
    assert "aliased" not in codes(fit)


def test_the_last_terms_go_as_aliased_ones_do() -> None:
    """Without its first level a factor loses its last column: what is left is that of R's glm on the rows left."""
    data = changed(FIRST_CELL, y=numbers(0, 0, 0, 0, 0, 1, 1, 1, 0, 1, 0, 1))
    fit = glmfit.fit("y ~ g", data, family="binomial", separation="drop")
    assert [c.status for c in fit.coefficients] == [None, None, "aliased"]
    assert fit.coefficients[0].estimate == pytest.approx(0, abs=1e-9)  # the log odds of level c, 2 to 2
    assert fit.coefficients[1].estimate == pytest.approx(math.log(3), rel=1e-9)  # of b, 3 to 1, beside them


def test_nothing_left_to_fit() -> None:
    with pytest.raises(ModelError, match="predicts every row") as caught:
        glmfit.fit("y ~ x", LINE, family="binomial", separation="drop")
    assert caught.value.code == "all_separated"


def test_dropping_leaves_other_data_alone() -> None:
    plain = glmfit.fit("y ~ x", OVERLAP, family="binomial")
    fit = glmfit.fit("y ~ x", OVERLAP, family="binomial", separation="drop")
    assert fit.coefficients == plain.coefficients
    assert fit.warnings == plain.warnings


def test_a_fit_that_shows_no_sign_is_checked_when_asked() -> None:
    """A tolerance of a standard error stops long before the slope shows that it has no end."""
    quick = {"family": "binomial", "tol": 1.0}
    assert glmfit.fit("y ~ x", LINE, **quick).identification.separation is None
    assert glmfit.fit("y ~ x", LINE, check_separation=True, **quick).identification.separation is not None


@pytest.mark.parametrize("n", [1000, 60_000])
@pytest.mark.parametrize("family", ["binomial", "poisson"])
@pytest.mark.parametrize("apart", [1e-2, 1e-4, 1e-6])
def test_a_copy_that_differs_in_one_row(n: int, family: str, apart: float) -> None:
    """Along copy - x that row alone moves, towards its response; all others stay, whatever rounding makes of them."""
    random = np.random.default_rng(1)
    x = random.normal(size=n)
    y = random.integers(0, 2, n) if family == "binomial" else random.poisson(2, n)
    y[7] = family == "binomial"
    copy = x.copy()
    copy[7] += apart
    sign = 1 if family == "binomial" else -1
    fit = glmfit.fit("y ~ x + copy", {"x": x, "copy": copy, "y": y}, family=family)
    assert fit.identification.separation is not None
    assert infinite(fit) == {"x": -sign, "copy": sign}
    other = int(np.flatnonzero(np.arange(n) * (y != y[7]) > 7)[0])
    copy[other] += apart  # the same direction moves a row against its response
    fit = glmfit.fit("y ~ x + copy", {"x": x, "copy": copy, "y": y}, family=family, check_separation=True)
    assert fit.identification.separation is None
    assert fit.exit_code == 0


def test_a_group_of_rows_is_one_unit() -> None:
    rng = np.random.default_rng(5)
    s = np.repeat(np.arange(30.0), 3)
    y = np.zeros(90)
    y[np.arange(30) * 3 + rng.integers(0, 3, 30)] = 1
    z = rng.normal(size=90)
    marker = np.where(y == 1, rng.random(90) < 0.3, 0).astype(float)
    data = {"s": s, "y": y, "z": z, "marker": marker}
    chosen = {group for group, m in zip(s, marker, strict=True) if m}
    fit = glmfit.fit("y ~ z + marker", data, family="conditional-logit", group="s")
    assert infinite(fit) == {"marker": 1}
    assert fit.identification.separation is not None
    assert fit.identification.separation.rows == len(chosen)
    keep = np.array([group not in chosen for group in s])
    kept = {name: values[keep] for name, values in data.items()}
    rest = glmfit.fit("y ~ z", kept, family="conditional-logit", group="s")
    dropped = glmfit.fit("y ~ z + marker", data, family="conditional-logit", group="s", separation="drop")
    for found in (fit, dropped):
        assert found.coefficients[0].estimate == pytest.approx(rest.coefficients[0].estimate, rel=1e-9)
        assert found.coefficients[0].std_error == pytest.approx(rest.coefficients[0].std_error, rel=1e-8)
    assert dropped.data.rows_used == 3 * (30 - len(chosen))
    assert dropped.data.groups == 30 - len(chosen)


def test_a_choice_that_is_certain_against_some_rows_only() -> None:
    """Rows of marker -1 are never chosen: in the limit they are not there, and their groups are smaller."""
    rng = np.random.default_rng(6)
    s, marker = np.repeat(np.arange(40.0), 4), np.tile([0.0, 0, 0, -1], 40)
    y, z = np.zeros(160), rng.normal(size=160)
    y[np.arange(40) * 4 + rng.integers(0, 3, 40)] = 1
    data = {"s": s, "y": y, "z": z, "marker": marker}
    fit = glmfit.fit("y ~ z + marker", data, family="conditional-logit", group="s")
    rest = glmfit.fit("y ~ z", {k: v[marker == 0] for k, v in data.items()}, family="conditional-logit", group="s")
    assert infinite(fit) == {"marker": 1}
    assert fit.coefficients[0].estimate == pytest.approx(rest.coefficients[0].estimate, rel=1e-9)
    assert fit.coefficients[0].std_error == pytest.approx(rest.coefficients[0].std_error, rel=1e-8)
    assert fit.fit.log_likelihood == pytest.approx(rest.fit.log_likelihood, rel=1e-10)


def test_a_category_that_a_level_lacks_is_not_among_its_choices() -> None:
    """In the limit rows of level b choose between two categories: an independent likelihood, maximised by scipy."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=300)
    b = np.arange(300) % 2 == 1
    scores = np.stack([np.zeros(300), 0.5 * x - 0.2, -0.4 * x + 0.3], axis=1) + rng.gumbel(size=(300, 3))
    scores[b, 2] = -np.inf
    y = scores.argmax(axis=1)
    data = {"x": x, "g": np.where(b, "b", "a").astype(object), "y": letters("pqr")[y]}
    fit = glmfit.fit("y ~ x + g", data, family="multinomial")
    assert infinite(fit) == {"r:g[T.b]": -1}

    def loss(theta: np.ndarray) -> float:
        q = theta[0] + theta[1] * x + theta[2] * b
        r = np.where(b, -np.inf, theta[3] + theta[4] * x)
        eta = np.stack([np.zeros(300), q, r], axis=1)
        return float((np.logaddexp.reduce(eta, axis=1) - eta[np.arange(300), y]).sum())

    best = minimize(loss, np.zeros(5), method="BFGS", options={"gtol": 1e-7})
    finite = [c.estimate for c in fit.coefficients if c.status is None]
    assert finite == pytest.approx(best.x, abs=1e-5)
    assert fit.fit.log_likelihood == pytest.approx(-best.fun, rel=1e-10)


def test_what_the_rest_says_nothing_of_is_not_identified() -> None:
    data = large()
    fit = glmfit.fit(("count ~ x + g", "alpha ~ g"), data, family="negative-binomial")
    statuses = {(c.parameter, c.term): c.status for c in fit.coefficients}
    assert statuses.pop(("mu", "g[T.c]")) == "infinite"
    assert statuses.pop(("alpha", "g[T.c]")) == "not_identified"
    assert set(statuses.values()) == {None}
    rest = glmfit.fit(("count ~ x + g", "alpha ~ g"), without(data, "c"), family="negative-binomial")
    expected = {(c.parameter, c.term): c for c in rest.coefficients}
    for c in fit.coefficients:
        if c.status is None:
            assert c.estimate == pytest.approx(expected[c.parameter, c.term].estimate, rel=1e-7, abs=1e-8)
            assert c.std_error == pytest.approx(expected[c.parameter, c.term].std_error, rel=1e-6)


def test_only_families_that_state_it_can_be_asked() -> None:
    for options in ({"check_separation": True}, {"separation": "drop"}):
        with pytest.raises(UsageError) as caught:
            glmfit.fit("y ~ x", OVERLAP, family="gaussian", **options)
        assert caught.value.code == "bad_separation"
    with pytest.raises(UsageError, match="not one of report, drop"):
        glmfit.fit("y ~ x", OVERLAP, family="binomial", separation="remove")


def test_which_families_are_decided() -> None:
    """A truncated density has directions of its own, which nobody has stated where ones are not the limit of them."""
    decided = {family.name for family in FAMILIES if make_family(family.name, {}).has_recession}
    inflated = {family.name for family in FAMILIES if family.name.startswith("zero-inflated-")}
    counts = ("poisson", "negative-binomial", "geometric", "conway-maxwell-poisson")
    others = {f"{kind}-{name}" for kind in ("hurdle", "zero-truncated") for name in counts}
    amounts = {family.name for family in HURDLE_AMOUNTS}  # in whether there is any
    assert decided == {
        *DECIDED,
        *inflated,
        *others,
        *amounts,
        "binomial",
        "beta-binomial",
        "quasi-binomial",
        *COUNTS[:5],
    }


def test_a_density_of_ones_own_does_not_inherit_the_statement() -> None:
    class Shifted(Poisson):
        def log_density(self, y: Any, log_mu: Any) -> Any:  # type: ignore[override]
            return super().log_density(y, log_mu)

    class Renamed(Poisson):
        name = "renamed"

    assert not Shifted().has_recession
    assert Renamed().has_recession


# ---- random data ----


def binomial(random: np.random.Generator) -> tuple[str, Columns, dict[str, Any], Any, Any, list[int]]:
    n, k = int(random.integers(4, 11)), int(random.integers(1, 4))
    X = random.integers(-2, 3, (n, k))
    trials = random.integers(1, 3, n) if random.random() < 0.3 else np.ones(n, dtype=int)
    y = random.binomial(trials, 0.5)
    if random.random() < 0.5:
        side = np.sign(np.column_stack([np.ones(n, dtype=int), X]) @ random.integers(-2, 3, k + 1))
        y = np.where(side > 0, trials, np.where(side < 0, 0, y))
    Z = np.column_stack([np.ones(n, dtype=int), X])
    sure = [i for i in range(n) if y[i] in (0, trials[i])]
    A = [(Z[i] if y[i] else -Z[i]).tolist() for i in sure]
    E = [Z[i].tolist() for i in range(n) if i not in sure]
    columns = {f"x{j}": X[:, j].astype(float) for j in range(k)}
    link = UNIT_LINKS[int(random.integers(len(UNIT_LINKS)))]
    options = {"family": "binomial", "links": {"mu": link}}
    return "y/m", {**columns, "y": y.astype(float), "m": trials.astype(float)}, options, A, E, sure


def poisson(random: np.random.Generator) -> tuple[str, Columns, dict[str, Any], Any, Any, list[int]]:
    n, k = int(random.integers(4, 13)), int(random.integers(1, 4))
    X = random.integers(-1, 2, (n, k))
    y = random.poisson(0.6, n) * (random.random(n) < 0.6)
    Z = np.column_stack([np.ones(n, dtype=int), X])
    zeros = [i for i in range(n) if y[i] == 0]
    A = [(-Z[i]).tolist() for i in zeros]
    E = [Z[i].tolist() for i in range(n) if y[i]]
    columns = {f"x{j}": X[:, j].astype(float) for j in range(k)}
    return "y", {**columns, "y": y.astype(float)}, {"family": "poisson"}, A, E, zeros


def multinomial(random: np.random.Generator) -> tuple[str, Columns, dict[str, Any], Any, Any, list[int]]:
    n, k = int(random.integers(6, 10)), 1
    X = random.integers(-1, 2, (n, k))
    y = np.concatenate([[0, 1, 2], random.integers(0, 3, n - 3)])
    if random.random() < 0.5:
        y[3:] = np.where(X[3:, 0] > 0, 2, y[3:])
    Z = np.column_stack([np.ones(n, dtype=int), X])
    A, owner = [], []
    for i in range(n):
        for other in {0, 1, 2} - {int(y[i])}:
            change = np.zeros((3, k + 1), dtype=int)
            change[y[i]] += Z[i]
            change[other] -= Z[i]
            A.append(change[1:].ravel().tolist())
            owner.append(i)
    columns = {f"x{j}": X[:, j].astype(float) for j in range(k)}
    return "y", {**columns, "y": letters("pqr")[y]}, {"family": "multinomial"}, A, [], owner


def ordinal(random: np.random.Generator) -> tuple[str, Columns, dict[str, Any], Any, Any, list[int]]:
    n, k = int(random.integers(5, 11)), int(random.integers(1, 3))
    X = random.integers(-2, 3, (n, k))
    y = np.concatenate([[0, 1, 2], random.integers(0, 3, n - 3)])
    if random.random() < 0.5:
        y[3:] = np.minimum(np.maximum(X[3:, 0] + 1, 0), 2)
    A, owner = [], []
    for i in range(n):
        for cut, sign in ((y[i], 1), (y[i] - 1, -1)):
            if 0 <= cut < 2:
                change = np.zeros(k + 2, dtype=int)
                change[:k], change[k + cut] = -sign * X[i], sign
                A.append(change.tolist())
                owner.append(i)
    columns = {f"x{j}": X[:, j].astype(float) for j in range(k)}
    link = UNIT_LINKS[int(random.integers(len(UNIT_LINKS)))]
    options = {"family": "ordinal", "links": {"location": link}}
    return "y", {**columns, "y": y.astype(float)}, options, A, [], owner


def hurdle(random: np.random.Generator) -> tuple[Any, Columns, dict[str, Any], Any, Any, list[int]]:
    n, k = int(random.integers(6, 12)), int(random.integers(1, 3))
    X = random.integers(-1, 2, (n, k))
    y = random.poisson(0.8, n)
    if random.random() < 0.5:
        y = np.where(X[:, 0] > 0, np.minimum(y, 1), y)
    if random.random() < 0.5:
        y = np.where(X[:, -1] < 0, 0, y)
    Z, none = np.column_stack([np.ones(n, dtype=int), X]), [0] * (k + 1)
    A = [[*none, *(Z[i] if y[i] == 0 else -Z[i]).tolist()] for i in range(n)]
    A += [[*(-Z[i]).tolist(), *none] for i in range(n) if y[i] == 1]
    E = [[*Z[i].tolist(), *none] for i in range(n) if y[i] > 1]
    columns = {f"x{j}": X[:, j].astype(float) for j in range(k)}
    owner = [*range(n), *np.flatnonzero(y == 1).tolist()]
    return "y", {**columns, "y": y.astype(float)}, {"family": "hurdle-poisson"}, A, E, owner


def conditional(random: np.random.Generator) -> tuple[str, Columns, dict[str, Any], Any, Any, list[int]]:
    k = int(random.integers(1, 3))
    X, y, groups, A, owner = [], [], [], [], []
    for group in range(int(random.integers(3, 6))):
        m = int(random.integers(2, 5))
        x, chosen = random.integers(-1, 2, (m, k)), np.zeros(m, dtype=int)
        order = np.argsort(-x[:, 0], kind="stable") if random.random() < 0.6 else random.permutation(m)
        chosen[order[: int(random.integers(1, m))]] = 1
        for i in np.flatnonzero(chosen):
            for j in np.flatnonzero(chosen == 0):
                A.append((x[i] - x[j]).tolist())
                owner.append(group)
        X += x.tolist()
        y += chosen.tolist()
        groups += [group] * m
    columns = {f"x{j}": np.array(X, dtype=float)[:, j] for j in range(k)}
    data = {**columns, "y": np.array(y, dtype=float), "s": np.array(groups, dtype=float)}
    return "y", data, {"family": "conditional-logit", "group": "s"}, A, [], owner


MAKERS = (binomial, poisson, multinomial, ordinal, conditional, hurdle)
FAR_OUT = (
    52,
    55,
    104,
    138,
    256,
    257,
    373,
)  # hurdles of which means underflow, or overflow where all is 0, in the limit


@pytest.mark.parametrize(
    ("make", "seed"), [*((make, seed) for make in MAKERS for seed in range(24)), *((hurdle, seed) for seed in FAR_OUT)]
)
def test_random_data_have_the_verdict_of_exact_arithmetic(make: Any, seed: int) -> None:
    response, data, options, A, E, owner = make(np.random.default_rng(seed))
    p = len((A or E)[0])
    if np.linalg.matrix_rank(np.array([*A, *E])) < p:
        pytest.skip("aliased")
    strict, signs = verdict(A, E, p)
    terms = " + ".join(name for name in data if name.startswith("x"))
    formulas = [f"{name} ~ {terms}" for name in (response, *(["zero"] if make is hurdle else []))]
    fit = glmfit.fit(formulas, data, **options)
    found = fit.identification.separation
    if not signs:
        assert found is None
        assert "flat_direction" not in codes(fit)
        return
    assert found is not None
    names = [(c.parameter, c.term) for c in fit.coefficients]
    assert {names.index((t.parameter, t.term)): t.direction for t in found.terms} == signs
    assert found.rows == len({row for row, positive in zip(owner, strict, strict=True) if positive})
    assert found.kind == ("complete" if all(strict) and not E else "quasi-complete")


@pytest.mark.parametrize("turned", [False, True])
def test_what_directions_do_does_not_hang_on_their_basis(turned: bool) -> None:
    """-1/8 of the second coefficient cancels the first, in whichever directions of one plane these are given."""
    random = np.random.default_rng(1)
    reported = torch.tensor([[1, -0.125, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.float64)
    basis = np.array([[0.125, 0], [1, 0], [0, 1]])
    if turned:
        basis = basis @ np.linalg.qr(random.normal(size=(2, 2)))[0]
    moves = reported_moves(reported, torch.from_numpy(basis + random.normal(size=(3, 2)) * 2.0**-53))
    assert not bool(moves[0].any())
    assert bool((moves[1:].abs().amax(dim=1) > 0.1).all())


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("scale", [1e8, 1e-8])
def test_units_do_not_matter(seed: int, scale: float) -> None:
    response, data, options, *_ = binomial(np.random.default_rng(seed))
    names = [name for name in data if name.startswith("x")]
    model = f"{response} ~ {' + '.join(names)}"
    plain = glmfit.fit(model, data, **options)
    scaled = glmfit.fit(model, {**data, names[0]: scale * data[names[0]]}, **options)
    moved = glmfit.fit(model, {**data, names[0]: data[names[0]] + 1e6}, **options)
    assert scaled.identification.separation == plain.identification.separation
    before, after = plain.identification.separation, moved.identification.separation
    assert (before is None) == (after is None)
    if before is not None and after is not None:
        assert (before.kind, before.rows) == (after.kind, after.rows)
        slopes = [t for t in before.terms if t.term != "Intercept"]
        assert slopes == [t for t in after.terms if t.term != "Intercept"]


# ---- the report ----


@pytest.mark.parametrize(("extra", "status"), [([], 5), (["--check-separation"], 5), (["--separation", "drop"], 0)])
def test_the_command_line(extra: list[str], status: int, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["fit", f"{SAMPLES}/mtcars.csv", "vs ~ C(cyl) + wt", "-f", "binomial", *extra]
    assert main([*arguments, "--json"]) == status
    text = capsys.readouterr().out
    document = json.loads(text)
    jsonschema.validate(document, schema())
    assert to_json(fit_from_json(text)) == text
    row = next(c for c in document["coefficients"] if c["term"] == "C(cyl)[T.8]")
    assert row["estimate"] is None
    assert row["status"] == ("infinite" if status else "aliased")
    found = document["identification"]["separation"]
    if status:
        assert found["terms"] == [{"parameter": "mu", "term": "C(cyl)[T.8]", "direction": -1}]
    else:
        assert found is None
        assert document["data"]["dropped"]["separated"] == {"vs": 14}
    assert main([*arguments, "--exp", "--format", "csv"]) == status
    capsys.readouterr()
    assert main(arguments) == status
    shown = capsys.readouterr().out
    assert ("(infinite)" if status else "(aliased)") in shown
    assert "nan" not in shown.lower()


# ---- large data ----


def many_levels(seed: int = 1) -> Columns:
    rng = np.random.default_rng(seed)
    g, x = rng.integers(0, 60, 6000), rng.normal(size=6000)
    y = (rng.random(6000) < 1 / (1 + np.exp(-(rng.normal(size=60)[g] + 0.5 * x)))).astype(float)
    return {
        "g": g.astype(float),
        "x": x,
        "y": y,
        "count": rng.poisson(1, 6000).astype(float),
        "level": letters("pqr")[g % 3],
    }


@pytest.mark.parametrize(
    ("response", "family"),
    [
        ("y", "binomial"),
        ("count", "poisson"),
        ("count", "hurdle-poisson"),
        ("level", "multinomial"),
        ("count", "ordinal"),
    ],
)
def test_scores_alone_prove_that_nothing_is_separated(
    response: str, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No linear program is asked, however many rows and levels there are."""
    monkeypatch.setattr("glmfit.trust.separation.constraints", lambda *_: pytest.fail("not proved by the scores"))
    data = many_levels()
    if family == "multinomial":
        data["level"] = np.random.default_rng(2).permutation(data["level"])
    fit = glmfit.fit(f"{response} ~ x + C(g)", data, family=family, check_separation=True)
    assert fit.exit_code == 0
    assert fit.identification.separation is None
    assert not codes(fit) & {"separation_undecided", "separation"}


@pytest.mark.parametrize(("level", "terms"), [(7.0, {"C(g)[T.7]": 1}), (0.0, None)])
def test_scores_leave_few_rows_to_the_program(
    level: float, terms: dict[str, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    decide = Cone.interior
    monkeypatch.setattr(Cone, "interior", lambda self: (sizes.append(sum(map(len, self.rows))), decide(self))[1])
    data = many_levels()
    data["y"][data["g"] == level] = 1
    fit = glmfit.fit("y ~ x + C(g)", data, family="binomial")
    rows = int((data["g"] == level).sum())
    assert sizes == [rows]
    assert fit.identification.separation is not None
    assert (fit.identification.separation.kind, fit.identification.separation.rows) == ("quasi-complete", rows)
    expected = {"Intercept": 1, **{f"C(g)[T.{k}]": -1 for k in range(1, 60)}} if terms is None else terms
    assert infinite(fit) == expected


def test_what_is_not_separated_is_said_to_be_so_where_it_was_asked() -> None:
    random = np.random.default_rng(2)
    x = random.normal(size=80)
    data = {"x": x, "y": (random.random(80) < 1 / (1 + np.exp(-x))) * 1.0, "n": random.poisson(np.exp(x)) * 1.0}
    asked = glmfit.fit("y ~ x", data, family="binomial", check_separation=True)
    assert asked.identification.not_separated
    assert re.search(r"^Separation +none$", to_table(asked, plain=True), flags=re.MULTILINE)
    assert not glmfit.fit("y ~ x", data, family="binomial").identification.not_separated
    separated = glmfit.fit("y ~ x", {"x": x, "y": (x > 0) * 1.0}, family="binomial", check_separation=True)
    assert not separated.identification.not_separated
    # Only some of the directions in which a zero-inflated likelihood rises for ever are known.
    inflated = glmfit.fit("n ~ x", data, family="zero-inflated-poisson", check_separation=True)
    assert not inflated.identification.not_separated


@pytest.mark.parametrize("family", ["hurdle-conway-maxwell-poisson", "hurdle-negative-binomial"])
def test_a_parameter_that_meets_its_end_in_the_limit_alone(family: str) -> None:
    """Where no count exceeds 1 their distribution says nothing: what is left is the logistic model of the zeros."""
    data = {"y": numbers(0, 1, 0, 0, 1, 0, 0, 0, 1, 0), "a": numbers(0, 0, 1, 1, 2, 2, 0, 1, 1, 2)}
    fit = glmfit.fit(["y ~ a", "zero ~ a"], data, family=family)
    zeros = glmfit.fit("none ~ a", {"none": 1 - data["y"], "a": data["a"]}, family="binomial")
    assert [row.status for row in fit.coefficients] == ["infinite", "infinite", "at_limit", None, None]
    assert fit.fit.log_likelihood == pytest.approx(zeros.fit.log_likelihood, rel=1e-12)
    for row, expected in zip(fit.coefficients[3:], zeros.coefficients, strict=True):
        assert (row.estimate, row.std_error) == pytest.approx((expected.estimate, expected.std_error), rel=1e-7)
