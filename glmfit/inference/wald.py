"""Rows of the answer: Wald tests and intervals of coefficients, and constants on their natural scales.

    statistic = estimate / SE        interval = estimate -+ q SE        SE(g^-1(eta)) = |d g^-1 / d eta| SE(eta)

The interval of a natural value is that of its linear predictor, mapped by the link.
"""

from __future__ import annotations

import math

import torch

from glmfit.families import LINKS, Link, Parameter
from glmfit.inference.covariance import Reference
from glmfit.result import Auxiliary, Coefficient


def coefficient(
    parameter: str, term: str, estimate: float, error: float, status: str | None, reference: Reference, level: float
) -> Coefficient:
    """The row of a coefficient with its test against 0 and its interval."""
    statistic = estimate / error if error > 0 else math.nan
    half = reference.quantile(level) * error
    return Coefficient(
        parameter,
        term,
        estimate,
        error,
        statistic,
        reference.p_value(statistic),
        estimate - half,
        estimate + half,
        status,
        None if reference.df is None else float(reference.df),
    )


def natural(name: str, parameter: Parameter, link: Link, row: Coefficient) -> Auxiliary:
    """The constant whose linear predictor is `row`, on its natural scale."""
    eta = torch.tensor(row.estimate, dtype=torch.float64, requires_grad=True)
    value = link.inverse(eta)
    (slope,) = torch.autograd.grad(value, eta)
    ends = [
        natural_end(parameter, link, end, float(slope) * side) for side, end in ((-1, row.conf_low), (1, row.conf_high))
    ]
    low, high = (min(ends), max(ends)) if not math.isnan(sum(ends)) else (math.nan, math.nan)
    return Auxiliary(name, float(value.detach()), abs(float(slope)) * row.std_error, low, high)


def natural_end(parameter: Parameter, link: Link, eta: float, direction: float) -> float:
    """The natural value at an end of an interval in eta; outside the link's domain that is the end of the range.

    `direction` is positive where the parameter rises towards this end, negative where it falls.
    """
    if math.isnan(eta):
        return math.nan
    working = link.to(parameter.scale, torch.tensor(eta, dtype=torch.float64))
    value = LINKS[parameter.scale].inverse(working)
    if not bool(torch.isnan(value)):
        return float(value)
    upper = 1.0 if parameter.scale == "logit" else math.inf
    return upper if direction > 0 else 0.0


def held(name: str, value: float) -> Auxiliary:
    """A parameter held at a value."""
    return Auxiliary(name, value, math.nan, math.nan, math.nan, fixed=True)
