"""One model a column: which columns, what all models share, which are fitted together, and a record for each in order.

What is said of a column before it is fitted follows PLINK 2: that it is constant, nearly the same as a covariate
(|r| > 0.999), or inflates variances (factor above 50). Only columns that are needed are read, each once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from glmfit.errors import DataError, UsageError, shorten
from glmfit.families import Family
from glmfit.families.userfile import is_dense
from glmfit.formula import Factor, ModelFormula
from glmfit.many.alone import Alone
from glmfit.many.names import chosen
from glmfit.many.scanned import ScanRecord, adjust
from glmfit.many.template import GAP, Template
from glmfit.rows import inside, resolve
from glmfit.rows.asked import Asked, ask
from glmfit.spec import ModelSpec
from glmfit.table import Source, Table, open_data

Told = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """A model with a gap, over the columns that have been read for it, in the rows that --where chose."""

    template: Template
    asked: Asked  # with the gap as if it were a column
    source: Source
    table: Table
    names: Sequence[str]
    adjust: str
    firth_fallback: bool

    @property
    def of_response(self) -> bool:
        """Whether it is the response that changes."""
        return GAP in self.asked.formula.response.columns

    @property
    def shared(self) -> tuple[str, ...]:
        """The columns of every model."""
        return tuple(name for name in self.asked.columns if name != GAP)

    def records(self, told: Told | None = None) -> list[ScanRecord]:
        """One for each column, in order."""
        from glmfit.many.grouping import together

        found: dict[int, ScanRecord] = {}
        alone = Alone(self.template, self.source, self.table, self.shared, self.of_response, self.firth_fallback)
        cautions: dict[int, str] = {}
        for place, outcome in together(self):
            if isinstance(outcome, str):
                cautions[place] = outcome
            else:
                found[place] = outcome
                if told is not None:
                    told(len(found), len(self.names))
        for place, name in enumerate(self.names):
            if place not in found:
                found[place] = alone.record(name, cautions.get(place))
                if told is not None:
                    told(len(found), len(self.names))
        records = [found[place] for place in range(len(self.names))]
        adjust(records, self.adjust)
        return records


def scan(
    spec: ModelSpec, data: Any, columns: Sequence[str], *, adjust: str = "bh", firth_fallback: bool = False
) -> Scan:
    """The columns read, and all checked that concerns every model; nothing is fitted yet."""
    template = Template(spec)
    if is_dense(spec.family):
        message = "--scan is for likelihoods with linear predictors, and this one is a function of all parameters"
        raise UsageError("contradiction", message, "write log_density(y, eta ...) in the file instead")
    gap = template.of(GAP)
    family, links = resolve(gap)
    if firth_fallback:
        resolve(replace(gap, bias_reduction="firth"))
    source = open_data(data, spec.reading)
    with source.blaming_the_header():
        names = chosen(columns, source.header)
        asked = ask(gap, family, links, [*source.header, GAP])
        if firth_fallback:
            ask(replace(gap, bias_reduction="firth"), family, links, [*source.header, GAP])
    _check(asked, names, family)
    wanted = [name for name in asked.read if name != GAP]
    table, _ = inside(asked.where, source.read([*wanted, *names]), [*asked.columns, *names])
    return Scan(template, asked, source, table, names, adjust, firth_fallback)


def _check(asked: Asked, names: Sequence[str], family: Family) -> None:
    """Raises where a scanned column is in every model already, or the gap in no term."""
    formula = asked.formula
    used = set(asked.columns) - {GAP}
    clash = next((name for name in names if name in used), None)
    if clash is not None:
        what = "the response" if clash in formula.response.columns else "in every model already"
        hint = f"leave it out of --scan; a pattern does without it by ',!{clash}'"
        raise DataError("scan_columns", f"--scan matches '{shorten(clash)}', which is {what}", hint)
    held = [factor for predictor in formula.predictors for term in predictor.terms for factor in term.factors]
    if not any(GAP in factor.columns for factor in [*held, *formula.response.parts]):
        message = "{} stands in an offset, which has no coefficient to report"
        raise UsageError("scan_gap", message, "write it as a term: 'y ~ {} + age'")


def without_gap(formula: ModelFormula) -> ModelFormula:
    """The formula without the terms that hold the gap."""
    predictors = tuple(
        replace(one, terms=tuple(term for term in one.terms if not _holds(term.factors))) for one in formula.predictors
    )
    return replace(formula, predictors=predictors, variables=tuple(name for name in formula.variables if name != GAP))


def _holds(factors: Sequence[Factor]) -> bool:
    return any(GAP in factor.columns for factor in factors)
