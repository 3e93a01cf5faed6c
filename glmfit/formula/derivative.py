"""Derivatives of factors in a column, exact: forward differentiation of their trees beside the values.

    (u v)' = u'v + uv'    f(u)' = f'(u) u'    poly: the recurrence, differentiated    splines: piece by piece

A spline is a polynomial between its knots, so that its values at degree + 1 places of a piece determine its derivative
there; no step has to be small. Steps have no derivative: where a column enters by C(), cut() or a comparison alone the
answer is None, and jumps are not part of a slope.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np

from glmfit.formula.admit import arguments, literal
from glmfit.formula.evaluate import Evaluator, Numbers, multiplier
from glmfit.formula.expression import Node, render
from glmfit.formula.smooth import is_smooth, smooth_of
from glmfit.formula.smoothed import By, smooth_slopes
from glmfit.formula.terms import Factor
from glmfit.formula.words import OUTERMOST

Slope = np.ndarray | None  # None where a value does not depend on the column, or only by steps
CUBIC = 3
_INNER: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "log": lambda u: 1 / u, "log2": lambda u: 1 / (u * np.log(2)), "log10": lambda u: 1 / (u * np.log(10)),
    "log1p": lambda u: 1 / (1 + u), "exp": np.exp, "expm1": np.exp, "sqrt": lambda u: 0.5 / np.sqrt(u),
    "abs": np.sign, "sin": np.cos, "cos": lambda u: -np.sin(u),
}  # fmt: skip


def factor_slope(evaluator: Evaluator, factor: Factor, column: str) -> Numbers | None:
    """The derivatives of a factor's columns, labelled as they are; None where it has none in this column."""
    if column not in factor.columns:
        return None
    tree = factor.tree
    with np.errstate(all="ignore"):
        if tree.kind == "call" and tree.value in OUTERMOST:
            return _basis_slope(evaluator, factor, column)
        slope = _Forward(evaluator, column).slope(tree)
    return None if slope is None else Numbers(("",), (np.broadcast_to(slope, len(evaluator.table)),))


def offset_slope(evaluator: Evaluator, factor: Factor, column: str) -> Slope:
    """The derivative (n,) of an offset."""
    with np.errstate(all="ignore"):
        slope = _Forward(evaluator, column).slope(factor.tree)
    return None if slope is None else np.broadcast_to(slope, len(evaluator.table))


class _Forward:
    """Values and derivatives of expressions over one table, in one column."""

    def __init__(self, evaluator: Evaluator, column: str) -> None:
        self.arithmetic, self.column = evaluator.arithmetic, column

    def value(self, node: Node) -> np.ndarray:
        return self.arithmetic.value(node)

    def slope(self, node: Node) -> Slope:
        """The derivative of an expression: (n,), or a scalar."""
        match node.kind:
            case "name":
                return np.ones(()) if node.value == self.column else None
            case "unary" if node.value != "not":
                inner = self.slope(node.args[0])
                return -inner if inner is not None and node.value == "-" else inner
            case "binary":
                return self._binary(node)
            case "call":
                return self._call(node)
        return None

    def _binary(self, node: Node) -> Slope:
        left, right = node.args
        if node.value not in ("+", "-", "*", "/", "%", "**"):
            return None
        a, b = self.slope(left), self.slope(right)
        match node.value:
            case "+":
                return _sum(a, b)
            case "-":
                return _sum(a, None if b is None else -b)
            case "*":
                return _sum(_times(a, self.value(right)), _times(b, self.value(left)))
            case "/":
                below = self.value(right)
                return _sum(_times(a, 1 / below), _times(b, -self.value(left) / below**2))
            case "%":  # u - floor(u / v) v
                return _sum(a, _times(b, -np.floor(self.value(left) / self.value(right))))
        u, power = self.value(left), self.value(right)
        # u^(k-1) apart from k: 0 * inf where a power of 0 is differentiated at 0 would be NaN
        falling = None if a is None else np.where(power == 0, 0.0, power * np.power(u, power - 1)) * a
        return _sum(falling, _times(b, np.power(u, power) * np.log(u)))

    def _call(self, node: Node) -> Slope:
        name = node.value
        if name == "I":
            return self.slope(node.args[0])
        if name == "ifelse":
            yes, no = (self.slope(child) for child in node.args[1:3])
            return None if yes is None and no is None else np.where(self.value(node.args[0]) == 1, _or(yes), _or(no))
        if name in ("pmin", "pmax"):
            pairs = [(self.value(child), self.slope(child)) for child in node.args]
            if all(slope is None for _, slope in pairs):
                return None
            first = np.less_equal if name == "pmin" else np.greater_equal
            return reduce(lambda one, two: _chosen(first, one, two), ((value, _or(slope)) for value, slope in pairs))[1]
        inner = self.slope(node.args[0])
        if inner is None:
            return None
        if name in _INNER:
            return inner * _INNER[name](self.value(node.args[0]))
        scale = self.arithmetic.learned.transforms[render(node)].get("scale")  # of center, scale and standardize
        return inner if scale is None else inner / np.asarray(scale)


def _sum(a: Slope, b: Slope) -> Slope:
    return b if a is None else a if b is None else a + b


def _times(slope: Slope, value: np.ndarray) -> Slope:
    return None if slope is None else slope * value


def _or(slope: Slope) -> np.ndarray:
    return np.zeros(()) if slope is None else slope


