"""Whether what a fit takes has room in memory; else the columns that it uses are kept in temporary files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from glmfit import memory
from glmfit.spill import Spill
from glmfit.table import Source, Table, read_spilled

if TYPE_CHECKING:
    from glmfit.rows.asked import Asked

BASE = 300_000_000  # bytes of the program itself and its libraries
ROWS = 12  # numbers in each row beside those of its columns: weights, the response, offsets, the line search
COLUMNS = 4  # numbers in each row for each column: read, in a design, standardised, and a copy in the making

Told = Callable[[int, int], None]


def table_of(asked: Asked, source: Source, told: Told | None = None) -> Table:
    """The columns that a model uses, from memory or from temporary files."""
    if has_room(asked, source):
        return source.read(asked.read)
    return read_spilled(source, asked.read, Spill(asked.spec.spill), told)


def has_room(asked: Asked, source: Source) -> bool:
    """Whether a fit takes no more than what was asked for, or else is free; of columns in memory already it does."""
    n, most = source.expected_rows(), room(asked.spec.memory)
    return most is None or need(asked, n) <= most


def need(asked: Asked, n: int) -> int:
    """Bytes that a fit to n rows takes in memory, told from its columns and terms."""
    terms = sum(len(predictor.terms) for predictor in asked.formula.predictors)
    return memory.NUMBER * n * (COLUMNS * max(len(asked.read), terms) + ROWS)


def room(asked: int | None) -> int | None:
    """Bytes there are for rows; None where nothing is known of it."""
    return memory.available() if asked is None else max(0, asked - BASE)
