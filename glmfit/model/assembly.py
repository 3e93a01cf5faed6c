"""Data -> a `Model`: the matrix of every predictor, standardised, aliased columns left out, and what is held.

Prior weights enter as Var = phi V / w: through log phi - log w where phi is a parameter, else (phi known to be 1) as a
multiplier of the log-density, as in R. Predictors with the same formula share one matrix.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from glmfit import memory
from glmfit.design import (
    CHUNK_ROWS,
    MOST_COLUMNS,
    MOST_DENSE_COLUMNS,
    Combination,
    Matrix,
    Shift,
    Standardization,
    aliased_columns,
    build,
    combinations,
)
from glmfit.errors import ModelError
from glmfit.families import LINKS, Family
from glmfit.formula import INTERCEPT, DesignState, Evaluator, Extent, Factor, PredictorFormula, Term, extent
from glmfit.memory import Need, border_need, cubes_need, rows_need, squares_need
from glmfit.model.absorbed import beside
from glmfit.model.groups import side_by_side, within
from glmfit.model.model import Absorbed, Model
from glmfit.model.rows import CHUNK_CELLS, Predictor, Rows
from glmfit.model.smooths import Smooths, penalty_root, refuse_overlap, smooth_blocks
from glmfit.numerics import Indicators, by_rows, constant, rows_of, summed
from glmfit.result import AbsorbedFactor
from glmfit.rows import Data, room_for
from glmfit.spec import ModelSpec

SMALLEST_SCALE = 1e-150  # of a column: its square is far enough from the end of the doubles, at 1e-308


def assemble(
    data: Data, spend: bool = False, state: DesignState | None = None, standard: Standards | None = None
) -> Model:
    """The model of prepared data; with `spend` their numeric columns are let go of as the design has them.

    That of a part of the data has the `state` and the scales that all of them have.
    """
    family, table = data.family, data.table
    formulas = {predictor.parameter: predictor for predictor in data.formula.predictors}
    y, weight, frequency, log_prior = weighed(data)
    held = held_parameters(data, log_prior)
    constants = (formulas[p.name].terms for p in family.parameters[1:] if p.name in formulas)
    penalised = data.spec.shrinkage is not None  # no column is aliased then, and they may be more than the rows
    spend = spend and data.groups is None and not (data.absorbed or family.location or data.formula.smooths)
    centre = all(INTERCEPT in terms for terms in constants)
    estimated = estimated_formulas(data, held)
    evaluator = Evaluator(table, state, frequency=data.frequency)
    parts = _Parts(family, centre, evaluator.penalised, all_columns=penalised, spend=spend, given=standard or {})
    absorbed = _absorbed(data)
    if standard is None:
        memory.check(needs(data, estimated, evaluator, spend), most=room_for(data.spec))
    columns = columns_of(data)
    predictors = linear_predictors(data, estimated, evaluator, log_prior, absorbed)
    if spend:
        predictors = iter(list(predictors))
        evaluator.forget()
        table.give_up_numbers()  # now the matrices alone have them
    for name, matrix, offset in predictors:
        parts.add(name, matrix, offset)
    if not parts.kept:
        hint = "add a term, or the intercept" if absorbed is None else "add a term that varies within absorbed levels"
        raise ModelError("empty_model", "the model has no coefficient to estimate", hint)
    size = parts.size + (0 if absorbed is None else absorbed.size)
    if standard is None and size > summed(frequency) and not (penalised or evaluator.penalised):
        message = f"{size} coefficients cannot be estimated from {len(y)} rows"
        raise ModelError("too_few_rows", message, "leave out terms, or add data")
    rows = Rows(y, weight, frequency, columns, tuple(parts.predictors), held, log_prior)
    if data.groups is not None:
        rows = side_by_side(rows, torch.from_numpy(data.groups))
        family = family.of_groups(len(rows.predictors))
    return Model(
        family=family,
        links=data.links,
        rows=rows,
        standardizations=tuple(parts.standardizations),
        names=tuple(parts.names),
        terms=tuple(parts.terms),
        kept=tuple(parts.kept),
        has_intercept=INTERCEPT in formulas[family.main].terms,
        shift=parts.shift(),
        combinations=parts.combinations,
        formulas=tuple(estimated.values()),
        state=evaluator.state,
        absorbed=absorbed,
        smooths=smooth_blocks(parts.predictors, evaluator.penalised),
    )


def _absorbed(data: Data) -> Absorbed | None:
    """The effects that are not reported, if there are any."""
    if not data.absorbed:
        return None
    codes = list(data.absorbed.values())
    sizes = [int(code.max()) + 1 for code in codes]
    indicators = Indicators(codes, sizes)
    factors = zip(data.absorbed, sizes, indicators.redundant(), strict=True)
    return Absorbed(indicators, tuple(AbsorbedFactor(*factor) for factor in factors))


def weighed(data: Data) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The response, the weight of each row's log-density, how many rows it stands for, and its log prior weight: (n,)
    each. A prior weight is one or the other: it weighs the row where there is no phi that it could divide."""
    y = torch.from_numpy(data.response.y)
    frequency = constant(1.0, len(y)) if data.frequency is None else torch.from_numpy(data.frequency)
    weight = frequency if data.sampling is None else torch.from_numpy(data.sampling)
    log_prior = constant(0.0, len(y))
    if data.weights is not None:
        prior = torch.from_numpy(data.weights)
        if data.family.weighs_phi:
            log_prior = by_rows(torch.log, prior)
        else:
            weight = by_rows(torch.mul, weight, prior)
    return y, weight, frequency, log_prior


