"""Which fold each row is in: drawn by a seed, whole groups, each class in equal shares, or as a column says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glmfit.errors import ModelError
from glmfit.rows import Data, group_codes
from glmfit.shrinkage import Shrinkage
from glmfit.spec import SEED
from glmfit.table import Table


@dataclass(frozen=True, slots=True, eq=False)
class Folds:
    """The fold of each row, codes (n,) from 0, of `count`; and how they were made."""

    codes: np.ndarray
    count: int
    seed: int | None
    stratified: bool


def folds_of(data: Data, asked: Shrinkage) -> Folds:
    """The folds of the rows of a fit; `ModelError` where they cannot be."""
    classes = _classes(data)
    found = folds_by(data.table, asked, data.spec.seed if data.spec.seed is not None else SEED, classes)
    if classes is not None:
        _check_classes(data, found, classes)
    return found


def folds_by(table: Table, asked: Shrinkage, seed: int, classes: np.ndarray | None = None) -> Folds:
    """Those of the rows of a table, whose `classes` (n,) have equal shares in all where there are any."""
    if asked.cv_folds is not None:
        codes = group_codes(table, asked.cv_folds)
        found = Folds(codes, int(codes.max()) + 1, None, False)
        if found.count < 2:
            message = f"--cv-folds: '{asked.cv_folds}' has one value, and one fold leaves nothing to fit to"
            raise ModelError("bad_folds", message, "give a column with the number of the fold of each row, or --cv 10")
        if found.count > len(codes) / 2:
            message = f"--cv-folds: '{asked.cv_folds}' has {found.count} values in {len(codes)} rows"
            raise ModelError("bad_folds", message, "give a column with the number of the fold of each row, or --cv 10")
        return found
    return _drawn(table, asked, seed, classes)


def _drawn(table: Table, asked: Shrinkage, seed: int, classes: np.ndarray | None) -> Folds:
    random, n, count = np.random.default_rng(seed), len(table), asked.folds
    if asked.cv_groups is not None:
        groups = group_codes(table, asked.cv_groups)
        return Folds(_of_groups(groups, count, asked.cv_groups, random), count, seed, False)
    if n < count:
        message = f"--cv {count}: {n} rows cannot be so many folds"
        raise ModelError("bad_folds", message, f"write --cv {max(2, min(n, 5))}, or use more rows")
    codes = np.zeros(n, dtype=np.int64) if classes is None else classes
    order = random.permutation(n)
    order = order[np.argsort(codes[order], kind="stable")]  # class after class, each in a random order
    folds = np.empty(n, dtype=np.int64)
    folds[order] = np.arange(n) % count
    return Folds(random.permutation(count)[folds], count, seed, classes is not None)


def _of_groups(groups: np.ndarray, count: int, name: str, random: np.random.Generator) -> np.ndarray:
    """Whole groups, the largest first, each to the fold that has the fewest rows."""
    sizes = np.bincount(groups)
    if len(sizes) < count:
        message = f"--cv {count}: '{name}' has {len(sizes)} groups, which cannot be so many folds"
        hint = f"write --cv {len(sizes)}" if len(sizes) > 1 else "give a column with more groups"
        raise ModelError("bad_folds", message, hint)
    order = random.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    of, rows = np.empty(len(sizes), dtype=np.int64), np.zeros(count, dtype=np.int64)
    for group in order:
        of[group] = rows.argmin()
        rows[of[group]] += sizes[group]
    return of[groups]


def _classes(data: Data) -> np.ndarray | None:
    """The class (n,) of each row: of a response of categories, or of two values; None for others."""
    if data.response.trials is not None and bool((data.response.trials != 1).any()):
        return None
    if not (data.family.categories or data.family.trials):
        return None
    return np.unique(data.response.y, return_inverse=True)[1].astype(np.int64)


def _check_classes(data: Data, folds: Folds, classes: np.ndarray) -> None:
    """Raises where a fold that was drawn has no row of some class, or all rows of one are in a single fold."""
    counts = np.zeros((folds.count, int(classes.max()) + 1), dtype=np.int64)
    np.add.at(counts, (folds.codes, classes), 1)
    apart = counts == 0 if folds.stratified else counts == counts.sum(axis=0)
    if not apart.any():
        return
    least = int(counts.sum(axis=0)[apart.any(axis=0)].min())
    one = int(np.argmax(apart.any(axis=0)))
    value = data.response.levels[one] if data.response.levels else f"{np.unique(data.response.y)[one]:g}"
    name = data.response.label
    if folds.stratified:
        message = f"{name} = {value} has {least} rows, which are absent from some of {folds.count} folds"
        hint = f"write --cv {least}" if least > 1 else "there have to be two rows of it at least"
    else:
        message = f"all rows with {name} = {value} are in one fold: the others say nothing of it"
        hint = "make other folds, or use --cv 10, which keeps the shares of classes"
    raise ModelError("bad_folds", message, hint)
