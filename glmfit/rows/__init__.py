"""Columns to the rows of a model: response, weights, offsets, censoring and groups; numpy, no torch.

In: a specification and a source of data. Out: `Data`, complete and checked, or an error that names row and value.
May use: formula, families, table.
"""
