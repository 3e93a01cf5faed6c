"""Stata's operators on variables, which are told from columns of such names by the header: i.g, ib2.g, c.x, a##b."""

from __future__ import annotations

import re
from collections.abc import Collection

_OPERATOR = re.compile(r"\b(?:(?P<factor>i?b(?P<level>\w+)|i)|c)\.(?P<name>[^\W\d]\w*)")


def name_hint(name: str, columns: Collection[str]) -> str | None:
    """What to write for a variable with an operator; None where it is none, or none of the columns."""
    found = _OPERATOR.fullmatch(name)
    return f"write {_plain(found)}" if found and found["name"] in columns else None


def translated(text: str) -> str:
    """A formula in our grammar: `i.a##c.x` is `C(a)*x`, `a#b` is `a:b`."""
    return _OPERATOR.sub(_plain, text).replace("##", "*").replace("#", ":")


def _plain(found: re.Match[str]) -> str:
    name, level = found["name"], found["level"]
    if found["factor"] is None:
        return name
    return f"C({name})" if level is None else f"C({name}, ref={level if level.isdigit() else repr(level)})"
