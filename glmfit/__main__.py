"""`glmfit` and `python -m glmfit`: ready for signals and closed streams before anything else is loaded."""

from __future__ import annotations

import gc
import os
import sys

IMPORTED = 50_000  # objects between two looks for garbage: imports make ten times as many, and none of it


def run() -> None:
    """The command line as a process of its own."""
    if sys.argv[1:2] == ["--complete"]:  # a shell waits for the words that fit
        from glmfit.commands.complete import run as complete

        sys.exit(complete(sys.argv[2:]))
    try:
        from glmfit.commands.interrupt import watch, watch_mapped
        from glmfit.lazy import put_off

        _open_streams()
        watch()
    except KeyboardInterrupt:
        os._exit(130)
    gc.set_threshold(IMPORTED)
    put_off()
    from glmfit.commands.app import cut_short, main

    watch_mapped(cut_short)
    status = main()
    # At once, all being written: a thread of Arrow that still reads ahead would be torn down with the interpreter, and
    # sometimes abort it.
    os._exit(status)


def _open_streams() -> None:
    """Standard streams that were closed lead nowhere; else the next file opened would take their place."""
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(handle, True)
    os.close(handle)


if __name__ == "__main__":
    run()
