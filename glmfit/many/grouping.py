"""The models of a scan that have the same shape, a block of columns at a time, fitted together on all cores."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from glmfit.errors import Finding, ModelError
from glmfit.estimate import start
from glmfit.estimate.check import inspection_of
from glmfit.estimate.maximum import Maximum, maximise
from glmfit.formula import learned_part
from glmfit.inference import Reference
from glmfit.many.beforehand import INFLATED, alike, constant
from glmfit.many.designed import Designed, Designer
from glmfit.many.gapped import Scan, without_gap
from glmfit.many.own import Own, Shared
from glmfit.many.scanned import ScanRecord, ScanRow
from glmfit.many.together import Batch, Together, may_be_together
from glmfit.model import assemble
from glmfit.rows import Data
from glmfit.rows.data import prepare

_One = tuple[int, Designed]
_Block = TypeVar("_Block")
Outcome = tuple[int, ScanRecord | Finding]  # the place of a column, and its record or what is known of it beforehand
BLOCK_CELLS = 1 << 20  # numbers of the columns that are worked on together


def together(scan: Scan) -> Iterator[Outcome]:
    """What can be said of columns many at a time; of a column that is not among them nothing is."""
    if not may_be_together(scan.template.asked) or scan.asked.family.grouped or scan.of_response:
        return
    blocks = _of_columns(scan)
    if blocks is not None:
        yield from side_by_side(blocks.blocks(), blocks.outcomes)


def _of_columns(scan: Scan) -> Blocks | None:
    """The blocks of columns that are covariates; None where what all models share is not an ordinary fit."""
    formula = without_gap(scan.asked.formula)
    if not all(predictor.terms for predictor in formula.predictors):
        return None
    data = prepare(replace(scan.asked, formula=formula, where=None), scan.part())
    try:
        found = maximise(assemble(data), data.spec, None, inspection_of(data))
    except ModelError:  # of each model by itself: a column of its own may make one of it
        return None
    plain = found.separated is None and found.flat is None and found.bread is not None and found.optimum.converged
    if not plain or found.optimum.edge or not Together(data, found.model).possible:
        return None
    return Blocks(scan, data, found)


@dataclass(frozen=True, eq=False)
class Blocks:
    """Models whose terms without the column have the maximum `found` on the rows of `data`."""

    scan: Scan
    data: Data
    found: Maximum

    @cached_property
    def parameters(self) -> list[str]:
        """Those whose predictors have the column."""
        family = self.data.family
        if family.shared_formula:
            return [parameter.name for parameter in family.parameters]
        return list(dict.fromkeys(family.parameter(predictor.parameter).name for predictor, _ in self.scan.held()))

    @cached_property
    def shared(self) -> Shared:
        return Shared(self.found.model, self.parameters)

    @cached_property
    def fitter(self) -> Together:
        return Together(self.data, self.found.model)

    @cached_property
    def designer(self) -> Designer:
        first = self.parameters[0]
        names = [term for parameter, term in self.found.model.names if parameter == first]
        return Designer(self.scan, self.data, first, names)

    def blocks(self) -> Iterator[list[_One]]:
        """Columns of models, those together that have as many."""
        size = max(1, BLOCK_CELLS // len(self.data.table))
        waiting: dict[int, list[_One]] = {}
        for place, name in enumerate(self.scan.names):
            designed = self.designer.columns(name)
            if designed is None:
                continue
            q = len(designed.labels)
            block = waiting.setdefault(q, [])
            block.append((place, designed))
            if q * len(block) >= size:
                yield waiting.pop(q)
        yield from waiting.values()

    def outcomes(self, block: list[_One]) -> list[Outcome]:
        """What is known of a block of columns."""
        raw = torch.from_numpy(np.stack([designed.values for _, designed in block]))
        own = self.shared.standardised(raw)
        factors, apart = self.shared.inflation(own)
        there = own.rows > 0
        finite = ~torch.isinf(raw).flatten(1).any(dim=1)
        out: list[Outcome] = []
        if self.shared.centred:
            out += [self._constant(*block[at], int(own.rows[at])) for at in _places(there & finite & ~own.vary)]
        known = there & finite & own.vary
        if raw.shape[1] == 1:
            for at in _places(known & ~(factors <= INFLATED)):
                finding = alike(self.scan.names[block[at][0]], float(factors[at]), *self._nearest(raw[at, 0]))
                out += [] if finding is None else [(block[at][0], finding)]
            known &= factors <= INFLATED
        chosen = torch.tensor(_places(known & apart & self._safe(own)), dtype=torch.int64)
        if len(chosen):
            out += self._fitted(own.of(chosen), [block[at] for at in chosen.tolist()])
        return out

    def _constant(self, place: int, designed: Designed, rows: int) -> Outcome:
        """A column without variation has no coefficient beside a constant."""
        name = self.scan.names[place]
        finding = constant(name, rows)
        labels = [(parameter, *label) for parameter in self.parameters for label in designed.labels]
        return place, ScanRecord(
            [
                ScanRow(name, parameter, term, at, rows, status=finding.code, failed=True, message=finding.message)
                for parameter, at, term in labels
            ]
        )

    def _nearest(self, column: Tensor) -> tuple[float, str]:
        """The largest correlation, in size, of a column with another of its predictor, and the name of that one."""
        there = ~torch.isnan(column)
        predictor = next(p for p in self.found.model.rows.predictors if p.parameter in self.parameters)
        both = torch.cat([column[there][:, None], predictor.X.dense()[there]], dim=1)
        both = both - both.mean(dim=0)
        lengths = torch.linalg.vector_norm(both, dim=0)
        products = torch.nan_to_num((both[:, 0] @ both[:, 1:]).abs() / (lengths[0] * lengths[1:]), 0.0)
        at = int(products.argmax()) if len(products) else 0
        return (float(products[at]), predictor.X.names[at]) if len(products) else (0.0, "")

    def _safe(self, own: Own) -> Tensor:
        """(m,) whether leaving out the rows in which a column is missing changes nothing else about the model."""
        if own.there is None:
            return torch.ones(len(own.Z), dtype=torch.bool)
        terms = (term for predictor in self.data.formula.predictors for term in predictor.terms)
        learned = any(learned_part(factor.tree) is not None for term in terms for factor in term.factors)
        if learned or self.data.response.findings:
            return (own.there == 1).all(dim=1)
        y = self.data.response.y
        other = torch.from_numpy(~np.isin(y, (0.0, 1.0))).double()
        return (own.there @ other > 0) | (not bool(other.any()))

    def _fitted(self, own: Own, block: Sequence[_One]) -> list[Outcome]:
        likelihood = self.shared.likelihood(own)
        first = _extended(self._constants, likelihood.size, len(block))
        begin = _extended(self.found.optimum.theta, likelihood.size, len(block)) if self._concave else first
        phi = torch.full((len(block),), self.found.phi, dtype=torch.float64)
        maxima = self.fitter.maxima(Batch(likelihood, begin, first, phi))
        slots = torch.cat(list(likelihood.slots.values()))
        scale = own.scale[maxima.which].repeat(1, len(likelihood.slots))
        estimates = maxima.theta[:, slots] / scale
        errors = torch.sqrt(torch.diagonal(maxima.covariance, dim1=1, dim2=2)[:, slots]) / scale
        base = [finding.code for finding in (*self.data.table.findings, *self.data.response.findings)]
        base += ["aliased"] * bool(self.found.model.aliased)
        numbers = zip(estimates.tolist(), errors.tolist(), maxima.freedom(), maxima.findings, strict=True)
        out: list[Outcome] = []
        for at, (estimate, error, df, findings) in zip(maxima.which.tolist(), numbers, strict=True):
            place, designed = block[at]
            labels = [(parameter, *label) for parameter in self.parameters for label in designed.labels]
            n, name = int(own.rows[at]), self.scan.names[place]
            rows = [
                tested(name, parameter, term, at, n, value, spread, df, [*base, *findings])
                for (parameter, at, term), value, spread in zip(labels, estimate, error, strict=True)
            ]
            out.append((place, ScanRecord(rows)))
        return out

    @cached_property
    def _constants(self) -> Tensor:
        return start.coefficients(self.found.model, self.found.constants, {})

    @cached_property
    def _concave(self) -> bool:
        """Whether the log-density of each row curves downwards: then there is one maximum as a rule, and a search may
        begin at the one that is shared; else it begins where that of a single fit does."""
        rows = (row.h for _, _, row in self.found.likelihood.rows(self.found.optimum.theta))
        return all(h.shape[1] == 1 and bool((h <= 0).all()) for h in rows)


def tested(
    name: str, parameter: str, term: str, place: int, n: int, estimate: float, error: float, df: float | None,
    findings: list[str],
) -> ScanRow:  # fmt: skip
    """The row of a coefficient, with its test against 0."""
    statistic = estimate / error
    p = Reference(df).p_value(statistic)
    freedom = math.nan if df is None else df
    return ScanRow(name, parameter, term, place, n, estimate, error, statistic, freedom, p, findings=findings)


def _places(which: Tensor) -> list[int]:
    return torch.nonzero(which)[:, 0].tolist()


def _extended(theta: Tensor, size: int, m: int) -> Tensor:
    """(m, p) the coefficients that all share, and 0 for those of each."""
    return torch.cat([theta, torch.zeros(size - len(theta), dtype=torch.float64)]).expand(m, -1)


def side_by_side(blocks: Iterator[_Block], work: Callable[[_Block], list[Outcome]]) -> Iterator[Outcome]:
    """The outcomes of all blocks, each worked on by one thread of as many as torch may use; few are there at a time."""
    cores = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        if cores == 1:
            for block in blocks:
                yield from work(block)
            return
        with ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            running: deque[Future[list[Outcome]]] = deque()
            for block in blocks:
                running.append(pool.submit(work, block))
                if len(running) > cores:
                    yield from running.popleft().result()
            while running:
                yield from running.popleft().result()
    finally:
        torch.set_num_threads(cores)
