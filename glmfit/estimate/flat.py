"""What the data do not determine, where the likelihood itself must be asked.

Small information may be that of a maximum, of a slope without end, or rounding error: the search goes on there for as
long as it can, and the likelihood is looked at along the direction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from glmfit.numerics import Factor, Objective, Optimum, full, full_factor, newton, unit_diagonal
from glmfit.trust import FlatDirections, diagnose

SETTLED = 1e-14  # of a search that goes on: at a maximum it ends before, at rounding error
FAR = (10.0, 3.0, 1.0, 0.3)  # standard errors of the start: how far a direction without information is looked along
UNSTEADY = 0.5  # share of it that a suspiciously small information changes by where it is rounding error
NO_LOSS, A_LOSS = 1e-8, 1e-5  # of the log-likelihood
UNSEEN = 1e-13  # information at unit diagonal that may be rounding error
MILES = 1e6  # in units of 1/sqrt of a column's own information: how far nothing is lost where there is none


def settled_flat_directions(
    objective: Objective, optimum: Optimum, reference: Factor, names: Sequence[str]
) -> FlatDirections | None:
    """What the data do not determine. Where the information is suspiciously small, Newton's method must agree and go on
    for as long as it can: on a slope that never ends it does so a unit at a time, at a maximum it stays."""
    if diagnose.is_plain(optimum, reference):
        return None
    reference = full_factor(reference)
    before, _ = diagnose.relative_information(optimum, reference)
    if not optimum.converged or not diagnose.VANISHED < float(before.abs().min()) < diagnose.SUSPICIOUS:
        return diagnose.flat_directions(optimum, reference, names)
    optimum = newton(objective, optimum.theta, tol=SETTLED)
    values, vectors = diagnose.relative_information(optimum, reference)
    noise = (values - before).abs() > UNSTEADY * values.abs()  # at a maximum it is the same again
    level = [
        j
        for j, value in enumerate(values.abs().tolist())
        if value < diagnose.VANISHED
        or (value < diagnose.SUSPICIOUS and (bool(noise[j]) or _is_level(objective, optimum, reference, vectors[:, j])))
    ]
    return diagnose.along(vectors[:, level], reference, names) if level else None


def seen(objective: Objective, optimum: Optimum, reference: Factor) -> Factor:
    """The same, with information as of a column along directions in which there is none at all from the start.

    Rounding error is all that is left of it at both ends of the search, and says nothing when it is compared.
    """
    if optimum.root is not None or not optimum.converged or diagnose.is_plain(optimum, reference):
        return reference
    unit, scale = unit_diagonal(-full(optimum.hessian))
    values, vectors = torch.linalg.eigh(unit)
    least = vectors[:, values.abs() < UNSEEN]
    lines = [objective.along(optimum.theta, direction / scale) for direction in least.T]
    level = [max(abs(optimum.value - line(t)) for t in (-MILES, MILES)) < A_LOSS for line in lines]
    if not any(level):
        return reference
    lower, new = full_factor(reference), scale[:, None] * least[:, torch.tensor(level)]
    return torch.linalg.qr(torch.cat([lower, new], dim=1).T, mode="r").R.T


def _is_level(objective: Objective, optimum: Optimum, reference: Tensor, direction: Tensor) -> bool:
    """Whether the value stays the same one way and falls the other, as nowhere near a maximum: where information has
    vanished, what is left of it may be rounding error."""
    away = torch.linalg.solve_triangular(reference.T, direction[:, None], upper=True)[:, 0]
    along = objective.along(optimum.theta, away)
    for far in FAR:
        less, more = sorted(optimum.value - along(t) for t in (-far, far))
        if math.isfinite(more) and more >= A_LOSS and less <= NO_LOSS * min(1.0, more / A_LOSS):
            return True
    return False
