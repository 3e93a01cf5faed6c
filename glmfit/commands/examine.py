"""What `glmfit check` finds in a user's file and where a fit would begin, as plain text."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap
from typing import Any, cast

from glmfit.dense.prepare import prepare
from glmfit.estimate.check import check_data
from glmfit.families.user import UserFamily
from glmfit.families.userfile import is_dense, load, split
from glmfit.report.words import rows_in_words
from glmfit.rows import Data, read
from glmfit.spec import ModelSpec
from glmfit.table import Table, open_data

WIDTH = 79
LABEL = 16


def examine(spec: ModelSpec, data: Any) -> str:
    """Everything that is found right; raises a `GlmfitError` for the first thing that is wrong."""
    facts = _dense(spec, data) if is_dense(spec.family) else _row_wise(spec, data)
    lines: list[str] = []
    for label, text in facts:
        lines += wrap(text, WIDTH, initial_indent=label.ljust(LABEL), subsequent_indent=" " * LABEL)
    return "\n".join([*lines, "", "No fault found where a fit begins."]) + "\n"


def _row_wise(spec: ModelSpec, data: Any) -> list[tuple[str, str]]:
    prepared: Data = read(spec, data)
    found, family = check_data(prepared), prepared.family
    formulas = {predictor.parameter for predictor in prepared.formula.predictors}
    described = [
        f"{p.name} fixed at {spec.fixed[p.name]:g}"
        if p.name in spec.fixed and p.name not in formulas
        else f"{p.name} ({prepared.links[p.name].name} link)"
        for p in family.parameters
    ]
    columns = [*family.columns, *(["trials"] if family.trials else [])]
    return [
        ("Likelihood", f"{family.path}: {cast(UserFamily, family).signature}"),
        ("Parameters", ", ".join(described)),
        ("Columns", ", ".join(columns) or "none but the response"),
        ("Data", _rows(spec, prepared.table, prepared.dropped)),
        ("Start", ", ".join(f"{name} = {value:.6g}" for name, value in found.start.items())),
        ("Log-likelihood", f"{found.log_likelihood:.6f} there"),
        ("Derivatives", f"finite; largest of a row {found.gradient:.4g} (first), {found.hessian:.4g} (second)"),
        ("Linear form", "yes"),
    ]


def _dense(spec: ModelSpec, data: Any) -> list[tuple[str, str]]:
    path, _ = split(spec.family)
    model = prepare(spec, open_data(data, spec.reading), path, load(path))
    theta = model.parameters.start()
    value, gradient, hessian = model.likelihood.derivatives(theta)
    return [
        ("Likelihood", f"{path}: log_likelihood(params, data)"),
        ("Parameters", ", ".join(model.parameters.labels)),
        ("Data", _rows(spec, model.table, model.dropped)),
        ("Log-likelihood", f"{value:.6f} at the start"),
        (
            "Derivatives",
            f"finite; largest {float(gradient.abs().max()):.4g} (first), {float(hessian.abs().max()):.4g} (second)",
        ),
        ("Linear form", "not needed: differentiated in the parameters"),
    ]


def _rows(spec: ModelSpec, table: Table, dropped: Mapping[str, Mapping[str, int]]) -> str:
    return f"{table.source}: {rows_in_words(table.rows_read, len(table), dropped, spec.where)}"
