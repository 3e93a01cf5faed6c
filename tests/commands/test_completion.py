"""What a shell is offered at the TAB key, how soon, and that bash puts it on the line."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
import typer
from pyarrow import parquet

from glmfit.commands.app import app, main
from glmfit.commands.complete import VARIABLE, complete
from glmfit.commands.completion import SHELLS, word_table

WORDS = word_table(typer.main.get_command(app))
FILES = Path(__file__).resolve().parents[1] / "table" / "files"
HEADER = "y,age,my col,Solar.R,sex\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d.csv").write_text(HEADER + "1,2,3,4,f\n", encoding="utf-8")
    (tmp_path / "semi;colon.csv").write_text("a;b\n1;2\n", encoding="utf-8")
    (tmp_path / "d.csv.gz").write_bytes(gzip.compress(HEADER.encode()))
    (tmp_path / "d.utf16").write_bytes("sep=\t\ny\tage\n".encode("utf-16"))
    (tmp_path / "broken.csv").write_bytes(b"PAR1 and nothing more")
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 300)
    (tmp_path / "own.py").write_text("y,age\n", encoding="utf-8")
    parquet.write_table(pa.table({"p": [1], "q": [2]}), tmp_path / "d.parquet")
    for name in ("haven.dta", "openxlsx.xlsx", "pandas.ods", "pandas.feather", "pandas.jsonl", "protected.xlsx"):
        shutil.copy(FILES / name, tmp_path)
    (tmp_path / "d.bz2").write_bytes(bz2.compress(HEADER.encode()))
    (tmp_path / "d.xz").write_bytes(lzma.compress(HEADER.encode()))
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        archive.writestr("folder/d.csv", HEADER)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "part-1.csv").write_text(HEADER, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("glmfit f", ["fit", "families"]),
        ("glmfit --v", ["--version"]),
        ("glmfit nothing ", []),
        ("glmfit fit ", []),
        ("glmfit fit d", []),
        ("glmfit fit d.csv --wh", ["--where"]),
        ("glmfit check own.py d.csv --wh", ["--where"]),
        ("glmfit fit d.csv --y ", ["y", "age", "my col", "Solar.R", "sex"]),
        ("glmfit fit --y s d.csv", []),
        *((f"glmfit fit d.{ending} --y s", ["sex"]) for ending in ("bz2", "xz", "zip")),
        *((f"glmfit fit {path} --y s", ["sex"]) for path in ("folder", "'folder/*.csv'")),
        *((f"glmfit fit {name} --y bre", ["breaks"]) for name in ("haven.dta", "openxlsx.xlsx", "pandas.ods")),
        *((f"glmfit fit {name} --y bre", ["breaks"]) for name in ("pandas.feather", "pandas.jsonl")),
        ("glmfit fit protected.xlsx --y ", []),
        ("glmfit fit d.csv --json --weights s", ["sex"]),
        ("glmfit fit d.csv --weights=s", ["--weights=sex"]),
        ("glmfit fit d.csv --x age,S", ["age,Solar.R"]),
        ("glmfit fit d.csv --x age,log(s", ["age,log(sex"]),
        ("glmfit fit d.csv a", ["age"]),
        ("glmfit fit d.csv 'y ~ log(ag", ["y ~ log(age"]),
        ("glmfit fit d.csv 'y ~ ", ["y ~ y", "y ~ age", "y ~ `my col`", "y ~ Solar.R", "y ~ sex"]),
        ('glmfit fit d.csv "y ~ age + Sol', ["y ~ age + Solar.R"]),
        ("glmfit fit d.csv 'y ~ age' 'alpha ~ se", ["alpha ~ sex"]),
        ("glmfit fit d.csv 'y ~ age' --where 'age > 3 & s", ["age > 3 & sex"]),
        ("glmfit fit d.csv --se cl", ["cluster:"]),
        ("glmfit fit d.csv --se cluster:age,s", ["cluster:age,sex"]),
        ("glmfit fit d.csv --family poi", ["poisson", "poisson-inverse-gaussian"]),
        ("glmfit fit d.csv -f tw", ["tweedie"]),
        ("glmfit fit d.csv --link alpha=clo", ["alpha=cloglog"]),
        ("glmfit fit d.csv --missing ", ["drop", "error"]),
        ("glmfit fit d.csv --bias-reduction ", ["firth"]),
        ("glmfit fit d.csv --optimizer t", ["trust-exact"]),
        ("glmfit fit d.csv --format=m", ["--format=markdown"]),
        ("glmfit fit d.csv --output ", []),
        ("glmfit fit d.csv --level ", []),
        ("glmfit check own.py d.csv --y a", ["age"]),
        ("glmfit families gau", ["gaussian"]),
        ("glmfit explain outside_b", ["outside_breaks"]),
        ("glmfit completion f", ["fish"]),
        ("glmfit fit 'semi;colon.csv' --y ", ["a", "b"]),
        (r"glmfit fit semi\;colon.csv --y ", ["a", "b"]),
        ("glmfit fit d.csv.gz --y s", ["sex"]),
        ("glmfit fit d.utf16 --y a", ["age"]),
        ("glmfit fit d.parquet --y ", ["p", "q"]),
        ("glmfit fit broken.csv --y ", []),
        ("glmfit fit binary --y ", []),
        ("glmfit fit - --y ", []),
        ("glmfit fit missing.csv --y ", []),
        ("", ["fit", "check", "families", "completion", "explain", "--help", "--version"]),
    ],
)
def test_what_is_offered(line: str, expected: list[str]) -> None:
    found = complete(line, WORDS)
    assert found == expected if line else set(expected) <= set(found)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("glmfit fit d.csv --y my", [r"my\ col"]),
        ("glmfit fit d.csv --y 'my", ["my col"]),
        ("glmfit fit d.csv --se cluster:a", ["age"]),
        ("glmfit fit d.csv --family=poisson --weights=s", ["sex"]),
        ('glmfit fit d.csv "y ~ age + ', [r"y ~ age + \`my col\`"]),
    ],
)
def test_bash_gets_what_it_puts_on_the_line(line: str, expected: list[str]) -> None:
    assert [word for word in complete(line, WORDS, "bash") if word in expected] == expected


def test_every_option_is_offered() -> None:
    for name in ("fit", "check"):
        options = WORDS["commands"][name]["options"]
        assert set(complete(f"glmfit {name} d.csv --", WORDS)) == {o for o in options if o.startswith("--")} | {
            "--help"
        }
        # an option whose value is one of some words, or a column, offers them
        for option in ("--y", "--x", "--weights", "--offset", "--exposure", "--where", "--missing", "--link"):
            assert complete(f"glmfit {name} own.py d.csv {option} ", WORDS), option


def test_the_table_is_small_and_of_texts_alone() -> None:
    assert json.loads(json.dumps(WORDS)) == WORDS
    assert len(json.dumps(WORDS)) < 30_000


def test_a_script_is_printed_for_each_shell(capsys: pytest.CaptureFixture[str]) -> None:
    for shell in SHELLS:
        assert main(["completion", shell]) == 0
        out = capsys.readouterr().out
        assert VARIABLE in out
        assert "negative-binomial" in out
    assert main(["completion", "tcsh"]) == 2
    assert "'tcsh' is not one of bash, zsh, fish" in capsys.readouterr().err


def test_it_loads_nothing_that_takes_time(folder: Path) -> None:
    program = """
