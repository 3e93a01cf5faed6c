"""What follows a fit: saved models on new rows, and all that is asked of them.

In: a `Fitted`, from `fit` or from a file, and new data. Out: estimates with standard errors by the delta method. May
use: report, dense, estimate, inference, rows, design, formula, families, table, numerics.
"""
