"""Where the search starts: the intercept-only fit, carried over to all coefficients.

Where its constant cannot be carried over to a point inside the link's domain (no intercept and an inverse link, say)
the start is the least-squares fit to the link of responses drawn to their mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from glmfit.design import Matrix
from glmfit.dispersion import goodness
from glmfit.errors import ModelError, UsageError, did_you_mean
from glmfit.model import Model
from glmfit.optimize import newton

ROUGHLY = 0.1  # standard errors: a start needs no more, and one that runs off to infinity must not run far


def constants(model: Model) -> dict[str, float]:
    """Linear predictors (without offsets) of the intercept-only fit, one constant for each estimated parameter."""
    rows, family = model.rows, model.family
    natural = family.start(rows.y, rows.weight, **rows.columns)
    names = [p.parameter for p in rows.predictors]
    begin = [_link_value(model, name, natural) for name in names]
    start = torch.tensor(begin, dtype=torch.float64)
    likelihood = model.constants_only(names, {})
    if model.holds_phi:
        phi = _phi(model, goodness(likelihood, start).pearson)
        likelihood = model.held_at(phi).constants_only(names, {})
    if not math.isfinite(likelihood.value(start)):
        return dict(zip(names, begin, strict=True))  # an offset leaves the domain; the full model may not
    return dict(zip(names, newton(likelihood, start, ROUGHLY).theta.tolist(), strict=True))


def _link_value(model: Model, name: str, natural: Mapping[str, float]) -> float:
    value = torch.tensor(natural.get(name, 1.0), dtype=torch.float64)
    eta = float(model.links[name].link(value))
    if math.isfinite(eta):
        return eta
    raise ModelError(
        "bad_start",
        f"the mean response {float(value):.6g} lies outside the domain of the {model.links[name].name} link",
        "choose a link that can take it, such as identity",
    )


def _phi(model: Model, pearson: float) -> float:
    phi = pearson / model.n
    return phi if math.isfinite(phi) and phi > 0 else 1.0


def held_phi(model: Model, start: Mapping[str, float]) -> float:
    """The dispersion of the intercept-only fit: the unit in which the search measures its progress."""
    names = [p.parameter for p in model.rows.predictors]
    theta = torch.tensor([start[name] for name in names], dtype=torch.float64)
    return _phi(model, goodness(model.constants_only(names, {}), theta).pearson)


def coefficients(model: Model, start: Mapping[str, float], given: Mapping[str, float]) -> Tensor:
    """Working coefficients (p,) to start from, with those `given` by name on the reported scale in their place."""
    likelihood = model.likelihood()
    theta = _from_constants(model, start)
    if not math.isfinite(likelihood.value(theta)):
        shrunk = _from_response(model)
        if math.isfinite(likelihood.value(shrunk)):
            theta = shrunk
    if not given:
        return theta
    reported = model.reported(theta)
    names = [model.names[at] for at in model.kept]
    places = {f"{parameter}:{term}": place for place, (parameter, term) in enumerate(names)}
    places |= {term: place for place, (parameter, term) in enumerate(names) if parameter == model.family.main}
    for name, value in given.items():
        if name not in places:
            hint = did_you_mean(name, places) or f"coefficients: {', '.join(list(places)[:12])}"
            raise UsageError("unknown_term", f"--start {name}: no such coefficient", hint)
        reported[places[name]] = value
    return model.working(reported)


def _from_constants(model: Model, constants: Mapping[str, float]) -> Tensor:
    """Working coefficients whose linear predictors come closest to constants, exactly where X spans one."""
    parts = []
    for predictor, standardization in zip(model.rows.predictors, model.standardizations, strict=True):
        constant = constants[predictor.parameter]
        if bool((standardization.unit != 0).any()):
            parts.append(standardization.unit * constant)
        else:
            parts.append(_project(predictor.X, torch.full_like(model.rows.y, constant)))
    return torch.cat(parts)


def _from_response(model: Model) -> Tensor:
    """Working coefficients nearest to the link of responses drawn halfway to their mean, for the mean alone."""
    rows, main, parts = model.rows, model.family.main, []
    for predictor in rows.predictors:
        if predictor.parameter != main:
            parts.append(torch.zeros(predictor.X.shape[1], dtype=torch.float64))
            continue
        trials = rows.columns.get("trials", torch.ones_like(rows.y))
        mean = (rows.weight * rows.y).sum() / (rows.weight * trials).sum()
        drawn = 0.5 * (rows.y / trials + mean)
        parts.append(_project(predictor.X, model.links[main].link(drawn) - predictor.offset))
    return torch.cat(parts)


def _project(X: Matrix, target: Tensor) -> Tensor:
    """Least-squares coefficients (q,) of `target` (n,) on the columns of X."""
    gram = X.sandwich(torch.ones_like(target), X)
    return torch.linalg.lstsq(gram, X.rmatvec(target)[:, None]).solution[:, 0]
