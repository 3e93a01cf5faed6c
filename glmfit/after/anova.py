"""`glmfit anova`: a test of each term of a model against the model without it, all fits being to the same rows.

    I    after the terms before it        II   after all terms that do not contain it        III   after all others

Between a model without the terms S and one without S and t as well: the likelihood ratio, or F of the deviances; Rao's
score; and from the fit of the whole model alone Wald's W(S + t) - W(S), W(S) = b_S' V_SS^-1 b_S.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from glmfit.after.codings import factors_of, reference_levels_matter, with_sum_contrasts
from glmfit.after.ratios import FROM_LIKELIHOOD, FROM_RESIDUALS, of_deviance, ratio
from glmfit.after.terms import ModelTerm, terms_of, without
from glmfit.after.variances import variances
from glmfit.errors import Finding, GlmfitError, ModelError, UsageError
from glmfit.estimate.pipeline import fit_data
from glmfit.estimate.score import score_statistic
from glmfit.families.userfile import is_dense
from glmfit.inference import Reference, joint_test
from glmfit.report.records import Records
from glmfit.result import Fitted
from glmfit.rows import Data, read, refuse_formula
from glmfit.rows.mixed import first_random
from glmfit.spec import ModelSpec, one_of, without_intervals

SCHEMA = "glmfit/anova/1"
COLUMNS = (
    *("term", "df", "statistic", "statistic_kind", "p_value", "deviance", "df_residual", "residual_deviance"),
    "reason",
)
LEAST = ("residual_deviance", "df_residual", "deviance")
TYPES = {
    1: "after the terms before it (type I)",
    2: "after all terms that do not contain it (type II)",
    3: "after all other terms (type III)",
}
TESTS = ("lr", "f", "wald", "score")
LR = "use --test lr, or --test wald"

Left = frozenset[ModelTerm]


@dataclass(frozen=True, slots=True)
class Tested:
    """A term, the terms that neither model has, and the name of the term."""

    term: ModelTerm
    left: Left
    name: str


@dataclass(slots=True)
class _Fits:
    """Fits of the model without some of its terms, each made once: a fit, or why there is none."""

    data: Data
    full: Fitted
    known: dict[Left, Fitted | str] = field(default_factory=dict)

    def of(self, left: Left) -> Fitted | str:
        if not left:
            return self.full if self.full.convergence.converged else "the model has not converged"
        if left not in self.known:
            self.known[left] = self._fitted(left)
        return self.known[left]

    def _fitted(self, left: Left) -> Fitted | str:
        try:
            found = fit_data(without(self.data, left))
        except GlmfitError as error:
            return error.message
        return found if found.convergence.converged else "the model without it has not converged"


def analysis(
    spec: ModelSpec, data: Any, *, type: int = 2, test: str | None = None, sum_contrasts: bool = False
) -> tuple[Records, int]:
    """A row for each term of every formula, the findings of the whole model, and the exit status."""
    check(spec, type, test)
    if is_dense(spec.family):
        message = "the likelihood is a log_likelihood(params, data), whose parameters are no terms of a formula"
        raise ModelError("no_terms", message, "fit it with --save, and test hypotheses with glmfit test")
    rows = read(spec, data)
    if first_random(rows.formula) is not None:
        test = _beside_random(spec, test)
    refuse_formula(rows.formula, "tests by fits without a term", "fit tests each smooth by itself")
    names = [term.name for term in terms_of(rows.formula.predictors, rows.family)]
    if not names:
        raise ModelError("no_terms", "the model has no term to test", "add a term to the formula")
    if sum_contrasts:
        rows = with_sum_contrasts(rows)
    terms = terms_of(rows.formula.predictors, rows.family)
    full = fit_data(rows)
    chosen = _chosen(test, full)
    rows = replace(rows, spec=replace(without_intervals(rows.spec), start={}, optimizer="newton"))
    plan = [Tested(term, _left(term, terms, type), name) for term, name in zip(terms, names, strict=True)]
    fits = _Fits(rows, full)
    found = [_by_wald(full, one) if chosen == "wald" else _by_fits(fits, one, chosen) for one in plan]
    matter = reference_levels_matter(terms, factors_of(rows)) if type == 3 else None
    findings = (*full.warnings, *([matter] if matter else []), *_without_test(found))
    status = full.exit_code or (5 if any(row["reason"] is not None for row in found) else 0)
    records = Records(SCHEMA, "rows", COLUMNS, found, _facts(full, type, chosen), findings=findings, least=LEAST)
    return records, status


def check(spec: ModelSpec, type: int, test: str | None) -> None:
    """`UsageError` for a type or a test that is none, and for one that the standard errors exclude."""
    if type not in TYPES:
        raise UsageError("invalid_value", f"--type: {type!r} is not 1, 2 or 3", "2 is usual")
    if test is not None:
        one_of("--test", test, TESTS)
    if spec.se is not None and spec.se.startswith("wild:"):
        message = "a wild bootstrap tests single coefficients, and a term may have several"
        raise UsageError("bad_test", message, f"use --se {spec.se.replace('wild', 'cluster', 1)}")
    if test in (None, "wald"):
        return
    robust = "--sampling-weights" if spec.sampling_weights else None
    if spec.se is not None and spec.se not in FROM_LIKELIHOOD:
        robust = f"--se {spec.se}"
    if robust is not None:
        message = f"--test {test} takes the likelihood to be right, and {robust} does not"
        raise UsageError("bad_test", message, "use --test wald, which uses the robust covariance")
    if spec.bias_reduction is not None:
        message = f"--test {test} is of the likelihood, and --bias-reduction maximises a penalised one"
        raise UsageError("bad_test", message, "use --test wald")


def _beside_random(spec: ModelSpec, test: str | None) -> str:
    """The test of fixed effects of a model with random ones: of restricted likelihoods there is no ratio."""
    if test == "score":
        raise UsageError("bad_test", "--test score is of rows, and those with random effects are not independent", LR)
    if spec.reml and test == "lr":
        message = "--test lr compares likelihoods, and restricted ones of other fixed effects are of different things"
        raise UsageError("bad_test", message, "leave out --reml, or use --test wald")
    return test or ("wald" if spec.reml else "lr")


def _chosen(test: str | None, full: Fitted) -> str:
    """The test asked for; else lr, f where the dispersion is found from residuals, wald where the likelihood is not
    that of the rows."""
    from_residuals = full.dispersion.method in FROM_RESIDUALS
    if test == "f" and not from_residuals:
        message = f"--test f is for a dispersion that is estimated, and here it is {full.dispersion.method}"
        raise UsageError("bad_test", message, "use --test lr, or add --dispersion pearson")
    if test is not None:
        return test
    if full.covariance.kind not in FROM_LIKELIHOOD or full.model.bias_reduction is not None:
        return "wald"
    return "f" if from_residuals else "lr"


def _left(term: ModelTerm, terms: Sequence[ModelTerm], type: int) -> Left:
    """The terms that the larger of the two models is without."""
    if type == 1:
        return frozenset(terms[terms.index(term) + 1 :])
    return frozenset(other for other in terms if type == 2 and term.within(other))


def _facts(full: Fitted, type: int, test: str) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "formulas": list(full.model.formulas),
        "family": full.model.family,
        "rows_used": full.data.rows_used,
        "type": type,
        "each_term": TYPES[type],
        "test": test,
    }
    if test == "wald":
        facts["covariance"] = full.covariance.kind
        if full.blueprint.df is not None:
            facts["denominator_df"] = full.blueprint.df
    elif of_deviance(full):
        facts["dispersion"] = full.dispersion.estimate
        if test == "f":
            facts["denominator_df"] = float(full.fit.df_residual)
    return facts


def _without_test(rows: Sequence[Mapping[str, Any]]) -> tuple[Finding, ...]:
    """What people are told of rows that have a reason and no test, each reason once."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row["reason"] is not None:
            reasons.setdefault(row["reason"], []).append(row["term"])
    listed = {reason: ", ".join(f"'{name}'" for name in names) for reason, names in reasons.items()}
    return tuple(
        Finding("no_test", f"no test of {listed[reason]}: {reason}", tuple(names)) for reason, names in reasons.items()
    )


