"""What is expected of a row whose random part is any: a quantity integrated over normal deviations of its predictors.

    F = E f(eta + s u),  u ~ N(0, 1)        by the trapezoidal rule on u, of step h and beyond all that matters

Of a function that is analytic about the real line up to a distance d its error is as exp(-2 pi d / h): with h smaller
in proportion to s it is below 1e-10 for the usual links (Trefethen & Weideman 2014, SIAM Review 56, 385-458).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product

import torch
from torch import Tensor

from glmfit.after.law import spreading
from glmfit.after.quantities import Columns, Etas, Quantity
from glmfit.after.saved import SavedModel
from glmfit.errors import ModelError

STEP = 0.3  # of u, where deviations are below 1
REACH = 8.5  # beyond which the normal density is less than rounding
MOST = 2_000  # nodes on either side
TOGETHER = 1_000_000  # rows and nodes
MOST_HALVINGS = 200
MOST_TOGETHER = 2  # predictors that are integrated over at once


def expected(model: SavedModel, of: Quantity) -> Quantity:
    """The quantity of a model whose random effects spread, integrated over them; of another as it is."""
    places = spreading(model)
    if not places:
        return of
    K = len(model.estimated)
    if of.name == "link" or (of.predictor is not None and model.links[of.predictor].name == "identity"):  # is linear
        return replace(of, value=lambda etas, columns: of.value(etas[:K], columns), predictor=None)
    if of.name.startswith("quantile"):
        message = f"--of {of.name} has no average over random effects: a mean of quantiles is no quantile"
        raise ModelError(
            "no_expectation", message, "write --random zero; or --interval prediction, whose ends are quantiles"
        )
    within = _that_matter(model, of, places)
    for k in within:
        _refuse_pole(model, of, k)

    def value(etas: Etas, columns: Columns) -> Tensor:
        own, spreads = list(etas[:K]), list(etas[K:])
        return integral(own, {k: spreads[places.index(k)] for k in within}, columns, of.value)

    return replace(of, value=value, predictor=None)


def integral(
    etas: Sequence[Tensor], spreads: Mapping[int, Tensor], columns: Columns, f: Callable[[Etas, Columns], Tensor]
) -> Tensor:
    """E f (n, m) over independent normal deviations of some of the linear predictors (n,)."""
    nodes = [_nodes(float(s.detach().max())) if s.numel() else _nodes(0.0) for s in spreads.values()]
    n = len(etas[0])
    shifts = [torch.stack(us) for us in product(*(u for u, _ in nodes))]
    weights = torch.stack([torch.stack(ws).prod() for ws in product(*(w for _, w in nodes))])
    total = torch.zeros((), dtype=torch.float64)
    slab = max(1, TOGETHER // max(1, n))
    for u, w in zip(torch.stack(shifts).split(slab), weights.split(slab), strict=True):
        q = len(u)
        moved = [eta.expand(q, n) for eta in etas]
        for j, (k, s) in enumerate(spreads.items()):
            moved[k] = moved[k] + u[:, j, None] * s
        more = {name: column.expand(q, n).reshape(-1) for name, column in columns.items()}
        found = f([one.reshape(-1) for one in moved], more)
        total = total + torch.einsum("q,qnm->nm", w, found.reshape(q, n, -1))
    return total


def _nodes(largest: float) -> tuple[Tensor, Tensor]:
    """u and weights (Q,) that serve all deviations up to the largest: an exponential of one has its peak at u = s."""
    h, reach = STEP / max(1.0, largest), REACH + largest
    count = min(math.ceil(reach / h), MOST)
    u = torch.linspace(-reach, reach, 2 * count + 1, dtype=torch.float64)
    w = torch.exp(-0.5 * u.square())
    return u, w / w.sum()


def _that_matter(model: SavedModel, of: Quantity, places: Sequence[int]) -> list[int]:
    """Which of the predictors that spread a quantity depends on."""
    etas = [torch.full((1,), 0.3, dtype=torch.float64, requires_grad=True) for _ in model.estimated]
    known = (*model.family.columns, "trials") if model.family.trials else model.family.columns
    columns = {name: torch.ones(1, dtype=torch.float64) for name in known}
    with torch.enable_grad():
        slopes = torch.autograd.grad(of.value(etas, columns).sum(), etas, allow_unused=True)
    within = [k for k in places if slopes[k] is not None]
    if len(within) > MOST_TOGETHER:
        names = ", ".join(model.estimated[k].parameter for k in within)
        message = f"the {of.name} depends on random effects of {len(within)} parameters at once: {names}"
        raise ModelError("no_expectation", message, "write --random zero, or --of PARAMETER")
    return within


def _refuse_pole(model: SavedModel, of: Quantity, k: int) -> None:
    """Raises where the inverse of a link has a pole, over which no average exists."""
    name = model.estimated[k].parameter
    link = model.links[name]
    if model.family.parameter(name).scale != "predictor" and not bool(torch.isfinite(link.inverse(torch.zeros(1)))):
        message = f"the {of.name} has no average over random effects: the {link.name} link makes it infinite at eta = 0"
        raise ModelError("no_expectation", message, "write --random zero, or fit with --link log")


def mixture_quantile(model: SavedModel, etas: Sequence[Tensor], columns: Columns, share: float) -> Tensor:
    """(n,) the smallest y that a new response of a random level does not exceed with a probability of `share`.

    It is one of the quantiles of the parts, or between two of them, where it is found by halving.
    """
    family, places, K = model.family, spreading(model), len(model.estimated)
    own, spreads = list(etas[:K]), dict(zip(places, etas[K:], strict=True))
    whole = family.support.integer

    def quantiles(moved: Etas, more: Columns) -> Tensor:
        working = model.working(moved)
        return family.quantile(torch.full_like(moved[0], share), *working, **more)[:, None]

    def up_to(y: Tensor) -> Tensor:
        def below(moved: Etas, more: Columns) -> Tensor:
            at = y.expand(len(moved[0]) // len(y), len(y)).reshape(-1)
            return torch.exp(family.tails(at, *model.working(moved), **more)[0])[:, None]

        return integral(own, spreads, columns, below)[:, 0]

    low, high = _extremes(own, spreads, columns, quantiles)
    for _ in range(MOST_HALVINGS):
        middle = torch.floor(0.5 * (low + high)) if whole else 0.5 * (low + high)
        reached = up_to(middle) >= share
        low, high = torch.where(reached, low, middle), torch.where(reached, middle, high)
        if bool((high - low <= (1 if whole else 1e-13 * high.abs())).all()):
            break
    if whole:
        return torch.where(up_to(low) >= share, low, high)
    return high


def _extremes(
    etas: Sequence[Tensor], spreads: Mapping[int, Tensor], columns: Columns, f: Callable[[Etas, Columns], Tensor]
) -> tuple[Tensor, Tensor]:
    """(n,) bounds of a quantity over the nodes of an integral."""
    found = []
    for sides in product((-1.0, 1.0), repeat=len(spreads)):
        moved = list(etas)
        for side, (k, s) in zip(sides, spreads.items(), strict=True):
            moved[k] = moved[k] + side * REACH * s
        found.append(f(moved, columns)[:, 0])
    return torch.stack(found).amin(dim=0), torch.stack(found).amax(dim=0)
