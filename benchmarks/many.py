"""Many models in one run beside R's loops of glm: `fit --by`, `fit --scan` and `batch`, whole processes in alternation.

Both read the same files and write their results to one; the largest difference of an estimate, in standard errors, is
told with the times. R's loop is split, lapply and glm with summary (MASS's glm.nb for the negative binomial).
"""

from __future__ import annotations

import csv
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.growth import exponent
from benchmarks.measure import SCRIPTS, Outcome, timed

WIDEST = 1e-5  # difference, in standard errors, with which times count: glm stops where its deviance hardly changes


@dataclass(frozen=True, slots=True)
class Loop:
    """So many models of so many `rows` each: `kind` is groups, columns or jobs."""

    kind: str
    models: int
    rows: int
    family: str = "poisson"

    @property
    def title(self) -> str:
        return f"{self.family}, {self.kind}"

    @property
    def shape(self) -> str:
        return f"{self.models:,} x {self.rows:,}"

    def write(self, folder: Path) -> Path:
        """The file that is read: data, or the jobs beside theirs."""
        path = folder / f"{self.kind}-{self.models}-{self.rows}-{self.family}.csv"
        if not path.exists():
            {"groups": _groups, "columns": _columns, "jobs": _jobs}[self.kind](self, path)
        return path.with_suffix(".jsonl") if self.kind == "jobs" else path

    def command(self, data: Path, result: Path) -> list[str]:
        """glmfit's."""
        start = [sys.executable, "-m", "glmfit"]
        if self.kind == "jobs":
            return [*start, "batch", str(data), "-q", "-o", str(result)]
        formula = "y ~ x1 + x2 + x3" if self.kind == "groups" else "y ~ {} + age + sex"
        many = ["--by", "g"] if self.kind == "groups" else ["--scan", "g*"]
        return [*start, "fit", str(data), formula, "-f", self.family, *many, "--json", "-q", "-o", str(result)]

    def peer(self, data: Path, result: Path) -> list[str]:
        """R's loop."""
        return ["Rscript", str(SCRIPTS / f"{self.kind}.R"), str(data), str(result), self.family]


LOOPS = (
    Loop("groups", 10_000, 100),
    Loop("groups", 10_000, 100, "binomial"),
    Loop("groups", 10_000, 100, "negative-binomial"),
    Loop("columns", 10_000, 2_000, "binomial"),
    Loop("jobs", 1_000, 200),
)
GROWING = tuple(Loop("groups", models, 100) for models in (3_000, 30_000, 100_000))
SHORT_LOOPS = (Loop("groups", 20, 50), Loop("columns", 8, 80, "binomial"), Loop("jobs", 3, 50))


