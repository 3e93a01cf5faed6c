"""Covariance, tests, intervals and dispersion of a model at its maximum.

In: a likelihood and its optimum. Out: `Covariance`, rows of coefficients, phi. May use: model, numerics, families.
"""

from glmfit.inference.clusters import unsupported_places
from glmfit.inference.covariance import (
    MOST_TOGETHER,
    Count,
    Covariance,
    Reference,
    Scores,
    inverse_expected,
    inverse_information,
    nowhere,
    sandwich,
)
from glmfit.inference.dispersion import Goodness, Scale, goodness, goodness_of_rows, null_deviance, unit_deviances
from glmfit.inference.freedom import null_df, residual_df
from glmfit.inference.joint import joint_test, joint_tests

__all__ = [
    "MOST_TOGETHER",
    "Count",
    "Covariance",
    "Goodness",
    "Reference",
    "Scale",
    "Scores",
    "goodness",
    "goodness_of_rows",
    "inverse_expected",
    "inverse_information",
    "joint_test",
    "joint_tests",
    "nowhere",
    "null_deviance",
    "null_df",
    "residual_df",
    "sandwich",
    "unit_deviances",
    "unsupported_places",
]
