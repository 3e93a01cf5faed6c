"""`glmfit step`: terms are dropped and added one at a time, for as long as a criterion falls.

    AIC = -2 l + 2 p        BIC = -2 l + p log n

All fits are to the rows that are complete in every column of the scope. Hierarchy is kept: a term goes only where none
that stays contains it, and comes only where all that it contains and the scope has are there.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from glmfit.after.terms import ModelTerm, terms_of, with_terms
from glmfit.errors import Finding, GlmfitError, ModelError, UsageError
from glmfit.estimate.pipeline import fit_data
from glmfit.families.userfile import is_dense
from glmfit.formula import ModelFormula, PredictorFormula, for_family
from glmfit.formula.expression import quote
from glmfit.report.records import Records
from glmfit.result import Fitted
from glmfit.rows import Data, read, refuse_formula, refuse_random, resolve
from glmfit.rows.asked import ask
from glmfit.spec import ModelSpec, one_of, without_intervals
from glmfit.table import Source, open_data

SCHEMA = "glmfit/step/1"
COLUMNS = ("step", "action", "term", "df", "log_likelihood", "aic", "bic", "chosen", "reason")
CRITERIA = ("aic", "bic")
DIRECTIONS = ("both", "backward", "forward")
LOWER = 1e-7  # by how much a criterion must fall


@dataclass(frozen=True, slots=True)
class Asked:
    """How terms are chosen; the scope as formulas of the mean (`~ a*b`) or of a parameter (`alpha ~ a`)."""

    criterion: str = "aic"
    direction: str | None = None  # None: both where a scope is given, else backward
    upper: tuple[str, ...] = ()
    lower: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        one_of("--criterion", self.criterion, CRITERIA)
        if self.direction is not None:
            one_of("--direction", self.direction, DIRECTIONS)
        if self.directed == "forward" and not self.upper:
            message = "--direction forward adds terms, and no scope says which"
            raise UsageError("missing_argument", message, "add --scope '~ a*b', the largest model")

    @property
    def directed(self) -> str:
        """The direction, by default as in R's step()."""
        return self.direction or ("both" if self.upper or self.lower else "backward")


@dataclass(frozen=True, slots=True, eq=False)
class _Walk:
    """The rows, the predictors with all terms of the scope, which of them must stay, and which may come."""

    data: Data
    base: tuple[PredictorFormula, ...]
    kept: frozenset[ModelTerm]
    offered: tuple[ModelTerm, ...]
    asked: Asked

    def fitted(self, terms: Collection[ModelTerm]) -> Fitted | str:
        """The fit of a model, or why there is none."""
        try:
            found = fit_data(with_terms(self.data, self.base, terms))
        except GlmfitError as error:
            return error.message
        return found if found.convergence.converged else "it has not converged"

    def moves(self, now: Sequence[ModelTerm]) -> Iterator[tuple[str, ModelTerm]]:
        """What may be dropped, and what may be added."""
        if self.asked.directed != "forward":
            yield from (("drop", one) for one in now if one not in self.kept and not any(map(one.within, now)))
        if self.asked.directed != "backward":
            out = [one for one in self.offered if one not in now]
            yield from (("add", one) for one in out if not any(other.within(one) for other in out))

    def value(self, fit: Fitted | str) -> float:
        """The criterion, infinite where there is no fit."""
        return math.inf if isinstance(fit, str) else float(getattr(fit.fit, self.asked.criterion))


def choose(spec: ModelSpec, data: Any, asked: Asked) -> tuple[Records, Fitted]:
    """All that was looked at, step by step, and the model that was chosen."""
    if is_dense(spec.family):
        message = "the likelihood is a log_likelihood(params, data), whose parameters are no terms of a formula"
        raise ModelError("no_terms", message, "compare models of it with glmfit compare")
    if spec.bias_reduction is not None:
        message = "AIC and BIC are of the likelihood, and --bias-reduction maximises a penalised one"
        raise UsageError("contradiction", message, "leave --bias-reduction out, and add it to the final model")
    walk, now = _begin(spec, open_data(data, spec.reading), asked)
    current = walk.fitted(now)
    if not isinstance(current, str) and math.isnan(walk.value(current)):
        why = "the weights are those of a sample" if spec.sampling_weights else "a quasi-likelihood is no likelihood"
        message = f"there is no {asked.criterion.upper()} to choose by: {why}"
        raise ModelError("no_criterion", message, "test terms with glmfit anova")
    rows: list[dict[str, Any]] = []
    for step in range(1, 1 + 2 ** min(30, len(walk.offered) + len(now))):
        tried = [(action, term, walk.fitted(_moved(now, action, term))) for action, term in walk.moves(now)]
        chosen = _best(walk, current, tried)
        rows += _rows(step, walk, current, tried, chosen)
        if chosen is None:
            break
        action, term, current = tried[chosen]
        now = _moved(now, action, term)
    left = with_terms(walk.data, walk.base, now)
    left = replace(left, spec=replace(_of_formulas(spec, left.formula.texts), relax=()))  # texts say what was relaxed
    final = fit_data(left)
    by = f"the terms were chosen by {asked.criterion.upper()} on these rows"
    finding = Finding("selected_terms", f"{by}: p-values are smaller, and intervals narrower, than they should be")
    final = replace(final, warnings=(*final.warnings, finding))
    facts = {
        "criterion": asked.criterion,
        "direction": asked.directed,
        "rows_used": final.data.rows_used,
        "formulas": list(final.model.formulas),
    }
    least = ("log_likelihood", "bic" if asked.criterion == "aic" else "aic")
    return Records(SCHEMA, "rows", COLUMNS, rows, facts, least=least), final