def _row(one: Tested, **values: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"df": None, "statistic": math.nan, "statistic_kind": None, "p_value": math.nan}
    empty |= {"deviance": math.nan, "df_residual": None, "residual_deviance": math.nan, "reason": None}
    return {"term": one.name} | empty | values


def _by_fits(fits: _Fits, one: Tested, test: str) -> dict[str, Any]:
    """A likelihood-ratio, F or score test between two fits."""
    large, small = fits.of(one.left), fits.of(one.left | {one.term})
    if isinstance(large, str) or isinstance(small, str):
        return _row(one, reason=large if isinstance(large, str) else small)
    k = large.fit.n_parameters - small.fit.n_parameters
    if k <= 0:
        return _row(one, reason="its columns are combinations of others")
    found = ratio(large, small, k, fits.full, f=test == "f")
    alone = len(large.blueprint.predictors) == 1 and not math.isnan(large.fit.deviance)
    deviances = of_deviance(large) or alone
    known = {
        "df": k,
        "deviance": small.fit.deviance - large.fit.deviance if deviances else found.gain,
        "df_residual": large.fit.df_residual,
        "residual_deviance": large.fit.deviance if deviances else -2 * large.fit.log_likelihood,
    }
    if test == "score":
        from scipy.special import chdtrc

        scale = fits.full if fits.full.dispersion.method in (*FROM_RESIDUALS, "fixed") else small
        score = score_statistic(without(fits.data, one.left), small, scale.dispersion.estimate)
        if math.isnan(score):
            return _row(one, reason="the score, or its information, does not exist without it", **known)
        return _row(one, statistic=score, statistic_kind="chi2", p_value=float(chdtrc(k, score)), **known)
    if math.isnan(found.statistic):
        return _row(one, reason="the larger model fits worse, so that one of them is not at its maximum", **known)
    return _row(one, statistic=found.statistic, statistic_kind=found.kind, p_value=found.p_value, **known)


