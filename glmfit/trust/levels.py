"""Levels of a large factor whose rows all lie on one edge: separated, which their counts say without a linear program.

    all rows of level g ask for less (more)    =>    the likelihood rises for ever along -(+) the indicator of g

Where g has no column of its own, as a first level, that is the constant less the columns of all other levels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from glmfit.design import Categorical, Structure, aliased_columns
from glmfit.model import Likelihood, Model
from glmfit.result import SeparationTerm
from glmfit.trust.separation import Separated


def of_levels(model: Model, likelihood: Likelihood) -> tuple[Separated, Tensor] | None:
    """What is separated, and the places (k,) of the working coefficients that the other rows do not determine.

    None where no level is, and where the statement of the family or of its levels is not as simple as that: one
    constraint a row, on the predictor that has the levels, with one column each. None as well of rows elsewhere, which
    are not left out one by one.
    """
    apart, family = likelihood.structure, model.family
    if apart is None or apart.inner.shape[1] > 1 or not family.has_recession:
        return None
    if model.lift is not None or model.source is not None:
        return None
    (slot,) = apart.slots
    if model.rows.predictors[slot.side].parameter != family.main:
        return None
    edges = _edges(likelihood, apart)
    if edges is None or not bool((edges != 0).any()):
        return None
    first = torch.nonzero((edges != 0) & (apart.level < 0))[:, 0]  # levels without a column
    constant = None if not len(first) else _constant(model, slot.side, apart, edges)
    if len(first) and constant is None:
        return None
    return _separated(model, likelihood, apart, edges, constant)


def _edges(likelihood: Likelihood, apart: Structure) -> Tensor | None:
    """(levels,) -1 or 1 where all rows of a level ask for less or for more, else 0."""
    (slot,), low, high = apart.slots, None, None
    for chunk in likelihood.chunks:
        faces = likelihood.family.recession(chunk.y, likelihood.links, **chunk.columns)
        some = [] if faces is None else list(zip(range(2), faces, strict=False))
        block = chunk.predictors[slot.side].X.blocks[slot.block]
        if len(some) != 1 or not isinstance(block, Categorical) or block.multiplier is not None:
            return None
        face = some[0][1]
        if face.weights.shape[1] != 1 or face.first != slot.side or not bool((face.weights != 0).all()):
            return None
        side = torch.where(face.equal, 0.0, torch.sign(face.weights[:, 0]).double())
        if low is None or high is None:
            low, high = (torch.full((block.levels,), end, dtype=torch.float64) for end in (torch.inf, -torch.inf))
        low = low.scatter_reduce(0, block.codes.long(), side, "amin")
        high = high.scatter_reduce(0, block.codes.long(), side, "amax")
    if low is None or high is None:
        return None
    return torch.where(torch.isfinite(low) & (low == high), low, 0.0)


def _constant(model: Model, side: int, apart: Structure, edges: Tensor) -> int | None:
    """The place of the constant, where the levels have a column each but for one, whose column it is less theirs."""
    unit = model.standardizations[side].unit
    columns, without = model.rows.predictors[side].columns, torch.nonzero(apart.level < 0)[:, 0]
    used = torch.nonzero(unit)[:, 0]
    alone = len(without) == 1 and len(used) == 1 and bool((apart.level >= 0).any())
    return int(columns[used[0]]) if alone and bool(edges[without] != 0) else None


def _separated(
    model: Model, likelihood: Likelihood, apart: Structure, edges: Tensor, constant: int | None
) -> tuple[Separated, Tensor] | None:
    (slot,) = apart.slots
    separates = torch.cat(
        [edges[_codes(chunk.predictors[slot.side].X.blocks[slot.block])] != 0 for chunk in likelihood.chunks]
    )
    if bool(separates.all()):
        return None
    levels = torch.nonzero((edges != 0) & (apart.level >= 0))[:, 0]
    gone = apart.inner[apart.level[levels], 0]
    up = torch.zeros(model.size, dtype=torch.bool)
    down = torch.zeros(model.size, dtype=torch.bool)
    up[gone], down[gone] = edges[levels] > 0, edges[levels] < 0
    if constant is not None:
        rises = bool(edges[apart.level < 0] > 0)
        inner = apart.inner[:, 0]
        (up if rises else down)[constant] = True
        (down if rises else up)[inner] = True
        stays = torch.ones(model.size, dtype=torch.bool)
        stays[gone] = False
        left = inner[stays[inner]]
        gone = torch.sort(torch.cat([gone, left.max()[None] if len(left) else torch.tensor([constant])])).values
    infinite = torch.nonzero(up | down)[:, 0].tolist()
    signs = [0 if a and b else 1 if a else -1 for a, b in zip(up.tolist(), down.tolist(), strict=True)]
    names = ((place, *model.names[model.kept[place]]) for place in infinite)
    terms = tuple(SeparationTerm(parameter, term, signs[place]) for place, parameter, term in names)
    rest = ~separates
    if not _determined(model, rest, gone):
        return None
    nothing = torch.zeros(model.size, dtype=torch.float64)
    found = Separated(
        "quasi-complete", separates, rest, nothing, 0.0, nothing[:, None][:, :0], tuple(infinite), (), terms
    )
    return found, gone


def _codes(block: object) -> Tensor:
    assert isinstance(block, Categorical)
    return block.codes.long()


def _determined(model: Model, rest: Tensor, gone: Tensor) -> bool:
    """Whether the rows left determine all other coefficients."""
    stays = torch.ones(model.size, dtype=torch.bool)
    stays[gone] = False
    rows = model.rows.rows(torch.nonzero(rest)[:, 0])
    seen: set[int] = set()
    for predictor in rows.predictors:
        columns = torch.nonzero(stays[predictor.columns])[:, 0].tolist()
        if id(predictor.X) not in seen and aliased_columns(predictor.X.select(columns)):
            return False
        seen.add(id(predictor.X))
    return True