def _moved(now: Sequence[ModelTerm], action: str, term: ModelTerm) -> tuple[ModelTerm, ...]:
    return (*now, term) if action == "add" else tuple(one for one in now if one != term)


_Tried = tuple[str, ModelTerm, Fitted | str]


def _best(walk: _Walk, current: Fitted | str, tried: Sequence[_Tried]) -> int | None:
    """The place of the move to make: a term that adds nothing goes first; None to stay."""
    idle = [at for at, (action, _, fit) in enumerate(tried) if action == "drop" and _df(current, fit) == 0]
    if idle:
        return idle[-1]
    values = [walk.value(fit) for _, _, fit in tried]
    at = min(range(len(values)), key=values.__getitem__, default=None)
    return at if at is not None and values[at] < walk.value(current) - LOWER else None


def _df(current: Fitted | str, other: Fitted | str) -> float | None:
    if isinstance(current, str) or isinstance(other, str):
        return None
    return abs(current.fit.n_parameters - other.fit.n_parameters)


def _rows(
    step: int, walk: _Walk, current: Fitted | str, tried: Sequence[_Tried], chosen: int | None
) -> list[dict[str, Any]]:
    """A row for each model within one move, the best first."""
    found = [(walk.value(current), _row(step, "stay", None, None, current, chosen is None))]
    found += [
        (walk.value(fit), _row(step, action, term.name, _df(current, fit), fit, at == chosen))
        for at, (action, term, fit) in enumerate(tried)
    ]
    return [row for _, row in sorted(found, key=lambda pair: pair[0])]


def _row(step: int, action: str, term: str | None, df: float | None, fit: Fitted | str, chosen: bool) -> dict[str, Any]:
    if isinstance(fit, str):
        values: tuple[float, ...] = (math.nan, math.nan, math.nan)
    else:
        values = fit.fit.log_likelihood, fit.fit.aic, fit.fit.bic
    reason = fit if isinstance(fit, str) else None
    return dict(zip(COLUMNS, (step, action, term, df, *values, chosen, reason), strict=True))


# ---- Where to begin, and how far to go ----


def _begin(spec: ModelSpec, source: Source, asked: Asked) -> tuple[_Walk, tuple[ModelTerm, ...]]:
    """The walk, and the terms of the model that was asked for."""
    start = _formula(spec, source)
    upper, lower = (_scope(spec, source, start, texts) for texts in (asked.upper, asked.lower))
    whole = [start, *(one for one in (upper, lower) if one is not None)]
    for one in whole:
        refuse_random(one, "step chooses among terms without them", "compare fits of few models by their AIC")
    data = read(_joined(spec, whole), source)
    data = replace(data, spec=_without_errors(data.spec))
    base = data.formula.predictors
    known = {one.key: one for one in terms_of(base, data.family)}

    def named(formula: ModelFormula | None) -> tuple[ModelTerm, ...]:
        if formula is None:
            return ()
        made = for_family(formula, data.family, spec.relax) if data.family.categories else formula
        return tuple(known[one.key] for one in terms_of(made.predictors, data.family))

    now = named(start)
    offered = now if upper is None else named(upper)
    kept = frozenset(named(lower))
    return _Walk(data, base, kept, tuple(dict.fromkeys((*offered, *kept))), asked), now


def _without_errors(spec: ModelSpec) -> ModelSpec:
    """The same without what standard errors and intervals ask for, which no criterion depends on."""
    plain = replace(without_intervals(spec), se=None, small_sample=None, bread=None, wild_weights=None)
    return replace(plain, replicates=None, seed=None, start={})


def _formula(spec: ModelSpec, source: Source) -> ModelFormula:
    """The formula of a specification over the columns of the data."""
    family, links = resolve(spec)
    formula = ask(spec, family, links, source.header).formula
    refuse_formula(formula, "a model chosen by dropping and adding terms", "fit tests each smooth by itself")
    return formula


def _scope(spec: ModelSpec, source: Source, start: ModelFormula, texts: Sequence[str]) -> ModelFormula | None:
    """A scope as a formula: `~ a*b` and `a*b` are of the mean, `alpha ~ a` of a parameter."""
    if not texts:
        return None
    response = start.response.spelled
    formulas = [text if "~" in text else f"~ {text}" for text in texts]
    mean = [f"{response} {text.strip()}" for text in formulas if text.strip().startswith("~")]
    if len(mean) > 1:
        raise UsageError("contradiction", "a scope has two formulas for the mean", "join their terms with +")
    further = [text for text in formulas if not text.strip().startswith("~")]
    first = mean or [f"{response} ~ {_terms(start.predictors[0])}"]
    return _formula(_of_formulas(spec, (*first, *further)), source)


def _terms(predictor: PredictorFormula) -> str:
    """The terms alone, as text."""
    return replace(predictor, offsets=()).spelled


def _joined(spec: ModelSpec, formulas: Sequence[ModelFormula]) -> ModelSpec:
    """The model with the terms of several formulas, and the intercepts and the offsets of the first."""
    start = formulas[0]
    names = dict.fromkeys(predictor.parameter for formula in formulas for predictor in formula.predictors)
    texts = []
    for name in names:
        own = [p for formula in formulas for p in formula.predictors if p.parameter == name]
        left = start.response.spelled if name == start.predictors[0].parameter else quote(name)
        ends = " + ".join([own[0].spelled, *(_terms(one) for one in own[1:])])
        no_intercept = " + 0" if own[0].spelled.startswith("0") else " + 1"
        texts.append(f"{left} ~ {ends}{no_intercept}".lstrip())
    return _of_formulas(spec, texts)


def _of_formulas(spec: ModelSpec, texts: Sequence[str]) -> ModelSpec:
    """The same specification with other formulas, which say all of the terms."""
    return replace(spec, y=None, x=(), intercept=True, start={}, formulas=tuple(texts))
