"""Pictures of a response of 0 and 1: whether probabilities are as they say, and how well they tell the two apart.

    calibration   the share of ones against the mean probability in groups by its deciles, with Wilson's intervals
    roc           Pr(p > t | y = 1) against Pr(p > t | y = 0) over all t, and the area below with DeLong's interval

A row of frequency f counts as f rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from glmfit.after.binary import auc, groups_by_decile
from glmfit.after.newdata import Asked
from glmfit.after.pictures.answered import numbered
from glmfit.after.pictures.words import model_line
from glmfit.after.saved import SavedModel
from glmfit.errors import ModelError
from glmfit.inference import Reference
from glmfit.report.pictures.frame import Frame
from glmfit.table import Source

MOST_CORNERS = 2_000  # of a curve
BINS = 20  # of the probabilities


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Of n rows: the response 0 or 1, its fitted probability, and how many units the row stands for."""

    y: np.ndarray
    p: np.ndarray
    f: np.ndarray

    @property
    def units(self) -> float:
        return float(self.f.sum())


def _answers(model: SavedModel, source: Source, asked: Asked, what: str) -> Answers:
    """The rows; `ModelError` for a response that is not of 0 and 1, or of one of them alone."""
    family = model.family
    if not family.trials:
        message = f"{what} is of a response of 0 and 1, and this is a {family.name} model of {model.fit.model.response}"
        hint = "of counts a rootogram, of any response residuals: glmfit plot rootogram, glmfit plot residuals"
        raise ModelError("no_picture", message, hint)
    parts = []
    for _, piece, _ in numbered(model, source, asked):
        trials = piece.columns["trials"]
        mean = family.mean(*piece.natural, **piece.columns) / trials
        parts.append(tuple(one.numpy() for one in (piece.y, mean, piece.frequency, trials)))
    y, p, f, size = (np.concatenate(part) for part in zip(*parts, strict=True))
    if not ((size == 1).all() and np.isin(y, (0.0, 1.0)).all()):
        message = f"{what} is of a response of 0 and 1, and {model.fit.model.response} is successes out of more trials"
        raise ModelError("no_picture", message, "give the trials as rows; or draw residuals")
    if not 0 < (f * y).sum() < f.sum():
        message = f"every response of these rows is {y[0]:g}: {what} needs both"
        raise ModelError("no_picture", message, "give rows of both kinds")
    if not np.isfinite(p).all():
        message = "some rows have no fitted probability: coefficients that cancel there are infinite"
        raise ModelError("no_picture", message, "the data are separated: fit with --bias-reduction firth")
    return Answers(y, p, f)


# ---- Calibration ----


def calibration(model: SavedModel, source: Source, asked: Asked, *, level: float | None = None) -> Frame:
    """A row of `groups` for each decile of the probability, and how the probabilities are spread."""
    found = _answers(model, source, asked, "calibration")
    level = model.fit.level if level is None else level
    y, p, f = found.y, found.p, found.f
    group, count = groups_by_decile(p, f)
    ones, meant, size = (np.bincount(group, values, count) for values in (f * y, f * p, f))
    there = size > 0
    share, mean = ones[there] / size[there], meant[there] / size[there]
    low, high = wilson(share, size[there], Reference(None).quantile(level))
    groups = {"n": size[there], "predicted": mean, "observed": share, "conf_low": low, "conf_high": high}
    seen = {value: np.histogram(p, BINS, (0, 1), weights=f * (y == value))[0] for value in (0, 1)}
    ends = np.linspace(0, 1, BINS + 1)
    spread = {"low": ends[:-1], "high": ends[1:], "zeros": seen[0], "ones": seen[1]}
    outside = int(((mean < low) | (mean > high)).sum())
    brier = float((f * (y - p) ** 2).sum() / f.sum())
    facts = {"units": found.units, "level": level, "groups": int(there.sum()), "outside": outside, "brier": brier}
    success = _success(model)
    note = (
        f"Groups of about {found.units / there.sum():,.0f} by the deciles of the probability, with {100 * level:g} % "
        f"intervals (Wilson); {outside} of {int(there.sum())} do not hold the diagonal. Brier score {brier:.4g}."
    )
    return Frame(
        "calibration",
        f"Calibration of Pr({success})",
        model_line(model.fit, len(y)),
        f"Predicted probability of {success}",
        f"Observed share of {success}",
        {"groups": groups, "spread": spread},
        facts,
        (note,),
        f"Observed shares against predicted probabilities in {int(there.sum())} groups; in {outside} of them the "
        f"interval of the share does not hold the mean probability.",
    )


