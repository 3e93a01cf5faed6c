"""What a bootstrap replicate is made of: how often each row is drawn, or a response drawn from the fitted model.

    rows       n rows drawn with replacement          clusters   whole clusters, as many as there are
    parametric y_b from f(. | parameters as fitted)   jackknife  all units but one, or but one of some groups of units

Replicate b has a random stream of its own, made of the seed and b: it is the same however many are made at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from glmfit.errors import ModelError, UsageError
from glmfit.model import Likelihood, Model
from glmfit.rows import Data

MOST_LEFT_OUT = 2000  # units each left out by itself; more are left out in so many groups, drawn at random
BY = ("rows", "parametric")


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """What is drawn: `code` (n,) is the unit of each row, of `size` units; `seed` is that of all draws.

    `frequency` (n,) are the weights of rows that stand for several units each, None where none does.
    """

    code: np.ndarray
    size: int
    seed: int
    frequency: np.ndarray | None = None

    def repeats(self, replicate: int) -> np.ndarray:
        """(n,) how often each row is in a replicate, relative to how often it is in the data."""
        random = np.random.default_rng([self.seed, replicate])
        if self.frequency is not None:
            total = self.frequency.sum()
            return random.multinomial(round(float(total)), self.frequency / total) / self.frequency
        drawn = np.bincount(random.integers(0, self.size, self.size), minlength=self.size)
        return drawn[self.code].astype(np.float64)

    @property
    def left_out(self) -> int:
        """How many parts the jackknife leaves out in turn."""
        return min(self.size, MOST_LEFT_OUT)

    def without(self, part: int) -> np.ndarray:
        """(n,) the same of the data without one part of the units."""
        if self.size <= MOST_LEFT_OUT:
            return (self.code != part).astype(np.float64)
        group = np.random.default_rng([self.seed, self.size]).permutation(self.size) % MOST_LEFT_OUT
        return (group[self.code] != part).astype(np.float64)


def units(data: Data, model: Model, by: str | None, seed: int) -> tuple[str, Units]:
    """What is drawn, by name, and the units: rows, or the clusters of `cluster:COLUMN`, by default those of the fit."""
    n = len(model.rows.y)
    if by is None:
        named = list(data.clusters)
        by = f"cluster:{named[0]}" if len(named) == 1 else "rows"
        if len(named) > 1:
            message = "a bootstrap draws units of one kind, and the standard errors are clustered in two ways"
            raise UsageError("contradiction", message, "name one: --bootstrap-by cluster:COLUMN")
    if by == "rows":
        weighed = data.frequency is not None and model.n > n
        return by, Units(np.arange(n), n, seed, model.rows.frequency.numpy() if weighed else None)
    name = by.partition(":")[2]
    code = data.drawn[name] if name in data.drawn else data.clusters[name]
    return by, Units(code, int(code.max()) + 1, seed)


def check_parametric(data: Data, model: Model, hint: str = "draw rows: --bootstrap-by rows") -> None:
    """`ModelError` where no response can be drawn from the fitted model."""
    reasons = {
        "frequency weights stand for rows that would have responses of their own": data.frequency is not None
        and model.n > len(model.rows.y),
        "sampling weights say that the model is not that of the sample": data.sampling is not None,
        "the response is censored, and when it would have been is not known": bool(data.response.censoring),
        "groups are compared within, and their totals are given": data.groups is not None,
        f"the {model.family.name} family is a quasi-likelihood, with no distribution to draw from": model.family.quasi,
        "prior weights do not divide a dispersion here: what they do to the response is not known": (
            data.weights is not None and not model.family.weighs_phi
        ),
    }
    for reason, given in reasons.items():
        if given:
            message = f"no parametric bootstrap: {reason}"
            raise ModelError("no_parametric_bootstrap", message, hint)


def simulated(model: Model, theta: Tensor, seed: int, replicate: int) -> np.ndarray:
    """(n,) a response drawn from the model at theta, whose phi is the one that it is held at."""
    return responses(model.likelihood(), theta, np.random.default_rng([seed, replicate]))


def responses(likelihood: Likelihood, theta: Tensor, random: np.random.Generator) -> np.ndarray:
    """(n,) a response drawn for each row of a likelihood at theta."""
    drawn = []
    with torch.no_grad():
        for chunk in likelihood.chunks:
            natural = [value.numpy() for value in likelihood.natural(chunk, likelihood.etas(chunk, theta))]
            columns = {name: column.numpy() for name, column in chunk.columns.items()}
            drawn.append(likelihood.family.simulate(random, *natural, **columns))
    return np.concatenate(drawn).astype(np.float64)
