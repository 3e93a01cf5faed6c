"""The answer of a penalised fit: a path of strengths, what is left at each, what cross-validation says of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PathPoint:
    """One strength of a path: what is left at it, and the loss of its predictions where they were cross-validated.

    `estimates` are the coefficients that are not 0, at their `places` among those of the fit.
    """

    strength: float
    nonzero: int  # coefficients of covariates that are not 0, those of penalty factor 0 among them
    explained: float  # share of the null deviance; NaN where the family has none
    converged: bool
    residual: float  # by which optimality is missed, in units of the largest slope where all coefficients are 0
    places: tuple[int, ...]
    estimates: tuple[float, ...]
    cv_mean: float = math.nan
    cv_error: float = math.nan  # standard error of the mean over folds


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """How a path was cross-validated, and the strengths that it finds."""

    folds: int
    loss: str  # what is averaged: squared error, deviance or -2 log-likelihood of a row
    seed: int | None  # None where a column says the fold of each row
    column: str | None
    groups: str | None  # the column whose groups are not torn apart
    stratified: bool
    strength_min: float
    strength_1se: float


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A penalty lambda sum_j v_j (alpha |s_j b_j| + (1 - alpha) (s_j b_j)^2 / 2), and its path of strengths."""

    penalty: str  # ridge | lasso | elastic net
    alpha: float
    standardized: bool
    factors: Mapping[str, float]
    covariates: int  # coefficients that the penalty is on, or would be but for a factor of 0
    path: tuple[PathPoint, ...]
    chosen: int | None  # the place in the path that is reported
    choice: str | None  # given | min | 1se: what chose it
    cv: CrossValidation | None = None
    group_terms: bool = False  # the coefficients of a term are 0 together, or none of them is,
    group_categories: bool = False  # and those of all categories of a response
