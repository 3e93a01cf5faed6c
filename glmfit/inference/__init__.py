"""Covariance, tests, intervals and dispersion of a model at its maximum.

In: a likelihood and its optimum. Out: `Covariance`, rows of coefficients, phi. May use: model, numerics, families.
"""
