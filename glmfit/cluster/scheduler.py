"""A scheduler of dask: an address that answers, or a cluster of processes on this machine for as long as a fit takes.

Whatever can be wrong with one is an error of ours with a remedy: dask is not installed, nobody answers, a worker has no
glmfit or another one, a worker dies again and again, the scheduler is gone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from glmfit.errors import DataError, UsageError
from glmfit.version import __version__

if TYPE_CHECKING:
    from distributed import Client

ANSWERS_WITHIN = 10  # seconds
MOST_LOCAL = 1024
# dask's workers give memory back at once, and take each array of a chunk anew from the system: a third of a pass.
ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": 32 << 20, "MALLOC_TRIM_THRESHOLD_": 64 << 20, "OMP_NUM_THREADS": 1}


def local_workers(address: str) -> int | None:
    """N of `local:N`, None for an address; UsageError for neither."""
    kind, _, count = address.partition(":")
    if kind == "local":
        if not count.isdecimal() or not 1 <= int(count) <= MOST_LOCAL:
            message = f"--dask {address}: local:N is a cluster of N processes on this machine"
            raise UsageError("bad_dask", message, "write local:2, say")
        return int(count)
    if ":" not in address or not address.rpartition(":")[2].isdecimal():
        message = f"--dask {address} is neither local:N nor the address of a scheduler"
        raise UsageError("bad_dask", message, "write HOST:PORT, as tcp://10.0.0.1:8786, or local:N")
    return None


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """A client of the scheduler; what goes wrong while it is used is an error of ours."""
    count = local_workers(address)
    try:
        from dask import config
        from distributed import Client, LocalCluster
    except ImportError as error:
        message = "--dask needs dask and distributed, which are not installed"
        raise UsageError("missing_extra", message, "pip install 'glmfit[dask]'") from error
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == "distributed":  # what concerns a user is said by us
            logging.getLogger(name).setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        if count is None:
            where: str | LocalCluster = address if "://" in address else f"tcp://{address}"
        else:
            quiet = {"dashboard_address": "127.0.0.1:0", "silence_logs": logging.CRITICAL}
            with config.set({"distributed.nanny.pre-spawn-environ": ENVIRONMENT}):
                where = stack.enter_context(LocalCluster(n_workers=count, threads_per_worker=1, **quiet))
        try:
            client = stack.enter_context(Client(where, timeout=ANSWERS_WITHIN, set_as_default=False))
        except (OSError, TimeoutError, ValueError, MemoryError) as error:  # another server says sizes of no message
            message = f"no dask scheduler answers at {address} within {ANSWERS_WITHIN} s"
            raise DataError(
                "no_scheduler", message, "start one with: dask scheduler; or write --dask local:2"
            ) from error
        with blamed(address):
            _check_workers(client, address)
            yield client


def _check_workers(client: Client, address: str) -> None:
    """There are workers, and each has the same glmfit."""
    try:
        client.wait_for_workers(1, timeout=ANSWERS_WITHIN)
    except TimeoutError as error:
        message = f"the dask scheduler at {address} has no workers"
        raise DataError("bad_worker", message, f"start some with: dask worker {address}") from error

    def version() -> str | None:  # travels by value, to where there may be no glmfit
        try:
            from glmfit.version import __version__ as theirs
        except ImportError:
            return None
        return theirs

    for worker, found in client.run(version).items():
        if found != __version__:
            what = "has no glmfit" if found is None else f"has glmfit {found}, and this is {__version__}"
            hint = "install the same glmfit on all machines, and start the workers again"
            raise DataError("bad_worker", f"the dask worker {worker} {what}", hint)


@contextmanager
def blamed(address: str) -> Iterator[None]:
    """Failures of dask itself, as errors that say what to do."""
    from asyncio import CancelledError

    from distributed import CancelledError as FutureCancelled
    from distributed import KilledWorker
    from distributed.comm import CommClosedError

    try:
        yield
    except KilledWorker as error:
        message = f"{error.last_worker.address} and others before it died over the same part of the data"
        hint = "they may be short of memory: make the partitions smaller, or the workers fewer"
        raise DataError("worker_killed", message, hint) from error
    except (CancelledError, FutureCancelled, CommClosedError, ConnectionError, TimeoutError) as error:
        message = f"the dask scheduler at {address} is gone"
        raise DataError("scheduler_lost", message, "look at its log, start it again, and repeat the fit") from error
