"""One model a column: which columns, what all models share, which are fitted together, and a record for each in order.

What is said of a column before it is fitted follows PLINK 2: that it is constant, nearly the same as a covariate
(|r| > 0.999), or inflates variances (factor above 50). Only columns that are needed are read, each once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from glmfit.errors import DataError, Finding, UsageError, shorten
from glmfit.families import Family
from glmfit.families.userfile import is_dense
from glmfit.lazy import load_meanwhile
from glmfit.many.scan.gapped import Scan, holds
from glmfit.many.scan.names import chosen
from glmfit.many.scan.rows import ScanRecord, adjusted
from glmfit.many.scan.template import GAP, Template
from glmfit.rows import check_held, inside, refuse_formula, refuse_random, resolve
from glmfit.rows.asked import Asked, ask
from glmfit.rows.data import A_WHILE
from glmfit.spec import ModelSpec
from glmfit.spill import Spill
from glmfit.table import open_data

Told = Callable[[int, int], None]


def scan(spec: ModelSpec, data: Any, columns: Sequence[str], *, firth_fallback: bool = False) -> Scan:
    """The columns read, and all checked that concerns every model; nothing is fitted yet."""
    template = Template(spec)
    if is_dense(spec.family):
        message = "--scan is for likelihoods with linear predictors, and this one is a function of all parameters"
        raise UsageError("contradiction", message, "write log_density(y, eta ...) in the file instead")
    gap = template.of(GAP)
    family, links = resolve(gap)
    if firth_fallback:
        resolve(replace(gap, bias_reduction="firth"))
    source = open_data(data, spec.reading, spool=Spill(spec.spill or ""))
    with source.blaming_the_header():
        names = chosen(columns, source.header)
        asked = ask(gap, family, links, [*source.header, GAP])
        apart = "fit without --scan, one column at a time"
        refuse_formula(asked.formula, "--scan, which fits each column beside the same terms,", apart)
        if firth_fallback:
            ask(replace(gap, bias_reduction="firth"), family, links, [*source.header, GAP])
    _check(asked, names, family)
    refuse_random(asked.formula, "--scan fits columns together", "write a file of jobs, a model for each column")
    wanted = [name for name in asked.read if name != GAP]
    if source.expected_rows() * (len(wanted) + len(names)) > A_WHILE:
        load_meanwhile("glmfit.many.scan.columns")
    check_held("--scan", gap, source, len(wanted) + len(names))
    table, _ = inside(asked.where, source.read([*wanted, *names]), [*asked.columns, *names])
    return Scan(template, asked, source, table, names, firth_fallback)


def _check(asked: Asked, names: Sequence[str], family: Family) -> None:
    """Raises where a scanned column is in every model already, or the gap in no term."""
    formula = asked.formula
    used = set(asked.columns) - {GAP}
    clash = next((name for name in names if name in used), None)
    if clash is not None:
        what = "the response" if clash in formula.response.columns else "in every model already"
        hint = f"leave it out of --scan; a pattern does without it by ',!{clash}'"
        raise DataError("scan_columns", f"--scan matches '{shorten(clash)}', which is {what}", hint)
    terms = [factor for predictor in formula.predictors for term in predictor.terms for factor in term.factors]
    if not holds([*terms, *formula.response.parts]):
        message = "{} stands in an offset, which has no coefficient to report"
        raise UsageError("scan_gap", message, "write it as a term: 'y ~ {} + age'")


def records(scan: Scan, adjust: str = "bh", told: Told | None = None) -> list[ScanRecord]:
    """One for each column, in order."""
    from glmfit.many.scan.alone import Alone
    from glmfit.many.scan.columns import together

    found: dict[int, ScanRecord] = {}
    cautions: dict[int, Finding] = {}

    def add(place: int, record: ScanRecord) -> None:
        found[place] = record
        if told is not None:
            told(len(found), len(scan.names))

    for place, outcome in together(scan):
        if isinstance(outcome, Finding):
            cautions[place] = outcome
        else:
            add(place, outcome)
    alone = Alone(scan)
    for place, name in enumerate(scan.names):
        if place not in found:
            add(place, alone.record(name, cautions.get(place)))
    out = [found[place] for place in range(len(scan.names))]
    adjusted(out, adjust)
    return out
