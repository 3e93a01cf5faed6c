"""`glmfit confint`: intervals of the estimates of a saved model, by Wald, profile likelihood or replicates.

Wald's need the model alone. Profiles and replicates need its rows again: the model is fitted to them once more, with
these intervals asked for, and both the rows and the estimates have to be those of the model.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from glmfit.after.penalised import refuse_penalised
from glmfit.after.refit import check_estimates, dense_rows_of, rows_of
from glmfit.after.saved import open_model
from glmfit.errors import UsageError, did_you_mean
from glmfit.families import POSITIVE_LINKS, Link, Parameter, find_link, link_kind
from glmfit.families.userfile import is_path
from glmfit.inference import Reference, wald
from glmfit.reading import PLAIN, Reading
from glmfit.report.records import Records
from glmfit.result import Auxiliary, Coefficient, Fitted
from glmfit.rows import Data
from glmfit.spec import BOOTSTRAPS, INTERVALS, one_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmfit.dense.prepare import Dense

SCHEMA = "glmfit/confint/1"
COLUMNS = ("parameter", "term", "estimate", "conf_low", "conf_high", "method", "status")


def confidence_intervals(
    fit: Fitted,
    data: Any = None,
    *,
    method: str | None = None,
    terms: Sequence[str] = (),
    level: float | None = None,
    replicates: int | None = None,
    by: str | None = None,
    seed: int | None = None,
    family: str | None = None,
    name: str = "the model",
    reading: Reading = PLAIN,
    progress: Callable[[int, int], None] | None = None,
) -> Records:
    """A row for each estimate; `method` is one of INTERVALS, where it is None profile with data and wald without."""
    refuse_penalised(fit, "intervals")
    of_covariance = data is None or fit.smoothing is not None
    method = one_of("--method", method or ("wald" if of_covariance else "profile"), INTERVALS)
    level = fit.level if level is None else level
    wanted = _wanted(fit, terms)
    resampled = method in BOOTSTRAPS
    for option, value in (("--replicates", replicates), ("--bootstrap-by", by), ("--seed", seed)):
        if value is not None and not resampled:
            message = f"{option} is for intervals by the bootstrap, not for --method {method}"
            raise UsageError("contradiction", message, "add --method bootstrap or bca, or leave it out")
    if method == "wald":
        found = _wald(fit, level, family)
        return _records(fit, found, method, level, wanted)
    if data is None:
        message = f"--method {method} needs the rows that the model was fitted to, and a saved model has none"
        raise UsageError("missing_argument", message, "name the data after the model: glmfit confint MODEL DATA")
    kind = method if replicates is None else f"{method}:{replicates}"
    options = {"ci": kind, "level": level, "bootstrap_by": by, "seed": seed, "check_separation": False}
    again = rows_of if fit.blueprint.predictors else dense_rows_of
    found = _fitted(again(fit, data, family, name, reading, **options), _with_constants(fit, wanted), progress)
    check_estimates(fit, found, found.data.source, name)
    return _records(fit, found, method, level, wanted)


def _fitted(rows: Data | Dense, wanted: Collection[str] | None, progress: Callable[[int, int], None] | None) -> Fitted:
    """The model fitted to its rows with other intervals."""
    if isinstance(rows, Data):
        from glmfit.estimate.pipeline import fit_data

        return fit_data(rows, None, progress, wanted)
    from glmfit.dense.fit import fit_prepared

    return fit_prepared(rows, None, progress, wanted)


def _wanted(fit: Fitted, terms: Sequence[str]) -> Collection[str] | None:
    """The terms asked for, None for all; `UsageError` for one that the model has not."""
    if not terms:
        return None
    known = {row.term for row in fit.coefficients} | {f"{row.parameter}:{row.term}" for row in fit.coefficients}
    known |= {row.name for row in fit.auxiliary} | ({"phi"} if _estimates_phi(fit) else set())
    for term in terms:
        if term not in known:
            names = dict.fromkeys([*(row.term for row in fit.coefficients[:12]), *(row.name for row in fit.auxiliary)])
            hint = did_you_mean(term, known) or f"write one of: {', '.join(names)}"
            raise UsageError("unknown_term", f"--terms: the model has no term '{term}'", hint)
    return frozenset(terms)


def _with_constants(fit: Fitted, wanted: Collection[str] | None) -> Collection[str] | None:
    """The terms wanted, and the constants that parameters on their natural scales are made of."""
    if wanted is None:
        return None
    return {*wanted, *(f"{one.name}:Intercept" for one in fit.auxiliary if one.name in wanted)}


def _estimates_phi(fit: Fitted) -> bool:
    return fit.dispersion.method not in ("fixed", "none", "modelled")


def _wald(fit: Fitted, level: float, family: str | None) -> Fitted:
    """The fit with Wald intervals of this level, those of constants mapped from the scales of their links."""
    rows = [
        wald.coefficient(row.parameter, row.term, row.estimate, row.std_error, row.status, Reference(row.df), level)
        for row in fit.coefficients
    ]
    constants = {row.parameter: row for row in rows if row.term == "Intercept"}
    constants |= {f"{row.parameter}:{row.term}": row for row in rows}
    scales = _scales(fit, family)
    auxiliary = []
    for one in fit.auxiliary:
        row = constants.get(one.name)
        if not one.fixed and row is not None:
            one = wald.natural(one.name, *scales[row.parameter], row)
        auxiliary.append(one)
    return replace(fit, coefficients=tuple(rows), auxiliary=tuple(auxiliary), ci="wald", bootstrap=None)


def _scales(fit: Fitted, family: str | None) -> dict[str, tuple[Parameter, Link]]:
    """Each parameter with its link, told from the links alone where the family is in a user's file."""
    if not is_path(fit.blueprint.family):
        model = open_model(fit, family)
        return {parameter.name: (parameter, model.links[parameter.name]) for parameter in model.family.parameters}
    found = {}
    for name, text in fit.model.links.items():
        link = find_link(text)
        kind = link_kind(link)
        scale = "identity" if kind == "identity" else "log" if kind in POSITIVE_LINKS else "logit"
        found[name] = Parameter(name, scale, (kind,)), link
    return found


