"""What can be predicted: functions of a row's linear predictors, and the scale on which their intervals are made.

link    eta of the main parameter       PARAMETER       its natural value; parameter:zero where zero is Pr(y = 0)
mean    E(y)                            quantile:Q      the smallest y with Pr(Y <= y) >= Q
zero    Pr(y = 0)                       tail:V          Pr(y > V)
probabilities    Pr(y = j) of each category j
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from glmfit.after.saved import SavedModel
from glmfit.errors import ModelError, UsageError, did_you_mean
from glmfit.families import LINKS, Link

MOST_MASSES = 10_000  # probabilities of counts that are added up
Etas = Sequence[Tensor]
Columns = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """`value(etas, columns)` is (n, m), from the linear predictors (n,) of the estimated parameters and data columns.

    `scale` is the link on whose scale intervals are made; `predictor` says that the value is the inverse link of the
    linear predictor of that name, so that no digits are lost on the way back; `levels` name the m columns.
    """

    name: str
    value: Callable[[Etas, Columns], Tensor]
    scale: Link
    predictor: str | None = None
    levels: tuple[str, ...] = ()
    needs_trials: bool = False
    smooth: bool = True  # whether it has derivatives, and so standard errors


def quantity(model: SavedModel, of: str | None = None) -> Quantity:
    """The quantity called `of`, by default the mean, or the probabilities of categories; `UsageError` for another."""
    if not model.predictors:
        message = f"{model.name} is a log_likelihood(params, data), which says nothing of single rows"
        raise ModelError("no_prediction", message, "use glmfit test, or write the likelihood as log_density")
    family, of = model.family, of or default(model)
    kind, colon, argument = of.partition(":")
    if of == "mean":
        return _mean(model)
    if of == "link":
        return _link(model)
    if of == "probabilities":
        return _probabilities(model)
    if kind == "tail" and colon:
        return _tail(model, number(of, argument))
    if kind == "quantile" and colon:
        return _quantile(model, number(of, argument))
    names = [parameter.name for parameter in family.parameters]
    if of == "zero":
        return _zero(model)
    if kind == "parameter" and colon:
        return _parameter(model, family.parameter(argument).name)
    if of in names or (of == "mu" and not family.categories):
        return _parameter(model, family.parameter(of).name)
    known = list(dict.fromkeys(["mean", "link", *names, "zero", "tail:VALUE", "quantile:SHARE", "probabilities"]))
    hint = did_you_mean(of, known) or f"it can be {', '.join(known)}"
    raise UsageError("invalid_value", f"--of: '{of}' is nothing that the {family.name} family has", hint)


def default(model: SavedModel) -> str:
    """What is predicted where nothing is said: the mean, where there is one."""
    if model.family.categories:
        return "probabilities"
    if model.family.grouped:
        return "link"
    return "mean"


def number(what: str, text: str) -> float:
    """A finite number; `UsageError` otherwise."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < float("inf"):
        raise UsageError("invalid_value", f"--of {what}: '{text}' is not a finite number", "write one, such as 0.9")
    return value


def _main(model: SavedModel) -> int:
    """The place of the main predictor among the estimated ones."""
    return [predictor.parameter for predictor in model.estimated].index(model.family.main)


def _link(model: SavedModel) -> Quantity:
    if model.family.shared_formula:
        message = f"the {model.family.name} family has a linear predictor for each category"
        raise UsageError("invalid_value", f"--of link: {message}", "write --of probabilities")
    place = _main(model)
    return Quantity("link", lambda etas, columns: etas[place][:, None], LINKS["identity"], None)


def _parameter(model: SavedModel, name: str) -> Quantity:
    family, place = model.family, [p.name for p in model.family.parameters].index(name)
    if family.parameters[place].scale == "predictor":
        message = f"{name} of the {family.name} family has no scale but that of its linear predictor"
        raise UsageError("invalid_value", f"--of {name}: {message}", f"write --of {default(model)}")
    link = model.links[name]
    estimated = name in [predictor.parameter for predictor in model.estimated]
    return Quantity(name, lambda etas, columns: model.natural(etas)[place][:, None], link, name if estimated else None)


