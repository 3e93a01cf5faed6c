"""The maximum of a model's log-likelihood: which search, in which unit, and whether there is a maximum at all.

phi does not move the maximum in the coefficients, but it sets the unit in which a search measures its progress: it is
held at that of the intercept-only fit, and the search goes on where the fit has made it much smaller. A parameter that
the data push to the end of its range is held there.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from glmfit.errors import ModelError
from glmfit.estimate import nested, start
from glmfit.estimate.begin import prepared
from glmfit.estimate.check import Inspection
from glmfit.estimate.edge import maximise_on_edge
from glmfit.estimate.flat import seen, settled_flat_directions
from glmfit.estimate.limit import Rest, rest, rest_of_levels
from glmfit.families import Family, Link, Special
from glmfit.inference import goodness, inverse_information
from glmfit.inference.dispersion import dispersion
from glmfit.model import Jeffreys, Likelihood, Model
from glmfit.numerics import (
    Factor,
    LowRank,
    Objective,
    Optimum,
    Trace,
    all_finite,
    curvature,
    full_factor,
    least_squares,
    newton,
    refined,
    scipy_optimum,
)
from glmfit.smoothing import Smoothed
from glmfit.spec import ModelSpec
from glmfit.trust import FlatDirections, Separated, diagnose, of_levels, separation

NEAR_LIMIT = 1.0  # log-likelihood lost at the end of a parameter's range, beyond which the end is out of the question
AS_GOOD = 1e-7  # log-likelihood that tells an interior maximum from one at the end of the range
PHI_SETTLED = 0.5  # search again once phi has fallen below this share of the phi that the search used as its unit
PHI_FOUND = 1e-12  # relative change of phi at which it and a penalised maximum, each found from the other, agree
ROUNDS = 50  # the most often that each is found from the other


@dataclass(frozen=True, eq=False)
class Maximum:
    """The maximum of the log-likelihood, with phi held at `phi` where the family has one that is not modelled."""

    model: Model
    likelihood: Likelihood
    optimum: Optimum
    constants: Mapping[str, float]
    phi: float
    reference: Factor  # factor L (p, p) of the curvature L L' where the search began, in units of phi
    flat: FlatDirections | None
    overlapping: bool = False  # it is proved that the data are not separated in the main parameter
    undecided: bool = False  # separation was asked about, and no linear program could tell
    separated: Separated | None = None  # in the whole model, of which this is the limit, unless no rows are left
    whole: Model | None = None
    rest: Rest | None = None
    penalised: float | None = None  # the penalised log-likelihood at its maximum; the optimum has the plain one
    smoothed: Smoothed | None = None  # where smooth terms are penalised with strengths chosen by the data

    @property
    def objective(self) -> Objective:
        """What was maximised."""
        return self.likelihood if self.penalised is None else Jeffreys(self.likelihood)

    @cached_property
    def bread(self) -> Tensor | LowRank | None:
        """(-Hessian)^-1 (p, p), None where -Hessian is not positive definite beside its flat directions."""
        found = inverse_information(self.optimum)
        if found is not None or self.flat is None:
            return found
        known = torch.ones(self.model.size, dtype=torch.bool)
        known[list(self.flat.places)] = False
        moves = [self.model.reported(unit) for unit in torch.eye(self.model.size, dtype=torch.float64)[~known]]
        if any(bool(one[known].any()) for one in moves):  # an intercept moves with a slope, say
            return None
        return diagnose.generalized_inverse(self.optimum, self.reference)

    def of_all_rows(self, model: Model) -> tuple[Model, Tensor]:
        """This model, or the whole one, held where this one is, and coefficients with the same linear predictors."""
        if self.rest is None or model is self.model:
            return model, self.optimum.theta
        held = {name: end for name, end in self.model.limits.items() if name not in model.limits}
        theta = torch.zeros(model.size, dtype=torch.float64)
        theta[self.rest.places[_columns(self.rest.model, held)]] = self.optimum.theta
        theta = theta[_columns(model, held)]
        for name, end in held.items():
            model = model.holding(name, end)
        return model, theta


def _columns(model: Model, without: Collection[str]) -> Tensor:
    """The columns of a model but those of some parameters; predictors may share theirs."""
    kept = (predictor.columns for predictor in model.rows.predictors if predictor.parameter not in without)
    return torch.unique(torch.cat([torch.arange(0), *kept]))


def maximise(model: Model, spec: ModelSpec, trace: Trace | None, inspection: Inspection | None = None) -> Maximum:
    """The maximum in the coefficients, by the optimiser asked for; `inspection` looks at a user's family before."""
    model, constants, phi = prepared(model, inspection)
    theta = start.coefficients(model, constants, spec.start)
    if inspection is not None:
        inspection.begin(model.here.likelihood(), theta)
    if spec.bias_reduction is not None:
        return _bias_reduced(model, theta, constants, phi, spec, trace)
    levels = _without_levels(model, theta, constants, phi, spec, trace)
    return levels or _judged(_sought(model, theta, constants, phi, spec, trace), spec, trace)


