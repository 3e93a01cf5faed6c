"""Columns of many groups, each centred and scaled in each group by itself, and the way back: `design.standardize`.

Working column j of a group is (x_j - center_j) / scale_j, X unit = 1, theta = (I - unit center') diag(1/scale) gamma.
A group whose columns are not clearly independent, or whose constant is made up otherwise, is not plain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from glmfit.design import Categorical, Matrix

SHORT = 16.0  # see design.standardize
CLEARLY_INDEPENDENT = 1e-2  # see design.rank
SMALLEST = 1e-150  # scale of a column, see model.assembly


@dataclass(frozen=True, slots=True, eq=False)
class Scales:
    """`center`, `scale`, `unit` (B, p) of each group; `parts` are the columns of each linear predictor."""

    center: Tensor
    scale: Tensor
    unit: Tensor
    parts: tuple[slice, ...]

    @classmethod
    def beside(cls, scales: Sequence[Scales]) -> Scales:
        """Those of several predictors."""
        parts, first = [], 0
        for one in scales:
            parts.append(slice(first, first + one.center.shape[1]))
            first = parts[-1].stop
        center, scale, unit = (
            torch.cat([getattr(one, name) for one in scales], dim=1) for name in ("center", "scale", "unit")
        )
        return cls(center, scale, unit, tuple(parts))

    def of(self, which: Tensor) -> Scales:
        return Scales(self.center[which], self.scale[which], self.unit[which], self.parts)

    def matrix(self) -> Tensor:
        """T (B, p, p) with theta = T gamma."""
        out = torch.diag_embed(1 / self.scale)
        for part in self.parts:
            unit, center = self.unit[:, part], self.center[:, part] / self.scale[:, part]
            out[:, part, part] -= unit[:, :, None] * center[:, None, :]
        return out

    def gradient(self, g: Tensor) -> Tensor:
        """(B, p) T^-T g: in theta from that in gamma."""
        scaled = self.scale * g
        out = scaled.clone()
        for part in self.parts:
            out[:, part] += self.center[:, part] * (self.unit[:, part] * scaled[:, part]).sum(dim=1, keepdim=True)
        return out


def scaled(matrix: Matrix, X: Tensor, index: Tensor, there: Tensor, n: Tensor) -> tuple[Tensor, Scales, Tensor]:
    """Working columns (B, p, m) of raw ones X, their scales, and which groups (B,) are plain.

    `index` (B, m) are the rows of `matrix` that were taken, `n` (B,) how many of them are `there`.
    """
    B, p, _ = X.shape
    numeric = torch.zeros(p, dtype=torch.bool)
    for block, place in zip(matrix.blocks, matrix.places, strict=True):
        numeric[place] = not isinstance(block, Categorical)
    constant = (X[:, :, :1] == X).all(dim=2)
    moving = numeric & ~constant
    unit, fine = _unit(matrix, numeric, constant, B)
    centre = bool((unit[0] != 0).any())
    weight = None if bool(there.all()) else there[:, None, :].to(torch.float64)

    def mean(values: Tensor) -> Tensor:
        return (values if weight is None else values * weight).sum(dim=2) / n[:, None]

    center, working = torch.zeros((B, p), dtype=torch.float64), X
    if centre:
        for _ in range(2):  # the second pass takes up what rounding left of a large common part
            center = center + torch.where(moving, mean(working), 0.0)
            working = X - center[:, :, None]
    spread = _power_of_two(mean(working.square()).sqrt())
    scale = torch.where(moving & (spread > 0) & torch.isfinite(spread), spread, 1.0)
    if centre:  # a short number: the differences are then exact, or nearly all of them
        center = torch.where(moving, torch.round(center / scale * SHORT) * (scale / SHORT), 0.0)
    for block, place in zip(matrix.blocks, matrix.places, strict=True):
        if isinstance(block, Categorical) and block.multiplier is not None:
            size = _power_of_two(mean(block.multiplier[index][:, None].square()).sqrt())
            scale[:, place] = torch.where((size > 0) & torch.isfinite(size), size, 1.0)
    working = (X - center[:, :, None]) / scale[:, :, None]
    sizes = torch.where(unit != 0, 1.0, scale)
    fine = fine & torch.isfinite(center).all(dim=1) & ((sizes > SMALLEST) & (sizes < 1 / SMALLEST)).all(dim=1)
    fine &= _independent((working if weight is None else working * weight) @ working.mT)
    return working, Scales(center, scale, unit, (slice(0, p),)), fine


def _unit(matrix: Matrix, numeric: Tensor, constant: Tensor, B: int) -> tuple[Tensor, Tensor]:
    """(B, p) what makes up the constant, the same in every group, and the groups (B,) of which that is so."""
    p = matrix.shape[1]
    unit, fine = torch.zeros((B, p), dtype=torch.float64), torch.ones(B, dtype=torch.bool)
    if "Intercept" in matrix.names:
        unit[:, matrix.names.index("Intercept")] = 1.0
        return unit, fine
    fine = ~(numeric & constant).any(dim=1)
    for block, place in zip(matrix.blocks, matrix.places, strict=True):
        if isinstance(block, Categorical) and block.indicator and block.multiplier is None:
            used = torch.zeros(block.levels, dtype=torch.bool)
            used[block.coding] = True
            if bool(used[block.codes].all()):
                unit[:, place] = 1.0
                return unit, fine
    return unit, fine


def _power_of_two(spread: Tensor) -> Tensor:
    return torch.exp2(torch.round(torch.log2(spread)))


def _independent(gram: Tensor) -> Tensor:
    """(B,) whether the columns of which these are the products (B, p, p) are clearly independent, as `design.rank`."""
    length = torch.diagonal(gram, dim1=1, dim2=2).sqrt()
    known = (length > 0).all(dim=1) & torch.isfinite(gram).flatten(1).all(dim=1)
    eye = torch.eye(gram.shape[1], dtype=torch.float64)
    unit = torch.where(known[:, None, None], gram / (length[:, :, None] * length[:, None, :]), eye)
    factor, info = torch.linalg.cholesky_ex(unit)
    return known & (info == 0) & (torch.diagonal(factor, dim1=1, dim2=2) >= CLEARLY_INDEPENDENT).all(dim=1)
