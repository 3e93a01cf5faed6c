"""`glmfit test`: Wald tests of hypotheses about the coefficients of a fit, from estimates and covariance alone.

    one    (h(b) - c) / SE, z or t          several together    W = d' (G V G')^-1 d, chi2(q), or F = W / q

G holds the derivatives of the h by autograd, V is the covariance that the fit was made with, robust or not, and
SE^2 = g V g'. Where a hypothesis touches a coefficient without a variance there is no test, and that is a finding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from glmfit.after.hypotheses import MOST_HYPOTHESES, Hypothesis, hypotheses, names_of
from glmfit.after.multiplicity import METHODS, adjusted, single_step
from glmfit.after.termwise import places_of_terms
from glmfit.after.variances import Variances, variances
from glmfit.errors import Finding, ModelError, UsageError
from glmfit.inference import Reference, joint_test
from glmfit.inference.joint import wald
from glmfit.report.records import Records
from glmfit.result import Fitted
from glmfit.spec import one_of

SCHEMA = "glmfit/test/1"
COLUMNS = (
    *("hypothesis", "estimate", "std_error", "statistic", "statistic_kind", "df", "df_residual", "p_value"),
    *("conf_low", "conf_high", "p_adjusted"),
)
SMALLEST = 1e-10  # singular value of the derivatives: one hypothesis follows from the others


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """Coefficients theta (p,), NaN where there is no estimate; their variances, and standard errors, 1 without (p,)."""

    theta: Tensor
    variances: Variances
    scale: Tensor
    reference: Reference

    @property
    def known(self) -> Tensor:
        return self.variances.known


@dataclass(frozen=True, slots=True, eq=False)
class _Linear:
    """Hypotheses at the estimates: values less what they are held against (q,), and their derivatives (q, p)."""

    values: Tensor
    against: Tensor
    gradient: Tensor


def wald_tests(
    fit: Fitted,
    texts: Sequence[str],
    *,
    terms: bool = False,
    adjust: str | None = None,
    level: float | None = None,
) -> Records:
    """A row for each text, hypotheses in one text being tested together, then one for each term where asked."""
    if not texts and not terms:
        hint = "write one in quotes, such as 'x1 = x2', or --terms"
        raise UsageError("missing_argument", "there is no hypothesis to test", hint)
    if len(texts) > MOST_HYPOTHESES:
        raise UsageError("invalid_value", f"{len(texts)} hypotheses; at most {MOST_HYPOTHESES}", "test some of them")
    if adjust is not None:
        one_of("--adjust", adjust, METHODS)
    level = fit.level if level is None else level
    if not 0 < level < 1:
        raise UsageError("invalid_value", f"--level: {level:g} is not between 0 and 1", "0.95 is usual")
    names, at = names_of(fit), _at(fit)
    found = [(text, hypotheses(text, names)) for text in texts]  # what cannot be read is said before all else
    rows, singles = [], []
    for text, asked in found:
        linear = _linearised(at, asked, text)
        rows.append(_alone(at, asked[0], linear, level) if len(asked) == 1 else _together(at, text, linear))
        singles.append(linear if len(asked) == 1 else None)
    if terms:
        for name, places in places_of_terms(fit).items():
            rows.append(_term(at, name, places))
            singles.append(None)
    _adjust(at, rows, singles, adjust)
    facts = {
        "formulas": list(fit.model.formulas),
        "family": fit.model.family,
        "covariance": fit.covariance.kind,
        "adjust": adjust,
    }
    facts = {name: value for name, value in facts.items() if value not in (None, [])}
    return Records(SCHEMA, "tests", COLUMNS, rows, facts, level, _findings(rows))


def _at(fit: Fitted) -> _Fit:
    estimates = [row.estimate if math.isfinite(row.estimate) else math.nan for row in fit.coefficients]
    theta = torch.tensor(estimates, dtype=torch.float64)
    found = variances(fit)
    diagonal = found.V.diagonal()
    known = found.known & (diagonal > 0) & torch.isfinite(theta)
    scale = torch.where(known, torch.sqrt(diagonal), 1.0)
    return _Fit(theta, Variances(found.V, known), scale, Reference(fit.blueprint.df))


def _linearised(at: _Fit, asked: Sequence[Hypothesis], text: str) -> _Linear:
    """The hypotheses of one text and their derivatives, by autograd."""
    values, gradients = [], []
    for one in asked:
        theta = at.theta.clone().requires_grad_(True)
        value = one.value(theta)
        if not value.requires_grad:
            raise UsageError("formula", f"'{one.text}' names no term: it is true or false whatever the fit", "name one")
        (gradient,) = torch.autograd.grad(value, theta)
        if bool(at.known[gradient != 0].all()) and not bool(torch.isfinite(torch.cat([value[None], gradient])).all()):
            message = f"'{one.text}' is not a finite number at the estimates"
            raise ModelError(
                "undefined_hypothesis", message, "write it so that it is defined there: no log of a negative"
            )
        if not bool((gradient != 0).any()):
            message = f"'{one.text}' does not depend on the coefficients near the estimates"
            raise ModelError(
                "undefined_hypothesis", message, "its terms cancel, or its derivative is 0: test another form"
            )
        values.append(value.detach())
        gradients.append(gradient)
    against = torch.tensor([one.against for one in asked], dtype=torch.float64)
    return _Linear(torch.stack(values), against, torch.stack(gradients))


def _alone(at: _Fit, one: Hypothesis, linear: _Linear, level: float) -> dict[str, object]:
    variance = float(at.variances.between(linear.gradient)[0, 0])
    error = math.sqrt(variance) if variance > 0 else math.nan
    estimate = float(linear.values[0])
    statistic = (estimate - float(linear.against[0])) / error
    half = at.reference.quantile(level) * error
    p_value = at.reference.p_value(statistic)
    return _row(one.text, at, at.reference.statistic, 1, statistic, p_value, estimate, error, half)


def _together(at: _Fit, text: str, linear: _Linear) -> dict[str, object]:
    variance = at.variances.between(linear.gradient)
    _refuse_dependent(at, text, linear.gradient)
    return _joint(at, text, len(variance), wald(linear.values - linear.against, variance))


def _refuse_dependent(at: _Fit, text: str, gradient: Tensor) -> None:
    """`ModelError` where some hypotheses say again, or contradict, what the others say: G has not full rank."""
    rows = gradient * at.scale
    rows = rows / torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    if len(rows) > rows.shape[1] or float(torch.linalg.svdvals(rows)[-1]) < SMALLEST:
        message = f"'{' '.join(text.split())}': one of these hypotheses follows from the others, or contradicts them"
        raise ModelError("dependent_hypotheses", message, "leave out those that say nothing new")


def _term(at: _Fit, name: str, places: Sequence[int]) -> dict[str, object]:
    index = torch.tensor(places)
    return _joint(at, name, len(places), at.variances.distance(at.theta[index], index))


def _joint(at: _Fit, text: str, q: int, distance: float) -> dict[str, object]:
    kind, statistic, p_value = joint_test(distance, q, at.reference)
    return _row(text, at, kind, q, statistic, p_value, math.nan, math.nan, math.nan)


def _row(
    text: str, at: _Fit, kind: str, df: int, statistic: float, p: float, estimate: float, error: float, half: float
) -> dict[str, object]:
    values = (text, estimate, error, statistic, kind, df, at.reference.df, p, estimate - half, estimate + half, None)
    return dict(zip(COLUMNS, values, strict=True))


def _adjust(at: _Fit, rows: list[dict[str, object]], singles: Sequence[_Linear | None], method: str | None) -> None:
    if method is None:
        return
    p_values = [float(str(row["p_value"])) for row in rows]
    if method != "single-step":
        found = adjusted(p_values, method)
    else:
        lines = [one for one in singles if one is not None]
        if len(lines) < len(singles):
            message = "--adjust single-step is for single hypotheses, each with a z or t statistic"
            raise UsageError("contradiction", message, "write --adjust holm, or test those in a list one by one")
        gradient = torch.cat([one.gradient for one in lines])
        variance = at.variances.within(gradient)
        scale = torch.sqrt(torch.diagonal(variance))
        scale = torch.where(scale > 0, scale, 1.0)
        correlation = np.asarray((variance / torch.outer(scale, scale)).tolist())
        found = single_step([float(str(row["statistic"])) for row in rows], p_values, correlation, at.reference.df)
    for row, value in zip(rows, found, strict=True):
        row["p_adjusted"] = value


def _findings(rows: Sequence[dict[str, object]]) -> tuple[Finding, ...]:
    without = tuple(str(row["hypothesis"]) for row in rows if math.isnan(float(str(row["statistic"]))))
    if not without:
        return ()
    listed = ", ".join(f"'{text}'" for text in without[:5]) + (", ..." if len(without) > 5 else "")
    message = f"no test of {listed}: a coefficient there has no standard error, or the covariance is singular"
    return (Finding("no_test", message, without),)
