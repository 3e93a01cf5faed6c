"""Quantile residuals as numbers from 0 to 1, which of a true model are uniform whatever the prediction (DHARMa's way).

    residuals   u = F(y) against the rank of the prediction, with curves of their 0.25, 0.5 and 0.75 quantiles
    qq          the sorted u against i / (n + 1), with the band of each order statistic, Beta(i, n - i + 1),
                and that of all together by Kolmogorov's distance

Under a true model the curves are level. A test of that is always significant in large data: the size counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from glmfit.after.newdata import Asked
from glmfit.after.pictures.smooth import hexagons, quantile_curves, ranks
from glmfit.after.pictures.words import model_line
from glmfit.after.rows import observed_rows, pieces
from glmfit.after.rowwise import quantiles, reasons
from glmfit.after.saved import SavedModel
from glmfit.after.units import Units
from glmfit.errors import DataError, ModelError
from glmfit.report import numbers
from glmfit.report.pictures.frame import Frame
from glmfit.table import Source

MANY = 10_000  # points beyond which hexagons are drawn
LARGE = 5_000  # rows beyond which a test says little
ORDERS = 400  # order statistics that stand for all where there are more
SHARE = 0.95  # of the bands


@dataclass(frozen=True, slots=True, eq=False)
class Uniform:
    """Of m rows, or of the units that they stand for: number, prediction, and u (m,), with log u and log(1 - u)."""

    number: np.ndarray
    prediction: np.ndarray
    normal: np.ndarray
    rows: int
    of: str  # what the prediction is

    @property
    def u(self) -> np.ndarray:
        """Numbers from 0 to 1."""
        from scipy.special import ndtr

        return np.asarray(ndtr(self.normal))


def gathered(model: SavedModel, source: Source, asked: Asked, seed: int) -> Uniform:
    """The quantile residuals of the rows, the same as `glmfit residuals` gives; of frequency weights each unit's."""
    reason = reasons(model).get("quantile")
    if reason is not None:
        hint = "use a family with a distribution function; the forest and effects need none"
        raise ModelError("no_picture", f"there are no quantile residuals to draw: {reason}", hint)
    random, units, seen = np.random.default_rng(seed), Units(model, seed), 0
    weighed = model.fit.model.freq_weights is not None
    parts: list[tuple[np.ndarray, ...]] = []
    for run in observed_rows(model, source, asked):
        uniform = random.random(run.new.n)
        for piece in pieces(model, run, asked.missing == "keep"):
            own = quantiles(model, piece, torch.from_numpy(uniform[piece.part.place]))
            if weighed:
                units.add(piece)
            prediction = _prediction(model, piece)
            parts.append((seen + 1 + piece.part.place, prediction, own.numpy(), piece.frequency.numpy()))
        seen += run.new.n
    if not parts:
        raise DataError("no_rows", f"no row of {source.name} has an answer", "check --missing keep, and the data")
    number, prediction, normal, frequency = (np.concatenate(part) for part in zip(*parts, strict=True))
    rows = len(number)
    drawn = units.drawn() if weighed else ""
    if isinstance(drawn, np.ndarray):
        times = frequency.astype(np.int64)
        number, prediction, normal = np.repeat(number, times), np.repeat(prediction, times), drawn
    there = np.isfinite(normal) | np.isinf(normal)
    if not there.any():
        message = "no row has a quantile residual"
        raise DataError("no_rows", message, "look at them with glmfit residuals")
    what = "fitted mean" if model.family.has_mean else "linear predictor"
    return Uniform(number[there], prediction[there], normal[there], rows, what)


def _prediction(model: SavedModel, piece: Any) -> np.ndarray:
    """(m,) what the rows are ordered by: the mean, or the main linear predictor where there is none."""
    family = model.family
    if family.has_mean:
        with torch.no_grad():
            mean = family.mean(*piece.natural, **piece.columns)
        found = mean / piece.columns["trials"] if family.trials else mean
        if bool(torch.isfinite(found).all()):
            return np.asarray(found.numpy())
    names = [predictor.parameter for predictor in model.estimated]
    return np.asarray(piece.etas[names.index(family.main) if family.main in names else 0].numpy())


# ---- Residuals against predictions ----


