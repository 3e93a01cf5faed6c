"""Documents of the same form: one fit is the pattern, and others differ from it at some places alone.

The document of the pattern is written once and cut at these places; what stands between is then the same for all. So
the form of a document is known in one place still, and the documents of ten thousand fits cost as many joins.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from glmfit.report.document import line, plain, reported
from glmfit.result import Fit

Path = tuple[str | int, ...]
_MARK = "\x00{}\x00"  # which no text of a document has: JSON escapes it
_FOUND = re.compile(r'"\\u0000(\d+)\\u0000"')


class Template:
    """What fits have in common with `pattern`, but for the values at `paths`."""

    def __init__(self, pattern: Fit, paths: Sequence[Path]) -> None:
        self.pattern = pattern
        self.paths = tuple(paths)
        self._tree: dict[str | int, Any] = {}
        for k, path in enumerate(paths):
            inside = self._tree
            for step in path[:-1]:
                inside = inside.setdefault(step, {})
            inside[path[-1]] = k

    @cached_property
    def _pieces(self) -> tuple[str, list[int]]:
        """The document with %s at each place, and which value belongs there; what is in front of it comes first."""
        document = reported(self.pattern)
        for k, path in enumerate(self.paths):
            inside: Any = document
            for step in path[:-1]:
                inside = inside[step]
            inside[path[-1]] = _MARK.format(k)
        parts = _FOUND.split(line(document).removeprefix("{"))
        texts = [part.replace("%", "%%") for part in parts[::2]]
        return "{%s, " + "%s".join(texts), [int(part) for part in parts[1::2]]

    def texts(self, heads: Sequence[Mapping[str, Any]], values: Mapping[Path, Sequence[Any]]) -> list[str]:
        """A document on one line for each of the fits, `heads` in front."""
        whole, order = self._pieces
        columns = [_texts(values[self.paths[k]]) for k in order]
        fronts = [line(head)[1:-1] for head in heads]
        return [whole % row for row in zip(fronts, *columns, strict=True)]

    def fit(self, values: Mapping[Path, Sequence[Any]], at: int) -> Fit:
        """The fit at one place of the values."""
        row = [values[path][at] for path in self.paths]
        found: Fit = _filled(self.pattern, self._tree, row)
        return found


def _filled(pattern: Any, tree: Any, row: Sequence[Any]) -> Any:
    """The pattern with values in the places of a tree."""
    if not isinstance(tree, dict):
        return row[tree]
    if is_dataclass(pattern) and not isinstance(pattern, type):
        return replace(pattern, **{str(k): _filled(getattr(pattern, str(k)), sub, row) for k, sub in tree.items()})
    return tuple(_filled(one, tree[k], row) if k in tree else one for k, one in enumerate(pattern))


def _texts(values: Sequence[Any]) -> Iterator[str] | list[str]:
    """Values as JSON."""
    first = values[0] if len(values) else None
    if isinstance(first, float):
        write: Callable[[float], str] = float.__repr__
        return map(write, values) if np.isfinite(values).all() else [line_of(value) for value in values]
    if isinstance(first, int) and not isinstance(first, bool):
        return map(str, values)
    known: dict[Any, str] = {}
    out = []
    for value in values:
        key = id(value)
        if key not in known:
            known[key] = line_of(value)
        out.append(known[key])
    return out


def line_of(value: Any) -> str:
    """Any part of a document on one line."""
    return json.dumps(plain(value), allow_nan=False, ensure_ascii=False)
