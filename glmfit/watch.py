"""What is said of a fit while its rows are in temporary files: that they are, and how far a pass over them has come.

Whoever watches does so for all that happens in a `with`; nobody does otherwise, and nothing is said.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

Say = Callable[[str], None]
Told = Callable[[int, int, str], None]  # rows done, of how many, in what

_said: Say | None = None
_told: Told | None = None
_passes = 0


@contextlib.contextmanager
def watching(said: Say | None, told: Told | None) -> Iterator[None]:
    """`said` gets sentences, `told` how far a pass has come."""
    global _said, _told, _passes
    _said, _told, _passes = said, told, 0
    try:
        yield
    finally:
        _said = _told = None


def say(sentence: str) -> None:
    if _said is not None:
        _said(sentence)


def tell(done: int, total: int, doing: str = "") -> None:
    """So many rows of a pass are done, or of what is done before there are any: `reading` them, say."""
    global _passes
    if _told is not None:
        _passes += not doing and done == total
        _told(done, total, doing or f"pass {_passes + (done < total)}")