def _records(fit: Fitted, found: Fitted, method: str, level: float, wanted: Collection[str] | None) -> Records:
    said = {"bootstrap": "percentile"}.get(method, method)
    rows = [row for row in _rows(found, said) if _is_wanted(row, wanted)]
    facts: dict[str, Any] = {
        "formulas": list(fit.model.formulas),
        "family": fit.model.family,
        "covariance": fit.covariance.kind if method == "wald" else None,
    }
    facts = {name: value for name, value in facts.items() if value not in (None, [])}
    if found.bootstrap is not None:
        drawn = found.bootstrap
        facts |= {"drawn": drawn.by, "replicates": drawn.replicates, "seed": drawn.seed}
        facts |= {"failures": dict(drawn.failures), "missing": dict(drawn.missing)}
    new = [finding for finding in found.warnings if finding not in fit.warnings] if method != "wald" else []
    told = [finding for finding in new if finding.code in SAID]
    return Records(SCHEMA, "intervals", COLUMNS, rows, facts, level, tuple(told))


SAID = ("no_profile", "replicates_failed", "no_bootstrap", "few_replicates")


def _rows(found: Fitted, method: str) -> Iterator[dict[str, Any]]:
    for row in found.coefficients:
        yield _row(row.parameter, row.term, row, method, row.status)
    for one in found.auxiliary:
        if not one.fixed:
            yield _row(one.name, None, one, method, None)
    if found.bootstrap is not None and found.bootstrap.phi is not None:
        low, high = found.bootstrap.phi
        phi = Auxiliary("phi", found.dispersion.estimate, math.nan, low, high)
        yield _row("phi", None, phi, method, None)


def _row(
    parameter: str, term: str | None, row: Coefficient | Auxiliary, method: str, status: str | None
) -> dict[str, Any]:
    ends = (row.conf_low, row.conf_high)
    if status is None and any(math.isinf(end) for end in ends):
        status = "infinite"
    elif status is None and any(math.isnan(end) for end in ends):
        status = "not_found"
    values = (parameter, term, row.estimate, *ends, method, status)
    return dict(zip(COLUMNS, values, strict=True))


def _is_wanted(row: dict[str, Any], wanted: Collection[str] | None) -> bool:
    if wanted is None:
        return True
    parameter, term = row["parameter"], row["term"]
    return (parameter if term is None else term) in wanted or f"{parameter}:{term}" in wanted
