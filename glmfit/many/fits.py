"""The record of a fit, or of the error that it ended with: the usual document with what tells it apart in front."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from glmfit.errors import GlmfitError
from glmfit.explain import explanations
from glmfit.report.delimited import HEADER, fields
from glmfit.report.document import error_document, line, reported
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
class FitRecord:
    """`head` is what JSON has in front of the document, `labels` are the first fields of CSV, `shown` of the table."""

    head: Mapping[str, Any]
    labels: tuple[str, ...]
    shown: tuple[str, ...]
    outcome: Fit | GlmfitError
    exp: bool = False
    covariance: bool = False

    @property
    def problem(self) -> str | None:
        return self.outcome.code if isinstance(self.outcome, GlmfitError) else problem_of(self.outcome)

    def json(self) -> str:
        if isinstance(self.outcome, GlmfitError):
            return line({**self.head, **error_document(self.outcome)})
        return line({**self.head, **reported(self.outcome, exp=self.exp, covariance=self.covariance)})

    def csv(self) -> Iterator[list[str]]:
        if isinstance(self.outcome, GlmfitError):
            yield [*self.labels, "", self.outcome.code, *[""] * len(HEADER), self.outcome.message]
            return
        ended, message = self.problem or OK, ""
        if self.problem is not None:
            message = next((one.message for one in self.outcome.warnings if one.code == ended), "")
        n = str(self.outcome.data.rows_used)
        for row in fields(self.outcome, exp=self.exp):
            yield [*self.labels, n, ended, *row, message]

    def entry(self) -> Entry:
        if isinstance(self.outcome, GlmfitError):
            return Entry(self.shown, None, {}, self.outcome.code)
        fit = self.outcome
        alone = len(fit.model.main) == 1
        estimates = {
            c.term if alone and c.parameter == fit.model.main[0] else f"{c.parameter}:{c.term}": (
                c.estimate,
                c.std_error,
            )
            for c in fit.coefficients
        }
        return Entry(self.shown, fit.data.rows_used, estimates, self.problem or OK)


def problem_of(fit: Fit) -> str | None:
    """The finding that makes a fit one not to be trusted, None where it may be: what its exit status is for."""
    if fit.exit_code == 0:
        return None
    found = (finding.code for finding in fit.warnings if fit.exit_code in _statuses().get(finding.code, ()))
    return next(found, "not_identified" if fit.exit_code == 5 else "not_converged")


@cache
def _statuses() -> dict[str, tuple[int, ...]]:
    return {one.code: one.statuses for one in explanations()}
