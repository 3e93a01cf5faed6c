"""From a file to the rows of a model: columns read, incomplete rows dropped, weights and response checked; no torch.

Whatever can be wrong with the specification (`resolve`), with the model that its formulas make (`check_model`) or with
the data is found here, before anything expensive starts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from glmfit.errors import DataError, ModelError, UsageError
from glmfit.families.base import Family, Parameter
from glmfit.families.catalogue import make_family
from glmfit.families.censored import censored
from glmfit.families.links import Link
from glmfit.formula.evaluate import Evaluator
from glmfit.formula.formula import ModelFormula, parse
from glmfit.formula.parameters import for_family
from glmfit.rows.censoring import censoring, read_censored
from glmfit.rows.factors import left_out, many_levels, refuse_disguised
from glmfit.rows.response import Response, read_response
from glmfit.spec import ModelSpec, cluster_columns
from glmfit.table import Source, Table, complete_rows, open_data
from glmfit.table.columns import refuse

_CORRECT = "correct the value, or leave the row out"


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """The rows that a fit uses: n of them, all complete and of positive weight.

    `links` are those of every parameter of the family; `seconds` is what reading and checking took.
    `weights` (prior), `frequency` and `sampling` are (n,) or None; `offset` (n,) is that of the mean apart from
    offset() terms; `clusters` maps each clustering column to the codes of rows, or of groups where there are `groups`.
    """

    spec: ModelSpec
    family: Family
    links: Mapping[str, Link]
    formula: ModelFormula
    table: Table
    response: Response
    weights: np.ndarray | None
    frequency: np.ndarray | None
    sampling: np.ndarray | None
    offset: np.ndarray
    clusters: Mapping[str, np.ndarray]
    groups: np.ndarray | None  # codes (n,) of the units of a grouped family
    dropped: Mapping[str, Mapping[str, int]]
    seconds: float = 0.0


def read(spec: ModelSpec, data: Any) -> Data:
    """Prepared data from whatever holds it: a path (`-` for standard input), an opened source, a frame or a mapping."""
    begin = perf_counter()
    family, links = resolve(spec)
    return replace(prepare(spec, family, links, open_data(data, spec.reading)), seconds=perf_counter() - begin)


def resolve(spec: ModelSpec) -> tuple[Family, dict[str, Link]]:
    """The family and the links of its parameters; UsageError for what is wrong with a specification by itself."""
    family = make_family(spec.family, spec.fixed)
    asked = {family.parameter(name).name: link for name, link in spec.links.items()}
    links = {parameter.name: parameter.link(asked.get(parameter.name), family.name) for parameter in family.parameters}
    _check_kind(spec, family)
    if spec.event is not None or spec.censor is not None:
        family = censored(family)
    if spec.exposure and links[family.main].name != "log":
        raise UsageError(
            "bad_exposure",
            f"an exposure needs the log link, not {links[family.main].name}",
            "use --link log, or --offset COLUMN",
        )
    return family, links


def _check_kind(spec: ModelSpec, family: Family) -> None:
    """Options that only some kinds of families take, and some that they do not."""
    if family.grouped and spec.group is None:
        raise UsageError("missing_group", f"the {family.name} family compares within groups", "add --group COLUMN")
    only = (
        ("--group", spec.group, family.grouped, "conditional-logit"),
        ("--levels", spec.levels, family.categories, "ordinal and multinomial"),
        ("--relax", spec.relax, family.categories and family.location, "ordinal"),
    )
    for option, value, allowed, names in only:
        if value and not allowed:
            raise UsageError(
                "contradiction", f"{option} has no meaning for the {family.name} family", f"it is for {names}"
            )
    if (spec.check_separation or spec.separation == "drop") and not family.has_recession:
        option = "--check-separation" if spec.check_separation else "--separation drop"
        message = f"{option} is not for the {family.name} family: separation is not decided for it"
        raise UsageError("bad_separation", message, "leave it out")
    if family.shared_formula and (spec.offset or spec.exposure):
        message = f"an offset is that of one linear predictor, and the {family.name} family has one for each category"
        raise UsageError("bad_offset", message, "leave it out, or write offset(COLUMN) in the formula of a category")


def _of_categories(family: Family, links: Mapping[str, Link], response: Response) -> tuple[Family, dict[str, Link]]:
    """The family and links once the categories of the response are known."""
    link = links[family.main]
    family = family.of_categories(response.levels, link)
    # the link asked for is that of the main parameter, or of all where they share the formula
    main = {p.name: link for p in family.parameters if p.name == family.main or family.shared_formula}
    return family, {p.name: main.get(p.name) or p.link(None, family.name) for p in family.parameters}


def prepare(spec: ModelSpec, family: Family, links: Mapping[str, Link], source: Source) -> Data:
    """Read the columns that the model uses and check everything that can be checked without fitting."""
    family = family.of_columns(source.header)
    asked = censoring(spec, source.header)
    with source.blaming_the_header():
        formula = asked.named(parse(asked.with_response(spec), source.header, family.columns, asked.columns))
    if not family.categories:  # whose parameters are known only from the response
        formula = for_family(formula, family)
        check_model(spec, family, formula)
    special = (spec.weights, spec.freq_weights, spec.sampling_weights, spec.offset, spec.exposure, spec.group)
    used = [*formula.variables, *(name for name in special if name), *cluster_columns(spec.se), *family.columns]
    columns = list(dict.fromkeys((*used, *asked.columns)))
    table = asked.with_interval(source.read(columns))
    refuse_disguised(table, formula)
    table = complete_rows(table, asked.complete(columns), spec.missing)
    table = replace(table, findings=(*table.findings, *left_out(spec, source), *many_levels(table, formula)))
    missing = {"missing": dict(table.dropped)}
    table, weightless = _drop_weightless(spec, formula, family, table)
    if family.grouped:
        table, weightless["same_response"] = _by_group(spec, formula, family, table)
    weights = _weights(table, spec.weights, "--weights")
    frequency, sampling = row_weights(spec, table)
    if asked.columns or spec.censor is not None:
        response = read_censored(formula.response, table, family, asked)
    else:
        response = read_response(formula.response, table, family, spec, weights)
    if family.categories:
        family, links = _of_categories(family, links, response)
        formula = for_family(formula, family, spec.relax)
        check_model(spec, family, formula)
    clusters = {name: group_codes(table, name) for name in cluster_columns(spec.se)}
    groups = None
    if family.grouped:
        groups = group_codes(table, str(spec.group))
        weighed = {name: table.numbers(name) for name in special[:3] if name}
        _check_groups(table, str(spec.group), groups, {**weighed, **clusters})
    return Data(
        spec=spec,
        family=family,
        links=links,
        formula=formula,
        table=table,
        response=response,
        weights=None if response.weights_are_trials else weights,
        frequency=frequency,
        sampling=sampling,
        offset=_offset(spec, table),
        clusters={
            name: codes if groups is None else codes[np.unique(groups, return_index=True)[1]]
            for name, codes in clusters.items()
        },
        groups=groups,
        dropped=missing | {reason: counts for reason, counts in weightless.items() if counts},
    )


def check_model(spec: ModelSpec, family: Family, formula: ModelFormula) -> None:
    """Raises for parameters, dispersion and standard errors that the family and the formulas together exclude."""
    terms = {predictor.parameter: predictor.terms for predictor in formula.predictors}
    for name in terms:
        if name in spec.fixed:
            raise UsageError(
                "fixed_and_modelled", f"{name} has a formula and is fixed as well", "leave one of them out"
            )
        if not terms[name] and name != family.main and not family.shared_formula:
            raise UsageError("formula", f"the formula for {name} has no terms", f"write {name} ~ 1")
    if "phi" in terms and family.quasi:
        raise ModelError(
            "quasi_phi",
            f"the {family.name} family is a quasi-likelihood: it has no density in which phi could have a formula",
            "use gaussian, gamma, inverse-gaussian, or negative-binomial with a formula for alpha",
        )
    for parameter in family.parameters:
        if parameter.name in spec.fixed:
            _check_fixed(parameter, spec.fixed[parameter.name])
    _check_dispersion(spec, family, modelled="phi" in terms or family.joint_dispersion)
    # phi without a formula is found after the coefficients, which do not depend on it
    estimated = [p for p in family.parameters if p.name in terms or p.name not in {"phi", *spec.fixed}]
    if spec.se in ("hc2", "hc3") and len(estimated) != 1:
        raise UsageError(
            "bad_se",
            f"--se {spec.se} needs the leverage of a model with one linear predictor",
            "use --se hc0 or hc1, or hold the other parameters with --fix",
        )
    if spec.bias_reduction is not None:
        _check_bias_reduction(family, [p.name for p in estimated])


def _check_bias_reduction(family: Family, estimated: Sequence[str]) -> None:
    """Jeffreys' penalty needs the expected information of one linear predictor, the mean's."""
    if family.quasi or not (family.has_moments and family.orthogonal_mean):
        raise UsageError(
            "no_bias_reduction",
            f"--bias-reduction: the {family.name} family has no likelihood with an expected information of the mean",
            "it is for gaussian, binomial, poisson, gamma, inverse-gaussian, geometric and negative-binomial",
        )
    others = [name for name in estimated if name != family.main]
    if others or family.main not in estimated:
        raise UsageError(
            "no_bias_reduction",
            f"--bias-reduction is for the coefficients of {family.main} alone, and {' and '.join(others)} "
            "would be estimated as well",
            "hold it with " + " ".join(f"--fix {name}=VALUE" for name in others),
        )


def _check_fixed(parameter: Parameter, value: float) -> None:
    low, high = {"identity": (-math.inf, math.inf), "log": (0, math.inf), "logit": (0, 1), "logit12": (1, 2)}[
        parameter.scale
    ]
    if not low < value < high:
        raise UsageError(
            "bad_fix",
            f"{parameter.name} = {value:g} is outside its range",
            {"log": "give a positive value", "logit": "give a value between 0 and 1"}.get(
                parameter.scale, f"{parameter.name} lies on a {parameter.scale} scale: give a value inside"
            ),
        )


def _check_dispersion(spec: ModelSpec, family: Family, *, modelled: bool) -> None:
    if spec.dispersion is not None and modelled:
        raise UsageError("bad_dispersion", "phi has a formula, and a dispersion is given", "leave one of them out")
    if spec.dispersion == "ml" and (family.quasi or not family.has_dispersion):
        raise UsageError(
            "bad_dispersion",
            f"the {family.name} family has no density in which phi could be estimated by maximum likelihood",
            "use --dispersion pearson or deviance" if family.has_moments else "leave it out",
        )
    for method, rests_on, stated in (
        ("pearson", "variance", family.has_moments),
        ("deviance", "deviance", family.has_deviance),
    ):
        if spec.dispersion == method and not stated:
            message = f"--dispersion {method} rests on a {rests_on}, and the {family.name} family has none"
            raise UsageError("bad_dispersion", message, "leave it out; --se hc1 allows for more spread")


def _drop_weightless(
    spec: ModelSpec, formula: ModelFormula, family: Family, table: Table
) -> tuple[Table, dict[str, dict[str, int]]]:
    """Rows of weight 0, or of no trials, say nothing: they are left out and counted, as R leaves them out of n."""
    table, dropped = without_weightless(spec, table)
    response = formula.response
    if family.trials and response.kind in ("ratio", "cbind"):
        evaluator = Evaluator(table)
        # no successes and no trials (or no failures); 3 out of 0, or -1 and 1, are for the response to refuse
        first, second = (evaluator.numbers(part) for part in response.parts)
        out = (first == 0) & (second == 0)
        table, dropped["zero_trials"] = _without(table, out, "zero trials", response.label)
    return table, {reason: counts for reason, counts in dropped.items() if counts}


def without_weightless(spec: ModelSpec, table: Table) -> tuple[Table, dict[str, dict[str, int]]]:
    """The rows of positive weight, and how many were left out for want of it."""
    dropped = {}
    for name in (spec.weights, spec.freq_weights, spec.sampling_weights):
        if name:  # one of them at most
            table, dropped["zero_weight"] = _without(table, table.numbers(name) == 0, "zero weight", name)
    return table, dropped


def _without(table: Table, out: np.ndarray, reason: str, name: str) -> tuple[Table, dict[str, int]]:
    """The other rows of the table, and how many were left out on account of `name`."""
    if not out.any():
        return table, {}
    if out.all():
        raise DataError("no_rows", f"every row has {reason} in '{name}'", "check that column")
    return table.keep(~out), {name: int(out.sum())}


def _by_group(spec: ModelSpec, formula: ModelFormula, family: Family, table: Table) -> tuple[Table, dict[str, int]]:
    """The rows in the order of their groups, without groups in which all responses are the same: they say nothing."""
    name = str(spec.group)
    y, codes = read_response(formula.response, table, family, spec, None).y, group_codes(table, name)
    sums, counts = np.bincount(codes, weights=y), np.bincount(codes)
    out = ((sums == 0) | (sums == counts))[codes]
    if out.all():
        message = f"in every group of '{name}' the responses are all the same: nothing can be compared"
        raise DataError("no_rows", message, "check --group, which names the column of the matched sets")
    order = np.argsort(codes, kind="stable")
    dropped = {name: int(out.sum())} if out.any() else {}
    return table.keep(order[~out[order]]), dropped


def _check_groups(table: Table, name: str, groups: np.ndarray, columns: Mapping[str, np.ndarray]) -> None:
    """Weights and clusters are those of a group, one value for all of its rows (`groups` in ascending order)."""
    same = groups[1:] == groups[:-1]
    for column, values in columns.items():
        differs = same & (values[1:] != values[:-1])
        if differs.any():
            row = table.rows[int(np.argmax(differs)) + 1]
            message = f"column '{column}' differs within a group of '{name}', first in row {row}"
            raise DataError("varies_within_group", message, "a group is one unit: give all of its rows the same value")


def row_weights(spec: ModelSpec, table: Table) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Frequency and sampling weights (n,), which multiply the log-likelihood of a row; None where not asked for."""
    frequency = _weights(table, spec.freq_weights, "--freq-weights")
    if frequency is not None:
        error = DataError("bad_weight", "whole numbers of repetitions", _CORRECT)
        refuse(f"column '{spec.freq_weights}'", frequency, frequency != np.rint(frequency), table.rows, error)
    sampling = _weights(table, spec.sampling_weights, "--sampling-weights")
    if sampling is not None:
        sampling = sampling / sampling.mean()  # only their ratios mean anything, and phi must not grow with their unit
    return frequency, sampling


