"""A likelihood whose rows are elsewhere, in parts: what is summed over them is summed where they are, and added up.

A `View` says what becomes of the rows of each part, for rows do not travel; a `RowSource` knows where they are. At hand
are a few of them, for what needs only an example: whoever asks for all of them is told that they are elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from glmfit.design import MOST_DENSE_COLUMNS
from glmfit.errors import ModelError
from glmfit.families import Family, Link
from glmfit.model.likelihood import Likelihood
from glmfit.model.rows import Rows
from glmfit.numerics import Pair, Symmetric, stacked_root

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class AsFitted:
    """Parameters `names` at the linear predictors of theta + low, on their working scales."""

    theta: Tensor
    low: Tensor | None
    names: tuple[str, ...]

    def of(self, likelihood: Likelihood, chunk: Rows) -> dict[str, Tensor]:
        """(n,) each, of a chunk of that likelihood."""
        working = likelihood.working(chunk, likelihood.etas(chunk, self.theta, self.low))
        names = (parameter.name for parameter in likelihood.family.parameters)
        return {name: value for name, value in zip(names, working, strict=True) if name in self.names}


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What a model has of the rows: the family's name, predictors with the places of their columns, held parameters.

    Held are constants on the working scale; phi is divided by the prior weights. `constants` are the parameters of a
    model that has a constant for each in place of its predictors, and `fitted` what it holds as fitted.
    """

    family: str
    size: int
    predictors: tuple[tuple[str, Tensor], ...]
    held: Mapping[str, float]
    constants: tuple[str, ...] | None = None
    fitted: AsFitted | None = None


def view(family: Family, rows: Rows, size: int) -> View:
    """What those rows are a part of; the reverse is `seen`."""
    prior = float(rows.log_prior[0])
    held = {name: float(value[0]) + (prior if name == "phi" else 0.0) for name, value in rows.held.items()}
    return View(family.name, size, tuple((p.parameter, p.columns) for p in rows.predictors), held)


def seen(rows: Rows, view: View) -> Rows:
    """All rows of a part as a model sees them."""
    own = {predictor.parameter: predictor for predictor in rows.predictors}
    predictors = tuple(replace(own[name], columns=columns) for name, columns in view.predictors)
    held = {
        name: torch.full_like(rows.y, value) - rows.log_prior if name == "phi" else torch.full_like(rows.y, value)
        for name, value in view.held.items()
    }
    return replace(rows, predictors=predictors, held=held)


class RowSource(Protocol):
    """Where rows are: `n` observations in all, rows times their frequencies."""

    n: int

    def added(self, view: View, of: Callable[..., T], *arguments: Any) -> T:
        """of(likelihood, *arguments) of the likelihood of each part, added up by `add`."""
        ...


def add(one: Any, other: Any) -> Any:
    """The sum of two parts: numbers, tensors, matrices, factors of them, each of a tuple; None where one is None."""
    if one is None or other is None:
        return None
    if isinstance(one, tuple):
        return tuple(add(*pair) for pair in zip(one, other, strict=True))
    return one.minus(-1.0, other) if hasattr(one, "minus") else one + other


@dataclass(frozen=True, slots=True, eq=False)
class Largest:
    """Values of any shape; the sum of two are the larger ones."""

    values: Tensor

    def __add__(self, other: Largest) -> Largest:
        return Largest(torch.maximum(self.values, other.values))


class _Example(Sequence[Rows]):
    """The chunk of rows at hand, which stands for no other."""

    def __init__(self, chunk: Rows) -> None:
        self.chunk = chunk

    def __getitem__(self, at: Any) -> Any:
        return self.chunk if at == 0 else self._refuse()

    def __len__(self) -> int:
        return self._refuse()

    def __iter__(self) -> Iterator[Rows]:
        return self._refuse()

    def _refuse(self) -> Any:
        message = "this needs all rows in one place, and with --dask they are on the workers"
        raise ModelError("not_on_cluster", message, "fit without --dask")


class Elsewhere(Likelihood):
    """The log-likelihood of all rows of a source, as a function of theta (size,); `chunk` is an example of them."""

    def __init__(
        self, family: Family, links: Mapping[str, Link], chunk: Rows, size: int, source: RowSource, view: View
    ) -> None:
        super().__init__(family, links, _Example(chunk), size)
        self.source, self.view = source, view

    def over_rows(self, of: Callable[..., T], *arguments: Any) -> T:
        return self.source.added(self.view, of, *arguments)

    def _value_at(self, theta: Tensor, low: Tensor | None = None) -> float:
        return self.over_rows(Likelihood.value, theta, low)

    def along(self, theta: Tensor, direction: Tensor) -> Callable[[float], float]:
        return lambda t: self._value_at(theta + t * direction)

    def _derivatives(self, theta: Tensor) -> tuple[float, Tensor, Symmetric]:
        return self.over_rows(Likelihood.derivatives, theta)

    def expected(self, theta: Tensor) -> Symmetric | None:
        return self.over_rows(Likelihood.expected, theta) if self.has_expected else None

    def information_root(self, theta: Tensor, expected: bool = False) -> Tensor | None:
        if len(self.chunks[0].predictors) != 1 or self.size > MOST_DENSE_COLUMNS:
            return None
        root = self.over_rows(_root, theta, expected).factor
        return root if len(root) == self.size and bool(torch.isfinite(root).all()) else None

    def normal_equations(self) -> Pair | None:
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Root:
    """R (at most p, p) with R'R a sum of squares; the sum of two is the factor of one below the other."""

    factor: Tensor

    def __add__(self, other: Root) -> Root:
        return Root(stacked_root(iter((self.factor, other.factor)), self.factor.shape[1]))


def _root(likelihood: Likelihood, theta: Tensor, expected: bool) -> Root:
    return Root(likelihood.stacked(theta, expected))
