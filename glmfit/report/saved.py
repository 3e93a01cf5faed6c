"""A fit that can be used again as JSON (`glmfit/model/1`) and back: text and numbers, no rows, nothing that runs.

The document holds the fit (`glmfit/fit/1`, unchanged), its blueprint, and a checksum of both. What is read is checked
for size before it is parsed, and for its checksum, types and lengths before anything is made of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from hashlib import sha256
from itertools import islice
from typing import Any

from glmfit.errors import DataError, shorten
from glmfit.report.document import MODEL, fit_document, layout, plain, read, read_fit
from glmfit.result import Blueprint, CovarianceSummary, Fit, Fitted

FAMILY = "glmfit/model/"
MOST_BYTES = 1 << 30
MOST_NUMBERS = 1_000_000  # of the state of one transform
AGAIN = "write it again: glmfit fit DATA FORMULA ... --save FILE"


def model_json(fitted: Fitted) -> str:
    """The model as JSON."""
    blueprint = {f.name: getattr(fitted.blueprint, f.name) for f in fields(Blueprint)}
    blueprint["transforms"] = {text: _encoded(state) for text, state in fitted.blueprint.transforms.items()}
    body = {"fit": fit_document(fitted), "blueprint": plain(blueprint)}
    return layout({"schema": MODEL, "sha256": checksum(body), **body}) + "\n"


def checksum(body: Mapping[str, Any]) -> str:
    """The SHA-256 of a document's fit and blueprint, whatever the layout, the order of keys and the form of numbers."""
    return sha256(json.dumps(_canonical(body), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def model_from_json(text: str | bytes, name: str) -> Fitted:
    """The model that `model_json` wrote, `name` being its file; `DataError` for any other text."""
    body = _checked(_parsed(text, name), name)
    try:
        fit, blueprint = read_fit(body["fit"]), read(Blueprint, body["blueprint"], "blueprint")
    except DataError as error:
        raise _damaged(name, error.message) from error
    size = len(fit.coefficients)
    if not _is_of_size(fit.covariance, size):
        raise _damaged(name, f"the covariance is not one of {size} coefficients")
    if blueprint.predictors and len(blueprint.terms) != size:
        raise _damaged(name, f"the terms are not those of {size} coefficients")
    transforms = {text: _decoded(state, text, name) for text, state in blueprint.transforms.items()}
    values = {f.name: getattr(blueprint, f.name) for f in fields(Blueprint)}
    return Fitted(
        **{f.name: getattr(fit, f.name) for f in fields(Fit)},
        blueprint=Blueprint(**{**values, "transforms": transforms}),
    )


def _is_of_size(covariance: CovarianceSummary, size: int) -> bool:
    """Whether a covariance, a matrix or its parts, is one of `size` coefficients."""
    parts = covariance.low_rank
    if covariance.reason is not None:
        return covariance.matrix is None and parts is None
    if covariance.matrix is not None:
        return len(covariance.matrix) == size and all(len(row) == size for row in covariance.matrix)
    if parts is None:
        return False
    rank = len(parts.core)
    columns = len(parts.columns) == size and all(len(row) == rank for row in parts.columns)
    d = len(parts.inner[0]) if parts.inner else 0
    inner = all(len(places) == d and all(0 <= at < size for at in places) for places in parts.inner)
    blocks = all(len(block) == d and all(len(row) == d for row in block) for block in parts.blocks)
    roots = all(
        len(root.rows) == len(root.columns) == len(root.values)
        and all(0 <= at < size for at in root.rows)
        and all(0 <= at < root.width for at in root.columns)
        for root in parts.roots
    )
    unknown = all(0 <= at < size for at in parts.unknown)
    whole = columns and inner and blocks and roots and unknown and len(parts.blocks) == len(parts.inner)
    return whole and all(len(row) == rank for row in parts.core)


def fitted(fit: Fit, blueprint: Blueprint) -> Fitted:
    """A fit with its blueprint."""
    return Fitted(**{f.name: getattr(fit, f.name) for f in fields(Fit)}, blueprint=blueprint)


# ---- From text ----


def _parsed(text: str | bytes, name: str) -> dict[str, Any]:
    """The text as a JSON object."""
    if len(text) > MOST_BYTES:
        message = f"{name} has more than {MOST_BYTES:,} bytes, which no saved model needs"
        raise DataError("not_a_model", message, "give a file that fit --save wrote")
    start = (text[:200].decode("utf-8", "replace") if isinstance(text, bytes) else text[:200]).lstrip()
    if not start.startswith("{"):
        what = f"it begins with '{shorten(start, 30)}'" if start else "it is empty"
        raise DataError("not_a_model", f"{name} is no saved model: {what}", "the model comes first, then the data")
    try:
        document: dict[str, Any] = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        where = f"{error.msg} at line {error.lineno}, column {error.colno}"
        raise DataError("damaged_model", f"{name} is no whole JSON document: {where}", AGAIN) from error
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        what = "is nested too deeply" if isinstance(error, RecursionError) else f"cannot be read: {error}"
        raise DataError("damaged_model", f"{name} {what}", AGAIN) from error
    return document


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _checked(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The fit and the blueprint of a document whose schema and checksum are right."""
    schema = document.get("schema")
    if schema != MODEL:
        said = shorten(str(schema), 40)
        if isinstance(schema, str) and schema.startswith(FAMILY):
            message = f"{name} is a model of another version of glmfit: its schema is '{said}', not '{MODEL}'"
            raise DataError("other_version", message, "use the version of glmfit that wrote it, or fit again")
        if schema == "glmfit/fit/1":
            message = f"{name} is a report (--json), from which nothing can be predicted"
            raise DataError("not_a_model", message, "write the model with fit --save FILE")
        message = f"{name} is JSON, but no saved model" + ("" if schema is None else f": its schema is '{said}'")
        raise DataError("not_a_model", message, "give a file that fit --save wrote")
    body = {key: document.get(key) for key in ("fit", "blueprint")}
    if not all(isinstance(part, dict) for part in body.values()):
        raise _damaged(name, "the fit or the blueprint is missing")
    try:
        right = document.get("sha256") == checksum(body)
    except RecursionError as error:
        raise _damaged(name, "it is nested too deeply") from error
    if not right:
        message = f"{name} was changed after it was written: its checksum does not match"
        raise DataError("edited_model", message, AGAIN)
    return body


def _damaged(name: str, what: str) -> DataError:
    return DataError("damaged_model", f"{name} is no whole model: {what}", AGAIN)


def _canonical(value: Any) -> Any:
    """Every number as a float: 1 and 1.0 are the same."""
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return repr(float(value)) if abs(value) < 1 << 1000 else str(value)
    return repr(value) if isinstance(value, float) else value


# ---- The state of transforms ----


def _encoded(value: Any) -> Any:
    """State in JSON's own types: keys as text, matrices as lists of lists; floats keep all their digits."""
    if isinstance(value, Mapping):
        return {str(key): _encoded(item) for key, item in value.items()}
    if hasattr(value, "tolist"):  # of numpy
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_encoded(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"the state of a transform holds a {type(value).__name__}")


def _decoded(state: Mapping[str, Any], text: str, name: str) -> dict[str, Any]:
    """What `_encoded` wrote: whole numbers as keys are numbers again, lists of lists matrices."""
    import numpy as np

    if sum(1 for _ in islice(_leaves(state), MOST_NUMBERS + 1)) > MOST_NUMBERS:
        raise _damaged(name, f"the state of '{shorten(text)}' has more than {MOST_NUMBERS:,} numbers")

    def restored(value: Any) -> Any:
        if isinstance(value, dict):
            return {int(key) if key.isascii() and key.isdigit() else key: restored(v) for key, v in value.items()}
        if isinstance(value, list) and value and isinstance(value[0], list):
            return np.array(value, dtype=np.float64)
        if isinstance(value, list):
            return [float(one) for one in value]
        if isinstance(value, str):
            raise ValueError(f"'{value}' is no number")
        return value

    try:
        return {key: restored(value) for key, value in state.items()}
    except (ValueError, TypeError, RecursionError) as error:
        raise _damaged(name, f"the state of '{shorten(text)}' is not one of a transform: {error}") from error


def _leaves(value: Any) -> Any:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    if items is None:
        yield value
        return
    for item in items:
        yield from _leaves(item)
