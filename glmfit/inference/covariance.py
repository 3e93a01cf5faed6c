"""From a maximum to standard errors: covariance kinds, Wald tests and intervals.

    hessian, expected   A^-1 phi           A = -Hessian, observed or with the mean's rows expected
    hc0 ... cluster     A^-1 M A^-1        M = sum of outer products of scores, by row or by cluster

The bread A is the observed information (White 1982); the leverages of hc2 and hc3 are those of McCullagh & Nelder's hat
matrix, from the expected information. Small-sample factors are named in what is returned.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import torch
from torch import Tensor

from glmfit.errors import ModelError
from glmfit.inference import apart
from glmfit.inference.clusters import (
    Scores,
    ScoreSums,
    Unseen,
    cluster_count,
    clustered,
    freedom,
    not_seen_by_rows,
    root_of,
    summed_by,
    with_both,
)
from glmfit.inference.reduced import reduced
from glmfit.model import Elsewhere, Likelihood, RowDerivatives, Rows
from glmfit.model.apart import Factors, leverages, meat
from glmfit.numerics import Bordered, LowRank, Optimum, Symmetric, curvature

LEVERAGE = {"hc2": "1/(1-h)", "hc3": "1/(1-h)^2"}
MOST_TOGETHER = 1_000  # coefficients whose covariance is looked at as a matrix
SCORE_CELLS = 4_000_000  # scores are formed for at most this many numbers at a time


@dataclass(frozen=True, slots=True)
class Count:
    """n observations and k parameters, absorbed effects among them, for small-sample factors; `cr1s` asks for CR1S."""

    n: float
    parameters: int
    cr1s: bool = False

    def factor(self, kind: str) -> tuple[float, str | None]:
        """That of a robust kind, and its formula."""
        n, k = self.n, self.parameters
        if kind == "hc0":
            return 1.0, None
        if kind == "hc1":
            return (n / (n - k) if n > k else math.nan), "n/(n-k)"
        if kind == "sampling":
            return (n / (n - 1) if n > 1 else math.nan), "n/(n-1)"
        if not self.cr1s:  # of clusters
            return 1.0, "G/(G-1)"
        return ((n - 1) / (n - k) if n > k else math.nan), "G/(G-1) (n-1)/(n-k)"


@dataclass(frozen=True, slots=True)
class Covariance:
    """Covariance (p, p) of the working coefficients, its kind, and its small-sample factor as a formula.

    Of a model whose Hessian is bordered it is the sum of a diagonal and a matrix of low rank, where its kind allows it.

    `half` V (p, p) has V'V = the matrix and more of its digits. `df` (p,) are the degrees of freedom of the tests
    of the reported coefficients, where clusters give them; `blind` is what the scores that are summed say nothing of,
    measured in the standard errors of `bread`.
    """

    matrix: Tensor | LowRank
    kind: str
    correction: str | None = None
    clusters: Mapping[str, int] | None = None
    half: Tensor | None = None
    df: Tensor | None = None
    blind: tuple[Unseen, ...] = ()
    bread: Tensor | LowRank | None = None

    @property
    def whole(self) -> Tensor:
        """The matrix itself."""
        return curvature.full(self.matrix)


def nowhere(size: int) -> Tensor | LowRank:
    """A covariance of `size` coefficients of which none has one: NaN, as a matrix where that is not large."""
    if size > MOST_TOGETHER:
        return LowRank.unknown_of(size)
    return torch.full((size, size), math.nan, dtype=torch.float64)


def inverse_information(optimum: Optimum) -> Tensor | LowRank | None:
    """(-Hessian)^-1 (p, p), from its half where there is one; None where -Hessian is not positive definite."""
    half = inverse_half(optimum)
    if half is not None:
        return half.T @ half
    lower = curvature.cholesky(-optimum.hessian)
    return None if lower is None else curvature.inverse(lower)


def inverse_half(optimum: Optimum) -> Tensor | None:
    """V (p, p) with V'V = (-Hessian)^-1, where the optimum has more digits than its Hessian."""
    if optimum.half is not None or optimum.root is None:
        return optimum.half
    identity = torch.eye(len(optimum.theta), dtype=torch.float64)
    return torch.linalg.solve_triangular(optimum.root, identity, upper=True).T


def covariance(
    kind: str,
    likelihood: Likelihood,
    optimum: Optimum,
    bread: Tensor | LowRank,
    scale: float,
    of: Count,
    clusters: Mapping[str, Tensor],
    reported: Tensor | None = None,
    *,
    expected: bool = False,
    lengths: Tensor | None = None,
) -> Covariance:
    """The covariance of `kind`; `scale` is phi over the phi held in the likelihood, `of` what small samples depend on.

    Leverages are w_i times `lengths` (n,), where effects that are not among the coefficients fit the rows too.
    `bread` (p, p) stands on either side of what robust kinds have between, the inverse of the observed information, or
    of the `expected`. With `reported` (p, p), the rows of the reported coefficients, clusters are allowed for by CR2.
    """
    if kind == "hessian":
        half = inverse_half(optimum)
        return Covariance(scale * bread, kind, half=None if half is None else math.sqrt(scale) * half)
    if kind == "expected":
        return Covariance(scale * inverse_expected(likelihood, optimum), kind)
    elsewhere = isinstance(likelihood, Elsewhere)
    if isinstance(bread, LowRank) and reported is None and not (clusters and elsewhere):
        information = _expected(likelihood, optimum) if expected else optimum.hessian
        assert isinstance(information, Bordered)
        return _set_apart(kind, likelihood, optimum, bread, -information, of, clusters)
    bread = curvature.full(bread)
    if kind in LEVERAGE:
        inverse = curvature.full(inverse_expected(likelihood, optimum)) if lengths is None else lengths
        middle = likelihood.over_rows(_leverage_meat, optimum.theta, inverse, kind)
        return Covariance(_sandwiched(bread, middle), kind, LEVERAGE[kind])
    if reported is not None:
        return _reduced(kind, likelihood, optimum, bread, clusters, reported)
    if clusters:
        sums = likelihood.over_rows(_cluster_sums, optimum.theta, clusters, root_of(bread))
        return _by_clusters(kind, sums, bread, of, clusters)
    return _by_rows(kind, likelihood.over_rows(_row_meat, optimum.theta), bread, of)


def _set_apart(
    kind: str,
    likelihood: Likelihood,
    optimum: Optimum,
    bread: LowRank,
    information: Bordered,
    of: Count,
    clusters: Mapping[str, Tensor],
) -> Covariance:
    """A robust covariance by the parts of the bread, the inverse of `information`."""
    theta = optimum.theta
    if clusters:
        factor, text = of.factor(kind)
        matrix, blind = apart.of_clusters(likelihood, theta, bread, information, clusters)
        counts = {name: cluster_count(name, codes) for name, codes in clusters.items()}
        df = torch.full((len(bread),), freedom(counts), dtype=torch.float64)
        return Covariance(factor * matrix, kind, text, counts, df=df, blind=blind, bread=bread)
    if kind in LEVERAGE:
        middle = likelihood.over_rows(_apart_leverage, theta, inverse_expected(likelihood, optimum), kind)
        return Covariance(bread.sandwich([(1.0, middle)]), kind, LEVERAGE[kind])
    middle = likelihood.over_rows(_apart_meat, theta)
    matrix, unseen = apart.of_rows(middle, bread, information)
    factor, text = of.factor(kind)
    return Covariance(factor * matrix, kind, text, blind=(unseen,), bread=bread)


def _reduced(
    kind: str,
    likelihood: Likelihood,
    optimum: Optimum,
    bread: Tensor,
    clusters: Mapping[str, Tensor],
    reported: Tensor,
) -> Covariance:
    ((name, codes),) = clusters.items()
    count = cluster_count(name, codes)
    lower = curvature.cholesky(-curvature.full(_expected(likelihood, optimum)))
    if lower is None:
        return Covariance(torch.full_like(bread, math.nan), kind, "CR2", {name: count})
    found = reduced(likelihood, optimum, lower, codes, reported)
    matrix, blind = _sandwiched(bread, found.meat), (Unseen(found.blind),)
    expected = torch.cholesky_inverse(lower)
    return Covariance(matrix, kind, "CR2", {name: count}, df=found.df, blind=blind, bread=expected)


def sandwich(kind: str, rows: Iterable[Scores], bread: Tensor, of: Count, clusters: Mapping[str, Tensor]) -> Covariance:
    """The covariance of a `kind` that needs nothing but scores: hc0, hc1, sampling or clusters."""
    if clusters:
        codes, _ = with_both(clusters)
        return _by_clusters(kind, summed_by(rows, codes, _counts(codes), root_of(bread)), bread, of, clusters)
    return _by_rows(kind, _summed_meat(rows, len(bread)), bread, of)


def _counts(codes: Mapping[str, Tensor]) -> dict[str, int]:
    return {name: cluster_count(name, code) for name, code in codes.items()}


def _cluster_sums(likelihood: Likelihood, theta: Tensor, clusters: Mapping[str, Tensor], root: Tensor) -> ScoreSums:
    """The sums by the clusters of all rows; a part of them has codes of its own."""
    codes, _ = with_both(clusters)
    return summed_by(row_scores(likelihood, theta), likelihood.codes or codes, _counts(codes), root)


def _by_clusters(kind: str, sums: ScoreSums, bread: Tensor, of: Count, clusters: Mapping[str, Tensor]) -> Covariance:
    factor, text = of.factor(kind)
    found = clustered(sums, bread, with_both(clusters)[1], clusters)
    df = torch.full((len(bread),), freedom(found.counts), dtype=torch.float64)
    matrix = factor * _sandwiched(bread, found.meat)
    return Covariance(matrix, kind, text, found.counts, df=df, blind=found.blind, bread=bread)


def _row_meat(likelihood: Likelihood, theta: Tensor) -> Tensor:
    return _summed_meat(row_scores(likelihood, theta), likelihood.size)


def _summed_meat(rows: Iterable[Scores], size: int) -> Tensor:
    """(p, p) the outer products of the scores of rows."""
    total = torch.zeros((size, size), dtype=torch.float64)
    for _, frequency, scores in rows:  # a row of frequency f is f rows of score s/f each
        part = scores / torch.sqrt(frequency)[:, None]
        total += part.T @ part
    return total


def _apart_meat(likelihood: Likelihood, theta: Tensor) -> Bordered:
    return meat(likelihood, theta, lambda chunk, etas, row: chunk.weight / torch.sqrt(chunk.frequency))


def _apart_leverage(likelihood: Likelihood, theta: Tensor, covariance: Tensor | LowRank, kind: str) -> Bordered:
    return meat(likelihood, theta, _leverage_factors(likelihood, covariance, kind))


def _by_rows(kind: str, meat: Tensor, bread: Tensor, of: Count) -> Covariance:
    factor, text = of.factor(kind)
    blind = (Unseen(not_seen_by_rows(meat, root_of(bread))),)
    return Covariance(factor * _sandwiched(bread, meat), kind, text, blind=blind, bread=bread)


def _sandwiched(bread: Tensor, meat: Tensor) -> Tensor:
    """B M B (p, p), symmetric to the last digit, which a product is not where B is ill-conditioned."""
    product = bread @ meat @ bread
    return 0.5 * (product + product.T)


def _expected(likelihood: Likelihood, optimum: Optimum) -> Symmetric:
    """The Hessian (p, p) with expected rows for the mean."""
    information = likelihood.expected(optimum.theta)
    if information is None:
        raise ModelError(
            "no_expected_information",
            f"the {likelihood.family.name} family has no expected information for this model",
            "use --se hessian, hc0, hc1 or cluster:COLUMN, without --bread",
        )
    return information


def inverse_expected(likelihood: Likelihood, optimum: Optimum) -> Tensor | LowRank:
    """The inverse of the expected information (p, p); NaN where it is singular, as under separation."""
    information = _expected(likelihood, optimum)
    lower = curvature.cholesky(-information)
    if lower is None or not curvature.well_conditioned(lower):
        root = likelihood.information_root(optimum.theta, expected=True)
        if root is not None and bool((torch.diagonal(root) != 0).all()):
            return torch.cholesky_inverse(root, upper=True)
    return nowhere(likelihood.size) if lower is None else curvature.inverse(lower)


def row_scores(likelihood: Likelihood, theta: Tensor) -> Iterator[Scores]:
    """The scores of all rows at theta, a run at a time."""
    first = 0
    for chunk, _, row in likelihood.rows(theta):
        step = max(1, SCORE_CELLS // max(1, likelihood.size))
        for start in range(0, len(chunk.y), step):
            part = slice(start, min(start + step, len(chunk.y)))
            rows = chunk.rows(part)
            scores = torch.zeros((len(rows.y), likelihood.size), dtype=torch.float64)
            for k, predictor in enumerate(rows.predictors):
                weighted = (rows.weight * row.g[part, k])[:, None] * predictor.X.dense()
                scores.index_add_(1, predictor.columns, weighted)
            yield slice(first + part.start, first + part.stop), rows.frequency, scores
        first += len(chunk.y)


def _leverage_meat(likelihood: Likelihood, theta: Tensor, known: Tensor, kind: str) -> Tensor:
    """(p, p) for hc2 and hc3; `known` are x'Vx (n,), or the inverse of the expected information V (p, p)."""
    total, first = torch.zeros((likelihood.size, likelihood.size), dtype=torch.float64), 0
    for chunk, etas, row in likelihood.rows(theta):
        x, last = chunk.predictors[0].X.dense(), first + len(chunk)
        length = known[first:last] if known.ndim == 1 else ((x @ known) * x).sum(dim=1)
        scores = (_spared(likelihood, chunk, etas, row, length, kind) * row.g[:, 0])[:, None] * x
        total += scores.T @ scores
        first = last
    return total


def _leverage_factors(likelihood: Likelihood, covariance: Tensor | LowRank, kind: str) -> Factors:
    """What hc2 and hc3 multiply scores by, in a model with one linear predictor (`data.check_model` sees to that).

    `covariance` is the inverse of the expected information.
    """

    def factors(chunk: Rows, etas: Sequence[Tensor], row: RowDerivatives) -> Tensor:
        if isinstance(covariance, LowRank):
            length = leverages(likelihood, chunk, covariance)[:, 0, 0]
        else:
            x = chunk.predictors[0].X.dense()
            length = ((x @ covariance) * x).sum(dim=1)
        return _spared(likelihood, chunk, etas, row, length, kind)

    return factors


def _spared(
    likelihood: Likelihood, chunk: Rows, etas: Sequence[Tensor], row: RowDerivatives, length: Tensor, kind: str
) -> Tensor:
    """(n,) what the scores of rows of leverages w_i `length` (n,) are multiplied by."""
    each = chunk.weight / chunk.frequency
    spare = 1 + each * likelihood.expected_rows(chunk, etas, row.h)[:, 0, 0] * length
    if bool((spare < 1e-10).any()):
        raise ModelError(
            "leverage_one",
            f"--se {kind} does not exist: {int((spare < 1e-10).sum())} rows have leverage 1, fitted exactly by "
            "a coefficient of their own",
            "use --se hessian or expected, or leave out the terms that only one row determines",
        )
    return torch.sqrt(chunk.frequency) * each / spare ** (0.5 if kind == "hc2" else 1.0)


@dataclass(frozen=True, slots=True)
class Reference:
    """The distribution that test statistics are held against: the standard normal (df None), or Student's t."""

    df: float | None

    @property
    def statistic(self) -> str:
        return "z" if self.df is None else "t"

    def p_value(self, statistic: float) -> float:
        """Two-sided, from the tail itself."""
        if math.isnan(statistic):
            return math.nan
        if self.df is None:
            return math.erfc(abs(statistic) / math.sqrt(2))
        if self.df <= 0:
            return math.nan
        from scipy.special import stdtr

        return 2 * float(stdtr(self.df, -abs(statistic)))

    def quantile(self, level: float) -> float:
        """Half-width of the central interval of this level, in standard errors."""
        if self.df is None:
            return -NormalDist().inv_cdf((1 - level) / 2)
        if self.df <= 0:
            return math.nan
        from scipy.special import stdtrit

        return -float(stdtrit(self.df, (1 - level) / 2))
