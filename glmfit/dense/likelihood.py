"""The log-likelihood of a user's function as an objective in theta, by reverse passes over reverse passes.

    gradient = d l / d theta        Hessian = d gradient_j / d theta, j = 1..p        l = sum_i w_i l_i, or l itself

Where the function returns one value per row, the score of row i is the derivative of the gradient of sum_i u_i l_i in
the dummy weight u_i.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from glmfit.dense.columns import Columns, Reader
from glmfit.dense.parameters import Parameters
from glmfit.errors import ModelError
from glmfit.families.blame import KINKED, ROUND_OFF, Operation, first, makes, not_finite, record
from glmfit.families.userfile import is_outside_domain, running
from glmfit.inference import Scores

CALL = "log_likelihood(params, data)"


class DenseLikelihood:
    """The log-likelihood as a function of theta (p,); `weight` and `frequency` (n,) are those of the rows."""

    def __init__(
        self,
        path: str,
        function: Callable[..., object],
        parameters: Parameters,
        reader: Reader,
        weight: Tensor | None,
        frequency: Tensor | None,
    ) -> None:
        self.path = path
        self.function = function
        self.parameters = parameters
        self.reader = reader
        self.weight = weight
        self.frequency = frequency
        self.data = Columns(reader)

    def parts(self, theta: Tensor) -> Tensor:
        """What the function returns: (), or (n,) unweighted; ModelError where it is anything else."""
        found = self._call(theta)
        self.reader.check_unchanged(self.path)
        return self._checked(found, theta)

    def _call(self, theta: Tensor) -> Any:
        with running(self.path, f"{CALL} failed"):
            return self.function(self.parameters.natural(theta), self.data)

    def first(self, theta: Tensor, wanted: Callable[[Operation], bool]) -> str:
        """The first operation of the function that is wanted, for the end of a sentence."""
        found = first(record(self.path, lambda: self._call(theta)), wanted)
        return "" if found is None else f": {found}"

    def _checked(self, found: object, theta: Tensor) -> Tensor:
        n = len(self.data)
        wanted = f"a float64 tensor, one number or one for each of the {n} rows"
        if not isinstance(found, Tensor):
            raise self._error(
                f"returns {type(found).__name__}, not {wanted}", "compute with torch, without .item() or float()"
            )
        shape = tuple(found.shape)
        if shape not in ((), (n,)):
            where = self.first(theta, makes(shape))
            raise self._error(f"returns shape {shape}, not {wanted}{where}", _shape_hint(shape, n))
        if found.dtype != torch.float64:
            raise self._error(
                f"returns {str(found.dtype).removeprefix('torch.')}, not {wanted}"
                + self.first(theta, lambda one: one.dtype == found.dtype),
                "make tensors with dtype=torch.float64, or like those of params and data: torch.zeros_like(x)",
            )
        return found

    def _error(self, what: str, hint: str) -> ModelError:
        return ModelError("bad_likelihood", f"{self.path}: log_likelihood {what}", hint)

    def total(self, parts: Tensor) -> Tensor:
        """The weighted sum ()."""
        return parts.sum() if self.weight is None or not parts.shape else (self.weight * parts).sum()

    # ---- the objective ----

    def derivatives(self, theta: Tensor) -> tuple[float, Tensor, Tensor]:
        """Value, gradient (p,) and Hessian (p, p); NaN where it is outside the domain."""
        value, gradient, rows = self.expanded(theta)
        hessian = rows(torch.arange(len(theta)))
        return value, gradient, 0.5 * (hessian + hessian.T)

    def expanded(self, theta: Tensor) -> tuple[float, Tensor, Callable[[Tensor], Tensor]]:
        """Value, gradient (p,), and places (m,) -> rows (m, p) of the Hessian; NaN where it is outside the domain."""
        leaf = theta.detach().clone().requires_grad_(True)
        try:
            total = self.total(self.parts(leaf))
        except ModelError as error:
            if is_outside_domain(error):
                nothing = torch.full_like(theta, math.nan)
                return math.nan, nothing, lambda places: nothing.expand(len(places), -1)
            raise
        with running(self.path, "log_likelihood cannot be differentiated"):
            gradient = _grad(total, leaf, create_graph=True)

        def rows(places: Tensor) -> Tensor:
            if not len(places):
                return theta.new_zeros((0, len(theta)))
            with running(self.path, "log_likelihood cannot be differentiated"):
                return torch.stack([_grad(gradient[int(at)], leaf) for at in places])

        return float(total.detach()), gradient.detach(), rows

    def along(self, theta: Tensor, direction: Tensor) -> Callable[[float], float]:
        """t -> the value at theta + t direction; NaN where it is outside the domain."""

        def value(t: float) -> float:
            try:
                return float(self.total(self.parts(theta + t * direction)).detach())
            except ModelError as error:
                if is_outside_domain(error):
                    return math.nan
                raise

        return value

    def expected(self, theta: Tensor) -> Tensor | None:
        """Not known."""
        return None

    def information_root(self, theta: Tensor) -> Tensor | None:
        """Not known."""
        return None

    def scores(self, theta: Tensor) -> Iterator[Scores]:
        """The scores of all rows at once, where the function returns one value per row."""
        leaf = theta.detach().clone().requires_grad_(True)
        parts = self.parts(leaf)
        dummy = torch.ones_like(parts).requires_grad_(True)
        with running(self.path, "log_likelihood cannot be differentiated"):
            gradient = _grad((dummy * parts).sum(), leaf, create_graph=True)
            scores = torch.stack([_grad(one, dummy) for one in gradient], dim=1)
        if self.weight is not None:
            scores = self.weight[:, None] * scores
        frequency = torch.ones_like(parts.detach()) if self.frequency is None else self.frequency
        yield slice(0, len(parts)), frequency, scores


def _grad(value: Tensor, leaf: Tensor, create_graph: bool = False) -> Tensor:
    """d value / d leaf, zero where it does not depend on it."""
    if not value.requires_grad:
        return torch.zeros_like(leaf)
    (found,) = torch.autograd.grad(value, leaf, create_graph=create_graph, retain_graph=True, allow_unused=True)
    return torch.zeros_like(leaf) if found is None else found


def _shape_hint(shape: tuple[int, ...], n: int) -> str:
    if shape == (n, n):
        return f"a column ({n},) met one of shape ({n}, 1), or ({n}, p) times (p, 1): make all of shape ({n},)"
    if shape == (n, 1):
        return "take the last dimension away: squeeze(1), or X @ beta with beta of shape (p,)"
    return "end with .sum(), or share out a group's value among its rows: (value / size)[codes]"


def check(likelihood: DenseLikelihood, theta: Tensor) -> None:
    """Raises ModelError for what cannot be maximised from theta, naming rows and parameters."""
    leaf = theta.detach().clone().requires_grad_(True)
    parts = likelihood.parts(leaf)
    path, labels = likelihood.path, likelihood.parameters.labels
    if not parts.requires_grad:
        raise ModelError(
            "bad_likelihood",
            f"{path}: log_likelihood returns a number that does not depend on the parameters",
            "compute it with torch from params, without .item(), .detach(), numpy or torch.tensor(...)",
        )
    wrong = ~torch.isfinite(parts.detach())
    if bool(wrong.any()):
        where = ""
        if parts.shape:
            at = int(torch.nonzero(wrong)[0])
            where = f" in row {likelihood.reader.table.rows[at]}"
            where += f" (and {int(wrong.sum()) - 1} more)" if int(wrong.sum()) > 1 else ""
        value = float(parts.detach()[at] if parts.shape else parts.detach())
        raise ModelError(
            "bad_start",
            f"{path}: log_likelihood is {value:g} at the starting values{where}"
            + likelihood.first(theta, lambda one: not one.finite),
            "start where it is finite: in start, or with --start PARAMETER=VALUE",
        )
    value, gradient, hessian = likelihood.derivatives(theta)
    bad = ~(torch.isfinite(gradient) & torch.isfinite(hessian).all(dim=1))
    if bool(bad.any()):
        names = ", ".join(label for label, one in zip(labels, bad.tolist(), strict=True) if one)
        where = not_finite(path, likelihood.parts, [theta])
        raise ModelError(
            "bad_start",
            f"{path}: log_likelihood is finite at the starting values, but its derivatives in {names} are not"
            + (where and f": {where}"),
            "torch.where needs a safe argument in both branches; sqrt(0), log(0) and abs(0) have no derivatives",
        )
    straight = (torch.diagonal(hessian) == 0) & (gradient != 0)
    kink = likelihood.first(theta, lambda one: one.name in KINKED) if bool(straight.any()) else ""
    if kink:
        names = " and ".join(label for label, one in zip(labels, straight.tolist(), strict=True) if one)
        what = f"{path}: log_likelihood has second derivatives of 0 in {names}, made of straight lines{kink}"
        raise ModelError("bad_start", what, ROUND_OFF)
    again = likelihood.along(theta, theta)(0.0)
    if not math.isclose(again, value, rel_tol=1e-9, abs_tol=1e-9):
        raise ModelError(
            "bad_likelihood",
            f"{path}: log_likelihood gives {value:.10g} and then {again:.10g} for the same parameters",
            "draw random numbers once, when the file is loaded, or with a seed in the function",
        )
