"""The left-hand side of a formula -> the response of a family, checked against its support; numpy only.

For families of successes out of trials: 0/1, two levels of text, `dead/n`, `cbind(dead, alive)`, or a proportion whose
prior weights are the trials. Every other family takes one number per row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from glmfit.errors import Finding, ModelError, UsageError
from glmfit.families.base import Family
from glmfit.formula import formula
from glmfit.formula.evaluate import Evaluator
from glmfit.spec import ModelSpec
from glmfit.table import Column, Table
from glmfit.table.columns import refuse
from glmfit.table.text import is_number, number

MOST_CATEGORIES = 50


@dataclass(frozen=True, slots=True, eq=False)
class Response:
    """y (n,), the trials (n,) where the family counts successes, and what a reader must know of them.

    `weights_are_trials` says that the prior weights have become the trials and no longer weigh the rows.
    """

    label: str
    y: np.ndarray
    trials: np.ndarray | None = None
    success: str | None = None
    weights_are_trials: bool = False
    findings: tuple[Finding, ...] = ()
    extra: Mapping[str, np.ndarray] = field(default_factory=dict)  # further columns (n,) for the density
    levels: tuple[str, ...] = ()  # the categories that y counts from 0
    censoring: Mapping[str, int] | None = None  # rows by what is known: observed, right, left, interval


def read_response(
    what: formula.Response, table: Table, family: Family, spec: ModelSpec, weights: np.ndarray | None
) -> Response:
    """The response of `family` from the checked left-hand side; ModelError naming row and value where it cannot be."""
    evaluator, success = Evaluator(table), spec.success
    column = table.columns.get(what.parts[0]) if what.kind == "value" else None
    if family.categories:
        if success is not None:
            message = f"--success names one of two levels, and the {family.name} family takes them all"
            raise UsageError("bad_success", message, "leave it out; --levels orders them")
        return _categories(what, evaluator, column, family, spec.levels)
    if column is not None and column.levels is not None and (family.trials or family.grouped):
        response = _two_levels(what.label, column, success, family.trials)
    elif success is not None and what.kind == "value" and (family.trials or family.grouped):
        response = _two_numbers(what.label, evaluator.numbers(what.parts[0]), success, family.trials)
    elif success is not None:
        raise UsageError(
            "bad_success", f"--success names one of two values, and '{what.label}' is not one of them", "leave it out"
        )
    elif family.trials:
        response = _successes(what, evaluator, weights, table.rows, family.quasi)
    else:
        response = Response(what.label, response_numbers(what, evaluator, family))
        if family.grouped:
            rule = f"responses of the {family.name} family are {family.support.text}"
            refuse(f"'{what.label}'", response.y, ~np.isin(response.y, (0.0, 1.0)), table.rows, _outside(rule))
    return _supported(response, family, table.rows)


def _categories(
    what: formula.Response, evaluator: Evaluator, column: Column | None, family: Family, order: Sequence[str]
) -> Response:
    """Codes 0 .. J - 1 of the categories in the order asked for, else that of the numbers, or of the alphabet."""
    table = evaluator.table
    if column is None or column.levels is None:
        values = response_numbers(what, evaluator, family)
        distinct, codes = np.unique(values, return_inverse=True)
        levels = tuple(f"{value:.15g}" for value in distinct)
    else:
        levels, codes = column.levels, column.values
        text_order = column.kind == "text" and list(levels) == sorted(levels)
        if family.location and text_order and not order:
            what_order = f"'{what.label}' is text, which has no order that an {family.name} model could use"
            raise UsageError("levels_needed", what_order, f"give it: --levels {','.join(levels[:8])}, the lowest first")
    if order:
        unknown = ~np.isin(np.array(levels, dtype=object)[codes], np.array(order, dtype=object))
        if unknown.any():
            at = int(np.argmax(unknown))
            message = f"'{what.label}' is '{levels[codes[at]]}' in row {table.rows[at]}, which --levels does not list"
            raise ModelError("unknown_level", message, f"list all of them: {', '.join(levels[:12])}")
        absent = [level for level in order if level not in levels]
        if absent:
            raise ModelError("unknown_level", f"no row of '{what.label}' is '{absent[0]}'", "leave it out of --levels")
        if len(set(order)) != len(order):
            twice = next(level for level in order if order.count(level) > 1)
            raise UsageError("invalid_value", f"--levels {','.join(order)} names '{twice}' twice", "name each once")
        place = {level: j for j, level in enumerate(order)}
        codes = np.array([place[level] for level in levels], dtype=np.int64)[codes]
        levels = tuple(order)
    if not 2 <= len(levels) <= MOST_CATEGORIES:
        raise ModelError(
            "bad_response",
            f"'{what.label}' has {len(levels)} different value{'s' if len(levels) != 1 else ''}; the {family.name} "
            f"family takes 2 to {MOST_CATEGORIES} categories",
            "merge categories, or choose a family for numbers" if len(levels) > 1 else "there is nothing to explain",
        )
    return Response(what.label, codes.astype(np.float64), levels=levels)


def response_numbers(what: formula.Response, evaluator: Evaluator, family: Family) -> np.ndarray:
    """(n,) the left-hand side of a family that takes one number per row."""
    if what.kind == "cbind":
        raise ModelError(
            "bad_response",
            f"'{what.label}' is successes and failures, which the {family.name} family does not take",
            "use --family binomial or quasi-binomial",
        )
    if what.kind == "ratio":
        above, below = (evaluator.numbers(part) for part in what.parts)
        with np.errstate(divide="ignore", invalid="ignore"):
            return above / below
    return evaluator.numbers(what.parts[0])


def _two_levels(label: str, column: Column, success: str | None, trials: bool) -> Response:
    levels = column.levels or ()
    if len(levels) != 2:
        shown = ", ".join(f"'{level}'" for level in levels[:6]) + (" ..." if len(levels) > 6 else "")
        raise ModelError(
            "bad_response",
            f"a binomial response has two levels, and '{label}' has {len(levels)}: {shown}",
            "compare one level with the rest in a 0/1 column, or keep two levels",
        )
    chosen = _second(levels) if success is None else success
    if column.kind == "boolean":  # whatever the file spells
        chosen = {"true": "True", "t": "True", "false": "False", "f": "False"}.get(chosen.casefold(), chosen)
    if chosen not in levels:
        raise UsageError("bad_success", f"'{label}' has no level '{chosen}'", f"its levels: {levels[0]}, {levels[1]}")
    y = (column.values == levels.index(chosen)).astype(np.float64)
    return Response(label, y, np.ones_like(y) if trials else None, chosen)


def _two_numbers(label: str, values: np.ndarray, success: str, trials: bool) -> Response:
    """A response of any two numbers, such as 1 and 2."""
    distinct = np.unique(values)
    if len(distinct) != 2:
        what = f"--success names one of two values, and '{label}' has {len(distinct)}"
        raise ModelError("bad_response", what, "leave it out, or make a 0/1 column")
    if not is_number(success) or number(success) not in distinct:
        hint = f"its values: {distinct[0]:.15g}, {distinct[1]:.15g}"
        raise UsageError("bad_success", f"'{label}' is never {success}", hint)
    y = (values == number(success)).astype(np.float64)
    return Response(label, y, np.ones_like(y) if trials else None, f"{number(success):.15g}")


def _second(levels: tuple[str, ...]) -> str:
    """The second level: of plain text whatever the case, as in R ("Yes" after "no"), else in the column's own order."""
    if levels == tuple(sorted(levels)):
        levels = tuple(sorted(levels, key=str.casefold))
    return levels[1]


