"""Saved models: what is written is what is read, whatever is learned from the data; what is not ours is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import glmfit
from glmfit.after.saved import open_model
from glmfit.commands.app import main
from glmfit.errors import DataError, GlmfitError, UsageError
from glmfit.report import schema
from glmfit.report.saved import checksum, model_from_json, model_json

ROOT = Path(__file__).resolve().parents[2]
N = 120
RANDOM = np.random.default_rng(5)
DATA: dict[str, Any] = {
    "x": RANDOM.uniform(1, 4, N).round(3),
    "z": RANDOM.normal(size=N).round(3),
    "k": RANDOM.integers(1, 4, N),
    "g": RANDOM.choice(["a", "b", "c d"], N),
    "h": RANDOM.choice([True, False], N),
    "day": RANDOM.choice(["2024-05-01", "2024-05-02"], N),
    "my col": RANDOM.normal(size=N).round(2),
    "t": RANDOM.uniform(0.5, 2, N).round(2),
}
DATA["y"] = RANDOM.poisson(np.exp(0.3 * DATA["x"] + 0.4 * (DATA["g"] == "b")) * DATA["t"])


def fitted(formula: str, **options: Any) -> glmfit.fitted.FittedModel:
    return glmfit.fit(formula, DATA, family="poisson", **options)


def test_the_document_keeps_its_schema() -> None:
    fit = fitted("y ~ poly(x, 2) * g + z", exposure="t")
    document = json.loads(model_json(fit))
    jsonschema.validate(document, schema("glmfit/model/1"))
    jsonschema.validate(document["fit"], schema("glmfit/fit/1"))
    assert document["fit"] == json.loads(glmfit.report.to_json(fit))
    assert len(model_json(fit)) < 10_000


@pytest.mark.parametrize(
    "terms",
    [
        *("poly(x, 3)", "poly(x, 2, raw=True)", "bs(x, df=5)", "bs(x, knots=[2, 3], degree=2)", "cr(x, df=4)"),
        *("cr(x, df=4, constraints='center')", "cc(x, df=4)", "center(x)", "scale(x)", "standardize(x)"),
        *("scale(x, center=False)", "poly(center(log(x)), 2):g", "bs(scale(x), df=4) + C(k, contr.sum):z"),
        *("C(g, ref='c d') * h", "C(day) + C(k, levels=[3, 2, 1])", "`my col` + I(x > 2) + C(h, contr.helmert)"),
        *("0 + g + offset(log(t))", "C(k, contr.poly) + I(x ** 2)"),
    ],
)
def test_new_rows_are_evaluated_as_the_old_ones(terms: str, tmp_path: Path) -> None:
    """One row alone is what it is among the others, after the model has been through a file."""
    fit = fitted(f"y ~ {terms}")
    fit.save(tmp_path / "model.json")
    loaded = glmfit.load(os.fspath(tmp_path / "model.json"))
    assert model_json(loaded) == model_json(fit)
    whole = fit.predict(DATA)
    one = {name: values[7:9] for name, values in DATA.items() if name != "y"}
    np.testing.assert_allclose(loaded.predict(one), whole[7:9], rtol=1e-12)
    eta = fit.predict(DATA, of="link", interval="none")["estimate"]
    score = DATA["y"] - np.exp(eta)  # that of an intercept, or of all levels of g
    assert abs(score.sum()) < 1e-6


def test_a_fit_in_python() -> None:
    fit = fitted("y ~ x + g")
    assert repr(fit).startswith("Formula ")
    assert fit._repr_html_().startswith("<pre>Formula ")
    frame = fit.to_frame()
    assert list(frame["term"]) == ["Intercept", "x", "g[T.b]", "g[T.c d]"]
    assert frame["estimate"].tolist() == [row.estimate for row in fit.coefficients]


# ---- Fingerprints ----


def test_a_fingerprint_is_that_of_response_and_rows() -> None:
    def fingerprint(formula: str, **changes: Any) -> Any:
        return glmfit.fit(formula, {**DATA, **changes}, family="poisson").blueprint.fingerprint

    plain = fingerprint("y ~ x")
    assert plain == fingerprint("y ~ z + g")
    assert plain == glmfit.fit("y ~ x", dict(reversed(DATA.items())), family="negative-binomial").blueprint.fingerprint
    assert plain.response != fingerprint("y ~ x", y=DATA["y"] + 1).response
    fewer = fingerprint("y ~ z", z=np.where(np.arange(N) == 3, np.nan, DATA["z"]))
    assert (fewer.rows, fewer.response == plain.response) == (N - 1, False)


# ---- What is refused ----


@pytest.fixture(scope="module")
def text() -> str:
    return model_json(fitted("y ~ poly(x, 2) + g"))


def sealed(text: str, change: Callable[[dict[str, Any]], object]) -> str:
    """The model after a change, its checksum made right: what whoever means harm would write."""
    document = json.loads(text)
    change(document)
    return json.dumps({**document, "sha256": checksum({key: document.get(key) for key in ("fit", "blueprint")})})


def opened(text: str) -> object:
    return open_model(model_from_json(text, "m.json"), name="m.json").predictors


def formula(text: str) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["blueprint"]["predictors"][0].update(formula=text)


@pytest.mark.parametrize(
    "change",
    [
        formula("__import__('os').system('echo harm')"),
        formula("x.__class__"),
        formula("eval('1')"),
        formula("x + unknown"),
        formula("y_"),
        formula("x ~ g"),
        formula("(" * 5000 + "x" + ")" * 5000),
        formula("+".join(["x"] * 30) + "*" + "*".join(f"C(x > {j})" for j in range(40))),
        formula(""),
        lambda d: d["blueprint"]["predictors"][0].update(parameter="alpha"),
        lambda d: d["blueprint"].update(predictors=[]) or d["blueprint"].update(predictors=[{"parameter": "mu"}]),
        lambda d: d["blueprint"].update(family="gone"),
        lambda d: d["blueprint"]["transforms"].update({"poly(x, 2)": {"alpha": "code"}}),
        lambda d: d["blueprint"]["transforms"].update({"poly(x, 2)": {"alpha": [1.0] * 1_000_001}}),
        lambda d: d["fit"]["covariance"].update(matrix=[[1.0]]),
        lambda d: d["fit"]["coefficients"].pop(),
        lambda d: d["fit"]["coefficients"][0].update(estimate="1"),
        lambda d: d["fit"]["model"]["links"].update(mu="sideways"),
        lambda d: d.pop("blueprint"),
        lambda d: d["blueprint"].pop("levels"),
    ],
)
def test_what_no_fit_writes_is_refused(text: str, change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(DataError) as caught:
        opened(sealed(text, change))
    assert caught.value.code == "damaged_model"


def test_a_state_that_is_missing_is_not_learned_from_new_rows(text: str) -> None:
    model = model_from_json(sealed(text, lambda d: d["blueprint"].update(transforms={})), "m.json")
    with pytest.raises(DataError, match="state of 'poly"):
        glmfit.fitted.FittedModel.of(model).predict(DATA)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "not_a_model"),
        (b"x,y\n1,2\n", "not_a_model"),
        (b"[1, 2]", "not_a_model"),
        (b'{"schema": "other/1"}', "not_a_model"),
        (b'{"schema": "glmfit/fit/1"}', "not_a_model"),
        (b'{"schema": "glmfit/model/2"}', "other_version"),
        (b'{"schema": "glmfit/model/1"}', "damaged_model"),
        (b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "damaged_model"),
        (b'{"schema": "glmfit/model/1", "fit": {"x": NaN}}', "damaged_model"),
        (b'{"schema": ' + b"9" * 10_000 + b"}", "damaged_model"),
        (b'{"schema": "\xff"}', "damaged_model"),
        (b"\x80\x04pickle", "not_a_model"),
    ],
)
def test_foreign_files_are_refused(
    content: bytes, code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.json"
    path.write_bytes(content)
    assert main(["predict", str(path), "-"]) == 3
    assert f"glmfit explain {code}\n" in capsys.readouterr().err


def test_a_cut_or_edited_model_is_refused_and_another_layout_is_not(text: str) -> None:
    for size in range(1, len(text) - 2, 97):
        with pytest.raises(DataError):
            model_from_json(text[:size], "m.json")
    document = json.loads(text)
    assert json.loads(model_json(model_from_json(json.dumps(document, sort_keys=True), "m.json"))) == document
    document["fit"]["coefficients"][1]["estimate"] *= 1.0001
    with pytest.raises(DataError) as caught:
        model_from_json(json.dumps(document), "m.json")
    assert caught.value.code == "edited_model"


def test_a_file_of_code_is_run_only_where_it_is_named_again(tmp_path: Path) -> None:
    own, told = tmp_path / "own.py", tmp_path / "told"
    own.write_text(f"open({str(told)!r}, 'a').write('.')\ndef log_density(y, mu):\n    return -((y - mu) ** 2)\n")
    path = tmp_path / "m.json"
    glmfit.fit("x ~ z", DATA, family=str(own)).save(path)
    runs = told.read_text()
    own.write_text(own.read_text() + "\n")
    with pytest.raises(UsageError) as unnamed:
        glmfit.load(os.fspath(path))
    with pytest.raises(GlmfitError) as changed:
        glmfit.load(os.fspath(path), family=str(own))
    assert (unnamed.value.code, changed.value.code) == ("family_file", "other_file")
    assert told.read_text() == runs
    own.write_text(own.read_text().rstrip("\n") + "\n")
    assert glmfit.load(os.fspath(path), family=str(own)).predict(DATA, of="mu").shape == (N, 4)
