"""The penalty of a model: which coefficients it is on, in which coordinates, and how much each counts.

    penalty = lambda sum_g v_g (alpha sqrt(p_g) ||u_g|| + (1 - alpha) ||u_g||^2 / 2)

A group is one coefficient, u = s_j theta_j with the standard deviation of its column by the rows' weights, or all those
of a term, whose columns are made orthonormal, p_g of them. Penalty factors v are scaled so that they add up to the
number of coefficients, as glmnet's are. A column that does not vary stays out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from glmfit.design import Block, Categorical
from glmfit.errors import ModelError, UsageError, did_you_mean
from glmfit.formula import INTERCEPT
from glmfit.model import Model, Rows
from glmfit.shrink.basis import Basis, Norms
from glmfit.shrink.search import Weights
from glmfit.shrinkage import Shrinkage

NOTHING = 1e-13  # of a column's size: what rounding leaves of a standard deviation of 0
RANK = 1e-10  # of the largest eigenvalue of a term's covariance matrix: what a direction that does not vary has


@dataclass(frozen=True, slots=True, eq=False)
class Penalty:
    """What does not change along a path: alpha, factors v_g and lengths' weights sqrt(p_g), (size,) of coefficients.

    `held` are those that stay 0, `covariates` what a penalty may be on, that of factor 0 as well.
    """

    alpha: float
    factor: Tensor
    weight: Tensor
    norms: Norms
    held: Tensor
    covariates: Tensor
    basis: Basis

    def at(self, strength: float) -> Weights:
        """The weights of a strength."""
        first = strength * self.alpha * self.factor * self.weight
        return Weights(first, strength * (1 - self.alpha) * self.factor, self.held, self.norms)

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
    penalised = torch.tensor(_shrunk(model))
    names = [model.names[at][1] for at in model.kept]
    factor = factors(names, [model.terms[at] for at in model.kept], asked, penalised)
    chunks = list(model.likelihood().chunks)
    spread = deviations(model, chunks)
    held = penalised & (spread == 0)
    stretch = _plain_scale(model) if not asked.standardize else torch.where(spread > 0, 1 / spread, 1.0)
    stretch = torch.where(penalised & ~held, stretch, 1.0)
    balanced = _in_all(model, (factor == 0) & ~held)
    if balanced is not None:  # the first is held while the others are found
        held[balanced[:, 0]] = True
    label, weight = torch.arange(model.size), torch.ones_like(factor)
    blocks = []
    for places in _terms(model, penalised & (factor > 0)) if asked.group_terms else ():
        block = torch.diag(stretch[places])
        if asked.standardize:
            block = orthonormal(_covariance(model, places, chunks))
        held[places] = (block == 0).all(dim=0)
        weight[places] = float((~held[places]).sum()) ** 0.5
        label[places] = places[0]
        blocks.append((places, block))
    if asked.group_categories:
        label = _across_categories(model, label)
    norms = Norms(label)
    flat = None if asked.alpha < 1 else _in_all(model, (factor > 0) & ~held)
    basis = Basis(stretch, tuple(blocks), flat, balanced, signed=norms.single)
    return Penalty(asked.alpha, factor, weight, norms, held, penalised, basis)


def _shrunk(model: Model) -> list[bool]:
    """Whether each coefficient is one that a penalty may be on: all of the main parameter but its intercept."""
    names = [model.names[at] for at in model.kept]
    everyone, main = model.family.shared_formula, model.family.main
    return [(everyone or parameter == main) and name != INTERCEPT.name for parameter, name in names]


def factors(names: Sequence[str], terms: Sequence[str], asked: Shrinkage, penalised: Tensor) -> Tensor:
    """(size,) the penalty factor of each coefficient, which add up to how many are penalised."""
    if not bool(penalised.any()):
        message = "the model has an intercept alone: there is nothing to penalise"
        raise ModelError("nothing_penalised", message, "add terms to the formula")
    factor = penalised.to(torch.float64)
    for name, value in asked.penalty_factors.items():
        own = torch.tensor([on and name in both for on, *both in zip(penalised.tolist(), names, terms, strict=True)])
        if not bool(own.any()):
            known = dict.fromkeys([t for on, t in zip(penalised.tolist(), terms, strict=True) if on])
            hint = did_you_mean(name, known) or f"terms: {', '.join(list(known)[:12])}"
            raise UsageError("unknown_term", f"--penalty-factor {name}: no such term or coefficient", hint)
        if asked.group_terms and name not in terms:
            term = terms[int(own.to(torch.int8).argmax())]
            message = f"--penalty-factor {name}: it is one coefficient of {term}, which --group-terms keeps together"
            raise ModelError("bad_strength", message, f"give the factor of the whole term: {term}={value:g}")
        factor = torch.where(own, float(value), factor)
    total = float(factor.sum())
    if total == 0:
        message = "every term has a penalty factor of 0: nothing is penalised"
        raise ModelError("nothing_penalised", message, "fit without a penalty, or leave some of the factors out")
    return factor * int(penalised.sum()) / total


def _terms(model: Model, wanted: Tensor) -> Iterator[Tensor]:
    """The places of the coefficients of each term that has several, of each parameter."""
    found: dict[tuple[str, str], list[int]] = {}
    for place, at in enumerate(model.kept):
        if bool(wanted[place]):
            found.setdefault((model.names[at][0], model.terms[at]), []).append(place)
    yield from (torch.tensor(places) for places in found.values() if len(places) > 1)


def _in_all(model: Model, wanted: Tensor) -> Tensor | None:
    """(m, categories) the places of coefficients that are wanted of all categories; None where there are none."""
    if not model.family.shared_formula:
        return None
    found: dict[str, list[int]] = {}
    for place, at in enumerate(model.kept):
        if bool(wanted[place]):
            found.setdefault(model.names[at][1], []).append(place)
    whole = [places for places in found.values() if len(places) == len(model.rows.predictors)]
    return torch.tensor(whole) if whole else None


def _across_categories(model: Model, label: Tensor) -> Tensor:
    """Labels of groups that hold the same coefficients of all categories."""
    first: dict[str, int] = {}
    found = [first.setdefault(model.names[model.kept[int(at)]][1], int(at)) for at in label]
    return torch.tensor(found)


def orthonormal(covariance: Tensor) -> Tensor:
    """T (p, p) with T' C T the identity, columns of 0 last where C has not full rank: V E^(-1/2)."""
    scale = torch.diagonal(covariance).clamp(min=0).sqrt()  # columns of one term may have other units
    unit = torch.where(scale > 0, 1 / scale, 0.0)
    spread, V = torch.linalg.eigh(unit[:, None] * covariance * unit)
    spread, V = spread.flip(0), V.flip(1)
    least = RANK * float(spread[0])
    T = torch.where(spread > least, V / spread.clamp(min=least).sqrt(), 0.0)
    return unit[:, None] * T


