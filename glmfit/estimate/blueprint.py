"""What a fit leaves behind for new rows: right-hand sides, columns with their kinds and levels, and learned state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from hashlib import sha256
from typing import Any

from glmfit.families.userfile import split
from glmfit.formula import Factor
from glmfit.inference import Reference
from glmfit.model import Model
from glmfit.result import Alias, Blueprint, Part, PredictorText, Variable
from glmfit.rows import Data, fingerprint
from glmfit.spec import ModelSpec


def blueprint(data: Data, model: Model, reference: Reference) -> Blueprint:
    """That of a model of these data."""
    spec, formulas, table, trials = data.spec, model.formulas, data.table, _trials(data)
    used = dict.fromkeys(name for formula in formulas for factor in formula.factors for name in factor.columns)
    used |= dict.fromkeys(name for name in data.family.columns if name in table.columns)
    return Blueprint(
        family=spec.family,
        file_sha256=None if data.family.path is None else file_hash(spec.family),
        predictors=tuple(PredictorText(formula.parameter, formula.spelled) for formula in formulas),
        variables=tuple(Variable(name, table[name].kind, table[name].levels or ()) for name in used),
        terms=model.terms,
        aliases=() if data.groups is not None else tuple(_aliases(model)),
        trials=tuple(factor.spelled for factor in trials),
        trial_columns=tuple(dict.fromkeys(name for factor in trials for name in factor.columns)),
        levels=dict(model.state.levels),
        transforms={text: dict(state) for text, state in model.state.transforms.items()},
        df=None if reference.df is None else float(reference.df),
        reading=spec.reading,
        asked=asked(spec),
        fingerprint=fingerprint(data),
    )


def asked(spec: ModelSpec) -> dict[str, Any]:
    """The fields of a specification that are not at their defaults: what it takes to make it again.

    Reading is apart, and memory is that of a machine.
    """
    default = ModelSpec()
    names = [field.name for field in fields(spec) if field.name not in ("reading", "memory", "spill")]
    return {name: getattr(spec, name) for name in names if getattr(spec, name) != getattr(default, name)}


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
