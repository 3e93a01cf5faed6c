"""What a fit leaves behind for new rows: right-hand sides, columns with their kinds and levels, and learned state."""

from __future__ import annotations

import os
from hashlib import sha256

from glmfit.families.userfile import split
from glmfit.formula.formula import right_hand_side, variables
from glmfit.inference.covariance import Reference
from glmfit.model.model import Model
from glmfit.result import Blueprint, PredictorText, Variable
from glmfit.rows.data import Data
from glmfit.rows.fingerprint import fingerprint
from glmfit.table import Table


def blueprint(data: Data, model: Model, reference: Reference) -> Blueprint:
    """That of a model of these data."""
    spec, header = data.spec, data.table.columns
    used = dict.fromkeys(name for formula in model.formulas for name in variables(formula, header))
    used |= dict.fromkeys(name for name in data.family.columns if name in header)
    return Blueprint(
        family=spec.family,
        file_sha256=None if data.family.path is None else file_hash(spec.family),
        predictors=tuple(
            PredictorText(formula.parameter, right_hand_side(formula, header)) for formula in model.formulas
        ),
        variables=tuple(variable(name, data.table) for name in used),
        trials=_trials(data),
        levels=dict(model.state.levels),
        transforms={text: dict(state) for text, state in model.state.transforms.items()},
        df=None if reference.df is None else float(reference.df),
        na=tuple(spec.na),
        fingerprint=fingerprint(data),
    )


def variable(name: str, table: Table) -> Variable:
    """A column as new data must have it."""
    column = table[name]
    return Variable(name, column.kind, column.levels or ())


def file_hash(family: str) -> str:
    """The SHA-256 of the file of a user's likelihood."""
    path, _ = split(family)
    with open(os.path.abspath(path), "rb") as file:
        return sha256(file.read()).hexdigest()


def _trials(data: Data) -> tuple[str, ...]:
    """The expressions that add up to the trials; none where each row is one trial, or the family counts none."""
    response = data.formula.response
    if data.response.trials is None:
        return ()
    if data.response.weights_are_trials:
        return (str(data.spec.weights),)
    return {"ratio": response.parts[1:], "cbind": response.parts}.get(response.kind, ())
