"""What random effects do not go with, and why: errors, penalties and routes that rest on another likelihood."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from glmfit.errors import ModelError, UsageError
from glmfit.families import Family
from glmfit.formula import ModelFormula, RandomTerm, smooth_of
from glmfit.formula.expression import render
from glmfit.spec import ModelSpec

MOST_NODES = 100  # of a rule of Gauss and Hermite, whose weights have all digits up to here


def first_random(formula: ModelFormula) -> str | None:
    """A random effect of a model as it is written; None where it has none."""
    return next((term.spelled for one in formula.predictors for term in one.random), None)


def refuse_random(formula: ModelFormula, what: str, hint: str) -> None:
    """Raises where a model has random effects, and `what` has no way to fit them."""
    term = first_random(formula)
    if term is not None:
        raise ModelError("random_excludes", f"{what}, and the model has random effects {term}", hint)


def check_random(spec: ModelSpec, family: Family, formula: ModelFormula) -> None:
    """Raises for options that have no meaning beside random effects, and for those that have none without."""
    term, nodes = first_random(formula), spec.quadrature
    if nodes is not None and not 1 <= nodes <= MOST_NODES:
        message = f"--quadrature: {nodes} is not a number of nodes from 1 to {MOST_NODES}"
        raise UsageError("invalid_value", message, "5 to 25 are usual, and 1 is Laplace's approximation")
    if term is None:
        alone = {"--reml is for the variances of": spec.reml, "--quadrature integrates": nodes is not None}
        for what in (what for what, asked in alone.items() if asked):
            message = f"{what} random effects, and the model has none"
            raise UsageError("contradiction", message, "leave it out, or add a random effect: ... + (1 | g)")
        return
    for option, reason, hint in _excluded(spec, family, bool(formula.smooths)):
        raise ModelError("random_excludes", f"{option} does not go with random effects {term}: {reason}", hint)
    for predictor in formula.predictors:
        for first, second in combinations(predictor.random, 2):
            _refuse_overlap(first, second)
    _check_smooths_beside(spec, formula, term)
    if nodes is not None and nodes > 1:
        _check_quadrature(spec, formula)


def _refuse_overlap(first: RandomTerm, second: RandomTerm) -> None:
    """Two terms with an effect by the same levels: the sum of its two variances is all that data speak of."""
    by = [frozenset(factor.spelled for factor in one.group.factors) for one in (first, second)]
    held = {frozenset(factor.spelled for factor in term.factors) for term in first.terms}
    shared = [term for term in second.terms if frozenset(factor.spelled for factor in term.factors) in held]
    if by[0] != by[1] or not shared:
        return
    names = " and ".join("the intercept" if not term.factors else f"'{term.name}'" for term in shared)
    message = f"{first.spelled} and {second.spelled} both make {names} random by '{first.grouping}'"
    rest = tuple(term for term in second.terms if term not in shared)
    hint = f"leave {second.spelled} out"
    if len(shared) == len(first.terms):
        hint = f"leave {first.spelled} out"
    elif rest:
        together = RandomTerm((*first.terms, *rest), first.group).spelled
        hint = f"write {RandomTerm(rest, second.group).spelled} in place of {second.spelled}, or {together} for both"
    raise ModelError("random_overlap", f"{message}, and no data decide how much of it is whose", hint)


def _check_quadrature(spec: ModelSpec, formula: ModelFormula) -> None:
    """Raises where the integral is not one for each level of a factor."""
    groups = {term.grouping: term.spelled for one in formula.predictors for term in one.random}
    laplace = "leave it out: Laplace's approximation takes any number of factors"
    if len(groups) > 1:
        message = f"--quadrature is for random effects of one factor, and there are {' and '.join(groups.values())}"
        raise ModelError(
            "no_quadrature", f"{message}: effects that meet in rows have no integrals of their own", laplace
        )
    if spec.reml:
        message = "--quadrature does not go with --reml, whose coefficients of the mean are integrated with all levels"
        raise ModelError("no_quadrature", message, "leave out one of them")
    if formula.smooths:
        message = f"--quadrature does not go with '{formula.smooths[0].name}', which is integrated with all levels"
        raise ModelError("no_quadrature", message, laplace)


def _check_smooths_beside(spec: ModelSpec, formula: ModelFormula, term: str) -> None:
    """Raises for smooths that are random effects themselves, and for strengths by what integrates nothing."""
    if spec.smoothing == "gcv":
        reason = "cross-validation integrates no random effects"
        hint = "write --smoothing reml or ml"
        raise ModelError("random_excludes", f"--smoothing gcv does not go with random effects {term}: {reason}", hint)
    if spec.reml and spec.smoothing == "ml":
        message = "--reml and --smoothing ml ask for two ways to find variances and how smooth terms are"
        raise UsageError("contradiction", message, "leave one of them out: with smooths REML is the default")
    for smooth in formula.smooths:
        asked = smooth_of(smooth.factors[0].tree)
        if asked.random:
            written = f"({'1' if asked.by is None else f'0 + {render(asked.by)}'} | {render(asked.variables[0])})"
            message = f"'{smooth.name}' is a random effect, and the model has {term} beside it"
            raise ModelError("random_excludes", message, f"write {written}, which is the same")


def _excluded_intervals(spec: ModelSpec) -> dict[str | None, tuple[str, str]]:
    """What intervals there are none of: of replicates those that are drawn from the fitted model alone have a law."""
    kind, by = spec.ci.partition(":")[0], spec.bootstrap_by
    if kind == "wald":
        return {}
    parametric = "write --ci bootstrap, whose replicates have effects and responses drawn from the fitted model"
    if kind == "bca":
        return {f"--ci {spec.ci}": ("it leaves out each row, and those of a level are not independent", parametric)}
    if kind != "bootstrap":
        return {f"--ci {spec.ci}": ("intervals are Wald's, or from replicates", f"leave it out, or {parametric}")}
    if by == "rows":
        return {"--bootstrap-by rows": ("rows of a level are not independent", "write --bootstrap-by parametric")}
    if by not in (None, "parametric"):
        reason = "a cluster that is drawn twice has the levels of one, and their effects would count once"
        return {f"--bootstrap-by {by}": (reason, "write --bootstrap-by parametric")}
    return {}


def _excluded(spec: ModelSpec, family: Family, smooths: bool) -> Iterator[tuple[str, str, str]]:
    """An option or a family, why it does not go with random effects, and what to do."""
    robust = f"--se {spec.se}" if spec.se not in (None, "hessian") else None
    robust = "--sampling-weights" if spec.sampling_weights else robust
    integrated = "it rests on independent rows, and those of a level are not"
    leave = "leave it out: standard errors are from the Hessian of the integrated likelihood"
    rows = {
        robust: (integrated, leave),
        **_excluded_intervals(spec),
        "--bias-reduction firth" if spec.bias_reduction else None: (
            "Jeffreys' penalty is that of a likelihood without integrals",
            "leave it out",
        ),
        "a penalty on coefficients" if spec.shrinkage is not None else None: (
            "the path of strengths is that of a likelihood without integrals",
            "leave it out: random effects are shrunk already",
        ),
        "--absorb" if spec.absorb else None: (
            "absorbed effects are those of a model without others",
            "write the column as another random effect, or as a term",
        ),
        f"--dispersion {spec.dispersion}" if spec.dispersion is not None else None: (
            "phi is estimated together with the variances",
            "leave it out, or hold it with --fix phi=VALUE",
        ),
        f"--optimizer {spec.optimizer}" if spec.optimizer != "newton" else None: (
            "the search is Newton's, with the exact Hessian of the integrated likelihood",
            "leave it out",
        ),
        "--separation drop" if spec.separation == "drop" else None: (
            "rows that fixed effects separate still say something of the variances",
            "leave it out",
        ),
        "--check-separation" if spec.check_separation else None: (
            "the linear program knows of fixed effects alone",
            "leave it out, or check the model without its random effects",
        ),
        f"the {family.name} family" if family.quasi else None: (
            "a quasi-likelihood is no density that could be integrated",
            "use poisson or negative-binomial, binomial, or beta-binomial; or --se cluster:COLUMN without them",
        ),
        f"the {family.name} family" if family.grouped else None: (
            "it compares within groups, whose effects drop out of it",
            "leave them out, or use --family binomial without --group",
        ),
    }
    for option, (reason, hint) in rows.items():
        if option is not None:
            yield option, reason, hint
    if spec.reml and family.name != "gaussian" and not smooths:
        reason = f"of the {family.name} family there is no restricted likelihood that programs agree on"
        yield "--reml", reason, "leave it out: the variances are then estimated by maximum likelihood"
