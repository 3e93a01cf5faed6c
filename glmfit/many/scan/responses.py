"""Models that differ in their response alone: one design, and many responses fitted together on it.

A row in which a response is missing has weight 0 in its model. Each search begins at the family's own start, with phi
in the unit of its response.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from glmfit.errors import GlmfitError, ModelError
from glmfit.estimate import start
from glmfit.formula import Factor, Response
from glmfit.many.scan.gapped import Scan, learns
from glmfit.many.scan.own import clearly_apart, inflation_factors
from glmfit.many.scan.rows import Outcome, ScanRecord, tested
from glmfit.many.scan.sums import sums_of
from glmfit.many.scan.template import GAP
from glmfit.many.scan.together import Batch, Together
from glmfit.model import Model, VaryingLikelihood, assemble
from glmfit.rows import Data
from glmfit.rows.data import prepare
from glmfit.rows.response import read_response
from glmfit.trust import reported_map

BLOCK_CELLS = 1 << 20  # responses that are worked on together


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A response (n,) with something in place of what is missing, where it is there (n,), and codes of findings."""

    place: int
    y: np.ndarray
    there: np.ndarray
    findings: Sequence[str]


def response_blocks(scan: Scan) -> ResponseBlocks | None:
    """Blocks of responses; None where their models are more than one design with many responses."""
    asked, response = scan.asked, scan.asked.formula.response
    plain = response.kind == "value" and response.parts[0].column == GAP and not asked.observed.columns
    if not plain or asked.spec.censor is not None or asked.family.categories or asked.family.path is not None:
        return None
    for name in scan.names:
        try:
            data = _prepared(scan, name)
            model = assemble(data)
        except GlmfitError:  # it is met again where that model is fitted by itself
            continue
        trials = data.response.trials
        alike = trials is None or (bool((trials == 1).all()) and not data.response.weights_are_trials)
        possible = Together(data, model).possible and alike and not model.aliased and not data.response.extra
        return ResponseBlocks(scan, data, model) if possible else None
    return None


def _prepared(scan: Scan, name: str) -> Data:
    """The rows that all models share, with the response `name` in which nothing is missing any more."""
    column = scan.table[name]
    missing = column.missing
    if missing.all():
        raise ModelError("no_rows", f"'{name}' is missing in every row", "leave it out")
    filled = np.where(missing, column.values[int(np.argmin(missing))], column.values)
    table = replace(scan.table, columns={**scan.table.columns, name: replace(column, values=filled)})
    part = replace(scan, table=table).part(name)
    formula = replace(scan.asked.formula, response=_of(name))
    variables = tuple(name if one == GAP else one for one in formula.variables)
    return prepare(replace(scan.asked, formula=replace(formula, variables=variables), where=None), part)


def _of(name: str) -> Response:
    return Response(name, "value", (Factor.of_column(name),))


