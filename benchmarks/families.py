"""Fitting times side by side with R and statsmodels, interleaved in one run: `python benchmarks/families.py [ROUNDS]`.

Negative binomial with alpha estimated, 100,000 rows and 10 columns: glmfit, MASS::glm.nb, glmmTMB.
Zero-inflated negative binomial, 20,000 rows and 4 columns: glmfit, pscl::zeroinfl, statsmodels.
The negative binomial as a user's file against the built-in family, on the first data set.
Times are of the fit alone, in seconds, data in memory; what is not installed (R, a package, statsmodels) is left out.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import glmfit
from glmfit.result import Fit

USER_FILE = '''"""The negative binomial as a user would write it."""
import torch


def log_density(y, log_mu, log_alpha):
    r = torch.exp(-log_alpha)
    log_growth = torch.nn.functional.softplus(log_mu + log_alpha)
    return torch.lgamma(y + r) - torch.lgamma(r) - torch.lgamma(y + 1) + y * (log_mu + log_alpha) - (y + r) * log_growth
'''


def counts(n: int, p: int, zero: float) -> dict[str, np.ndarray]:
    """Negative binomial counts with alpha = 0.5; a share `zero` of them is 0 whatever the mean."""
    random = np.random.default_rng(1)
    x = random.normal(size=(n, p))
    mean = np.exp(0.5 + x @ np.resize([0.1, -0.1], p))
    y = random.negative_binomial(2, 2 / (2 + mean)) * (random.random(n) >= zero)
    return {"y": y.astype(float), **{f"x{j + 1}": x[:, j] for j in range(p)}}


def seconds(fit: Fit) -> float:
    """Of building the model, maximising and inference."""
    return sum(fit.seconds[stage] for stage in ("design", "optimize", "inference"))


def write_csv(path: Path, data: dict[str, np.ndarray]) -> None:
    table = np.stack(list(data.values()), axis=1)
    np.savetxt(path, table, delimiter=",", header=",".join(data), comments="", fmt="%.17g")


def in_r(packages: str, data: Path, fit: str) -> Callable[[], float] | None:
    """A function that fits in R and returns R's own elapsed time of the fit; None where R or a package is missing."""
    if shutil.which("Rscript") is None:
        return None
    check = f"q(status = !all(sapply(c({packages}), requireNamespace, quietly = TRUE)))"
    if subprocess.run(["Rscript", "-e", check], capture_output=True, check=False).returncode:
        return None
    code = f"d <- read.csv('{data}'); cat(system.time({fit})[['elapsed']])"

    def run() -> float:
        return float(subprocess.run(["Rscript", "-e", code], capture_output=True, text=True, check=True).stdout)

    return run


def in_statsmodels(data: dict[str, np.ndarray]) -> Callable[[], float] | None:
    try:
        from statsmodels.discrete.count_model import ZeroInflatedNegativeBinomialP
    except ImportError:
        return None
    x = np.stack([np.ones(len(data["y"])), *(data[name] for name in data if name != "y")], axis=1)

    def run() -> float:
        begin = time.perf_counter()
        ZeroInflatedNegativeBinomialP(data["y"], x, exog_infl=x).fit(method="bfgs", maxiter=500, disp=False)
        return time.perf_counter() - begin

    return run


def compare(title: str, runs: dict[str, Callable[[], float] | None], rounds: int) -> None:
    """Medians of interleaved rounds, and each as a multiple of the first."""
    there = {name: run for name, run in runs.items() if run is not None}
    times: dict[str, list[float]] = {name: [] for name in there}
    for _ in range(rounds):
        for name, run in there.items():
            times[name].append(run())
    print(title)
    first = statistics.median(next(iter(times.values())))
    for name, found in times.items():
        median = statistics.median(found)
        print(f"  {name:24s} {median:8.3f} s   {median / first:6.2f} x   (from {min(found):.3f} to {max(found):.3f})")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as folder:
        large, small = counts(100_000, 10, 0.0), counts(20_000, 4, 0.3)
        paths = {"large": Path(folder, "large.csv"), "small": Path(folder, "small.csv")}
        write_csv(paths["large"], large)
        write_csv(paths["small"], small)
        user = Path(folder, "nb.py")
        user.write_text(USER_FILE, encoding="utf-8")
        terms = {size: " + ".join(name for name in data if name != "y") for size, data in (("l", large), ("s", small))}

        def fit(formula: str | tuple[str, ...], data: dict[str, np.ndarray], family: str) -> Callable[[], float]:
            return lambda: seconds(glmfit.fit(formula, data, family=family))

        built_in = fit(f"y ~ {terms['l']}", large, "negative-binomial")
        built_in()  # torch is loaded before anything is timed
        compare(
            "negative binomial, 100,000 rows, 10 columns",
            {
                "glmfit": built_in,
                "MASS::glm.nb": in_r("'MASS'", paths["large"], "MASS::glm.nb(y ~ ., d)"),
                # glmmTMB does not know the dot
                "glmmTMB": in_r(
                    "'glmmTMB'",
                    paths["large"],
                    f"glmmTMB::glmmTMB(y ~ {terms['l']}, d, family = glmmTMB::nbinom2)",
                ),
            },
            rounds,
        )
        inflated = (f"y ~ {terms['s']}", f"zero ~ {terms['s']}")
        compare(
            "zero-inflated negative binomial, 20,000 rows, 4 columns for both parts",
            {
                "glmfit": fit(inflated, small, "zero-inflated-negative-binomial"),
                "pscl::zeroinfl": in_r("'pscl'", paths["small"], "pscl::zeroinfl(y ~ ., d, dist = 'negbin')"),
                "statsmodels": in_statsmodels(small),
            },
            rounds,
        )
        compare(
            "negative binomial, 100,000 rows, 10 columns: a user's file",
            {"built-in": built_in, "user's file": fit(f"y ~ {terms['l']}", large, str(user))},
            rounds,
        )


if __name__ == "__main__":
    main()
