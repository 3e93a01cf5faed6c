"""How far long work has come, and how long the rest of it will take: one line on a terminal, and nothing elsewhere.

Whoever writes a result or a message has the line erased first, and it comes back with the next piece of work that is
done. How long the rest takes is told from the pieces after the first, which has to load and prepare what all need.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import TextIO

PATIENCE = 1.0  # seconds without a word
OFTEN = 0.2  # seconds between two words
CLEAR = "\r\x1b[K"


@contextlib.contextmanager
def progress(what: str, *, quiet: bool = False) -> Iterator[Callable[..., None] | None]:
    """A function to tell (done, of how many, what else) to, and at the end a clean line; None where nobody sees it."""
    stream = sys.stderr
    if quiet or stream is None or not stream.isatty() or os.environ.get("TERM") == "dumb":
        yield None
        return
    begin, said = time.monotonic(), 0.0
    first: tuple[float, int] | None = None  # when the first word of this round came, and how many were done
    before = 0

    def told(done: int, total: int, besides: str = "") -> None:
        nonlocal said, first, before
        now = time.monotonic()
        if first is None or done < before:  # another round
            first = now, done
        before = done
        if now - begin < PATIENCE or (_standing is stream and now - said < OFTEN) or done == 0:
            return
        said = now
        parts = [f"{done:,} of {total:,} {what}", *([besides] if besides else [])]
        since, already = first
        if now - since >= PATIENCE and done > already:
            parts.append(f"{duration((now - since) * (total - done) / (done - already))} left")
        _show(stream, ", ".join(parts))

    try:
        yield told
    finally:
        erase()


_standing: TextIO | None = None  # where a line stands that is not ended


def erase() -> None:
    """Take the line away, so that something else can be written."""
    global _standing
    if _standing is not None:
        stream, _standing = _standing, None
        with contextlib.suppress(OSError):
            stream.write(CLEAR)
            stream.flush()


def _show(stream: TextIO, text: str) -> None:
    global _standing
    _standing = stream
    with contextlib.suppress(OSError):
        stream.write(f"{CLEAR}{text}")
        stream.flush()


def duration(seconds: float) -> str:
    """A time for people: `12 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
