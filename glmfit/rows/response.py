"""The left-hand side of a formula -> the response of a family, checked against its support; numpy only.

For families of successes out of trials: 0/1, two levels of text, `dead/n`, `cbind(dead, alive)`, or a proportion whose
prior weights are the trials. Every other family takes one number per row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from glmfit.errors import DataError, Finding, ModelError, UsageError, did_you_mean, shell, shorten
from glmfit.families import Family
from glmfit.formula import Evaluator, Response, natural_order
from glmfit.spec import ModelSpec
from glmfit.spilled import few, looked_up
from glmfit.table import Column, Table, is_number, number, refuse

MOST_CATEGORIES = 50
MOST_WORDS = 12  # of a text that is taken for categories


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
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

    def keep(self, rows: np.ndarray) -> Observed:
        """Some of the rows, (n,) bool."""
        trials = None if self.trials is None else self.trials[rows]
        extra = {name: values[rows] for name, values in self.extra.items()}
        return replace(self, y=self.y[rows], trials=trials, extra=extra)


def read_response(
    what: Response, table: Table, family: Family, spec: ModelSpec, weights: np.ndarray | None
) -> Observed:
    """The response of `family` from the checked left-hand side; ModelError naming row and value where it cannot be."""
    evaluator, success = Evaluator(table), spec.success
    name = what.parts[0].column if what.kind == "value" else None
    column = None if name is None else table[name]
    if family.categories:
        if success is not None:
            message = f"--success names one of two levels, and the {family.name} family takes them all"
            raise UsageError("bad_success", message, "leave it out; --levels orders them")
        return _with_base(_categories(what, evaluator, column, family, spec.levels), spec.base)
    if column is not None and column.levels is not None and (family.trials or family.grouped):
        response = _two_levels(what.label, column, success, family.trials)
    elif success is not None and column is not None and (family.trials or family.grouped):
        response = _two_numbers(what.label, evaluator.numbers(what.parts[0]), success, family.trials)
    elif success is not None:
        raise UsageError(
            "bad_success", f"--success names one of two values, and '{what.label}' is not one of them", "leave it out"
        )
    elif family.trials:
        response = successes(what, evaluator, weights, table.rows, family.quasi)
    else:
        response = Observed(what.label, response_numbers(what, evaluator, family))
        if family.grouped:
            rule = f"responses of the {family.name} family are {family.support.text}"
            refuse(f"'{what.label}'", response.y, ~np.isin(response.y, (0.0, 1.0)), table.rows, _outside(rule))
    return supported(response, family, table.rows)


def _categories(
    what: Response, evaluator: Evaluator, column: Column | None, family: Family, order: Sequence[str]
) -> Observed:
    """Codes 0 .. J - 1 of the categories in the order asked for, else that of the numbers, or of the alphabet."""
    table = evaluator.table
    if column is None or column.levels is None:
        values = response_numbers(what, evaluator, family)
        distinct, codes = np.unique(values, return_inverse=True)
        levels = tuple(f"{value:.15g}" for value in distinct)
    else:
        levels, codes = column.levels, column.values
        if family.location and column.alphabetical and not order:
            what_order = f"'{what.label}' is text, which has no order that an {family.name} model could use"
            raise UsageError("levels_needed", what_order, _ordered(levels))
    if order:
        unknown = looked_up(np.array([level not in order for level in levels], dtype=bool), codes)
        if unknown.any():
            at = int(np.argmax(unknown))
            message = f"'{what.label}' is '{levels[codes[at]]}' in row {table.rows[at]}, which --levels does not list"
            raise ModelError("unknown_level", message, _ordered(levels))
        absent = [level for level in order if level not in levels]
        if absent:
            hint = f"write {_listed([level for level in order if level in levels])}"
            raise ModelError("unknown_level", f"no row of '{what.label}' is '{absent[0]}'", hint)
        if len(set(order)) != len(order):
            twice = next(level for level in order if order.count(level) > 1)
            hint = f"write {_listed(list(dict.fromkeys(order)))}"
            raise UsageError("invalid_value", f"--levels {','.join(order)} names '{twice}' twice", hint)
        place = {level: j for j, level in enumerate(order)}
        codes = looked_up(np.array([place[level] for level in levels], dtype=np.int64), codes)
        levels = tuple(order)
    if not 2 <= len(levels) <= MOST_CATEGORIES:
        raise ModelError(
            "bad_response",
            f"'{what.label}' has {len(levels)} different value{'s' if len(levels) != 1 else ''}; the {family.name} "
            f"family takes 2 to {MOST_CATEGORIES} categories",
            "merge categories, or choose a family for numbers" if len(levels) > 1 else "there is nothing to explain",
        )
    return Observed(what.label, codes.astype(np.float64), levels=levels)


def _ordered(levels: Sequence[str]) -> str:
    """What to write for the order of levels: their own where they speak of one, else all of them to be ordered."""
    natural = natural_order(levels)
    return f"write {_listed(natural)}" if natural else f"order these, the lowest first: {_listed(levels)}"


def _listed(levels: Sequence[str]) -> str:
    """The option that lists levels, which may hold commas."""
    return shell("--levels", ",".join(f"`{level}`" if set(level) & set(",`()[]") else level for level in levels))


def _refuse_words(label: str, column: Column, rows: np.ndarray, family: Family) -> None:
    """Words as the response of a family of numbers: categories are meant where they are few."""
    levels = column.levels or ()
    numbers = any(is_number(level.replace(",", ".")) for level in levels)  # then a word among them is a slip
    if column.kind != "text" or numbers or not 2 <= len(levels) <= min(MOST_WORDS, len(rows) // 2):
        return
    what = f"column '{label}' is not numeric: '{shorten(levels[column.values[0]])}' in row {rows[0]}"
    hint = "two categories are the response of another family: write --family binomial"
    if len(levels) > 2:
        hint = f"categories are the response of another family: {_many(levels)}"
    raise DataError("not_numeric", f"{what}, and the {family.name} family is one of numbers", hint)


def _many(levels: Sequence[str]) -> str:
    """The families of more than two categories, as options."""
    last = natural_order(levels) or levels
    lowest = "" if natural_order(levels) else ", in their order"
    return f"write --family multinomial, or --family ordinal {_listed(last)}{lowest}"


def _with_base(response: Observed, base: str | None) -> Observed:
    """The same with the category `base` first, where one is asked for."""
    levels = response.levels
    if base is None:
        return response
    if base not in levels:
        hint = did_you_mean(base, levels) or f"--base takes one of {', '.join(levels[:12])}"
        raise ModelError("unknown_level", f"--base {base}: no row of '{response.label}' is '{base}'", hint)
    order = (base, *(level for level in levels if level != base))
    place = np.array([order.index(level) for level in levels], dtype=np.float64)
    return replace(response, y=looked_up(place, response.y.astype(np.int64)), levels=order)


def response_numbers(what: Response, evaluator: Evaluator, family: Family) -> np.ndarray:
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
    if (name := what.parts[0].column) is not None and (column := evaluator.table[name]).levels is not None:
        _refuse_words(name, column, evaluator.table.rows, family)
    return evaluator.numbers(what.parts[0])


def _two_levels(label: str, column: Column, success: str | None, trials: bool) -> Observed:
    levels = column.levels or ()
    if len(levels) != 2:
        shown = ", ".join(f"'{level}'" for level in levels[:6]) + (" ..." if len(levels) > 6 else "")
        raise ModelError(
            "bad_response",
            f"a binomial response has two levels, and '{label}' has {len(levels)}: {shown}",
            _many(levels) if len(levels) > 2 else "keep rows of both levels: there is nothing to explain",
        )
    chosen = _second(levels) if success is None else success
    if column.kind == "boolean":  # whatever the file spells
        chosen = {"true": "True", "t": "True", "false": "False", "f": "False"}.get(chosen.casefold(), chosen)
    if chosen not in levels:
        hint = f"write {' or '.join(shell('--success', level) for level in levels)}"
        raise UsageError("bad_success", f"'{label}' has no level '{chosen}'", hint)
    y = (column.values == levels.index(chosen)).astype(np.float64)
    return Observed(label, y, np.ones_like(y) if trials else None, chosen)


def _two_numbers(label: str, values: np.ndarray, success: str, trials: bool) -> Observed:
    """A response of any two numbers, such as 1 and 2."""
    distinct = few(values, 2)
    if distinct is None or len(distinct) != 2:
        distinct = np.unique(values)
        what = f"--success names one of two values, and '{label}' has {len(distinct)}"
        raise ModelError("bad_response", what, "leave it out, or make a 0/1 column")
    if not is_number(success) or number(success) not in distinct:
        hint = f"write --success {distinct[0]:.15g} or --success {distinct[1]:.15g}"
        raise UsageError("bad_success", f"'{label}' is never {success}", hint)
    y = (values == number(success)).astype(np.float64)
    return Observed(label, y, np.ones_like(y) if trials else None, f"{number(success):.15g}")


def _second(levels: tuple[str, ...]) -> str:
    """The second level: of plain text whatever the case, as in R ("Yes" after "no"), else in the column's own order."""
    if levels == tuple(sorted(levels)):
        levels = tuple(sorted(levels, key=str.casefold))
    return levels[1]


