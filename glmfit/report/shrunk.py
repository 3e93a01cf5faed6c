"""A penalised fit in words, tables and CSV: the penalty, what is left at the strength chosen, and the path.

No row has a standard error: the data have chosen and shrunk the coefficients, and no error of a fit would be theirs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from glmfit.report import numbers
from glmfit.result import Auxiliary, Coefficient, Fit
from glmfit.shrunk import PathPoint, Shrunk

NO_ERRORS = (
    "No standard errors and no p-values: the data have chosen and shrunk these coefficients, so that they are biased, "
    "and errors of a fit would not be theirs."
)
NOT_CHOSEN = (
    "No strength is chosen: add --cv 10, or --strength with a number. --format csv has the coefficients of all of them."
)
HEADER = (
    *("strength", "nonzero", "explained", "cv_mean", "cv_error", "converged", "chosen"),
    *("parameter", "term", "estimate"),
)
SHOWN = 20  # strengths of a path in a table, at most


def facts(fit: Fit) -> Iterator[tuple[str, str]]:
    """What is said above the table: the penalty, its strength, and how that was chosen."""
    shrunk = penalty(fit)
    parts = [shrunk.penalty if shrunk.alpha in (0, 1) else f"elastic net, alpha {shrunk.alpha:g}"]
    parts.append(f"on {shrunk.covariates} coefficients" if shrunk.covariates != 1 else "on 1 coefficient")
    parts.append("of standardised columns" if shrunk.standardized else "of the columns as they are")
    yield "Penalty", " ".join([f"{parts[0]},", *parts[1:]])
    together = [
        text for text, given in (("terms", shrunk.group_terms), ("categories", shrunk.group_categories)) if given
    ]
    if together:
        yield "Groups", f"coefficients of {' and of '.join(together)} are 0 together"
    if shrunk.factors:
        yield "Factors", ", ".join(f"{term} {value:g}" for term, value in shrunk.factors.items())
    if len(shrunk.path) > 1:
        ends = [numbers.short(shrunk.path[at].strength) for at in (0, -1)]
        yield "Path", f"{len(shrunk.path)} strengths from {ends[0]} to {ends[1]}"
    if shrunk.cv is not None:
        yield from _validation(shrunk)
    if shrunk.chosen is not None:
        how = {"min": "least loss", "1se": "largest within one error of the least", "given": "as given"}
        strength = shrunk.path[shrunk.chosen].strength
        yield "Strength", f"lambda = {numbers.short(strength)} ({how[str(shrunk.choice)]})"


def _validation(shrunk: Shrunk) -> Iterator[tuple[str, str]]:
    cv = shrunk.cv
    assert cv is not None
    made = f"of {cv.column}" if cv.column is not None else f"seed {cv.seed}"
    kept = f", groups of {cv.groups} whole" if cv.groups is not None else ", stratified" if cv.stratified else ""
    yield "Folds", f"{cv.folds}, {made}{kept}; loss: {cv.loss}"
    for label, strength in (("Least loss", cv.strength_min), ("One error", cv.strength_1se)):
        point = next(one for one in shrunk.path if one.strength == strength)
        loss = f"{numbers.short(point.cv_mean)} (SE {numbers.short(point.cv_error)})"
        yield label, f"lambda = {numbers.short(strength)}, {loss}, {point.nonzero} not 0"


def penalty(fit: Fit) -> Shrunk:
    """That of a fit that has one."""
    assert fit.shrinkage is not None
    return fit.shrinkage


def missed(fit: Fit) -> float:
    """By how much optimality is missed at the strength chosen, or anywhere on the path."""
    shrunk = penalty(fit)
    points = shrunk.path if shrunk.chosen is None else [shrunk.path[shrunk.chosen]]
    return max(point.residual for point in points)


def left(fit: Fit, rows: list[Coefficient]) -> tuple[list[Coefficient], int]:
    """The coefficients that are not 0, and how many are."""
    shown = [row for row in rows if row.estimate != 0 or row.term == "Intercept"]
    return shown, len(rows) - len(shown)


def estimates(rows: Sequence[Coefficient | Auxiliary]) -> list[str]:
    """Estimates as text, with decimals for the smallest of them."""
    return [text[0] for text in numbers.columns([(row.estimate, math.nan) for row in rows])]


def path_table(fit: Fit) -> tuple[list[str], list[list[str]], str]:
    """Headings and rows of the path, some of the strengths where they are many; and what is said below."""
    shrunk = penalty(fit)
    step = -(-len(shrunk.path) // SHOWN)
    shown = sorted({*range(0, len(shrunk.path), step), len(shrunk.path) - 1})
    heading = ["lambda", "not 0", "explained"] + (["CV loss", "CV error"] if shrunk.cv is not None else [])
    body = [_path_row(shrunk.path[k], shrunk.cv is not None) for k in shown]
    return heading, body, "" if step == 1 else f"one in {step} of {len(shrunk.path)} strengths; all are in --format csv"


def _path_row(point: PathPoint, validated: bool) -> list[str]:
    explained = "" if math.isnan(point.explained) else f"{point.explained:.4f}"
    losses = [numbers.short(point.cv_mean), numbers.short(point.cv_error)] if validated else []
    return [numbers.short(point.strength), str(point.nonzero), explained, *losses]


def path_rows(fit: Fit) -> Iterator[list[str]]:
    """The fields of the path as CSV: for each strength a row for each coefficient that is not 0."""
    shrunk = penalty(fit)
    for k, point in enumerate(shrunk.path):
        figures = [point.strength, point.nonzero, point.explained, point.cv_mean, point.cv_error]
        front = ["" if isinstance(v, float) and math.isnan(v) else repr(v) for v in figures]
        front += [str(point.converged).lower(), str(k == shrunk.chosen).lower()]
        for place, estimate in zip(point.places, point.estimates, strict=True):
            row = fit.coefficients[place]
            yield [*front, row.parameter, row.term, repr(estimate)]
