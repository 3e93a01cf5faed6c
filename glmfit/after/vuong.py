"""Vuong's test of models that are not nested: which of two is nearer to the truth, told by their rows.

    m_i = l_i(A) - l_i(B)        z = (sum m_i - c) / (s sqrt n) ~ N(0, 1) where both are equally near, s = sd(m_i)

c is 0, p - q (AIC) or (p - q) log(n) / 2 (BIC), p and q being the numbers of estimated parameters (Vuong 1989,
Econometrica 57, 307-333). z > 0 speaks for A.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from glmfit.after.newdata import Asked
from glmfit.after.rows import row_log_likelihoods
from glmfit.after.saved import open_model
from glmfit.errors import DataError, Finding, GlmfitError
from glmfit.families import FAMILIES, make_family
from glmfit.families.userfile import is_path
from glmfit.reading import PLAIN, Reading
from glmfit.result import Fitted
from glmfit.spill import Spill
from glmfit.table import Source, open_data

CORRECTIONS = ("Vuong", "Vuong, AIC-corrected", "Vuong, BIC-corrected")
SAME = 1e-6  # relative: how near the sum over the rows of DATA is to the log-likelihood of the fit
NO_SPREAD = 1e-8  # of the log-likelihoods of rows: two models that say the same


@dataclass(frozen=True, slots=True)
class Rows:
    """Where the rows are: DATA, how they are read, and the file of each model whose likelihood is a user's, by name."""

    data: Any
    files: Mapping[str, str | None] = field(default_factory=dict)
    reading: Reading = PLAIN


def by_rows(models: Mapping[str, Fitted], rows: Rows) -> dict[str, np.ndarray | str]:
    """(n,) the log-likelihoods of the rows of each model, NaN in rows that it left out; or why there are none."""
    opened: dict[Reading, Source] = {}  # once for all that read alike: standard input ends
    return {name: _by_rows(name, fit, rows, opened) for name, fit in models.items()}


def _by_rows(name: str, fit: Fitted, rows: Rows, opened: dict[Reading, Source]) -> np.ndarray | str:
    if math.isnan(fit.fit.log_likelihood):
        return f"{name} has no log-likelihood"
    if fit.model.freq_weights is not None:
        return "Vuong's test is of single rows, and frequency weights stand for several"
    if fit.model.sampling_weights is not None:
        return "under sampling weights there is no likelihood of the sample"
    model = open_model(fit, rows.files.get(name) if is_path(fit.blueprint.family) else None, name)
    try:
        if not model.predictors or model.family.grouped:
            return f"the likelihood of {name} is no sum over rows"
        reading = fit.blueprint.reading.again(rows.reading)
        if reading not in opened:
            opened[reading] = open_data(rows.data, reading, spool=Spill())
        found = row_log_likelihoods(model, opened[reading], Asked(missing="keep"))
    except GlmfitError as error:
        raise type(error)(error.code, f"{name}: {error.message}", error.hint) from error
    finite = np.isfinite(found)  # the others are rows that the fit left out
    known, total = int(finite.sum()), float(found[finite].sum())
    if known != fit.data.rows_used or not abs(total - fit.fit.log_likelihood) <= SAME * (1 + abs(total)):
        message = (
            f"DATA are not the rows that {name} was fitted to: {known} rows with log-likelihood {total:.6f}, and the "
            f"fit has {fit.data.rows_used} with {fit.fit.log_likelihood:.6f}"
        )
        raise DataError("different_data", message, "give the file that the models were fitted to")
    return found


def vuong(a: Fitted, b: Fitted, of_a: np.ndarray | str, of_b: np.ndarray | str) -> list[dict[str, Any]] | str:
    """Three tests of A against B, or why there are none; `statistic` is positive where A is nearer."""
    if isinstance(of_a, str) or isinstance(of_b, str):
        return of_a if isinstance(of_a, str) else str(of_b)
    m = of_a - of_b
    m = m[np.isfinite(m)]
    n = len(m)
    spread = float(m.std(ddof=1)) if n > 1 else math.nan
    if not spread > NO_SPREAD:
        return "both give each row the same likelihood"
    more = a.fit.n_parameters - b.fit.n_parameters
    total = math.fsum(m.tolist())
    found = []
    for name, c in zip(CORRECTIONS, (0.0, float(more), 0.5 * more * math.log(n)), strict=True):
        z = (total - c) / (spread * math.sqrt(n))
        p_value = math.erfc(abs(z) / math.sqrt(2))
        found.append({"test": name, "statistic": z, "statistic_kind": "z", "p_value": p_value})
    return found


def no_test_at_the_edge(pairs: Sequence[tuple[tuple[str, Fitted], tuple[str, Fitted]]]) -> Finding | None:
    """Which models have the other one's family at the edge of a parameter's range, where this test does not hold."""
    found = []
    for (a, one), (b, other) in pairs:
        for (name, large), (inner, small) in (((a, one), (b, other)), ((b, other), (a, one))):
            if small.model.family in _simpler(large.model.family):
                found.append(f"'{name}' has the family of '{inner}'")
    if not found:
        return None
    message = (
        f"{'; '.join(found)} at the edge of a parameter's range: there Vuong's statistic is not normal. It is no test "
        "of zero inflation or of overdispersion; compare by AIC"
    )
    return Finding("vuong_edge", message)


def _simpler(family: str) -> set[str]:
    """The names of the families that a family contains at the end of a parameter's range, and that these contain."""
    if family not in {one.name for one in FAMILIES}:
        return set()
    ends = {special.family for p in make_family(family, {}).parameters for special in p.special if special.end}
    return ends.union(*map(_simpler, ends))
