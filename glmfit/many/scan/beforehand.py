"""What is said of a scanned column before its model is fitted, by the limits that PLINK 2 has: r and 1 / (1 - R^2)."""

from __future__ import annotations

import math

from glmfit.errors import Finding

ALIKE = 0.999  # a correlation with a covariate
INFLATED = 50.0  # a variance inflation factor: the standard error is 7 times that of the column by itself


def constant(name: str, rows: int) -> Finding:
    """A column that has a single value."""
    message = f"'{name}' is the same in all {rows:,} rows used: beside a constant it has no coefficient"
    return Finding("constant", message, (name,))


def alike(name: str, factor: float, correlation: float, other: str) -> Finding | None:
    """A column that is nearly another, or a combination of others; None where its variance is not inflated."""
    if not factor > INFLATED:
        return None
    if correlation > ALIKE:
        return Finding("collinear", f"'{name}' has a correlation of {correlation:.6f} with '{other}'", (name, other))
    if math.isinf(factor):
        return Finding("collinear", f"'{name}' is a linear combination of the other columns", (name,))
    message = f"the other columns inflate the variance of the coefficient of '{name}' {factor:.4g} times"
    return Finding("variance_inflation", message, (name,))
