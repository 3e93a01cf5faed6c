"""The record of a fit, or of the error that it ended with: the usual document with what tells it apart in front."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from glmfit.errors import GlmfitError
from glmfit.explain import explanations
from glmfit.report.delimited import HEADER, fields
from glmfit.report.document import error_document, line, reported
from glmfit.report.template import Path, Template
from glmfit.result import Fit

COLUMNS = ("n", "outcome", *HEADER, "message")  # of CSV, after what tells the records apart
OK = "ok"


@dataclass(frozen=True, slots=True)
class Entry:
    """A record in a table: its labels, the rows used, estimates with standard errors by term, and how it ended."""

    labels: tuple[str, ...]
    n: int | None
    estimates: Mapping[str, tuple[float, float]]
    outcome: str


@dataclass(frozen=True, slots=True)
class Written:
    """What is written of a fit on request: exponentiated coefficients, the covariance of very many of them."""

    exp: bool = False
    covariance: bool = False


@dataclass(frozen=True, slots=True)
class FitRecord:
    """`head` is what JSON has in front of the document, `labels` are the first fields of CSV, `shown` of the table."""

    head: Mapping[str, Any]
    labels: tuple[str, ...]
    shown: tuple[str, ...]
    outcome: Fit | GlmfitError
    written: Written

    @property
    def problem(self) -> str | None:
        return self.outcome.code if isinstance(self.outcome, GlmfitError) else problem_of(self.outcome)

    def json(self) -> str:
        if isinstance(self.outcome, GlmfitError):
            return line({**self.head, **error_document(self.outcome)})
        return line({**self.head, **reported(self.outcome, exp=self.written.exp, covariance=self.written.covariance)})

    def csv(self) -> Iterator[list[str]]:
        if isinstance(self.outcome, GlmfitError):
            yield [*self.labels, "", self.outcome.code, *[""] * len(HEADER), self.outcome.message]
            return
        ended, message = self.problem or OK, ""
        if self.problem is not None:
            message = next((one.message for one in self.outcome.warnings if one.code == ended), "")
        n = str(self.outcome.data.rows_used)
        for row in fields(self.outcome, exp=self.written.exp):
            yield [*self.labels, n, ended, *row, message]

    def entry(self) -> Entry:
        if isinstance(self.outcome, GlmfitError):
            return Entry(self.shown, None, {}, self.outcome.code)
        fit = self.outcome
        folded = {place for one in fit.smooths for place in range(one.first, one.first + one.coefficients)}
        rows = [c for place, c in enumerate(fit.coefficients) if place not in folded]
        estimates = {_name(fit, c.parameter, c.term): (c.estimate, c.std_error) for c in rows}
        estimates |= {f"edf {_name(fit, one.parameter, one.term)}": (one.edf, math.nan) for one in fit.smooths}
        return Entry(self.shown, fit.data.rows_used, estimates, self.problem or OK)


def _name(fit: Fit, parameter: str, term: str) -> str:
    """A term, with its parameter in front where there are several for the mean, or it is of another."""
    return term if (parameter,) == tuple(fit.model.main) else f"{parameter}:{term}"


@dataclass(slots=True, eq=False)
class Filled:
    """Fits of a batch: what they have in common, and the values of each at the places where they differ.

    `groups` are their numbers, `heads` what JSON has in front of each.
    """

    template: Template
    groups: Sequence[int]
    values: Mapping[Path, Sequence[Any]]
    heads: Sequence[Mapping[str, Any]] = ()
    _texts: list[str] | None = None

    def json(self, at: int) -> str:
        """The document of one, on one line; those of all are made together."""
        if self._texts is None:
            self._texts = self.template.texts(self.heads, self.values)
        return self._texts[at]


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """One of the fits of a batch, with which nothing is wrong."""

    filled: Filled
    at: int
    written: Written
    problem: None = None

    @property
    def _alone(self) -> FitRecord:
        head, fit = self.filled.heads[self.at], self.filled.template.fit(self.filled.values, self.at)
        labels = tuple(map(str, head["group"].values()))
        return FitRecord(head, labels, labels, fit, self.written)

    def json(self) -> str:
        return self._alone.json() if self.written.exp else self.filled.json(self.at)

    def csv(self) -> Iterator[list[str]]:
        return self._alone.csv()

    def entry(self) -> Entry:
        return self._alone.entry()


def problem_of(fit: Fit) -> str | None:
    """The finding that makes a fit one not to be trusted, None where it may be: what its exit status is for."""
    if fit.exit_code == 0:
        return None
    found = (finding.code for finding in fit.warnings if fit.exit_code in _statuses().get(finding.code, ()))
    return next(found, "not_identified" if fit.exit_code == 5 else "not_converged")


@cache
def _statuses() -> dict[str, tuple[int, ...]]:
    return {one.code: one.statuses for one in explanations()}
