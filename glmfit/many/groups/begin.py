"""Where the searches of a panel start: the intercept-only fit of each group, as `estimate.start` has it for one.

The mean of an exponential dispersion model is that of the responses, whatever the link. Other families begin at the
moments that they state, or at the best point of a grid, and Newton's method goes on from there.
"""

from __future__ import annotations

import math
from itertools import product

import torch
from torch import Tensor

from glmfit.estimate.start import CYCLES, MOST_POINTS, MOST_ROWS, OFFSET_QUANTILES, ROUGHLY, WIDE
from glmfit.inference import goodness_of_rows, unit_deviances
from glmfit.many.groups.scales import Scales
from glmfit.model import Panel, PanelObjective
from glmfit.numerics import newton_batch
from glmfit.trust import SUSPICIOUS

IMPOSSIBLE = 1e12  # a row that a point makes impossible counts more than any log-density


def means(panel: Panel) -> Tensor:
    """(B,) the weighted mean response, of a trial where there are trials."""
    weight = panel.weight * torch.exp(panel.log_prior)
    trials = panel.columns.get("trials", torch.ones_like(panel.y))
    return (weight * panel.y).sum(dim=1) / (weight * trials).sum(dim=1)


def is_mean(panel: Panel) -> bool:
    """Whether the intercept-only fit is the mean response: of a single predictor, the mean's, without an offset."""
    (first, *others) = panel.predictors
    plain = panel.family.has_deviance and not others and first.parameter == panel.family.main
    return plain and not bool(first.offset.any())


def goodness(panel: Panel, theta: Tensor) -> Tensor:
    """(3, B) deviance, chi-square and their natural size at theta (B, size); NaN where the family states none."""
    if not panel.family.has_moments:
        return torch.full((3, len(panel)), math.nan, dtype=torch.float64)
    rows = panel.by_rows(goodness_of_rows, theta)
    return torch.where(panel.there, rows, 0.0).sum(dim=2)


def deviances(panel: Panel, theta: Tensor) -> Tensor:
    """(B,) at theta (B, size), of a family that has any."""
    square = panel.weight * torch.exp(panel.log_prior)
    return torch.where(panel.there, square * panel.by_rows(unit_deviances, theta), 0.0).sum(dim=1)


def constants(panel: Panel, holds_phi: bool) -> Tensor:
    """(B, K) the linear predictors, without offsets, of the intercept-only fit."""
    link = panel.links[panel.family.main].link
    if is_mean(panel):
        return link(means(panel))[:, None]
    names = [predictor.parameter for predictor in panel.predictors]
    begin = _beside_offsets(panel.constants_only(names), _moments(panel, names))
    plain = panel.constants_only(names)
    if holds_phi:
        plain = panel.held_at(start_phi(plain, begin)).constants_only(names)
    found = newton_batch(PanelObjective(plain), begin, ROUGHLY)
    fine = (found.kept_information() >= SUSPICIOUS)[:, None] & torch.isfinite(found.theta)
    return torch.where(fine, found.theta, begin)


def start_phi(plain: Panel, theta: Tensor) -> Tensor:
    """(B,) the dispersion of an intercept-only fit; 1 where there is none to speak of."""
    _, pearson, _ = goodness(plain, theta)
    phi = pearson / plain.frequency.sum(dim=1)
    return torch.where(torch.isfinite(phi) & (phi > 0), phi, 1.0)


def coefficients(panel: Panel, scales: Scales, start: Tensor) -> Tensor:
    """(B, size) working coefficients of linear predictors nearest to the constants; NaN where a response is so wide
    that a single fit would begin elsewhere."""
    theta = torch.zeros((len(panel), panel.size), dtype=torch.float64)
    for k, predictor in enumerate(panel.predictors):
        unit = scales.unit[:, predictor.columns]
        if bool((unit != 0).any()):
            theta[:, predictor.columns] = unit * start[:, k, None]
            continue
        X = predictor.X * panel.there[:, None]
        target = X.sum(dim=2) * start[:, k, None]
        theta[:, predictor.columns] = torch.linalg.solve_ex(X @ X.mT, target[:, :, None]).result[:, :, 0]
    low, high = panel.y.amin(dim=1), panel.y.amax(dim=1)
    wide = (low > 0) & (high > WIDE * low) & panel.family.has_moments
    return torch.where(wide[:, None], math.nan, theta)


def _moments(panel: Panel, names: list[str]) -> Tensor:
    """(B, K) what the family states of each group's moments, else the best of a grid."""
    family, given = panel.family, []
    counts = panel.there.sum(dim=1).tolist()
    for b, n in enumerate(counts):
        columns = {name: column[b, :n] for name, column in panel.columns.items()}
        given.append(family.start(panel.y[b, :n], panel.weight[b, :n], **columns))
    known = {
        name: panel.links[name].link(torch.tensor([found[name] for found in given], dtype=torch.float64))
        for name in names
        if all(name in found for found in given)
    }
    if len(known) == len(names):
        return torch.stack([known[name] for name in names], dim=1)
    return _search(panel, names, known)


