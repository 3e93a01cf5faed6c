"""Penalised coefficients with unknown strengths: which are found by REML, ML or GCV, and what can be said then.

In: a `Model` with smooths. Out: a `Smoothed`, coefficients at the strengths chosen, with effective degrees of freedom,
covariance and tests. May use: inference, model, numerics.
"""

from glmfit.smoothing.fit import Smoothed, smooth
from glmfit.smoothing.significance import Penalties, of_smooth, of_variance

__all__ = ["Penalties", "Smoothed", "of_smooth", "of_variance", "smooth"]