def columns_of(data: Data) -> dict[str, Tensor]:
    """The columns (n,) that the density takes by name."""
    columns = {name: torch.from_numpy(values) for name, values in data.response.extra.items()}
    columns |= {name: torch.from_numpy(data.table.numbers(name)) for name in data.family.columns if name not in columns}
    if data.response.trials is not None:
        columns["trials"] = torch.from_numpy(data.response.trials)
    return columns


def estimated_formulas(data: Data, held: Collection[str]) -> dict[str, PredictorFormula]:
    """The linear predictor of every parameter that is not held."""
    formulas = {predictor.parameter: predictor for predictor in data.formula.predictors}
    names = (parameter.name for parameter in data.family.parameters if parameter.name not in held)
    return {name: formulas.get(name, PredictorFormula(name, (INTERCEPT,))) for name in names}


def linear_predictors(
    data: Data,
    estimated: Mapping[str, PredictorFormula],
    evaluator: Evaluator,
    log_prior: Tensor,
    absorbed: Absorbed | None = None,
) -> Iterator[tuple[str, Matrix, Tensor]]:
    """The matrix and the offset (n,) of each of them; those with the same formula share one matrix."""
    built: dict[tuple[tuple[Term, ...], tuple[Factor, ...], frozenset[Term]], tuple[Matrix, Tensor]] = {}
    for name, formula in estimated.items():
        key = formula.terms, formula.offsets, formula.without
        if key not in built:
            built[key] = build(formula, data.table, evaluator)
        matrix, offset = built[key]
        if name == data.family.main:
            offset = by_rows(torch.add, offset, rows_of(data.offset))
        if data.groups is not None:
            matrix = within(matrix, torch.from_numpy(data.groups))
        if absorbed is not None and name == data.family.main:
            matrix = beside(matrix, absorbed.indicators)
        if name == "phi":
            offset = by_rows(torch.sub, offset, log_prior)
        yield name, matrix, offset


