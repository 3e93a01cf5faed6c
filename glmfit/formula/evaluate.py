"""Factors over a table -> columns and codes in numpy.

`Evaluator` turns a column or a checked expression into numbers or into levels, and remembers levels and the state of
transforms, so that new data are evaluated as the old ones were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glmfit.errors import DataError, ModelError, UsageError, shorten
from glmfit.formula.admit import arguments, contrast_of, literal
from glmfit.formula.arithmetic import Arithmetic, is_condition
from glmfit.formula.expression import Node, render
from glmfit.formula.intervals import interval_codes, interval_labels
from glmfit.formula.learned import Learned
from glmfit.formula.order import natural_order
from glmfit.formula.smooth import is_smooth, not_random, of_factor, smooth_of, too_long
from glmfit.formula.smoothed import By, Penalised, random_effects, smooth_columns
from glmfit.formula.terms import Factor
from glmfit.formula.words import OUTERMOST
from glmfit.spill import spill_of
from glmfit.spilled import looked_up
from glmfit.table import is_number, number_names

if TYPE_CHECKING:
    from glmfit.table import Table


_MOST_CHARACTERS = 10_000  # of a level
# contrasts whose coefficients change with the order of the levels, unlike those of treatment and sum
ORDERED = {"poly": "a polynomial", "helmert": "a contrast with the levels before", "diff": "a difference of neighbours"}


@dataclass(frozen=True, slots=True)
class Numbers:
    """A numeric factor: columns (n,) with what is appended to its name; `spans` if they add up to the constant."""

    labels: tuple[str, ...]
    columns: tuple[np.ndarray, ...]
    spans: bool = False


@dataclass(frozen=True, slots=True)
class Levels:
    """A factor: codes (n,) int64, its levels, and the contrasts of its reduced coding."""

    codes: np.ndarray
    levels: tuple[str, ...]
    kind: str = "treatment"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class DesignState:
    """What new data need to be evaluated as the old: levels of factors and state of transforms, by expression."""

    levels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    transforms: dict[str, dict[str, Any]] = field(default_factory=dict)


class Evaluator:
    """Evaluates factors over one table, each once; with the `state` of an earlier table, as they were there.

    `frequency` (n,) says how many rows each row stands for, to transforms that learn from the data.
    """

    def __init__(self, table: Table, state: DesignState | None = None, frequency: np.ndarray | None = None) -> None:
        self.table = table
        self.new_data = state is not None
        self.state = state if state is not None else DesignState()
        rows = None if frequency is None else frequency.astype(np.int64)
        self.learned = Learned(self.state.transforms, rows, self.new_data)
        self.arithmetic = Arithmetic(table, self.learned, strict=not self.new_data)
        self._factors: dict[str, Numbers | Levels] = {}
        self._crossed: dict[tuple[Factor, ...], np.ndarray] = {}
        self.penalised: dict[str, tuple[Penalised, ...]] = {}  # what penalises smooths, by their texts

    def factor(self, factor: Factor) -> Numbers | Levels:
        """A factor of a term: a text, date or boolean column or C() has levels, anything else numbers."""
        if factor.text not in self._factors:
            self._factors[factor.text] = self._evaluate(factor)
        return self._factors[factor.text]

    def forget(self) -> None:
        """Let go of the values of all factors, for which nobody will ask again; what new rows need stays."""
        self._factors.clear()
        self._crossed.clear()

    def with_factor(self, factor: Factor, values: Numbers) -> Evaluator:
        """The same, with other numbers for one factor."""
        other = copy(self)
        other._factors = {**self._factors, factor.text: values}
        return other

    def numbers(self, factor: Factor) -> np.ndarray:
        """A numeric expression of one value per row, float64 (n,), such as a response or an offset."""
        values = self._value(factor.tree)
        if values.ndim == 0:
            values = np.full(len(self.table), values)
        self._finite(factor, values)
        return values

    def spans(self, factor: Factor) -> bool:
        """Whether the columns of a factor in full coding add up to the constant."""
        found = self.factor(factor)
        return isinstance(found, Levels) or found.spans

    def largest(self) -> tuple[str, int] | None:
        """The factor with the most levels so far, and how many."""
        levels = {name: len(one.levels) for name, one in self._factors.items() if isinstance(one, Levels)}
        return max(levels.items(), key=lambda item: item[1], default=None)

    def crossed(self, factors: tuple[Factor, ...]) -> np.ndarray:
        """Combined codes of several factors, the first varying fastest."""
        if factors not in self._crossed:
            codes, levels = np.zeros(len(self.table), dtype=np.int64), 1
            for factor in factors:
                found = self.factor(factor)
                assert isinstance(found, Levels)
                codes = codes + levels * found.codes if levels > 1 else found.codes
                levels *= len(found.levels)
            # Writable, for torch; and one array for each set of factors, so that blocks know their codes are the same.
            self._crossed[factors] = np.require(codes, np.int64, ["C", "W"])
        return self._crossed[factors]

    def _evaluate(self, factor: Factor) -> Numbers | Levels:
        if factor.column is not None:
            column = self.table[factor.column]
            if column.levels is not None:
                return self._observed(factor.text, column.values, column.levels)
            if column.kind == "boolean":
                return self._observed(factor.text, column.values.astype(np.int64), ("False", "True"))
            return Numbers(("",), (self.numbers(factor),))
        if factor.tree.kind == "call" and factor.tree.value == "C":
            return self._levels(factor)
        if factor.tree.kind == "call" and factor.tree.value == "cut":
            return self._observed(factor.text, *self._cut(factor.tree))
        if is_smooth(factor.tree):
            return self._smooth(factor)
        if factor.tree.kind == "call" and factor.tree.value in OUTERMOST:
            columns, spans = self.learned.basis(factor.tree, self._data(factor.tree))
            for values in columns.values():
                self._finite(factor, values)
            return Numbers(tuple(columns), tuple(columns.values()), spans)
        return Numbers(("",), (self.numbers(factor),))

    def _smooth(self, factor: Factor) -> Numbers:
        """The columns of a smooth; what penalises them is learned with them."""
        by = smooth_of(factor.tree).by
        columns, self.penalised[factor.text] = self.smooth(factor, None if by is None else multiplier(self, by))
        return Numbers(tuple(columns), tuple(columns.values()))

    def smooth(self, factor: Factor, by: By | None) -> tuple[dict[str, np.ndarray], tuple[Penalised, ...]]:
        """The columns of a smooth, multiplied, and what penalises them where that is learned."""
        asked = smooth_of(factor.tree)
        found = [self.factor(Factor.of(node)) for node in asked.variables]
        if asked.random:
            (only,) = found
            if not isinstance(only, Levels):
                raise not_random(factor.tree)
            return random_effects(factor.tree, only.codes, only.levels, by)
        for node, one in zip(asked.variables, found, strict=True):
            if isinstance(one, Levels):
                raise of_factor(factor.tree, node)
        values = [one.columns[0] for one in found if isinstance(one, Numbers)]
        if not self.new_data and spill_of(values[0]) is not None:
            raise too_long(factor.tree)
        state = self.learned.remembered(factor.text)
        return smooth_columns(factor.tree, values, by, state, self.learned.frequency)

    def _observed(self, name: str, codes: np.ndarray, levels: Sequence[str]) -> Levels:
        """A factor over the levels that occur, or over those remembered."""
        if name in self.state.levels:
            return Levels(self._recode(name, codes, levels, self.state.levels[name]), self.state.levels[name])
        seen = np.flatnonzero(np.bincount(codes, minlength=len(levels)))
        self._refuse_long(name, codes, levels)
        if len(seen) < len(levels):
            place = np.zeros(len(levels), dtype=np.int64)
            place[seen] = np.arange(len(seen))
            codes = looked_up(place, codes)
        kept = tuple(levels[i] for i in seen.tolist())
        self.state.levels[name] = kept
        return Levels(codes, kept)

    def _refuse_long(self, name: str, codes: np.ndarray, levels: Sequence[str]) -> None:
        """A value of many pages is no category: a quote is open somewhere."""
        for at, level in enumerate(levels):
            if len(level) > _MOST_CHARACTERS and (codes == at).any():
                row = self.table.rows[int(np.argmax(codes == at))]
                message = f"'{name}' has a value of {len(level)} characters in row {row}: '{shorten(level)}'"
                hint = "correct the value: a quote before it may be open, or closed too late"
                raise DataError("long_value", message, hint)

    def _recode(self, name: str, codes: np.ndarray, levels: Sequence[str], target: Sequence[str]) -> np.ndarray:
        place = {level: i for i, level in enumerate(target)}
        moved = looked_up(np.array([place.get(level, -1) for level in levels], dtype=np.int64), codes)
        if len(strange := np.flatnonzero(moved < 0)):
            row = int(strange[0])
            what = f"row {self.table.rows[row]}: '{levels[codes[row]]}' is not among the levels of '{name}'"
            raise DataError("unknown_level", what, "the levels are " + ", ".join(f"'{t}'" for t in target[:10]))
        return moved

    def _levels(self, factor: Factor) -> Levels:
        """C(data, contrasts, levels=, ref=)."""
        expression, data, given = factor.text, factor.tree.args[0], arguments(factor.tree)
        key = render(data) if data.kind != "name" else data.value
        if data.kind == "name" and (column := self.table[data.value]).levels is not None:
            codes, levels = column.values, tuple(column.levels)
        elif data.kind == "call" and data.value == "cut":
            codes, levels = self._cut(data)
        else:
            values = self._value(data)
            self._finite(factor, values)
            boolean = is_condition(data)
            distinct, codes = np.unique(values, return_inverse=True)
            codes = codes.reshape(-1).astype(np.int64)
            levels = tuple(_number_names(distinct, boolean))
            if known := self.state.levels.get(expression):  # a level is its number, however these spell it: 2 is 2.0
                spelled = {float(level): level for level in known if is_number(level)}
                levels = tuple(spelled.get(value, name) for value, name in zip(distinct.tolist(), levels, strict=True))
        chosen = literal(given["levels"]) if "levels" in given else None
        if chosen is not None and expression not in self.state.levels:
            wanted = _spelled_levels(chosen, levels, key)
            codes = self._recode(key, codes, levels, wanted)
            levels = wanted
        kind, options = "treatment", {}
        if "contrasts" in given:
            kind, nodes = contrast_of(given["contrasts"])
            options = {name: literal(value) for name, value in nodes.items()}
        if kind in ORDERED and chosen is None and expression not in self.state.levels and data.kind == "name":
            self._refuse_alphabet(factor, data.value, ORDERED[kind])
        base = self._observed(expression, codes, levels)
        if "ref" in given:
            options = {**options, "reference": literal(given["ref"])}
            if kind not in ("treatment", "SAS"):
                what = f"'{expression}': a reference level needs treatment contrasts"
                raise ModelError("reference", what, "leave out the reference, or the contrasts")
        return Levels(base.codes, base.levels, kind, options)

    def _refuse_alphabet(self, factor: Factor, name: str, use: str) -> None:
        """Contrasts that compare neighbours in levels of text need their order, which the alphabet hardly is."""
        column = self.table[name]
        if column.alphabetical:
            natural = natural_order(column.levels or ())
            levels = natural or column.levels or ()
            call = render(replace(factor.tree, keywords=(*factor.tree.keywords, ("levels", _texts(levels)))))
            hint = f"write {call}" if natural else f"order these, the lowest first: {call}"
            what = f"'{factor.text}': '{name}' is text, which has no order that {use} could use"
            raise UsageError("levels_needed", what, hint)

    def _value(self, node: Node) -> np.ndarray:
        with np.errstate(all="ignore"):
            return self.arithmetic.value(node)

    def _data(self, node: Node) -> np.ndarray:
        """The finite values (n,) of the first argument of a call."""
        values = self._value(node.args[0])
        self._finite(Factor.of(node.args[0]), values)
        return values

    def _cut(self, node: Node) -> tuple[np.ndarray, tuple[str, ...]]:
        """Codes (n,) and labels of the intervals of cut(data, breaks, labels=, include_lowest=, right=)."""
        given = {name: literal(argument) for name, argument in arguments(node).items()}
        right, lowest = bool(given.get("right", True)), bool(given.get("include_lowest", False))
        values = self._data(node)
        breaks = self.learned.breaks(node, values)
        codes = interval_codes(values, breaks, right, lowest)
        if (codes < 0).any():
            at, count = int(np.argmin(codes)), int((codes < 0).sum())
            more = f" ({count} rows in all)" if count > 1 else ""
            where = f"row {self.table.rows[at]}: {render(node.args[0])} = {values[at]:.12g}"
            what = f"{where} is in no interval of '{render(node)}'{more}"
            ends = "" if lowest or values[at] not in breaks else "include_lowest=True closes the outermost interval; "
            hint = f"{ends}-Inf and Inf as outermost breaks take in every number; or leave the rows out with --where"
            raise DataError("outside_breaks", what, hint)
        labels = given.get("labels")
        if labels is None:
            return codes, tuple(interval_labels(breaks, right, lowest))
        if not isinstance(labels, list) or len(set(map(str, labels))) != len(breaks) - 1:
            what = f"'{render(node)}' has {len(breaks) - 1} intervals"
            raise ModelError("levels", what, "give labels=[...] a different text for each of them")
        return codes, tuple(map(str, labels))

    def _finite(self, factor: Factor, values: np.ndarray) -> None:
        """Raise DataError for the first row on which an expression is not a finite number."""
        if np.isfinite(values).all():
            return
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        inputs = {n: self.table[n] for n in factor.columns}
        shown = [f"{n} = {c.values[row]:.12g}" for n, c in inputs.items() if c.levels is None]
        what = f"row {self.table.rows[row]}: '{factor.text}' is {float(values[row])}"
        where = f" where {', '.join(shown)}" if shown and factor.column is None else ""
        count = int(np.count_nonzero(~np.isfinite(values)))
        more = f" ({count} rows in all)" if count > 1 else ""
        hint = "drop these rows, or use a transform that is defined there"
        raise DataError("not_finite", what + where + more, hint)


def multiplier(evaluator: Evaluator, node: Node) -> By:
    """What a smooth is multiplied by."""
    found = evaluator.factor(Factor.of(node))
    return By(found.codes, found.levels) if isinstance(found, Levels) else By(found.columns[0])


def _texts(values: Sequence[str]) -> Node:
    """A list of texts, as a formula writes it."""
    return Node("list", None, tuple(Node("string", value) for value in values))


def _number_names(values: np.ndarray, boolean: bool) -> list[str]:
    """Levels of a numeric factor: whole numbers without a point."""
    if boolean:
        return ["True" if value else "False" for value in values]
    return number_names(values)


def _spelled_levels(chosen: Any, levels: Sequence[str], name: str) -> tuple[str, ...]:
    """The levels listed in C(..., levels=[...]) as the data spell them; levels that do not occur are left out."""
    if not isinstance(chosen, list) or not chosen:
        raise ModelError(
            "levels", f"the levels of '{name}' must be a list", "write them in brackets: levels=['b', 'a']"
        )
    known = {level: level for level in levels}
    found = [known.get(str(value), known.get(str(float(value)) if isinstance(value, int) else "")) for value in chosen]
    if len(set(map(str, chosen))) < len(chosen):
        raise ModelError("levels", f"a level of '{name}' is listed twice", "list each level once")
    return tuple(level for level in found if level is not None)
