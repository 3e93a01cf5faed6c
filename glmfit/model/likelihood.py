"""The linear form: K linear predictors, one log-density per row, derivatives by autograd in eta, one contraction.

    eta_k = X_k theta[columns_k] + offset_k        l = sum_i w_i log f(y_i | eta_i1 .. eta_iK)
    gradient = sum_k X_k' w g_k                    Hessian = sum_jk X_j' diag(w h_jk) X_k

Rows do not interact, so K + 1 backward passes give every row's gradient g (n, K) and Hessian h (n, K, K) exactly.
Predictors may share coefficients: `columns` may overlap, and contributions add up. Rows are visited in chunks, always.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from glmfit import memory
from glmfit.design import MOST_DENSE_COLUMNS, add_bordered, structure
from glmfit.families import LINKS, Family, Link, Parameter
from glmfit.model.rows import Chunks, Rows
from glmfit.numerics import Bordered, Pair, Symmetric, as_written, exact, is_constant, normal_equations, stacked_root

T = TypeVar("T")
MOST_PRECISE_CELLS = 1_000_000  # products of two columns that take a twentieth of a second


class RowDerivatives(NamedTuple):
    """Per row: value `l` (n,), gradient `g` (n, K) and Hessian `h` (n, K, K) in the linear predictors."""

    l: Tensor  # noqa: E741 - the letter of the field
    g: Tensor
    h: Tensor


def row_derivatives(log_density: Callable[..., Tensor], etas: Sequence[Tensor]) -> RowDerivatives:
    """Value, gradient and Hessian of `log_density(*etas)` (n,) in its K arguments (n,), by K + 1 backward passes."""
    leaves = [eta.detach().requires_grad_(True) for eta in etas]
    value = log_density(*leaves)
    first = gradients(value, leaves, create_graph=True)
    n, size = value.shape[0], len(leaves)
    if size == 1:  # no copies of what is alone
        (second,) = gradients(first[0], leaves, create_graph=False)
        return RowDerivatives(value.detach(), first[0].detach()[:, None], second[:, None, None])
    # One predictor's numbers lie side by side, as they are made and as they are looked at.
    g = torch.stack([gradient.detach() for gradient in first]).T if size else value.new_zeros((n, 0))
    h = value.new_empty((size, size, n)).permute(2, 0, 1)
    for j, gradient in enumerate(first):
        for k, second in enumerate(gradients(gradient, leaves[j:], create_graph=False), start=j):
            h[:, j, k] = second
            if k > j:
                h[:, k, j] = second
    return RowDerivatives(value.detach(), g, h)


def gradients(rows: Tensor, leaves: Sequence[Tensor], create_graph: bool) -> list[Tensor]:
    """Row by row derivative of `rows` in each leaf, zero where it does not depend on it."""
    if not rows.requires_grad or not leaves:
        return [torch.zeros_like(leaf) for leaf in leaves]
    found = torch.autograd.grad(rows.sum(), leaves, create_graph=create_graph, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(leaf) if one is None else one for one, leaf in zip(found, leaves, strict=True)]


def weighed(weight: Tensor, row: RowDerivatives) -> RowDerivatives:
    """The same times the weight (n,) of each row; most rows stand for themselves."""
    if is_constant(weight) and float(weight[0]) == 1.0:
        return row
    return RowDerivatives(weight * row.l, weight[:, None] * row.g, weight[:, None, None] * row.h)


class Likelihood:
    """The log-likelihood of a family over chunks of rows, as a function of theta (size,)."""

    def __init__(self, family: Family, links: Mapping[str, Link], chunks: Sequence[Rows], size: int) -> None:
        self.family = family
        self.links = links
        self.chunks = chunks
        self.size = size
        self.mapped = isinstance(chunks, Chunks) and chunks.mapped  # whether chunks are made anew each time
        self.structure = structure(chunks[0].sides, size)
        self.codes: Mapping[str, Tensor] = {}  # the clusters of the rows, where they are a part of many,
        self.numbers = np.arange(0)  # and their numbers in the data
        self._latest: tuple[Tensor, float, tuple[float, Tensor, Symmetric] | None] | None = None

    def working(self, chunk: Rows, etas: Sequence[Tensor]) -> list[Tensor]:
        """The family's parameters on their working scales, (n,) each, from the linear predictors of a chunk."""
        estimated, each = {p.parameter for p in chunk.predictors}, iter(etas)
        return [
            self.links[parameter.name].to(parameter.scale, next(each))
            if parameter.name in estimated
            else chunk.held[parameter.name]
            for parameter in self.family.parameters
        ]

    def natural(self, chunk: Rows, etas: Sequence[Tensor]) -> list[Tensor]:
        """The family's parameters on their natural scales, (n,) each."""
        estimated, each = {p.parameter for p in chunk.predictors}, iter(etas)

        def one(parameter: Parameter) -> Tensor:
            if parameter.name not in estimated:
                return LINKS[parameter.scale].inverse(chunk.held[parameter.name])
            eta = next(each)
            return eta if parameter.scale == "predictor" else self.links[parameter.name].inverse(eta)

        return [one(parameter) for parameter in self.family.parameters]

    def log_density(self, chunk: Rows, *etas: Tensor) -> Tensor:
        """(n,) log-density of each row of the chunk, unweighted."""
        return self.family.log_density(chunk.y, *self.working(chunk, etas), **chunk.columns)

    def etas(self, chunk: Rows, theta: Tensor, low: Tensor | None = None) -> list[Tensor]:
        """The linear predictors at theta; to the last digit at theta + low, where there is a `low` part."""
        if low is None:
            return [predictor.eta(theta) for predictor in chunk.predictors]
        return [predictor.precise_eta(theta, low).high for predictor in chunk.predictors]

    def residuals(self, chunk: Rows, theta: Tensor, low: Tensor) -> Tensor:
        """(n,) y - eta of the only predictor at theta + low, with digits that neither of the two has in itself."""
        return (as_written(chunk.y) - chunk.predictors[0].precise_eta(theta, low)).high

    def value(self, theta: Tensor, low: Tensor | None = None) -> float:
        """The log-likelihood; NaN or -inf outside the domain."""
        if low is not None:
            return self._value_at(theta, low)
        latest = self._latest
        if latest is None or not torch.equal(latest[0], theta):
            latest = theta.clone(), self._value_at(theta), None
            self._latest = latest
        return latest[1]

    def _value_at(self, theta: Tensor, low: Tensor | None = None) -> float:
        return self._value(lambda chunk: self.etas(chunk, theta, low))

    def _value(self, etas: Callable[[Rows], Sequence[Tensor]]) -> float:
        with torch.no_grad():
            parts = [(chunk.weight * self.log_density(chunk, *etas(chunk))).sum() for chunk in self.chunks]
        return float(torch.stack(parts).sum())

    def along(self, theta: Tensor, direction: Tensor) -> Callable[[float], float]:
        """t -> value(theta + t direction), the products with X made once."""
        line = self.line(theta, direction)
        return lambda t: self._value(line(t))

    def line(self, theta: Tensor, direction: Tensor) -> Callable[[float], Callable[[Rows], list[Tensor]]]:
        """t -> chunk -> its linear predictors at theta + t direction; kept are the products of rows in memory."""

        def products(chunk: Rows) -> tuple[list[Tensor], list[Tensor]]:
            return self.etas(chunk, theta), [p.X.matvec(direction[p.columns]) for p in chunk.predictors]

        kept = None if self.mapped else {id(chunk): products(chunk) for chunk in self.chunks}

        def at(t: float) -> Callable[[Rows], list[Tensor]]:
            def etas(chunk: Rows) -> list[Tensor]:
                base, slope = products(chunk) if kept is None else kept[id(chunk)]
                return [b + t * s for b, s in zip(base, slope, strict=True)]

            return etas

        return at

    def rows(self, theta: Tensor) -> Iterator[tuple[Rows, list[Tensor], RowDerivatives]]:
        """For each chunk: its rows, linear predictors and row derivatives (unweighted)."""
        for chunk in self.chunks:
            etas = self.etas(chunk, theta)
            yield chunk, etas, row_derivatives(lambda *eta, chunk=chunk: self.log_density(chunk, *eta), etas)

    def over_rows(self, of: Callable[..., T], *arguments: Any) -> T:
        """of(self, *arguments), which is a sum over all rows; where they are elsewhere, that of each part, added up."""
        return of(self, *arguments)

    def derivatives(self, theta: Tensor) -> tuple[float, Tensor, Symmetric]:
        """Value, gradient (size,) and Hessian (size, size); those of the latest theta are kept: change them not."""
        latest = self._latest
        if latest is not None and latest[2] is not None and torch.equal(latest[0], theta):
            return latest[2]
        found = self._derivatives(theta)
        self._latest = theta.clone(), found[0], found
        return found

    def _derivatives(self, theta: Tensor) -> tuple[float, Tensor, Symmetric]:
        value = 0.0
        gradient = theta.new_zeros(self.size)
        hessian = self.no_curvature()
        for chunk, _, row in self.rows(theta):
            row = weighed(chunk.weight, row)
            value += float(row.l.sum())
            add_gradient(gradient, chunk, row.g)
            self.add_hessian(hessian, chunk, row.h)
        return value, gradient, hessian

    def no_curvature(self) -> Symmetric:
        """(size, size) zeros to add the Hessians of chunks to, in the form that suits the design."""
        if self.structure is None:
            memory.check_square(self.size)
            return torch.zeros((self.size, self.size), dtype=torch.float64)
        return self.structure.zeros()

    def add_hessian(self, total: Symmetric, chunk: Rows, h: Tensor) -> None:
        """total += sum_jk X_j' diag(h_jk) X_k, for symmetric rows h (n, K, K), in the form of `no_curvature`."""
        if isinstance(total, Tensor):
            add_hessian(total, chunk, h)
        else:
            assert self.structure is not None
            assert isinstance(total, Bordered)
            add_bordered(total, self.structure, chunk.sides, h)

    def information(self, chunk: Rows, etas: Sequence[Tensor]) -> Tensor:
        """(n, K, K) -E(h) of all linear predictors, to be differentiated in them, which require it.

        Of categories it is the sum over them of Pr(y = j) s_j s_j', s_j the score of category j.
        """
        if not self.family.categories:
            return self.mean_information(chunk, *etas)[:, None, None]
        logs = self.family.log_probabilities(*self.working(chunk, etas), **chunk.columns)
        each = [torch.stack(gradients(log, etas, create_graph=True), dim=1) for log in logs.T]
        scores = torch.stack(each, dim=1)
        return scores.transpose(1, 2) @ (torch.exp(logs)[:, :, None] * scores)

    def expected_rows(self, chunk: Rows, etas: Sequence[Tensor], observed: Tensor) -> Tensor:
        """(n, K, K) row Hessians, those of the mean or of categories replaced by their expectations.

        There are no cross terms: in every family here with a mean and a variance mu is orthogonal to the other
        parameters, whose own rows stay observed.
        """
        if self.family.categories:
            return -self.information(chunk, [eta.detach().requires_grad_(True) for eta in etas]).detach()
        mu = self._place(chunk)
        leaves = [eta.detach() for eta in etas]
        leaves[mu] = leaves[mu].requires_grad_(True)
        expected = observed.clone()
        expected[:, mu, :] = 0
        expected[:, :, mu] = 0
        expected[:, mu, mu] = -self.mean_information(chunk, *leaves).detach()
        return expected

    def _place(self, chunk: Rows) -> int:
        """The position of the main predictor."""
        return next(k for k, predictor in enumerate(chunk.predictors) if predictor.parameter == self.family.main)

    def mean_information(self, chunk: Rows, *etas: Tensor) -> Tensor:
        """(n,) -E(h_mu) = (d E(y) / d eta)^2 / Var(y), to be differentiated in the main `eta`, which requires it."""
        place = self._place(chunk)

        def information(eta: Tensor) -> tuple[Tensor, Tensor]:
            parameters = self.natural(chunk, [*etas[:place], eta, *etas[place + 1 :]])
            mean = self.family.mean(*parameters, **chunk.columns)
            (slope,) = torch.autograd.grad(mean.sum(), eta, create_graph=True)
            share = self.family.over_variance(slope, *parameters, **chunk.columns)
            return share / self._phi(parameters), self.family.variance(*parameters, **chunk.columns).detach()

        found, variance = information(etas[place])
        # A fitted mean that has rounded to 0 or 1 has no variance left, and carries no information: the limit of 0/0.
        spent = (variance == 0) & ~torch.isfinite(found.detach())
        if not bool(spent.any()):
            return found
        return torch.where(spent, 0.0, information(torch.where(spent, 1.0, etas[place]))[0])

    @property
    def has_expected(self) -> bool:
        """Whether the response is one of categories, or its mean is estimated here and its family states a variance."""
        family = self.family
        if family.categories:
            return True
        estimated = any(predictor.parameter == family.main for predictor in self.chunks[0].predictors)
        return estimated and family.has_moments and family.orthogonal_mean

    def _phi(self, parameters: Sequence[Tensor]) -> Tensor | float:
        """phi of Var(y) = phi V(mu) from natural parameters; one held on the rows carries the prior weights."""
        names = [parameter.name for parameter in self.family.parameters]
        return parameters[names.index("phi")] if self.family.has_dispersion else 1.0

    def expected(self, theta: Tensor) -> Symmetric | None:
        """(size, size) the Hessian with expected rows for the mean; None where there is no mean or no variance."""
        if not self.has_expected:
            return None
        hessian = self.no_curvature()
        for chunk, etas, row in self.rows(theta):
            self.add_hessian(hessian, chunk, chunk.weight[:, None, None] * self.expected_rows(chunk, etas, row.h))
        return hessian

    def information_root(self, theta: Tensor, expected: bool = False) -> Tensor | None:
        """Upper triangular R (size, size) with R'R = -Hessian (or its expectation), by QR of the rows sqrt(-w h) x.

        The Hessian itself has the square of the condition number of X; R does not, and keeps twice the digits. None
        where there is more than one predictor, a row with h > 0, or more columns than can be laid side by side.
        """
        if len(self.chunks[0].predictors) != 1 or self.size > MOST_DENSE_COLUMNS:
            return None

        root = self.stacked(theta, expected)
        return root if len(root) == self.size and bool(torch.isfinite(root).all()) else None

    def stacked(self, theta: Tensor, expected: bool) -> Tensor:
        """The same of rows that may be too few for it, or have no root, with one predictor."""

        def blocks() -> Iterator[Tensor]:
            for chunk, etas, row in self.rows(theta):
                h = self.expected_rows(chunk, etas, row.h) if expected else row.h
                # The root of a negative information is NaN.
                yield torch.sqrt(-chunk.weight * h[:, 0, 0])[:, None] * chunk.predictors[0].X.dense()

        return stacked_root(blocks(), self.size)

    def normal_equations(self) -> Pair | None:
        """[X r]' W [X r] (size + 1, size + 1) of a log-likelihood that is -sum w (r - X theta)^2 / 2, r = y - offset.

        In twice the working precision; None where that would take long.
        """
        if sum(len(chunk.y) for chunk in self.chunks) * (self.size + 1) ** 2 > MOST_PRECISE_CELLS:
            return None
        origin = torch.zeros(self.size, dtype=torch.float64)
        return normal_equations(
            (
                chunk.predictors[0].X.dense(),
                as_written(chunk.y) - exact(chunk.predictors[0].offset),
                -chunk.weight * row.h[:, 0, 0],
            )
            for chunk, _, row in self.rows(origin)
        )


