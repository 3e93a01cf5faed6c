"""From a user's file and the data to a likelihood: rows, weights and model matrix, and the columns that the file uses.

Which columns those are is found by calling the function at the starting values, again and again until every one that it
asks for is complete in the rows that are left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from glmfit import memory
from glmfit.dense.columns import Columns, Reader
from glmfit.dense.likelihood import DenseLikelihood, check
from glmfit.dense.parameters import Parameters, file_error, read_parameters
from glmfit.design import aliased_columns, build
from glmfit.errors import Finding, GlmfitError, UsageError
from glmfit.formula import INTERCEPT, Evaluator, Factor, ModelFormula, condition, extent, parse, row_factors
from glmfit.memory import Need, rows_need, squares_need
from glmfit.rows import (
    group_codes,
    inside,
    of_factors,
    refuse_disguised,
    refuse_formula,
    refuse_random,
    row_weights,
    without_weightless,
)
from glmfit.spec import ModelSpec, cluster_columns, drawn_columns
from glmfit.table import Source, Table, complete_rows

COPIES = 4  # of data.X at most: in blocks, standardised, side by side, without what is aliased
STEPS = 40  # vectors (n,) that autograd remembers of a likelihood of a few operations, for second derivatives too

# What can be asked for; any other option of a model belongs to families.
OPTIONS = {
    *("formulas", "y", "x", "intercept", "family", "links", "fixed", "freq_weights", "sampling_weights", "se", "level"),
    *("where", "missing", "reading", "optimizer", "max_iter", "tol", "start", "ci", "bootstrap_by", "seed"),
    "shrinkage",
}


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """A likelihood ready to be maximised, and what reports say of its data; `n` is the number of observations."""

    spec: ModelSpec
    likelihood: DenseLikelihood
    formula: ModelFormula | None
    aliased: tuple[str, ...]
    measure: str | None
    n: int
    clusters: Mapping[str, Tensor]
    drawn: Mapping[str, Tensor]  # the same, of those that a bootstrap draws
    dropped: Mapping[str, Mapping[str, int]]

    @property
    def parameters(self) -> Parameters:
        return self.likelihood.parameters

    @property
    def table(self) -> Table:
        return self.likelihood.reader.table

    @property
    def findings(self) -> list[Finding]:
        """What must be said of the columns."""
        found = [*self.table.findings, *self.likelihood.reader.findings]
        if self.formula is None:
            return found
        return [*found, *of_factors(self.spec, self.formula, self.table, self.likelihood.reader.source)]


def prepare(spec: ModelSpec, source: Source, path: str, module: ModuleType) -> Dense:
    """The likelihood that a file defines on the rows of a source, checked at its starting values."""
    _check_options(spec, path)
    function = getattr(module, "log_likelihood", None)
    if not callable(function):
        raise file_error(path, "there is no function log_likelihood", "write def log_likelihood(params, data)")
    formula = _formula(spec, source)
    where = None if spec.where is None else condition(spec.where, source.header)
    roles = row_factors(spec, source.header) if formula is None else formula.roles
    used = [name for factor in roles.values() for name in factor.columns]
    drawn = drawn_columns(spec.bootstrap_by)
    used += [*cluster_columns(spec.se), *drawn]
    used += [] if formula is None else formula.variables
    used += [] if spec.shrinkage is None else spec.shrinkage.columns
    while True:
        chooses = () if where is None else where.columns
        table = source.read([*used, *chooses] or source.header[:1])
        table, outside = inside(where, table, used)
        if formula is not None:
            refuse_disguised(table, formula)
        table = complete_rows(table, used, spec.missing)
        dropped = {**outside, "missing": dict(table.dropped)}
        table, weightless = without_weightless(roles, table)
        frequency, sampling = (None if w is None else torch.from_numpy(w) for w in row_weights(roles, table))
        given, aliased = _given(path, module, formula, table, frequency, spec.shrinkage is None)
        reader = Reader(source, table, given)
        try:
            parameters = read_parameters(path, module, Columns(reader), given.get("terms", ()), spec)
            memory.check(_needs(spec, len(table), len(parameters.labels)))
            weight = frequency if sampling is None else sampling
            likelihood = DenseLikelihood(path, function, parameters, reader, weight, frequency)
            check(likelihood, parameters.start())
        except GlmfitError:
            if not reader.incomplete:
                raise
        if not reader.incomplete:
            break
        used += reader.incomplete
    _check_rows(spec, likelihood)
    return Dense(
        spec=spec,
        likelihood=likelihood,
        formula=formula,
        aliased=aliased,
        measure=_measure(path, module),
        n=len(table) if frequency is None else round(float(frequency.sum())),
        clusters={name: torch.from_numpy(group_codes(table, name)) for name in cluster_columns(spec.se)},
        drawn={name: torch.from_numpy(group_codes(table, name)) for name in drawn},
        dropped=dropped | {reason: counts for reason, counts in weightless.items() if counts},
    )


def _needs(spec: ModelSpec, n: int, p: int) -> list[Need]:
    """The memory that a search needs beside its data."""
    vectors = STEPS + (2 * p if spec.se not in (None, "hessian") or spec.sampling_weights else 0)
    return [rows_need(n, vectors, f"{n:,} rows have about {vectors} numbers each"), squares_need(p, None)]


def _measure(path: str, module: ModuleType) -> str | None:
    """What exp of the coefficients of the first parameter is, such as "hazard ratio"."""
    measure = getattr(module, "measure", None)
    if measure is not None and not isinstance(measure, str):
        raise file_error(path, "measure is no text", 'write what exp of a coefficient is: measure = "hazard ratio"')
    return measure


def _check_options(spec: ModelSpec, path: str) -> None:
    for field in fields(ModelSpec):
        if field.name not in OPTIONS and getattr(spec, field.name) != getattr(ModelSpec(), field.name):
            raise UsageError(
                "contradiction",
                f"--{field.name.replace('_', '-')} has no meaning for {path}, which defines log_likelihood",
                "leave it out, and write what it stands for into the function",
            )
    if spec.se is not None and spec.se.startswith("wild:"):
        message = f"--se {spec.se} is for families, and {path} defines a log_likelihood"
        raise UsageError("bad_se", message, f"use --se cluster:{cluster_columns(spec.se)[0]}")
    if spec.se in ("expected", "hc2", "hc3"):
        raise UsageError(
            "bad_se",
            f"--se {spec.se} does not exist for {path}: a log_likelihood has no expected information",
            "use --se hessian, hc0, hc1 or cluster:COL",
        )


def _formula(spec: ModelSpec, source: Source) -> ModelFormula | None:
    """The response and the terms of data.X; None where no formula was given."""
    if not spec.formulas and spec.y is None and not spec.x:
        return None
    with source.blaming_the_header():
        formula = parse(spec, source.header)
    if len(formula.predictors) > 1 or formula.predictors[0].offsets or formula.response.kind != "value":
        raise UsageError(
            "formula",
            "a log_likelihood takes one formula, 'response ~ terms', without offset() and with one response",
            "ask for other columns by name: data.years",
        )
    hint = "write the density of a row, log_density(y, mu, ...): its linear predictors may have them"
    refuse_random(formula, "a log_likelihood has parameters of its own", hint)
    return formula


def _given(
    path: str, module: ModuleType, formula: ModelFormula | None, table: Table, frequency: Tensor | None, reduce: bool
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """data.y, data.X and data.terms, and the terms left out of X as linear combinations of others.

    Without an intercept X is the rest of the matrix that has one, so that factors lose their first level all the same.
    Where coefficients are penalised nothing is left out: `reduce` is False.
    """
    if formula is None:
        return {}, ()
    intercept = getattr(module, "intercept", True)
    if not isinstance(intercept, bool):
        raise file_error(path, "intercept is neither True nor False", "write intercept = False")
    hint = "write the density of a row, log_density(y, mu, ...): its linear predictors may have them"
    refuse_formula(formula, f"{path}, which maximises the whole likelihood itself,", hint)
    evaluator = Evaluator(table, frequency=None if frequency is None else frequency.numpy())
    (predictor,) = formula.predictors
    if not intercept and INTERCEPT not in predictor.terms:
        predictor = replace(predictor, terms=(INTERCEPT, *predictor.terms))
    n, p = len(table), extent(predictor.terms, evaluator).columns
    memory.check([rows_need(n, COPIES * p, f"data.X has {n:,} rows of {p:,} columns")])
    matrix, _ = build(predictor, table, evaluator)
    out = aliased_columns(matrix.standardized()[0]) if reduce else []
    names = matrix.names
    kept = [j for j in range(len(names)) if j not in out and (intercept or names[j] != INTERCEPT.name)]
    given = {
        "y": _response(formula.response.parts[0], table, evaluator),
        "X": matrix.dense()[:, kept].clone(),
        "terms": tuple(names[j] for j in kept),
    }
    return given, tuple(names[j] for j in out)


def _response(factor: Factor, table: Table, evaluator: Evaluator) -> Tensor:
    """Numbers (n,), or the codes of a column of text, as the column itself would be."""
    is_text = factor.column is not None and table[factor.column].kind not in ("number", "boolean")
    return torch.tensor(group_codes(table, factor.text) if is_text else evaluator.numbers(factor))


def _check_rows(spec: ModelSpec, likelihood: DenseLikelihood) -> None:
    """Weights and robust standard errors need one value per row."""
    robust = spec.se not in (None, "hessian")
    options = {
        f"--se {spec.se}": robust,
        "--freq-weights": spec.freq_weights is not None,
        "--sampling-weights": spec.sampling_weights is not None,
    }
    asked = [option for option, value in options.items() if value]
    if asked and not likelihood.parts(likelihood.parameters.start()).shape:
        raise UsageError(
            "needs_rows",
            f"{asked[0]} needs one value per row, and log_likelihood of {likelihood.path} returns their sum",
            "return a tensor of shape (n,); a group's value can be shared out among its rows: (value / size)[codes]",
        )
