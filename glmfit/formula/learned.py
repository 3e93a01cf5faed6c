"""Transforms that learn from the data: means, deviations, knots, breaks, a first date; what is learned is remembered.

`Learned.transforms` holds it by the transform's text, so that new data are transformed as the old were. What this
package learns by itself is kept as JSON has it: finite numbers and lists of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from glmfit.errors import DataError, ModelError, shorten
from glmfit.formula.admit import arguments, literal
from glmfit.formula.expression import Node, render
from glmfit.formula.intervals import breaks_of
from glmfit.formula.long import Columns, by_runs, columns_of, learn_by_runs
from glmfit.formula.splines import natural_basis, natural_knots
from glmfit.formula.words import TRANSFORMS
from glmfit.spill import spill_of
from glmfit.spilled import few

_MOST_REPEATED = 100_000_000
_DAY = np.timedelta64(1, "D") / np.timedelta64(1, "us")


class Learned:
    """What transforms have learned, and the transforms that learn.

    `frequency` (n,) says how many rows each row stands for, `new_data` that all has been learned before.
    """

    def __init__(self, transforms: dict[str, dict[str, Any]], frequency: np.ndarray | None, new_data: bool) -> None:
        self.transforms, self.frequency, self.new_data = transforms, frequency, new_data

    def transform(self, node: Node, value: np.ndarray) -> np.ndarray:
        """A transform of formulaic's to one number for each of the data (n,)."""
        (column,) = self._transformed(node, value)[0].values()
        return column

    def basis(self, node: Node, value: np.ndarray) -> tuple[dict[str, np.ndarray], bool]:
        """The columns of poly, bs, ns, cr or cc by their labels, and whether they add up to the constant."""
        self._check_size(node, value)
        if node.value == "ns":
            return self._natural(node, value)
        return self._transformed(node, value)

    def _transformed(self, node: Node, value: np.ndarray) -> Columns:
        """The columns that a transform of formulaic's makes of data (n,)."""
        from formulaic.transforms import TRANSFORMS as KNOWN

        options = _options(node)

        def evaluate(state: dict[str, Any], rows: np.ndarray) -> Columns:
            return columns_of(KNOWN[node.value](rows, _state=state, **options))

        def learn(state: dict[str, Any], rows: np.ndarray) -> None:
            learn_by_runs(str(node.value), options, state, rows)

        # What the rows themselves teach is learned as they are transformed, if they are so all at once.
        how = evaluate if self.frequency is not None else None if spill_of(value) is None else learn
        state = self._state(node, value, how)
        return self._tried(node, lambda: by_runs(lambda rows: evaluate(state, rows), value))

    def breaks(self, node: Node, value: np.ndarray) -> Sequence[float]:
        """Those of cut()."""
        given = _options(node).get("breaks")
        if not isinstance(given, int):
            ends: Sequence[float] = self._tried(node, lambda: breaks_of(given, value))
            return ends

        def learn(state: dict[str, Any], rows: np.ndarray) -> None:
            state["breaks"] = breaks_of(given, rows)

        found: Sequence[float] = self._state(node, value, learn)["breaks"]
        return found

    def days(self, node: Node, instants: np.ndarray, origin: np.datetime64 | None) -> np.ndarray:
        """Days (n,) of instants since an origin, by default the first of them."""
        if origin is None:
            state = self.remembered(render(node))
            if not state:  # microseconds since 1970
                state["origin"] = int(instants.min().astype(np.int64))
            origin = np.datetime64(int(state["origin"]), "us")
        return np.asanyarray((instants - origin) / np.timedelta64(1, "us") / _DAY)

    def _natural(self, node: Node, value: np.ndarray) -> Columns:
        options = _options(node)
        intercept = options.get("intercept", False)

        def learn(state: dict[str, Any], rows: np.ndarray) -> None:
            given = options.get("knots"), intercept, options.get("Boundary.knots")
            state["knots"], state["boundary"] = natural_knots(rows, options.get("df"), *given)

        state = self._state(node, value, learn)

        def evaluate(rows: np.ndarray) -> Columns:
            found = natural_basis(rows, state["knots"], state["boundary"], bool(intercept))
            return {f"[{i + 1}]": np.ascontiguousarray(found[:, i]) for i in range(found.shape[1])}, False

        return by_runs(evaluate, value)

    def _state(self, node: Node, value: np.ndarray, learn: Callable[[dict[str, Any], np.ndarray], Any] | None) -> Any:
        """What the transform remembers, or learns now from the rows written out."""
        text = render(node)
        if self.frequency is not None and self.frequency.sum() > _MOST_REPEATED:
            what = f"'{text}' learns from the data, and the frequency weights add up to more than {_MOST_REPEATED} rows"
            raise ModelError("transform", what, "transform the column beforehand")
        state = self.remembered(text)
        if not state and learn is not None:
            rows = value if self.frequency is None else np.repeat(value, self.frequency)
            self._tried(node, lambda: learn(state, rows))
        return state

    def remembered(self, text: str) -> dict[str, Any]:
        """The state of a transform, empty where nothing has been learned yet; new rows teach it nothing."""
        if self.new_data and text not in self.transforms:
            raise DataError("damaged_model", f"the state of '{text}' is missing", "fit the model again")
        return self.transforms.setdefault(text, {})

    @staticmethod
    def _tried(node: Node, evaluate: Callable[[], Any]) -> Any:
        try:
            with np.errstate(all="ignore"):
                return evaluate()
        except (ValueError, TypeError, IndexError, np.linalg.LinAlgError) as error:
            usage = f"{node.value}: {TRANSFORMS[node.value]}"
            raise ModelError("transform", f"'{render(node)}' cannot be evaluated: {error}", usage) from error

    def _check_size(self, node: Node, data: np.ndarray) -> None:
        """A basis has no more columns than the data can tell apart, and asks for memory accordingly."""
        given, expression = _options(node), render(node)
        for name in ("degree", "df", "knots"):
            size = given.get(name)
            if name == "knots" and isinstance(size, list):
                size = len(size)
            elif size is None or name == "knots":
                continue
            elif isinstance(size, bool) or not isinstance(size, int) or size < 1:
                usage = f"{node.value}: {TRANSFORMS[node.value]}"
                raise ModelError("transform", f"'{expression}': {name} must be a positive whole number", usage)
            distinct = None if self.new_data else few(data, size)
            most = size if distinct is None else len(distinct) - (node.value == "poly")
            if distinct is not None and size > most:
                asked = f"{size} knots" if name == "knots" else f"{name} {size}"
                what = f"'{shorten(expression)}': {asked} is more than {len(distinct)} distinct values can tell apart"
                raise ModelError("transform", what, f"lower it to {most} or less")


def _options(node: Node) -> dict[str, Any]:
    return {name: literal(argument) for name, argument in arguments(node).items()}
