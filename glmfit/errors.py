"""What glmfit says when something is wrong: errors that stop a command, findings that accompany a result.

Every error a user can cause is a `GlmfitError`. It carries a stable `code`, the sentence that says what was wrong and
where, a `hint` that says what to do next, and the exit status of the process.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

MOST_SHOWN = 800  # characters of a message


class GlmfitError(Exception):
    """Base of all errors: `message` says what was wrong and where, `hint` what to do next."""

    exit_code = 1

    def __init__(self, code: str, message: str, hint: str) -> None:
        self.code = code
        self.message = _in_one_line(message)
        self.hint = _in_one_line(hint)
        super().__init__(self.message)

    def __reduce__(self) -> tuple[Any, ...]:  # from a process to another: BaseException would give the message alone
        return type(self), (self.code, self.message, self.hint)


class UsageError(GlmfitError):
    """The command or the arguments do not make sense, whatever the data."""

    exit_code = 2


class DataError(GlmfitError):
    """The file or its values cannot be used as asked."""

    exit_code = 3


class ModelError(GlmfitError):
    """The model cannot be fitted to these data: a formula, a family, a link or a support does not fit."""

    exit_code = 3


class OutputError(GlmfitError):
    """The result could not be written."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a reader of the result must know: a stable code, one sentence, and the terms it concerns."""

    code: str
    message: str
    terms: tuple[str, ...] = ()


def file_changed(name: str) -> DataError:
    """What was read of a file belongs to no state of it."""
    message = f"{name} has changed while it was read"
    return DataError("file_changed", message, "run the command again once it is written, or on a copy")


def _in_one_line(text: str) -> str:
    """The text as a terminal can show it, whatever it quotes: signs that do not print escaped, the middle cut."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN // 2]} ... {text[-MOST_SHOWN // 2 :]}"


def explain(codes: Iterable[str]) -> str:
    """The command that says more of some codes, each once."""
    return " ".join(["glmfit explain", *dict.fromkeys(codes)])


def shell(*words: str) -> str:
    """Words as they are typed in a shell, so that a hint can be pasted."""
    return shlex.join(words)


def did_you_mean(word: str, known: Iterable[str], *, cutoff: float = 0.6, most: int = 2) -> str | None:
    """A hint naming the known words closest to `word`, `most` at most; None where nothing is as near as `cutoff`."""
    names = list(known)
    folded = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(word.casefold(), folded, n=most, cutoff=cutoff)
    if word.casefold() in close:  # but for capitals it is the word itself
        close = [word.casefold()]
    if not close:
        return None
    return "did you mean " + " or ".join(f"'{folded[name]}'" for name in close) + "?"


def column_hint(name: str, known: Iterable[str]) -> str:
    """What to do about a column that the data do not have: the nearest names, else the first, or the header itself."""
    names = [column for column in known if column]
    if len(names) == 1 and not names[0].isidentifier():
        return (
            f"the first line is read as the single column '{shorten(names[0])}': what separates names is said by "
            "--separator; titles and comments above them are left out by --skip N or --comment SIGN"
        )
    listed = ", ".join(f"'{shorten(column)}'" for column in names[:12])
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    computed = any(sign in name for sign in "()+*^")
    of_columns = computed and not set(re.findall(r"[\w.]+", name)).isdisjoint(names)
    if not of_columns and (near := did_you_mean(name, names)):  # of log(x) not x, which would be another model
        return near
    if computed:
        return "name a column here; arithmetic of columns is for formulas, weights, offsets and exposures"
    return f"the columns are {listed}{more}"


def shorten(text: str, width: int = 60) -> str:
    """The text on one line, cut to `width` characters, for a message."""
    line = "".join(mark if mark.isprintable() else " " for mark in text[: width + 1])
    return line if len(text) <= width else line[: width - 3] + "..."
