"""The command that makes a fit again: what was asked for, as the words of a shell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from glmfit.errors import shell
from glmfit.reading import PLAIN, Reading
from glmfit.result import Fitted

_FLAGS = {"intercept": "--no-intercept", "check_separation": "--check-separation"}  # given where not at the default
_NAMED = {"links": "--link", "fixed": "--fix", "start": "--start"}  # NAME=VALUE each
_LISTS = ("levels", "relax", "absorb")
_SIGNS = {" ": "space", "\t": "tab"}  # that a command line cannot show


def command(fit: Fitted) -> str:
    """`glmfit fit DATA FORMULA ...` of a fit, quoted for a shell."""
    asked = fit.blueprint.asked
    return shell("glmfit", "fit", fit.data.source, *asked.get("formulas", ()), *_options(asked, fit.blueprint.reading))


def _options(asked: Mapping[str, Any], reading: Reading) -> Iterator[str]:
    for name, value in asked.items():
        if name in _FLAGS:
            yield _FLAGS[name]
        elif name in _NAMED:
            for key, one in value.items():
                yield from (_NAMED[name], f"{key}={_word(one)}")
        elif name == "x":
            for terms in value:
                yield from ("--x", terms)
        elif name in _LISTS:
            yield from (f"--{name}", ",".join(_item(name, one) for one in value))
        elif name != "formulas":
            yield from (f"--{name.replace('_', '-')}", _word(value))
    for field in fields(Reading):
        value = getattr(reading, field.name)
        if value == getattr(PLAIN, field.name):
            continue
        if field.name == "na":
            for text in value:
                yield from ("--na", text)
        else:
            yield from (
                f"--{field.name}",
                ",".join(map(str, value)) if field.name == "skip" else _SIGNS.get(value, value),
            )


def _word(value: Any) -> str:
    """A number with the digits that identify it."""
    return repr(float(value)) if isinstance(value, float) else str(value)


def _item(name: str, text: str) -> str:
    """An item of a list, which commas separate: a level or a column that has one stands in backticks."""
    return f"`{text}`" if name != "relax" and ("," in text or text != text.strip()) else str(text)
