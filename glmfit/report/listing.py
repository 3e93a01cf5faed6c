"""The families as text: a list with one line each, everything about one, and JSON (`glmfit/families/1`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glmfit.families import Family, Parameter


WIDTH = 79


def family_list(families: Sequence[type[Family]]) -> str:
    """Name, summary and parameters with their default links, by kind of response; of wrapped families the names."""
    plain = [family for family in families if not family.wrapper]
    names = max(len(family.name) for family in plain) + 4
    lines: list[str] = []
    for kind in dict.fromkeys(_kind(family) for family in plain):
        lines.append(kind)
        for family in plain:
            if _kind(family) == kind:
                parameters = ", ".join(f"{p.name} ({p.links[0]})" for p in family.parameters)
                for left, text in ((f"  {family.name}", family.summary), ("", parameters)):
                    lines += _wrapped(text, left.ljust(names), names)
        lines.append("")
    for wrapper in dict.fromkeys(family.wrapper for family in families if family.wrapper):
        lines.append(f"{wrapper.capitalize()} counts")
        lines += [*_wrapped(", ".join(family.name for family in families if family.wrapper == wrapper), "  ", 2), ""]
    lines.append("In parentheses: default links. 'glmfit families NAME' says all about one, with")
    lines.append("an example; 'glmfit families --all' about every one.")
    return "\n".join(lines) + "\n"


def _wrapped(text: str, left: str, indent: int) -> list[str]:
    return wrap(text, WIDTH, initial_indent=left, subsequent_indent=" " * indent, break_on_hyphens=False)


def _kind(family: type[Family]) -> str:
    """What its responses are, as a heading."""
    support = family.support
    if family.quasi:
        return "Quasi-likelihoods: a mean and a variance, no distribution"
    if family.categories or family.grouped:
        return "Categories"
    if family.trials:
        return "Successes out of trials"
    if support.integer:
        return "Counts"
    if (support.lower, support.upper) == (0, 1):
        return "Proportions"
    return "Positive numbers" if support.lower == 0 else "Real numbers"


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
            lines += _wrapped(text, label.ljust(15), 15)
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
