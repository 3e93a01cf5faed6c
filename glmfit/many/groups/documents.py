"""A block of groups fitted together: the records of those that a batch can do, and a single fit as their pattern."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from glmfit.errors import Finding, GlmfitError
from glmfit.many.fits import Filled
from glmfit.many.groups.answers import Answers, Path, answers
from glmfit.many.groups.block import Block, Laid
from glmfit.many.groups.maximum import Maxima, maximise
from glmfit.many.groups.remarks import dropped, numeric_codes, remarks
from glmfit.report.template import Template
from glmfit.result import Fit

FEWEST = 2  # groups that are worth a batch


@dataclass(slots=True)
class Patterns:
    """Templates by the coefficients that the fits have: one for all groups, as a rule."""

    known: dict[tuple[Any, ...], Template] = field(default_factory=dict)

    def of(self, block: Block, paths: Sequence[Path], single: Callable[[], Fit | GlmfitError]) -> Template | None:
        """The one for a block; None where a single fit of the same kind does not have its form."""
        key = (block.names, tuple(paths))
        if key not in self.known:
            fit = single()
            if isinstance(fit, GlmfitError) or fit.exit_code or not _is_alike(fit, block, paths):
                return None
            self.known[key] = Template(fit, paths)
        return self.known[key]


def _is_alike(fit: Fit, block: Block, paths: Sequence[Path]) -> bool:
    """Whether a fit has the coefficients of the block and the same tests and constants as its values."""
    names = tuple((row.parameter, row.term) for row in fit.coefficients)
    tests = {path[1] for path in paths if path[0] == "joint_tests"}
    statuses = {row.status for row in fit.coefficients}
    return names == block.names and len(tests) == len(fit.joint_tests) and statuses == {None}


def fit_block(
    block: Block, rows_read: np.ndarray, missing: Mapping[str, np.ndarray], single: Callable[[int], Fit | GlmfitError],
    patterns: Patterns,
) -> Iterator[Filled]:  # fmt: skip
    """The fits of all groups of a block that are plain, a panel at a time; `single` fits one by itself."""
    begin = time.perf_counter()
    for laid in block.panels():
        if len(laid.members) < FEWEST:
            continue
        found = _fitted(block, laid)
        if found is None:
            continue
        laid, maxima, said = found
        good = torch.nonzero(said.good)[:, 0].tolist()
        if len(good) < FEWEST:
            continue
        groups = laid.members[good]
        values: dict[Path, Sequence[Any]] = {path: [column[at] for at in good] for path, column in said.values.items()}
        values |= _of_rows(block, laid, maxima, values, good, rows_read, missing)
        now = time.perf_counter()
        share = {"optimize": (now - begin) / len(laid.members)}
        values[("seconds",)] = [share] * len(good)
        begin = now
        template = patterns.of(block, list(values), partial(single, int(groups[0])))
        if template is not None:
            yield Filled(template, groups.tolist(), values)


def _fitted(block: Block, laid: Laid) -> tuple[Laid, Maxima, Answers] | None:
    """Those that stay in the batch to the end; an error, of a likelihood of one's own perhaps, is for single fits."""
    try:
        some = torch.nonzero(laid.plain)[:, 0]
        if not len(some):
            return None
        laid = replace(laid, members=laid.members[some.numpy()], index=laid.index[some], panel=laid.panel.of(some),
                       scales=laid.scales.of(some), plain=laid.plain[some])  # fmt: skip
        maxima = maximise(laid.panel, laid.scales, block.data.spec)
        some = torch.nonzero(maxima.plain)[:, 0]
        if not len(some):
            return None
        laid, maxima = replace(laid, members=laid.members[some.numpy()], index=laid.index[some]), maxima.of(some)
        return laid, maxima, answers(block, laid, maxima)
    except GlmfitError:
        return None


def _of_rows(
    block: Block, laid: Laid, found: Maxima, values: Mapping[Path, Sequence[Any]], good: list[int],
    rows_read: np.ndarray, missing: Mapping[str, np.ndarray],
) -> dict[Path, Sequence[Any]]:  # fmt: skip
    """What a document says of its rows, and the findings."""
    groups = laid.members[good]
    used = np.diff(block.start)[groups]
    said = remarks(block, found, values, good)
    base: tuple[Finding, ...] = block.data.table.findings
    return {
        ("data", "rows_read"): rows_read[groups].tolist(),
        ("data", "rows_used"): used.tolist(),
        ("data", "dropped"): dropped(missing, groups),
        ("data", "numeric_codes"): numeric_codes(block, groups),
        ("warnings",): [(*base, *more) for more in said],
    }
