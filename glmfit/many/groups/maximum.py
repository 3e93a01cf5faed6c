"""The maxima of a panel, and which of them are plain: found, clearly curved, and with nothing to be said of them.

What `estimate.maximum` decides of one fit by looking closer is here a group that leaves the batch: where information
has become suspiciously small, where a simpler family comes near, where means lie at an end of their range.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from glmfit.estimate.maximum import NEAR_LIMIT, PHI_SETTLED, is_inside, quadratic_links
from glmfit.estimate.nested import CLIMBED, HIGHER, MOST_STEPS, NEAR, family_within
from glmfit.families import Family, Link
from glmfit.inference.dispersion import PERFECT
from glmfit.many.groups import begin
from glmfit.many.groups.scales import Scales
from glmfit.model import Panel, PanelObjective
from glmfit.numerics import BatchDerivatives, BatchOptimum, newton_batch
from glmfit.numerics.batch import factors
from glmfit.numerics.curvature import ILL_CONDITIONED
from glmfit.spec import ModelSpec
from glmfit.trust import SUSPICIOUS
from glmfit.trust.diagnose import BOUNDARY, COLLINEAR

SETTLED = 1e-12  # a decrement below which a last step changes nothing that is looked at again


@dataclass(frozen=True, slots=True, eq=False)
class Maxima:
    """Of each group of a panel: theta (B, size), derivatives there, phi (B,) held, sums (3, B) of goodness, constants
    (B, K) of the intercept-only fit, iterations and decrement (B,); which are `plain` (B,)."""

    panel: Panel
    scales: Scales
    theta: Tensor
    at: BatchDerivatives
    phi: Tensor
    sums: Tensor
    constants: Tensor
    iterations: Tensor
    decrement: Tensor
    plain: Tensor
    holds_phi: bool

    def of(self, which: Tensor) -> Maxima:
        """Those of some of the groups."""
        rows = {name: getattr(self, name)[which] for name in ("theta", "phi", "constants", "iterations", "plain")}
        return replace(self, panel=self.panel.of(which), scales=self.scales.of(which), sums=self.sums[:, which],
                       at=BatchDerivatives(*(part[which] for part in self.at)), decrement=self.decrement[which],
                       **rows)  # fmt: skip


def maximise(panel: Panel, scales: Scales, spec: ModelSpec) -> Maxima:
    """The maxima of all groups; what is said of one that is not plain means nothing."""
    holds_phi = "phi" in panel.held and not panel.family.joint_dispersion
    constants = begin.constants(panel, holds_phi)
    phi = torch.ones(len(panel), dtype=torch.float64)
    if holds_phi:
        names = [predictor.parameter for predictor in panel.predictors]
        phi = begin.start_phi(panel.constants_only(names), constants)
        panel = panel.held_at(phi)
    theta = begin.coefficients(panel, scales, constants)
    searched = panel.to_search(theta)
    found = newton_batch(PanelObjective(searched), theta, spec.tol, spec.max_iter)
    reference, iterations = found.reference, found.iterations
    sums = begin.goodness(panel, found.theta)
    while holds_phi and not quadratic_links(panel.family, panel.links):
        now = sums[1] / panel.frequency.sum(dim=1)
        again = torch.nonzero(found.converged & ~perfect(sums) & (now <= PHI_SETTLED * phi))[:, 0]
        if not len(again):
            break
        reference[again] *= (phi[again] / now[again])[:, None, None]
        phi[again] = now[again]
        panel = panel.held_at(phi)
        more = newton_batch(PanelObjective(panel.of(again)), found.theta[again], spec.tol, spec.max_iter)
        for part, new in ((found.theta, more.theta), (found.decrement, more.decrement), (found.status, more.status)):
            part[again] = new
        iterations[again] += more.iterations
        sums = begin.goodness(panel, found.theta)
    at = searched.derivatives(found.theta) if not holds_phi else panel.derivatives(found.theta)
    plain = _is_plain(panel, replace(found, reference=reference), at) & ~_meets_simpler(panel, scales, found.theta, at)
    lower, _ = factors(-at.hessian)
    half = torch.linalg.solve_triangular(lower, at.gradient[:, :, None], upper=False)
    decrement = torch.linalg.vector_norm(half, dim=(1, 2))
    plain &= ~perfect(sums)
    return Maxima(panel, scales, found.theta, at, phi, sums, constants, iterations, decrement, plain, holds_phi)


def perfect(sums: Tensor) -> Tensor:
    """(B,) whether nothing but rounding is left of the deviance or the chi-square."""
    return (sums[0] <= PERFECT * sums[2]) | (sums[1] <= PERFECT * sums[2])


def _is_plain(panel: Panel, found: BatchOptimum, at: BatchDerivatives) -> Tensor:
    """(B,) converged where the information is positive definite, well-conditioned, and no less than it was."""
    information = -at.hessian
    lower, definite = factors(information)
    rows = torch.linalg.vector_norm(lower, dim=2)
    fine = (torch.diagonal(lower, dim1=1, dim2=2) > ILL_CONDITIONED * rows).all(dim=1)
    _, kept = factors(information + SUSPICIOUS * found.reference)
    return found.converged & at.finite() & definite & fine & kept & _apart(information) & ~_at_boundary(panel, found)


def _apart(information: Tensor) -> Tensor:
    """(B,) whether the condition number of the root of the information, at unit diagonal, is below COLLINEAR."""
    p = information.shape[1]
    scale = torch.diagonal(information, dim1=1, dim2=2).abs().sqrt()
    unit = information / (scale[:, :, None] * scale[:, None, :])
    less = unit - (p / COLLINEAR**2) * torch.eye(p, dtype=torch.float64)  # no eigenvalue is larger than p
    return factors(less)[1]


def _at_boundary(panel: Panel, found: BatchOptimum) -> Tensor:
    """(B,) whether some fitted means are 0, or probabilities 0 or 1, as `trust.diagnose` has it."""
    family = panel.family
    if family.parameters[0].scale in ("identity", "predictor"):
        return torch.zeros(len(panel), dtype=torch.bool)
    mu = panel.by_rows(lambda likelihood, rows, etas: likelihood.natural(rows, etas)[0], found.theta)
    if family.trials:
        near = (mu < BOUNDARY) | (mu > 1 - BOUNDARY)
    else:
        mean = torch.where(panel.there, mu, 0.0).sum(dim=1) / panel.there.sum(dim=1)
        near = mu < (BOUNDARY * (mean.clamp(min=1.0) if family.support.integer else mean))[:, None]
    return (near & panel.there).any(dim=1)


def _meets_simpler(panel: Panel, scales: Scales, theta: Tensor, at: BatchDerivatives) -> Tensor:
    """(B,) whether a simpler family that this one contains might do as well, or be higher uphill from here."""
    meets = torch.zeros(len(panel), dtype=torch.bool)
    for predictor, limit, family, end in _contained(panel, scales):
        inner = panel.without(predictor, limit, family)
        kept = torch.cat([p.columns for p in panel.predictors if p.parameter != predictor])
        there = inner.derivatives(theta[:, kept])
        lower, definite = factors(-there.hessian)
        step = torch.cholesky_solve(there.gradient[:, :, None], lower)[:, :, 0]
        highest = there.value + (there.gradient * step).sum(dim=1)
        below = definite & there.finite() & (highest < at.value - NEAR)
        if end:
            below &= there.value < at.value - NEAR_LIMIT
        close = torch.nonzero(~below & there.finite())[:, 0]
        if len(close):
            peak = newton_batch(PanelObjective(inner.of(close)), theta[close][:, kept], CLIMBED, MOST_STEPS)
            below[close] = peak.converged & (peak.value < at.value[close] - HIGHER)
        meets |= ~below
    return meets


def _contained(panel: Panel, scales: Scales) -> Iterator[tuple[str, float, Family, bool]]:
    """Each parameter with a special value: its working value there, the simpler family, and whether that is an end."""
    links: Mapping[str, Link] = panel.links
    for predictor, part in zip(panel.predictors, scales.parts, strict=True):
        parameter = panel.family.parameter(predictor.parameter)
        if len(predictor.columns) == panel.size or not bool((scales.unit[:, part] != 0).any()):
            continue
        for special in parameter.special:
            end = special.end and not is_inside(links[parameter.name], parameter.scale, special)
            yield parameter.name, special.working, family_within(panel.family, parameter.name, special), end
