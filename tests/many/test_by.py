"""Groups: a record for each in order, a failure among them, and every form tells the same."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from streamed import in_files

from glmfit.commands.app import main
from glmfit.errors import GlmfitError
from glmfit.many.groups.run import fit_groups
from glmfit.many.groups.split import grouped
from glmfit.report import schema
from glmfit.spec import ModelSpec
from glmfit.table import open_data

QUINE = ["fit", "sample_data/quine.csv", "Days ~ Sex + Lrn", "-f", "nb", "--by", "Age,Eth"]


def small(tmp_path: Path) -> str:
    """Ten groups: healthy ones, of one row, of a constant response, separated, without a complete row; rows of none."""
    random = np.random.default_rng(5)
    lines = ["g,h,x,y"]
    for g in (10, 9, 2):
        for h in ("b", "a"):
            lines += [f"{g},{h},{x:.6f},{random.poisson(3)}" for x in random.normal(size=12)]
    lines += ["1,a,0.5,3", "3,a,1,0", "3,a,2,0", "3,a,3,0", "4,a,,3", "4,a,,1", ",a,1,1", "2,,1,1", "2,a,1,2"]
    path = tmp_path / "small.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_groups_come_in_the_order_of_their_values(tmp_path: Path) -> None:
    table = open_data(small(tmp_path)).read(["g", "h"])
    groups = grouped(table, ["g", "h"])
    keys = [(*key.values(),) for key in groups.keys(range(len(groups)))]
    assert keys == [(1, "a"), (2, "a"), (2, "b"), (3, "a"), (4, "a"), (9, "a"), (9, "b"), (10, "a"), (10, "b")]
    assert groups.missing == 2
    assert groups.rows([0]).tolist() == [72]
    assert groups.rows([1]).tolist() == [*range(60, 72), 80]


@pytest.mark.parametrize("sorted_by", [None, "g,h"])
def test_groups_of_a_file_that_is_larger_than_memory(
    sorted_by: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same lines, whether rows of a group stand side by side or not; the second does not go without any room."""
    path = small(tmp_path)
    if sorted_by:
        header, *lines = Path(path).read_text().splitlines()
        Path(path).write_text("\n".join([header, *sorted(lines, key=lambda line: line.split(",")[:2])]) + "\n")
    asked = ["fit", path, "y ~ x", "-f", "poisson", "--by", "g,h", "--overall", "--where", "x < 1.5", "--json", "-q"]

    def told() -> tuple[list[object], list[float]]:
        """What is said of each group, and its numbers to ten digits."""
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        said = [[line["group"], line.get("data"), line.get("error"), line.get("warnings")] for line in lines]
        rows = [row for line in lines for row in line.get("coefficients", ())]
        numbers = [row[name] or 0.0 for row in rows for name in ("estimate", "std_error")]
        return said, numbers

    assert main(asked) == 6
    said, numbers = told()
    with in_files(15):
        monkeypatch.setattr("glmfit.rows.room.room_for", lambda spec: 100)
        assert main(asked) == 6
        assert told() == (said, pytest.approx(numbers, rel=1e-10))
        monkeypatch.setattr("glmfit.many.groups.run.room_for", lambda spec: 100)
        assert main(asked[:-1]) == (6 if sorted_by else 3)
    printed = capsys.readouterr().err
    assert sorted_by or ("h = a stand apart, in row" in printed and "sort " in printed)


