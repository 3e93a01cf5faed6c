"""Weights, offsets and exposures: an option takes the name of a column, or arithmetic of columns as in a formula."""

from __future__ import annotations

from collections.abc import Collection

from glmfit.errors import ModelError, UsageError, column_hint, did_you_mean
from glmfit.formula.admit import columns_of, unknown_name
from glmfit.formula.algebra import admitted
from glmfit.formula.condition import learned_part
from glmfit.formula.expression import calls, read, render
from glmfit.formula.terms import Factor
from glmfit.formula.words import DATES
from glmfit.spec import ModelSpec

WEIGHTS = ("weights", "freq_weights", "sampling_weights")
ROLES = (*WEIGHTS, "offset", "exposure")


def row_factors(spec: ModelSpec, header: Collection[str]) -> dict[str, Factor]:
    """The factor of each role that was asked for, by the name of its field; an exact column name wins.

    Raises UsageError for what cannot be read, ModelError for an unknown column.
    """
    asked = {role: getattr(spec, role) for role in ROLES}
    return {role: role_factor(role, text, header) for role, text in asked.items() if text}


def role_factor(role: str, text: str, header: Collection[str]) -> Factor:
    """The factor of one role; `text` may be arithmetic of the columns in `header`."""
    if text in header:
        return Factor.of_column(text)
    option = "--" + role.replace("_", "-")
    try:
        tree = read(text, arithmetic=True)
    except UsageError as error:
        if did_you_mean(text, header):
            raise unknown_name(text, header) from error
        raise type(error)(error.code, f"{option}: {error.message}", error.hint) from error
    if tree.kind == "name" and tree.value not in header:
        raise ModelError("unknown_column", f"no column '{tree.value}'", column_hint(tree.value, header))
    factor = admitted(tree, header, outer=False)
    dates = (call for call in calls(factor.tree) if call.value in DATES)
    if learned := learned_part(factor.tree) or next(dates, None):
        what = f"{option}: '{render(learned)}' depends on the rows used, or on dates"
        raise UsageError("formula", what, f"write a column with these values into the file: {option} COLUMN")
    if not any(columns_of(tree)):
        what = f"{option}: '{text}' contains no column"
        raise UsageError("formula", what, f"write {option} COLUMN, or arithmetic of columns: {option} 'log(COLUMN)'")
    return factor
