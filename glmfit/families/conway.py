"""Conway-Maxwell-Poisson counts by their mean: log f = y log lambda - nu log y! - log Z, lambda such that E(y) = mu.

With the anchor c = floor(mu), d_j = j - c and r_j = log(j!/c!) - d_j log(c + 1), it is an exponential family in
(t, nu) with log f = t d_y - nu r_y - A(t, nu), A = log sum_j exp(t d_j - nu r_j), whose derivatives, and those of
t(mu, nu), are made of the cumulants of (d, r): `cumulants`. Huang (2017), Statistical Modelling 17, 359-380.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from glmfit.families.base import Parameter, PositiveMean, Special
from glmfit.families.counts import COUNTS, Poisson
from glmfit.families.cumulate import NODES, gauss_sums
from glmfit.families.links import SHAPE_LINKS
from glmfit.families.moments import moments
from glmfit.families.special import log_rising
from glmfit.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from glmfit.families.cumulants import Cumulants

LEAST, MOST = 0.05, 4.0  # where the search for nu begins: a larger one says nothing where counts take two values
NEGLIGIBLE = 46.0  # terms below exp(-46) of the largest are left out
BLOCK_ROWS = 256
BLOCKS = 12  # at least so many in a sum, lest a term change too much within one
LARGEST = 1e25  # the number of terms up to which blocks are tabulated
RESOLVED = 16 * 2.0**-52  # the least width, relative to the last count
MOST_STEPS = 200
ALONE = 3.0  # log of the share that a third count has beside two others, from where it is negligible for a start
NEARBY = 0.3  # standard errors of t: a step within which the same terms matter
MOST_NU = 1e7  # rounding of the terms grows with nu; a third count beside two has long been nothing
MET = 1e-3  # standard deviations from the mean asked for, within which the expansions hold
SECOND = ((2, 0), (1, 1), (0, 2), (3, 0), (2, 1), (1, 2))  # moments that two derivatives are made of,
HIGHER = tuple((i, order - i) for order in (3, 4, 5) for i in range(order + 1))  # and those of four
SETTLED = 1e-7  # standard errors of t: the next Newton step is rounding error


class ConwayMaxwellPoisson(PositiveMean):
    """nu > 1 has a smaller variance than the Poisson's, nu < 1 a larger one, nu = 0 is the geometric."""

    name = "conway-maxwell-poisson"
    aliases = ("cmp", "com-poisson", "compois", "compoisson")
    summary = "counts with less (nu > 1) or more (nu < 1) variance than the mean"
    example = 'glmfit fit sample_data/warpbreaks.csv "breaks ~ wool*tension" --family conway-maxwell-poisson'
    support = COUNTS
    ratio = "rate ratio"
    parameters = (
        PositiveMean.mu_parameter,
        Parameter(
            "nu",
            "log",
            SHAPE_LINKS,
            special=(
                Special(0.0, -40.0, "geometric"),
                Special(math.inf, 14.0, "binomial", text="two-count (binomial where they are 0 and 1)"),
                Special(1.0, 0.0, "poisson", end=False),
            ),
        ),
    )

    def log_density(self, y: Tensor, log_mu: Tensor, log_nu: Tensor) -> Tensor:  # type: ignore[override]
        from glmfit.families.cumulants import LogSum, Natural  # torch itself, which a listing of families does without

        mu, nu = torch.exp(log_mu), torch.exp(log_nu)
        with torch.no_grad():
            at = _solve(mu, nu)
            # no t with this mean, or rounding times nu
            off = ((mu - at.anchor - at.mean).abs() > MET * at.variance.sqrt()) | (nu > MOST_NU)
        log_mu = torch.where(off, math.nan, log_mu)
        t = Natural.apply(log_mu, nu, at.t, at.cumulants)
        log_sum = LogSum.apply(t, nu, at.cumulants, 0, 0)
        return t * (y - at.anchor) - nu * _log_factorial_ratio(y, at.anchor) - log_sum

    recession = Poisson.recession
    rare_is_one = True

    def variance(self, mu: Tensor, nu: Tensor) -> Tensor:  # type: ignore[override]
        return _solve(mu.detach(), nu.detach()).variance

    def log_masses(self, k: Tensor, log_mu: Tensor, log_nu: Tensor) -> Tensor:  # type: ignore[override]
        nu = torch.exp(log_nu)
        at = _solve(torch.exp(log_mu), nu)
        anchor = at.anchor[:, None]
        return at.t[:, None] * (k - anchor) - nu[:, None] * _log_factorial_ratio(k, anchor) - at.log_sum[:, None]

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        mean = super().start(y, weight)["mu"]
        return {"mu": mean, "nu": min(max(mean / moments(y, weight).sd ** 2, LEAST), MOST)}

    def simulate(self, random: np.random.Generator, mu: np.ndarray, nu: np.ndarray) -> np.ndarray:  # type: ignore[override]
        """By rejection from the Poisson or the geometric; Benson & Friel (2021), Bayesian Analysis 16, 905-931."""
        at = _solve(torch.from_numpy(mu), torch.from_numpy(nu))
        log_m = np.log1p(at.anchor.numpy()) + at.t.numpy() / nu  # log of lambda^(1/nu), the mode but for its fraction
        m, y, left = np.exp(log_m), np.empty_like(mu), np.arange(len(mu))
        success = np.where(nu < 1, 2 * nu / (2 * m * nu + 1 + nu), 1.0)
        fail = np.log1p(-success, where=nu < 1, out=np.zeros_like(mu))
        while len(left):
            one, log_one, wide, power = m[left], log_m[left], nu[left] < 1, nu[left]
            drawn = np.where(wide, random.geometric(success[left]) - 1.0, random.poisson(one)).astype(float)
            # The ratio of (m^j / j!)^nu to the envelope is largest at the count `peak`.
            peak = np.where(wide, np.floor(np.exp(log_one - fail[left] / power)), np.floor(one))
            log_ratio = (
                np.where(wide, power, power - 1) * ((drawn - peak) * log_one - _lgamma(drawn + 1) + _lgamma(peak + 1))
                - (drawn - peak) * fail[left]
            )
            accepted = np.log(random.random(len(left))) < log_ratio
            y[left[accepted]] = drawn[accepted]
            left = left[~accepted]
        return y


