"""What was measured, as Markdown: facts of the machine, the table of all programs, stages, growth.

Ratios are to glmfit, so that more than 1 means slower or larger than glmfit. A program whose fit did not agree to
1e-6 has the difference in place of its ratio.
"""

from __future__ import annotations

import datetime
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from benchmarks.cases import Case, Series
from benchmarks.growth import exponent
from benchmarks.measure import Outcome

Measured = Sequence[tuple[Case, list[Outcome]]]
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
STAGES = ("start", "read", "design", "optimize", "inference")


def facts(peers: str, load: float) -> str:
    """The machine, how busy it was, the day and the versions."""
    cpu = re.search(r"model name\s*: (.+)", _text("/proc/cpuinfo"))
    memory = re.search(r"MemTotal:\s*(\d+)", _text("/proc/meminfo"))
    machine = cpu[1] if cpu else platform.processor() or platform.machine()
    size = f", {int(memory[1]) / 2**20:.0f} GB" if memory else ""
    ours = [f"{name} {metadata.version(name)}" for name in ("torch", "numpy", "pyarrow")]
    return (
        f"{datetime.date.today().isoformat()}; {machine}, {os.cpu_count()} cores{size}; {platform.system()}, "
        f"Python {platform.python_version()}, {', '.join([*ours, *_versions(peers), *_r_versions()])}; load {load:.1f} "
        "when it began."
    )


def _text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8") if Path(path).exists() else ""


def _versions(peers: str) -> list[str]:
    program = (
        "from importlib import metadata\n"
        "for name in ('glum', 'statsmodels', 'scikit-learn', 'pyfixest'):\n"
        "    try: print(name, metadata.version(name))\n"
        "    except metadata.PackageNotFoundError: pass"
    )
    return subprocess.run([peers, "-c", program], capture_output=True, text=True, check=True).stdout.splitlines()


