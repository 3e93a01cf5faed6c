"""`glmfit compare`: fits of the same rows side by side, and tests between those of which one contains the other.

    AICc = AIC + 2 p (p + 1) / (n - p - 1)    weight = exp(-delta/2) / sum exp(-delta/2), delta = AIC - min AIC

One model contains another where family, links and offsets are the same and the terms of each parameter a subset, and so
are random effects. A variance is at the edge of its range where it is 0: see `components`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from glmfit.after import components
from glmfit.after.penalised import refuse_penalised
from glmfit.after.ratios import FROM_LIKELIHOOD, FROM_RESIDUALS, is_scaled, ratio
from glmfit.after.vuong import CORRECTIONS, Rows, by_rows, no_test_at_the_edge, vuong
from glmfit.errors import DataError, Finding, UsageError
from glmfit.formula import Factor, PredictorFormula, parse
from glmfit.report.records import Records
from glmfit.result import Fitted
from glmfit.spec import ModelSpec

SCHEMA = "glmfit/compare/1"
MODELS = (
    *("model", "log_likelihood", "n_parameters", "aic", "aicc", "bic", "delta_aic", "weight", "deviance"),
    "df_residual",
)
LEAST = ("deviance", "df_residual", "aicc", "n_parameters")  # of little use beside the others, where the line is short
TESTS = ("model", "against", "test", "statistic", "statistic_kind", "df", "df_residual", "p_value", "reason")

Named = tuple[str, Fitted]


def compared(models: Sequence[Named], rows: Rows | None = None) -> tuple[Records, Records]:
    """The models in their order, and a test of each but the smallest against the largest one that it contains.

    Where `rows` say what the models were fitted to, Vuong's test of every two of which neither contains the other.
    """
    if len(models) < 2:
        raise UsageError("missing_argument", "there is nothing to compare with", "give two models or more")
    for _, one in models:
        refuse_penalised(one, "comparisons by likelihood")
    for other in models[1:]:
        _refuse_other_data(models[0], other)
    components.refuse_conditional(models)
    components.refuse_other_restrictions(models)
    criteria = [one.fit.aic for _, one in models]
    least = min((value for value in criteria if not math.isnan(value)), default=math.nan)
    deltas = [value - least for value in criteria]
    shares = [math.exp(-0.5 * delta) if not math.isnan(delta) else math.nan for delta in deltas]
    total = math.fsum(share for share in shares if not math.isnan(share))
    figures = [
        dict(
            zip(MODELS, (name, *_figures(one), delta, share / total if total else math.nan, *_scale(one)), strict=True)
        )
        for (name, one), delta, share in zip(models, deltas, shares, strict=True)
    ]
    order = sorted(models, key=lambda named: named[1].fit.n_parameters)  # equal ones as they were given
    tests = [_tested(order[at], order[:at], hint=rows is None) for at in range(1, len(order))]
    findings = _findings(models)
    if rows is not None:
        apart = [(a, b) for at, b in enumerate(order) for a in order[at + 1 :] if _why_not_nested(a[1], b[1])]
        tests = [one for one in tests if one["reason"] is None or not _are(apart, one)]
        tests += _by_rows(apart, rows)
        edge = no_test_at_the_edge(apart)
        findings += () if edge is None else (edge,)
    facts = {"response": models[0][1].model.response, "rows": models[0][1].blueprint.fingerprint.rows}
    return (
        Records(SCHEMA, "models", MODELS, figures, facts, least=LEAST),
        Records(SCHEMA, "tests", TESTS, tests, findings=findings),
    )


def _are(apart: Sequence[tuple[Named, Named]], test: Mapping[str, object]) -> bool:
    """Whether a test is one of two models that do not contain each other."""
    return any((a[0], b[0]) == (test["model"], test["against"]) for a, b in apart)


def _by_rows(apart: Sequence[tuple[Named, Named]], rows: Rows) -> list[dict[str, object]]:
    """Vuong's tests of models that do not contain each other, or why there are none."""
    found: list[dict[str, object]] = []
    each = by_rows({name: fit for pair in apart for name, fit in pair if fit.random_effects is None}, rows)
    for (name, a), (against, b) in apart:
        why = _unfit(a) or _unfit(b) or _together(a) or _together(b)
        tests = why or vuong(a, b, each[name], each[against])
        blank = dict.fromkeys(TESTS) | {"model": name, "against": against, "statistic": math.nan, "p_value": math.nan}
        found += (
            [blank | {"test": CORRECTIONS[0], "reason": tests}]
            if isinstance(tests, str)
            else [blank | one for one in tests]
        )
    return found


