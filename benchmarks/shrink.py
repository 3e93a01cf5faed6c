"""A whole path of the lasso beside glmnet: processes in alternation, seconds and peak memory.

    python -m benchmarks.shrink --rows 10000 --columns 1000 --family binomial --thresholds 1e-7,1e-14 --rounds 3

All read the same CSV file and fit 100 strengths, or as many as glmnet's rule of stopping leaves, each on one thread.
glmnet's default threshold gives three to four digits of a coefficient, 1e-14 about six.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.measure import ROOT, alternated, said

SCRIPT = ROOT / "benchmarks" / "peers" / "shrink.R"
SLOPES = (0.25, -0.2, 0.15, -0.1, 0.05)  # of the first 50 columns, ten times


def write(path: Path, rows: int, columns: int, family: str) -> None:
    """Independent normal columns, of which the first 50 act."""
    random = np.random.default_rng(1)
    X = np.round(random.normal(size=(rows, columns)), 6)
    slopes = np.zeros(columns)
    slopes[:50] = np.tile(SLOPES, 10)[:columns]
    eta = X @ slopes
    if family == "gaussian":
        y = np.round(eta + random.normal(size=rows), 6)
    elif family == "poisson":
        y = random.poisson(np.exp(0.6 * eta))
    else:
        y = (random.random(rows) < 1 / (1 + np.exp(-eta))).astype(int)
    names = ",".join(["y", *(f"x{j + 1}" for j in range(columns))])
    np.savetxt(path, np.column_stack([y, X]), fmt="%.6g", delimiter=",", header=names, comments="")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.shrink", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--columns", type=int, default=1_000)
    parser.add_argument("--family", default="binomial", choices=("gaussian", "binomial", "poisson"))
    parser.add_argument("--thresholds", default="1e-7", help="of glmnet, separated by commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=float, default=600.0, help="seconds that one run may take")
    asked = parser.parse_args(arguments)
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "shrink.csv"
        write(data, asked.rows, asked.columns, asked.family)
        options = ["-f", asked.family, "--lasso", "path", "--json", "-q", "--threads", "1"]
        programs = {"glmfit": [sys.executable, "-m", "glmfit", "fit", str(data), "y ~ .", *options]}
        for threshold in filter(None, asked.thresholds.split(",")):
            programs[f"glmnet {threshold}"] = ["Rscript", str(SCRIPT), str(data), asked.family, threshold]
        for outcome in alternated(programs, asked.rounds, asked.limit):
            print(f"{said(outcome)}, {told(outcome.runs[-1].text)}")


def told(text: str) -> str:
    """What a program found, in words."""
    found = json.loads(text)
    if "shrinkage" in found:
        seconds, path = found["seconds"], found["shrinkage"]["path"]
        fits, strengths, left = sum(seconds.values()) - seconds["read"], len(path), path[-1]["nonzero"]
    else:
        fits, strengths, left = found["seconds"], found["strengths"], found["nonzero"]
    return f"{fits:.2f} s without reading, {strengths} strengths, {left} not 0 at the last"


if __name__ == "__main__":
    main()
