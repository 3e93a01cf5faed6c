"""Fits from temporary files, with chunks of a few rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def in_files(rows: int = 20) -> Iterator[None]:
    """Every fit is one from temporary files, visited so many rows at a time."""
    sizes = {
        "glmfit.spill.RUN": rows,
        "glmfit.table.delimited._RUN": 30 * rows,
        "glmfit.table.typed._RUN": rows,
        "glmfit.model.model.CHUNK_ROWS": rows + 3,
        "glmfit.trust.constraints.MOST_OF_FILES": 0,
        "glmfit.design.rank.CHUNK_ROWS": rows + 3,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("glmfit.rows.room.has_room", lambda asked, source: False)
        for name, size in sizes.items():
            patch.setattr(name, size)
        yield
