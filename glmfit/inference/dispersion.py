"""The dispersion phi of Var(y) = phi V(mu) / w, the deviance and Pearson's chi-square, from a fitted mean.

pearson  X^2 / df      deviance  D / df      ml  the maximum of the log-likelihood in phi with the mean held
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter

import torch
from torch import Tensor

from glmfit.families import LINKS, Family
from glmfit.model import AsFitted, Likelihood, Model, Rows, row_derivatives
from glmfit.numerics import Optimum, all_finite, full, is_constant, newton, summed
from glmfit.spec import DISPERSIONS, ModelSpec

PERFECT = 1e-26  # deviance, or chi-square, relative to the size of the means: nothing but rounding is left
BELOW_NOTHING = 1e-11  # what rounding takes off a unit deviance of 0, relative to the size of its terms
SCANNED = 3.0  # log phi to either side, where the log-likelihood may have several peaks in it,
FINEST_SCAN = 0.005  # in steps no smaller than this,
SCANNED_ROWS = 2000  # of a sample of so many rows
PEAKS_CLIMBED = 3
AT_NULL = 1e-7  # standard errors from the null fit whose square nobody can see in a deviance
NEAR_NULL = 1e-4  # standard errors from the null fit: the last step squares it, and the deviance squares that again


@dataclass(frozen=True, slots=True)
class Goodness:
    """Sums over rows at a fitted mean, at phi = 1: the deviance, Pearson's chi-square, and their natural size."""

    deviance: float
    pearson: float
    size: float  # sum of w E(y)^2 / V(mu): what the chi-square of the null fit to a response of 0 would be

    @property
    def perfect(self) -> bool:
        """Whether only rounding is left: in the deviance, or in the chi-square, whose terms cancel less."""
        return min(self.deviance, self.pearson) <= PERFECT * self.size


def goodness(likelihood: Likelihood, theta: Tensor, low: Tensor | None = None) -> Goodness:
    """Deviance and chi-square of the fitted mean of `likelihood` at theta; NaN where the family states none.

    `low` is what theta lacks for want of digits, which is known of least squares.
    """
    if not likelihood.family.has_moments:
        return Goodness(math.nan, math.nan, math.nan)
    return Goodness(*likelihood.over_rows(_sums, theta, low).tolist())


def _sums(likelihood: Likelihood, theta: Tensor, low: Tensor | None) -> Tensor:
    """(3,) what `Goodness` holds."""
    sums = torch.zeros(3, dtype=torch.float64)
    with torch.no_grad():
        for chunk in likelihood.chunks:
            residuals = None if low is None else likelihood.residuals(chunk, theta, low)
            sums += goodness_of_rows(likelihood, chunk, likelihood.etas(chunk, theta, low), residuals).sum(dim=1)
    return sums


def goodness_of_rows(
    likelihood: Likelihood, chunk: Rows, etas: Sequence[Tensor], residuals: Tensor | None = None
) -> Tensor:
    """(3, n) what each row adds to the deviance, the chi-square and their natural size; `residuals` (n,) with digits
    that the mean has not got, where they are known."""
    family = likelihood.family
    weight, natural = chunk.square_weight, likelihood.natural(chunk, etas)
    mean = family.mean(*natural, **chunk.columns)
    pearson = family.over_variance(chunk.y - mean, *natural, **chunk.columns)
    size = family.over_variance(mean, *natural, **chunk.columns)
    deviance = unit_deviances(likelihood, chunk, etas) if family.has_deviance else torch.full_like(mean, math.nan)
    if residuals is not None:
        deviance = pearson = family.over_variance(residuals, *natural)
    # A fitted mean that has rounded to its bound has a variance of 0; met by the response, it adds nothing.
    exact = (chunk.y == mean) & ~torch.isfinite(pearson)
    pearson, size = (torch.where(exact, 0.0, value) for value in (pearson, size))
    return weight * torch.stack([deviance, pearson, size])


