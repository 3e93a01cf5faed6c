"""New data as people have them: each kind of file predicts what the CSV of the same rows does, in runs too."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest

import glmfit
from glmfit.commands.app import main

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "tests" / "table" / "files"
WARP = ROOT / "sample_data" / "warpbreaks.csv"
Predict = Callable[..., list[dict[str, str]]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("model") / "model.json")
    glmfit.fit("breaks ~ wool + C(tension, ref='L')", WARP, family="poisson").save(path)
    return path


@pytest.fixture
def predict(model: str, capsys: pytest.CaptureFixture[str]) -> Predict:
    def run(*words: object, keep: str = "breaks,tension") -> list[dict[str, str]]:
        status = main(["predict", model, *map(str, words), "--keep", keep])
        out, err = capsys.readouterr()
        assert (status, err) == (0, "")
        return list(csv.DictReader(io.StringIO(out)))

    return run


@pytest.mark.parametrize(
    "name",
    ["haven.dta", "haven.sav", "foreign.dta", "openxlsx.xlsx", "pandas.ods", "xlwt.xls", "pandas.feather",
     "pandas.jsonl"],
)  # fmt: skip
def test_each_kind_of_file_predicts_what_the_csv_does(name: str, predict: Predict) -> None:
    expected, found = predict(WARP), predict(FILES / name)
    assert len(found) == 54
    for row in (*expected, *found):
        row["breaks"] = str(float(row["breaks"]))  # in a .dta they are floats
    assert found == expected


def test_a_folder_in_runs_with_empty_rows(predict: Predict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header, *rows = WARP.read_bytes().splitlines(keepends=True)
    empty = b"," * header.count(b",") + b"\n"
    (tmp_path / "a.csv").write_bytes(header + empty + b"".join(rows[:20]) + 3 * empty)
    (tmp_path / "b.csv").write_bytes(header + b"".join(row + empty for row in rows[20:]))
    (tmp_path / "c.csv").write_bytes(header)
    expected = predict(WARP)
    monkeypatch.setattr("glmfit.table.delimited._RUN", 64)
    assert predict(tmp_path) == expected
    assert predict(f"{tmp_path}/*.csv", keep="all")[-1]["breaks"] == expected[-1]["breaks"]


def test_a_row_is_named_as_it_is_counted(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new.csv"
    path.write_text("wool,tension\n" + "A,L\n" * 30 + ",\n" + "B,M\n" * 30 + "C,M\n", encoding="utf-8")
    monkeypatch.setattr("glmfit.table.delimited._RUN", 64)
    assert main(["predict", model, str(path)]) == 3
    assert "'wool' is 'C' in row 61" in capsys.readouterr().err


def test_new_data_are_written_as_the_old_ones_unless_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new, path = tmp_path / "old.csv", tmp_path / "new.csv", str(tmp_path / "model.json")
    old.write_text("# old\ny;x\n1;1.000,5\n2;2.000\n4;3.000\n5;-\n", encoding="utf-8")
    new.write_text("x\n1.500\n", encoding="utf-8")
    fit = glmfit.fit("y ~ x", old, thousands=".", decimal=",", na=("-",), comment="#")
    assert fit.data.rows_used == 3
    fit.save(path)
    value = fit.coefficients[0].estimate, fit.coefficients[1].estimate
    for options, x in (([], 1500.0), (["--decimal", "."], 1.5)):
        assert main(["predict", path, str(new), "--interval", "none", *options]) == 0
        found = float(capsys.readouterr().out.splitlines()[1])
        assert found == pytest.approx(value[0] + value[1] * x, rel=1e-12)
    again = glmfit.load(path)
    assert again.blueprint.reading == fit.blueprint.reading
    assert again.predict(new, decimal=".")["estimate"][0] == pytest.approx(value[0] + value[1] * 1.5, rel=1e-12)
    with pytest.raises(glmfit.errors.UsageError, match="no option 'sheeet'"):
        again.predict(new, sheeet="a")