def _mean(model: SavedModel) -> Quantity:
    family, link = model.family, model.links[model.family.main]
    if not family.has_mean and family.path is None:
        message = f"the {family.name} family has no mean: its responses are categories"
        raise UsageError("invalid_value", f"--of mean: {message}", f"write --of {default(model)}")
    if not family.has_mean:
        names = ", ".join(parameter.name for parameter in family.parameters)
        message = f"{family.path} does not say what the mean is"
        raise UsageError("no_mean", message, f"write --of PARAMETER ({names}), or a Family with mean() in the file")

    def value(etas: Etas, columns: Columns) -> Tensor:
        own = {**columns, "trials": torch.ones_like(etas[0])} if family.trials else columns
        return family.mean(*model.natural(etas), **own)[:, None]

    plain = is_main(model, value)
    return Quantity("mean", value, link, family.main if plain else None)


def is_main(model: SavedModel, value: Callable[[Etas, Columns], Tensor]) -> bool:
    """Whether a quantity is the main parameter itself, whatever the linear predictors."""
    if model.family.main not in [predictor.parameter for predictor in model.estimated]:
        return False
    if any(column in model.family.columns for column in model.family.columns):
        return False
    random = np.random.default_rng(1)
    etas = [torch.from_numpy(random.random(8)) + 0.1 for _ in model.estimated]
    return torch.equal(value(etas, {})[:, 0], model.natural(etas)[0])


def _zero(model: SavedModel) -> Quantity:
    family = model.family
    family.check_distribution()

    def value(etas: Etas, columns: Columns) -> Tensor:
        return torch.exp(family.log_zero(*model.working(etas), **columns))[:, None]

    return Quantity("zero", value, LINKS["logit"], needs_trials=family.trials)


def _tail(model: SavedModel, beyond: float) -> Quantity:
    """Pr(y > V) to all its digits; that of counts is differentiated as 1 - sum of f(k) up to V."""
    family = model.family
    family.check_distribution()
    last = math.floor(beyond)
    if family.support.integer and last - max(family.support.lower, 0) > MOST_MASSES:
        message = f"--of tail:{beyond:g} sums {last:,} probabilities in each row"
        raise UsageError("invalid_value", message, f"ask for at most {MOST_MASSES:,}")

    def value(etas: Etas, columns: Columns) -> Tensor:
        y, working = torch.full_like(etas[0], beyond), model.working(etas)
        if not family.support.integer:
            return torch.exp(family.tails(y, *working, **columns)[1])[:, None]
        with torch.no_grad():
            found = torch.exp(family.tails(y, *working, **columns)[1])
        below = torch.zeros_like(found)
        upper = family.ends(*working, **columns)[1]
        for k in range(int(family.support.lower), last + 1):
            inside = upper >= k
            mass = torch.exp(family.log_density(torch.where(inside, float(k), 0.0), *working, **columns))
            below = below + torch.where(inside, mass, 0.0)
        return (found - (below - below.detach()))[:, None]

    return Quantity(f"tail:{beyond:g}", value, LINKS["logit"], needs_trials=family.trials)


def _quantile(model: SavedModel, probability: float) -> Quantity:
    """The smallest y with F(y) >= p; dy / d eta = -(dF / d eta) / f. One of counts jumps: it has no standard error."""
    family = model.family
    family.check_distribution()
    if not 0 < probability < 1:
        message = f"--of quantile:{probability:g}: a quantile is asked for by a share between 0 and 1"
        raise UsageError("invalid_value", message, "write --of quantile:0.9")

    def value(etas: Etas, columns: Columns) -> Tensor:
        working = model.working(etas)
        with torch.no_grad():
            y = family.quantile(torch.full_like(etas[0], probability), *working, **columns)
        if family.support.integer:
            return y[:, None]
        lump = torch.zeros_like(y, dtype=torch.bool)
        for one in family.lumps:
            lump |= y == one
        below, above = (torch.exp(tail) for tail in family.tails(y, *working, **columns))
        share = below if probability <= 0.5 else -above
        density = torch.exp(family.log_density(y, *working, **columns)).detach()
        return torch.where(lump, y, y - (share - share.detach()) / density)[:, None]

    positive, bounded = family.support.lower >= 0, family.support.upper <= 1
    scale = LINKS["logit" if bounded else "log" if positive else "identity"]
    smooth = not family.support.integer
    return Quantity(f"quantile:{probability:g}", value, scale, needs_trials=family.trials, smooth=smooth)


def _probabilities(model: SavedModel) -> Quantity:
    family, levels = model.family, model.fit.model.levels
    if not family.categories:
        message = f"the {family.name} family has no categories"
        raise UsageError("invalid_value", f"--of probabilities: {message}", "write --of mean")

    def value(etas: Etas, columns: Columns) -> Tensor:
        return torch.exp(family.log_probabilities(*model.working(etas), **columns))

    return Quantity("probabilities", value, LINKS["logit"], levels=levels)
