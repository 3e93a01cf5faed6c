"""`glmfit residuals`: residuals and influence of all rows of a source, a run at a time, in their order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from glmfit.after.conditional import OF_RESIDUALS, with_random
from glmfit.after.influence import NAMES as INFLUENCE
from glmfit.after.influence import Survey, dfbeta_names, influence, survey
from glmfit.after.newdata import Asked, complete
from glmfit.after.predict import Predicted
from glmfit.after.rows import Run, observed_rows, pieces
from glmfit.after.rowwise import NAMES, reasons, residuals
from glmfit.after.saved import SavedModel
from glmfit.errors import Finding
from glmfit.table import Source

SEED = 1  # of the uniform numbers that place the quantile residuals of counts


def residual_runs(
    model: SavedModel,
    source: Source,
    asked: Asked,
    seed: int = SEED,
    dfbeta: bool = False,
    random_effects: str | None = None,
) -> tuple[tuple[Finding, ...], Iterator[Predicted]]:
    """What must be said of the columns, and the columns of all rows; the rows are read once before."""
    model = with_random(model, random_effects, OF_RESIDUALS, seed)
    whole = survey(model, source, asked)
    asked = replace(asked, missing=whole.missing)
    names = (*NAMES, *INFLUENCE, *(dfbeta_names(model) if dfbeta else ()))
    return tuple(_findings(model, whole, dfbeta)), _runs(model, source, asked, whole, names, seed)


def _findings(model: SavedModel, whole: Survey, dfbeta: bool) -> Iterator[Finding]:
    empty: dict[str, list[str]] = {}
    for name, reason in reasons(model).items():
        empty.setdefault(reason, []).append(name)
    if whole.reason is not None:
        empty[whole.reason] = [*INFLUENCE, *(["dfbeta"] if dfbeta else [])]
    if model.fit.model.censor or model.fit.model.event:
        rows = "in rows whose response is only known to lie between bounds all but fitted and quantile are empty"
        yield Finding("empty_columns", rows)
    if model.fit.identification.separation is not None:
        rows = "rows that the model separates may have nothing: coefficients that cancel there are infinite"
        yield Finding("empty_columns", rows)
    for reason, names in empty.items():
        listed = f"{', '.join(names[:-1])} and {names[-1]} are" if len(names) > 1 else f"{names[0]} is"
        yield Finding("empty_columns", f"{listed} empty: {reason}")


def _runs(
    model: SavedModel, source: Source, asked: Asked, whole: Survey, names: tuple[str, ...], seed: int
) -> Iterator[Predicted]:
    random = np.random.default_rng(seed)
    for run in observed_rows(model, source, asked):
        uniform = random.random(run.new.n)  # one for every row, so that they do not depend on the runs
        yield Predicted(run.new.n, _columns(model, run, whole, names, uniform, asked.missing == "keep"), run.new.kept)


def _columns(
    model: SavedModel, run: Run, whole: Survey, names: tuple[str, ...], uniform: np.ndarray, keep: bool
) -> dict[str, np.ndarray]:
    found: dict[str, list[np.ndarray]] = {name: [np.zeros(0)] for name in names}
    place: list[np.ndarray] = [np.zeros(0, dtype=np.int64)]
    dfbeta = len(names) > len(NAMES) + len(INFLUENCE)
    for piece in pieces(model, run, keep):
        values = residuals(model, piece, torch.from_numpy(uniform[piece.part.place]), whole.unit)
        if whole.reason is None:
            values |= influence(model, piece, whole, values, dfbeta)
        nothing = torch.full_like(piece.y, float("nan"))
        for name in names:
            found[name].append(values.get(name, nothing).numpy())
        place.append(piece.part.place)
    at = np.concatenate(place)
    return {name: complete(np.concatenate(values), at, run.new.n) for name, values in found.items()}
