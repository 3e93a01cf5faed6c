"""Data -> a likelihood: design matrices, links, weights and held parameters of one model, in working coordinates.

Working coefficients gamma belong to centred and scaled columns, reported coefficients theta to the columns as they are;
each predictor's `Standardization` maps between them. Prior weights enter as Var = phi V / w: through log phi - log w
where phi is a parameter, else (phi known to be 1) as a multiplier of the log-density, as in R.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from glmfit.data import Data
from glmfit.design import Dense, Matrix, Standardization, build
from glmfit.errors import ModelError
from glmfit.families.base import Family, Limit
from glmfit.formula import PredictorFormula, Term
from glmfit.likelihood import Likelihood, Predictor, Rows
from glmfit.links import LINKS, Link
from glmfit.rank import aliased_columns
from glmfit.terms import Evaluator


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """One model in working coordinates: rows with all predictors, and the maps back to reported coefficients.

    `names` are (parameter, term) of the reported coefficients, aliased ones included; `kept` are the positions among
    them of the `size` that are estimated. `standardizations` belong to the predictors, aliased columns left out.
    """

    family: Family
    links: Mapping[str, Link]
    rows: Rows
    standardizations: tuple[Standardization, ...]
    names: tuple[tuple[str, str], ...]
    kept: tuple[int, ...]
    has_intercept: bool
    # parameters held at an end of their range, because the data put them there
    limits: Mapping[str, Limit] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return len(self.kept)

    @property
    def labels(self) -> list[str]:
        """Names of the estimated coefficients: the term, with the parameter in front where it is not the main one."""
        return [self._label(*self.names[at]) for at in self.kept]

    @property
    def aliased(self) -> tuple[str, ...]:
        """Names of the coefficients that are linear combinations of others."""
        inside = set(self.kept)
        return tuple(
            self._label(parameter, term)
            for at, (parameter, term) in enumerate(self.names)
            if at not in inside and parameter not in self.limits
        )

    def _label(self, parameter: str, term: str) -> str:
        return term if parameter == self.family.main else f"{parameter}:{term}"

    @property
    def n(self) -> int:
        """Number of observations: rows, or the sum of frequency weights."""
        return round(float(self.rows.frequency.sum()))

    @property
    def holds_phi(self) -> bool:
        """Whether phi is held while the coefficients are estimated (it does not change them)."""
        return "phi" in self.rows.held

    def held_at(self, phi: float) -> Model:
        """The same model with phi held at a value; phi / w row by row where there are prior weights."""
        log_phi = torch.full_like(self.rows.y, phi).log() - self.rows.log_prior
        return replace(self, rows=replace(self.rows, held={**self.rows.held, "phi": log_phi}))

    def at_limit(self, parameter: str, limit: Limit) -> Model:
        """The same model with `parameter`, which has no covariates, held at an end of its range."""
        place = next(k for k, p in enumerate(self.rows.predictors) if p.parameter == parameter)
        predictors: list[Predictor] = []
        size = 0
        for predictor in (*self.rows.predictors[:place], *self.rows.predictors[place + 1 :]):
            columns = torch.arange(size, size + len(predictor.columns))
            predictors.append(replace(predictor, columns=columns))
            size += len(columns)
        held = {**self.rows.held, parameter: torch.full_like(self.rows.y, limit.working)}
        return replace(
            self,
            rows=replace(self.rows, predictors=tuple(predictors), held=held),
            standardizations=(*self.standardizations[:place], *self.standardizations[place + 1 :]),
            kept=tuple(at for at in self.kept if self.names[at][0] != parameter),
            limits={**self.limits, parameter: limit},
        )

    def likelihood(self) -> Likelihood:
        return Likelihood(self.family, self.links, self.rows.chunks(), self.size)

    def constants_only(self, parameters: Sequence[str], held: Mapping[str, Tensor]) -> Likelihood:
        """The likelihood with a constant for each of `parameters` (offsets kept), the others held, (n,) each."""
        n = len(self.rows.y)
        ones = Matrix((Dense(torch.ones((n, 1), dtype=torch.float64)),), (torch.tensor([0]),), ("Intercept",), n)
        offsets = {"phi": -self.rows.log_prior, **{p.parameter: p.offset for p in self.rows.predictors}}
        predictors = tuple(
            Predictor(name, ones, torch.tensor([k]), offsets.get(name, torch.zeros_like(self.rows.y)))
            for k, name in enumerate(parameters)
        )
        rows = replace(self.rows, predictors=predictors, held={**self.rows.held, **held})
        return Likelihood(self.family, self.links, rows.chunks(), len(parameters))

    # ---- between working and reported coordinates ----

    def reported(self, gamma: Tensor) -> Tensor:
        """Coefficients (size,) on the scale of the columns as they are."""
        return self._each("coefficients", gamma)

    def working(self, theta: Tensor) -> Tensor:
        """The inverse of `reported`."""
        return self._each("working", theta)

    def reported_gradient(self, gradient: Tensor) -> Tensor:
        """d l / d theta from d l / d gamma."""
        return self._each("gradient", gradient)

    def reported_covariance(self, matrix: Tensor) -> Tensor:
        """Covariance (size, size) of theta from that of gamma: T M T', block by block."""
        out = torch.zeros_like(matrix)
        pairs = list(zip(self.rows.predictors, self.standardizations, strict=True))
        for first, left in pairs:
            for second, right in pairs:
                block = matrix[first.columns[:, None], second.columns]
                out[first.columns[:, None], second.columns] = left.sandwich(block, right)
        return out

    def _each(self, operation: str, vector: Tensor) -> Tensor:
        parts = [
            getattr(standardization, operation)(vector[predictor.columns])
            for predictor, standardization in zip(self.rows.predictors, self.standardizations, strict=True)
        ]
        return torch.cat(parts) if parts else vector


