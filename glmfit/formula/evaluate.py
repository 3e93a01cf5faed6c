"""Factors over a table -> columns and codes in numpy.

`Evaluator` turns a column or a checked expression into numbers or into levels, and remembers levels and the state of
transforms, so that new data are evaluated as the old ones were.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from glmfit.errors import DataError, ModelError, shorten
from glmfit.formula.admit import arguments, contrast_of, literal
from glmfit.formula.expression import Node, render
from glmfit.formula.terms import Factor
from glmfit.formula.words import OUTERMOST, TRANSFORMS
from glmfit.table import is_number, number_names

if TYPE_CHECKING:
    from glmfit.table import Table


_ELEMENTWISE: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "log": np.log, "log2": np.log2, "log10": np.log10, "log1p": np.log1p, "exp": np.exp, "expm1": np.expm1,
    "sqrt": np.sqrt, "abs": np.abs, "sin": np.sin, "cos": np.cos,
}  # fmt: skip
_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "//": np.floor_divide, "%": np.mod,
    "**": np.power, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal,
    "!=": np.not_equal,
}  # fmt: skip

_MOST_REPEATED = 100_000_000
_MOST_CHARACTERS = 10_000  # of a level


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
        self.frequency = None if frequency is None else frequency.astype(np.int64)
        self.new_data = state is not None
        self.state = state if state is not None else DesignState()
        self._factors: dict[str, Numbers | Levels] = {}
        self._crossed: dict[tuple[Factor, ...], np.ndarray] = {}

    def factor(self, factor: Factor) -> Numbers | Levels:
        """A factor of a term: a text, date or boolean column or C() has levels, anything else numbers."""
        if factor.text not in self._factors:
            self._factors[factor.text] = self._evaluate(factor)
        return self._factors[factor.text]

    def numbers(self, factor: Factor) -> np.ndarray:
        """A numeric expression of one value per row, float64 (n,), such as a response or an offset."""
        if factor.column is not None:
            values = self._column(factor.column).astype(np.float64, copy=False)
        else:
            with np.errstate(all="ignore"):
                values = np.asarray(self._arithmetic(factor.tree), dtype=np.float64)
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
        if factor.tree.kind == "call" and factor.tree.value in OUTERMOST:
            result = self._basis(factor)
            for values in result.columns:
                self._finite(factor, values)
            return result
        return Numbers(("",), (self.numbers(factor),))

    def _observed(self, name: str, codes: np.ndarray, levels: Sequence[str]) -> Levels:
        """A factor over the levels that occur, or over those remembered."""
        if name in self.state.levels:
            return Levels(self._recode(name, codes, levels, self.state.levels[name]), self.state.levels[name])
        seen = np.flatnonzero(np.bincount(codes, minlength=len(levels)))
        self._refuse_long(name, codes, levels)
        if len(seen) < len(levels):
            place = np.zeros(len(levels), dtype=np.int64)
            place[seen] = np.arange(len(seen))
            codes = place[codes]
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
        moved = np.array([place.get(level, -1) for level in levels], dtype=np.int64)[codes]
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
        else:
            with np.errstate(all="ignore"):
                values = np.asarray(self._arithmetic(data))
            self._finite(factor, values)
            boolean = values.dtype == np.bool_ or (data.kind == "name" and self.table[data.value].kind == "boolean")
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
        base = self._observed(expression, codes, levels)
        kind, options = "treatment", {}
        if "contrasts" in given:
            kind, nodes = contrast_of(given["contrasts"])
            options = {name: literal(value) for name, value in nodes.items()}
        if "ref" in given:
            options = {**options, "reference": literal(given["ref"])}
            if kind not in ("treatment", "SAS"):
                what = f"'{expression}': a reference level needs treatment contrasts"
                raise ModelError("reference", what, "leave out the reference, or the contrasts")
        return Levels(base.codes, base.levels, kind, options)

    def _column(self, name: str) -> np.ndarray:
        return self.table.numbers(name)

    def _arithmetic(self, node: Node) -> Any:
        """The value of an expression: (n,) float64 or bool, or a scalar where no column occurs."""
        if node.kind == "number":
            return np.float64(node.value)
        if node.kind == "name":
            return self._column(node.value)
        if node.kind == "unary":
            value = np.asarray(self._arithmetic(node.args[0]), dtype=np.float64)
            return -value if node.value == "-" else value
        if node.kind == "binary":
            left, right = (self._arithmetic(child) for child in node.args)
            if node.value in ("&", "|"):
                left, right = np.asarray(left) != 0, np.asarray(right) != 0
                return left & right if node.value == "&" else left | right
            left, right = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
            return _OPERATORS[node.value](left, right)
        value = self._arithmetic(node.args[0])
        if node.value == "I":
            return value
        value = np.asarray(value, dtype=np.float64)
        if node.value in _ELEMENTWISE:
            return _ELEMENTWISE[node.value](value)
        return self._stateful(node, value)

    def _basis(self, factor: Factor) -> Numbers:
        """poly, bs, cr, cc: several columns of one variable."""
        node = factor.tree
        with np.errstate(all="ignore"):
            data = np.asarray(self._arithmetic(node.args[0]), dtype=np.float64)
        self._finite(Factor.of(node.args[0]), data)
        self._check_size(node, factor.text, data)
        result = self._stateful(node, data)
        spans = bool(getattr(getattr(result, "__formulaic_metadata__", None), "spans_intercept", False))
        values = getattr(result, "__wrapped__", result)
        if isinstance(values, dict):
            columns = {f"[{key}]": np.asarray(column, dtype=np.float64) for key, column in values.items()}
        else:
            names = result.__formulaic_metadata__.column_names if values is not result else range(values.shape[1])
            columns = {f"[{key}]": values[:, i].astype(np.float64) for i, key in enumerate(names)}
        return Numbers(tuple(columns), tuple(columns.values()), spans)

    def _check_size(self, node: Node, expression: str, data: np.ndarray) -> None:
        """A basis has no more columns than the data can tell apart, and asks for memory accordingly."""
        given = {name: literal(argument) for name, argument in arguments(node).items()}
        distinct = len(np.unique(data))
        most = distinct - (node.value == "poly")
        for name in ("degree", "df", "knots"):
            size = given.get(name)
            if name == "knots" and isinstance(size, list):
                size = len(size)
            elif size is None or name == "knots":
                continue
            elif isinstance(size, bool) or not isinstance(size, int) or size < 1:
                usage = f"{node.value}: {TRANSFORMS[node.value]}"
                raise ModelError("transform", f"'{expression}': {name} must be a positive whole number", usage)
            if size > most and not self.new_data:
                asked = f"{size} knots" if name == "knots" else f"{name} {size}"
                what = f"'{shorten(expression)}': {asked} is more than {distinct} distinct values can tell apart"
                raise ModelError("transform", what, f"lower it to {most} or less")

    def _stateful(self, node: Node, value: np.ndarray) -> Any:
        """A transform of formulaic's that remembers what it learned from the data."""
        from formulaic.transforms import TRANSFORMS as KNOWN

        text = render(node)
        if self.frequency is not None and self.frequency.sum() > _MOST_REPEATED:
            what = f"'{text}' learns from the data, and the frequency weights add up to more than {_MOST_REPEATED} rows"
            raise ModelError("transform", what, "transform the column beforehand")
        options = {name: literal(argument) for name, argument in arguments(node).items()}
        if self.new_data and text not in self.state.transforms:
            raise DataError("damaged_model", f"the state of '{text}' is missing", "fit the model again")
        state = self.state.transforms.setdefault(text, {})
        try:
            with np.errstate(all="ignore"):
                if self.frequency is not None and not state:  # learn from the rows written out
                    KNOWN[node.value](np.repeat(value, self.frequency), _state=state, **options)
                return KNOWN[node.value](value, _state=state, **options)
        except (ValueError, TypeError, IndexError, np.linalg.LinAlgError) as error:
            usage = f"{node.value}: {TRANSFORMS[node.value]}"
            raise ModelError("transform", f"'{text}' cannot be evaluated: {error}", usage) from error

    def _finite(self, factor: Factor, values: np.ndarray) -> None:
        """Raise DataError for the first row on which an expression is not a finite number."""
        if values.dtype == np.bool_ or np.isfinite(values).all():
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


def _number_names(values: np.ndarray, boolean: bool) -> list[str]:
    """Levels of a numeric factor: whole numbers without a point."""
    if boolean:
        return ["True" if value else "False" for value in values]
    return number_names(values)


def _spelled_levels(chosen: Any, levels: Sequence[str], name: str) -> tuple[str, ...]:
    """The levels listed in C(..., levels=[...]) as the data spell them; levels that do not occur are left out."""
    if not isinstance(chosen, list) or not chosen:
        raise ModelError("levels", f"the levels of '{name}' must be a list", "write levels=['b', 'a']")
    known = {level: level for level in levels}
    found = [known.get(str(value), known.get(str(float(value)) if isinstance(value, int) else "")) for value in chosen]
    if len(set(map(str, chosen))) < len(chosen):
        raise ModelError("levels", f"a level of '{name}' is listed twice", "list each level once")
    return tuple(level for level in found if level is not None)
