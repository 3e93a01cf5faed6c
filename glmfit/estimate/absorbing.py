"""A fit with absorbed effects: Newton's method on coefficients and effects together, then the model that stands for it.

    W = diag(-h)    (X~'WX~) d beta = X~'g    D'WD d a = D'g - D'WX d beta        each step ends at the exact solution

No search is cheaper in the coefficients alone: effects that follow them cost as many steps again. Equations are solved
as closely as the step is near to the maximum; at the end they are solved to the last digit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from glmfit.errors import ModelError
from glmfit.estimate.begin import prepared
from glmfit.estimate.check import Inspection
from glmfit.estimate.flat import settled_flat_directions
from glmfit.estimate.maximum import Maximum
from glmfit.inference import Count
from glmfit.model import AbsorbedLikelihood, Model, Slopes, Step, profiled
from glmfit.numerics import Optimum, Trace, all_finite, cholesky, line_search
from glmfit.numerics.optimize import AT_ROUNDING, POLISHED, ROUNDING, STATUS_TEXT, STILL, UNSEEN, rises_enough
from glmfit.rows import Data
from glmfit.spec import ModelSpec

ROUGHLY = 1e-3  # of a right-hand side, to which equations are solved where the search begins
SHARE = 0.5  # of the response, the rest being its mean, whose link is where a first step is measured from


@dataclass(slots=True)
class _Place:
    """Where a search is: coefficients (p,) and linear predictor (n,), what holds there, and the step that is next."""

    beta: Tensor
    eta: np.ndarray
    at: Slopes
    step: Step

    @property
    def decrement(self) -> float:
        return math.sqrt(max(self.step.slope, 0.0))

    @property
    def near(self) -> float:
        """The distance to the maximum in standard errors, of all together and of each coefficient."""
        size = torch.sqrt(torch.diagonal(self.step.curvature))
        return max(self.decrement, float((self.step.gradient.abs() / size).max()))


def maximise(model: Model, spec: ModelSpec, trace: Trace | None, inspection: Inspection | None = None) -> Maximum:
    """The maximum in coefficients and effects, as that of a model of the coefficients alone."""
    model, constants, phi = prepared(model, inspection)
    absorbed = AbsorbedLikelihood(model)
    place = _begin(absorbed, constants.get(model.family.main, 0.0))
    reference = cholesky(place.step.curvature)
    assert reference is not None  # the step was solved with it
    place, iterations, status = _climbed(absorbed, place, spec, trace)
    final = profiled(model, place.beta, place.eta, place.at.w)
    likelihood = final.likelihood()
    value, gradient, hessian = likelihood.derivatives(place.beta)
    if not all_finite((value, gradient, hessian)) or absorbed.rises_for_ever(place.at):
        raise ModelError(
            "no_peak_of_effects",
            f"the search {STATUS_TEXT[status]}, and the log-likelihood has no peak there in the absorbed effects",
            "use a link whose domain is the whole line, such as log, or write the factors as terms to see which levels",
        )
    optimum = Optimum(place.beta, value, gradient, hessian, place.decrement, iterations, status, "newton", reference)
    flat = settled_flat_directions(likelihood, optimum, reference, final.labels)
    return Maximum(final, likelihood, optimum, constants, phi, reference, flat)


def of_expected(found: Maximum) -> Model:
    """The model that stands for the fitted one where its curvature is that of the expected information."""
    (predictor,) = found.model.rows.predictors
    absorbed = AbsorbedLikelihood(found.model)
    eta = predictor.eta(found.optimum.theta).numpy()
    return profiled(found.model, found.optimum.theta, eta, absorbed.slopes(eta, expected=True).w)


def counted(data: Data, model: Model) -> Count:
    """What small samples depend on. For CR1S an absorbed factor whose levels each lie in one cluster counts as a
    constant: the rule of fixest (`K.fixef = "nonnested"`), and of Stata's reghdfe and ppmlhdfe."""
    whole = Count(model.n, model.size + model.effects, cr1s=data.spec.small_sample == "cr1s")
    if model.absorbed is None or not whole.cr1s:
        return whole
    nested = 0
    for factor, code in zip(model.absorbed.factors, data.absorbed.values(), strict=True):
        sizes = [len(np.unique(code * (int(own.max()) + 1) + own)) for own in data.clusters.values()]
        nested += factor.levels - 1 if factor.levels in sizes else 0
    return replace(whole, parameters=whole.parameters - nested)


