"""Random effects of the formulas as penalised terms: (x | g) is a factor of all levels of g, and its product with x.

Multipliers are scaled as columns of a model matrix are, so that a search works in units of its own; the standard
deviation of an effect as it is reported is that of the working one divided by the scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from glmfit.design import Categorical, build
from glmfit.design.standardize import multiplier_scale
from glmfit.errors import ModelError
from glmfit.formula import Evaluator, Levels, PredictorFormula, RandomTerm
from glmfit.model import Model
from glmfit.penalty import Covariance, PenalisedTerm
from glmfit.rows import Data

MOST_EFFECTS = 20  # of a term: its covariance has as many parameters as pairs of them


@dataclass(frozen=True, slots=True, eq=False)
class RandomColumns:
    """One term: the columns, the levels (m,) of its group, its effects (d,) by name, and their scales (d,)."""

    of: RandomTerm
    term: PenalisedTerm
    levels: tuple[str, ...]
    effects: tuple[str, ...]
    scale: Tensor

    @property
    def group(self) -> str:
        return group_name(self.of)

    @property
    def blocks(self) -> tuple[Categorical, ...]:
        """A block of columns for each effect."""
        return tuple(block for block in self.term.blocks if isinstance(block, Categorical))

    @property
    def prior(self) -> Covariance:
        assert isinstance(self.term.prior, Covariance)
        return self.term.prior

    def factor(self, omega: Tensor) -> Tensor:
        """L (d, d), L L' the covariance of the effects as they are reported."""
        return self.prior.factor(omega) / self.scale[:, None]


def group_name(term: RandomTerm) -> str:
    """The group as reports show it: g, or g:h."""
    return ":".join(factor.levels_of or factor.text for factor in term.group.factors)


def random_columns(data: Data, model: Model) -> tuple[RandomColumns, ...]:
    """Those of all predictors of a model; what new data need of them is added to the model's state."""
    evaluator = Evaluator(data.table, frequency=data.frequency)
    found = [_columns(data, formula, term, evaluator) for formula in model.formulas for term in formula.random]
    model.state.levels.update(evaluator.state.levels)
    model.state.transforms.update(evaluator.state.transforms)
    return tuple(found)


def _columns(data: Data, formula: PredictorFormula, term: RandomTerm, evaluator: Evaluator) -> RandomColumns:
    codes, levels = _levels(data, term, evaluator)
    left, _ = build(PredictorFormula(formula.parameter, term.terms), data.table, evaluator)
    m, d = len(levels), left.shape[1]
    if d > MOST_EFFECTS:
        message = f"{term.spelled} has {d} effects for each level of {group_name(term)}"
        hint = f"at most {MOST_EFFECTS} can be correlated with each other; a factor by levels is (1 | g:f)"
        raise ModelError("too_many_effects", message, hint)
    own = torch.arange(m)
    blocks, scale = [], torch.ones(d, dtype=torch.float64)
    for j, column in enumerate(left.dense().T):
        if bool((column == 1.0).all()):
            blocks.append(Categorical(codes, own, m))
        else:
            scale[j] = multiplier_scale(column)
            blocks.append(Categorical(codes, own, m, (column / scale[j]).contiguous()))
    places = tuple(own + j * m for j in range(d))
    columns = PenalisedTerm(
        formula.parameter, term.spelled, tuple(blocks), places, torch.stack(places, dim=1), Covariance(d)
    )
    return RandomColumns(term, columns, levels, left.names, scale)


def _levels(data: Data, term: RandomTerm, evaluator: Evaluator) -> tuple[Tensor, tuple[str, ...]]:
    """Codes (n,) of the combinations that occur, and what they are."""
    _refuse_decimals(data, term)
    sets = []
    for factor in term.group.factors:
        found = evaluator.factor(factor)
        if not isinstance(found, Levels):
            message = f"{term.spelled}: '{factor.text}' is a number, which has no levels"
            raise ModelError("no_levels", message, f"write C({factor.text}), or cut({factor.text}, ...) into intervals")
        sets.append(found.levels)
    seen, codes = np.unique(evaluator.crossed(term.group.factors), return_inverse=True)
    names, rest = [], seen
    for own in sets:
        names.append([own[at] for at in (rest % len(own)).tolist()])
        rest = rest // len(own)
    levels = tuple(":".join(parts) for parts in zip(*names, strict=True))
    _check_levels(data, term, levels)
    return torch.from_numpy(codes.reshape(-1).astype(np.int64)), levels


def _refuse_decimals(data: Data, term: RandomTerm) -> None:
    """A column of numbers with decimals is measured, and groups nothing."""
    for factor in term.group.factors:
        name = factor.levels_of
        column = None if name is None else data.table.columns.get(name)
        if column is None or column.levels is not None or column.kind == "boolean":
            continue
        at = np.flatnonzero(column.values != np.round(column.values))
        if len(at):
            message = (
                f"{term.spelled}: '{name}' holds numbers with decimals, such as {column.values[at[0]]:g} in row "
                f"{data.table.rows[at[0]]}: measurements are no groups"
            )
            hint = f"write cut({name}, [...]) for groups of intervals; {name} as a term for a slope"
            raise ModelError("group_decimals", message, hint)


def _check_levels(data: Data, term: RandomTerm, levels: tuple[str, ...]) -> None:
    n, m, group = len(data.table), len(levels), group_name(term)
    if m < 2:
        message = f"{term.spelled}: '{group}' has a single level in the rows used: '{levels[0]}'"
        raise ModelError("single_level", message, "leave the term out: one level has no variance")
    if m == n and not _tells_rows_apart(data):
        message = f"{term.spelled}: '{group}' has a level for each of the {n:,} rows"
        hint = (
            "an effect for each row cannot be told from the spread that the family has by itself: group rows "
            "together, or use a family of counts without one, such as poisson, or binomial with several trials a row"
        )
        raise ModelError("effect_each_row", message, hint)


def _tells_rows_apart(data: Data) -> bool:
    """Whether an effect for each single row is identified: the family leaves no spread of its own to a parameter."""
    family = data.family
    trials = data.response.trials
    several = trials is not None and bool((trials > 1).any())
    counts = family.support.integer and not family.trials and len(family.parameters) == 1
    return several or counts


def starts(columns: tuple[RandomColumns, ...], information: Mapping[str, float]) -> Tensor:
    """omega (k,) of all terms to begin at: independent effects, of the size of what one row says of its predictor."""
    parts = []
    for one in columns:
        size = min(1.0, max(information[one.term.parameter], 1e-300) ** -0.5)
        eye = torch.eye(len(one.effects), dtype=torch.float64)
        parts.append(one.prior.omega(size * eye))
    return torch.cat(parts)
