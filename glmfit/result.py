"""The answer: `Fit` and its parts, plain numbers that mirror the JSON of a fit; no array here grows with the rows.

Missing numbers are NaN here (null in JSON). All tuples follow the order of the formula.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from glmfit import memory
from glmfit.errors import DataError, Finding
from glmfit.lowrank import LowRankSummary
from glmfit.random_effects import RandomEffects, RandomLaw
from glmfit.reading import Reading
from glmfit.shrunk import Shrunk
from glmfit.smooths import Smoothing, SmoothTerm

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Coefficient:
    """One estimated coefficient of one parameter's linear predictor, on the link scale."""

    parameter: str
    term: str
    estimate: float
    std_error: float
    statistic: float
    p_value: float
    conf_low: float
    conf_high: float
    # None, or why there is no standard error: aliased (a linear combination of earlier terms, not estimated), at_limit
    # (of a parameter at the end of its range), infinite (the data are separated), not_identified (the likelihood has
    # no peak in this direction), boundary (the maximum lies on the edge of the link's domain, where Wald's theory
    # does not hold), penalised (shrunk, or beside shrunk ones), no_strength (no strength of the penalty was chosen),
    # cluster_rank (the clusters are too few for it, or it varies in none of them, or in one) or
    # exact_rows (rows of leverage 1 are fitted by it whatever the noise is, of which hc0 and hc1 know nothing)
    status: str | None = None
    df: float | None = None  # degrees of freedom of the t that it is tested by; None where that is the normal


@dataclass(frozen=True, slots=True)
class JointTest:
    """The Wald test that all coefficients of a term are 0: `coefficients` of them, the first at place `first`.

    chi2 on `df` degrees of freedom, the number of those estimated; or F on `df` and `df_residual`.
    """

    parameter: str
    term: str
    first: int
    coefficients: int
    df: int
    df_residual: float | None
    statistic: float
    statistic_kind: str  # chi2 | F
    p_value: float


@dataclass(frozen=True, slots=True)
class Auxiliary:
    """A parameter without covariates on its natural scale; the SE by the delta method, the interval transformed."""

    name: str
    estimate: float
    std_error: float
    conf_low: float
    conf_high: float
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class AbsorbedFactor:
    """A factor whose effects were fitted and are not reported; those before it make up for `redundant` of them."""

    factor: str
    levels: int
    redundant: int


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """What was fitted, with every default filled in."""

    formulas: tuple[str, ...]
    response: str
    family: str
    links: Mapping[str, str]
    fixed: Mapping[str, float]
    weights: str | None = None
    freq_weights: str | None = None
    sampling_weights: str | None = None
    offset: str | None = None
    exposure: str | None = None
    success: str | None = None  # the level counted as 1 where the response is text or boolean
    levels: tuple[str, ...] = ()  # the categories of the response in order, the first the base or the lowest
    base: str | None = None  # the category that the others are compared with, of a multinomial response
    group: str | None = None  # the column within whose groups rows are compared
    event: str | None = None  # the column that is 1 where the response was observed, 0 where it is right-censored
    censor: str | None = None  # two columns that bound the response, or the limits of its measurement
    main: tuple[str, ...] = ("mu",)  # the parameters that the first formula is for
    measure: str | None = None  # what exp of their coefficients is, such as "rate ratio"
    bias_reduction: str | None = None  # firth: the likelihood was penalised by Jeffreys' prior
    where: str | None = None  # the condition that chose the rows
    absorbed: tuple[AbsorbedFactor, ...] = ()


@dataclass(frozen=True, slots=True)
class DataSummary:
    """Which rows were used."""

    source: str
    rows_read: int
    rows_used: int
    dropped: Mapping[str, Mapping[str, int]]  # {"missing": {column: rows in which it was missing}}
    groups: int | None = None  # units of rows that are compared with each other; BIC counts them, not rows
    censoring: Mapping[str, int] | None = None  # rows by what is known of the response: observed, right, left, interval
    numeric_codes: Mapping[str, str] = field(default_factory=dict)  # columns of few whole numbers, and what they may be


@dataclass(frozen=True, slots=True)
class WildBootstrap:
    """How p-values and intervals were bootstrapped; `enumerated` samples are all that there are, and have no seed."""

    weights: str  # rademacher | webb
    replicates: int
    enumerated: bool
    seed: int | None
    of: str  # residuals | scores


