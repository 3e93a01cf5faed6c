"""Quantile residuals of units where a row stands for several: a row of frequency f has f of them, as f rows would."""

from __future__ import annotations

import numpy as np
import torch

from glmfit.after.rows import Piece
from glmfit.after.rowwise import quantiles
from glmfit.after.saved import SavedModel

MOST_UNITS = 1_000_000  # each with a quantile residual of its own


class Units:
    """Those of the pieces added, in turn, or why there are none: frequencies that are not whole, or too many."""

    def __init__(self, model: SavedModel, seed: int) -> None:
        self.model, self.random = model, np.random.default_rng((seed, 1))
        self.parts, self.count, self.reason = [np.zeros(0)], 0.0, ""

    def add(self, piece: Piece) -> None:
        """The units of some more rows."""
        self.count += float(piece.frequency.sum())
        if bool((piece.frequency != torch.round(piece.frequency)).any()):
            self.reason = "frequencies are not whole"
        elif self.count > MOST_UNITS:
            self.reason = self.reason or f"over {MOST_UNITS} units"
        if self.reason:
            self.parts.clear()
            return
        times = piece.frequency.long()
        uniform = torch.from_numpy(self.random.random(int(times.sum())))
        self.parts.append(quantiles(self.model, piece, uniform, times).numpy())

    def drawn(self) -> np.ndarray | str:
        """The residuals of all units, or the reason that there are none."""
        return self.reason or np.concatenate(self.parts)
