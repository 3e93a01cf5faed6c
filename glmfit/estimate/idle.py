"""Rows that say nothing beside absorbed effects: alone in a level, or in one whose effect is infinite.

A level of one row fits it whatever the coefficients are, unless other parameters are estimated beside the mean. One
whose rows all lie at the same end of the response (all 0, all successes) has an effect that grows for ever, and fits
them in the limit. Each row that goes may leave another so: both are looked for until there are none (Correia 2015;
Correia, Guimaraes & Zylkin 2020, Stata Journal 20, 95-115).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import compress

import numpy as np
import torch
from torch import Tensor

from glmfit.errors import Finding, ModelError
from glmfit.families import Family, Link
from glmfit.model import estimated_formulas, held_parameters
from glmfit.numerics import constant
from glmfit.rows import Data, group_levels

SINGLETON, CONSTANT = "singleton", "no_variation"


def without_idle(data: Data) -> Data:
    """The data without such rows, which are counted by factor among those dropped, and said in findings."""
    n = len(data.table)
    for name, code in data.absorbed.items():
        if int(code.max()) + 1 == n > 1:
            message = f"--absorb {name}: each of the {n:,} rows has a level of its own, which leaves nothing to fit"
            raise ModelError("nothing_left", message, "write a covariate as a term; absorb levels of several rows each")
    # a row fitted exactly says something of a dispersion, if not of the mean
    mean_alone = len(estimated_formulas(data, held_parameters(data, constant(0.0, n)))) == 1
    sides = _sides(data)
    count = np.ones(n) if data.frequency is None else data.frequency
    kept = np.ones(n, dtype=bool)
    rows: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    levels: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    while True:
        before = int(kept.sum())
        for name, code in data.absorbed.items():
            size = int(code.max()) + 1
            alone = [(SINGLETON, _alone(code[kept], size, count[kept]))] if mean_alone else []
            for reason, gone in (*alone, (CONSTANT, _at_one_end(code[kept], size, sides[kept]))):
                lost = kept & gone[code]
                if lost.any():
                    rows[reason][name] += int(lost.sum())
                    levels[reason][name] += len(np.unique(code[lost]))
                    kept &= ~lost
        if int(kept.sum()) == before:
            break
    if not rows:
        return data
    if not kept.any():
        counted = " and ".join(f"{sum(rows[reason].values()):,} {_WORDS[reason]}" for reason in rows)
        message = f"no rows are left beside the effects of {' and '.join(data.absorbed)}: {counted}"
        raise ModelError("nothing_left", message, "absorb factors of fewer levels, with several rows in each")
    left = kept_rows(data, kept)
    said = tuple(_finding(reason, rows[reason], levels[reason]) for reason in rows)
    table = replace(left.table, findings=(*left.table.findings, *said))
    before_it = {reason: data.dropped.get(reason, {}) for reason in rows}
    counted_rows = {
        reason: {name: of.get(name, 0) + before_it[reason].get(name, 0) for name in {**before_it[reason], **of}}
        for reason, of in rows.items()
    }
    return replace(left, table=table, dropped={**data.dropped, **counted_rows})


def kept_rows(data: Data, kept: np.ndarray) -> Data:
    """The data of some rows (n,), and the absorbed levels that have none of them."""
    empty = {
        name: (
            *data.empty.get(name, ()),
            *compress(group_levels(data.table, name), np.bincount(code, weights=kept) == 0),
        )
        for name, code in data.absorbed.items()
    }
    return replace(data.keep(kept), empty=empty)


_WORDS = {SINGLETON: "are alone in a level", CONSTANT: "are in levels where the response is all at one end"}


def _alone(code: np.ndarray, size: int, count: np.ndarray) -> np.ndarray:
    """(L,) bool: levels of a single row, which stands for one unit."""
    return np.bincount(code, weights=count, minlength=size) == 1


def _at_one_end(code: np.ndarray, size: int, ends: np.ndarray) -> np.ndarray:
    """(L,) bool: levels whose rows are all at the lower end, or all at the upper."""
    there = np.bincount(code, minlength=size)
    at = (np.bincount(code[ends == side], minlength=size) for side in (-1, 1))
    return (there > 0) & np.any([counted == there for counted in at], axis=0)


def _sides(data: Data) -> np.ndarray:
    """(n,) -1 or 1 where a row says nothing more once its linear predictor has fallen or risen for ever, else 0."""
    trials = data.response.trials
    columns = {} if trials is None else {"trials": torch.from_numpy(trials)}
    found = ends(data.family, data.links, torch.from_numpy(data.response.y), columns)
    if found is None:
        return np.zeros(len(data.table))
    return torch.where(found.alone, found.sign, 0.0).numpy()


@dataclass(frozen=True, slots=True, eq=False)
class Ends:
    """Which way rows (n,) ask the main predictor to go for ever, -1, 0 or 1; `held` (n,) have their peak inside.

    `alone` (n,) say nothing more in the limit, whatever other predictors do.
    """

    sign: Tensor
    held: Tensor
    alone: Tensor


def ends(family: Family, links: Mapping[str, Link], y: Tensor, columns: Mapping[str, Tensor]) -> Ends | None:
    """Those of rows; None where the family does not state them, or not for its main predictor alone."""
    faces = list((family.recession(y, links, **columns) if family.has_recession else None) or ())
    place = [parameter.name for parameter in family.parameters].index(family.main)
    own = [face for face in faces if face.of_predictor(place) is not None]
    if len(own) != 1 or own[0].weights.shape[1] != 1:
        return None
    (face,) = own
    last = torch.zeros_like(face.equal) if face.last is None else face.last
    sign = torch.where(face.equal, 0.0, face.weights[:, 0])
    return Ends(sign, face.equal, (sign != 0) if len(faces) == 1 else last & (sign != 0))


def _finding(reason: str, rows: dict[str, int], levels: dict[str, int]) -> Finding:
    counted = ", ".join(f"{levels[name]:,} of {name}" for name in rows)
    total = sum(rows.values())
    if reason == SINGLETON:
        what = f"{total:,} rows were dropped that are alone in an absorbed level ({counted}): they say nothing"
        return Finding("singletons", what, tuple(rows))
    what = f"{total:,} rows were dropped in absorbed levels whose effect is infinite ({counted}): their responses are"
    return Finding("infinite_effects", f"{what} all at one end, as counts that are all 0", tuple(rows))
