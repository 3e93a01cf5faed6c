"""What is fitted, on what data, and by whom: a `Case` is a model and the data that it is fitted to.

    log mean = 0.5 + x b + effects of the levels,  x standard normal, b from -0.2 to 0.2,  levels uniform

The same seed gives every program the same file. A `Series` is one case at several sizes, for plots and exponents.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

USER_FILE = '''"""The negative binomial as a user would write it."""
import torch


def log_density(y, log_mu, log_alpha):
    r = torch.exp(-log_alpha)
    log_growth = torch.nn.functional.softplus(log_mu + log_alpha)
    return torch.lgamma(y + r) - torch.lgamma(r) - torch.lgamma(y + 1) + y * (log_mu + log_alpha) - (y + r) * log_growth
'''


@dataclass(frozen=True, slots=True)
class Case:
    """One model: `columns` numeric covariates, a factor for each number of levels, and the programs that fit it.

    `absorbed` says that the factors are fitted and not reported. A family that ends in `.py` is a user's file.
    """

    title: str
    rows: int
    columns: int
    family: str
    link: str
    programs: tuple[str, ...]
    levels: tuple[int, ...] = ()
    absorbed: bool = False
    zero: float = 0.0  # the share of counts that are 0 whatever their mean

    @property
    def numeric(self) -> list[str]:
        return [f"x{j + 1}" for j in range(self.columns)]

    @property
    def factors(self) -> list[str]:
        return [f"g{j + 1}" for j in range(len(self.levels))]

    @property
    def file(self) -> str:
        """The name of the data file, shared by the cases that have the same data."""
        levels = "".join(f"-{count}" for count in self.levels)
        return f"{_RESPONSES[self.family][0]}-{self.link}-{self.rows}x{self.columns}{levels}.csv"

    def write(self, path: Path) -> None:
        """The data, by pyarrow: numbers with 6 digits, levels as text."""
        import pyarrow
        from pyarrow import csv

        random = np.random.default_rng(1)
        x = np.round(random.normal(size=(self.rows, self.columns)), 6)
        slopes = np.linspace(-0.2, 0.2, self.columns) * min(1.0, (10 / self.columns) ** 0.5)
        eta = 0.5 + x @ slopes
        codes = [random.integers(0, count, self.rows) for count in self.levels]
        for code, count in zip(codes, self.levels, strict=True):
            eta += (0.3 * random.normal(size=count))[code]
        y = _RESPONSES[self.family][1](random, eta, self.link)
        if self.zero:
            y = y * (random.random(self.rows) >= self.zero)
        found = {"y": pyarrow.array(y)} | {name: pyarrow.array(x[:, j]) for j, name in enumerate(self.numeric)}
        for name, code, count in zip(self.factors, codes, self.levels, strict=True):
            words = pyarrow.array([f"{name}_{level:07d}" for level in range(count)])
            found[name] = words.take(pyarrow.array(code))
        csv.write_csv(pyarrow.table(found), path)


def _poisson(random: np.random.Generator, eta: np.ndarray, _: str) -> np.ndarray:
    return random.poisson(np.exp(eta))


def _negative_binomial(random: np.random.Generator, eta: np.ndarray, _: str) -> np.ndarray:
    return random.negative_binomial(2, 2 / (2 + np.exp(eta)))


def _gamma(random: np.random.Generator, eta: np.ndarray, _: str) -> np.ndarray:
    return np.maximum(random.gamma(2, np.exp(eta) / 2), 1e-6).round(9)


def _inverse_gaussian(random: np.random.Generator, eta: np.ndarray, _: str) -> np.ndarray:
    return np.maximum(random.wald(np.exp(eta), 2), 1e-6).round(9)


def _binomial(random: np.random.Generator, eta: np.ndarray, link: str) -> np.ndarray:
    from scipy.special import expit, ndtr

    return (random.random(len(eta)) < (ndtr if link == "probit" else expit)(eta)).astype(int)


_RESPONSES: dict[str, tuple[str, Callable[[np.random.Generator, np.ndarray, str], np.ndarray]]] = {
    "poisson": ("poisson", _poisson),
    "negative-binomial": ("counts", _negative_binomial),
    "user.py": ("counts", _negative_binomial),
    "zero-inflated-negative-binomial": ("inflated", _negative_binomial),
    "gamma": ("gamma", _gamma),
    "inverse-gaussian": ("wald", _inverse_gaussian),
    "binomial": ("binomial", _binomial),
}

ALL = ("glmfit", "glum", "statsmodels", "scikit-learn", "R")
MILLION, LAKH = 1_000_000, 100_000

CASES = (
    Case("Poisson", MILLION, 10, "poisson", "log", (*ALL, "fixest", "pyfixest")),
    Case("Poisson", MILLION, 10, "poisson", "log", ("glmfit", "glum", "R"), (20, 500)),
    Case("Poisson", LAKH, 10, "poisson", "log", ("glmfit", "glum"), (5_000,)),
    Case("Poisson", MILLION, 10, "poisson", "log", ("glmfit", "glum"), (50_000,)),
    Case("Poisson", 50_000, 500, "poisson", "log", ALL),
    Case("negative binomial", LAKH, 10, "negative-binomial", "log", ("glmfit", "statsmodels", "R")),
    Case("negative binomial, a user's file", LAKH, 10, "user.py", "log", ("glmfit",)),
    Case("gamma", LAKH, 10, "gamma", "log", ALL),
    Case("inverse Gaussian", LAKH, 10, "inverse-gaussian", "log", ("glmfit", "glum", "statsmodels", "R")),
    Case("binomial", LAKH, 10, "binomial", "logit", ALL),
    Case("binomial", LAKH, 10, "binomial", "probit", ("glmfit", "statsmodels", "R")),
    Case(
        "zero-inflated negative binomial",
        20_000,
        4,
        "zero-inflated-negative-binomial",
        "log",
        ("glmfit", "statsmodels", "R"),
        zero=0.3,
    ),
    Case("Poisson", MILLION, 10, "poisson", "log", ("glmfit", "pyfixest", "fixest"), (100_000, 1_000), absorbed=True),
)


@dataclass(frozen=True, slots=True)
class Series:
    """A case at several sizes: of `rows`, or of the `levels` of its factor."""

    over: str
    cases: tuple[Case, ...]

    def size(self, case: Case) -> int:
        return case.rows if self.over == "rows" else case.levels[0]


def _series(over: str, case: Case, sizes: tuple[int, ...]) -> Series:
    made = (replace(case, rows=size) if over == "rows" else replace(case, levels=(size,)) for size in sizes)
    return Series(over, tuple(made))


SERIES = (
    _series("rows", CASES[0], (10_000, 30_000, 100_000, 300_000, MILLION, 3_000_000, 10_000_000)),
    _series("levels", CASES[2], (10, 100, 1_000, 5_000, 20_000)),
)

SHORT_CASES = (Case("Poisson", 500, 2, "poisson", "log", (*ALL, "fixest", "pyfixest"), (3,)),)
SHORT_SERIES = (
    _series("rows", Case("Poisson", 0, 2, "poisson", "log", ("glmfit",)), (100, 200)),
    _series("levels", Case("Poisson", 300, 2, "poisson", "log", ("glmfit",)), (3,)),
)
