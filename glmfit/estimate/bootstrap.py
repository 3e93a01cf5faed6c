"""Bootstrap intervals of all that a fit estimates: coefficients, constants on their natural scales, the dispersion.

Replicates that are separated, do not converge or have no estimate of a coefficient are counted, and said. An infinite
estimate is as far out as can be; a missing one is left out of the quantiles of that coefficient, and of no other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from glmfit.errors import Finding
from glmfit.estimate.maximum import Maximum
from glmfit.estimate.replicates import Progress, Replicates, Replicator
from glmfit.estimate.resample import check_parametric, simulated, units
from glmfit.families import Link, Parameter
from glmfit.inference import resampling
from glmfit.inference.wald import natural_end
from glmfit.model import Model
from glmfit.result import Bootstrap, Fitted
from glmfit.rows import Data
from glmfit.spec import BOOTSTRAPS, ModelSpec

REPLICATES, SEED = 2000, 1  # where none are asked for
SAID = {"separated": "are separated", "not_converged": "did not converge", "failed": "could not be fitted"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What intervals: `percentile` or `bca`, from how many replicates, drawn by what (None: what the fit implies)."""

    interval: str = "percentile"
    replicates: int = REPLICATES
    by: str | None = None
    seed: int = SEED


def asked_of(spec: ModelSpec) -> Asked | None:
    """What a specification asks for; None where its intervals are not from replicates."""
    kind, _, count = spec.ci.partition(":")
    if kind not in BOOTSTRAPS:
        return None
    seed = SEED if spec.seed is None else spec.seed
    return Asked(BOOTSTRAPS[kind], int(count or spec.replicates or REPLICATES), spec.bootstrap_by, seed)


@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """An estimated coefficient: its place among all, its label; and the name and scale of the constant that it is."""

    at: int
    label: str
    constant: tuple[str, Parameter, Link] | None


@dataclass(frozen=True, slots=True, eq=False)
class Bootstrapped:
    """The ends by coefficient (its place), constant (its name); what was drawn; what is to be said of it."""

    coefficients: Mapping[int, resampling.Ends]
    constants: Mapping[str, resampling.Ends]
    summary: Bootstrap
    findings: tuple[Finding, ...]


def bootstrap(
    data: Data, model: Model, found: Maximum, fit: Fitted, asked: Asked, level: float, progress: Progress | None = None
) -> Bootstrapped:
    """Intervals of the fit of a model at the maximum that was found."""
    if asked.by == "parametric":
        return _parametric(data, model, found, fit, asked, level, progress)
    by, drawn = units(data, model, asked.by, asked.seed)
    replicator = Replicator(model, found, data.spec)
    parts = drawn.left_out if asked.interval == "bca" else 0
    count = asked.replicates

    def draw(b: int) -> np.ndarray:
        return drawn.repeats(b) if b < count else drawn.without(b - count)

    every = replicator.weighed(draw, count + parts, progress)
    own = Replicates(every.estimates[:count], every.phi[:count], every.status[:count])
    without = Replicates(every.estimates[count:], every.phi[count:], every.status[count:]) if parts else None
    return intervals(quantities(model, fit), fit, own, without, replace(asked, by=by), level)


def _parametric(
    data: Data, model: Model, found: Maximum, fit: Fitted, asked: Asked, level: float, progress: Progress | None
) -> Bootstrapped:
    """From responses drawn from the fitted model, phi as estimated."""
    check_parametric(data, model)
    fitted = found.model
    if fitted.holds_phi:
        fitted = fitted.held_at(fit.dispersion.estimate)
    theta = found.optimum.theta

    def draw(b: int) -> np.ndarray:
        return simulated(fitted, theta, asked.seed, b)

    own = Replicator(model, found, data.spec).answered(draw, asked.replicates, progress)
    return intervals(quantities(model, fit), fit, own, None, asked, level)


def quantities(model: Model, fit: Fitted) -> list[Quantity]:
    """The estimated coefficients, each with what it is on its natural scale where it is a constant."""
    natural = {row.name for row in fit.auxiliary if not row.fixed}
    found = []
    for at, label in zip(model.kept, model.labels, strict=True):
        name = fit.coefficients[at].parameter
        alone = name in natural and fit.coefficients[at].term == "Intercept"
        constant = (name, model.family.parameter(name), model.links[name]) if alone else None
        found.append(Quantity(at, label, constant))
    return found


