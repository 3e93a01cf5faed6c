"""A scan of a wide file beside R's loop of glm: whole processes in alternation, seconds and peak memory.

    python -m benchmarks.scan --columns 10000 --rows 2000 --rounds 3

Both read the same CSV file, fit one logit a column beside two covariates, and write a row a column; R by fread and
lapply. The largest difference of a z statistic is told with the times.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.measure import ROOT, alternated, said

SCRIPT = ROOT / "benchmarks" / "peers" / "scan.R"


def write(path: Path, rows: int, columns: int) -> None:
    """Genotypes, three of which have an effect, an age and a sex."""
    random = np.random.default_rng(1)
    genes = random.binomial(2, random.uniform(0.05, 0.5, columns), (rows, columns))
    age, sex = random.normal(50, 10, rows).round(1), random.integers(0, 2, rows)
    eta = -0.9 + 0.03 * (age - 50) + 0.3 * sex + 0.25 * genes[:, :3].sum(axis=1)
    y = (random.random(rows) < 1 / (1 + np.exp(-eta))).astype(int)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["y", "age", "sex", *(f"g{j + 1}" for j in range(columns))])
        writer.writerows([y[i], age[i], sex[i], *genes[i].tolist()] for i in range(rows))


def largest_difference(ours: Path, theirs: Path) -> float:
    """Of z statistics, over all columns."""
    with ours.open(encoding="utf-8") as mine, theirs.open(encoding="utf-8") as other:
        pairs = zip(csv.DictReader(mine), csv.DictReader(other), strict=True)
        return max(abs(float(a["statistic"]) - float(b["statistic"])) for a, b in pairs)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.scan", description=__doc__)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--columns", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=float, default=600.0, help="seconds that one run may take")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        data, ours, theirs = (Path(folder) / name for name in ("wide.csv", "glmfit.csv", "r.csv"))
        write(data, asked.rows, asked.columns)
        formula = ["y ~ {} + age + sex", "-f", "binomial", "--scan", "g*", "--format", "csv"]
        programs = {
            "glmfit": [sys.executable, "-m", "glmfit", "fit", str(data), *formula, "-q", "-o", str(ours)],
            "R": ["Rscript", str(SCRIPT), str(data), str(theirs)],
        }
        for outcome in alternated(programs, asked.rounds, asked.limit):
            print(said(outcome))
        print(f"largest difference of z: {largest_difference(ours, theirs):.1e}")


if __name__ == "__main__":
    main()
