"""A fit with smooth terms: their strengths chosen, and what is said of them.

Parameters without covariates are found along with the strengths; phi, where it is estimated, as well. The covariance is
that of the coefficients given the data and the strengths: by the expected information where the mean alone has smooths
and its family states one, as in mgcv, else by the observed one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from glmfit.errors import ModelError
from glmfit.estimate import start
from glmfit.estimate.begin import prepared
from glmfit.estimate.check import Inspection
from glmfit.estimate.maximum import Maximum
from glmfit.formula import INTERCEPT
from glmfit.inference import Scale
from glmfit.model import Likelihood, Model
from glmfit.numerics import Optimum, Trace, curvature, full
from glmfit.result import Coefficient
from glmfit.smoothing import Penalties, Smoothed, of_smooth, of_variance, smooth
from glmfit.smooths import Smoothing, SmoothTerm
from glmfit.spec import ModelSpec
from glmfit.trust import FlatDirections, diagnose


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
    along = _found_along(model)
    method = spec.smoothing or "reml"
    only_mean = len(along) + 1 == len(model.rows.predictors)
    of_mean = only_mean and likelihood.has_expected and not model.family.categories
    expected = spec.se == "expected" or (spec.se is None and of_mean)
    found = smooth(model, method, theta, along, phi, _known_phi(model, spec), expected, spec.max_iter, trace)
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
    flat = _flat(model, optimum, found, _information(likelihood, theta, expected))
    return Maximum(model, likelihood, optimum, constants, phi, optimum.reference, flat, smoothed=found)


def _information(likelihood: Likelihood, theta: torch.Tensor, expected: bool) -> torch.Tensor:
    """That of the coefficients (size, size), of the kind that the covariance is by."""
    found = likelihood.expected(theta) if expected else likelihood.derivatives(theta)[2]
    assert found is not None
    return -full(found)


def _flat(model: Model, optimum: Optimum, found: Smoothed, begun: torch.Tensor) -> FlatDirections | None:
    """Directions along which the information has vanished since the search began, as that of separated data does; the
    penalty is that of the strengths chosen at both ends."""
    reference = curvature.cholesky(found.curvature - found.information + begun)
    return None if reference is None else diagnose.flat_directions(optimum, reference, model.labels)


def _found_along(model: Model) -> list[str]:
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
    model, edf = found.model, found.smoothed.edf
    counted = model.rows.predictors
    if model.family.has_deviance:
        counted = tuple(p for p in counted if p.parameter == model.family.main)
    columns = torch.unique(torch.cat([p.columns for p in counted]))
    return df + len(columns) - float(edf[columns].sum())


def smooth_terms(
    found: Maximum, coefficients: Sequence[Coefficient], matrix: torch.Tensor, scale: Scale, unit: float, df: float
) -> tuple[SmoothTerm, ...]:
    """The rows of the smooths; `matrix` (p, p) is the covariance of all reported coefficients, in units of phi `unit`
    times that of the search."""
    if found.smoothed is None:
        return ()
    if not unit > 0:  # a perfect fit: there is no noise to hold anything against
        unit = math.nan
    fit, kept = found.smoothed, list(found.model.kept)
    b = np.array([coefficients[at].estimate for at in kept])
    known = Penalties(
        b,
        matrix.numpy()[np.ix_(kept, kept)],
        _reported(found.model, fit.information) / unit,
        _reported(found.model, fit.penalty) / unit,
        df if scale.estimated else None,
    )
    random = [block.places.tolist() for block in found.model.smooths if block.free == 0]
    rows = []
    for block, strengths in zip(found.model.smooths, fit.strengths, strict=True):
        places = block.places.tolist()
        if block.free:
            test = of_smooth(known, places, float(fit.edf1[block.places].sum()))
        else:
            others = [at for other in random if other != places for at in other]
            test = of_variance(known, places, others)
        rows.append(
            SmoothTerm(
                block.parameter,
                block.term,
                float(fit.edf[block.places].sum()),
                test.df,
                test.statistic,
                "F" if scale.estimated else "chi2",
                test.p_value,
                kept[places[0]],
                len(places),
                strengths,
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
        fit.method, fit.score, float(fit.edf.sum()), math.nan if fit.method == "gcv" else fit.phi, explained
    )


def _reported(model: Model, matrix: torch.Tensor) -> np.ndarray:
    """A matrix of second derivatives (p, p) in the coefficients as reported."""
    half = torch.stack([model.reported_gradient(row) for row in matrix])
    whole = torch.stack([model.reported_gradient(row) for row in half.T])
    return (0.5 * (whole + whole.T)).numpy()
