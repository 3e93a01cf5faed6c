"""Smooths: exact gradients, tails of weighted chi-squares, truths that need no reference, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import chi2, f

import glmfit
from glmfit.errors import GlmfitError
from glmfit.estimate import start
from glmfit.estimate.begin import prepared
from glmfit.fitted import FittedModel
from glmfit.model import Model, assemble
from glmfit.report import to_json, to_table
from glmfit.report.saved import model_from_json, model_json
from glmfit.rows import read
from glmfit.smoothing.chisquares import upper_tail
from glmfit.smoothing.fit import begin
from glmfit.smoothing.turned import turned
from glmfit.spec import ModelSpec

DATA = str(Path(__file__).parents[1] / "reference" / "smooths" / "smooths.csv")
FRAME = pd.read_csv(DATA)


def begun(formulas: tuple[str, ...], family: str, links: dict[str, str]) -> tuple[Model, torch.Tensor, float]:
    """A model, coefficients to begin with, and the phi that is held."""
    model = assemble(read(ModelSpec(formulas=formulas, family=family, links=links), DATA))
    model, constants, phi = prepared(model, None)
    return model, start.coefficients(model, constants, {}), phi


@pytest.mark.parametrize(
    ("formulas", "family", "links", "method", "along"),
    [
        (("count ~ s(x, k=6) + s(h, bs='re')",), "poisson", {}, "reml", ()),
        (("event ~ te(x, z, k=4)",), "binomial", {"mu": "probit"}, "ml", ()),
        (("positive ~ s(x, k=6)",), "gamma", {"mu": "log"}, "reml", ()),
        (("positive ~ s(x, k=6)",), "gamma", {"mu": "log"}, "gcv", ()),
        (("over ~ s(x, k=6)",), "negative-binomial", {}, "reml", ("alpha",)),
        (("spread ~ s(x, k=6)", "phi ~ s(z, k=5)"), "gaussian", {}, "reml", ()),
        (("share ~ s(x, k=6)",), "beta", {}, "ml", ("precision",)),
    ],
)
def test_gradients_and_hessians_are_exact(
    formulas: tuple[str, ...], family: str, links: dict[str, str], method: str, along: tuple[str, ...]
) -> None:
    """Against Richardson's differences of the criterion itself, away from its best."""
    model, theta, phi = begun(formulas, family, links)
    of = turned(model, along)
    b = of.model.working(model.reported(theta))
    criterion, psi = begin(of, method, b, phi, None if model.holds_phi else 1.0)
    psi = psi + torch.linspace(0.3, 0.7, len(psi), dtype=torch.float64)
    value, gradient, hessian = criterion.derivatives(psi)
    for j in range(len(psi)):
        unit = torch.zeros_like(psi)
        unit[j] = 1.0

        def slope(step: float, unit: torch.Tensor = unit) -> float:
            ends = [criterion.value(psi + sign * step * unit) for sign in (1, -1)]
            return (ends[0] - ends[1]) / (2 * step)

        def bend(step: float, unit: torch.Tensor = unit) -> torch.Tensor:
            ends = [criterion.derivatives(psi + sign * step * unit)[1] for sign in (1, -1)]
            return (ends[0] - ends[1]) / (2 * step)

        exact = (4 * slope(1e-3) - slope(2e-3)) / 3
        assert float(gradient[j]) == pytest.approx(exact, rel=2e-7, abs=1e-8 * (1 + abs(value)))
        if method == "gcv":  # whose Hessian is a difference itself
            continue
        second = (4 * bend(1e-3) - bend(2e-3)) / 3
        np.testing.assert_allclose(hessian[j], second, rtol=1e-5, atol=1e-7 * float(hessian.abs().max()))


def test_tails_of_weighted_chi_squares() -> None:
    for q, df in ((3.0, 1), (200.0, 5), (1e-3, 3), (12.0, 0.7)):
        assert upper_tail(q, [1.0], [df]) == pytest.approx(chi2.sf(q, df), rel=1e-11)
    for statistic, k, df in ((2.0, 3, 100), (30.0, 5, 190), (0.01, 3, 50)):
        found = upper_tail(0.0, [1.0] * k + [-statistic * k / df], [1.0] * k + [df])
        assert found == pytest.approx(f.sf(statistic, k, df), rel=1e-11)
    assert upper_tail(5.0, [2.0, 2.0], [1.0, 1.0]) == pytest.approx(chi2.sf(2.5, 2), rel=1e-11)
    # two of different weights: an integral over one of them
    t = (np.arange(200_000) + 0.5) / 200_000
    mixed = float(np.mean(chi2.sf((3.0 - 0.3 * chi2.ppf(t, 1)).clip(0), 1)))
    assert upper_tail(3.0, [1.0, 0.3], [1.0, 1.0]) == pytest.approx(mixed, rel=1e-5)
    assert math.isnan(upper_tail(math.nan, [1.0], [1.0]))