def _covariance(model: Model, places: Tensor, chunks: Sequence[Rows]) -> Tensor:
    """(p, p) of the columns of some coefficients of one predictor, by the rows' weights; about 0 without a constant."""
    k = next(k for k, predictor in enumerate(model.rows.predictors) if int(places[0]) in predictor.columns.tolist())
    columns = model.rows.predictors[k].columns
    own = (torch.searchsorted(columns, places)).tolist()
    weight, mean = 0.0, torch.zeros(len(own), dtype=torch.float64)
    parts = [(chunk.predictors[k].X.select(own), row_weights(chunk)) for chunk in chunks]
    for X, each in parts:
        weight += float(each.sum())
        mean += X.rmatvec(each)
    mean = mean / weight if model.has_intercept or model.family.location else torch.zeros_like(mean)
    total = torch.zeros((len(own), len(own)), dtype=torch.float64)
    for X, each in parts:
        total += X.sandwich(each) - torch.outer(X.rmatvec(each), mean) - torch.outer(mean, X.rmatvec(each))
        total += torch.outer(mean, mean) * each.sum()
    return total / weight


def _plain_scale(model: Model) -> Tensor:
    """(size,) what makes working coefficients of reported ones."""
    out = torch.ones(model.size, dtype=torch.float64)
    for predictor, standardization in model.pairs:
        out[predictor.columns] = standardization.scale
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
