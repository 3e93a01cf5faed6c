"""The parameters of a user's likelihood: arrays of any shape on natural scales, and theta, their links' values.

start = {"beta": torch.zeros(3), "sigma": 1.0}        links = {"sigma": "log"}        names = {"beta": ["age", ...]}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from glmfit.errors import ModelError, UsageError, did_you_mean
from glmfit.families import POSITIVE_LINKS, Link, Parameter, find_link, link_kind
from glmfit.families.userfile import running
from glmfit.spec import ModelSpec


class NoSuchName(ModelError, AttributeError):
    """A parameter or a column that is not there; an AttributeError as well, so that `hasattr` gives an answer."""


class Values:
    """What a user's function calls `params`: each parameter on its natural scale, by attribute or by index."""

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._values:
            hint = did_you_mean(name, self._values) or f"start has: {', '.join(self._values)}"
            raise NoSuchName("bad_likelihood", f"start has no parameter '{name}'", hint)
        return self._values[name]

    def __getattr__(self, name: str) -> Tensor:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]


@dataclass(frozen=True, slots=True, eq=False)
class Array:
    """One parameter: its shape, link, natural starting values (size,), and the labels (size,) of its elements.

    `held` is the value at which --fix holds all of them.
    """

    name: str
    shape: tuple[int, ...]
    link: Link
    start: Tensor
    labels: tuple[str, ...]
    held: float | None = None

    @property
    def parameter(self) -> Parameter:
        """As families state theirs: with the working scale that the range of its link has."""
        kind = link_kind(self.link)
        scale = "identity" if kind == "identity" else "log" if kind in POSITIVE_LINKS else "logit"
        return Parameter(self.name, scale, (kind,))

    def label(self, term: str) -> str:
        """An element in messages and options."""
        return f"{self.name}:{term}" if self.shape else self.name


@dataclass(frozen=True, slots=True, eq=False)
class Parameters:
    """All parameters of a likelihood; theta has the elements of those that are not held, in the order of `start`."""

    arrays: tuple[Array, ...]

    @property
    def free(self) -> tuple[Array, ...]:
        return tuple(array for array in self.arrays if array.held is None)

    @property
    def names(self) -> list[tuple[str, str]]:
        """(parameter, term) of each element of theta."""
        return [(array.name, label) for array in self.free for label in array.labels]

    @property
    def labels(self) -> list[str]:
        """Each element of theta in one word."""
        return [array.label(term) for array in self.free for term in array.labels]

    def start(self) -> Tensor:
        """Theta (p,) at the starting values."""
        parts = [array.link.link(array.start) for array in self.free]
        return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64)

    def natural(self, theta: Tensor) -> Values:
        """The parameters in their shapes, on their natural scales."""
        values, at = {}, 0
        for array in self.arrays:
            size = len(array.labels)
            if array.held is not None:
                flat = torch.full((size,), array.held, dtype=torch.float64)
            else:
                flat = array.link.inverse(theta[at : at + size])
                at += size
            values[array.name] = flat.clone().reshape(array.shape)  # a copy, which user code may overwrite
        return Values(values)


def read_parameters(path: str, module: ModuleType, data: object, terms: Sequence[str], spec: ModelSpec) -> Parameters:
    """The parameters that a file declares, with the links, held values and starting values asked for."""
    declared = _start(path, module, data)
    links = _mapping(path, module, "links", declared) | _asked("--link", spec.links, declared)
    fixed = _asked("--fix", spec.fixed, declared)
    names = _mapping(path, module, "names", declared)
    arrays = [
        Array(
            name,
            tuple(value.shape),
            find_link(str(links.get(name, "identity"))),
            value.reshape(-1),
            _labels(path, name, value, names.get(name), terms),
            fixed.get(name),
        )
        for name, value in declared.items()
    ]
    parameters = Parameters(tuple(_started(arrays, spec.start)))
    for array in parameters.arrays:
        _check_domain(path, array)
    if not parameters.names:
        raise ModelError("empty_model", "every parameter is held: there is nothing to estimate", "leave out a --fix")
    return parameters


def file_error(path: str, message: str, hint: str) -> ModelError:
    """What a file declares cannot be used."""
    return ModelError("bad_likelihood", f"{path}: {message}", hint)


