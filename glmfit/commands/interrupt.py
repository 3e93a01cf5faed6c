"""Signals that end the process do so at once, and leave no half-written file.

Python runs the handlers of signals between two of its own instructions, and a factorisation or a linear program in C is
a single one, of minutes perhaps. A thread that waits for signals is not held up by that. Nor does the instruction end
that looks at a mapped file which another program has made shorter: what the system calls then is a function of C.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

ENDING = ("SIGINT", "SIGTERM", "SIGHUP")
PATIENCE = 1.0  # seconds that a file which is being written has to be finished

_writing = threading.Lock()
_unfinished: list[str | None] = []
_handlers: list[Any] = []


def watch() -> None:
    """From now on Ctrl-C and its like end the process with status 128 + signal; signals that are ignored stay so."""
    if os.name != "posix":
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_wait, args=(reading,), daemon=True).start()
    for number in (getattr(signal, name) for name in ENDING):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _pause)


def watch_mapped(failed: Callable[[], int]) -> None:
    """From now on a mapped file that ends too early ends the process with the status that `failed` gives."""
    if hasattr(signal, "SIGBUS"):
        import ctypes

        handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(lambda number: os._exit(failed()))
        ctypes.CDLL(None).signal(signal.SIGBUS, handler)
        _handlers.append(handler)  # which the system holds on to without a reference


@contextlib.contextmanager
def unfinished(path: str | None) -> Iterator[None]:
    """While a file is written that means nothing before it is whole: a signal waits for it, or removes it.

    With None, while whole lines are added to one that means something at each of their ends: it waits for that.
    """
    with _writing:
        _unfinished.append(path)
        try:
            yield
        finally:
            _unfinished.remove(path)


def _pause(number: int, frame: object) -> None:
    """Nothing more is done but to finish a file: the thread ends the process."""
    if not _unfinished:
        threading.Event().wait()


def _wait(reading: int) -> None:
    number = os.read(reading, 1)[0]
    if not _writing.acquire(timeout=PATIENCE):  # never given back: no other file is begun
        for path in filter(None, _unfinished):
            with contextlib.suppress(OSError):
                os.unlink(path)
    if select.select([], [2], [], 0)[1]:  # a terminal or a reader that has stopped holds nobody up
        with contextlib.suppress(OSError):
            os.write(2, b"interrupted\n")
    os._exit(128 + number)
