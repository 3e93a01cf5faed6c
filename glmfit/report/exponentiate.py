"""Coefficients as ratios: exp of the mean's coefficients, where the link gives that a meaning.

exp(b) multiplies the mean (log link), the odds (logit) or the hazard (cloglog) per unit of the covariate. The ends of
the interval are transformed; the standard error is the delta method's, exp(b) SE(b); the test is still that of b = 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from glmfit.errors import UsageError
from glmfit.families.catalogue import find_family
from glmfit.result import Coefficient, Fit

PARAMETER = "mu"
BY_LINK = {"log": "ratio", "logit": "odds ratio", "cloglog": "hazard ratio"}


@dataclass(frozen=True, slots=True)
class Ratios:
    """What an exponentiated coefficient measures, and the coefficients of mu in the order of the fit."""

    measure: str  # such as "rate ratio"
    coefficients: tuple[Coefficient, ...]


def check_link(family: str, link: str) -> str:
    """The name of the ratio for a family and the link of its mean; `UsageError` where exp has no meaning."""
    if link not in BY_LINK:
        raise UsageError(
            "exp_has_no_meaning",
            f"--exp: exponentiated coefficients have no meaning with the {link} link of {family}",
            f"use --exp with one of these links: {', '.join(BY_LINK)}",
        )
    return find_family(family).ratio if link == "log" else BY_LINK[link]


def ratios(fit: Fit) -> Ratios:
    """The exponentiated coefficients of mu; `UsageError` where the model has no mean or its link no ratio."""
    link = fit.model.links.get(PARAMETER)
    if link is None:
        raise UsageError(
            "exp_has_no_meaning",
            f"--exp: {fit.model.family} has no parameter '{PARAMETER}' whose coefficients could be exponentiated",
            "leave out --exp",
        )
    measure = check_link(fit.model.family, link)
    return Ratios(measure, tuple(_exponentiate(c) for c in fit.coefficients if c.parameter == PARAMETER))


def coefficients(fit: Fit, exp: bool) -> tuple[Coefficient, ...]:
    """All coefficients in the order of the fit, those of mu exponentiated if asked."""
    if not exp:
        return fit.coefficients
    changed = iter(ratios(fit).coefficients)
    return tuple(next(changed) if c.parameter == PARAMETER else c for c in fit.coefficients)


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
