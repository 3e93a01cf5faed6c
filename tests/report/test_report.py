"""Reports: the JSON keeps its schema and survives a round trip, tables align and never lose a number."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import fits
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from glmfit.errors import DataError, UsageError
from glmfit.families.catalogue import make_family
from glmfit.report import error_json, fit_from_json, numbers, schema, to_csv, to_json, to_markdown, to_table
from glmfit.report.document import ERROR, FIT
from glmfit.report.exponentiate import check_measure, ratios

DOCS = Path(__file__).resolve().parents[2] / "docs"
every_fit = pytest.mark.parametrize("fit", [make() for make in fits.ALL.values()], ids=fits.ALL.keys())


class TextSnapshot(SingleFileSnapshotExtension):
    """A snapshot that reads as what a user sees."""

    file_extension = "txt"
    _write_mode = WriteMode.TEXT


@pytest.fixture
def text(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(TextSnapshot)


def same(a: Any, b: Any) -> bool:
    """Equality in which NaN equals NaN, and null has replaced infinities."""
    if is_dataclass(a):
        return type(a) is type(b) and all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Mapping):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, float) and not math.isfinite(a):
        return isinstance(b, float) and math.isnan(b)
    return type(a) is type(b) and a == b


# JSON


@every_fit
@pytest.mark.parametrize("exp", [False, True])
def test_json_keeps_its_schema(fit: fits.Fit, exp: bool) -> None:
    if exp and fit.model.links["mu"] == "identity":
        pytest.skip("no ratio")
    jsonschema.validate(json.loads(to_json(fit, exp=exp)), schema(FIT), jsonschema.Draft202012Validator)


@every_fit
def test_json_round_trip(fit: fits.Fit) -> None:
    assert same(fit, fit_from_json(to_json(fit)))
    assert to_json(fit_from_json(to_json(fit))) == to_json(fit)


@given(value=st.floats(), other=st.floats(allow_nan=False, allow_infinity=False))
def test_json_keeps_every_digit_and_never_writes_nan(value: float, other: float) -> None:
    row = replace(fits.poisson().coefficients[0], estimate=value, std_error=other)
    written = to_json(fits.poisson((row,)))
    found = json.loads(written, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))["coefficients"][0]
    assert found["estimate"] == (value if math.isfinite(value) else None)
    assert found["std_error"] == other
    assert found["status"] == (None if math.isfinite(value) else "not_finite")


def test_json_of_an_infinite_number_is_null_with_a_status() -> None:
    document = json.loads(to_json(fits.not_converged()))
    assert document["coefficients"][1]["conf_high"] is None
    assert document["coefficients"][1]["status"] == "not_finite"
    assert document["identification"]["separation"] == {
        "kind": "quasi-complete",
        "rows": 13,
        "terms": [{"parameter": "mu", "term": "NV", "direction": 1}],
    }
    assert document["covariance"]["matrix"][0][1] == 0


def test_json_of_an_aliased_term() -> None:
    document = json.loads(to_json(fits.with_aliased()))
    assert document["coefficients"][2] == {
        "parameter": "mu",
        "term": "wt2",
        **dict.fromkeys(("estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high")),
        "status": "aliased",
        "df": None,
    }
    assert document["covariance"]["matrix"][2] == [None, None, None]


def test_json_ignores_later_additions_and_refuses_what_is_missing() -> None:
    document = json.loads(to_json(fits.poisson()))
    document["model"]["prior"] = "normal"
    assert same(fit_from_json(json.dumps(document)), fits.poisson())
    del document["fit"]["aic"]
    with pytest.raises(DataError, match=r"no 'fit\.aic'"):
        fit_from_json(json.dumps(document))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON.*line 1"),
        ("[]", "expected a document with schema"),
        ('{"schema": "glmfit/fit/2"}', "found 'glmfit/fit/2'"),
        (to_json(fits.poisson()).replace('"rows_read": 153', '"rows_read": "many"'), r"'many' at 'data\.rows_read'"),
        (to_json(fits.poisson()).replace('"converged": true', '"converged": 1'), r"1 at 'convergence\.converged'"),
        (to_json(fits.poisson()).replace('"level": 0.95', '"level": true'), "True at 'level'"),
    ],
)
def test_damaged_json(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit_from_json(text)


def test_error_json_keeps_its_schema() -> None:
    hint = "did you mean 'age'?"
    document = json.loads(error_json(DataError("unknown_column", "no column 'agee'", hint)))
    jsonschema.validate(document, schema(ERROR), jsonschema.Draft202012Validator)
    assert document["error"] == {"code": "unknown_column", "message": "no column 'agee'", "hint": hint}


def properties(node: Mapping[str, Any]) -> Iterator[str]:
    """Every key that a schema knows."""
    for key, value in node.get("properties", {}).items():
        yield key
        yield from properties(value)
    for inner in (node.get("items"), node.get("additionalProperties"), *node.get("anyOf", ())):
        if isinstance(inner, Mapping):
            yield from properties(inner)


def keys(value: Any) -> Iterator[str]:
    """Every key of a document whose object has fixed keys."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            if key not in ("links", "fixed", "dropped", "clusters", "seconds"):
                yield from keys(item)
    if isinstance(value, list):
        for item in value:
            yield from keys(item)


