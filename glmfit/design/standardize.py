"""Centred and scaled columns for the optimiser, and the way back.

Working column j is (x_j - center_j) / scale_j, and X unit = 1, so that with gamma the working coefficients

    theta = T gamma,    T = (I - unit center') diag(1 / scale),    T^-1 = diag(scale) (I + unit center')

(center'unit = 0, for columns that make up the constant are not moved). T is never formed. Centers are short binary
numbers and scales powers of two, so that working columns are not rounded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from glmfit.design.blocks import Block, Categorical, Dense
from glmfit.numerics import by_rows
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
        if isinstance(block, Dense):
            constant = [(j, value) for j, value in _unchanging(block.values) if value != 0]
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


def _unchanging(values: Tensor) -> list[tuple[int, float]]:
    """The columns that hold one value, and that value; a slice of rows rules most columns out."""
    if not len(values):
        return []
    first = values[0]
    alike = torch.ones(values.shape[1], dtype=torch.bool)
    for part in runs(len(values)):
        if bool(alike.any()):
            alike &= (values[part] == first).all(dim=0)
    return [(j, float(first[j])) for j in torch.nonzero(alike)[:, 0].tolist()]


def standardize_dense(block: Dense, centre: bool) -> tuple[Dense, Tensor, Tensor]:
    """The working block with its centers and scales; constant columns are left alone."""
    values = block.values
    center, scale = values.new_zeros(values.shape[1]), values.new_ones(values.shape[1])
    moving = torch.ones(values.shape[1], dtype=torch.bool)
    moving[[j for j, _ in _unchanging(values)]] = False
    if not len(values) or not bool(moving.any()):
        return block, center, scale
    if centre:
        for _ in range(2):  # the second pass takes up what rounding left of a large common part
            mean = sum(((values[part] - center).sum(dim=0) for part in runs(len(values))), 0 * center) / len(values)
            center += torch.where(moving & torch.isfinite(mean), mean, torch.zeros_like(mean))
    spread = _power_of_two(_root_mean_square(values, center))
    scale = torch.where(moving & (spread > 0) & torch.isfinite(spread), spread, scale)
    if centre:  # a short number: the differences are then exact, or nearly all of them
        short = torch.round(center / scale * SHORT) * (scale / SHORT)
        center = torch.where(moving & torch.isfinite(short), short, center)
    return Dense(by_rows(lambda part: (part - center).div_(scale), values)), center, scale


def _power_of_two(spread: Tensor) -> Tensor:
    """The nearest power of two: dividing by it rounds nothing."""
    return torch.exp2(torch.round(torch.log2(spread)))


def _root_mean_square(values: Tensor, center: Tensor) -> Tensor:
    """sqrt(mean((x - center)^2)) by column, also where the squares overflow or vanish."""

    def mean_square(unit: Tensor) -> Tensor:
        found = torch.zeros_like(unit)
        for part in runs(len(values)):
            found += ((values[part] - center) / unit).square().sum(dim=0) / len(values)
        return found

    one = torch.ones_like(center)
    mean = mean_square(one)
    if bool(((mean > 1e-200) & (mean < 1e200)).all()):
        return mean.sqrt()
    largest = torch.zeros_like(center)
    for part in runs(len(values)):
        largest = torch.maximum(largest, (values[part] - center).abs().amax(dim=0))
    largest = torch.where(largest > 0, largest, one)
    return largest * mean_square(largest).sqrt()


def multiplier_scale(multiplier: Tensor) -> float:
    """The root mean square of a multiplier as a power of two, 1 where it is zero throughout."""
    if not len(multiplier):
        return 1.0
    nothing = torch.zeros(1, dtype=torch.float64)
    spread = float(_power_of_two(_root_mean_square(multiplier[:, None], nothing))[0])
    return spread if spread > 0 and math.isfinite(spread) else 1.0