def _lgamma(x: np.ndarray) -> np.ndarray:
    return torch.lgamma(torch.from_numpy(x)).numpy()


class _Solved(NamedTuple):
    """At given (mu, nu), (n,) each: t, A, the mean and variance of d = j - anchor, and all cumulants of (d, r)."""

    anchor: Tensor
    t: Tensor
    log_sum: Tensor
    mean: Tensor
    variance: Tensor
    cumulants: Cumulants


def _solve(mu: Tensor, nu: Tensor) -> _Solved:
    """t with E(j) = mu, and the cumulants there; some rows at a time, so that tensors stay in the processor's cache."""
    from glmfit.families.cumulants import Cumulants

    order = torch.argsort(mu)  # neighbours need about as many terms
    inverse = torch.argsort(order)
    parts = [_solve_block(mu[rows], nu[rows]) for rows in order.split(BLOCK_ROWS)]
    anchor, t, log_sum, mean, mean_r, *second = (torch.cat(column)[inverse] for column in zip(*parts, strict=True))

    def more() -> dict[tuple[int, int], Tensor]:
        found = [_moments(t[rows], nu[rows].detach(), anchor[rows], HIGHER) for rows in order.split(BLOCK_ROWS)]
        return dict(zip(HIGHER, (torch.cat(column)[inverse] for column in zip(*found, strict=True)), strict=True))

    first = {(0, 0): log_sum, (1, 0): mean, (0, 1): mean_r}
    central = dict(zip(SECOND, second, strict=True))
    return _Solved(anchor, t, log_sum, mean, central[2, 0], Cumulants(first, central, more))


