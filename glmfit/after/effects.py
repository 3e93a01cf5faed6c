"""What is asked of `glmfit margins`, read against the model: covariates and ways to compare them, values to hold.

Request, as texts -> Plan -> for each combination of held values the Cells, which are rows of the table
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from glmfit.after.averages import Setting, Shift, Value
from glmfit.after.covariates import WAYS, Covariate, covariates, named, pairs, value, values_of
from glmfit.after.expected import expected
from glmfit.after.inverse import Target, targets
from glmfit.after.quantities import Quantity, quantity
from glmfit.after.sample import Survey
from glmfit.after.saved import SavedModel
from glmfit.errors import ModelError, UsageError, did_you_mean, shorten

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
    random: str | None = None


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


def read_plan(model: SavedModel, request: Request) -> Plan:
    of = expected(model, quantity(model, request.of))
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


def surveyed(model: SavedModel, plan: Plan) -> list[str]:
    """The columns of numbers that must be known before anything is averaged."""
    numbers = [one.name for one in model.fit.blueprint.variables if one.kind == "number"]
    wanted = {covariate.name for covariate, _ in plan.effects if covariate.smooth}
    wanted |= {target.column for target in plan.targets}
    return [name for name in numbers if plan.means or name in wanted]


def grid_of(model: SavedModel, plan: Plan, survey: Survey) -> list[dict[str, Value]]:
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


def cells_at(plan: Plan, survey: Survey, held: dict[str, Value], ratio: bool) -> Iterator[Cell]:
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
                label = f"{label_of(b)} {'/' if ratio else '-'} {label_of(a)}"
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


def label_of(level: Value) -> str:
    return f"{level:.10g}" if isinstance(level, float) else str(level)
