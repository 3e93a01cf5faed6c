"""`glmfit simulate`: new responses of rows from a saved model, at its estimates, as R's simulate() draws them.

Offsets, trials, the dispersion and prior weights that divide it are those of each row; what a row would be if it were
censored is drawn as if it were not. Of categories a draw is a level. The estimates' own errors are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from glmfit.after.newdata import Asked, NewRows, Reader, complete
from glmfit.after.prediction import linear_predictors, parts
from glmfit.after.rows import with_prior
from glmfit.after.saved import SavedModel
from glmfit.errors import ModelError
from glmfit.families import Family
from glmfit.formula import Factor, role_factor
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


def simulations(model: SavedModel, source: Source, asked: Asked, draws: int = 1, seed: int = 1) -> Iterator[Drawn]:
    """Draws for all rows of a source, a run at a time; the same seed gives the same draws."""
    _check(model)
    random = np.random.default_rng(seed)
    said, divides = model.fit.model.weights, model.family.weighs_phi
    weights = role_factor("weights", said, source.header) if said is not None and divides else None
    reader = Reader(model, source, replace(asked, trials=True), further=weights.columns if weights else ())
    for rows in reader.runs():
        yield _drawn(model, rows, weights, draws, random, asked.missing == "keep")


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
    model: SavedModel, rows: NewRows, weights: Factor | None, draws: int, random: np.random.Generator, keep: bool
) -> Drawn:
    prior = positive(rows.table, weights, "--weights")
    log_prior = complete(np.log(np.ones(len(rows.place)) if prior is None else prior), rows.place, rows.n)
    found, place = [np.zeros((0, draws))], [np.zeros(0, dtype=np.int64)]
    for part in parts(model, rows, keep):
        with torch.no_grad():
            etas = linear_predictors(model, part)
            natural = with_prior(model, etas, torch.from_numpy(log_prior[part.place]))[1]
        values = [value.numpy() for value in natural]
        columns = {name: column.numpy() for name, column in part.columns.items()}
        found.append(np.stack([model.family.simulate(random, *values, **columns) for _ in range(draws)], axis=1))
        place.append(part.place)
    levels: Sequence[str] = model.fit.model.levels if model.family.categories else ()
    drawn = complete(np.concatenate(found), np.concatenate(place), rows.n)
    if model.family.support.integer and np.isfinite(drawn).all():
        drawn = drawn.astype(np.int64)
    return Drawn(rows.n, drawn, rows.kept, tuple(levels))
