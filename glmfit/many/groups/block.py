"""A block of groups as one design: its rows read and evaluated once, then laid out as panels of groups of like sizes.

A group stays in the batch while nothing about it is out of the ordinary; what is, a single fit knows best.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from glmfit.design import Matrix
from glmfit.families import Family
from glmfit.formula import Evaluator, Levels
from glmfit.many.groups.scales import Scales, scaled
from glmfit.model import (
    Panel,
    PanelPredictor,
    columns_of,
    estimated_formulas,
    held_parameters,
    linear_predictors,
    weighed,
)
from glmfit.rows import Data
from glmfit.rows.asked import Asked
from glmfit.spec import cluster_columns
from glmfit.table import Table
from glmfit.table.disguise import hidden_numbers

PANEL_ROWS = 1 << 16  # of a panel, filling among them: what autograd keeps of them stays near the processor
FILLING = 1.25  # the largest of a panel over its smallest
MOST_ROWS = 50_000  # of a group: a larger one gains nothing
MOST_COLUMNS = 100
FEWEST_ALIKE = 4  # groups that are worth a block of their own
MANY_LEVELS, FEW_LEVELS = 0.8, 10  # see rows/factors
WIDEST = 700.0  # between offsets under the log link, see rows/weights


def batchable(asked: Asked) -> bool:
    """Whether what is asked of every group can be had of a batch; docs/many.md lists what cannot."""
    spec, family = asked.spec, asked.family
    kind = (spec.se or "").partition(":")[0]
    of_fit = (
        spec.bias_reduction,
        spec.start,
        spec.check_separation,
        spec.event,
        spec.censor,
        asked.observed.columns,
        spec.absorb,
        asked.formula.smooths,
    )
    weights_and_trials = asked.formula.response.kind != "value" and bool(spec.weights or spec.freq_weights)
    return not (
        any(of_fit)
        or weights_and_trials
        or spec.separation == "drop"
        or spec.optimizer != "newton"
        or spec.ci != "wald"
        or kind == "wild"
        or len(cluster_columns(spec.se)) == 2
        or spec.small_sample == "cr2"
        or family.categories
        or family.grouped
        or family.location
        or family.several_peaks
        or family.log_phi_step < float("inf")
        or type(family).caution is not Family.caution
    )


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """A panel of groups: `members` (B,) are their places in the block; `there` is that of the panel.

    `scales` belong to the columns of the panel, which are standardised in each group by itself.
    """

    members: np.ndarray
    index: Tensor
    panel: Panel
    scales: Scales
    plain: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The complete rows of several groups, those of group g at start[g]:start[g + 1]; `plain` (groups,) are those of
    which nothing is known yet that a batch could not do. `names` are (parameter, term) of the coefficients. `classes`
    are groups that lack levels of factors, the same ones each, and are a block by themselves."""

    data: Data
    start: np.ndarray
    plain: np.ndarray
    classes: tuple[np.ndarray, ...]
    rows: Mapping[str, Tensor]
    columns: Mapping[str, Tensor]
    held: Mapping[str, Tensor]
    predictors: tuple[tuple[str, Matrix, Tensor], ...]
    names: tuple[tuple[str, str], ...]
    terms: tuple[str, ...]
    has_intercept: bool

    def panels(self) -> Iterator[Laid]:
        """All plain groups, side by side with those of about the same size."""
        counts = np.diff(self.start)
        order = np.flatnonzero(self.plain)
        order = order[np.argsort(counts[order], kind="stable")]
        dense = {id(matrix): matrix.dense() for _, matrix, _ in self.predictors}
        at = 0
        while at < len(order):
            sizes = counts[order[at:]]
            room = np.searchsorted(sizes * np.arange(1, len(sizes) + 1), PANEL_ROWS, side="right")
            alike = np.searchsorted(sizes, FILLING * sizes[0] + 1, side="right")
            members = order[at : at + max(1, min(int(room), int(alike)))]
            at += len(members)
            yield self._laid(np.sort(members), dense)

    def _laid(self, members: np.ndarray, dense: Mapping[int, Tensor]) -> Laid:
        start = torch.from_numpy(self.start[members])
        counts = torch.from_numpy(np.diff(self.start)[members])
        place = torch.arange(int(counts.max()))
        there = place < counts[:, None]
        index = torch.where(there, start[:, None] + place, start[:, None])
        n, first = counts.to(torch.float64), 0
        known: dict[int, tuple[Tensor, Scales, Tensor]] = {}
        predictors, parts, plain = [], [], torch.ones(len(members), dtype=torch.bool)
        for name, matrix, offset in self.predictors:
            if id(matrix) not in known:
                X = dense[id(matrix)][index].permute(0, 2, 1).contiguous()
                known[id(matrix)] = scaled(matrix, X, index, there, n)
            working, scales, fine = known[id(matrix)]
            plain &= fine
            columns = torch.arange(first, first + working.shape[1])
            first += working.shape[1]
            predictors.append(PanelPredictor(name, working, columns, offset[index]))
            parts.append(scales)
        rows = {name: values[index] for name, values in self.rows.items()}
        rows["weight"] = torch.where(there, rows["weight"], 0.0)
        if self.data.sampling is not None:  # only their ratios mean anything, see rows/weights
            rows["weight"] = rows["weight"] * (n / rows["weight"].sum(dim=1))[:, None]
        rows["frequency"] = torch.where(there, rows["frequency"], 0.0)
        plain &= first <= rows["frequency"].sum(dim=1)
        columns_, held = (
            {name: values[index] for name, values in found.items()} for found in (self.columns, self.held)
        )
        panel = Panel(self.data.family, self.data.links, **rows, columns=columns_, held=held, there=there,
                      predictors=tuple(predictors))  # fmt: skip
        return Laid(members, index, panel, Scales.beside(parts), plain)


