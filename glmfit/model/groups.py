"""Rows of a group as one unit: K linear predictors side by side that share their coefficients.

A group of m <= K rows fills the first m places; in the others y is -1. Columns are deviations from the means of their
groups, which a conditional likelihood cannot see: what does not vary within groups is then a column of zeros, aliased.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from glmfit.design import MOST_DENSE_COLUMNS, Dense, Matrix
from glmfit.errors import ModelError
from glmfit.model.rows import Predictor, Rows

MOST_ROWS = 500  # of a group


def within(matrix: Matrix, codes: Tensor) -> Matrix:
    """The matrix (n, p) as deviations from the means of the groups `codes` (n,)."""
    if matrix.shape[1] > MOST_DENSE_COLUMNS:
        message = f"the model has {matrix.shape[1]} columns; within groups at most {MOST_DENSE_COLUMNS} can be fitted"
        raise ModelError("too_many_columns", message, "leave out terms")
    values = matrix.dense()
    counts = torch.bincount(codes).to(values.dtype)[:, None]
    largest = values.abs().amax(dim=0) if len(values) else values.new_zeros(values.shape[1])
    for _ in range(2):  # the second pass takes up what rounding left of a large common part
        means = values.new_zeros((len(counts), values.shape[1])).index_add_(0, codes, values) / counts
        values = values - means[codes]
    values[:, values.abs().amax(dim=0) <= 1e-13 * largest] = 0.0  # nothing but rounding is left
    return Matrix((Dense(values),), (torch.arange(values.shape[1]),), matrix.names, matrix.n_rows, matrix.terms)


def side_by_side(rows: Rows, codes: Tensor) -> Rows:
    """One row for each group of rows with one predictor, `codes` (n,) ascending; its weights are its first row's."""
    counts = torch.bincount(codes)
    most = int(counts.max())
    if most > MOST_ROWS:
        message = f"a group has {most} rows; the conditional likelihood is for groups of at most {MOST_ROWS}"
        raise ModelError("large_group", message, "check --group; for large groups use C(GROUP) in a binomial model")
    first = torch.cumsum(counts, 0) - counts
    place = torch.arange(most)
    there = place < counts[:, None]
    index = torch.where(there, first[:, None] + place, first[:, None])
    (only,) = rows.predictors
    values = only.X.dense()
    predictors = tuple(
        Predictor(only.parameter, replace(only.X, blocks=(Dense(values[at]),), n_rows=len(at)), only.columns, offset)
        for at, offset in ((index[:, k], only.offset[index[:, k]]) for k in range(most))
    )
    return Rows(
        torch.where(there, rows.y[index], -1.0),
        rows.weight[first],
        rows.frequency[first],
        {name: column[first] for name, column in rows.columns.items()},
        predictors,
        {},
        rows.log_prior[first],
    )
