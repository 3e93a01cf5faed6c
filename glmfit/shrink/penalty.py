"""The penalty of a model: which coefficients it is on, in units of what, and how much each counts.

    penalty = lambda sum_j v_j (alpha |s_j theta_j| + (1 - alpha) (s_j theta_j)^2 / 2)

s_j is the standard deviation of column j by the rows' weights (1 where it is not asked for), v_j its factor; factors
are scaled so that they add up to the number of columns, as glmnet's are. A column that does not vary stays out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from glmfit.design import Block, Categorical
from glmfit.errors import ModelError, UsageError, did_you_mean
from glmfit.formula import INTERCEPT
from glmfit.model import Model, Rows
from glmfit.shrink.search import Weights
from glmfit.shrinkage import Shrinkage

NOTHING = 1e-13  # of a column's size: what rounding leaves of a standard deviation of 0


@dataclass(frozen=True, slots=True, eq=False)
class Penalty:
    """What does not change along a path: alpha, factors v_j and scales s_j (size,), and coefficients `held` at 0."""

    alpha: float
    factor: Tensor
    scale: Tensor
    held: Tensor
    covariates: Tensor  # bool: what a penalty may be on, that of factor 0 as well

    def at(self, strength: float) -> Weights:
        """The weights of a strength."""
        size = self.factor * self.scale
        return Weights(strength * self.alpha * size, strength * (1 - self.alpha) * size * self.scale, self.held)

    @property
    def free(self) -> Tensor:
        """(size,) bool: what is not penalised."""
        return (self.factor == 0) & ~self.held

    @property
    def on(self) -> Tensor:
        """(size,) bool: what is."""
        return (self.factor > 0) & ~self.held


def penalty_of(model: Model, asked: Shrinkage) -> Penalty:
    """The penalty on a model with all of its columns."""
    names = [model.names[at] for at in model.kept]
    terms = [model.terms[at] for at in model.kept]
    main = set() if model.family.shared_formula else {model.family.main}
    shrunk = [(not main or parameter in main) and name != INTERCEPT.name for parameter, name in names]
    if not any(shrunk):
        message = "the model has an intercept alone: there is nothing to penalise"
        raise ModelError("nothing_penalised", message, "add terms to the formula")
    penalised = torch.tensor(shrunk)
    factor = penalised.to(torch.float64)
    for name, value in asked.penalty_factors.items():
        own = torch.tensor([on and name in (n, t) for on, (_, n), t in zip(shrunk, names, terms, strict=True)])
        if not bool(own.any()):
            known = dict.fromkeys([t for on, t in zip(shrunk, terms, strict=True) if on])
            hint = did_you_mean(name, known) or f"terms: {', '.join(list(known)[:12])}"
            raise UsageError("unknown_term", f"--penalty-factor {name}: no such term or coefficient", hint)
        factor = torch.where(own, float(value), factor)
    total = float(factor.sum())
    if total == 0:
        message = "every term has a penalty factor of 0: nothing is penalised"
        raise ModelError("nothing_penalised", message, "fit without a penalty, or leave some of the factors out")
    spread = deviations(model, list(model.likelihood().chunks))
    held = penalised & (spread == 0)
    scale = torch.where(held | ~penalised, 1.0, spread if asked.standardize else _plain_scale(model))
    return Penalty(asked.alpha, factor * int(penalised.sum()) / total, scale, held, penalised)


def _plain_scale(model: Model) -> Tensor:
    """(size,) what makes reported coefficients of working ones."""
    out = torch.ones(model.size, dtype=torch.float64)
    for predictor, standardization in model.pairs:
        out[predictor.columns] = 1 / standardization.scale
    return out


def deviations(model: Model, chunks: Sequence[Rows]) -> Tensor:
    """(size,) the standard deviation of each column by the rows' weights, in working coordinates."""
    found = torch.zeros(model.size, dtype=torch.float64)
    done: dict[int, Tensor] = {}
    for k, predictor in enumerate(model.rows.predictors):
        if id(predictor.X) not in done:
            done[id(predictor.X)] = _deviations(k, predictor.X.shape[1], chunks)
        found[predictor.columns] = done[id(predictor.X)]
    return found


def _deviations(k: int, width: int, chunks: Sequence[Rows]) -> Tensor:
    """(width,) those of the columns of predictor k."""
    weight, mean = 0.0, torch.zeros(width, dtype=torch.float64)
    for chunk in chunks:
        each = row_weights(chunk)
        weight += float(each.sum())
        mean += chunk.predictors[k].X.rmatvec(each)
    mean /= weight
    square, size = torch.zeros_like(mean), torch.zeros_like(mean)
    for chunk in chunks:
        X, each = chunk.predictors[k].X, row_weights(chunk)
        for block, place in zip(X.blocks, X.places, strict=True):
            square[place] += _squares(block, each, mean[place])
            size[place] += _squares(block, each, torch.zeros_like(mean[place]))
    found = torch.sqrt((square / weight).clamp(min=0.0))
    return torch.where(found <= NOTHING * torch.sqrt(size / weight), 0.0, found)


def _squares(block: Block, weight: Tensor, mean: Tensor) -> Tensor:
    """(p,) sum_i w_i (x_ij - mean_j)^2."""
    if not isinstance(block, Categorical):
        return (block.dense() - mean).square().T @ weight
    multiplier = None if block.multiplier is None else block.multiplier.square()
    coding = block.coding if block.indicator else block.coding.square()
    squares = Categorical(block.codes, coding, block.levels, multiplier).rmatvec(weight)
    return squares - 2 * mean * block.rmatvec(weight) + mean.square() * weight.sum()


def beginning(model: Model, constants: Mapping[str, float]) -> Tensor:
    """Working coefficients (size,) of constants: no covariate has a coefficient."""
    theta = torch.zeros(model.size, dtype=torch.float64)
    for predictor, standardization in model.pairs:
        if "Intercept" in predictor.X.names:
            theta[predictor.columns] = standardization.unit * constants.get(predictor.parameter, 0.0)
    return theta


def row_weights(chunk: Rows) -> Tensor:
    """(n,) what a row counts: its weight, for each trial where a response counts successes among several."""
    return chunk.square_weight * chunk.columns["trials"] if "trials" in chunk.columns else chunk.square_weight


def total_weight(chunks: Sequence[Rows]) -> float:
    """That of all rows."""
    return float(torch.stack([row_weights(chunk).sum() for chunk in chunks]).sum())
