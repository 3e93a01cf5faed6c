"""Laplace's approximation of a likelihood whose penalised coefficients b are integrated, with exact derivatives.

    L(psi) = l - b'Pb/2 + log|P|_+/2 - log|A|/2 + const at b^(psi), the maximum in b;    A = Z'(-h)Z + P

psi = (fixed coefficients that are not integrated, omega). Along psi_a the predictors move by eta_a = X_a + Z b_a, where
b_a solves A b_a = d2 / db dpsi_a; third derivatives of rows along eta move A, fourth ones its derivative (Skaug &
Fournier 2006, Computational Statistics & Data Analysis 51, 699-709). What is profiled is left out of |A| alone, whose
inverse is then M = A^-1 - G G', 0 in what is profiled. Of a Gaussian response the integral is exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from glmfit.model import Likelihood, Predictor, Rows
from glmfit.model.apart import leverages
from glmfit.numerics import Factor, LowRank, Optimum, Symmetric, all_finite, cholesky, newton
from glmfit.numerics.curvature import half_log_det, structured, structured_factor
from glmfit.penalty.matrices import (
    add_blocks,
    block_sum,
    congruent,
    flattened,
    inverse,
    profiled,
    solve_columns,
    without_profiled,
)
from glmfit.penalty.prior import Jet
from glmfit.penalty.rows import HigherDerivatives, higher_derivatives
from glmfit.penalty.term import Penalised

INNER_TOL = 1e-5  # in standard errors of b, at which one more Newton step squares the error
INNER_STEPS = 200


class Conditional:
    """l - b'Pb/2 as an `Objective` of the integrated coefficients, all else held."""

    def __init__(self, likelihood: Likelihood, places: Sequence[Tensor], jets: Sequence[Jet]) -> None:
        self.likelihood = likelihood
        self.penalties = list(zip(places, jets, strict=True))

    def derivatives(self, theta: Tensor) -> tuple[float, Tensor, Symmetric]:
        value, slope, found = self.likelihood.derivatives(theta)
        gradient, information = slope.clone(), -found
        for places, one in self.penalties:
            b = theta[places]
            value -= 0.5 * one.square(b)
            gradient.index_add_(0, places.flatten(), -one.times(b).flatten())
            add_blocks(information, places, one.P)
        return value, gradient, -information

    def along(self, theta: Tensor, direction: Tensor) -> Callable[[float], float]:
        plain = self.likelihood.along(theta, direction)

        def at(t: float) -> float:
            moved = theta + t * direction
            return plain(t) - sum(0.5 * one.square(moved[places]) for places, one in self.penalties)

        return at

    def expected(self, theta: Tensor) -> Symmetric | None:
        """With the likelihood's expected information, where it has one."""
        hessian = self.likelihood.expected(theta)
        if hessian is not None:
            for places, one in self.penalties:
                add_blocks(hessian, places, one.P, -1.0)
        return hessian

    def information_root(self, theta: Tensor) -> Tensor | None:
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Integrated:
    """The integrated coefficients given psi: theta (|I|,) at the maximum, A = L L' there, and the value L(psi).

    `moves` (|I|, r) are their derivatives in psi, once they have been found. Where u of them are profiled, and not
    integrated, `profile` is G (|I|, u).
    """

    psi: Tensor
    theta: Tensor
    factor: Factor
    value: float
    joint: float  # l at theta, without penalty
    likelihood: Likelihood
    jets: tuple[Jet, ...]
    moves: Tensor | None = None
    profile: Tensor | None = None

    def inverse(self) -> Tensor | LowRank:
        """A^-1: the covariance of the integrated coefficients, psi being known."""
        return inverse(self.factor)

    def inner_inverse(self) -> Tensor | LowRank:
        """M, that of the part of A that is integrated over."""
        V = self.inverse()
        return V if self.profile is None else without_profiled(V, self.profile)


