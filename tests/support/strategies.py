"""Random problems for hypothesis: a family of the catalogue, responses drawn from it, and a model for them.

Hypothesis chooses what is worth shrinking (family, size, terms, what is odd about the responses); a seed does the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

import glmfit
from glmfit.families.base import Family
from glmfit.families.catalogue import FAMILIES, make_family
from glmfit.result import Fit

Columns = dict[str, np.ndarray]
# Sums over a window for every row, and once more inside a wrapper: seconds for one fit.
SLOW = re.compile("(zero-inflated|hurdle|zero-truncated)-(conway-maxwell-poisson|poisson-inverse-gaussian)")
EVERY = tuple(family.name for family in FAMILIES)
QUICK = tuple(name for name in EVERY if not SLOW.fullmatch(name))
LONG = settings().max_examples > settings.get_profile("short").max_examples
COVARIATES = ("x", "u", "g")
ODDITIES = ("none", "none", "none", "constant", "rare", "separated", "outlier")


def examples(share: float) -> settings:
    """So many times the examples of the profile: fits cost more than formulas."""
    return settings(max_examples=max(1, round(settings().max_examples * share)))


@dataclass(frozen=True)
class Problem:
    """A model and its data. `odd` is what the responses have that those of the family have not."""

    family: str
    y: str
    terms: tuple[str, ...]
    data: Columns
    odd: str = "none"
    options: dict[str, Any] = field(default_factory=dict)
    origin: str = ""

    @property
    def known(self) -> Family:
        return make_family(self.family, {})

    @property
    def formula(self) -> str:
        return f"{self.y} ~ {' + '.join(self.terms) or '1'}"

    def fit(self, data: Any = None, **options: Any) -> Fit:
        return glmfit.fit(self.formula, data or self.data, family=self.family, **{**self.options, **options})

    def with_terms(self, *terms: str) -> Problem:
        return replace(self, terms=terms)

    def rows(self, index: np.ndarray) -> Columns:
        return {name: column[index] for name, column in self.data.items()}

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))

    def __repr__(self) -> str:
        return self.origin


def _covariates(random: np.random.Generator, n: int) -> Columns:
    """Two numbers and a factor of three levels, each in at least one row."""
    g = np.array(["a", "b", "c"])[random.permutation(np.arange(n) % 3)]
    return {"x": random.normal(size=n), "u": random.uniform(0, 2, n), "g": g, "f": random.integers(1, 4, n) * 1.0}


def _natural(random: np.random.Generator, scale: str, eta: np.ndarray | float) -> np.ndarray:
    """A parameter on its natural scale, at a linear predictor where the family is unlike its limits."""
    inverse = {
        "log": np.exp,
        "logit": lambda value: 1 / (1 + np.exp(-value)),
        "identity": lambda value: value,
        "logit12": lambda value: 1.5 + 0.2 * np.tanh(value),
        "log1p2": np.exp,
    }
    return inverse[scale](np.asarray(eta, dtype=float))


def _simulated(random: np.random.Generator, family: Family, data: Columns) -> Columns:
    """Responses at a linear predictor in x, u and g, the other parameters constant."""
    n = len(data["x"])
    b = random.normal(size=4) * 0.4
    eta = 0.4 + b[0] + b[1] * data["x"] + b[2] * data["u"] + b[3] * (data["g"] == "b")
    if family.grouped:
        groups = random.permutation(np.arange(n) // 3)
        best = {k: np.flatnonzero(groups == k) for k in np.unique(groups)}
        y = np.zeros(n)
        for rows in best.values():
            y[rows[np.argmax(eta[rows] + random.gumbel(size=len(rows)))]] = 1
        return {"y": y, "s": groups * 1.0}
    if family.categories:
        return {"y": np.array(["p", "q", "r"])[np.digitize(eta + random.logistic(size=n), [0.0, 1.2])]}
    if family.name == "quasi-poisson":
        return {"y": random.poisson(np.exp(eta)) * 1.5}
    trials = random.integers(1, 9, n) * 1.0
    if family.name == "quasi-binomial":
        return {"y": random.binomial(trials.astype(int), _natural(random, "logit", eta)) * 1.0, "n": trials}
    main, *others = family.parameters
    at = [_natural(random, main.scale, eta)]
    at += [np.full(n, _natural(random, p.scale, random.uniform(-1, 1) - (p.scale == "logit"))) for p in others]
    if family.trials:
        return {"y": family.simulate(random, *at, trials=trials), "n": trials}
    return {"y": family.simulate(random, *at)}


def _odd(random: np.random.Generator, y: np.ndarray, x: np.ndarray, odd: str) -> np.ndarray:
    """Responses of the same support that no simulation would give."""
    if odd == "constant":
        return np.full_like(y, y[0])
    if odd == "rare":
        return np.where(random.random(len(y)) < 0.1, y, np.sort(y)[0])
    if odd == "separated":
        return np.sort(y)[np.argsort(np.argsort(x))]
    if odd == "outlier" and y.dtype == float and y.max() > 1:
        return np.where(np.arange(len(y)) == 0, np.round(1000 * y.max()), y)
    return y


def make_problem(family: str, n: int, odd: str, terms: tuple[str, ...], seed: int) -> Problem:
    """A problem with n rows; what a failing test prints calls this."""
    known, random = make_family(family, {}), np.random.default_rng(seed)
    data = _covariates(random, n)
    data |= _simulated(random, known, data)
    if known.trials:
        odd = "none" if odd == "outlier" else odd
        data["y"] = np.minimum(_odd(random, data["y"], data["x"], odd), data["n"])
    else:
        data["y"] = _odd(random, data["y"], data["x"], odd)
    options: dict[str, Any] = {"group": "s"} if known.grouped else {}
    if known.name == "ordinal":
        options = {"levels": ("p", "q", "r")}
    origin = f"make_problem({family!r}, {n}, {odd!r}, {terms}, {seed})"
    return Problem(family, "y/n" if known.trials else "y", terms, data, odd, options, origin)


def problems(families: tuple[str, ...] = EVERY if LONG else QUICK) -> st.SearchStrategy[Problem]:
    """Problems of 30 to 200 rows with one to three terms."""
    terms = st.permutations(COVARIATES).flatmap(lambda order: st.integers(1, 3).map(lambda k: tuple(order[:k])))
    return st.builds(
        make_problem,
        st.sampled_from(families),
        st.integers(30, 200),
        st.sampled_from(ODDITIES),
        terms,
        st.integers(0, 2**32 - 1),
    )