def test_a_frequency_weight_is_that_many_rows() -> None:
    once = glmfit.fit("count ~ s(x) + s(z, bs='cr')", DATA, family="poisson", freq_weights="w")
    rows = FRAME.loc[FRAME.index.repeat(FRAME.w)]
    each = glmfit.fit("count ~ s(x) + s(z, bs='cr')", rows, family="poisson")
    assert once.smoothing is not None
    assert each.smoothing is not None
    assert once.smoothing.score == pytest.approx(each.smoothing.score, rel=1e-9)
    np.testing.assert_allclose([s.edf for s in once.smooths], [s.edf for s in each.smooths], rtol=1e-5)
    mine, theirs = (one.predict(FRAME, "link")["estimate"] for one in (once, each))
    np.testing.assert_allclose(mine, theirs, atol=1e-6)


def test_a_straight_line_is_left_of_a_straight_line() -> None:
    frame = FRAME.assign(y=1 + 2 * FRAME.z + 0.1 * np.random.default_rng(3).normal(size=len(FRAME)))
    smooth, line = glmfit.fit("y ~ s(z)", frame), glmfit.fit("y ~ z", frame)
    (row,) = smooth.smooths
    assert row.edf == pytest.approx(1.0, abs=1e-4)
    np.testing.assert_allclose(smooth.predict(frame)["estimate"], line.predict(frame)["estimate"], atol=1e-5)
    np.testing.assert_allclose(smooth.predict(frame)["std_error"], line.predict(frame)["std_error"], rtol=1e-4)


def test_a_saved_model_predicts_the_same_and_slopes_are_derivatives() -> None:
    fit = glmfit.fit("count ~ te(x, z, k=4) + s(v, by=w, k=5) + s(h, bs='re')", DATA, family="poisson")
    again = FittedModel.of(model_from_json(model_json(fit), "model.json"))
    rows = FRAME.head(7).assign(w=lambda frame: frame.w.astype(float))
    pd.testing.assert_frame_equal(again.predict(rows, "link"), fit.predict(rows, "link"))
    for name in ("z", "v", "w"):
        up, down = (fit.predict(rows.assign(**{name: rows[name] + h}), "link")["estimate"] for h in (1e-4, -1e-4))
        slope = float(((up - down) / 2e-4).mean())
        assert float(fit.margins(rows, terms=[name], of="link")["estimate"].iloc[0]) == pytest.approx(slope, rel=1e-5)


def test_the_table_lists_smooths_and_not_their_coefficients() -> None:
    fit = glmfit.fit(("spread ~ g + s(x, by=g)", "phi ~ s(z)"), DATA)
    text = to_table(fit, plain=True)
    assert max(map(len, text.splitlines())) <= 80
    assert "s(x, by=g)[a]" in text
    assert "phi: s(z)" in text
    assert "s(x, by=g)[a][1]" not in text
    assert "s(x, by=g)[a][1]" in to_table(fit, plain=True, all_levels=True)
    document: dict[str, Any] = json.loads(to_json(fit))
    assert [row["term"] for row in document["smooths"]] == [f"s(x, by=g)[{g}]" for g in "abc"] + ["s(z)"]
    assert all("s(x" not in row["term"] for row in document["joint_tests"])


