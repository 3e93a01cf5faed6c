"""`glmfit margins`: average effects of covariates, contrasts of levels, and predictions at values, over rows of data.

    slope  avg df/dx      contrast  avg f(b) - avg f(a), or their ratio      prediction  avg f(at values)
    SE^2 = J V J'         ratio R: SE(log R)^2 = d V d', d = J_b / f_b - J_a / f_a

V is the covariance that the model was saved with. Rows and their weights are taken as given: standard errors are those
of the estimates alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import torch
from torch import Tensor

from glmfit.after.averages import Average, Groups, Setting, Shift, Value, average
from glmfit.after.covariates import WAYS, Covariate, covariates, named, pairs, value, values_of
from glmfit.after.inverse import FIELLER, Target, inverse_rows, targets
from glmfit.after.multiplicity import METHODS, adjusted, single_step
from glmfit.after.newdata import Asked
from glmfit.after.prediction import standard_errors
from glmfit.after.quantities import Quantity, quantity
from glmfit.after.sample import Sample, Survey, in_order
from glmfit.after.saved import SavedModel
from glmfit.errors import Finding, ModelError, UsageError, did_you_mean, shorten
from glmfit.report.records import Records
from glmfit.spec import one_of
from glmfit.table import Source

SCHEMA = "glmfit/margins/1"
COLUMNS = (
    *("kind", "term", "contrast", "level", "by", "at", "estimate", "std_error", "statistic", "p_value"),
    *("conf_low", "conf_high", "p_adjusted", *FIELLER),
)
LEAST = ("statistic", "std_error", "conf_high")  # what a short line leaves out
MEANS, OBSERVED = "means", "observed"
MOST_SETTINGS = 10_000


@dataclass(frozen=True, slots=True)
class Request:
    """What a command asks: names of covariates, NAME=VALUES, NAME:WAY; all empty for the effect of each covariate."""

    of: str | None = None
    terms: tuple[str, ...] = ()
    at: tuple[str, ...] = ()
    pairwise: tuple[str, ...] = ()
    contrast: tuple[str, ...] = ()
    inverse: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    ratio: bool = False
    weights: str | float | None = None
    level: float | None = None
    adjust: str | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """A row of the table for each group and category: an average, or two that are compared."""

    kind: str
    term: str | None
    contrast: str | None
    at: Mapping[str, Value]
    first: Setting
    second: Setting | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What is asked, read: the grid of values that columns are held at, and the covariates whose effects are wanted."""

    of: Quantity
    known: Mapping[str, Covariate]
    at: Mapping[str, Sequence[Value]]
    means: bool
    predictions: bool
    effects: Sequence[tuple[Covariate, str]]  # with the way of contrasts
    targets: Sequence[Target]
    left_out: list[str] = field(default_factory=list)


def margins(model: SavedModel, source: Source, asked: Asked, request: Request) -> Records:
    """The rows of a table of margins; raises for what cannot be asked before any row is read."""
    level = model.fit.level if request.level is None else request.level
    if not 0 < level < 1:
        raise UsageError("invalid_value", f"--level: {level:g} is not between 0 and 1", "0.95 is usual")
    if request.adjust is not None:
        one_of("--adjust", request.adjust, METHODS)
    plan = _plan(model, request)
    sample = Sample(model, source, replace(asked, trials=plan.of.needs_trials), request.weights, request.by)
    survey = sample.survey(_surveyed(model, plan))
    if not survey.weight > 0:
        raise UsageError("invalid_value", "all rows have weight 0", "give other weights with --weights COLUMN")
    grid = _grid(model, plan, survey)
    cells = [cell for held in grid for cell in _cells(plan, survey, held, request.ratio)]
    groups = _averaged(model, plan.of, cells, sample)
    rows = list(_rows(model, plan.of, cells, groups, request, level))
    findings = []
    for target in plan.targets:
        found, said = inverse_rows(model, plan.of, target, grid, sample, survey, level)
        rows += found
        findings += said
    if plan.left_out:
        findings.append(_left_out(plan))
    findings += [*_other_rows(model, source, survey), *_without_error(rows, groups)]
    kinds = {row["kind"] for row in rows}
    facts = {
        "formulas": list(model.fit.model.formulas),
        "family": model.fit.model.family,
        "of": plan.of.name,
        "covariance": model.fit.covariance.kind,
        "weights": sample.weights if isinstance(sample.weights, str) else None,
        "rows": survey.rows,
        "statistic_kind": model.reference.statistic,
        "adjust": request.adjust,
        "ratio": True if request.ratio else None,
    }
    facts = {name: one for name, one in facts.items() if one not in (None, [])}
    hidden = ("kind",) if len(kinds) == 1 and "slope" not in kinds else ()
    return Records(SCHEMA, "margins", COLUMNS, rows, facts, level, tuple(findings), hidden, LEAST)


