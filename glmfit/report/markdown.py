"""A fit as Markdown to paste into a report: what was fitted, coefficients, auxiliary parameters, statistics, findings.

Tables are GitHub's; text that came from the data is escaped, so that a term such as `a*b` or `x|y` shows as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from glmfit.report import numbers, random, shrunk, words
from glmfit.report.exponentiate import coefficients
from glmfit.report.fold import Fold, folded
from glmfit.report.random import auxiliary_rows
from glmfit.result import Auxiliary, Coefficient, Fit


def to_markdown(fit: Fit, *, exp: bool = False, all_levels: bool = False) -> str:
    """The fit as Markdown, headed by its family; long terms are folded unless `all_levels` are asked for."""
    family = fit.model.family
    title = f"{family[0].upper()}{family[1:]}" + (f" regression of {fit.model.response}" if fit.model.response else "")
    blocks = [f"## {escape(title)}", _facts(fit, exp)]
    if fit.shrinkage is not None:
        return "\n\n".join([*blocks, *_shrunk(fit), *_end(fit)]) + "\n"
    groups = words.groups(fit, coefficients(fit, exp))
    for parameter, rows in groups.items():
        shown = folded(fit, parameter, rows, all_levels)
        if len(groups) > 1 and shown:
            blocks.append(f"### {escape(words.group_heading(fit, parameter))}")
        blocks += [_coefficients(fit, parameter, shown, exp)] if shown else []
    if fit.smooths:
        body = [[term, *cells] for term, cells in words.smooth_rows(fit)]
        blocks.append(table(["Smooth term", *words.smooth_headings(fit)], body))
    if fit.random_effects is not None:
        blocks += [f"### {random.TITLE}", _random(fit)]
        heading = ["Level", "Effect", "Estimate", "Std. Error"]
        blocks += [f"### {escape(note)}\n\n{table(heading, modes, texts=2)}" for note, modes in random.modes(fit)]
    if auxiliary := auxiliary_rows(fit):
        blocks.append(_auxiliary(fit, auxiliary))
    return "\n\n".join([*blocks, _statistics(fit), *_end(fit)]) + "\n"


def _end(fit: Fit) -> list[str]:
    """How the search ended, and the findings."""
    warnings = [f"> **Warning** ({finding.code}): {escape(finding.message)}" for finding in fit.warnings]
    return [escape(words.convergence(fit)), *warnings]


def _shrunk(fit: Fit) -> list[str]:
    """The tables of a penalised fit: the coefficients that are not 0, or the path where no strength is chosen."""
    blocks = []
    tables = words.shrunk_tables(fit)
    for title, heading, rows, note in tables:
        blocks += [f"### {escape(title)}"] if title else []
        blocks += [table(heading, rows), *([escape(note)] if note else [])]
    chosen = shrunk.penalty(fit).chosen is not None
    return [*blocks, shrunk.NO_ERRORS if chosen else shrunk.NOT_CHOSEN, *([_statistics(fit)] if chosen else [])]


def _facts(fit: Fit, exp: bool) -> str:
    return "\n".join(f"- {label or 'Formula'}: {escape(text)}" for label, text in words.facts(fit, exp=exp))


def _coefficients(fit: Fit, parameter: str, shown: Sequence[tuple[Coefficient, Fold | None]], exp: bool) -> str:
    rows = [row for row, _ in shown]
    estimates = numbers.columns([(c.estimate, c.std_error, c.conf_low, c.conf_high) for c in rows])
    tests = numbers.test_statistics([c.statistic for c in rows])
    heading = ["Term", words.estimate_heading(fit, parameter, exp), "Std. Error"]
    heading += [*words.test_headings(fit), *words.interval_headings(fit.level)]
    body = []
    for (c, fold), (estimate, std_error, low, high), test in zip(shown, estimates, tests, strict=True):
        cells = [estimate, std_error, test, numbers.p_value(c.p_value), low, high]
        body.append([c.term, *words.or_missing(fit, c, cells)])
        if fold is not None:
            body += [[fold.note, *[""] * len(cells)], [fold.label, *fold.cells]]
    return table(heading, body)


def _auxiliary(fit: Fit, rows: Sequence[Auxiliary]) -> str:
    estimates = numbers.columns([(a.estimate, a.std_error, a.conf_low, a.conf_high) for a in rows])
    body = [[a.name, *words.or_missing(fit, a, text)] for a, text in zip(rows, estimates, strict=True)]
    return table(["Parameter", "Estimate", "Std. Error", *words.interval_headings(fit.level)], body)


def _random(fit: Fit) -> str:
    """Standard deviations and correlations, each term below its name."""
    body = []
    for note, rows in random.lines(fit):
        body += [[note, "", "", "", ""]] if note else []
        body += [[name, *cells] for name, cells in rows]
    return table(["Effect", "Estimate", "Std. Error", *words.interval_headings(fit.level)], body)


def _statistics(fit: Fit) -> str:
    likelihood, residual = words.statistics(fit)
    return table(["Statistic", "Value", ""], [[s.label, s.value, s.note] for s in [*likelihood, *residual] if s.label])


def table(heading: Sequence[str], body: Sequence[Sequence[str]], texts: int = 1) -> str:
    """A table whose first columns are `texts`, the others numbers."""
    rule = ["---"] * texts + ["---:"] * (len(heading) - texts)
    lines = [list(map(escape, heading)), rule, *([escape(cell) for cell in row] for row in body)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def escape(text: str) -> str:
    """Text as it is: Markdown's signs escaped, line breaks made spaces."""
    return re.sub(r"([\\`*_<|])", r"\\\1", " ".join(text.split()))
