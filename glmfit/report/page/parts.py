"""What a report consists of: sections of paragraphs, facts, tables, pictures, commands and findings, all plain text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cell:
    """What a table shows, and what its rows are sorted by; a text where that is None."""

    text: str
    key: float | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """(label, text) pairs."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table, its first columns `texts`, the others numbers.

    `csv` is the whole of it for machines. Of a `toggle` (a label) there are two forms of it, the second is `other`.
    """

    caption: str
    heading: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    texts: int = 1
    csv: str = ""
    toggle: str = ""
    other: Grid | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """An `<svg>` element with its title and description, and a sentence below it."""

    name: str
    svg: str
    caption: str
    description: str


@dataclass(frozen=True, slots=True)
class Command:
    """Lines to type, or versions: shown as they are."""

    text: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A finding with what it means and what to do."""

    code: str
    message: str
    meaning: str
    remedy: str


Part = Text | Facts | Grid | Picture | Command | Notice


@dataclass(frozen=True, slots=True)
class Section:
    """Parts under a heading; `level` 2 is of the page, 3 of one of its models."""

    anchor: str
    heading: str
    parts: tuple[Part, ...]
    level: int = 2


@dataclass(frozen=True, slots=True)
class Page:
    """A report: its title, a sentence, and sections."""

    title: str
    lead: tuple[str, ...]
    sections: tuple[Section, ...]

    def pictures(self) -> list[Picture]:
        return [part for section in self.sections for part in section.parts if isinstance(part, Picture)]


def cells(texts: Sequence[str], keys: Sequence[float | None] = ()) -> tuple[Cell, ...]:
    """Cells of a row, with what they are sorted by where that is known; NaN is not."""
    known = [*keys, *[None] * (len(texts) - len(keys))]
    sure = [None if key is None or math.isnan(key) else key for key in known]
    return tuple(Cell(text, key) for text, key in zip(texts, sure, strict=True))
