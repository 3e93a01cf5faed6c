"""Pictures of many fits, from the files that `fit --scan` and `fit --by` write: CSV or JSON lines.

volcano      -log10 p against the estimate        manhattan    -log10 p in the order of the file, or of a position
caterpillar  the estimates of one coefficient in all groups, with their intervals, by size
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from glmfit.after.pictures.smooth import hexagons
from glmfit.after.pictures.words import PLAIN, Labels
from glmfit.errors import DataError, UsageError
from glmfit.report.pictures.frame import Frame
from glmfit.table import Source, open_data

MANY = 10_000  # points beyond which hexagons are drawn
NAMED = 8  # terms
ALPHA = 0.05  # what an adjusted p-value has to be below
SMALLEST = 5e-324


def _scan(path: str, what: str, further: Sequence[str] = ()) -> tuple[Source, dict[str, Any]]:
    """The columns of a scan: those that a picture needs, and p_adjusted where it is there."""
    source = open_data(path)
    needed = ["term", "p_value", *(["estimate"] if what == "volcano" else [])]
    lacking = [name for name in needed if name not in source.header]
    if lacking:
        message = f"{path} has no column '{lacking[0]}', which a {what} is drawn from"
        raise DataError("unknown_column", message, "give a file that glmfit fit --scan wrote: CSV, or JSON lines")
    extra = [name for name in ("estimate", "p_adjusted") if name in source.header]
    table = source.read(list(dict.fromkeys([*needed, *extra, *further])), ["term", *further[1:]])
    found: dict[str, Any] = {name: table.numbers(name) for name in dict.fromkeys([*needed[1:], *extra, *further[:1]])}
    for name in ("term", *further[1:]):
        column = table[name]
        levels = column.levels or ()
        found[name] = np.array([levels[code] if code >= 0 else None for code in column.values], dtype=object)
    return source, found


def _strength(p: np.ndarray) -> np.ndarray:
    return -np.log10(np.maximum(p, SMALLEST))


def _drawn(
    x: np.ndarray, y: np.ndarray, columns: dict[str, Any], facts: dict[str, Any], bound: float
) -> dict[str, Any]:
    """All points, or hexagons of very many; those beyond the bound, and the names of the strongest."""
    beyond = y >= bound
    facts["beyond"] = int(beyond.sum())
    order = np.argsort(-y, kind="stable")
    named = [at for at in order[:NAMED].tolist() if beyond[at]]
    picked = {name: values[named] for name, values in columns.items()}
    tables: dict[str, Any] = {"named": {**picked, "x": x[named], "y": y[named]}}
    if len(x) > MANY:
        low, high = float(x.min()), float(x.max())
        tables["bins"], facts["hexagon"] = hexagons(x, y, (low, high), (0.0, float(y.max())), 60)
        kept = [at for at in order[:MANY].tolist() if beyond[at]]
    else:
        kept = list(range(len(x)))
    if kept:
        own = {name: values[kept] for name, values in columns.items()}
        tables["points"] = {**own, "x": x[kept], "y": y[kept], "beyond": beyond[kept]}
    return tables


def _bound(found: dict[str, Any], there: np.ndarray) -> tuple[float, str]:
    """The -log10 p from which on an adjusted p-value is below 0.05, and what it is adjusted by."""
    p = found["p_value"][there]
    if "p_adjusted" in found:
        adjusted = found["p_adjusted"][there]
        passed, strength = adjusted < ALPHA, _strength(p)
        weakest = float(strength[passed].min()) if passed.any() else math.inf
        next_one = float(strength[~passed].max(initial=0.0))
        return 0.5 * (weakest + min(weakest, next_one)), f"adjusted p below {ALPHA:g}"
    return float(_strength(np.array([ALPHA / len(p)]))[0]), f"p below {ALPHA:g} / {len(p):,} (Bonferroni)"


def _said(facts: dict[str, Any], lost: int) -> tuple[str, ...]:
    notes = [f"{facts['beyond']:,} of {facts['models']:,} beyond the line: {facts['adjusted']}."]
    if math.isinf(facts["bound"]):
        notes = [f"None of {facts['models']:,} has an {facts['adjusted']}."]
    if lost:
        notes.append(f"Not drawn for want of a p-value: {lost:,}; their rows say why.")
    return tuple(notes)


def volcano(path: str, labels: Labels = PLAIN) -> Frame:
    """The strength of each model against its estimate."""
    source, found = _scan(path, "volcano")
    there = np.isfinite(found["p_value"]) & np.isfinite(found["estimate"])
    x, y = found["estimate"][there], _strength(found["p_value"][there])
    _check_some(path, y)
    bound, adjusted = _bound(found, there)
    facts: dict[str, Any] = {"models": len(y), "bound": bound, "adjusted": adjusted}
    terms = np.array([None if one is None else labels(one) for one in found["term"][there]], dtype=object)
    tables = _drawn(x, y, {"term": terms, "p_value": found["p_value"][there]}, facts, bound)
    return _frame("volcano", "Estimates and their p-values", source, "Estimate", tables, facts, int((~there).sum()))


def manhattan(path: str, *, x: str | None = None, by: str | None = None, labels: Labels = PLAIN) -> Frame:
    """The strength of each model in the order of the file, or of column `x` within the values of column `by`."""
    further = [x, by] if x is not None and by is not None else [x] if x is not None else []
    if by is not None and x is None:
        raise UsageError("missing_argument", "--by needs the positions: a column of numbers", "add --x COLUMN")
    source, found = _scan(path, "manhattan", [name for name in further if name is not None])
    there = np.isfinite(found["p_value"])
    if x is not None:
        there &= np.isfinite(found[x])
    y = _strength(found["p_value"][there])
    _check_some(path, y)
    place = np.arange(1.0, len(there) + 1)[there] if x is None else found[x][there]
    tables: dict[str, Any] = {}
    columns: dict[str, Any] = {"p_value": found["p_value"][there]}
    columns["term"] = np.array([None if one is None else labels(one) for one in found["term"][there]], dtype=object)
    if by is not None:
        place, tables["parts"], part = _side_by_side(place, found[by][there])
        columns["part"] = part
    bound, adjusted = _bound(found, there)
    facts: dict[str, Any] = {"models": len(y), "bound": bound, "adjusted": adjusted}
    tables |= _drawn(place, y, columns, facts, bound)
    axis = labels(by) if by is not None else labels(x) if x is not None else "Models in the order of the file"
    return _frame("manhattan", "Strength of evidence", source, axis, tables, facts, int((~there).sum()))


def _side_by_side(place: np.ndarray, by: np.ndarray) -> tuple[np.ndarray, dict[str, Any], np.ndarray]:
    """Positions with the parts one after the other, in their order in the file; the parts, and which each row is of."""
    names = list(dict.fromkeys(by.tolist()))
    out, part, start = np.empty(len(place)), np.empty(len(place), dtype=np.int64), 0.0
    table: dict[str, list[Any]] = {"part": [], "low": [], "high": []}
    for at, name in enumerate(names):
        own = by == name if name is not None else np.array([one is None for one in by])
        low, high = float(place[own].min()), float(place[own].max())
        out[own] = start + place[own] - low
        part[own] = at
        table["part"].append(name)
        table["low"].append(start)
        table["high"].append(start + high - low)
        start += (high - low) * 1.02 or 1.0
    return out, table, part


def _check_some(path: str, y: np.ndarray) -> None:
    if not len(y):
        raise DataError("no_rows", f"no model in {path} has a p-value", "its rows say why")


def _frame(
    kind: str, title: str, source: Source, x: str, tables: dict[str, Any], facts: dict[str, Any], lost: int
) -> Frame:
    names = [str(name) for name in tables["named"]["term"][:5]]
    strongest = f" The strongest are {', '.join(names)}." if names else ""
    notes = _said(facts, lost)
    return Frame(
        kind, title, f"{source.name}: {facts['models']:,} models", x, "-log10 p-value", tables, facts, notes,
        f"{title} of {facts['models']:,} models. {notes[0]}{strongest}",
    )  # fmt: skip