def _begin(absorbed: AbsorbedLikelihood, constant: float) -> _Place:
    """The better of the constant of the intercept-only fit, and of one step of least squares from the response."""
    beta, eta = torch.zeros(absorbed.X.shape[1], dtype=torch.float64), absorbed.offset + constant
    drawn = _drawn(absorbed)
    there = None if drawn is None else absorbed.slopes(drawn, absorbed.likelihood.has_expected)
    if drawn is not None and there is not None and there.finite:
        # the step from the offset alone whose end has the working response for its linear predictor
        step = absorbed.step(replace(there, g=there.g + there.w * (drawn - absorbed.offset)), None, ROUGHLY)
        if step is not None and not absorbed.value(absorbed.offset + step.eta) <= absorbed.value(eta):
            other = _placed(absorbed, step.beta, absorbed.offset + step.eta, None, ROUGHLY)
            if other is not None:
                return other
    best = _placed(absorbed, beta, eta, None, ROUGHLY)
    if best is None:
        raise ModelError(
            "bad_start",
            "the log-likelihood or its derivatives are not finite at the starting values",
            "use a link whose domain is the whole line, such as log",
        )
    return best


def _drawn(absorbed: AbsorbedLikelihood) -> np.ndarray | None:
    """(n,) the link of responses drawn to their mean; None where the family has no mean."""
    model = absorbed.model
    rows, main = model.rows, model.family.main
    if not model.family.has_moments:
        return None
    trials = rows.columns.get("trials", torch.ones_like(rows.y))
    mean = (rows.weight * rows.y).sum() / (rows.weight * trials).sum()
    eta = model.links[main].link(SHARE * rows.y / trials + (1 - SHARE) * mean)
    return eta.numpy() if bool(torch.isfinite(eta).all()) else None


def _placed(
    absorbed: AbsorbedLikelihood, beta: Tensor, eta: np.ndarray, begin: np.ndarray | None, tolerance: float
) -> _Place | None:
    """A place of the search with the step from it; None where the log-likelihood is not finite there, or has no step.

    A step rises where weights are positive. Where those observed are not, and make none that does, it is made with the
    expected ones, or with the sizes of the observed ones where the family states no others.
    """
    at = absorbed.slopes(eta)
    if not at.finite:
        return None
    step = absorbed.step(at, begin, tolerance)
    if (step is None or not step.slope >= 0) and bool((at.w <= 0).any()):
        positive = absorbed.slopes(eta, expected=True) if absorbed.likelihood.has_expected else None
        step = absorbed.step(replace(at, w=np.abs(at.w)) if positive is None else positive, begin, tolerance)
    return None if step is None else _Place(beta, eta, at, step)


def _climbed(
    absorbed: AbsorbedLikelihood, place: _Place, spec: ModelSpec, trace: Trace | None
) -> tuple[_Place, int, str]:
    """The end of the search by the rules of `numerics.newton`, its iterations and its status."""
    first, previous, iterations = max(place.decrement, 1.0), math.inf, 0
    while True:
        now, value = place.decrement, place.at.value
        if trace is not None:
            trace({"iteration": iterations, "log_likelihood": value, "newton_decrement": now})
        still = now > STILL * previous
        unseen = place.near <= UNSEEN and 0.5 * place.step.slope <= ROUNDING * abs(value)
        if place.near <= spec.tol or (still and (place.near <= AT_ROUNDING or unseen)):
            if now > POLISHED:  # one more step squares the error
                last = _moved(absorbed, place, 1.0, now / first)
                if last is not None and last.decrement < now:
                    return last, iterations + 1, "converged"
            return place, iterations, "converged"
        if iterations >= spec.max_iter:
            return place, iterations, "max_iter"
        following = _moved(absorbed, place, 1.0, now / first)
        if following is None or not rises_enough(following.at.value, value, place.step.slope):
            length = line_search(partial(_value, absorbed, place), value, place.step.slope)
            following = None if length is None else _moved(absorbed, place, length, now / first)
            if following is None:
                return place, iterations, "stalled"
        place, previous, iterations = following, now, iterations + 1


def _value(absorbed: AbsorbedLikelihood, place: _Place, length: float) -> float:
    """The log-likelihood a step of some length away."""
    return absorbed.value(place.eta + length * place.step.eta)


def _moved(absorbed: AbsorbedLikelihood, place: _Place, length: float, nearness: float) -> _Place | None:
    """The place a step away; None where the log-likelihood is not finite there, or curves upward."""
    beta, eta = place.beta + length * place.step.beta, place.eta + length * place.step.eta
    return _placed(absorbed, beta, eta, place.step.solved, ROUGHLY * min(1.0, nearness))
