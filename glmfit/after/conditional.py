"""Random effects of new rows: which of them a command takes, and the levels of the rows among those of the fit.

include     those of the row's levels, at the modes of their conditional densities; a level not seen is an error
new         the same, and of a level not seen any that it may have: b ~ N(0, Sigma)
population  any at all: the levels of the data do not matter       zero   0
drawn       those of the row's levels, drawn from their distribution given the data and the estimates: N(mode, A^-1)
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from glmfit.after.saved import SavedModel
from glmfit.errors import DataError, ModelError, UsageError, shorten
from glmfit.estimate.placed import from_parts
from glmfit.formula import DesignState, Evaluator, Levels
from glmfit.formula import RandomTerm as Written
from glmfit.random_effects import RandomTerm
from glmfit.spec import one_of
from glmfit.table import Table, is_number

CHOICES = ("include", "new", "population", "zero")
OF_MARGINS = ("population", "include", "zero")
OF_RESIDUALS = ("include", "drawn", "population", "zero")
OF_SIMULATIONS = ("population", "include", "zero")
OF_CHECKS = ("drawn", "include", "population", "zero")


def with_random(model: SavedModel, how: str | None, choices: Sequence[str] = CHOICES, seed: int = 1) -> SavedModel:
    """The model whose rows have random effects as `how` says, by default the first of the choices."""
    found = model.fit.random_effects
    how = how if how is None else one_of("--random", how, choices)
    if found is None:
        if how is not None:
            raise UsageError("contradiction", f"--random: {model.name} has no random effects", "leave it out")
        return model
    how = how or (choices[0] if choices[0] != "drawn" or _is_kept(model) else "include")
    if how == "zero":
        return without_effects(model)
    if how == "population":
        return replace(_without_columns(model), random=how)
    for term in found.terms:
        if term.modes is None:
            message = f"{model.name} keeps no effects of the {term.levels:,} levels of {term.term}"
            raise ModelError("no_prediction", message, "--random population is for any level, zero at effects of 0")
    if how == "drawn":
        return replace(model, random="include", moved=_drawn(model, seed))
    return replace(model, random=how)


def errors_are_known(model: SavedModel) -> bool:
    """Whether estimates at the random effects that are taken have standard errors."""
    return model.random == "zero" or _is_kept(model)


def _is_kept(model: SavedModel) -> bool:
    """Whether the joint covariance is."""
    return model.fit.blueprint.random is not None and model.fit.blueprint.random.covariance is not None


def _drawn(model: SavedModel, seed: int) -> Tensor:
    """(p,) a draw of theta about its estimate, coefficients and variances held: L L' of the blocks, and of the core."""
    law = model.fit.blueprint.random
    if law is None or law.covariance is None:
        message = f"the covariance of the random effects of {model.name} is not kept, from which they would be drawn"
        raise ModelError("random_intervals", message, "write --random include, for those of their modes")
    V, random = from_parts(law.covariance), np.random.default_rng((seed, 3))
    out = torch.zeros(len(V), dtype=torch.float64)
    normal = torch.from_numpy(random.standard_normal(V.inner.shape))
    out[V.inner] = (_root(V.blocks) @ normal[:, :, None])[:, :, 0]
    core = _root(V.K[: law.given, : law.given])
    return out + V.F[:, : law.given] @ (core @ torch.from_numpy(random.standard_normal(law.given)))


def _root(V: Tensor) -> Tensor:
    """R with R R' = V, of covariances (..., d, d) whose rounding may leave them an eigenvalue just below 0."""
    values, vectors = torch.linalg.eigh(V)
    return vectors * torch.sqrt(values.clamp(min=0))[..., None, :]


def without_effects(model: SavedModel) -> SavedModel:
    """The model at effects of 0, which needs no column that is in random effects alone."""
    fixed = tuple(replace(one, random=()) for one in model.predictors)
    return _without_columns(replace(model, predictors=fixed, random="zero"))


