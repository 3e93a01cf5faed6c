"""Explanations as text for a terminal, as JSON (`glmfit/explain/1`) and as the page docs/explain.md."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from textwrap import wrap

from glmfit.explain import SCHEMA, Explanation

WIDEST = 100  # longer lines are hard to read
INDENT = "  "
# Groups in the order in which they are listed: kind, exit status, and what they have in common.
GROUPS = (
    ("error", 1, "a bug in glmfit"),
    ("error", 2, "the command makes no sense"),
    ("error", 3, "the data or the model cannot be used as asked, or the result cannot be written"),
    ("finding", 5, "the data do not identify the model"),
    ("finding", 4, "the fit has not converged"),
    ("finding", 0, "the fit stands, and this should be known"),
)


def overview(explanations: Sequence[Explanation]) -> str:
    """One line for each, by kind and exit status."""
    codes = max(len(explanation.code) for explanation in explanations) + 2 * len(INDENT)
    lines: list[str] = []
    for kind, status, heading in GROUPS:
        lines += [*wrap(_heading(kind, status, heading), _width()), ""]
        for explanation in _group(explanations, kind, status):
            left = f"{INDENT}{explanation.code}".ljust(codes)
            lines += wrap(explanation.summary, _width(), initial_indent=left, subsequent_indent=" " * codes)
        lines.append("")
    lines += wrap("'glmfit explain CODE' says what one of them means and what to do, with an example.", _width())
    return "\n".join(lines) + "\n"


def text(explanations: Sequence[Explanation]) -> str:
    """Everything about some of them."""
    return "\n\n".join("\n".join(_lines(explanation)) for explanation in explanations) + "\n"


def _lines(explanation: Explanation) -> Iterator[str]:
    yield f"{explanation.code} ({explanation.kind}, {_statuses(explanation)})"
    for paragraph in (f"{explanation.summary} {explanation.meaning}", f"What to do: {explanation.remedy}"):
        yield ""
        yield from wrap(paragraph, _width(), initial_indent=INDENT, subsequent_indent=INDENT, break_on_hyphens=False)
    if explanation.example:
        yield from ("", f"{INDENT}Example:", "")
        yield from (2 * INDENT + line for line in explanation.example)  # as they are: they are to be copied
    if explanation.see:
        yield from ("", f"{INDENT}See docs/{explanation.see}")


def to_json(explanations: Sequence[Explanation]) -> str:
    """The explanations as JSON."""
    found = [
        {
            "code": explanation.code,
            "kind": explanation.kind,
            "exit_status": explanation.statuses,
            "summary": explanation.summary,
            "meaning": explanation.meaning,
            "remedy": explanation.remedy,
            "example": explanation.example,
            "see": explanation.see,
        }
        for explanation in explanations
    ]
    return json.dumps({"schema": SCHEMA, "explanations": found}, indent=2, ensure_ascii=False) + "\n"


def to_markdown(explanations: Sequence[Explanation]) -> str:
    """The page docs/explain.md."""
    return "\n".join(_page(explanations))


def _page(explanations: Sequence[Explanation]) -> Iterator[str]:
    yield "# Errors and findings explained"
    yield ""
    yield "`glmfit explain CODE` shows these texts, and `glmfit explain --markdown` has written this page."
    yield "[Errors](errors.md) and [findings](inference.md#findings) say what the two are."
    yield ""
    for kind, status, heading in GROUPS:
        yield f"## {_heading(kind, status, heading)}"
        yield ""
        for explanation in _group(explanations, kind, status):
            yield f"### {explanation.code}"
            yield ""
            if len(explanation.statuses) > 1:
                yield f"{_statuses(explanation).capitalize()}."
            yield from wrap(f"**{explanation.summary}** {explanation.meaning}", 120, break_on_hyphens=False)
            yield ""
            see = f" See [{explanation.see.partition('#')[0]}]({explanation.see})." if explanation.see else ""
            yield from wrap(f"{explanation.remedy}{see}", 120, break_on_hyphens=False)
            yield ""
            if explanation.example:
                yield "```python" if explanation.example[0].startswith(">>> ") else "```sh"
                yield from explanation.example
                yield "```"
                yield ""


def _heading(kind: str, status: int, text: str) -> str:
    return f"{kind.capitalize()}s, exit status {status}: {text}"


def _statuses(explanation: Explanation) -> str:
    return "exit status " + " or ".join(map(str, explanation.statuses))


def _group(explanations: Sequence[Explanation], kind: str, status: int) -> list[Explanation]:
    """Those of a kind that lead to a status, or to it before any other."""
    return [one for one in explanations if (one.kind, one.statuses[0]) == (kind, status)]


def _width() -> int:
    return max(40, min(shutil.get_terminal_size().columns, WIDEST))
