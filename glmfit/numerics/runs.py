"""Tensors with a number for each row, in memory or in a temporary file, and what is made of them a run at a time.

A tensor over a `Spilled` array lies in its file; what is made of it row by row does so too. A constant is one number
with a stride of 0, and what is made of constants is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from glmfit import spill
from glmfit.lazy import load_all


def generator(seed: int) -> torch.Generator:
    """Random numbers of torch: all of it is loaded, without which it makes none."""
    load_all()
    return torch.Generator().manual_seed(seed)


def constant(value: float, n: int) -> Tensor:
    """(n,) the same number for each row, in the memory of one."""
    return torch.tensor(value, dtype=torch.float64).expand(n)


def rows_of(values: np.ndarray) -> Tensor:
    """The tensor over an array (n,); a `constant` where it is one number, with a stride of 0."""
    return constant(float(values[0]), len(values)) if values.strides == (0,) else torch.from_numpy(values)


def is_constant(rows: Tensor) -> bool:
    """Whether a tensor (n,) is a `constant`."""
    return rows.stride() == (0,)


def lies_in(rows: Tensor) -> spill.Spill | None:
    """What a tensor lies in, None if that is the memory."""
    return None if is_constant(rows) else spill.at(rows.data_ptr())


def by_rows(make: Callable[..., Tensor], *rows: Tensor) -> Tensor:
    """make(*rows) of tensors (n,), row by row."""
    n = len(rows[0])
    if all(map(is_constant, rows)):
        return make(*(one[:1] for one in rows)).expand(n)
    home = next((found for found in map(lies_in, rows) if found is not None), None)
    if home is None or n <= spill.RUN:
        return make(*rows)
    return laid(home, n, lambda part: make(*(one[part] for one in rows)))


def laid(home: spill.Spill, n: int, run: Callable[[slice], Tensor], apart: int = 1) -> Tensor:
    """(n, ...) of which `run` gives each run of rows, in a file unless it is short; `apart` is that of `spill.runs`."""
    first = run(slice(0, min(n, 1)))
    if n <= spill.RUN:
        out = first.new_empty((n, *first.shape[1:]))
    else:
        out = torch.from_numpy(home.empty((n, *first.shape[1:]), first.numpy().dtype))
    for part in spill.runs(n, max(16, spill.RUN // apart), apart):
        out[part] = run(part)
    return out


def empty_columns(columns: Sequence[Tensor]) -> Tensor:
    """(n, p) to be written, one column after the other, in a file where one of the `columns` (n,) lies in one."""
    shape = len(columns), len(columns[0])
    home = next((found for found in map(lies_in, columns) if found is not None), None)
    if home is None or shape[1] <= spill.RUN:
        return torch.from_numpy(np.empty(shape)).T  # numpy asks for large pages, torch does not
    return torch.from_numpy(home.empty(shape)).T


def beside(columns: Sequence[Tensor]) -> Tensor:
    """(n, p) of columns (n,)."""
    out = empty_columns(columns)
    for j, column in enumerate(columns):
        for part in spill.runs(len(column)):
            out[part, j] = column[part]
    return out


def taken(rows: Tensor, part: slice | Tensor) -> Tensor:
    """Some of the rows, by a slice, which is no copy, or by their positions."""
    if isinstance(part, slice) or rows.ndim == 0:
        return rows[part]
    if is_constant(rows):
        return rows[:1].expand(len(part))
    home = lies_in(rows)
    if home is None or len(rows) <= spill.RUN:
        return rows[part]
    return laid(home, len(part), lambda run: rows[part[run]], max(1, len(rows) // max(1, len(part))))


def positions(mask: Tensor) -> Tensor:
    """(m,) where a mask (n,) is true; in a file where the mask is in one."""
    home = lies_in(mask)
    if home is None:
        return torch.nonzero(mask)[:, 0]
    return torch.from_numpy(np.flatnonzero(home.lent(mask.numpy())))


def summed(rows: Tensor) -> float:
    """The sum of a tensor (n,)."""
    if is_constant(rows):
        return float(rows[0]) * len(rows)
    return sum(float(rows[part].sum()) for part in spill.runs(len(rows)))


def extremes(rows: Tensor) -> tuple[float, float]:
    """The smallest and the largest of a tensor (n,); NaN where there is one among them."""
    ends = torch.stack([torch.stack(torch.aminmax(rows[part])) for part in spill.runs(len(rows))])
    return float(ends[:, 0].min()), float(ends[:, 1].max())
