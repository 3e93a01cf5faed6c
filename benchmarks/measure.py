"""Runs programs as whole processes, in alternation: wall time, processor time, peak memory, and what they estimated.

Whoever is missing, fails, takes longer than the limit or disagrees by more than `TOLERANCE` has a reason in place of a
time. The estimates that all are compared with are glmfit's.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.cases import USER_FILE, Case
from benchmarks.peers.shared import MISSING

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "benchmarks" / "peers"
MOST_MEMORY = 0.6  # of the machine's, that one process may ask for: none shall starve the others
TOLERANCE = 1e-6  # of the largest difference between the slopes of the numeric columns, which are about 0.1
IN_PYTHON = {
    "glum": "in_glum.py",
    "statsmodels": "in_statsmodels.py",
    "scikit-learn": "in_sklearn.py",
    "pyfixest": "in_pyfixest.py",
}


# Programs that are installed have been compiled to bytecode: ours shall be too, at its first run.
_INSTALLED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True, slots=True)
class Run:
    """One process: seconds of wall and processor time, peak memory in MB, and what it printed."""

    wall: float
    cpu: float
    memory: float
    text: str


@dataclass(slots=True)
class Outcome:
    """What came of a program on a case: its runs, seconds of the fit alone, or the reason why it does not count."""

    program: str
    runs: list[Run] = field(default_factory=list)
    fits: list[float] = field(default_factory=list)
    stages: list[dict[str, float]] = field(default_factory=list)
    gap: float = 0.0
    reason: str = ""

    def median(self, name: str) -> float:
        return statistics.median(getattr(run, name) for run in self.runs)

    def stage(self, name: str) -> float:
        return statistics.median(stages.get(name, 0.0) for stages in self.stages)


def alternated(programs: Mapping[str, Sequence[str]], rounds: int, limit: float) -> list[Outcome]:
    """The runs of commands by their names, one of each in a round; ends the program where one of them fails."""
    outcomes = {name: Outcome(name) for name in programs}
    for _ in range(rounds):
        for name, words in programs.items():
            run = timed(words, limit)
            if isinstance(run, str):
                sys.exit(f"{name}: {run}")
            outcomes[name].runs.append(run)
    return list(outcomes.values())


def said(outcome: Outcome) -> str:
    """The medians of a program in a line."""
    wall, cpu, memory = (outcome.median(what) for what in ("wall", "cpu", "memory"))
    return f"{outcome.program:16} {wall:8.2f} s {cpu:8.2f} s of processors {memory:8.0f} MB"


def command(program: str, case: Case, path: Path, peers: str) -> list[str]:
    """What is typed to fit a case to a file."""
    if program == "glmfit":
        return [sys.executable, "-m", "glmfit", "fit", *_asked(case, path), "--json"]
    factors = ",".join(case.factors)
    arguments = [str(path), case.family, case.link, ",".join(case.numeric), factors]
    if program in ("R", "fixest"):
        return ["Rscript", str(SCRIPTS / "in_r.R"), *arguments, "no", *(["fixest"] if program == "fixest" else [])]
    return [peers, str(SCRIPTS / IN_PYTHON[program]), *arguments, "yes" if case.absorbed else "no"]


def _asked(case: Case, path: Path) -> list[str]:
    if case.family.startswith("zero-inflated"):
        terms = " + ".join(case.numeric)
        return [str(path), f"y ~ {terms}", f"zero ~ {terms}", "--family", case.family]
    covariates = [*case.numeric, *([] if case.absorbed else case.factors)]
    words = [str(path), "--y", "y", "--x", ",".join(covariates)]
    if case.absorbed:
        words += ["--absorb", ",".join(case.factors)]
    if case.family == "user.py":
        user = path.parent / "user.py"
        user.write_text(USER_FILE, encoding="utf-8")
        return [*words, "--family", str(user)]
    return [*words, "--family", case.family, "--link", case.link]


def timed(words: Sequence[str], limit: float) -> Run | str:
    """One process, or the reason why there is no time."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        begin = time.perf_counter()
        process = subprocess.Popen(
            words, stdout=out, stderr=err, cwd=ROOT, env=_INSTALLED, start_new_session=True, preexec_fn=_bound_memory
        )
        late = threading.Timer(limit, os.killpg, (process.pid, signal.SIGKILL))
        late.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        late.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode == 0:
            return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out.read())
        if process.returncode == MISSING and "glmfit" not in words:
            return "not installed"
        if wall >= limit:
            return f"more than {limit:.0f} s"
        lines = (err.read().strip() or f"status {process.returncode}").splitlines()
        return f"failed: {next((line for line in lines if line.lower().startswith('error')), lines[-1])[:120]}"


def _bound_memory() -> None:
    most = int(MOST_MEMORY * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def side_by_side(case: Case, path: Path, peers: str, rounds: int, limit: float) -> list[Outcome]:
    """All programs of a case, in turn, `rounds` times."""
    r_is_there = shutil.which("Rscript") is not None
    outcomes = [
        Outcome(name, reason="" if r_is_there or name not in ("R", "fixest") else "not installed")
        for name in case.programs
    ]
    expected: dict[str, float] = {}
    for _ in range(rounds):
        for outcome in outcomes:
            if outcome.reason:
                continue
            run = timed(command(outcome.program, case, path, peers), limit)
            if isinstance(run, str):
                outcome.reason = run
                continue
            estimates = _read(outcome, run)
            expected = expected or estimates
            outcome.gap = max(abs(estimates[name] - expected[name]) for name in case.numeric)
            if outcome.gap > TOLERANCE:
                outcome.reason = f"differs by {outcome.gap:.0e}"
            outcome.runs.append(run)
    return outcomes


def _read(outcome: Outcome, run: Run) -> dict[str, float]:
    """The estimates of the numeric columns; the seconds of the fit are kept in the outcome."""
    found = json.loads(run.text)
    if "estimates" in found:
        outcome.fits.append(found["fit"])
        return found["estimates"]
    seconds = found["seconds"]
    outcome.stages.append(seconds | {"start": run.wall - sum(seconds.values())})
    outcome.fits.append(sum(seconds.values()) - seconds["read"])
    main = found["coefficients"][0]["parameter"]
    return {row["term"]: row["estimate"] for row in found["coefficients"] if row["parameter"] == main}