def _unfit(one: Fitted) -> str | None:
    """Why the likelihood of a fit is not at its maximum."""
    if one.model.bias_reduction is not None:
        return "the likelihood was penalised"
    if one.smoothing is not None:
        return "smooth terms are penalised: their tests are in the fit, and AIC counts effective parameters"
    return None if one.convergence.converged else "a model has not converged"


def _together(one: Fitted) -> str | None:
    """Why rows have no likelihood of their own."""
    return "rows that share random effects have no likelihood of their own" if one.random_effects is not None else None


def _findings(models: Sequence[Named]) -> tuple[Finding, ...]:
    names = [name for name, one in models if not one.convergence.converged]
    message = f"{', '.join(names)}: not converged, so that the likelihood is not the largest and no criterion holds"
    return (Finding("not_converged", message),) if names else ()


def _figures(one: Fitted) -> tuple[float, float, float, float, float]:
    fit = one.fit
    return fit.log_likelihood, fit.n_parameters, fit.aic, aicc(one), fit.bic


def _scale(one: Fitted) -> tuple[float, float]:
    return one.fit.deviance, one.fit.df_residual


def aicc(one: Fitted) -> float:
    """Akaike's criterion for small samples; NaN where there are not more observations than parameters by two."""
    p, aic, bic = one.fit.n_parameters, one.fit.aic, one.fit.bic
    if p == 0 or math.isnan(aic):
        return aic
    n = math.exp((bic - aic) / p + 2)  # the observations that BIC counts: of frequency weights their sum
    n = round(n) if abs(n - round(n)) < 1e-6 * n else n
    return aic + 2 * p * (p + 1) / (n - p - 1) if n > p + 1 else math.nan


# ---- The same data ----


def _refuse_other_data(first: Named, other: Named) -> None:
    """`DataError` with the reason where two models are not of the same rows, response and weights."""
    (a, one), (b, two) = first, other
    here, there = one.blueprint.fingerprint, two.blueprint.fingerprint
    both = f"{a} and {b} are not of the same data"
    if here.rows != there.rows:
        lost = [f"{name}: {_lost(fit)}" for name, fit in (first, other)]
        message = f"{both}: {here.rows} rows and {there.rows} ({'; '.join(lost)})"
        raise DataError("different_data", message, "fit both to the rows that are complete in the columns of both")
    if here.response != there.response:
        names = one.model.response, two.model.response
        if names[0] != names[1]:
            message = f"{both}: the responses are '{names[0]}' and '{names[1]}'"
            hint = "the likelihood of a transformed response needs its Jacobian: model the same response in both"
            raise DataError("different_data", message, hint)
        message = f"{both}: values of '{names[0]}' differ, or their order does"
        raise DataError("different_data", message, "fit both to the same file, with the same --success and --levels")
    if here.weights != there.weights:
        raise DataError("different_data", f"{both}: their weights differ", "fit both with the same weights")
    if one.model.group != two.model.group:
        message = f"{both}: one likelihood is conditional on groups, and the other is not, or on other groups"
        raise DataError("different_data", message, "compare models with the same --group")


def _lost(fit: Fitted) -> str:
    missing = fit.data.dropped.get("missing", {})
    if missing:
        return "rows lost to missing values of " + ", ".join(f"'{name}' ({count})" for name, count in missing.items())
    return f"{fit.data.rows_used} of {fit.data.rows_read} rows used"


# ---- Tests ----


