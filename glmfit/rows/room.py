"""Whether what a fit takes has room in memory; else the columns that it uses are kept in temporary files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from glmfit import memory
from glmfit.errors import ModelError
from glmfit.memory import spoken
from glmfit.rows.mixed import first_random
from glmfit.spec import ModelSpec
from glmfit.spill import Spill
from glmfit.table import Source, Table, read_spilled
from glmfit.watch import say

if TYPE_CHECKING:
    from glmfit.rows.asked import Asked

BASE = 300_000_000  # bytes of the program itself and its libraries
ROWS = 12  # numbers in each row beside those of its columns: weights, the response, offsets, the line search
HELD = 2  # numbers in each row for each column that is held: as read, and in a copy
COLUMNS = 4  # numbers in each row for each column: read, in a design, standardised, and a copy in the making


def table_of(asked: Asked, source: Source) -> Table:
    """The columns that a model uses, from memory or from temporary files."""
    spill = Spill(asked.spec.spill or "")
    if has_room(asked, source):
        return source.read(asked.read)
    random = first_random(asked.formula)
    if asked.spec.absorb or random is not None:
        what = "--absorb" if random is None else f"a fit with random effects {random}"
        raise _held(what, source, need(asked, source))
    if asked.family.grouped:
        what = f"about {source.expected_rows():,} rows are compared within their groups, which are in memory"
        held = memory.Need(need(asked, source), what, "allow more with --memory, or read fewer rows or columns")
        memory.check([held], most=room_for(asked.spec))
    return _spilled(source, asked.read, spill, need(asked, source))


def table_of_groups(spec: ModelSpec, source: Source, columns: Sequence[str]) -> Table:
    """Columns of which a few rows are looked at together, from memory or from temporary files."""
    size, most = _size(source, len(columns)), room_for(spec)
    if most is None or size <= most:
        return source.read(columns)
    return _spilled(source, columns, Spill(spec.spill or ""), size)


def _spilled(source: Source, columns: Sequence[str], spill: Spill, size: int) -> Table:
    """Columns in temporary files, of what would take so many bytes."""
    spill.check_room(size)
    name = "standard input" if source.name == "-" else source.name
    say(
        f"{name}: about {source.expected_rows():,} rows would take {spoken(size)} of memory and are kept in temporary "
        f"files in {spill.folder}"
    )
    return read_spilled(source, columns, spill)


def check_held(option: str, spec: ModelSpec, source: Source, columns: int) -> None:
    """Raises `ModelError` where an option that holds so many columns in memory has no room for them."""
    most, size = room_for(spec), _size(source, columns)
    if most is not None and size > most:
        raise _held(option, source, size)


def _size(source: Source, columns: int) -> int:
    """Bytes that the rows of so many columns take."""
    return memory.NUMBER * source.expected_rows() * (HELD * columns + ROWS)


def _held(option: str, source: Source, size: int) -> ModelError:
    rows = f"about {source.expected_rows():,} rows would take {spoken(size)}"
    message = f"{option} holds its rows in memory, and {rows}, more than --memory or the machine leaves"
    return ModelError("too_large", message, "allow more with --memory, or read fewer rows or columns")


def has_room(asked: Asked, source: Source) -> bool:
    """Whether a fit takes no more than may be taken; of columns in memory already it does."""
    most = room_for(asked.spec)
    return most is None or need(asked, source) <= most


def need(asked: Asked, source: Source) -> int:
    """Bytes that a fit takes in memory, told from its rows, columns and terms."""
    terms = sum(len(predictor.terms) for predictor in asked.formula.predictors)
    return memory.NUMBER * source.expected_rows() * (COLUMNS * max(len(asked.read), terms) + ROWS)


def room_for(spec: ModelSpec) -> int | None:
    """Bytes there are for what is fitted; None where nothing is known of it."""
    return memory.available() if spec.memory is None else max(0, int(spec.memory) - BASE)
