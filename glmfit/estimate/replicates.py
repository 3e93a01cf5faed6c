"""Replicates of a fit: the same design with other row weights, or other responses, each fitted and judged by itself.

Many at a time by `newton_batch` from the estimates of the data. One that does not arrive, or has lost most of its
information (separated, a level gone, alpha at 0), is fitted alone as any model is, and gets the same verdict. Columns
of the design stay as they are: a coefficient means the same in every replicate, and where it has no meaning, as when
its level or the reference is not drawn, it is missing there.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from glmfit import memory
from glmfit.errors import ModelError
from glmfit.estimate import nested
from glmfit.estimate.limit import rest
from glmfit.estimate.maximum import Maximum, maximise
from glmfit.inference import goodness, residual_df
from glmfit.inference.dispersion import dispersion
from glmfit.model import BatchLikelihood, Model
from glmfit.model.batch import weighted
from glmfit.numerics import newton_batch
from glmfit.rows import room_for
from glmfit.spec import ModelSpec
from glmfit.trust import SUSPICIOUS, Separated, reported_map, reported_moves

BLOCK = 250  # replicates at a time,
BLOCK_CELLS = 4_000_000  # fewer where they have more weights together than these
MOST_COLUMNS, MOST_PREDICTORS = 150, 8  # of a design whose columns' products are formed
NOTHING = 1e-12  # an eigenvalue of the columns' correlations that is but rounding
MOVED = 1e-7  # share of the most that a direction of unit length could move a coefficient: it does not move it

Progress = Callable[[int, int], None]
Draw = Callable[[int], np.ndarray]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, eq=False)
class Replicates:
    """`estimates` (B, q) of the kept coefficients and `phi` (B,), NaN where missing; `status` of each replicate.

    ok | separated | not_converged | failed: an infinite estimate is that of a separated replicate.
    """

    estimates: np.ndarray
    phi: np.ndarray
    status: list[str]

    @property
    def failures(self) -> dict[str, int]:
        """How many of each status, those that are fine apart."""
        return {status: count for status, count in Counter(self.status).items() if status != "ok"}


@dataclass(frozen=True, eq=False)
class Replicator:
    """Fits replicates of `found`, the maximum of `model` as `spec` asks for it."""

    model: Model
    found: Maximum
    spec: ModelSpec

    @property
    def batched(self) -> bool:
        """Whether replicates are fitted many at a time: from an ordinary maximum, of a design that is not wide."""
        found, model = self.found, self.model
        plain = found.separated is None and found.penalised is None and not found.optimum.edge
        inside = found.flat is None and found.bread is not None and not found.model.limits
        narrow = model.size <= MOST_COLUMNS and len(model.rows.predictors) <= MOST_PREDICTORS
        return plain and inside and narrow and self.spec.dispersion != "ml"

    def weighed(self, draw: Draw, count: int, progress: Progress | None = None) -> Replicates:
        """Replicates 0 .. count - 1 with the row weights (n,) times `draw(b)`."""
        return self._all(draw, count, progress, responses=False)

    def answered(self, draw: Draw, count: int, progress: Progress | None = None) -> Replicates:
        """Replicates with the responses (n,) that `draw(b)` gives."""
        return self._all(draw, count, progress, responses=True)

    def _all(self, draw: Draw, count: int, progress: Progress | None, *, responses: bool) -> Replicates:
        estimates, phi = np.full((count, self.model.size), math.nan), np.full(count, math.nan)
        status = ["failed"] * count
        shared = self._shared() if self.batched else None
        done = 0
        for block in side_by_side(self._blocks(count), lambda block: self._block(shared, draw, block, responses)):
            for b, (values, own_phi, said) in block.items():
                estimates[b], phi[b], status[b] = values, own_phi, said
            done += len(block)
            if progress is not None:
                progress(done, count)
        return Replicates(estimates, phi, status)

    def _blocks(self, count: int) -> list[range]:
        step = max(1, min(BLOCK, BLOCK_CELLS // len(self.model.rows.y))) if self.batched else 1
        return [range(start, min(start + step, count)) for start in range(0, count, step)]

    def _shared(self) -> _Shared:
        """The batch likelihood of the model, and those of the simpler ones that it contains, with where they start."""
        model, theta = self.found.model, self.found.optimum.theta
        memory.check([_products_need(model)], "a bootstrap needs", most=room_for(self.spec))
        contained = (
            (simpler, nested.without(model, parameter, theta)) for parameter, simpler in nested.contained(model)
        )
        return BatchLikelihood(model), [(BatchLikelihood(simpler), begin) for simpler, begin in contained]

    def _block(self, shared: _Shared | None, draw: Draw, block: range, responses: bool) -> _Block:
        drawn = torch.from_numpy(np.stack([draw(b) for b in block]))
        out: _Block = {}
        alone: Sequence[int] = range(len(block))
        if shared is not None:
            rows = (None, drawn) if responses else (drawn, None)
            simpler = [(each.with_rows(*rows), begin) for each, begin in shared[1]]
            out, alone = self._together(shared[0].with_rows(*rows), simpler, block)
        for at in alone:
            out[block[at]] = self._alone(drawn[at], responses)
        return out

    # ---- many at a time ----

    def _together(self, batch: BatchLikelihood, contained: Sequence[_Begun], block: range) -> tuple[_Block, list[int]]:
        """The replicates of a block that arrive, and the places in it of those that are to be fitted alone.

        One that ends below a simpler model has another maximum somewhere.
        """
        start = self.found.optimum.theta.expand(len(block), -1)
        optimum = newton_batch(batch, start, self.spec.tol, self.spec.max_iter)
        fine = optimum.converged & (optimum.kept_information() >= SUSPICIOUS)
        for simpler, begin in contained:
            rival = newton_batch(simpler, begin.expand(len(block), -1), nested.CLIMBED, nested.MOST_STEPS)
            fine &= ~(rival.value > optimum.value + nested.HIGHER)
        at = torch.nonzero(fine)[:, 0]
        reported = optimum.theta[at] @ reported_map(self.found.model).T
        phi = self._phis(batch, optimum.theta[at], at)
        found = {
            block[place]: (row, float(own), "ok")
            for place, row, own in zip(at.tolist(), reported.numpy(), phi, strict=True)
        }
        return found, torch.nonzero(~fine)[:, 0].tolist()

    def _phis(self, batch: BatchLikelihood, theta: Tensor, which: Tensor) -> np.ndarray:
        """(m,) phi of each replicate, from Pearson's chi-square or the deviance; NaN where it is not estimated so."""
        model, method = self.found.model, self.spec.fixed.get("phi", self.spec.dispersion)
        method = "pearson" if method is None and model.holds_phi else method
        if not isinstance(method, str):
            return np.full(len(which), math.nan)
        family, likelihood = model.family, batch.likelihood
        total, n = torch.zeros(len(which), dtype=torch.float64), torch.zeros(len(which), dtype=torch.float64)
        with torch.no_grad():
            for part, chunk, rows, weight, etas in batch.runs(theta, which):
                natural = likelihood.natural(rows, etas)
                if method == "pearson":
                    terms = family.over_variance(
                        rows.y - family.mean(*natural, **rows.columns), *natural, **rows.columns
                    )
                else:
                    terms = family.unit_deviance(rows.y, *likelihood.working(rows, etas), **rows.columns)
                total[part] += weighted(weight * torch.exp(chunk.rows.log_prior), terms).sum(dim=1)
                repeats = 1.0 if batch.repeats is None else batch.repeats[which[part], chunk.part]
                n[part] += (chunk.rows.frequency * repeats).expand(len(weight), -1).sum(dim=1)
        df = torch.round(n) - (model.n - residual_df(model))
        return torch.where(df > 0, total / df, math.nan).numpy()

    # ---- one by one ----

    def _alone(self, drawn: Tensor, responses: bool) -> _Row:
        rows = self.model.rows
        if responses:
            rows = replace(rows, y=drawn)
        else:
            kept = torch.nonzero(drawn)[:, 0]
            rows = rows.rows(kept)
            rows = replace(rows, weight=rows.weight * drawn[kept], frequency=rows.frequency * drawn[kept])
        whole = replace(self.model, rows=rows)
        missing = torch.full((self.model.size,), math.nan, dtype=torch.float64)
        try:
            model, lost = _seen(whole)
            spec = replace(self.spec, se=None, bread=None, small_sample=None, start={}, check_separation=False)
            found = maximise(model, spec, None)
        except ModelError:
            return missing.numpy(), math.nan, "failed"
        estimates, status = _estimates(found, self.model)
        estimates[lost] = math.nan
        sums = goodness(found.likelihood, found.optimum.theta, found.optimum.low)
        scale = dispersion(found.model, self.spec, found.optimum, sums, residual_df(found.model))
        return estimates.numpy(), scale.phi if scale.estimated else math.nan, status


