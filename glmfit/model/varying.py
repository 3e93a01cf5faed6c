"""One model with a few columns that are others in each of B copies: B log-likelihoods of [X, Z_b], evaluated together.

    eta_b = X theta_b + Z_b zeta_b + offset        Hessian_b = [X'hX, X'hZ_b; Z_b'hX, Z_b'hZ_b]        b = 1..B

The block of X is one product of matrices for all of them, (B, n) by the products of its columns with each other; what
Z_b adds is a border. A row that has no value in Z_b has weight 0 there, which is to be left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from glmfit.model.batch import Prepared, add, end_to_end, prepared
from glmfit.model.likelihood import gradients
from glmfit.model.model import Model
from glmfit.model.rows import Rows
from glmfit.numerics import BatchDerivatives

CELLS = 1 << 16  # rows of all likelihoods worked on together: what autograd keeps of them stays near the processor
Products = Mapping[tuple[int, int], Tensor]  # (m, n) what stands between the columns of predictors j <= k


class RunDerivatives(NamedTuple):
    """Of the rows of a run, unweighted: values (m, n), first derivatives by predictor, second by two of them."""

    l: Tensor  # noqa: E741 - the letter of the field
    g: list[Tensor]
    h: dict[tuple[int, int], Tensor]

    def expand(self, m: int) -> RunDerivatives:
        """The same for each of m likelihoods."""
        return RunDerivatives(
            self.l.expand(m, -1),
            [one.expand(m, -1) for one in self.g],
            {at: one.expand(m, -1) for at, one in self.h.items()},
        )


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Some of the likelihoods at some of the rows: their places in `which`, the chunk, its rows, their weights (m, n),
    their own columns (m, q, n), and the linear predictors, (m, n) each.

    Where the family cannot take rows (n,) beside linear predictors (m, n), all are laid end to end, (m n,).
    """

    part: slice
    chunk: Prepared
    rows: Rows
    weight: Tensor
    Z: Tensor
    etas: list[Tensor]


