"""Data with columns of every kind to scan, and the row that a scan owes to the same model fitted alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glmfit import fit_spec
from glmfit.errors import GlmfitError
from glmfit.many.scan.rows import ScanRow
from glmfit.many.scan.run import records, scan
from glmfit.result import Fitted
from glmfit.spec import ModelSpec

N = 240


def shared(seed: int = 1) -> dict[str, Any]:
    """Covariates, weights, clusters and responses of all families."""
    random = np.random.default_rng(seed)
    age, sex = random.normal(50, 10, N).round(1), random.integers(0, 2, N).astype(float)
    eta = 0.03 * (age - 50) + 0.4 * sex
    frame: dict[str, Any] = {"age": age, "sex": sex}
    frame["arm"] = np.array(["a", "b", "c"])[random.integers(0, 3, N)]
    frame["firm"] = random.integers(0, 40, N)
    frame["w"] = random.uniform(0.5, 2, N).round(2)
    frame["k"] = random.integers(1, 4, N).astype(float)
    frame["real"] = (eta + random.normal(size=N)).round(3)
    frame["yes"] = (random.random(N) < 1 / (1 + np.exp(-eta))).astype(float)
    frame["count"] = random.poisson(np.exp(0.5 + eta)).astype(float)
    frame["wild"] = random.poisson(np.exp(1 + eta) * random.gamma(1.5, 1 / 1.5, N)).astype(float)
    frame["amount"] = (np.exp(eta) * random.gamma(3, 1 / 3, N)).round(4) + 0.001
    frame["grade"] = np.digitize(eta + random.logistic(size=N), [-0.7, 0.8]).astype(float)
    frame["dead"] = random.binomial(5, 1 / (1 + np.exp(-eta))).astype(float)
    frame["tried"] = np.full(N, 5.0)
    return frame


def columns(frame: Mapping[str, Any], seed: int = 2, plain: int = 6) -> dict[str, Any]:
    """Columns to scan: `plain` of each ordinary kind, and some of every other kind."""
    random = np.random.default_rng(seed)
    out: dict[str, Any] = {}
    for at in range(plain):
        out[f"x{at}"] = random.normal(size=N).round(3)
        out[f"g{at}"] = random.binomial(2, random.uniform(0.05, 0.5), N).astype(float)
        out[f"big{at}"] = 1e6 + 1e3 * random.normal(size=N).round(4)
        holes = random.normal(size=N).round(3)
        holes[random.random(N) < random.uniform(0.01, 0.3)] = np.nan
        out[f"holes{at}"] = holes
        out[f"b{at}"] = (random.random(N) < 0.3).astype(float)
    out["constant"] = np.full(N, 3.0)
    out["constant_holes"] = np.where(random.random(N) < 0.2, np.nan, 3.0)
    out["nothing"] = np.full(N, np.nan)
    out["same"] = 2 * np.asarray(frame["age"]) + 1
    out["nearly"] = np.asarray(frame["age"]) + 0.05 * random.normal(size=N)
    out["inflated"] = np.asarray(frame["age"]) + 1.2 * random.normal(size=N)
    out["answer"] = np.asarray(frame["yes"])
    out["half_answer"] = np.where(np.asarray(frame["yes"]) > 0, random.integers(0, 2, N), 0).astype(float)
    out["rare"] = (np.arange(N) == 7).astype(float)
    out["tiny"] = 1e-9 * random.normal(size=N)
    out["infinite"] = np.where(np.arange(N) == 3, np.inf, 1.0 + random.normal(size=N))
    out["word"] = np.array(["u", "v", "w"])[random.integers(0, 3, N)]
    out["true"] = random.random(N) < 0.5
    out["few"] = np.where(np.arange(N) < 8, random.normal(size=N), np.nan)
    return out


@dataclass(frozen=True)
class Expected:
    """What a row must have: numbers as they are alone, the findings, or the code of an error."""

    n: int | None
    numbers: tuple[float, float, float, float]
    findings: list[str]
    error: str | None = None
    rounding: float = 0.0  # relative, of standard errors: that of sums over rows times the condition of the information


def responses(seed: int = 3, plain: int = 3) -> dict[str, Any]:
    """Responses to scan: `plain` for each of several families, in units of all sizes, and some for none."""
    random = np.random.default_rng(seed)
    out: dict[str, Any] = {}
    for at in range(plain):
        for unit in (1.0, 1e6, 1e-6):
            out[f"real{at}_{unit:g}"] = unit * random.normal(1, 1, N).round(4)
        out[f"yes{at}"] = (random.random(N) < random.uniform(0.2, 0.8)).astype(float)
        out[f"count{at}"] = random.poisson(random.gamma(2, 1.5, N)).astype(float)
        out[f"amount{at}"] = 10.0 ** (at - 1) * random.gamma(2, 1, N) + 1e-3
        holes = random.poisson(3, N).astype(float)
        out[f"holes{at}"] = np.where(random.random(N) < 0.1, np.nan, holes)
    out["constant"], out["zero"] = np.full(N, 2.0), np.zeros(N)
    out["word"] = np.array(["no", "yes"])[random.integers(0, 2, N)]
    out["nothing"] = np.full(N, np.nan)
    return out


def alone(spec: ModelSpec, frame: Mapping[str, Any], name: str) -> list[Expected]:
    """The rows of one model fitted by itself: of the terms that hold the column, or of all of its response."""
    try:
        fit = fit_spec(spec, frame)
    except GlmfitError as error:
        return [Expected(None, (math.nan,) * 4, [], error.code)]
    assert isinstance(fit, Fitted)
    scanned = name not in fit.model.response
    held = [
        c
        for term, c in zip(fit.blueprint.terms, fit.coefficients, strict=True)
        if (term != "Intercept" and not scanned)
        or name in term.replace("(", " ").replace(")", " ").replace(",", " ").replace(":", " ").split()
    ]
    findings = [finding.code for finding in fit.warnings]
    n, lost = fit.data.rows_used, _rounding(fit)
    return [Expected(n, (c.estimate, c.std_error, c.statistic, c.p_value), findings, None, lost) for c in held]


def _rounding(fit: Fitted) -> float:
    """eps times the condition number of the covariance matrix at unit diagonal."""
    V = np.array(fit.covariance.matrix, dtype=float)
    known = np.flatnonzero(np.diag(V) > 0) if V.ndim == 2 else np.arange(0)
    if len(known) == 0:
        return 0.0
    scale = np.sqrt(np.diag(V)[known])
    return float(np.finfo(float).eps * np.linalg.cond(V[np.ix_(known, known)] / np.outer(scale, scale)))


def compare(rows: Sequence[ScanRow], expected: Sequence[Expected]) -> None:
    """Rows of one model, of which those that were not fitted for want of variation have no findings."""
    if rows[0].status == "constant":
        assert all(math.isnan(row.estimate) for row in rows)
        return
    assert len(rows) == len(expected)
    for row, want in zip(rows, expected, strict=True):
        where = f"{row.column}, {row.term}: {row}, {want}"
        if want.error is not None:
            assert row.status == want.error, where
            continue
        assert row.n == want.n, where
        assert list(row.findings) == want.findings, where
        close(row, want.numbers, where, want.rounding)


def close(row: ScanRow, numbers: tuple[float, float, float, float], where: str, rounding: float = 0.0) -> None:
    """To 1e-10 of the standard error, of itself, and of the p-value, or what rounding leaves of a standard error."""
    estimate, error, statistic, p = numbers
    near = max(1e-10, rounding)
    unit = max(abs(estimate), error) if error > 0 else 1.0
    _near(row.estimate, estimate, 1e-10 * unit, where)
    _near(row.std_error, error, near * abs(error), where)
    _near(row.statistic, statistic, near * max(1.0, abs(statistic)), where)
    _near(row.p_value, p, 10 * near * p * max(1.0, statistic**2), where)


def _near(found: float, wanted: float, tolerance: float, where: str) -> None:
    same = found == wanted or (math.isnan(found) and math.isnan(wanted))
    assert same or abs(found - wanted) <= tolerance, f"{found!r} is not {wanted!r}: {where}"


def check(
    formula: str, frame: Mapping[str, Any], scanned: Mapping[str, Any], **options: Any
) -> dict[str, list[ScanRow]]:
    """Every model of a scan beside itself alone; the rows by column."""
    spec = ModelSpec(formulas=(formula,) if isinstance(formula, str) else formula, **options)
    data = {**frame, **scanned}
    asked = scan(spec, data, list(scanned))
    found = records(asked)
    assert [record.rows[0].column for record in found] == list(scanned)
    for name, record in zip(scanned, found, strict=True):
        compare(record.rows, alone(asked.template.of(name), data, name))
    return {name: record.rows for name, record in zip(scanned, found, strict=True)}
