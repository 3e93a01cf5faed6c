"""A fit with random effects, from data to a `Fitted`: terms, a start, the maximum of Laplace's approximation, what is
said of it.

phi, which moves the variances, is estimated together with them. The search begins at the fit without random effects
and at variances from a few steps of EM: Sigma = mean of b b' + Var(b).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from glmfit.errors import ModelError
from glmfit.estimate import start
from glmfit.estimate.check import Inspection
from glmfit.estimate.maximum import AS_GOOD, NEAR_LIMIT, ends
from glmfit.estimate.random import RandomColumns, random_columns, starts
from glmfit.formula import INTERCEPT, PredictorFormula
from glmfit.model import Likelihood, Model, assemble
from glmfit.numerics import Trace, newton
from glmfit.penalty import Laplace, Peak, Quadrature, maximum, penalised
from glmfit.penalty.matrices import block_sum
from glmfit.rows import Data
from glmfit.spec import ModelSpec

EM_STEPS = 3
MOST_NODES = 10_000  # of a level
SMALLEST = 1e-3  # of a working standard deviation, relative to the first one, that EM ends at


@dataclass(frozen=True, slots=True, eq=False)
class MixedMaximum:
    """The maximum with its model of fixed coefficients and its random terms; `reml` says whether the mean's fixed
    coefficients are integrated too."""

    model: Model
    columns: tuple[RandomColumns, ...]
    peak: Peak
    reml: bool
    exact: bool  # the integral is no approximation: the response is Gaussian with an identity link

    @property
    def value(self) -> float:
        """The log-likelihood, of the columns as they are where coefficients are integrated."""
        value = self.peak.value
        for predictor, standardization in self.model.pairs if self.reml else ():
            if predictor.parameter == self.model.family.main:
                value -= float(standardization.scale.log().sum())
        return value

    @property
    def theta(self) -> Tensor:
        """(p,) the fixed coefficients, in working coordinates."""
        of = self.peak.laplace.of
        out = torch.zeros(self.model.size, dtype=torch.float64)
        out[of.kept] = self.peak.psi[: len(of.kept)]
        out[of.taken] = self.peak.integrated.theta[: len(of.taken)]
        return out


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
    likelihood = model.likelihood()
    theta = _plain(model, likelihood, spec, inspection)
    laplace, exact = _integral(model, columns, spec)
    omega = starts(columns, _information(model, likelihood, theta))
    psi = _em(laplace, columns, torch.cat([theta[laplace.of.kept], omega]))
    if laplace.at(psi) is None:
        raise ModelError(
            "bad_start",
            "no maximum of the random effects was found at the starting values",
            "scale covariates that are very large, or leave out random effects one by one to see which it is",
        )
    peak = maximum(laplace, psi, spec.tol, spec.max_iter, trace)
    return _at_limits(MixedMaximum(model, columns, peak, spec.reml, exact), spec)


def _at_limits(found: MixedMaximum, spec: ModelSpec) -> MixedMaximum:
    """The same, with every parameter that the data push to the end of its range held there: no overdispersion, say."""
    random = {one.term.parameter for one in found.columns}
    for parameter, model in ends(found.model):
        if parameter in random:
            continue
        laplace, exact = _integral(model, found.columns, spec)
        gone = [label[0] == parameter for label in (found.model.names[at] for at in found.model.kept)]
        kept = found.peak.laplace.of.kept
        stays = [at for at in range(len(found.peak.psi)) if at >= len(kept) or not gone[int(kept[at])]]
        psi = found.peak.psi[stays]
        if not laplace.value(psi) >= found.peak.value - NEAR_LIMIT:
            continue
        peak = maximum(laplace, psi, spec.tol, spec.max_iter)
        if peak.value >= found.peak.value - AS_GOOD:
            optimum = replace(peak.optimum, iterations=found.peak.optimum.iterations + peak.optimum.iterations)
            at_end = replace(peak, optimum=optimum)
            return _at_limits(MixedMaximum(model, found.columns, at_end, found.reml, exact), spec)
    return found


def _integral(model: Model, columns: tuple[RandomColumns, ...], spec: ModelSpec) -> tuple[Laplace, bool]:
    """The likelihood of a model in which random effects are integrated out, and whether that is exact."""
    family, nodes = model.family, spec.quadrature or 1
    of = penalised(model, [one.term for one in columns], (family.main,) if spec.reml else ())
    random = {one.term.parameter for one in columns}
    exact = family.name == "gaussian" and model.links[family.main].name == "identity" and random == {family.main}
    if nodes == 1:
        return Laplace(of), exact
    if exact:
        message = "--quadrature: of a Gaussian response with an identity link the integral is exact without it"
        raise ModelError("no_quadrature", message, "leave it out")
    effects = sum(places.shape[1] for places in of.places)
    if nodes**effects > MOST_NODES:
        message = f"--quadrature {nodes}: {effects} effects for each level have {nodes}^{effects} nodes together"
        hint = (
            f"at most {int(MOST_NODES ** (1 / effects) + 1e-9)} for each effect, {MOST_NODES:,} in all, are summed over"
        )
        raise ModelError("no_quadrature", message, hint)
    return Quadrature(of, points=nodes), exact


def _plain(model: Model, likelihood: Likelihood, spec: ModelSpec, inspection: Inspection | None) -> Tensor:
    """(p,) the coefficients of the fit without random effects, or as near to it as a search comes."""
    constants = start.constants(model, inspection)
    begin = start.coefficients(model, constants, spec.start)
    if inspection is not None:
        inspection.begin(likelihood, begin)
    if spec.start:
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
        for one, places, part in zip(columns, laplace.of.places, laplace.of.omegas, strict=True):
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
