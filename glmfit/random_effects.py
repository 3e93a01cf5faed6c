"""The answer's part on random effects: their standard deviations and correlations, and what they are for each level.

Missing numbers are NaN (null in JSON). Terms follow the order of the formulas; of each, effects that of its terms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from glmfit.lowrank import LowRankSummary


@dataclass(frozen=True, slots=True)
class Deviation:
    """The standard deviation of an effect over the levels of its group; its interval is made on the log scale."""

    effect: str  # the term of the formula that differs by level: Intercept, x
    estimate: float
    std_error: float
    conf_low: float
    conf_high: float
    status: str | None = None  # boundary: the likelihood is highest where it is 0; not_identified: it has no peak


@dataclass(frozen=True, slots=True)
class Correlation:
    """That of two effects of a term; its interval is made on the scale of Fisher's z."""

    first: str
    second: str
    estimate: float
    conf_low: float
    conf_high: float
    status: str | None = None  # boundary: it is 1 or -1, or a standard deviation is 0; not_identified


@dataclass(frozen=True, slots=True)
class Mode:
    """An effect of one level given the data: where its conditional density is highest, and its standard error there."""

    level: str
    effect: str
    estimate: float
    std_error: float


@dataclass(frozen=True, slots=True)
class RandomTerm:
    """Effects of one parameter's linear predictor that are drawn for each of `levels` levels of a group."""

    parameter: str
    term: str  # as the formula writes it: (1 + x | g)
    group: str
    levels: int
    deviations: tuple[Deviation, ...]
    correlations: tuple[Correlation, ...]
    modes: tuple[Mode, ...] | None = None  # by level, and of a level by effect; None where they were not asked for


@dataclass(frozen=True, slots=True)
class RandomEffects:
    """All of them, and how their likelihood was found.

    `criterion` is ml, or reml where the coefficients of the mean are integrated too. `integral` is exact, laplace or
    quadrature, of so many `nodes`. `icc` and the two R2 are those of Nakagawa, Johnson & Schielzeth (2017).
    """

    terms: tuple[RandomTerm, ...]
    criterion: str
    integral: str
    nodes: int | None = None
    icc: float = math.nan
    r2_marginal: float = math.nan
    r2_conditional: float = math.nan


@dataclass(frozen=True, slots=True)
class RandomLaw:
    """What predictions need beside estimates: for each term L (d, d), with L L' the covariance of its effects, and the
    joint `covariance` of all coefficients, entries of the L and effects that have modes, None where it is not kept.

    The entries of an L are those of its lower triangle row by row, of the diagonal the logarithm. The first `given`
    columns of the covariance's low rank, with its blocks, are the part for known coefficients and entries.
    """

    factors: tuple[tuple[tuple[float, ...], ...], ...]
    covariance: LowRankSummary | None
    given: int = 0
