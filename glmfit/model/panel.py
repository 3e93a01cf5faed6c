"""Many small data sets of one model side by side: B log-likelihoods, each of its own rows and its own coefficients.

    l_b(theta_b) = sum_i w_bi log f(y_bi | eta_bi)        eta_b = X_b theta_b + offset_b        b = 1..B

Rows are laid out as (B, m). A data set of fewer rows is filled up with copies of its first, which weigh nothing: sums
over rows are sums along an axis, and products with columns are batched products of matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from glmfit.design import Dense, Matrix
from glmfit.families import Family, Link
from glmfit.model.likelihood import Likelihood, RowDerivatives, row_derivatives
from glmfit.model.rows import Predictor, Rows
from glmfit.numerics import BatchDerivatives, constant

LARGE_COUNT = 1e5  # see families/counts


@dataclass(frozen=True, slots=True, eq=False)
class PanelPredictor:
    """One linear predictor: columns X (B, p, m) of each data set, their places (p,) among all, offset (B, m)."""

    parameter: str
    X: Tensor
    columns: Tensor
    offset: Tensor

    def eta(self, theta: Tensor) -> Tensor:
        """(B, m) at theta (B, size)."""
        return (theta[:, None, self.columns] @ self.X)[:, 0] + self.offset

    def of(self, which: Tensor) -> PanelPredictor:
        return PanelPredictor(self.parameter, self.X[which], self.columns, self.offset[which])


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """B data sets of up to m rows; every tensor of rows is (B, m), `there` says which rows are more than filling."""

    family: Family
    links: Mapping[str, Link]
    y: Tensor
    weight: Tensor
    frequency: Tensor
    log_prior: Tensor
    columns: Mapping[str, Tensor]
    held: Mapping[str, Tensor]
    there: Tensor
    predictors: tuple[PanelPredictor, ...]
    rest: Tensor | None = None  # (B,) log-likelihoods less y eta - b(eta), where only these change with theta

    def __len__(self) -> int:
        return len(self.y)

    @property
    def size(self) -> int:
        """Coefficients of each."""
        return sum(len(predictor.columns) for predictor in self.predictors)

    def of(self, which: Tensor) -> Panel:
        """Some of the data sets."""
        if len(which) == len(self):
            return self
        some = {name: getattr(self, name)[which] for name in ("y", "weight", "frequency", "log_prior", "there")}
        columns, held = ({k: v[which] for k, v in rows.items()} for rows in (self.columns, self.held))
        predictors = tuple(predictor.of(which) for predictor in self.predictors)
        some["rest"] = None if self.rest is None else self.rest[which]
        return replace(self, columns=columns, held=held, predictors=predictors, **some)

    def constants_only(self, parameters: Sequence[str], held: Mapping[str, Tensor] | None = None) -> Panel:
        """The same with a constant for each of `parameters` (offsets kept), and others `held` (B, m)."""
        offsets = {"phi": -self.log_prior, **{p.parameter: p.offset for p in self.predictors}}
        ones, zeros = torch.ones_like(self.y)[:, None], torch.zeros_like(self.y)
        predictors = tuple(
            PanelPredictor(name, ones, torch.tensor([k]), offsets.get(name, zeros)) for k, name in enumerate(parameters)
        )
        others = {name: value for name, value in self.held.items() if name not in parameters}
        return replace(self, predictors=predictors, held=others | dict(held or {}))

    def held_at(self, phi: Tensor) -> Panel:
        """The same with phi (B,) held; phi / w row by row where there are prior weights."""
        return replace(self, held={**self.held, "phi": phi.log()[:, None] - self.log_prior})

    def without(self, parameter: str, working: float, family: Family) -> Panel:
        """The same with all of a parameter held at a working value, as a family that this one is there."""
        kept, size = [], 0
        for predictor in self.predictors:
            if predictor.parameter != parameter:
                columns = torch.arange(size, size + len(predictor.columns))
                kept.append(replace(predictor, columns=columns))
                size += len(columns)
        held = {**self.held, parameter: torch.full_like(self.y, working)}
        return replace(self, family=family, predictors=tuple(kept), held=held)

    def to_search(self, theta: Tensor) -> Panel:
        """The same, as y eta - b(eta) where the link is canonical: what theta does not change is known, from any theta
        at which the log-densities are finite. Large counts stay as they are, for the terms of y cancel."""
        link = self.links[self.family.main].name
        if len(self.predictors) != 1 or link != self.family.canonical_link or bool((self.y > LARGE_COUNT).any()):
            return self

        def rest(likelihood: Likelihood, rows: Rows, etas: list[Tensor]) -> Tensor:
            return likelihood.log_density(rows, *etas) - _canonical(self.family, rows.y, etas[0], rows.columns)[0]

        return replace(self, rest=(self.weight * self.by_rows(rest, theta)).sum(dim=1))

    # ---- rows, end to end ----

    def flat(self) -> tuple[Likelihood, Rows]:
        """What knows a row's parameters, and all rows (B m,), whose predictors have nothing but names."""
        n = self.y.numel()
        nothing = Matrix((Dense(constant(1.0, n)[:, None]),), (torch.tensor([0]),), ("Intercept",), n)
        zeros, none = constant(0.0, n), torch.tensor([0])
        rows = Rows(
            self.y.reshape(-1),
            self.weight.reshape(-1),
            self.frequency.reshape(-1),
            {name: column.reshape(-1) for name, column in self.columns.items()},
            tuple(Predictor(predictor.parameter, nothing, none, zeros) for predictor in self.predictors),
            {name: value.reshape(-1) for name, value in self.held.items()},
            self.log_prior.reshape(-1),
        )
        return Likelihood(self.family, self.links, [rows], 1), rows

    def etas(self, theta: Tensor) -> list[Tensor]:
        """The linear predictors (B m,) at theta (B, size)."""
        return [predictor.eta(theta).reshape(-1) for predictor in self.predictors]

    def by_rows(self, make: Callable[[Likelihood, Rows, list[Tensor]], Tensor], theta: Tensor) -> Tensor:
        """(..., B, m) what `make` gives for each row, without derivatives."""
        likelihood, rows = self.flat()
        with torch.no_grad():
            found = make(likelihood, rows, self.etas(theta))
        return found.reshape(*found.shape[:-1], *self.y.shape)

    def row_derivatives(self, theta: Tensor) -> RowDerivatives:
        """l (B, m), g (B, m, K) and h (B, m, K, K), unweighted."""
        likelihood, rows = self.flat()
        found = row_derivatives(lambda *etas: likelihood.log_density(rows, *etas), self.etas(theta))
        return RowDerivatives(*(part.reshape(*self.y.shape, *part.shape[1:]) for part in found))

    def expected_rows(self, theta: Tensor, observed: Tensor) -> Tensor:
        """(B, m, K, K) row Hessians, those of the mean replaced by their expectation."""
        likelihood, rows = self.flat()
        etas = self.etas(theta)
        found = likelihood.expected_rows(rows, etas, observed.reshape(-1, *observed.shape[2:]))
        return found.reshape(observed.shape)

    # ---- sums ----

    def values(self, theta: Tensor) -> Tensor:
        """(B,) the log-likelihoods at theta (B, size)."""
        if self.rest is not None:
            eta = self.predictors[0].eta(theta)
            return self.rest + (self.weight * _canonical(self.family, self.y, eta, self.columns)[0]).sum(dim=1)
        rows = self.by_rows(lambda likelihood, rows, etas: likelihood.log_density(rows, *etas), theta)
        return (self.weight * rows).sum(dim=1)

    def derivatives(self, theta: Tensor) -> BatchDerivatives:
        """Their values, gradients (B, size) and Hessians (B, size, size)."""
        if self.rest is not None:
            (only,) = self.predictors
            l, g, h = _canonical(self.family, self.y, only.eta(theta), self.columns)  # noqa: E741
            gradient = ((self.weight * g)[:, None] @ only.X.mT)[:, 0]
            hessian = (only.X * (self.weight * h)[:, None]) @ only.X.mT
            return BatchDerivatives(self.rest + (self.weight * l).sum(dim=1), gradient, hessian)
        l, g, h = self.row_derivatives(theta)  # noqa: E741
        gradient = torch.zeros_like(theta)
        for k, predictor in enumerate(self.predictors):
            gradient[:, predictor.columns] = ((self.weight * g[:, :, k])[:, None] @ predictor.X.mT)[:, 0]
        return BatchDerivatives((self.weight * l).sum(dim=1), gradient, self.contracted(h))

    def contracted(self, h: Tensor) -> Tensor:
        """(B, size, size) sums of X_j w h_jk X_k' over rows, for symmetric rows h (B, m, K, K)."""
        out = torch.zeros((len(self), self.size, self.size), dtype=torch.float64)
        for j, first in enumerate(self.predictors):
            for k, second in enumerate(self.predictors[j:], start=j):
                block = (first.X * (self.weight * h[:, :, j, k])[:, None]) @ second.X.mT
                out[:, first.columns[:, None], second.columns] = block
                if k > j:
                    out[:, second.columns[:, None], first.columns] = block.mT
        return out


def _canonical(family: Family, y: Tensor, eta: Tensor, columns: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Row by row, under the canonical link: y eta - b(eta), and its derivatives in eta."""
    assert family.canonical is not None  # `to_search` has asked
    b, mean, variance = family.canonical.cumulants(eta, **columns)
    return y * eta - b, y - mean, -variance


class PanelObjective:
    """The log-likelihoods of a panel for `newton_batch`, which asks for ever fewer of them."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self._last: tuple[Tensor, Panel] | None = None

    def derivatives(self, theta: Tensor, which: Tensor) -> BatchDerivatives:
        return self._some(which).derivatives(theta)

    def values(self, theta: Tensor, which: Tensor) -> Tensor:
        return self._some(which).values(theta)

    def _some(self, which: Tensor) -> Panel:
        if len(which) == len(self.panel):
            return self.panel
        if self._last is None or not torch.equal(self._last[0], which):
            self._last = which, self.panel.of(which)
        return self._last[1]
