"""`glmfit explain`: every code in the source is explained, none besides, and every example does end in its code."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import glmfit
from glmfit import errors
from glmfit.commands import output
from glmfit.commands.app import main
from glmfit.errors import GlmfitError, UsageError
from glmfit.explain import Explanation, explanations, find, pages
from glmfit.report import schema

ROOT = Path(__file__).resolve().parents[2]
SOURCES = tuple(sorted((ROOT / "glmfit").rglob("*.py")))
ALL = {explanation.code: explanation for explanation in explanations()}
FINDINGS = {code for code, explanation in ALL.items() if explanation.kind == "finding"}

# Modules whose errors take their code from a table: the codes in it.
COMPUTED_CODES = {
    "parser.py": {"unknown_option", "missing_argument", "invalid_value", "usage"},
    "check.py": {"bad_density", "bad_derivative", "bad_start", "not_row_wise"},
    "output.py": {code for code, _, _ in output.REASONS.values()} | {"output"},
}
# What no command on any machine brings about.
WITHOUT_EXAMPLE = {
    "internal",
    "incomplete_column",
    "malformed_file",
    "no_permission",  # the superuser has every permission
    "output",
    "job_needs",  # a result of `glmfit batch`, which itself has another status
    "worker_lost",
    "hessian_not_positive_definite",
    "negative_variance",
    "worse_than_null",
    "separation_undecided",
    "password",  # a program that encrypts would be needed,
    "missing_extra",  # a library not installed,
    "some_labels",  # or a program that writes such files
    "file_changed",  # at the right moment
    "spill_full",  # a disk of their own,
    "no_scheduler",  # ten seconds,
    "scheduler_lost",  # or a cluster
    "bad_worker",
    "worker_killed",
}


# ---- Every code ----


def raised() -> Iterator[tuple[str, int]]:
    """Every (code, exit status) of the errors made in the source."""
    classes = {name: cls for name, cls in vars(errors).items() if isinstance(cls, type) and hasattr(cls, "exit_code")}
    for path, call in calls(set(classes)):
        codes = set(literals(call.args[0])) or COMPUTED_CODES[path.name]
        yield from ((code, classes[name_of(call)].exit_code) for code in codes)


def found() -> set[str]:
    """The code of every finding made in the source."""
    return {code for _, call in calls({"Finding"}) for code in literals(call.args[0])}


def calls(names: set[str]) -> Iterator[tuple[Path, ast.Call]]:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and name_of(node) in names:
                yield path, node


def name_of(call: ast.Call) -> str:
    """The name that is called, with or without its module."""
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def literals(node: ast.expr) -> Iterator[str]:
    """The codes that an argument can be: a text, or one of two; nothing for what is computed."""
    if isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.IfExp):
        yield from literals(node.body)
        yield from literals(node.orelse)


def test_every_error_is_explained_with_its_status() -> None:
    statuses: dict[str, set[int]] = {}
    for code, status in raised():
        statuses.setdefault(code, set()).add(status)
    assert len(statuses) > 90
    assert statuses == {code: set(one.statuses) for code, one in ALL.items() if one.kind == "error"}


def test_every_finding_is_explained() -> None:
    assert len(found()) > 15
    assert found() == FINDINGS


@pytest.mark.parametrize("explanation", ALL.values(), ids=list(ALL))
def test_an_explanation_is_complete(explanation: Explanation) -> None:
    assert len(explanation.summary) <= 46  # one line of the list
    for sentences in (explanation.summary, explanation.meaning, explanation.remedy):
        assert sentences.endswith(".")
        assert "  " not in sentences
        assert sentences.count("`") % 2 == 0
    assert sorted(explanation.statuses) == list(explanation.statuses)
    assert bool(explanation.example) == (explanation.code not in WITHOUT_EXAMPLE)


# ---- Every example ----


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the sample data, where an example may write what it likes."""
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


EXAMPLES = [explanation for explanation in ALL.values() if explanation.example]


@pytest.mark.parametrize("explanation", EXAMPLES, ids=[explanation.code for explanation in EXAMPLES])
def test_an_example_gives_its_code(
    explanation: Explanation, checkout: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if explanation.code == "too_large":
        monkeypatch.setattr("glmfit.memory.available", lambda: 20_000_000_000)
    *before, last = explanation.example
    if last.startswith(">>> "):
        code, status = python(*before, last)
    else:
        for line in before:
            if line.startswith("glmfit "):
                assert main(shlex.split(line)[1:]) in (0, 4, 5)  # with a finding, a result is written all the same
                capsys.readouterr()
            else:
                subprocess.run(["sh", "-c", line], check=True, timeout=60)
        code, status = shell(last, capsys)
    assert explanation.code in code
    assert status in explanation.statuses


def python(*lines: str) -> tuple[set[str], int]:
    """The code and the exit status of the error that the last of some lines of Python ends in."""
    *before, last = (line.removeprefix(">>> ") for line in lines)
    names: dict[str, Any] = {"glmfit": glmfit}
    for line in before:
        exec(line, names)
    with pytest.raises(GlmfitError) as caught:
        exec(last, names)
    return {caught.value.code}, caught.value.exit_code


def shell(line: str, capsys: pytest.CaptureFixture[str]) -> tuple[set[str], int]:
    """The codes that a command points to at its end, and its exit status."""
    if line.startswith("("):  # redirections and limits are those of a process of its own
        command = f'glmfit() {{ "{sys.executable}" -m glmfit "$@"; }}; {line}'
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, env=environment)
        status, text = done.returncode, done.stdout + done.stderr
    else:
        status = main(shlex.split(line)[1:])
        text = "".join(capsys.readouterr())
    more = re.search(r"^(?:more|More): glmfit explain ([\w\s]+)\Z", text, flags=re.MULTILINE)
    assert more is not None, text
    return set(more[1].split()), status