def intervals(
    wanted: Sequence[Quantity],
    fit: Fitted,
    own: Replicates,
    without: Replicates | None,
    asked: Asked,
    level: float,
    beside: Mapping[str, int] | None = None,
) -> Bootstrapped:
    """The ends from replicates, and from those without each unit where they are bias-corrected and accelerated.

    `beside` says of what else, by label, in how many replicates there is none.
    """

    def ends(estimate: float, replicates: np.ndarray, left_out: np.ndarray | None) -> resampling.Ends:
        if not math.isfinite(estimate):
            return math.nan, math.nan
        if left_out is None:
            return resampling.percentile(replicates, level)
        return resampling.bca(replicates, estimate, left_out, level)

    rows = fit.coefficients
    found: dict[int, resampling.Ends] = {}
    constants: dict[str, resampling.Ends] = {}
    natural = {row.name: row.estimate for row in fit.auxiliary}
    for j, one in enumerate(wanted):
        here, there = own.estimates[:, j], None if without is None else without.estimates[:, j]
        found[one.at] = ends(rows[one.at].estimate, here, there)
        if one.constant is not None:
            name, parameter, link = one.constant
            left_out = None if there is None else _natural(parameter, link, there)
            constants[name] = ends(natural[name], _natural(parameter, link, here), left_out)
    phi = (math.nan, math.nan)
    if not np.isnan(own.phi).all():
        phi = ends(fit.dispersion.estimate, own.phi, None if without is None else without.phi)
    missing = {one.label: int(np.isnan(own.estimates[:, j]).sum()) for j, one in enumerate(wanted)}
    missing |= beside or {}
    summary = Bootstrap(
        interval=asked.interval,
        by=str(asked.by),
        replicates=asked.replicates,
        seed=asked.seed,
        failures=own.failures,
        missing={label: count for label, count in missing.items() if count},
        phi=None if np.isnan(own.phi).all() else phi,
    )
    known = [one for one in wanted if math.isfinite(rows[one.at].estimate)]
    undefined = [one.label for one in known if any(math.isnan(end) for end in found[one.at])]
    return Bootstrapped(found, constants, summary, tuple(_findings(summary, undefined, level)))


def _natural(parameter: Parameter, link: Link, etas: np.ndarray) -> np.ndarray:
    """The natural values of a constant; an infinite linear predictor is an end of the parameter's range."""
    with torch.no_grad():
        values = link.inverse(torch.from_numpy(etas)).numpy()
    for at in np.flatnonzero(np.isinf(etas)):
        values[at] = natural_end(parameter, link, float(etas[at]), math.copysign(1.0, float(etas[at])))
    return values


def _findings(summary: Bootstrap, undefined: Sequence[str], level: float) -> list[Finding]:
    found = []
    if summary.failures or summary.missing:
        parts = [f"{count:,} {SAID[status]}" for status, count in summary.failures.items()]
        parts += [f"{count:,} do not determine '{label}'" for label, count in list(summary.missing.items())[:6]]
        message = (
            f"of {summary.replicates:,} bootstrap replicates {', '.join(parts)}: infinite estimates are counted as "
            "such, and where there is none the interval is that of the other replicates"
        )
        found.append(Finding("replicates_failed", message, tuple(summary.missing)))
    if undefined:
        listed = ", ".join(f"'{label}'" for label in undefined[:6])
        message = (
            f"no bootstrap interval of {listed}: all replicates, or all that have an estimate, are to one side of it"
        )
        found.append(Finding("no_bootstrap", message, tuple(undefined)))
    if not resampling.enough(resampling.tails(level), summary.replicates):
        message = (
            f"{summary.replicates:,} replicates are too few for {100 * level:g} % intervals: "
            "their ends are the outermost replicates"
        )
        found.append(Finding("few_replicates", message, ()))
    return found


def with_bootstrap(fit: Fitted, found: Bootstrapped) -> Fitted:
    """The fit with these intervals in the place of its own."""
    coefficients = tuple(
        replace(row, conf_low=found.coefficients[at][0], conf_high=found.coefficients[at][1])
        if at in found.coefficients
        else row
        for at, row in enumerate(fit.coefficients)
    )
    auxiliary = tuple(
        replace(row, conf_low=found.constants[row.name][0], conf_high=found.constants[row.name][1])
        if row.name in found.constants
        else row
        for row in fit.auxiliary
    )
    warnings = (*fit.warnings, *found.findings)
    return replace(
        fit, coefficients=coefficients, auxiliary=auxiliary, ci="bootstrap", bootstrap=found.summary, warnings=warnings
    )
