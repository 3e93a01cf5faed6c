"""A factor of many levels, whole processes side by side with glum: `python benchmarks/levels.py [ROWS LEVELS ROUNDS]`.

Poisson, 10 numeric columns and a factor, from a CSV file; glmfit with every standard error, glum (pandas reads the
file) with none. Both run in turn; medians of wall time and peak memory, and how far apart the slopes are.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

COLUMNS = [f"x{j + 1}" for j in range(10)]
IN_GLUM = """
import json, sys
import pandas
from glum import GeneralizedLinearRegressor
d = pandas.read_csv(sys.argv[1], dtype={"g": "category"})
model = GeneralizedLinearRegressor(family="poisson", alpha=0, fit_intercept=True, drop_first=True, gradient_tol=1e-8)
model.fit(d.drop(columns="y"), d["y"])
print(json.dumps(dict(zip(model.feature_names_, model.coef_.tolist()))))
"""


def write(path: Path, rows: int, levels: int) -> None:
    """Counts whose log mean has slopes and an effect of each level."""
    random = np.random.default_rng(1)
    x = random.normal(size=(rows, len(COLUMNS)))
    g = random.integers(0, levels, rows)
    effects = 0.3 * random.normal(size=levels)
    y = random.poisson(np.exp(0.5 + x @ np.linspace(-0.2, 0.2, len(COLUMNS)) + effects[g]))
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(["y", *COLUMNS, "g"]) + "\n")
        for count, values, level in zip(y.tolist(), x.tolist(), g.tolist(), strict=True):
            file.write(f"{count},{','.join(f'{value:.6f}' for value in values)},g{level:06d}\n")


def timed(command: list[str]) -> tuple[float, float, str]:
    """Seconds, peak memory in MB and standard output of a process."""
    begin = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        text = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[:3]} ended with status {process.returncode}")
    return time.perf_counter() - begin, usage.ru_maxrss / 1024, text


def slopes(text: str) -> np.ndarray:
    """Those of the numeric columns, from what either program wrote."""
    found = json.loads(text)
    if "coefficients" in found:
        found = {row["term"]: row["estimate"] for row in found["coefficients"]}
    return np.array([found[name] for name in COLUMNS])


def main() -> None:
    rows, levels, rounds = (int(text) for text in (*sys.argv[1:], *("100000", "5000", "3")[len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "levels.csv")
        write(path, rows, levels)
        columns = ",".join([*COLUMNS, "g"])
        commands = {
            "glmfit": ["-m", "glmfit", "fit", str(path), "--y", "y", "--x", columns, "--family", "poisson", "--json"],
            "glum": ["-c", IN_GLUM, str(path)],
        }
        python = {"glmfit": sys.executable, "glum": os.environ.get("GLUM_PYTHON", sys.executable)}
        found: dict[str, list[tuple[float, float, str]]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                found[name].append(timed([python[name], *command]))
        print(f"{rows:,} rows, {len(COLUMNS)} columns and a factor of {levels:,} levels")
        seconds = {name: statistics.median(run[0] for run in runs) for name, runs in found.items()}
        for name, runs in found.items():
            memory = statistics.median(run[1] for run in runs)
            print(f"  {name:8s} {seconds[name]:8.2f} s  {seconds[name] / seconds['glum']:6.3f} x  {memory:7.0f} MB")
        gap = np.abs(slopes(found["glmfit"][-1][2]) - slopes(found["glum"][-1][2])).max()
        print(f"  slopes at most {gap:.1e} apart")


if __name__ == "__main__":
    main()