@pytest.mark.parametrize(
    ("formula", "options", "code"),
    [
        ("count ~ s(x)", {"se": "hc1"}, "smooth_excludes"),
        ("count ~ s(x)", {"se": "cluster:h"}, "smooth_excludes"),
        ("count ~ s(x)", {"bias_reduction": "firth"}, "smooth_excludes"),
        ("count ~ s(x)", {"absorb": ("h",)}, "smooth_excludes"),
        ("count ~ s(x)", {"ci": "profile"}, "smooth_excludes"),
        ("count ~ s(x)", {"ci": "bootstrap"}, "smooth_excludes"),
        ("count ~ s(x)", {"sampling_weights": "v"}, "smooth_excludes"),
        ("count ~ s(x)", {"optimizer": "bfgs"}, "smooth_excludes"),
        ("count ~ s(x)", {"family": "quasi-poisson"}, "smooth_excludes"),
        ("over ~ s(x)", {"family": "negative-binomial", "smoothing": "gcv"}, "smooth_excludes"),
        ("count ~ x", {"smoothing": "ml"}, "contradiction"),
        ("count ~ s(x)", {"smoothing": "aic"}, "invalid_value"),
        ("count ~ x + s(x)", {}, "smooth_overlap"),
        ("count ~ s(x) + x", {}, "smooth_overlap"),
        ("count ~ s(x) + te(x, z)", {}, "smooth_overlap"),
        ("count ~ h + s(h, bs='re')", {}, "smooth_overlap"),
        ("count ~ s(w)", {}, "smooth_k"),
        ("count ~ s(x, k=200) + s(z, k=200)", {}, "smooth_k"),
        ("ordered ~ s(x, k=5)", {"family": "negative-binomial"}, "smooth_limit"),
        ("count ~ te(x, z, v, k=20)", {}, "too_many_columns"),
        ("count ~ s(h)", {}, "bad_smooth"),
        ("count ~ s(x, bs='re')", {}, "bad_smooth"),
        ("count ~ te(x)", {}, "bad_smooth"),
        ("count ~ s(x, z)", {}, "bad_smooth"),
        ("count ~ s(x, bs='cc')", {}, "bad_smooth"),
        ("count ~ s(x, 20)", {}, "bad_smooth"),
        ("count ~ s(x, fx=True)", {}, "bad_smooth"),
        ("count ~ s(x):g", {}, "bad_smooth"),
        ("count ~ s(x, by=s(z))", {}, "bad_smooth"),
        ("count ~ s(nothing)", {}, "unknown_column"),
        ("count ~ s(x, by=nothing)", {}, "unknown_column"),
    ],
)
def test_what_is_refused(formula: str, options: dict[str, Any], code: str) -> None:
    with pytest.raises(GlmfitError) as raised:
        glmfit.fit(formula, DATA, **{"family": "poisson", **options})
    assert raised.value.code == code
    assert raised.value.hint


def test_many_levels_are_for_random_effects() -> None:
    frame = pd.DataFrame({"y": np.arange(2100) % 7, "g": [f"g{at}" for at in range(2100)]})
    with pytest.raises(GlmfitError) as raised:
        glmfit.fit("y ~ s(g, bs='re')", frame, family="poisson")
    assert raised.value.hint == "write (1 | g), which takes any number of levels"


def test_what_follows_a_fit_is_right_or_refused() -> None:
    with pytest.raises(GlmfitError, match="tests by fits without a term"):
        glmfit.anova("count ~ s(x) + g", DATA, family="poisson")
    with pytest.raises(GlmfitError, match="dropping and adding terms"):
        glmfit.step("count ~ s(x) + g", DATA, family="poisson")
    fit = glmfit.fit("count ~ s(x) + g", DATA, family="poisson")
    assert list(fit.test(terms=True)["hypothesis"]) == ["g"]
    residuals = fit.residuals(DATA)
    assert residuals["leverage"].isna().all()
    np.testing.assert_allclose(residuals["fitted"], fit.predict(DATA)["estimate"])
    by_groups = glmfit.fit("count ~ s(x, k=5)", FRAME[FRAME.g == "a"], family="poisson")
    assert by_groups.convergence.converged


def test_separated_rows_and_perfect_fits_are_told() -> None:
    separated = glmfit.fit("y ~ g + s(x, k=5)", FRAME.assign(y=(FRAME.g == "a").astype(int)), family="binomial")
    assert separated.exit_code == 5
    assert "flat_direction" in [finding.code for finding in separated.warnings]
    with pytest.raises(GlmfitError, match="perfectly"):
        glmfit.fit("y ~ s(x)", FRAME.assign(y=2 * FRAME.x + 1))
    with pytest.raises(GlmfitError, match="perfectly"):
        glmfit.fit("y ~ s(x)", FRAME.assign(y=1.0))


def test_levels_inside_smooths_are_averaged_over() -> None:
    fit = glmfit.fit("count ~ g + s(x, by=g, k=5) + s(h, bs='re')", DATA, family="poisson")
    frame = fit.margins(FRAME, terms=["g"], of="link")
    means = [fit.predict(FRAME.assign(g=level), "link")["estimate"].mean() for level in "abc"]
    np.testing.assert_allclose(frame["estimate"], [mean - means[0] for mean in means[1:]], rtol=1e-8)


def test_overdispersion_beside_smooths_does_not_advise_what_they_refuse() -> None:
    quine = str(Path(__file__).parents[2] / "sample_data" / "quine.csv")
    fit = glmfit.fit("Days ~ s(Eth, bs='re') + Sex", quine, family="poisson")
    (message,) = (finding.message for finding in fit.warnings if finding.code == "overdispersion")
    assert "negative-binomial" in message
    assert "--se" not in message
