"""The families as text: a list with one line each, everything about one, and JSON (`glmfit/families/1`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glmfit.families.base import Family, Parameter


def family_list(families: Sequence[type[Family]]) -> str:
    """One line for each family: name, default link, summary."""
    names = max(len(family.name) for family in families)
    links = max(len(family.parameters[0].links[0]) for family in families)
    lines = [f"{'Family'.ljust(names)}  {'Link'.ljust(links)}  Summary"]
    lines.append("-" * 79)
    for family in families:
        left = f"{family.name.ljust(names)}  {family.parameters[0].links[0].ljust(links)}  "
        lines += wrap(family.summary, 79, initial_indent=left, subsequent_indent=" " * len(left))
    lines += ["", "'glmfit families NAME' says all about one: its links, parameters and an example."]
    return "\n".join(lines) + "\n"


def family_text(family: type[Family]) -> str:
    """Everything about one family."""
    facts = [
        ("Family", family.name),
        ("Also known as", ", ".join(family.aliases)),
        ("Summary", family.summary),
        ("Response", family.support.text),
        *(_parameter(parameter, first=at == 0) for at, parameter in enumerate(family.parameters)),
        ("Likelihood", "quasi-likelihood: no log-likelihood, AIC or BIC" if family.quasi else ""),
    ]
    lines: list[str] = []
    for label, text in facts:
        if text:
            lines += wrap(text, 79, initial_indent=label.ljust(15), subsequent_indent=" " * 15, break_on_hyphens=False)
    return "\n".join([*lines, "", f"  {family.example}"]) + "\n"


def _parameter(parameter: Parameter, first: bool) -> tuple[str, str]:
    """A parameter with its links, the default first."""
    default, *others = parameter.links
    return "Parameters" if first else " ", f"{parameter.name}: " + ", ".join([f"{default} link by default", *others])


def families_json(families: Sequence[type[Family]]) -> str:
    """The families as JSON, the default link first."""
    facts = [
        {
            "name": family.name,
            "aliases": family.aliases,
            "summary": family.summary,
            "support": family.support.text,
            "parameters": [parameter.name for parameter in family.parameters],
            "settings": family.settings,
            "links": family.parameters[0].links,
            "links_by_parameter": {parameter.name: parameter.links for parameter in family.parameters},
            "quasi": family.quasi,
            "example": family.example,
        }
        for family in families
    ]
    document = {"schema": "glmfit/families/1", "families": facts}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
