"""Bases of smooths in one covariate, and the quadratic forms that penalise them, as mgcv has them.

    cr  natural cubic splines by their values at k knots, quantiles of the distinct values       integral of f''^2
    ps  cubic B-splines over evenly spaced knots (Eilers and Marx)       squared second differences of coefficients
    tp  thin plate splines, |x - x_i|^3 / 12 over all distinct values, cut to their largest k eigenvectors  f''^2

Wood (2017), Generalized Additive Models, sections 5.3 to 5.5. A state is what JSON has: numbers and lists of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

State = Mapping[str, Any]
DEGREE = 3
MOST_PLACES = 2_000  # of a thin plate spline: distinct values beyond these are thinned out evenly
_BEYOND = 0.001  # of the range, that evenly spaced knots go beyond the data at either end
_ITERATED = 300  # places from which only the wanted eigenvectors are looked for


def learn(bs: str, x: np.ndarray, k: int) -> dict[str, Any]:
    """The state of a basis of k columns over x (n,), which has k distinct values or more."""
    return {"cr": _knots_at_quantiles, "ps": _even_knots, "tp": _truncated}[bs](x, k)


def columns(bs: str, state: State, x: np.ndarray, nu: int = 0) -> np.ndarray:
    """The basis at x, or its derivative of order `nu`, 0 or 1: (n, k)."""
    if bs == "tp":
        return _thin_plate(state, x, nu)
    splines = _splines(bs, state)
    low, high = state["ends"]
    values = np.asarray(splines(np.clip(x, low, high), nu=nu))
    for end, out in ((low, x < low), (high, x > high)):  # beyond the ends, the straight line that it is there
        if out.any():
            slope = splines(end, nu=1)
            values[out] = slope if nu else splines(end) + np.outer(x[out] - end, slope)
    return values


def penalty(bs: str, state: State) -> tuple[np.ndarray, int]:
    """The penalty S (k, k) of coefficients b, as b'S b, and the dimension of what it leaves free."""
    if bs == "cr":
        return _curvature(state), 2
    if bs == "ps":
        differences = np.diff(np.eye(len(state["knots"]) - DEGREE - 1), 2, axis=0)
        return differences.T @ differences, 2
    return np.array(state["penalty"]), 2


def _splines(bs: str, state: State) -> Any:
    from scipy.interpolate import BSpline, CubicSpline

    knots = np.array(state["knots"])
    if bs == "cr":
        return CubicSpline(knots, np.eye(len(knots)), bc_type="natural")
    return BSpline(knots, np.eye(len(knots) - DEGREE - 1), DEGREE)


def _knots_at_quantiles(x: np.ndarray, k: int) -> dict[str, Any]:
    knots = np.quantile(np.unique(x), np.linspace(0, 1, k)).tolist()
    return {"knots": knots, "ends": [knots[0], knots[-1]]}


def _curvature(state: State) -> np.ndarray:
    """The integral of the product of second derivatives, which are straight lines between knots."""
    knots = np.array(state["knots"])
    bend = np.asarray(_splines("cr", state)(knots, nu=2))
    bend[0] = bend[-1] = 0.0
    width = np.diff(knots)[:, None]
    left, right = bend[:-1], bend[1:]
    cross = (left * width).T @ right
    return np.asarray(((left * width).T @ left + (right * width).T @ right) / 3 + (cross + cross.T) / 6)


def _even_knots(x: np.ndarray, k: int) -> dict[str, Any]:
    low, high = float(x.min()), float(x.max())
    beyond = _BEYOND * (high - low)
    low, high = low - beyond, high + beyond
    step = (high - low) / (k - DEGREE)
    knots = np.linspace(low - DEGREE * step, high + DEGREE * step, k + DEGREE + 1).tolist()
    return {"knots": knots, "ends": [knots[DEGREE], knots[-DEGREE - 1]]}


def _radial(r: np.ndarray, nu: int) -> np.ndarray:
    """|r|^3 / 12, or its first or second derivative."""
    if nu == 2:
        return np.asarray(np.abs(r) / 2)
    return np.asarray(np.abs(r) * r / 4 if nu else np.abs(r) * r * r / 12)


def _truncated(x: np.ndarray, k: int) -> dict[str, Any]:
    """E = U D U' at the distinct values, cut to U_k; X = [U_k D_k Z, 1, x] with Z what is orthogonal to 1 and x there.

    Columns have a root mean square of 1 over the data.
    """
    places = np.unique(x)
    if len(places) > MOST_PLACES:
        places = places[np.linspace(0, len(places) - 1, MOST_PLACES).round().astype(int)]
    shift = float(x.mean())
    values, vectors = _largest(_radial(places[:, None] - places, 0), k)
    line = np.column_stack([np.ones(len(places)), places - shift])
    # mgcv's choice among equals, on which the size of the penalty depends: reflections from the last row up
    free = np.linalg.qr((vectors.T @ line)[::-1], mode="complete")[0][::-1, ::-1][:, : k - 2]
    weights = vectors @ free  # E weights = U_k D_k Z
    wiggly = free.T @ (values[:, None] * free)
    state = {"places": places.tolist(), "shift": shift, "weights": weights.tolist(), "scale": [1.0] * k}
    scale = 1 / np.sqrt((_thin_plate(state, x, 0) ** 2).mean(axis=0))
    full = np.zeros((k, k))
    full[: k - 2, : k - 2] = scale[: k - 2, None] * wiggly * scale[: k - 2]
    return {**state, "scale": scale.tolist(), "penalty": (0.5 * (full + full.T)).tolist()}


def _largest(matrix: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k eigenvalues (k,) of largest size of a symmetric matrix, from the highest down, and their vectors (n, k)."""
    if len(matrix) > max(_ITERATED, 3 * k):
        from scipy.sparse.linalg import eigsh

        values, vectors = eigsh(matrix, k=k, which="LM", v0=np.linspace(1, 2, len(matrix)), tol=0)
    else:
        values, vectors = np.linalg.eigh(matrix)
    order = np.argsort(-np.abs(values), kind="stable")[:k]
    order = order[np.argsort(-values[order], kind="stable")]
    return values[order], vectors[:, order]


def _thin_plate(state: State, x: np.ndarray, nu: int) -> np.ndarray:
    """Between two neighbouring places a column is a cubic: that of its derivatives at the lower one."""
    places, weights, scale = (np.array(state[name]) for name in ("places", "weights", "scale"))
    shift = state["shift"]
    met, inverse = np.unique(np.searchsorted(places, x, side="right") - 1, return_inverse=True)
    near = places[met.clip(0)]
    terms = [_radial(near[:, None] - places, order) @ weights for order in range(nu, 3)]
    terms.append(np.where(np.arange(len(places)) <= met[:, None], 0.5, -0.5) @ weights)
    step = x - near[inverse]
    out = terms[-1][inverse]
    for order, term in zip(range(3 - nu, 0, -1), reversed(terms[:-1]), strict=True):
        out = term[inverse] + step[:, None] * out / order
    line = [np.zeros(len(x)), np.ones(len(x))] if nu else [np.ones(len(x)), x - shift]
    return np.asarray(np.column_stack([out, *line]) * scale)
