"""A fit with random effects, from data to a `Fitted`: terms, a start, the maximum of Laplace's approximation, what is
said of it.

phi, which moves the variances, is estimated together with them. The search begins at the fit without random effects
and at variances from a few steps of EM: Sigma = mean of b b' + Var(b).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from glmfit.errors import ModelError
from glmfit.estimate import start
from glmfit.estimate.check import Inspection
from glmfit.estimate.maximum import AS_GOOD, NEAR_LIMIT, ends
from glmfit.estimate.random import RandomColumns, random_columns, starts
from glmfit.estimate.smoothed import found_along
from glmfit.formula import INTERCEPT, PredictorFormula
from glmfit.model import Likelihood, Model, assemble
from glmfit.numerics import Trace, curvature, newton
from glmfit.penalty import Laplace, Peak, PenalisedTerm, Quadrature, maximum, penalised
from glmfit.penalty.matrices import block_sum
from glmfit.rows import Data
from glmfit.smoothing import smooth_starts, turned
from glmfit.spec import ModelSpec

EM_STEPS = 3
MOST_NODES = 10_000  # of a level
SMALLEST = 1e-3  # of a working standard deviation, relative to the first one, that EM ends at


@dataclass(frozen=True, slots=True, eq=False)
class MixedMaximum:
    """The maximum with its model of all other coefficients and its random terms, which come before smooths in psi.

    `reml` says whether coefficients of the model are integrated too: the mean's, or beside smooths those of all
    parameters with covariates.
    """

    model: Model
    columns: tuple[RandomColumns, ...]
    peak: Peak
    reml: bool
    exact: bool  # the integral is no approximation: the response is Gaussian with an identity link

    @property
    def value(self) -> float:
        """The log-likelihood, of the columns as they are where coefficients are integrated."""
        return self.peak.value + self.peak.laplace.of.unit

    @property
    def theta(self) -> Tensor:
        """(p,) the coefficients of the model, in working coordinates."""
        return self.peak.coefficients

    @property
    def places(self) -> tuple[Tensor, ...]:
        """(m, d) the places of each random term's effects among what is integrated."""
        return self.peak.laplace.of.places[: len(self.columns)]

    @property
    def parameters(self) -> int:
        """How many parameters the covariances of random effects have, the first of omega."""
        return sum(one.prior.size for one in self.columns)


def has_random(data: Data) -> bool:
    """Whether a formula of the model has random effects."""
    return any(predictor.random for predictor in data.formula.predictors)


def with_modelled_phi(data: Data) -> Data:
    """The data with a formula for phi where the family has one that is not held: it is estimated with the variances."""
    family, formula = data.family, data.formula
    modelled = {predictor.parameter for predictor in formula.predictors}
    if not family.has_dispersion or "phi" in modelled or "phi" in data.spec.fixed:
        return data
    order = [parameter.name for parameter in family.parameters]
    predictors = [*formula.predictors, PredictorFormula("phi", (INTERCEPT,))]
    predictors.sort(key=lambda one: order.index(one.parameter))
    return replace(data, formula=replace(formula, predictors=tuple(predictors)))


def maximise(data: Data, model: Model, trace: Trace | None, inspection: Inspection | None) -> MixedMaximum:
    """The maximum of the likelihood in which random effects are integrated out."""
    spec = data.spec
    if inspection is not None:
        inspection.call(model)
    columns = random_columns(data, model)
    reml = spec.smoothing != "ml" if model.smooths else spec.reml
    model, laplace, psi = _begun(model, columns, spec, inspection)
    peak = maximum(laplace, psi, spec.tol, spec.max_iter, trace)
    return _at_limits(MixedMaximum(model, columns, peak, reml, _exact(model, columns)), spec)


def _begun(
    model: Model, columns: tuple[RandomColumns, ...], spec: ModelSpec, inspection: Inspection | None
) -> tuple[Model, Laplace, Tensor]:
    """The model in the coordinates of a search, what is maximised, and where to begin."""
    likelihood = model.likelihood()
    theta = _plain(model, likelihood, spec, inspection)
    omega = starts(columns, _information(model, likelihood, theta))
    if model.smooths:
        model, laplace, psi = _with_smooths(model, [one.term for one in columns], theta, omega, spec)
    else:
        laplace = _integral(model, columns, spec)
        psi = torch.cat([theta[laplace.of.kept], omega])
    psi = _em(laplace, columns, psi)
    if laplace.at(psi) is None:
        raise ModelError(
            "bad_start",
            "no maximum of the random effects was found at the starting values",
            "scale covariates that are very large, or leave out random effects one by one to see which it is",
        )
    return model, laplace, psi


def maximise_again(found: MixedMaximum, model: Model, spec: ModelSpec) -> MixedMaximum:
    """The maximum of a model without smooths that differs from that of `found` in its responses alone.

    The search begins at what was found, unless that is at an end of a range or the search does not arrive from there.
    """
    peak, columns = found.peak, found.columns
    if not found.model.limits and not bool(peak.held.any()):
        laplace = _integral(model, columns, spec)
        laplace.begin = peak.integrated.theta
        if laplace.at(peak.psi) is not None:
            again = maximum(laplace, peak.psi, spec.tol, spec.max_iter)
            if again.optimum.converged:
                return _at_limits(replace(found, model=model, peak=again), spec)
    _, laplace, psi = _begun(model, columns, spec, None)
    return _at_limits(replace(found, model=model, peak=maximum(laplace, psi, spec.tol, spec.max_iter)), spec)


