"""Weights and offsets of the rows, checked; rows that weigh nothing left out and counted."""

from __future__ import annotations

from collections.abc import Mapping
from math import fsum

import numpy as np

from glmfit.errors import DataError, ModelError, shell
from glmfit.families import Family
from glmfit.formula import WEIGHTS, Evaluator, Factor, Response
from glmfit.rows.response import Observed
from glmfit.spill import runs
from glmfit.spilled import few
from glmfit.table import Table, refuse

WIDEST = 700.0  # between offsets under the log link: exp of it is all that a double can hold
_CORRECT = "correct the value, or leave the row out"
Dropped = dict[str, dict[str, int]]  # reason -> column -> rows


def values_of(factor: Factor, table: Table) -> np.ndarray:
    """A column (n,) as it is, or the value of an expression, which is finite."""
    return table.numbers(factor.text) if factor.column is not None else Evaluator(table).numbers(factor)


def without_weightless(roles: Mapping[str, Factor], table: Table) -> tuple[Table, Dropped]:
    """The rows of positive weight, and how many were left out for want of it."""
    dropped: Dropped = {}
    for role in WEIGHTS:
        if factor := roles.get(role):  # one of them at most
            table, dropped["zero_weight"] = _without(table, values_of(factor, table) == 0, "zero weight", factor.text)
    return table, dropped


def without_trials(response: Response, family: Family, table: Table) -> tuple[Table, Dropped]:
    """The rows that have trials, and how many were left out for want of them."""
    if not (family.trials and response.kind in ("ratio", "cbind")):
        return table, {}
    evaluator = Evaluator(table)
    # no successes and no trials (or no failures); 3 out of 0, or -1 and 1, are for the response to refuse
    first, second = (evaluator.numbers(part) for part in response.parts)
    table, dropped = _without(table, (first == 0) & (second == 0), "zero trials", response.label)
    return table, {"zero_trials": dropped}


def _without(table: Table, out: np.ndarray, reason: str, name: str) -> tuple[Table, dict[str, int]]:
    """The other rows of the table, and how many were left out on account of `name`."""
    if not out.any():
        return table, {}
    if out.all():
        raise DataError("no_rows", f"every row has {reason} in '{name}'", "check that column")
    return table.keep(~out), {name: int(out.sum())}


def exact_mean(values: np.ndarray) -> float:
    """The mean of (n,), rounded once: the same in whatever runs the values come."""
    return fsum(value for part in runs(len(values)) for value in values[part].tolist()) / len(values)


def row_weights(roles: Mapping[str, Factor], table: Table) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Frequency and sampling weights (n,), which multiply the log-likelihood of a row; None where not asked for."""
    frequency = positive(table, roles.get("freq_weights"), "--freq-weights")
    if frequency is not None:
        error = DataError("bad_weight", "whole numbers of repetitions", _CORRECT)
        refuse(called(roles["freq_weights"]), frequency, frequency != np.rint(frequency), table.rows, error)
    sampling = positive(table, roles.get("sampling_weights"), "--sampling-weights")
    if sampling is not None:
        # Only their ratios mean anything, and phi must not grow with their unit.
        sampling = sampling / exact_mean(sampling)
    return frequency, sampling


def positive(table: Table, factor: Factor | None, option: str) -> np.ndarray | None:
    """The weights (n,) of the rows, None where there are none; DataError for one that is no weight."""
    if factor is None:
        return None
    found = values_of(factor, table)
    error = DataError("bad_weight", f"{option} are positive, finite numbers", _CORRECT)
    refuse(called(factor), found, ~((found > 0) & np.isfinite(found)), table.rows, error)
    return found


def check_trials(roles: Mapping[str, Factor], asked: Response, response: Observed, table: Table) -> None:
    """Raise where weights are the trials that the response has already: R's glm(y/n ~ x, weights = n), literally."""
    trials = response.trials
    options = {"--weights": roles.get("weights"), "--freq-weights": roles.get("freq_weights")}
    option, given = next(((option, given) for option, given in options.items() if given), ("", None))
    if trials is None or given is None or response.weights_are_trials or bool((trials == 1).all()):
        return
    named = asked.kind == "ratio" and asked.parts[1].column is not None and asked.parts[1].column == given.column
    if bool((values_of(given, table) == trials).all()) and (named or few(trials, 1) is None):
        what = (
            f"{option} {given.text}: these are the trials of '{asked.label}', which has them already; they would count "
            "twice"
        )
        share = f"I({asked.parts[0].spelled} / {given.spelled})" if given.column else "I(successes / trials)"
        weights = shell("--weights", given.text)
        hint = f"leave {option} out, or write {shell(f'{share} ~ ...')} with {weights}, prior weights as in R"
        raise ModelError("trials_counted_twice", what, hint)


def offset(roles: Mapping[str, Factor], table: Table, link: str) -> np.ndarray:
    """--offset and the logarithm of --exposure, (n,), of a mean under some link."""
    total = np.broadcast_to(0.0, len(table))
    if given := roles.get("offset"):
        found = values_of(given, table)
        error = DataError("bad_offset", "an offset is a finite number", _CORRECT)
        refuse(called(given), found, ~np.isfinite(found), table.rows, error)
        if link == "log" and np.ptp(found) > WIDEST and (found > 0).all():
            raise _wide(given, found, table)
        total = total + found
    if given := roles.get("exposure"):
        found = values_of(given, table)
        error = DataError("bad_offset", "an exposure is positive, finite", _CORRECT)
        refuse(called(given), found, ~((found > 0) & np.isfinite(found)), table.rows, error)
        total = total + np.log(found)
    return total


def _wide(factor: Factor, found: np.ndarray, table: Table) -> DataError:
    """The error for positive offsets whose exponentials no numbers can hold side by side: an exposure was meant."""
    at = int(np.argmax(found))
    span = f"from {found.min():.6g} to {found[at]:.6g} (row {table.rows[at]})"
    what = f"the offset '{factor.text}' goes {span}, and under the log link means are multiplied by its exponential"
    hint = f"for a quantity that means are proportional to write {shell('--exposure', factor.text)}"
    return DataError("bad_offset", what, hint)


def called(factor: Factor) -> str:
    """What messages call it."""
    return f"'{factor.text}'" if factor.column is None else f"column '{factor.text}'"
