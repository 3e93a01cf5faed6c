"""Log-likelihoods that are no sum over rows: `log_likelihood(params, data)` of a user's file, differentiated in theta.

    theta = the elements of all parameters on their link scales        l(theta) = log_likelihood(g^-1(theta), data)

autograd gives the gradient and the Hessian in theta itself, where the linear form differentiates in linear predictors.
In: a specification and data. Out: a `Fit`. May use: estimate, trust, inference, design, rows, formula, families, table,
numerics.
"""

from glmfit.dense.fit import described, fit_dense, prepared
from glmfit.dense.prepare import Dense

__all__ = ["Dense", "described", "fit_dense", "prepared"]
