"""Columns to the rows of a model: response, weights, offsets, censoring and groups; numpy, no torch.

In: a specification and a source of data. Out: `Data`, complete and checked, or an error that names row and value.
May use: formula, families, table.
"""

from glmfit.rows.asked import resolve
from glmfit.rows.data import Data, read
from glmfit.rows.factors import of_factors, refuse_disguised
from glmfit.rows.fingerprint import fingerprint, hashed
from glmfit.rows.groups import group_codes, group_levels
from glmfit.rows.mixed import refuse_random
from glmfit.rows.room import check_held, room_for, table_of_groups
from glmfit.rows.smooths import refuse_formula
from glmfit.rows.weights import row_weights, without_weightless
from glmfit.rows.where import inside

__all__ = [
    "Data",
    "check_held",
    "fingerprint",
    "group_codes",
    "group_levels",
    "hashed",
    "inside",
    "of_factors",
    "read",
    "refuse_disguised",
    "refuse_formula",
    "refuse_random",
    "resolve",
    "room_for",
    "row_weights",
    "table_of_groups",
    "without_weightless",
]
