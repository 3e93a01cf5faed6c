"""The models of a scan that have the same shape, a block of columns at a time, fitted together on all cores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from glmfit.errors import ModelError
from glmfit.estimate import start
from glmfit.estimate.check import inspection_of
from glmfit.estimate.maximum import Maximum, maximise
from glmfit.many.cores import side_by_side
from glmfit.many.scan.beforehand import INFLATED, alike, constant
from glmfit.many.scan.designed import Designed, Designer
from glmfit.many.scan.gapped import Scan, learns, without_gap
from glmfit.many.scan.own import Own, Shared
from glmfit.many.scan.responses import response_blocks
from glmfit.many.scan.rows import Outcome, ScanRecord, ScanRow, tested
from glmfit.many.scan.together import Batch, Together, may_be_together
from glmfit.model import assemble
from glmfit.rows import Data
from glmfit.rows.data import prepare

_One = tuple[int, Designed]
BLOCK_CELLS = 1 << 20  # numbers of the columns that are worked on together


def together(scan: Scan) -> Iterator[Outcome]:
    """What can be said of columns many at a time; of a column that is not among them nothing is."""
    if not may_be_together(scan.template.asked) or scan.asked.family.grouped:
        return
    if scan.of_response:
        responses = response_blocks(scan)
        if responses is not None:
            yield from chain.from_iterable(side_by_side(responses.blocks(), responses.outcomes))
        return
    columns = _of_columns(scan)
    if columns is not None:
        yield from chain.from_iterable(side_by_side(columns.blocks(), columns.outcomes))


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
        sizes = lengths[0] * lengths[1:]
        products = torch.where(sizes == 0, 0.0, (both[:, 0] @ both[:, 1:]).abs() / sizes)  # of constants none
        at = int(products.argmax()) if len(products) else 0
        return (float(products[at]), predictor.X.names[at]) if len(products) else (0.0, "")

    def _safe(self, own: Own) -> Tensor:
        """(m,) whether leaving out the rows in which a column is missing changes nothing else about the model."""
        if own.there is None:
            return torch.ones(len(own.Z), dtype=torch.bool)
        if learns(self.data.formula) or self.data.response.findings:
            return (own.there == 1).all(dim=1)
        y = self.data.response.y
        other = torch.from_numpy(~np.isin(y, (0.0, 1.0))).double()
        return (own.there @ other > 0) | (not bool(other.any()))

    def _fitted(self, own: Own, block: Sequence[_One]) -> list[Outcome]:
        likelihood = self.shared.likelihood(own)
        first = _extended(self._constants, likelihood.size, len(block))
        begin = _extended(self.found.optimum.theta, likelihood.size, len(block)) if self._concave else first
        phi = torch.full((len(block),), self.found.phi, dtype=torch.float64)
        maxima = self.fitter.maxima(Batch(likelihood, begin, first, phi, self._left))
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
    def _left(self) -> float:
        """The least share of a row's information without covariates that it has where searches begin."""
        if not self._concave:
            return 1.0  # which is without covariates
        likelihood = self.found.likelihood
        pairs = zip(likelihood.rows(self.found.optimum.theta), likelihood.rows(self._constants), strict=True)
        return min(
            float(torch.where(there.h == 0, 0.0, there.h / first.h).min()) for (_, _, there), (_, _, first) in pairs
        )

    @cached_property
    def _concave(self) -> bool:
        """Whether the log-density of each row curves downwards: then there is one maximum as a rule, and a search may
        begin at the one that is shared; else it begins where that of a single fit does."""
        rows = (row.h for _, _, row in self.found.likelihood.rows(self.found.optimum.theta))
        return all(h.shape[1] == 1 and bool((h <= 0).all()) for h in rows)


def _places(which: Tensor) -> list[int]:
    return torch.nonzero(which)[:, 0].tolist()


def _extended(theta: Tensor, size: int, m: int) -> Tensor:
    """(m, p) the coefficients that all share, and 0 for those of each."""
    return torch.cat([theta, torch.zeros(size - len(theta), dtype=torch.float64)]).expand(m, -1)
