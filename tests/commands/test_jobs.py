"""Files of jobs: each job's line is what its command gives alone; runs are cut off, killed and gone on with."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from glmfit.commands.app import main

ROOT = Path(__file__).resolve().parents[2]
DATA = str(ROOT / "sample_data" / "quine.csv")
FITS = {
    "plain": {"formulas": "Days ~ Sex + Age", "family": "poisson", "save": "plain.json"},
    "robust": {"formulas": ["Days ~ Sex + Age"], "freq_weights": None, "se": "hc1", "level": 0.9},
    "fixed": {"formulas": ["Days ~ Sex"], "fix": {"alpha": 1}, "link": {"mu": "log"}, "where": "Lrn == 'SL'"},
    "typo": {"formulas": ["Days ~ Sexx"]},
    "bad": {"formulas": ["Days ~ Sex"], "level": 95},
    "slow": {"formulas": ["Days ~ Sex"], "max-iter": 1, "tol": 1e-12},
}
ALONE = {
    "plain": ["--family", "poisson"],
    "robust": ["--family", "negative-binomial", "--se", "hc1", "--level", "0.9"],
    "fixed": ["-f", "negative-binomial", "--fix", "alpha=1", "--link", "log", "--where", "Lrn == 'SL'"],
    "slow": ["-f", "negative-binomial", "--max-iter", "1", "--tol", "1e-12"],
}
AFTER = {
    "means": {"command": "predict", "model": "plain.json", "interval": "none"},
    "files": {"command": "predict", "model": "plain.json", "output": "means.csv"},
    "tests": {"command": "test", "model": "plain.json", "hypotheses": ["Sex[T.M] = 0"]},
    "orphan": {"command": "test", "model": "gone.json", "hypotheses": ["Sex[T.M] = 0"]},
}
LOST = {"lost": {"formulas": "Days ~ Sexx", "save": "gone.json"}}


def write(folder: Path, jobs: dict[str, dict[str, Any]], **defaults: Any) -> str:
    lines = [{"defaults": {"data": DATA, "family": "negative-binomial", **defaults}}]
    lines += [{"id": name, **job} for name, job in jobs.items()]
    path = folder / "jobs.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return str(path)


def results(text: str) -> dict[str, dict[str, Any]]:
    return {document["id"]: document for document in map(json.loads, text.splitlines())}


def timeless(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in ("id", "job", "status", "seconds")}


def test_a_line_is_what_the_command_gives_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["batch", write(tmp_path, {**FITS, **LOST, **AFTER})]) == 6
    said = capsys.readouterr()
    found = results(said.out)
    assert list(found) == [*FITS, *LOST, *AFTER]
    assert said.err.splitlines()[0] == "11 of 11 jobs done, 5 failed"
    statuses = {name: document["status"] for name, document in found.items() if document["status"]}
    assert statuses == {"typo": 3, "bad": 2, "slow": 4, "lost": 3, "orphan": 3}
    assert found["typo"]["error"]["hint"] == "did you mean 'Sex'?"
    assert found["orphan"]["error"]["code"] == "job_needs"
    assert found["files"]["command"] == "predict"
    assert (tmp_path / "means.csv").read_text(encoding="utf-8").count("\n") == 147
    for name, options in ALONE.items():
        formula = FITS[name]["formulas"]
        main(["fit", DATA, formula if isinstance(formula, str) else formula[0], "--json", *options])
        assert timeless(json.loads(capsys.readouterr().out)) == timeless(found[name])
    main(["predict", str(tmp_path / "plain.json"), DATA, "--interval", "none", "--json"])
    assert found["means"]["rows"] == [json.loads(line) for line in capsys.readouterr().out.splitlines()]


MANY = {
    "groups": {"formulas": ["Days ~ Lrn"], "by": "Age"},
    "one": {"formulas": ["Days ~ Sex"], "by": "Eth", "where": "Eth == 'A'"},
    "columns": {"formulas": ["Days ~ {}"], "scan": "Sex:Lrn"},
    "file": {"formulas": ["Days ~ Sex"], "by": "Eth", "output": "groups.jsonl"},
}


def test_many_fits_of_one_job_are_a_list_in_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["batch", write(tmp_path, MANY, family="poisson")]) == 6
    found = results(capsys.readouterr().out)
    assert {name: document["status"] for name, document in found.items()} == {**dict.fromkeys(MANY, 0), "groups": 6}
    alone = {"groups": ["Days ~ Lrn", "--by", "Age"], "columns": ["Days ~ {}", "--scan", "Sex:Lrn"]}
    for name, words in alone.items():
        main(["fit", DATA, *words, "--family", "poisson", "--json"])
        documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert list(map(timeless, documents)) == list(map(timeless, found[name]["results"]))
    assert [document["group"] for document in found["one"]["results"]] == [{"Eth": "A"}]
    assert found["file"]["messages"] == ["2 groups: 2 fitted"]


KILLER = "import os, signal, torch\ndef log_density(y, mu):\n    os.kill(os.getpid(), signal.SIGKILL)\n"


def test_several_processes_keep_the_order_and_lose_only_the_job_that_kills_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "killer.py").write_text(KILLER, encoding="utf-8")
    killer = {**FITS["robust"], "family": "killer.py"}
    jobs = write(tmp_path, {"slow": FITS["slow"], "killer": killer, **LOST, "plain": FITS["plain"], **AFTER})
    assert main(["batch", jobs, "--jobs", "2"]) == 2
    assert "--allow-code" in capsys.readouterr().err
    assert main(["batch", jobs, "--jobs", "2", "--allow-code"]) == 6
    found = results(capsys.readouterr().out)
    assert list(found) == ["slow", "killer", "lost", "plain", *AFTER]
    statuses = {name: one["status"] for name, one in found.items() if one["status"]}
    assert statuses == {"slow": 4, "killer": 3, "lost": 3, "orphan": 3}
    assert found["killer"]["error"]["code"] == "worker_lost"
    assert found["orphan"]["error"]["code"] == "job_needs"


def test_toml_includes_and_paths_from_the_folder_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(DATA, tmp_path / "in" / "q.csv")
    (tmp_path / "in" / "more.toml").write_text(
        "[defaults]\nfamily = 'poisson'\n[[jobs]]\nid = 7\nformulas = ['Days ~ Sex']\n", encoding="utf-8"
    )
    (tmp_path / "jobs.toml").write_text(
        "include = 'in/more.toml'\n[defaults]\ndata = 'q.csv'\n[[jobs]]\nid = 'own'\ndata = 'in/q.csv'\n"
        "formulas = ['Days ~ Sex']\n",
        encoding="utf-8",
    )
    monkeypatch.chdir("/")
    assert main(["batch", str(tmp_path / "jobs.toml")]) == 0
    found = results(capsys.readouterr().out)
    assert [(name, one["model"]["family"]) for name, one in found.items()] == [("7", "poisson"), ("own", "gaussian")]


def test_each_column_is_read_once_and_anew_where_a_file_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from glmfit.table.delimited import DelimitedSource

    loads: list[list[int]] = []
    load = DelimitedSource.load

    def counted(self: DelimitedSource, positions: list[int], words: Any = ()) -> Any:
        loads.append(list(positions))
        return load(self, positions, words)

    monkeypatch.setattr(DelimitedSource, "load", counted)
    copy = tmp_path / "q.csv"
    shutil.copy(DATA, copy)
    rows = {"command": "predict", "model": "m.json", "output": "q.csv", "keep": "all"}
    jobs = {
        "a": {"formulas": "Days ~ Sex", "save": "m.json"},
        "b": {"formulas": "Days ~ Sex + Age"},
        "write": {**rows, "data": DATA},
        "c": {"formulas": "Days ~ Sex"},
    }
    assert main(["batch", write(tmp_path, jobs, data="q.csv")]) == 0
    found = results(capsys.readouterr().out)
    header = copy.read_text(encoding="utf-8").split("\n")[0].split(",")
    assert header.count("estimate") == 1
    fits = [[header[at] for at in one] for one in loads]
    assert fits[:2] == [["Days", "Sex"], ["Age"]]
    assert fits[-1] == ["Days", "Sex"]  # the file is another one since
    assert found["c"]["coefficients"] == found["a"]["coefficients"]


def test_a_run_that_was_cut_off_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = write(tmp_path, {name: job for name, job in FITS.items() if name != "slow"})
    whole, part = str(tmp_path / "whole.jsonl"), tmp_path / "part.jsonl"
    assert main(["batch", jobs, "-o", whole, "-q"]) == 6
    text = Path(whole).read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    part.write_text("".join(lines[:2]) + lines[2][:500], encoding="utf-8")
    assert main(["batch", jobs, "-o", str(part)]) == 2  # nothing is written over
    assert "holds 2 of 5 results" in capsys.readouterr().err
    assert main(["batch", jobs, "-o", str(part), "--resume"]) == 6
    assert capsys.readouterr().err.startswith("5 of 5 jobs done, 2 of them before, 2 failed")
    again = results(part.read_text(encoding="utf-8"))
    assert list(again) == list(results(text))
    assert {k: timeless(v) for k, v in again.items()} == {k: timeless(v) for k, v in results(text).items()}
    assert main(["batch", jobs, "-o", str(part), "--resume"]) == 6  # nothing is left to do, and some had failed
    assert part.read_text(encoding="utf-8").splitlines(keepends=True)[:2] == lines[:2]

    other = write(tmp_path, {**FITS, "robust": {**FITS["robust"], "se": "hc0"}})
    before = part.read_text(encoding="utf-8")
    assert main(["batch", other, "-o", str(part), "--resume"]) == 3
    assert "job 'robust' that was asked for otherwise" in capsys.readouterr().err
    assert part.read_text(encoding="utf-8") == before


def test_it_stops_at_the_first_failure_where_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = write(tmp_path, {"a": FITS["robust"], "b": FITS["typo"], "c": FITS["plain"]})
    assert main(["batch", jobs, "--fail-fast"]) == 6
    said = capsys.readouterr()
    assert list(results(said.out)) == ["a", "b"]
    assert said.err.splitlines() == ["2 of 3 jobs done, 1 failed", "failed: 'b'"]


def test_what_is_killed_loses_nothing_and_leaves_nobody_behind(tmp_path: Path) -> None:
    jobs = write(tmp_path, {str(at): FITS["robust"] for at in range(600)})
    output = tmp_path / "out.jsonl"
    words = [sys.executable, "-m", "glmfit", "batch", jobs, "-o", str(output), "--jobs", "2"]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, cwd=ROOT, start_new_session=True)
    deadline = time.monotonic() + 60
    while not (output.exists() and output.read_bytes().count(b"\n") >= 3):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    lines = output.read_bytes().splitlines(keepends=True)
    assert [json.loads(line)["id"] for line in lines if line.endswith(b"\n")][:3] == ["0", "1", "2"]
    deadline = time.monotonic() + 20
    while True:  # the workers end by themselves
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        assert time.monotonic() < deadline
        time.sleep(0.1)


BAD = {
    "": ("jobs.toml is empty", "one job a line"),
    "[[jobs]\nid=1": ("is not TOML: Expected ']]' at the end", "line 1"),
    '{"id": 1}\n{"id": 2,}': ("line 2 of", "is not JSON"),
    '{"formulas": "y ~ x"}': ("line 1 of", "has no id"),
    '{"id": " "}': ("the id", "name it"),
    '{"id": 1, "data": "d.csv"}\n{"id": "1", "data": "d.csv"}': ("two jobs have the id '1'", "line 2"),
    '{"id": "a", "formula": "y ~ x"}': ("unknown key 'formula'", "did you mean 'formulas'"),
    '{"id": "a", "command": "fit", "famly": "poisson"}': ("unknown key 'famly'", "did you mean 'family'?"),
    '{"id": "a", "command": "fitt"}': ("no command 'fitt'", "did you mean 'fit'?"),
    '{"id": "a", "exp": 1}': ("exp is 1", "true or false"),
    '{"id": "a", "se": ["hc0"]}': ('se is ["hc0"]', "a text or a number"),
    '{"id": "a", "json": true}': ("'json' is not for a job", "leave it out"),
    '{"id": "a", "data": "-"}': ("reads standard input", "write the data to a file"),
    '{"id": "a", "format": "csv"}': ("asks for csv", '"output": "FILE"'),
    '{"defaults": {"save": "m.json"}}\n{"id": "a"}': ("gives 'save' to all jobs", "each job its own"),
    '{"id": "a", "save": "m.json"}\n{"id": "b", "save": "m.json"}': ("which job 'a' writes as well", "of its own"),
    '{"include": "jobs.toml"}': ("jobs.toml includes jobs.toml", "leave one"),
    '{"include": "none.toml"}': ("no file", "none.toml"),
    "[defaults]\nx = 1\n[[job]]\nid = 1": ("unknown key 'job'", "did you mean 'jobs'?"),
}


@pytest.mark.parametrize("text", BAD, ids=[said[0] for said in BAD.values()])
def test_what_is_wrong_with_a_file_of_jobs_is_said_before_anything_runs(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "jobs.toml"
    path.write_text(text, encoding="utf-8")
    output = tmp_path / "out.jsonl"
    assert main(["batch", str(path), "-o", str(output)]) == 3
    said = capsys.readouterr().err
    for words in BAD[text]:
        assert words in said
    assert not output.exists()


def test_a_file_of_results_must_be_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = write(tmp_path, {"a": FITS["typo"]})
    for output, words in ((str(tmp_path), "it is a folder"), (str(tmp_path / "no" / "x"), "does not exist")):
        assert main(["batch", jobs, "-o", output]) == 3
        assert words in capsys.readouterr().err
    assert main(["batch", jobs, "-o", "/dev/full"]) == 3
    assert "no space is left" in capsys.readouterr().err
    assert main(["batch", jobs, "--resume"]) == 2
    assert main(["batch", jobs, "-o", jobs]) == 2
    (tmp_path / "o.jsonl").write_text('{"a": 1}\n', encoding="utf-8")
    assert main(["batch", jobs, "-o", str(tmp_path / "o.jsonl"), "--resume"]) == 3
    assert "is not a result of a job" in capsys.readouterr().err
