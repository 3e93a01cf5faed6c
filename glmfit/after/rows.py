"""The rows of data as a saved model sees them: predictors, and the response, weights and bounds that a fit would read.

A run of n rows at a time, in their order. A row that the fit would have left out (outside of its condition, of weight
0, without trials, in an absorbed level that says nothing) or that cannot be evaluated has no answer; `Tally` tells
whether the rows are those of the fit.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import IO

import numpy as np
import torch
from torch import Tensor

from glmfit.after.newdata import Asked, NewRows, Reader, as_text, complete, unseen
from glmfit.after.prediction import Part, linear_predictors, parts
from glmfit.after.saved import SavedModel
from glmfit.errors import DataError, ModelError
from glmfit.families.censored import censored
from glmfit.formula import Evaluator, condition, learned_part, parse, row_factors, truth
from glmfit.result import Fingerprint
from glmfit.rows import hashed
from glmfit.rows.censoring import censoring, read_censored
from glmfit.rows.response import Observed, of_shares, response_numbers, successes, supported
from glmfit.rows.weights import exact_mean, positive, values_of
from glmfit.spec import ModelSpec
from glmfit.table import Column, Source, Table, is_number

IN_MEMORY = 1 << 24  # bytes of a column that are held while its hash is made


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A run of n rows, of which `new` has the predictors; the rest are (n,), NaN in rows that have no answer.

    `weight` multiplies the log-density, `frequency` is how many units a row stands for, `log_prior` the log of a prior
    weight that divides phi. `bounds` are what a censored response has beside y.
    """

    new: NewRows
    y: np.ndarray
    weight: np.ndarray
    frequency: np.ndarray
    log_prior: np.ndarray
    hashed: Mapping[str, np.ndarray]  # what the fingerprint of a fit is made of, in its order, the weights last
    bounds: Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """m rows of a run that can be evaluated: `part` has their matrices, everything else is (m,).

    `etas` are the linear predictors, with the deviations of random parts after them; `working` and `natural` the
    parameters on either scale, prior weights in phi.
    """

    part: Part
    y: Tensor
    weight: Tensor
    frequency: Tensor
    log_prior: Tensor
    bounds: Mapping[str, Tensor]
    etas: list[Tensor]
    working: list[Tensor]
    natural: list[Tensor]

    @property
    def columns(self) -> Mapping[str, Tensor]:
        """What methods of the family take by name."""
        return self.part.columns

    def repeated(self, times: int) -> Piece:
        """All rows, so many times one after the other."""

        def again(values: Tensor) -> Tensor:
            return values.repeat(times)

        part = replace(self.part, columns={name: again(one) for name, one in self.columns.items()})
        bounds = {name: again(one) for name, one in self.bounds.items()}
        y, weight, frequency, log_prior = (again(v) for v in (self.y, self.weight, self.frequency, self.log_prior))
        etas, working, natural = ([again(v) for v in each] for each in (self.etas, self.working, self.natural))
        return Piece(part, y, weight, frequency, log_prior, bounds, etas, working, natural)

    @property
    def square_weight(self) -> Tensor:
        """The weight of each row in sums of squares."""
        return self.weight * torch.exp(self.log_prior)


def observed_rows(model: SavedModel, source: Source, asked: Asked) -> Iterator[Run]:
    """All rows of a source with their responses, a run at a time."""
    return _Observer(model, source, asked).observed()


def pieces(model: SavedModel, run: Run, keep: bool = False) -> Iterator[Piece]:
    """The rows of a run as numbers, some at a time; with `keep` those that cannot be evaluated are left out."""
    for part in parts(model, run.new, keep):
        yield _piece(model, run, part)


def _piece(model: SavedModel, run: Run, part: Part) -> Piece:
    def own(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values[part.place])

    log_prior = own(run.log_prior)
    with torch.no_grad():
        etas = linear_predictors(model, part)
        working, natural = with_prior(model, etas[: len(model.estimated)], log_prior)
    bounds = {name: own(values) for name, values in run.bounds.items()}
    return Piece(part, own(run.y), own(run.weight), own(run.frequency), log_prior, bounds, etas, working, natural)


