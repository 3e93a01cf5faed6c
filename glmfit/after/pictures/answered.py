"""The rows of data that a model has an answer for, a piece at a time, with their numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from glmfit.after.newdata import Asked
from glmfit.after.rows import Piece, Run, observed_rows, pieces
from glmfit.after.saved import SavedModel
from glmfit.errors import DataError
from glmfit.table import Source


def numbered(model: SavedModel, source: Source, asked: Asked) -> Iterator[tuple[np.ndarray, Piece, Run]]:
    """Pieces with the numbers (m,) of their rows in the source, from 1 on, and the run that they are of."""
    seen, empty = 0, True
    for run in observed_rows(model, source, asked):
        for piece in pieces(model, run, asked.missing == "keep"):
            if len(piece.y):
                empty = False
                yield seen + 1 + piece.part.place, piece, run
        seen += run.new.n
    if empty:
        raise DataError("no_rows", f"no row of {source.name} has an answer", "check --missing keep, and the data")
