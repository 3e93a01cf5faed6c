"""The maximum of a model's log-likelihood: which search, in which unit, and whether there is a maximum at all.

phi does not move the maximum in the coefficients, but it sets the unit in which a search measures its progress: it is
held at that of the intercept-only fit, and the search goes on where the fit has made it much smaller. A parameter that
the data push to the end of its range is held there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from glmfit import diagnose, start
from glmfit.curvature import usable_root
from glmfit.diagnose import FlatDirections
from glmfit.dispersion import PERFECT, goodness
from glmfit.inference import inverse_information
from glmfit.likelihood import Likelihood
from glmfit.model import Model
from glmfit.optimize import Optimum, Trace, least_squares, newton, scipy_optimum
from glmfit.spec import ModelSpec

NEAR_LIMIT = 1.0  # log-likelihood lost at the end of a parameter's range, beyond which the end is out of the question
AS_GOOD = 1e-7  # log-likelihood that tells an interior maximum from one at the end of the range
PHI_SETTLED = 0.5  # search again once phi has fallen below this share of the phi that the search used as its unit


@dataclass(frozen=True, eq=False)
class Maximum:
    """The maximum of the log-likelihood, with phi held at `phi` where the family has one that is not modelled."""

    model: Model
    likelihood: Likelihood
    optimum: Optimum
    constants: Mapping[str, float]
    phi: float
    reference: Tensor  # factor L (p, p) of the curvature L L' where the search began, in units of phi
    flat: FlatDirections | None

    @cached_property
    def bread(self) -> Tensor | None:
        """(-Hessian)^-1 (p, p), None where -Hessian is not positive definite."""
        return inverse_information(self.optimum)


def maximise(model: Model, spec: ModelSpec, trace: Trace | None) -> Maximum:
    """The maximum in the coefficients, by the optimiser asked for."""
    constants = start.constants(model)
    phi = 1.0
    if model.holds_phi:
        phi = start.held_phi(model, constants)
        model = model.held_at(phi)
    theta = start.coefficients(model, constants, spec.start)
    likelihood = model.likelihood()
    optimum = _search(likelihood, theta, spec, trace)
    reference = optimum.reference
    flat = _flat(model, likelihood, optimum, reference)
    while model.holds_phi and optimum.converged and optimum.root is None and flat is None:
        sums = goodness(likelihood, optimum.theta)
        now = sums.pearson / model.n
        if not PERFECT * sums.size < sums.deviance or now > PHI_SETTLED * phi:
            break
        reference = reference * math.sqrt(phi / now)
        phi, model, before = now, model.held_at(now), optimum.iterations
        likelihood = model.likelihood()
        optimum = _search(likelihood, optimum.theta, spec, trace)
        optimum = replace(optimum, iterations=before + optimum.iterations)
        flat = _flat(model, likelihood, optimum, reference)
    return _at_limit(Maximum(model, likelihood, optimum, constants, phi, reference, flat), spec)


def _flat(model: Model, likelihood: Likelihood, optimum: Optimum, reference: Tensor) -> FlatDirections | None:
    """What the data do not determine. Where the information is suspiciously small, Newton's method must agree: on a
    slope that never ends an optimiser that looks at values stops early, and Newton's goes on a unit at a time."""
    values, _ = diagnose.relative_information(optimum, reference)
    if diagnose.VANISHED < float(values.abs().min()) < diagnose.SUSPICIOUS:
        optimum = newton(likelihood, optimum.theta)
    return diagnose.flat_directions(optimum, reference, model.labels)


def _at_limit(found: Maximum, spec: ModelSpec) -> Maximum:
    """The same, or the model with a parameter at the end of its range where that is as good: no overdispersion, say."""
    for predictor in found.model.rows.predictors:
        limit = found.model.family.parameter(predictor.parameter).limit
        if limit is None or predictor.X.names != ("Intercept",):
            continue
        model = found.model.at_limit(predictor.parameter, limit)
        likelihood = model.likelihood()
        kept = [p.columns for p in found.model.rows.predictors if p is not predictor]
        others = torch.cat([torch.arange(0), *kept])
        theta = found.optimum.theta[others]
        if likelihood.value(theta) < found.optimum.value - NEAR_LIMIT:
            continue
        if model.size == 0:  # nothing would be left to estimate
            if likelihood.value(theta) >= found.optimum.value - AS_GOOD:
                return replace(found, flat=diagnose.undetermined([0], found.model.labels))
            continue
        optimum = _search(likelihood, theta, spec, None)
        if optimum.value >= found.optimum.value - AS_GOOD:
            begun = (found.reference @ found.reference.T)[others[:, None], others]
            reference = torch.linalg.cholesky(begun)
            flat = _flat(model, likelihood, optimum, reference)
            return Maximum(model, likelihood, optimum, found.constants, found.phi, reference, flat)
    return found


def _search(likelihood: Likelihood, theta: Tensor, spec: ModelSpec, trace: Trace | None) -> Optimum:
    if spec.optimizer != "newton":
        return scipy_optimum(likelihood, theta, spec.optimizer, spec.max_iter, trace)
    if likelihood.links[likelihood.family.main].name in likelihood.family.quadratic_links:
        root = usable_root(likelihood, theta)
        if root is not None:
            return least_squares(likelihood, root, theta, trace=trace)
    return newton(likelihood, theta, spec.tol, spec.max_iter, trace)
