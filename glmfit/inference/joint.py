"""Joint Wald tests: whether all coefficients of a term are 0, from estimates and their covariance alone.

    W = b' V^-1 b ~ chi2(k)        F = W / k ~ F(k, df) where the dispersion is estimated

b are the k coefficients that are estimated; aliased ones count for nothing.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from glmfit.inference.covariance import Reference
from glmfit.numerics import curvature


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
    from scipy.special import chdtrc, fdtrc

    if reference.df is None:
        return "chi2", statistic, float(chdtrc(k, statistic))
    f = statistic / k
    return "F", f, float(fdtrc(k, reference.df, f)) if reference.df > 0 else math.nan