def _weights(table: Table, name: str | None, option: str) -> np.ndarray | None:
    if name is None:
        return None
    values = table.numbers(name)
    error = DataError("bad_weight", f"{option} are positive, finite numbers", _CORRECT)
    refuse(f"column '{name}'", values, ~((values > 0) & np.isfinite(values)), table.rows, error)
    return values


def _offset(spec: ModelSpec, table: Table) -> np.ndarray:
    offset = np.zeros(len(table))
    if spec.offset:
        values = table.numbers(spec.offset)
        error = DataError("bad_offset", "an offset is a finite number", _CORRECT)
        refuse(f"column '{spec.offset}'", values, ~np.isfinite(values), table.rows, error)
        offset = offset + values
    if spec.exposure:
        values = table.numbers(spec.exposure)
        error = DataError("bad_offset", "an exposure is positive, finite", _CORRECT)
        refuse(f"column '{spec.exposure}'", values, ~((values > 0) & np.isfinite(values)), table.rows, error)
        offset = offset + np.log(values)
    return offset


def group_codes(table: Table, name: str) -> np.ndarray:
    """Codes (n,) of the distinct values of a column, in their order."""
    column = table[name]
    if column.levels is None:
        return np.unique(column.values, return_inverse=True)[1].astype(np.int64)
    return column.values