def _without_levels(
    model: Model, theta: Tensor, constants: Mapping[str, float], phi: float, spec: ModelSpec, trace: Trace | None
) -> Maximum | None:
    """The limit without the levels whose rows all lie on one edge; None where there are none, or more is separated."""
    apart = of_levels(model, model.likelihood())
    if apart is None:
        return None
    separated, gone = apart
    left = rest_of_levels(model, separated, gone)
    found = _judged(_sought(left.model, left.start(theta), constants, phi, spec, trace), spec, trace)
    if found.separated is not None:
        return None
    return replace(found, overlapping=False, separated=separated, whole=model, rest=left)


def _sought(
    model: Model, theta: Tensor, constants: Mapping[str, float], phi: float, spec: ModelSpec, trace: Trace | None
) -> Maximum:
    """The maximum from theta: from ahead of it where that helps, past maxima of simpler models, and at limits."""
    begun = None
    if spec.optimizer == "newton" and not spec.start and not quadratic(model.likelihood()):
        theta, begun = start.ahead(model, theta) or (theta, None)
    found = _climbed(model, theta, constants, phi, spec, trace, begun)
    better = None
    if found.optimum.status != "max_iter":  # no more iterations are asked for
        better = nested.higher(found.model, found.optimum.theta, found.optimum.value)
    if better is not None:
        other = _climbed(found.model, better, constants, found.phi, spec, trace, found.reference)
        if other.optimum.value > found.optimum.value:
            optimum = replace(other.optimum, iterations=found.optimum.iterations + other.optimum.iterations)
            found = replace(other, optimum=optimum)
    return _at_limits(found, spec)


def _climbed(
    model: Model,
    theta: Tensor,
    constants: Mapping[str, float],
    phi: float,
    spec: ModelSpec,
    trace: Trace | None,
    begun: Factor | None,
) -> Maximum:
    """The maximum from theta, with phi held at `phi`; `begun` is the reference of a search that this one continues."""
    likelihood = model.likelihood()
    optimum = _search(likelihood, theta, spec, trace)
    reference = seen(likelihood, optimum, optimum.reference if begun is None else begun)
    optimum = _past_a_pause(likelihood, optimum, reference, spec)
    flat = settled_flat_directions(likelihood, optimum, reference, model.labels)
    while model.holds_phi and optimum.converged and optimum.root is None and flat is None:
        sums = goodness(likelihood, optimum.theta)
        now = sums.pearson / model.n
        if sums.perfect or not now <= PHI_SETTLED * phi:
            break
        reference = reference * math.sqrt(phi / now)
        phi, model, before = now, model.held_at(now), optimum.iterations
        likelihood = model.likelihood()
        optimum = _search(likelihood, optimum.theta, spec, trace)
        optimum = replace(optimum, iterations=before + optimum.iterations)
        flat = settled_flat_directions(likelihood, optimum, reference, model.labels)
    return Maximum(model, likelihood, optimum, constants, phi, reference, flat)


def _at_limits(found: Maximum, spec: ModelSpec) -> Maximum:
    """The same, with every parameter that the data push to the end of its range held there."""
    while (simpler := _at_limit(found, spec)).model is not found.model:
        found = simpler
    return simpler