def test_every_key_is_in_the_schema_and_in_the_documentation() -> None:
    written = {key for make in fits.ALL.values() for key in keys(json.loads(to_json(make())))}
    written |= set(keys(json.loads(to_json(fits.poisson(), exp=True))))
    written |= set(keys(json.loads(to_json(fits.wild()))))
    written |= set(keys(json.loads(to_json(fits.absorbed()))))
    written |= set(keys(json.loads(to_json(fits.smooth()))))
    written |= set(keys(json.loads(to_json(fits.mixed()))))
    written |= set(keys(json.loads(to_json(fits.shrunk()))))
    written |= set(keys(json.loads(to_json(fits.bootstrapped()))))
    assert written == set(properties(schema(FIT)))
    text = (DOCS / "json.md").read_text(encoding="utf-8")
    assert [key for key in written | set(properties(schema(ERROR))) if f"`{key}`" not in text] == []


# Numbers


def test_decimals_follow_the_smallest_standard_error() -> None:
    # As R's summary.glm shows it: 0.97064 (0.04126).
    rows = numbers.columns([(0.970642532299103, 0.0412609947325, 0.0, 0.0), (12.3456789, 1.2345678, 0.0, 0.0)])
    assert [row[:2] for row in rows] == [["0.97064", "0.04126"], ["12.34568", "1.23457"]]


def test_numbers_too_small_or_too_large_are_scientific_not_zero() -> None:
    tiny, plain, huge = numbers.columns([(1.5e-9, 2.2e-10), (0.25, 0.125), (2e15, 1e14)])
    assert tiny == ["1.500e-09", "2.200e-10"]
    assert plain == ["0.2500", "0.1250"]
    assert huge == ["2.000e+15", "1.000e+14"]
    assert numbers.columns([(3e-13, 0.5)])[0][0] == "3.0e-13"
    assert numbers.columns([(math.nan, math.inf, -math.inf)])[0] == ["NaN", "Inf", "-Inf"]
    assert numbers.columns([(0.0, 0.0)])[0] == ["0.0000", "0.0000"]
    assert numbers.columns([]) == []


NUMBERS = st.floats(-1e300, 1e300) | st.sampled_from([math.nan, math.inf, -math.inf])


