"""How much glmfit adds to starting Python and torch: whole commands, in turn, as ratios of medians.

    python benchmarks/startup.py [RUNS]

Run it with an installed (not editable) glmfit, whose modules pip has compiled.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

DATA = str(Path(__file__).resolve().parent.parent / "sample_data" / "poisson.csv")
GLMFIT = [sys.executable, "-m", "glmfit"]
PAIRS = {
    "glmfit --help": ([*GLMFIT, "--help"], [sys.executable, "-c", "pass"]),
    "a small plain fit": (
        [*GLMFIT, "fit", DATA, "--y", "y", "--x", "x1,x2", "--no-intercept", "--family", "poisson"],
        [sys.executable, "-c", "import torch"],
    ),
}


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 11
    for name, (ours, base) in PAIRS.items():
        seconds(ours), seconds(base)  # warm the file cache
        pairs = [(seconds(ours), seconds(base)) for _ in range(runs)]
        a, b = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"{name:20} {a:6.3f} s   {' '.join(base[1:]):16} {b:6.3f} s   ratio {a / b:5.2f}")


if __name__ == "__main__":
    main()
