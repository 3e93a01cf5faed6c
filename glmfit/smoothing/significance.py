"""Whether a smooth is 0, approximately: Wald tests in the directions that its effective freedom leaves (Wood 2013).

    T = (R b)' V^r- (R b)        V = R Vp R' with R'R the information of the smooth's coefficients b alone

V^r- is the inverse of rank r, the effective degrees of freedom, which need not be whole. What has no unpenalised part
is tested as a variance component instead (Wood 2013, Biometrika 100, 221-228 and 1005-1010).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from glmfit.smoothing.chisquares import upper_tail

_NOTHING = np.finfo(float).eps ** 0.9  # of the largest eigenvalue: no direction at all
_NO_SHARE = np.finfo(float).eps ** 0.8


@dataclass(frozen=True, slots=True)
class Tested:
    """A statistic, its degrees of freedom and its p-value; an F where the dispersion is estimated, else a chi2."""

    statistic: float
    df: float
    p_value: float


@dataclass(frozen=True, slots=True, eq=False)
class Penalties:
    """What tests need of a fit, in units of phi, over all coefficients as reported: estimates b (p,), the covariance
    Vp (p, p), the information G = -H (p, p), and the penalty S (p, p); `df` are the residual degrees of freedom, None
    where phi is known."""

    b: np.ndarray
    covariance: np.ndarray
    information: np.ndarray
    penalty: np.ndarray
    df: float | None


def of_smooth(fit: Penalties, places: Sequence[int], rank: float) -> Tested:
    """The test of coefficients at `places`, on `rank` degrees of freedom."""
    inside = np.ix_(places, places)
    root = _root(fit.information[inside])
    if root is None or not np.isfinite(fit.covariance[inside]).all():
        return Tested(math.nan, rank, math.nan)
    V = root @ fit.covariance[inside] @ root.T
    values, vectors = np.linalg.eigh(0.5 * (V + V.T))
    values, vectors = values[::-1], vectors[:, ::-1]
    signs = np.where(vectors[0] < 0, -1.0, 1.0)
    vectors = vectors * signs
    rank, whole, part = _split(min(rank, len(places)), values)
    if whole + (part > 0) == 0:
        return Tested(math.nan, rank, math.nan)
    halves = _half_inverses(values, vectors, whole, part)
    statistics = [float(((half.T @ (root @ fit.b[list(places)])) ** 2).sum()) for half in halves]
    p_value = float(np.mean([_tail(one, rank, whole, part, fit.df) for one in statistics]))
    return Tested(statistics[0] if fit.df is None else statistics[0] / rank, rank, min(p_value, 1.0))


def _split(rank: float, values: np.ndarray) -> tuple[float, int, float]:
    """The rank as its whole part and what is left, lowered to the number of directions that there are."""
    whole = max(0, math.floor(rank))
    part = abs(rank - whole)
    there = int((values > values.max() * _NOTHING).sum())
    if there < whole + (part > 0):
        return float(there), there, 0.0
    return rank, whole, part


def _half_inverses(values: np.ndarray, vectors: np.ndarray, whole: int, part: float) -> list[np.ndarray]:
    """Two W with W W' an inverse of rank whole + part: the last whole direction is mixed with the next, either way."""
    if part == 0 or whole == 0:
        count = max(whole, 1)
        scale = values[:1] if whole == 0 else values[:count]
        return [vectors[:, :count] / np.sqrt(scale)] * 2
    plain = vectors[:, : whole + 1] / np.sqrt(values[: whole + 1])
    last = slice(whole - 1, whole + 1)
    mixed = math.sqrt(0.5 * part * (1 - part))
    scale = np.diag(values[last] ** -0.5)
    among = scale @ np.array([[1, mixed], [mixed, part]]) @ scale
    size, turn = np.linalg.eigh(among)
    half = turn @ np.diag(np.sqrt(size)) @ turn.T
    found = []
    for flip in (1.0, -1.0):
        one = plain.copy()
        one[:, last] = (half @ np.diag([flip, 1.0]) @ vectors[:, last].T).T
        found.append(one)
    return found


def _tail(statistic: float, rank: float, whole: int, part: float, df: float | None) -> float:
    """The p-value of a statistic whose last two directions share 1 + part degrees of freedom."""
    weights = [1.0] * whole
    if part > 0 and whole > 0:
        share = 0.5 * (1 + part + math.sqrt((1 + part) * (1 - part)))
        weights = [1.0] * (whole - 1) + [share, 1 + part - share]
    elif part == 0 and df is not None:
        return upper_tail(0.0, [*weights, -statistic / df], [*weights, df])
    return _upper(statistic, weights or [1.0], df)


def of_variance(fit: Penalties, places: Sequence[int], others: Sequence[int]) -> Tested:
    """The test that a variance is 0, of coefficients at `places`; `others` are those of other random effects, which are
    part of the noise."""
    G, S = fit.information, fit.penalty
    if not (np.isfinite(G).all() and np.isfinite(fit.covariance).all()):
        return Tested(math.nan, float(len(places)), math.nan)
    told = np.diagonal(G) + np.diagonal(S) > 0  # not so of parameters that are found with the strengths
    kept = np.setdiff1d(np.flatnonzero(told), others)
    noise = G.copy()
    if len(others):
        spread = np.linalg.pinv(S[np.ix_(others, others)], hermitian=True, rcond=float(_NO_SHARE))
        noise = G + G[:, others] @ spread @ G[others, :]
    covariance = fit.covariance @ noise @ fit.covariance
    within = noise[np.ix_(kept, kept)] + S[np.ix_(kept, kept)]
    own = np.searchsorted(kept, places)
    rest = np.setdiff1d(np.arange(len(kept)), own)
    schur = within[np.ix_(own, own)]
    if len(rest):
        schur = schur - within[np.ix_(own, rest)] @ np.linalg.solve(
            within[np.ix_(rest, rest)], within[np.ix_(rest, own)]
        )
    b = fit.b[list(places)]
    statistic = float(b @ schur @ b)
    root = np.linalg.cholesky(schur).T
    weights = np.linalg.eigvalsh(root @ covariance[np.ix_(places, places)] @ root.T)
    weights = weights[weights > 0]
    rank = int((weights > weights.max(initial=0.0) * _NO_SHARE).sum())
    if rank == 0:
        return Tested(math.nan, 0.0, math.nan)
    return Tested(statistic if fit.df is None else statistic / rank, float(rank), _upper(statistic, weights, fit.df))


def _upper(statistic: float, weights: Sequence[float] | np.ndarray, df: float | None) -> float:
    """Pr(sum_j w_j chi2(1) > statistic), that times chi2(df) / df where phi is estimated; df is rounded, as in mgcv."""
    if df is None:
        return upper_tail(statistic, list(weights), [1.0] * len(weights))
    whole = max(1, round(df))
    return upper_tail(0.0, [*weights, -statistic / whole], [1.0] * len(weights) + [float(whole)])


def _root(information: np.ndarray) -> np.ndarray | None:
    """Upper triangular R with R'R = the information; None where that is not positive definite."""
    if not (np.diagonal(information) > 0).all():  # NaN where there is no unit
        return None
    scale = np.sqrt(np.diagonal(information))
    lower, info = torch.linalg.cholesky_ex(torch.from_numpy(information / np.outer(scale, scale)))
    return None if int(info) else lower.numpy().T * scale