@dataclass(frozen=True, slots=True)
class CovarianceSummary:
    """Covariance of the coefficients: (p, p), aligned with `Fit.coefficients`, NaN rows for aliased terms.

    Where there are very many of them it may be given by its parts instead of as a matrix.
    """

    kind: str
    correction: str | None  # the small-sample factor as a formula, such as "n/(n-k)"
    matrix: tuple[tuple[float, ...], ...] | None
    clusters: Mapping[str, int] | None = None  # clustering column -> number of clusters
    bread: str | None = None  # observed or expected: the information on either side of robust kinds; None for others
    wild: WildBootstrap | None = None  # where tests and intervals are those of a wild cluster bootstrap
    low_rank: LowRankSummary | None = None  # in place of the matrix
    reason: str | None = None  # why neither is written

    def array(self) -> np.ndarray:
        """The matrix (p, p); ModelError where there is no room for one, DataError where it was not written."""
        import numpy as np

        if self.matrix is not None:
            return np.array(self.matrix, dtype=np.float64).reshape(len(self.matrix), -1)
        parts = self.low_rank
        if parts is None:
            message = f"the covariance of the coefficients was not written: {self.reason}"
            raise DataError("not_a_fit", message, "write it with --covariance, or save the model with --save")
        size = len(parts.columns)
        memory.check_square(size)
        columns = np.array(parts.columns, dtype=np.float64).reshape(size, -1)
        found = columns @ np.array(parts.core, dtype=np.float64).reshape(columns.shape[1], -1) @ columns.T
        found = 0.5 * (found + found.T)
        for places, block in zip(parts.inner, parts.blocks, strict=True):
            found[np.ix_(places, places)] += block
        for root in parts.roots:
            half = np.zeros((size, root.width))
            half[list(root.rows), list(root.columns)] = root.values
            found += root.sign * (half @ half.T)
        found[list(parts.unknown), :] = found[:, list(parts.unknown)] = np.nan
        return found


@dataclass(frozen=True, slots=True)
class Dispersion:
    """phi of Var(y) = phi V(mu) / w and how it was found: fixed, pearson, deviance, ml or modelled."""

    estimate: float
    method: str


@dataclass(frozen=True, slots=True)
class FitStatistics:
    """Goodness of fit; NaN where a quantity does not exist for the family (a quasi-likelihood has no AIC)."""

    log_likelihood: float
    deviance: float
    null_deviance: float
    pearson_chi2: float
    aic: float
    bic: float
    # all that were estimated: coefficients, auxiliary parameters and the dispersion; effective ones, where smooth terms
    # are penalised
    n_parameters: int | float
    df_residual: int | float
    df_null: int
    penalised_log_likelihood: float = math.nan  # at the estimate, which maximises it under bias reduction


@dataclass(frozen=True, slots=True)
class Convergence:
    """How the maximum was found and how flat it is there."""

    status: str  # converged | boundary | max_iter | stalled
    converged: bool
    optimizer: str
    iterations: int
    gradient_max_abs: float  # largest |d logL / d coefficient|, coefficients as reported
    newton_decrement: float  # sqrt(g' (-H)^-1 g): distance to the maximum in standard errors
    message: str = ""


@dataclass(frozen=True, slots=True)
class SeparationTerm:
    """A term along which the likelihood rises for ever; its coefficient grows (1), falls (-1), or does either (0)."""

    parameter: str
    term: str
    direction: int


@dataclass(frozen=True, slots=True)
class Separation:
    """Directions in which the likelihood rises for ever."""

    kind: str  # complete | quasi-complete
    rows: int
    terms: tuple[SeparationTerm, ...]