@dataclass(frozen=True, eq=False)
class ResponseBlocks:
    """Responses on the design of `model`, on the rows of `data`, which has one of them."""

    scan: Scan
    data: Data
    model: Model

    @cached_property
    def together(self) -> Together:
        return Together(self.data, self.model)

    @cached_property
    def index(self) -> np.ndarray:
        """(n,) where the rows of all models stand among those that were read."""
        return np.searchsorted(self.scan.table.rows, self.data.table.rows)

    @cached_property
    def reported(self) -> Tensor:
        """(p, p) the reported coefficients from the working ones."""
        return reported_map(self.model)

    def blocks(self) -> Iterator[list[Answer]]:
        """Responses, so many at a time."""
        size, block = max(1, BLOCK_CELLS // len(self.index)), []
        for place, name in enumerate(self.scan.names):
            answer = self._answer(place, name)
            if answer is not None:
                block.append(answer)
            if len(block) >= size:
                yield block
                block = []
        if block:
            yield block

    def _answer(self, place: int, name: str) -> Answer | None:
        """A response as its family takes it; None where it is no matter of another vector alone."""
        column = self.scan.table[name].take(self.index)
        there = ~column.missing
        if not there.any() or any(name in finding.terms for finding in self.scan.table.findings):
            return None
        if not there.all() and learns(self.data.formula):
            return None
        table = replace(self.data.table, columns={**self.data.table.columns, name: column})
        table = table if there.all() else table.keep(there)
        weights = None if self.data.weights is None else self.data.weights[there]
        try:
            found = read_response(_of(name), table, self.model.family, self.data.spec, weights)
        except GlmfitError:  # it is met again where the model is fitted by itself
            return None
        if found.weights_are_trials or (found.trials is not None and bool((found.trials != 1).any())):
            return None
        y = np.full(len(there), found.y[0])
        y[there] = found.y
        return Answer(place, y, there, [finding.code for finding in found.findings])

    def outcomes(self, block: list[Answer]) -> list[Outcome]:
        """The records of a block of responses that are plain."""
        y = torch.from_numpy(np.stack([one.y for one in block]))
        complete = all(one.there.all() for one in block)
        there = None if complete else torch.from_numpy(np.stack([one.there for one in block])).double()
        nothing = torch.zeros((len(block), 0, y.shape[1]), dtype=torch.float64)
        likelihood = VaryingLikelihood(self.model, (), nothing, there, y)
        begin = self._starts(y, there)
        fine = torch.isfinite(begin).all(dim=1)
        for k in range(len(self.model.rows.predictors)):
            fine &= clearly_apart(inflation_factors(likelihood.gram(k)))
        kept = torch.nonzero(fine)[:, 0]
        if not len(kept):
            return []
        chosen = [block[at] for at in kept.tolist()]
        batch = self._batch(y[kept], None if there is None else there[kept], begin[kept])
        maxima = self.together.maxima(batch)
        estimates = maxima.theta @ self.reported.T
        variances = ((self.reported @ maxima.covariance) * self.reported).sum(dim=2)
        errors = torch.sqrt(variances)
        table = [finding.code for finding in self.data.table.findings]
        out: list[Outcome] = []
        numbers = zip(estimates.tolist(), errors.tolist(), maxima.freedom(), maxima.findings, strict=True)
        for at, (estimate, error, df, findings) in zip(maxima.which.tolist(), numbers, strict=True):
            answer = chosen[at]
            name, n = self.scan.names[answer.place], int(answer.there.sum())
            said = [*table, *answer.findings, *findings]
            rows = [
                tested(name, parameter, term, place, n, estimate[at], error[at], df, said)
                for at, parameter, term, place in self._labels
            ]
            out.append((answer.place, ScanRecord(rows)))
        return out

    @cached_property
    def _labels(self) -> list[tuple[int, str, str, int]]:
        """The coefficients that are reported: where they stand, parameter, name, and the place of the term."""
        places = {term: at for at, term in enumerate(dict.fromkeys(self.model.terms))}
        every = [
            (at, *self.model.names[whole], places[self.model.terms[whole]]) for at, whole in enumerate(self.model.kept)
        ]
        rows = [label for label in every if label[2] != "Intercept"]
        return rows or [
            (at, parameter, term, 0) for at, parameter, term, _ in every if parameter == self.model.family.main
        ]

    def _starts(self, y: Tensor, there: Tensor | None) -> Tensor:
        """(m, p) the coefficients of the models without covariates; NaN where the family has no start of its own."""
        rows, names = self.model.rows, self.model.with_constants
        units = [start.from_constants(self.model, {name: 1.0}) for name in names]
        out = torch.full((len(y), self.model.size), math.nan, dtype=torch.float64)
        for at, own in enumerate(y):
            part = slice(None) if there is None else there[at] > 0
            columns = {name: column[part] for name, column in rows.columns.items()}
            natural = self.model.family.start(own[part], rows.weight[part], **columns)
            if all(name in natural for name in names):
                etas = [float(self.model.links[name].link(torch.tensor(natural[name]).double())) for name in names]
                out[at] = sum(eta * unit for eta, unit in zip(etas, units, strict=True))
        return out

    def _batch(self, y: Tensor, there: Tensor | None, begin: Tensor) -> Batch:
        """The likelihoods, with phi held at what it is without covariates."""
        nothing = torch.zeros((len(y), 0, y.shape[1]), dtype=torch.float64)
        phi = torch.ones(len(y), dtype=torch.float64)
        likelihood = VaryingLikelihood(self.model, (), nothing, there, y)
        if self.model.holds_phi:
            everyone = torch.arange(len(y))
            sums = sums_of(likelihood, begin, everyone, frozenset(["pearson"]))
            found = sums.pearson / likelihood.observations(everyone)
            phi = torch.where(torch.isfinite(found) & (found > 0), found, phi)
            likelihood = VaryingLikelihood(self.model, (), nothing, there, y, phi)
        return Batch(likelihood, begin, begin, phi)