def residuals(model: SavedModel, source: Source, asked: Asked, *, seed: int = 1) -> Frame:
    """u against the rank of the prediction; `points`, or `bins` of very many, and `curves` of quantiles."""
    found = gathered(model, source, asked, seed)
    rank, u = ranks(found.prediction), found.u
    n = len(u)
    curves = quantile_curves(rank, u)
    worst = max((abs(value - share) for share, _, value in zip(*curves.values(), strict=True)), default=math.nan)
    tables: dict[str, Any] = {"curves": curves}
    facts: dict[str, Any] = {"points": n, "seed": seed, **uniformity(found)}
    to_read = "Curves of a true model follow the level lines, within chance."
    notes = _verdict(facts, n, to_read=to_read, to_judge="the curves leave the level lines")
    if n > MANY:
        tables["bins"], facts["hexagon"] = hexagons(rank, u, (0, 1), (0, 1))
    else:
        tables["points"] = {"row": found.number, "rank": rank, "prediction": found.prediction, "uniform": u}
    counts, _ = np.histogram(u, bins=20, range=(0, 1))
    tables["histogram"] = {"low": np.arange(20) / 20, "high": np.arange(1, 21) / 20, "count": counts}
    description = (
        f"Uniform quantile residuals of {n:,} observations against the rank of their {found.of}. The curves of their "
        f"quartiles leave the level lines at 0.25, 0.5 and 0.75 by {numbers.short(worst)} at most."
    )
    return Frame(
        "residuals",
        "Quantile residuals against predictions",
        model_line(model.fit, found.rows),
        f"{found.of.capitalize()}, as rank from 0 to 1",
        "Uniform quantile residual",
        tables,
        facts,
        notes,
        description,
    )


def uniformity(found: Uniform) -> dict[str, float]:
    """Kolmogorov's distance of the residuals from uniform, with its p-value."""
    from scipy.stats import kstest

    test = kstest(found.normal, "norm")
    return {"distance": float(test.statistic), "p_value": float(test.pvalue)}


def _verdict(facts: Mapping[str, float], n: int, *, to_read: str, to_judge: str) -> tuple[str, ...]:
    """The test of uniformity, and how the picture is read; in large data that the size counts."""
    text = f"Largest distance from uniform {numbers.short(facts['distance'])}, p {_p(facts['p_value'])}"
    if n < LARGE:
        return f"{text} (Kolmogorov-Smirnov).", to_read
    return (
        f"{text}. In large data such a test is always significant, here for deviations too small to matter: judge how "
        f"far {to_judge}, not the p-value.",
    )


def _p(value: float) -> str:
    text = numbers.p_value(value)
    return text.replace("<", "< ") if text.startswith("<") else f"= {text}"


# ---- Quantiles against quantiles ----


def qq(model: SavedModel, source: Source, asked: Asked, *, seed: int = 1) -> Frame:
    """The sorted u against what is expected of them: `points`, or of very many some order statistics, and `bands`."""
    from scipy.special import betaincinv
    from scipy.stats import kstwo

    found = gathered(model, source, asked, seed)
    order = np.argsort(found.normal, kind="stable")
    u, n = found.u[order], len(order)
    drawn = np.arange(n) if n <= MANY else _some(n)
    tail = 0.5 * (1 - SHARE)
    at = _some(n)
    low, high = (betaincinv(at + 1, n - at, share) for share in (tail, 1 - tail))
    distance = float(kstwo.ppf(SHARE, n))
    expected = (at + 1) / (n + 1)
    bands: dict[str, Any] = {
        "expected": expected,
        "low": low,
        "high": high,
        "all_low": np.maximum((at + 1) / n - distance, 0.0),
        "all_high": np.minimum(at / n + distance, 1.0),
    }
    points: dict[str, Any] = {
        "row": found.number[order][drawn],
        "expected": (drawn + 1) / (n + 1),
        "uniform": u[drawn],
        "normal": found.normal[order][drawn],
    }
    facts: dict[str, Any] = {"points": n, "seed": seed, "share": SHARE, **uniformity(found)}
    to_read = "Inner band: 95 % of each point by itself; outer lines: 95 % of all points together."
    notes = _verdict(facts, n, to_read=to_read, to_judge="the points leave the diagonal")
    inside = "inside" if facts["distance"] <= distance else "outside"
    description = (
        f"A quantile plot of {n:,} uniform quantile residuals. Their largest distance from the diagonal is "
        f"{numbers.short(facts['distance'])}, {inside} the band of {100 * SHARE:g} % for all of them together."
    )
    return Frame(
        "qq",
        "Quantile residuals against uniform quantiles",
        model_line(model.fit, found.rows),
        "Expected",
        "Uniform quantile residual",
        {"points": points, "bands": bands},
        facts,
        notes,
        description,
    )


def _some(n: int) -> np.ndarray:
    """The places of at most so many order statistics as are drawn, the outermost all of them."""
    if n <= ORDERS:
        return np.arange(n)
    ends = np.arange(ORDERS // 8)
    middle = np.linspace(0, n - 1, ORDERS - 2 * len(ends)).round().astype(np.int64)
    return np.unique(np.concatenate([ends, middle, n - 1 - ends]))
