"""What a command says of covariates: NAME=VALUES, NAME:WAY and names, read against those that a model has.

A covariate of numbers has slopes; a factor has levels in the order of the model, and its reference. A column of numbers
that enters as a factor alone, C(x), is one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from glmfit.after.averages import Value
from glmfit.after.quantities import Quantity
from glmfit.after.saved import SavedModel
from glmfit.errors import DataError, ModelError, UsageError, did_you_mean, shorten
from glmfit.formula import Factor, PredictorFormula, split_list
from glmfit.formula.admit import arguments, literal
from glmfit.formula.arithmetic import is_condition
from glmfit.formula.expression import Node
from glmfit.formula.smooth import is_smooth
from glmfit.formula.smooth import parts as smooth_parts
from glmfit.spec import one_of

WAYS = ("reference", "sequential", "pairwise")
STEPS = ("//", *("<", "<=", ">", ">=", "==", "!=", "in", "&", "|"))


@dataclass(frozen=True, slots=True)
class Covariate:
    """A column of the data: its levels with the place of the reference, or none where it is one of numbers.

    `smooth` says whether the model has a derivative in it.
    """

    name: str
    levels: tuple[Value, ...] = ()
    reference: int = 0
    smooth: bool = True


def covariates(model: SavedModel, of: Quantity) -> dict[str, Covariate]:
    """The columns on which a quantity depends by a term, in the order of the formulas; offsets alone do not count."""
    predictors = _predictors(model, of)
    factors = [factor for one in predictors for term in one.terms for factor in term.factors]
    names = dict.fromkeys(name for factor in factors for name in factor.columns)
    return {name: _covariate(model, name, [factor for factor in factors if name in factor.columns]) for name in names}


def _predictors(model: SavedModel, of: Quantity) -> Sequence[PredictorFormula]:
    only = model.family.main if of.name == "link" else of.predictor
    return [one for one in model.estimated if only in (None, one.parameter)]


def _covariate(model: SavedModel, name: str, factors: Sequence[Factor]) -> Covariate:
    variable = next(one for one in model.fit.blueprint.variables if one.name == name)
    smooth = variable.kind == "number" and any(_is_smooth(factor.tree, name) for factor in factors)
    if smooth:
        return Covariate(name)
    coded = next((factor for factor in factors if factor.levels_of == name), None)
    levels: tuple[Value, ...] = variable.levels
    if coded is not None:
        levels = model.fit.blueprint.levels.get(coded.text, levels)
    if variable.kind == "number":
        levels = tuple(float(level) for level in levels if isinstance(level, str)) if coded is not None else ()
        return Covariate(name, levels, _reference(coded, levels), smooth=False)
    return Covariate(name, levels, _reference(coded, levels), smooth=False)


def _is_smooth(node: Node, name: str) -> bool:
    """Whether a value changes with a column other than by steps, told from the form of the expression."""
    if node.kind == "name":
        return bool(node.value == name)
    if is_condition(node) or node.value in ("C", "cut", "not") or (node.kind == "binary" and node.value in STEPS):
        return False
    data = node.args[1:3] if node.value == "ifelse" and node.kind == "call" else node.args
    if is_smooth(node):
        data = tuple(smooth_parts(node))
    return any(_is_smooth(child, name) for child in data)


def _reference(factor: Factor | None, levels: Sequence[Value]) -> int:
    """The level that treatment contrasts compare with, and the first where there are others."""
    if factor is None or factor.tree.kind != "call":
        return 0
    given = arguments(factor.tree)
    node = given.get("ref")
    if node is None and "contrasts" in given and (contrasts := given["contrasts"]).kind in ("call", "name"):
        if contrasts.value == "contr.SAS":
            return len(levels) - 1
        inner = dict(contrasts.keywords)
        plain = next(iter(contrasts.args), None)
        node = inner.get("reference", inner.get("base", plain)) if "reatment" in str(contrasts.value) else None
    if node is None:
        return 0
    found = literal(node)
    same = [at for at, level in enumerate(levels) if level == found or str(level) == str(found)]
    return same[0] if same else 0


# ---- What is asked ----


def named(known: Mapping[str, Covariate], name: str, option: str, of: Quantity) -> Covariate:
    """A covariate by its name; `ModelError` for another."""
    if name not in known:
        listed = ", ".join(f"'{one}'" for one in known) or "none"
        hint = did_you_mean(name, known) or f"they are {listed}"
        message = f"{option}: '{shorten(name)}' is no covariate of the {of.name} in this model"
        raise ModelError("no_such_term", message, hint)
    return known[name]


def values_of(option: str, text: str, names: Sequence[str]) -> tuple[str, list[str]]:
    """The column and the texts of its values in NAME=A,B,C; within backticks a value may have a comma."""
    name = max((one for one in names if text.startswith(f"{one}=")), key=len, default=None)
    if name is None:
        name, equals, _ = text.partition("=")
        if not equals or not name.strip():
            hint = f"write {option} x=0,1,2" + (", means or observed" if option == "--at" else "")
            raise UsageError("invalid_value", f"{option}: '{shorten(text)}' is not of the form NAME=VALUES", hint)
        name = name.strip()
    texts = [one.strip() for one in split_list(text[text.index("=", len(name)) + 1 :], quotes="`")]
    texts = [one[1:-1] if len(one) > 1 and one[0] == one[-1] == "`" else one for one in texts]
    if not texts:
        raise UsageError("invalid_value", f"{option} {name}: there is no value", f"write {option} {name}=0,1,2")
    return name, texts


def value(model: SavedModel, name: str, text: str, option: str) -> Value:
    """A value of a column of the model: a number, or one of its levels."""
    variable = next(one for one in model.fit.blueprint.variables if one.name == name)
    if variable.kind == "number":
        return number(option, name, text)
    known = {level.casefold(): level for level in variable.levels} if variable.kind == "boolean" else {}
    level = known.get(text.casefold(), text)
    if level not in variable.levels:
        listed = ", ".join(f"'{one}'" for one in variable.levels[:10]) + (", ..." if len(variable.levels) > 10 else "")
        hint = did_you_mean(level, variable.levels) or f"its levels are {listed}"
        raise DataError("unknown_level", f"{option}: '{name}' has no level '{shorten(text)}' in this model", hint)
    return level


def number(option: str, name: str, text: str) -> float:
    """A finite number."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        message = f"{option} {name}: '{shorten(text)}' is not a finite number"
        raise UsageError("invalid_value", message, f"write {option} {name}=0,1,2")
    return found


def pairs(levels: Sequence[Value], way: str, reference: int = 0) -> list[tuple[Value, Value]]:
    """The (level, base) of each contrast."""
    one_of("--contrast", way, WAYS)
    if way == "sequential":
        return [(b, a) for a, b in pairwise(levels)]
    if way == "pairwise":
        return [(b, a) for a, b in combinations(levels, 2)]
    return [(level, levels[reference]) for at, level in enumerate(levels) if at != reference]
