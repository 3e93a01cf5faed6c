"""One model in working coordinates: a family with its links over rows, and the maps back to what is reported.

Working coefficients gamma belong to centred and scaled columns, reported coefficients theta to the columns as they are;
each predictor's `Standardization` maps between them, and a `Shift` between predictors where one takes up another's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from glmfit.design import CHUNK_ROWS, Combination, Dense, Matrix, Shift, Standardization, written
from glmfit.families import Family, Link, Special
from glmfit.formula import INTERCEPT, DesignState, PredictorFormula
from glmfit.model.elsewhere import AsFitted, Elsewhere, RowSource, view
from glmfit.model.likelihood import Likelihood
from glmfit.model.rows import Chunks, Predictor, Rows
from glmfit.numerics import Indicators, LowRank, by_rows, constant, summed
from glmfit.result import AbsorbedFactor

MOST_LOOKED_AT = 1_000_000  # rows whose moments are a start


@dataclass(frozen=True, slots=True, eq=False)
class Absorbed:
    """Effects of `factors` that are fitted and not reported; once fitted they are in the offset of the predictor."""

    indicators: Indicators
    factors: tuple[AbsorbedFactor, ...]

    @property
    def size(self) -> int:
        """How many effects there are, but for those that others make up for."""
        return sum(one.levels - one.redundant for one in self.factors)


@dataclass(frozen=True, slots=True, eq=False)
class SmoothBlock:
    """One smooth: the `places` (d,) of its coefficients among the model's, and their penalties (d, d) as reported.

    `free` is the dimension that no penalty touches.
    """

    parameter: str
    term: str
    places: Tensor
    penalties: tuple[Tensor, ...]
    free: int


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """One model in working coordinates: rows with all predictors, and the maps back to reported coefficients.

    `names` are (parameter, term) of the reported coefficients, aliased ones included; `kept` are the positions among
    them of the `size` that are estimated. `standardizations` belong to the predictors, aliased columns left out; one is
    enough for predictors side by side that share all their coefficients.
    """

    family: Family
    links: Mapping[str, Link]
    rows: Rows
    standardizations: tuple[Standardization, ...]
    names: tuple[tuple[str, str], ...]
    kept: tuple[int, ...]
    has_intercept: bool
    shift: Shift | None = None
    lift: Tensor | None = None  # (size, size) reported from working coefficients, where some are left out in a limit
    # parameters held at an end of their range, because the data put them there
    limits: Mapping[str, Special] = field(default_factory=dict)
    terms: tuple[str, ...] = ()  # the term of each of the `names`
    combinations: Mapping[tuple[str, str], Combination] = field(default_factory=dict)  # what aliased terms are made of
    formulas: tuple[PredictorFormula, ...] = ()  # of the estimated parameters, those without covariates among them
    state: DesignState = field(default_factory=DesignState)  # what evaluates new rows as the old ones
    absorbed: Absorbed | None = None
    smooths: tuple[SmoothBlock, ...] = ()
    source: RowSource | None = None  # where the rows are of which those here are an example
    _made: list[Likelihood] = field(default_factory=list, init=False, repr=False)

    @property
    def size(self) -> int:
        return len(self.kept)

    @property
    def effects(self) -> int:
        """How many effects were fitted beside the coefficients."""
        return 0 if self.absorbed is None else self.absorbed.size

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

    @property
    def aliases(self) -> dict[str, str]:
        """What the aliased coefficients' columns are of earlier ones, where that is known: "wt2" -> "= 2 wt"."""
        effects = "" if self.absorbed is None else " and ".join(one.factor for one in self.absorbed.factors)
        return {
            self._label(*name): written(terms) if terms or not effects else f"(from the effects of {effects})"
            for name, terms in self.combinations.items()
        }

    def _label(self, parameter: str, term: str) -> str:
        alone = parameter == self.family.main and not self.family.shared_formula
        return term if alone else f"{parameter}:{term}"

    @property
    def n(self) -> int:
        """Number of observations: rows, or the sum of frequency weights."""
        if self.source is not None:
            return self.source.n
        return round(summed(self.rows.frequency))

    @property
    def pairs(self) -> list[tuple[Predictor, Standardization]]:
        """Predictors, of their own coefficients, with their standardizations, those that share all of them once."""
        predictors = (one if not one.beside else replace(one, columns=one.own) for one in self.rows.predictors)
        return list(zip(predictors, self.standardizations, strict=False))

    @property
    def with_constants(self) -> list[str]:
        """The estimated parameters that a model without covariates gives a constant."""
        names = dict.fromkeys(predictor.parameter for predictor in self.rows.predictors)
        return [name for name in names if not (self.family.location and name == self.family.main)]

    @property
    def holds_phi(self) -> bool:
        """Whether phi is held while the coefficients are estimated (it does not change them)."""
        return "phi" in self.rows.held and not self.family.joint_dispersion

    def held_at(self, phi: float) -> Model:
        """The same model with phi held at a value; phi / w row by row where there are prior weights."""
        log_phi = torch.tensor([phi], dtype=torch.float64).log()
        held = by_rows(lambda prior: log_phi - prior, self.rows.log_prior)
        return replace(self, rows=replace(self.rows, held={**self.rows.held, "phi": held}))

    def holding(self, parameter: str, special: Special) -> Model:
        """The same model with all of `parameter` held at a special value: that of the family which it is there."""
        place = next(k for k, p in enumerate(self.rows.predictors) if p.parameter == parameter)
        predictors: list[Predictor] = []
        size = 0
        for predictor in (*self.rows.predictors[:place], *self.rows.predictors[place + 1 :]):
            columns = torch.arange(size, size + len(predictor.columns))
            predictors.append(replace(predictor, columns=columns))
            size += len(columns)
        held = {**self.rows.held, parameter: constant(special.working, len(self.rows))}
        others = torch.cat([torch.arange(0), *(p.columns for p in self.rows.predictors if p.parameter != parameter)])
        return replace(
            self,
            rows=replace(self.rows, predictors=tuple(predictors), held=held),
            standardizations=(*self.standardizations[:place], *self.standardizations[place + 1 :]),
            kept=tuple(at for at in self.kept if self.names[at][0] != parameter),
            lift=None if self.lift is None else self.lift[others][:, others],
            limits={**self.limits, parameter: special},
        )

    def estimating(self, parameter: str) -> Model:
        """The inverse of `held_at`: the same model with a constant for a `parameter` that was held, its last one."""
        n = len(self.rows)
        ones = Matrix((Dense(constant(1.0, n)[:, None]),), (torch.tensor([0]),), (INTERCEPT.name,), n)
        offset = -self.rows.log_prior if parameter == "phi" else constant(0.0, n)
        own = Predictor(parameter, ones, torch.tensor([self.size]), offset)
        order = [one.name for one in self.family.parameters]
        place = sum(order.index(one.parameter) < order.index(parameter) for one in self.rows.predictors)
        before = self.rows.predictors
        unit = torch.ones(1, dtype=torch.float64)
        plain = Standardization(0 * unit, unit, unit)
        held = {name: value for name, value in self.rows.held.items() if name != parameter}
        return replace(
            self,
            rows=replace(self.rows, predictors=(*before[:place], own, *before[place:]), held=held),
            standardizations=(*self.standardizations[:place], plain, *self.standardizations[place:]),
            names=(*self.names, (parameter, INTERCEPT.name)),
            kept=(*self.kept, len(self.names)),
            terms=(*self.terms, INTERCEPT.name),
            lift=None if self.lift is None else torch.block_diag(self.lift, unit[:, None]),
        )

    def moments(self) -> Mapping[str, float]:
        """Natural values of parameters from moments of the response, of a sample where there are many rows."""
        rows = replace(self.rows, predictors=(), held={})
        if len(rows) > MOST_LOOKED_AT:
            rows = rows.rows(torch.arange(0, len(rows), -(-len(rows) // MOST_LOOKED_AT)))
        return self.family.start(rows.y, rows.weight, **rows.columns)

    @property
    def here(self) -> Model:
        """The model of the rows at hand: itself, unless its rows are elsewhere."""
        return self if self.source is None else replace(self, source=None)

    def likelihood(self) -> Likelihood:
        """The one of this model, which remembers where it was looked at last."""
        if not self._made:
            self._made.append(self._likelihood())
        return self._made[0]

    def _likelihood(self) -> Likelihood:
        if self.source is not None:
            seen = view(self.family, self.rows, self.size)
            return Elsewhere(self.family, self.links, self.rows, self.size, self.source, seen)
        return Likelihood(self.family, self.links, self.chunks(), self.size)

    def constants_only(self, parameters: Sequence[str], fitted: AsFitted | None = None) -> Likelihood:
        """The likelihood with a constant for each of `parameters` (offsets kept), others held or as they are fitted."""
        size = len(parameters)
        if self.source is not None:
            whole = replace(
                view(self.family, self.rows, self.size), size=size, constants=tuple(parameters), fitted=fitted
            )
            example = with_constants(self.here.likelihood(), parameters, fitted)(self.rows)
            return Elsewhere(self.family, self.links, example, size, self.source, whole)
        change = with_constants(self.likelihood(), parameters, fitted)
        return Likelihood(self.family, self.links, self.chunks().map(change), size)

    def chunks(self) -> Chunks:
        """The rows a chunk at a time, as the likelihood looks at them."""
        return self.rows.chunks(CHUNK_ROWS // self.family.bulk)

    # ---- between working and reported coordinates ----

    def reported(self, gamma: Tensor) -> Tensor:
        """Coefficients (size,) on the scale of the columns as they are."""
        if self.lift is not None:
            return self.lift @ gamma
        theta = self._each("coefficients", gamma)
        return theta if self.shift is None else self.shift.coefficients(theta)

    def working(self, theta: Tensor) -> Tensor:
        """The inverse of `reported`."""
        if self.lift is not None:
            return torch.linalg.solve(self.lift, theta)
        return self._each("working", theta if self.shift is None else self.shift.working(theta))

    def reported_gradient(self, gradient: Tensor) -> Tensor:
        """d l / d theta from d l / d gamma."""
        if self.lift is not None:
            return torch.linalg.solve(self.lift.T, gradient)
        found = self._each("gradient", gradient)
        return found if self.shift is None else self.shift.gradient(found)

    def reported_covariance(self, matrix: Tensor | LowRank, half: Tensor | None = None) -> Tensor | LowRank:
        """Covariance (size, size) of theta from that of gamma: T M T', block by block, or (V T')'(V T') by its half.

        Where an intercept is far outside of the data, most of T M T' cancels; the half cancels half as many digits.
        """
        if half is not None:
            rows = torch.stack([self.reported(row) for row in half])
            return rows.T @ rows
        if isinstance(matrix, LowRank):
            if self.lift is None:
                return matrix.mapped(self._scale(), self.reported)
            matrix = matrix.matrix()
        if self.lift is not None:
            return self.lift @ matrix @ self.lift.T
        out = torch.zeros_like(matrix)
        pairs = self.pairs
        for first, left in pairs:
            for second, right in pairs:
                block = matrix[first.columns[:, None], second.columns]
                out[first.columns[:, None], second.columns] = left.sandwich(block, right)
        return out if self.shift is None else self.shift.covariance(out)

    def _scale(self) -> Tensor:
        """(size,) reported coefficients in units of the working ones, where nothing is added to them."""
        out = torch.zeros(self.size, dtype=torch.float64)
        for predictor, standardization in self.pairs:
            out[predictor.columns] = 1 / standardization.scale
        return out

    def _each(self, operation: str, vector: Tensor) -> Tensor:
        out = torch.zeros_like(vector)
        for predictor, standardization in self.pairs:
            out[predictor.columns] = getattr(standardization, operation)(vector[predictor.columns])
        return out


def with_constants(
    likelihood: Likelihood, parameters: Sequence[str], fitted: AsFitted | None
) -> Callable[[Rows], Rows]:
    """Makes of a chunk of a likelihood that of one with a constant for each of `parameters`."""
    columns = [torch.tensor([k]) for k in range(len(parameters))]
    place, family = (torch.tensor([0]),), likelihood.family

    def change(chunk: Rows) -> Rows:
        n = len(chunk)
        ones = Matrix((Dense(constant(1.0, n)[:, None]),), place, ("Intercept",), n)
        offsets = {"phi": -chunk.log_prior, **{p.parameter: p.own_offset for p in chunk.predictors}}
        others = dict(chunk.held)
        if family.location:
            others[family.main] = offsets.pop(family.main)
        predictors = tuple(
            Predictor(name, ones, column, offsets.get(name, constant(0.0, n)))
            for name, column in zip(parameters, columns, strict=True)
        )
        held = {} if fitted is None else fitted.of(likelihood, chunk)
        return replace(chunk, predictors=predictors, held=others | held)

    return change
