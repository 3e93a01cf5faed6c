"""How free coefficients are where a Gaussian prior holds them: those of the model itself, and those beside it.

    F = A^-1 (-H) = I - A^-1 P        edf = diag F        edf1 = 2 edf - diag F F

tr F over a smooth is its effective degrees of freedom; A^-1 is the covariance of coefficients given the data (Wood
2006, Scandinavian Journal of Statistics 33, 775-801), for strengths known. Effects beside the model are never laid out.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from glmfit.errors import ModelError
from glmfit.numerics import Factor, Symmetric, cholesky
from glmfit.numerics.curvature import structured
from glmfit.penalty import Integrated, Penalised, PenalisedOwn
from glmfit.penalty.matrices import add_blocks, block_sum, inverse, solve_columns


@dataclass(frozen=True, slots=True, eq=False)
class Freedom:
    """Of the p coefficients of a model: `covariance`, `information` -H and `penalty` P (p, p), 0 but for those at
    `places` (t,), as others are found with the strengths; `edf` and `edf1` (p,), 1 for these.

    `strengths` are those of each term of the model itself; `beside` the effective degrees of freedom of each other.
    """

    places: Tensor
    covariance: Tensor
    information: Tensor
    penalty: Tensor
    edf: Tensor
    edf1: Tensor
    strengths: tuple[tuple[float, ...], ...]
    beside: tuple[float, ...]


def information(found: Integrated, expected: bool) -> Symmetric:
    """-H in all that is integrated or profiled, or with expected rows for the mean; ModelError where there are none."""
    likelihood = found.likelihood
    hessian = likelihood.expected(found.theta) if expected else likelihood.derivatives(found.theta)[2]
    if hessian is None:
        message = f"the {likelihood.family.name} family has no expected information for this model"
        raise ModelError("no_expected_information", message, "use --se hessian, and --smoothing reml or ml")
    return -hessian


def penalised_factor(of: Penalised, found: Integrated, information: Symmetric) -> Factor | None:
    """The factor of A; None where it is not positive definite."""
    total = structured(information).plus_diagonal(torch.zeros(of.size, dtype=torch.float64))  # a copy
    for places, jet in zip(of.places, found.jets, strict=True):
        add_blocks(total, places, jet.P)
    return cholesky(total)


def freedom(of: Penalised, found: Integrated, expected: bool, size: int) -> Freedom:
    """How free the first `size` coefficients of the model are at `found`, by the observed or the expected information.

    The observed one has more digits where means are at the end of their range, and serves where the other has none.
    """
    rows = information(found, expected)
    lower = penalised_factor(of, found, rows)
    if lower is None:
        rows, lower = information(found, False), found.factor
    t = len(of.taken)
    units = torch.zeros((of.size, t), dtype=torch.float64)
    units[torch.arange(t), torch.arange(t)] = 1.0
    V = solve_columns(lower, units)  # (size, t)
    pulled = torch.zeros_like(V)
    penalty = torch.zeros((t, t), dtype=torch.float64)
    for term, places, jet in zip(of.terms, of.places, found.jets, strict=True):
        pulled[places] += torch.einsum("de,met->mdt", jet.P, V[places])
        if isinstance(term, PenalisedOwn):
            add_blocks(penalty, places, jet.P)
    share = units - pulled  # F' in the columns of the model's coefficients
    within = units - V @ penalty  # F in these
    edf = 1.0 - torch.diagonal(pulled[:t])
    whole = inverse(lower)
    beside = tuple(
        places.numel() - float((block_sum(whole, places) * jet.P).sum())
        for term, places, jet in zip(of.terms, of.places, found.jets, strict=True)
        if not isinstance(term, PenalisedOwn)
    )
    edf1 = 2 * edf - (share * within).sum(dim=0)
    own = structured(rows).times(units)[:t]
    ones = torch.ones(size, dtype=torch.float64)
    return Freedom(
        of.taken,
        _placed(0.5 * (V[:t] + V[:t].T), of.taken, size),
        _placed(own, of.taken, size),
        _placed(penalty, of.taken, size),
        ones.index_copy(0, of.taken, edf),
        ones.index_copy(0, of.taken, edf1),
        _strengths(of, found),
        beside,
    )


def _placed(part: Tensor, places: Tensor, size: int) -> Tensor:
    """(size, size) with a part of it, 0 elsewhere."""
    out = torch.zeros((size, size), dtype=torch.float64)
    out[places[:, None], places] = part
    return out


def _strengths(of: Penalised, found: Integrated) -> tuple[tuple[float, ...], ...]:
    return tuple(
        tuple(found.psi[part].exp().tolist())
        for term, part in zip(of.terms, of.omegas, strict=True)
        if isinstance(term, PenalisedOwn)
    )
