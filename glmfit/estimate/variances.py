"""Random effects as they are reported: standard deviations, correlations, modes, and shares of the variance.

    log SD and atanh(correlation) have the standard errors of omega by the delta method, and intervals mapped back
    ICC = V_random / (V_random + V_residual)      R2 = V_fixed (+ V_random) / (V_fixed + V_random + V_residual)

V_random is the mean of z'Sigma z over the rows, V_residual phi, or of a latent response of a link pi^2/3, 1 or pi^2/6
(Nakagawa, Johnson & Schielzeth 2017, J. R. Soc. Interface 14, 20170213).
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from glmfit.estimate.mixed import MixedMaximum
from glmfit.estimate.random import RandomColumns
from glmfit.inference import Reference
from glmfit.numerics import summed
from glmfit.penalty import Laplace, Quadrature, penalised
from glmfit.penalty.matrices import blocks_of
from glmfit.random_effects import Correlation, Deviation, Mode, RandomEffects, RandomTerm

ONE = 1 - 1e-9  # a correlation beyond is 1
LATENT = {"logit": math.pi**2 / 3, "probit": 1.0, "cloglog": math.pi**2 / 6}  # variances of latent responses
MOST_KEPT = 100_000  # modes


def random_effects(
    found: MixedMaximum, covariance: Tensor | None, level: float, unknown: Tensor | None = None
) -> RandomEffects:
    """All of them; `covariance` (k, k) is that of omega, 0 where it is held, None where there is none.

    `unknown` (k,) are those that the data do not determine.
    """
    terms = []
    at = 0
    modes = None if covariance is None else _modes(found)
    for place, one in enumerate(found.columns):
        k = one.prior.size
        own = None if covariance is None else covariance[at : at + k, at : at + k]
        gone = torch.zeros(k, dtype=torch.bool) if unknown is None else unknown[at : at + k]
        terms.append(_term(found, place, own, level, () if modes is None else modes[place], gone))
        at += k
    shares = _shares(found)
    of = found.peak.laplace
    nodes = of.points if isinstance(of, Quadrature) else None
    integral = "exact" if found.exact else "laplace" if nodes is None else "quadrature"
    return RandomEffects(tuple(terms), "reml" if found.reml else "ml", integral, nodes, *shares)


def sizes_and_correlations(found: MixedMaximum, place: int) -> tuple[Tensor, Tensor]:
    """The standard deviations (d,) of a term, and its correlations in the order of reports, NaN where there is none."""
    L, _ = free_factor(found, place)
    size = torch.linalg.vector_norm(L, dim=1)
    first, second = torch.tril_indices(len(size), len(size), -1)
    tied = (L[first] * L[second]).sum(dim=1) / (size[first] * size[second])
    return size, tied.clamp(-1.0, 1.0)


def free_factor(found: MixedMaximum, place: int) -> tuple[Tensor, Tensor]:
    """L (d, d) of a term's covariance as it is reported, columns that are held at their end put to 0; and omega."""
    one, part = found.columns[place], found.peak.laplace.of.omegas[place]
    omega, held = found.peak.psi[part], found.peak.held[part]
    return _factor(one, omega, held), omega


def _factor(one: RandomColumns, omega: Tensor, held: Tensor) -> Tensor:
    gone = held[one.prior.diagonal]
    return torch.where(gone, 0.0, one.factor(omega))


def _term(
    found: MixedMaximum,
    place: int,
    covariance: Tensor | None,
    level: float,
    modes: tuple[Mode, ...],
    unknown: Tensor,
) -> RandomTerm:
    one, part = found.columns[place], found.peak.laplace.of.omegas[place]
    held = found.peak.held[part]
    L, omega = free_factor(found, place)
    size = torch.linalg.vector_norm(L, dim=1)
    pairs = [(i, j) for i in range(len(size)) for j in range(i)]
    half = Reference(None).quantile(level)

    def transformed(omega: Tensor) -> Tensor:
        """log of the standard deviations, then atanh of the correlations; 0 for those that have none."""
        L = _factor(one, omega, held)
        norm = torch.linalg.vector_norm(L, dim=1)
        logs = [norm[i].log() if size[i] > 0 else norm.new_zeros(()) for i in range(len(size))]
        tied = [
            torch.atanh((L[i] @ L[j]) / (norm[i] * norm[j])) if _inside(L, i, j) else norm.new_zeros(())
            for i, j in pairs
        ]
        return torch.stack([*logs, *tied])

    values = transformed(omega)
    errors = torch.full((len(values),), math.nan, dtype=torch.float64)
    J = torch.autograd.functional.jacobian(transformed, omega)
    if covariance is not None:
        errors = torch.sqrt(torch.diagonal(J @ covariance @ J.T).clamp(min=0))
    vague = (J[:, unknown] != 0).any(dim=1)
    errors[vague] = math.nan
    status = ["not_identified" if one else None for one in vague.tolist()]
    deviations = []
    for i, name in enumerate(one.effects):
        if not size[i] > 0:
            deviations.append(Deviation(name, 0.0, math.nan, math.nan, math.nan, "boundary"))
            continue
        log, error = float(values[i]), float(errors[i])
        ends = (math.exp(log - half * error), math.exp(log + half * error))
        deviations.append(Deviation(name, float(size[i]), float(size[i]) * error, *ends, status[i]))
    correlations = []
    for at, (i, j) in enumerate(pairs, start=len(size)):
        tied = _correlation(one.effects[j], one.effects[i], L, i, j, values[at], errors[at], half)
        correlations.append(replace(tied, status=tied.status or status[at]))
    group = one.group
    return RandomTerm(
        one.term.parameter,
        one.of.spelled,
        group,
        len(one.levels),
        tuple(deviations),
        tuple(correlations),
        modes or None,
    )