def with_prior(model: SavedModel, etas: list[Tensor], log_prior: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """The parameters on their working and natural scales, (m,) each: phi / w for phi where there are prior weights."""
    working, natural = model.working(etas), model.natural(etas)
    if bool((log_prior != 0).any()):
        at = [parameter.name for parameter in model.family.parameters].index("phi")
        working[at] = working[at] - log_prior
        natural[at] = natural[at] * torch.exp(-log_prior)
    return working, natural


def log_likelihoods(model: SavedModel, piece: Piece, log_phi: float | None = None) -> Tensor:
    """(m,) the weighted log-densities, at another phi where `log_phi` is given; of censored rows the probability."""
    family, working = model.family, list(piece.working)
    if log_phi is not None:
        at = [parameter.name for parameter in family.parameters].index("phi")
        working[at] = log_phi - piece.log_prior
    if piece.bounds:
        family = censored(family)
    with torch.no_grad():
        return piece.weight * family.log_density(piece.y, *working, **piece.columns, **piece.bounds)


def row_log_likelihoods(model: SavedModel, source: Source, asked: Asked) -> np.ndarray:
    """(n,) the log-likelihood of each row of a source, NaN where it has none; on the rows of the fit their sum is that
    of the fit: at the dispersion of maximum likelihood, where the model has one that was found by moments."""
    if model.family.quasi:
        model.family.check_distribution()  # raises: it has no density
    runs = list(observed_rows(model, source, asked))
    found = [list(pieces(model, run, asked.missing == "keep")) for run in runs]
    log_phi = _likeliest_phi(model, [piece for run in found for piece in run])
    unit = 1.0
    if model.fit.model.sampling_weights:  # only their ratios mean anything
        weights = np.concatenate([run.weight for run in runs])
        unit = 1 / float(weights[~np.isnan(weights)].mean())  # of the rows that have one
    values = []
    for run, own in zip(runs, found, strict=True):
        out = np.full(run.new.n, math.nan)
        for piece in own:
            out[piece.part.place] = unit * log_likelihoods(model, piece, log_phi).numpy()
        values.append(out)
    return np.concatenate(values)


def _likeliest_phi(model: SavedModel, found: list[Piece]) -> float | None:
    """The log of phi at which the log-likelihood is highest; None where the model's own phi is that, or it has none."""
    if model.fit.dispersion.method not in ("pearson", "deviance") or "phi" not in model.held or not found:
        return None
    from scipy.optimize import minimize_scalar

    def deficit(log_phi: float) -> float:
        return -float(sum(log_likelihoods(model, piece, log_phi).sum() for piece in found))

    centre = math.log(model.held["phi"])
    return float(minimize_scalar(deficit, bracket=(centre - 0.1, centre), tol=1e-10).x)


# ---- Reading ----


def check_of_rows(model: SavedModel) -> None:
    """`ModelError` for a likelihood of all rows together."""
    if not model.predictors:
        message = f"{model.name} is a log_likelihood(params, data), which says nothing of single rows"
        raise ModelError("no_prediction", message, "write the likelihood as log_density")


class _Observer(Reader):
    """The reader of new data, which reads the response, the weights and what decides about rows as well."""

    def __init__(self, model: SavedModel, source: Source, asked: Asked) -> None:
        check_of_rows(model)
        if model.family.grouped:
            message = f"the {model.family.name} family compares the rows of a group: a row by itself has no likelihood"
            raise ModelError("no_prediction", message, "use glmfit predict --of link, or a binomial model")
        said = model.fit.model
        self.spec = ModelSpec(formulas=said.formulas[:1], event=said.event, censor=said.censor)
        header = [*source.header, *(v.name for v in model.fit.blueprint.variables)]
        self.censoring = censoring(self.spec, header)
        observed = self.censoring
        self.response = parse(self.spec, header, (), observed.columns, observed.bounds).response
        for part in self.response.parts:
            if learned_part(part.tree) is not None:
                message = (
                    f"the response '{part.text}' rests on a mean or the like of the rows of the fit, which is not kept"
                )
                raise ModelError("no_prediction", message, "transform the column in the data, and fit that")
        self.where = None if said.where is None else condition(said.where, source.header)
        weighed = ModelSpec(
            weights=said.weights, freq_weights=said.freq_weights, sampling_weights=said.sampling_weights
        )
        self.weighed = row_factors(weighed, source.header)  # one of them at most
        of_weights = [name for factor in self.weighed.values() for name in factor.columns]
        clusters = [name for name in model.fit.covariance.clusters or () if name in source.header]
        bounds = observed.bounds or ()
        needed = [*self.response.columns, *observed.columns, *of_weights, *clusters]
        super().__init__(
            model,
            source,
            replace(asked, trials=True),
            further=[name for name in needed if name not in bounds],
            loose=[*bounds, *(self.where.columns if self.where is not None else ())],
            words=self.response.columns if self._worded(model) else (),
        )
        self.trials_are_weights = model.family.trials and self.response.kind == "value" and bool(model.trials)
        self.other: str | None = None  # the level of a response of two that is no success

    @staticmethod
    def _worded(model: SavedModel) -> bool:
        """Whether the response was text when the model was fitted."""
        levels = model.fit.model.levels or ((model.fit.model.success,) if model.fit.model.success else ())
        return any(not is_number(level) and level not in ("True", "False") for level in levels)

    def observed(self) -> Iterator[Run]:
        for rows in self.runs():
            yield self._observe(rows)

    def inside(self, table: Table) -> np.ndarray:
        keep = self.has_effects(table)
        if self.where is not None:
            keep &= truth(self.where, table) == 1
        if self.censoring.bounds is not None:
            lower, upper = (table.numbers(name) for name in self.censoring.bounds)
            nothing = ~((lower > -math.inf) | (upper < math.inf))
            if self.asked.missing == "error" and (nothing & keep).any():
                row = table.rows[np.argmax(nothing & keep)]
                message = f"'{self.response.label}' is missing in row {row} of {table.source}"
                raise DataError("missing_values", message, "complete it, or write --missing keep")
            keep &= ~nothing
        return keep

    def counted(self, table: Table) -> np.ndarray:
        keep = np.ones(len(table), dtype=bool)
        for factor in self.weighed.values():
            keep &= values_of(factor, table) != 0
        if self.model.family.trials and self.response.kind in ("ratio", "cbind"):
            evaluator = Evaluator(table)
            first, second = (evaluator.numbers(part) for part in self.response.parts)
            keep &= ~((first == 0) & (second == 0))
        return keep

    def _observe(self, rows: NewRows) -> Run:
        table, n = rows.table, rows.n
        said = self.model.fit.model
        given = None
        for role, factor in self.weighed.items():
            given = positive(table, factor, f"--{role.replace('_', '-')}")
        y, trials, bounds = self._response(table)
        told = {"y": y, **({} if trials is None else {"trials": trials})}
        told |= {name: bounds[name] for name in sorted(bounds)}
        weight, log_prior = np.ones(len(table)), np.zeros(len(table))
        frequency = given if given is not None and said.freq_weights else weight
        if given is not None and not self.trials_are_weights:
            told["weights"] = given
            if said.weights and self.model.family.weighs_phi:
                log_prior = np.log(given)
            else:
                weight = given
        known = np.isfinite(y)  # not so where a level that the model does not know is kept
        if not known.all():
            rows = rows.rows(np.flatnonzero(known))

        def whole(values: np.ndarray) -> np.ndarray:
            return complete(values[known], rows.place, n)

        return Run(
            rows,
            whole(y),
            whole(weight),
            whole(frequency),
            whole(log_prior),
            {name: values[known] for name, values in told.items()},
            {name: whole(values) for name, values in bounds.items()},
        )

    def _response(self, table: Table) -> tuple[np.ndarray, np.ndarray | None, dict[str, np.ndarray]]:
        """y, the trials and the bounds of the rows of a table."""
        family, what = self.model.family, self.response
        if self.censoring.columns or self.spec.censor is not None:
            found = read_censored(what, table, censored(family), self.censoring)
            return found.y, None, dict(found.extra)
        name = what.parts[0].column if what.kind == "value" else None
        column = None if name is None else table[name]
        if family.categories:
            return self._codes(table, column), None, {}
        if self.model.fit.model.success is not None and column is not None:
            return self._success(table, column), np.ones(len(table)) if family.trials else None, {}
        evaluator = Evaluator(table)
        if self.trials_are_weights:
            trials = values_of(self.weighed["weights"], table)
            found = Observed(what.label, of_shares(evaluator.numbers(what.parts[0]), trials), trials)
        elif family.trials:
            found = successes(what, evaluator, None, table.rows, quasi=True)
        else:
            found = Observed(what.label, response_numbers(what, evaluator, family))
        found = supported(found, family, table.rows)
        return found.y, found.trials, {}

    def _codes(self, table: Table, column: Column | None) -> np.ndarray:
        """(m,) the categories as codes of the model's levels, NaN for one that it has not."""
        known = self.model.fit.model.levels
        if column is None:
            values = response_numbers(self.response, Evaluator(table), self.model.family)
            column = Column(self.response.label, "number", values)
        levels, codes = as_text(column)
        place = np.array([float(known.index(level)) if level in known else math.nan for level in levels] or [math.nan])
        return self._known(table, column.name, levels, codes, place, known)

    def _success(self, table: Table, column: Column) -> np.ndarray:
        """(m,) 1 where the response is the success, 0 where it is the other level, of which there is one."""
        success = str(self.model.fit.model.success)
        levels, codes = as_text(column)
        for at in dict.fromkeys(codes.tolist()):
            if levels[at] != success and self.other is None:
                self.other = levels[at]
        known = (success, self.other or "")
        place = np.array([float(level == success) if level in known else math.nan for level in levels] or [math.nan])
        return self._known(table, column.name, levels, codes, place, known)

    def _known(
        self, table: Table, name: str, levels: object, codes: np.ndarray, place: np.ndarray, known: tuple[str, ...]
    ) -> np.ndarray:
        values: np.ndarray = place[codes] if len(codes) else np.zeros(0)
        strange = np.isnan(values)
        if strange.any() and self.asked.missing == "error":
            at = int(np.argmax(strange))
            raise unseen(name, levels[codes[at]], int(table.rows[at]), known)  # type: ignore[index]
        return values


# ---- Whether they are the rows of the fit ----


class Tally:
    """A fingerprint in the making, of runs that are not held in memory."""

    def __init__(self) -> None:
        self.rows = 0
        self._files: dict[str, IO[bytes]] = {}

    def add(self, run: Run) -> None:
        """The rows of one more run."""
        self.rows += len(run.new.place)
        for name, values in run.hashed.items():
            if name not in self._files:
                self._files[name] = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - lives as long as this
            self._files[name].write(np.ascontiguousarray(values, dtype="<f8").tobytes())

    def fingerprint(self, model: SavedModel) -> Fingerprint:
        """That of all rows so far, as a fit to them would leave it."""
        weights = hashed([self._scaled(model)]) if "weights" in self._files else None
        response = hashed(block for name in self._files if name != "weights" for block in self._blocks(name))
        return Fingerprint(self.rows, response, weights)

    def unit(self, model: SavedModel) -> float:
        """What weights are multiplied by: of sampling weights only the ratios mean anything."""
        if not (model.fit.model.sampling_weights and self.rows):
            return 1.0
        return 1 / exact_mean(self._all("weights"))

    def _scaled(self, model: SavedModel) -> np.ndarray:
        weights = self._all("weights")
        return weights / exact_mean(weights) if model.fit.model.sampling_weights else weights

    def _all(self, name: str) -> np.ndarray:
        return np.concatenate(list(self._blocks(name)))

    def _blocks(self, name: str) -> Iterator[np.ndarray]:
        file = self._files[name]
        file.seek(0)
        while block := file.read(IN_MEMORY):
            yield np.frombuffer(block, dtype="<f8")
