"""Moments and quantiles of a response: where the starting values of location, scale and shape come from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glmfit.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

CONSTANT = 1e-9  # a standard deviation below this share of the mean is rounding error


@dataclass(frozen=True, slots=True)
class Moments:
    """Weighted mean, standard deviation (1 for a constant response), skewness and excess kurtosis."""

    mean: float
    sd: float
    skewness: float
    kurtosis: float


def moments(y: Tensor, weight: Tensor) -> Moments:
    """The moments of y (n,) under weights (n,)."""
    share = weight / weight.sum()
    mean = float((share * y).sum())
    sd = math.sqrt(float((share * (y - mean) ** 2).sum()))
    if not sd > CONSTANT * abs(mean):
        return Moments(mean, 1.0, 0.0, 0.0)
    z = (y - mean) / sd
    return Moments(mean, sd, float((share * z**3).sum()), float((share * z**4).sum()) - 3)


def quantile(y: Tensor, weight: Tensor, probability: float) -> float:
    """The smallest y (n,) below which, itself included, lies at least this share of the weight (n,)."""
    order = torch.argsort(y)
    cumulative = torch.cumsum(weight[order], dim=0)
    place = int(torch.searchsorted(cumulative, probability * cumulative[-1]))
    return float(y[order][min(place, len(y) - 1)])
