"""What every error and every finding means and what to do about it, from `errors.ini` and `findings.ini`.

These two files are the one place where that is said: `glmfit explain` shows them, docs/explain.md is made from them,
and a test holds them to the source. In: codes. Out: `Explanation`s, and pages of them. May use: the top of the package.
"""

from __future__ import annotations

from collections.abc import Sequence
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path

from glmfit.errors import UsageError, did_you_mean

SCHEMA = "glmfit/explain/1"
KINDS = {"errors.ini": "error", "findings.ini": "finding"}


@dataclass(frozen=True, slots=True)
class Explanation:
    """One code: an `error` or a `finding`, the exit statuses it leads to, and what there is to say of it.

    `summary` is one line, `meaning` and `remedy` are paragraphs, `example` are lines to type of which the last gives
    the code, `see` is a page of docs/ with an anchor.
    """

    code: str
    kind: str
    statuses: tuple[int, ...]
    summary: str
    meaning: str
    remedy: str
    example: tuple[str, ...]
    see: str | None


def explanations() -> tuple[Explanation, ...]:
    """All of them, errors first, in the order of the files."""
    found: list[Explanation] = []
    for name, kind in KINDS.items():
        parser = ConfigParser(delimiters=("=",), comment_prefixes=("#",), interpolation=None)
        parser.read_string(Path(__file__).with_name(name).read_text(encoding="utf-8"), source=name)
        for code in parser.sections():
            entry = parser[code]
            found.append(
                Explanation(
                    code=code,
                    kind=kind,
                    statuses=tuple(int(status) for status in entry["status"].split(",")),
                    summary=entry["summary"],
                    meaning=entry["meaning"].replace("\n", " "),
                    remedy=entry["remedy"].replace("\n", " "),
                    example=tuple(entry.get("example", "").splitlines()),
                    see=entry.get("see"),
                )
            )
    return tuple(found)


def find(codes: Sequence[str]) -> tuple[Explanation, ...]:
    """Those of some codes, whatever their capitals, with hyphens or as they stand in brackets; `UsageError` else."""
    known = {explanation.code: explanation for explanation in explanations()}
    found = []
    for text in codes:
        code = text.strip("[] ").casefold().replace("-", "_")
        if code not in known:
            hint = did_you_mean(code, known) or "'glmfit explain' lists them all"
            raise UsageError("unknown_code", f"there is no error or finding '{text}'", hint)
        found.append(known[code])
    return tuple(found)
