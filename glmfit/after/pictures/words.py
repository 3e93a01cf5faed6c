"""What stands at the edges of pictures: the model in a line, coefficients by the names of their terms and levels.

race[T.black] of race: black under race        a[T.x]:b[T.y]: x × y under a × b        alone: smoke: yes
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from glmfit.errors import UsageError, shorten
from glmfit.report import numbers
from glmfit.report.words import group_heading
from glmfit.result import Coefficient, Fit, Fitted

_LEVEL = re.compile(r"\[(?:[A-Z]\.)?([^\[\]]*)\]$")
TIMES = " × "


@dataclass(frozen=True, slots=True)
class Labels:
    """What `--label NAME=TEXT` says of columns and terms: how they are shown, with units perhaps."""

    texts: Mapping[str, str]

    @classmethod
    def of(cls, given: Sequence[str]) -> Labels:
        """`UsageError` for what is not of the form NAME=TEXT; a name of a column may have `=` in it, a text too."""
        found = {}
        for text in given:
            name, equals, shown = text.partition("=")
            if not (equals and name.strip() and shown.strip()):
                message = f"--label: '{shorten(text)}' is not of the form NAME=TEXT"
                raise UsageError("invalid_value", message, 'write --label dose="Dose (mg)"')
            found[name.strip()] = shown.strip()
        return cls(found)

    def __call__(self, name: str) -> str:
        return numbers.visible(self.texts.get(name, name))


PLAIN = Labels({})


def model_line(fit: Fit, rows: int | None = None) -> str:
    """A model in a line: `Days: negative-binomial, log link; 146 rows`."""
    link = None if fit.dispersion.method == "none" else fit.model.links.get(fit.model.main[0])
    family = fit.model.family if link is None else f"{fit.model.family}, {link} link"
    response = f"{fit.model.response}: " if fit.model.response else ""
    return numbers.visible(f"{response}{family}; {fit.data.rows_used if rows is None else rows:,} rows")


@dataclass(frozen=True, slots=True)
class Named:
    """A coefficient with the term of several that it is shown under, and its label there."""

    row: Coefficient
    part: str  # the heading of its parameter, where the model has several
    group: str
    label: str


def named(fit: Fitted, rows: Sequence[Coefficient], labels: Labels) -> list[Named]:
    """Coefficients, in the order of the fit, with how they are shown."""
    terms = fit.blueprint.terms
    of = {
        (row.parameter, row.term): terms[at] if at < len(terms) else row.term for at, row in enumerate(fit.coefficients)
    }
    keys = [(row.parameter, of[row.parameter, row.term]) for row in rows]
    count = Counter(keys)
    several = len({row.parameter for row in rows}) > 1
    found = []
    for row, key in zip(rows, keys, strict=True):
        term, part = key[1], group_heading(fit, row.parameter) if several else ""
        if row.term in labels.texts:
            group, label = (_term(term, labels) if count[key] > 1 else ""), labels(row.term)
        elif count[key] > 1:
            group, label = _term(term, labels), _levels(term, row.term)
        else:
            group, label = "", _alone(term, row.term, labels)
        found.append(Named(row, part, group, label))
    return found


def _term(term: str, labels: Labels) -> str:
    if term in labels.texts:
        return labels(term)
    return TIMES.join(labels(_bare(part)) for part in _parts(term))


def _bare(part: str) -> str:
    """C(x) without more is x."""
    inner = part[2:-1] if part.startswith("C(") and part.endswith(")") else part
    return inner if re.fullmatch(r"[\w.]+", inner) else part


def _levels(term: str, text: str) -> str:
    """The levels in the name of a coefficient; its name where there are none."""
    parts = _parts(text)
    found = [_LEVEL.search(part) for part in parts]
    levels = [level[1] for level in found if level]
    return numbers.visible(TIMES.join(levels) if levels else text)


def _alone(term: str, text: str, labels: Labels) -> str:
    """A coefficient that is its term's only one: `smoke: yes`, `wt × cyl: 8`."""
    if term in labels.texts:
        return labels(term)
    shown = []
    for part in _parts(text):
        level = _LEVEL.search(part)
        if level:
            shown.append(f"{labels(_bare(part[: level.start()]))}: {level[1]}")
        else:
            shown.append(labels(part))
    return numbers.visible(TIMES.join(shown))


def _parts(text: str) -> list[str]:
    """The factors of a term, split at colons that are not within brackets or quotes."""
    parts, depth, quote, start = [], 0, "", 0
    for at, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"`":
            quote = sign
        elif sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth -= 1
        elif sign == ":" and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]
