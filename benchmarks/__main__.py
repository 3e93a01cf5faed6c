"""The command: measures what was asked for and writes `benchmarks.md` and `time.svg` into a folder."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

from benchmarks import many, picture, report
from benchmarks.cases import CASES, SERIES, SHORT_CASES, SHORT_SERIES, Case
from benchmarks.measure import ROOT, Outcome, Run, side_by_side, timed

STARTS = (
    ("glmfit --help", ["-m", "glmfit", "--help"], "python -c pass", ["-c", "pass"]),
    (
        "glmfit fit sample_data/poisson.csv --y y --x x1,x2 -f poisson",
        ["-m", "glmfit", "fit", "sample_data/poisson.csv", "--y", "y", "--x", "x1,x2", "-f", "poisson"],
        "python -c 'import torch'",
        ["-c", "import torch"],
    ),
)


def read(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description="Speed, measured side by side.")
    parser.add_argument("--short", action="store_true", help="tiny data, one round: shows that all of it runs")
    parser.add_argument("--only", default="", metavar="TEXT", help="the models whose description has this text")
    parser.add_argument("--rounds", type=int, default=0, help="runs of each program; 5 where nothing is said")
    parser.add_argument("--series", choices=("all", "none", "only"), default="all", help="time against rows and levels")
    parser.add_argument("--many", choices=("all", "none", "only"), default="all", help="groups, scans, files of jobs")
    parser.add_argument(
        "--limit", type=float, default=300.0, metavar="SECONDS", help="the longest that one run may take"
    )
    parser.add_argument(
        "--peers", default=sys.executable, metavar="PYTHON", help="a Python in which the peers are installed"
    )
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="where data files are kept for the next time")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmark-results"), metavar="FOLDER")
    parser.add_argument("--readme", type=Path, metavar="FILE", help="a page that takes the table between its marks")
    return parser.parse_args(arguments)


def command(asked: argparse.Namespace) -> str:
    """What was asked for, without the places of this machine."""
    words = ["python -m benchmarks", *(["--short"] if asked.short else [])]
    words += [f'--only "{asked.only}"'] if asked.only else []
    words += [f"--rounds {asked.rounds}"] if asked.rounds else []
    words += [f"--series {asked.series}"] if asked.series != "all" else []
    words += [f"--many {asked.many}"] if asked.many != "all" else []
    return " ".join([*words, f"--limit {asked.limit:.0f}"])


def measure(
    asked: argparse.Namespace, cases: Sequence[Case], rounds: int, folder: Path
) -> list[tuple[Case, list[Outcome]]]:
    """All the cases, one after the other; who is running is said on standard error."""
    found = []
    for case in cases:
        text = f"{case.title} {case.link} {report.shape(case)}"
        if asked.only not in text:
            continue
        print(f"{text}: {', '.join(case.programs)}", file=sys.stderr, flush=True)
        path = folder / case.file
        if not path.exists():
            # elsewhere, for a child's peak memory begins with its parent's
            writing = get_context("spawn").Process(target=case.write, args=(path,))
            writing.start()
            writing.join()
        found.append((case, side_by_side(case, path, asked.peers, rounds, asked.limit)))
        for outcome in found[-1][1]:
            said = outcome.reason or f"{outcome.median('wall'):.2f} s, {outcome.median('memory'):.0f} MB"
            print(f"  {outcome.program:14} {said}", file=sys.stderr, flush=True)
    return found


def measure_loops(
    asked: argparse.Namespace, loops: Sequence[many.Loop], rounds: int, folder: Path
) -> list[tuple[many.Loop, list[Outcome]]]:
    """Runs of many models; who is running is said on standard error."""
    found = []
    for loop in loops:
        if asked.only in f"{loop.title} {loop.shape}":
            print(f"{loop.title} {loop.shape}", file=sys.stderr, flush=True)
            found.append((loop, many.measure(loop, folder, rounds, asked.limit)))
    return found


def starts(rounds: int) -> list[tuple[str, float, str, float]]:
    """Seconds of commands that hardly fit, and of what they stand on."""
    found = []
    for name, ours, base, theirs in STARTS:
        pair: tuple[list[float], list[float]] = [], []
        for _ in range(rounds):
            for words, into in ((ours, pair[0]), (theirs, pair[1])):
                run = timed([sys.executable, *words], 600)
                if not isinstance(run, Run):
                    raise SystemExit(f"{name}: {run}")
                into.append(run.wall)
        mine, base_seconds = (sorted(column)[len(column) // 2] for column in pair)
        found.append((name, mine, base, base_seconds))
    return found


def main(arguments: Sequence[str]) -> None:
    asked = read(arguments)
    rounds = asked.rounds or (1 if asked.short else 5)
    cases, sweeps = (SHORT_CASES, SHORT_SERIES) if asked.short else (CASES, SERIES)
    load = os.getloadavg()[0]
    asked.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.data or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        begun = starts(rounds)
        alone = "only" in (asked.series, asked.many)
        measured = measure(asked, () if alone else cases, rounds, folder)
        drawn_out = asked.series != "none" and asked.many != "only"
        series = [(one, measure(asked, one.cases, rounds, folder)) for one in sweeps if drawn_out]
        loops = many.SHORT_LOOPS if asked.short else (*many.LOOPS, *many.GROWING)
        wanted = asked.many != "none" and asked.series != "only"
        looped = measure_loops(asked, loops if wanted else (), rounds, folder)
    said = report.facts(asked.peers, load)
    overview = report.overview(measured)
    parts = [
        ("In short", "How many times as long as glmfit the others take; - where one fails.", overview),
        ("Side by side", "", report.side_by_side(measured)),
        (
            "Where glmfit's time goes",
            "Seconds; `start` is Python, the imports and the answer.",
            report.stages(measured),
        ),
        ("Starting", "", report.starting(begun)),
    ]
    if series:
        drawn = find_spec("matplotlib") is not None
        if drawn:
            picture.draw(series, asked.output / "time.svg")
        sentence = "![Time against rows and levels](time.svg)" if drawn else ""
        parts.append(("Growth", sentence, report.growth(series, begun[1][1])))
    if looped:
        sentence = "`fit --by`, `fit --scan` and `batch` beside R's loops of `glm`; whole processes."
        parts.append(("Many models", sentence, [*many.table(looped), "", *many.growth(looped, begun[1][1])]))
    (asked.output / "benchmarks.md").write_text(report.page(parts, said, command(asked), rounds), encoding="utf-8")
    if asked.readme:
        report.into(ROOT / asked.readme, ["", said, "", *overview, ""])
    print(asked.output / "benchmarks.md")
    wrong = [(case, one) for case, outcomes in measured for one in outcomes if one.program == "glmfit" and one.reason]
    if wrong:
        raise SystemExit("; ".join(f"{case.title} {report.shape(case)}: {one.reason}" for case, one in wrong))


if __name__ == "__main__":
    main(sys.argv[1:])
