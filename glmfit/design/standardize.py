"""Centred and scaled columns for the optimiser, and the way back.

Working column j is (x_j - center_j) / scale_j, and X unit = 1, so that with gamma the working coefficients

    theta = T gamma,    T = (I - unit center') diag(1 / scale),    T^-1 = diag(scale) (I + unit center')

(center'unit = 0, for columns that make up the constant are not moved). T is never formed. Centers are short binary
numbers and scales powers of two, so that working columns are not rounded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from glmfit.design.blocks import Block, Categorical, Columns, Dense
from glmfit.numerics import empty_columns
from glmfit.spill import runs

SHORT = 16.0  # centers are multiples of this share of the scale


@dataclass(frozen=True, slots=True, eq=False)
class Standardization:
    """The map between working and reported coefficients: `center`, `scale`, `unit`, each float64 (p,)."""

    center: Tensor
    scale: Tensor
    unit: Tensor

    def coefficients(self, gamma: Tensor) -> Tensor:
        """theta = T gamma."""
        theta = gamma / self.scale
        return theta - self.unit * (self.center @ theta)

    def precise_coefficients(self, gamma: Tensor, low: Tensor) -> Tensor:
        """theta = T (gamma + low), rounded once: `low` is what gamma lacks for want of digits."""
        parts = zip(gamma.tolist(), low.tolist(), self.scale.tolist(), strict=True)
        exact = [(Fraction(g) + Fraction(rest)) / Fraction(scale) for g, rest, scale in parts]
        constant = sum(Fraction(c) * value for c, value in zip(self.center.tolist(), exact, strict=True))
        rounded = [float(v - Fraction(u) * constant) for v, u in zip(exact, self.unit.tolist(), strict=True)]
        return torch.tensor(rounded, dtype=torch.float64)

    def working(self, theta: Tensor) -> Tensor:
        """gamma = T^-1 theta."""
        return self.scale * (theta + self.unit * (self.center @ theta))

    def sandwich(self, matrix: Tensor, other: Standardization) -> Tensor:
        """T M S' with S the map of `other`: a covariance (p, q) between two sets of coefficients."""
        left = matrix / self.scale[:, None]
        left = left - torch.outer(self.unit, self.center @ left)
        right = left / other.scale
        return right - torch.outer(right @ other.center, other.unit)

    def gradient(self, g: Tensor) -> Tensor:
        """T^-T g: the gradient in theta from that in gamma."""
        scaled = self.scale * g
        return scaled + self.center * (self.unit @ scaled)


@dataclass(frozen=True, slots=True, eq=False)
class Shift:
    """Constants taken up by other predictors: theta -> (I + unit center') theta, on all coefficients (size,).

    Centred columns of a predictor without an intercept move the constants of the predictors beside it, as the location
    of an ordinal model moves its cut points.
    """

    unit: Tensor
    center: Tensor

    def coefficients(self, theta: Tensor) -> Tensor:
        return theta + self.unit * (self.center @ theta)

    def working(self, theta: Tensor) -> Tensor:
        return theta - self.unit * (self.center @ theta)

    def gradient(self, g: Tensor) -> Tensor:
        return g - self.center * (self.unit @ g)

    def covariance(self, matrix: Tensor) -> Tensor:
        left = matrix + torch.outer(self.unit, self.center @ matrix)
        return left + torch.outer(left @ self.center, self.unit)


def unit_vector(blocks: tuple[Block, ...], places: tuple[Tensor, ...], p: int) -> Tensor:
    """A v with X v = 1: a constant column, or a full set of indicators; zeros where there is neither."""
    unit = torch.zeros(p, dtype=torch.float64)
    for block, place in zip(blocks, places, strict=True):
        if not isinstance(block, Categorical):
            columns = block.columns if isinstance(block, Columns) else list(block.values.T)
            values = [(j, unchanging(column)) for j, column in enumerate(columns)]
            constant = [(j, value) for j, value in values if value]
            if constant:
                # Of several, the one nearest to 1 in size: the intercept, where there is one.
                distance = [abs(math.log(abs(value))) for _, value in constant]
                j, value = constant[distance.index(min(distance))]
                unit[place[j]] = 1.0 / value
                return unit
    for block, place in zip(blocks, places, strict=True):
        if isinstance(block, Categorical) and block.indicator and block.multiplier is None:
            used = torch.zeros(block.levels, dtype=torch.bool)
            used[block.coding] = True
            if all(bool(used[block.codes[part]].all()) for part in runs(len(block.codes))):
                unit[place] = 1.0
                return unit
    return unit


