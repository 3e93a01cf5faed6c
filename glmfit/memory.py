"""Whether a fit has room: what it needs, told from its numbers of rows and columns, against the memory that is free.

    8 n (2 numeric columns + ...)  rows        16 matrices of p x p  the information, its factors, the covariance

Where even LEAST of an estimate is not free, nothing is begun that the system would end midway; where memory runs out
all the same, the library's error becomes the same one.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from glmfit.cgroups import contents, folders
from glmfit.errors import ModelError, UsageError

T = TypeVar("T")
MOMENT = 0.1  # seconds
LEAST = 1 / 3  # of an estimate is needed at least; the truth lies within a factor of 2 (tests/whole/test_memory.py)
NUMBER = 8  # bytes of a float64 or an int64
FEW = 1_000  # coefficients of which a matrix always has room
SQUARES = 16  # matrices (p, p) at the peak: the information, its factors, its spectrum, the covariance and its lists
SMALLEST = 400_000_000  # bytes that may be asked for: the program, its libraries and a chunk of rows
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_NO_LIMIT = 1 << 60  # what the first version of control groups gives for none
_REFUSED = ("can't allocate memory", "not enough memory", "bad_alloc", "bad allocation")


@dataclass(frozen=True, slots=True)
class Need:
    """A number of bytes, what takes them up (a sentence without its end) and how to need fewer."""

    size: float
    what: str
    hint: str


def rows_need(n: int, vectors: float, what: str) -> Need:
    """The need of `vectors` (n,)."""
    return Need(NUMBER * n * vectors, what, "use fewer columns, or a sample of the rows")


def squares_need(p: int, largest: tuple[str, int] | None) -> Need:
    """The need of p coefficients; `largest` is the factor with the most levels, and how many."""
    hint = "leave out terms"
    if largest is not None and largest[1] > p / 10:
        hint = (
            f"'{largest[0]}' has {largest[1]:,} levels, each with a coefficient: merge the rare ones or leave it out; "
            "for groups within which outcomes are compared see conditional-logit"
        )
    return Need(NUMBER * SQUARES * p**2, f"{p:,} coefficients have {SQUARES} matrices of {p:,} x {p:,} numbers", hint)


def cubes_need(p: int) -> Need:
    """The need of the degrees of freedom that CR2 gives the tests of p coefficients."""
    what = f"the degrees of freedom of CR2 for {p:,} coefficients come from {p:,} x {p:,} x {p:,} numbers"
    return Need(NUMBER * p**3, what, "leave --small-sample out, or merge rare levels")


def border_need(p: int, border: int) -> Need:
    """The need of p coefficients of which all but `border` are levels of one factor, which are set apart."""
    what = f"{p:,} coefficients have {SQUARES} matrices of {p:,} x {border:,} numbers"
    return Need(NUMBER * SQUARES * p * border, what, "leave out terms")


def check_square(p: int) -> None:
    """Raises ModelError where a matrix (p, p) of p coefficients, which is asked for only now, has no room."""
    if p > FEW:
        what = f"{p:,} coefficients have 3 matrices of {p:,} x {p:,} numbers"
        check([Need(3 * NUMBER * p**2, what, "merge rare levels, or leave out terms")], "what comes next needs")


def size(text: str) -> int:
    """The bytes that a text such as 4G or 500M asks for; `UsageError` for what is none, or too few for any fit."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise UsageError("invalid_value", f"--memory: '{text}' is not a size of memory", "write --memory 4G, or 500M")
    asked = int(float(found[1]) * _UNITS[found[2].upper()])
    if asked < SMALLEST:
        message = f"--memory {text}: a fit takes {spoken(SMALLEST)} at the least, whatever its data"
        raise UsageError("invalid_value", message, f"write --memory {SMALLEST // 10**6}M or more, or leave it out")
    return asked


def check(needs: Sequence[Need], task: str = "this fit needs", most: int | None = None) -> None:
    """Raises ModelError where the needs together are far beyond the memory that is free, or the `most` there may be."""
    total, free = sum(need.size for need in needs), available()
    if most is not None:
        free = most if free is None else min(most, free)
    if free is None or LEAST * total <= free:
        return
    main = max(needs, key=lambda need: need.size)
    message = f"{task} about {spoken(total)} of memory, and {spoken(free)} are free: {main.what}"
    raise ModelError("too_large", message, main.hint)


def spoken(size: float) -> str:
    """A number of bytes with two or three digits: 310 GB, 3.1 GB."""
    unit, name = next((pair for pair in ((1e12, "TB"), (1e9, "GB")) if size >= pair[0]), (1e6, "MB"))
    count = size / unit
    return f"{count:.1f} {name}" if count < 10 else f"{count:,.0f} {name}"


# ---- What is free ----


def available() -> int | None:
    """Bytes that this process can still have, swap space included; None where the system does not say."""
    told = meminfo()
    swap = told.get("SwapFree", 0)
    free = [told["MemAvailable"] + swap] if "MemAvailable" in told else _of_system()
    return min((*free, *(left + swap for left in left_of_groups())), default=None)


def _for_a_moment(ask: Callable[..., T]) -> Callable[..., T]:
    """Asks the system again where the last answer is older than MOMENT: small fits ask for more than they take."""
    known: dict[tuple[str, ...], tuple[float, T]] = {}

    @functools.wraps(ask)
    def answer(*places: str) -> T:
        now = time.monotonic()
        if places not in known or now - known[places][0] > MOMENT:
            known[places] = now, ask(*places)
        return known[places][1]

    return answer


@_for_a_moment
def meminfo() -> dict[str, int]:
    lines = (line.split() for line in contents("/proc/meminfo").splitlines())
    return {words[0].rstrip(":"): 1024 * int(words[1]) for words in lines if len(words) == 3}


def _of_system() -> list[int]:
    """All that there is, where the system does not say how much of it is free."""
    try:
        return [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    except (AttributeError, ValueError, OSError):  # not a system that says so
        return []


@_for_a_moment
def left_of_groups(proc: str = "/proc", root: str = "/sys/fs/cgroup") -> list[int]:
    """What the control groups of this process leave."""
    left = []
    names = {
        1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        2: ("memory.max", "memory.current", "inactive_file"),
    }
    for version, folder in folders("memory", proc, root):
        limit, used, cache = names[version]
        most = contents(f"{folder}/{limit}").strip()
        if most.isdigit() and int(most) < _NO_LIMIT:
            statistics = dict(line.split(maxsplit=1) for line in contents(f"{folder}/memory.stat").splitlines())
            taken = int(contents(f"{folder}/{used}") or 0) - int(statistics.get(cache, 0))
            left.append(max(0, int(most) - taken))
    return left


# ---- When it runs out ----


def ran_out(error: BaseException) -> bool:
    """Whether an error says that memory could not be had: Python's, numpy's, Arrow's or torch's."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in _REFUSED)
    )


@contextlib.contextmanager
def running_out() -> Iterator[None]:
    """What a library says when it gets no memory as the ModelError that says so."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not ran_out(error):
            raise
        free = available()
        left = "" if free is None else f" ({spoken(free)} are free now)"
        raise ModelError(
            "too_large",
            f"the memory did not suffice, and nothing was written{left}",
            "use fewer columns, fewer levels or a sample of the rows, or a machine or a limit with more memory",
        ) from error
