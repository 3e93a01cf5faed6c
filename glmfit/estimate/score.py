"""Rao's score statistic: how steeply the log-likelihood of a model rises where a smaller one has its maximum.

    S = U' I^-1 U        U and I: the score and the information of the larger model at the estimates of the smaller

The information is the expected one where the family has it, as in R, else the observed one.
"""

from __future__ import annotations

import math

import torch

from glmfit.model import assemble
from glmfit.numerics import cholesky
from glmfit.result import Fitted
from glmfit.rows import Data


def score_statistic(larger: Data, smaller: Fitted, phi: float) -> float:
    """S of the model of `larger`, in units of `phi`; NaN where the estimates, or the information there, do not exist.

    The coefficients of the smaller model are some of the larger one's.
    """
    model = assemble(larger)
    if model.holds_phi:
        model, phi = model.held_at(phi), 1.0
    estimates = {(row.parameter, row.term): row.estimate for row in smaller.coefficients if row.status != "aliased"}
    names = [model.names[at] for at in model.kept]
    if any(row.status == "at_limit" for row in smaller.coefficients) or not estimates.keys() <= set(names):
        return math.nan
    theta = model.working(torch.tensor([estimates.get(name, 0.0) for name in names], dtype=torch.float64))
    if not bool(torch.isfinite(theta).all()):
        return math.nan
    likelihood = model.likelihood()
    _, gradient, hessian = likelihood.derivatives(theta)
    expected = likelihood.expected(theta)
    lower = cholesky(-(hessian if expected is None else expected))
    if lower is None or not bool(torch.isfinite(gradient).all()):
        return math.nan
    half = torch.linalg.solve_triangular(lower, gradient[:, None], upper=False)
    return float((half * half).sum()) / phi
