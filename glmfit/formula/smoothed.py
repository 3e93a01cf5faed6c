"""Smooth terms over the rows of a table: columns that sum to zero, and their penalties, as mgcv's smoothCon has them.

    X = B Z,  penalty Z'S Z        Z orthogonal to the column means of B, so that the constant stays the intercept's

S is scaled to the size of B'B, so that strengths of different smooths compare. With `by` a factor there is a smooth for
each of its levels, with `by` numeric one that is multiplied by it, and which needs no constraint where that varies.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glmfit.errors import ModelError
from glmfit.formula import bases
from glmfit.formula.expression import Node, render
from glmfit.formula.smooth import FEWEST, Smooth, smooth_of

MOST_COLUMNS = 500  # of a term: time grows with more than the cube of their number, and is ten seconds here
_VARIES = 1000 * np.finfo(float).eps  # relative to its mean, of a number that multiplies


@dataclass(frozen=True, slots=True, eq=False)
class Penalised:
    """One smooth: `size` columns that follow each other, from `first` of its term on, and their penalties (size, size),
    each with a strength of its own; `free` is the dimension of what none of them penalises."""

    label: str
    first: int
    size: int
    penalties: tuple[np.ndarray, ...]
    free: int


@dataclass(frozen=True, slots=True, eq=False)
class By:
    """What a smooth is multiplied by: numbers (n,), or levels by their codes (n,)."""

    values: np.ndarray
    levels: tuple[str, ...] | None = None


def smooth_columns(
    node: Node,
    values: Sequence[np.ndarray],
    by: By | None,
    state: dict[str, Any],
    weights: np.ndarray | None,
) -> tuple[dict[str, np.ndarray], tuple[Penalised, ...]]:
    """The columns (n,) of a smooth of `values` by their labels, and what penalises them.

    An empty `state` is filled; with one that was learned before there are no penalties. `weights` (n,) say how many
    rows each row stands for.
    """
    asked = smooth_of(node)
    _check_size(node, math.prod(asked.k), by)
    learning = not state
    if learning:
        pairs = enumerate(zip(values, asked.k, strict=True))
        state["margins"] = {at: _learned(node, _repeated(x, weights), k, asked) for at, (x, k) in pairs}
    base = _tensor([bases.columns(asked.bs, state["margins"][at], x) for at, x in enumerate(values)])
    penalties: list[np.ndarray] = []
    free = 0
    if learning:
        penalties, free = _penalties(asked.bs, list(state["margins"].values()), base)
        varies = by is not None and by.levels is None and _varies(by.values)
        state["means"] = None if varies else np.average(base, axis=0, weights=weights).tolist()
    if state["means"] is not None:
        turn = _orthogonal(np.array(state["means"]))
        base = base @ turn
        penalties = [turn.T @ one @ turn for one in penalties]
        free = max(free - 1, 0)
    return _multiplied(base, by, penalties if learning else None, free)


def smooth_slopes(
    node: Node, values: Sequence[np.ndarray], at: int, by: By | None, state: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """The derivatives (n,) of the columns of a smooth in the variable at place `at`, by their labels."""
    bs = smooth_of(node).bs
    margins = [bases.columns(bs, state["margins"][j], x, nu=int(j == at)) for j, x in enumerate(values)]
    base = _tensor(margins)
    if state["means"] is not None:
        base = base @ _orthogonal(np.array(state["means"]))
    return _multiplied(base, by, None, 0)[0]


def random_effects(
    node: Node, codes: np.ndarray, levels: Sequence[str], by: By | None
) -> tuple[dict[str, np.ndarray], tuple[Penalised, ...]]:
    """The columns of s(g, bs='re'), an indicator of each level, multiplied, and what penalises them."""
    _check_size(node, len(levels), by, f"write {_in_words(node, by)}, which takes any number of levels")
    base = np.equal.outer(codes, np.arange(len(levels))).astype(np.float64)
    return _multiplied(base, by, [np.eye(len(levels))], 0, [f"[{level}]" for level in levels])


def _in_words(node: Node, by: By | None) -> str:
    """The same effects as a formula's random effects."""
    group, asked = render(node.args[0]), smooth_of(node).by
    if by is None or asked is None:
        return f"(1 | {group})"
    return f"(0 + {render(asked)} | {group})" if by.levels is None else f"(1 | {group}:{render(asked)})"