def _without_columns(model: SavedModel) -> SavedModel:
    """The model without the columns that its formulas name no more, or for groups alone."""
    needed = {name for one in model.predictors for factor in one.ungrouped for name in factor.columns}
    needed |= set(model.family.columns)
    blueprint = model.fit.blueprint
    kept = tuple(variable for variable in blueprint.variables if variable.name in needed)
    return replace(model, fit=replace(model.fit, blueprint=replace(blueprint, variables=kept)))


def refuse_new_responses(model: SavedModel) -> None:
    """Raises where a new response is asked for at effects of 0, which no level has."""
    if model.fit.random_effects is not None and model.random == "zero":
        message = f"{model.name} has random effects: a new response varies by its level, and at effects of 0 has none"
        hint = "write --random include for those of a known level, or --random population for any"
        raise ModelError("random_intervals", message, hint)


# ---- Levels ----


@dataclass(frozen=True, slots=True, eq=False)
class RowLevels:
    """The distinct levels of a group in some rows, by the levels of its columns, the place of the row in which each is
    first, and `codes` (n,)."""

    names: tuple[tuple[str, ...], ...]
    known: tuple[bool, ...]  # whether all parts of a level are levels of their own columns
    first: np.ndarray
    codes: np.ndarray


def row_levels(model: SavedModel, written: Written, table: Table) -> RowLevels:
    """The levels of a term's group in the rows of a table, spelled as the model does."""
    known = [dict.fromkeys(model.state.levels[factor.text]) for factor in written.group.factors]
    evaluator = Evaluator(table, state=DesignState({}, model.state.transforms))  # the levels are those of new rows
    sets = []
    for factor, own in zip(written.group.factors, known, strict=True):
        found = evaluator.factor(factor)
        assert isinstance(found, Levels)
        sets.append(_spelled(found.levels, own))
    combined = evaluator.crossed(written.group.factors)
    seen, first, codes = np.unique(combined, return_index=True, return_inverse=True)
    names, whole = [], []
    for rest in seen.tolist():
        parts = []
        for levels in sets:
            rest, one = divmod(rest, len(levels))
            parts.append(levels[one])
        names.append(tuple(parts))
        whole.append(all(part in own for part, own in zip(parts, known, strict=True)))
    return RowLevels(tuple(names), tuple(whole), first, codes.reshape(-1))


def places(model: SavedModel, written: Written, term: RandomTerm, table: Table) -> Tensor:
    """(n,) the place of each row's level among those of the fit, -1 for a new one, which may be refused."""
    assert term.modes is not None
    place = {mode.level: at for at, mode in enumerate(term.modes[:: len(term.deviations)])}
    known = [model.state.levels[factor.text] for factor in written.group.factors]
    if len(place) < term.levels or sum(any(":" in level for level in levels) for levels in known) > 1:
        message = f"levels of {term.group} cannot be told apart by their names, as those of its columns hold ':'"
        raise ModelError("no_prediction", message, "write other names in the data, and fit again; or --random zero")
    found = row_levels(model, written, table)
    at = np.full(len(found.names), -1, dtype=np.int64)
    for i, (parts, whole) in enumerate(zip(found.names, found.known, strict=True)):
        level = ":".join(parts)
        at[i] = place.get(level, -1) if whole else -1
        if at[i] < 0 and model.random == "include":
            row = int(table.rows[found.first[i]])
            message = f"'{term.group}' is '{shorten(level)}' in row {row}, a level that the model has not seen"
            hint = "--random new takes any effects for it; --missing keep leaves such rows without an estimate"
            raise DataError("unknown_level", message, hint)
    return torch.from_numpy(at[found.codes])


def _spelled(levels: Sequence[str], known: Collection[str]) -> list[str]:
    """Levels as the model spells them: a number is its value, 2 is 2.0."""
    numbers = {float(level): level for level in known if is_number(level)}
    return [level if level in known or not is_number(level) else numbers.get(float(level), level) for level in levels]
