"""Fits from temporary files: the numbers, findings and messages are those of the same fit in memory.

A test fits reference cases with chunks of a few rows, some of them as a rule and every one with `-m ""`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from test_reference import CASES, build_spec, fit_case

from glmfit import fit_spec
from glmfit.result import Fitted

ROOT = Path(__file__).resolve().parents[2]
SAME = 1e-10  # estimates in standard errors; standard errors relative; statistics relative above 1
EVERY = 24  # cases of which one is fitted as a rule


@contextmanager
def in_files(rows: int = 20) -> Iterator[None]:
    """Every fit is one from temporary files, visited so many rows at a time."""
    sizes = {
        "glmfit.spill.RUN": rows,
        "glmfit.table.delimited._RUN": 30 * rows,
        "glmfit.table.typed._RUN": rows,
        "glmfit.model.model.CHUNK_ROWS": rows + 3,
        "glmfit.design.rank.CHUNK_ROWS": rows + 3,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("glmfit.rows.room.has_room", lambda asked, source: False)
        for name, size in sizes.items():
            patch.setattr(name, size)
        yield


def differences(one: Fitted, other: Fitted) -> Iterator[float]:
    for a, b in zip(one.coefficients, other.coefficients, strict=True):
        known = math.isfinite(a.std_error) and a.std_error > 0
        yield apart(a.estimate, b.estimate, a.std_error if known else 1.0)
        yield apart(a.std_error, b.std_error, a.std_error if known else 1.0)
    for name in ("log_likelihood", "deviance", "null_deviance", "pearson_chi2", "aic", "bic"):
        a, b = getattr(one.fit, name), getattr(other.fit, name)
        yield apart(a, b, max(1.0, abs(a)))
    yield apart(one.dispersion.estimate, other.dispersion.estimate, one.dispersion.estimate or 1.0)


def apart(a: float, b: float, unit: float) -> float:
    if a == b or (math.isnan(a) and math.isnan(b)):
        return 0.0
    found = abs(a - b) / unit
    return math.inf if math.isnan(found) else found


def same(one: Fitted, other: Fitted) -> None:
    assert max(differences(one, other)) <= SAME
    assert one.warnings == other.warnings
    assert replace(one.data) == other.data
    assert one.blueprint.levels == other.blueprint.levels
    assert one.blueprint.fingerprint == other.blueprint.fingerprint


@pytest.mark.parametrize(
    "index",
    [pytest.param(i, id=case["name"], marks=[pytest.mark.slow] if i % EVERY else []) for i, case in enumerate(CASES)],
)
def test_a_reference_case_in_chunks_of_a_few_rows(index: int) -> None:
    whole = fit_case(index)
    with in_files(max(5, whole.data.rows_read // 3)):
        parts = fit_spec(build_spec(CASES[index]["spec"]), str(ROOT / CASES[index]["data"]))
    same(whole, parts)
