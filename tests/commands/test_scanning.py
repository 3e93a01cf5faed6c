"""`glmfit fit --scan`: which columns, what is written, what is refused, and how a run ends."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import jsonschema
import pytest

from glmfit.commands.app import main
from glmfit.report import schema

CARS = str(Path(__file__).resolve().parents[2] / "sample_data" / "mtcars.csv")
FORMULA = "mpg ~ {} + wt"


def run(capsys: pytest.CaptureFixture[str], *words: str, formula: str = FORMULA) -> tuple[int, str, str]:
    status = main(["fit", CARS, *([formula] if formula else []), *words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def terms(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    status, out, _ = run(capsys, *words, "--format", "csv")
    assert status == 0
    return [row["column"] for row in csv.DictReader(io.StringIO(out))]


@pytest.mark.parametrize(
    ("asked", "columns"),
    [
        (["qsec,hp"], ["qsec", "hp"]),
        (["hp", "--scan", "qsec,hp"], ["hp", "qsec"]),
        (["d*"], ["disp", "drat"]),
        (["[c-d]*,!dr*"], ["cyl", "disp", "carb"]),
        (["cyl:drat,!hp"], ["cyl", "disp", "drat"]),
        (["`hp`"], ["hp"]),
    ],
)
def test_columns_are_names_patterns_and_ranges(
    asked: list[str], columns: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert terms(capsys, "--scan", *asked) == columns


def test_columns_come_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = tmp_path / "names.txt"
    names.write_text("qsec\n\n hp \n", encoding="utf-8")
    assert terms(capsys, "--scan-file", str(names)) == ["qsec", "hp"]
    names.write_text("\n", encoding="utf-8")
    assert "scan_file" in run(capsys, "--scan-file", str(names))[2]


def test_a_row_is_a_line_of_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "--scan", "hp,model", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    for row in rows:
        jsonschema.validate(row, schema("glmfit/scan/1"), jsonschema.Draft202012Validator)
    assert (status, rows[0]["status"], rows[-1]["column"]) == (0, "ok", "model")
    assert err.startswith("2 models: 1 fitted, 1 not")
    target = tmp_path / "scan.jsonl"
    assert run(capsys, "--scan", "hp,model", "--json", "-q", "-o", str(target)) == (0, "", "")
    assert target.read_text(encoding="utf-8") == out


def test_p_values_are_adjusted_within_each_term(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--scan", "hp,qsec,drat", "--adjust", "bonferroni", "--json")
    rows = [json.loads(line) for line in run(capsys, *words, formula="mpg ~ {}*wt")[1].splitlines()]
    assert [row["term"] for row in rows[:2]] == ["hp", "hp:wt"]
    assert all(row["p_adjusted"] == pytest.approx(min(1, 3 * row["p_value"])) for row in rows)
    rows = [json.loads(line) for line in run(capsys, *words[:3], "none", "--json")[1].splitlines()]
    assert {row["p_adjusted"] for row in rows} == {None}


def test_the_plain_way_has_a_gap_too(capsys: pytest.CaptureFixture[str]) -> None:
    plain = run(capsys, "--y", "mpg", "--x", "{},wt", "--scan", "hp,qsec", "--format", "csv", formula="")
    assert plain == run(capsys, "--scan", "hp,qsec", "--format", "csv")


def test_a_scan_of_which_nothing_is_left_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--scan", "model")[0] == 5


@pytest.mark.parametrize(
    ("words", "formula", "code"),
    [
        (["--scan", "nix*"], FORMULA, "scan_columns"),
        (["--scan", "hpp"], FORMULA, "unknown_column"),
        (["--scan", "mpg"], FORMULA, "scan_columns"),
        (["--scan", "*"], FORMULA, "scan_columns"),
        (["--scan", "hp,wt"], FORMULA, "scan_columns"),
        (["--scan", "hp:cyl"], FORMULA, "scan_columns"),
        (["--scan", "hp"], "mpg ~ wt", "scan_gap"),
        (["--scan", "hp"], "mpg ~ {} + {}:wt", "scan_gap"),
        (["--scan", "hp"], "mpg ~ x{} + wt", "scan_gap"),
        (["--scan", "hp"], "mpg ~ `{}` + wt", "scan_gap"),
        (["--scan", "hp"], "mpg ~ {} + .", "scan_gap"),
        (["--scan", "hp"], "mpg ~ wt + offset({})", "scan_gap"),
        (["--scan", "hp"], "mpg ~ {} + wtt", "unknown_column"),
        ([], FORMULA, "scan_gap"),
        (["--adjust", "bh"], "mpg ~ wt", "contradiction"),
        (["--firth-fallback"], "mpg ~ wt", "contradiction"),
        (["--scan", "hp", "--adjust", "best"], FORMULA, "invalid_value"),
        (["--scan", "hp", "--by", "cyl"], FORMULA, "contradiction"),
        (["--scan", "hp", "--save", "m.json"], FORMULA, "contradiction"),
        (["--scan", "hp", "--exp", "-f", "poisson"], FORMULA, "contradiction"),
        (["--scan", "hp", "--firth-fallback", "-f", "negative-binomial"], "carb ~ {}", "no_bias_reduction"),
    ],
)
def test_what_makes_no_sense_is_refused(
    words: list[str], formula: str, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, *words, formula=formula)
    assert (status in (2, 3), out) == (True, "")
    assert err.endswith(f"more: glmfit explain {code}\n")
    assert "\nhint: " in err