def _by_wald(full: Fitted, one: Tested) -> dict[str, Any]:
    """The test that the coefficients of a term are 0, from the estimates and the covariance of the whole model."""
    own = _places(full, frozenset((one.term,)))
    if not own:
        return _row(one, reason="it has no coefficient that is estimated")
    more = _distance(full, own + _places(full, one.left)) - _distance(full, _places(full, one.left))
    if not math.isfinite(more):
        return _row(one, df=len(own), reason="a coefficient has no standard error, or the covariance is singular")
    kind, statistic, p_value = joint_test(max(0.0, more), len(own), Reference(full.blueprint.df))
    return _row(one, df=len(own), statistic=statistic, statistic_kind=kind, p_value=p_value)


def _places(full: Fitted, terms: Left) -> list[int]:
    """Where the estimated coefficients of some terms stand."""
    wanted = {(parameter, one.term.name) for one in terms for parameter in one.parameters}
    rows = zip(full.coefficients, full.blueprint.terms, strict=True)
    return [
        at
        for at, (row, term) in enumerate(rows)
        if (row.parameter, term) in wanted and row.status not in ("aliased", "at_limit")
    ]


def _distance(full: Fitted, places: Sequence[int]) -> float:
    """W of some coefficients, 0 for none."""
    if not places:
        return 0.0
    index = torch.tensor(places)
    estimates = torch.tensor([full.coefficients[at].estimate for at in places], dtype=torch.float64)
    return variances(full).distance(estimates, index)
