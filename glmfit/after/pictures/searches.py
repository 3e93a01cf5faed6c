"""Pictures that need the rows of the fit again: the way of the optimiser, and the profile of a coefficient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from glmfit.after.pictures.forest import check_terms
from glmfit.after.pictures.words import PLAIN, Labels, model_line, named
from glmfit.after.refit import check_estimates, dense_rows_of, rows_of
from glmfit.errors import ModelError, UsageError
from glmfit.formula import INTERCEPT
from glmfit.reading import PLAIN as AS_IT_WAS
from glmfit.reading import Reading
from glmfit.report import numbers
from glmfit.report.pictures.frame import Frame
from glmfit.result import Fitted


def trace(
    fit: Fitted, data: Any, *, family: str | None = None, name: str = "the model", reading: Reading = AS_IT_WAS
) -> Frame:
    """The `steps` of each search: what the log-likelihood lacks of its best, and the distance to the maximum."""
    told: list[dict[str, float]] = []
    if fit.blueprint.predictors:
        from glmfit.estimate.pipeline import fit_data

        again = fit_data(rows_of(fit, data, family, name, reading, ci="wald"), told.append)
    else:
        from glmfit.dense.fit import fit_prepared

        again = fit_prepared(dense_rows_of(fit, data, family, name, reading, ci="wald"), told.append)
    check_estimates(fit, again, again.data.source, name)
    if not told:
        message = "the maximum was found in one step, by least squares: there is no way to draw"
        raise ModelError("no_picture", message, "nothing is wrong with that")
    search, last, searches = 0, math.inf, []
    for step in told:
        search += step["iteration"] <= last
        last = step["iteration"]
        searches.append(search)
    best = max(step["log_likelihood"] for step in told)
    key = "newton_decrement" if "newton_decrement" in told[-1] else "gradient_norm"
    steps: dict[str, Any] = {
        "search": searches,
        "iteration": [int(step["iteration"]) for step in told],
        "log_likelihood": [step["log_likelihood"] for step in told],
        "deficit": [best - step["log_likelihood"] for step in told],
        key: [step.get(key, math.nan) for step in told],
    }
    found = again.convergence
    facts = {"optimizer": found.optimizer, "status": found.status, "searches": search, "measure": key, "best": best}
    note = f"{found.optimizer}: {found.status} after {found.iterations} iterations"
    if search > 1:
        note += f"; the last of {search} searches is dark: the others start it, or look from elsewhere"
    return Frame(
        "trace",
        "Way of the optimiser",
        model_line(fit),
        "Iteration",
        "Log-likelihood below the best",
        {"steps": steps},
        facts,
        (f"{note}.",),
        f"{note}. The log-likelihood rises to {numbers.short(best)}.",
    )


def profile(
    fit: Fitted,
    data: Any,
    *,
    terms: Sequence[str] = (),
    level: float | None = None,
    family: str | None = None,
    name: str = "the model",
    reading: Reading = AS_IT_WAS,
    labels: Labels = PLAIN,
) -> Frame:
    """The `curve` of one coefficient, by default the first that is no intercept, beside Wald's parabola."""
    at = _place(fit, terms)
    row, level = fit.coefficients[at], fit.level if level is None else level
    if not fit.blueprint.predictors:
        message = f"{name} is a log_likelihood(params, data), whose profiles are not drawn"
        raise ModelError("no_picture", message, "its intervals: glmfit confint MODEL DATA")
    if fit.random_effects is not None:
        message = (
            f"{name} has random effects: their integral is found anew at each value, for which there is no profile"
        )
        raise ModelError("random_excludes", message, "its intervals by Wald: glmfit plot forest MODEL")
    from glmfit.estimate.curve import profile_curve

    rows = rows_of(fit, data, family, name, reading, ci="wald", check_separation=False)
    again, curve = profile_curve(rows, at, level)
    check_estimates(fit, again, again.data.source, name)
    (shown,) = named(fit, [row], labels)
    text = " ".join(part for part in (shown.group, shown.label) if part)
    if row.parameter not in fit.model.main:
        text = f"{row.parameter}: {text}"
    table = {
        "value": list(curve.values),
        "root": list(curve.roots),
        "drop": [r * r for r in curve.roots],
        "wald": [((value - curve.estimate) / curve.error) ** 2 for value in curve.values],
    }
    facts = {
        "parameter": row.parameter,
        "term": row.term,
        "level": level,
        "estimate": curve.estimate,
        "std_error": curve.error,
        "conf_low": curve.low,
        "conf_high": curve.high,
        "quantile": curve.quantile,
    }
    ends = f"{numbers.short(curve.low)} to {numbers.short(curve.high)}"
    wald = [curve.estimate + side * curve.quantile * curve.error for side in (-1, 1)]
    by_wald = f"{numbers.short(wald[0])} to {numbers.short(wald[1])}"
    note = f"{100 * level:g} % interval {ends}; by the curvature at the estimate {by_wald}."
    return Frame(
        "profile",
        f"Profile likelihood of {text}",
        model_line(fit),
        text,
        "Twice the fall of the log-likelihood",
        {"curve": table},
        facts,
        (note,),
        f"The profile of {text}: estimate {numbers.short(curve.estimate)}, {note}",
    )


def _place(fit: Fitted, terms: Sequence[str]) -> int:
    """The coefficient that is asked for, by itself or as its term's only one."""
    rows = fit.coefficients
    if not terms:
        own = [at for at, row in enumerate(rows) if row.term != INTERCEPT.name and row.status is None]
        return (own or [0])[0]
    if len(terms) > 1:
        raise UsageError("contradiction", "a profile is of one coefficient", f"write --terms {terms[0]}")
    check_terms({"model": fit}, terms)
    whole = [*fit.blueprint.terms, *(row.term for row in rows[len(fit.blueprint.terms) :])]
    exact = [at for at, row in enumerate(rows) if terms[0] in (row.term, f"{row.parameter}:{row.term}")]
    found = exact or [at for at, row in enumerate(rows) if terms[0] in (whole[at], f"{row.parameter}:{whole[at]}")]
    main = [at for at in found if rows[at].parameter in fit.model.main] or found
    if len(main) > 1:
        message = f"--terms {terms[0]} is {len(main)} coefficients, and a profile is of one"
        raise UsageError("contradiction", message, f"write one of: {', '.join(rows[at].term for at in main[:8])}")
    return main[0]