def successes(
    what: Response, evaluator: Evaluator, weights: np.ndarray | None, rows: np.ndarray, quasi: bool
) -> Observed:
    first = evaluator.numbers(what.parts[0])
    if what.kind in ("ratio", "cbind"):
        second = evaluator.numbers(what.parts[1])
        if what.kind == "cbind":
            refuse(f"'{what.parts[1].text}'", second, second < 0, rows, _outside("failures are counted from 0"))
        return Observed(what.label, first, second if what.kind == "ratio" else first + second)
    outside = (first < 0) | (first > 1)
    rule = "a binomial response is 0/1, two levels of text, or a proportion"
    hint = "for successes out of trials write successes/trials, or cbind(successes, failures)"
    if outside.any() and (distinct := few(first, 2)) is not None and len(distinct) == 2:
        hint = f"--success {distinct[1]:.15g} counts {distinct[1]:.15g} as 1 and {distinct[0]:.15g} as 0"
    refuse(f"'{what.label}'", first, outside, rows, _outside(rule, hint))
    fractional = (first != 0) & (first != 1)
    if not fractional.any() or (quasi and weights is None):
        return Observed(what.label, first, np.ones_like(first))
    if weights is not None:
        return Observed(what.label, of_shares(first, weights), weights, weights_are_trials=True)
    finding = Finding(
        "fractional_response",
        f"'{what.label}' lies between 0 and 1 in {int(fractional.sum())} rows and no weights give the trials: "
        "this is a quasi-likelihood fit, use --se hc1 or --family quasi-binomial",
    )
    return Observed(what.label, first, np.ones_like(first), findings=(finding,))


