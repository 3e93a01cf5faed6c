"""A fit with absorbed effects: Newton's method on coefficients and effects together, then the model that stands for it.

    W = diag(-h)    (X~'WX~) d beta = X~'g    D'WD d a = D'g - D'WX d beta        each step ends at the exact solution

No search is cheaper in the coefficients alone: effects that follow them cost as many steps again. Equations are solved
as closely as the step is near to the maximum; at the end they are solved to the last digit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from glmfit.errors import ModelError
from glmfit.estimate import start
from glmfit.estimate.begin import prepared
from glmfit.estimate.check import Inspection
from glmfit.estimate.flat import settled_flat_directions
from glmfit.estimate.maximum import AS_GOOD, NEAR_LIMIT, Maximum
from glmfit.estimate.maximum import ends as limits
from glmfit.estimate.receding import judged
from glmfit.inference import Count, inverse_expected
from glmfit.inference.covariance import LEVERAGE
from glmfit.model import AbsorbedLikelihood, Model, Slopes, Step, profiled
from glmfit.numerics import Optimum, Trace, all_finite, cholesky, line_search
from glmfit.numerics.crossed import check_leverages, inverse_at_rows
from glmfit.numerics.optimize import (
    AT_ROUNDING,
    CRAWL,
    POLISHED,
    ROUNDING,
    SHORT,
    SHORT_STEPS,
    STATUS_TEXT,
    STILL,
    UNSEEN,
    rises_enough,
    scaled_gradient,
)
from glmfit.rows import Data
from glmfit.spec import ModelSpec

ROUGHLY = 1e-3  # of a right-hand side, to which equations are solved where the search begins
SHARE = 0.5  # of the response, the rest being its mean, whose link is where a first step is measured from


@dataclass(slots=True)
class _Place:
    """Where a search is: coefficients (p,) and linear predictors (K, n), what holds there, and the next step."""

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
        return max(self.decrement, scaled_gradient(self.step.gradient, self.step.curvature))


def maximise(model: Model, spec: ModelSpec, trace: Trace | None, inspection: Inspection | None = None) -> Maximum:
    """The maximum in coefficients and effects, as that of a model of the coefficients alone.

    A parameter that the data push to the end of its range is held there.
    """
    if spec.se in LEVERAGE and model.absorbed is not None:
        check_leverages(model.absorbed.indicators, f"--se {spec.se}")
    model, constants, phi = prepared(model, inspection)
    found, place = _found(model, constants, phi, spec, trace)
    for parameter, simpler in limits(model):
        kept = [k for k, one in enumerate(model.rows.predictors) if one.parameter != parameter]
        value = AbsorbedLikelihood(simpler).value(place.eta[kept])
        if value >= found.optimum.value - NEAR_LIMIT:
            other, _ = _found(simpler, constants, phi, spec, None)
            if other.optimum.value >= found.optimum.value - AS_GOOD:
                return judged(other)
    return judged(found)


def _found(
    model: Model, constants: Mapping[str, float], phi: float, spec: ModelSpec, trace: Trace | None
) -> tuple[Maximum, _Place]:
    """The end of a search, as a maximum and as its place."""
    absorbed = AbsorbedLikelihood(model)
    place = _begin(absorbed, constants)
    reference = cholesky(place.step.curvature)
    assert reference is not None  # the step was solved with it
    place, iterations, status = _climbed(absorbed, place, spec, trace)
    final = profiled(absorbed, place.beta, place.at, place.eta)
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
    return Maximum(final, likelihood, optimum, constants, phi, reference, flat), place


def of_expected(found: Maximum) -> Model:
    """The model that stands for the fitted one where its curvature is that of the expected information."""
    return _expecting(found)[0]


def _expecting(found: Maximum) -> tuple[Model, Slopes]:
    """The same with the slopes at the maximum."""
    absorbed, theta = AbsorbedLikelihood(found.model), found.optimum.theta
    eta = np.stack([predictor.eta(theta).numpy() for predictor in found.model.rows.predictors])
    at = absorbed.slopes(eta, expected=True)
    return profiled(absorbed, theta, at, eta), at


def lengths(found: Maximum) -> Tensor:
    """(n,) the leverage of each row by coefficients and effects together, over its weight in the expected information.

    That of X and D together is the sum of that of D and that of X~, which is orthogonal to it.
    """
    assert found.model.absorbed is not None
    model, at = _expecting(found)
    V = inverse_expected(model.likelihood(), found.optimum)
    assert isinstance(V, Tensor)
    x = model.rows.predictors[0].X.dense()
    return ((x @ V) * x).sum(dim=1) + torch.from_numpy(inverse_at_rows(found.model.absorbed.indicators, at.own))


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


def _begin(absorbed: AbsorbedLikelihood, constants: Mapping[str, float]) -> _Place:
    """The better of the constants of the intercept-only fit, and of one step of least squares from the response."""
    main = absorbed.model.family.main
    beta = start.from_constants(absorbed.model, {name: one for name, one in constants.items() if name != main})
    origin, constant = absorbed.eta(beta), absorbed.eta(beta)
    constant[absorbed.main] += constants.get(main, 0.0)
    drawn = _drawn(absorbed)
    if drawn is not None:
        there = origin.copy()
        there[absorbed.main] = drawn
        at = absorbed.slopes(there, absorbed.likelihood.has_expected)
        if at.finite:
            # the step from the offset alone whose end has the working response for its linear predictor
            at = at.alone(at.own).of_main(at.g[absorbed.main] + at.own * (drawn - origin[absorbed.main]))
            step = absorbed.step(at, None, ROUGHLY)
            if step is not None and not absorbed.value(origin + step.eta) <= absorbed.value(constant):
                other = _placed(absorbed, beta + step.beta, origin + step.eta, None, ROUGHLY)
                if other is not None:
                    return other
    best = _placed(absorbed, beta, constant, None, ROUGHLY)
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
    if (step is None or not step.slope >= 0) and not at.curves_down:
        sized = at.alone(np.abs(at.own))
        positive = absorbed.slopes(eta, expected=True) if absorbed.likelihood.has_expected else sized
        step = absorbed.step(positive, begin, tolerance)
    return None if step is None else _Place(beta, eta, at, step)


def _climbed(
    absorbed: AbsorbedLikelihood, place: _Place, spec: ModelSpec, trace: Trace | None
) -> tuple[_Place, int, str]:
    """The end of the search by the rules of `numerics.newton`, its iterations and its status."""
    first, previous, iterations, short = max(place.decrement, 1.0), math.inf, 0, 0
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
        if iterations >= spec.max_iter or short >= SHORT_STEPS:
            return place, iterations, "max_iter" if short < SHORT_STEPS else "stalled"
        length, following = 1.0, _moved(absorbed, place, 1.0, now / first)
        if following is None or not rises_enough(following.at.value, value, place.step.slope):
            shorter = line_search(partial(_value, absorbed, place), value, place.step.slope)
            following = None if shorter is None else _moved(absorbed, place, shorter, now / first)
            if following is None or shorter is None:
                return place, iterations, "stalled"
            length = shorter
        short = short + 1 if length < SHORT and following.at.value - value < CRAWL else 0
        place, previous, iterations = following, now, iterations + 1


def _value(absorbed: AbsorbedLikelihood, place: _Place, length: float) -> float:
    """The log-likelihood a step of some length away."""
    return absorbed.value(place.eta + length * place.step.eta)


def _moved(absorbed: AbsorbedLikelihood, place: _Place, length: float, nearness: float) -> _Place | None:
    """The place a step away; None where the log-likelihood is not finite there, or curves upward."""
    beta, eta = place.beta + length * place.step.beta, place.eta + length * place.step.eta
    return _placed(absorbed, beta, eta, place.step.solved, ROUGHLY * min(1.0, nearness))
