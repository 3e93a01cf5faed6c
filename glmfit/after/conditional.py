"""Random effects of new rows: those of levels that the fit has seen are the modes of their conditional densities.

eta = X beta + offset + sum over terms of z' b_level        b = 0 for a new level, where that is allowed
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from glmfit.after.saved import SavedModel
from glmfit.design import build
from glmfit.errors import DataError, ModelError, UsageError, shorten
from glmfit.formula import DesignState, Evaluator, Levels, PredictorFormula
from glmfit.formula import RandomTerm as Written
from glmfit.random_effects import RandomTerm
from glmfit.report.saved import AGAIN
from glmfit.spec import one_of
from glmfit.table import Table, is_number

CHOICES = ("include", "zero", "new")


def with_random(model: SavedModel, how: str | None) -> SavedModel:
    """The model whose rows have the random effects of their levels, or are at effects of 0 and need no groups."""
    found = model.fit.random_effects
    how = how if how is None else one_of("--random", how, CHOICES)
    if found is None:
        if how is not None:
            raise UsageError("contradiction", f"--random: {model.name} has no random effects", "leave it out")
        return model
    if how == "zero":
        return _without(model)
    for term in found.terms:
        if term.modes is None:
            message = f"{model.name} keeps no effects of the {term.levels:,} levels of {term.term}"
            raise ModelError("no_prediction", message, "--random zero predicts at effects of 0")
    return replace(model, random=how or "include")


def _without(model: SavedModel) -> SavedModel:
    """The model at effects of 0, which needs no column that is in random effects alone."""
    fixed = tuple(replace(one, random=()) for one in model.predictors)
    gone = {name for one in model.predictors for term in one.random for f in term.factors for name in f.columns}
    gone -= {name for one in fixed for factor in one.factors for name in factor.columns}
    blueprint = model.fit.blueprint
    kept = tuple(variable for variable in blueprint.variables if variable.name not in gone)
    fit = replace(model.fit, blueprint=replace(blueprint, variables=kept))
    return replace(model, fit=fit, predictors=fixed, random="zero")


def refuse_intervals(model: SavedModel, interval: str) -> None:
    """Raises where an interval would leave out what random effects add to it."""
    if model.fit.random_effects is None:
        return
    if model.random != "zero":
        message = (
            f"{model.name} has random effects: errors of predictions at those of each level need their covariance with "
            "the coefficients, which is not kept"
        )
        hint = "add --interval none; or --random zero, which has intervals, at effects of 0"
        raise ModelError("random_intervals", message, hint)
    if interval == "prediction":
        message = f"{model.name} has random effects: a new response varies by its level too, which is not allowed for"
        raise ModelError("random_intervals", message, "write --interval confidence, or none")


def effects_of_rows(model: SavedModel, formula: PredictorFormula, table: Table, evaluator: Evaluator) -> Tensor:
    """(n,) what the random effects of rows add to a linear predictor."""
    assert model.fit.random_effects is not None
    terms = [one for one in model.fit.random_effects.terms if one.parameter == formula.parameter]
    if [one.term for one in terms] != [one.spelled for one in formula.random]:
        message = f"{model.name} is no whole model: its random effects are not those of its formulas"
        raise DataError("damaged_model", message, AGAIN)
    total = torch.zeros(len(table), dtype=torch.float64)
    for written, term in zip(formula.random, terms, strict=True):
        modes, d = term.modes or (), len(term.deviations)
        z, _ = build(PredictorFormula(formula.parameter, written.terms), table, evaluator)
        if len(modes) != d * term.levels or list(z.names) != [one.effect for one in modes[:d]]:
            message = f"{model.name} is no whole model: effects of {term.term} are missing"
            raise DataError("damaged_model", message, AGAIN)
        b = torch.tensor([*(one.estimate for one in modes), *[0.0] * d], dtype=torch.float64).reshape(-1, d)
        total += (z.dense() * b[_places(model, written, term, table)]).sum(dim=1)
    return total


def _places(model: SavedModel, written: Written, term: RandomTerm, table: Table) -> Tensor:
    """(n,) the place of each row's level among those of the fit, -1 for a new one, which may be refused."""
    assert term.modes is not None
    place = {mode.level: at for at, mode in enumerate(term.modes[:: len(term.deviations)])}
    known = [dict.fromkeys(model.state.levels[factor.text]) for factor in written.group.factors]
    if len(place) < term.levels or sum(any(":" in level for level in levels) for levels in known) > 1:
        message = f"levels of {term.group} cannot be told apart by their names, as those of its columns hold ':'"
        raise ModelError("no_prediction", message, "write other names in the data, and fit again; or --random zero")
    evaluator = Evaluator(table, state=DesignState({}, model.state.transforms))  # the levels are those of new rows
    sets = []
    for factor, own in zip(written.group.factors, known, strict=True):
        found = evaluator.factor(factor)
        assert isinstance(found, Levels)
        sets.append(_spelled(found.levels, own))
    codes = evaluator.crossed(written.group.factors)
    seen, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    at = np.full(len(seen), -1, dtype=np.int64)
    for i, rest in enumerate(seen.tolist()):
        parts = []
        for levels in sets:
            rest, one = divmod(rest, len(levels))
            parts.append(levels[one])
        level = ":".join(parts)
        if all(part in own for part, own in zip(parts, known, strict=True)):
            at[i] = place.get(level, -1)
        if at[i] < 0 and model.random == "include":
            row = int(table.rows[first[i]])
            message = f"'{term.group}' is '{shorten(level)}' in row {row}, a level that the model has not seen"
            hint = "--random new takes its random effects for 0; --missing keep leaves such rows without an estimate"
            raise DataError("unknown_level", message, hint)
    return torch.from_numpy(at[inverse.reshape(-1)])


def _spelled(levels: Sequence[str], known: Collection[str]) -> list[str]:
    """Levels as the model spells them: a number is its value, 2 is 2.0."""
    numbers = {float(level): level for level in known if is_number(level)}
    return [level if level in known or not is_number(level) else numbers.get(float(level), level) for level in levels]