# ---- The command ----


def explained(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["explain", *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def test_the_list_has_a_line_for_each(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    listing = explained(capsys)
    assert max(map(len, listing.splitlines())) <= 80
    shown = re.findall(r"^  (\w+) +(.+)$", listing, flags=re.MULTILINE)
    assert sorted(shown) == sorted((one.code, one.summary) for one in ALL.values())
    headings = re.findall(r"^(?:Errors|Findings), exit status \d", listing, flags=re.MULTILINE)
    assert headings == [
        *("Errors, exit status 1", "Errors, exit status 2", "Errors, exit status 3"),
        *("Findings, exit status 5", "Findings, exit status 4", "Findings, exit status 0"),
    ]


def test_a_code_is_shown_whole(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    text = explained(capsys, "separation")
    one = ALL["separation"]
    assert " ".join(text.split()) == (
        f"separation (finding, exit status 5) {one.summary} {one.meaning} What to do: {one.remedy} "
        f"Example: {one.example[0]} See docs/{one.see}"
    )
    assert all(len(line) <= 60 or line.strip() in one.example for line in text.splitlines())


@pytest.mark.parametrize("spelling", ["not_converged", "not-converged", "Not-Converged", "[not_converged]"])
def test_a_code_may_be_written_as_it_is_remembered(spelling: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert explained(capsys, spelling) == explained(capsys, "not_converged")


def test_several_codes(capsys: pytest.CaptureFixture[str]) -> None:
    both = explained(capsys, "aliased", "saturated")
    assert both == explained(capsys, "aliased") + "\n" + explained(capsys, "saturated")


def test_an_unknown_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "unknown_colum"]) == 2
    assert capsys.readouterr() == (
        "",
        "error: there is no error or finding 'unknown_colum'\n"
        "hint: did you mean 'unknown_column' or 'unknown_code'?\n"
        "more: glmfit explain unknown_code\n",
    )
    with pytest.raises(UsageError, match="'qqq'"):
        find(["qqq"])


@pytest.mark.parametrize("codes", [[], ["separation"], ["bad_offset", "internal"]])
def test_json(codes: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(explained(capsys, *codes, "--json"))
    jsonschema.validate(document, schema("glmfit/explain/1"))
    assert [one["code"] for one in document["explanations"]] == (codes or list(ALL))


def test_json_or_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--json", "--markdown"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "contradiction"


def test_the_page_of_the_documentation_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "explain.md").read_text(encoding="utf-8")
    assert explained(capsys, "--markdown") == page, "write it anew: glmfit explain --markdown > docs/explain.md"
    assert page == pages.to_markdown(explanations())


def test_findings_are_listed_by_status() -> None:
    text = (
        (ROOT / "docs" / "inference.md").read_text(encoding="utf-8").split("| status | findings |")[1].split("\n\n")[0]
    )
    shown = {int(row[1]): set(re.findall(r"`(\w+)`", row[2])) for row in re.finditer(r"^\| (\d) \|(.*)$", text, re.M)}
    assert shown == {status: {code for code in FINDINGS if ALL[code].statuses[0] == status} for status in (5, 4, 0)}


def test_explaining_imports_nothing_heavy() -> None:
    program = "import sys; from glmfit.commands.app import main; main(['explain']); main(['explain', 'aliased']); "
    program += "sys.exit(str({'torch', 'numpy', 'pandas', 'scipy', 'pyarrow', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stderr.strip() == "set()"


# ---- The pointer at the end ----


def test_findings_end_in_one_pointer(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["fit", "sample_data/mtcars.csv", "mpg ~ wt + I(2 * wt)", "--family", "poisson"]
    assert main(command) == 0
    captured = capsys.readouterr()
    pointer = "glmfit explain non_integer_response aliased"
    assert captured.out.endswith(f"\nMore: {pointer}\n")
    assert captured.out.count("glmfit explain") == 1
    for machine in ("json", "csv", "markdown"):
        assert main([*command, "--format", machine]) == 0
        captured = capsys.readouterr()
        assert "glmfit explain" not in captured.out
        assert captured.err.endswith(f"\nmore: {pointer}\n") == (machine == "csv")
    assert main([*command, "--format", "csv", "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_a_fit_without_findings_points_nowhere(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "sample_data/mtcars.csv", "mpg ~ wt"]) == 0
    assert "explain" not in capsys.readouterr().out
