"""One job after the other, or several at once: each is a command of its own in a process that goes on after it.

What the command would write to standard output is the job's document. Results come in the order of the jobs, whichever
ends first; a job that reads what another one writes waits for it. A worker process that dies takes with it the job that
killed it and no other.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from glmfit.errors import GlmfitError, ModelError
from glmfit.report.document import error_json
from glmfit.table import keeping
from glmfit.threads import processors

WITH_RESULT = (0, 4, 5)  # statuses of commands that have written their result
ROWS = ("predict", "residuals", "simulate")  # commands that write a line for each row
MANY = ("--by=", "--scan=", "--scan-file=")  # options of a fit that writes a document for each of many


@dataclass(frozen=True, slots=True)
class Task:
    """A job as words of the command line; `needs` are the places of earlier tasks whose files it reads."""

    name: str
    words: tuple[str, ...]
    needs: tuple[int, ...] = ()


Outcome = tuple[int, str]  # the exit status, and the document: a JSON object


Attempt = Callable[[list[str]], tuple[int, GlmfitError | None]]  # runs a command line


def outcomes(
    tasks: Sequence[Task], done: dict[int, int], processes: int, attempt: Attempt
) -> Iterator[tuple[int, Outcome]]:
    """Places and outcomes, in order, of the tasks that are not `done` (place -> status) yet."""
    left = [at for at in range(len(tasks)) if at not in done]
    if processes == 1:
        with keeping():
            for at in left:
                found = _refusal(tasks, at, done) or outcome(tasks[at].words, attempt)
                done[at] = found[0]
                yield at, found
        return
    early: dict[int, Outcome] = {}
    finished = _finished(tasks, left, done, _Pool(processes, attempt))
    for at in left:
        while at not in early:
            place, found = next(finished)
            early[place] = found
        yield at, early.pop(at)


def outcome(words: Sequence[str], attempt: Attempt) -> Outcome:
    """What a command comes to, in this process; nothing of it reaches the terminal."""
    out, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        status, error = attempt(list(words))
    return status, _document(words, out.getvalue(), said.getvalue(), error)


def _document(words: Sequence[str], text: str, said: str, error: GlmfitError | None) -> str:
    command = words[0]
    if error is not None:
        return _compact(error_json(error))
    if not text.strip():  # written to a file
        return json.dumps({"command": command, "messages": said.splitlines()}, ensure_ascii=False)
    key = "rows" if command in ROWS else "results" if _asks_many(words) else None
    if key is not None:
        listed = ", ".join(line for line in text.split("\n") if line.strip())
        return f'{{"command": "{command}", "{key}": [{listed}]}}'
    return _compact(text)


def _asks_many(words: Sequence[str]) -> bool:
    return any(word.startswith(MANY) for word in words[: words.index("--")])


def _compact(text: str) -> str:
    """A JSON document in one line."""
    return text.strip() if "\n" not in text.strip() else json.dumps(json.loads(text), ensure_ascii=False)


def _refusal(tasks: Sequence[Task], at: int, done: dict[int, int]) -> Outcome | None:
    """The error of a task that reads what another one should have written and has not."""
    for need in tasks[at].needs:
        if done[need] not in WITH_RESULT:
            message = f"job '{tasks[at].name}' reads what job '{tasks[need].name}' writes, which failed"
            return _failed(ModelError("job_needs", message, f"see the result of job '{tasks[need].name}'"))
    return None


def _failed(error: GlmfitError) -> Outcome:
    return error.exit_code, _compact(error_json(error))


# ---- Several processes ----


def _finished(
    tasks: Sequence[Task], left: Sequence[int], done: dict[int, int], pool: _Pool
) -> Iterator[tuple[int, Outcome]]:
    """Places and outcomes as they come."""
    waiting, running = list(left), dict[Future[Outcome], int]()
    alone: list[int] = []  # tasks that ran when a worker died: one of them killed it
    with pool:
        while waiting or running or alone:
            for at in [at for at in waiting if all(need in done for need in tasks[at].needs)]:
                if len(running) >= 2 * pool.processes or alone:
                    break
                waiting.remove(at)
                refused = _refusal(tasks, at, done)
                if refused is None:
                    running[pool.submit(tasks[at].words)] = at
                else:
                    done[at] = refused[0]
                    yield at, refused
            if not running and alone:
                at = alone.pop(0)
                running[pool.submit(tasks[at].words)] = at
            by_itself = len(running) == 1
            for future in wait(running, return_when=FIRST_COMPLETED).done if running else ():
                at = running.pop(future)
                try:
                    found = future.result()
                except BrokenProcessPool:
                    pool.renew()
                    if not by_itself:
                        alone.append(at)
                        continue
                    found = _failed(_lost(tasks[at].name))
                done[at] = found[0]
                yield at, found


def _lost(name: str) -> ModelError:
    message = f"the process that ran job '{name}' was killed, by the system perhaps: it may have run out of memory"
    return ModelError("worker_lost", message, "run the job by itself, or fewer at once with a smaller --jobs")


class _Pool:
    """Worker processes, made anew where one has died."""

    def __init__(self, processes: int, attempt: Attempt) -> None:
        import multiprocessing

        self.processes, self.attempt, self.context = processes, attempt, multiprocessing.get_context("spawn")
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, processors() // processes)))

    def __enter__(self) -> _Pool:
        self.renew()
        return self

    def renew(self) -> None:
        self.pool = ProcessPoolExecutor(self.processes, self.context, _begin)

    def submit(self, words: Sequence[str]) -> Future[Outcome]:
        return self.pool.submit(outcome, words, self.attempt)

    def __exit__(self, *error: object) -> None:
        self.pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """A worker ends with the process that began it, however that ends, and keeps the inputs that it has read."""
    import multiprocessing
    import signal
    import threading
    from multiprocessing.connection import wait as wait_for

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        wait_for([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    _kept.enter_context(keeping())
    sys.stdin = None


_kept = contextlib.ExitStack()