def of_shares(shares: np.ndarray, trials: np.ndarray) -> np.ndarray:
    """(n,) successes: a proportion of w trials is w y of them; rounding puts 3/7 * 7 back on 3."""
    found = shares * trials
    nearest = np.rint(found)
    close = np.abs(found - nearest) <= 1e-9 * np.maximum(trials, 1)
    return np.where(close, nearest, found)


def supported(response: Observed, family: Family, rows: np.ndarray) -> Observed:
    y, support = response.y, family.support
    outside = support.violations(y, response.trials)
    if response.trials is not None:
        refuse(
            f"'{response.label}'", response.trials, ~(response.trials > 0), rows, _outside("trials are counted from 1")
        )
    rule = f"responses of the {family.name} family are {support.text}"
    error = _outside(rule)
    if family.with_zeros and bool(outside.any()) and y[int(np.argmax(outside))] == 0:
        hint = f"--family {family.with_zeros} has a probability of its own for 0, --family tweedie a lump at 0"
        error = _outside(rule, f"{hint}; or correct the value")
    refuse(f"'{response.label}'", y, outside, rows, error)
    real = support.lower == -math.inf and family.path is None
    if real and not family.quadratic_links and bool(np.isin(y, (0.0, 1.0)).all()):  # least squares of 0/1 is meant
        message = f"'{response.label}' is 0 or 1 in every row, and {family.name} a distribution of real numbers"
        return replace(response, findings=(Finding("binary_response", f"{message}: did you mean binomial?"),))
    off = y != np.rint(y)
    if response.trials is not None:
        off = off | (response.trials != np.rint(response.trials))
    if not (support.integer and off.any()) or response.findings:
        return response
    where = f"in {int(off.sum())} rows (first in row {rows[int(np.argmax(off))]})"
    meaning = "the estimates are those of a quasi-likelihood, use --se hc1; the log-likelihood is not"
    if not family.has_deviance:  # the score is not that of the mean alone, which is right whatever the distribution
        meaning = "the estimates rest on a distribution that has no such values, round or correct them; it is not"
    finding = Finding(
        "non_integer_response", f"'{response.label}' is no whole number {where}: {meaning} a {family.name} one"
    )
    return replace(response, findings=(finding,))


def _outside(rule: str, hint: str = "correct the value, drop the row, or choose another family") -> ModelError:
    return ModelError("outside_support", rule, hint)