# ---- What is asked ----


def _plan(model: SavedModel, request: Request) -> Plan:
    of = quantity(model, request.of)
    known = covariates(model, of)
    variables = [one.name for one in model.fit.blueprint.variables]
    at: dict[str, list[Value]] = {}
    means = observed = False
    for text in request.at:
        if text in (MEANS, OBSERVED) and text not in variables:
            means, observed = means or text == MEANS, observed or text == OBSERVED
            continue
        name, texts = values_of("--at", text, variables)
        if name not in variables:
            hint = did_you_mean(name, variables) or f"its columns are {', '.join(variables)}"
            raise ModelError("no_such_term", f"--at: the model has no column '{shorten(name)}'", hint)
        if name in at:
            raise UsageError("contradiction", f"--at: '{name}' is given twice", "give all its values at once")
        at[name] = list(dict.fromkeys(value(model, name, one, "--at") for one in texts))
    effects = [(named(known, name, "--terms", of), "reference") for name in request.terms]
    effects += [(named(known, name, "--pairwise", of), "pairwise") for name in request.pairwise]
    for text in request.contrast:
        name, colon, way = text.rpartition(":")
        if not colon or way not in WAYS:
            message = f"--contrast: '{shorten(text)}' is not of the form NAME:{'|'.join(WAYS)}"
            raise UsageError("invalid_value", message, f"write --contrast {name or text}:pairwise")
        effects.append((named(known, name, "--contrast", of), way))
    found = targets(model, of, known, request.inverse)
    plan = Plan(of, known, at, means, False, effects, found)
    if effects or found:
        return _checked(plan, request)
    if at or means or observed:
        return replace(plan, predictions=True)
    for covariate in known.values():
        if covariate.smooth or covariate.levels:
            effects.append((covariate, "reference"))
        else:
            plan.left_out.append(covariate.name)
    if not effects:
        message = f"the {of.name} of this model depends on no covariate that has an effect to be averaged"
        raise ModelError("no_effects", message, "write --at observed for its average, or --at x=0,1 for predictions")
    return _checked(plan, request)


def _checked(plan: Plan, request: Request) -> Plan:
    """The plan, if its contrasts have levels and its slopes exist."""
    asked = {*request.pairwise, *(text.rpartition(":")[0] for text in request.contrast)}
    for covariate, _ in plan.effects:
        name = covariate.name
        if not covariate.smooth and not covariate.levels and name not in plan.at:
            message = f"'{name}' enters the model by steps alone, such as cut() or a comparison, and has no slope"
            raise ModelError("no_slope", message, f"compare values of it: --at {name}=1,2 --contrast {name}:pairwise")
        if name in asked and covariate.smooth and len(plan.at.get(name, ())) < 2 and not plan.left_out:
            message = f"'{name}' is a column of numbers, whose values to be compared are not given"
            raise UsageError("missing_argument", message, f"add them: --at {name}=0,1,2")
        if covariate.smooth and name not in asked and not request.ratio:
            _refuse_rough(plan.of)
    return plan


def _refuse_rough(of: Quantity) -> None:
    if of.name.startswith(("quantile", "tail")):
        message = f"--of {of.name} has no average slope here: its second derivatives are not known"
        raise UsageError("invalid_value", message, "compare values: --at x=0,1 --contrast x:sequential")


def _surveyed(model: SavedModel, plan: Plan) -> list[str]:
    """The columns of numbers that must be known before anything is averaged."""
    numbers = [one.name for one in model.fit.blueprint.variables if one.kind == "number"]
    wanted = {covariate.name for covariate, _ in plan.effects if covariate.smooth}
    wanted |= {target.column for target in plan.targets}
    return [name for name in numbers if plan.means or name in wanted]


def _grid(model: SavedModel, plan: Plan, survey: Survey) -> list[dict[str, Value]]:
    """Every combination of the values that columns are held at."""
    held: dict[str, Sequence[Value]] = {}
    if plan.means:
        numbers = [one.name for one in model.fit.blueprint.variables if one.kind == "number"]
        factors = {name for name, one in plan.known.items() if one.levels}  # a mean of C(x) is no level
        held = {name: [survey.mean(name)] for name in numbers if name not in factors}
    held |= plan.at
    count = math.prod(len(values) for values in held.values())
    if count > MOST_SETTINGS:
        message = f"--at asks for {count:,} combinations of values; at most {MOST_SETTINGS:,} are averaged"
        raise UsageError("invalid_value", message, "ask for fewer values")
    return [dict(zip(held, values, strict=True)) for values in product(*held.values())]


