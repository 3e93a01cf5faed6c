"""The families as text: a list with one line each, everything about one, and JSON (`glmfit/families/1`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from textwrap import wrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glmfit.families.catalogue import FamilyInfo


def family_list(families: Sequence[FamilyInfo]) -> str:
    """One line for each family: name, default link, summary."""
    names = max(len(info.name) for info in families)
    links = max(len(info.links[0]) for info in families)
    lines = [f"{'Family'.ljust(names)}  {'Link'.ljust(links)}  Summary"]
    lines.append("-" * 79)
    for info in families:
        left = f"{info.name.ljust(names)}  {info.links[0].ljust(links)}  "
        lines += wrap(info.summary, 79, initial_indent=left, subsequent_indent=" " * len(left))
    lines += ["", "'glmfit families NAME' says all about one: its links, parameters and an example."]
    return "\n".join(lines) + "\n"


def family_text(info: FamilyInfo) -> str:
    """Everything about one family."""
    facts = [
        ("Family", info.name),
        ("Also known as", ", ".join(info.aliases)),
        ("Summary", info.summary),
        ("Response", info.support),
        ("Parameters", ", ".join(info.parameters)),
        ("Needs", ", ".join(f"--fix {name}=VALUE" for name in info.settings)),
        ("Links of mu", ", ".join([f"{info.links[0]} (default)", *info.links[1:]])),
        ("Likelihood", "quasi-likelihood: no log-likelihood, AIC or BIC" if info.quasi else ""),
    ]
    lines: list[str] = []
    for label, text in facts:
        if text:
            lines += wrap(text, 79, initial_indent=label.ljust(15), subsequent_indent=" " * 15)
    return "\n".join([*lines, "", f"  {info.example}"]) + "\n"


def families_json(families: Sequence[FamilyInfo]) -> str:
    """The families as JSON, the default link first."""
    document = {"schema": "glmfit/families/1", "families": [asdict(info) for info in families]}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