def _bias_reduced(
    model: Model, theta: Tensor, constants: Mapping[str, float], phi: float, spec: ModelSpec, trace: Trace | None
) -> Maximum:
    """The maximum of the log-likelihood with Jeffreys' penalty, which is finite whether or not data are separated.

    Here phi does move the maximum: each is found from the other until they agree.
    """
    iterations = 0
    for _ in range(ROUNDS):
        likelihood = model.likelihood()
        objective = Jeffreys(likelihood)
        if spec.optimizer == "newton":
            optimum = newton(objective, theta, spec.tol, spec.max_iter, trace)
        else:
            optimum = scipy_optimum(objective, theta, spec.optimizer, spec.max_iter, trace)
        theta, iterations = optimum.theta, iterations + optimum.iterations
        if not model.holds_phi:
            break
        sums = goodness(likelihood, theta)
        now = dispersion(model, spec, optimum, sums, model.n - model.size).phi
        if sums.perfect or not now > 0 or abs(now - phi) <= PHI_FOUND * phi:
            break
        phi, model = now, model.held_at(now)
    else:
        optimum = replace(optimum, status="max_iter")
    # det I of the columns as they are, which the working columns are multiples of
    units = sum(float(standardization.scale.log().sum()) for _, standardization in model.pairs)
    plain = replace(optimum, value=likelihood.value(theta), iterations=iterations)
    penalised = optimum.value + units
    return Maximum(model, likelihood, plain, constants, phi, optimum.reference, None, penalised=penalised)


def _judged(found: Maximum, spec: ModelSpec, trace: Trace | None) -> Maximum:
    """The same, or what is left of it where the data are separated; linear programs are asked where a fit looks odd."""
    drop = spec.separation == "drop"
    asked = drop or spec.check_separation
    if not (asked or _suspicious(found)):
        return found
    decision = separation.decide(found.model, found.optimum.theta)
    if not decision.decided:
        elsewhere = found.model.source is not None and found.model.family.has_recession
        return replace(found, undecided=asked or elsewhere)
    separated = decision.separated
    if separated is None:
        main = {
            column
            for predictor in found.model.rows.predictors
            if predictor.parameter == found.model.family.main
            for column in predictor.columns.tolist()
        }
        return replace(_without_false_alarm(found, decision.covered), overlapping=main <= decision.covered)
    left = rest(found.model, separated)
    if left.model.size == 0:
        if drop:
            message = "the model predicts every row without error: nothing would be left to fit"
            raise ModelError("all_separated", message, "leave out terms, or see them with --separation report")
        return replace(found, separated=separated)
    theta, begun = left.start(found.optimum.theta), left.reference(found.reference)
    limit = _at_limits(_climbed(left.model, theta, found.constants, found.phi, spec, trace, begun), spec)
    covered = frozenset(place for place, at in enumerate(left.places.tolist()) if at in decision.covered)
    limit = _without_false_alarm(limit, covered)
    optimum = replace(limit.optimum, iterations=found.optimum.iterations + limit.optimum.iterations)
    return replace(limit, optimum=optimum, separated=separated, whole=found.model, rest=left)


def _without_false_alarm(found: Maximum, covered: frozenset[int]) -> Maximum:
    """The same, its flat directions forgotten where a linear program knows that there are none: whether the search has
    converged, and whether the Hessian is positive definite, is then said by itself."""
    known = found.flat is not None and covered.issuperset(found.flat.places)
    return replace(found, flat=None) if known else found


def _suspicious(found: Maximum) -> bool:
    """Whether a fit looks as those of separated data do."""
    if found.flat is not None or not found.optimum.converged or found.bread is None:
        return True
    if not diagnose.is_plain(found.optimum, found.reference):
        values, _ = diagnose.relative_information(found.optimum, found.reference)
        if float(values.abs().min()) < diagnose.SUSPICIOUS:
            return True
    return diagnose.boundary(found.likelihood, found.optimum.theta) is not None


