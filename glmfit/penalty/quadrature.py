"""Adaptive Gauss-Hermite quadrature of the effects of one factor, with exact derivatives.

    log L_i = log|P|/2 - log|A|/2 + log sum_q w_q exp(j(b_q) + z_q'z_q/2),    b_q = b^ + C z_q,  C'AC = I

for each level i, whose j = l_i - b'Pb/2 has its maximum at b^ and there the curvature A; z_q and w_q integrate against
the normal density, and one node is Laplace's approximation (Liu & Pierce 1994, Biometrika 81, 624-629). Along psi_a
the nodes move by b^_a + C_a z_q: with M_a = C'A_a C and F_a its lower triangle, the diagonal halved, C_a = -C F_a'.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from glmfit.design import Categorical
from glmfit.model import Rows
from glmfit.model.likelihood import gradients, row_derivatives
from glmfit.penalty.laplace import Derivation, Integrated, Laplace
from glmfit.penalty.matrices import blocks_of, solve_columns
from glmfit.penalty.prior import Jet
from glmfit.penalty.term import Penalised


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """Nodes z (Q, D), and log(w_q) + z_q'z_q/2 (Q,)."""

    nodes: Tensor
    logs: Tensor

    @classmethod
    def product(cls, points: int, dimension: int) -> Rule:
        """Gauss-Hermite rules of so many points for each of D standard normal variables, multiplied."""
        z, w = np.polynomial.hermite_e.hermegauss(points)
        z = np.where(np.abs(z) < np.finfo(float).eps, 0.0, z)
        logs = np.log(w) - 0.5 * math.log(2 * math.pi) + 0.5 * z**2
        places = np.indices((points,) * dimension).reshape(dimension, -1).T
        return cls(torch.from_numpy(z[places]), torch.from_numpy(logs[places].sum(axis=1)))


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """Where each of m levels is looked at: modes b and steps C z_q from them, both among D effects of all terms."""

    found: Integrated
    of: Penalised
    rule: Rule
    places: Tensor  # (m, D) of the effects among those that are integrated
    C: Tensor  # (m, D, D)
    half_log_det: Tensor  # (m,) of A

    @classmethod
    def around(cls, of: Penalised, found: Integrated, rule: Rule) -> Nodes:
        """The nodes at the modes."""
        places = torch.cat(of.places, dim=1)
        # V = A^-1 = C C' with C upper triangular: the Cholesky factor with rows and columns turned round.
        lower = torch.linalg.cholesky(blocks_of(found.inverse(), places).flip((1, 2)))
        C = lower.flip((1, 2))
        return cls(found, of, rule, places, C, -torch.diagonal(C, dim1=1, dim2=2).log().sum(dim=1))

    @property
    def slots(self) -> list[slice]:
        """Where each term's effects are among the D."""
        ends = np.cumsum([places.shape[1] for places in self.of.places]).tolist()
        return [slice(end - places.shape[1], end) for end, places in zip(ends, self.of.places, strict=True)]

    def effects(self, part: slice) -> Tensor:
        """(B, m, D) b_q of some nodes."""
        return self.found.theta[self.places] + self.steps(part)

    def steps(self, part: slice) -> Tensor:
        """(B, m, D) C z_q of some nodes."""
        return torch.einsum("mde,be->bmd", self.C, self.rule.nodes[part])

    def multipliers(self, chunk: Rows) -> tuple[Tensor, Tensor]:
        """The level of each row (n,), and what its effects are multiplied by, Z (n, K, D)."""
        z = torch.zeros((len(chunk), len(chunk.predictors), self.places.shape[1]), dtype=torch.float64)
        for k, predictor in enumerate(chunk.predictors):
            slots = [
                at
                for term, slot in zip(self.of.terms, self.slots, strict=True)
                for at in range(slot.start, slot.stop)
                if term.parameter == predictor.parameter
            ]
            for at, block in zip(slots, predictor.X.blocks, strict=True):
                assert isinstance(block, Categorical)
                z[:, k, at] = 1.0 if block.multiplier is None else block.multiplier
                codes = block.codes
        return codes, z

    def looks(self) -> Iterator[Look]:
        """Rows at some of the nodes at a time: so many that there are as many rows as are worked on together."""
        for chunk in self.found.likelihood.chunks:
            codes, z = self.multipliers(chunk)
            modes = self.found.likelihood.etas(chunk, self.found.theta)
            together = max(1, self.of.chunk // len(chunk))
            for start in range(0, len(self.rule.logs), together):
                part = slice(start, min(start + together, len(self.rule.logs)))
                steps = self.steps(part)[:, codes]
                etas = [(eta + (z[:, k] * steps).sum(dim=2)).flatten() for k, eta in enumerate(modes)]
                yield Look(chunk, codes, z, part, _repeated(chunk, part.stop - part.start), etas)

    def heights(self, joint: Tensor) -> Tensor:
        """(Q, m) log w_q + z_q'z_q/2 + j(b_q), and what is the same for all nodes, from l (Q, m) at them."""
        out = joint + self.rule.logs[:, None] - self.half_log_det
        b = self.effects(slice(None))
        for slot, one in zip(self.slots, self.found.jets, strict=True):
            out += 0.5 * one.log_det - 0.5 * _squares(one, b[:, :, slot])
        return out

    def value(self) -> float:
        """log L."""
        joint = torch.zeros((len(self.rule.logs), len(self.places)), dtype=torch.float64)
        with torch.no_grad():
            for look in self.looks():
                look.add(joint, self.weighed(look, *look.etas))
        return float(torch.logsumexp(self.heights(joint), dim=0).sum())

    def weighed(self, look: Look, *etas: Tensor) -> Tensor:
        """(B n,) the log-density of rows, weights on it."""
        return look.rows.weight * self.found.likelihood.log_density(look.rows, *etas)


class Look(NamedTuple):
    """Rows of a chunk with their multipliers, B nodes, and the rows and linear predictors there, node after node."""

    chunk: Rows
    codes: Tensor
    z: Tensor
    part: slice
    rows: Rows
    etas: list[Tensor]

    def add(self, total: Tensor, x: Tensor) -> None:
        """total (Q, m, ...) += the sums by level of x (B n, ...)."""
        total[self.part].index_add_(1, self.codes, x.reshape(-1, len(self.codes), *x.shape[1:]))


@dataclass(slots=True, eq=False)
class Quadrature(Laplace):
    """log L(psi) as an `Objective`, by a rule for the effects of the only factor."""

    points: int = 1

    def _maximised(self, psi: Tensor) -> Integrated | None:
        found = Laplace._maximised(self, psi)
        return None if found is None else replace(found, value=self.nodes(found).value())

    def nodes(self, found: Integrated) -> Nodes:
        """Those around the modes."""
        dimension = sum(places.shape[1] for places in self.of.places)
        return Nodes.around(self.of, found, Rule.product(self.points, dimension))

    def _derivation(self, found: Integrated) -> Derivation:
        return _AtNodes(self.of, found, self.nodes(found))


class _AtNodes(Derivation):
    """A pass over the nodes for the gradient of j there, one over the rows, and one over the nodes again.

    v = sum_q p_q j_b(b_q) and W = C' sum_q p_q j_b(b_q) z_q' are what log L rises by as b^ and C change, p_q the shares
    of the nodes; with T the lower triangle of W', its diagonal halved, -C (I + T + T') C'/2 is that for A.
    """

    def __init__(self, of: Penalised, found: Integrated, nodes: Nodes) -> None:
        self.nodes = nodes
        self._look(found)
        self.lower = _lower(self.W.transpose(1, 2))
        eye = torch.eye(self.W.shape[1], dtype=torch.float64)
        self.G = nodes.C @ (eye + self.lower + self.lower.transpose(1, 2)) @ nodes.C.transpose(1, 2)
        Derivation.__init__(self, of, found)
        self.bases = [self.directions(outer, inner) for outer, inner, _ in self.rows]
        self.white = self._whitened_changes()
        self.F = _lower(self.white)
        self._add_up()

    def _quadratics(self, chunk: Rows) -> Tensor:
        codes, z = self.nodes.multipliers(chunk)
        return torch.einsum("nke,nef,nlf->nkl", z, self.G[codes], z)

    def _look(self, found: Integrated) -> None:
        """The shares of the nodes p (Q, m), v (m, D) and W (m, D, D)."""
        nodes = self.nodes
        Q, (m, D) = len(nodes.rule.logs), nodes.places.shape
        joint, slopes = torch.zeros((Q, m), dtype=torch.float64), torch.zeros((Q, m, D), dtype=torch.float64)
        for look in nodes.looks():
            leaves = [eta.requires_grad_(True) for eta in look.etas]
            rows = nodes.weighed(look, *leaves)
            g = torch.stack(gradients(rows, leaves, create_graph=False), dim=1).reshape(-1, *look.z.shape[:2])
            look.add(joint, rows.detach())
            look.add(slopes, torch.einsum("bnk,nke->bne", g, look.z).flatten(0, 1))
        b = nodes.effects(slice(None))
        for slot, one in zip(nodes.slots, found.jets, strict=True):
            slopes[:, :, slot] -= one.times(b[:, :, slot])
        self.shares = torch.softmax(nodes.heights(joint), dim=0)
        slopes = _nothing_of(self.shares[:, :, None], slopes)
        self.v = slopes.sum(dim=0)
        self.W = torch.einsum("mde,qmd,qf->mef", nodes.C, slopes, nodes.rule.nodes)

    def _whitened_changes(self) -> Tensor:
        """M_a (m, r, D, D)."""
        m, D = self.nodes.places.shape
        r = self.moves.shape[1]
        out = torch.zeros((m, r, D, D), dtype=torch.float64)
        for base, (_, inner, row) in zip(self.bases, self.rows, strict=True):
            codes, z = self.nodes.multipliers(inner)
            h = torch.einsum("njkl,nla->najk", row.d, base)
            out.index_add_(0, codes, -torch.einsum("nje,najk,nkf->naef", z, h, z))
        for slot, part, one in self._priors():
            out[:, part, slot, slot] += one.first
        return torch.einsum("mde,madc,mcf->maef", self.nodes.C, out, self.nodes.C)

    def _priors(self) -> Iterator[tuple[slice, slice, Jet]]:
        """For each term where its effects are among all, its omega among the arguments, and its prior."""
        yield from zip(self.nodes.slots, self.of.omegas, self.found.jets, strict=True)

    def _add_up(self) -> None:
        """The gradient, and what the nodes add to the Hessian."""
        nodes, Q, m, r = self.nodes, len(self.nodes.rule.logs), len(self.nodes.places), self.moves.shape[1]
        turned = -torch.einsum("mde,mafe->mdaf", nodes.C, self.F)  # C_a
        steps = torch.einsum("mdaf,qf->qmda", turned, nodes.rule.nodes)
        slopes = torch.zeros((Q, m, r), dtype=torch.float64)
        curved = torch.zeros((r, r), dtype=torch.float64)
        bases = {id(inner): base for base, (_, inner, _) in zip(self.bases, self.rows, strict=True)}
        for look in nodes.looks():
            row = row_derivatives(lambda *eta, look=look: nodes.weighed(look, *eta), look.etas)
            along = (bases[id(look.chunk)] + look.z @ steps[look.part][:, look.codes]).flatten(0, 1)  # (B n, K, r)
            look.add(slopes, torch.einsum("nk,nka->na", row.g, along))
            share = self.shares[look.part][:, look.codes].flatten()
            h = _nothing_of(share[:, None, None], row.h)
            curved += torch.einsum("nja,njk,nkb->ab", along, h, along)
        self._add_penalty(self.moves[nodes.places] + steps, slopes, curved)
        slopes -= 0.5 * torch.diagonal(self.white, dim1=2, dim2=3).sum(dim=2)
        for _, part, one in self._priors():
            slopes[:, :, part] += 0.5 * one.slope
        weighed = _nothing_of(self.shares[:, :, None], slopes)
        by_level = weighed.sum(dim=0)
        self.first = by_level.sum(dim=0)
        self.curved = curved + weighed.flatten(0, 1).T @ torch.where(weighed == 0, 0.0, slopes).flatten(0, 1)
        self.curved -= by_level.T @ by_level

    def _add_penalty(self, moves: Tensor, slopes: Tensor, curved: Tensor) -> None:
        """What -b_q'P b_q/2 adds at the nodes, where b_q moves by `moves` (Q, m, D, r)."""
        b = self.nodes.effects(slice(None))
        for slot, part, one in self._priors():
            own, along = b[:, :, slot].flatten(0, 1), moves[:, :, slot].flatten(0, 1)
            share = self.shares.flatten()
            slopes -= torch.einsum("xd,xda->xa", one.times(own), along).reshape(slopes.shape)
            curved -= _gram(one, along, share)
            turned = torch.einsum("xd,ade->xae", own, one.first)
            slopes[:, :, part] -= 0.5 * torch.einsum("xae,xe->xa", turned, own).reshape(*slopes.shape[:2], -1)
            total = torch.einsum("x,xae,xer->ar", share, turned, along)
            curved[part] -= total
            curved[:, part] -= total.T
            square = torch.einsum("x,xd,xe->de", share, own, own)
            curved[part, part] -= 0.5 * torch.einsum("de,acde->ac", square, one.second)

    def gradient(self) -> Tensor:
        return self.first

    def hessian(self) -> Tensor:
        nodes, M, F = self.nodes, self.white, self.F
        right = self.slope.clone()
        right.index_add_(0, nodes.places.flatten(), 2 * self.v.flatten())
        u = solve_columns(self.found.factor, right[:, None])[:, 0]
        out = self.curved.clone()
        for base, (_, inner, row) in zip(self.bases, self.rows, strict=True):
            z = torch.stack([own.X.matvec(u[own.columns]) for own in inner.predictors], dim=1)
            T = 0.5 * row.curvature + 0.5 * torch.einsum("njkl,nl->njk", row.d, z)
            out += torch.einsum("nja,njk,nkb->ab", base, T, base)
        moves, own_u, total = self.moves[nodes.places], u[nodes.places], self.G.sum(dim=0)
        b, m = self.found.theta[nodes.places], len(nodes.places)
        for slot, part, one in self._priors():
            beside = 0.5 * torch.einsum("md,ade,mer->ar", own_u[:, slot], one.first, moves[:, slot])
            out[part] -= beside
            out[:, part] -= beside.T
            second = torch.einsum("md,acde,me->ac", b[:, slot], one.second, own_u[:, slot])
            second += torch.einsum("de,acde->ac", total[slot, slot], one.second)
            out[part, part] += 0.5 * (m * one.curvature - second)
        S = 0.5 * (self.lower + self.lower.transpose(1, 2))
        out += 0.5 * torch.einsum("maef,mbef->ab", M, M)
        out += torch.einsum("mef,mafg,mbge->ab", self.W, F, F)
        out += 2 * torch.einsum("maef,mbef->ab", S[:, None] @ M, F)
        return 0.5 * (out + out.T)


def _lower(M: Tensor) -> Tensor:
    """The lower triangles of matrices (..., D, D), their diagonals halved."""
    return torch.tril(M) - 0.5 * torch.diag_embed(torch.diagonal(M, dim1=-2, dim2=-1))


def _nothing_of(share: Tensor, x: Tensor) -> Tensor:
    """share x, and 0 of a node so far out that its density has rounded to 0, whose derivatives have no value."""
    return torch.where(share == 0, 0.0, share * x)


def _squares(one: Jet, b: Tensor) -> Tensor:
    """(...,) b'Pb for b (..., d)."""
    return (b * one.times(b)).sum(dim=-1) if one.root is None else (b @ one.root.T).square().sum(dim=-1)


def _gram(one: Jet, moves: Tensor, share: Tensor) -> Tensor:
    """sum_i p_i x_i'P x_i (r, r), for moves x (m, d, r)."""
    if one.root is None:
        return torch.einsum("m,mdr,de,mes->rs", share, moves, one.P, moves)
    half = (torch.sqrt(share)[:, None, None] * (one.root @ moves)).flatten(0, 1)
    return half.T @ half


def _repeated(chunk: Rows, times: int) -> Rows:
    """What a log-density is of, all rows one after the other so many times."""

    def again(x: Tensor) -> Tensor:
        return x.repeat(times)

    if times == 1:
        return chunk
    columns = {name: again(column) for name, column in chunk.columns.items()}
    held = {name: again(value) for name, value in chunk.held.items()}
    return replace(chunk, y=again(chunk.y), weight=again(chunk.weight), columns=columns, held=held)
