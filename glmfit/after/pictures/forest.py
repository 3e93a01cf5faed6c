"""The forest: estimates of one model or of several with their intervals, a line each, factors under their names.

The intercept is left out beside others, as it is on another scale than differences; `terms` brings it back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from glmfit.after.confint import confidence_intervals
from glmfit.after.penalised import refuse_penalised
from glmfit.after.pictures.words import PLAIN, Labels, Named, model_line, named
from glmfit.errors import ModelError, UsageError, did_you_mean, shorten
from glmfit.formula import INTERCEPT
from glmfit.report import numbers, words
from glmfit.report.exponentiate import coefficients, ratios
from glmfit.report.fold import folded
from glmfit.report.pictures.frame import Frame
from glmfit.result import Coefficient, Fitted

MOST = 120  # lines of one picture
COLUMNS = ("model", "parameter", "term", "part", "group", "label", "estimate", "conf_low", "conf_high", "status")


def forest(
    models: Mapping[str, Fitted],
    *,
    exp: bool = False,
    terms: Sequence[str] = (),
    level: float | None = None,
    labels: Labels = PLAIN,
) -> Frame:
    """A row for each model and coefficient, those of one coefficient together, in the order of the first model."""
    for fit in models.values():
        refuse_penalised(fit, "a forest of intervals")
    models = {name: at_level(fit, level) for name, fit in models.items()}
    chosen = {name: _chosen(fit, exp, terms) for name, fit in models.items()}
    check_terms(models, terms)
    order: dict[tuple[str, str], dict[str, Named]] = {}
    for name, found in chosen.items():
        for one in named(models[name], found, labels):
            order.setdefault((one.row.parameter, one.row.term), {})[name] = one
    if not order:
        message = "the model has no coefficient to draw" + (" on the scale of ratios" if exp else "")
        raise ModelError("no_picture", message, "name what to draw: --terms TERM" if not exp else "leave out --exp")
    rows = [_row(name, models[name], one, exp) for own in order.values() for name, one in own.items()]
    left = len(rows) - len(rows[:MOST])
    hidden = sum(len(_shown(fit, exp, terms)) - len(chosen[name]) for name, fit in models.items()) + left
    first = next(iter(models.values()))
    facts: dict[str, Any] = {
        "models": list(models),
        "scale": "log" if exp else "linear",
        "reference": 1 if exp else 0,
        "level": first.level,
        "intervals": first.ci,
        "covariance": first.covariance.kind,
    }
    notes = [_folded(hidden)] if hidden else []
    what = _measure(models, exp)
    of = model_line(first) if len(models) == 1 else f"{len(models)} models of {first.model.response}"
    axis = f"{what}, with {100 * first.level:g} % intervals"
    table = {key: [row[key] for row in rows[:MOST]] for key in COLUMNS}
    title = "Coefficients" if not exp else f"{what}s"
    return Frame("forest", title, of, axis, "", {"rows": table}, facts, tuple(notes), _description(rows, what, exp))


def at_level(fit: Fitted, level: float | None) -> Fitted:
    """A fit with Wald intervals of another level, where one is asked for."""
    if level is None or level == fit.level:
        return fit
    found = confidence_intervals(fit, method="wald", level=level).rows
    ends = {(row["parameter"], row["term"]): row for row in found}
    rows = tuple(
        replace(row, conf_low=end["conf_low"], conf_high=end["conf_high"]) if end else row
        for row, end in ((row, ends.get((row.parameter, row.term))) for row in fit.coefficients)
    )
    return replace(fit, coefficients=rows, level=level, ci="wald")


def _shown(fit: Fitted, exp: bool, terms: Sequence[str]) -> list[Coefficient]:
    """The coefficients that are asked for."""
    rows = list(coefficients(fit, exp))
    if exp:
        rows = [row for row in rows if row.parameter in fit.model.main]
    inside = words.groups(fit, tuple(rows))
    if terms:  # those of constants of other parameters in full
        names = {key: own if key[0] in inside else own[2:] for key, own in _names(fit).items()}
        return [row for row in rows if not set(terms).isdisjoint(names[row.parameter, row.term])]
    smooth = _of_smooths(fit)
    kept = [row for own in inside.values() for row in own if (row.parameter, row.term) not in smooth]
    return [row for row in kept if row.term != INTERCEPT.name] or kept


def _of_smooths(fit: Fitted) -> set[tuple[str, str]]:
    """Coefficients of smooths, which say nothing one by one."""
    found = (row for one in fit.smooths for row in fit.coefficients[one.first : one.first + one.coefficients])
    return {(row.parameter, row.term) for row in found}


def _chosen(fit: Fitted, exp: bool, terms: Sequence[str]) -> list[Coefficient]:
    """Of these, all but the many levels of a long term that a table would fold."""
    rows = _shown(fit, exp, terms)
    if terms:
        return rows
    kept = set()
    for parameter in dict.fromkeys(row.parameter for row in fit.coefficients):
        own = [row for row in fit.coefficients if row.parameter == parameter]
        kept |= {(row.parameter, row.term) for row, _ in folded(fit, parameter, own, all_levels=False)}
    return [row for row in rows if (row.parameter, row.term) in kept]


def _names(fit: Fitted) -> dict[tuple[str, str], tuple[str, ...]]:
    """What each coefficient may be called: itself or its term, with its parameter in front or without."""
    terms = fit.blueprint.terms
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for at, row in enumerate(fit.coefficients):
        whole = terms[at] if at < len(terms) else row.term
        found[row.parameter, row.term] = (whole, row.term, f"{row.parameter}:{whole}", f"{row.parameter}:{row.term}")
    return found


def check_terms(models: Mapping[str, Fitted], terms: Sequence[str]) -> None:
    """`UsageError` for a name that is neither a coefficient nor a term of any model."""
    known = dict.fromkeys(name for fit in models.values() for names in _names(fit).values() for name in names)
    for term in terms:
        if term not in known:
            hint = did_you_mean(term, known) or f"write one of: {', '.join(list(known)[:12])}"
            raise UsageError("unknown_term", f"--terms: no model has a term '{shorten(term)}'", hint)


def _row(name: str, fit: Fitted, one: Named, exp: bool) -> dict[str, Any]:
    row = one.row
    status = words.missing(fit, row) or None
    estimate = _at_the_end(fit, row, exp) if row.status == "infinite" else row.estimate
    values = (name, row.parameter, row.term, one.part, one.group, one.label, estimate, row.conf_low, row.conf_high)
    return dict(zip(COLUMNS, (*values, status), strict=True))


def _at_the_end(fit: Fitted, row: Coefficient, exp: bool) -> float:
    """Where a coefficient of separated data goes to, NaN where that is either end: a file has no number for it."""
    separation = fit.identification.separation
    ways = (
        [t.direction for t in separation.terms if (t.parameter, t.term) == (row.parameter, row.term)]
        if separation
        else []
    )
    if not ways or not ways[0]:
        return math.nan
    return math.inf if ways[0] > 0 else 0.0 if exp else -math.inf


def _measure(models: Mapping[str, Fitted], exp: bool) -> str:
    if not exp:
        return "Estimate"
    measures = {ratios(fit).measure for fit in models.values()}
    if len(measures) > 1:
        message = f"exponentiated coefficients of these models are different things: {', '.join(sorted(measures))}"
        raise UsageError("contradiction", message, "leave out --exp, or draw them one by one")
    return measures.pop().capitalize()


def _folded(hidden: int) -> str:
    return f"{hidden:,} more coefficients are not drawn; name those that are wanted with --terms."


def _description(rows: Sequence[Mapping[str, Any]], what: str, exp: bool) -> str:
    """Which intervals do not hold the reference, in words."""
    null = 1 if exp else 0
    clear = [row for row in rows if row["conf_low"] > null or row["conf_high"] < null]
    finite = [row for row in clear if math.isfinite(row["estimate"])]
    shown = [
        f"{' '.join(part for part in (row['group'], row['label']) if part)} {numbers.short(row['estimate'])}"
        for row in finite[:6]
    ]
    text = f"A forest plot of {len(rows)} estimates with their intervals; {len(clear)} of these do not include {null}"
    return f"{text}: {', '.join(shown)}{' and others' if len(finite) > 6 else ''}." if shown else f"{text}."