def wilson(share: np.ndarray, size: np.ndarray, quantile: float) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's score interval of a share of so many (Wilson 1927)."""
    z2 = quantile**2 / size
    middle = (share + 0.5 * z2) / (1 + z2)
    half = np.sqrt(z2 * share * (1 - share) + 0.25 * z2**2) / (1 + z2)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


def _success(model: SavedModel) -> str:
    said = model.fit.model
    return said.response if said.success is None else f"{said.response} = {said.success}"


# ---- ROC ----


def roc(model: SavedModel, source: Source, asked: Asked, *, level: float | None = None) -> Frame:
    """The corners of the `curve` with their thresholds, and the area with its interval."""
    found = _answers(model, source, asked, "a ROC curve")
    level = model.fit.level if level is None else level
    area, error = delong(found)
    half = Reference(None).quantile(level) * error
    low, high = max(area - half, 0.0), min(area + half, 1.0)
    facts = {"area": area, "std_error": error, "conf_low": low, "conf_high": high, "level": level}
    ones = float((found.f * found.y).sum())
    facts |= {"ones": ones, "zeros": found.units - ones}
    said = f"Area below the curve {area:.4g}, {100 * level:g} % interval {low:.4g} to {high:.4g} (DeLong)"
    note = f"{said}; {ones:,.0f} of {_success(model)}, {found.units - ones:,.0f} others."
    return Frame(
        "roc",
        f"ROC curve of Pr({_success(model)})",
        model_line(model.fit, len(found.y)),
        "False positive rate (1 - specificity)",
        "True positive rate (sensitivity)",
        {"curve": _corners(found)},
        facts,
        (note, "On the data of the fit it is better than on new data."),
        f"{said}; 0.5 is chance.",
    )


def _corners(found: Answers) -> dict[str, Any]:
    """From the strictest threshold down; where there are very many, those furthest along."""
    distinct, place = np.unique(-found.p, return_inverse=True)
    ones, zeros = (
        np.cumsum(np.bincount(place.reshape(-1), found.f * (found.y == value), len(distinct))) for value in (1, 0)
    )
    true, false = np.r_[0.0, ones / ones[-1]], np.r_[0.0, zeros / zeros[-1]]
    threshold = np.r_[math.inf, -distinct]
    if len(true) > MOST_CORNERS:
        along = true + false
        at = np.unique(np.searchsorted(along, np.linspace(0, 2, MOST_CORNERS)).clip(0, len(true) - 1))
        true, false, threshold = true[at], false[at], threshold[at]
    return {"false_positive": false, "true_positive": true, "threshold": threshold}


def delong(found: Answers) -> tuple[float, float]:
    """The area and its standard error: SE^2 = Var(V10) / n1 + Var(V01) / n0 (DeLong, DeLong and Clarke-Pearson 1988).

    V10 of a one is the share of zeros below it, V01 of a zero the share of ones above, ties by half.
    """
    y, p, f = found.y, found.p, found.f
    distinct, place = np.unique(p, return_inverse=True)
    place = place.reshape(-1)
    ones, zeros = (np.bincount(place, f * (y == value), len(distinct)) for value in (1, 0))
    below = np.cumsum(zeros) - 0.5 * zeros
    above = ones.sum() - (np.cumsum(ones) - 0.5 * ones)
    variance = 0.0
    for weight, value in ((ones, below / zeros.sum()), (zeros, above / ones.sum())):
        n = weight.sum()
        if n < 2:
            return auc(y, p, f), math.nan
        mean = (weight * value).sum() / n
        variance += float((weight * (value - mean) ** 2).sum() / (n - 1) / n)
    return auc(y, p, f), math.sqrt(variance)
