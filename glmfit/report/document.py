"""A fit as JSON (`glmfit/fit/1`) and back; errors as JSON (`glmfit/error/1`); the JSON Schemas.

Keys follow the dataclasses of `glmfit.result`, so reading is one walk over their type hints. Floats are written with
the digits that identify them; NaN and infinities become null, and a row that holds one names it in `status`.
"""

from __future__ import annotations

import json
import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass, replace
from typing import Any, Union, get_args, get_origin, get_type_hints

from glmfit import explain
from glmfit.errors import DataError, GlmfitError
from glmfit.report.exponentiate import ratios
from glmfit.result import Auxiliary, Coefficient, CovarianceSummary, Fit, JointTest
from glmfit.smooths import SmoothTerm

FIT = "glmfit/fit/1"
MODEL = "glmfit/model/1"
ERROR = "glmfit/error/1"
MOST_WRITTEN = 1_000  # coefficients whose covariance is written unasked
NOT_FINITE = "not_finite"  # the status of a row in which a number had to become null
SCHEMAS = {FIT: "fit-1.json", MODEL: "model-1.json", ERROR: "error-1.json", explain.SCHEMA: "explain-1.json"}
OF_RECORDS = (
    "anova",
    "compare",
    "confint",
    "diagnosis",
    "margins",
    "picture",
    "scan",
    "step",
    "test",
)  # commands that write them
SCHEMAS |= {f"glmfit/{name}/1": f"{name}-1.json" for name in OF_RECORDS}


def to_json(fit: Fit, *, exp: bool = False, covariance: bool = False) -> str:
    """The fit as JSON; `exp` adds the exponentiated coefficients of mu and changes nothing else.

    The covariance of very many coefficients is written where `covariance` asks for it.
    """
    return layout(reported(fit, exp=exp, covariance=covariance)) + "\n"


def reported(fit: Fit, *, exp: bool = False, covariance: bool = False) -> dict[str, Any]:
    """What `to_json` writes, in JSON's own types."""
    document = fit_document(replace(fit, covariance=_written(fit.covariance, len(fit.coefficients), covariance)))
    if exp:
        document["exponentiated"] = plain(_exponentiated(fit))
    return document


def line(document: Mapping[str, Any]) -> str:
    """A document on one line, for JSON lines."""
    return json.dumps(document, allow_nan=False, ensure_ascii=False)


def _written(summary: CovarianceSummary, size: int, asked: bool) -> CovarianceSummary:
    """What of a covariance of `size` coefficients is written in a report."""
    if size <= MOST_WRITTEN or summary.reason is not None:
        return summary
    if asked:
        return replace(summary, matrix=tuple(tuple(row) for row in summary.array().tolist()), low_rank=None)
    reason = f"{size:,} coefficients have {size**2:,} covariances, which --covariance writes"
    return replace(summary, matrix=None, low_rank=None, reason=reason)


def fit_document(fit: Fit) -> dict[str, Any]:
    """The fit in JSON's own types."""
    document: dict[str, Any] = {"schema": FIT, **{f.name: getattr(fit, f.name) for f in fields(Fit)}}
    document["coefficients"] = [_row(c) for c in fit.coefficients]
    document["auxiliary"] = [_row(a) for a in fit.auxiliary]
    document["joint_tests"] = [_row(test) for test in fit.joint_tests]
    document["smooths"] = [_row(smooth) for smooth in fit.smooths]
    found: dict[str, Any] = plain(document)
    return found


def error_json(error: GlmfitError) -> str:
    """An error as JSON."""
    return layout(error_document(error)) + "\n"


def error_document(error: GlmfitError) -> dict[str, Any]:
    """The same in JSON's own types."""
    return {"schema": ERROR, "error": {"code": error.code, "message": error.message, "hint": error.hint}}


