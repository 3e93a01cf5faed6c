"""Which responses were observed and of which only a bound is known: from options and columns to bounds; numpy only.

--event COL            1: observed, 0: right-censored at the response
--censor LOWER,UPPER   columns: the response lies between them; equal is observed, missing or infinite is no bound
--censor LOW,HIGH      numbers, one of which may be left out: limits beyond which the response was not measured
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from glmfit.errors import ModelError, UsageError, did_you_mean
from glmfit.families import Family
from glmfit.families.censored import LOWER, UPPER
from glmfit.formula import Evaluator, Response
from glmfit.rows.response import Observed, response_numbers
from glmfit.spec import ModelSpec
from glmfit.table import Column, Table, is_number, refuse

FORMS = "write --censor LOWER,UPPER with two columns or two numbers; a number is left out where there is no limit"
_CORRECT = "correct the value, drop the row, or choose another family"


@dataclass(frozen=True, slots=True)
class Censoring:
    """What was asked for: a column of events, two columns of bounds, or the limits of a measurement."""

    event: str | None = None
    bounds: tuple[str, str] | None = None
    limits: tuple[float, float] = (-math.inf, math.inf)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read for it."""
        return self.bounds or ((self.event,) if self.event else ())

    @property
    def label(self) -> str:
        """The response as reports name it, where two columns hold it."""
        return Response.interval(self.bounds).label if self.bounds else ""

    def with_interval(self, table: Table) -> Table:
        """The table with a column for the response, missing only where neither bound says anything."""
        if self.bounds is None:
            return table
        lower, upper = (table.numbers(name) for name in self.bounds)
        nothing = ~((lower > -math.inf) | (upper < math.inf))
        column = Column(self.label, "number", np.where(nothing, math.nan, 0.0))
        return replace(table, columns={**table.columns, self.label: column})

    def complete(self, columns: Collection[str]) -> list[str]:
        """Of the columns of a model those that no row may miss: a bound may be missing, not both of them."""
        if self.bounds is None:
            return list(columns)
        return [*(name for name in columns if name not in self.bounds), self.label]


def censoring(spec: ModelSpec, header: Collection[str]) -> Censoring:
    """What --event and --censor ask for; UsageError for what cannot be read."""
    if spec.censor is None:
        return Censoring(spec.event)
    cuts = [place for place, character in enumerate(spec.censor) if character == ","]
    for cut in cuts:
        lower, upper = spec.censor[:cut].strip(), spec.censor[cut + 1 :].strip()
        if lower in header and upper in header:
            return Censoring(bounds=(lower, upper))
    if len(cuts) != 1:
        raise UsageError("bad_censoring", f"--censor: '{spec.censor}' is not two columns or numbers", FORMS)
    texts = [text.strip() for text in spec.censor.split(",")]
    for text in sorted(texts, key=header.__contains__):
        if text and not is_number(text):
            what = "is a column, and a limit is a number" if text in header else "is neither a column nor a number"
            hint = FORMS if text in header else did_you_mean(text, header) or FORMS
            raise UsageError("bad_censoring", f"--censor: '{text}' {what}", hint)
    low, high = float(texts[0] or -math.inf), float(texts[1] or math.inf)
    if not low < high or (low == -math.inf and high == math.inf):
        raise UsageError(
            "bad_censoring", f"--censor: '{spec.censor}' is no range", "give a lower limit below the upper one"
        )
    return Censoring(limits=(low, high))