def needs(data: Data, formulas: Mapping[str, PredictorFormula], evaluator: Evaluator, spend: bool) -> list[Need]:
    """The memory that a fit needs beside the data, told from the formulas of the estimated parameters."""
    n, k = len(data.table), len(formulas)
    extents = {formula.terms: extent(formula.terms, evaluator) for formula in formulas.values()}
    once = sum(extents.values(), Extent())  # predictors with the same formula share one matrix
    p = sum(extents[formula.terms].columns for formula in formulas.values())
    most = max((one.columns for one in extents.values()), default=0)
    if most > MOST_COLUMNS:
        return []  # which is an error by itself
    penalised = data.spec.shrinkage is not None
    if (
        most > max(n, MOST_DENSE_COLUMNS) and not penalised
    ):  # fewer are looked at one by one, to name those that are aliased
        what = f"a linear predictor has {most} columns, and the data {n} rows"
        raise ModelError("too_few_rows", what, "leave out terms: so many coefficients cannot be told apart")
    numbers = once.columns if data.groups is not None else once.numbers
    there = min(sum(column.levels is None for column in data.table.columns.values()), numbers)
    # numeric columns as they are, if they are not those of the table, and standardised, in place of the former where
    # these are spent; weights, the response and the like; offsets and the line search
    vectors = 2 * numbers - (2 if spend else 1) * there + once.codes + 2 * once.multipliers + 2 + 2 * k
    cells = min(n * k**2, CHUNK_CELLS)
    largest = evaluator.largest()
    wide = _beside_levels(data.spec, p, largest)  # columns that rows and sums have for each coefficient
    chunk = min(n, CHUNK_ROWS)
    side_by_side = 4 if data.spec.se in ("hc2", "hc3") else 3 if k == 1 and p <= MOST_DENSE_COLUMNS else 0
    robust = bool(data.spec.sampling_weights) or (data.spec.se or "").startswith(("hc0", "hc1", "cluster", "wild"))
    scores = min(n * wide, CHUNK_CELLS) if robust else 0
    sums = sum(int(codes.max()) + 1 for codes in data.clusters.values())
    return [
        rows_need(0 if data.spilled else n, vectors, f"{n:,} rows have {vectors} numbers each"),
        rows_need(cells, 4, f"{k} predictors have {k} x {k} second derivatives in each row"),
        rows_need(chunk, side_by_side * wide, f"{chunk:,} rows of {wide:,} columns are laid side by side"),
        rows_need(scores, 5, f"rows have a score for each of {wide:,} coefficients"),
        squares_need(0 if penalised else p, largest) if wide == p or penalised else border_need(p, wide),
        rows_need(sums, 3 * wide, f"{sums:,} clusters have a sum for each of {wide:,} coefficients"),
        rows_need(once.contrasts, 3, f"contrasts have {once.contrasts:,} numbers"),
        cubes_need(p if data.spec.small_sample == "cr2" else 0),
    ]


def _beside_levels(spec: ModelSpec, p: int, largest: tuple[str, int] | None) -> int:
    """Columns beside those of the levels that are set apart; all p where none are, or something asks for the matrix."""
    border = p if largest is None else p - largest[1] + 1
    matrix = spec.ci != "wald" or spec.small_sample is not None or (spec.se or "").startswith("wild")
    whole = border > p / 2 or matrix or spec.optimizer != "newton"
    return p if whole else border


Standards = Mapping[str, tuple[tuple[str, ...], Standardization]]  # by parameter: estimated columns, their scales
_Standardized = tuple[Matrix, Standardization, list[str], list[int], dict[str, Combination]]