def _with_smooths(
    model: Model, terms: Sequence[PenalisedTerm], theta: Tensor, omega: Tensor, spec: ModelSpec
) -> tuple[Model, Laplace, Tensor]:
    """The model in the coordinates of its smooths' penalties, what is maximised, and where to begin."""
    of = turned(model, found_along(model))
    b = of.model.working(model.reported(theta))
    laplace = Laplace(penalised(of.model, [*terms, *of.terms], ~of.outer, spec.smoothing == "ml"))
    laplace.begin = torch.zeros(laplace.of.size, dtype=torch.float64)
    laplace.begin[: len(laplace.of.taken)] = b[laplace.of.taken]
    information = -curvature.diagonal(of.model.likelihood().derivatives(b)[2])
    return of.model, laplace, torch.cat([b[of.outer], omega, smooth_starts(of.terms, information)])


def _at_limits(found: MixedMaximum, spec: ModelSpec) -> MixedMaximum:
    """The same, with every parameter that the data push to the end of its range held there: no overdispersion, say."""
    random = {one.term.parameter for one in found.columns}
    for parameter, model in () if found.model.smooths else ends(found.model):
        if parameter in random:
            continue
        own = torch.tensor([found.model.names[at][0] == parameter for at in found.model.kept])
        stays = torch.ones(len(found.peak.psi), dtype=torch.bool)
        stays[: len(found.peak.laplace.of.kept)] = ~own[found.peak.laplace.of.kept]
        laplace, psi = _integral(model, found.columns, spec), found.peak.psi[stays]
        if not laplace.value(psi) >= found.peak.value - NEAR_LIMIT:
            continue
        peak = maximum(laplace, psi, spec.tol, spec.max_iter)
        if peak.value >= found.peak.value - AS_GOOD:
            optimum = replace(peak.optimum, iterations=found.peak.optimum.iterations + peak.optimum.iterations)
            at_end = replace(found, model=model, peak=replace(peak, optimum=optimum))
            return _at_limits(at_end, spec)
    return found


def _exact(model: Model, columns: tuple[RandomColumns, ...]) -> bool:
    """Whether the integral is one of a normal density."""
    family, random = model.family, {one.term.parameter for one in columns}
    return family.name == "gaussian" and model.links[family.main].name == "identity" and random == {family.main}


def _integral(model: Model, columns: tuple[RandomColumns, ...], spec: ModelSpec) -> Laplace:
    """The likelihood of a model in which random effects are integrated out."""
    of = penalised(model, [one.term for one in columns], (model.family.main,) if spec.reml else ())
    nodes = spec.quadrature or 1
    if nodes == 1:
        return Laplace(of)
    if _exact(model, columns):
        message = "--quadrature: of a Gaussian response with an identity link the integral is exact without it"
        raise ModelError("no_quadrature", message, "leave it out")
    effects = sum(places.shape[1] for places in of.places)
    if nodes**effects > MOST_NODES:
        message = f"--quadrature {nodes}: {effects} effects for each level have {nodes}^{effects} nodes together"
        hint = (
            f"at most {int(MOST_NODES ** (1 / effects) + 1e-9)} for each effect, {MOST_NODES:,} in all, are summed over"
        )
        raise ModelError("no_quadrature", message, hint)
    return Quadrature(of, points=nodes)


def _plain(model: Model, likelihood: Likelihood, spec: ModelSpec, inspection: Inspection | None) -> Tensor:
    """(p,) the coefficients of the fit without random effects, or as near to it as a search comes."""
    constants = start.constants(model, inspection)
    begin = start.coefficients(model, constants, spec.start)
    if inspection is not None:
        inspection.begin(likelihood, begin)
    if spec.start or model.smooths:
        return begin
    return newton(likelihood, begin, START_TOL, spec.max_iter).theta


START_TOL = 1e-3


def _information(model: Model, likelihood: Likelihood, theta: Tensor) -> dict[str, float]:
    """What a row says of each linear predictor, on average."""
    total, weight = torch.zeros(len(model.rows.predictors), dtype=torch.float64), 0.0
    for chunk, _, row in likelihood.rows(theta):
        h = torch.diagonal(row.h, dim1=1, dim2=2)
        total += (chunk.weight[:, None] * h).sum(dim=0)
        weight += float(chunk.weight.sum())
    return {one.parameter: float(-sum_) / weight for one, sum_ in zip(model.rows.predictors, total, strict=True)}


def _em(laplace: Laplace, columns: tuple[RandomColumns, ...], psi: Tensor) -> Tensor:
    """psi with variances that a few steps of EM have moved, for as long as the likelihood rises."""
    best = laplace.at(psi)
    for _ in range(EM_STEPS):
        if best is None:
            return psi
        moved = best.psi.clone()
        V = best.inverse()
        for one, places, part in zip(columns, laplace.of.places, laplace.of.omegas, strict=False):
            b = best.theta[places]
            covariance = (b.T @ b + block_sum(V, places)) / len(places)
            lower, info = torch.linalg.cholesky_ex(0.5 * (covariance + covariance.T))
            if int(info) == 0:
                floor = SMALLEST * torch.exp(psi[part][one.prior.diagonal])
                diagonal = torch.maximum(torch.diagonal(lower), floor)
                moved[part] = one.prior.omega(lower - torch.diag(torch.diagonal(lower)) + torch.diag(diagonal))
        found = laplace.at(moved)
        if found is None or not found.value > best.value:
            break
        best = found
    return psi if best is None else best.psi


def fitted_model(data: Data) -> tuple[Data, Model]:
    """The data with a formula for all that is estimated, and the model of the fixed coefficients."""
    data = with_modelled_phi(data)
    model = assemble(data)
    if model.holds_phi:
        model = model.held_at(float(data.spec.fixed["phi"]))
    return data, model
