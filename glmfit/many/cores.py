"""Pieces of work on all cores, each on one of them, and what comes of them in order; few are begun at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Piece = TypeVar("_Piece")
_Done = TypeVar("_Done")


def side_by_side(pieces: Iterator[_Piece], work: Callable[[_Piece], _Done]) -> Iterator[_Done]:
    """What comes of all pieces, each worked on by one thread of as many as torch may use."""
    import torch

    cores = torch.get_num_threads()
    if cores == 1:
        yield from map(work, pieces)
        return
    torch.set_num_threads(1)
    running: deque[Future[_Done]] = deque()
    try:
        with ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            try:
                for piece in pieces:
                    running.append(pool.submit(work, piece))
                    if len(running) > cores:
                        yield running.popleft().result()
                while running:
                    yield running.popleft().result()
            finally:  # of a run that is broken off
                for future in running:
                    future.cancel()
    finally:
        torch.set_num_threads(cores)