@dataclass(slots=True, eq=False)
class Laplace:
    """L(psi) as an `Objective`; -inf where the integrated coefficients have no maximum."""

    of: Penalised
    begin: Tensor | None = None  # the integrated coefficients to begin at
    last: Integrated | None = None  # where the next search for them begins
    _found: dict[bytes, Integrated] = field(default_factory=dict)
    _derived: dict[bytes, tuple[float, Tensor, Tensor]] = field(default_factory=dict)

    def value(self, psi: Tensor) -> float:
        found = self.at(psi)
        return -math.inf if found is None else found.value

    def along(self, psi: Tensor, direction: Tensor) -> Callable[[float], float]:
        return lambda t: self.value(psi + t * direction)

    def expected(self, psi: Tensor) -> Tensor | None:
        return None

    def information_root(self, psi: Tensor) -> Tensor | None:
        return None

    # ---- the integrated coefficients ----

    def at(self, psi: Tensor) -> Integrated | None:
        """The maximum in the integrated coefficients, None where there is none."""
        key = psi.numpy().tobytes()
        if key not in self._found:
            found = self._maximised(psi)
            if found is None:
                return None
            self._found.clear()
            self._found[key] = found
            self.last = found
        return self._found[key]

    def _maximised(self, psi: Tensor) -> Integrated | None:
        of = self.of
        jets = tuple(term.prior.jet(psi[part]) for term, part in zip(of.terms, of.omegas, strict=True))
        likelihood = self._given(psi)
        objective = Conditional(likelihood, of.places, jets)
        optimum = None
        for start in self._starts(psi):
            if all_finite(objective.derivatives(start)):
                optimum = newton(objective, start, INNER_TOL, INNER_STEPS)
                if optimum.converged:
                    break
        if optimum is None or not optimum.converged:
            return None
        lower = cholesky(-optimum.hessian)
        if lower is None:
            return None
        value, profile = self._integral(optimum, lower, jets), None
        if len(of.profiled):
            profile, log_det = profiled(lower, of.profiled)
            value -= 0.5 * log_det
        return Integrated(psi, optimum.theta, lower, value, optimum.value, likelihood, jets, profile=profile)

    def _integral(self, optimum: Optimum, lower: Factor, jets: Sequence[Jet]) -> float:
        """The value, from the penalised log-likelihood at its maximum, but for the determinant of what is profiled."""
        of = self.of
        value, free = optimum.value - half_log_det(lower), of.size - len(of.profiled)
        for term, places, one in zip(of.terms, of.places, jets, strict=True):
            value += 0.5 * len(places) * float(one.log_det)
            free -= len(places) * term.prior.rank
        return value + 0.5 * free * math.log(2 * math.pi)

    def _starts(self, psi: Tensor) -> Iterator[Tensor]:
        """Where to look for b: on from the last place, there itself, at the beginning, and at 0."""
        if self.last is not None:
            if self.last.moves is not None:
                yield self.last.theta + self.last.moves @ (psi - self.last.psi)
            yield self.last.theta
        if self.begin is not None:
            yield self.begin
        yield torch.zeros(self.of.size, dtype=torch.float64)

    def _given(self, psi: Tensor) -> Likelihood:
        """The likelihood of the integrated coefficients, all other fixed ones at psi."""
        of = self.of
        beta = psi[: len(of.kept)]
        offsets = [predictor.eta(beta) for predictor in of.outer.predictors]
        inner = tuple(replace(one, offset=offset) for one, offset in zip(of.inner.predictors, offsets, strict=True))
        rows = replace(of.inner, predictors=inner)
        return Likelihood(of.model.family, of.model.links, rows.chunks(of.chunk), of.size)

    # ---- derivatives ----

    def derivatives(self, psi: Tensor) -> tuple[float, Tensor, Tensor]:
        """Value, gradient (r,) and Hessian (r, r)."""
        key = psi.numpy().tobytes()
        if key not in self._derived:
            found = self.at(psi)
            if found is None:
                return -math.inf, torch.zeros_like(psi), -torch.eye(len(psi), dtype=torch.float64)
            derived = self._derivation(found)
            self._derived.clear()
            self._derived[key] = found.value, derived.gradient(), derived.hessian()
            self._found[key] = self.last = replace(found, moves=derived.moves)
        return self._derived[key]

    def _derivation(self, found: Integrated) -> Derivation:
        return Derivation(self.of, found)


