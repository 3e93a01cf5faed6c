"""Fits whose coefficients are shrunk: ridge, lasso and elastic net along a path of strengths, and cross-validation.

    maximise l(theta) / N - lambda sum_j v_j (alpha |s_j theta_j| + (1 - alpha) (s_j theta_j)^2 / 2)

s_j are standard deviations of columns, v_j penalty factors; intercepts and further parameters are not penalised.
In: `Data`, or a specification and data. Out: a `Fit` with its path. May use: dense, estimate, trust, inference, model,
design, rows, formula, families, table, numerics.
"""

from glmfit.shrink.dense import fit_shrunk_whole
from glmfit.shrink.fit import fit_shrunk

__all__ = ["fit_shrunk", "fit_shrunk_whole"]
