"""One model in each group beside R's loop of glm: whole processes in alternation, and the stage that fits, by itself.

    python -m benchmarks.groups --groups 10000 --rows 100 --family poisson --rounds 3

Both read the same CSV file; glmfit writes a document a group, R the coefficients of each. R's stage is split, lapply
and glm (or MASS's glm.nb) with summary; that of glmfit is all from the rows in memory to the numbers, without writing.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.measure import ROOT, alternated, said

SCRIPT = ROOT / "benchmarks" / "peers" / "groups.R"
FORMULA = "y ~ x1 + x2 + x3"


def write(path: Path, groups: int, rows: int, family: str) -> None:
    """Three covariates, whose coefficients differ from group to group."""
    random = np.random.default_rng(1)
    n = groups * rows
    x, g = random.normal(size=(n, 3)), np.repeat(np.arange(groups), rows)
    beta = 0.3 * random.normal(size=(groups, 4))
    eta = 0.5 + beta[g, 0] + (x * beta[g, 1:]).sum(axis=1)
    if family == "binomial":
        y = (random.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    else:
        y = random.poisson(np.exp(eta) * (random.gamma(2, 0.5, size=n) if family != "poisson" else 1.0))
    with path.open("w", encoding="utf-8", newline="") as stream:
        stream.write("g,x1,x2,x3,y\n")
        np.savetxt(stream, np.column_stack([g, x, y]), fmt="%d,%.8f,%.8f,%.8f,%d")


def stage(path: str, family: str) -> float:
    """Seconds of a processor from the rows in memory to the numbers of every group."""
    from glmfit.many.groups import block, documents  # noqa: F401  (torch is loaded before the clock starts)
    from glmfit.many.groups.run import fit_groups
    from glmfit.spec import ModelSpec

    run = fit_groups(ModelSpec(formulas=(FORMULA,), family=family), path, ["g"])
    begin = time.process_time()
    for _ in run.records():
        pass
    return time.process_time() - begin


def largest_difference(ours: Path, theirs: Path) -> float:
    """Of the coefficients, in standard errors, over all groups."""
    with ours.open(encoding="utf-8") as mine, theirs.open(encoding="utf-8") as other:
        worst = 0.0
        for line, row in zip(mine, csv.DictReader(other), strict=True):
            found = json.loads(line)["coefficients"]
            for k, name in enumerate(("b0", "b1", "b2", "b3")):
                worst = max(worst, abs(found[k]["estimate"] - float(row[name])) / found[k]["std_error"])
    return worst


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.groups", description=__doc__)
    parser.add_argument("--groups", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--family", default="poisson", choices=("poisson", "binomial", "negative-binomial"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=float, default=600.0, help="seconds that one run may take")
    parser.add_argument("--stage", metavar="DATA", help="time the stage that fits, and nothing else")
    asked = parser.parse_args(arguments)
    if asked.stage:
        print(stage(asked.stage, asked.family))
        return
    with tempfile.TemporaryDirectory() as folder:
        data, ours, theirs = (Path(folder) / name for name in ("groups.csv", "glmfit.jsonl", "r.csv"))
        write(data, asked.groups, asked.rows, asked.family)
        fit = ["fit", str(data), FORMULA, "-f", asked.family, "--by", "g", "--json", "-q", "-o", str(ours)]
        programs = {
            "glmfit": [sys.executable, "-m", "glmfit", *fit],
            "R": ["Rscript", str(SCRIPT), str(data), str(theirs), asked.family],
            "glmfit, stage": [
                sys.executable,
                "-m",
                "benchmarks.groups",
                "--family",
                asked.family,
                "--stage",
                str(data),
            ],
        }
        for outcome in alternated(programs, asked.rounds, asked.limit):
            print(said(outcome))
        print(f"largest difference of a coefficient: {largest_difference(ours, theirs):.1e} standard errors")


if __name__ == "__main__":
    main()