class Derivation:
    """One pass over the rows that finds how b moves, and one more for the second derivatives."""

    def __init__(self, of: Penalised, found: Integrated) -> None:
        self.of, self.found = of, found
        self.M = found.inner_inverse()
        self.sides = of.inner.sides
        self.rows: list[tuple[Rows, Rows, HigherDerivatives]] = list(self._pass())
        p, k = of.sizes
        r = p + k
        self.slope = torch.zeros(of.size, dtype=torch.float64)  # c = Z' phi'
        self.first = torch.zeros(p, dtype=torch.float64)  # X' (g + phi'/2)
        right = torch.zeros((of.size, r), dtype=torch.float64)
        for outer, inner, row in self.rows:
            for j, (fixed, own) in enumerate(zip(outer.predictors, inner.predictors, strict=True)):
                self.slope.index_add_(0, own.columns, own.X.rmatvec(row.slope[:, j]))
                self.first.index_add_(0, fixed.columns, fixed.X.rmatvec(row.g[:, j] + 0.5 * row.slope[:, j]))
                for i, other in enumerate(outer.predictors):
                    _add_cross(right, own, other, row.h[:, j, i])
        self.b = [found.theta[places] for places in of.places]
        for term in range(len(of.terms)):
            for a, at in enumerate(range(of.omegas[term].start, of.omegas[term].stop)):
                moved = self.b[term] @ found.jets[term].first[a]
                right[:, at].index_add_(0, of.places[term].flatten(), -moved.flatten())
        self.moves = solve_columns(found.factor, right)
        self.sums = [block_sum(self.M, places) for places in of.places]

    def _pass(self) -> Iterator[tuple[Rows, Rows, HigherDerivatives]]:
        likelihood = self.found.likelihood
        for fixed, chunk in zip(self.of.outer.chunks(self.of.chunk), likelihood.chunks, strict=True):
            q = self._quadratics(chunk)

            def weighed(*etas: Tensor, chunk: Rows = chunk) -> Tensor:
                return chunk.weight * likelihood.log_density(chunk, *etas)

            yield fixed, chunk, higher_derivatives(weighed, likelihood.etas(chunk, self.found.theta), q, True)

    def _quadratics(self, chunk: Rows) -> Tensor:
        """(n, K, K) what half the log-determinant falls by with the Hessians of the rows, twice."""
        return _quadratics(self.found.likelihood, chunk, self.M)

    def gradient(self) -> Tensor:
        """(r,)"""
        of = self.of
        out = 0.5 * (self.slope @ self.moves)
        out[: len(of.kept)] += self.first
        for term, part in enumerate(of.omegas):
            one, b = self.found.jets[term], self.b[term]
            for a in range(len(one.slope)):
                fall = float(((b @ one.first[a]) * b).sum() + (self.sums[term] * one.first[a]).sum())
                out[part.start + a] += 0.5 * (len(b) * float(one.slope[a]) - fall)
        return out

    def hessian(self) -> Tensor:
        """(r, r)"""
        of, found = self.of, self.found
        u = solve_columns(found.factor, self.slope[:, None])[:, 0]
        p, k = of.sizes
        r = p + k
        out = torch.zeros((r, r), dtype=torch.float64)
        changes: list[Symmetric] = [found.likelihood.no_curvature() for _ in range(r)]
        for outer, inner, row in self.rows:
            along = self.directions(outer, inner)
            z = torch.stack([own.X.matvec(u[own.columns]) for own in inner.predictors], dim=1)
            T = row.h + 0.5 * row.curvature + 0.5 * torch.einsum("njkl,nl->njk", row.d, z)
            out += torch.einsum("nja,njk,nkb->ab", along, T, along)
            for a in range(r):
                h = torch.einsum("njkl,nl->njk", row.d, along[:, :, a])
                found.likelihood.add_hessian(changes[a], inner, -h)
        self._add_priors(out, changes, u)
        whole = torch.stack([flattened(congruent(found.factor, one)) for one in changes])
        out += 0.5 * (whole @ whole.T)
        if found.profile is not None:
            out += self._of_profiled(changes, found.profile)
        return 0.5 * (out + out.T)

    def _of_profiled(self, changes: Sequence[Symmetric], G: Tensor) -> Tensor:
        """tr(M A_a M A_b) / 2 less the same with A^-1 in place of M."""
        moved = [structured(one).times(G) for one in changes]
        lower = structured_factor(self.found.factor)
        half = torch.stack([lower.half_solve(one).flatten() for one in moved])
        inner = torch.stack([(G.T @ one).flatten() for one in moved])
        return 0.5 * (inner @ inner.T) - half @ half.T

    def directions(self, outer: Rows, inner: Rows) -> Tensor:
        """(n, K, r) the derivatives of the linear predictors in psi."""
        p, k = self.of.sizes
        out = torch.zeros((len(outer), len(outer.predictors), p + k), dtype=torch.float64)
        for j, (fixed, own) in enumerate(zip(outer.predictors, inner.predictors, strict=True)):
            if len(fixed.columns):
                out[:, j, fixed.columns] = fixed.X.dense()
            for a in range(p + k):
                out[:, j, a] += own.X.matvec(self.moves[own.columns, a])
        return out

    def _add_priors(self, out: Tensor, changes: Sequence[Symmetric], u: Tensor) -> None:
        """What the priors add to the Hessian, and to the derivatives of A."""
        of = self.of
        for term, part in enumerate(of.omegas):
            one, b, places = self.found.jets[term], self.b[term], of.places[term]
            moves, v, m = self.moves[places], u[places], len(places)  # (m, d, r), (m, d)
            out -= _gram(one, moves)
            for a in range(len(one.slope)):
                at, P = part.start + a, one.first[a]
                add_blocks(changes[at], places, P)
                beside = torch.einsum("md,mdr->r", b @ P + 0.5 * v @ P, moves)
                out[at] -= beside
                out[:, at] -= beside
                for c in range(len(one.slope)):
                    Q, other = one.second[a, c], part.start + c
                    square = float(((b @ Q) * (b + v)).sum() + (self.sums[term] * Q).sum())
                    out[at, other] += 0.5 * (m * float(one.curvature[a, c]) - square)


def _gram(one: Jet, moves: Tensor) -> Tensor:
    """sum_i x_i'P x_i (r, r), for moves x (m, d, r)."""
    if one.root is None:
        return torch.einsum("mdr,de,mes->rs", moves, one.P, moves)
    half = torch.einsum("cd,mdr->mcr", one.root, moves).flatten(0, 1)
    return half.T @ half


def _add_cross(right: Tensor, own: Predictor, fixed: Predictor, h: Tensor) -> None:
    """right += Z' diag(h) X in the rows of Z's coefficients and the columns of X's."""
    if len(own.columns) and len(fixed.columns):
        block = own.X.sandwich(h, fixed.X)
        right.index_put_((own.columns[:, None], fixed.columns), block, accumulate=True)


def _quadratics(likelihood: Likelihood, chunk: Rows, V: Tensor | LowRank) -> Tensor:
    """(n, K, K) z_j' V z_k."""
    if isinstance(V, LowRank):
        return leverages(likelihood, chunk, V)
    sides = [(X.dense(), columns) for X, columns in chunk.sides]
    rows = [[((x @ V[a[:, None], b]) * z).sum(dim=1) for z, b in sides] for x, a in sides]
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
