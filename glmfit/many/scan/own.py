"""Columns that each of many models has of its own, as searches work with them, and what is known of them beforehand.

Centred where a constant takes up the centre and divided by a power of two, as the design of a single fit is; a row
without a value is left out of its model. Two columns are alike by the variance inflation factor 1 / (1 - R^2).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from glmfit.formula import INTERCEPT
from glmfit.model import Model, VaryingLikelihood
from glmfit.numerics.batch import inverses, unit_diagonals

APART = 1e-2  # of its length that others leave of a column: less is for a search that looks after its digits
SCALES = 1e-140, 1e140  # of columns whose squares are well inside the doubles


@dataclass(frozen=True, slots=True, eq=False)
class Own:
    """Columns of m models: Z (m, q, n), 0 where `there` (m, n) is 0, None for nowhere; the scales (m, q) that they were
    divided by; in how many rows they have values (m,); whether all of them vary, (m,)."""

    Z: Tensor
    there: Tensor | None
    scale: Tensor
    rows: Tensor
    vary: Tensor

    def of(self, which: Tensor) -> Own:
        """Those of some of the models, by their places."""
        there = None if self.there is None else self.there[which]
        return Own(self.Z[which], there, self.scale[which], self.rows[which], self.vary[which])


@dataclass(frozen=True, eq=False)
class Shared:
    """A model that others share, each with columns of its own in the predictors of `parameters`."""

    model: Model
    parameters: Collection[str]

    @cached_property
    def centred(self) -> bool:
        """Whether constants take up the centres of columns in all of these predictors."""
        model = self.model
        if model.family.location and model.family.main in self.parameters:
            return all(INTERCEPT in formula.terms for formula in model.formulas[1:])
        own = [standard for p, standard in model.pairs if p.parameter in self.parameters]
        return all(bool((standard.unit != 0).any()) for standard in own)

    def standardised(self, raw: Tensor) -> Own:
        """Columns (m, q, n), NaN where they have no value."""
        there = ~torch.isnan(raw).any(dim=1)
        complete = bool(there.all())
        kept = torch.ones((), dtype=torch.bool) if complete else there[:, None, :]
        count = there.sum(dim=1)
        low = raw.amin(dim=2) if complete else torch.where(kept, raw, torch.inf).amin(dim=2)
        high = raw.amax(dim=2) if complete else torch.where(kept, raw, -torch.inf).amax(dim=2)
        vary = low < high
        center, working = torch.zeros_like(low), torch.where(kept, raw, 0.0)
        for _ in range(2 if self.centred else 0):  # the second pass takes up what rounding left of a large common part
            center += working.sum(dim=2) / count[:, None].clamp(min=1)
            working = raw - center[:, :, None]
            working = working if complete else torch.where(kept, working, 0.0)
        spread = torch.sqrt(working.square().sum(dim=2) / count[:, None].clamp(min=1))
        usable = vary & (spread > SCALES[0]) & (spread < SCALES[1])
        scale = torch.where(usable, torch.exp2(torch.round(torch.log2(spread))), 1.0)
        working = working / torch.where(usable, scale, torch.inf)[:, :, None]
        return Own(working, None if complete else there.double(), scale, count, vary.all(dim=1))

    def likelihood(self, own: Own) -> VaryingLikelihood:
        """That of models with these columns; what all share is prepared once."""
        q = own.Z.shape[1]
        if q not in self._known:
            empty = torch.zeros((0, q, len(self.model.rows.y)), dtype=torch.float64)
            self._known[q] = VaryingLikelihood(self.model, self.parameters, empty)
        return self._known[q].with_columns(own.Z, own.there)

    @cached_property
    def _known(self) -> dict[int, VaryingLikelihood]:
        return {}

    def inflation(self, own: Own) -> tuple[Tensor, Tensor]:
        """(m,) the largest variance inflation factor of a column of their own, infinite where it is a combination of
        others; and whether all columns, shared ones too, are clearly apart in whatever order."""
        likelihood = self.likelihood(own)
        factors = inflation_factors(likelihood.gram(min(likelihood.slots)))
        return factors[:, -own.Z.shape[1] :].amax(dim=1), clearly_apart(factors)


def inflation_factors(gram: Tensor) -> Tensor:
    """(m, p) of columns whose products are X'X (m, p, p), infinite where they are not of full rank."""
    inverse, definite = inverses(unit_diagonals(gram)[0])
    return torch.where(definite[:, None], torch.diagonal(inverse, dim1=1, dim2=2), torch.inf)


def clearly_apart(factors: Tensor) -> Tensor:
    """(m,) whether others leave enough of each column."""
    return factors.amax(dim=1) < APART**-2
