"""How far long work has come, and how long the rest of it will take: one line on a terminal, and nothing elsewhere."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator

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
    begin, said, before = time.monotonic(), 0.0, 0

    def told(done: int, total: int, besides: str = "") -> None:
        nonlocal begin, said, before
        now = time.monotonic()
        if done < before:  # another round
            begin = now
        before = done
        if (not said and now - begin < PATIENCE) or now - said < OFTEN or done == 0:
            return
        said = now
        left = (now - begin) * (total - done) / done
        with contextlib.suppress(OSError):
            stream.write(f"{CLEAR}{done:,} of {total:,} {what}, {besides and besides + ', '}{duration(left)} left")
            stream.flush()

    try:
        yield told
    finally:
        if said:
            with contextlib.suppress(OSError):
                stream.write(CLEAR)
                stream.flush()


def duration(seconds: float) -> str:
    """A time for people: `12 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
