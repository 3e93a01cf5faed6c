"""Smooths: penalties with strengths that REML, ML or GCV chooses, and what can be said of their coefficients then.

In: a `Model` with smooths. Out: a `Smoothed`, coefficients at the strengths chosen, with effective degrees of freedom,
covariance and tests. May use: penalty, inference, model, design, numerics.
"""

from glmfit.smoothing.fit import Smoothed, smooth, smooth_starts
from glmfit.smoothing.freedom import Freedom, freedom
from glmfit.smoothing.significance import Penalties, of_smooth, of_variance
from glmfit.smoothing.turned import Turned, turned

__all__ = [
    "Freedom",
    "Penalties",
    "Smoothed",
    "Turned",
    "freedom",
    "of_smooth",
    "of_variance",
    "smooth",
    "smooth_starts",
    "turned",
]