def _chosen(first: Any, one: tuple[Any, Any], two: tuple[Any, Any]) -> tuple[Any, Any]:
    """The value that pmin or pmax takes, and its derivative."""
    chosen = first(one[0], two[0])
    return np.where(chosen, one[0], two[0]), np.where(chosen, one[1], two[1])


# ---- Bases of several columns ----


def _basis_slope(evaluator: Evaluator, factor: Factor, column: str) -> Numbers | None:
    node = factor.tree
    if node.value in ("C", "cut"):
        return None
    if is_smooth(node):
        return _smooth_slope(evaluator, factor, column)
    inner = _Forward(evaluator, column).slope(node.args[0])
    if inner is None:
        return None
    found = evaluator.factor(factor)
    assert isinstance(found, Numbers)
    u = np.broadcast_to(evaluator.arithmetic.value(node.args[0]), len(evaluator.table))
    slopes = _poly_slopes(evaluator, node, u) if node.value == "poly" else _spline_slopes(evaluator, node, u)
    return Numbers(found.labels, tuple(np.ascontiguousarray(slopes[:, j] * inner) for j in range(slopes.shape[1])))


def _smooth_slope(evaluator: Evaluator, factor: Factor, column: str) -> Numbers | None:
    """Of a smooth in the columns that it is of, and in a number that it is multiplied by."""
    asked, forward, n = smooth_of(factor.tree), _Forward(evaluator, column), len(evaluator.table)
    by = None if asked.by is None else multiplier(evaluator, asked.by)
    total: dict[str, np.ndarray] = {}
    if asked.by is not None and by is not None and by.levels is None:
        outer = forward.slope(asked.by)
        if outer is not None:
            total = evaluator.smooth(factor, By(np.broadcast_to(outer, n)))[0]
    inner = [None if asked.random else forward.slope(node) for node in asked.variables]
    state = evaluator.learned.transforms.get(factor.text, {})
    for at, slope in enumerate(inner):
        if slope is not None:
            values = [np.broadcast_to(evaluator.arithmetic.value(node), n) for node in asked.variables]
            part = smooth_slopes(factor.tree, values, at, by, state)
            total = {label: total.get(label, 0.0) + one * slope for label, one in part.items()}
    return Numbers(tuple(total), tuple(map(np.ascontiguousarray, total.values()))) if total else None


def _poly_slopes(evaluator: Evaluator, node: Node, u: np.ndarray) -> np.ndarray:
    """P_k' of P_k = (u - alpha) P_{k-1} - beta P_{k-2}, scaled to length 1: (n, degree)."""
    given = {name: literal(argument) for name, argument in arguments(node).items()}
    degree = int(given.get("degree", 1))
    if given.get("raw"):
        return np.stack([k * u ** (k - 1) for k in range(1, degree + 1)], axis=1)
    state = evaluator.learned.transforms[render(node)]
    alpha, norms = state["alpha"], state["norms2"]
    P, slopes = [np.ones_like(u)], [np.zeros_like(u)]
    for k in range(1, degree + 1):
        P.append((u - alpha[k - 1]) * P[-1])
        slopes.append(P[k - 1] + (u - alpha[k - 1]) * slopes[-1])
        if k >= 2:
            beta = norms[k - 1] / norms[k - 2]
            P[k] = P[k] - beta * P[k - 2]
            slopes[k] = slopes[k] - beta * slopes[k - 2]
    return np.stack([slopes[k] / np.sqrt(norms[k]) for k in range(1, degree + 1)], axis=1)


def _spline_slopes(evaluator: Evaluator, node: Node, u: np.ndarray) -> np.ndarray:
    """The derivatives of a spline basis at u: (n, q), from its values at Chebyshev's places in each piece."""
    from numpy.polynomial import chebyshev

    state = evaluator.learned.transforms[render(node)]
    degree = CUBIC
    if node.value == "bs" and "degree" in (given := arguments(node)):
        degree = max(1, int(literal(given["degree"])))
    knots = np.unique([*state["knots"], *state.get("boundary", ())])
    if node.value == "cc":  # its period is the range of its knots
        u = knots[0] + (u - knots[0]) % (knots[-1] - knots[0])
    width = knots[-1] - knots[0]
    edges = np.unique([min(knots[0], u.min(initial=knots[0])), *knots, max(knots[-1], u.max(initial=knots[-1]))])
    edges = edges[np.append(np.diff(edges) > 1e-12 * width, True)]
    piece = np.clip(np.searchsorted(edges, u, side="right") - 1, 0, len(edges) - 2)
    middle, half = 0.5 * (edges[1:] + edges[:-1]), 0.5 * np.diff(edges)
    places = chebyshev.chebpts1(degree + 1)
    columns, _ = evaluator.learned.basis(node, (middle[:, None] + half[:, None] * places).reshape(-1))
    values = np.stack(list(columns.values()), axis=1).reshape(len(middle), degree + 1, -1)
    coefficients = np.linalg.inv(chebyshev.chebvander(places, degree)) @ values  # (pieces, degree + 1, q)
    slopes = chebyshev.chebder(coefficients, axis=1) / half[:, None, None]
    at = chebyshev.chebvander((u - middle[piece]) / half[piece], degree - 1)  # (n, degree)
    out = np.empty((len(u), slopes.shape[2]))
    for one in np.unique(piece):
        rows = piece == one
        out[rows] = at[rows] @ slopes[one]
    return out
