"""The numbers of pictures, against R (tests/reference/after/pictures.json by pictures.R) and in themselves."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glmfit
from glmfit.after.newdata import Asked
from glmfit.after.pictures.binary import Answers, calibration, delong, roc
from glmfit.after.pictures.counts import rootogram
from glmfit.after.pictures.effects import Wanted, effects
from glmfit.after.pictures.forest import forest
from glmfit.after.pictures.groups import caterpillar
from glmfit.after.pictures.influence import influence
from glmfit.after.pictures.kinds import KINDS, Inputs, Request, find
from glmfit.after.pictures.quantiles import qq, residuals
from glmfit.after.pictures.scans import manhattan, volcano
from glmfit.after.pictures.searches import profile, trace
from glmfit.after.pictures.smooth import hexagons, quantile_regression, ranks
from glmfit.after.pictures.words import Labels
from glmfit.after.saved import SavedModel
from glmfit.commands.app import main
from glmfit.errors import DataError, GlmfitError, ModelError, UsageError
from glmfit.fitted import FittedModel
from glmfit.report.pictures.frame import Frame
from glmfit.spec import ModelSpec
from glmfit.table import Source, open_data

ROOT = Path(__file__).resolve().parents[2]
REFERENCE: dict[str, Any] = json.loads((ROOT / "tests" / "reference" / "after" / "pictures.json").read_text())
INTERIOR = str(ROOT / "tests" / "reference" / "data" / "interior.csv")
QUINE = str(ROOT / "sample_data" / "quine.csv")
CARS = str(ROOT / "sample_data" / "mtcars.csv")


@cache
def fitted(formula: str, data: str, family: str = "gaussian", **options: Any) -> FittedModel:
    return glmfit.fit(formula, data, family=family, **options)


def rows_of(fit: FittedModel, data: Any) -> tuple[SavedModel, Source, Asked]:
    return fit.opened(), open_data(data), Asked()


def column(frame: Frame, table: str, name: str) -> np.ndarray:
    return np.asarray(frame.tables[table][name], dtype=float)


# ---- Quantile residuals ----


@cache
def gaussian() -> FittedModel:
    case = REFERENCE["quantiles"]
    return fitted(case["formula"], INTERIOR, case["family"])


def test_residuals_and_their_curves_are_those_of_r() -> None:
    case = REFERENCE["quantiles"]
    frame = residuals(*rows_of(gaussian(), INTERIOR))
    np.testing.assert_allclose(column(frame, "points", "uniform"), case["uniform"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(column(frame, "points", "rank"), case["rank"], rtol=1e-14)
    for share, expected in zip((0.25, 0.5, 0.75), case["curves"], strict=True):
        own = column(frame, "curves", "share") == share
        np.testing.assert_allclose(column(frame, "curves", "x")[own], case["at"], rtol=1e-13)
        # a linear program's solution passes through as many points as it has coefficients, in either program
        np.testing.assert_allclose(column(frame, "curves", "value")[own], expected, rtol=0, atol=1e-9)
    assert frame.facts["distance"] == pytest.approx(case["distance"], rel=1e-11)
    counts = glmfit.table.open_data(INTERIOR).read(["count"]).numbers("count")
    np.testing.assert_allclose(ranks(counts), case["tied"], rtol=1e-14)


def test_bands_are_those_of_r() -> None:
    case = REFERENCE["quantiles"]
    frame = qq(*rows_of(gaussian(), INTERIOR))
    np.testing.assert_allclose(column(frame, "points", "uniform"), np.sort(case["uniform"]), rtol=0, atol=1e-12)
    np.testing.assert_allclose(column(frame, "bands", "low"), case["low"], rtol=1e-10)
    np.testing.assert_allclose(column(frame, "bands", "high"), case["high"], rtol=1e-10)
    n = len(case["uniform"])
    drop = np.arange(1, n + 1) / n - column(frame, "bands", "all_low")
    assert drop.max() == pytest.approx(case["all"], rel=1e-5)  # Pelz and Good's expansion from 140 rows on


def test_residuals_are_those_of_the_command() -> None:
    fit = fitted("Days ~ Sex + Age", QUINE, "nb")
    frame = residuals(*rows_of(fit, QUINE), seed=3)
    from scipy.special import ndtr

    assert column(frame, "points", "uniform") == pytest.approx(
        ndtr(fit.residuals(QUINE, seed=3)["quantile"].to_numpy())
    )
    distinct = np.unique(column(frame, "points", "rank"))
    assert len(distinct) == 8  # of eight predictions their own quartiles
    assert sorted(set(column(frame, "curves", "x"))) == pytest.approx(distinct)
    inside = column(frame, "points", "rank") == distinct[0]
    expected = np.quantile(column(frame, "points", "uniform")[inside], 0.5)
    assert frame.tables["curves"]["value"][8] == pytest.approx(expected)


def test_frequencies_are_rows() -> None:
    data = open_data(INTERIOR).read(["x", "count", "f"])
    x, y, f = (data.numbers(name) for name in ("x", "count", "f"))
    fit = glmfit.fit("y ~ x", {"x": x, "y": y, "f": f}, family="poisson", freq_weights="f")
    frame = residuals(fit.opened(), open_data({"x": x, "y": y, "f": f}), Asked())
    assert len(frame.tables["points"]["uniform"]) == f.sum()
    again = np.repeat(x, f.astype(int))
    assert column(frame, "points", "rank") == pytest.approx(ranks(again * np.sign(fit.coefficients[1].estimate)))


def test_many_rows_are_hexagons() -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=20_000)
    data = {"x": x, "y": random.poisson(np.exp(0.3 * x))}
    model = glmfit.fit("y ~ x", data, family="poisson").opened()
    frame = residuals(model, open_data(data), Asked())
    assert set(frame.tables) == {"bins", "curves", "histogram"}
    assert sum(frame.tables["bins"]["count"]) == sum(frame.tables["histogram"]["count"]) == 20_000
    assert len(frame.tables["bins"]["x"]) < 2_500
    assert "judge" in frame.notes[0]
    assert np.abs(column(frame, "curves", "value") - column(frame, "curves", "share")).max() < 0.03
    assert len(qq(model, open_data(data), Asked()).tables["points"]["row"]) < 500


def test_of_very_many_points_the_quantile_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(4)
    X = np.stack([np.ones(3_000), random.random(3_000)], axis=1)
    y = X[:, 1] + random.exponential(size=3_000)
    whole = quantile_regression(X, y, 0.25)
    monkeypatch.setattr("glmfit.after.pictures.smooth.MOST_FREE", 100)
    assert quantile_regression(X, y, 0.25) == pytest.approx(whole, abs=1e-12)


def test_a_point_is_in_the_hexagon_that_is_nearest() -> None:
    random = np.random.default_rng(2)
    x, y = random.random(500), random.random(500)
    bins, (width, height) = hexagons(x, y, (0, 1), (0, 1), across=7)
    # in units in which the hexagons are regular, no other centre is nearer
    scale = np.array([1 / width, math.sqrt(3) / 2 / height])
    centres = np.stack([bins["x"], bins["y"]], axis=1) * scale
    points = np.stack([x, y], axis=1) * scale
    nearest = np.linalg.norm(points[:, None] - centres[None], axis=2).argmin(axis=1)
    assert np.bincount(nearest, minlength=len(centres)).tolist() == bins["count"].tolist()


# ---- Effects ----


def test_effects_are_margins() -> None:
    fit = fitted("mpg ~ C(cyl) + wt*hp", CARS)
    frame = effects(*rows_of(fit, CARS), Wanted(x="wt", by="cyl"))
    curve = {name: np.asarray(values) for name, values in frame.tables["curve"].items()}
    own = curve["by"] == "6"
    assert len(curve["x"]) == 3 * 61
    at = curve["x"][own][10]
    expected = fit.margins(CARS, at={"wt": [at], "cyl": [6]}).iloc[0]
    for name in ("estimate", "conf_low", "conf_high"):
        assert curve[name][own][10] == pytest.approx(expected[name], rel=1e-12)


def test_partial_residuals_lie_beside_the_curve() -> None:
    fit = fitted("mpg ~ wt + hp", CARS)
    frame = effects(*rows_of(fit, CARS), Wanted(x="wt", partial=True))
    working = fit.residuals(CARS)["working"].to_numpy()
    curve = np.interp(column(frame, "partial", "x"), column(frame, "curve", "x"), column(frame, "curve", "estimate"))
    assert column(frame, "partial", "value") - curve == pytest.approx(working)
    # of a linear model they are the component plus residual: a line through them has the coefficient as its slope
    assert np.polyfit(column(frame, "partial", "x"), curve, 1)[0] == pytest.approx(fit.coefficients[1].estimate)


# ---- Forests ----


def test_a_forest_has_the_estimates_under_the_names_of_their_terms() -> None:
    fit = fitted("Days ~ Sex + Age + Eth*Lrn", QUINE, "nb")
    rows = list(forest({"m": fit}).rows("rows"))
    assert [(row["group"], row["label"]) for row in rows] == [
        *[("", "Sex: M"), ("Age", "F1"), ("Age", "F2"), ("Age", "F3")],
        *[("", "Eth: N"), ("", "Lrn: SL"), ("", "Eth: N × Lrn: SL")],
    ]
    assert [row["estimate"] for row in rows] == [c.estimate for c in fit.coefficients if c.term != "Intercept"][
        : len(rows)
    ]
    exp = list(forest({"m": fit}, exp=True, labels=Labels.of(["Age=School year", "Sex=Boys"])).rows("rows"))
    assert [row["conf_low"] for row in exp] == pytest.approx([math.exp(row["conf_low"]) for row in rows])
    assert [(row["group"], row["label"]) for row in exp[:2]] == [("", "Boys"), ("School year", "F1")]
    narrow = list(forest({"m": fit}, level=0.5).rows("rows"))
    quantile = 0.6744897501960817
    assert narrow[0]["conf_high"] == pytest.approx(
        fit.coefficients[1].estimate + quantile * fit.coefficients[1].std_error
    )


def test_a_forest_of_two_models_and_of_a_term() -> None:
    one, two = fitted("Days ~ Sex + Age", QUINE, "nb"), fitted("Days ~ Sex + Age + Eth*Lrn", QUINE, "nb")
    rows = list(forest({"one": one, "two": two}).rows("rows"))
    assert [row["model"] for row in rows[:4]] == ["one", "two", "one", "two"]
    named = forest({"m": two}, terms=("Age", "Intercept"))
    assert [row["term"] for row in named.rows("rows")] == ["Intercept", "Age[T.F1]", "Age[T.F2]", "Age[T.F3]"]
    with pytest.raises(UsageError, match="no model has a term 'Agee'"):
        forest({"m": two}, terms=("Agee",))


# ---- What is refused ----


@pytest.mark.parametrize(
    ("kind", "formula", "family", "request_", "code"),
    [
        ("residuals", "breaks ~ wool", "quasi-poisson", Request(), "no_picture"),
        ("rootogram", "breaks ~ wool", "quasi-poisson", Request(), "no_picture"),
        ("rootogram", "breaks ~ wool", "gamma", Request(), "no_picture"),
        ("roc", "breaks ~ wool", "poisson", Request(), "no_picture"),
        ("calibration", "breaks ~ wool", "poisson", Request(), "no_picture"),
        ("influence", "breaks ~ wool", "weibull", Request(), "no_picture"),
        ("effects", "breaks ~ 1", "poisson", Request(), "no_picture"),
        ("effects", "breaks ~ wool", "poisson", Request(x="tension"), "no_such_term"),
        ("effects", "breaks ~ wool", "poisson", Request(x="wool", by="wool"), "contradiction"),
        ("effects", "breaks ~ wool + tension", "poisson", Request(at=("wool=A",)), "contradiction"),
        ("effects", "breaks ~ wool", "poisson", Request(partial=True, of="mean"), "contradiction"),
        ("effects", "breaks ~ wool", "poisson", Request(label=("wool",)), "invalid_value"),
    ],
)
def test_what_a_model_has_not_is_refused(kind: str, formula: str, family: str, request_: Request, code: str) -> None:
    data = str(ROOT / "sample_data" / "warpbreaks.csv")
    model, source, asked = rows_of(fitted(formula, data, family), data)
    with pytest.raises(GlmfitError) as caught:
        find(kind).numbers(Inputs(model=model, source=source, asked=asked), request_)
    assert caught.value.code == code
    assert caught.value.hint


def test_the_table_of_kinds() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    fields = set(Request.__dataclass_fields__)
    assert set().union(*(kind.takes for kind in KINDS)) == fields
    with pytest.raises(UsageError, match="no picture called 'forrest'"):
        find("forrest")
    with pytest.raises(ModelError, match="no coefficient"):
        forest({"m": fitted("breaks ~ 0", str(ROOT / "sample_data" / "warpbreaks.csv"), "poisson")})


# ---- Counts ----


@pytest.mark.parametrize("case", REFERENCE["rootograms"], ids=lambda case: case["name"])
def test_rootograms_are_those_of_r(case: dict[str, Any]) -> None:
    spec = {**case["spec"], "formulas": tuple(case["spec"]["formulas"])}
    fit = FittedModel.of(glmfit.fit_spec(ModelSpec(**spec), INTERIOR))
    frame = rootogram(*rows_of(fit, INTERIOR))
    assert column(frame, "bars", "low").tolist() == case["low"]
    assert column(frame, "bars", "observed").tolist() == case["observed"]
    # glm() stops before the last digits; sums of up to 50 probabilities
    np.testing.assert_allclose(column(frame, "bars", "expected"), case["expected"], rtol=1e-8, atol=1e-12)


def test_a_rootogram_of_frequencies_and_of_counts_from_one_on() -> None:
    random = np.random.default_rng(5)
    x = random.normal(size=300)
    y = 1 + random.poisson(np.exp(0.2 * x))
    f = random.integers(1, 4, size=300)
    one = glmfit.fit("y ~ x", {"x": x, "y": y, "f": f}, family="zero-truncated-poisson", freq_weights="f")
    more = {"x": np.repeat(x, f), "y": np.repeat(y, f)}
    two = glmfit.fit("y ~ x", more, family="zero-truncated-poisson")
    frames = [rootogram(*rows_of(one, {"x": x, "y": y, "f": f})), rootogram(*rows_of(two, more))]
    for name in ("observed", "expected"):
        np.testing.assert_allclose(*(column(frame, "bars", name) for frame in frames), rtol=1e-9)
    assert frames[0].tables["bars"]["expected"][0] == 0
    assert sum(frames[0].tables["bars"]["expected"]) == pytest.approx(f.sum(), rel=0.01)


# ---- A response of 0 and 1 ----


def test_roc_and_calibration_are_those_of_r() -> None:
    case = REFERENCE["binary"]
    rows = rows_of(fitted(case["formula"], INTERIOR, "binomial"), INTERIOR)
    frame = roc(*rows)
    for name in ("area", "std_error", "conf_low", "conf_high"):
        assert frame.facts[name] == pytest.approx(case[name], rel=1e-9)
    np.testing.assert_allclose(column(frame, "curve", "true_positive"), case["sensitivity"], atol=1e-14)
    np.testing.assert_allclose(1 - column(frame, "curve", "false_positive"), case["specificity"], atol=1e-14)
    frame = calibration(*rows)
    for name, key in (("predicted",) * 2, ("observed",) * 2, ("n",) * 2, ("conf_low", "low"), ("conf_high", "high")):
        np.testing.assert_allclose(column(frame, "groups", name), case[key], rtol=1e-9, atol=1e-12)


def test_frequencies_count_in_the_area() -> None:
    random = np.random.default_rng(3)
    y, p, f = random.integers(0, 2, 60), random.random(60).round(1), random.integers(1, 5, 60)
    one = Answers(y.astype(float), p, f.astype(float))
    two = Answers(*(np.repeat(values, f).astype(float) for values in (y, p)), np.ones(f.sum()))
    assert delong(one) == pytest.approx(delong(two), rel=1e-12)


# ---- Profiles, the trace, influence ----


@pytest.mark.parametrize("case", REFERENCE["profiles"], ids=lambda case: case["term"])
def test_profiles_are_those_of_r(case: dict[str, Any]) -> None:
    spec = {**case["spec"], "formulas": tuple(case["spec"]["formulas"])}
    fit = FittedModel.of(glmfit.fit_spec(ModelSpec(**spec), INTERIOR))
    frame = profile(fit, INTERIOR, terms=(case["term"],))
    at, roots = column(frame, "curve", "value"), column(frame, "curve", "root")
    from scipy.interpolate import CubicSpline

    # a cubic through a curve that is nearly a line, at steps of 0.4 standard errors
    np.testing.assert_allclose(CubicSpline(at, roots)(case["values"]), case["roots"], rtol=2e-5)
    expected = fit.confint(INTERIOR, terms=[case["term"]]).iloc[0]
    assert frame.facts["conf_low"] == pytest.approx(expected["conf_low"], rel=1e-7)
    assert frame.facts["conf_high"] == pytest.approx(expected["conf_high"], rel=1e-7)


def test_a_profile_is_of_one_coefficient() -> None:
    fit = fitted("Days ~ Sex + Age", QUINE, "nb")
    assert profile(fit, QUINE).facts["term"] == "Sex[T.M]"
    assert profile(fit, QUINE, terms=("alpha:Intercept",)).facts["parameter"] == "alpha"
    for terms, said in ((("Age",), "is 3 coefficients"), (("Sex", "Age"), "is of one coefficient")):
        with pytest.raises(UsageError, match=said):
            profile(fit, QUINE, terms=terms)
    with pytest.raises(DataError, match="was fitted to 146 rows"):
        profile(fit, {"Days": [1, 2, 3], "Sex": ["F", "M", "F"], "Age": ["F0", "F1", "F2"]})


def test_the_trace_ends_at_the_fit() -> None:
    fit = fitted("Days ~ Sex + Age", QUINE, "nb")
    frame = trace(fit, QUINE)
    steps = list(frame.rows("steps"))
    own = [step for step in steps if step["search"] == frame.facts["searches"]]
    assert own[-1]["log_likelihood"] == pytest.approx(fit.fit.log_likelihood, abs=1e-8)
    assert [step["iteration"] for step in own] == list(range(len(own)))
    assert min(step["deficit"] for step in steps) == 0


def test_influence_is_that_of_the_command() -> None:
    fit = fitted("mpg ~ C(cyl) + wt*hp", CARS)
    frame = influence(*rows_of(fit, CARS))
    expected = fit.residuals(CARS)
    assert column(frame, "points", "cooks_distance") == pytest.approx(expected["cooks_distance"].to_numpy())
    assert column(frame, "points", "leverage") == pytest.approx(expected["leverage"].to_numpy())
    assert frame.tables["worst"]["row"][0] == expected["cooks_distance"].argmax() + 1


# ---- Scans and groups ----


def scan_file(path: Path, rows: int) -> np.ndarray:
    """A scan of models of which one in ten has an effect; the p-values."""
    from scipy.special import ndtr

    random = np.random.default_rng(1)
    z = random.normal(size=rows) + 6 * (np.arange(rows) % 10 == 0)
    p = 2 * ndtr(-np.abs(z))
    order = np.argsort(p)
    adjusted = np.empty(rows)
    adjusted[order] = np.minimum.accumulate((p[order] * rows / np.arange(1, rows + 1))[::-1])[::-1]
    lines = ["part,place,term,estimate,std_error,p_value,p_adjusted,status", "A,0,x0,,,,,constant"]
    lines += [f"{'AB'[at % 2]},{at},x{at},{z[at]},1,{p[at]!r},{adjusted[at]!r}," for at in range(rows)]
    path.write_text("\n".join(lines).replace("np.float64(", "").replace(")", ""), encoding="utf-8")
    return adjusted


@pytest.mark.parametrize("rows", [300, 20_000])
def test_a_scan(rows: int, tmp_path: Path) -> None:
    adjusted = scan_file(tmp_path / "scan.csv", rows)
    for frame in (volcano(str(tmp_path / "scan.csv")), manhattan(str(tmp_path / "scan.csv"), x="place", by="part")):
        beyond = int((adjusted < 0.05).sum())
        assert frame.facts["models"] == rows
        assert frame.facts["beyond"] == beyond == sum(frame.tables["points"]["beyond"])
        assert len(frame.tables["named"]["term"]) == 8
        assert ("bins" in frame.tables) == (rows > 10_000)
        assert "1;" in frame.notes[1]
    assert frame.tables["parts"]["part"] == ["A", "B"]
    with pytest.raises(DataError, match="no column 'term'"):
        volcano(CARS)


@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_caterpillar(form: str, tmp_path: Path) -> None:
    path = str(tmp_path / f"groups.{form}")
    assert (
        main(["fit", QUINE, "Days ~ Lrn", "-f", "nb", "--by", "Age,Eth", "--overall", "--format", form, "-o", path])
        == 6
    )
    frame = caterpillar(path)
    assert frame.facts["groups"] == 8
    assert frame.facts["overall"] == pytest.approx(fitted("Days ~ Lrn", QUINE, "nb").coefficients[1].estimate)
    estimates = frame.tables["rows"]["estimate"]
    assert estimates == sorted(estimates)
    assert len(estimates) == 6
    one = glmfit.fit("Days ~ Lrn", QUINE, family="nb", where="Age == 'F0' & Eth == 'A'").coefficients[1]
    row = next(row for row in frame.rows("rows") if row["group"] == "F0, A")
    assert (row["estimate"], row["conf_low"]) == pytest.approx((one.estimate, one.conf_low))
    assert caterpillar(path, exp=True).tables["rows"]["estimate"] == pytest.approx(np.exp(estimates))
    with pytest.raises(UsageError, match=r"no group of .* has a coefficient 'Lm'"):
        caterpillar(path, terms=("Lm",))
    with pytest.raises(DataError, match="has not the columns"):
        caterpillar(CARS)