def _search(panel: Panel, names: list[str], known: dict[str, Tensor]) -> Tensor:
    """The constants (B, K) of the highest log-likelihood on a grid: a coarse one of all, then each in turn."""
    step = -(-panel.y.shape[1] // MOST_ROWS)
    sample = _thinned(panel, step).constants_only(names)
    values = [known[name][:, None] if name in known else _candidates(panel, name) for name in names]
    coarse = max(1, math.floor(MOST_POINTS ** (1 / (len(names) - len(known)))))
    grid = list(product(*(range(min(coarse, value.shape[1])) for value in values)))
    points = [torch.stack([v[:, j] for v, j in zip(values, place, strict=True)], dim=1) for place in grid]
    best = _best(sample, points)
    for _ in range(CYCLES if max(value.shape[1] for value in values) > coarse else 0):
        for k, value in enumerate(values):
            lines = [best, *(torch.cat([best[:, :k], one[:, None], best[:, k + 1 :]], dim=1) for one in value.T)]
            best = _best(sample, lines)
    return best


def _best(panel: Panel, points: list[Tensor]) -> Tensor:
    """Of several points (B, K) the best of each group: first by the rows that it makes impossible."""
    score, best = torch.full((len(panel),), -math.inf, dtype=torch.float64), points[0].clone()
    for point in points:
        rows = panel.by_rows(lambda likelihood, rows, etas: likelihood.log_density(rows, *etas), point)
        finite = torch.isfinite(rows)
        now = (torch.where(finite, rows, -IMPOSSIBLE) * panel.weight).sum(dim=1)
        now = torch.where(torch.isfinite(point).all(dim=1), now, -math.inf)
        better = now > score
        score, best = torch.where(better, now, score), torch.where(better[:, None], point, best)
    return best


def _candidates(panel: Panel, name: str) -> Tensor:
    """(B, c) linear predictors worth a try, the likeliest first, as `estimate.start` has them."""
    trials = panel.columns.get("trials", torch.ones_like(panel.y))
    y = torch.where(panel.there, panel.y / trials, math.nan)
    shares = torch.tensor([0, 0.25, 0.5, 0.75, 1], dtype=torch.float64)
    low, lower, middle, upper, high = torch.nanquantile(y, shares, dim=1)
    mean, size = _mean(y, panel.there), _mean(y.abs(), panel.there)
    spread = _mean((y - mean[:, None]) ** 2, panel.there).sqrt()

    def all_of(*numbers: float) -> list[Tensor]:
        return [torch.full_like(mean, number) for number in numbers]

    naturals = {
        "identity": [middle, mean, *all_of(0.0, 1.0, -1.0), lower, upper, low - spread, high + spread],
        "log": [*all_of(1.0), spread, size, *all_of(0.1, 10.0), 1 / size, spread**2, *all_of(0.01, 100.0)],
        "logit": [*all_of(0.5, 0.1, 0.9), mean, *all_of(0.01, 0.99)],
        "predictor": all_of(0.0, 1.0, -1.0),
    }[panel.family.parameter(name).scale]
    return torch.stack([panel.links[name].link(value) for value in naturals], dim=1)


def _mean(values: Tensor, there: Tensor) -> Tensor:
    """(B,) of the rows (B, m) that are there."""
    return torch.where(there, values, 0.0).sum(dim=1) / there.sum(dim=1)


def _beside_offsets(plain: Panel, begin: Tensor) -> Tensor:
    """The same constants, or better ones where an offset stands beside them."""
    shares = torch.linspace(0, 1, OFFSET_QUANTILES, dtype=torch.float64)
    for k, predictor in enumerate(plain.predictors):
        if not bool(predictor.offset.any()):
            continue
        offset = torch.where(plain.there, predictor.offset, math.nan)
        likely = [torch.zeros(len(plain)), _mean(offset, plain.there), *torch.nanquantile(offset, shares, dim=1)]
        moved = (torch.cat([begin[:, :k], (begin[:, k] - one)[:, None], begin[:, k + 1 :]], dim=1) for one in likely)
        begin = _best(plain, list(moved))
    return begin


def _thinned(panel: Panel, step: int) -> Panel:
    """Every so many of the rows."""
    if step == 1:
        return panel
    from dataclasses import replace

    rows = {name: getattr(panel, name)[:, ::step] for name in ("y", "weight", "frequency", "log_prior", "there")}
    columns, held = ({k: v[:, ::step] for k, v in found.items()} for found in (panel.columns, panel.held))
    predictors = tuple(replace(p, X=p.X[:, :, ::step], offset=p.offset[:, ::step]) for p in panel.predictors)
    return replace(panel, **rows, columns=columns, held=held, predictors=predictors)
