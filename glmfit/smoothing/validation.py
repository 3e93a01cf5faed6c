"""Generalised cross-validation, which needs no likelihood: n D / (n - t)^2 with the deviance D, and t effective degrees
of freedom, by the expected information I of the mean: t = tr (I + S)^-1 I.

Where phi is known it is D / n + 2 t phi / n - phi instead, the unbiased risk (Craven and Wahba 1979; Wood 2008).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from glmfit.inference import goodness
from glmfit.smoothing.criterion import Point, Settings, inverse, settled
from glmfit.smoothing.third import slope_of_expected_trace


class Validated:
    """The score, to be minimised; its gradient is exact."""

    def __init__(self, of: Settings) -> None:
        self.of, self.n = of, of.model.n

    def at(self, psi: Tensor, begin: Tensor) -> Point | None:
        """The criterion at psi; None where it is not defined."""
        of = self.of
        inner = settled(of, psi, begin)
        if inner is None:
            return None
        S = of.penalty.matrix(psi) / of.unit
        turn = of.penalty.turn
        theta = turn @ inner.b
        A_inverse, _ = inverse(inner.information + S, of.free)
        B_inverse, _ = inverse(of.expected(inner) + S, of.free)
        if A_inverse is None or B_inverse is None:
            return None
        pull = B_inverse @ S @ B_inverse
        freedom = len(of.free) - float((B_inverse * S).sum())
        moved = of.penalty.moved(psi, inner.b) / of.unit
        follows = -moved @ A_inverse  # (m, size) d b / d rho
        change = turn.T @ slope_of_expected_trace(of.likelihood, theta, turn @ pull @ turn.T)
        of_freedom = of.penalty.traces(psi, pull - B_inverse) / of.unit + 2 * follows @ change
        deviance = goodness(of.likelihood, theta).deviance
        of_deviance = -2 * of.unit * (follows @ (S @ inner.b))
        n, phi = self.n, of.phi
        if phi is None:
            left = n - freedom
            value = n * deviance / left**2 if left > 0 else math.nan
            gradient = n * of_deviance / left**2 + 2 * n * deviance / left**3 * of_freedom
        else:
            value = deviance / n + 2 * freedom * phi / n - phi
            gradient = of_deviance / n + 2 * phi / n * of_freedom
        ok = math.isfinite(value) and bool(torch.isfinite(gradient).all())
        return Point(psi, value, gradient, inner, of.unit) if ok else None