def _solve_block(mu: Tensor, nu: Tensor) -> list[Tensor]:
    """Newton's method for log E(j) = log mu, in an interval that is known to hold the solution.

    By Jensen's inequality lambda = E(j^nu) lies on the one side of mu^nu, and below (mu + 1)^nu by E((j + 1)^-nu); the
    geometric and the Poisson family, whose lambda are mu / (1 + mu) and mu, bound the others.
    """
    anchor = mu.floor()
    base = torch.log1p(anchor)
    over = nu <= 1
    low = torch.where(over, mu.log() - torch.log1p(mu), torch.maximum(nu * mu.log(), mu.log())) - nu * base
    high = nu * (torch.where(over, mu.log(), torch.log1p(mu)) - base)
    guess = nu * (torch.log((mu + 0.5 - 0.5 / nu).clamp(min=0)) - base)
    # A large nu leaves the two counts around the mean, if it leaves out the one above them.
    two = nu * (torch.log1p(anchor + 1) - base) > ALONE
    guess = torch.where(two, torch.logit(mu - anchor, eps=0.0), guess)
    t = torch.minimum(torch.maximum(guess, low), high)
    nodes = _nodes(t, nu, anchor)
    for _ in range(MOST_STEPS):
        at = _sum(t, nu, nodes)
        above = at.mean(at.d)
        variance = at.mean((at.d - above[:, None]) ** 2)
        mean, excess = anchor + above, mu - anchor - above
        low, high = torch.where(excess > 0, t, low), torch.where(excess < 0, t, high)
        following = t + mean * torch.log1p(excess / mean) / variance
        outside = ~((following >= low) & (following <= high))
        following = torch.where(outside, 0.5 * (low + high), following)
        step = (following - t).abs() * torch.maximum(variance.sqrt(), variance / mean)  # in sd, or relative to the mean
        t = following
        if bool((step > NEARBY).any()):
            nodes = _nodes(t, nu, anchor)
        elif not bool((step > SETTLED).any()):
            break
    at = _sum(t, nu, nodes)
    return [anchor, t, at.log_sum, at.mean(at.d), at.mean(at.r), *_central(at, SECOND)]


class _Nodes(NamedTuple):
    """d and r (n, J) at the nodes, and their log weights (n, J), None where all are 0."""

    d: Tensor
    r: Tensor
    log_weight: Tensor | None


class _Sum(NamedTuple):
    """The nodes' d and r (n, J), their shares p (n, J) of the sum, and its logarithm (n,)."""

    d: Tensor
    r: Tensor
    p: Tensor
    log_sum: Tensor

    def mean(self, x: Tensor) -> Tensor:
        return (self.p * x).sum(dim=1)


def _sum(t: Tensor, nu: Tensor, nodes: _Nodes) -> _Sum:
    d, r, log_weight = nodes
    log_terms = t[:, None] * d - nu[:, None] * r
    if log_weight is not None:
        log_terms += log_weight
    top, at_top = log_terms.max(dim=1, keepdim=True)
    terms = torch.exp(log_terms - top)
    # 1 + the others, so that no digit of a small sum of the others is lost
    others = terms.scatter(1, at_top, 0.0).sum(dim=1)
    return _Sum(d, r, terms / (1 + others)[:, None], top[:, 0] + torch.log1p(others))


def _moments(t: Tensor, nu: Tensor, anchor: Tensor, orders: Sequence[tuple[int, int]]) -> list[Tensor]:
    """Central moments of (d, r) where t is known."""
    return _central(_sum(t, nu, _nodes(t, nu, anchor)), orders)


