"""Penalised fits from the command line: what is written and saved, what follows, and what is refused with a way on."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from scipy.optimize import minimize

import glmfit
from glmfit.commands.app import main
from glmfit.errors import ModelError
from glmfit.report import schema
from glmfit.shrinkage import Shrinkage

SAMPLES = Path(__file__).resolve().parents[2] / "sample_data"
CARS = ["fit", str(SAMPLES / "mtcars.csv"), "mpg ~ . - model"]


def test_what_is_written_is_what_follows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = str(tmp_path / "m.json")
    assert main([*CARS, "--lasso", "path", "--cv", "5", "--strength", "1se", "--json", "--save", saved]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema())
    shrunk = document["shrinkage"]
    point = shrunk["path"][shrunk["chosen"]]
    assert (shrunk["choice"], point["strength"]) == ("1se", shrunk["cv"]["strength_1se"])
    rows = document["coefficients"]
    assert {row["status"] for row in rows} == {"penalised"}
    assert [rows[at]["estimate"] for at in point["places"]] == point["estimates"]
    model = glmfit.load(saved)
    mean = model.predict(SAMPLES / "mtcars.csv", interval="none")["estimate"]
    np.testing.assert_allclose(mean, model.residuals(SAMPLES / "mtcars.csv")["fitted"])
    assert len(model.simulate(SAMPLES / "mtcars.csv")) == len(mean)
    assert main(["predict", saved, CARS[1]]) == 0
    assert "estimates alone" in capsys.readouterr().err
    refused = [["test", saved, "wt = 0"], ["confint", saved], ["plot", "forest", saved]]
    refused += [["predict", saved, CARS[1], "--interval", "confidence"]]
    for command in [*refused, ["margins", saved, CARS[1]], ["compare", saved, saved]]:
        assert main(command) == 3
        assert "penalised_estimates" in capsys.readouterr().err


def test_a_table_has_what_is_left_and_says_why_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*CARS, "--lasso", "0.6"]) == 0
    told = capsys.readouterr().out
    assert "No standard errors and no p-values" in told
    assert "5 more coefficients are 0" in told
    assert max(map(len, told.splitlines())) <= 80
    assert main([*CARS, "--elastic-net", "0.5", "--format", "csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("strength,nonzero,explained,")
    assert len({line.split(",")[0] for line in lines[1:]}) > 50


def test_a_strength_of_a_path_is_that_strength_alone() -> None:
    alone = glmfit.fit("mpg ~ . - model", SAMPLES / "mtcars.csv", lasso=0.37)
    path = glmfit.fit("mpg ~ . - model", SAMPLES / "mtcars.csv", lasso="path", strength=0.37)
    found = [[row.estimate for row in fit.coefficients] for fit in (alone, path)]
    np.testing.assert_allclose(*found, rtol=1e-9, atol=1e-12)


def test_without_a_strength_to_speak_of_it_is_the_fit_itself() -> None:
    plain = glmfit.fit("low ~ age + lwt + smoke", SAMPLES / "birthwt.csv", family="binomial")
    shrunk = glmfit.fit("low ~ age + lwt + smoke", SAMPLES / "birthwt.csv", family="binomial", ridge=1e-9)
    found = [[row.estimate for row in fit.coefficients] for fit in (plain, shrunk)]
    np.testing.assert_allclose(*found, rtol=1e-6)


def test_a_likelihood_of_ones_own_is_at_its_penalised_maximum(tmp_path: Path) -> None:
    file = tmp_path / "gumbel.py"
    file.write_text(
        "import torch\n\n\ndef log_density(y, mu, log_sigma):\n    z = (y - mu) * torch.exp(-log_sigma)\n"
        "    return -log_sigma - z - torch.exp(-z)\n"
    )
    random = np.random.default_rng(3)
    X = random.normal(size=(200, 4)) * [1, 5, 0.2, 1]
    data = {"y": 1 + X @ [0.8, -0.1, 0, 0] + random.gumbel(size=200), **dict(zip("abcd", X.T, strict=True))}
    fit = glmfit.fit("y ~ a + b + c + d", data, family=str(file), elastic_net=0.6, strength=0.05)
    scale = X.std(axis=0)

    def objective(theta: np.ndarray) -> float:  # coefficients as differences of positive parts: it is smooth in these
        b = scale * (theta[1:5] - theta[5:9])
        z = (data["y"] - theta[0] - X @ (b / scale)) * np.exp(-theta[9])
        penalty = 0.05 * (0.6 * scale @ (theta[1:5] + theta[5:9]) + 0.4 * b @ b / 2)
        return float(np.mean(theta[9] + z + np.exp(-z)) + penalty)

    bounds = [(None, None), *[(0, None)] * 8, (None, None)]
    best = minimize(
        objective, np.full(10, 0.1), bounds=bounds, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-9}
    )
    found = np.array([row.estimate for row in fit.coefficients])
    np.testing.assert_allclose(found, [best.x[0], *(best.x[1:5] - best.x[5:9]), best.x[9]], atol=2e-6)
    assert 0 < fit.shrinkage.path[fit.shrinkage.chosen].nonzero < 4


def test_a_frequency_weight_is_a_row_seen_so_often() -> None:
    random = np.random.default_rng(4)
    data = {name: random.normal(size=80) for name in "abc"}
    data |= {"k": random.poisson(np.exp(0.4 * data["a"])), "w": random.integers(1, 4, 80)}
    often = {name: np.repeat(values, data["w"]) for name, values in data.items()}
    asked = {"family": "poisson", "elastic_net": 0.5, "strength": 0.03}
    fits = [glmfit.fit("k ~ a + b + c", data, freq_weights="w", **asked), glmfit.fit("k ~ a + b + c", often, **asked)]
    np.testing.assert_allclose(*[[row.estimate for row in fit.coefficients] for fit in fits], atol=1e-12)
    assert fits[0].fit.df_residual == fits[1].fit.df_residual


def test_folds_keep_classes_and_groups_and_the_seed() -> None:
    from glmfit.rows import read
    from glmfit.shrink.folds import folds_of
    from glmfit.spec import ModelSpec

    def folds(seed: int, formula: str, family: str = "binomial", **asked: object) -> np.ndarray:
        penalty = Shrinkage(lasso="path", **asked)  # type: ignore[arg-type]
        spec = ModelSpec(formulas=(formula,), family=family, shrinkage=penalty, seed=seed)
        data = read(spec, SAMPLES / "birthwt.csv")
        return np.stack([folds_of(data, penalty).codes, data.response.y, data.table.numbers("ftv")])

    codes, low, _ = folds(1, "low ~ age + ftv", cv=7)
    counts = np.histogram2d(codes, low, bins=(7, 2))[0]
    assert np.ptp(counts, axis=0).max() <= 1
    assert np.array_equal(codes, folds(1, "low ~ age + ftv", cv=7)[0])
    assert not np.array_equal(codes, folds(2, "low ~ age + ftv", cv=7)[0])
    codes, _, groups = folds(1, "bwt ~ age + ftv", "gaussian", cv=3, cv_groups="ftv")
    assert all(len(set(codes[groups == group])) == 1 for group in set(groups))
    assert set(codes) == {0, 1, 2}


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ("--lasso -1", "bad_strength"),
        ("--lasso 0", "bad_strength"),
        ("--lasso much", "bad_strength"),
        ("--ridge nan", "bad_strength"),
        ("--elastic-net 1.5", "bad_strength"),
        ("--lasso 1 --ridge 1", "bad_strength"),
        ("--cv 10", "bad_strength"),
        ("--strength 0.1", "bad_strength"),
        ("--lasso 0.1 --cv 5", "bad_strength"),
        ("--lasso path --strength min", "bad_strength"),
        ("--lasso path --penalty-factor wt=-1", "bad_strength"),
        ("--lasso path --save out.json", "bad_strength"),
        ("--group-terms", "bad_strength"),
        ("--ridge 1 --group-terms", "bad_strength"),
        ("--lasso 1 --group-categories", "bad_strength"),
        ("--lasso 0.1 --se hc3", "shrinkage_excludes"),
        ("--lasso path --cv 33", "bad_folds"),
        ("--lasso path --cv 1", "bad_folds"),
        ("--lasso path --cv 5 --cv-folds gear", "bad_folds"),
        ("--lasso path --cv 5 --cv-groups gear", "bad_folds"),
        ("--lasso path --cv-folds wt", "bad_folds"),
        ("--lasso 0.1 --se hc1", "shrinkage_excludes"),
        ("--lasso 0.1 --ci profile", "shrinkage_excludes"),
        ("--lasso 0.1 --bias-reduction firth", "shrinkage_excludes"),
        ("--lasso 0.1 --absorb cyl", "shrinkage_excludes"),
        ("--lasso 0.1 --by cyl --json", "shrinkage_excludes"),
        ("--lasso 0.1 --optimizer bfgs", "shrinkage_excludes"),
        ("--lasso 0.1 --start wt=1", "shrinkage_excludes"),
        ("--lasso 0.1 --plot", "shrinkage_excludes"),
    ],
)
def test_what_makes_no_sense_is_refused(
    options: str, code: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["fit", CARS[1], "mpg ~ wt + hp + qsec", *options.split()]) == 3
    told = capsys.readouterr().err
    assert f"glmfit explain {code}" in told
    assert "hint: " in told


def test_a_class_that_folds_cannot_share_is_named() -> None:
    data = {"y": [0] * 30 + [1] * 4, "x": list(range(34)), "f": [1, 2] * 15 + [1] * 4}
    with pytest.raises(ModelError, match="y = 1 has 4 rows") as caught:
        glmfit.fit("y ~ x", data, family="binomial", lasso="path", cv=10)
    assert (caught.value.code, caught.value.hint) == ("bad_folds", "write --cv 4")
    with pytest.raises(ModelError, match="all rows with y = 1 are in one fold"):
        glmfit.fit("y ~ x", data, family="binomial", lasso="path", cv_folds="f")