@given(rows=st.lists(st.lists(NUMBERS, min_size=4, max_size=4), max_size=8))
def test_rounded_estimates_stay_close_and_short(rows: list[list[float]]) -> None:
    for row, texts in zip(rows, numbers.columns(rows), strict=True):
        for value, text in zip(row, texts, strict=True):
            assert len(text) <= 18
            if math.isfinite(value):
                assert (float(text) == 0) == (value == 0)
                error = 0.05 * row[1] if math.isfinite(row[1]) and row[1] > 0 else 0.0
                assert float(text) == pytest.approx(value, rel=0.06, abs=error)
            else:
                assert text in ("NaN", "Inf", "-Inf")


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.0, "<2e-16"),
        (1e-300, "<2e-16"),
        (1.3e-5, "1.3e-05"),
        (3.46e-4, "3.5e-04"),
        (0.001, "0.0010"),
        (0.05, "0.0500"),
        (1.0, "1.0000"),
        (math.nan, "NaN"),
    ],
)
def test_p_values(p: float, text: str) -> None:
    assert numbers.p_value(p) == text


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([-1234.5678, 2473.1], ["-1234.568", "2473.100"]),
        ([0.5, math.nan], ["0.5000", "n/a"]),
        ([123456789.0, 3e-16, 0.0], ["123456789.0", "3.000e-16", "0.0"]),
        ([math.inf, -math.inf], ["Inf", "-Inf"]),
        ([1e12], ["1.000e+12"]),
    ],
)
def test_statistics(values: list[float], texts: list[str]) -> None:
    assert numbers.statistics(values) == texts


# Tables


@every_fit
@pytest.mark.parametrize("width", [80, 120])
def test_table(fit: fits.Fit, width: int, text: SnapshotAssertion) -> None:
    assert to_table(fit, width=width, plain=True) == text


@every_fit
def test_markdown(fit: fits.Fit, text: SnapshotAssertion) -> None:
    assert to_markdown(fit) == text


def test_exponentiated_table(text: SnapshotAssertion) -> None:
    assert to_table(fits.two_predictors(), exp=True, plain=True) == text


@every_fit
def test_lines_fit_in_80_columns(fit: fits.Fit) -> None:
    from rich.cells import cell_len

    assert max(map(cell_len, to_table(fit, plain=True).splitlines())) <= 80


def test_statistics_too_wide_to_stand_beside_each_other() -> None:
    fit = fits.poisson()
    huge = replace(fit.fit, log_likelihood=-870246359.4, null_deviance=2.276e10, aic=1740492748.7, bic=1740492866.0)
    lines = to_table(replace(fit, fit=huge), plain=True).splitlines()
    assert max(map(len, lines)) <= 80
    labels = [line.split("  ")[0] for line in lines[-8:]]
    assert labels[:6] == ["Log-likelihood", "AIC", "BIC", "Null deviance", "Deviance", "Pearson chi2"]


@every_fit
@pytest.mark.parametrize("width", [20, 60, 80, 200])
def test_no_number_is_cut_at_any_width(fit: fits.Fit, width: int) -> None:
    words = to_table(fit, width=width, plain=True).split()
    expected = numbers.columns([(c.estimate, c.std_error) for c in fit.coefficients if c.parameter == "mu"])
    shown = {word.lstrip("-").split(".")[0] for word in words}
    assert {pair[0].lstrip("-").split(".")[0] for pair in expected if pair[0] != "NaN"} <= shown
    assert not any("…" in word for word in words)


