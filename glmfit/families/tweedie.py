"""Tweedie: Var = phi mu^power. For 1 < power < 2 a Poisson number of gamma amounts: a lump at 0, a density above.

    log f(0) = -mu^(2-p) / (phi (2-p))        log f(y) = -d(y, mu) / (2 phi) - log y + log sum_{j>0} W_j(y, phi, p)
    W_j = Poisson(j; lambda) y Gamma(y; shape j alpha) at mu = y, lambda = y^(2-p) / (phi (2-p)), alpha = (2-p) / (p-1)

With r = j / lambda and G(k) = k log k - k - lgamma(k),
log W_j = -lambda (1 + alpha) (r log r - r + 1) + G(j) + G(j alpha) - log j        (Dunn & Smyth 2005, Stat. Comput. 15)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from glmfit.errors import UsageError
from glmfit.families.base import PHI, Family, Parameter, PositiveMean, Special, Support
from glmfit.families.cumulate import compound_gamma_tails
from glmfit.families.moments import moments
from glmfit.families.quasi import Quasi
from glmfit.families.recession import of_zeros
from glmfit.families.special import expm1_ratio, log1mexp, log_gamma_normaliser, relative_entropy, softplus
from glmfit.lazy import torch

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from glmfit.families.links import Link
    from glmfit.families.recession import Face

NEGLIGIBLE = 40.0  # terms of the series below exp(-40) of the largest are left out
BLOCK_ROWS = 1024
MOST_TERM = 2.0**62  # the largest j that is summed at
# Where the terms look like a normal density of more than this standard deviation in j (squared), and this far from
# j = 0 (in standard deviations, squared), their sum over the integers is their integral to exp(-43).
SMOOTH, FAR = 2.2, 100.0
ALMOST_MULTIPLES = 1.2  # powers below this may give the likelihood several maxima in phi
INTEGRAL = (-15.0, 10.0, 0.6)  # first and last node and step of the trapezoid, in standard deviations


class Tweedie(PositiveMean):
    """mu, phi and power by maximum likelihood; z = logit(power - 1), of which log alpha = -z."""

    name = "tweedie"
    aliases = ("tw",)
    summary = "amounts with exact zeros: Var = phi mu^power, 1 < power < 2 estimated, or held by --fix power=P"
    example = 'glmfit fit sample_data/tobin.csv "durable ~ age + quant" --family tweedie'
    support = Support(0, math.inf, text="numbers from 0 up")
    parameters = (
        PositiveMean.mu_parameter,
        PHI,
        Parameter("power", "logit12", ("logit12",), special=(Special(2.0, 40.0, "gamma"),)),
    )
    joint_dispersion = True
    lumps = (0.0,)
    bulk = 4

    @classmethod
    def holding(cls, fixed: Mapping[str, float]) -> Family:
        power = fixed.get("power")
        if power is None:
            return cls()
        return TweedieAtPower(power) if 1 < power < 2 else QuasiTweedie(power)

    def log_density(self, y: Tensor, log_mu: Tensor, log_phi: Tensor, z: Tensor) -> Tensor:  # type: ignore[override]
        found = torch.zeros_like(y)
        zero, positive = torch.nonzero(y == 0)[:, 0], torch.nonzero(y > 0)[:, 0]
        at_zero = -torch.exp(torch.sigmoid(-z[zero]) * log_mu[zero] - log_phi[zero] + softplus(z[zero]))
        above = _log_density_above_zero(y[positive], log_mu[positive], log_phi[positive], z[positive])
        return found.index_put((zero,), at_zero).index_put((positive,), above)

    def recession(self, y: Tensor, links: Mapping[str, Link], **columns: Tensor) -> Iterator[Face]:
        return of_zeros(y, links["mu"])

    def variance(self, mu: Tensor, *others: Tensor, **columns: Tensor) -> Tensor:
        return mu ** others[-1]

    def unit_deviance(self, y: Tensor, log_mu: Tensor, *others: Tensor) -> Tensor:  # type: ignore[override]
        return _unit_deviance(y, log_mu, torch.sigmoid(others[-1]), torch.sigmoid(-others[-1]))

    def tails(self, y: Tensor, *working: Tensor, **columns: Tensor) -> tuple[Tensor, Tensor]:
        """Those of a gamma of shape j alpha, for every number j of amounts, weighed by the Poisson probability of j."""
        log_mu, log_phi, z = working
        log_alpha, below_two = -z, torch.sigmoid(-z)
        log_lambda = below_two * log_mu - log_phi + softplus(z)
        at_zero = -torch.exp(log_lambda)
        log_scale = log_phi - softplus(-z) + torch.sigmoid(z) * log_mu
        x = torch.exp(torch.log(torch.where(y > 0, y, 1.0)) - log_scale)
        up_to, above = compound_gamma_tails(torch.exp(log_lambda), torch.exp(log_alpha), x)
        none, positive = -math.inf, y > 0
        up_to, above = torch.where(positive, up_to, none), torch.where(positive, above, log1mexp(at_zero))
        infinite = y == math.inf
        return (
            torch.where(y < 0, none, torch.where(infinite, 0.0, torch.logaddexp(at_zero, up_to))),
            torch.where(y < 0, 0.0, torch.where(infinite, none, above)),
        )

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        mean = super().start(y, weight)["mu"]
        variance = moments(y, weight).sd ** 2
        # Pr(0) = exp(-mean^2 / (variance (2 - power))); half a zero more than there are.
        zeros = (float(weight[y == 0].sum()) + 0.5) / (float(weight.sum()) + 1)
        power = min(max(2 - mean**2 / (variance * -math.log(zeros)), 1.2), 1.8)
        return {"mu": mean, "phi": variance / mean**power, "power": power}

    def simulate(self, random: np.random.Generator, mu: np.ndarray, phi: np.ndarray, power: np.ndarray) -> np.ndarray:  # type: ignore[override]
        events = random.poisson(mu ** (2 - power) / (phi * (2 - power)))
        return random.gamma(events * (2 - power) / (power - 1)) * phi * (power - 1) * mu ** (power - 1)


class TweedieAtPower(Tweedie):
    """The power held between 1 and 2: an exponential dispersion model, whose phi does not move the mean."""

    joint_dispersion = False

    def __init__(self, power: float) -> None:
        # Near power 1 amounts are nearly multiples of phi: a peak for each number of them that the data may be.
        self.log_phi_step = (power - 1) / (2 - power) if power < ALMOST_MULTIPLES else math.inf


class TweedieDeviance(PositiveMean):
    """V = mu^power, and its unit deviance."""

    def __init__(self, power: float) -> None:
        self.power = power

    recession = Tweedie.recession

    def variance(self, mu: Tensor, *others: Tensor, **columns: Tensor) -> Tensor:
        return mu**self.power

    def unit_deviance(self, y: Tensor, log_mu: Tensor, *others: Tensor) -> Tensor:  # type: ignore[override]
        power = torch.full_like(y, self.power)
        return _unit_deviance(y, log_mu, power - 1, 2 - power)


class QuasiTweedie(Quasi):
    """The power held anywhere else from 1 up, where only the variance and the deviance are used."""

    name = Tweedie.name
    summary = Tweedie.summary
    example = Tweedie.example
    support = Tweedie.support
    parameters = (PositiveMean.mu_parameter, PHI)
    settings = ("power",)

    def __init__(self, power: float) -> None:
        if not (power >= 1 and math.isfinite(power)):
            raise UsageError(
                "bad_power", f"power={power:g} is no Tweedie variance power for responses from 0 up", "give power >= 1"
            )
        self.like = TweedieDeviance(power)
        if power >= 2:
            self.support = Support(0, math.inf, lower_open=True, text="positive numbers (power >= 2)")


def _unit_deviance(y: Tensor, log_mu: Tensor, above_one: Tensor, below_two: Tensor) -> Tensor:
    """2 y^(2-p) (E(2 - p) - E(1 - p)) with E(a) = (r^a - 1) / a at r = mu / y; from p - 1 and 2 - p.

    Was: 2 (y^(2-p) / ((1-p)(2-p)) - y mu^(1-p) / (1-p) + mu^(2-p) / (2-p)), whose terms cancel at mu = y and near
    p = 1 and p = 2. At y = 0 the last term is left.
    """
    zero = y == 0
    log_y = torch.log(torch.where(zero, 1.0, y))
    log_r = log_mu - log_y
    difference = log_r * (expm1_ratio(below_two * log_r) - expm1_ratio(-above_one * log_r))
    at_zero = torch.exp(below_two * log_mu) / torch.where(zero, below_two, 1.0)
    return 2 * torch.where(zero, at_zero, torch.exp(below_two * log_y) * difference)


def _log_density_above_zero(y: Tensor, log_mu: Tensor, log_phi: Tensor, z: Tensor) -> Tensor:
    """(n,) log f at y > 0."""
    above_one, below_two = torch.sigmoid(z), torch.sigmoid(-z)
    log_lambda = below_two * y.log() - log_phi + softplus(z)
    series = _log_series(log_lambda, z)
    return series - 0.5 * _unit_deviance(y, log_mu, above_one, below_two) * torch.exp(-log_phi) - y.log()


def _log_series(log_lambda: Tensor, z: Tensor) -> Tensor:
    """(n,) log sum_j W_j: over integers where few matter, else by the integral that the sum then equals.

    NaN where few matter and those are beyond MOST_TERM: with p next to 1 and phi next to 0 the density is all spikes.
    """
    with torch.no_grad():
        log_steepness = log_lambda + softplus(-z)  # log of lambda (1 + alpha) = lambda / (p - 1)
        near = log_steepness < math.log(FAR)
        narrow = ~near & (log_lambda - softplus(-z) < math.log(SMOOTH))
        few = narrow & (log_lambda < math.log(MOST_TERM))
        order = torch.argsort(log_lambda)  # neighbours need about as many terms
    # A few rows at a time: tensors of (rows, nodes) that stay in the processor's cache are several times faster.
    parts = [
        (evaluate, rows)
        for evaluate, where in ((_near_zero, near), (_few, few), (_integral, ~near & ~narrow))
        for rows in order[where[order]].split(BLOCK_ROWS)
        if len(rows)
    ]
    found = [evaluate(log_lambda[rows], z[rows]) for evaluate, rows in parts]
    places = [rows for _, rows in parts]
    return torch.full_like(z, math.nan).index_put((torch.cat([order[:0], *places]),), torch.cat([z[:0], *found]))


def _near_zero(log_lambda: Tensor, z: Tensor) -> Tensor:
    """(n,) the sum over integers where lambda (1 + alpha) is not large, so that no digits cancel in the plain terms.

    log W_j = j (1 + alpha) log lambda + j alpha log alpha - lambda (1 + alpha) - log j! - lgamma(j alpha)
    """
    j = _integers(log_lambda.detach(), z.detach())
    alpha = torch.exp(-z)
    slope = (1 + alpha) * log_lambda - alpha * z
    terms = j * slope[:, None] - torch.lgamma(j * alpha[:, None]) - torch.lgamma(j + 1)
    return torch.logsumexp(terms, dim=1) - (1 + alpha) * torch.exp(log_lambda)


def _few(log_lambda: Tensor, z: Tensor) -> Tensor:
    """(n,) the sum over integers in the stable form."""
    log_j = torch.log(_integers(log_lambda.detach(), z.detach()))
    return torch.logsumexp(_log_terms(log_j - log_lambda[:, None], log_lambda[:, None], z[:, None]) - log_j, dim=1)


def _log_terms(u: Tensor, log_lambda: Tensor, z: Tensor) -> Tensor:
    """(n, m) log W_j + log j at log(j / lambda) = u (n, m), for log lambda and z (n, 1)."""
    log_j = log_lambda + u
    loss = torch.exp(log_lambda + softplus(-z)) * relative_entropy(u)
    return log_gamma_normaliser(-log_j) + log_gamma_normaliser(z - log_j) - loss


def _integers(log_lambda: Tensor, z: Tensor) -> Tensor:
    """(n, m) consecutive j that hold all terms that matter; constants.

    From j = lambda the loss k (r log r - r + 1) is at least k d^2 / (2 + 2 d / 3) at r = 1 + d, k d^2 / 2 at r = 1 - d.
    """
    peak = torch.exp(log_lambda)
    bottom, top = (torch.where(peak > 1, end, 1.0) for end in (torch.floor(peak), torch.ceil(peak)))
    steepness = torch.exp(softplus(-z))
    c = NEGLIGIBLE / (steepness * top)
    first = torch.floor(bottom * (1 - torch.sqrt(2 * NEGLIGIBLE / (steepness * bottom))))
    first = torch.where(first > 1, first, 1.0)
    last = torch.ceil(top * (1 + c / 3 + torch.sqrt((c / 3) ** 2 + 2 * c)))
    return first[:, None] + torch.arange(int((last - first).max()) + 1, dtype=torch.float64)


def _integral(log_lambda: Tensor, z: Tensor) -> Tensor:
    """(n,) log of the integral of W_j dj by the trapezoid rule at log(j / lambda) = t / sqrt(lambda (1 + alpha)).

    The nodes move with the parameters, so that nothing cancels in the derivatives however large lambda is.
    """
    start, end, step = INTEGRAL
    t = torch.arange(start, end, step, dtype=torch.float64)
    log_steepness = log_lambda + softplus(-z)
    u = torch.exp(-0.5 * log_steepness)[:, None] * t
    terms = _log_terms(u, log_lambda[:, None], z[:, None])
    return torch.logsumexp(terms, dim=1) + math.log(step) - 0.5 * log_steepness
