"""The models of a scan that have the same shape, a block of columns at a time, fitted together on all cores."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from glmfit.errors import ModelError
from glmfit.estimate import start
from glmfit.estimate.check import inspection_of
from glmfit.estimate.maximum import Maximum, maximise
from glmfit.formula import learned_part
from glmfit.inference import Reference
from glmfit.many.gapped import Scan, without_gap
from glmfit.many.own import Own, Shared
from glmfit.many.scanned import ScanRecord, ScanRow
from glmfit.many.template import GAP
from glmfit.many.together import Batch, Maxima, Together, may_be_together
from glmfit.model import assemble
from glmfit.rows import Data
from glmfit.rows.data import prepare
from glmfit.table.selection import Selection

Outcome = tuple[int, ScanRecord | str]  # the place of a column, and its record or what is known of it beforehand
BLOCK_CELLS = 1 << 20  # numbers of the columns that are worked on together
INFLATED = 50.0  # a variance inflation factor, as PLINK 2 has it
ALIKE = 0.999  # a correlation with a covariate, as PLINK 2 has it


def together(scan: Scan) -> Iterator[Outcome]:
    """What can be said of columns many at a time; of a column that is not among them nothing is."""
    if not may_be_together(scan.template.asked) or scan.asked.family.grouped or scan.of_response:
        return
    blocks = _of_columns(scan)
    if blocks is None:
        return
    yield from _side_by_side(blocks.places(), blocks.block)


def _of_columns(scan: Scan) -> Blocks | None:
    """The blocks of columns that are covariates; None where what all models share is not an ordinary fit."""
    formula = without_gap(scan.asked.formula)
    if not all(predictor.terms for predictor in formula.predictors) or not _bare(scan):
        return None
    part = replace(scan.table, columns={name: scan.table[name] for name in scan.shared})
    data = prepare(replace(scan.asked, formula=formula, where=None), Selection(scan.source, part, np.arange(len(part))))
    try:
        found = maximise(assemble(data), data.spec, None, inspection_of(data))
    except ModelError:  # of each model by itself: a column of its own may make one of it
        return None
    plain = found.separated is None and found.flat is None and found.bread is not None and found.optimum.converged
    if not plain or found.optimum.edge or not Together(data, found.model).possible:
        return None
    return Blocks(scan, data, found)


def _bare(scan: Scan) -> bool:
    """Whether the column stands by itself wherever it stands."""
    return all(len(term.factors) == 1 and term.factors[0].column == GAP for _, term in scan.held())


@dataclass(frozen=True, eq=False)
class Blocks:
    """Columns that are numbers, in models whose other terms have the maximum `found` on the rows of `data`."""

    scan: Scan
    data: Data
    found: Maximum

    @cached_property
    def parameters(self) -> list[str]:
        """Those whose predictors have the column."""
        family = self.data.family
        held = [predictor.parameter for predictor, _ in self.scan.held()]
        if family.shared_formula:
            return [parameter.name for parameter in family.parameters]
        return [family.parameter(name).name for name in held]

    @cached_property
    def shared(self) -> Shared:
        return Shared(self.found.model, self.parameters)

    @cached_property
    def fitter(self) -> Together:
        return Together(self.data, self.found.model)

    @cached_property
    def index(self) -> np.ndarray:
        """(n,) where the rows of all models stand among those that were read."""
        return np.searchsorted(self.scan.table.rows, self.data.table.rows)

    def places(self) -> list[list[int]]:
        """Blocks of places of columns."""
        numbers = [at for at, name in enumerate(self.scan.names) if self.scan.table[name].levels is None]
        size = max(1, BLOCK_CELLS // len(self.index))
        return [numbers[start : start + size] for start in range(0, len(numbers), size)]

    def block(self, places: list[int]) -> list[Outcome]:
        """What is known of a block of columns."""
        names = [self.scan.names[place] for place in places]
        raw = torch.from_numpy(np.stack([self.scan.table[name].values[self.index] for name in names]))[:, None, :]
        own = self.shared.standardised(raw)
        factors, apart = self.shared.inflation(own)
        known = own.vary & (own.rows > 0) & torch.isfinite(torch.nan_to_num(raw, 0.0)).flatten(1).all(dim=1)
        out: list[Outcome] = []
        for at in torch.nonzero(~own.vary & (own.rows > 0))[:, 0].tolist() if self.shared.centred else ():
            rows = [
                ScanRow(names[at], parameter, names[at], 0, int(own.rows[at]), status="constant", failed=True)
                for parameter in self.parameters
            ]
            out.append((places[at], ScanRecord(rows)))
        for at in torch.nonzero(known & ~(factors <= INFLATED))[:, 0].tolist():
            out.append(
                (
                    places[at],
                    "collinear"
                    if self._alike(raw[at, 0]) > ALIKE or not math.isfinite(factors[at])
                    else "variance_inflation",
                )
            )
        chosen = torch.nonzero(known & (factors <= INFLATED) & apart & self._safe(own))[:, 0]
        if len(chosen):
            out += self._fitted(own.of(chosen), [places[at] for at in chosen.tolist()])
        return out

    def _alike(self, column: Tensor) -> float:
        """The largest correlation, in size, of a column with another of its predictor."""
        there = ~torch.isnan(column)
        predictor = next(p for p in self.found.model.rows.predictors if p.parameter in self.parameters)
        X = predictor.X.dense()[there]
        both = torch.cat([column[there][:, None], X], dim=1)
        both = both - both.mean(dim=0)
        lengths = torch.linalg.vector_norm(both, dim=0)
        products = (both[:, 0] @ both[:, 1:]).abs() / (lengths[0] * lengths[1:])
        return float(torch.nan_to_num(products, 0.0).max()) if len(products) else 0.0

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

    def _fitted(self, own: Own, places: Sequence[int]) -> list[Outcome]:
        likelihood = self.shared.likelihood(own)
        first = self._extended(self._constants, likelihood.size, len(places))
        begin = self._extended(self.found.optimum.theta, likelihood.size, len(places)) if self._concave else first
        phi = torch.full((len(places),), self.found.phi, dtype=torch.float64)
        maxima = self.fitter.maxima(Batch(likelihood, begin, first, phi))
        slots = torch.cat(list(likelihood.slots.values()))
        scale = own.scale[maxima.which].repeat(1, len(likelihood.slots))
        estimates = maxima.theta[:, slots] / scale
        errors = torch.sqrt(torch.diagonal(maxima.covariance, dim1=1, dim2=2)[:, slots]) / scale
        return list(self._records(own, places, maxima, estimates.tolist(), errors.tolist()))

    def _records(
        self, own: Own, places: Sequence[int], maxima: Maxima, estimates: list[list[float]], errors: list[list[float]]
    ) -> Iterator[Outcome]:
        base = [finding.code for finding in (*self.data.table.findings, *self.data.response.findings)]
        base += ["aliased"] * bool(self.found.model.aliased)
        df = [None] * len(estimates) if maxima.df is None else maxima.df.tolist()
        for at, *numbers, freedom, findings in zip(
            maxima.which.tolist(), estimates, errors, df, maxima.findings, strict=True
        ):
            name = self.scan.names[places[at]]
            reference = Reference(freedom)
            rows = []
            for parameter, estimate, error in zip(self.parameters, *numbers, strict=True):
                statistic = estimate / error
                rows.append(
                    ScanRow(
                        name,
                        parameter,
                        name,
                        0,
                        int(own.rows[at]),
                        estimate,
                        error,
                        statistic,
                        math.nan if freedom is None else freedom,
                        reference.p_value(statistic),
                        findings=[*base, *findings],
                    )
                )
            yield places[at], ScanRecord(rows)

    @staticmethod
    def _extended(theta: Tensor, size: int, m: int) -> Tensor:
        """(m, p) the coefficients that all share, and 0 for those of each."""
        return torch.cat([theta, torch.zeros(size - len(theta), dtype=torch.float64)]).expand(m, -1)

    @cached_property
    def _constants(self) -> Tensor:
        return start.coefficients(self.found.model, self.found.constants, {})

    @cached_property
    def _concave(self) -> bool:
        """Whether the log-density of each row curves downwards: then there is one maximum as a rule, and a search may
        begin at the one that is shared; else it begins where that of a single fit does."""
        rows = (row.h for _, _, row in self.found.likelihood.rows(self.found.optimum.theta))
        return all(h.shape[1] == 1 and bool((h <= 0).all()) for h in rows)


def _side_by_side(blocks: Sequence[list[int]], work: Callable[[list[int]], list[Outcome]]) -> Iterator[Outcome]:
    """The outcomes of all blocks, each worked on by one thread of as many as torch may use."""
    cores = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        if cores == 1 or len(blocks) < 2:
            for block in blocks:
                yield from work(block)
            return
        with ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for found in pool.map(work, blocks):
                yield from found
    finally:
        torch.set_num_threads(cores)
