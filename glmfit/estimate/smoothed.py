"""A fit with smooth terms: their strengths chosen, and what is said of them.

Parameters without covariates are found along with the strengths; phi, where it is estimated, as well. The covariance is
that of the coefficients given the data and the strengths: by the expected information where the mean alone has smooths
and its family states one, as in mgcv, else by the observed one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from glmfit.errors import ModelError
from glmfit.estimate import start
from glmfit.estimate.begin import prepared
from glmfit.estimate.check import Inspection
from glmfit.estimate.maximum import Maximum
from glmfit.formula import INTERCEPT
from glmfit.model import Likelihood, Model
from glmfit.numerics import Optimum, Trace, curvature, full
from glmfit.result import Coefficient
from glmfit.smoothing import Freedom, Penalties, Smoothed, of_smooth, of_variance, smooth
from glmfit.smooths import Smoothing, SmoothTerm
from glmfit.spec import ModelSpec
from glmfit.trust import FlatDirections, diagnose


class Units(NamedTuple):
    """What phi was `held` at by the search, and the phi found in this `unit`."""

    held: float
    unit: float


def maximise(model: Model, spec: ModelSpec, trace: Trace | None, inspection: Inspection | None = None) -> Maximum:
    """The maximum in the coefficients at the strengths that the method asked for chooses.

    Raises `ModelError` where there are more coefficients than rows.
    """
    if model.size > len(model.rows):
        message = f"the smooths and other terms have {model.size} coefficients, and there are {len(model.rows)} rows"
        raise ModelError("smooth_k", message, "leave out terms, or add data; or write a smaller k= in the smooths")
    model, constants, phi = prepared(model, inspection)
    theta = start.coefficients(model, constants, spec.start)
    likelihood = model.likelihood()
    if inspection is not None:
        inspection.begin(likelihood, theta)
    along = found_along(model)
    method = spec.smoothing or "reml"
    expected = by_expected(model, likelihood, spec, along)
    known = _known_phi(model, spec)
    found = smooth(model, method, theta, along, phi, known, expected, spec.tol, spec.max_iter, trace)
    lower = curvature.cholesky(found.curvature)
    optimum = Optimum(
        theta=found.theta,
        value=found.value,
        gradient=found.gradient,
        hessian=-found.curvature,
        decrement=found.decrement,
        iterations=found.iterations,
        status="converged" if found.converged else "max_iter" if found.iterations >= spec.max_iter else "stalled",
        optimizer="newton",
        reference=lower if lower is not None else torch.linalg.inv(found.half),
        half=found.half,
    )
    flat = _flat(optimum, found, expected, found.model.working(model.reported(theta)))
    of = found.model
    return Maximum(of, of.likelihood(), optimum, constants, found.unit, optimum.reference, flat, smoothed=found)


def _flat(optimum: Optimum, found: Smoothed, expected: bool, begin: torch.Tensor) -> FlatDirections | None:
    """Directions along which the information has vanished since the search began, as that of separated data does; the
    penalty is that of the strengths chosen at both ends."""
    likelihood = found.model.likelihood()
    hessian = likelihood.expected(begin) if expected else likelihood.derivatives(begin)[2]
    assert hessian is not None
    reference = curvature.cholesky(found.curvature - found.free.information - full(hessian))
    return None if reference is None else diagnose.flat_directions(optimum, reference, found.model.labels)


def by_expected(model: Model, likelihood: Likelihood, spec: ModelSpec, along: Sequence[str]) -> bool:
    """Whether what is said of the coefficients is by the expected information."""
    only_mean = len(along) + 1 == len(model.rows.predictors)
    of_mean = only_mean and likelihood.has_expected and not model.family.categories
    return spec.se == "expected" or (spec.se is None and of_mean)


def found_along(model: Model) -> list[str]:
    """The parameters that are found along with the strengths: beside the main one, those without covariates."""
    if model.family.shared_formula:
        return []
    constant = {formula.parameter for formula in model.formulas if formula.terms == (INTERCEPT,)}
    return [p.parameter for p in model.rows.predictors if p.parameter != model.family.main and p.parameter in constant]


def _known_phi(model: Model, spec: ModelSpec) -> float | None:
    """phi, where it is not estimated."""
    asked = spec.fixed.get("phi", spec.dispersion)
    if not model.holds_phi:
        return 1.0
    return None if asked is None or isinstance(asked, str) else float(asked)


def freedom(found: Maximum, df: int) -> int | float:
    """The residual degrees of freedom, where those of all coefficients are `df`: effective ones count as they are."""
    if found.smoothed is None:
        return df
    model, edf = found.model, found.smoothed.free.edf
    counted = model.rows.predictors
    if model.family.has_deviance:
        counted = tuple(p for p in counted if p.parameter == model.family.main)
    columns = torch.unique(torch.cat([p.columns for p in counted]))
    return df + len(columns) - float(edf[columns].sum())


def smooth_terms(
    model: Model, free: Freedom, coefficients: Sequence[Coefficient], matrix: torch.Tensor, phi: Units, df: float | None
) -> tuple[SmoothTerm, ...]:
    """The rows of the smooths; `matrix` (p, p) is the covariance of all reported coefficients, `df` are the residual
    degrees of freedom where phi is estimated."""
    unit = phi.unit if phi.unit > 0 else math.nan  # a perfect fit: there is no noise to hold anything against
    kept = np.array(model.kept)
    inside = free.places.numpy()
    known = Penalties(
        np.array([coefficients[at].estimate for at in kept[inside]]),
        matrix.numpy()[np.ix_(kept[inside], kept[inside])],
        _reported(model, free.information)[np.ix_(inside, inside)] / unit,
        _reported(model, free.penalty)[np.ix_(inside, inside)] / unit,
        df,
    )
    of_blocks = [np.searchsorted(inside, block.places.numpy()).tolist() for block in model.smooths]
    random = [places for block, places in zip(model.smooths, of_blocks, strict=True) if block.free == 0]
    rows = []
    for block, places, strengths in zip(model.smooths, of_blocks, free.strengths, strict=True):
        if block.free:
            test = of_smooth(known, places, float(free.edf1[block.places].sum()))
        else:
            others = [at for other in random if other != places for at in other]
            test = of_variance(known, places, others)
        rows.append(
            SmoothTerm(
                block.parameter,
                block.term,
                float(free.edf[block.places].sum()),
                test.df,
                test.statistic,
                "chi2" if df is None else "F",
                test.p_value,
                int(kept[block.places[0]]),
                len(places),
                tuple(phi.held * one for one in strengths),
            )
        )
    return tuple(rows)


def smoothing(found: Maximum, deviance: float, null: float) -> Smoothing | None:
    """How the strengths were chosen."""
    fit: Smoothed | None = found.smoothed
    if fit is None:
        return None
    explained = 1 - deviance / null if null > 0 else math.nan
    return Smoothing(
        fit.method, fit.score, float(fit.free.edf.sum()), math.nan if fit.method == "gcv" else fit.unit, explained
    )


def _reported(model: Model, matrix: torch.Tensor) -> np.ndarray:
    """A matrix of second derivatives (p, p) in the coefficients as reported."""
    half = torch.stack([model.reported_gradient(row) for row in matrix])
    whole = torch.stack([model.reported_gradient(row) for row in half.T])
    return (0.5 * (whole + whole.T)).numpy()