class VaryingLikelihood:
    """B log-likelihoods of a model with q further columns: an objective for `newton_batch`.

    `columns` (B, q, n) are those of each, in the predictors of some `parameters`; they are 0 where `there` (B, n) is 0,
    None for everywhere. `slots` has the places (q,) of their coefficients for the position of each such predictor, all
    of them after those of the model. `responses` (B, n) stand in the place of the model's own, and `phi` (B,) in that
    of the phi that it holds.
    """

    def __init__(
        self,
        model: Model,
        parameters: Collection[str],
        columns: Tensor,
        there: Tensor | None = None,
        responses: Tensor | None = None,
        phi: Tensor | None = None,
    ) -> None:
        self.model, self.likelihood, self.parameters = model, model.likelihood(), parameters
        self.columns, self.there, self.responses, self.phi = columns, there, responses, phi
        self.chunks = prepared(model)
        self._unweighted = bool((model.rows.weight == 1).all())
        self.slots: dict[int, Tensor] = {}
        self.size, q = model.size, columns.shape[1]
        for k, predictor in enumerate(model.rows.predictors):
            if predictor.parameter in parameters:
                self.slots[k] = torch.arange(self.size, self.size + q)
                self.size += q

    def with_columns(self, columns: Tensor, there: Tensor | None) -> VaryingLikelihood:
        """Others with as many columns of the same model, whose products are there already."""
        other = copy(self)
        other.columns, other.there = columns, there
        return other

    def of_model(self, model: Model) -> VaryingLikelihood:
        """The same of another model of the same rows."""
        return VaryingLikelihood(model, self.parameters, self.columns, self.there, self.responses, self.phi)

    def observations(self, which: Tensor) -> Tensor:
        """(m,) how many units the rows of some of the likelihoods stand for."""
        frequency = self.model.rows.frequency
        if self.there is None:
            return torch.round(frequency.sum()).expand(len(which))
        return torch.round(self.there[which] @ frequency)

    def runs(self, theta: Tensor, which: Tensor) -> Iterator[Run]:
        """All of the likelihoods `which`, each at its own row of theta (m, p), over all rows."""
        for chunk in self.chunks:
            n = len(chunk.rows.y)
            step = max(1, CELLS // (n * max(1, len(chunk.X))))
            known: dict[int, Rows] = {}
            for start in range(0, len(which), step):
                part = slice(start, start + step)
                chosen, here = which[part], theta[part]
                Z = self.columns[chosen, :, chunk.part]
                weight = chunk.rows.weight.expand(len(chosen), -1)
                if self.there is not None:
                    weight = weight * self.there[chosen, chunk.part]
                etas = self._etas(chunk, Z, here)
                if self.model.family.elementwise:
                    yield Run(part, chunk, self._own(chunk.rows, chunk, chosen), weight, Z, etas)
                    continue
                if len(chosen) not in known:
                    known[len(chosen)] = end_to_end(chunk.rows, len(chosen))
                rows = self._own(known[len(chosen)], chunk, chosen)
                rows = replace(rows, y=rows.y.flatten(), held={name: one.flatten() for name, one in rows.held.items()})
                yield Run(part, chunk, rows, weight, Z, [eta.flatten() for eta in etas])

    def _own(self, rows: Rows, chunk: Prepared, chosen: Tensor) -> Rows:
        """The rows with the responses, and with the phi, of some of the likelihoods, (m, n) each."""
        if self.responses is not None:
            rows = replace(rows, y=self.responses[chosen, chunk.part])
        if self.phi is not None:
            log_phi = self.phi[chosen].log()[:, None] - chunk.rows.log_prior
            rows = replace(rows, held={**rows.held, "phi": log_phi})
        return rows

    def end_to_end(self, run: Run) -> tuple[Rows, list[Tensor]]:
        """The rows of a run and their linear predictors laid end to end, (m n,) each."""
        if not self.model.family.elementwise:
            return run.rows, run.etas
        shape, rows = run.weight.shape, end_to_end(run.chunk.rows, len(run.weight))
        held = {name: one.expand(shape).flatten() for name, one in run.rows.held.items()}
        y = run.rows.y.expand(shape).flatten()
        return replace(rows, y=y, held=held), [eta.expand(shape).flatten() for eta in run.etas]

    def _etas(self, chunk: Prepared, Z: Tensor, theta: Tensor) -> list[Tensor]:
        found = []
        for k, (predictor, X) in enumerate(zip(chunk.rows.predictors, chunk.X, strict=True)):
            eta = torch.addmm(predictor.offset, theta[:, predictor.columns], X.T)
            for place, z in zip(self.slots[k].tolist() if k in self.slots else (), Z.unbind(1), strict=False):
                eta.addcmul_(theta[:, place, None], z)
            found.append(eta)
        return found

    def gram(self, k: int) -> Tensor:
        """(B, p, p) of the columns [X, Z_b] of predictor k over the rows where Z_b has values, unweighted."""
        found = torch.zeros(())
        for chunk in self.chunks:
            X, Z = chunk.X[k], self.columns[:, :, chunk.part]
            own = (X.T @ X).expand(len(Z), -1, -1)
            if self.there is not None:
                products = (X[:, :, None] * X[:, None, :]).flatten(1)
                own = (self.there[:, chunk.part] @ products).view(own.shape)
            border = Z @ X
            rows = [torch.cat([own, border.mT], dim=2), torch.cat([border, Z @ Z.mT], dim=2)]
            found = found + torch.cat(rows, dim=1)
        return found

    def values(self, theta: Tensor, which: Tensor) -> Tensor:
        """(m,) the log-likelihoods `which`, each at its own row of theta (m, p)."""
        found = torch.zeros(len(which), dtype=torch.float64)
        with torch.no_grad():
            for run in self.runs(theta, which):
                found[run.part] += self.weighted(run, self.likelihood.log_density(run.rows, *run.etas)).sum(dim=1)
        return found

    def derivatives(self, theta: Tensor, which: Tensor) -> BatchDerivatives:
        """Their values, gradients (m, p) and Hessians (m, p, p)."""
        m = len(which)
        value, gradient = torch.zeros(m, dtype=torch.float64), torch.zeros((m, self.size), dtype=torch.float64)
        hessian = torch.zeros((m, self.size, self.size), dtype=torch.float64)
        for run, row in self.rows(theta, which):
            value[run.part] += self.weighted(run, row.l).sum(dim=1)
            for k in range(len(run.chunk.X)):
                self.add_gradient(gradient[run.part], run, k, self.weighted(run, row.g[k]))
            self.add_products(hessian[run.part], run, {at: self.weighted(run, h) for at, h in row.h.items()})
        return BatchDerivatives(value, gradient, hessian)

    def rows(self, theta: Tensor, which: Tensor) -> Iterator[tuple[Run, RunDerivatives]]:
        """Each run with the derivatives of its rows.

        Where all have the same linear predictors, as where a search begins, these are found once.
        """
        alike = self.responses is None and self.phi is None
        alike = alike and bool((theta[:, self.model.size :] == 0).all()) and bool((theta == theta[:1]).all())
        known: dict[int, RunDerivatives] = {}
        for run in self.runs(theta, which):
            m, start = len(run.weight), run.chunk.part.start
            if not alike:
                yield run, self._derivatives(run.rows, run.etas, m)
                continue
            if start not in known:
                known[start] = self._derivatives(run.chunk.rows, [eta.view(m, -1)[0] for eta in run.etas], 1)
            yield run, known[start].expand(m)

    def _derivatives(self, rows: Rows, etas: list[Tensor], m: int) -> RunDerivatives:
        leaves = [eta.detach().requires_grad_(True) for eta in etas]
        value = self.likelihood.log_density(rows, *leaves)
        first = gradients(value, leaves, create_graph=True)
        second = {}
        for j, gradient in enumerate(first):
            for k, part in enumerate(gradients(gradient, leaves[j:], create_graph=False), start=j):
                second[j, k] = part.view(m, -1)
        return RunDerivatives(value.detach().view(m, -1), [one.detach().view(m, -1) for one in first], second)

    def weighted(self, run: Run, rows: Tensor) -> Tensor:
        """Values (m, n), or end to end, times the weights (m, n); a row without weight adds 0, whatever it is."""
        rows = rows.view(run.weight.shape)
        if self.there is None:
            return rows if self._unweighted else run.weight * rows
        return torch.where(run.weight == 0, 0.0, run.weight * rows)

    def add_gradient(self, gradient: Tensor, run: Run, k: int, g: Tensor) -> None:
        """gradient (m, p) += the columns of predictor k times g (m, n), already weighted."""
        gradient.index_add_(1, run.chunk.rows.predictors[k].columns, g @ run.chunk.X[k])
        if k in self.slots:
            gradient.index_add_(1, self.slots[k], torch.einsum("mqn,mn->mq", run.Z, g))

    def add_products(self, square: Tensor, run: Run, between: Products) -> None:
        """square (m, p, p) += sum_jk X_j' diag(h_jk) X_k over all predictors, h_jk being `between`."""
        columns = [predictor.columns for predictor in run.chunk.rows.predictors]
        for j, k, products, first, second in run.chunk.pairs:
            h = between[j, k]
            add(square, h @ products, first, second, both=j != k)
            if j not in self.slots and k not in self.slots:
                continue
            weighed = [h * z for z in run.Z.unbind(1)]
            for inner, outer in {(j, k), (k, j)}:
                for place, hz in zip(self.slots.get(outer, torch.tensor([])).tolist(), weighed, strict=False):
                    border = hz @ run.chunk.X[inner]
                    square[:, columns[inner], place] += border
                    square[:, place, columns[inner]] += border
            if j in self.slots and k in self.slots:
                self._add_corner(square, run, weighed, j, k)

    def _add_corner(self, square: Tensor, run: Run, weighed: Sequence[Tensor], j: int, k: int) -> None:
        for place, hz in zip(self.slots[j].tolist(), weighed, strict=True):
            corner = torch.einsum("mqn,mn->mq", run.Z, hz)
            square[:, place, self.slots[k]] += corner
            if j != k:
                square[:, self.slots[k], place] += corner
