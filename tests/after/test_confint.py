"""`glmfit confint`, `fit --ci`: against R's boot and coxph (tests/reference/after/intervals.json), and by identities.

Ends from the same draws agree with boot.ci to 1e-8: maxima are found to rounding on either side.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
import torch

import glmfit
from glmfit.commands.app import main
from glmfit.errors import GlmfitError
from glmfit.estimate import replicates
from glmfit.estimate.bootstrap import Asked, bootstrap, intervals, quantities
from glmfit.estimate.maximum import maximise
from glmfit.estimate.pipeline import fit_data
from glmfit.estimate.replicates import Replicator
from glmfit.estimate.resample import Units, units
from glmfit.model import assemble
from glmfit.report import schema
from glmfit.rows import read
from glmfit.spec import ModelSpec

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "sample_data"
REFERENCE: dict[str, Any] = json.loads((ROOT / "tests" / "reference" / "after" / "intervals.json").read_text())
RANDOM = np.random.default_rng(8)
N = 90
FRAME = pd.DataFrame(
    {
        "x": RANDOM.normal(size=N),
        "g": RANDOM.choice(["a", "b", "c"], N),
        "c": np.arange(N) // 6,
        "w": RANDOM.integers(1, 4, N),
    }
)
FRAME["y"] = RANDOM.poisson(np.exp(0.4 + 0.5 * FRAME["x"] + 0.3 * (FRAME["g"] == "b")) * RANDOM.gamma(2, 0.5, N))
FRAME["z"] = np.where(RANDOM.random(N) < 0.3, 0, FRAME["y"])
FRAME["k"] = np.where(FRAME["y"] > 3, "high", np.where(FRAME["y"] > 0, "low", "none"))
FRAME["s"] = FRAME["x"] + RANDOM.normal(size=N)
FRAME["b"] = (RANDOM.random(N) < 1 / (1 + np.exp(-FRAME["x"]))).astype(int)


def prepared(data: Any, **options: Any) -> tuple[Any, Any, Any]:
    rows = read(ModelSpec(**options), data)
    model = assemble(rows)
    return rows, model, maximise(model, rows.spec, None)


# ---- Against R ----


@pytest.mark.parametrize("case", REFERENCE["resampled"], ids=[case["name"] for case in REFERENCE["resampled"]])
def test_the_same_draws_give_the_intervals_of_boot(case: dict[str, Any]) -> None:
    drawn_by = None if case["by"] == "rows" else case["by"]
    ci = {"ci": "bootstrap", "bootstrap_by": drawn_by}
    formulas = (case["formula"],)
    rows, model, found = prepared(str(ROOT / case["data"]), formulas=formulas, **case["spec"], **ci)
    _, drawn = units(rows, model, drawn_by, 1)
    counts = np.stack([np.bincount(draw, minlength=drawn.size) for draw in case["draws"]]).astype(float)
    replicator = Replicator(model, found, rows.spec)
    assert replicator.batched
    own = replicator.weighed(lambda b: counts[b][drawn.code], len(counts))
    without = replicator.weighed(drawn.without, drawn.left_out)
    assert own.failures == without.failures == {}
    fit = fit_data(read(ModelSpec(formulas=formulas, **case["spec"]), str(ROOT / case["data"])))
    for interval in ("percentile", "bca"):
        jackknife = without if interval == "bca" else None
        answer = intervals(quantities(model, fit), fit, own, jackknife, Asked(interval, by="rows"), 0.9)
        ends = [*answer.coefficients.values(), *([answer.summary.phi] if "phi" in case["terms"] else [])]
        expected = [each[interval] for each in case["intervals"]]
        np.testing.assert_allclose(ends, expected, rtol=1e-8)


def test_profiles_of_a_likelihood_that_is_no_linear_form() -> None:
    file, data = str(SAMPLE / "likelihoods" / "cox.py"), str(SAMPLE / "veteran.csv")
    fit = glmfit.fit("time ~ karno + celltype", data, family=file)
    found = fit.confint(data)
    np.testing.assert_allclose(found[["conf_low", "conf_high"]], REFERENCE["cox"]["ends"], rtol=1e-8)
    assert set(found["method"]) == {"profile"}
    assert not any(found["status"])


# ---- Replicates ----

FAMILIES: dict[str, dict[str, Any]] = {
    "poisson": {"formulas": ("y ~ x + g",), "family": "poisson", "exposure": "w"},
    "weighted": {"formulas": ("s ~ x + g",), "family": "gaussian", "weights": "w"},
    "negative-binomial": {"formulas": ("y ~ x + g",), "family": "negative-binomial"},
    "zero-inflated": {"formulas": ("z ~ x", "zero ~ 1"), "family": "zero-inflated-poisson"},
    "categories": {"formulas": ("k ~ x",), "family": "multinomial"},
    "ordered": {"formulas": ("k ~ x",), "family": "ordinal", "levels": ("none", "low", "high")},
    "firth": {"formulas": ("b ~ x",), "family": "binomial", "bias_reduction": "firth"},
    "by likelihood": {"formulas": ("s ~ x",), "family": "gaussian", "dispersion": "ml"},
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_replicate_is_the_fit_of_the_rows_drawn(name: str) -> None:
    rows, model, found = prepared(FRAME, **FAMILIES[name])
    replicator = Replicator(model, found, rows.spec)
    assert replicator.batched == (name not in ("firth", "by likelihood"))
    drawn = Units(np.arange(N), N, 3)
    got = replicator.weighed(drawn.repeats, 3)
    assert got.status == ["ok"] * 3
    for b in range(3):
        frame = FRAME.loc[np.repeat(np.arange(N), drawn.repeats(b).astype(int))]
        fit = fit_data(read(ModelSpec(**FAMILIES[name]), frame))
        np.testing.assert_allclose(got.estimates[b], [row.estimate for row in fit.coefficients], rtol=1e-7, atol=1e-9)
        if not np.isnan(got.phi[b]):
            assert got.phi[b] == pytest.approx(fit.dispersion.estimate, rel=1e-8)


def test_replicates_do_not_depend_on_how_many_are_made_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = glmfit.fit("y ~ x", FRAME, family="nb")
    first = fit.confint(FRAME, "bootstrap", replicates=40, seed=5)
    monkeypatch.setattr(replicates, "BLOCK", 7)
    cores = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        second = fit.confint(FRAME, "bootstrap", replicates=40, seed=5)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(cores)
    pd.testing.assert_frame_equal(first, second, rtol=1e-12)
    assert not first.equals(fit.confint(FRAME, "bootstrap", replicates=40, seed=6))


def test_frequency_weights_are_rows() -> None:
    weighed, _, _ = prepared(FRAME, formulas=("y ~ x",), family="poisson", freq_weights="w")
    model = assemble(weighed)
    _, drawn = units(weighed, model, "rows", 1)
    repeats = drawn.repeats(0)
    total = float((repeats * FRAME["w"]).sum())
    assert total == pytest.approx(FRAME["w"].sum())
    assert set(np.round(repeats * FRAME["w"], 9) % 1) == {0.0}


def test_lost_levels_and_separation_are_counted() -> None:
    """A coefficient is missing where its level is not drawn, all of a factor where the reference is not."""
    n = 60
    data = {"g": ["a"] * 3 + ["b"] * 2 + ["c"] * (n - 5), "y": np.arange(n) % 5, "x": np.cos(np.arange(n))}
    rows, model, found = prepared(data, formulas=("y ~ g + x",), family="poisson", ci="bootstrap:100")
    fit = fit_data(rows)
    drawn = Units(np.arange(n), n, 1)
    present = np.array([[drawn.repeats(b)[:3].any(), drawn.repeats(b)[3:5].any()] for b in range(100)])
    assert fit.bootstrap is not None
    missing = fit.bootstrap.missing
    assert missing == {
        "Intercept": int((~present[:, 0]).sum()),
        "g[T.b]": int((~present.all(axis=1)).sum()),
        "g[T.c]": int((~present[:, 0]).sum()),
    }
    assert [finding.code for finding in fit.warnings] == ["replicates_failed"]
    got = Replicator(model, found, rows.spec).weighed(drawn.repeats, 100)
    both = np.flatnonzero(present.all(axis=1))[0]
    one = np.flatnonzero(present[:, 0] & ~present[:, 1])[0]
    frame = pd.DataFrame(data)
    for b in (both, one):
        again = fit_data(read(rows.spec, frame.loc[np.repeat(np.arange(n), drawn.repeats(b).astype(int))]))
        known = ~np.isnan(got.estimates[b])
        np.testing.assert_allclose(got.estimates[b][known], [row.estimate for row in again.coefficients], rtol=1e-8)


def test_infinite_replicates_make_infinite_ends() -> None:
    data = {"x": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10.0], "y": [0, 0, 0, 1, 0, 0, 1, 1, 1, 1]}
    fit = glmfit.fit("y ~ x", data, family="binomial")
    found = fit.confint(data, "bootstrap", replicates=50)
    assert found.attrs["failures"]["separated"] > 5
    assert list(found["conf_high"])[1] == np.inf
    assert list(found["status"]) == ["infinite", "infinite"]


def test_parametric_replicates_spread_as_the_estimates_do() -> None:
    rows, model, found = prepared(FRAME, formulas=("s ~ x",), ci="bootstrap", bootstrap_by="parametric")
    fit = fit_data(read(ModelSpec(formulas=("s ~ x",)), FRAME))
    asked = Asked("percentile", 800, "parametric")
    answer = bootstrap(rows, model, found, fit, asked, 0.95)
    for row, (low, high) in zip(fit.coefficients, answer.coefficients.values(), strict=True):
        assert (high - low) / (row.conf_high - row.conf_low) == pytest.approx(1, abs=0.12)
    low, high = answer.summary.phi or (0, 0)
    assert low < fit.dispersion.estimate < high


def test_clusters_are_drawn_where_errors_are_clustered() -> None:
    fit = glmfit.fit("y ~ x", FRAME, family="poisson", se="cluster:c", ci="bca:60", seed=4)
    assert fit.bootstrap is not None
    assert (fit.bootstrap.by, fit.bootstrap.interval, fit.bootstrap.seed) == ("cluster:c", "bca", 4)
    named = glmfit.fit("y ~ x", FRAME, family="poisson", ci="bca:60", seed=4, bootstrap_by="cluster:c")
    assert [row.conf_low for row in named.coefficients] == [row.conf_low for row in fit.coefficients]


def test_a_likelihood_of_independent_rows_is_drawn_from_and_others_are_not() -> None:
    data = str(SAMPLE / "faithful.csv")
    fit = glmfit.fit((), data, family=str(SAMPLE / "likelihoods" / "mixture.py"))
    found = fit.confint(data, "bootstrap", replicates=20)
    assert (found["conf_low"] < found["estimate"]).all()
    assert set(found[found["term"].isna()]["parameter"]) == {row.name for row in fit.auxiliary}
    lake = str(SAMPLE / "lakehuron.csv")
    series = glmfit.fit("level ~ I(year - 1900)", lake, family=str(SAMPLE / "likelihoods" / "ar1.py"))
    with pytest.raises(GlmfitError) as caught:
        series.confint(lake, "bootstrap")
    assert caught.value.code == "needs_rows"


# ---- The command ----


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(list(arguments))
    out = capsys.readouterr()
    return status, out.out, out.err


@pytest.fixture
def saved(tmp_path: Path) -> str:
    path = str(tmp_path / "model.json")
    arguments = ["fit", str(SAMPLE / "warpbreaks.csv"), "breaks ~ wool + tension", "-f", "quasi-poisson"]
    assert main([*arguments, "--save", path, "-o", str(tmp_path / "fit.txt")]) == 0
    return path


def test_the_documents_keep_their_schemas(saved: str, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(SAMPLE / "warpbreaks.csv")
    status, out, _ = run(capsys, "confint", saved, data, "--method", "bca", "--replicates", "60", "--json")
    document = json.loads(out)
    assert status == 0
    jsonschema.validate(document, schema("glmfit/confint/1"))
    assert [row["term"] for row in document["intervals"]] == [
        "Intercept",
        "wool[T.B]",
        "tension[T.L]",
        "tension[T.M]",
        None,
    ]
    status, out, _ = run(capsys, "fit", data, "breaks ~ wool", "-f", "nb", "--ci", "bootstrap:60", "--json")
    document = json.loads(out)
    jsonschema.validate(document, schema("glmfit/fit/1"))
    assert document["ci"] == "bootstrap"
    assert document["bootstrap"]["interval"] == "percentile"
    assert glmfit.report.fit_from_json(out).bootstrap is not None


def test_wald_needs_no_data_and_profiles_are_those_of_fit(saved: str, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(SAMPLE / "warpbreaks.csv")
    wald = glmfit.load(saved).confint(level=0.9, terms=["wool[T.B]"])
    fit = glmfit.fit("breaks ~ wool + tension", data, family="quasi-poisson", level=0.9)
    assert len(wald) == 1
    assert wald["conf_low"][0] == pytest.approx(fit.coefficients[1].conf_low, rel=1e-10)
    status, out, _ = run(capsys, "confint", saved, data, "--terms", "wool[T.B],tension[T.L]", "--format", "csv")
    profile = glmfit.fit("breaks ~ wool + tension", data, family="quasi-poisson", ci="profile")
    low = [float(line.split(",")[3]) for line in out.splitlines()[1:]]
    assert status == 0
    assert low == pytest.approx([row.conf_low for row in profile.coefficients[1:3]], rel=1e-9)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--method", "profile"], "missing_argument"),
        (["DATA", "--method", "wald", "--seed", "1"], "contradiction"),
        (["DATA", "--method", "jackknife"], "invalid_value"),
        (["DATA", "--method", "bca", "--bootstrap-by", "parametric"], "contradiction"),
        (["DATA", "--method", "bootstrap", "--bootstrap-by", "parametric"], "no_parametric_bootstrap"),
        (["DATA", "--method", "bootstrap", "--bootstrap-by", "cluster:loom"], "unknown_column"),
        (["DATA", "--method", "bootstrap", "--replicates", "0"], "invalid_value"),
        (["DATA", "--terms", "wool"], "unknown_term"),
        (["OTHER"], "unknown_column"),
    ],
)
def test_what_makes_no_sense_is_refused(
    saved: str, arguments: list[str], code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"DATA": str(SAMPLE / "warpbreaks.csv"), "OTHER": str(SAMPLE / "quine.csv")}
    status, out, _ = run(capsys, "confint", saved, *(files.get(word, word) for word in arguments), "--json")
    assert status in (2, 3)
    assert json.loads(out)["error"]["code"] == code


def test_a_parameter_alone_has_the_profile_that_it_has_among_all() -> None:
    """R: the ends, 1.92 below the maximum of glm.nb's log-likelihood with theta held, are 0.6006795 and 0.9880974."""
    data = str(SAMPLE / "quine.csv")
    fit = glmfit.fit("Days ~ Sex + Age + Eth*Lrn", data, family="nb")
    found = fit.confint(data, method="profile", terms=["alpha"])
    assert found[["conf_low", "conf_high"]].to_numpy().ravel().tolist() == pytest.approx(
        [0.6006795, 0.9880974], rel=1e-6
    )
