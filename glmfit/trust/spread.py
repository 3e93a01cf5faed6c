"""Whether responses vary as the variance of a family without a dispersion says: Pearson's chi-square beside its df.

    z = (X^2 - df) / sqrt(sum_i (2 + k_i)),  k_i the excess kurtosis of a row's response if the model is right

Named where the ratio X^2 / df is far enough from 1 to matter and z too far from 0 for chance (McCullagh & Nelder 1989,
section 4.5, on why X^2 of sparse data varies more than a chi-square does).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from glmfit.errors import Finding
from glmfit.model import Likelihood

RATIO = 1.5  # standard errors are then wrong by a factor of 1.22
SURPRISING = 3.29  # standard deviations, which chance exceeds once in a thousand times
NONE = 1e-8  # a ratio that is rounding error: the responses do not vary at all
INSTEAD = {
    "poisson": ("--family quasi-poisson or negative-binomial", "--family quasi-poisson or conway-maxwell-poisson"),
    "binomial": ("--family quasi-binomial or beta-binomial", "--family quasi-binomial"),
    "geometric": ("--family negative-binomial", "--family negative-binomial"),
}


def spread(
    likelihood: Likelihood, theta: torch.Tensor, pearson: float, df: float, robust: bool = True
) -> Finding | None:
    """Over- or underdispersion; nothing of Bernoulli trials, which have no variance but that of their mean.

    `robust`: whether the model may have robust standard errors.
    """
    family = likelihood.family
    if family.name not in INSTEAD or df <= 0:
        return None
    total, repeated = likelihood.over_rows(_variance, theta)
    return judged(family.name, pearson, df, total, robust) if repeated or not family.trials else None


def _variance(likelihood: Likelihood, theta: torch.Tensor) -> tuple[float, int]:
    """sum_i (2 + k_i), and how many rows are of more than one trial."""
    family, total, repeated = likelihood.family, 0.0, 0
    with torch.no_grad():
        for chunk in likelihood.chunks:
            (mean,) = likelihood.natural(chunk, likelihood.etas(chunk, theta))
            if family.trials:
                repeated += int((chunk.columns["trials"] > 1).sum())
            total += float((chunk.frequency * (2 + kurtosis(family.name, mean, chunk.columns))).sum())
    return total, repeated


def kurtosis(family: str, mean: torch.Tensor, columns: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """The excess kurtosis of each row's response under one of the families named in `INSTEAD`."""
    if family == "binomial":
        return (1 / (mean * (1 - mean)) - 6) / columns["trials"]
    return 1 / mean if family == "poisson" else 6 + 1 / (mean * (1 + mean))


def judged(family: str, pearson: float, df: float, total: float, robust: bool = True) -> Finding | None:
    """Pearson's chi-square beside its degrees of freedom, `total` being its variance."""
    ratio = pearson / df
    errors = ", or --se hc1" if robust else ""
    if not math.isfinite(total) or abs(pearson - df) < SURPRISING * math.sqrt(total):
        return None
    numbers = f"Pearson's chi-square is {pearson:.5g} on {df:.6g} df, {ratio:.3g} times what the {family} family allows"
    if ratio >= RATIO:
        message = f"{numbers}: standard errors are too small by a factor of about {math.sqrt(ratio):.2g}"
        return Finding("overdispersion", f"{message}; use {INSTEAD[family][0]}{errors}")
    if ratio <= 1 / RATIO:
        factor = f"by a factor of about {math.sqrt(1 / ratio):.2g}" if ratio > NONE else "by far"
        message = f"{numbers}: standard errors are too large {factor}"
        return Finding("underdispersion", f"{message}; use {INSTEAD[family][1]}{errors}")
    return None
