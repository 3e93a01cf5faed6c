"""Is the answer one? Separation decided by linear programs, flat directions, and what else a reader must know.

In: a model and where its search ended. Out: findings with advice, and the rows and terms that are separated.
May use: model, design, numerics.
"""
