"""Joint Wald tests: whether all coefficients of a term are 0, from estimates and their covariance alone.

    W = b' V^-1 b ~ chi2(k)        F = W / k ~ F(k, df) where the dispersion is estimated

b are the k coefficients that are estimated; aliased ones count for nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from glmfit.inference.covariance import MOST_TOGETHER, Reference
from glmfit.numerics import LowRank, curvature
from glmfit.result import Coefficient, JointTest

MOST_INVERTED = 5_000  # coefficients whose covariance is a matrix where its parts have no inverse of their own


def wald(estimates: Tensor, covariance: Tensor) -> float:
    """b' V^-1 b of estimates (k,) and their covariance (k, k); NaN where V is singular, or anything is not finite."""
    if not bool(torch.isfinite(estimates).all()):
        return math.nan
    lower = curvature.cholesky(covariance)
    if lower is None or not curvature.well_conditioned(lower, curvature.STEP_CONDITIONED):
        return math.nan
    half = torch.linalg.solve_triangular(lower, estimates[:, None], upper=False)
    return float((half * half).sum())


def joint_test(statistic: float, k: int, reference: Reference) -> tuple[str, float, float]:
    """The kind of statistic, its value and its p-value, of W on k degrees of freedom."""
    if reference.df is None:  # by torch, which is here already: scipy takes a tenth of a second to load
        halves = torch.tensor([k / 2, statistic / 2], dtype=torch.float64)
        return "chi2", statistic, float(torch.special.gammaincc(*halves))
    from scipy.special import fdtrc

    f = statistic / k
    return "F", f, float(fdtrc(k, reference.df, f)) if reference.df > 0 else math.nan


def places_of_terms(rows: Sequence[Coefficient], terms: Sequence[str]) -> Mapping[tuple[str, str], list[int]]:
    """Where the coefficients of each term stand, by parameter and term; `terms` names that of each."""
    return places_of([(row.parameter, row.term) for row in rows], terms)


def places_of(names: Sequence[tuple[str, str]], terms: Sequence[str]) -> Mapping[tuple[str, str], list[int]]:
    """The same of coefficients (parameter, name)."""
    places: dict[tuple[str, str], list[int]] = {}
    for at, ((parameter, _), term) in enumerate(zip(names, terms, strict=True)):
        places.setdefault((parameter, term), []).append(at)
    return places


def wald_of_places(estimates: Tensor, covariance: Tensor | LowRank, places: Tensor) -> float:
    """`wald` of the coefficients at `places`, from the covariance of all."""
    if isinstance(covariance, Tensor):
        return wald(estimates, covariance[places[:, None], places])
    if covariance.unknown is not None and bool(torch.isin(places, covariance.unknown).any()):
        return math.nan
    if len(places) <= MOST_TOGETHER:
        return wald(estimates, covariance.block(places))
    found = covariance.inverse_square(places, estimates)
    if found is None and len(places) <= MOST_INVERTED:
        return wald(estimates, covariance.block(places))
    return found if found is not None and found >= 0 else math.nan


def joint_tests(
    rows: Sequence[Coefficient], covariance: Tensor | LowRank, terms: Sequence[str], reference: Reference
) -> tuple[JointTest, ...]:
    """A test for each term of several coefficients, of which at least one is estimated; `covariance` is that of all."""
    found = []
    for (parameter, term), places in places_of_terms(rows, terms).items():
        kept = [at for at in places if rows[at].status != "aliased"]
        if len(places) < 2 or not kept:
            continue
        index = torch.tensor(kept)
        estimates = torch.tensor([rows[at].estimate for at in kept], dtype=torch.float64)
        statistic = wald_of_places(estimates, covariance, index)
        kind, value, p_value = joint_test(statistic, len(kept), reference)
        residual = None if reference.df is None else float(reference.df)
        test = JointTest(parameter, term, places[0], len(places), len(kept), residual, value, kind, p_value)
        found.append(test)
    return tuple(found)