def unchanging(column: Tensor) -> float | None:
    """The value of a column (n,) that holds but one; the first rows rule most columns out."""
    if not len(column):
        return None
    first = column[0]
    alike = all(bool((column[part] == first).all()) for part in runs(len(column)))
    return float(first) if alike else None


def standardize_columns(columns: list[Tensor], centre: bool, spend: bool) -> tuple[Dense, Tensor, Tensor]:
    """The working block with its centers and scales; constant columns are left alone.

    With `spend` each of the columns is let go of once the block has it.
    """
    found = [(0.0, 1.0)] * len(columns)
    block = empty_columns(columns)
    for j, column in enumerate(columns):
        found[j] = center, scale = _center_and_scale(column, centre)
        _scaled(column, center, scale, block[:, j])
        if spend:
            columns[j] = column = column.new_empty(0)
    center_and_scale = torch.tensor(found, dtype=torch.float64)
    return Dense(block), center_and_scale[:, 0], center_and_scale[:, 1]


def standardize_alike(columns: Sequence[Tensor], center: Tensor, scale: Tensor) -> Dense:
    """The working block of columns that have the centers and scales of others."""
    block = empty_columns(columns)
    for j, (column, middle, size) in enumerate(zip(columns, center.tolist(), scale.tolist(), strict=True)):
        _scaled(column, middle, size, block[:, j])
    return Dense(block)


def _scaled(column: Tensor, center: float, scale: float, out: Tensor) -> None:
    for part in runs(len(column)):
        torch.sub(column[part], center, out=out[part]).div_(scale)


def _center_and_scale(column: Tensor, centre: bool) -> tuple[float, float]:
    """What is taken off a column (n,), and what the rest is divided by."""
    if not len(column) or unchanging(column) is not None:
        return 0.0, 1.0
    center = 0.0
    if centre:
        for _ in range(2):  # the second pass takes up what rounding left of a large common part
            mean = sum(float((column[part] - center).sum()) for part in runs(len(column))) / len(column)
            center += mean if math.isfinite(mean) else 0.0
    spread = _power_of_two(_root_mean_square(column, center))
    scale = spread if spread > 0 and math.isfinite(spread) else 1.0
    if centre:  # a short number: the differences are then exact, or nearly all of them
        short = _rounded(center / scale * SHORT) * (scale / SHORT)
        center = short if math.isfinite(short) else center
    return center, scale


def _rounded(value: float) -> float:
    return float(round(value)) if math.isfinite(value) else value


def _power_of_two(spread: float) -> float:
    """The nearest power of two: dividing by it rounds nothing."""
    return math.ldexp(1.0, min(round(math.log2(spread)), 1023)) if 0 < spread < math.inf else spread


def _root_mean_square(values: Tensor, center: float = 0.0) -> float:
    """sqrt(mean((x - center)^2)), also where the squares overflow or vanish."""
    n = len(values)
    mean = sum(float((values[part] - center).square().sum()) for part in runs(n)) / n
    if 1e-200 < mean < 1e200:
        return math.sqrt(mean)
    largest = max(float((values[part] - center).abs().max()) for part in runs(n))
    if not 0 < largest < math.inf:
        return largest
    mean = sum(float(((values[part] - center) / largest).square().sum()) for part in runs(n)) / n
    return largest * math.sqrt(mean)


def multiplier_scale(multiplier: Tensor) -> float:
    """The root mean square of a multiplier as a power of two, 1 where it is zero throughout."""
    if not len(multiplier):
        return 1.0
    spread = _power_of_two(_root_mean_square(multiplier))
    return spread if spread > 0 and math.isfinite(spread) else 1.0
