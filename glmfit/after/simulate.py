"""`glmfit simulate`: new responses of rows from a saved model, at its estimates, as R's simulate() draws them.

Offsets, trials, the dispersion and prior weights that divide it are those of each row; what a row would be if it were
censored is drawn as if it were not. Of categories a draw is a level. Random effects are drawn too, anew for each level
of the data, unless they shall be those of the fit. The estimates' own errors are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from glmfit.after.conditional import OF_SIMULATIONS, row_levels, with_random
from glmfit.after.law import Term, multipliers, terms_of
from glmfit.after.newdata import Asked, NewRows, Reader, complete
from glmfit.after.prediction import Part, linear_predictors, parts
from glmfit.after.rows import with_prior
from glmfit.after.saved import SavedModel
from glmfit.errors import ModelError
from glmfit.families import Family
from glmfit.formula import Evaluator, Factor, role_factor
from glmfit.rows.weights import positive
from glmfit.table import Source


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Draws (n, m) for a run of n rows, NaN where a row has none: numbers, or codes of `levels`; `kept` columns."""

    n: int
    draws: np.ndarray
    kept: Mapping[str, Any]
    levels: tuple[str, ...] = ()

    @property
    def without_answer(self) -> int:
        """How many rows have no draws."""
        return int(np.isnan(self.draws[:, 0]).sum())


def simulations(
    model: SavedModel, source: Source, asked: Asked, draws: int = 1, seed: int = 1, random_effects: str | None = None
) -> Iterator[Drawn]:
    """Draws for all rows of a source, a run at a time; the same seed gives the same draws."""
    _check(model)
    model = _with_random(model, random_effects)
    effects = FreshEffects(model, draws, seed) if model.random == "fresh" else None
    random = np.random.default_rng(seed)
    said, divides = model.fit.model.weights, model.family.weighs_phi
    weights = role_factor("weights", said, source.header) if said is not None and divides else None
    reader = Reader(model, source, replace(asked, trials=True), further=weights.columns if weights else ())
    for rows in reader.runs():
        yield _drawn(model, rows, weights, draws, random, asked.missing == "keep", effects)


def _with_random(model: SavedModel, how: str | None) -> SavedModel:
    """The model whose random effects are those of the fit, 0, or left to be drawn."""
    chosen = with_random(model, how, OF_SIMULATIONS)
    return replace(model, random="fresh") if chosen.random == "population" else chosen


class FreshEffects:
    """Random effects of any levels, of each as many as there are draws, made when a row first has the level."""

    def __init__(self, model: SavedModel, draws: int, seed: int) -> None:
        self.model, self.draws = model, draws
        self.terms = [(formula, terms_of(model, formula)) for formula in model.estimated]
        # one for each term, so that they do not depend on the runs
        self.random = {t.at: np.random.default_rng((seed, 2, t.at)) for _, terms in self.terms for t in terms}
        self.known: dict[tuple[int, tuple[str, ...]], Tensor] = {}

    def of(self, part: Part) -> list[Tensor]:
        """(n, draws) what they add to each of the linear predictors."""
        evaluator = Evaluator(part.table, state=self.model.state)
        out = []
        for formula, terms in self.terms:
            total = torch.zeros((len(part), self.draws), dtype=torch.float64)
            for term in terms:
                z = multipliers(self.model, formula, term, part.table, evaluator)
                levels = row_levels(self.model, term.written, part.table)
                for at in np.argsort(levels.first).tolist():
                    self._make(term, levels.names[at])
                b = torch.stack([self.known[term.at, name] for name in levels.names])  # (levels, d, draws)
                total += torch.einsum("nd,ndr->nr", z, b[torch.from_numpy(levels.codes)])
            out.append(total)
        return out

    def _make(self, term: Term, level: tuple[str, ...]) -> None:
        if (term.at, level) not in self.known:
            normal = self.random[term.at].standard_normal((len(term.L), self.draws))
            self.known[term.at, level] = term.L @ torch.from_numpy(normal)


def _check(model: SavedModel) -> None:
    """Raises for a model that says nothing of single rows, or has no distribution."""
    if not model.predictors:
        message = f"{model.name} is a log_likelihood(params, data), which says nothing of single rows"
        raise ModelError("no_prediction", message, "write the likelihood as log_density")
    if model.family.grouped:
        message = f"the {model.family.name} family draws the rows of a group together"
        raise ModelError("no_prediction", message, "fit a binomial model to simulate rows one by one")
    own = type(model.family).simulate is not Family.simulate
    if model.family.quasi or not own:
        model.family.check_distribution()


def _drawn(
    model: SavedModel,
    rows: NewRows,
    weights: Factor | None,
    draws: int,
    random: np.random.Generator,
    keep: bool,
    effects: FreshEffects | None,
) -> Drawn:
    prior = positive(rows.table, weights, "--weights")
    log_prior = complete(np.log(np.ones(len(rows.place)) if prior is None else prior), rows.place, rows.n)
    found, place = [np.zeros((0, draws))], [np.zeros(0, dtype=np.int64)]
    for part in parts(model, rows, keep):
        columns = {name: column.numpy() for name, column in part.columns.items()}
        own = torch.from_numpy(log_prior[part.place])
        naturals = _naturals(
            model, linear_predictors(model, part), own, draws, None if effects is None else effects.of(part)
        )
        found.append(np.stack([model.family.simulate(random, *values, **columns) for values in naturals], axis=1))
        place.append(part.place)
    levels: Sequence[str] = model.fit.model.levels if model.family.categories else ()
    drawn = complete(np.concatenate(found), np.concatenate(place), rows.n)
    if model.family.support.integer and np.isfinite(drawn).all():
        drawn = drawn.astype(np.int64)
    return Drawn(rows.n, drawn, rows.kept, tuple(levels))


def _naturals(
    model: SavedModel, etas: list[Tensor], log_prior: Tensor, draws: int, effects: list[Tensor] | None
) -> Iterator[list[np.ndarray]]:
    """The parameters of the rows on their natural scales, for one draw after the other."""
    for draw in range(draws):
        if effects is not None or draw == 0:
            moved = etas if effects is None else [eta + b[:, draw] for eta, b in zip(etas, effects, strict=True)]
            with torch.no_grad():
                values = [value.numpy() for value in with_prior(model, moved, log_prior)[1]]
        yield values