def read_censored(what: Response, table: Table, family: Family, asked: Censoring) -> Observed:
    """The response with its bounds as columns for the density; ModelError naming row and value where it cannot be."""
    if asked.bounds is not None:
        lower, upper = _interval(asked.bounds, table)
    else:
        y = response_numbers(what, Evaluator(table), family)
        lower, upper = (
            _from_event(y, asked.event, what.label, table, family) if asked.event else _limited(y, asked, family)
        )
    observed, support = lower == upper, family.support
    impossible = ~observed & ((upper <= support.lower) | (lower >= support.upper))
    for values, wrong in (
        (lower, observed & support.violations(lower)),
        (np.where(upper <= support.lower, upper, lower), impossible),
    ):
        rule = f"responses of the {family.name} family are {support.text}"
        refuse(f"'{what.label}'", values, wrong, table.rows, ModelError("outside_support", rule, _CORRECT))
    kinds = {
        "observed": observed,
        "right": (upper >= support.upper) & ~observed,
        "left": (lower <= support.lower) & (upper < support.upper) & ~observed,
        "interval": (lower > support.lower) & (upper < support.upper) & ~observed,
    }
    # In the middle of an interval, of which no more is taken than the data span: 1e99 may stand for no bound.
    with np.errstate(invalid="ignore"):
        middle = 0.5 * np.maximum(lower, upper.min()) + 0.5 * np.minimum(upper, lower.max())
    y = np.where(kinds["interval"], middle, np.where(kinds["left"], upper, lower))
    counts = {kind: int(rows.sum()) for kind, rows in kinds.items()}
    return Observed(what.label, y, extra={LOWER: lower, UPPER: upper}, censoring=counts)


def _interval(names: tuple[str, str], table: Table) -> tuple[np.ndarray, np.ndarray]:
    """The bounds in two columns, infinite where one is missing."""
    lower, upper = (table.numbers(name) for name in names)
    lower, upper = np.where(np.isnan(lower), -math.inf, lower), np.where(np.isnan(upper), math.inf, upper)
    rule = f"'{names[0]}' is the lower bound, and '{names[1]}' is "
    for at in np.flatnonzero(lower > upper)[:1]:
        error = ModelError("bad_censoring", f"{rule}{upper[at]:.10g} there", "exchange the two values, or correct one")
        refuse(f"column '{names[0]}'", lower, lower > upper, table.rows, error)
    for name, values, wrong in ((names[0], lower, lower == math.inf), (names[1], upper, upper == -math.inf)):
        error = ModelError(
            "bad_censoring", "no response lies beyond that", "leave the field empty where there is no bound"
        )
        refuse(f"column '{name}'", values, wrong, table.rows, error)
    return lower, upper


def _from_event(y: np.ndarray, event: str, label: str, table: Table, family: Family) -> tuple[np.ndarray, np.ndarray]:
    """The response and infinity where there was no event; censored at the start of the range it says nothing."""
    column, rule, hint = table[event], "1 is an event, 0 right-censored", "make a column of 0 and 1 from it"
    if column.kind in ("text", "date") and column.levels is not None:
        first = f"column '{event}' is '{column.levels[column.values[0]]}' in row {table.rows[0]}"
        raise ModelError("bad_event", f"{first}: {rule}", hint)
    happened, error = table.numbers(event), ModelError("bad_event", rule, hint)
    refuse(f"column '{event}'", happened, ~np.isin(happened, (0.0, 1.0)), table.rows, error)
    rule = f"responses of the {family.name} family are {family.support.text}"
    before = (happened == 0) & (y < family.support.lower)
    refuse(f"'{label}'", y, before, table.rows, ModelError("outside_support", rule, _CORRECT))
    return y, np.where(happened == 1, y, math.inf)


def _limited(y: np.ndarray, asked: Censoring, family: Family) -> tuple[np.ndarray, np.ndarray]:
    """The response between the limits of its measurement."""
    low, high = asked.limits
    support = family.support
    for limit, beyond in ((low, low <= support.lower), (high, high >= support.upper)):
        if math.isfinite(limit) and beyond:
            message = (
                f"--censor: {limit:g} is no limit for the {family.name} family, whose responses are {support.text}"
            )
            raise UsageError("bad_censoring", message, "give a limit inside, or choose another family")
    lower = np.where(y <= low, -math.inf, np.minimum(y, high))
    return lower, np.where(y >= high, math.inf, np.maximum(y, low))