def unit_deviances(likelihood: Likelihood, chunk: Rows, etas: Sequence[Tensor]) -> Tensor:
    """(n,) the deviances of the rows, unweighted."""
    deviance = likelihood.family.unit_deviance(chunk.y, *likelihood.working(chunk, etas), **chunk.columns)
    nothing = (deviance < 0) & (deviance > -BELOW_NOTHING * (1 + chunk.y.abs()))  # of a row fitted exactly
    return torch.where(nothing, 0.0, deviance)


@dataclass(frozen=True, slots=True)
class _OfDeviance:
    """log phi -> sum_i w_i log f_i of a fixed mean, but for c(y), where log f = A(phi) + c(y) - d / (2 phi).

    One row tells A: `weight` times the density of a response of 1 at a mean of 1. `deviance` is sum_i w_i d_i.
    """

    family: Family
    weight: float
    deviance: float

    def _at(self, log_phi: Tensor) -> Tensor:
        one = torch.ones(1, dtype=torch.float64)
        saturated = LINKS[self.family.parameter(self.family.main).scale].link(one)
        density = self.family.log_density(one, saturated, log_phi)
        return self.weight * density - 0.5 * self.deviance * torch.exp(-log_phi)

    def derivatives(self, theta: Tensor) -> tuple[float, Tensor, Tensor]:
        row = row_derivatives(self._at, [theta])
        return float(row.l), row.g[0], row.h[0]

    def along(self, theta: Tensor, direction: Tensor) -> Callable[[float], float]:
        return lambda t: float(self._at(theta + t * direction))

    def expected(self, theta: Tensor) -> None:
        return None

    def information_root(self, theta: Tensor) -> None:
        return None


def maximum_likelihood(model: Model, found: Optimum, deviance: float) -> tuple[float, float]:
    """phi that maximises the log-likelihood with the mean held at its optimum, and that maximum.

    `deviance` is the sum of unit deviances, of which the mean is near to phi.
    """
    mean = AsFitted(found.theta, found.low, (model.family.main,))
    of_phi, example = (one.constants_only(("phi",), mean) for one in (model, model.here))
    start, rows = deviance / model.n, model.rows
    unweighted = is_constant(rows.log_prior) and float(rows.log_prior[0]) == 0
    if model.family.separable_phi and unweighted and model.source is None:
        begin = torch.tensor([math.log(start)], dtype=torch.float64)
        log_phi = newton(_OfDeviance(model.family, summed(rows.weight), deviance), begin).theta
        return math.exp(float(log_phi)), of_phi.value(log_phi)
    optima = [newton(of_phi, begin) for begin in _peaks(example, math.log(start), model.family.log_phi_step)]
    best = max(optima, key=lambda optimum: optimum.value)
    return math.exp(float(best.theta)), best.value


