"""Tests of one model against another that it contains, from their log-likelihoods or deviances.

    LR = 2 (l1 - l0), or (D0 - D1) / phi ~ chi2(k)        F = ((D0 - D1) / k) / phi ~ F(k, df)

phi and df are those of a third model, the largest of several; of two, of the larger one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from glmfit.result import Fitted

FROM_RESIDUALS = ("pearson", "deviance")  # dispersions that are no part of the likelihood
FROM_LIKELIHOOD = ("hessian", "expected")  # covariances under which the likelihood is taken to be right
WORSE = 1e-6  # by how much a larger model's likelihood may lie below a smaller one's, for rounding


@dataclass(frozen=True, slots=True)
class Ratio:
    """A test, NaN where the larger model fits worse; `gain` is what it adds, in deviance or in 2 log-likelihood."""

    statistic: float
    kind: str  # chi2 | F
    df_residual: float | None
    p_value: float
    gain: float


def ratio(large: Fitted, small: Fitted, k: float, largest: Fitted, *, f: bool) -> Ratio:
    """The test of `small` against `large`, which has k more parameters; by F, or by chi2."""
    from scipy.special import chdtrc, fdtrc

    deviances = of_deviance(largest)
    if deviances:
        gain, size = small.fit.deviance - large.fit.deviance, WORSE * abs(large.fit.deviance)
    else:
        gain, size = 2 * (large.fit.log_likelihood - small.fit.log_likelihood), WORSE
    df = float(largest.fit.df_residual) if f else None
    if not gain >= -size:
        return Ratio(math.nan, "F" if f else "chi2", df, math.nan, gain)
    statistic = max(0.0, gain) / (largest.dispersion.estimate if deviances else 1.0)
    if df is None:
        return Ratio(statistic, "chi2", None, float(chdtrc(k, statistic)), gain)
    return Ratio(statistic / k, "F", df, float(fdtrc(k, df, statistic / k)) if df > 0 else math.nan, gain)


def of_deviance(one: Fitted) -> bool:
    """Whether deviances in units of the dispersion are compared, and not likelihoods."""
    return one.random_effects is None and (one.dispersion.method in FROM_RESIDUALS or is_scaled(one))


def is_scaled(one: Fitted) -> bool:
    """Whether deviances are divided by a dispersion held at a value, which the likelihood may not know."""
    held = one.dispersion.method == "fixed" and (one.dispersion.estimate != 1 or math.isnan(one.fit.log_likelihood))
    return held and len(one.blueprint.predictors) == 1