@dataclass(frozen=True, slots=True)
class Identification:
    """Whether the data determine every coefficient."""

    aliased: tuple[str, ...]
    separation: Separation | None
    hessian_positive_definite: bool
    not_separated: bool = False  # proved: it was asked, or the fit looked odd


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """How intervals were found from replicates, and what became of these."""

    interval: str  # percentile | bca
    by: str  # rows | cluster:COLUMN | parametric: what was drawn
    replicates: int
    seed: int
    failures: Mapping[str, int]  # separated | not_converged | failed -> replicates
    missing: Mapping[str, int]  # coefficient -> replicates in which it has no estimate
    phi: tuple[float, ...] | None = None  # the ends of the interval of the dispersion, where it is estimated


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted model."""

    version: str
    model: ModelSummary
    data: DataSummary
    coefficients: tuple[Coefficient, ...]
    statistic: str  # z | t
    level: float
    ci: str  # wald | profile | wild | bootstrap
    covariance: CovarianceSummary
    dispersion: Dispersion
    auxiliary: tuple[Auxiliary, ...]
    joint_tests: tuple[JointTest, ...] = field(default=(), kw_only=True)  # of terms of several coefficients
    bootstrap: Bootstrap | None = field(default=None, kw_only=True)  # where intervals are from replicates
    random_effects: RandomEffects | None = field(default=None, kw_only=True)
    shrinkage: Shrunk | None = field(default=None, kw_only=True)  # where coefficients were penalised
    smooths: tuple[SmoothTerm, ...] = field(default=(), kw_only=True)
    smoothing: Smoothing | None = field(default=None, kw_only=True)  # where there are smooths
    fit: FitStatistics
    convergence: Convergence
    identification: Identification
    warnings: tuple[Finding, ...]
    seconds: Mapping[str, float]

    @property
    def exit_code(self) -> int:
        """0 a fit to trust, 4 not converged, 5 not identified: an estimated coefficient without a standard error."""
        without_error = any(
            c.status not in ("aliased", "at_limit", "penalised", "no_strength") and math.isnan(c.std_error)
            for c in self.coefficients
        )
        if not self.identification.hessian_positive_definite or self.identification.separation or without_error:
            return 5
        worse = any(finding.code == "worse_than_null" for finding in self.warnings)
        return 4 if worse or not self.convergence.converged else 0


@dataclass(frozen=True, slots=True)
class PredictorText:
    """The linear predictor of one parameter: its right-hand side, normalised, which can be read again."""

    parameter: str
    formula: str


@dataclass(frozen=True, slots=True)
class Variable:
    """A column that new data must have: number, boolean, text or date, and the levels that it had."""

    name: str
    kind: str
    levels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """A column with its coefficient in a linear combination of columns."""

    term: str
    coefficient: float


@dataclass(frozen=True, slots=True)
class Alias:
    """A column that on the old rows was a linear combination of others, and has no coefficient of its own."""

    parameter: str
    term: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells whether two models are of the same rows: hashes of the responses and of the weights, in row order."""

    rows: int
    response: str
    weights: str | None  # None where no row has a weight


@dataclass(frozen=True, slots=True)
class Effects:
    """The effects of an absorbed factor by its levels; with other factors only sums of them are determined."""

    factor: str
    levels: tuple[str, ...]
    effects: tuple[float, ...]
    dropped: tuple[str, ...] = ()  # levels without an effect: the fit left out all of their rows, which say nothing


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What it takes to use a fit on new rows: formulas, levels and the state of transforms; nothing of the old rows."""

    family: str  # as it was asked for: a name, or FILE.py[:NAME]
    file_sha256: str | None  # of that file
    predictors: tuple[PredictorText, ...]  # of the estimated parameters; none where the likelihood is no linear form
    variables: tuple[Variable, ...]  # of the right-hand sides, offsets and exposures apart
    terms: tuple[str, ...]  # the term that each coefficient belongs to
    aliases: tuple[Alias, ...]  # what aliased columns were: on a row where they are not, there is no prediction
    trials: tuple[str, ...]  # expressions that add up to the trials, where the response is successes out of some
    trial_columns: tuple[str, ...]  # the columns of these
    levels: Mapping[str, tuple[str, ...]]  # of factors, by their expressions
    transforms: Mapping[str, Mapping[str, Any]]  # what transforms have learned, by their expressions
    df: float | None  # of the t statistics, None where they are z
    reading: Reading  # how the file was read
    asked: Mapping[str, Any]  # the fields of the `ModelSpec` that were not left at their defaults
    fingerprint: Fingerprint
    absorbed: tuple[Effects, ...] = ()  # of absorbed factors, unless they have very many levels
    random: RandomLaw | None = None  # what predictions need of random effects


@dataclass(frozen=True, slots=True)
class Fitted(Fit):
    """A fit that can be used again."""

    blueprint: Blueprint
