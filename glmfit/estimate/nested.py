"""Climbs from the maxima of the simpler families that a family contains, so that no model ends below one of them.

A log-likelihood that is not concave may have several maxima, a plateau, or its maximum at the end of a range. What a
family contains is declared with its parameters: there it is the simpler family on the same matrices, whose maximum is
looked for in the same way. Many rows are explored by a sample of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from glmfit.estimate import start
from glmfit.families.base import Family, Special
from glmfit.families.catalogue import make_family
from glmfit.model import Model
from glmfit.numerics import all_finite, curvature, newton

ROUGHLY = 0.01  # standard errors from a maximum: enough to tell a higher one
CLIMBED = 1e-5  # here its value is exact to 1e-10
FEW_STEPS = 20  # of a climb that explores,
MOST_STEPS = 100  # and of one whose value counts
NEAR = 0.1  # log-likelihood that an explorer's last steps may still bring
HIGHER = 1e-7  # log-likelihood that tells one maximum from another
MOST_ROWS = 2_000  # of a sample that is explored


@dataclass(frozen=True, slots=True, eq=False)
class Peak:
    """A local maximum, or as near to it as a climb came: a model's coefficients (p,) and the log-likelihood there."""

    model: Model
    theta: Tensor
    value: float


def higher(model: Model, theta: Tensor, value: float) -> Tensor | None:
    """Coefficients (p,) from which a search ends higher than at theta, where the log-likelihood is `value`, or None."""
    if not any(parameter.special for parameter in model.family.parameters):
        return None
    begins: list[Tensor] = []
    if model.family.several_peaks:
        sample = start.sample(model, MOST_ROWS)
        peak = _Explorer().highest(sample, [theta])
        begins += [] if peak is None else [peak.theta]
    for parameter, simpler in contained(model):
        inner = _rival(simpler, without(model, parameter, theta), value)
        begins += [] if inner is None else beside(model, parameter, inner)
    peaks = [peak for begin in begins if (peak := climb(model, begin, CLIMBED, MOST_STEPS)) is not None]
    best = max(peaks, key=lambda peak: peak.value, default=None)
    return best.theta if best is not None and best.value > value + HIGHER else None


def _rival(simpler: Model, theta: Tensor, value: float) -> Peak | None:
    """The maximum of a simpler model uphill from theta, where it may reach up to `value`: the decrement tells."""
    likelihood = simpler.likelihood()
    there = likelihood.derivatives(theta)
    if not all_finite(there):
        return None
    step = curvature.solve(curvature.factor(likelihood, theta, there[2]), there[1])
    promised = float(there[1] @ step)  # twice what a Newton step brings, as far as the likelihood is quadratic
    if there[0] + promised < value - NEAR:
        return None
    peak = climb(simpler, theta, CLIMBED, MOST_STEPS)
    return peak if peak is not None and peak.value > value - HIGHER else None


@dataclass(slots=True)
class _Explorer:
    """Rough maxima of a model and of all that it contains, each looked for once."""

    known: dict[frozenset[tuple[str, float]], Peak | None] = field(default_factory=dict)

    def highest(self, model: Model, begins: list[Tensor]) -> Peak | None:
        """The highest peak met from `begins` (else the usual start) and beside the peaks of all it contains."""
        key = frozenset((name, special.value) for name, special in model.limits.items())
        if key not in self.known:
            peaks = [climb(model, begin, ROUGHLY, FEW_STEPS) for begin in [*(begins or _usual(model)), *_alike(model)]]
            for parameter, simpler in contained(model, ends_first=True):
                inner = self.highest(simpler, [])
                aside = [] if inner is None else beside(model, parameter, inner)
                peaks += [climb(model, begin, ROUGHLY, FEW_STEPS) for begin in aside]
            self.known[key] = max((peak for peak in peaks if peak), key=lambda peak: peak.value, default=None)
        return self.known[key]


def contained(model: Model, ends_first: bool = False) -> Iterator[tuple[str, Model]]:
    """Each parameter that may have a special value, and the model of the simpler family that is left.

    With `ends_first` those inside a range are left out where there are others: a search comes by them anyway.
    """
    for predictor, standardization in model.pairs:
        constant = bool((standardization.unit != 0).any()) and not bool(predictor.offset.any())
        if not constant or len(predictor.columns) == model.size:
            continue
        values = model.family.parameter(predictor.parameter).special
        ends = [special for special in values if special.end]
        for special in ends if ends_first and ends else values:
            held = model.holding(predictor.parameter, special)
            yield predictor.parameter, replace(held, family=family_within(model.family, predictor.parameter, special))


def family_within(family: Family, parameter: str, special: Special) -> Family:
    """The simpler family itself where its parameters have the same names; else the same one, which it is too."""
    if type(family) is not type(make_family(family.name, {})):  # made of the named one, by censoring say
        return family
    found = make_family(special.family, {})
    names = [own.name for own in family.parameters if own.name != parameter]
    same = found.trials == family.trials and names == [own.name for own in found.parameters]
    return found if same else family


def climb(model: Model, begin: Tensor, tol: float, steps: int) -> Peak | None:
    """The maximum uphill from here; None where there is no derivative to begin with."""
    likelihood = model.likelihood()
    if not all_finite(likelihood.derivatives(begin)):
        return None
    found = newton(likelihood, begin, tol, steps)
    return Peak(model, found.theta, found.value)


def beside(model: Model, parameter: str, inner: Peak) -> list[Tensor]:
    """The best point (p,) of those that the family names beside the maximum of a simpler one, if any is possible."""
    likelihood = model.likelihood()
    points = start.beside(model, parameter, inner.model, inner.theta)
    values = [value if math.isfinite(value) else -math.inf for value in map(likelihood.value, points)]
    best = max(values, default=-math.inf)
    return [] if math.isinf(best) else [points[values.index(best)]]


def without(model: Model, parameter: str, theta: Tensor) -> Tensor:
    """The coefficients of all other parameters."""
    return theta[torch.cat([p.columns for p in model.rows.predictors if p.parameter != parameter])]


def _usual(model: Model) -> list[Tensor]:
    return [start.coefficients(model, start.constants(model), {})]


def _alike(model: Model) -> list[Tensor]:
    """The peaks of families of the same parameters, whose coefficients may be taken as they are."""
    others = (replace(model, family=make_family(name, {})) for name in model.family.neighbours)
    peaks = (climb(other, begin, ROUGHLY, FEW_STEPS) for other in others for begin in _usual(other))
    return [peak.theta for peak in peaks if peak is not None]
