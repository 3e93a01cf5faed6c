"""Expressions of columns -> values row by row: numbers, and truth as 1, 0, or NaN where it is unknown.

Logic has three values, as in R: what is missing makes a comparison unknown, `unknown & false` is false and `unknown |
true` is true. In the rows of a model nothing is missing; in those that --where chooses from it may well be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from glmfit.errors import ModelError
from glmfit.formula import comparison
from glmfit.formula.admit import COMPARISONS, arguments, literal
from glmfit.formula.expression import Node, render
from glmfit.formula.learned import Learned
from glmfit.formula.words import DATES
from glmfit.table.dates import moments

if TYPE_CHECKING:
    from glmfit.table import Table

_ELEMENTWISE: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "log": np.log, "log2": np.log2, "log10": np.log10, "log1p": np.log1p, "exp": np.exp, "expm1": np.expm1,
    "sqrt": np.sqrt, "abs": np.abs, "sin": np.sin, "cos": np.cos,
}  # fmt: skip
_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "//": np.floor_divide, "%": np.mod,
    "**": np.power,
}  # fmt: skip


def is_condition(node: Node) -> bool:
    """Whether an expression is true or false by its form."""
    if node.kind == "call" and node.value == "I":
        return is_condition(node.args[0])
    return node.value in ("not", "&", "|", *COMPARISONS) and node.kind in ("unary", "binary")


class Arithmetic:
    """Evaluates checked expressions over one table; `strict` refuses text that is compared and never occurs."""

    def __init__(self, table: Table, learned: Learned, strict: bool) -> None:
        self.table, self.learned, self.strict = table, learned, strict

    def value(self, node: Node) -> np.ndarray:
        """The value of an expression: float64 (n,), or a scalar where no column occurs."""
        if node.kind in ("number", "constant"):
            return np.asarray(node.value, dtype=np.float64)
        if node.kind == "name":
            return self.table.numbers(node.value)
        if node.kind == "unary":
            value = self.value(node.args[0])
            return 1 - _truth(value) if node.value == "not" else -value if node.value == "-" else value
        if node.kind == "binary":
            return self._binary(node)
        return self._call(node)

    def _binary(self, node: Node) -> np.ndarray:
        if node.value in COMPARISONS:
            return self._comparison(node)
        left, right = (self.value(child) for child in node.args)
        if node.value not in ("&", "|"):
            return np.asanyarray(_OPERATORS[node.value](left, right))
        left, right = _truth(left), _truth(right)
        if node.value == "&":
            return np.where((left == 0) | (right == 0), 0.0, left * right)
        return np.where((left == 1) | (right == 1), 1.0, left + right)

    def _comparison(self, node: Node) -> np.ndarray:
        (left, right), sign = node.args, node.value
        if left.kind in ("string", "constant", "number") and right.kind == "name":
            left, right, sign = right, left, comparison.MIRRORED[sign]
        values = literal(right) if sign == "in" else [right.value] if right.kind in _VALUES else None
        if left.kind == "name" and values is not None:
            numeric = self.table[left.value].levels is None and not any(isinstance(v, str) for v in values)
            if not numeric:
                return comparison.with_values(self.table, left.value, sign, values, self.strict)
        elif left.kind == right.kind == "name" and {"text", "date"} & {self.table[n.value].kind for n in (left, right)}:
            return comparison.of_columns(self.table, left.value, sign, right.value)
        value = self.value(left)
        if sign == "in":
            return np.where(np.isnan(value), np.nan, np.isin(value, np.asarray(values, dtype=np.float64)))
        other = self.value(right)
        return np.where(np.isnan(value) | np.isnan(other), np.nan, comparison.ORDER[sign](value, other))

    def _call(self, node: Node) -> np.ndarray:
        name = node.value
        if name in DATES:
            return self._date(node)
        values = [self.value(child) for child in node.args[: 3 if name == "ifelse" else None]]
        if name == "I":
            return values[0]
        if name == "ifelse":
            condition, yes, no = values
            condition = _truth(condition)
            return np.where(np.isnan(condition), np.nan, np.where(condition == 1, yes, no))
        if name in ("pmin", "pmax"):
            return np.asanyarray(reduce(np.minimum if name == "pmin" else np.maximum, values))
        if name in _ELEMENTWISE:
            return _ELEMENTWISE[name](values[0])
        return np.asanyarray(self.learned.transform(node, values[0]), dtype=np.float64)

    def _date(self, node: Node) -> np.ndarray:
        """A number of each date (n,), NaN where missing."""
        column = node.args[0].value
        if node.value == "days":
            return self.learned.days(node, self.table.instants(column), _origin(node))
        if node.value == "hour":
            return np.floor(self.table.hours(column))
        clock = self.table.clock(column)
        if node.value == "year":
            found = clock.astype("datetime64[Y]").astype(np.int64) + 1970
        elif node.value == "month":
            found = clock.astype("datetime64[M]").astype(np.int64) % 12 + 1
        else:  # 1970-01-01 was a Thursday
            found = (clock.astype("datetime64[D]").astype(np.int64) + 3) % 7 + 1
        return np.where(np.isnat(clock), np.nan, found)


_VALUES = ("string", "constant", "number")


def _truth(value: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(value), np.nan, value != 0)


def _origin(node: Node) -> np.datetime64 | None:
    """The date that days() counts from, where one is given."""
    if "origin" not in (given := arguments(node)):
        return None
    origin = literal(given["origin"])
    when = moments([origin]) if isinstance(origin, str) else None
    if when is None or not when.dated[0] or np.isnat(when.instants[0]):
        what = f"'{render(node)}': the origin is no date"
        raise ModelError("transform", what, "write it from the year down, in quotes: origin='2024-01-01'")
    found: np.datetime64 = when.instants[0]
    return found
