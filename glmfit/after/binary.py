"""How well probabilities of a response of 0 and 1 do: calibration, the Brier score, and the area under the ROC curve.

Hosmer and Lemeshow's chi-square compares numbers seen and expected in ten groups of rows by their probability (Hosmer
and Lemeshow 1980); slope and intercept are those of logit Pr(y = 1) on the logit of the probability (Cox 1958).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from glmfit.after.links import fit_again
from glmfit.after.saved import SavedModel
from glmfit.after.verdicts import UNLIKELY, Row, verdict
from glmfit.errors import GlmfitError
from glmfit.inference import Reference

GROUPS = 10
FAIR, GOOD, EXCELLENT = 0.6, 0.7, 0.8  # areas under the curve from which on ranks are called that


def binary_checks(model: SavedModel, columns: Mapping[str, np.ndarray]) -> Iterator[Row]:
    """The rows of a binary response; none for another."""
    y, p, f = columns["y"], columns["fitted"], columns["frequency"]
    if not (model.family.trials and (columns["trials"] == 1).all() and np.isin(y, (0.0, 1.0)).all()):
        return
    if not 0 < (f * y).sum() < f.sum():
        return
    yield from _hosmer_lemeshow(y, p, f)
    yield from _calibration(model, columns, p)
    brier, least = float((f * (y - p) ** 2).sum() / f.sum()), float((f * y).sum() / f.sum())
    constant = least * (1 - least)
    words = f"{100 * (1 - brier / constant):.3g}% better than a constant"
    yield verdict("brier", words, brier)
    area = auc(y, p, f)
    rank = "excellent" if area >= EXCELLENT else "good" if area >= GOOD else "fair" if area >= FAIR else "poor"
    yield verdict("auc", f"{rank} ranking", area)


def _hosmer_lemeshow(y: np.ndarray, p: np.ndarray, f: np.ndarray) -> Iterator[Row]:
    """In groups by the deciles of the probability; the degrees of freedom are two fewer than groups."""
    from scipy.special import chdtrc

    group, count = groups_by_decile(p, f)
    if count < 3:
        return
    seen, meant, size = (np.bincount(group, values, count) for values in (f * y, f * p, f))
    with np.errstate(divide="ignore", invalid="ignore"):
        chi2 = float(((seen - meant) ** 2 / meant + (seen - meant) ** 2 / (size - meant)).sum())
    df = count - 2
    probability = float(chdtrc(df, chi2))
    words = "badly calibrated" if probability < UNLIKELY else "calibrated"
    yield verdict("hosmer-lemeshow", words, chi2, "chi2", df, probability)


def groups_by_decile(p: np.ndarray, f: np.ndarray) -> tuple[np.ndarray, int]:
    """(n,) the group of each row by the deciles of its probability, and how many groups there are."""
    edges = np.unique(np.quantile(np.repeat(p, f.astype(int)) if (f != 1).any() else p, np.linspace(0, 1, GROUPS + 1)))
    count = max(1, len(edges) - 1)
    return np.clip(np.searchsorted(edges, p, side="left") - 1, 0, count - 1), count


def _calibration(model: SavedModel, columns: Mapping[str, np.ndarray], p: np.ndarray) -> Iterator[Row]:
    """The slope, which is 1 where probabilities are neither too extreme nor too timid, and the intercept at slope 1."""
    inside = (p > 0) & (p < 1)
    own = {name: values[inside] for name, values in columns.items() if len(values) == len(p)}
    if not inside.any() or np.ptp(p[inside]) == 0:
        return
    hat = {"hat": np.log(own["fitted"]) - np.log1p(-own["fitted"])}
    try:
        slope = fit_again(model, own, "hat", hat, {"mu": "logit"}).coefficients[1]
        level = fit_again(model, own, "1", hat, {"mu": "logit"}, "hat").coefficients[0]
    except GlmfitError:
        return
    z = (slope.estimate - 1) / slope.std_error
    wrong = Reference(None).p_value(z)
    words = ("too extreme" if z < 0 else "too timid") if wrong < UNLIKELY else "as it should be, near 1"
    yield verdict("calibration slope", words, slope.estimate, None, None, wrong)
    off = "too low" if level.estimate > 0 else "too high"
    words = off if level.p_value < UNLIKELY else "as it should be, near 0"
    yield verdict("calibration level", words, level.estimate, None, None, level.p_value)


def auc(y: np.ndarray, p: np.ndarray, f: np.ndarray) -> float:
    """Pr(a 1 has a larger probability than a 0), ties by half (Mann and Whitney)."""
    distinct, place = np.unique(p, return_inverse=True)
    ones, zeros = (np.bincount(place.reshape(-1), f * (y == value), len(distinct)) for value in (1.0, 0.0))
    below = np.cumsum(zeros) - zeros
    return float((ones * (below + 0.5 * zeros)).sum() / (ones.sum() * zeros.sum()))
