"""Effects: what the model predicts over one covariate, lines by a factor, averaged over the rows; see `margins`.

With partial residuals everything is on the scale of the link: a row lies at the curve plus its working residual.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glmfit.after.averages import Value
from glmfit.after.conditional import OF_MARGINS, OF_RESIDUALS, with_random
from glmfit.after.covariates import Covariate, covariates, named
from glmfit.after.effects import Request, label_of
from glmfit.after.margins import margins
from glmfit.after.newdata import Asked
from glmfit.after.pictures.smooth import hexagons
from glmfit.after.pictures.words import PLAIN, Labels, model_line
from glmfit.after.quantities import quantity
from glmfit.after.sample import Sample
from glmfit.after.saved import SavedModel
from glmfit.errors import ModelError, UsageError
from glmfit.report.pictures.frame import Frame
from glmfit.table import Source

STEPS = 60  # between the ends of a covariate of numbers
FEW = 12  # distinct values that are the places themselves
MOST_LINES = 7
MANY = 10_000  # partial residuals beyond which hexagons are drawn


@dataclass(frozen=True, slots=True)
class Wanted:
    """What `effects` is asked for: the covariate, the factor whose levels have lines, values of others, and of what."""

    x: str | None = None
    by: str | None = None
    at: tuple[str, ...] = ()
    of: str | None = None
    level: float | None = None
    partial: bool = False


def effects(model: SavedModel, source: Source, asked: Asked, wanted: Wanted, labels: Labels = PLAIN) -> Frame:
    """A `curve` with its interval over the covariate, or a point at each of its levels; `deciles` of the covariate."""
    if wanted.partial and wanted.of not in (None, "link"):
        message = f"--partial draws residuals on the scale of the link, not of --of {wanted.of}"
        raise UsageError("contradiction", message, "leave out --of, or --partial")
    given = with_random(model, None, OF_RESIDUALS)
    model = with_random(model, None, OF_MARGINS)
    of = quantity(model, "link" if wanted.partial else wanted.of)
    known = covariates(model, of)
    x, by = _chosen(known, wanted, of)
    column = _values(model, source, asked, x) if not x.levels else np.zeros(0)
    places: Sequence[Value] = x.levels or _grid(column)
    lines: Sequence[Value] = () if by is None else _levels(model, source, asked, by)
    at = [_text(x.name, places), *([_text(by.name, lines)] if by is not None else []), *wanted.at]
    found = margins(model, source, asked, Request(of=of.name, at=tuple(at), level=wanted.level))
    curve: dict[str, list[Any]] = {name: [] for name in ("x", "by", "level", "estimate", "conf_low", "conf_high")}
    for row in found.rows:
        place = row["at"][x.name]
        curve["x"].append(place if not x.levels else label_of(place))
        curve["by"].append(None if by is None else label_of(row["at"][by.name]))
        for name in ("level", "estimate", "conf_low", "conf_high"):
            curve[name].append(row[name])
    tables: dict[str, Any] = {"curve": curve}
    facts: dict[str, Any] = {"of": of.name, "x": x.name, "by": None if by is None else by.name, **_about(found)}
    if not x.levels:
        tables["deciles"] = {"x": np.quantile(column, np.linspace(0, 1, 11))}
    if wanted.partial:
        tables |= _partial(given, source, asked, x, by, curve, facts)
    return _frame(model, found, tables, facts, labels)


def _chosen(known: dict[str, Covariate], wanted: Wanted, of: Any) -> tuple[Covariate, Covariate | None]:
    if not known:
        message = f"the {of.name} of this model depends on no covariate"
        raise ModelError("no_picture", message, "fit one with covariates")
    x = named(known, wanted.x, "--x", of) if wanted.x is not None else next(iter(known.values()))
    by = None if wanted.by is None else named(known, wanted.by, "--by", of)
    if by is not None and by.name == x.name:
        message = f"--x and --by are both '{x.name}'"
        raise UsageError("contradiction", message, "draw lines by another covariate, or leave out --by")
    for text in wanted.at:
        name = text.partition("=")[0].strip()
        if name in (x.name, None if by is None else by.name):
            message = f"--at: '{name}' takes all its values in this picture"
            raise UsageError("contradiction", message, "hold other columns, or draw over another one with --x")
    return x, by


def _values(model: SavedModel, source: Source, asked: Asked, x: Covariate) -> np.ndarray:
    """(n,) the values of a covariate of numbers in the rows that have all the model needs."""
    sample = Sample(model, source, asked, 1.0)
    parts = [run.rows.table.numbers(x.name) for run in sample]
    return np.concatenate(parts)


def _grid(values: np.ndarray) -> list[float]:
    distinct = np.unique(values)
    if len(distinct) <= FEW:
        return [float(value) for value in distinct]
    return [float(value) for value in np.linspace(distinct[0], distinct[-1], STEPS + 1)]


def _levels(model: SavedModel, source: Source, asked: Asked, by: Covariate) -> Sequence[Value]:
    """The levels that have lines; of numbers a low, a middle and a high value, or the few that there are."""
    if by.levels:
        if len(by.levels) > MOST_LINES:
            message = f"--by: '{by.name}' has {len(by.levels)} levels, and at most {MOST_LINES} lines can be told apart"
            raise UsageError("invalid_value", message, f"draw over it: --x {by.name}")
        return by.levels
    values = _values(model, source, asked, by)
    distinct = np.unique(values)
    if len(distinct) <= MOST_LINES - 2:
        return [float(value) for value in distinct]
    return [float(f"{value:.3g}") for value in np.quantile(values, (0.1, 0.5, 0.9))]


def _text(name: str, values: Sequence[Value]) -> str:
    """NAME=VALUES as an option takes them."""
    return f"{name}=" + ",".join(f"`{one}`" if isinstance(one, str) else repr(one) for one in values)


def _about(found: Any) -> dict[str, Any]:
    return {"level": found.level, "covariance": found.facts.get("covariance"), "rows": found.facts.get("rows")}


def _partial(
    model: SavedModel,
    source: Source,
    asked: Asked,
    x: Covariate,
    by: Covariate | None,
    curve: dict[str, list[Any]],
    facts: dict[str, Any],
) -> dict[str, Any]:
    """Where the rows lie: the curve at their covariate, linear between its places, plus the working residual."""
    from glmfit.after.rows import observed_rows, pieces
    from glmfit.after.rowwise import mean_slope

    if not (model.family.has_mean and model.family.has_deviance):
        message = f"the {model.family.name} family has no working residuals to be drawn"
        raise ModelError("no_picture", message, "leave out --partial")
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for run in observed_rows(model, source, asked):
        for piece in pieces(model, run, asked.missing == "keep"):
            error = piece.y - model.family.mean(*piece.natural, **piece.columns)
            working = (error / mean_slope(model, piece)).detach().numpy()
            inside = np.isin(run.new.place, piece.part.place)
            parts.append((_labelled(run.new.table, x, inside), _labelled(run.new.table, by, inside), working))
    at, lines, working = (np.concatenate(part) for part in zip(*parts, strict=True))
    if by is not None and not by.levels:  # of lines at values of a column of numbers the nearest
        places = np.array(sorted(dict.fromkeys(float(one) for one in curve["by"])))
        lines = np.array([label_of(places[np.argmin(np.abs(places - value))]) for value in lines], dtype=object)
    heights = _at_curve(at, lines, x, curve)
    value = heights + working
    there = np.isfinite(value)
    if there.sum() > MANY and not x.levels:
        plain = at[there].astype(float)
        low, high = np.quantile(value[there], (0.001, 0.999))
        inside = (value[there] >= low) & (value[there] <= high)
        bins, facts["hexagon"] = hexagons(
            plain[inside], value[there][inside], (float(plain.min()), float(plain.max())), (float(low), float(high))
        )
        return {"bins": bins}
    own = [None] * int(there.sum()) if by is None else lines[there]
    return {"partial": {"x": at[there], "by": own, "value": value[there]}}


def _at_curve(at: np.ndarray, lines: np.ndarray, x: Covariate, curve: dict[str, list[Any]]) -> np.ndarray:
    """(n,) the height of its line at the covariate of each row."""
    found = np.full(len(at), np.nan)
    for line in dict.fromkeys(curve["by"]):
        own = [i for i, one in enumerate(curve["by"]) if one == line]
        rows = np.ones(len(at), dtype=bool) if line is None else lines == line
        places, values = [curve["x"][i] for i in own], [curve["estimate"][i] for i in own]
        if x.levels:
            known = dict(zip(places, values, strict=True))
            found[rows] = [known.get(place, np.nan) for place in at[rows]]
        else:
            found[rows] = np.interp(at[rows].astype(float), places, values)
    return found


def _labelled(table: Any, covariate: Covariate | None, inside: np.ndarray) -> np.ndarray:
    """(m,) the values of a column of some rows of a table, those of a factor as labels."""
    if covariate is None:
        return np.full(int(inside.sum()), None, dtype=object)
    column = table[covariate.name]
    if column.levels is not None:
        return np.array([column.levels[code] for code in column.values[inside]], dtype=object)
    values = column.values[inside]
    return np.array([label_of(float(v)) for v in values], dtype=object) if covariate.levels else values


def _frame(model: SavedModel, found: Any, tables: dict[str, Any], facts: dict[str, Any], labels: Labels) -> Frame:
    x, by, of = facts["x"], facts["by"], facts["of"]
    response = model.fit.model.response
    what = {"mean": f"Mean of {labels(response)}", "link": f"Linear predictor of {labels(response)}"}.get(of, of)
    if of == "probabilities":
        what = f"Probability of {labels(response)}"
    elif of == "mean" and model.family.trials:
        success = model.fit.model.success
        what = f"Probability of {labels(response)}" + (f" = {success}" if success is not None else "")
    estimates = np.array([np.nan if e is None else e for e in tables["curve"]["estimate"]], dtype=float)
    finite = estimates[np.isfinite(estimates)]
    reach = f" It goes from {finite.min():.4g} to {finite.max():.4g}." if len(finite) else ""
    description = f"{what} over {x}{'' if by is None else f' by {by}'}, averaged over {facts['rows']:,} rows.{reach}"
    title = f"{what} over {labels(x)}" + ("" if by is None else f", by {labels(by)}")
    notes = [f"Averages over the {facts['rows']:,} rows, with {100 * facts['level']:g} % intervals."]
    if "partial" in tables or "bins" in tables:
        notes.append("Points: partial residuals, the curve plus the working residual of the row.")
    notes += [finding.message[0].upper() + finding.message[1:] + "." for finding in found.findings]
    facts["legend"] = None if by is None else labels(by)
    return Frame("effects", title, model_line(model.fit), labels(x), what, tables, facts, tuple(notes), description)
