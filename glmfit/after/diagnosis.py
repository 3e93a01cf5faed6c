"""`glmfit residuals --check`: a fit at a glance, each question with a statistic and a verdict in words.

Tests of dispersion (Pearson's chi-square), of zeros, and of quantile residuals hold the estimates to be the truth, as
DHARMa's simulations do; what the estimates took from the data makes them say "no" a little less often than they claim.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from glmfit.after.binary import binary_checks
from glmfit.after.conditional import OF_CHECKS, with_random
from glmfit.after.influence import NAMES as INFLUENCE
from glmfit.after.influence import Survey, influence, survey
from glmfit.after.law import spreading
from glmfit.after.links import link_check
from glmfit.after.newdata import Asked
from glmfit.after.rows import observed_rows, pieces
from glmfit.after.rowwise import NAMES, residuals
from glmfit.after.saved import SavedModel
from glmfit.after.units import Units
from glmfit.after.verdicts import COLUMNS, UNLIKELY, Row, verdict
from glmfit.errors import DataError, Finding
from glmfit.formula import INTERCEPT
from glmfit.inference import Reference
from glmfit.report.records import Records
from glmfit.table import Source

SCHEMA = "glmfit/diagnosis/1"
MOST_NAMED = 3  # rows
MODERATE, HIGH = math.sqrt(5), math.sqrt(10)  # GVIF^(1/(2 df)): how many times a standard error is inflated


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """Columns (m,) of all rows that have an answer: residuals, influence, number, y, trials, weights, Pr(y = 0).

    `units` are the quantile residuals of all units, those of a row in turn, or why these were not drawn.
    """

    columns: dict[str, np.ndarray]
    whole: Survey
    units: np.ndarray | str

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]


def diagnosis(model: SavedModel, source: Source, asked: Asked, seed: int, random_effects: str | None = None) -> Records:
    """The checks that a model and these rows admit, as a table."""
    model = with_random(model, random_effects, OF_CHECKS, seed)
    if model.fit.random_effects is not None:
        random_effects = model.random if model.moved is None else "drawn"
    found = _gather(model, source, asked, seed)
    if not len(found["y"]):
        raise DataError("no_rows", f"no row of {source.name} has an answer", "check --missing keep, and the data")
    rows = [*_of_counts(model, found), *_of_quantiles(found), *_of_influence(found)]
    whole = bool(np.isfinite(found["fitted"]).all()) and not spreading(
        model
    )  # not so where data are separated, or nobody says what the mean is
    rows += [row for row in (link_check(model, found.columns) if whole else None,) if row]
    rows += [*_collinearity(model, found.whole), *(binary_checks(model, found.columns) if whole else ())]
    rows = rows or [verdict("none", "nothing to rest a check on", math.nan)]
    facts = {
        "formulas": list(model.fit.model.formulas),
        "family": model.fit.model.family,
        "rows_used": len(found["y"]),
        "random_effects": random_effects,
    }
    facts = {name: one for name, one in facts.items() if one is not None}
    findings = () if found.whole.reason is None else (_without(found.whole.reason),)
    return Records(SCHEMA, "checks", COLUMNS, rows, facts, None, findings, ("statistic_kind", "rows"))


def _without(reason: str) -> Finding:
    return Finding("empty_columns", f"there are no leverages, and no checks of influence: {reason}")


def _gather(model: SavedModel, source: Source, asked: Asked, seed: int) -> Gathered:
    whole, random, family = survey(model, source, asked), np.random.default_rng(seed), model.family
    asked = replace(asked, missing=whole.missing)
    parts: dict[str, list[np.ndarray]] = {}
    counts = not spreading(model) and family.has_distribution and family.support.integer and family.support.lower == 0
    units = Units(model, seed) if model.fit.model.freq_weights else None
    seen = 0
    for run in observed_rows(model, source, asked):
        uniform = random.random(run.new.n)
        for piece in pieces(model, run, asked.missing == "keep"):
            own = residuals(model, piece, torch.from_numpy(uniform[piece.part.place]), whole.unit)
            if whole.reason is None:
                own |= influence(model, piece, whole, own, dfbeta=False)
            if units is not None:
                units.add(piece)
            ones = torch.ones_like(piece.y)
            own |= {"y": piece.y, "weight": whole.unit * piece.square_weight, "frequency": piece.frequency}
            own |= {"trials": piece.columns["trials"] if family.trials else ones, "eta": piece.etas[_main(model)]}
            with torch.no_grad():
                zero = torch.exp(family.log_zero(*piece.working, **piece.columns)) if counts else ones * math.nan
            own |= {"zero": zero, "number": torch.from_numpy(seen + 1.0 + piece.part.place)}
            for name, values in own.items():
                parts.setdefault(name, []).append(values.numpy())
        seen += run.new.n
    names = (*NAMES, *INFLUENCE, "y", "weight", "frequency", "trials", "eta", "zero", "number")
    columns = {name: np.concatenate(parts.get(name, [np.zeros(0)])) for name in names}
    return Gathered(columns, whole, columns["quantile"] if units is None else units.drawn())


def _main(model: SavedModel) -> int:
    names = [predictor.parameter for predictor in model.estimated]
    return names.index(model.family.main) if model.family.main in names else 0


# ---- Spread and zeros ----


def _of_counts(model: SavedModel, found: Gathered) -> Iterator[Row]:
    family, fit = model.family, model.fit
    if family.has_dispersion:
        words = "held" if fit.dispersion.method == "fixed" else "estimated: nothing to test"
        yield verdict("dispersion", words, fit.dispersion.estimate)
    elif np.isfinite(found["pearson"]).all() and not _binary(model, found) and not fit.model.sampling_weights:
        from scipy.special import chdtr, chdtrc

        estimated = sum(1 for row in fit.coefficients if row.status not in ("aliased", "at_limit"))
        estimated += sum(one.levels - one.redundant for one in fit.model.absorbed)
        chi2, df = float((found["pearson"] ** 2).sum()), float(found["frequency"].sum()) - estimated
        if df > 0:
            p = 2 * min(float(chdtr(df, chi2)), float(chdtrc(df, chi2)), 0.5)
            said = "more spread than the model has" if chi2 > df else "less spread than the model has"
            words = said if p < UNLIKELY else "as the model has it"
            yield verdict("dispersion", words, chi2, "chi2", df, p)
    if np.isfinite(found["zero"]).all() and not _binary(model, found) and not fit.model.sampling_weights:
        f, p0 = found["frequency"], found["zero"]
        seen, expected = float(f[found["y"] == 0].sum()), float((f * p0).sum())
        variance = float((f * p0 * (1 - p0)).sum())
        if variance > 0:
            z = (seen - expected) / math.sqrt(variance)
            p = Reference(None).p_value(z)
            more = "more" if z > 0 else "fewer"
            words = f"{more} than expected" if p < UNLIKELY else "as many as expected"
            yield verdict("zeros", f"{words}: {seen:.0f}, {expected:.4g}", z, "z", None, p)


def _binary(model: SavedModel, found: Gathered) -> bool:
    return model.family.trials and bool((found["trials"] == 1).all())


# ---- Rows ----


def _of_quantiles(found: Gathered) -> Iterator[Row]:
    if np.isnan(found["quantile"]).any():
        return
    if isinstance(found.units, str):
        for check in ("uniformity", "outliers"):
            yield verdict(check, f"cannot be tested: {found.units}", math.nan)
        return
    r, numbers = found.units, found["number"]
    if len(r) > len(numbers):
        numbers = np.repeat(numbers, found["frequency"].astype(np.int64))
    from scipy.stats import kstest

    test = kstest(r, "norm")
    p = float(test.pvalue)
    words = "not those of a true model" if p < UNLIKELY else "as of a true model"
    yield verdict("uniformity", words, float(test.statistic), "D", None, p)
    at = int(np.argmax(np.abs(r)))
    p = min(1.0, len(r) * Reference(None).p_value(float(r[at])))
    far = p < UNLIKELY
    words = f"row {numbers[at]:.0f} is too far out" if far else "none: the largest is no surprise"
    yield verdict("outliers", words, float(r[at]), "z", None, p, (int(numbers[at]),) if far else ())


def _of_influence(found: Gathered) -> Iterator[Row]:
    """Rows whose Cook's distance is beyond the median of F(p, n - p), or |dffits| beyond 3 sqrt(p / (n - p))."""
    if found.whole.reason is not None:
        return
    from scipy.special import fdtr

    p, cook, dffits = len(found.whole.places), found["cooks_distance"], found["dffits"]
    df = found.whole.units - p
    if df <= 0 or not np.isfinite(cook).any():
        return
    # Of a row of leverage 1 neither exists: it is not large, and comes last.
    large = (fdtr(p, df, cook) > 0.5) | (np.abs(dffits) > 3 * math.sqrt(p / df))
    order = np.argsort(-cook, kind="stable")
    rows = tuple(int(found["number"][at]) for at in order if large[at])
    words = "no row changes the fit much"
    if rows:
        more = f", {len(rows) - MOST_NAMED} more" if len(rows) > MOST_NAMED else ""
        words = f"row{'s' if len(rows) > 1 else ''} {', '.join(map(str, rows[:MOST_NAMED]))}{more}"
    yield verdict("influence", words, float(np.nanmax(cook)), "cook", None, None, rows)