def add_gradient(total: Tensor, chunk: Rows, g: Tensor) -> None:
    """total += sum_k X_k' g_k, for rows g (n, K)."""
    for k, predictor in enumerate(chunk.predictors):
        total.index_add_(0, predictor.columns, predictor.X.rmatvec(g[:, k]))


def add_hessian(total: Tensor, chunk: Rows, h: Tensor) -> None:
    """total += sum_jk X_j' diag(h_jk) X_k (p, p), for symmetric rows h (n, K, K)."""
    predictors = chunk.predictors
    if len(predictors) > 1 and all(predictor.columns is predictors[0].columns for predictor in predictors):
        # Side by side with the same coefficients: one product of X (n, K, p) in place of K^2.
        X = torch.stack([predictor.X.dense() for predictor in predictors], dim=1)
        shared = predictors[0].columns
        total.index_put_((shared[:, None], shared), (h @ X).flatten(0, 1).T @ X.flatten(0, 1), accumulate=True)
        return
    for j, first in enumerate(predictors):
        for k, second in enumerate(predictors[j:], start=j):
            block = first.X.sandwich(h[:, j, k], second.X)
            total.index_put_((first.columns[:, None], second.columns[None, :]), block, accumulate=True)
            if k > j:
                total.index_put_((second.columns[:, None], first.columns[None, :]), block.T, accumulate=True)