def _peaks(likelihood: Likelihood, log_phi: float, step: float) -> list[Tensor]:
    """Where to climb from, (1,) each: `log_phi` alone, or the highest peaks of a scan around it in steps of `step`."""
    here = torch.tensor([log_phi], dtype=torch.float64)
    if math.isinf(step):
        return [here]
    points = torch.arange(-SCANNED, SCANNED, max(step, FINEST_SCAN), dtype=torch.float64)[:, None] + here
    rows = sum(len(chunk) for chunk in likelihood.chunks)
    every = -(-rows // SCANNED_ROWS)
    chunks = [chunk.rows(slice(None, None, every)) for chunk in likelihood.chunks]
    sample = Likelihood(likelihood.family, likelihood.links, chunks, likelihood.size)
    values = torch.tensor([-math.inf, *(sample.value(point) for point in points), -math.inf])
    peaks = (values[1:-1] >= values[:-2]) & (values[1:-1] >= values[2:])
    order = torch.argsort(torch.where(peaks, values[1:-1], -math.inf), descending=True)
    return [points[at] for at in order[: min(PEAKS_CLIMBED, int(peaks.sum()))]]


def _mean_response(likelihood: Likelihood) -> float:
    """The mean response of all rows, for each trial where rows have several."""
    total, weight = likelihood.over_rows(_response_sums)
    return total / weight


def _response_sums(likelihood: Likelihood) -> tuple[float, float]:
    """The responses and the trials (rows, where there are none), weighted."""
    total, weight = 0.0, 0.0
    for chunk in likelihood.chunks:
        total += float((chunk.weight * chunk.y).sum())
        weight += float((chunk.weight * chunk.columns.get("trials", torch.ones_like(chunk.y))).sum())
    return total, weight


def _is_peak(likelihood: Likelihood, theta: Tensor) -> bool:
    """Whether a single coefficient (1,) is at the maximum, but for rounding."""
    derivatives = likelihood.derivatives(theta)
    _, gradient, hessian = derivatives
    return all_finite(derivatives) and float(gradient.abs()) < AT_NULL * math.sqrt(max(-float(full(hessian)), 0.0))


@dataclass(frozen=True, slots=True)
class Scale:
    """phi, how it was found, and the log-likelihood at its own maximum likelihood estimate (or at a phi given)."""

    phi: float
    method: str
    log_likelihood: float

    @property
    def estimated(self) -> bool:
        return self.method in DISPERSIONS


def dispersion(model: Model, spec: ModelSpec, found: Optimum, sums: Goodness, df: float) -> Scale:
    """phi as asked for, or by the family's default."""
    asked = spec.fixed.get("phi", spec.dispersion)
    if not model.holds_phi and model.family.has_dispersion:
        known = model.family.joint_dispersion and "phi" in model.rows.held
        return Scale(spec.fixed["phi"], "fixed", found.value) if known else Scale(1.0, "modelled", found.value)
    if asked is None:
        asked = "pearson" if model.holds_phi else 1.0
    phi, log_likelihood = math.nan, math.nan if model.family.quasi else found.value
    if model.holds_phi and not model.family.quasi:
        if not isinstance(asked, str):
            log_likelihood = model.held_at(asked).likelihood().value(found.theta, found.low)
        elif not sums.perfect:
            phi, log_likelihood = maximum_likelihood(model, found, sums.deviance)
        else:
            phi, log_likelihood = 0.0, math.inf
    if not isinstance(asked, str):
        return Scale(float(asked), "fixed", log_likelihood)
    if asked != "ml":
        phi = {"pearson": sums.pearson, "deviance": sums.deviance}[asked] / df if df > 0 else math.nan
    return Scale(phi, asked, log_likelihood)


def null_deviance(model: Model, likelihood: Likelihood, theta: Tensor, constant: float) -> float:
    """The deviance of the intercept alone (without one: of the offset alone), other parameters as fitted.

    `constant` is the intercept of a joint fit, near to this one.
    """
    if not model.family.has_deviance:
        return math.nan
    main = model.family.main
    others = tuple(parameter.name for parameter in model.family.parameters if parameter.name != main)
    null = model.constants_only((main,), AsFitted(theta, None, others))
    if not model.has_intercept:
        begin = torch.zeros(1, dtype=torch.float64)
        return goodness(null, begin).deviance if math.isfinite(null.value(begin)) else math.nan
    # Without offsets the mean response is the answer itself, as a rule.
    natural = model.moments().get(main, math.nan) if model.source is None else _mean_response(likelihood)
    mean = model.links[main].link(torch.tensor([natural], dtype=torch.float64))
    if _is_peak(null, mean):
        return goodness(null, mean).deviance
    begins = [(null.value(begin), begin) for begin in (torch.full_like(mean, constant), mean)]
    value, begin = max((pair for pair in begins if math.isfinite(pair[0])), default=(math.nan, mean), key=itemgetter(0))
    if math.isnan(value):
        return math.nan
    optimum = newton(null, begin, NEAR_NULL)
    return goodness(null, optimum.theta).deviance if optimum.converged else math.nan
