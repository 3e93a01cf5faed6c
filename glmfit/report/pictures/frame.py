"""What a picture is drawn from: numbers by name, the names of the axes, and the same in words for who cannot see it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from glmfit.report.document import layout, plain

SCHEMA = "glmfit/picture/1"
Table = Mapping[str, Any]  # columns by name, all of one length: arrays, or lists


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A picture before it is drawn: `tables` hold all that is drawn, `facts` what else there is to say in numbers.

    `title` and `of` (the model, say) stand above, `x` and `y` are the names of the axes, `notes` sentences below it;
    `description` is what it shows, in words.
    """

    kind: str
    title: str
    of: str
    x: str
    y: str
    tables: Mapping[str, Table]
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    description: str = ""

    def rows(self, name: str) -> Iterator[dict[str, Any]]:
        """The rows of a table; none of one that the frame has not."""
        columns = {key: _listed(values) for key, values in self.tables.get(name, {}).items()}
        for row in zip(*columns.values(), strict=True):
            yield dict(zip(columns, row, strict=True))


def to_json(frame: Frame) -> str:
    """The frame as a JSON document."""
    said = {"kind": frame.kind, "title": frame.title, "of": frame.of, "x": frame.x, "y": frame.y}
    tables = {name: list(frame.rows(name)) for name in frame.tables}
    words = {"notes": frame.notes, "description": frame.description}
    return layout(plain({"schema": SCHEMA, **said, "facts": frame.facts, "tables": tables, **words})) + "\n"


def _listed(values: Any) -> list[Any]:
    return values.tolist() if hasattr(values, "tolist") else list(values)