def _check_size(node: Node, size: int, by: By | None, hint: str = "give it a smaller k, or fewer levels") -> None:
    """Raises for more columns than can be fitted, before they take memory."""
    total = size * (1 if by is None or by.levels is None else len(by.levels))
    if total > MOST_COLUMNS:
        what = f"'{render(node)}' would have {total:,} columns, and at most {MOST_COLUMNS:,} of a smooth are fitted"
        raise ModelError("too_many_columns", what, hint)


def _multiplied(
    base: np.ndarray, by: By | None, penalties: list[np.ndarray] | None, free: int, labels: Sequence[str] = ()
) -> tuple[dict[str, np.ndarray], tuple[Penalised, ...]]:
    """The columns once they are multiplied, with a block for each level of a factor."""
    size = base.shape[1]
    labels = labels or [f"[{j + 1}]" for j in range(size)]
    if by is None or by.levels is None:
        factors = [("", np.ones(len(base)) if by is None else by.values)]
    else:
        factors = [(f"[{level}]", by.values == at) for at, level in enumerate(by.levels)]
    columns: dict[str, np.ndarray] = {}
    blocks = []
    for block, (name, factor) in enumerate(factors):
        for j, label in enumerate(labels):
            columns[name + label] = np.ascontiguousarray(base[:, j] * factor)
        if penalties is not None:
            blocks.append(Penalised(name, block * size, size, tuple(penalties), free))
    return columns, tuple(blocks)


def _learned(node: Node, x: np.ndarray, k: int, asked: Smooth) -> dict[str, Any]:
    distinct = len(np.unique(x))
    if distinct < k:
        least = FEWEST[asked.bs]
        hint = f"write k={distinct} or less" if distinct >= least else "leave it out, or make a factor of it: C(x)"
        what = f"k={k} columns need as many distinct values, and there are {distinct}"
        raise ModelError("smooth_k", f"'{render(node)}': {what}", hint)
    return bases.learn(asked.bs, x, k)


def _repeated(x: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    return x if weights is None else np.repeat(x, weights)


def _tensor(margins: Sequence[np.ndarray]) -> np.ndarray:
    """(n, product of k) the products of one column of each margin, those of the last varying fastest."""
    out = margins[0]
    for other in margins[1:]:
        out = (out[:, :, None] * other[:, None, :]).reshape(len(out), -1)
    return out


def _penalties(bs: str, margins: Sequence[bases.State], base: np.ndarray) -> tuple[list[np.ndarray], int]:
    """One for each margin, scaled to the size of the columns, and the dimension that they leave free."""
    own = [bases.penalty(bs, margin) for margin in margins]
    if len(own) > 1:
        own = [(one / np.linalg.eigvalsh(one)[-1], free) for one, free in own]
    size = np.abs(base).sum(axis=1).max() ** 2
    out = []
    for at, (one, _) in enumerate(own):
        whole = np.eye(1)
        for place, (other, _) in enumerate(own):
            whole = np.kron(whole, one if place == at else np.eye(len(other)))
        out.append(whole * (size / np.abs(whole).sum(axis=0).max()))
    return out, int(np.prod([free for _, free in own]))


def _orthogonal(means: np.ndarray) -> np.ndarray:
    """(k, k - 1) what is orthogonal to a vector, by one reflection."""
    return np.linalg.qr(means[:, None], mode="complete")[0][:, 1:]


def _varies(values: np.ndarray) -> bool:
    return bool(len(values) > 1 and values.std(ddof=1) > values.mean() * _VARIES)