import sys
sys.argv = ["glmfit", "--complete", "bash", "glmfit fit d.csv --y a"]
from glmfit.__main__ import run
try:
    run()
finally:
    heavy = {"numpy", "torch", "typer", "pandas", "pyarrow", "scipy", "rich"} & set(sys.modules)
    print(sorted(heavy))
"""
    environment = {**os.environ, VARIABLE: json.dumps(WORDS)}
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment
    )
    assert (found.returncode, found.stdout.split()) == (0, ["age", "[]"]), found.stderr


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("glmfit fi", ["fit"]),
        ("glmfit fit d.csv --y a", ["age"]),
        ("glmfit fit d.csv --se cluster:se", ["sex"]),
        ("glmfit fit d.csv 'y ~ age + Sol", ["y ~ age + Solar.R"]),
        ("glmfit fit d.csv --y my", [r"my\ col"]),
    ],
)
def test_bash_completes(line: str, expected: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    (folder / "script").write_text(capsys.readouterr().out, encoding="utf-8")
    (folder / "glmfit").write_text(f'#!/bin/sh\nexec {sys.executable} -m glmfit "$@"\n', encoding="utf-8")
    (folder / "glmfit").chmod(0o755)
    program = """
        export PATH="$PWD:$PATH"; source ./script
        COMP_LINE=$1; COMP_POINT=${#1}; read -ra COMP_WORDS <<< "$1"; COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _glmfit && printf '%s\\n' "${COMPREPLY[@]}"
        complete -p glmfit
    """
    root = str(Path(__file__).resolve().parents[2])
    found = subprocess.run(
        ["bash", "--norc", "-c", program, "bash", line],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": root},
    )
    *offered, installed = found.stdout.splitlines()
    assert offered == expected, found.stderr
    assert installed == "complete -o default -F _glmfit glmfit"
