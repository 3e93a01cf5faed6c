"""The law of random effects as predictions need it: covariances of levels, and how uncertain all of it is together.

    Cov(beta, omega, b) = C A^-1 C' + G V G',    G = d (beta, omega, b) / d psi

V is the covariance of psi, what is not integrated, and A^-1 that of the integrated coefficients for known psi (Kass &
Steffey 1989, J. Am. Stat. Assoc. 84, 717-726); C takes these to where they are reported. Kept as blocks and a low rank.
"""

from __future__ import annotations

import torch
from torch import Tensor

from glmfit.estimate.mixed import MixedMaximum
from glmfit.estimate.placed import in_rows, parts
from glmfit.estimate.variances import MOST_KEPT, free_factor
from glmfit.numerics import LowRank
from glmfit.penalty.matrices import blocks_of
from glmfit.random_effects import RandomLaw

MOST_NUMBERS = 2_000_000  # of the joint covariance that are kept


def law(found: MixedMaximum, covariance: Tensor | None) -> RandomLaw:
    """That of a fit; `covariance` is the working one of its coefficients and of all omega, None where there is none."""
    factors = tuple(in_rows(free_factor(found, place)[0]) for place in range(len(found.columns)))
    integrated = None if covariance is None else _integrated(found)
    if covariance is None or integrated is None:
        return RandomLaw(factors, None)
    joint = _Places(found).joint(covariance, integrated)
    numbers = joint.F.numel() + joint.blocks.numel()
    return RandomLaw(factors, None) if numbers > MOST_NUMBERS else RandomLaw(factors, parts(joint), len(integrated.K))


def _integrated(found: MixedMaximum) -> LowRank | None:
    """A^-1 by blocks and a low rank; None where it is too large, or too many effects have no modes."""
    of = found.peak.laplace.of
    if of.size > MOST_KEPT:
        return None
    V = found.peak.integrated.inverse()
    if isinstance(V, LowRank):
        if not bool(torch.isin(V.inner, torch.arange(len(of.taken))).any()):
            return V
        if of.size**2 > MOST_NUMBERS:
            return None
        V = V.matrix()
    nothing = torch.zeros((of.size, 0), dtype=torch.float64)
    if len(of.terms) == 1 and not len(of.taken):  # levels know nothing of each other
        return LowRank(of.places[0], blocks_of(V, of.places[0]), nothing, nothing[:0])
    return LowRank(torch.arange(of.size)[None], V[None], nothing, nothing[:0])


class _Places:
    """Where working coordinates are reported: coefficients, entries of factors, effects by term, level and effect."""

    def __init__(self, found: MixedMaximum) -> None:
        model, of = found.model, found.peak.laplace.of
        self.found, self.of, self.p = found, of, len(model.names)
        self.kept, self.k = len(of.kept), found.parameters  # strengths of smooths are taken as known
        self.place = torch.cat([places.flatten() for places in found.places])
        columns = zip(found.columns, found.places, strict=True)
        self.scale = torch.cat([(1 / one.scale).expand(places.shape).flatten() for one, places in columns])
        self.size = self.p + self.k + len(self.place)
        self.T = torch.zeros((self.p, model.size), dtype=torch.float64)
        units = torch.eye(model.size, dtype=torch.float64)
        self.T[list(model.kept)] = torch.stack([model.reported(unit) for unit in units], dim=1)

    def reported(self, x: Tensor) -> Tensor:
        """C x for x (|I|, r)."""
        out = torch.zeros((self.size, x.shape[1]), dtype=torch.float64)
        out[: self.p] = self.T[:, self.of.taken] @ x[: len(self.of.taken)]
        out[self.p + self.k :] = self.scale[:, None] * x[self.place]
        return out

    def joint(self, covariance: Tensor, integrated: LowRank) -> LowRank:
        of, model, peak = self.of, self.found.model, self.found.peak
        psi = torch.cat([of.kept, torch.arange(model.size, model.size + self.k)])
        V = covariance[psi[:, None], psi]
        G = self.reported(peak.sensitivity[:, : self.kept + self.k])
        G[: self.p, : self.kept] += self.T[:, of.kept]
        G[self.p : self.p + self.k, self.kept :] = torch.diag(self._of_entries())
        F = torch.cat([self.reported(integrated.F), G], dim=1)
        return LowRank(*self._blocks(integrated), F, torch.block_diag(integrated.K, V))

    def _blocks(self, integrated: LowRank) -> tuple[Tensor, Tensor]:
        """The blocks as they are reported, and where."""
        inner = integrated.inner
        if bool(torch.isin(inner, torch.arange(len(self.of.taken))).any()):  # a single one, of everything
            C = self.reported(torch.eye(self.of.size, dtype=torch.float64))
            there = torch.nonzero((C != 0).any(dim=1))[:, 0]
            return there[None], (C[there] @ integrated.blocks[0] @ C[there].T)[None]
        to, scale = torch.zeros(self.of.size, dtype=torch.int64), torch.ones(self.of.size, dtype=torch.float64)
        to[self.place] = self.p + self.k + torch.arange(len(self.place))
        scale[self.place] = self.scale
        return to[inner], scale[inner][:, :, None] * integrated.blocks * scale[inner][:, None, :]

    def _of_entries(self) -> Tensor:
        """(k,) what entries of the factors are multiplied by: logarithms on the diagonal by nothing."""
        found = []
        for one in self.found.columns:
            rows, columns = torch.tril_indices(one.prior.d, one.prior.d)
            found.append(torch.where(rows == columns, 1.0, 1 / one.scale[rows]))
        return torch.cat(found)
