"""The line of progress on a terminal: gone before anything else is written, and silent on time until it knows."""

from __future__ import annotations

import io

import pytest

from glmfit.commands import output, progress


class Terminal(io.TextIOWrapper):
    """Text as a terminal gets it."""

    def isatty(self) -> bool:
        return True


def test_the_line_is_erased_before_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.BytesIO()
    clock = [0.0]
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout", Terminal(screen, "utf-8"))
    monkeypatch.setattr("sys.stderr", Terminal(screen, "utf-8"))
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    with progress.progress("groups") as told:
        assert told is not None
        for now, done in ((0.9, 1), (1.5, 2), (3.9, 4)):
            clock[0] = now
            told(done, 8)
        assert output.write_stdout_bytes(b"row\n")
        output.say("done")
    clear = progress.CLEAR
    assert screen.getvalue().decode() == f"{clear}2 of 8 groups{clear}4 of 8 groups, 4 s left{clear}row\ndone\n"