def _r_versions() -> list[str]:
    program = "cat('R', as.character(getRversion()))"
    try:
        found = subprocess.run(["Rscript", "-e", program], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return []
    return [found.stdout] if found.returncode == 0 else []


def overview(measured: Measured) -> list[str]:
    """A line for each model: glmfit's seconds and memory, and how many times as long the others take."""
    shown = {one.program for _, outcomes in measured for one in outcomes if one.reason != "not installed"}
    others = [name for name in dict.fromkeys(name for case, _ in measured for name in case.programs) if name in shown]
    others = [name for name in others if name != "glmfit"]
    lines = [
        f"| model | rows x columns | glmfit, s | peak MB | {' | '.join(others)} |",
        "|---|---|--:|--:|" + "--:|" * len(others),
    ]
    for case, outcomes in measured:
        found = {one.program: one for one in outcomes}
        mine = found["glmfit"]
        numbers = [f"{mine.median('wall'):.2f}", f"{mine.median('memory'):.0f}"] if mine.runs else [mine.reason, ""]
        cells = [_ratio(found[name], mine) if name in found else "" for name in others]
        lines.append(f"| {title(case)} | {shape(case)} | {' | '.join([*numbers, *cells])} |")
    return lines


def _ratio(outcome: Outcome, base: Outcome) -> str:
    if outcome.reason or not base.runs:
        return "-" if outcome.reason.startswith(("failed", "not installed")) else outcome.reason
    return f"{outcome.median('wall') / base.median('wall'):.2f}"


def side_by_side(measured: Measured) -> list[str]:
    """A line for each program on each case."""
    lines = [
        "| model | rows x columns | program | seconds | times glmfit | fit alone, s | processor, s | peak MB |",
        "|---|---|---|--:|--:|--:|--:|--:|",
    ]
    for case, outcomes in measured:
        base = outcomes[0] if outcomes[0].runs else None
        for outcome in outcomes:
            if outcome.reason != "not installed":
                lines.append(_line(case, outcome, base))
    return lines


def _line(case: Case, outcome: Outcome, base: Outcome | None) -> str:
    cells = [title(case), shape(case), outcome.program]
    if not outcome.runs:
        return f"| {' | '.join([*cells, '', outcome.reason, '', '', ''])} |"
    wall, cpu, memory = (outcome.median(name) for name in ("wall", "cpu", "memory"))
    ratio = outcome.reason or (f"{wall / base.median('wall'):.2f}" if base else "")
    fit = sorted(outcome.fits)[len(outcome.fits) // 2]
    return f"| {' | '.join([*cells, f'{wall:.2f}', ratio, f'{fit:.2f}', f'{cpu:.2f}', f'{memory:.0f}'])} |"


def title(case: Case) -> str:
    return case.title if case.link == "log" else f"{case.title}, {case.link}"


def shape(case: Case) -> str:
    """ "1,000,000 x (10 + 20 + 500 levels)"."""
    if not case.levels:
        return f"{case.rows:,} x {case.columns}"
    levels = " + ".join(f"{count:,}" for count in case.levels)
    return f"{case.rows:,} x ({case.columns} + {levels} {'absorbed' if case.absorbed else 'levels'})"


def stages(measured: Measured) -> list[str]:
    """Where glmfit's own time goes; `start` is Python, the imports and writing the answer."""
    lines = [f"| model | rows x columns | {' | '.join(STAGES)} |", "|---|---|" + "--:|" * len(STAGES)]
    for case, outcomes in measured:
        if outcomes[0].program == "glmfit" and outcomes[0].stages:
            cells = [f"{outcomes[0].stage(name):.2f}" for name in STAGES]
            lines.append(f"| {title(case)} | {shape(case)} | {' | '.join(cells)} |")
    return lines


def growth(series: Sequence[tuple[Series, Measured]], start: float) -> list[str]:
    """The exponent of each program's time in rows and in levels, past glmfit's start-up or its own smallest time."""
    lines = ["| over | program | sizes | seconds | exponent |", "|---|---|---|---|--:|"]
    for one, measured in series:
        for name, points in curves(one, measured).items():
            sizes, seconds = zip(*points, strict=True)
            found = exponent(sizes, seconds, start if name == "glmfit" else min(seconds))
            cells = [one.over, name, ", ".join(f"{size:,}" for size in sizes), ", ".join(f"{s:.2f}" for s in seconds)]
            lines.append(f"| {' | '.join(cells)} | {'' if found is None else f'{found:.2f}'} |")
    return lines


def curves(series: Series, measured: Measured) -> dict[str, list[tuple[int, float]]]:
    """(size, median seconds) of every program, where its fit counts."""
    found: dict[str, list[tuple[int, float]]] = {}
    for case, outcomes in measured:
        for outcome in outcomes:
            if outcome.runs and not outcome.reason:
                found.setdefault(outcome.program, []).append((series.size(case), outcome.median("wall")))
    return found


def starting(pairs: Sequence[tuple[str, float, str, float]]) -> list[str]:
    """What a user waits for before anything is fitted: ours, and what it stands on."""
    lines = ["| command | seconds | beside | seconds | ratio |", "|---|--:|---|--:|--:|"]
    return lines + [
        f"| `{ours}` | {mine:.2f} | `{theirs}` | {base:.2f} | {mine / base:.2f} |" for ours, mine, theirs, base in pairs
    ]


def page(parts: Sequence[tuple[str, str, list[str]]], said: str, words: str, rounds: int) -> str:
    """The whole page: (heading, sentence, table) for each part."""
    text = [
        "# Benchmarks",
        "",
        f"Written by `{words}`. Whole processes from a CSV file to the answer, in alternation; medians of {rounds}.",
        "A time counts where the slopes agree with glmfit's to 1e-6. glum and scikit-learn compute no standard errors.",
        "",
        said,
    ]
    for heading, sentence, table in parts:
        text += ["", f"## {heading}", "", *([sentence, ""] if sentence else []), *table]
    return "\n".join(text) + "\n"


def into(readme: Path, text: Sequence[str]) -> None:
    """Put a text between the marks of a page."""
    page = readme.read_text(encoding="utf-8")
    head, _, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not end:
        raise SystemExit(f"{readme} has no lines {BEGIN} and {END}")
    readme.write_text("\n".join([head + BEGIN, *text, END + tail]), encoding="utf-8")
