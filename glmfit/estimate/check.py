"""A user's log-density is checked on the data before it is maximised; what is wrong is told by its own lines.

`Inspection.call` looks at one call: a float64 tensor of shape (n,) that autograd can differentiate. Where the search
begins, the log-density and two derivatives must be finite on every row, the derivatives right, and the rows apart:

    grad((w * l).sum()) = w * grad(l.sum())  for any w
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from glmfit.errors import ModelError
from glmfit.estimate.start import coefficients, constants
from glmfit.families.blame import KINKED, ROUND_OFF, Operation, first, makes, not_finite, record
from glmfit.families.user import UserFamily
from glmfit.families.userfile import is_outside_domain, running
from glmfit.model import Likelihood, Model, Rows, assemble, row_derivatives
from glmfit.numerics import generator
from glmfit.rows import Data

CALLED = 101  # rows of the first call: a result of n x n must not fill the memory
POSSIBLE = (1.0, 0.5, -1.0)  # values of parameters for it, where the middle of the response is impossible
COMPARED = 1000  # rows whose derivatives are compared with differences
STEP = 1e-5  # of these differences
CLOSE = 1e-4  # how near they come to a derivative; the largest relative difference that is not held against it
SAME = 1e-10  # relative difference of two computations of the same thing
DETACHING = ("detach", "detach_", "item", "tolist", "numpy", "array", "data", "tensor", "as_tensor", "from_numpy")
MOVING = ("cumsum", "cumprod", "logcumsumexp", "flip", "roll", "sort", "argsort", "diff", "softmax", "log_softmax")
_BY_TORCH = "compute it with torch alone: without .item(), .detach(), numpy, torch.tensor(...) or torch.no_grad()"
_DENSE = "a likelihood whose rows interact is written as log_likelihood(params, data) instead"


@dataclass(frozen=True, slots=True)
class Report:
    """What was found where the search begins: natural values of the parameters, log-likelihood, largest derivatives."""

    start: Mapping[str, float]
    log_likelihood: float
    gradient: float
    hessian: float


class Inspection:
    """The checks of one user's family on prepared data; each raises `ModelError` naming row, value and line."""

    def __init__(self, family: UserFamily, rows: np.ndarray) -> None:
        self.family = family
        self.rows = rows  # where each row stood in the source
        self.report: Report | None = None

    def _density(self, chunk: Rows, working: Sequence[Tensor]) -> Any:
        """What the file itself returns."""
        with running(self.family.path):
            return self.family.plain_density(chunk.y, *working, **chunk.columns)

    def _refuse(self, code: str, what: str, hint: str) -> ModelError:
        return ModelError(code, f"{self.family.path}: {self.family.signature.partition('(')[0]} {what}", hint)

    # ---- one call ----

    def call(self, model: Model) -> None:
        """A call with the first rows of the data must give one differentiable float64 number for each."""
        index = torch.arange(max(2, min(len(model.rows.y), CALLED))) % len(model.rows.y)
        chunk = _picked(model.rows, index)
        estimated = {predictor.parameter for predictor in model.rows.predictors}
        for middle in (float(chunk.y.median()), *POSSIBLE):
            working = [
                torch.full_like(chunk.y, middle if p.scale == "identity" else 0.0).requires_grad_(True)
                if p.name in estimated
                else chunk.held[p.name]
                for p in self.family.parameters
            ]
            given = [chunk.y, *chunk.columns.values(), *working]
            versions = [tensor._version for tensor in given]
            try:
                value = self._density(chunk, working)
                break
            except ModelError as error:
                if middle == POSSIBLE[-1] or not is_outside_domain(error):
                    raise

        def operations() -> list[Operation]:
            return record(self.family.path, lambda: self._density(chunk, working), given)

        self._check_type(value)
        if value.shape != chunk.y.shape:
            raise self._wrong_shape(tuple(value.shape), len(index), operations())
        if value.dtype != torch.float64:
            made = first(operations(), lambda one: one.dtype == value.dtype)
            what = f"returns {value.dtype}{_by(made)}; all else is torch.float64"
            raise self._refuse("bad_density", what, "write numbers as they are, or with dtype=torch.float64")
        if versions != [tensor._version for tensor in given]:
            made = first(operations(), lambda one: one.writes)
            what = f"changes its arguments in place{_by(made)}"
            raise self._refuse("bad_density", what, "write y = y - mu, not y -= mu, which changes the data")
        if not value.requires_grad:
            cut = first(operations(), lambda one: one.name in DETACHING)
            names = " and ".join(p.name for p in self.family.parameters if p.name in estimated)
            what = f"returns numbers that for autograd do not depend on {names}{_by(cut, 'cut off by')}"
            raise self._refuse("bad_density", what, _BY_TORCH)

    def _check_type(self, value: Any) -> None:
        if isinstance(value, Tensor):
            return
        what = "nothing" if value is None else f"a {type(value).__module__}.{type(value).__name__}"
        hint = "end it with return" if value is None else "return a tensor, with one value for each row"
        raise self._refuse("bad_density", f"returns {what.replace('builtins.', '')} and no tensor", hint)

    def _wrong_shape(self, shape: tuple[int, ...], n: int, operations: Sequence[Operation]) -> ModelError:
        """The shape, and where it comes from: two shapes that broadcast, a sum over rows, a column made of a row."""
        text = f"returns shape {_shape(shape, n)} where there must be one value for each row, {_shape((n,), n)}"
        if not shape or shape == (1,):
            made = first(operations[::-1], lambda one: one.output == shape and (n,) in one.inputs)
            return self._refuse("bad_density", text + _by(made), "leave out the sum: glmfit adds up the rows")
        made = first(operations, makes(shape))
        hint = "every argument has shape (n,): take out what gives one of them another shape"
        if made is not None and len(made.inputs) > 1:
            shapes = " and ".join(_shape(one, n) for one in dict.fromkeys(made.inputs))
            text += f": {made.name} broadcasts {shapes} to {_shape(shape, n)} at {made.where}"
            column = first(operations, lambda one: one.output in ((n, 1), (1, n)) and (n,) in one.inputs)
            if column is not None and column.output is not None:
                text += f"; shape {_shape(column.output, n)} is made by {column}"
            return self._refuse("bad_density", text, hint)
        return self._refuse("bad_density", text + _by(made), hint)

    # ---- where the search begins ----

    def __call__(self, likelihood: Likelihood, theta: Tensor) -> None:
        """Everything that is checked with the constants that the search begins with."""
        seen, value, slope, curvature = 0, 0.0, 0.0, 0.0
        straight = dict.fromkeys((p.parameter for p in likelihood.chunks[0].predictors), False)
        random = generator(1)
        for chunk in likelihood.chunks:
            leaves = [eta.requires_grad_(True) for eta in likelihood.etas(chunk, theta)]
            l = self._density(chunk, likelihood.working(chunk, leaves))  # noqa: E741
            place = _Place(self, likelihood, chunk, leaves, self.rows[seen : seen + len(chunk.y)])
            place.finite(l, "")
            gradients = _gradients(l, leaves)
            for k, g in enumerate(gradients):
                place.finite(g, f"first derivative in {chunk.predictors[k].parameter}")
                for other, h in zip(chunk.predictors, _gradients(g, leaves, graph=False), strict=True):
                    names = " and ".join(dict.fromkeys((chunk.predictors[k].parameter, other.parameter)))
                    place.finite(h, f"second derivative in {names}")
                    curvature = max(curvature, float(h.detach().abs().max()))
                    if other is chunk.predictors[k]:
                        name = other.parameter
                        straight[name] = (straight[name] or not seen) and not bool(h.any()) and bool(g.detach().any())
                slope = max(slope, float(g.detach().abs().max()))
            # Powers of two: for rows that are apart the two sides are equal to the last bit.
            weight = torch.exp2(torch.randint(0, 3, chunk.y.shape, generator=random).to(chunk.y))
            for one, many in zip(gradients, _gradients(weight * l, leaves, graph=False), strict=True):
                place.apart(weight * one, many)
            if not seen:
                place.rows_apart(l.detach())
                place.derivatives_right()
            value += float((chunk.weight * l.detach()).sum())
            seen += len(chunk.y)
        if any(straight.values()):
            self._kinked([name for name, whole in straight.items() if whole], place)
        natural = likelihood.natural(likelihood.chunks[0], likelihood.etas(likelihood.chunks[0], theta))
        start = {p.name: float(v[0]) for p, v in zip(self.family.parameters, natural, strict=True)}
        self.report = Report(start, value, slope, curvature)

    def _kinked(self, names: Sequence[str], place: _Place) -> None:
        """Refuses straight lines in these parameters, where one of the operations makes them."""
        index = torch.arange(min(len(place.chunk.y), COMPARED))
        etas = [eta.detach()[index] for eta in place.etas]
        made = first(record(self.family.path, lambda: place.density(index)(*etas)), lambda one: one.name in KINKED)
        if made is not None:
            what = f"has a second derivative of 0 in {' and '.join(names)} in every row"
            raise self._refuse("bad_derivative", f"{what}, made of straight lines by {made}", ROUND_OFF)

    def begin(self, likelihood: Likelihood, theta: Tensor) -> None:
        """The same where the search begins with given values, or where the constants were impossible."""
        if self.report is None or not math.isfinite(likelihood.value(theta)):
            self(likelihood, theta)


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """Rows of a chunk at given linear predictors (n,), and the checks of one thing there."""

    inspection: Inspection
    likelihood: Likelihood
    chunk: Rows
    etas: Sequence[Tensor]
    rows: np.ndarray  # where they stood in the source

    def density(self, index: Tensor) -> Callable[..., Any]:
        """The log-density of some of the rows as a function of their linear predictors."""
        chunk = _picked(self.chunk, index)
        return lambda *etas: self.inspection._density(chunk, self.likelihood.working(chunk, etas))

    def finite(self, values: Tensor, derivative: str) -> None:
        """Refuses what is not finite, a derivative or the log-density itself, with row, values and operation."""
        bad = ~torch.isfinite(values.detach())
        if not bool(bad.any()):
            return
        at = int(bad.to(torch.int8).argmax())
        index, path = torch.tensor([at, at]), self.inspection.family.path
        etas = [eta.detach()[index] for eta in self.etas]
        if derivative:
            culprit = not_finite(path, self.density(index), etas)
            what = f"has no finite {derivative}" + (f", from {culprit}" if culprit else "")
            hint = (
                "torch.where needs an argument that is safe in both branches; xlogy(0, x), sqrt and abs have no "
                "derivatives at 0"
            )
            raise self.inspection._refuse("bad_derivative", f"{what}; {self._where(at)}", hint)
        made = first(record(path, lambda: self.density(index)(*etas)), lambda one: not one.finite)
        what = f"is {values[at].item():g} where the search begins{_by(made, 'from')}; {self._where(at)}"
        raise self.inspection._refuse(
            "bad_start", what, "correct it for such rows, or give feasible values with --start TERM=VALUE"
        )

    def _where(self, at: int) -> str:
        natural = self.likelihood.natural(self.chunk, [eta.detach() for eta in self.etas])
        names = [parameter.name for parameter in self.inspection.family.parameters]
        pairs = [("y", self.chunk.y), *zip(names, natural, strict=True), *self.chunk.columns.items()]
        return f"row {self.rows[at]}: " + ", ".join(f"{name} = {float(value[at]):.6g}" for name, value in pairs)

    def apart(self, expected: Tensor, found: Tensor) -> None:
        """Refuses rows that take part in each other's log-density."""
        if _same(expected.detach(), found.detach(), SAME):
            return
        raise self._rows_interact("the derivative of one row's value depends on other rows")

    def rows_apart(self, value: Tensor) -> None:
        """Refuses a value that changes from call to call, or with the rows that stand beside it."""
        index = torch.arange(min(len(value), COMPARED))
        etas = [eta.detach() for eta in self.etas]

        def pick(index: Tensor) -> Tensor:
            found: Tensor = self.density(index)(*(eta[index] for eta in etas)).detach()
            return found

        once, twice = pick(index), pick(index)
        if not _same(once, twice, SAME):
            what = "gives other values when it is called again"
            raise self.inspection._refuse("bad_density", what, "draw random numbers once, when the file is loaded")
        back = index[: (len(index) + 1) // 2].flip(0)
        if not _same(value[back], pick(back), 1e4 * SAME):
            raise self._rows_interact("the value of one row depends on other rows")

    def _rows_interact(self, what: str) -> ModelError:
        index = torch.arange(min(len(self.chunk.y), COMPARED))
        operations = record(
            self.inspection.family.path, lambda: self.density(index)(*(eta.detach()[index] for eta in self.etas))
        )
        n = len(index)
        mixing = first(operations, lambda one: one.name in MOVING or (one.output in ((), (1,)) and (n,) in one.inputs))
        text = f"is no linear form: {what}{_by(mixing, 'as by')}"
        return self.inspection._refuse("not_row_wise", text, f"{_DENSE}; means and ranks of data belong in a column")

    def derivatives_right(self) -> None:
        """Refuses derivatives that differences of the function contradict on most rows: something was detached."""
        index = torch.arange(min(len(self.chunk.y), COMPARED))
        density, etas = self.density(index), [eta.detach()[index] for eta in self.etas]
        here = row_derivatives(density, etas)
        size = here.l.abs() + 1
        for k, predictor in enumerate(self.chunk.predictors):
            step = STEP * (1 + etas[k].abs())
            up, down = (row_derivatives(density, [*etas[:k], etas[k] + s, *etas[k + 1 :]]) for s in (step, -step))
            self._compare(
                here.g[:, k], (up.l - down.l) / (2 * step), size, f"first derivative in {predictor.parameter}"
            )
            for j, other in enumerate(self.chunk.predictors):
                names = " and ".join(dict.fromkeys((predictor.parameter, other.parameter)))
                differences = (up.g[:, j] - down.g[:, j]) / (2 * step)
                self._compare(here.h[:, k, j], differences, size, f"second derivative in {names}")

    def _compare(self, derivative: Tensor, difference: Tensor, size: Tensor, name: str) -> None:
        slack = CLOSE * torch.maximum(derivative.abs(), difference.abs()) + 0.01 * CLOSE * size
        wrong = (derivative - difference).abs() > slack  # not where a difference leaves the domain
        if 2 * int(wrong.sum()) <= len(wrong):
            return
        at = int(wrong.to(torch.int8).argmax())
        index = torch.arange(2) * 0 + at
        etas = [eta.detach()[index].requires_grad_(True) for eta in self.etas]
        path = self.inspection.family.path
        cut = first(record(path, lambda: self.density(index)(*etas)), lambda one: one.name in DETACHING)
        what = (
            f"has a {name} of {float(derivative[at]):.6g} by autograd, where its values change by "
            f"{float(difference[at]):.6g}{_by(cut, 'cut off by')}; {self._where(at)}"
        )
        raise self.inspection._refuse("bad_derivative", what, _BY_TORCH)


def check_data(data: Data) -> Report:
    """All checks of a user's family, on prepared data and where a fit would begin."""
    inspection, model = inspection_of(data), assemble(data)
    if inspection is None:
        raise TypeError("only a user's family is checked")
    inspection.call(model)
    theta = coefficients(model, constants(model, inspection), data.spec.start)
    inspection.begin(model.likelihood(), theta)
    if inspection.report is None:
        raise TypeError("no report was made")
    return inspection.report


def inspection_of(data: Data) -> Inspection | None:
    """The checks that a fit of these data needs: those of a user's family."""
    return None if data.family.path is None else Inspection(cast(UserFamily, data.family), data.table.rows)


def _picked(rows: Rows, index: Tensor) -> Rows:
    """Response, columns and held parameters of rows by number; nothing else of them is used here."""
    return replace(
        rows,
        y=rows.y[index],
        columns={name: column[index] for name, column in rows.columns.items()},
        held={name: value[index] for name, value in rows.held.items()},
    )


def _gradients(values: Tensor, leaves: Sequence[Tensor], graph: bool = True) -> list[Tensor]:
    """Derivatives of the sum of `values` in each leaf."""
    if not values.requires_grad:
        return [torch.zeros_like(leaf) for leaf in leaves]
    found = torch.autograd.grad(values.sum(), leaves, create_graph=graph, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(leaf) if one is None else one for one, leaf in zip(found, leaves, strict=True)]


def _same(one: Tensor, other: Tensor, relative: float) -> bool:
    """Whether two computations of the same rows differ by no more than rounding."""
    if not one.numel():
        return True
    size = one.abs() + one.square().mean().sqrt()
    return bool(((one - other).abs() <= relative * size).all())


def _shape(shape: Sequence[int], n: int) -> str:
    """A shape with n in the place of the number of rows."""
    sizes = ["n" if size == n else str(size) for size in shape]
    return f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(sizes)})"


def _by(operation: Operation | None, how: str = "made by") -> str:
    return "" if operation is None else f", {how} {operation}"
