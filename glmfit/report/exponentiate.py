"""Coefficients as ratios: exp of the coefficients of the first formula, where the link gives that a meaning.

exp(b) multiplies the mean (log link), the odds (logit) or the hazard (cloglog) per unit of the covariate. The ends of
the interval are transformed; the standard error is the delta method's, exp(b) SE(b); the test is still that of b = 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from glmfit.errors import UsageError
from glmfit.result import Coefficient, Fit


@dataclass(frozen=True, slots=True)
class Ratios:
    """What an exponentiated coefficient measures, and the coefficients of the first formula in the order of the fit."""

    measure: str  # such as "rate ratio"
    coefficients: tuple[Coefficient, ...]


def check_measure(measure: str | None, family: str, link: str) -> str:
    """What exp of a coefficient is; `UsageError` where it has no meaning."""
    if measure is None:
        raise UsageError(
            "exp_has_no_meaning",
            f"--exp: exponentiated coefficients have no meaning with the {link} link of {family}",
            "leave --exp out, or use a log, logit or cloglog link",
        )
    return measure


def ratios(fit: Fit) -> Ratios:
    """The exponentiated coefficients of the first formula; `UsageError` where exp has no meaning for them."""
    model = fit.model
    measure = check_measure(model.measure, model.family, model.links[model.main[0]])
    return Ratios(measure, tuple(_exponentiate(c) for c in fit.coefficients if c.parameter in model.main))


def coefficients(fit: Fit, exp: bool) -> tuple[Coefficient, ...]:
    """All coefficients in the order of the fit, those of the first formula exponentiated if asked."""
    if not exp:
        return fit.coefficients
    changed = iter(ratios(fit).coefficients)
    return tuple(next(changed) if c.parameter in fit.model.main else c for c in fit.coefficients)


def _exponentiate(row: Coefficient) -> Coefficient:
    estimate = _exp(row.estimate)
    return replace(
        row,
        estimate=estimate,
        std_error=estimate * row.std_error,
        conf_low=_exp(row.conf_low),
        conf_high=_exp(row.conf_high),
    )


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf
