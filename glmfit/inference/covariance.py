"""From a maximum to standard errors: covariance kinds, Wald tests and intervals.

    hessian, expected   A^-1 phi           A = -Hessian, observed or with the mean's rows expected
    hc0 ... cluster     A^-1 M A^-1        M = sum of outer products of scores, by row or by cluster

The bread A is the observed information (White 1982); the leverages of hc2 and hc3 are those of McCullagh & Nelder's hat
matrix, from the expected information. Small-sample factors are named in what is returned.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist

import torch
from torch import Tensor

from glmfit.errors import ModelError
from glmfit.inference.clusters import Scores, Sums, cluster_count, clustered, not_seen_by_rows, root_of, summed_by
from glmfit.inference.reduced import reduced
from glmfit.model import Likelihood
from glmfit.numerics import BorderedFactor, Factor, LowRank, Optimum, Symmetric, curvature

SCORE_CELLS = 4_000_000  # scores are formed for at most this many numbers at a time


@dataclass(frozen=True, slots=True)
class Covariance:
    """Covariance (p, p) of the working coefficients, its kind, and its small-sample factor as a formula.

    Of a model whose Hessian is bordered it is the sum of a diagonal and a matrix of low rank, where its kind allows it.

    `half` V (p, p) has V'V = the matrix and more of its digits. `df` (p,) are the degrees of freedom of the tests
    of the reported coefficients, where clusters give them; `blind` (p, q) are directions that clusters say nothing of.
    """

    matrix: Tensor | LowRank
    kind: str
    correction: str | None = None
    clusters: Mapping[str, int] | None = None
    half: Tensor | None = None
    df: Tensor | None = None
    blind: Tensor | None = None

    @property
    def whole(self) -> Tensor:
        """The matrix itself."""
        return curvature.full(self.matrix)


def inverse_information(optimum: Optimum) -> Tensor | LowRank | None:
    """(-Hessian)^-1 (p, p), from its half where there is one; None where -Hessian is not positive definite."""
    half = inverse_half(optimum)
    if half is not None:
        return half.T @ half
    lower = curvature.cholesky(-optimum.hessian)
    return None if lower is None else _inverse(lower)


def _inverse(lower: Factor) -> Tensor | LowRank:
    return lower.inverse() if isinstance(lower, BorderedFactor) else torch.cholesky_inverse(lower)


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
    n: float,
    clusters: Mapping[str, Tensor],
    reported: Tensor | None = None,
) -> Covariance:
    """The covariance of `kind`; `scale` is phi over the phi held in the likelihood, `n` the number of observations.

    `bread` (p, p) stands on either side of what robust kinds have between. With `reported` (p, p), the rows of the
    reported coefficients, clusters are allowed for by CR2.
    """
    if kind == "hessian":
        half = inverse_half(optimum)
        return Covariance(scale * bread, kind, half=None if half is None else math.sqrt(scale) * half)
    if kind == "expected":
        return Covariance(scale * inverse_expected(likelihood, optimum), kind)
    bread = curvature.full(bread)
    if kind in ("hc2", "hc3"):
        meat = _leverage_meat(likelihood, optimum, kind)
        return Covariance(_sandwiched(bread, meat), kind, "1/(1-h)" if kind == "hc2" else "1/(1-h)^2")
    if reported is not None:
        return _reduced(kind, likelihood, optimum, bread, clusters, reported)
    if clusters:
        return by_clusters(kind, likelihood.over_rows(_cluster_sums, optimum.theta, clusters, root_of(bread)), bread)
    return by_rows(kind, likelihood.over_rows(_row_meat, optimum.theta), bread, n)


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
    return Covariance(_sandwiched(bread, found.meat), kind, "CR2", {name: count}, df=found.df, blind=found.blind)


def sandwich(kind: str, rows: Iterable[Scores], bread: Tensor, n: float, clusters: Mapping[str, Tensor]) -> Covariance:
    """The covariance of a `kind` that needs nothing but scores: hc0, hc1, sampling or clusters."""
    if clusters:
        return by_clusters(kind, summed_by(rows, clusters, root_of(bread)), bread)
    return by_rows(kind, _meat(rows, len(bread)), bread, n)


def _meat(rows: Iterable[Scores], size: int) -> Tensor:
    """(p, p) the outer products of the scores of rows."""
    meat = torch.zeros((size, size), dtype=torch.float64)
    for _, frequency, scores in rows:  # a row of frequency f is f rows of score s/f each
        part = scores / torch.sqrt(frequency)[:, None]
        meat += part.T @ part
    return meat


def _row_meat(likelihood: Likelihood, theta: Tensor) -> Tensor:
    return _meat(row_scores(likelihood, theta), likelihood.size)


def _cluster_sums(likelihood: Likelihood, theta: Tensor, clusters: Mapping[str, Tensor], root: Tensor) -> Sums:
    """The sums of all rows; those of a part have their own codes, of the clusters of all."""
    rows = row_scores(likelihood, theta)
    if not likelihood.codes:
        return summed_by(rows, clusters, root)
    return summed_by(rows, likelihood.codes, root, {name: cluster_count(name, all) for name, all in clusters.items()})


def by_clusters(kind: str, sums: Sums, bread: Tensor) -> Covariance:
    """The covariance from the sums of scores by cluster."""
    found = clustered(sums, bread)
    matrix = _sandwiched(bread, found.meat)
    df = torch.full((len(bread),), found.df, dtype=torch.float64)
    return Covariance(matrix, kind, "G/(G-1)", found.counts, df=df, blind=found.blind)


def by_rows(kind: str, meat: Tensor, bread: Tensor, n: float) -> Covariance:
    """The covariance from the outer products (p, p) of the scores of rows."""
    size, root = len(bread), root_of(bread)
    factor, text = {
        "hc0": (1.0, None),
        "hc1": (n / (n - size) if n > size else math.nan, "n/(n-k)"),
        "sampling": (n / (n - 1) if n > 1 else math.nan, "n/(n-1)"),
    }[kind]
    return Covariance(factor * _sandwiched(bread, meat), kind, text, blind=not_seen_by_rows(meat, root))


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
    nothing = torch.full((likelihood.size, likelihood.size), math.nan, dtype=torch.float64)
    return nothing if lower is None else _inverse(lower)


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


def _leverage_meat(likelihood: Likelihood, optimum: Optimum, kind: str) -> Tensor:
    """(p, p) for hc2 and hc3, of a model with one linear predictor (`data.check_model` sees to that)."""
    covariance = curvature.full(inverse_expected(likelihood, optimum))
    total, exact = likelihood.over_rows(_leverage_sums, optimum.theta, covariance, 0.5 if kind == "hc2" else 1.0)
    if exact:
        raise ModelError(
            "leverage_one",
            f"--se {kind} does not exist: {exact} rows have leverage 1, fitted exactly by a coefficient of their own",
            "use --se hessian or expected, or leave out the terms that only one row determines",
        )
    return total


def _leverage_sums(likelihood: Likelihood, theta: Tensor, covariance: Tensor, power: float) -> tuple[Tensor, int]:
    """The meat (p, p), and how many rows have a leverage of 1."""
    total, exact = torch.zeros_like(covariance), 0
    for chunk, etas, row in likelihood.rows(theta):
        x = chunk.predictors[0].X.dense()
        each = chunk.weight / chunk.frequency
        information = -each * likelihood.expected_rows(chunk, etas, row.h)[:, 0, 0]
        spare = 1 - information * ((x @ covariance) * x).sum(dim=1)
        exact += int((spare < 1e-10).sum())
        scores = (torch.sqrt(chunk.frequency) * each * row.g[:, 0] / spare**power)[:, None] * x
        total += scores.T @ scores
    return total, exact


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