def _cells(plan: Plan, survey: Survey, held: dict[str, Value], ratio: bool) -> Iterator[Cell]:
    """The rows at one combination of values."""
    if plan.predictions:
        yield Cell("prediction", None, None, held, _setting(held))
    for covariate, way in plan.effects:
        name = covariate.name
        levels, reference = covariate.levels, covariate.reference
        if covariate.smooth and survey.columns[name].binary:
            levels = (0.0, 1.0)
        at = plan.at.get(name)
        if at is not None and (levels or way != "reference" or not covariate.smooth):
            if held[name] != at[0]:  # its values are compared: once, not at each of them
                continue
            reference = max((i for i, one in enumerate(at) if levels and one == levels[reference]), default=0)
            levels = tuple(at)
        rest = {other: one for other, one in held.items() if other != name}
        if levels:
            for b, a in pairs(levels, way, reference):
                label = f"{_label(b)} {'/' if ratio else '-'} {_label(a)}"
                first, second = ({**rest, name: one} for one in (b, a))
                yield Cell("contrast", name, label, rest, _setting(first), _setting(second))
        elif ratio:
            here = held.get(name)
            up = {**held, name: Shift(1.0) if here is None else _plus_one(here)}
            yield Cell("contrast", name, f"({name} + 1) / {name}", held, _setting(up), _setting(held))
        else:
            yield Cell("slope", name, None, held, _setting(held, name))


def _plus_one(here: Value) -> float:
    assert isinstance(here, float)
    return here + 1.0


def _setting(held: Mapping[str, Value], slope: str | None = None) -> Setting:
    return Setting(tuple(sorted(held.items(), key=lambda item: item[0])), slope)


def _label(level: Value) -> str:
    return f"{level:.10g}" if isinstance(level, float) else str(level)


# ---- Their rows ----


def _averaged(model: SavedModel, of: Quantity, cells: Sequence[Cell], sample: Sample) -> Groups:
    settings = dict.fromkeys(one for cell in cells for one in (cell.first, cell.second) if one is not None)
    return average(model, of, list(settings), sample if settings else ())


@dataclass(frozen=True, slots=True, eq=False)
class _Estimate:
    """What a row says: the estimate, its standard error, and the statistic's; derivatives (p,) of what is tested."""

    estimate: float
    std_error: float
    tested: float  # the statistic's numerator, and
    tested_error: float
    derivative: Tensor


def _rows(
    model: SavedModel, of: Quantity, cells: Sequence[Cell], groups: Groups, request: Request, level: float
) -> Iterator[dict[str, Any]]:
    place = {setting: at for at, setting in enumerate(groups.settings)}
    keys = in_order(model, request.by, [key for key in groups.sums if groups.weight[key] > 0])
    averages = {key: groups.averages(key) for key in keys}
    families: dict[Any, list[tuple[dict[str, Any], _Estimate]]] = {}
    rows = []
    for cell in cells:
        for key in keys:
            first = averages[key][place[cell.first]]
            second = None if cell.second is None else averages[key][place[cell.second]]
            for j in range(groups.categories):
                found = _estimate(model, first, second, j, request.ratio)
                category = of.levels[j] if of.levels else None
                by = dict(zip(request.by, key, strict=True))
                row = _row(model, of, cell, category, by, found, level, request.ratio)
                rows.append(row)
                family = (cell.term, tuple(cell.at.items()), key, j)
                families.setdefault(family, []).append((row, found))
    if request.adjust is not None:
        for members in families.values():
            _adjust(model, members, request.adjust)
    yield from rows


def _estimate(model: SavedModel, first: Average, second: Average | None, j: int, ratio: bool) -> _Estimate:
    f, derivative = float(first.value[j]), first.jacobian[j]
    parts = [first] if second is None else [first, second]
    if second is not None and not ratio:
        f, derivative = f - float(second.value[j]), derivative - second.jacobian[j]
    if any(one.undefined for one in parts):
        return _Estimate(math.nan, math.nan, math.nan, math.nan, derivative)
    if second is not None and ratio:
        below = float(second.value[j])
        f = f / below if below else math.nan
        derivative = first.jacobian[j] / first.value[j] - second.jacobian[j] / below
        error = _error(model, derivative) if all(one.finite for one in parts) else math.nan
        tested = math.log(f) if f > 0 else math.nan
        return _Estimate(f, abs(f) * error, tested, error if f > 0 else math.nan, derivative)
    error = _error(model, derivative) if all(one.finite for one in parts) else math.nan
    return _Estimate(f, error, f, error, derivative)