def schema(name: str = FIT) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of one kind of document."""
    from importlib.resources import files

    found: dict[str, Any] = json.loads(files("glmfit").joinpath("schema", SCHEMAS[name]).read_text(encoding="utf-8"))
    return found


def fit_from_json(text: str) -> Fit:
    """The `Fit` that `to_json` wrote, null read as NaN; `DataError` where the text is not such a document."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(
            "not_json",
            f"the saved fit is not JSON: {error.msg} at line {error.lineno}, column {error.colno}",
            "give a file written with --json",
        ) from error
    found = document.get("schema") if isinstance(document, dict) else None
    if found != FIT:
        raise DataError(
            "not_a_fit",
            f"expected a document with schema '{FIT}', found {found!r}",
            "give a file that this version of glmfit wrote with --json",
        )
    return read_fit(document)


def read_fit(document: dict[str, Any]) -> Fit:
    """The `Fit` that `fit_document` made plain."""
    fit: Fit = read(Fit, document, "")
    return fit


def _row(row: Coefficient | Auxiliary | JointTest | SmoothTerm) -> dict[str, Any]:
    values = asdict(row)
    finite = all(math.isfinite(v) for v in values.values() if isinstance(v, float))
    values["status"] = values.get("status") or (None if finite else NOT_FINITE)
    return values


def _exponentiated(fit: Fit) -> list[dict[str, Any]]:
    found = ratios(fit)
    keep = ("parameter", "term", "estimate", "std_error", "conf_low", "conf_high", "status")
    rows = [_row(c) for c in found.coefficients]
    return [{"measure": found.measure, **{key: row[key] for key in keep}} for row in rows]


def plain(value: Any) -> Any:
    """`value` in JSON's own types, what is not finite as None."""
    if isinstance(value, float):  # first, for there may be very many
        return float(value) if math.isfinite(value) else None
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def layout(value: Any, indent: str = "") -> str:
    """JSON with one line for each innermost object or array: a coefficient, a row of the covariance."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if not any(isinstance(item, dict | list) for item in items):
        return json.dumps(value, allow_nan=False, ensure_ascii=False)
    inner = indent + "  "
    if isinstance(value, dict):
        lines = [f"{json.dumps(key, ensure_ascii=False)}: {layout(item, inner)}" for key, item in value.items()]
        first, last = "{", "}"
    else:
        lines = [layout(item, inner) for item in value]
        first, last = "[", "]"
    return f"{first}\n{inner}" + f",\n{inner}".join(lines) + f"\n{indent}{last}"


def read(hint: Any, value: Any, where: str) -> Any:
    """`value` as the type `hint`; keys that the type does not know are additions of later versions and are left."""
    origin, parts = get_origin(hint), get_args(hint)
    if parts == (int, float):
        return _expect(parts, value, where)
    if origin in (Union, types.UnionType):
        return None if value is None else read(next(p for p in parts if p is not type(None)), value, where)
    if is_dataclass(hint):
        return _read_dataclass(hint, _expect(dict, value, where), where)
    if origin is tuple:
        items = _expect(list, value, where)
        kinds = [parts[0]] * len(items) if parts[-1] is Ellipsis else parts
        return tuple(read(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(zip(kinds, items, strict=True)))
    if origin is Mapping:
        return {key: read(parts[1], item, f"{where}.{key}") for key, item in _expect(dict, value, where).items()}
    if hint is Any:
        return value
    if hint is float:
        return math.nan if value is None else float(_expect((int, float), value, where))
    return _expect(hint, value, where)


def _read_dataclass(hint: Any, value: dict[str, Any], where: str) -> Any:
    hints = get_type_hints(hint)
    # What has a default was added later, and older documents lack it.
    missing = [f.name for f in fields(hint) if f.name not in value and f.default is MISSING]
    if missing:
        raise DataError(
            "not_a_fit",
            f"the saved fit has no '{f'{where}.{missing[0]}'.lstrip('.')}'",
            "the file is incomplete or was edited; write it again with --json",
        )
    found = {name: read(hints[name], value[name], f"{where}.{name}") for name in hints if name in value}
    if found.get("status") == NOT_FINITE:
        found["status"] = None
    return hint(**found)


def _expect(kind: Any, value: Any, where: str) -> Any:
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise DataError(
        "not_a_fit",
        f"the saved fit has {value!r} at '{where.lstrip('.')}'",
        "the file was edited or damaged; write it again with --json",
    )