def _inside(L: Tensor, i: int, j: int) -> bool:
    """Whether two effects have a correlation, and not one of 1 or -1."""
    L = L.detach()
    norm = float(torch.linalg.vector_norm(L[i]) * torch.linalg.vector_norm(L[j]))
    return norm > 0 and abs(float(L[i] @ L[j])) < ONE * norm


def _correlation(
    first: str, second: str, L: Tensor, i: int, j: int, value: Tensor, error: Tensor, half: float
) -> Correlation:
    norm = float(torch.linalg.vector_norm(L[i]) * torch.linalg.vector_norm(L[j]))
    if not _inside(L, i, j):
        estimate = math.copysign(1.0, float(L[i] @ L[j])) if norm > 0 else math.nan
        return Correlation(first, second, estimate, math.nan, math.nan, "boundary")
    ends = (math.tanh(float(value - half * error)), math.tanh(float(value + half * error)))
    return Correlation(first, second, math.tanh(float(value)), *ends)


def _modes(found: MixedMaximum) -> list[tuple[Mode, ...]] | None:
    """The conditional modes of each term by level, with standard errors given the estimates of all else."""
    peak, of = found.peak, found.peak.laplace.of
    if of.size > MOST_KEPT:
        return None
    integrated, places = peak.integrated, found.places
    if len(of.taken):  # with REML the coefficients of the mean are integrated too: here they are given
        laplace = Laplace(penalised(of.model, [one.term for one in found.columns]))
        first = len(of.kept)
        given = laplace.at(torch.cat([found.theta, peak.psi[first : first + found.parameters]]))
        assert given is not None
        integrated, places = given, laplace.of.places
    V = integrated.inverse()
    out = []
    for one, at in zip(found.columns, places, strict=True):
        b = (integrated.theta[at] / one.scale).tolist()
        errors = (torch.sqrt(torch.diagonal(blocks_of(V, at), dim1=1, dim2=2)) / one.scale).tolist()
        out.append(
            tuple(
                Mode(level, effect, b[i][j], errors[i][j])
                for i, level in enumerate(one.levels)
                for j, effect in enumerate(one.effects)
            )
        )
    return out


def _shares(found: MixedMaximum) -> tuple[float, float, float]:
    """ICC, marginal and conditional R2; NaN where the residual variance on the scale of the link is not known."""
    model = found.model
    main = model.family.main
    residual = _residual(found)
    if math.isnan(residual) or any(one.term.parameter != main for one in found.columns):
        return math.nan, math.nan, math.nan
    predictor = next(one for one in model.rows.predictors if one.parameter == main)
    frequency = model.rows.frequency
    n = float(summed(frequency))
    fixed = predictor.X.matvec(found.theta[predictor.columns])
    mean = float((frequency * fixed).sum()) / n
    of_fixed = float((frequency * (fixed - mean).square()).sum()) / max(n - 1, 1.0)
    of_random = 0.0
    for place, one in enumerate(found.columns):
        L, _ = free_factor(found, place)
        multipliers = [torch.ones(len(fixed)) if b.multiplier is None else b.multiplier for b in one.blocks]
        z = torch.stack([m.double() for m in multipliers], dim=1) * one.scale
        of_random += float((frequency * (z @ L).square().sum(dim=1)).sum()) / n
    total = of_fixed + of_random + residual
    return of_random / (of_random + residual), of_fixed / total, (of_fixed + of_random) / total


def _residual(found: MixedMaximum) -> float:
    """The variance of a response, or of the latent one behind it, about its linear predictor."""
    model, family = found.model, found.model.family
    link = model.links[family.main].name
    if family.name == "gaussian" and link == "identity":
        if "phi" in model.rows.held:
            return float(torch.exp(model.rows.held["phi"] + model.rows.log_prior)[0])
        predictor = next(one for one in model.rows.predictors if one.parameter == "phi")
        if len(predictor.columns) == 1 and [term for name, term in model.names if name == "phi"] == ["Intercept"]:
            return math.exp(float(model.reported(found.theta)[predictor.columns[0]]))
    if family.name == "binomial":
        return LATENT.get(link, math.nan)
    return math.nan