@dataclass(slots=True)
class _Parts:
    """Predictors in the making: `names` of all columns, `kept` those that are estimated, `size` of them.

    `centre` says that every predictor beside a location has the constant that takes up its centres, `spend` that no
    matrix is needed once it is standardised.
    """

    family: Family
    centre: bool
    smooths: Smooths  # what penalises terms, known once their columns are
    all_columns: bool = False  # those aliased as well
    spend: bool = False
    predictors: list[Predictor] = field(default_factory=list)
    standardizations: list[Standardization] = field(default_factory=list)
    names: list[tuple[str, str]] = field(default_factory=list)
    terms: list[str] = field(default_factory=list)  # that each of them belongs to
    kept: list[int] = field(default_factory=list)
    size: int = 0
    combinations: dict[tuple[str, str], Combination] = field(default_factory=dict)  # what the aliased ones are
    given: Standards = field(default_factory=dict)
    _standard: dict[tuple[int, bool], tuple[Matrix, _Standardized]] = field(default_factory=dict)

    def add(self, parameter: str, matrix: Matrix, offset: Tensor) -> None:
        """One more linear predictor."""
        location = self.family.location and not self.predictors
        key = id(matrix), location
        if key not in self._standard:
            given = self.given.get(parameter)
            made = self._standardized(matrix, location) if given is None else self._recalled(matrix, *given)
            self._standard[key] = matrix, made
        standard, standardization, names, inside, texts = self._standard[key][1]
        self.combinations |= {(parameter, name): text for name, text in texts.items()}
        self.kept += [len(self.names) + j for j in inside]
        self.names += [(parameter, name) for name in names]
        self.terms += [term for name, term in zip(matrix.names, matrix.terms, strict=True) if not _left(name, location)]
        columns = torch.arange(self.size, self.size + len(inside))
        self.predictors.append(Predictor(parameter, standard, columns, offset))
        self.standardizations.append(standardization)
        self.size += len(inside)

    def _standardized(self, matrix: Matrix, location: bool) -> _Standardized:
        """The columns that are estimated, the names of all, the places of the former among them, what the others are.

        A location leaves its intercept to others, but what is aliased with the intercept is aliased there too.
        """
        standard, standardization = matrix.standardized(spend=self.spend)
        root = penalty_root(matrix, standardization, self.smooths)
        out = [] if self.all_columns else aliased_columns(standard, root)
        without = set(out)
        texts = combinations(standard, standardization, [j for j in range(matrix.shape[1]) if j not in without], out)
        refuse_overlap(matrix, {j: texts.get(j, ()) for j in out}, self.smooths)
        own = [j for j, name in enumerate(matrix.names) if not _left(name, location)]
        kept = [j for j in own if j not in without]
        if len(kept) < matrix.shape[1]:
            plain = standard.unstandardized(standardization) if self.spend else matrix
            standard, standardization = plain.select(kept).standardized(location and self.centre)
        _refuse_scales(standardization, standard.names)
        names = [matrix.names[j] for j in own]
        place = {j: at for at, j in enumerate(own)}
        said = {matrix.names[j]: text for j, text in texts.items() if j in own}
        return standard, standardization, names, [place[j] for j in kept], said

    @staticmethod
    def _recalled(matrix: Matrix, names: tuple[str, ...], standardization: Standardization) -> _Standardized:
        """The same of the columns `names` of a part, where all is decided."""
        kept = [matrix.names.index(name) for name in names]
        standard = matrix.select(kept).standardized_by(standardization)
        return standard, standardization, list(names), list(range(len(names))), {}

    def shift(self) -> Shift | None:
        """Where the centres of a location without an intercept go: to the constants of all other predictors."""
        if not self.family.location:
            return None
        unit, center = torch.zeros(self.size, dtype=torch.float64), torch.zeros(self.size, dtype=torch.float64)
        for k, (predictor, standardization) in enumerate(zip(self.predictors, self.standardizations, strict=True)):
            if k == 0:
                center[predictor.columns] = standardization.center
            else:
                unit[predictor.columns] = standardization.unit
        return Shift(unit, center)


def _left(name: str, location: bool) -> bool:
    """Whether a location leaves a column to others: its constant."""
    return location and name == INTERCEPT.name


def _refuse_scales(standardization: Standardization, names: tuple[str, ...]) -> None:
    """Raise where a coefficient's variance would overflow or vanish: it goes with the square of the column's scale."""
    scale = torch.where(standardization.unit != 0, 1 / standardization.unit.abs(), standardization.scale)
    for name, size in zip(names, scale.tolist(), strict=True):
        if not SMALLEST_SCALE < size < 1 / SMALLEST_SCALE:
            what = f"the squares of values such as those of '{name}', about {size:.3g}, are beyond double precision"
            raise ModelError("covariate_scale", what, "multiply the column by a number that brings it near to 1")


def held_parameters(data: Data, log_prior: Tensor) -> dict[str, Tensor]:
    """Parameters that are not estimated with the coefficients, (n,) on their working scales."""
    formulas = {predictor.parameter for predictor in data.formula.predictors}
    held = {}
    for parameter in data.family.parameters:
        joint = data.family.joint_dispersion or parameter.name in formulas
        if parameter.name in data.spec.fixed and (joint or parameter.name != "phi"):
            value = constant(float(data.spec.fixed[parameter.name]), len(log_prior))
            held[parameter.name] = by_rows(LINKS[parameter.scale].link, value)
            if parameter.name == "phi":
                held["phi"] = by_rows(torch.sub, held["phi"], log_prior)
        elif parameter.name == "phi" and not joint:
            held["phi"] = constant(0.0, len(log_prior))
    return held
