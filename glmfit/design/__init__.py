"""Terms to the blocks of a model matrix, standardised, with its rank decided.

In: the terms of a linear predictor and their evaluated factors. Out: a `Matrix` of blocks with three operations, its
`Standardization`, and which columns are aliased. May use: formula, numerics, table.
"""

from glmfit.design.blocks import Block, Categorical, Dense
from glmfit.design.border import Split, Structure, add_bordered, structure
from glmfit.design.matrix import CHUNK_ROWS, MOST_COLUMNS, MOST_DENSE_COLUMNS, Matrix, build
from glmfit.design.rank import Combination, aliased_columns, combinations, written
from glmfit.design.standardize import Shift, Standardization

__all__ = [
    "CHUNK_ROWS",
    "MOST_COLUMNS",
    "MOST_DENSE_COLUMNS",
    "Block",
    "Categorical",
    "Combination",
    "Dense",
    "Matrix",
    "Shift",
    "Split",
    "Standardization",
    "Structure",
    "add_bordered",
    "aliased_columns",
    "build",
    "combinations",
    "structure",
    "written",
]
