"""`glmfit batch`: a file of jobs, one process, a line of JSON for each."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glmfit.commands.options import option
from glmfit.commands.output import check_target, output_error, say, write_stdout_bytes
from glmfit.commands.progress import progress
from glmfit.errors import DataError, UsageError, shell

if TYPE_CHECKING:
    from glmfit.commands.joblines import Task

_J, _O = "Jobs", "Output"
SHOWN = 5  # failed jobs that are named at the end
Jobs = Annotated[
    str,
    typer.Argument(
        metavar="JOBS", help="TOML or JSON lines; - reads stdin.", rich_help_panel="Arguments", show_default=False
    ),
]
Output = Annotated[str | None, option(_O, "--output", "-o", metavar="FILE", help="JSON lines, as the jobs are done.")]
Processes = Annotated[str, option(_J, "--jobs", metavar="N", help="Processes at once; default 1.")]
Resume = Annotated[bool, option(_J, "--resume", help="Go on: leave out the jobs whose results -o FILE holds.")]
FailFast = Annotated[bool, option(_J, "--fail-fast", help="Stop at the first job that fails.")]
AllowCode = Annotated[bool, option(_J, "--allow-code", help="Let jobs run likelihoods of your own, FILE.py.")]
Quiet = Annotated[bool, option(_O, "--quiet", "-q", help="Nothing on stderr but errors.")]


def batch_command(
    context: typer.Context,
    jobs: Jobs,
    output: Output = None,
    processes: Processes = "1",
    resume: Resume = False,
    fail_fast: FailFast = False,
    allow_code: AllowCode = False,
    quiet: Quiet = False,
) -> None:
    """Run a file of jobs in one process: models, and what comes after them. A failed job does not stop the rest.

    \b
    glmfit batch nightly.toml -o results.jsonl
    glmfit batch nightly.toml -o results.jsonl --resume --jobs 4
    jq -c '.formulas = ["y ~ " + .x]' list.jsonl | glmfit batch - | jq .status
    """
    from glmfit.commands.shared import check_output, whole

    at_once = whole("--jobs", processes, 1)
    if resume and output is None:
        raise UsageError("contradiction", "--resume has no file to go on with", "add -o FILE")
    check_output(output, jobs)
    tasks, prints = _planned(jobs, context.find_root().command, allow_code)
    held, end = _held(output, prints, resume)
    done = {at: held[task.name] for at, task in enumerate(tasks) if task.name in held}
    failed = [task.name for at, task in enumerate(tasks) if done.get(at)]
    from glmfit.commands.joblines import outcomes
    from glmfit.many.jobs.ledger import line

    begin, count = time.monotonic(), len(done)
    with _results(output, end) as write, progress("jobs", quiet=quiet) as told:
        for at, (status, document) in outcomes(tasks, done, at_once, context.obj):
            name = tasks[at].name
            if not write(line(name, prints[name], status, document).encode()):
                break  # the reader has gone
            count += 1
            failed += [name] if status else []
            if told is not None:
                rate = (count - len(held)) / (time.monotonic() - begin)
                told(count, len(tasks), f"{len(failed):,} failed, {rate:.2g} a second")
            if status and fail_fast:
                break
    if not quiet:
        _summarise(count, len(tasks), len(held), failed)
    raise typer.Exit(6 if failed else 0)


def _planned(path: str, parser: Any, allow_code: bool) -> tuple[list[Task], dict[str, str]]:
    """The jobs of a file as tasks, and their fingerprints by their ids; `parser` is that of the whole command line."""
    from glmfit.commands import jobwords
    from glmfit.commands.joblines import Task
    from glmfit.many.jobs.ledger import fingerprint
    from glmfit.many.jobs.listed import read_jobs

    words = jobwords.Words(parser.commands)
    jobs = read_jobs(path)
    jobwords.check_code(jobs, allow_code)
    tasks: list[Task] = []
    written: dict[str, int] = {}  # files that jobs write, and the last job that does
    for at, job in enumerate(jobs):
        asked = tuple(words.of(job))
        needs = {written[one] for one in map(os.path.realpath, jobwords.reads(job)) if one in written}
        tasks.append(Task(job.id, asked, tuple(sorted(needs))))
        for target in map(os.path.realpath, jobwords.writes(job)):
            if target in written:
                message = f"{job.place} writes {target}, which job '{tasks[written[target]].name}' writes as well"
                raise DataError("job_file", message, "give each job a file of its own")
            written[target] = at
    return tasks, {task.name: fingerprint(task.words) for task in tasks}


def _held(output: str | None, prints: Mapping[str, str], resume: bool) -> tuple[Mapping[str, int], int]:
    """The statuses of jobs whose results a file holds, and where its last whole line ends, if they are to be kept."""
    from glmfit.many.jobs import ledger

    if output is None or not os.path.isfile(output):
        return {}, 0
    if resume:
        try:
            found = ledger.held(output, prints)
        except OSError as error:
            raise output_error(output, error) from error
        return found.statuses, found.end
    begun = ledger.unfinished(output, prints)
    if begun:
        message = f"{output} holds {begun:,} of {len(prints):,} results of these jobs"
        raise UsageError("unfinished_results", message, f"add --resume to go on; or begin anew: {shell('rm', output)}")
    return {}, 0


@contextlib.contextmanager
def _results(output: str | None, end: int) -> Iterator[Callable[[bytes], bool]]:
    """What writes a line, to standard output or behind the first `end` bytes of a file; whether anybody reads on."""
    if output is None:
        yield write_stdout_bytes
        return
    check_target(output)
    try:
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        try:
            if os.path.isfile(output):
                os.ftruncate(handle, end)
                os.lseek(handle, end, os.SEEK_SET)

            def write(content: bytes) -> bool:
                left = memoryview(content)
                while left:
                    left = left[os.write(handle, left) :]
                return True

            yield write
        finally:
            os.close(handle)
    except OSError as error:
        raise output_error(output, error) from error


def _summarise(count: int, of: int, held: int, failed: Sequence[str]) -> None:
    """What became of the jobs, on standard error."""
    before = f", {held:,} of them before" if held else ""
    say(f"{count:,} of {of:,} jobs done{before}, {len(failed):,} failed")
    if failed:
        named = ", ".join(f"'{name}'" for name in failed[:SHOWN])
        say(f"failed: {named}" + (f" and {len(failed) - SHOWN:,} others" if len(failed) > SHOWN else ""))
