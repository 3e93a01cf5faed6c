"""The sections of one fit: what was done, findings with their explanations, coefficients, tests, statistics.

What is said is what the table of the fit says: here it only gets its place.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from glmfit import explain
from glmfit.errors import Finding
from glmfit.report import numbers, words
from glmfit.report.command import command
from glmfit.report.delimited import to_csv
from glmfit.report.exponentiate import coefficients
from glmfit.report.fold import folded
from glmfit.report.page.parts import Cell, Command, Facts, Grid, Notice, Part, Section, Text, cells
from glmfit.report.random import estimation, shares
from glmfit.report.random import lines as of_random
from glmfit.result import Coefficient, Fit, Fitted

OF_VERSIONS = ("torch", "numpy", "scipy", "pyarrow", "pandas", "formulaic")
MOST_ROWS = 500  # coefficients of one parameter in the page; CSV and JSON have them all
MOST_CSV = 2_000  # coefficients in the CSV of the page


def title(fit: Fit) -> str:
    """What the model is, in a few words."""
    family = fit.model.family
    return f"{family[0].upper()}{family[1:]}" + (f" regression of {fit.model.response}" if fit.model.response else "")


def done(fit: Fitted) -> list[Part]:
    """What was fitted to what, and the command that did it."""
    facts = tuple((label or "Formula", text) for label, text in words.facts(fit))
    return [Facts(facts), Command(command(fit))]


def findings(found: Sequence[Finding]) -> list[Part]:
    """Findings with what they mean and what to do."""
    if not found:
        return [Text("None: nothing that glmfit looks for speaks against these numbers.")]
    known = {one.code: one for one in explain.explanations()}
    return [Notice(one.code, one.message, known[one.code].meaning, known[one.code].remedy) for one in found]


def tables(fit: Fit) -> list[Part]:
    """The coefficients of each parameter, with a form of those of the first formula as ratios, and other parameters."""
    out: list[Part] = []
    ratio = fit.model.measure is not None
    plain = words.groups(fit, coefficients(fit, False))
    changed = words.groups(fit, coefficients(fit, True)) if ratio else {}
    for parameter, rows in plain.items():
        caption = words.group_heading(fit, parameter)
        grid = _coefficients(fit, parameter, rows, caption, exp=False)
        if ratio and parameter in fit.model.main:
            other = _coefficients(fit, parameter, changed[parameter], caption, exp=True)
            label = f"show {words.estimate_heading(fit, parameter, True).lower()}s: exp of the estimates"
            grid = Grid(caption, grid.heading, grid.rows, 1, _csv(fit, parameter, exp=False), label, other)
        out.append(grid)
    if fit.auxiliary:
        out.append(_auxiliary(fit))
    if fit.smooths:
        out.append(_smooths(fit))
    return out


def _csv(fit: Fit, parameter: str, *, exp: bool) -> str:
    """All rows as CSV, with those of the first parameter; nothing where there are too many for a page."""
    first = fit.coefficients[0].parameter if fit.coefficients else ""
    return to_csv(fit, exp=exp) if parameter == first and len(fit.coefficients) <= MOST_CSV else ""


def _coefficients(fit: Fit, parameter: str, rows: Sequence[Coefficient], caption: str, *, exp: bool) -> Grid:
    shown = folded(fit, parameter, rows, all_levels=False)[:MOST_ROWS]
    estimates = numbers.columns([(c.estimate, c.std_error, c.conf_low, c.conf_high) for c, _ in shown])
    tests = numbers.test_statistics([c.statistic for c, _ in shown])
    heading = ("Term", words.estimate_heading(fit, parameter, exp), "Std. Error", *words.test_headings(fit))
    body: list[tuple[Cell, ...]] = []
    for (c, fold), (estimate, std_error, low, high), test in zip(shown, estimates, tests, strict=True):
        texts = [estimate, std_error, test, numbers.p_value(c.p_value), low, high]
        keys = [c.estimate, c.std_error, c.statistic, c.p_value, c.conf_low, c.conf_high]
        body.append(cells([numbers.visible(c.term), *words.or_missing(fit, c, texts)], [None, *keys]))
        if fold is not None:
            body += [cells([fold.note, *[""] * len(texts)]), cells([fold.label, *fold.cells])]
    left = len(folded(fit, parameter, rows, all_levels=False)) - len(shown)
    if left:
        body.append(cells([f"... {left:,} more: --json", *[""] * 6]))
    return Grid(caption, (*heading, *words.interval_headings(fit.level)), tuple(body), 1, _csv(fit, parameter, exp=exp))


def _auxiliary(fit: Fit) -> Grid:
    found = fit.auxiliary
    texts = numbers.columns([(a.estimate, a.std_error, a.conf_low, a.conf_high) for a in found])
    body = tuple(
        cells([a.name, *words.or_missing(fit, a, text)], [None, a.estimate, a.std_error, a.conf_low, a.conf_high])
        for a, text in zip(found, texts, strict=True)
    )
    heading = ("Parameter", "Estimate", "Std. Error", *words.interval_headings(fit.level))
    return Grid("On their natural scales", heading, body)


def _smooths(fit: Fit) -> Grid:
    body = tuple(
        cells([numbers.visible(term), *texts], [None, one.edf, one.ref_df, one.statistic, one.p_value])
        for (term, texts), one in zip(words.smooth_rows(fit), fit.smooths, strict=True)
    )
    return Grid("Smooth terms", ("Term", *words.smooth_headings(fit)), body)


def random(fit: Fit) -> list[Part]:
    """Standard deviations and correlations, a table for each term, and how they were found."""
    assert fit.random_effects is not None
    heading = ("", "Estimate", "Std. Error", *words.interval_headings(fit.level))
    grids = [
        Grid(caption, heading, tuple(cells([name, *texts]) for name, texts in lines))
        for caption, lines in of_random(fit)
    ]
    shared = "; ".join(f"{label} {value}" for label, value in shares(fit.random_effects))
    how = f"By {estimation(fit.random_effects)}." + (f" {shared}." if shared else "")
    return [*grids, Text(how)]


def joint(fit: Fit) -> list[Part]:
    """Tests of terms of several coefficients; nothing where there are none."""
    if not fit.joint_tests:
        return []
    many = len({test.parameter for test in fit.joint_tests}) > 1
    statistics = numbers.test_statistics([test.statistic for test in fit.joint_tests])
    body = []
    for test, statistic in zip(fit.joint_tests, statistics, strict=True):
        df = f"{test.df}" if test.df_residual is None else f"{test.df}, {test.df_residual:.10g}"
        name = f"{test.parameter}: {test.term}" if many else test.term
        texts = [numbers.visible(name), test.statistic_kind, statistic, df, numbers.p_value(test.p_value)]
        body.append(cells(texts, [None, None, test.statistic, test.df, test.p_value]))
    heading = ("Term", "Kind", "Statistic", "df", "p-value")
    return [Grid("Wald tests that all coefficients of a term are 0", heading, tuple(body), 2)]


def statistics(fit: Fit) -> list[Part]:
    """What the likelihood and the residuals give, and how the search ended."""
    likelihood, residual = words.statistics(fit)
    body = tuple(cells([one.label, one.value, one.note]) for one in (*likelihood, *residual) if one.label)
    return [Grid("", ("Statistic", "Value", ""), body), Text(words.convergence(fit))]


def again(fits: Sequence[Fitted], seed: int | None) -> Section:
    """What it takes to get the same numbers."""
    lines = [f"glmfit {fits[0].version}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"]
    lines += [f"{name} {found}" for name in OF_VERSIONS if (found := _version(name))]
    facts = [("Versions", ", ".join(lines))]
    facts.append(("Responses", f"SHA-256 {fits[0].blueprint.fingerprint.response}, of {fits[0].data.source}"))
    if seed is not None:
        facts.append(("Seed", f"{seed}, of the random numbers in quantile residuals"))
    return Section("again", "To do it again", (Facts(tuple(facts)), Command("\n".join(command(fit) for fit in fits))))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