def _past_a_pause(likelihood: Likelihood, optimum: Optimum, reference: Factor, spec: ModelSpec) -> Optimum:
    """The same, or a higher maximum to either side of a point at which the likelihood does not curve.

    It may only pause there, as that of the skew normal does at the normal: the second derivative is 0, the third not.
    """
    if diagnose.is_plain(optimum, reference):
        return optimum
    reference = full_factor(reference)
    values, vectors = diagnose.relative_information(optimum, reference)
    if not (optimum.converged and diagnose.VANISHED < float(values.abs()[0]) < diagnose.SUSPICIOUS):
        return optimum
    aside = torch.linalg.solve_triangular(reference.T, vectors[:, :1], upper=True)[:, 0]
    best = optimum
    for theta in (optimum.theta + aside, optimum.theta - aside):
        if all_finite(likelihood.derivatives(theta)):
            found = _search(likelihood, theta, spec, None)
            if found.converged and found.value > best.value + AS_GOOD:
                best = replace(found, iterations=optimum.iterations + found.iterations)
    return best


def _at_limit(found: Maximum, spec: ModelSpec) -> Maximum:
    """The same, or the model with a parameter at an end of its range where that is as good: no overdispersion, say."""
    for parameter, model in ends(found.model):
        theta = found.optimum.theta[_columns(found.model, (parameter,))]
        likelihood = model.likelihood()
        value = likelihood.value(theta)
        if not value >= found.optimum.value - NEAR_LIMIT:
            continue
        if model.size == 0:  # nothing would be left to estimate
            if value >= found.optimum.value - AS_GOOD:
                return replace(found, flat=diagnose.undetermined([0], found.model.labels))
            continue
        optimum = _search(likelihood, theta, spec, None)
        if optimum.value >= found.optimum.value - AS_GOOD:
            begin = start.coefficients(model, start.constants(model), {})
            there = likelihood.derivatives(begin)
            if not all_finite(there):
                begin, there = theta, likelihood.derivatives(theta)
            reference = seen(likelihood, optimum, curvature.factor(likelihood, begin, there[2]))
            flat = settled_flat_directions(likelihood, optimum, reference, model.labels)
            return Maximum(model, likelihood, optimum, found.constants, found.phi, reference, flat)
    return found


def ends(model: Model) -> Iterator[tuple[str, Model]]:
    """Each parameter without covariates that may be at an end of its range, and the model that holds it there."""
    for predictor in model.rows.predictors:
        if predictor.X.names == ("Intercept",):
            parameter, link = model.family.parameter(predictor.parameter), model.links[predictor.parameter]
            for special in parameter.special:
                if special.end and not is_inside(link, parameter.scale, special):
                    yield predictor.parameter, model.holding(predictor.parameter, special)


def is_inside(link: Link, scale: str, special: Special) -> bool:
    """Whether a link reaches the value as any other, so that a search comes by it."""
    eta = link.link(torch.tensor(special.value, dtype=torch.float64))
    return bool(torch.isfinite(eta) and torch.isfinite(link.to(scale, eta)))


def _search(likelihood: Likelihood, theta: Tensor, spec: ModelSpec, trace: Trace | None) -> Optimum:
    if spec.optimizer != "newton":
        return scipy_optimum(likelihood, theta, spec.optimizer, spec.max_iter, trace)
    if quadratic(likelihood):
        root = curvature.usable_root(likelihood, theta)
        if root is not None:
            found = least_squares(likelihood, root, theta, trace=trace)
            equations = likelihood.normal_equations()
            return found if equations is None else refined(found, equations)
    found = newton(likelihood, theta, spec.tol, spec.max_iter, trace)
    return found if found.converged else maximise_on_edge(likelihood, theta, spec.tol, spec.max_iter) or found


def quadratic(likelihood: Likelihood) -> bool:
    """Whether the log-likelihood is quadratic in the coefficients."""
    return quadratic_links(likelihood.family, likelihood.links)


def quadratic_links(family: Family, links: Mapping[str, Link]) -> bool:
    """The same of a family with its links."""
    return links[family.main].name in family.quadratic_links