_Begun = tuple[BatchLikelihood, Tensor]
_Shared = tuple[BatchLikelihood, list[_Begun]]
_Row = tuple[np.ndarray, float, str]
_Block = dict[int, _Row]


def _products_need(model: Model) -> memory.Need:
    """What the columns, and the products of any two of them, take: for all replicates they are made once."""
    widths = {id(predictor.X): predictor.X.shape[1] for predictor in model.rows.predictors}
    each = sum(width * (width + 3) // 2 for width in widths.values())
    n, hint = len(model.rows), "take --ci profile, which sees the rows as a fit does, or a sample of the rows"
    return memory.Need(memory.NUMBER * n * each, f"{n:,} rows have {each:,} products of columns each", hint)


def side_by_side(blocks: Sequence[range], work: Callable[[range], Result]) -> Iterator[Result]:
    """The results of all blocks, each worked on by one thread of as many as torch may use."""
    cores = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        if cores == 1 or len(blocks) == 1:
            yield from map(work, blocks)
            return
        with ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield from pool.map(work, blocks)
    finally:
        torch.set_num_threads(cores)


def _seen(model: Model) -> tuple[Model, Tensor]:
    """The model of the coefficients that its rows tell apart, and which (size,) of all have no meaning there."""
    gram = torch.zeros((model.size, model.size), dtype=torch.float64)
    for predictor in model.rows.predictors:
        columns = predictor.columns
        gram.index_put_(
            (columns[:, None], columns), predictor.X.sandwich(torch.ones_like(model.rows.y)), accumulate=True
        )
    scale = torch.sqrt(torch.diagonal(gram))
    scale = torch.where(scale > 0, scale, 1.0)
    values, vectors = torch.linalg.eigh(gram / torch.outer(scale, scale))
    unseen = values < NOTHING * model.size
    nothing = torch.zeros(model.size, dtype=torch.bool)
    if not bool(unseen.any()):
        return model, nothing
    unit = vectors[:, unseen]
    span = torch.where(unit.abs() > MOVED, unit, 0.0) / scale[:, None]
    n = len(model.rows.y)
    reported = reported_map(model)
    moves = reported_moves(reported, span).abs().amax(dim=1)
    most = reported.abs() @ (1 / scale)
    none, every = torch.zeros(n, dtype=torch.bool), torch.ones(n, dtype=torch.bool)
    left = Separated("", none, every, torch.zeros_like(scale), 0.0, span, (), (), ())
    return rest(model, left).model, moves > MOVED * most


def in_places(own: Model, theta: Tensor, model: Model) -> Tensor:
    """The coefficients (size,) of `model` at theta of its own one, which may hold parameters at ends of their range."""
    place = {at: position for position, at in enumerate(model.kept)}
    out = torch.full((model.size,), math.nan, dtype=torch.float64)
    out[[place[at] for at in own.kept]] = own.reported(theta)
    for name, end in own.limits.items():
        value = own.links[name].link(torch.tensor(end.value, dtype=torch.float64))
        for at in model.kept:
            if model.names[at][0] == name:
                out[place[at]] = value
    return out


def _estimates(found: Maximum, model: Model) -> tuple[Tensor, str]:
    """The coefficients (size,) of `model` in a replicate, infinite or NaN where they are, and its status."""
    place = {at: position for position, at in enumerate(model.kept)}
    out = in_places(found.model, found.optimum.theta, model)
    inside = torch.tensor([place[at] for at in found.model.kept], dtype=torch.int64)
    if found.separated is not None:
        places = [place[at] for at in (found.whole or found.model).kept]
        if found.rest is None:
            out[:] = math.nan
        out[[places[position] for position in found.separated.undetermined]] = math.nan
        for position, term in zip(found.separated.infinite, found.separated.terms, strict=True):
            out[places[position]] = math.copysign(math.inf, term.direction) if term.direction else math.nan
        return out, "separated"
    if found.flat is not None:
        out[inside[list(found.flat.places)]] = math.nan
    return out, "ok" if found.optimum.converged and found.flat is None else "not_converged"