def assemble(data: Data) -> Model:
    """The model of prepared data: every predictor's matrix standardised, aliased columns left out."""
    family, table = data.family, data.table
    y = torch.from_numpy(data.response.y)
    n = len(y)
    formulas = {predictor.parameter: predictor for predictor in data.formula.predictors}
    held = _held(data, formulas, n)
    frequency = torch.ones_like(y) if data.frequency is None else torch.from_numpy(data.frequency)
    weight = frequency if data.sampling is None else torch.from_numpy(data.sampling)
    log_prior = torch.zeros_like(y)
    if data.weights is not None:
        prior = torch.from_numpy(data.weights)
        if family.has_dispersion:
            log_prior = prior.log()
        else:
            weight = weight * prior
    predictors: list[Predictor] = []
    standardizations: list[Standardization] = []
    names: list[tuple[str, str]] = []
    kept: list[int] = []
    size = 0
    evaluator = Evaluator(table, frequency=data.frequency)
    for parameter in family.parameters:
        if parameter.name in held:
            continue
        formula = formulas.get(parameter.name, PredictorFormula(parameter.name, (Term(),)))
        matrix, offset = build(formula, table, evaluator)
        if parameter.name == family.main:
            offset = offset + torch.from_numpy(data.offset)
        if parameter.name == "phi":
            offset = offset - log_prior
        standard, standardization = matrix.standardized()
        out = aliased_columns(standard)
        inside = [j for j in range(matrix.shape[1]) if j not in set(out)]
        if out:
            standard, standardization = matrix.select(inside).standardized()
        kept += [len(names) + j for j in inside]
        names += [(parameter.name, name) for name in matrix.names]
        columns = torch.arange(size, size + len(inside))
        predictors.append(Predictor(parameter.name, standard, columns, offset))
        standardizations.append(standardization)
        size += len(inside)
    if not kept:
        raise ModelError("empty_model", "the model has no coefficient to estimate", "add a term, or the intercept")
    if size > float(frequency.sum()):
        raise ModelError(
            "too_few_rows", f"{size} coefficients cannot be estimated from {n} rows", "leave out terms, or add data"
        )
    extra = {} if data.response.trials is None else {"trials": torch.from_numpy(data.response.trials)}
    rows = Rows(y, weight, frequency, extra, tuple(predictors), held, log_prior)
    mean_terms = formulas[family.main].terms
    return Model(
        family=family,
        links=data.links,
        rows=rows,
        standardizations=tuple(standardizations),
        names=tuple(names),
        kept=tuple(kept),
        has_intercept=any(not term.factors for term in mean_terms),
    )


def _held(data: Data, formulas: Mapping[str, PredictorFormula], n: int) -> dict[str, Tensor]:
    """Parameters that are not estimated with the coefficients, (n,) on their working scales."""
    held = {}
    for parameter in data.family.parameters:
        if parameter.name == "phi" and "phi" not in formulas:
            held["phi"] = torch.zeros(n, dtype=torch.float64)
        elif parameter.name in data.spec.fixed:
            value = torch.full((n,), float(data.spec.fixed[parameter.name]), dtype=torch.float64)
            held[parameter.name] = LINKS[parameter.scale].link(value)
    return held