def _error(model: SavedModel, derivative: Tensor) -> float:
    return float(standard_errors(model, derivative[None, :])[0])


def _interval(of: Quantity, cell: Cell, found: _Estimate, quantile: float, ratio: bool) -> tuple[float, float]:
    """estimate -+ q SE; of a ratio on the log scale, of a prediction on that of the link, as for single rows."""
    half = quantile * found.tested_error
    if ratio and cell.second is not None:
        return math.exp(found.tested - half), math.exp(found.tested + half)
    if cell.kind != "prediction":
        return found.tested - half, found.tested + half
    leaf = torch.tensor([found.estimate], dtype=torch.float64, requires_grad=True)
    centre = of.scale.link(leaf)
    (stretch,) = torch.autograd.grad(centre.sum(), leaf)
    ends = of.scale.inverse(centre.detach() + torch.tensor([-half, half], dtype=torch.float64) * stretch.abs())
    return float(ends.min()), float(ends.max())


def _row(
    model: SavedModel,
    of: Quantity,
    cell: Cell,
    category: str | None,
    by: Mapping[str, Any],
    found: _Estimate,
    level: float,
    ratio: bool,
) -> dict[str, Any]:
    ends = _interval(of, cell, found, model.reference.quantile(level), ratio)
    statistic = p_value = math.nan
    if cell.kind != "prediction" and found.tested_error > 0:
        statistic = found.tested / found.tested_error
        p_value = model.reference.p_value(statistic)
    values = (
        *(cell.kind, cell.term, cell.contrast, category, dict(by), dict(cell.at), found.estimate, found.std_error),
        *(statistic, p_value, *ends, None, None, None),
    )
    return dict(zip(COLUMNS, values, strict=True))


def _adjust(model: SavedModel, members: Sequence[tuple[dict[str, Any], _Estimate]], method: str) -> None:
    """p-values of the contrasts of one term, in one group and at one setting, adjusted for their number."""
    rows = [row for row, _ in members]
    p_values = [row["p_value"] for row in rows]
    if method != "single-step":
        found = adjusted(p_values, method)
    else:
        gradient = torch.stack([one.derivative for _, one in members])
        known = torch.isfinite(torch.diagonal(model.covariance))
        gradient = torch.where(known & torch.isfinite(gradient), gradient, 0.0)
        variance = gradient @ torch.where(torch.isfinite(model.covariance), model.covariance, 0.0) @ gradient.T
        scale = torch.sqrt(torch.diagonal(variance))
        scale = torch.where(scale > 0, scale, 1.0)
        correlation = (variance / torch.outer(scale, scale)).numpy()
        found = single_step([row["statistic"] for row in rows], p_values, correlation, model.reference.df)
    for row, one in zip(rows, found, strict=True):
        row["p_adjusted"] = one


# ---- Findings ----


def _left_out(plan: Plan) -> Finding:
    listed = ", ".join(f"'{name}'" for name in plan.left_out)
    message = f"left out: {listed}, which the model knows by steps alone; compare values of it with --at and --contrast"
    return Finding("left_out", message, tuple(plan.left_out))


def _other_rows(model: SavedModel, source: Source, survey: Survey) -> list[Finding]:
    used = model.fit.data.rows_used
    if source.name != model.fit.data.source or survey.rows == used:
        return []
    message = f"the fit used {used:,} rows of {source.name}, and these are averages over {survey.rows:,}"
    return [Finding("other_rows", message)]


def _without_error(rows: Sequence[Mapping[str, Any]], groups: Groups) -> list[Finding]:
    without = [row for row in rows if math.isnan(row["std_error"])]
    if not without:
        return []
    names = tuple(dict.fromkeys(_name(row) for row in without))
    why = next((one.undefined for sums in groups.sums.values() for one in sums if one.undefined), None)
    reason = why or "a coefficient there has no finite estimate or no standard error"
    listed = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return [Finding("no_margin", f"no estimate, or no standard error, of {listed}: {reason}", names)]


def _name(row: Mapping[str, Any]) -> str:
    held = ", ".join(f"{name}={_label(one)}" for name, one in {**row["at"], **row["by"]}.items())
    return " ".join(part for part in (row["term"], row["contrast"], row["level"], held and f"({held})") if part)