def _central(at: _Sum, orders: Sequence[tuple[int, int]]) -> list[Tensor]:
    """(n,) E((d - E d)^i (r - E r)^j) for each (i, j)."""
    d, r = at.d - at.mean(at.d)[:, None], at.r - at.mean(at.r)[:, None]
    powers: dict[tuple[int, int], Tensor] = {(1, 0): d, (0, 1): r}
    most = max(i + j for i, j in orders)
    for order in range(2, most + 1):
        for i in range(order + 1):
            j = order - i
            powers[i, j] = powers[i - 1, j] * d if i else powers[0, j - 1] * r
    return [at.mean(powers[one]) for one in orders]


def _log_factorial_ratio(j: Tensor, c: Tensor) -> Tensor:
    """r = log(j!/c!) - (j - c) log(c + 1), without the cancellation of large factorials."""
    low, k = torch.minimum(j, c), (j - c).abs()
    rising = log_rising(k, -torch.log1p(low))
    return torch.where(j < c, k * torch.log1p(k / (low + 1)) - rising, rising)


def _nodes(t: Tensor, nu: Tensor, anchor: Tensor) -> _Nodes:
    """Nodes and weights for which sums over nodes are sums over all counts that matter.

    A block of N integers is replaced by NODES nodes of Gauss's rule for such sums. Blocks grow from the first one, as
    far as the terms change little within a block for the distance to the singularity of j! at -1.
    """
    first, last = _window(t, nu, anchor)
    width = last - first + 1
    # Not where it is NaN, or where doubles near the last count are further apart than blocks: the sum is NaN too.
    tabulated = (width < LARGEST) & (width > RESOLVED * last)
    first, last, width = (torch.where(tabulated, x, 1.0) for x in (first, last, width))
    anchor = torch.where(tabulated, anchor, math.nan)
    if float(width.max()) <= NODES * BLOCKS:
        j = first[:, None] + torch.arange(float(width.max()), dtype=t.dtype)
        steps = torch.log(j / (anchor[:, None] + 1))
        steps[:, 0] = _log_factorial_ratio(first, anchor)
        return _Nodes(j - anchor[:, None], steps.cumsum(dim=1), None)
    lengths, nodes, log_weights = gauss_sums()
    most = torch.ceil(width / BLOCKS)
    begin, parts, log_parts = first, [], []
    while bool((begin <= last).any()):
        wanted = torch.minimum(most, torch.maximum(2 * begin, torch.full_like(begin, NODES)))
        place = torch.searchsorted(lengths, wanted)
        parts.append(begin[:, None] + nodes[place])
        log_parts.append(log_weights[place])
        begin = begin + lengths[place]
    j = torch.cat(parts, dim=1)
    return _Nodes(j - anchor[:, None], _log_factorial_ratio(j, anchor[:, None]), torch.cat(log_parts, dim=1))


def _window(t: Tensor, nu: Tensor, anchor: Tensor) -> tuple[Tensor, Tensor]:
    """The first and the last count whose term is not negligible.

    The terms' logarithm a(j) has a'(j) = nu (q - psi(j + 1)), q = log(anchor + 1) + t/nu, with log(j + 1/2) <=
    psi(j + 1) <= log(j + 0.57): from its maximum it falls at least by nu M ((1 + u) log(1 + u) - u) at M u above.
    """
    q = torch.log1p(anchor) + t / nu
    peak = torch.exp(q) - 0.5
    mode = torch.relu(peak)
    scale = mode + 0.5
    fall = NEGLIGIBLE / (nu * scale)
    u = fall / 3 + torch.sqrt(fall**2 / 9 + 2 * fall)
    for _ in range(3):  # Newton's method from above, for a convex function
        u = u - ((1 + u) * torch.log1p(u) - u - fall) / torch.log1p(u)
    above = torch.minimum(u * scale, NEGLIGIBLE / (nu * (scale.log() - q)).relu())
    below = torch.sqrt(2 * fall) * scale
    return torch.floor(torch.relu(mode - below - 1)), torch.ceil(mode + above + 1)
