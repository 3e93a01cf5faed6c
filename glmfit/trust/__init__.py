"""Is the answer one? Separation decided by linear programs, flat directions, and what else a reader must know.

In: a model and where its search ended. Out: findings with advice, and the rows and terms that are separated.
May use: model, design, numerics.
"""

from glmfit.trust.diagnose import SUSPICIOUS, FlatDirections, relative_information
from glmfit.trust.levels import of_levels
from glmfit.trust.separation import Separated, reported_map, reported_moves

__all__ = [
    "SUSPICIOUS",
    "FlatDirections",
    "Separated",
    "of_levels",
    "relative_information",
    "reported_map",
    "reported_moves",
]
