"""Design and family as one likelihood of theta: value, gradient, Hessian and scores by chunks of rows.

In: `Data`. Out: a `Model` and its `Likelihood`, an objective that numerics can maximise. May use: rows, design,
formula, families, numerics.
"""
