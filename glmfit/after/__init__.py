"""What follows a fit: saved models on new rows, and all that is asked of them.

In: a `Fitted`, from `fit` or from a file, and new data. Out: estimates with standard errors by the delta method. May
use: report, explain, dense, estimate, trust, inference, model, rows, design, formula, families, table and numerics.
"""
