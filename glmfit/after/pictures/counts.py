"""The rootogram: how often each count was seen, and how often the model has it, on a square-root scale.

    expected(k) = sum_i f_i Pr(Y_i = k)        hanging: the bar goes from sqrt(expected) down by sqrt(observed)

A bar that ends within 1 of the axis is no surprise (Tukey's limits): the square root of a count varies by about 1/2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from glmfit.after.newdata import Asked
from glmfit.after.pictures.answered import numbered
from glmfit.after.pictures.words import PLAIN, Labels, model_line
from glmfit.after.rows import Piece
from glmfit.after.saved import SavedModel
from glmfit.errors import ModelError
from glmfit.report.pictures.frame import Frame
from glmfit.table import Source

MOST_BARS = 50
LIMIT = 1.0
CELLS = 2_000_000  # of rows times counts


def rootogram(model: SavedModel, source: Source, asked: Asked, labels: Labels = PLAIN) -> Frame:
    """A row of `bars` for each count, or for each range of counts where they reach far."""
    family = model.family
    if not (family.has_distribution and family.support.integer and family.support.lower >= 0):
        what = "has no density" if family.quasi else "is none of counts"
        message = f"a rootogram is of counts, and the {family.name} family {what}"
        raise ModelError("no_picture", message, "draw residuals, or the calibration of a response of 0 and 1")
    found = [piece for _, piece, _ in numbered(model, source, asked)]
    if family.trials and all(bool((piece.columns["trials"] == 1).all()) for piece in found):
        message = "a rootogram is of counts, and this response is of 0 and 1"
        raise ModelError("no_picture", message, "draw its calibration: glmfit plot calibration")
    largest = max(float(piece.y.max()) for piece in found)
    width = _width(largest)
    starts = np.arange(0, largest + 1, width)
    seen, meant = np.zeros(len(starts)), np.zeros(len(starts))
    uneven = 0.0
    for piece in found:
        f, y = piece.frequency.numpy(), piece.y.numpy()
        seen += np.bincount((y // width).astype(np.int64), f, len(starts))
        uneven += float((f * (y != np.round(y))).sum())
        meant += _expected(model, piece, starts, width)
    hanging = np.sqrt(meant) - np.sqrt(seen)
    bars = {"low": starts, "high": starts + width - 1, "observed": seen, "expected": meant, "hanging": hanging}
    outside = int((np.abs(hanging) > LIMIT).sum())
    facts = {"units": float(seen.sum()), "width": width, "limit": LIMIT, "outside": outside}
    notes = [f"{outside} of {len(starts)} bars end beyond 1 above or below the axis: fewer or more than expected."]
    if uneven:
        notes.append(f"{uneven:,.0f} responses are no whole numbers, and are counted with the next smaller one.")
    if model.fit.model.sampling_weights:
        notes.append("Sampling weights are not counted.")
    response = labels(model.fit.model.response)
    worst = int(np.argmax(np.abs(hanging)))
    where = f"{starts[worst]:.0f}" if width == 1 else f"{starts[worst]:.0f} to {starts[worst] + width - 1:.0f}"
    return Frame(
        "rootogram",
        f"Hanging rootogram of {response}",
        model_line(model.fit),
        response if width == 1 else f"{response}, in steps of {width}",
        "Square root of the number of rows",
        {"bars": bars},
        facts,
        tuple(notes),
        f"A hanging rootogram of {seen.sum():,.0f} counts. {outside} of {len(starts)} bars end beyond the limits of 1; "
        f"furthest off is {where}, seen {seen[worst]:,.0f} times and expected {meant[worst]:,.1f} times.",
    )


def _width(largest: float) -> int:
    """How many counts are in a bar: 1, 2, 5, 10, 20 ..."""
    width, steps = 1, (2, 2.5, 2)
    at = 0
    while (largest + 1) / width > MOST_BARS:
        width = int(width * steps[at % 3])
        at += 1
    return width


def _expected(model: SavedModel, piece: Piece, starts: np.ndarray, width: int) -> np.ndarray:
    """How often the rows of a piece should give each of the counts, or of the ranges of them."""
    family, n = model.family, len(piece.y)
    found = np.zeros(len(starts))
    f = piece.frequency
    for first in range(0, n, size := max(1, CELLS // len(starts))):
        rows = slice(first, first + size)
        working = [value[rows] for value in piece.working]
        columns = {name: column[rows] for name, column in piece.columns.items()}
        with torch.no_grad():
            found += (f[rows] @ _probabilities(family, starts, width, working, columns)).numpy()
    return found


def _probabilities(family: Any, starts: np.ndarray, width: int, working: Any, columns: Any) -> torch.Tensor:
    """(m, q) Pr(low <= Y < low + width) of each row."""
    m = len(working[0])
    lows = torch.from_numpy(starts.astype(float))
    if width == 1:
        k = lows[None, :].expand(m, -1)
        _, upper = family.ends(*working, **columns)
        inside = (k >= family.support.lower) & (k <= upper[:, None])
        logs = family.log_masses(
            torch.where(inside, k, upper[:, None].clamp(max=float(starts[-1]))), *working, **columns
        )
        return torch.where(inside, torch.exp(logs), 0.0)
    below = [torch.exp(family.tails(torch.full((m,), low - 1.0), *working, **columns)[0]) for low in lows.tolist()]
    top = torch.exp(family.tails(torch.full((m,), float(lows[-1]) + width - 1), *working, **columns)[0])
    return torch.diff(torch.stack([*below, top], dim=1), dim=1)
