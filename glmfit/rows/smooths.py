"""What smooth terms exclude: options that rest on a likelihood without a penalty, and families that have no mean."""

from __future__ import annotations

from glmfit.errors import ModelError, UsageError
from glmfit.families import Family
from glmfit.formula import ModelFormula, PredictorFormula, smooth_of
from glmfit.spec import ModelSpec

_LEAVE = "leave it out: the covariance is that of the coefficients given the data and how smooth terms are"


def check_smooths(spec: ModelSpec, family: Family, formula: ModelFormula) -> None:
    """Raises where a model with smooths is asked for what it cannot give, or options of smooths without any."""
    smooths = [term.name for term in formula.smooths]
    if not smooths:
        if spec.smoothing is not None:
            message = f"--smoothing {spec.smoothing} is for smooth terms, and the formula has none"
            raise UsageError("contradiction", message, "write s(x) for a smooth of x, or leave it out")
        return
    for option, (given, hint) in _excluded(spec).items():
        if given:
            message = f"{option} does not go with smooth terms such as '{smooths[0]}'"
            raise ModelError("smooth_excludes", message, hint)
    if family.grouped:
        message = f"the {family.name} family compares within groups, where nothing chooses how smooth '{smooths[0]}' is"
        raise ModelError("smooth_excludes", message, "write ns(x, df=4) or cr(x, df=4), splines of a fixed size")
    if family.twice and spec.smoothing != "gcv":
        what = spec.smoothing or "reml"
        message = f"the density of the {family.name} family has two exact derivatives, and {what} needs four"
        hint = "use generalized-poisson, which has less or more spread than the poisson too (--link alpha=log1p2)"
        raise ModelError("smooth_excludes", message, hint)
    if family.quasi and spec.smoothing != "gcv":
        message = f"{spec.smoothing or 'reml'} rests on a likelihood, and the {family.name} family has none"
        raise ModelError("smooth_excludes", message, "add --smoothing gcv")
    for predictor in formula.predictors:
        _refuse_twice(predictor)
    if spec.smoothing == "gcv":
        _check_validation(spec, family, formula)


def _excluded(spec: ModelSpec) -> dict[str, tuple[bool, str]]:
    """Options, whether they are given, and what to do instead."""
    robust = spec.se not in (None, "hessian", "expected")
    return {
        f"--se {spec.se}": (robust, _LEAVE),
        "--sampling-weights": (spec.sampling_weights is not None, "their standard errors are robust: leave it out"),
        f"--bias-reduction {spec.bias_reduction}": (
            spec.bias_reduction is not None,
            "leave it out: two penalties at once have no meaning yet",
        ),
        "--absorb": (bool(spec.absorb), "write the column as a term, or as s(C(COLUMN), bs='re')"),
        f"--ci {spec.ci}": (spec.ci != "wald", "leave it out: intervals are Bayesian, from the covariance"),
        f"--optimizer {spec.optimizer}": (spec.optimizer != "newton", "leave it out: the search is Newton's"),
        "--separation drop": (spec.separation == "drop", "leave it out: a penalty keeps estimates finite"),
        "--check-separation": (spec.check_separation, "leave it out: a penalty keeps estimates finite"),
        "--relax": (bool(spec.relax), "leave it out"),
    }


def _refuse_twice(predictor: PredictorFormula) -> None:
    """Random effects of a factor that is a term by itself explain nothing: its coefficients have it all."""
    alone = {term.name for term in predictor.terms if len(term.factors) == 1}
    for term in predictor.smooths:
        asked = smooth_of(term.factors[0].tree)
        if asked.random and asked.by is None and (name := term.factors[0].columns[0]) in alone:
            message = f"'{name}' is a term, and '{term.name}' has random effects of the same levels"
            raise ModelError("smooth_overlap", message, "leave one of them out")


def _check_validation(spec: ModelSpec, family: Family, formula: ModelFormula) -> None:
    """Cross-validation here is that of a deviance of the mean, with nothing else to be estimated but phi."""
    named = {predictor.parameter for predictor in formula.predictors}
    held = {"phi", *spec.fixed}
    others = [p.name for p in family.parameters if p.name != family.main and (p.name in named or p.name not in held)]
    if others or not (family.has_deviance and family.has_moments) or spec.event or spec.censor:
        why = f"{' and '.join(others)} would be estimated as well" if others else "it has none"
        message = f"--smoothing gcv rests on the deviance of a mean, and of the {family.name} family {why}"
        raise ModelError("smooth_excludes", message, "write --smoothing reml or ml")


def refuse_formula(formula: ModelFormula, what: str, instead: str) -> None:
    """Raises for a formula with smooths, which `what` does not go with; `instead` is what to do to keep them."""
    if formula.smooths:
        name = formula.smooths[0].name
        message = f"{what} does not go with smooth terms such as '{name}'"
        hint = f"{instead}; or write ns(x, df=4) or cr(x, df=4), splines of a fixed size"
        raise ModelError("smooth_excludes", message, hint)