def _start(path: str, module: ModuleType, data: object) -> dict[str, Tensor]:
    """name -> natural starting values, float64."""
    hint = 'write start = {"beta": torch.zeros(3), "sigma": 1.0}, or def start(data) that returns it'
    start = getattr(module, "start", None)
    if callable(start):
        with running(path, "start(data) failed"):
            start = start(data)
    if not isinstance(start, Mapping) or not start:
        raise file_error(path, "start is no dictionary of parameters", hint)
    values = {}
    for name, value in start.items():
        if not (isinstance(name, str) and name.isidentifier() and not name.startswith("_")):
            raise file_error(path, f"start has {name!r}, which is not the name of a parameter", hint)
        with running(path, f"start of {name} is no array of numbers"):
            values[name] = torch.as_tensor(value).detach().to(torch.float64).clone()
        if values[name].numel() == 0:
            raise file_error(path, f"start of {name} is empty", hint)
    return values


def _mapping(path: str, module: ModuleType, what: str, declared: Mapping[str, Tensor]) -> dict[str, Any]:
    """`links` or `names` of the file, whose keys are parameters."""
    found = getattr(module, what, {})
    hint = f"write {what} = {{PARAMETER: ...}}; the parameters are: {', '.join(declared)}"
    if not isinstance(found, Mapping):
        raise file_error(path, f"{what} is no dictionary", hint)
    for name in found:
        if name not in declared:
            raise file_error(path, f"{what} has '{name}', which start has not", hint)
    return dict(found)


def _asked(option: str, given: Mapping[str, Any], declared: Mapping[str, Tensor]) -> dict[str, Any]:
    """What an option gives to parameters."""
    for name in given:
        if name not in declared:
            hint = did_you_mean(name, declared) or f"parameters: {', '.join(declared)}"
            raise UsageError("unknown_parameter", f"{option} {name}: no such parameter", hint)
    return dict(given)


def _labels(path: str, name: str, value: Tensor, given: object, terms: Sequence[str]) -> tuple[str, ...]:
    """One label for each element: those given, the terms of the formula where their number fits, or the indices."""
    size = value.numel()
    if given is not None:
        labels = tuple(given) if isinstance(given, list | tuple) else ()
        if len(set(labels)) != size or len(labels) != size or not all(isinstance(label, str) for label in labels):
            message = f"names of {name} must be {size} different texts, one for each element"
            raise file_error(path, message, f'write names = {{"{name}": ["first", ...]}}')
        return labels
    if value.ndim == 0:
        return ("Intercept",)
    if value.ndim == 1 and size == len(terms):
        return tuple(terms)
    return tuple(",".join(str(i + 1) for i in place) for place in product(*(range(k) for k in value.shape)))


def _started(arrays: Sequence[Array], given: Mapping[str, float]) -> list[Array]:
    """The arrays with the natural starting values that --start gives to elements."""
    places: dict[str, list[tuple[int, int]]] = {}
    for i, array in enumerate(arrays):
        for j, term in enumerate(array.labels):
            for key in {array.label(term), *([term] if array.shape else [])}:
                places.setdefault(key, []).append((i, j))
    known = {key: at[0] for key, at in places.items() if len(at) == 1}
    values = [array.start.clone() for array in arrays]
    for key, value in given.items():
        if key not in known:
            hint = did_you_mean(key, known) or f"write one of: {', '.join(list(known)[:12])}"
            raise UsageError("unknown_term", f"--start {key}: no such element of a parameter", hint)
        i, j = known[key]
        values[i][j] = value
    return [replace(array, start=value) for array, value in zip(arrays, values, strict=True)]


def _check_domain(path: str, array: Array) -> None:
    """Starting and held values must lie inside the range of the link."""
    value = array.start if array.held is None else torch.tensor([array.held], dtype=torch.float64)
    wrong = ~torch.isfinite(array.link.link(value))
    if not bool(wrong.any()):
        return
    at = int(torch.nonzero(wrong)[0])
    what = f"{float(value[at]):g} is outside the range of the {array.link.name} link"
    if array.held is not None:
        raise UsageError("bad_fix", f"--fix {array.name}: {what}", "give a value inside, or another --link")
    hint = f"start {array.name} inside its range, or give it another link"
    raise ModelError("bad_start", f"{path}: the start of {array.label(array.labels[at])}: {what}", hint)
