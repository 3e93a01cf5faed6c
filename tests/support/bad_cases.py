"""What the tests of wrong input share: a good table, the case, and what every answer must be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pytest

from glmfit.commands.app import main
from glmfit.report import schema

COLUMNS: dict[str, list[object]] = {
    "y": [1.2, 0.4, 2.9, 1.7, 3.1, 0.9, 2.2, 4.1, 1.1, 2.7, 0.3, 3.8],
    "n": [0, 1, 3, 2, 4, 1, 0, 6, 2, 3, 1, 2],  # counts
    "m": [5, 4, 6, 5, 7, 6, 5, 9, 6, 8, 4, 7],  # trials
    "b": [0, 1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 0],
    "p": [0.2, 0.4, 0.6, 0.3, 0.8, 0.5, 0.1, 0.9, 0.7, 0.4, 0.3, 0.6],
    "t": [1.5, 2.25, 0.7, 3.1, 4.6, 0.2, 1.9, 2.8, 0.6, 5.2, 1.3, 2.4],
    "u": [2.5, 2.25, 1.7, 4.1, 4.6, 1.2, 2.9, 3.8, 0.6, 6.2, 2.3, 3.4],  # at least t
    "x": [0.1, 1.3, 0.7, 2.2, 1.9, 0.4, 1.1, 2.8, 0.6, 1.5, 0.2, 2.5],
    "z": [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8],
    "w": [1, 2, 1, 3, 1, 2, 2, 1, 1, 2, 1, 3],
    "k": [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6],  # clusters
    "o": [1] * 12,
    "g": list("abcabcabcabc"),
    "s": ["yes", "no"] * 6,
    "d": [f"2024-05-{day:02d}" for day in range(1, 13)],
    "my col": list(range(12)),
    "2": list(range(12, 0, -1)),
}


def table(delimiter: str = ",", end: str = "\n", **changes: object) -> bytes:
    """The good table as CSV; `n={3: -2}` puts -2 into row 3 of n, `x=1` the same value everywhere."""
    columns = {name: list(values) for name, values in COLUMNS.items()}
    for name, change in changes.items():
        if isinstance(change, dict):
            for row, value in change.items():
                columns[name][row - 1] = value
        else:
            columns[name] = [change] * 12
    rows = [list(columns), *([str(value) for value in row] for row in zip(*columns.values(), strict=True))]
    return "".join(delimiter.join(row) + end for row in rows).encode()


@dataclass(frozen=True)
class Case:
    """One wrong input and its answer."""

    name: str
    arguments: Sequence[str]
    status: int
    code: str
    words: tuple[str, ...]
    data: bytes
    file: str
    own: str | None

    def command(self, folder: Path) -> list[str]:
        """The arguments of `glmfit`, its files written."""
        path = folder / self.file
        path.write_bytes(self.data)
        if self.own is not None:
            (folder / "own.py").write_text(self.own, encoding="utf-8")
        whole = self.arguments if {"DATA", "glmfit"} & set(self.arguments) else ["fit", "DATA", *self.arguments]
        return [
            str(path) if word == "DATA" else word.replace("FOLDER", str(folder)) for word in whole if word != "glmfit"
        ]

    def check(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Fail unless the answer is as designed: as text, and as JSON where the command can give it."""
        command = self.command(folder)
        status, out, err = answer(command, capsys)
        assert status == self.status, err
        assert out == "" or "--json" in command
        lines = err.splitlines()
        assert lines[0].startswith("error: ")
        assert lines[1].startswith("hint: "), "every error says what to do"
        assert max(map(len, lines)) < 1000 + len(str(folder))
        assert err.replace("\n", "").isprintable()
        for word in self.words:
            assert word.casefold() in err.casefold(), f"{word!r} is not in: {err}"
        if command[0] == "check":  # it has no --json
            return
        with_json = ["fit", "--json", *command[1:]] if command[0] == "fit" else [*command, "--json"]
        status, out, err = answer(command if "--json" in command else with_json, capsys)
        document = json.loads(out)
        jsonschema.validate(document, schema("glmfit/error/1"))
        assert (status, document["error"]["code"]) == (self.status, self.code)
        assert document["error"]["message"] == lines[0].removeprefix("error: ")


class Cases(list[Case]):
    """A table of wrong inputs."""

    def add(
        self,
        name: str,
        arguments: str | Sequence[str],
        status: int,
        code: str,
        *words: str,
        data: bytes | None = None,
        file: str = "data.csv",
        own: str | None = None,
    ) -> None:
        """A case: what follows `glmfit fit DATA`, or a whole command in which DATA is the file."""
        assert all(wrong.name != name for wrong in self), f"{name} is there twice"
        given = [arguments] if isinstance(arguments, str) else arguments
        self.append(Case(name, given, status, code, words, table() if data is None else data, file, own))


def answer(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of the command, run in this process."""
    status = main(arguments)
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return status, out, err