def _tested(larger: Named, smaller: Sequence[Named], hint: bool) -> dict[str, object]:
    """The row of a model and those with no more parameters, in order; where it contains none, why not the last one."""
    name, large = larger
    reasons = [_why_not(large, small) for _, small in smaller]
    chosen = max((at for at, reason in enumerate(reasons) if reason is None), default=len(smaller) - 1)
    (against, small), reason = smaller[chosen], reasons[chosen]
    statistic, kind, df_residual, p_value = math.nan, None, None, math.nan
    k = large.fit.n_parameters - small.fit.n_parameters if reason is None else None
    if k is not None:
        found = ratio(large, small, k, large, f=large.dispersion.method in FROM_RESIDUALS)
        statistic, kind, df_residual, p_value = found.statistic, found.kind, found.df_residual, found.p_value
        more = components.more_variances(large, small)
        if more and not math.isnan(statistic):
            kind = components.MIXTURE if more == 1 else components.BOUND
            p_value = components.mixture(statistic, k) if more == 1 else p_value
        if math.isnan(statistic):
            reason = "the larger model fits worse, so that one of them is not at its maximum"
    test = None if kind is None else "F" if kind == "F" else "likelihood ratio"
    if test is not None and components.more_variances(large, small) > 1:
        test = "likelihood ratio, p at most"
    hint = hint and not (_together(large) or _together(small))
    if hint and reason is not None and _why_not_nested(large, small) is not None:
        reason = f"{reason}; add --data DATA for Vuong's test"
    values = (name, against, test, statistic, kind, k, df_residual, p_value, reason)
    return dict(zip(TESTS, values, strict=True))


def _why_not(large: Fitted, small: Fitted) -> str | None:
    """Why there is no test of one model against another; None where there is."""
    for one in (large, small):
        if (reason := _unfit(one)) is not None:
            return reason
        if one.covariance.kind not in FROM_LIKELIHOOD:
            return f"the covariance is robust ({one.covariance.kind}): use glmfit test on the larger model"
    if large.fit.n_parameters == small.fit.n_parameters:
        return "both have as many parameters: neither contains the other"
    reason = _why_not_nested(large, small)
    if reason is None and large.random_effects is not None:
        return None  # phi is one of the parameters of the likelihood, and the plain model's is at its maximum too
    if reason is None and large.dispersion.method != small.dispersion.method:
        reason = "their dispersions were found differently"
    if reason is None and large.dispersion.method == "fixed":
        if large.dispersion.estimate != small.dispersion.estimate:
            reason = "their dispersions are held at different values"
        elif large.dispersion.estimate != 1 and not is_scaled(large):
            reason = "the dispersion is held while another parameter is estimated"
    return reason


def _why_not_nested(large: Fitted, small: Fitted) -> str | None:
    if large.blueprint.family != small.blueprint.family or large.blueprint.file_sha256 != small.blueprint.file_sha256:
        return "not nested: their families differ"
    if not large.blueprint.predictors or not small.blueprint.predictors:
        return "not known to be nested: the likelihood has no formulas"
    held = {name: value for name, value in large.model.fixed.items() if small.model.fixed.get(name) != value}
    if held:
        return f"not nested: the larger model holds {', '.join(held)}"
    for parameter, link in large.model.links.items():
        if small.model.links.get(parameter, link) != link:
            return f"not nested: their links of {parameter} differ"
    if (large.model.offset, large.model.exposure) != (small.model.offset, small.model.exposure):
        return "not nested: their offsets differ"
    if (reason := components.why_not_nested(large, small)) is not None:
        return reason
    wide, narrow = _predictors(large), _predictors(small)
    for parameter, predictor in narrow.items():
        outer = wide.get(parameter)
        if outer is None:
            return f"not nested: the larger model has no formula of {parameter}"
        if set(predictor.offsets) != set(outer.offsets):
            return f"not nested: their offsets of {parameter} differ"
        within = _factor_sets(outer)
        for term in predictor.terms:
            if frozenset(term.factors) not in within:
                return f"not known to be nested: the larger model has no term '{term.name}'"
    return None


def _factor_sets(predictor: PredictorFormula) -> set[frozenset[Factor]]:
    return {frozenset(term.factors) for term in predictor.terms}


def _predictors(fit: Fitted) -> dict[str, PredictorFormula]:
    header = [variable.name for variable in fit.blueprint.variables]
    response = "y"
    while response in header:
        response += "_"
    return {
        one.parameter: parse(ModelSpec(formulas=(f"{response} ~ {one.formula}",)), [response, *header]).predictors[0]
        for one in fit.blueprint.predictors
    }
