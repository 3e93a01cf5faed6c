"""Fits made by hand for the tests of reports: their numbers are plausible, not computed."""

from __future__ import annotations

import math
from dataclasses import replace

from glmfit.errors import Finding
from glmfit.random_effects import Correlation, Deviation, Mode, RandomEffects, RandomTerm
from glmfit.result import (
    AbsorbedFactor,
    Auxiliary,
    Bootstrap,
    Coefficient,
    Convergence,
    CovarianceSummary,
    DataSummary,
    Dispersion,
    Fit,
    FitStatistics,
    Identification,
    JointTest,
    ModelSummary,
    Separation,
    SeparationTerm,
    WildBootstrap,
)
from glmfit.shrunk import CrossValidation, PathPoint, Shrunk
from glmfit.smooths import Smoothing, SmoothTerm

NAN = math.nan


def row(term: str, estimate: float, std_error: float, p_value: float = 0.03, parameter: str = "mu") -> Coefficient:
    """A coefficient with a 95 % interval."""
    half = 1.959963984540054 * std_error
    z = estimate / std_error
    return Coefficient(parameter, term, estimate, std_error, z, p_value, estimate - half, estimate + half)


def aliased(term: str) -> Coefficient:
    """A coefficient that is not estimated."""
    return Coefficient("mu", term, NAN, NAN, NAN, NAN, NAN, NAN, "aliased")


def diagonal(rows: tuple[Coefficient, ...]) -> tuple[tuple[float, ...], ...]:
    """A covariance without correlations, NaN where a coefficient is aliased."""
    size = range(len(rows))
    return tuple(
        tuple(
            NAN
            if "aliased" in (rows[i].status, rows[j].status)
            else rows[i].std_error * rows[i].std_error
            if i == j
            else 0.0
            for j in size
        )
        for i in size
    )


def poisson(rows: tuple[Coefficient, ...] | None = None) -> Fit:
    """A Poisson fit with rows dropped for missing values."""
    rows = rows or (
        row("Intercept", -1.2345678, 0.2109876, 4.9e-9),
        row("Solar.R", 0.0021345, 0.0004111, 2.1e-7),
        row("Wind", -0.0412, 0.0377788, 0.27545),
        row("C(Month)[T.6]", 1.7922187567993, 0.0412609947325, 0.0),
    )
    return Fit(
        version="0.1.0",
        model=ModelSummary(
            ("Ozone ~ Solar.R + Wind + C(Month)",), "Ozone", "poisson", {"mu": "log"}, {}, measure="rate ratio"
        ),
        data=DataSummary("air.csv", 153, 111, {"missing": {"Ozone": 37, "Solar.R": 7}}),
        coefficients=rows,
        statistic="z",
        level=0.95,
        ci="wald",
        covariance=CovarianceSummary("hessian", None, diagonal(rows)),
        dispersion=Dispersion(1.0, "fixed"),
        auxiliary=(),
        fit=FitStatistics(-1234.5678, 1028.4, 2345.6, 1011.25, 2477.1356, 2487.9737, 4, 107, 110),
        convergence=Convergence("converged", True, "newton", 5, 3.2e-9, 4.1e-12),
        identification=Identification((), None, True),
        warnings=(),
        seconds={"read": 0.01, "design": 0.002, "optimize": 0.01, "inference": 0.003},
    )


def negative_binomial() -> Fit:
    """A negative binomial with alpha, clustered errors and an offset."""
    rows = (
        row("Intercept", 2.1, 0.1234, 0.0),
        row("age", -0.01234, 0.004321, 0.0043),
        row("Intercept", -0.5, 0.21, 0.017, "alpha"),
    )
    base = poisson(rows)
    return replace(
        base,
        model=ModelSummary(
            ("claims ~ age",),
            "claims",
            "negative-binomial",
            {"mu": "log", "alpha": "log"},
            {},
            exposure="years",
            measure="rate ratio",
        ),
        data=DataSummary("claims.csv", 1000, 1000, {"missing": {}}),
        covariance=CovarianceSummary("cluster:firm", "G/(G-1)", diagonal(rows), {"firm": 40}),
        auxiliary=(Auxiliary("alpha", 0.60653066, 0.12737, 0.40188, 0.91538),),
    )


def with_aliased() -> Fit:
    """A gaussian fit by t with an aliased term and a finding that says so."""
    rows = (row("Intercept", 37.227, 1.5988, 0.0), row("wt", -3.87783, 0.63273, 1.12e-6), aliased("wt2"))
    message = "wt2 is a linear combination of earlier terms and was left out."
    return replace(
        poisson(rows),
        model=ModelSummary(("mpg ~ wt + wt2",), "mpg", "gaussian", {"mu": "identity"}, {}),
        data=DataSummary("mtcars.csv", 32, 32, {}),
        statistic="t",
        dispersion=Dispersion(6.72551, "pearson"),
        identification=Identification(("wt2",), None, True),
        warnings=(Finding("aliased", message, ("wt2",)),),
    )


def many_levels() -> Fit:
    """A factor of 60 levels, and the test of them all."""
    levels = tuple(row(f"region[T.{i:02d}]", 0.1 * math.sin(i), 0.05 + i / 1000) for i in range(1, 60))
    test = JointTest("mu", "region", 1, len(levels), len(levels), None, 87.654, "chi2", 0.00912)
    return replace(poisson((row("Intercept", 0.5, 0.04, 1e-30), *levels)), joint_tests=(test,))


