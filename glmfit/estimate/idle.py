"""Rows that say nothing beside absorbed effects: alone in a level, or in one whose effect is infinite.

A level of one row fits it whatever the coefficients are, unless other parameters are estimated beside the mean. One
whose rows all lie at the same end of the response (all 0, all successes) has an effect that grows for ever, and fits
them in the limit. Each row that goes may leave another so: both are looked for until there are none (Correia 2015;
Correia, Guimaraes & Zylkin 2020, Stata Journal 20, 95-115).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import compress

import numpy as np
import torch

from glmfit.errors import Finding, ModelError
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
    ends = _ends(data)
    count = np.ones(n) if data.frequency is None else data.frequency
    kept = np.ones(n, dtype=bool)
    rows: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    levels: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    while True:
        before = int(kept.sum())
        for name, code in data.absorbed.items():
            size = int(code.max()) + 1
            alone = [(SINGLETON, _alone(code[kept], size, count[kept]))] if mean_alone else []
            for reason, gone in (*alone, (CONSTANT, _at_one_end(code[kept], size, ends[kept]))):
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
    empty = {
        name: tuple(compress(group_levels(data.table, name), np.bincount(code, weights=kept) == 0))
        for name, code in data.absorbed.items()
    }
    left = replace(data.keep(kept), empty=empty)
    said = tuple(_finding(reason, rows[reason], levels[reason]) for reason in rows)
    table = replace(left.table, findings=(*left.table.findings, *said))
    return replace(left, table=table, dropped={**data.dropped, **{reason: dict(of) for reason, of in rows.items()}})


_WORDS = {SINGLETON: "are alone in a level", CONSTANT: "are in levels where the response is all at one end"}


def _alone(code: np.ndarray, size: int, count: np.ndarray) -> np.ndarray:
    """(L,) bool: levels of a single row, which stands for one unit."""
    return np.bincount(code, weights=count, minlength=size) == 1


def _at_one_end(code: np.ndarray, size: int, ends: np.ndarray) -> np.ndarray:
    """(L,) bool: levels whose rows are all at the lower end, or all at the upper."""
    there = np.bincount(code, minlength=size)
    at = (np.bincount(code[ends == side], minlength=size) for side in (-1, 1))
    return (there > 0) & np.any([counted == there for counted in at], axis=0)


def _ends(data: Data) -> np.ndarray:
    """(n,) -1 or 1 where a response asks for a linear predictor that falls or rises for ever, 0 where it does not."""
    if not data.family.has_recession:
        return np.zeros(len(data.table))
    trials = data.response.trials
    columns = {} if trials is None else {"trials": torch.from_numpy(trials)}
    faces = list(data.family.recession(torch.from_numpy(data.response.y), data.links, **columns) or ())
    if len(faces) != 1:
        return np.zeros(len(data.table))
    (face,) = faces
    return torch.where(face.equal, 0.0, face.weights[:, 0]).numpy()


def _finding(reason: str, rows: dict[str, int], levels: dict[str, int]) -> Finding:
    counted = ", ".join(f"{levels[name]:,} of {name}" for name in rows)
    total = sum(rows.values())
    if reason == SINGLETON:
        what = f"{total:,} rows were dropped that are alone in an absorbed level ({counted}): they say nothing"
        return Finding("singletons", what, tuple(rows))
    what = f"{total:,} rows were dropped in absorbed levels whose effect is infinite ({counted}): their responses are"
    return Finding("infinite_effects", f"{what} all at one end, as counts that are all 0", tuple(rows))
