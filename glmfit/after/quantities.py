"""What can be predicted: functions of a row's linear predictors, and the scale on which their intervals are made.

link            eta of the main parameter       PARAMETER    its natural value        mean          E(y)
zero            Pr(y = 0)                       tail:V       Pr(y > V)                probabilities Pr(y = j), j a level
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from glmfit.after.saved import SavedModel
from glmfit.errors import ModelError, UsageError, did_you_mean
from glmfit.families import LINKS, Family, Link
from glmfit.families.user import UserFamily

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
    names = [parameter.name for parameter in family.parameters]
    if of in names or (of == "mu" and not family.categories):
        return _parameter(model, family.parameter(of).name)
    if of == "zero":
        return _zero(model)
    known = list(dict.fromkeys(["mean", "link", *names, "zero", "tail:VALUE", "probabilities"]))
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
    if family.categories or family.grouped:
        message = f"the {family.name} family has no mean: its responses are categories"
        raise UsageError("invalid_value", f"--of mean: {message}", f"write --of {default(model)}")
    if isinstance(family, UserFamily) and type(family).mean is Family.mean:
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
    random = torch.Generator().manual_seed(1)
    etas = [torch.rand(8, generator=random, dtype=torch.float64) + 0.1 for _ in model.estimated]
    return torch.equal(value(etas, {})[:, 0], model.natural(etas)[0])


def _zero(model: SavedModel) -> Quantity:
    family = model.family
    if not family.support.integer or family.categories or family.grouped or family.support.lower > 0 or family.quasi:
        message = f"responses of the {family.name} family are {family.support.text}"
        raise UsageError("invalid_value", f"--of zero: {message}", "it is for counts")

    def value(etas: Etas, columns: Columns) -> Tensor:
        return torch.exp(family.log_density(torch.zeros_like(etas[0]), *model.working(etas), **columns))[:, None]

    return Quantity("zero", value, LINKS["logit"], needs_trials=family.trials)


def _tail(model: SavedModel, beyond: float) -> Quantity:
    family = model.family
    if not family.has_tails:
        message = f"the {family.name} family states no distribution function"
        raise UsageError("invalid_value", f"--of tail: {message}", "write --of mean")

    def value(etas: Etas, columns: Columns) -> Tensor:
        y = torch.full_like(etas[0], beyond)
        return torch.exp(family.log_survival(y, *model.working(etas), **columns))[:, None]

    return Quantity(f"tail:{beyond:g}", value, LINKS["logit"], needs_trials=family.trials)


def _probabilities(model: SavedModel) -> Quantity:
    family, levels = model.family, model.fit.model.levels
    if not family.categories:
        message = f"the {family.name} family has no categories"
        raise UsageError("invalid_value", f"--of probabilities: {message}", "write --of mean")

    def value(etas: Etas, columns: Columns) -> Tensor:
        working = model.working(etas)
        each = (family.log_density(torch.full_like(etas[0], float(j)), *working) for j in range(len(levels)))
        return torch.exp(torch.stack(list(each), dim=1))

    return Quantity("probabilities", value, LINKS["logit"], levels=levels)
