"""A saved model fitted again: its specification, made from what was asked, and the rows that it was fitted to.

A command that needs more than a fit keeps (a profile, replicates, residuals) asks for DATA again. They must be the rows
of the fit: the same number, responses and weights in the same order, told by the fingerprint. What else a row holds is
told by the estimates, which the same covariates give again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from glmfit.after.saved import likelihood_file
from glmfit.errors import DataError, UsageError
from glmfit.estimate.idle import without_idle
from glmfit.reading import PLAIN, Reading
from glmfit.report.saved import AGAIN
from glmfit.result import Fingerprint, Fit, Fitted
from glmfit.rows import Data, fingerprint, read
from glmfit.spec import ModelSpec

if TYPE_CHECKING:
    from glmfit.dense.prepare import Dense

SAME_ESTIMATE = 1e-3  # standard errors: a search that begins elsewhere, or another library, ends nearer than this
SAME_DATA = "give the file, the rows and the options of reading that the model was fitted with, or fit again"


def specification(
    fit: Fitted, family: str | None = None, name: str = "the model", reading: Reading = PLAIN
) -> ModelSpec:
    """What the fit of a model was asked for; `family` names the file of a user's likelihood again.

    Data are read as they were, unless `reading` says how.

    Raises `UsageError` where that is missing, `DataError` where the file was changed, or what was asked makes no sense.
    """
    asked = {**fit.blueprint.asked, "family": likelihood_file(fit, family, name)}
    asked["reading"] = fit.blueprint.reading.again(reading)
    known = {field.name for field in fields(ModelSpec)}
    if unknown := sorted(set(asked) - known):
        message = f"{name} was fitted with the option '{unknown[0]}', which this version of glmfit does not know"
        raise DataError("other_version", message, "use the version of glmfit that wrote it, or fit again")
    try:
        return ModelSpec(**{key: _frozen(value) for key, value in asked.items()})
    except UsageError as error:
        raise DataError("damaged_model", f"{name} is no whole model: {error.message}", AGAIN) from error


def _frozen(value: Any) -> Any:
    """A field of a specification from JSON's own types."""
    return tuple(value) if isinstance(value, list) else dict(value) if isinstance(value, Mapping) else value


def rows_of(
    fit: Fitted,
    data: Any,
    family: str | None = None,
    name: str = "the model",
    reading: Reading = PLAIN,
    **options: Any,
) -> Data:
    """The rows of DATA as the fit saw them, for a fit with other `options`; `DataError` where they are others."""
    found = read(replace(specification(fit, family, name, reading), **options), data)
    if found.absorbed:
        found = without_idle(found)
    check_rows(fit.blueprint.fingerprint, fingerprint(found), found.table.source, name)
    return found


def dense_rows_of(
    fit: Fitted,
    data: Any,
    family: str | None = None,
    name: str = "the model",
    reading: Reading = PLAIN,
    **options: Any,
) -> Dense:
    """The same for a model whose likelihood is no linear form."""
    from glmfit.dense.fit import fingerprint as dense_fingerprint
    from glmfit.dense.prepare import prepare
    from glmfit.families.userfile import load, split
    from glmfit.table import open_data

    spec = replace(specification(fit, family, name, reading), **options)
    path, _ = split(spec.family)
    found = prepare(spec, open_data(data, spec.reading), path, load(path))
    check_rows(fit.blueprint.fingerprint, dense_fingerprint(found), found.table.source, name)
    return found


def check_rows(known: Fingerprint, found: Fingerprint, source: str, name: str) -> None:
    """`DataError` that says what differs between the rows of the model and those of `source`."""
    if found.rows != known.rows:
        message = f"{name} was fitted to {known.rows:,} rows, and {source} gives {found.rows:,} complete ones"
        raise DataError("other_data", message, SAME_DATA)
    if found.response != known.response:
        message = f"{source} has {found.rows:,} rows, as the data of {name}, but its responses, or their order, differ"
        raise DataError("other_data", message, SAME_DATA)
    if found.weights != known.weights:
        raise DataError("other_data", f"the weights in {source} are not those that {name} was fitted with", SAME_DATA)


def check_estimates(known: Fit, found: Fit, source: str, name: str = "the model") -> None:
    """`DataError` where a fit to the same responses gives other coefficients: its covariates are others."""
    again = {(row.parameter, row.term): row for row in found.coefficients}
    for row in known.coefficients:
        other = again.get((row.parameter, row.term))
        if other is None:
            message = f"{name} has the term '{row.term}', which {source} does not lead to"
            raise DataError("other_data", message, SAME_DATA)
        if math.isfinite(row.std_error) and not abs(row.estimate - other.estimate) <= SAME_ESTIMATE * row.std_error:
            message = (
                f"the responses in {source} are those of {name}, but '{row.term}' is {row.estimate:.6g} in the model "
                f"and {other.estimate:.6g} when it is fitted to {source}: a covariate differs"
            )
            raise DataError("other_data", message, SAME_DATA)
