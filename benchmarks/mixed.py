"""A model with random effects beside lme4 and glmmTMB: whole processes in alternation, seconds and peak memory.

    python -m benchmarks.mixed --rows 100000 --groups 10000 --family poisson --effects intercept --rounds 3

All read the same CSV file and fit y ~ x1 + ... + x5 with (1 | g), (x1 | g), or (1 | g) + (1 | h) by Laplace's
approximation, each on one thread. The model without random effects is there for its memory, and log-likelihoods are
told with the times.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.measure import SCRIPTS, alternated, said

SCRIPT = SCRIPTS / "mixed.R"
FIXED = "y ~ x1 + x2 + x3 + x4 + x5"
EFFECTS = {"intercept": "(1 | g)", "slope": "(x1 | g)", "crossed": "(1 | g) + (1 | h)"}
CROSSED = 100  # levels of h


def write(path: Path, rows: int, groups: int, family: str, effects: str) -> None:
    """Five covariates, levels drawn at random, and effects of them of a standard deviation of about a half."""
    random = np.random.default_rng(1)
    x, g, h = random.normal(size=(rows, 5)), random.integers(0, groups, rows), random.integers(0, CROSSED, rows)
    eta = -0.5 + x @ np.linspace(-0.2, 0.2, 5) + 0.5 * random.normal(size=groups)[g]
    if effects == "slope":
        eta += 0.3 * random.normal(size=groups)[g] * x[:, 0]
    if effects == "crossed":
        eta += 0.4 * random.normal(size=CROSSED)[h]
    if family == "poisson":
        y = random.poisson(np.exp(eta))
    else:
        y = (random.random(rows) < 1 / (1 + np.exp(-eta))).astype(int)
    with path.open("w", encoding="utf-8", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(["y", *(f"x{j + 1}" for j in range(5)), "g", "h"])
        for i in range(rows):
            out.writerow([y[i], *(f"{value:.6f}" for value in x[i]), f"g{g[i]}", f"h{h[i]}"])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.mixed", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--groups", type=int, default=1_000)
    parser.add_argument("--family", default="poisson", choices=("poisson", "binomial"))
    parser.add_argument("--effects", default="intercept", choices=tuple(EFFECTS))
    parser.add_argument("--peers", default="glmer,glmmTMB", help="which of them, separated by commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=float, default=600.0, help="seconds that one run may take")
    asked = parser.parse_args(arguments)
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    formula = f"{FIXED} + {EFFECTS[asked.effects]}"
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "mixed.csv"
        write(data, asked.rows, asked.groups, asked.family, asked.effects)
        fit = [sys.executable, "-m", "glmfit", "fit", str(data)]
        options = ["-f", asked.family, "--json", "-q", "--threads", "1"]
        programs = {"glmfit": [*fit, formula, *options]}
        for peer in filter(None, asked.peers.split(",")):
            programs[peer] = ["Rscript", str(SCRIPT), str(data), asked.family, formula, peer]
        programs["without effects"] = [*fit, FIXED, *options]
        for outcome in alternated(programs, asked.rounds, asked.limit):
            found = json.loads(outcome.runs[-1].text)
            value = found["fit"]["log_likelihood"] if "fit" in found else found["log_likelihood"]
            seconds = found["seconds"]
            fits = sum(seconds.values()) - seconds["read"] if isinstance(seconds, dict) else seconds
            print(f"{said(outcome)}, {fits:.2f} s without reading, log-likelihood {value:.6f}")


if __name__ == "__main__":
    main()
