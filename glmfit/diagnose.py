"""Whether an answer can be trusted: each check gives a named finding with advice, or nothing.

A direction in which the information has vanished since the start of the fit is one in which the likelihood rises or
stays level for ever (separated data, an empty cell): there is no estimate there, whatever the optimiser says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from glmfit.curvature import unit_diagonal
from glmfit.errors import Finding
from glmfit.likelihood import Likelihood
from glmfit.optimize import Optimum

VANISHED = 1e-11  # information relative to that at the start
SUSPICIOUS = 1e-5  # below this an optimiser that stops early is not believed, see pipeline
TAKES_PART = 1e-3  # share of a term's own starting standard error that a flat direction of unit length moves it by
COLLINEAR = 1e4  # condition number of the scaled information's root, with unit columns
BOUNDARY = 1e-14  # fitted means this near to an end of their range, about where R's glm warns


@dataclass(frozen=True, slots=True)
class FlatDirections:
    """Positions of the coefficients that the data do not determine, and the finding that says so."""

    places: tuple[int, ...]
    finding: Finding


def relative_information(optimum: Optimum, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Information at the optimum relative to L L' with L = `reference` (p, p): ascending values, directions (p, p)."""
    if optimum.root is not None:
        half = torch.linalg.solve_triangular(reference, optimum.root.T, upper=False)
        vectors, values, _ = torch.linalg.svd(half)
        return values.flip(0) ** 2, vectors.flip(1)
    half = torch.linalg.solve_triangular(reference, -optimum.hessian, upper=False)
    relative = torch.linalg.solve_triangular(reference, half.T, upper=False)
    values, vectors = torch.linalg.eigh(0.5 * (relative + relative.T))
    return values, vectors


def flat_directions(optimum: Optimum, reference: Tensor, names: Sequence[str]) -> FlatDirections | None:
    """The coefficients along which the information has vanished between the start and the end of the fit."""
    values, vectors = relative_information(optimum, reference)
    flat = torch.nonzero(values.abs() < VANISHED)[:, 0]
    if not len(flat):
        return None
    # In units of the starting standard errors: a term takes part where it moves along a flat direction.
    moved = torch.linalg.solve_triangular(reference.T, vectors[:, flat], upper=True)
    scale = torch.sqrt(torch.diagonal(torch.cholesky_inverse(reference)))
    share = (moved.abs() / scale[:, None]).amax(dim=1)
    return undetermined([place for place, part in enumerate(share.tolist()) if part > TAKES_PART], names)


def undetermined(places: Sequence[int], names: Sequence[str]) -> FlatDirections:
    """The coefficients at these places have no estimate."""
    terms = tuple(names[place] for place in places)
    message = (
        f"the data do not determine {_listed(terms)}: the likelihood rises or stays level as they grow without limit "
        "(separation, or a cell without variation), so their estimates and standard errors mean nothing"
    )
    return FlatDirections(tuple(places), Finding("flat_direction", message, terms))


def not_a_maximum(hessian: Tensor, names: Sequence[str]) -> Finding:
    """The Hessian is not negative definite: the terms along which it curves the wrong way, or not at all."""
    vector = torch.linalg.eigh(unit_diagonal(-hessian)[0]).eigenvectors[:, 0]
    terms = _involved(names, vector)
    return Finding(
        "hessian_not_positive_definite",
        f"the log-likelihood has no peak in {_listed(terms)}: there are no standard errors",
        terms,
    )


def collinearity(optimum: Optimum, names: Sequence[str]) -> Finding | None:
    """The condition number of the information's root with unit columns, where it costs digits, and its terms."""
    if len(names) < 2:
        return None
    if optimum.root is not None:
        values, vectors = torch.linalg.svd(optimum.root / torch.linalg.vector_norm(optimum.root, dim=0))[1:]
        condition, vector = float(values[0] / values[-1]), vectors[-1]
    else:
        squares, columns = torch.linalg.eigh(unit_diagonal(-optimum.hessian)[0])
        condition = math.sqrt(float(squares[-1]) / float(squares[0])) if float(squares[0]) > 0 else math.inf
        vector = columns[:, 0]
    if condition < COLLINEAR:
        return None
    terms = _involved(names, vector)
    return Finding(
        "near_collinear",
        f"{_listed(terms)} are nearly linear combinations of each other (condition number {condition:.2g}): "
        "their separate estimates rest on little information",
        terms,
    )


def boundary(likelihood: Likelihood, theta: Tensor) -> Finding | None:
    """Fitted probabilities of 0 or 1, or fitted rates of 0."""
    at_end, total = 0, 0
    unit = likelihood.family.trials
    if likelihood.family.parameters[0].scale == "identity":
        return None
    for chunk in likelihood.chunks:
        mu = likelihood.natural(chunk, likelihood.etas(chunk, theta))[0]
        mean = float(mu.mean())
        near = (mu < BOUNDARY) | (mu > 1 - BOUNDARY) if unit else mu < BOUNDARY * mean
        at_end += int(near.sum())
        total += len(mu)
    if not at_end:
        return None
    what = "fitted probabilities are 0 or 1" if unit else "fitted means are 0"
    return Finding("fitted_boundary", f"{at_end} of {total} {what} to fourteen digits")


def worse_than_null(deviance: float, null_deviance: float) -> Finding | None:
    """A deviance above that of the intercept alone cannot be a maximum."""
    if not deviance > null_deviance * (1 + 1e-8) + 1e-8:
        return None
    return Finding(
        "worse_than_null",
        f"the deviance {deviance:.6g} exceeds that of the intercept-only model, {null_deviance:.6g}: "
        "this is not the maximum",
    )


def _involved(names: Sequence[str], vector: Tensor) -> tuple[str, ...]:
    return tuple(name for name, part in zip(names, vector.abs().tolist(), strict=True) if part > 0.1)


def _listed(terms: Sequence[str]) -> str:
    shown = ", ".join(f"'{term}'" for term in terms[:6])
    return shown + (f" and {len(terms) - 6} more" if len(terms) > 6 else "")
