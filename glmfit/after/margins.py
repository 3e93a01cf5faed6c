"""`glmfit margins`: average effects of covariates, contrasts of levels, and predictions at values, over rows of data.

    slope  avg df/dx      contrast  avg f(b) - avg f(a), or their ratio      prediction  avg f(at values)
    SE^2 = J V J'         ratio R: SE(log R)^2 = d V d', d = J_b / f_b - J_a / f_a

V is the covariance that the model was saved with. Rows and their weights are taken as given: standard errors are those
of the estimates alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from glmfit.after.averages import Average, Groups, average
from glmfit.after.conditional import OF_MARGINS, with_random
from glmfit.after.effects import Cell, Plan, Request, cells_at, grid_of, label_of, read_plan, surveyed
from glmfit.after.inverse import FIELLER, inverse_rows
from glmfit.after.multiplicity import METHODS, adjusted, single_step
from glmfit.after.newdata import Asked
from glmfit.after.prediction import standard_errors
from glmfit.after.quantities import Quantity
from glmfit.after.sample import Sample, Survey, in_order
from glmfit.after.saved import SavedModel, refuse_absorbed
from glmfit.errors import Finding, UsageError
from glmfit.report.records import Records
from glmfit.spec import one_of
from glmfit.table import Source

SCHEMA = "glmfit/margins/1"
COLUMNS = (
    *("kind", "term", "contrast", "level", "by", "at", "estimate", "std_error", "statistic", "p_value"),
    *("conf_low", "conf_high", "p_adjusted", *FIELLER),
)
LEAST = ("statistic", "std_error", "conf_high")  # what a short line leaves out


def margins(model: SavedModel, source: Source, asked: Asked, request: Request) -> Records:
    """The rows of a table of margins; raises for what cannot be asked before any row is read."""
    refuse_absorbed(model, "standard errors of averages")
    level = model.fit.level if request.level is None else request.level
    if not 0 < level < 1:
        raise UsageError("invalid_value", f"--level: {level:g} is not between 0 and 1", "0.95 is usual")
    if request.adjust is not None:
        one_of("--adjust", request.adjust, METHODS)
    model = with_random(model, request.random, OF_MARGINS)
    plan = read_plan(model, request)
    sample = Sample(model, source, replace(asked, trials=plan.of.needs_trials), request.weights, request.by)
    survey = sample.survey(surveyed(model, plan))
    if not survey.weight > 0:
        raise UsageError("invalid_value", "all rows have weight 0", "give other weights with --weights COLUMN")
    grid = grid_of(model, plan, survey)
    cells = [cell for held in grid for cell in cells_at(plan, survey, held, request.ratio)]
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
        "weights": sample.weights.text if sample.weights else None,
        "rows": survey.rows,
        "statistic_kind": model.reference.statistic,
        "adjust": request.adjust,
        "ratio": True if request.ratio else None,
        "random_effects": model.random if model.fit.random_effects is not None else None,
    }
    facts = {name: one for name, one in facts.items() if one not in (None, [])}
    hidden = ("kind",) if len(kinds) == 1 and "slope" not in kinds else ()
    return Records(SCHEMA, "margins", COLUMNS, rows, facts, level, tuple(findings), hidden, LEAST)


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
        variance = model.variances.within(torch.where(torch.isfinite(gradient), gradient, 0.0))
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
    held = ", ".join(f"{name}={label_of(one)}" for name, one in {**row["at"], **row["by"]}.items())
    return " ".join(part for part in (row["term"], row["contrast"], row["level"], held and f"({held})") if part)
