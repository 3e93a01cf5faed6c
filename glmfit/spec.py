"""What was asked: the model specification, frozen, free of data and of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SE_KINDS = ("hessian", "expected", "hc0", "hc1", "hc2", "hc3", "cluster:COL", "cluster:COL1,COL2")
OPTIMIZERS = ("newton", "bfgs", "l-bfgs", "trust-exact")
DISPERSIONS = ("pearson", "deviance", "ml")
MISSING = ("drop", "error")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model as asked for; None means the default that the family or the data imply.

    Either `formulas` (the first is `response ~ terms`, each further one `parameter ~ terms`), or the plain way,
    `y` with `x`; further formulas for parameters may accompany the plain way too.
    """

    formulas: tuple[str, ...] = ()
    y: str | None = None
    x: tuple[str, ...] = ()  # items already split at top-level commas
    intercept: bool = True
    family: str = "gaussian"
    links: Mapping[str, str] = field(default_factory=dict)  # parameter -> link name; "mu" is the mean
    fixed: Mapping[str, float] = field(default_factory=dict)  # parameter -> value on its natural scale
    weights: str | None = None  # prior weights: Var(y) = phi V(mu) / w
    freq_weights: str | None = None  # a row seen w times
    sampling_weights: str | None = None  # inverse inclusion probabilities
    offset: str | None = None  # column added to the mean's linear predictor
    exposure: str | None = None  # column whose logarithm is the offset
    success: str | None = None  # level of a two-level text response that counts as 1
    dispersion: str | float | None = None  # one of DISPERSIONS or a number
    se: str | None = None  # one of SE_KINDS
    level: float = 0.95
    missing: str = "drop"
    na: tuple[str, ...] = ()  # further spellings of a missing value
    optimizer: str = "newton"
    max_iter: int = 100
    tol: float = 1e-8  # on the scaled gradient and the Newton decrement, in standard-error units
    start: Mapping[str, float] = field(default_factory=dict)  # "term" or "parameter:term" -> coefficient
