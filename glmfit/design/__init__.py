"""Terms to the blocks of a model matrix, standardised, with its rank decided.

In: the terms of a linear predictor and their evaluated factors. Out: a `Matrix` of blocks with three operations, its
`Standardization`, and which columns are aliased. May use: formula, numerics, table.
"""
