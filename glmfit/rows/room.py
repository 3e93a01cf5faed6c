"""Whether what a fit takes has room in memory; else the columns that it uses are kept in temporary files."""

from __future__ import annotations

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
COLUMNS = 4  # numbers in each row for each column: read, in a design, standardised, and a copy in the making


def table_of(asked: Asked, source: Source) -> Table:
    """The columns that a model uses, from memory or from temporary files."""
    spill = Spill(asked.spec.spill or "")
    if has_room(asked, source):
        return source.read(asked.read)
    random = first_random(asked.formula)
    if asked.spec.absorb or random is not None:
        rows = f"about {source.expected_rows():,} rows would take {spoken(need(asked, source))}"
        what = "--absorb" if random is None else f"a fit with random effects {random}"
        message = f"{what} holds its rows in memory, and {rows}, more than --memory or the machine leaves"
        raise ModelError("too_large", message, "allow more with --memory, or read fewer rows or columns")
    spill.check_room(need(asked, source))
    name = "standard input" if source.name == "-" else source.name
    say(
        f"{name}: about {source.expected_rows():,} rows would take {spoken(need(asked, source))} of memory and are "
        f"kept in temporary files in {spill.folder}"
    )
    return read_spilled(source, asked.read, spill)


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
