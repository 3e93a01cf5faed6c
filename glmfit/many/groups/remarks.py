"""What is said of the rows and the spread of each group: `estimate.remarks` and `rows.slips`, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from glmfit.errors import Finding
from glmfit.formula import Factor
from glmfit.many.groups.block import Block
from glmfit.many.groups.maximum import Maxima
from glmfit.rows.slips import FEWEST_CODES, MOST_CODES, code_text
from glmfit.spec import cluster_columns
from glmfit.trust import diagnose
from glmfit.trust.spread import INSTEAD, judged, kurtosis

NOTHING: dict[str, Any] = {}


def remarks(
    block: Block, found: Maxima, values: Mapping[tuple[str | int, ...], Sequence[Any]], good: Sequence[int]
) -> list[list[Finding]]:
    """The findings of the groups at `good`, whose values are given."""
    said: list[list[Finding]] = [[] for _ in good]
    spec = block.data.spec
    if (clusters := values.get(("covariance", "clusters"))) is not None:
        one = len(found.panel.predictors) == 1 and found.panel.flat()[0].has_expected
        helps = ["--small-sample cr2"] * one + [f"--se wild:{name}" for name in cluster_columns(spec.se)]
        for each, counts in zip(said, clusters, strict=True):
            few = diagnose.few_clusters(counts, helps)
            each += [] if few is None else [few]
    for each, spread in zip(said, _spread(block, found, values, good), strict=True):
        each += [] if spread is None else [spread]
    return said


def _spread(
    block: Block, found: Maxima, values: Mapping[tuple[str | int, ...], Sequence[Any]], good: Sequence[int]
) -> list[Finding | None]:
    """Over- and underdispersion, where nothing in the model allows for it."""
    data, panel = block.data, found.panel
    spec, family = data.spec, panel.family
    weighed = data.weights is not None or data.sampling is not None
    robust = spec.se not in (None, "hessian", "expected") or spec.sampling_weights is not None
    nothing: list[Finding | None] = [None] * len(good)
    if weighed or robust or spec.dispersion is not None or family.name not in INSTEAD or family.has_dispersion:
        return nothing
    mean = panel.by_rows(lambda likelihood, rows, etas: likelihood.natural(rows, etas)[0], found.theta)
    rows = torch.where(panel.there, panel.frequency * (2 + kurtosis(family.name, mean, panel.columns)), 0.0)
    total = rows.sum(dim=1)[torch.tensor(good)].tolist()
    tried: list[bool] = [True] * len(good)
    if family.trials:
        tried = (panel.columns["trials"] > 1).any(dim=1)[torch.tensor(good)].tolist()
    chi2, df = values["fit", "pearson_chi2"], values["fit", "df_residual"]
    return [
        judged(family.name, chi2[at], df[at], total[at]) if tried[at] and df[at] > 0 else None
        for at in range(len(good))
    ]


def dropped(missing: Mapping[str, np.ndarray], groups: np.ndarray) -> list[dict[str, dict[str, int]]]:
    """{"missing": {column: rows}} of each group; `missing` has the counts by column."""
    none: dict[str, dict[str, int]] = {"missing": {}}
    if not missing:
        return [none] * len(groups)
    counts = np.stack([column[groups] for column in missing.values()], axis=1)
    names = list(missing)
    return [
        {"missing": {name: n for name, n in zip(names, row, strict=True) if n}} if any(row) else none
        for row in counts.tolist()
    ]


def numeric_codes(block: Block, groups: np.ndarray) -> list[dict[str, str]]:
    """Columns that hold a few whole numbers in a group, as codes do, as `rows.slips` finds them."""
    table, formula = block.data.table, block.data.formula
    used = (factor.column for p in formula.predictors for term in p.terms for factor in term.factors)
    names = [name for name in dict.fromkeys(used) if name is not None]
    names = [name for name in names if table[name].levels is None and table[name].kind == "number"]
    found: list[dict[str, str]] = [NOTHING] * len(groups)
    known: dict[tuple[str, ...], dict[str, str]] = {(): NOTHING}
    few = {name: _few(table[name].values, block.start)[groups] for name in names}
    for at in np.flatnonzero(np.logical_or.reduce([*few.values(), np.zeros(len(groups), dtype=bool)])):
        key = tuple(name for name in names if few[name][at])
        if key not in known:
            known[key] = {name: code_text(Factor.of_column(name)) for name in key}
        found[at] = known[key]
    return found


def _few(values: np.ndarray, start: np.ndarray) -> np.ndarray:
    """(groups,) whether a column holds whole numbers alone, and a few different ones."""
    size = len(start) - 1
    first = np.where(np.diff(start) > 0, values[np.minimum(start[:-1], len(values) - 1)], 0.5)
    maybe = first == np.rint(first)  # which says of most columns of measurements that they are none
    if not maybe.any():
        return maybe
    group = np.repeat(np.arange(size), np.diff(start))
    broken = np.bincount(group, weights=values != np.rint(values), minlength=size) > 0
    whole = ~broken[group]
    group, values = group[whole], values[whole]
    if not len(values):
        return np.zeros(size, dtype=bool)
    order = np.lexsort((values, group))
    group, values = group[order], values[order]
    new = np.concatenate([[True], (group[1:] != group[:-1]) | (values[1:] != values[:-1])])
    count = np.bincount(group[new], minlength=size)
    return (count >= FEWEST_CODES) & (count <= MOST_CODES)
