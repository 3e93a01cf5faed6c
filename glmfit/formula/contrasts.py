"""Contrasts of a factor: which columns its levels become.

Full coding has one indicator per level. Reduced coding spans the same space less the constant: treatment and SAS leave
one level's indicator out, sum, helmert, poly and diff are (levels, levels - 1) matrices as in R. Indicator codings are
held as the level of each column, never as a matrix, so that a factor of thousands of levels stays cheap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glmfit.errors import ModelError, did_you_mean


@dataclass(frozen=True, slots=True)
class Coding:
    """Columns of a factor: `matrix` is int64 (p,), the level each column indicates, or float64 (levels, p)."""

    labels: tuple[str, ...]  # appended to the factor's name
    matrix: np.ndarray
    levels: int

    def dense(self) -> np.ndarray:
        """The contrast matrix, (levels, p)."""
        return np.eye(self.levels)[:, self.matrix] if self.matrix.ndim == 1 else self.matrix


def full(levels: Sequence[str]) -> Coding:
    """One indicator per level."""
    return Coding(tuple(f"[{level}]" for level in levels), np.arange(len(levels)), len(levels))


def reduced(kind: str, options: Mapping[str, Any], levels: Sequence[str], factor: str) -> Coding:
    """The coding without the constant; `factor` names the term in errors.

    Raises ModelError for a reference that is no level, or scores of another number than the levels.
    """
    n = len(levels)
    if kind in ("treatment", "SAS"):
        default = 0 if kind == "treatment" else n - 1
        reference = options.get("reference")
        base = default if reference is None else find_level(reference, levels, factor)
        keep = np.array([i for i in range(n) if i != base], dtype=np.int64)
        return Coding(tuple(f"[T.{levels[i]}]" for i in keep), keep, n)
    if kind == "sum":
        matrix = np.vstack([np.eye(n - 1), -np.ones((1, n - 1))])
        return Coding(tuple(f"[S.{level}]" for level in levels[:-1]), matrix, n)
    if kind == "helmert":
        return _helmert(levels, bool(options.get("reverse", True)), bool(options.get("scale", False)))
    if kind == "diff":
        # Column j compares level j + 1 with level j: -(n-1-j)/n up to level j, (j+1)/n from there on.
        step = np.arange(1, n) / n
        matrix = np.where(np.arange(n)[:, None] > np.arange(n - 1), step, step - 1)
        backward = bool(options.get("backward", True))
        named = levels[1:] if backward else levels[:-1]
        return Coding(tuple(f"[D.{level}]" for level in named), matrix if backward else -matrix, n)
    return _polynomial(options.get("scores"), n, factor)


def _helmert(levels: Sequence[str], reverse: bool, scale: bool) -> Coding:
    n = len(levels)
    matrix = np.zeros((n, n - 1))
    for j in range(n - 1):
        if reverse:  # level j + 1 against those before it
            matrix[: j + 1, j], matrix[j + 1, j] = -1.0, j + 1.0
        else:  # level j against those after it
            matrix[j, j], matrix[j + 1 :, j] = n - 1.0 - j, -1.0
        if scale:
            matrix[:, j] /= j + 2 if reverse else n - j
    named = levels[1:] if reverse else levels[:-1]
    return Coding(tuple(f"[H.{level}]" for level in named), matrix, n)


def _polynomial(scores: Sequence[float] | None, n: int, factor: str) -> Coding:
    """Orthonormal polynomials in the scores, leading coefficients positive."""
    points = np.arange(n, dtype=np.float64) if scores is None else np.asarray(scores, dtype=np.float64)
    if points.shape != (n,) or len(np.unique(points)) != n:
        what = f"'{factor}' has {n} levels: the scores must be {n} different numbers"
        raise ModelError("scores", what, "give one for each level, in their order, as contr.poly(scores=[1, 2, 4])")
    points = points - points.mean()
    q, r = np.linalg.qr(np.vander(points / np.abs(points).max(), n, increasing=True))
    matrix = (q * np.sign(np.diag(r)))[:, 1:]
    labels = tuple({1: "[.L]", 2: "[.Q]", 3: "[.C]"}.get(degree, f"[^{degree}]") for degree in range(1, n))
    return Coding(labels, matrix, n)


def find_level(wanted: Any, levels: Sequence[str], factor: str) -> int:
    """The place of a level given as text, number or boolean."""
    spelled = {str(wanted)}
    if isinstance(wanted, float) and wanted.is_integer():
        spelled.add(str(int(wanted)))
    if isinstance(wanted, int):
        spelled.add(str(float(wanted)))
    for i, level in enumerate(levels):
        if level in spelled:
            return i
    listed = ", ".join(f"'{level}'" for level in levels[:10]) + (", ..." if len(levels) > 10 else "")
    close = did_you_mean(str(wanted), levels)
    hint = f"{close} " if close else ""
    raise ModelError("unknown_level", f"'{wanted}' is not a level of '{factor}'", f"{hint}the levels are {listed}")


def combined(codings: Sequence[Coding]) -> tuple[np.ndarray, int]:
    """The coding of crossed factors over the combined codes c1 + L1 (c2 + L2 (...)): the first varies fastest."""
    levels = 1
    matrix: np.ndarray = np.zeros(1, dtype=np.int64)
    indicators = all(c.matrix.ndim == 1 for c in codings)
    if not indicators:
        matrix = np.ones((1, 1))
    for coding in codings:
        if indicators:
            matrix = (coding.matrix[:, None] * levels + matrix[None, :]).ravel()
        else:
            matrix = np.kron(coding.dense(), matrix)
        levels *= coding.levels
    return matrix, levels
