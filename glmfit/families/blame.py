"""Which line of a user's file is to blame: for a shape, for a type, for a value or a derivative that is not finite.

Run again under `Recorder`, the function tells every operation of torch with its line, and what came of it. Derivatives
are traced through autograd's graph: the node that turns finite numbers into others knows where it was made.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from glmfit.families.userfile import line_text

Density = Callable[..., Any]


KINKED = ("abs", "relu", "maximum", "minimum", "max", "min", "clamp", "clip", "where", "l1_loss", "hardtanh", "sign")
ROUND_OFF = (
    "Newton's method and standard errors need curvature: round the corner off, torch.sqrt(z**2 + 1e-4) for torch.abs(z)"
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of torch: its name, the line of the file that called it, what went in and what came out."""

    name: str
    where: str | None
    inputs: tuple[tuple[int, ...], ...]  # shapes
    output: tuple[int, ...] | None  # the shape, None for what is no tensor
    dtype: torch.dtype | None
    finite: bool
    writes: bool  # into a tensor that is watched

    def __str__(self) -> str:
        return self.name if self.where is None else f"{self.name} at {self.where}"


class Recorder(TorchFunctionMode):
    """While it is entered, keeps every operation that the file at `path` calls, in order."""

    def __init__(self, path: str, watched: Sequence[Tensor] = ()) -> None:
        super().__init__()
        self.path = path
        self.watched = watched
        self.operations: list[Operation] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = [tensor._version for tensor in self.watched]
        result = func(*args, **(kwargs or {}))
        shapes = tuple(tuple(one.shape) for one in _tensors((*args, *(kwargs or {}).values())))
        tensor = result if isinstance(result, Tensor) else None
        name = getattr(func, "__name__", "an operation")
        if name == "__get__":  # an attribute, such as .shape or .data
            name = getattr(getattr(func, "__self__", None), "__name__", name)
        self.operations.append(
            Operation(
                name.strip("_"),
                _line(self.path),
                shapes,
                None if tensor is None else tuple(tensor.shape),
                None if tensor is None else tensor.dtype,
                tensor is None or not tensor.is_floating_point() or bool(torch.isfinite(tensor).all()),
                before != [tensor._version for tensor in self.watched],
            )
        )
        return result


def _tensors(values: Sequence[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _line(path: str) -> str | None:
    """The innermost line of the file among the callers."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename == path:
            return line_text(path, frame.f_lineno)
        frame = frame.f_back  # type: ignore[assignment]
    return None


def record(path: str, call: Callable[[], Any], watched: Sequence[Tensor] = ()) -> list[Operation]:
    """The operations of one call."""
    with Recorder(path, watched) as recorder:
        call()
    return recorder.operations


def first(operations: Sequence[Operation], wanted: Callable[[Operation], bool]) -> Operation | None:
    """The first operation of the file's own that is wanted."""
    return next((one for one in operations if one.where is not None and wanted(one)), None)


def makes(shape: tuple[int, ...]) -> Callable[[Operation], bool]:
    """Whether an operation is where a shape comes up: it goes out and has not come in."""
    return lambda one: one.output == shape and shape not in one.inputs


def not_finite(path: str, density: Density, leaves: Sequence[Tensor]) -> str:
    """The operation at whose hands a first or second derivative of `density(*leaves)` stops being finite.

    The empty text where there is none, as for a function that gives other numbers for other rows.
    """
    found: list[Any] = []
    leaves = [leaf.detach().requires_grad_(True) for leaf in leaves]
    with torch.autograd.set_detect_anomaly(True, check_nan=False):  # nodes keep the stack that made them
        value = density(*leaves)
        gradients = _watched(value, leaves, found)
        for gradient in gradients:
            if not found and gradient is not None and gradient.requires_grad:
                _watched(gradient, leaves, found)
    if not found:
        return ""
    node = found[0]
    while node.metadata.get("parent_") is not None:  # made in a backward pass: the forward node is the one to name
        node = node.metadata["parent_"]
    stack = "".join(node.metadata.get("traceback_", ()))
    lines = re.findall(rf'File "{re.escape(path)}", line (\d+)', stack)
    name = re.sub(r"Backward\d*$", "", node.name().rpartition("::")[2])
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return f"{name} at {line_text(path, int(lines[-1]))}" if lines else f"{name} in {os.path.basename(path)}"


def _watched(output: Tensor, leaves: Sequence[Tensor], found: list[Any]) -> list[Tensor | None]:
    """Gradients of the sum of `output`; nodes that turn finite gradients into others are added to `found`."""

    def watch(node: Any) -> Callable[[Any, Any], None]:
        def hook(after: Sequence[Tensor | None], before: Sequence[Tensor | None]) -> None:
            if _all_finite(before) and not _all_finite(after):
                found.append(node)

        return hook

    handles = [node.register_hook(watch(node)) for node in _nodes(output.grad_fn)]
    gradients = torch.autograd.grad(output.sum(), leaves, create_graph=True, allow_unused=True)
    for handle in handles:
        handle.remove()
    return list(gradients)


def _all_finite(gradients: Sequence[Tensor | None]) -> bool:
    return all(one is None or bool(torch.isfinite(one).all()) for one in gradients)


def _nodes(root: Any) -> list[Any]:
    """Every node of a graph of derivatives, the nodes of leaves left out."""
    seen: dict[Any, None] = {}
    stack = [root]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen[node] = None
            stack += [below for below, _ in node.next_functions if below is not None]
    return [node for node in seen if "AccumulateGrad" not in node.name()]
