"""Wild bootstraps of clustered models: the residuals or scores of cluster g times a random v_g, under the null imposed.

    linear   T* = c'(b* - b~) / se(b*),  y* = X b~ + v_g r~              (Cameron, Gelbach & Miller 2008)
    others   T* = sum v_g a_g / sqrt(sum v_g^2 a_g^2),  a_g = c'A~^-1 S~_g                  (Kline & Santos 2012)

~ is the maximum with c'b at the value tested. Both need sums over clusters alone (Roodman, Nielsen, MacKinnon & Webb
2019): the first is linear in that value, the second is a fit for each. An interval has the values not rejected.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from glmfit.inference.clusters import cluster_sums
from glmfit.inference.covariance import row_scores
from glmfit.model import Likelihood
from glmfit.numerics import curvature, generator
from glmfit.numerics.profile import Search

MOST_WEBB = 12  # clusters up to which two signs give too few samples, and Webb's six values are drawn
VALUES = {
    "rademacher": (1.0, -1.0),
    "webb": tuple(sign * math.sqrt(size) for sign in (1, -1) for size in (0.5, 1.0, 1.5)),
}
CELLS = 4_000_000  # of the weights made at a time
TIE = 1e-9  # relative difference at which two statistics are the same: those of v and of a multiple of v are
FARTHEST = 2.0**12  # standard errors from the estimate, beyond which no end is looked for
WIDER = 1.5
EXACT = 1e-12  # of an end, in standard errors

# t, standard errors from the estimate to the value tested -> |T| of the data, |T*| (B,); NaN where there is no maximum
Statistics = Callable[[float], tuple[float, Tensor]]


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Weights v (B, G), as places `codes` among the values of `kind`: all there are (`enumerated`), or random ones.

    Of the `samples`, `same` have one weight for all clusters, which gives the statistic of the data: they are left out.
    """

    kind: str
    codes: Tensor
    samples: int
    enumerated: bool

    @property
    def same(self) -> int:
        return self.samples - len(self.codes)

    def runs(self) -> Iterator[Tensor]:
        """The weights, a run of samples at a time."""
        values = torch.tensor(VALUES[self.kind], dtype=torch.float64)
        for codes in self.codes.split(max(1, CELLS // self.codes.shape[1])):
            yield values[codes.long()]

    def p_value(self, count: int) -> float:
        """With `count` of the B at least as extreme; the data are one more of random ones (Davison & Hinkley)."""
        drawn = int(not self.enumerated)
        return (count + self.same + drawn) / (self.samples + drawn)

    def most(self, level: float) -> int:
        """The most of the B at least as extreme with which a value is outside of the interval of this level."""
        drawn = int(not self.enumerated)
        return math.floor((1 - level) * (self.samples + drawn) + TIE) - self.same - drawn


def draws(kind: str | None, clusters: int, replicates: int, seed: int) -> Draws:
    """All vectors of weights if there are no more than `replicates`, else so many random ones."""
    kind = kind or ("webb" if clusters <= MOST_WEBB else "rademacher")
    base = len(VALUES[kind])
    if base**clusters <= replicates:
        places = torch.arange(base**clusters)[:, None] // base ** torch.arange(clusters)
        codes = (places % base).to(torch.uint8)
    else:
        random = generator(seed)
        codes = torch.randint(0, base, (replicates, clusters), dtype=torch.uint8, generator=random)
    same = (codes == codes[:, :1]).all(dim=1)
    return Draws(kind, codes[~same], len(codes), base**clusters <= replicates)


@dataclass(frozen=True, slots=True)
class Tested:
    """A p-value of the value 0 and the interval of values that are not rejected; NaN where a maximum was not found."""

    p_value: float
    low: float
    high: float


def linear(likelihood: Likelihood, theta: Tensor, bread: Tensor, row: Tensor, codes: Tensor, made: Draws) -> Statistics:
    """For a linear model with one predictor and the identity link, of row'theta; `bread` (p, p) is A^-1.

    With d = row'theta less the value tested, S~_g = S_g + d R_g / row'A^-1 row, R_g = X_g'W_g X_g A^-1 row, and the
    part of cluster g in T* is v_g a_g - R_g'A^-1 sum_h v_h S~_h, a_g = row'A^-1 S~_g.
    """
    count, along = made.codes.shape[1], bread @ row
    sums = cluster_sums(row_scores(likelihood, theta), codes, count, len(theta))
    moves, first = torch.zeros_like(sums), 0
    for chunk, _, derivatives in likelihood.rows(theta):
        x = chunk.predictors[0].X.dense()
        weight = -chunk.weight * derivatives.h[:, 0, 0] * (x @ along)
        moves.index_add_(0, codes[first : first + len(x)], weight[:, None] * x)
        first += len(x)
    length = float(row @ along)
    parts, own = (sums, moves / length), moves @ bread
    each = [part @ along for part in parts]
    totals: list[Tensor] = []
    for v in made.runs():
        tops = [v @ a for a in each]
        left = [v * a - (v @ part) @ own.T for a, part in zip(each, parts, strict=True)]
        squares = [(left[i] * left[k]).sum(dim=1) for i, k in ((0, 0), (0, 1), (1, 1))]
        totals.append(torch.stack([*tops, *squares]))
    top, slope, constant, mixed, square = torch.cat(totals, dim=1)
    error, unit = float(torch.linalg.vector_norm(each[0])), math.sqrt(length)

    def statistics(t: float) -> tuple[float, Tensor]:
        d = -t * unit
        variance = constant + 2 * d * mixed + d * d * square
        return abs(d) / error, (top + d * slope).abs() / torch.sqrt(variance)

    return statistics


def scored(
    likelihood: Likelihood, search: Search, row: Tensor, codes: Tensor, made: Draws, *, expected: bool
) -> Statistics:
    """For any family, of row'theta; `search` finds maxima on its hyperplanes, A~ is observed or expected there.

    T and T* have no scale, and A~^-1 row is a multiple of z - K (K'A~ K)^-1 K'A~ z, row'z = 1, K a basis of row'u = 0.
    That needs K'A~ K alone positive definite, as it is at a maximum: far from the estimate an observed A~ need not be.
    """
    count, basis, across = made.codes.shape[1], search.basis, row / float(row @ row)

    def statistics(t: float) -> tuple[float, Tensor]:
        theta = search.maximum_at(t)
        if theta is None:
            return math.nan, torch.full((len(made.codes),), math.nan, dtype=torch.float64)
        hessian = likelihood.expected(theta) if expected else likelihood.derivatives(theta)[2]
        lower, move = None, across
        if hessian is not None:
            information = -curvature.full(hessian)
            lower = curvature.cholesky(basis.T @ information @ basis)
        if lower is None:
            return math.nan, torch.full((len(made.codes),), math.nan, dtype=torch.float64)
        if basis.shape[1]:
            move = across - basis @ curvature.solve(lower, basis.T @ information @ across)
        sums = cluster_sums(row_scores(likelihood, theta), codes, count, len(theta))
        a = sums @ move
        drawn = [(v @ a).abs() / torch.linalg.vector_norm(v * a, dim=1) for v in made.runs()]
        return abs(float(a.sum())) / float(torch.linalg.vector_norm(a)), torch.cat(drawn)

    return statistics


def tested(statistics: Statistics, made: Draws, estimate: float, error: float, level: float, begin: float) -> Tested:
    """The test against 0 and the interval around an estimate whose model-based standard error is `error`.

    `begin` is a first guess of the interval's half-width, in those.
    """
    observed, drawn = statistics(-estimate / error)
    p_value = math.nan
    if math.isfinite(observed) and not bool(torch.isnan(drawn).any()):
        p_value = made.p_value(int((drawn >= observed * (1 - TIE)).sum()))
    most = made.most(level)
    if most < 0:
        return Tested(p_value, -math.inf, math.inf)

    def excess(t: float) -> float:
        """Above 0 where the value at t is rejected: |T| less the largest |T*| that it has to exceed."""
        observed, drawn = statistics(t)
        return observed * (1 - TIE) - float(torch.kthvalue(drawn, len(drawn) - most).values)

    below, above = _end(lambda t: excess(-t), begin), _end(excess, begin)
    return Tested(p_value, estimate - below * error, estimate + above * error)


def _end(excess: Callable[[float], float], begin: float) -> float:
    """The t above 0 from which on the excess is positive, infinite where it never is; NaN where it is not known."""
    from scipy.optimize import brentq

    inside, t = 0.0, begin
    while not (there := excess(t)) > 0:
        if math.isnan(there):
            return math.nan
        inside, t = t, WIDER * t
        if t > FARTHEST:
            return math.inf
    known: list[float] = []

    def watched(at: float) -> float:
        value = excess(at) if at else -1.0  # the estimate itself is never rejected
        known.append(value)
        return 0.0 if math.isnan(value) else value

    end = float(brentq(watched, inside, t, xtol=EXACT, rtol=EXACT))
    return math.nan if any(map(math.isnan, known)) else end
