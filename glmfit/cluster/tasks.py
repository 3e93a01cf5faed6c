"""Tasks that a scheduler hands on without looking into them: it needs no glmfit, and no time for what they carry.

A function and what it is given travel as bytes, made once for all parts; a worker unpacks them beside what it has.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Client, Future


def packed(of: Callable[..., Any], *given: Any) -> bytes:
    """What is done to the results of other tasks: of(*results, *given)."""
    return pickle.dumps((of, given), protocol=pickle.HIGHEST_PROTOCOL)


def submitted(client: Client, task: bytes, *results: Future) -> Future:
    """A task on a worker that has the `results`, or most of them; it is done again where its worker dies."""

    def run(task: bytes, *found: Any) -> Any:  # a function within another travels by value, to where there is no glmfit
        import pickle

        of, given = pickle.loads(task)
        return of(*found, *given)

    return client.submit(run, task, *results, pure=False)