def _successes(
    what: formula.Response, evaluator: Evaluator, weights: np.ndarray | None, rows: np.ndarray, quasi: bool
) -> Response:
    first = evaluator.numbers(what.parts[0])
    if what.kind in ("ratio", "cbind"):
        second = evaluator.numbers(what.parts[1])
        if what.kind == "cbind":
            refuse(f"'{what.parts[1]}'", second, second < 0, rows, _outside("failures are counted from 0"))
        return Response(what.label, first, second if what.kind == "ratio" else first + second)
    outside = (first < 0) | (first > 1)
    rule = "a binomial response is 0/1, two levels of text, or a proportion"
    hint = "for successes out of trials write successes/trials, or cbind(successes, failures)"
    if outside.any() and len(distinct := np.unique(first)) == 2:
        hint = f"--success {distinct[1]:.15g} counts {distinct[1]:.15g} as 1 and {distinct[0]:.15g} as 0"
    refuse(f"'{what.label}'", first, outside, rows, _outside(rule, hint))
    fractional = (first != 0) & (first != 1)
    if not fractional.any() or (quasi and weights is None):
        return Response(what.label, first, np.ones_like(first))
    if weights is not None:
        # A proportion of w trials is w y successes; rounding puts 3/7 * 7 back on 3.
        successes = first * weights
        nearest = np.rint(successes)
        close = np.abs(successes - nearest) <= 1e-9 * np.maximum(weights, 1)
        return Response(what.label, np.where(close, nearest, successes), weights, weights_are_trials=True)
    finding = Finding(
        "fractional_response",
        f"'{what.label}' lies between 0 and 1 in {int(fractional.sum())} rows and no weights give the trials: "
        "this is a quasi-likelihood fit, use --se hc1 or --family quasi-binomial",
    )
    return Response(what.label, first, np.ones_like(first), findings=(finding,))


def _supported(response: Response, family: Family, rows: np.ndarray) -> Response:
    y, support = response.y, family.support
    outside = support.violations(y, response.trials)
    if response.trials is not None:
        refuse(
            f"'{response.label}'", response.trials, ~(response.trials > 0), rows, _outside("trials are counted from 1")
        )
    refuse(
        f"'{response.label}'", y, outside, rows, _outside(f"responses of the {family.name} family are {support.text}")
    )
    real = support.lower == -math.inf and family.path is None
    if real and not family.quadratic_links and bool(np.isin(y, (0.0, 1.0)).all()):  # least squares of 0/1 is meant
        message = f"'{response.label}' is 0 or 1 in every row, and {family.name} a distribution of real numbers"
        return replace(response, findings=(Finding("binary_response", f"{message}: did you mean binomial?"),))
    counts = y if response.trials is None else np.stack([y, response.trials])
    off = (counts != np.rint(counts)).reshape(-1, len(y)).any(axis=0)
    if not (support.integer and off.any()) or response.findings:
        return response
    finding = Finding(
        "non_integer_response",
        f"'{response.label}' is no whole number in {int(off.sum())} rows (first in row {rows[int(np.argmax(off))]}): "
        f"the estimates are those of a quasi-likelihood, use --se hc1; the log-likelihood is not a {family.name} one",
    )
    return replace(response, findings=(finding,))


def _outside(rule: str, hint: str = "correct the value, drop the row, or choose another family") -> ModelError:
    return ModelError("outside_support", rule, hint)