def block_of(data: Data, before: Table, start: np.ndarray) -> Block | None:
    """The block of prepared rows, of which the groups had those at `start` of the table `before`; None where something
    is said of the rows that may not hold for every group."""
    extra = [finding for finding in data.table.findings if finding not in before.findings]
    if data.response.findings or any(finding.code != "nameless_column" for finding in extra):
        return None
    evaluator, predictors, rows, held = _evaluated(data)
    group = np.repeat(np.arange(len(start) - 1), np.diff(start))
    kept = np.searchsorted(np.sort(before.rows), data.table.rows)
    kept = np.argsort(before.rows, kind="stable")[kept]
    group = group[kept]
    counts = np.bincount(group, minlength=len(start) - 1)
    first = np.concatenate([[0], np.cumsum(counts)])
    plain = (counts > 0) & (counts <= MOST_ROWS) & _ordinary_response(data, group, counts)
    complete, alike = _levels(evaluator, data, group, counts)
    classes = [np.flatnonzero(plain & ~complete & (alike == one)) for one in np.unique(alike[plain & ~complete])]
    plain &= complete
    for offset in (offset.numpy() for _, _, offset in predictors):
        low, high = _ends(offset, group, len(counts))
        plain &= ~(high - low > WIDEST)
    plain &= not evaluator.state.transforms  # which learn from the rows, of each group by itself
    plain &= 0 < sum(matrix.shape[1] for _, matrix, _ in predictors) <= MOST_COLUMNS
    names = tuple((name, column) for name, matrix, _ in predictors for column in matrix.names)
    main = data.formula.predictors[0] if data.formula.predictors else None
    return Block(
        data=data,
        start=first,
        plain=plain,
        classes=tuple(one for one in classes if len(one) >= FEWEST_ALIKE) if not complete.all() else (),
        rows=rows,
        columns=columns_of(data),
        held=held,
        predictors=predictors,
        names=names,
        terms=tuple(term for _, matrix, _ in predictors for term in matrix.terms),
        has_intercept=main is not None and any(term.name == "Intercept" for term in main.terms),
    )


_Evaluated = tuple[Evaluator, tuple[tuple[str, Matrix, Tensor], ...], dict[str, Tensor], dict[str, Tensor]]


def _evaluated(data: Data) -> _Evaluated:
    """Columns, rows and held parameters."""
    y, weight, frequency, log_prior = weighed(data)
    held = held_parameters(data, log_prior)
    evaluator = Evaluator(data.table, frequency=data.frequency)
    predictors = tuple(linear_predictors(data, estimated_formulas(data, held), evaluator, log_prior))
    rows = {"y": y, "weight": weight, "frequency": frequency, "log_prior": log_prior}
    return evaluator, predictors, rows, held


def _ends(values: np.ndarray, group: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The smallest and the largest value of each group, (size,) each; inf and -inf of one without rows."""
    low, high = np.full(size, np.inf), np.full(size, -np.inf)
    np.minimum.at(low, group, values)
    np.maximum.at(high, group, values)
    return low, high


def _ordinary_response(data: Data, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(groups,) whether the response varies, and is read as that of all is: of two levels has both, of shares some."""
    y, family, G = data.response.y, data.family, len(counts)
    share = y if data.response.trials is None else y / data.response.trials
    low, high = _ends(share, group, G)
    fine = low < high
    if data.response.weights_are_trials:
        prior = data.response.trials
        assert prior is not None
        between = np.bincount(group, weights=(share > 0) & (share < 1), minlength=G) > 0
        fine &= between
    if family.support.lower == -np.inf and family.path is None and not family.quadratic_links:
        fine &= np.bincount(group, weights=(y != 0) & (y != 1), minlength=G) > 0
    return fine


def _levels(evaluator: Evaluator, data: Data, group: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(groups,) whether every level of every factor occurs, none of them nearly once a row; and (groups,) a number that
    groups with the same levels share."""
    fine, seen = np.ones(len(counts), dtype=bool), []
    factors = {factor.text: factor for p in data.formula.predictors for term in p.terms for factor in term.factors}
    for factor in factors.values():
        found = evaluator.factor(factor)
        if not isinstance(found, Levels):
            continue
        size = len(found.levels)
        there = np.zeros((len(counts), size), dtype=bool)
        there[group, found.codes] = True
        seen.append(np.packbits(there, axis=1))
        fine &= there.all(axis=1)
        if size > FEW_LEVELS:
            fine &= size < MANY_LEVELS * counts
        if factor.column is not None and data.table[factor.column].kind == "text":
            fine &= not hidden_numbers(found.levels).numbers.any()
    if not seen:
        return fine, np.zeros(len(counts), dtype=np.int64)
    return fine, np.unique(np.concatenate(seen, axis=1), axis=0, return_inverse=True)[1].reshape(-1)
