"""Random effects in words and tables: standard deviations and correlations by term, and effects by level on request."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

from glmfit.random_effects import RandomEffects, RandomTerm
from glmfit.report import numbers
from glmfit.result import Auxiliary, Fit

CRITERIA = {"ml": "maximum likelihood", "reml": "restricted maximum likelihood (REML)"}
INTEGRALS = {"exact": "exactly", "laplace": "by Laplace's approximation", "quadrature": "by adaptive quadrature"}
TITLE = "Random effects"
UNKNOWN = "(not identified)"
Line = tuple[str, list[str]]  # a name and its numbers: estimate, standard error, ends of the interval


AnyFit = TypeVar("AnyFit", bound=Fit)


def without_modes(fit: AnyFit) -> AnyFit:
    """The fit without the effects of single levels, which are shown on request."""
    found = fit.random_effects
    if found is None:
        return fit
    terms = tuple(replace(term, modes=None) for term in found.terms)
    return replace(fit, random_effects=replace(found, terms=terms))


def estimation(found: RandomEffects) -> str:
    """How the variances were estimated."""
    nodes = f" with {found.nodes} nodes" if found.nodes is not None else ""
    return f"{CRITERIA[found.criterion]}, random effects integrated {INTEGRALS[found.integral]}{nodes}"


def likelihood(found: RandomEffects | None) -> str:
    """What the likelihood of a fit is called."""
    return "REML log-lik." if found is not None and found.criterion == "reml" else "Log-likelihood"


def shares(found: RandomEffects) -> list[tuple[str, str]]:
    """Shares of the variance, where they are known."""
    rows = [("ICC", found.icc), ("R2 fixed", found.r2_marginal), ("R2 fixed + random", found.r2_conditional)]
    return [(label, f"{value:.4f}") for label, value in rows if not math.isnan(value)]


def caption(fit: Fit, term: RandomTerm) -> str:
    """A term with what it is of: "(1 + x | g), 18 levels"."""
    of = "" if term.parameter in fit.model.main else f" of {term.parameter}"
    return f"{term.term}{of}, {term.levels:,} levels"


def lines(fit: Fit) -> Iterator[tuple[str, list[Line]]]:
    """For each term its caption, and its standard deviations and correlations; at last the residual one, if any.

    Correlations are measured by their own digits, as they have no unit.
    """
    found = fit.random_effects
    assert found is not None
    residual = _residual(fit)
    rows = [(d.estimate, d.std_error, d.conf_low, d.conf_high) for term in found.terms for d in term.deviations]
    texts = iter(numbers.columns([*rows, *([residual] if residual else [])]))
    for term in found.terms:
        out = [(f"SD {one.effect}", _cells(next(texts), one.status)) for one in term.deviations]
        for pair in term.correlations:
            values = numbers.columns([(pair.estimate, math.nan, pair.conf_low, pair.conf_high)])[0]
            cells = [f"{pair.estimate:.3f}", "", *(f"{v:.3f}" for v in (pair.conf_low, pair.conf_high))]
            if math.isnan(pair.estimate):
                cells = ["(none)", "", "", ""]
            elif pair.status == "not_identified":
                cells = [cells[0], UNKNOWN, "", ""]
            elif pair.status is not None:
                cells = [values[0] if abs(pair.estimate) != 1 else f"{pair.estimate:.0f}", "(boundary)", "", ""]
            out.append((f"corr {pair.first}, {pair.second}", cells))
        yield caption(fit, term), out
    if residual:
        yield "", [("SD residual", next(texts))]


def _cells(texts: list[str], status: str | None) -> list[str]:
    if status == "not_identified":
        return [texts[0], UNKNOWN, "", ""]
    return texts if status is None else ["0", "(boundary)", "", ""]


def _residual(fit: Fit) -> tuple[float, float, float, float] | None:
    """The residual standard deviation of a Gaussian response, from phi, its square."""
    phi = next((one for one in fit.auxiliary if one.name == "phi" and not one.fixed), None)
    if phi is None or fit.model.family != "gaussian" or not phi.estimate > 0:
        return None
    size = math.sqrt(phi.estimate)
    return size, phi.std_error / (2 * size), math.sqrt(phi.conf_low), math.sqrt(phi.conf_high)


def auxiliary_rows(fit: Fit) -> tuple[Auxiliary, ...]:
    """Parameters on their natural scales, but for phi where it is shown as a residual standard deviation."""
    hidden = "phi" if fit.random_effects is not None and _residual(fit) is not None else ""
    return tuple(one for one in fit.auxiliary if one.name != hidden)


def modes(fit: Fit) -> Iterator[tuple[str, list[tuple[str, str, str, str]]]]:
    """For each term whose modes are there its caption, and level, effect, estimate and standard error."""
    for term in () if fit.random_effects is None else fit.random_effects.terms:
        if term.modes is not None:
            texts = numbers.columns([(one.estimate, one.std_error) for one in term.modes])
            yield (
                caption(fit, term),
                [
                    (numbers.visible(one.level), one.effect, *text)  # type: ignore[misc]
                    for one, text in zip(term.modes, texts, strict=True)
                ],
            )