def long_terms() -> Fit:
    """Terms that do not fit beside their numbers."""
    return poisson(
        (
            row("Intercept", 12345.678, 1021.3),
            row("C(occupation, contr.treatment(base='Clerical and administrative'))[T.Skilled trades]:age", 0.5, 0.01),
            row("Umsatz je Einwohner in der größten Stadt des Kreises", 1.5e-9, 2.2e-10, 1e-11),
            row("収入の対数", 0.25, 0.125),
        )
    )


def not_converged() -> Fit:
    """A separated logistic regression that ran out of iterations, with infinite numbers."""
    rows = (
        row("Intercept", -2.5, 1.25, 0.0455),
        Coefficient("mu", "NV", 18.19, 1715.75, 0.0106, 0.99154, -math.inf, math.inf),
    )
    message = "NV separates the responses: its coefficient has no finite estimate (13 rows)."
    return replace(
        poisson(rows),
        model=ModelSummary(("HG ~ NV",), "HG", "binomial", {"mu": "logit"}, {}, success="yes", measure="odds ratio"),
        data=DataSummary("endometrial.csv", 79, 79, {"missing": {}}),
        convergence=Convergence("max_iter", False, "newton", 100, 0.036, 0.41, "Raise --max-iter."),
        identification=Identification((), Separation("quasi-complete", 13, (SeparationTerm("mu", "NV", 1),)), False),
        warnings=(Finding("separation", message, ("NV",)),),
    )


def two_predictors() -> Fit:
    """A formula for alpha: two linear predictors."""
    rows = (
        row("Intercept", 2.1, 0.1234, 0.0),
        row("age", -0.01234, 0.004321, 0.0043),
        row("Intercept", -0.5, 0.21, 0.017, "alpha"),
        row("region[T.b]", 0.25, 0.31, 0.42, "alpha"),
    )
    base = negative_binomial()
    model = replace(base.model, formulas=("claims ~ age", "alpha ~ region"))
    return replace(
        base,
        model=model,
        coefficients=rows,
        auxiliary=(),
        covariance=CovarianceSummary("hc1", "n/(n-k)", diagonal(rows)),
    )


def at_limit() -> Fit:
    """A negative binomial fit of underdispersed counts, alpha at 0, and a term that the data do not determine."""
    rows = (
        row("Intercept", 2.1, 0.1234, 0.0),
        Coefficient("mu", "region[T.b]", -24.3, NAN, NAN, NAN, NAN, NAN, "not_identified"),
        Coefficient("alpha", "Intercept", -math.inf, NAN, NAN, NAN, NAN, NAN, "at_limit"),
    )
    base = negative_binomial()
    return replace(
        base,
        model=replace(base.model, formulas=("claims ~ region",), exposure=None),
        coefficients=rows,
        covariance=CovarianceSummary("hessian", None, diagonal(rows)),
        auxiliary=(Auxiliary("alpha", 0.0, NAN, NAN, NAN),),
    )


def bootstrapped() -> Fit:
    """A fit whose intervals are from replicates."""
    found = Bootstrap("bca", "rows", 500, 1, {}, {}, (0.9, 1.2))
    return replace(poisson(), ci="bootstrap", bootstrap=found)


def absorbed() -> Fit:
    """A fit with effects that are not reported."""
    fit = poisson()
    return replace(fit, model=replace(fit.model, absorbed=(AbsorbedFactor("firm", 3, 0),)))


def smooth() -> Fit:
    """A fit with a smooth term."""
    row = SmoothTerm("mu", "s(x)", 3.2, 4.0, 18.4, "chi2", 1e-3, 1, 9, (0.3,))
    return replace(poisson(), smooths=(row,), smoothing=Smoothing("reml", 120.3, 4.2, 1.0, 0.4))


def mixed() -> Fit:
    """A fit with random effects, one of which has no variance."""
    deviations = (
        Deviation("Intercept", 0.52, 0.11, 0.344, 0.787),
        Deviation("x", 0.0, math.nan, math.nan, math.nan, "boundary"),
    )
    tied = Correlation("Intercept", "x", math.nan, math.nan, math.nan, "boundary")
    modes = (Mode("a", "Intercept", 0.31, 0.2), Mode("a", "x", 0.0, 0.0))
    term = RandomTerm("mu", "(1 + x | g)", "g", 2, deviations, (tied,), modes)
    return replace(poisson(), random_effects=RandomEffects((term,), "ml", "laplace"))


def shrunk() -> Fit:
    """A fit along a path of two strengths, cross-validated."""
    ends = (PathPoint(0.5, 0, 0.0, True, 1e-12, (), ()), PathPoint(0.1, 1, 0.4, True, 1e-12, (1,), (0.8,), 1.2, 0.1))
    cv = CrossValidation(5, "deviance", 1, None, None, False, 0.1, 0.5)
    found = Shrunk("lasso", 1.0, True, {}, 2, ends, 1, "min", cv)
    return replace(poisson(), shrinkage=found)


def wild() -> Fit:
    """A fit whose tests and intervals were bootstrapped."""
    fit = negative_binomial()
    how = WildBootstrap("rademacher", 9999, False, 1, "scores")
    return replace(fit, ci="wild", covariance=replace(fit.covariance, kind="wild:firm", wild=how))


ALL = {
    f.__name__: f
    for f in (
        *(poisson, negative_binomial, with_aliased, many_levels, long_terms, not_converged, two_predictors),
        at_limit,
    )
}
