"""A fit as tidy CSV: one row per coefficient in full precision, then one per auxiliary parameter on its natural scale.

`scale` says what a row's numbers are: `link`, `exp` (exponentiated coefficient) or `natural` (the parameter itself,
whose `term` is empty). A number that does not exist is an empty field; an infinite one reads `inf` or `-inf`.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator

from glmfit.report import shrunk
from glmfit.report.exponentiate import coefficients
from glmfit.result import Fit

HEADER = (
    "parameter",
    "term",
    "estimate",
    "std_error",
    "statistic",
    "p_value",
    "conf_low",
    "conf_high",
    "status",
    "scale",
)


def to_csv(fit: Fit, *, exp: bool = False) -> str:
    """The coefficients as CSV (RFC 4180, LF line ends); of a penalised fit, those along its path."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    whole = fit.shrinkage is None
    writer.writerow(HEADER if whole else shrunk.HEADER)
    writer.writerows(fields(fit, exp=exp) if whole else shrunk.path_rows(fit))
    return out.getvalue()


def left_out(fit: Fit) -> str:
    """What a fit has that is no row of coefficients, in words; nothing where its rows are all of it."""
    effects = "standard deviations and correlations of random effects" if fit.random_effects is not None else ""
    return effects or ("effective degrees of freedom and tests of smooths" if fit.smooths else "")


def fields(fit: Fit, *, exp: bool = False) -> Iterator[list[str]]:
    """The fields of each row."""
    for c in coefficients(fit, exp):
        values = (c.estimate, c.std_error, c.statistic, c.p_value, c.conf_low, c.conf_high)
        scale = "exp" if exp and c.parameter in fit.model.main else "link"
        yield [c.parameter, c.term, *map(_field, values), c.status or "", scale]
    for a in fit.auxiliary:
        values = (a.estimate, a.std_error, math.nan, math.nan, a.conf_low, a.conf_high)
        yield [a.name, "", *map(_field, values), "fixed" if a.fixed else "", "natural"]


def _field(value: float) -> str:
    return "" if math.isnan(value) else repr(float(value))
