"""What is known of columns once a block of them has been worked on, in the order in which that is done."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

from glmfit.errors import Finding
from glmfit.inference import Reference
from glmfit.many.scanned import ScanRecord, ScanRow

_Block = TypeVar("_Block")
Outcome = tuple[int, ScanRecord | Finding]  # the place of a column, and its record or what is known of it beforehand


def tested(
    name: str, parameter: str, term: str, place: int, n: int, estimate: float, error: float, df: float | None,
    findings: list[str],
) -> ScanRow:  # fmt: skip
    """The row of a coefficient, with its test against 0."""
    statistic = estimate / error
    p = Reference(df).p_value(statistic)
    freedom = math.nan if df is None else df
    return ScanRow(name, parameter, term, place, n, estimate, error, statistic, freedom, p, findings=findings)


def side_by_side(blocks: Iterator[_Block], work: Callable[[_Block], list[Outcome]]) -> Iterator[Outcome]:
    """The outcomes of all blocks, each worked on by one thread of as many as torch may use; few are there at a time."""
    cores = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        if cores == 1:
            for block in blocks:
                yield from work(block)
            return
        with ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            running: deque[Future[list[Outcome]]] = deque()
            for block in blocks:
                running.append(pool.submit(work, block))
                if len(running) > cores:
                    yield from running.popleft().result()
            while running:
                yield from running.popleft().result()
    finally:
        torch.set_num_threads(cores)
