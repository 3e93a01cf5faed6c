"""Penalised coefficients with unknown strengths: which are found by REML, ML or GCV, and what can be said then.

In: a `Model` with smooths. Out: a `Smoothed`, coefficients at the strengths chosen, with effective degrees of freedom,
covariance and tests. May use: model, numerics.
"""

from glmfit.smoothing.fit import Smoothed, smooth

__all__ = ["Smoothed", "smooth"]
