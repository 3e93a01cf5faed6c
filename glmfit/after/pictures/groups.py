"""The caterpillar: one coefficient in all groups of a run of `fit --by`, with its intervals, in order of its size.

Of a saved model it is a random effect of all levels: its mode and the interval of its conditional distribution.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from glmfit.after.pictures.words import PLAIN, Labels
from glmfit.after.saved import is_model, read_fitted
from glmfit.errors import DataError, ModelError, UsageError, did_you_mean, shorten
from glmfit.formula import INTERCEPT
from glmfit.inference import Reference
from glmfit.report import numbers
from glmfit.report.pictures.frame import Frame
from glmfit.result import Fitted

MOST_GROUPS = 5_000  # of more, so many evenly by their order
WRITTEN = "give a saved model with random effects, or what glmfit fit --by wrote, with --format csv or --json"


def caterpillar(
    path: str,
    fit: Fitted | None = None,
    *,
    terms: Sequence[str] = (),
    exp: bool = False,
    labels: Labels = PLAIN,
) -> Frame:
    """The `rows` of one coefficient in the order of the estimates; that of all rows, where it is there, apart."""
    fit = read_fitted(path) if fit is None and is_model(path) else fit
    found = list(_groups(path) if fit is None else _modes(fit, path))
    if not found:
        raise DataError("no_rows", f"{path} holds no groups of fits", WRITTEN)
    term = _term(found, terms, path)
    rows = [row for row in found if term in (row["term"], f"{row['parameter']}:{row['term']}")]
    groups = {row["group"] for row in found if row["group"] is not None}
    overall = next((row for row in rows if row["group"] is None), None)
    rows = [row for row in rows if row["group"] is not None and math.isfinite(row["estimate"])]
    if not rows:
        raise ModelError("no_picture", f"no group has an estimate of '{term}'", "name another one with --terms")
    change = _exp if exp else float
    rows.sort(key=lambda row: row["estimate"])
    if len(rows) > MOST_GROUPS:
        rows = [rows[at] for at in np.linspace(0, len(rows) - 1, MOST_GROUPS).round().astype(int).tolist()]
    table = {"group": [row["group"] for row in rows], "label": [labels(row["group"]) for row in rows]}
    table |= {name: [change(row[name]) for row in rows] for name in ("estimate", "conf_low", "conf_high")}
    lost = len(groups) - len({row["group"] for row in rows}) if len(rows) < MOST_GROUPS else 0
    facts: dict[str, Any] = {"term": term, "groups": len(groups), "drawn": len(rows)}
    facts |= {"scale": "log" if exp else "linear", "reference": 1 if exp else 0}
    facts["overall"] = None if overall is None else change(overall["estimate"])
    null = facts["reference"]
    ends = zip(table["conf_low"], table["conf_high"], strict=True)
    clear = sum(low > null or high < null for low, high in ends)
    notes = [f"{clear:,} of {len(rows):,} intervals do not hold {null}."]
    if overall is not None:
        notes[0] += f" Of all rows together it is {numbers.short(facts['overall'])}."
    if lost:
        notes.append(f"Not drawn for want of an estimate: {lost:,} groups; their records say why.")
    if len(groups) > MOST_GROUPS:
        notes.append(f"Of {len(groups):,} groups {MOST_GROUPS:,} are drawn, evenly by their order.")
    name = ("Exp of " if exp else "Random effect, " if fit is not None else "Coefficient of ") + labels(term)
    return Frame(
        "caterpillar",
        f"{labels(term)} in {len(groups):,} groups",
        shorten(path),
        f"{name}, with intervals",
        "",
        {"rows": table},
        facts,
        tuple(notes),
        f"{name} in {len(rows):,} groups, from {numbers.short(table['estimate'][0])} to "
        f"{numbers.short(table['estimate'][-1])}. {notes[0]}",
    )


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf


def _term(found: Sequence[dict[str, Any]], terms: Sequence[str], path: str) -> str:
    """The coefficient that is asked for, or the first one that is no intercept."""
    known = dict.fromkeys(str(row["term"]) for row in found if row["term"])
    known |= dict.fromkeys(f"{row['parameter']}:{row['term']}" for row in found if row["term"])
    if len(terms) > 1:
        raise UsageError("contradiction", "a caterpillar is of one coefficient", f"write --terms {terms[0]}")
    if terms and terms[0] not in known:
        hint = did_you_mean(terms[0], known) or f"write one of: {', '.join(list(known)[:12])}"
        raise UsageError("unknown_term", f"--terms: no group of {path} has a coefficient '{shorten(terms[0])}'", hint)
    if not known:
        raise ModelError("no_picture", f"no group of {path} has an estimate", "its records say why")
    return terms[0] if terms else next((name for name in known if name != INTERCEPT.name), next(iter(known)))


def _modes(fit: Fitted, path: str) -> Iterator[dict[str, Any]]:
    """The random effects of a model, as coefficients of the levels."""
    if fit.random_effects is None:
        message = f"{path} is a model without random effects, and has no groups"
        raise ModelError("no_picture", message, "add (1 | g) to its formula; or give the file that fit --by wrote")
    q = Reference(None).quantile(fit.level)
    for term in fit.random_effects.terms:
        for one in term.modes or ():
            ends = (one.estimate - q * one.std_error, one.estimate + q * one.std_error)
            row = {"group": one.level, "parameter": term.parameter, "term": f"{one.effect} | {term.group}"}
            yield {**row, "estimate": one.estimate, "conf_low": ends[0], "conf_high": ends[1]}


def _groups(path: str) -> Iterator[dict[str, Any]]:
    """The coefficients of all groups: group (None for all rows), parameter, term, estimate and interval."""
    try:
        with open(path, encoding="utf-8") as stream:
            begin = stream.read(1)
    except FileNotFoundError:
        raise DataError("not_found", f"no file {path}", "write it with glmfit fit --by COLUMN -o FILE") from None
    except (OSError, ValueError) as error:
        raise DataError("not_readable", f"{path} cannot be read: {error}", "check the path") from error
    yield from _of_lines(path) if begin == "{" else _of_csv(path)


def _of_lines(path: str) -> Iterator[dict[str, Any]]:
    with open(path, encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                document = json.loads(line)
                group = document["group"]
                coefficients = document.get("coefficients", [{}])
            except (ValueError, KeyError, AttributeError, TypeError) as error:
                raise DataError("not_a_fit", f"line {number} of {path} is no fit of a group", WRITTEN) from error
            name = None if group is None else ", ".join(str(value) for value in group.values())
            yield from (_coefficient(name, row) for row in coefficients or [{}])


def _of_csv(path: str) -> Iterator[dict[str, Any]]:
    with open(path, encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        header = list(reader.fieldnames or [])
        if not {"n", "term", "estimate", "conf_low", "conf_high"} <= set(header) or header[0] == "n":
            raise DataError("not_a_fit", f"{path} has not the columns of fits of groups", WRITTEN)
        own = header[: header.index("n")]
        for row in reader:
            values = [row[name] for name in own]
            yield _coefficient(", ".join(values) if any(values) else None, row)


def _coefficient(group: str | None, row: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"group": group, "parameter": row.get("parameter"), "term": row.get("term")}
    for name in ("estimate", "conf_low", "conf_high"):
        text = row.get(name)
        found[name] = math.nan if text in (None, "") else float(text)
    return found
