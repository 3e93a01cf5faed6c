"""What is said of smooth terms: how free each is, its test, and how the strengths of penalties were chosen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SmoothTerm:
    """A smooth: effective degrees of freedom, and the approximate test that it is 0, F on ref_df and the residual
    degrees of freedom where the dispersion is estimated, else chi2 on ref_df.

    Its `coefficients` are those from place `first` on; `strengths` are those of its penalties.
    """

    parameter: str
    term: str
    edf: float
    ref_df: float
    statistic: float
    statistic_kind: str  # chi2 | F
    p_value: float
    first: int
    coefficients: int
    strengths: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Smoothing:
    """How smooth terms were chosen to be: the method, the score that it minimised, and what all coefficients are free
    to do; `phi` is the dispersion that went with a likelihood, NaN for gcv."""

    method: str  # reml | ml | gcv
    score: float
    edf: float
    phi: float
    deviance_explained: float
