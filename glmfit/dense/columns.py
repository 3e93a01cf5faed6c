"""What a user's function calls `data`: columns by name, read from the file when they are first asked for.

Only what is used needs to be complete: a column that turns out to have missing values is noted, the rows are dropped,
and the function is called anew. It never sees a missing value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from glmfit.dense.parameters import NoSuchName
from glmfit.errors import DataError, Finding, ModelError
from glmfit.rows import group_codes
from glmfit.table import Source, Table, unknown_column


class Reader:
    """The columns that have been asked for, at the rows of `table`; `given` are data.y, data.X and data.terms."""

    def __init__(self, source: Source, table: Table, given: Mapping[str, Any]) -> None:
        self.source = source
        self.table = table
        self.given = given
        self.incomplete: list[str] = []
        self.findings: list[Finding] = []
        self.tensors: dict[str, Tensor] = {}

    def column(self, name: str) -> Table:
        """A table of the one column; it must be complete."""
        if name in self.table.columns:
            return self.table
        if name not in self.source.header:
            error = unknown_column(name, self.source.header, self.source.name)
            raise NoSuchName(error.code, error.message, error.hint)
        found = self.source.read([name])
        column = found[name].take(self.table.rows - 1)
        if column.missing.any():
            self.incomplete.append(name)
            raise DataError(
                "incomplete_column",
                f"column '{name}' has missing values and was first asked for after the search had begun",
                "ask for it before any branch of the function",
            )
        self.findings += found.findings
        self.table = replace(self.table, columns={**self.table.columns, name: column})
        return self.table

    def tensor(self, name: str) -> Tensor:
        """A column of numbers as float64 (n,); text is none, and its codes are not to be computed with by mistake."""
        if name not in self.tensors:
            table = self.column(name)
            if table[name].kind not in ("number", "boolean"):
                hint = f"data.codes('{name}') numbers its levels from 0, and data.levels('{name}') names them"
                raise DataError("not_numeric", f"column '{name}' holds {table[name].kind}, not numbers", hint)
            self.tensors[name] = torch.tensor(table.numbers(name))
        return self.tensors[name]

    def check_unchanged(self, path: str) -> None:
        """The function must not have overwritten what it was given."""
        handed = {**self.given, **self.tensors}
        for name, value in handed.items():
            if isinstance(value, Tensor) and value._version:
                raise ModelError(
                    "bad_likelihood",
                    f"{path}: log_likelihood overwrites data.{name}, and would find other data at its next call",
                    f"work on a copy: data.{name}.clone(), or x = x + 1 in place of x += 1",
                )


class Columns:
    """Columns of numbers by attribute or by index: float64 (n,); `len(data)` is n.

    With a formula `data.y` is the response, `data.X` (n, p) the model matrix and `data.terms` the names of its columns;
    an index is always a column of the file.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in self._reader.given:
            return self._reader.given[name]
        if name in ("X", "terms") and name not in self._reader.source.header:
            raise NoSuchName(
                "unknown_column",
                f"data.{name} comes from a formula, and none was given",
                'add one to the command: "y ~ x1 + x2"',
            )
        return self[name]

    def __getitem__(self, name: str) -> Tensor:
        return self._reader.tensor(name)

    def __contains__(self, name: str) -> bool:
        return name in self._reader.source.header

    def __len__(self) -> int:
        return len(self._reader.table)

    def levels(self, name: str) -> tuple[str, ...]:
        """The distinct values of a column as text, in the order of its codes."""
        column = self._reader.column(name)[name]
        return tuple(f"{value:g}" for value in np.unique(column.values)) if column.levels is None else column.levels

    def codes(self, name: str) -> Tensor:
        """Which of its distinct values, from 0 up, each row of a column has: int64 (n,), of numbers too."""
        return torch.tensor(group_codes(self._reader.column(name), name))
