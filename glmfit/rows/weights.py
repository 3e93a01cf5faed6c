"""Weights and offsets of the rows, checked; rows that weigh nothing left out and counted."""

from __future__ import annotations

import numpy as np

from glmfit.errors import DataError, ModelError, shell
from glmfit.families import Family
from glmfit.formula import Evaluator, Factor, Response
from glmfit.rows.response import Observed
from glmfit.spec import ModelSpec
from glmfit.table import Table, refuse

_CORRECT = "correct the value, or leave the row out"
Dropped = dict[str, dict[str, int]]  # reason -> column -> rows


def without_weightless(spec: ModelSpec, table: Table) -> tuple[Table, Dropped]:
    """The rows of positive weight, and how many were left out for want of it."""
    dropped: Dropped = {}
    for name in (spec.weights, spec.freq_weights, spec.sampling_weights):
        if name:  # one of them at most
            table, dropped["zero_weight"] = _without(table, table.numbers(name) == 0, "zero weight", name)
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


def row_weights(spec: ModelSpec, table: Table) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Frequency and sampling weights (n,), which multiply the log-likelihood of a row; None where not asked for."""
    frequency = positive(table, spec.freq_weights, "--freq-weights")
    if frequency is not None:
        error = DataError("bad_weight", "whole numbers of repetitions", _CORRECT)
        refuse(f"column '{spec.freq_weights}'", frequency, frequency != np.rint(frequency), table.rows, error)
    sampling = positive(table, spec.sampling_weights, "--sampling-weights")
    if sampling is not None:
        sampling = sampling / sampling.mean()  # only their ratios mean anything, and phi must not grow with their unit
    return frequency, sampling


def positive(table: Table, name: str | None, option: str) -> np.ndarray | None:
    """The weights (n,) in a column, None where there is none; DataError for one that is no weight."""
    if name is None:
        return None
    values = table.numbers(name)
    error = DataError("bad_weight", f"{option} are positive, finite numbers", _CORRECT)
    refuse(f"column '{name}'", values, ~((values > 0) & np.isfinite(values)), table.rows, error)
    return values


def check_trials(spec: ModelSpec, asked: Response, response: Observed, table: Table) -> None:
    """Raise where weights are the trials that the response has already: R's glm(y/n ~ x, weights = n), literally."""
    trials = response.trials
    options = {"--weights": spec.weights, "--freq-weights": spec.freq_weights}
    option, name = next(((option, name) for option, name in options.items() if name), ("", ""))
    if trials is None or not name or response.weights_are_trials or bool((trials == 1).all()):
        return
    named = asked.kind == "ratio" and asked.parts[1].column == name
    if bool((table.numbers(name) == trials).all()) and (named or len(np.unique(trials)) > 1):
        what = (
            f"{option} {name}: these are the trials of '{asked.label}', which has them already; they would count twice"
        )
        share = f"I({asked.parts[0].spelled} / {Factor.of_column(name).spelled})"
        weights = shell("--weights", name)
        hint = f"leave {option} out, or write {shell(f'{share} ~ ...')} with {weights}, prior weights as in R"
        raise ModelError("trials_counted_twice", what, hint)


def offset(spec: ModelSpec, table: Table) -> np.ndarray:
    """--offset and the logarithm of --exposure, (n,)."""
    total = np.zeros(len(table))
    if spec.offset:
        values = table.numbers(spec.offset)
        error = DataError("bad_offset", "an offset is a finite number", _CORRECT)
        refuse(f"column '{spec.offset}'", values, ~np.isfinite(values), table.rows, error)
        total = total + values
    if spec.exposure:
        values = table.numbers(spec.exposure)
        error = DataError("bad_offset", "an exposure is positive, finite", _CORRECT)
        refuse(f"column '{spec.exposure}'", values, ~((values > 0) & np.isfinite(values)), table.rows, error)
        total = total + np.log(values)
    return total
