"""A condition on rows, which --where chooses by: read and admitted as the expressions of formulas are.

It holds, does not hold, or is unknown where a value it rests on is missing. It may not rest on what is learned from the
rows that are used, as it decides which these are.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from glmfit.errors import GlmfitError, ModelError, UsageError, shorten
from glmfit.formula.admit import arguments, check
from glmfit.formula.arithmetic import Arithmetic, is_condition
from glmfit.formula.expression import Node, calls, quote, read, render
from glmfit.formula.learned import Learned
from glmfit.formula.terms import Factor
from glmfit.formula.tokens import tokenize
from glmfit.formula.words import LEARN

if TYPE_CHECKING:
    from glmfit.table import Table


def condition(text: str, header: Collection[str]) -> Factor:
    """The condition that a text states over the columns in `header`, under that text.

    Raises UsageError or ModelError where it is none.
    """
    try:
        tree = Node("name", text) if text in header else _read(text)
        check(tree, header, outer=False)
    except GlmfitError as error:
        raise type(error)(error.code, f"--where: {error.message}", error.hint) from error
    if (call := learned_part(tree)) is not None:
        what = f"--where: '{render(call)}' is learned from the rows used, which --where decides"
        hint = "write days(d, origin='2024-01-01')" if call.value == "days" else "compare the column itself"
        raise UsageError("not_a_condition", what, hint)
    if tree.kind != "name" and not is_condition(tree):
        what = f"--where: '{render(tree)}' is a number, not a condition"
        raise UsageError("not_a_condition", what, f"compare it, as in {render(tree, 6)} > 0")
    return Factor(str(tree.value) if tree.kind == "name" else text.strip(), tree)


def _read(text: str) -> Node:
    tokens = tokenize(text)
    if len(tokens) == 1:
        raise UsageError("formula", "the condition is empty", "write --where \"age >= 18 & g == 'a'\"")
    try:
        return read(text, tokens, arithmetic=True)
    except UsageError as error:
        if any(token.kind == "operator" and token.text == "=" for token in tokens):
            error.hint = "write == to compare"
        raise


def learned_part(node: Node) -> Node | None:
    """The first part of an expression that depends on the rows used, such as a mean; None where there is none."""
    found = (call for call in calls(node) if call.value in LEARN or (call.value == "days" and not arguments(call)))
    return next(found, None)


def truth(where: Factor, table: Table, strict: bool = False) -> np.ndarray:
    """Whether a condition holds in each row of a table, which need not be complete: 1, 0, or NaN where it is unknown.

    `strict` refuses text that it compares with and that no row has.
    """
    if where.column is not None:
        return _column(where.column, table)
    with np.errstate(all="ignore"):
        found = Arithmetic(table, Learned({}, None, False), strict).value(where.tree)
    return np.broadcast_to(found, len(table))


def _column(name: str, table: Table) -> np.ndarray:
    """A column of true and false, or of 0 and 1."""
    column = table[name]
    if column.kind in ("number", "boolean"):
        values = table.numbers(name)
        wrong = ~np.isnan(values) & (values != 0) & (values != 1)
        if not wrong.any():
            return values
        at, hint = int(np.argmax(wrong)), f"compare it, as in {quote(name)} > 0"
        shown = f"{values[at]:.10g}"
    else:
        at = int(np.argmax(~column.missing))
        shown = f"'{shorten((column.levels or ('',))[column.values[at]])}'"
        hint = f"compare it, as in {quote(name)} == {shown}"
    message = f"--where: column '{name}' is neither true nor false, but {shown} in row {table.rows[at]}"
    raise ModelError("not_a_condition", message, hint)
