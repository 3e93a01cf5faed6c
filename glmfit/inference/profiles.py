"""Rows of the answer by profile likelihood: the signed root of the likelihood ratio against 0, and its interval."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from glmfit.inference.covariance import Reference
from glmfit.model import Model
from glmfit.numerics import Objective
from glmfit.numerics.profile import profile
from glmfit.result import Coefficient


def reported_directions(model: Model) -> Tensor:
    """(p, p) the coefficients that are reported as combinations of the working ones, a row each."""
    identity = torch.eye(model.size, dtype=torch.float64)
    return torch.stack([model.reported(unit_vector) for unit_vector in identity], dim=1)


def profiled(
    objective: Objective,
    theta: Tensor,
    covariance: Tensor,
    unit: float,
    rows: Sequence[Coefficient],
    directions: Mapping[int, tuple[Tensor, Reference]],
    level: float,
    terms: Collection[str] | None = None,
) -> tuple[tuple[Coefficient, ...], list[int]]:
    """The rows with tests and intervals of profiles at the maximum theta (p,), and the places of those without.

    `directions` are what coefficients, by their places, are of theta, with the distributions of their statistics;
    `covariance` (p, p) is in units of phi = `unit`; `terms` are those wanted, None all.
    """
    out, failed = list(rows), []
    for at, (direction, reference) in directions.items():
        row = out[at]
        wanted = terms is None or row.term in terms or f"{row.parameter}:{row.term}" in terms
        if row.status is not None or not wanted or not (row.std_error > 0 and unit > 0):
            continue
        found = profile(objective, theta, covariance, direction, unit, reference.quantile(level))
        p_value = reference.p_value(found.root)
        out[at] = replace(row, statistic=found.root, p_value=p_value, conf_low=found.low, conf_high=found.high)
        if any(math.isnan(value) for value in (found.root, found.low, found.high)):
            failed.append(at)
    return tuple(out), failed
