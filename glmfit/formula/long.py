"""Transforms of a column that is too long to be transformed at once: what they learn of it, and then a run at a time.

formulaic learns as it transforms. Of a long column it learns from a few numbers that have the same extremes and
quantiles; means, deviations and the recurrence of orthogonal polynomials are sums over runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from glmfit.spill import plain, runs, spill_of

Columns = tuple[dict[str, np.ndarray], bool]  # by their labels, and whether they add up to the constant
_SCALES: dict[str, dict[str, Any]] = {"center": {"scale": False}, "scale": {}, "standardize": {"ddof": 0}}
_DEGREE = 3


def columns_of(result: Any) -> Columns:
    """What a transform of formulaic's gives: one column, several side by side, or a mapping of them."""
    spans = bool(getattr(getattr(result, "__formulaic_metadata__", None), "spans_intercept", False))
    values = getattr(result, "__wrapped__", result)
    if isinstance(values, dict):
        return {f"[{key}]": np.asarray(column, dtype=np.float64) for key, column in values.items()}, spans
    if np.ndim(values) == 1:
        return {"": np.asarray(values, dtype=np.float64)}, spans
    names = result.__formulaic_metadata__.column_names if values is not result else range(values.shape[1])
    return {f"[{key}]": values[:, i].astype(np.float64) for i, key in enumerate(names)}, spans


def by_runs(evaluate: Callable[[np.ndarray], Columns], values: np.ndarray) -> Columns:
    """The columns that values (n,) are evaluated to, by runs if they are long."""
    home = spill_of(values)
    if home is None:
        return evaluate(values)
    sample, spans = evaluate(plain(values)[:1])
    out = {label: home.empty(len(values)) for label in sample}
    for part in runs(len(values)):
        for label, column in evaluate(plain(values)[part])[0].items():
            plain(out[label])[part] = column
    return dict(out), spans


def learn_by_runs(name: str, options: Mapping[str, Any], state: dict[str, Any], values: np.ndarray) -> None:
    """What formulaic's transform of that name would have learned from long values (n,)."""
    if name in _SCALES:
        _learn_scale({**_SCALES[name], **options}, state, values)
    elif name == "poly":
        if not options.get("raw"):
            state["alpha"], state["norms2"] = _recurrence(values, int(options.get("degree", 1)))
    else:
        _learn_knots(name, options, state, values)


def _learn_scale(options: Mapping[str, Any], state: dict[str, Any], values: np.ndarray) -> None:
    state["ddof"] = options.get("ddof", 1)
    center, scale = options.get("center", True), options.get("scale", options.get("rescale", True))
    state["center"] = values.mean() if center is True else None if center is False else np.array(center)
    moved = values if state["center"] is None else values - state["center"]
    deviation = np.sqrt((moved**2).sum() / (len(values) - state["ddof"]))
    state["scale"] = deviation if scale is True else None if scale is False else np.array(scale)


def _recurrence(values: np.ndarray, degree: int) -> tuple[dict[int, float], dict[int, float]]:
    """alpha_k = sum x P_k^2 / sum P_k^2 and the norms of P_k+1 = (x - alpha_k) P_k - |P_k|^2 / |P_k-1|^2 P_k-1."""
    alpha: dict[int, float] = {}
    norms: dict[int, float] = {}

    def polynomials(x: np.ndarray) -> Iterator[np.ndarray]:
        before, now = np.zeros_like(x), np.ones_like(x)
        yield now
        for k in range(len(alpha)):
            beta = norms[k] / norms[k - 1] if k else 0.0
            before, now = now, (x - alpha[k]) * now - beta * before
            yield now

    for k in range(degree + 1):
        square = moment = 0.0
        for part in runs(len(values)):
            *_, last = polynomials(plain(values)[part])
            square += float((last**2).sum())
            moment += float((plain(values)[part] * last**2).sum())
        norms[k] = square
        if k < degree:
            alpha[k] = moment / square
    return alpha, norms


def _learn_knots(name: str, options: Mapping[str, Any], state: dict[str, Any], values: np.ndarray) -> None:
    """Those of splines, from a stand-in, and the constraint that a spline be centred, from all rows."""
    from formulaic.transforms import TRANSFORMS as KNOWN

    cubic = name != "bs"
    low, high = options.get("lower_bound"), options.get("upper_bound")
    inside = values
    if cubic or options.get("extrapolation") in ("clip", "na", "zero"):
        keep = (values >= (-np.inf if low is None else low)) & (values <= (np.inf if high is None else high))
        inside = values if keep.all() else values[keep]
    if options.get("df") is None:
        count = 0
    elif cubic:
        count = options["df"] - 2 + (options.get("constraints") is not None) + (name == "cc")
        inside = np.unique(inside)
    else:
        count = options["df"] - options.get("degree", _DEGREE) - bool(options.get("include_intercept"))
    few = np.quantile(inside, np.linspace(0, 1, max(count, 0) + 2)) if len(inside) else plain(inside)
    KNOWN[name](few, _state=state, **options)
    if options.get("constraints") == "center":
        free = {**state, "constraints": None}
        total: Any = 0.0
        for part in runs(len(values)):
            columns, _ = columns_of(KNOWN[name](plain(values)[part], _state=free, **options))
            total = total + np.array([column.sum() for column in columns.values()])
        state["constraints"] = (total / len(values))[None, :]
