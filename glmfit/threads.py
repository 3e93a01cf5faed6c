"""How many threads a process computes with: as many as are asked for, else as there are processors for it.

OMP_NUM_THREADS says it to torch and to Arrow, and so does the set of processors that a process may run on; the share of
them that a container has (a quota of time) they do not know of.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator

from glmfit.cgroups import contents, folders
from glmfit.errors import UsageError

MOST = 4096  # threads that may be asked for
SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def processors(proc: str = "/proc", root: str = "/sys/fs/cgroup") -> int:
    """The processors that this process may use, or the nearest whole number above its share of them."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min((there, *(math.ceil(share) for share in _shares(proc, root)))))


def _shares(proc: str, root: str) -> Iterator[float]:
    """What groups of processes may use of processors, as numbers of them."""
    for version, folder in folders("cpu", proc, root):
        if version == 2:
            words = contents(f"{folder}/cpu.max").split()
        else:
            words = [contents(f"{folder}/cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
        if len(words) == 2 and all(word.isdigit() for word in words) and int(words[1]):
            yield int(words[0]) / int(words[1])


def settle() -> None:
    """Where nothing has been said of threads, and the libraries would have more than there are processors for them."""
    if not any(name in os.environ for name in SETTINGS) and "torch" not in sys.modules:
        count = processors()
        if count < (os.cpu_count() or 1):
            os.environ["OMP_NUM_THREADS"] = str(count)


def use(asked: str) -> None:
    """Compute with so many threads; `UsageError` where it is not a number from 1 up."""
    if not (asked.isascii() and asked.isdigit() and 1 <= int(asked) <= MOST):
        hint = f"write 1 or more; this process may use {processors()} processors, which is the default"
        raise UsageError("invalid_value", f"--threads: '{asked}' is not a number of threads", hint)
    count = int(asked)
    for name in SETTINGS:
        os.environ[name] = str(count)
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(count)
    if (arrow := sys.modules.get("pyarrow")) is not None:
        arrow.set_cpu_count(count)
