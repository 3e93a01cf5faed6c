"""Influence: what a row does to the coefficients, Cook's distance, against how far out its covariates lie, leverage."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from glmfit.after.influence import influence as of_rows
from glmfit.after.influence import survey
from glmfit.after.newdata import Asked
from glmfit.after.pictures.answered import numbered
from glmfit.after.pictures.smooth import hexagons
from glmfit.after.pictures.words import model_line
from glmfit.after.rowwise import deviance, pearson
from glmfit.after.saved import SavedModel
from glmfit.errors import ModelError
from glmfit.report import numbers
from glmfit.report.pictures.frame import Frame
from glmfit.table import Source

MANY = 10_000  # points beyond which hexagons are drawn
NAMED = 6  # rows


def influence(model: SavedModel, source: Source, asked: Asked) -> Frame:
    """`points`, or `bins` of very many, and the `worst` rows by Cook's distance."""
    whole = survey(model, source, asked)
    if whole.reason is not None:
        message = f"there are no leverages and no Cook's distances to draw: {whole.reason}"
        raise ModelError("no_picture", message, "draw residuals: glmfit plot residuals")
    parts = []
    for number, piece, _ in numbered(model, source, asked):
        with torch.no_grad():
            root = torch.sqrt(whole.unit * piece.square_weight)
            own = {"deviance": root * deviance(model, piece), "pearson": root * pearson(model, piece)}
        found = of_rows(model, piece, whole, own, dfbeta=False)
        parts.append((number, found["leverage"].numpy(), found["cooks_distance"].numpy()))
    row, leverage, cook = (np.concatenate(part) for part in zip(*parts, strict=True))
    exact = int(np.isnan(cook).sum())
    there = np.isfinite(cook)
    if not there.any():
        raise ModelError("no_picture", "every row is fitted exactly: there is nothing to leave out", "fit fewer terms")
    row, leverage, cook = row[there], leverage[there], cook[there]
    order = np.argsort(-cook, kind="stable")[:NAMED]
    p, df = len(whole.places), whole.units - len(whole.places)
    bound = _median_f(p, df)
    tables: dict[str, Any] = {
        "worst": {"row": row[order], "leverage": leverage[order], "cooks_distance": cook[order]},
    }
    facts: dict[str, Any] = {"rows": len(row), "coefficients": p, "mean_leverage": p / whole.units, "bound": bound}
    facts["beyond"] = int((cook > bound).sum()) if math.isfinite(bound) else 0
    if len(row) > MANY:
        ends = ((0.0, float(leverage.max())), (0.0, float(cook.max())))
        tables["bins"], facts["hexagon"] = hexagons(leverage, cook, *ends)
    else:
        tables["points"] = {"row": row, "leverage": leverage, "cooks_distance": cook}
    notes = [
        f"Cook's distance beyond {numbers.short(bound)}, the median of F({p}, {df:g}): {facts['beyond']:,} rows. "
        f"Dotted: the mean leverage, {numbers.short(p / whole.units)}. The largest distances are named by row."
    ]
    if exact:
        notes.append(f"Not drawn, as they are fitted exactly: {exact:,} rows of leverage 1.")
    first = ", ".join(f"row {one} ({numbers.short(value)})" for one, value in zip(row[order], cook[order], strict=True))
    return Frame(
        "influence",
        "Influence of rows",
        model_line(model.fit, len(row)),
        "Leverage",
        "Cook's distance",
        tables,
        facts,
        tuple(notes),
        f"Cook's distance against leverage of {len(row):,} rows. The largest distances are those of {first}.",
    )


def _median_f(p: int, df: float) -> float:
    """The median of F(p, df), NaN where there is none."""
    if not df > 0:
        return math.nan
    from scipy.special import fdtri

    return float(fdtri(p, df, 0.5))
