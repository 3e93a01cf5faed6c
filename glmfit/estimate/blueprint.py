"""What a fit leaves behind for new rows: right-hand sides, columns with their kinds and levels, and learned state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, fields
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from torch import Tensor

from glmfit.design import build
from glmfit.families.userfile import split
from glmfit.formula import Evaluator, Factor
from glmfit.inference import Reference
from glmfit.model import Model
from glmfit.result import Alias, Blueprint, Effects, Part, PredictorText, Variable
from glmfit.rows import Data, fingerprint, group_levels
from glmfit.shrinkage import Shrinkage
from glmfit.spec import ModelSpec

MOST_KEPT = 100_000  # levels of absorbed factors that are kept for predictions


def blueprint(data: Data, model: Model, reference: Reference, theta: Tensor) -> Blueprint:
    """That of a model of these data; theta are its reported coefficients."""
    spec, formulas, table, trials = data.spec, model.formulas, data.table, _trials(data)
    used = dict.fromkeys(name for formula in formulas for factor in formula.factors for name in factor.columns)
    used |= dict.fromkeys(name for name in data.family.columns if name in table.columns)
    return Blueprint(
        family=spec.family,
        file_sha256=None if data.family.path is None else file_hash(spec.family),
        predictors=tuple(PredictorText(formula.parameter, formula.spelled) for formula in formulas),
        variables=tuple(Variable(name, table[name].kind, table[name].levels or ()) for name in used),
        terms=model.terms,
        aliases=() if data.groups is not None or data.absorbed else tuple(_aliases(model)),
        trials=tuple(factor.spelled for factor in trials),
        trial_columns=tuple(dict.fromkeys(name for factor in trials for name in factor.columns)),
        levels=dict(model.state.levels),
        transforms={text: dict(state) for text, state in model.state.transforms.items()},
        df=None if reference.df is None else float(reference.df),
        reading=spec.reading,
        asked=asked(spec),
        fingerprint=fingerprint(data),
        absorbed=tuple(_effects(data, model, theta)),
    )


def _effects(data: Data, model: Model, theta: Tensor) -> Iterator[Effects]:
    """The absorbed effects beside the columns as they are: what the linear predictor has more than X theta."""
    empty = sum(len(levels) for levels in data.empty.values())
    if model.absorbed is None or model.absorbed.indicators.size + empty > MOST_KEPT:
        return
    predictor = next(one for one in model.rows.predictors if one.parameter == model.family.main)
    formula = next(one for one in model.formulas if one.parameter == model.family.main)
    matrix, _ = build(formula, data.table, Evaluator(data.table, frequency=data.frequency))
    parameter = predictor.parameter
    place = {name: at for at, name in enumerate(model.names)}
    own = [place[parameter, name] for name in matrix.names]
    rest = predictor.eta(model.working(theta)) - predictor.own_offset
    indicators = model.absorbed.indicators
    coefficients = torch.zeros(len(model.names), dtype=torch.float64)
    coefficients[list(model.kept)] = theta
    more = (rest - matrix.matvec(coefficients[own])).numpy()
    found = indicators.normal(np.ones(len(more))).solve(indicators.sums(more)[:, None])[:, 0]
    for factor, part in zip(model.absorbed.factors, indicators.places, strict=True):
        name = factor.factor
        yield Effects(name, group_levels(data.table, name), tuple(found[part].tolist()), data.empty.get(name, ()))


def asked(spec: ModelSpec) -> dict[str, Any]:
    """The fields of a specification that are not at their defaults: what it takes to make it again.

    Reading is apart, and memory is that of a machine.
    """
    default = ModelSpec()
    names = [field.name for field in fields(spec) if field.name not in ("reading", "memory", "spill")]
    found = {name: getattr(spec, name) for name in names if getattr(spec, name) != getattr(default, name)}
    return {name: asdict(value) if isinstance(value, Shrinkage) else value for name, value in found.items()}


def _aliases(model: Model) -> Iterator[Alias]:
    """What the aliased columns are of the others, on these rows."""
    for (parameter, term), combination in model.combinations.items():
        yield Alias(parameter, term, tuple(Part(name, coefficient) for name, coefficient in combination))


def file_hash(family: str) -> str:
    """The SHA-256 of the file of a user's likelihood."""
    path, _ = split(family)
    with open(path, "rb") as file:
        return sha256(file.read()).hexdigest()


def _trials(data: Data) -> tuple[Factor, ...]:
    """What adds up to the trials; nothing where each row is one trial, or the family counts none."""
    response = data.formula.response
    if data.response.trials is None:
        return ()
    if data.response.weights_are_trials:
        return (data.formula.roles["weights"],)
    return {"ratio": response.parts[1:], "cbind": response.parts}.get(response.kind, ())
