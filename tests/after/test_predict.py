"""`glmfit predict`: rows and their order, what is missing or new, offsets, formats, and files read in runs."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import glmfit
from glmfit.commands.app import main
from glmfit.errors import DataError, GlmfitError

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """A command in a folder of its own: its status and what it wrote."""
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    monkeypatch.chdir(tmp_path)

    def one(*words: str) -> tuple[int, str, str]:
        status = main(list(words))
        return (status, *capsys.readouterr())

    return one


@pytest.fixture
def claims(run: Run) -> Run:
    """The commands, beside a model with an exposure and two factors in model.json."""
    words = ("fit", "sample_data/insurance.csv", "Claims ~ C(District) + Group + Age", "-f", "poisson")
    assert run(*words, "--exposure", "Holders", "--save", "model.json", "-o", "fit.txt")[0] == 0
    return run


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_table_has_a_row_for_each_row_in_their_order(claims: Run) -> None:
    status, out, err = claims("predict", "model.json", "sample_data/insurance.csv", "--keep", "Age,Claims")
    assert (status, err) == (0, "")
    found = rows(out)
    data = rows(Path("sample_data/insurance.csv").read_text())
    assert list(found[0]) == ["Age", "Claims", "estimate", "std_error", "conf_low", "conf_high"]
    assert [row["Age"] for row in found] == [row["Age"] for row in data]
    # The score equations of a Poisson model: the predicted claims of each group add up to those observed.
    for group in {row["Age"] for row in data}:
        predicted = sum(float(row["estimate"]) for row in found if row["Age"] == group)
        assert predicted == pytest.approx(sum(float(row["Claims"]) for row in data if row["Age"] == group), rel=1e-9)


def test_an_exposure_is_never_left_out_silently(claims: Run) -> None:
    Path("new.csv").write_text("District,Group,Age,people\n2,<1l,25-29,50\n")
    status, out, err = claims("predict", "model.json", "new.csv")
    assert (status, out) == (3, "")
    assert "exposure 'Holders'" in err
    assert "--exposure 1" in err
    _, rate, _ = claims("predict", "model.json", "new.csv", "--exposure", "1")
    _, fifty, _ = claims("predict", "model.json", "new.csv", "--exposure", "people")
    assert float(rows(fifty)[0]["estimate"]) == pytest.approx(50 * float(rows(rate)[0]["estimate"]), rel=1e-12)
    assert claims("predict", "model.json", "new.csv", "--exposure", "0")[0] == 2
    assert claims("predict", "model.json", "new.csv", "--exposure", "1", "--offset", "1")[0] == 2


NEW = "District,Group,Age,Holders\n1,<1l,<25,10\n1,huge,<25,10\n1,,<25,10\n9,<1l,<25,10\n1,<1l,<25,20\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [(2, "'Group' is 'huge' in row 1, a level"), (3, "'Group' is missing in row 1"), (4, "row 1: '9' is not among")],
)
def test_what_the_model_does_not_know_is_an_error_with_row_and_value(claims: Run, line: int, said: str) -> None:
    text = NEW.splitlines()
    Path("new.csv").write_text("\n".join([text[0], text[line]]) + "\n")
    status, out, err = claims("predict", "model.json", "new.csv")
    assert (status, out) == (3, "")
    assert said in err


def test_such_rows_are_kept_without_an_answer(claims: Run) -> None:
    Path("new.csv").write_text(NEW)
    status, out, err = claims("predict", "model.json", "new.csv", "--missing", "keep", "--keep", "all")
    assert status == 0
    assert [row["estimate"] == "" for row in rows(out)] == [False, True, True, True, False]
    assert [row["Holders"] for row in rows(out)] == ["10", "10", "10", "10", "20"]
    assert "3 rows have no estimate" in err
    _, out, _ = claims("predict", "model.json", "new.csv", "--missing", "keep", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert lines[1] == dict.fromkeys(["estimate", "std_error", "conf_low", "conf_high"])


def test_a_column_is_read_as_the_model_knows_it(tmp_path: Path) -> None:
    data = {"y": [1, 2, 3, 4, 5, 7], "code": ["01", "1", "x", "01", "1", "x"], "b": [True, False] * 3}
    fit = glmfit.fit("y ~ code + b", data)
    (tmp_path / "new.csv").write_text("code,b\n01,true\n1,false\n")
    found = fit.predict(str(tmp_path / "new.csv"))
    np.testing.assert_allclose(found["estimate"], fit.predict(data)["estimate"][[0, 1]])
    for code, b in (("2", "true"), ("1", "3")):
        (tmp_path / "new.csv").write_text(f"code,b\n{code},{b}\n")
        with pytest.raises(DataError):
            fit.predict(str(tmp_path / "new.csv"))
    with pytest.raises(DataError, match="no column 'b'"):
        fit.predict({"code": ["1"]})


def test_a_term_that_was_aliased_has_no_prediction_where_it_is_not(tmp_path: Path) -> None:
    data = {"y": [1.0, 2, 3, 5, 4, 6], "a": list("uuvvuu"), "b": list("pqppqp")}  # v and q never meet
    fit = glmfit.fit("y ~ a * b", data)
    assert fit.identification.aliased == ("a[T.v]:b[T.q]",)
    new = {"a": ["v", "v"], "b": ["p", "q"]}
    with pytest.raises(DataError, match=r"row 2: 'a\[T\.v\]:b\[T\.q\]' has no coefficient"):
        fit.predict(new)
    kept = fit.predict(new, missing="keep")
    assert kept["estimate"].isna().tolist() == [False, True]
    assert kept["estimate"][0] == pytest.approx(4.0)


def test_separated_rows_have_the_limit_and_no_standard_error() -> None:
    data = {"y": [1, 1, 1, 0, 1, 0, 1, 0], "g": list("aaabbbcc")}
    found = glmfit.fit("y ~ 0 + g", data, family="binomial").predict({"g": ["a", "b"]})
    assert found["estimate"][0] == 1.0
    assert np.isnan(found["std_error"][0])
    assert found["estimate"][1] == pytest.approx(1 / 3)
    assert found["std_error"][1] == pytest.approx(np.sqrt(2 / 27))


def test_robust_errors_stay_robust() -> None:
    data = pd.read_csv(ROOT / "sample_data" / "warpbreaks.csv")
    fit = glmfit.fit("breaks ~ 0 + wool:tension", data, family="poisson", se="hc0")
    cells = data.groupby(["wool", "tension"])["breaks"]
    expected = (
        np.sqrt(((data["breaks"] - cells.transform("mean")) ** 2).groupby([data["wool"], data["tension"]]).sum()) / 9
    )
    found = fit.predict(data).groupby([data["wool"], data["tension"]])["std_error"].first()
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_an_interval_ends_where_the_range_does() -> None:
    data = {"y": [0, 0, 1, 0, 0, 2, 9, 11], "g": list("aaaaaabb")}
    found = glmfit.fit("y ~ g", data, family="poisson", links={"mu": "identity"}).predict(
        {"g": ["a", "b"]}, level=0.999
    )
    assert found["conf_low"][0] == 0.0
    assert found["conf_low"][1] > 0


def test_probabilities_in_long_and_wide_form(run: Run) -> None:
    words = ("fit", "sample_data/housing.csv", "Sat ~ Infl", "--levels", "Low,Medium,High", "--freq-weights", "Freq")
    assert run(*words, "-f", "multinomial", "--save", "m.json", "-o", "fit.txt")[0] == 0
    _, long, _ = run("predict", "m.json", "sample_data/housing.csv", "--keep", "Infl")
    _, wide, _ = run("predict", "m.json", "sample_data/housing.csv", "--wide")
    first, *_ = rows(wide)
    assert list(first) == ["Low", "Medium", "High"]
    assert sum(map(float, first.values())) == pytest.approx(1, abs=1e-12)
    assert [(row["row"], row["level"], row["estimate"]) for row in rows(long)[:3]] == [
        ("1", level, value) for level, value in first.items()
    ]
    assert run("predict", "m.json", "sample_data/housing.csv", "--of", "mean")[0] == 2


def test_formats(claims: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "sample_data/insurance.csv"
    _, out, _ = claims("predict", "model.json", source, "--keep", "District,Age")
    table = pd.read_csv(io.StringIO(out))
    for name, read in (("p.parquet", pd.read_parquet), ("p.csv", pd.read_csv)):
        assert claims("predict", "model.json", source, "--keep", "District,Age", "-o", name)[0] == 0
        frame = read(name)
        np.testing.assert_array_equal(frame["estimate"], table["estimate"])
        assert list(frame) == list(table)
    _, out, _ = claims("predict", "model.json", source, "--keep", "District,Age", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert pd.DataFrame(lines).equals(table)
    assert claims("predict", "model.json", source, "--format", "markdown")[1].startswith("| estimate |")
    text = Path(source).read_bytes()
    Path("c.csv.gz").write_bytes(gzip.compress(text))
    pd.read_csv(source).to_parquet("c.parquet")
    for other in ("c.csv.gz", "c.parquet"):
        _, out, _ = claims("predict", "model.json", other)
        np.testing.assert_array_equal(pd.read_csv(io.StringIO(out))["estimate"], table["estimate"])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    _, out, _ = claims("predict", "model.json", "-")
    np.testing.assert_array_equal(pd.read_csv(io.StringIO(out))["estimate"], table["estimate"])
    assert claims("predict", "model.json", source, "--format", "parquet")[0] == 2
    assert claims("predict", "model.json", source, "-o", "model.json")[0] == 2


def test_a_file_in_many_runs_is_the_same_file(claims: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where line ends stand within quotes; an error in a later run names the row, and leaves nothing behind."""
    lines = Path("sample_data/insurance.csv").read_text().splitlines()
    note = '"one ""quoted"" line\nand another, with a comma"'
    text = "\n".join([f"{lines[0]},note", *(f"{line},{note}" for line in lines[1:])]) + "\n"
    Path("long.csv").write_text(text)
    _, whole, _ = claims("predict", "model.json", "long.csv", "--keep", "note,Age")
    monkeypatch.setattr("glmfit.table.delimited._RUN", 300)
    _, runs, _ = claims("predict", "model.json", "long.csv", "--keep", "note,Age")
    assert runs == whole
    assert rows(runs)[5]["note"] == 'one "quoted" line\nand another, with a comma'
    Path("long.csv").write_text(text.replace("4,>2l,25-29", "4,>2l,young"))
    status, out, err = claims("predict", "model.json", "long.csv", "-o", "gone.csv")
    assert (status, out) == (3, "")
    assert "'Age' is 'young' in row 62" in err
    assert not Path("gone.csv").exists()
    assert not list(Path().glob(".glmfit-*"))


def test_what_cannot_be_asked_is_told_by_name() -> None:
    fit = glmfit.fit("y ~ x", {"y": [1, 2, 3, 5], "x": [1.0, 2, 3, 5]}, family="quasi-poisson")
    for of in ("alpha", "zero", "quantile:0.5", "quantile:2", "tail:x", "probabilities", "meen"):
        with pytest.raises(GlmfitError) as caught:
            fit.predict({"x": [1.0]}, of=of)
        assert caught.value.exit_code == 2
