"""Pictures: each kind in each format, without a warning, the same bytes every time, of few elements; and as text."""

from __future__ import annotations

import json
import re
import tempfile
import warnings
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from rich.cells import cell_len
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

import glmfit
from glmfit.after.newdata import Asked
from glmfit.after.pictures.kinds import GROUPS, KINDS, SCAN, Inputs, Kind, Request, find, svg
from glmfit.commands.app import main
from glmfit.report import schema
from glmfit.report.pictures.frame import Frame, to_json
from glmfit.report.pictures.render import to_bytes
from glmfit.report.unicode import drawn, shows
from glmfit.table import open_data

ROOT = Path(__file__).resolve().parents[2]
DATA = str(ROOT / "sample_data" / "birthwt.csv")
QUINE = str(ROOT / "sample_data" / "quine.csv")
FORMULA = "low ~ lwt + race + smoke + ht"
REQUESTS = {"effects": Request(x="lwt", by="race", label=("lwt=Weight (pounds)",))}


class TextSnapshot(SingleFileSnapshotExtension):
    """A snapshot that reads as what a user sees."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


@pytest.fixture
def text(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(TextSnapshot)


@cache
def fit() -> Any:
    return glmfit.fit(FORMULA, DATA, family="binomial")


@cache
def counts() -> Any:
    return glmfit.fit("Days ~ Age", QUINE, family="nb")


@cache
def folder() -> Path:
    """A scan and groups in files."""
    found = Path(tempfile.mkdtemp())
    random = np.random.default_rng(1)
    lines = ["term,estimate,p_value,p_adjusted"]
    lines += [f"gene{at},{random.normal()},{random.random() ** 4},{random.random()}" for at in range(200)]
    (found / "scan.csv").write_text("\n".join([*lines, "top,3,1e-12,1e-10", "constant,,,"]), encoding="utf-8")
    lines = ["g,n,outcome,parameter,term,estimate,std_error,conf_low,conf_high"]
    for at in range(8):
        lines += [
            f"g{at},9,ok,mu,Intercept,0,1,-2,2",
            f"g{at},9,ok,mu,x,{at / 4 - 1},0.4,{at / 4 - 1.8},{at / 4 - 0.2}",
        ]
    (found / "groups.csv").write_text("\n".join([*lines, "g9,,single_level,,,,,,"]), encoding="utf-8")
    return found


@cache
def frame(name: str) -> Frame:
    kind = find(name)
    if kind.needs in (SCAN, GROUPS):
        inputs = Inputs(data=str(folder() / ("scan.csv" if kind.needs == SCAN else "groups.csv")))
    elif kind.name == "rootogram":
        inputs = Inputs({}, counts().opened(), open_data(QUINE), Asked())
    else:
        inputs = Inputs({"model": fit()}, fit().opened(), open_data(DATA), Asked(), DATA)
    found = kind.numbers(inputs, REQUESTS.get(name, Request()))
    return replace(found, of=found.of.replace(str(folder()), "folder"))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_is_drawn_in_every_format(kind: Kind) -> None:
    found = frame(kind.name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        contents = {name: to_bytes(kind.draw, found, name) for name in ("png", "svg", "pdf")}
    assert contents["png"].startswith(b"\x89PNG")
    assert contents["pdf"].startswith(b"%PDF")
    root = ElementTree.fromstring(contents["svg"])
    assert [child.tag.rpartition("}")[2] for child in root][:2] == ["title", "desc"]
    assert found.description in "".join(root.itertext())
    page = contents["svg"].decode()
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert [one for one in ids if f"#{one}" not in page] == []
    assert not re.search(r"<style|<script|<!DOCTYPE|<metadata", page)


def test_the_same_numbers_give_the_same_bytes() -> None:
    kind, found = find("residuals"), frame("residuals")
    for name in ("png", "svg", "pdf"):
        assert to_bytes(kind.draw, found, name) == to_bytes(kind.draw, found, name)
    assert svg("residuals", found).startswith("<svg ")
    assert svg("residuals", found).encode() in to_bytes(kind.draw, found, "svg")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_numbers_of_every_kind_keep_their_schema(kind: Kind) -> None:
    document = json.loads(to_json(frame(kind.name)))
    jsonschema.validate(document, schema("glmfit/picture/1"), jsonschema.Draft202012Validator)
    assert document["kind"] == kind.name


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.text is not None], ids=lambda kind: kind.name)
@pytest.mark.parametrize("ascii_only", [False, True], ids=["unicode", "ascii"])
def test_in_the_terminal(kind: Kind, ascii_only: bool, text: SnapshotAssertion) -> None:
    shown = drawn(frame(kind.name), kind.text, width=80, plain=True, ascii_only=ascii_only)
    assert max(map(cell_len, shown.splitlines())) <= 80
    if ascii_only:
        assert shown.replace("×", "x").isascii()
    if kind.name != "trace":  # whose last steps are rounding errors
        assert shown == text


@pytest.mark.parametrize("width", [40, 60, 200])
def test_a_terminal_of_any_width(width: int) -> None:
    for kind in KINDS:
        if kind.text is not None:
            shown = drawn(frame(kind.name), kind.text, width=width, plain=True)
            assert max(map(cell_len, shown.splitlines())) <= width


def test_what_an_encoding_shows() -> None:
    assert shows("utf-8")
    assert not any(map(shows, ("ascii", "latin-1", None, "no-such-encoding")))


def test_no_element_for_each_of_very_many_rows() -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=100_000)
    data = {"x": x, "y": random.poisson(np.exp(0.3 * x))}
    model = glmfit.fit("y ~ x", data, family="poisson")
    inputs = Inputs({"m": model}, model.opened(), open_data(data), Asked())
    for name in ("residuals", "qq", "influence"):
        text = svg(name, find(name).numbers(inputs, Request()))
        assert text.count("<") < 1_000, name
        assert len(text) < 300_000, name


def test_names_are_shown_as_they_are() -> None:
    """Whatever a column is called: markup, mathematics, signs of other scripts, or very long."""
    random = np.random.default_rng(1)
    names = ["<b>&x", "a_$1$ $2$", "体重 (kg)", "long " * 20]
    data = {name: random.normal(size=50) for name in names} | {"y": random.normal(size=50)}
    model = glmfit.fit(f"y ~ {' + '.join(f'`{name}`' for name in names)}", data)
    found = find("forest").numbers(Inputs({"m": model}), Request())
    shown = svg("forest", found)
    assert "&lt;b&gt;&amp;x" in shown
    assert "a_$1$ $2$" in shown
    assert "体重 (kg)" in shown
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        to_bytes(find("forest").draw, found, "png")
    lines = drawn(found, find("forest").text, width=80, plain=True).splitlines()
    assert max(map(cell_len, lines)) <= 80


# ---- The command ----


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    fit().save("model.json")
    return "model.json"


def test_the_command_writes_what_the_name_of_the_file_says(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", "forest", model, "--exp", "-o", "forest.svg"]) == 0
    assert "<title>Odds ratios." in Path("forest.svg").read_text(encoding="utf-8")
    assert main(["plot", "forest", model, "-o", "forest.txt"]) == 0
    assert "●" in Path("forest.txt").read_text(encoding="utf-8")
    assert main(["plot", "qq", model, DATA, "-o", "qq.json"]) == 0
    assert json.loads(Path("qq.json").read_text(encoding="utf-8"))["kind"] == "qq"
    assert capsys.readouterr().out == ""
    assert main(["plot", "residuals", model, DATA]) == 0
    assert "0.95-1.00" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["forrest", "model.json"], 2, "did you mean 'forest'?"),
        (["forest"], 2, "forest needs a saved model"),
        (["qq", "model.json", "-o", "qq.png"], 2, "write glmfit plot qq model.json data.csv"),
        (["volcano"], 2, "write glmfit plot volcano scan.csv"),
        (["volcano", DATA], 3, "has no column 'term'"),
        (["caterpillar", "model.json"], 3, "model.json is a model without random effects"),
        (["roc", "model.json", DATA, "--partial"], 2, "--partial says nothing of the picture 'roc'"),
        (["profile", "model.json", DATA, "--terms", "lwtt"], 2, "did you mean 'lwt'"),
        (["rootogram", "model.json", DATA], 3, "this response is of 0 and 1"),
        (["forest", "model.json", "-o", "forest.jpg"], 2, "write -o forest.png, .svg or .pdf"),
        (["forest", "model.json", "-o", "forest"], 2, "'forest' names no format"),
        (["forest", "model.json", "--x", "lwt"], 2, "leave it out; it is for effects"),
        (["forest", "model.json", "--seed", "2"], 2, "--seed says nothing of the picture 'forest'"),
        (["forest", "model.json", "model.json"], 2, "a model is given twice"),
        (["forest", "model.json", "-o", "model.json"], 2, "would overwrite the data"),
        (["forest", "none.json"], 3, "no file none.json"),
        (["forest", "model.json", "-o", "nowhere/forest.png"], 3, "the folder does not exist"),
        (["effects", "model.json", DATA, "--x", "weight", "-o", "e.png"], 3, "is no covariate of the mean"),
    ],
)
def test_what_is_refused(
    words: list[str], code: int, said: str, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plot", *words]) == code
    streams = capsys.readouterr()
    assert said in streams.err
    assert streams.out == ""
    assert sorted(path.name for path in Path().iterdir()) == [model]


def test_without_matplotlib(model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    assert main(["plot", "forest", model, "-o", "forest.png"]) == 2
    assert "pip install 'glmfit[plot]'" in capsys.readouterr().err
    assert main(["plot", "forest", model]) == 0


def test_a_fit_with_its_forest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", DATA, FORMULA, "-f", "binomial", "--plot"]) == 0
    table, _, picture = capsys.readouterr().out.partition("Coefficients\n")
    assert "Log-likelihood" in table
    assert "smoke" in picture
    assert main(["fit", DATA, FORMULA, "-f", "binomial", "--plot", "--json"]) == 2
    assert "glmfit plot forest" in capsys.readouterr().err


def test_the_help_lists_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    main(["plot", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    page = (ROOT / "docs" / "pictures.md").read_text(encoding="utf-8")
    for kind in KINDS:
        assert re.search(rf"\b{kind.name}\b", shown)
        assert f"| `{kind.name}` | {kind.summary} |" in page
        assert f"### {kind.name}\n" in page