# ---- Columns ----


def _collinearity(model: SavedModel, whole: Survey) -> Iterator[Row]:
    """Generalised variance inflation (Fox and Monette 1992): det R_a det R_b / det R of the estimates' correlations."""
    if whole.reason is not None:
        return
    terms: dict[str, list[int]] = {}
    for j, at in enumerate(whole.places):
        term = model.fit.blueprint.terms[at]
        if term != INTERCEPT.name:
            terms.setdefault(term, []).append(j)
    if len(terms) < 2:
        return
    covariance = torch.cholesky_inverse(whole.root, upper=True).numpy()
    inside = [j for own in terms.values() for j in own]
    covariance = covariance[np.ix_(inside, inside)]
    scale = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(scale, scale)

    def log_det(places: list[int]) -> float:
        return float(np.linalg.slogdet(correlation[np.ix_(places, places)])[1]) if places else 0.0

    everything = list(range(len(inside)))
    for term, own in terms.items():
        places = [inside.index(j) for j in own]
        others = [j for j in everything if j not in places]
        log_gvif = log_det(places) + log_det(others) - log_det(everything)
        inflation = math.exp(0.5 * log_gvif / len(own))
        words = "strong collinearity" if inflation > HIGH else "some collinearity"
        words = words if inflation > MODERATE else "little collinearity"
        yield verdict(f"vif {term}", words, math.exp(log_gvif), "gvif", len(own))
