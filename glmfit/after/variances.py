"""Variances of what is computed from coefficients: those of a saved model, by its matrix or by the parts of it.

SE(f)^2 = J V J'        V = D + F K F' + sum_k s_k A_k A_k', where it was saved by parts: J of rows is then sparse
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from glmfit.after.penalised import refuse_penalised
from glmfit.errors import ModelError
from glmfit.estimate.placed import from_parts
from glmfit.inference.joint import wald_of_places
from glmfit.numerics import LowRank
from glmfit.result import Fit, Fitted

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True, slots=True, eq=False)
class Variances:
    """The covariance `V` (p, p) of coefficients, and which of them are `known` (p,)."""

    V: Tensor | LowRank
    known: Tensor

    @property
    def by_parts(self) -> bool:
        return isinstance(self.V, LowRank)

    @property
    def width(self) -> int:
        """Numbers of each coefficient."""
        return self.V.F.shape[1] + self.V.blocks.shape[1] if isinstance(self.V, LowRank) else len(self.V)

    def between(self, gradient: Tensor) -> Tensor:
        """G V G' (q, q) of derivatives (q, p), all NaN where one is in a coefficient that has no variance."""
        if bool((gradient[:, ~self.known] != 0).any()):
            return torch.full((len(gradient), len(gradient)), torch.nan, dtype=torch.float64)
        return self.within(gradient)

    def within(self, gradient: Tensor) -> Tensor:
        """G V G' (q, q), where derivatives in coefficients without a variance count for nothing."""
        gradient = torch.where(self.known, gradient, 0.0)
        if isinstance(self.V, Tensor):
            return gradient @ self.V @ gradient.T
        return gradient @ self.V.times(gradient.T)

    def of(self, derivative: Tensor) -> Tensor:
        """J V J' of each of the derivatives (..., p); NaN where one is in a coefficient that has no variance."""
        known = torch.where(self.known, derivative, 0.0).reshape(-1, derivative.shape[-1])
        moved = known @ self.V if isinstance(self.V, Tensor) else self.V.times(known.T).T
        variance = (moved * known).sum(dim=1).reshape(derivative.shape[:-1])
        touched = (derivative[..., ~self.known] != 0).any(dim=-1)
        return torch.where(touched, torch.nan, variance)

    def of_rows(self, J: csr_array) -> Tensor:
        """The same of sparse derivatives (n, p), of a covariance by its parts."""
        from scipy.sparse import coo_array

        V = self.V
        assert isinstance(V, LowRank)
        shape = len(V), len(V)
        rows, columns = (
            one.expand(V.blocks.shape).flatten().numpy() for one in (V.inner[:, :, None], V.inner[:, None])
        )
        own = coo_array((V.blocks.flatten().numpy(), (rows, columns)), shape=shape).tocsr()
        low = J @ V.F.numpy()
        variance = ((low @ V.K.numpy()) * low).sum(axis=1) + (J @ own).multiply(J).sum(axis=1)
        for root in V.roots:
            index = root.rows.numpy(), root.columns.numpy()
            half = J @ coo_array((root.values.numpy(), index), shape=(len(V), root.width)).tocsr()
            variance = variance + root.sign * half.multiply(half).sum(axis=1)
        touched = abs(J) @ (~self.known).numpy().astype(np.float64) > 0
        return torch.from_numpy(np.where(touched, np.nan, variance))

    def distance(self, estimates: Tensor, places: Tensor) -> float:
        """b' V^-1 b of the estimates (k,) of coefficients at `places`."""
        if not bool(self.known[places].all()):
            return float("nan")
        return wald_of_places(estimates, self.V, places)


def variances(fit: Fit) -> Variances:
    """Those of a fit; aliased coefficients are known, to be 0. `ModelError` where coefficients were shrunk."""
    refuse_penalised(fit, "standard errors and tests")
    parts, size = fit.covariance.low_rank, len(fit.coefficients)
    aliased = torch.tensor([row.status == "aliased" for row in fit.coefficients], dtype=torch.bool)
    if fit.covariance.matrix is None and parts is not None:
        found = from_parts(parts)
        return Variances(found, aliased | torch.isfinite(found.diagonal()))
    matrix = torch.from_numpy(fit.covariance.array()).reshape(size, size)
    known = torch.isfinite(torch.diagonal(matrix))
    return Variances(torch.where(known[:, None] & known, matrix, 0.0), aliased | known)


def joint_variances(fit: Fitted, size: int) -> Variances:
    """Those of the first `size` of coefficients, covariances of random effects and modes; `ModelError` for none."""
    law, one = fit.blueprint.random, fit.random_effects
    if law is None or law.covariance is None:
        assert one is not None
        levels = ", ".join(f"{term.term} ({term.levels:,} levels)" for term in one.terms)
        message = f"the joint covariance of coefficients and random effects is not kept of this model: {levels}"
        hint = "predict --interval none needs no standard errors, --random zero has those at effects of 0"
        raise ModelError("random_intervals", message, hint)
    p = len(fit.coefficients)
    aliased = torch.zeros(size, dtype=torch.bool)
    aliased[:p] = torch.tensor([row.status == "aliased" for row in fit.coefficients], dtype=torch.bool)
    found = from_parts(law.covariance)
    V = found if size == len(found) else found.block(torch.arange(size))
    return Variances(V, aliased | torch.isfinite(found.diagonal()[:size]))
