"""Covariance, tests, intervals and dispersion of a model at its maximum.

In: a likelihood and its optimum. Out: `Covariance`, rows of coefficients, phi. May use: model, numerics, families.
"""

from glmfit.inference.clusters import unsupported_places
from glmfit.inference.covariance import (
    MOST_TOGETHER,
    Covariance,
    Reference,
    Scores,
    inverse_expected,
    inverse_information,
    nowhere,
    sandwich,
)
from glmfit.inference.dispersion import Goodness, Scale, goodness, null_deviance
from glmfit.inference.freedom import null_df, residual_df
from glmfit.inference.joint import joint_test, joint_tests

__all__ = [
    "MOST_TOGETHER",
    "Covariance",
    "Goodness",
    "Reference",
    "Scale",
    "Scores",
    "goodness",
    "inverse_expected",
    "inverse_information",
    "joint_test",
    "joint_tests",
    "nowhere",
    "null_deviance",
    "null_df",
    "residual_df",
    "sandwich",
    "unsupported_places",
]
