"""A model with a gap: `{}` in a formula, or in --y or --x, where the name of each scanned column stands in turn."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from glmfit.errors import UsageError, shorten
from glmfit.formula import tokenize
from glmfit.formula.expression import quote
from glmfit.spec import ModelSpec

GAP = "{}"
_EXAMPLE = "write 'y ~ {} + age' for a covariate, '{} ~ treatment' for a response"
_INSIDE = re.compile(r"[\w.`'\"]")


@dataclass(frozen=True, slots=True)
class Template:
    """A specification with one gap."""

    asked: ModelSpec

    def __post_init__(self) -> None:
        texts = [*self.asked.formulas, *self.asked.x, *([self.asked.y] if self.asked.y else [])]
        count = sum(text.count(GAP) for text in texts)
        if count == 0:
            raise _error("--scan fits one model a column, and no formula says where its name belongs", _EXAMPLE)
        text = next(text for text in texts if GAP in text)
        if count > 1:
            hint = f"name the column once: {{}}*age is {{}} + age + {{}}:age; {_EXAMPLE}"
            raise _error(
                f"'{shorten(text)}' has {{}} more than once" if text.count(GAP) > 1 else "{} stands twice", hint
            )
        at = text.index(GAP)
        around = text[at - 1 : at] + text[at + len(GAP) : at + len(GAP) + 1]
        if _INSIDE.search(around) or _quoted(text[:at]):
            what = f"'{shorten(text)}' has {{}} inside a name or in quotes"
            raise _error(what, "{} stands for a whole name: choose names by a pattern, as in --scan 'x*'")
        if any(token.text == "." and token.kind == "name" for one in texts for token in tokenize(filled(one, "x"))):
            what = "'.' stands for all other columns, those that are scanned among them"
            raise _error(what, "name the covariates in its place")

    def of(self, name: str) -> ModelSpec:
        """The model of one column, as it would be asked for alone."""
        asked = self.asked
        return replace(
            asked,
            formulas=tuple(filled(text, name) for text in asked.formulas),
            x=tuple(filled(text, name) for text in asked.x),
            y=name if asked.y is not None and asked.y.strip() == GAP else asked.y and filled(asked.y, name),
        )


def filled(text: str, name: str) -> str:
    """The text with a column's name in the gap."""
    return text.replace(GAP, quote(name))


def _quoted(before: str) -> bool:
    """Whether a quote is open at the end of a text."""
    open_ = ""
    for sign in before:
        if sign in "`'\"":
            open_ = "" if sign == open_ else open_ or sign
    return bool(open_)


def _error(message: str, hint: str) -> UsageError:
    return UsageError("scan_gap", message, hint)
