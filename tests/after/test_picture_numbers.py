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
from glmfit.after.pictures.effects import Wanted, effects
from glmfit.after.pictures.forest import forest
from glmfit.after.pictures.kinds import KINDS, Inputs, Request, find
from glmfit.after.pictures.quantiles import qq, residuals
from glmfit.after.pictures.smooth import hexagons, ranks
from glmfit.after.pictures.words import Labels
from glmfit.after.saved import SavedModel
from glmfit.errors import GlmfitError, ModelError, UsageError
from glmfit.fitted import FittedModel
from glmfit.report.pictures.frame import Frame
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
