"""The value of a covariate at which the mean is a given one (LD50 and the like), with the delta and Fieller's interval.

    F(x) = t    SE(x) = sqrt(J V J') / |dF/dx|    delta: x -+ q SE    Fieller: all x with |g(F) - g(t)| <= q SE(g(F))

F is the average over the rows, other columns as they are or held; g is the link. Where g(F) is linear in x the second
is Fieller's interval to the letter, and otherwise the same inversion of the test that F(x) is t. It may have no end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from glmfit.after.averages import Average, Setting, Value, Weighted, average
from glmfit.after.covariates import Covariate, named, number, values_of
from glmfit.after.newdata import is_of_a_row
from glmfit.after.prediction import standard_errors
from glmfit.after.quantities import Quantity
from glmfit.after.sample import Sample, Survey
from glmfit.after.saved import SavedModel
from glmfit.errors import Finding, GlmfitError, ModelError, UsageError

FIELLER = ("fieller_low", "fieller_high")
POINTS = 65  # of the range of the covariate, between which a crossing is looked for
DOUBLINGS = 10  # of that range, where there is none inside it
FAR = 60  # doublings of the delta interval until an end of Fieller's is taken not to exist


@dataclass(frozen=True, slots=True)
class Target:
    """The column to be solved for, and what the quantity shall be."""

    column: str
    value: float


@dataclass(frozen=True, slots=True)
class _Point:
    """At one x: F and its standard error; and g(F) - g(t) with its standard error."""

    f: float
    error: float
    distance: float
    distance_error: float


def targets(
    model: SavedModel, of: Quantity, known: Mapping[str, Covariate], texts: Sequence[str]
) -> tuple[Target, ...]:
    """What --inverse asks for, checked."""
    found = []
    for text in texts:
        name, values = values_of("--inverse", text, [one.name for one in model.fit.blueprint.variables])
        covariate = named(known, name, "--inverse", of)
        if of.levels or not of.smooth or of.name.startswith(("quantile", "tail")):
            message = f"--inverse is for one mean or parameter, not for --of {of.name}"
            raise UsageError("contradiction", message, "write --of mean, or of a parameter")
        if not covariate.smooth:
            message = f"--inverse: '{name}' is no column of numbers in which the model is smooth"
            raise ModelError("no_slope", message, f"compare its levels: --terms {name}")
        for one in values:
            target = number("--inverse", name, one)
            scaled = of.scale.link(torch.tensor([target], dtype=torch.float64))
            if not bool(torch.isfinite(scaled).all()):
                message = f"--inverse {name}={one}: no {of.name} of this model can be {target:g}"
                raise ModelError("not_reached", message, "give a value inside the range of the link, such as 0.5")
            found.append(Target(name, target))
    return tuple(found)


def inverse_rows(
    model: SavedModel,
    of: Quantity,
    target: Target,
    grid: Sequence[Mapping[str, Value]],
    sample: Sample,
    survey: Survey,
    level: float,
) -> tuple[list[dict[str, Any]], list[Finding]]:
    """A row for each x found at each combination of held values; `ModelError` where the mean never gets there."""
    if sample.by:
        raise UsageError("contradiction", "--inverse takes no --by", "hold the column at its levels: --at g=a,b")
    rows, findings = [], []
    facts, quantile = survey.columns[target.column], model.reference.quantile(level)
    places = dict.fromkeys(tuple(sorted((n, v) for n, v in held.items() if n != target.column)) for held in grid)
    for held in places:
        curve = _Curve(model, of, target, dict(held), _rows(model, target, held, sample))
        for x in _solutions(curve, facts.low, facts.high):
            point = curve(x)
            slope = curve.slope(x)
            error = point.error / abs(slope) if slope else math.nan
            low, high = _fieller(curve, x, quantile, error)
            rows.append(_row(target, of, dict(held), x, error, quantile * error, low, high))
            where = f"'{target.column}' = {x:.6g} for {of.name} = {target.value:g}"
            if not facts.low <= x <= facts.high:
                message = f"{where} lies outside of the data, which have {facts.low:g} to {facts.high:g}"
                findings.append(Finding("extrapolated", message, (target.column,)))
            if math.isfinite(error) and (low is None or high is None):
                message = f"{where}: Fieller's interval has no {'lower' if low is None else 'upper'} end"
                findings.append(Finding("fieller_unbounded", message, (target.column,)))
    return rows, findings


def _row(
    target: Target, of: Quantity, held: dict[str, Value], x: float, error: float, half: float, *ends: float | None
) -> dict[str, Any]:
    values = {"kind": "inverse", "term": target.column, "contrast": f"{of.name} = {target.value:.10g}", "level": None}
    numbers = {"estimate": x, "std_error": error, "statistic": math.nan, "p_value": math.nan}
    interval = {"conf_low": x - half, "conf_high": x + half, "p_adjusted": None}
    return {**values, "by": {}, "at": held, **numbers, **interval, **dict(zip(FIELLER, ends, strict=True))}


def _rows(model: SavedModel, target: Target, held: Sequence[tuple[str, Value]], sample: Sample) -> Iterable[Weighted]:
    """The rows that have to be averaged over: one of them where nothing is left that could tell them apart."""
    names = {one.name for one in model.fit.blueprint.variables}
    summary = model.fit.model
    if names - {target.column, *(name for name, _ in held)} or summary.offset or summary.exposure:
        return sample
    first = next(run for run in sample if len(run.weights))
    one = np.zeros(1, dtype=np.int64)
    return [replace(first, rows=first.rows.rows(one), weights=np.ones(1), codes=one)]


class _Curve:
    """F as a function of x, other columns held or as they are."""

    def __init__(
        self, model: SavedModel, of: Quantity, target: Target, held: Mapping[str, Value], runs: Iterable[Weighted]
    ) -> None:
        self.model, self.of, self.target, self.held, self.runs = model, of, target, held, runs
        scale = torch.tensor([target.value], dtype=torch.float64)
        self.goal = float(of.scale.link(scale))

    def __call__(self, x: float) -> _Point:
        return self.points([x])[0]

    def points(self, xs: Sequence[float]) -> list[_Point]:
        """The curve at several x in one pass over the rows."""
        return [self._point(one) for one in self._averages([Setting(self._at(x)) for x in xs])]

    def slope(self, x: float) -> float:
        """dF/dx."""
        (one,) = self._averages([Setting(self._at(x), self.target.column)])
        return float(one.value[0])

    def _at(self, x: float) -> tuple[tuple[str, Value], ...]:
        return tuple(sorted({**self.held, self.target.column: x}.items()))

    def _averages(self, settings: Sequence[Setting]) -> list[Average]:
        groups = average(self.model, self.of, settings, self.runs)
        (key,) = groups.sums
        return groups.averages(key)

    def _point(self, one: Average) -> _Point:
        leaf = one.value.clone().requires_grad_(True)
        scaled = self.of.scale.link(leaf)
        (stretch,) = torch.autograd.grad(scaled.sum(), leaf)
        error = float(standard_errors(self.model, one.jacobian)[0]) if one.finite and not one.undefined else math.nan
        f = math.nan if one.undefined else float(one.value[0])
        return _Point(f, error, float(scaled.detach()[0]) - self.goal, abs(float(stretch[0])) * error)

    def distance(self, x: float) -> float:
        """g(F) - g(t); NaN where the formula has no value."""
        try:
            return self(x).distance
        except GlmfitError as error:
            if not is_of_a_row(error):
                raise
            return math.nan


def _solutions(curve: _Curve, low: float, high: float) -> list[float]:
    """Every x in the range of the data, else the nearest one outside."""
    width = high - low if high > low else max(1.0, abs(low))
    xs = np.linspace(low, low + width, POINTS).tolist()
    inside = [point.distance for point in curve.points(xs)]
    found = _crossings(curve, xs, inside)
    ends = [(low, inside[0]), (low + width, inside[-1])]
    for step in range(DOUBLINGS):
        if found:
            break
        for side, sign in ((0, -1.0), (1, 1.0)):
            x, before = ends[side]
            if math.isnan(before):
                continue
            further = x + sign * width * 2.0**step
            here = curve.distance(further)
            found += _crossings(curve, [x, further], [before, here])
            ends[side] = further, here
    if not found:
        fs = [point.f for point in curve.points([xs[0], xs[-1]])]
        held = "".join(f", {name} = {value}" for name, value in curve.held.items())
        message = (
            f"--inverse {curve.target.column}={curve.target.value:g}: the {curve.of.name} never gets there; it is "
            f"{fs[0]:.6g} at {curve.target.column} = {xs[0]:.6g} and {fs[1]:.6g} at {xs[-1]:.6g}{held}"
        )
        raise ModelError("not_reached", message, "ask for a value between these, or hold other columns with --at")
    return found


def _crossings(curve: _Curve, xs: Sequence[float], distances: Sequence[float]) -> list[float]:
    found = []
    for at, here in enumerate(distances):
        if here == 0:
            found.append(xs[at])
        elif at and here * distances[at - 1] < 0 and math.isfinite(here) and math.isfinite(distances[at - 1]):
            found.append(_root(curve.distance, xs[at - 1], xs[at]))
    return list(dict.fromkeys(found))


def _root(function: Callable[[float], float], a: float, b: float) -> float:
    from scipy.optimize import brentq

    return float(brentq(function, a, b, xtol=1e-300, rtol=4 * np.finfo(float).eps, maxiter=200))


def _fieller(curve: _Curve, x: float, quantile: float, error: float) -> tuple[float | None, float | None]:
    """The ends of all x around the solution at which the test does not reject; None where there is none."""
    if not error > 0 or math.isinf(error):
        return None, None

    def outside(place: float) -> float:
        """Above 0 where the test rejects."""
        try:
            point = curve(place)
        except GlmfitError as refused:
            if not is_of_a_row(refused):
                raise
            return math.nan
        return abs(point.distance) - quantile * point.distance_error

    found: list[float | None] = []
    for sign in (-1.0, 1.0):
        inside, step, end = x, quantile * error, None
        for _ in range(FAR):
            there = outside(inside + sign * step)
            if there >= 0:
                end = _root(outside, inside, inside + sign * step)
                break
            if math.isnan(there):  # beyond what the formula or the link allows: as near to that as may be
                step /= 2
            else:
                inside, step = inside + sign * step, 2 * step
        found.append(end)
    return found[0], found[1]