def test_plain_table_is_ascii_and_without_trailing_blanks() -> None:
    text = to_table(fits.not_converged(), plain=True)
    assert text.isascii()
    assert "\x1b" not in text
    assert not re.search(r"[ \t]\n", text)


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, False),
        ({}, False),
    ],
)
def test_colour_is_shown_where_it_is_welcome(
    environment: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "TERM", "TTY_COMPATIBLE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    text = to_table(fits.poisson())
    assert ("\x1b[" in text) == coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", text) == to_table(fits.poisson(), plain=True)


def test_control_characters_of_the_data_do_not_reach_the_terminal() -> None:
    text = to_table(fits.poisson((fits.row("a\x1b[2J\nb", 1.0, 0.5),)), plain=True)
    assert "\x1b" not in text
    assert r"a\x1b[2J\nb" in text


def test_table_names_the_columns_that_cost_rows() -> None:
    text = " ".join(to_table(fits.poisson(), plain=True).split())
    assert "111 of 153 rows used, 42 dropped (missing: Ozone 37, Solar.R 7)" in text


def test_auxiliary_parameters_are_shown_on_their_natural_scale_only() -> None:
    text = to_table(fits.negative_binomial(), plain=True)
    assert re.search(r"^alpha +0\.6065 +0\.1274 +0\.4019 +0\.9154$", text, re.M)
    assert text.count("Intercept") == 1


# CSV and Markdown


@every_fit
def test_csv_has_every_number_in_full(fit: fits.Fit) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(fit))))
    assert len(rows) == len(fit.coefficients) + len(fit.auxiliary)
    for written, coefficient in zip(rows, fit.coefficients, strict=False):
        assert (written["parameter"], written["term"]) == (coefficient.parameter, coefficient.term)
        for name in ("estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"):
            value = getattr(coefficient, name)
            assert written[name] == "" if math.isnan(value) else float(written[name]) == value


def test_csv_marks_natural_and_exponentiated_rows() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(fits.negative_binomial(), exp=True))))
    assert [row["scale"] for row in rows] == ["exp", "exp", "link", "natural"]
    assert float(rows[1]["estimate"]) == math.exp(-0.01234)
    assert (rows[3]["parameter"], rows[3]["term"]) == ("alpha", "")


def test_markdown_escapes_what_markdown_would_read() -> None:
    text = to_markdown(fits.poisson((fits.row("a|b*c_d`e", 1.0, 0.5),)))
    line = next(line for line in text.splitlines() if "a\\|b" in line)
    assert line.startswith(r"| a\|b\*c\_d\`e | 1.0000 |")
    assert len(re.findall(r"(?<!\\)\|", line)) == 8


# Ratios


def test_ratios_follow_the_delta_method() -> None:
    found = ratios(fits.poisson()).coefficients[3]
    assert found.estimate == pytest.approx(6.0027563584, rel=1e-8)  # exp(1.7922187567993)
    assert found.std_error == pytest.approx(6.0027563584 * 0.0412609947325, rel=1e-8)
    assert found.conf_low == pytest.approx(math.exp(1.7922187567993 - 1.959963984540054 * 0.0412609947325))
    original = fits.poisson().coefficients[3]
    assert (found.statistic, found.p_value) == (original.statistic, original.p_value)


@pytest.mark.parametrize(
    ("family", "link", "measure"),
    [
        ("poisson", "log", "rate ratio"),
        ("quasi-poisson", "log", "rate ratio"),
        ("negative-binomial", "log", "rate ratio"),
        ("binomial", "logit", "odds ratio"),
        ("binomial", "log", "risk ratio"),
        ("binomial", "cloglog", "hazard ratio"),
        ("gamma", "log", "ratio"),
    ],
)
def test_measures(family: str, link: str, measure: str) -> None:
    assert make_family(family, {}).exp_measure(link) == measure


def test_exp_without_a_meaning_is_refused() -> None:
    with pytest.raises(UsageError, match="identity") as caught:
        to_table(fits.with_aliased(), exp=True)
    assert "log, logit or cloglog" in str(caught.value.hint)
    with pytest.raises(UsageError, match="identity link of gaussian"):
        check_measure(None, "gaussian", "identity")


def test_exp_adds_to_json_and_changes_nothing_else() -> None:
    plain, extended = (json.loads(to_json(fits.two_predictors(), exp=exp)) for exp in (False, True))
    added = extended.pop("exponentiated")
    assert extended == plain
    assert [(row["parameter"], row["measure"]) for row in added] == [("mu", "rate ratio")] * 2