def _groups(loop: Loop, path: Path) -> None:
    """Three covariates, whose coefficients differ from group to group."""
    random, n = np.random.default_rng(1), loop.models * loop.rows
    x, g = random.normal(size=(n, 3)), np.repeat(np.arange(loop.models), loop.rows)
    beta = 0.3 * random.normal(size=(loop.models, 4))
    eta = 0.5 + beta[g, 0] + (x * beta[g, 1:]).sum(axis=1)
    if loop.family == "binomial":
        y = (random.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    else:
        y = random.poisson(np.exp(eta) * (random.gamma(2, 0.5, size=n) if loop.family != "poisson" else 1.0))
    _write(path, {"g": g, "x1": x[:, 0].round(8), "x2": x[:, 1].round(8), "x3": x[:, 2].round(8), "y": y})


def _columns(loop: Loop, path: Path) -> None:
    """Genotypes, three of which have an effect, an age and a sex."""
    random, n = np.random.default_rng(1), loop.rows
    genes = random.binomial(2, random.uniform(0.05, 0.5, loop.models), (n, loop.models))
    age, sex = random.normal(50, 10, n).round(1), random.integers(0, 2, n)
    eta = -0.9 + 0.03 * (age - 50) + 0.3 * sex + 0.25 * genes[:, :3].sum(axis=1)
    y = (random.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    _write(path, {"y": y, "age": age, "sex": sex, **{f"g{j + 1}": genes[:, j] for j in range(loop.models)}})


def _jobs(loop: Loop, path: Path) -> None:
    """Models of two of ten covariates each, all of one file."""
    random, n = np.random.default_rng(1), loop.rows
    x = random.normal(size=(n, 10)).round(6)
    _write(path, {"y": random.poisson(np.exp(0.3 + 0.2 * x[:, 0])), **{f"x{j}": x[:, j] for j in range(10)}})
    pairs = [(at % 10, (at + 1 + at // 10 % 9) % 10) for at in range(loop.models)]
    job = {"data": path.name, "family": loop.family}
    lines = [json.dumps({"id": f"m{at}", **job, "formulas": [f"y ~ x{i} + x{j}"]}) for at, (i, j) in enumerate(pairs)]
    path.with_suffix(".jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write(path: Path, columns: dict[str, np.ndarray]) -> None:
    import pyarrow
    from pyarrow import csv as arrow

    arrow.write_csv(pyarrow.table(columns), path)


def measure(loop: Loop, folder: Path, rounds: int, limit: float) -> list[Outcome]:
    """glmfit and R in turn, `rounds` times."""
    data, results = loop.write(folder), {name: folder / f"{name}.out" for name in ("glmfit", "R")}
    words = {"glmfit": loop.command(data, results["glmfit"]), "R": loop.peer(data, results["R"])}
    outcomes = {name: Outcome(name) for name in words}
    outcomes["R"].reason = "" if shutil.which("Rscript") else "not installed"
    for _ in range(rounds):
        for name, outcome in outcomes.items():
            if outcome.reason:
                continue
            run = timed(words[name], limit)
            if isinstance(run, str):
                outcome.reason = run
            else:
                outcome.runs.append(run)
    if all(outcome.runs for outcome in outcomes.values()):
        pairs = zip(_ours(loop, results["glmfit"]), _theirs(results["R"]), strict=True)
        gap = max(abs(estimate - other) / error for (estimate, error), other in pairs)
        outcomes["R"].gap = gap
        outcomes["R"].reason = outcomes["R"].reason or (f"differs by {gap:.0e}" if gap > WIDEST else "")
    return list(outcomes.values())


def _ours(loop: Loop, path: Path) -> Iterator[tuple[float, float]]:
    """The last estimate of each model that R gives too, with its standard error."""
    with path.open(encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            row = line if loop.kind == "columns" else line["coefficients"][3 if loop.kind == "groups" else 2]
            yield row["estimate"], row["std_error"]


def _theirs(path: Path) -> Iterator[float]:
    with path.open(encoding="utf-8") as lines:
        yield from (float(row["estimate"]) for row in csv.DictReader(lines))


def table(measured: Sequence[tuple[Loop, list[Outcome]]]) -> list[str]:
    """A line for each program: seconds, how many times those of glmfit, processors and peak memory."""
    lines = [
        "| models | number x rows | program | s | times | s of processors | peak MB |",
        "|---|---|---|--:|--:|--:|--:|",
    ]
    for loop, outcomes in measured:
        for one in outcomes:
            cells = [loop.title, loop.shape, one.program]
            if one.runs:
                wall, cpu, memory = (one.median(name) for name in ("wall", "cpu", "memory"))
                times = one.reason or f"{wall / outcomes[0].median('wall'):.1f}"
                cells += [f"{wall:.2f}", times, f"{cpu:.2f}", f"{memory:.0f}"]
            else:
                cells += ["", one.reason, "", ""]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def growth(measured: Sequence[tuple[Loop, list[Outcome]]], start: float) -> list[str]:
    """How the time past the start grows with the number of groups, and the peak memory of each."""
    loops = sorted((loop.models, one) for loop, (one, *_) in measured if loop.title == GROWING[0].title and one.runs)
    sizes = [models for models, _ in loops]
    found = exponent(sizes, [one.median("wall") for _, one in loops], start)
    if found is None:
        return []
    memory = ", ".join(f"{one.median('memory'):.0f} MB" for _, one in loops)
    return [
        f"Over {', '.join(f'{size:,}' for size in sizes)} groups glmfit's time grows by an exponent of {found:.2f}; "
        f"peak memory {memory}."
    ]
