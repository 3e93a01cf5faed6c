"""Coefficients with a Gaussian prior, integrated out: random effects and smooths.

In: a `Model` of fixed coefficients and `PenalisedTerm`s beside them. Out: `Laplace`, an objective of what is not
integrated and of the priors' parameters, with exact gradient and Hessian, `Quadrature`, the same by more nodes than
one, and its `Maximum`. May use: model, design, numerics.
"""

from glmfit.penalty.laplace import Integrated, Laplace
from glmfit.penalty.prior import Covariance, Prior, Strengths
from glmfit.penalty.quadrature import Quadrature
from glmfit.penalty.search import Peak, maximum
from glmfit.penalty.term import Penalised, PenalisedOwn, PenalisedTerm, penalised

__all__ = [
    "Covariance",
    "Integrated",
    "Laplace",
    "Peak",
    "Penalised",
    "PenalisedOwn",
    "PenalisedTerm",
    "Prior",
    "Quadrature",
    "Strengths",
    "maximum",
    "penalised",
]
