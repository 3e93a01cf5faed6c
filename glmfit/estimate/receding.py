"""Rows that absorbed effects and terms separate together, found without a linear program.

    z = D a + X c nearest to u, which is s on rows at an end and 0 on others;   u <- s max(s z, 0)   until z = u

The iterated rectifier (Correia, Guimaraes & Zylkin 2019, "Verifying the existence of maximum likelihood estimates"): z
is a direction in which no row's log-density falls, and rows with z != 0 are fitted in the limit alone. Rows at an end
whose fit still pulls are none of these, and are held at 0 as well.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from glmfit.errors import Finding
from glmfit.estimate.idle import ends, kept_rows, without_idle
from glmfit.estimate.maximum import Maximum
from glmfit.model import AbsorbedLikelihood, Model
from glmfit.model.absorbed import swept
from glmfit.numerics import Indicators
from glmfit.result import SeparationTerm
from glmfit.rows import Data
from glmfit.trust import Separated, reported_map, reported_moves

PULLS = 1e-6  # a derivative beyond which a row is no candidate: at the end of a search those of separated rows are less
HEAVY = 1e3  # weight of rows that z has to leave alone: the limit is the same for any, and sooner met for a large one
NEARLY = 1e-9  # of a right-hand side, to which effects are solved for
MOVED, STILL = 1e-2, 1e-4  # what rows move by, at most 1, that do; and what is no fall
GONE = 1e-3  # of what rows were asked to move by, left of it: there is no direction
MOST_ROUNDS = 200
ROUNDING = 1e-7  # of a direction, the share of a coefficient that takes no part in it
UNSEEN = 1e-9  # of the length of a column, left of it on the rows that remain: its coefficient is infinite


def judged(found: Maximum) -> Maximum:
    """The same, with what is separated in it; or undecided, where there is no telling."""
    model, theta = found.model, found.optimum.theta
    assert model.absorbed is not None
    rows = model.rows
    at = ends(model.family, model.links, rows.y, rows.columns)
    if at is None:
        return found
    absorbed = AbsorbedLikelihood(model)
    eta = np.stack([predictor.eta(theta).numpy() for predictor in rows.predictors])
    pull = absorbed.slopes(eta).g[absorbed.main]
    sign = at.sign.numpy()
    maybe = (sign != 0) & (np.abs(pull) <= PULLS)
    if not maybe.any():
        return found
    weight = np.where(maybe, 1.0, np.where(at.held.numpy() | (sign != 0), HEAVY, 0.0))
    X = absorbed.X[absorbed.main]
    direction = _direction(X, absorbed.indicators, weight, np.where(maybe, sign, 0.0))
    if direction is None:
        return replace(found, undecided=True)
    z, c = direction
    gone = maybe & (sign * z > MOVED)
    if not gone.any():
        return found
    return replace(found, separated=_separated(model, absorbed, gone, c))


def _direction(
    X: np.ndarray, indicators: Indicators, weight: np.ndarray, sign: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """z (n,), and c (p,) of its X c, where the rectifier comes to rest; None where it does not."""
    normal = indicators.normal(weight)
    own = swept(X, indicators, normal, weight)
    half = np.sqrt(weight)
    inverse = np.linalg.pinv(half[:, None] * own, rcond=UNSEEN) if X.shape[1] else np.zeros((0, len(X)))
    u = sign.copy()
    for _ in range(MOST_ROUNDS):
        effects = normal.solve(indicators.sums(weight * u)[:, None], tolerance=NEARLY)
        left = u - indicators.times(effects)[:, 0]
        c = inverse @ (half * left)
        z = u - left + own @ c
        if not np.isfinite(z).all():
            return None
        wrong = np.where(sign != 0, -sign * z, np.where(weight > 0, np.abs(z), 0.0))
        falls = float(wrong.max(initial=0.0))
        rises = float((sign * z).max(initial=0.0))
        if rises <= GONE:
            return np.zeros_like(z), np.zeros_like(c)
        if falls <= STILL * rises:
            return z / rises, c / rises
        u = sign * np.maximum(sign * z, 0.0)
    return None


def _separated(model: Model, absorbed: AbsorbedLikelihood, gone: np.ndarray, c: np.ndarray) -> Separated:
    """The rows that are `gone` (n,), and the terms that those left do not determine: they are infinite, c (p,) of them
    saying which way."""
    left = ~gone
    X, own = absorbed.X[absorbed.main], torch.from_numpy(absorbed.columns[absorbed.main])
    seen = swept(X, absorbed.indicators, absorbed.indicators.normal(left.astype(float)), left.astype(float))[left]
    lengths = np.sqrt((X * X).sum(axis=0))
    seen = np.vstack([seen / np.where(lengths > 0, lengths, 1.0), np.zeros((len(lengths), len(lengths)))])
    _, values, vectors = np.linalg.svd(seen, full_matrices=False)
    unseen = vectors[values <= UNSEEN * max(1.0, float(values.max(initial=0.0)))]
    unseen[np.abs(unseen) <= ROUNDING] = 0.0
    span = torch.zeros((model.size, len(unseen)), dtype=torch.float64)
    span[own] = torch.from_numpy((unseen / np.where(lengths > 0, lengths, 1.0)).T)
    reported = reported_map(model)
    moves = reported_moves(reported, span)
    infinite = [place for place, part in enumerate(moves.abs().sum(dim=1).tolist()) if part > 0]
    direction = torch.zeros(model.size, dtype=torch.float64)
    direction[own] = torch.from_numpy(c)
    way = torch.sign(reported @ direction).int().tolist() if len(unseen) == 1 else [0] * model.size
    names = [model.names[at] for at in model.kept]
    return Separated(
        kind="quasi-complete" if left.any() else "complete",
        separates=torch.from_numpy(gone),
        left=torch.from_numpy(left),
        direction=direction,
        far=0.0,
        span=span,
        infinite=tuple(infinite),
        undetermined=(),
        terms=tuple(SeparationTerm(*names[place], way[place]) for place in infinite),
    )


def without_separated(data: Data, found: Maximum) -> Data:
    """The data without the rows that are separated, which are counted among those dropped."""
    assert found.separated is not None
    gone = found.separated.separates.numpy()
    rows = int(gone.sum())
    left = kept_rows(data, ~gone)
    effects = " and ".join(data.absorbed)
    what = (
        f"{'1 row was' if rows == 1 else f'{rows:,} rows were'} left out because of separation by effects of {effects}"
    )
    said = Finding(
        "separated_rows_dropped", f"{what}: the model predicts {'it' if rows == 1 else 'them'} without error"
    )
    lost = rows + data.dropped.get("separated", {}).get(data.response.label, 0)
    table = replace(left.table, findings=(*left.table.findings, said))
    dropped = {**data.dropped, "separated": {data.response.label: lost}}
    return without_idle(replace(left, table=table, dropped=dropped))
