"""Whether what a fit takes has room in memory; else the columns that it uses are kept in temporary files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from glmfit import memory
from glmfit.spec import ModelSpec
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
    spill = Spill(asked.spec.spill or "")
    return source.read(asked.read) if has_room(asked, source) else read_spilled(source, asked.read, spill, told)


def has_room(asked: Asked, source: Source) -> bool:
    """Whether a fit takes no more than what was asked for, or else is free; of columns in memory already it does."""
    n, most = source.expected_rows(), room(asked.spec)
    return most is None or need(asked, n) <= most


def need(asked: Asked, n: int) -> int:
    """Bytes that a fit to n rows takes in memory, told from its columns and terms."""
    terms = sum(len(predictor.terms) for predictor in asked.formula.predictors)
    return memory.NUMBER * n * (COLUMNS * max(len(asked.read), terms) + ROWS)


def room(spec: ModelSpec) -> int | None:
    """Bytes there are for what is fitted; None where nothing is known of it."""
    return memory.available() if spec.memory is None else max(0, int(spec.memory) - BASE)
