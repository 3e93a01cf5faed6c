"""One model with many weights or responses: B log-likelihoods of the same design, evaluated together.

    l_b(theta_b) = sum_i w_i r_bi log f(y_bi | eta_bi)        eta_b = X theta_b + offset        b = 1..B

The rows of several likelihoods are laid end to end, for one pass of the family's density and of its derivatives; the
sums over rows are products of matrices, (B, n) by the products (n, p^2) of the columns with each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from glmfit.design import CHUNK_ROWS
from glmfit.model.likelihood import Likelihood, row_derivatives
from glmfit.model.model import Model
from glmfit.model.rows import Rows
from glmfit.numerics import BatchDerivatives

CELLS = 1 << 18  # rows of all likelihoods worked on together: what autograd keeps of them stays near the processor
PRODUCTS = 1 << 22  # of columns with each other, over the rows of a chunk


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A run of rows, where it stands, the columns of each predictor (n, p_k), and their products (n, q) by pairs."""

    rows: Rows
    part: slice
    X: tuple[Tensor, ...]
    pairs: tuple[tuple[int, int, Tensor, Tensor, Tensor], ...]  # j, k, products, places of rows and of columns


class BatchLikelihood:
    """B log-likelihoods of a model: an objective for `newton_batch`.

    `repeats` (B, n) multiply the weights of its rows (1 where None), `responses` (B, n) stand in the place of its own.
    """

    def __init__(self, model: Model, repeats: Tensor | None = None, responses: Tensor | None = None) -> None:
        self.model = model
        self.likelihood: Likelihood = model.likelihood()
        self.size = model.size
        self.repeats = repeats
        self.responses = responses
        self.chunks = prepared(model)

    def with_rows(self, repeats: Tensor | None, responses: Tensor | None) -> BatchLikelihood:
        """Others of the same design, whose products are there already."""
        other = copy(self)
        other.repeats, other.responses = repeats, responses
        return other

    def etas(self, chunk: Prepared, theta: Tensor) -> list[Tensor]:
        """The linear predictors (m n,) of a chunk at each row of theta (m, p), one likelihood after the other."""
        return [
            (theta[:, predictor.columns] @ X.T + predictor.offset).flatten()
            for predictor, X in zip(chunk.rows.predictors, chunk.X, strict=True)
        ]

    def runs(self, theta: Tensor, which: Tensor) -> Iterator[tuple[slice, Prepared, Rows, Tensor, list[Tensor]]]:
        """Some of the likelihoods at some of the rows: their places in `which`, the chunk, its rows laid end to end,
        their weights (m, n), and their linear predictors."""
        for chunk in self.chunks:
            step = max(1, CELLS // (len(chunk.rows.y) * max(1, len(chunk.X))))
            known: dict[int, Rows] = {}
            for start in range(0, len(which), step):
                part = slice(start, start + step)
                chosen = which[part]
                m = len(chosen)
                rows = known.setdefault(m, end_to_end(chunk.rows, m))
                if self.responses is not None:
                    rows = replace(rows, y=self.responses[chosen, chunk.part].flatten())
                weight = chunk.rows.weight.expand(m, -1)
                if self.repeats is not None:
                    weight = weight * self.repeats[chosen, chunk.part]
                yield part, chunk, rows, weight, self.etas(chunk, theta[part])

    def values(self, theta: Tensor, which: Tensor) -> Tensor:
        """(m,) the log-likelihoods `which`, each at its own row of theta (m, p)."""
        found = torch.zeros(len(which), dtype=torch.float64)
        with torch.no_grad():
            for part, _, rows, weight, etas in self.runs(theta, which):
                found[part] += weighted(weight, self.likelihood.log_density(rows, *etas)).sum(dim=1)
        return found

    def derivatives(self, theta: Tensor, which: Tensor) -> BatchDerivatives:
        """Their values, gradients (m, p) and Hessians (m, p, p)."""
        m = len(which)
        value = torch.zeros(m, dtype=torch.float64)
        gradient = torch.zeros((m, self.size), dtype=torch.float64)
        hessian = torch.zeros((m, self.size, self.size), dtype=torch.float64)
        for part, chunk, rows, weight, etas in self.runs(theta, which):
            l, g, h = row_derivatives(lambda *eta, rows=rows: self.likelihood.log_density(rows, *eta), etas)  # noqa: E741
            value[part] += weighted(weight, l).sum(dim=1)
            for k, (predictor, X) in enumerate(zip(chunk.rows.predictors, chunk.X, strict=True)):
                gradient[part].index_add_(1, predictor.columns, weighted(weight, g[:, k]) @ X)
            for j, k, products, first, second in chunk.pairs:
                add(hessian[part], weighted(weight, h[:, j, k]) @ products, first, second, both=j != k)
        return BatchDerivatives(value, gradient, hessian)


def weighted(weight: Tensor, rows: Tensor) -> Tensor:
    """Weights (m, n) times values of rows laid end to end (m n,); a row without weight adds 0, whatever its value."""
    return torch.where(weight == 0, 0.0, weight * rows.view(weight.shape))


def prepared(model: Model) -> list[Prepared]:
    """The rows of a model in chunks whose columns' products are formed."""
    widest = max(p.X.shape[1] for p in model.rows.predictors) ** 2 * len(model.rows.predictors)
    matrices = [id(predictor.X) for predictor in model.rows.predictors]
    same = [matrices.index(one) for one in matrices]  # the first predictor with the same columns
    found, start = [], 0
    for rows in model.rows.chunks(min(CHUNK_ROWS, max(1, PRODUCTS // max(1, widest)))):
        found.append(_prepared(rows, start, same))
        start += len(rows.y)
    return found


def _prepared(rows: Rows, start: int, same: Sequence[int]) -> Prepared:
    """Predictors with the same columns share their products, of which those of a predictor alone are there once."""
    dense = {k: rows.predictors[k].X.dense() for k in set(same)}
    known: dict[tuple[int, int, bool], tuple[Tensor, Tensor, Tensor]] = {}
    pairs = []
    for j, first in enumerate(rows.predictors):
        for k, second in enumerate(rows.predictors[j:], start=j):
            key = same[j], same[k], j == k
            if key not in known:
                X, Z = dense[same[j]], dense[same[k]]
                rectangle = torch.ones(X.shape[1], Z.shape[1])
                at, to = torch.nonzero(rectangle.triu() if j == k else rectangle, as_tuple=True)
                known[key] = X[:, at] * Z[:, to], at, to
            products, at, to = known[key]
            pairs.append((j, k, products, first.columns[at], second.columns[to]))
    X_of = tuple(dense[k] for k in same)
    return Prepared(rows, slice(start, start + len(rows.y)), X_of, tuple(pairs))


def add(hessian: Tensor, sums: Tensor, first: Tensor, second: Tensor, *, both: bool) -> None:
    """hessian (m, p, p) += sums (m, q) at (first, second) and, if it is not on the diagonal, at (second, first)."""
    p = hessian.shape[1]
    flat = hessian.view(len(hessian), -1)
    flat.index_add_(1, first * p + second, sums)
    if both:
        flat.index_add_(1, second * p + first, sums)
        return
    off = first != second
    flat.index_add_(1, (second * p + first)[off], sums[:, off])


def end_to_end(rows: Rows, m: int) -> Rows:
    """The same rows m times over, without their predictors' columns."""

    def repeated(column: Tensor) -> Tensor:
        return column.repeat((m,) + (1,) * (column.ndim - 1))

    return replace(
        rows,
        y=repeated(rows.y),
        columns={name: repeated(column) for name, column in rows.columns.items()},
        held={name: repeated(column) for name, column in rows.held.items()},
        log_prior=repeated(rows.log_prior),
    )