def test_a_smooth_is_told_by_its_degrees_of_freedom(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(2)
    x = random.uniform(size=160)
    rows = zip(np.repeat(["a", "b"], 80), x, random.poisson(np.exp(1 + np.sin(6 * x))), strict=True)
    path = tmp_path / "curve.csv"
    path.write_text("g,x,y\n" + "".join(f"{g},{x:.6f},{y}\n" for g, x, y in rows))
    assert main(["fit", str(path), "y ~ s(x, k=5)", "-f", "poisson", "--by", "g"]) == 0
    header = capsys.readouterr().out.splitlines()[0]
    assert header.split() == ["g", "n", "Intercept", "edf", "s(x,", "k=5)", "Outcome"]


def test_a_failure_is_a_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = small(tmp_path)
    assert main(["fit", path, "y ~ x", "-f", "poisson", "--by", "g,h", "--overall", "--json"]) == 6
    printed = capsys.readouterr()
    lines = [json.loads(line) for line in printed.out.splitlines()]
    for line in lines:
        jsonschema.validate(line, schema(line["schema"]), jsonschema.Draft202012Validator)
        assert next(iter(line)) == "group"
    assert [line["group"] for line in lines][:2] == [{"g": 1, "h": "a"}, {"g": 2, "h": "a"}]
    assert lines[-1]["group"] is None
    assert lines[-1]["data"]["rows_read"] == 81
    assert [line["data"]["rows_used"] for line in lines if "data" in line] == [1, 13, 12, 3, 12, 12, 12, 12, 79]
    assert {line["group"]["g"]: line["error"]["code"] for line in lines if "error" in line} == {4: "no_rows"}
    assert "10 models: 8 fitted, 2 not (" in printed.err
    assert "2 rows have no value in --by" in printed.err


def test_a_group_is_the_fit_of_its_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*QUINE, "--json", "-q"]) == 6
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert main([*QUINE[:5], "--json", "--where", "Age == 'F1' & Eth == 'N'"]) == 0
    alone = json.loads(capsys.readouterr().out)
    (line,) = [line for line in lines if line["group"] == {"Age": "F1", "Eth": "N"}]
    assert line["data"]["rows_read"] == line["data"]["rows_used"] == alone["data"]["rows_used"]
    for key in ("schema", "version", "identification", "warnings", "statistic"):
        assert line[key] == alone[key]
    for ours, theirs in zip(line["coefficients"], alone["coefficients"], strict=True):
        assert ours["term"] == theirs["term"]
        for key in ("estimate", "std_error", "p_value", "conf_low"):
            assert ours[key] == pytest.approx(theirs[key], rel=1e-10)


def test_csv_is_tidy_and_has_the_failures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*QUINE, "--format", "csv", "-q", "--overall"]) == 6
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert list(rows[0])[:5] == ["Age", "Eth", "n", "outcome", "parameter"]
    assert len(rows) == 7 * 5 + 2
    assert [row["outcome"] for row in rows if not row["parameter"]] == ["single_level"] * 2
    assert rows[-1]["Age"] == ""
    assert rows[-1]["n"] == "146"


def test_the_table_fits_80_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    main(["fit", "sample_data/mtcars.csv", "mpg ~ wt + hp + qsec + drat + disp + am", "--by", "vs", "--overall"])
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert "(all)" in text
    assert "1 more term: am" in text
    main(["fit", "sample_data/mtcars.csv", "mpg ~ wt", "--by", "vs", "--format", "markdown"])
    assert "| 0 | 18 | 29.53 (2.32)" in capsys.readouterr().out


def test_a_file_has_whole_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "out.jsonl"
    assert main([*QUINE, "--json", "-o", str(target)]) == 6
    assert len(target.read_text(encoding="utf-8").splitlines()) == 8
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "8 groups: 6 fitted, 2 not (2 single_level)" in printed.err


@pytest.mark.parametrize(
    ("by", "formula", "options", "code", "said"),
    [
        ("cyll", "mpg ~ wt", {}, "unknown_column", "no column 'cyll'"),
        ("cyl,cyl", "mpg ~ wt", {}, "contradiction", "twice"),
        ("cyl", "mpg ~ wt + cyl", {}, "by_in_model", "a part of the model"),
        ("vs", "vs ~ wt", {}, "by_in_model", "the response"),
        ("cyl", "mpg ~ wt", {"se": "cluster:cyl"}, "by_in_model", "a part of the model"),
        ("qsec", "mpg ~ wt", {}, "by_decimals", "16.46 in row 1"),
        ("model", "mpg ~ wt", {}, "by_identifier", "value of its own in every row"),
        ("cyl", "mpg ~ wtt", {}, "unknown_column", "wtt"),
    ],
)
def test_bad_input(by: str, formula: str, options: dict[str, str], code: str, said: str) -> None:
    spec = ModelSpec(formulas=(formula,), **options)
    with pytest.raises(GlmfitError, match=said) as caught:
        fit_groups(spec, "sample_data/mtcars.csv", by.split(","))
    assert caught.value.code == code


@pytest.mark.parametrize("extra", [["--save", "m.json"], ["--verbose"], ["--all-levels"], ["--plot"]])
def test_options_of_one_model_are_refused(extra: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*QUINE, *extra]) == 2
    assert f"{extra[0]} is for one" in capsys.readouterr().err


def test_overall_needs_groups(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "sample_data/mtcars.csv", "mpg ~ wt", "--overall"]) == 2
    assert "add --by COLUMN" in capsys.readouterr().err
