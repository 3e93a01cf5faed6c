"""Whether an answer can be trusted: each check gives a named finding with advice, or nothing.

A direction in which the information has vanished since the start of the fit is one in which the likelihood rises or
stays level for ever (separated data, an empty cell): there is no estimate there, whatever the optimiser says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from glmfit.errors import Finding
from glmfit.model import Likelihood
from glmfit.numerics import (
    Factor,
    Optimum,
    Symmetric,
    cholesky,
    exceeds,
    full,
    full_factor,
    relative_singular,
    structured,
    unit_diagonal,
    well_conditioned,
)
from glmfit.trust.separation import Separated

VANISHED = 1e-11  # information relative to that at the start
SUSPICIOUS = 1e-5  # below this an optimiser that stops early is not believed, see pipeline,
RISING = 0.01  # nor that it has arrived where Newton's next step is longer than this, in starting standard errors
TAKES_PART = 1e-3  # share of a term's own starting standard error that a flat direction of unit length moves it by
COLLINEAR = 1e4  # condition number of the scaled information's root, with unit columns
FEW_CLUSTERS = 30
COARSE = 0.01  # p-values that a bootstrap must be able to give
HOPELESS = 3  # clusters, up to which nothing makes p-values finer
BOUNDARY = 1e-14  # fitted means this near to an end of their range, about where R's glm warns


@dataclass(frozen=True, slots=True)
class FlatDirections:
    """Positions of the coefficients that the data do not determine, and the finding that says so."""

    places: tuple[int, ...]
    finding: Finding


def is_plain(optimum: Optimum, reference: Factor) -> bool:
    """Whether factors alone say that the information is nowhere suspiciously small."""
    if not optimum.converged or optimum.root is not None:
        return False
    lower = cholesky(-optimum.hessian)
    return lower is not None and well_conditioned(lower) and exceeds(-optimum.hessian, SUSPICIOUS, reference)


def relative_information(optimum: Optimum, reference: Factor) -> tuple[Tensor, Tensor]:
    """Information at the optimum relative to L L' with L = `reference` (p, p): ascending values, directions (p, p)."""
    reference, hessian = full_factor(reference), full(optimum.hessian)
    lower = cholesky(-hessian) if optimum.root is None else optimum.root.T
    if lower is not None:
        sizes, vectors = relative_singular(reference, lower)
        return sizes.flip(0) ** 2, vectors.flip(1)
    half = torch.linalg.solve_triangular(reference, -hessian, upper=False)
    relative = torch.linalg.solve_triangular(reference, half.T, upper=False)
    if not bool(torch.isfinite(relative).all()):  # it has grown beyond the doubles, and says nothing
        return torch.full_like(relative[0], math.nan), torch.eye(len(relative), dtype=torch.float64)
    values, vectors = torch.linalg.eigh(0.5 * (relative + relative.T))
    return values, vectors


def flat_directions(optimum: Optimum, reference: Factor, names: Sequence[str]) -> FlatDirections | None:
    """The coefficients along which the information has vanished between the start and the end of the fit.

    On a slope like exp(-t) Newton's steps keep their length however small the gradient is; near a maximum they do not.
    """
    if is_plain(optimum, reference):
        return None
    reference = full_factor(reference)
    values, vectors = relative_information(optimum, reference)
    half = torch.linalg.solve_triangular(reference, optimum.gradient[:, None], upper=False)
    rising = (values.abs() < SUSPICIOUS) & ((vectors.T @ half)[:, 0].abs() > RISING * values.abs())
    gone = torch.nonzero((values.abs() < VANISHED) | rising)[:, 0]
    return along(vectors[:, gone], reference, names) if len(gone) else None


def along(directions: Tensor, reference: Factor, names: Sequence[str]) -> FlatDirections:
    """The coefficients that take part in `directions` (p, q), in coordinates where the start's information is I."""
    reference = full_factor(reference)
    # In units of the starting standard errors: a term takes part where it moves along a flat direction.
    moved = torch.linalg.solve_triangular(reference.T, directions, upper=True)
    scale = torch.sqrt(torch.diagonal(torch.cholesky_inverse(reference)))
    share = (moved.abs() / scale[:, None]).amax(dim=1)
    return undetermined([place for place, part in enumerate(share.tolist()) if part > TAKES_PART], names)


def generalized_inverse(optimum: Optimum, reference: Factor) -> Tensor | None:
    """One of -H (p, p) where it is singular along flat directions; None where it is not positive along the others.

    What does not move along a flat direction has the same variance under every generalized inverse.
    """
    reference = full_factor(reference)
    values, vectors = relative_information(optimum, reference)
    kept = ~((values < VANISHED) & (values > -SUSPICIOUS))  # a little below 0 is what rounding leaves of nothing
    if not bool((values[kept] > 0).all()):
        return None
    half = torch.linalg.solve_triangular(reference.T, vectors[:, kept], upper=True)
    return (half / values[kept]) @ half.T


def undetermined(places: Sequence[int], names: Sequence[str]) -> FlatDirections:
    """The coefficients at these places have no estimate."""
    terms = tuple(dict.fromkeys(names[place] for place in places))  # a term of several variances is named once
    they, them, plural = ("they grow", "them", "s") if len(terms) > 1 else ("it grows", "it", "")
    message = (
        f"the data do not determine {_listed(terms)}: the likelihood rises or stays level as {they} without limit "
        f"(separation, a cell without variation, a likelihood that does not use {them}); no estimate{plural} and no "
        f"standard error{plural} exist{'' if plural else 's'}"
    )
    return FlatDirections(tuple(places), Finding("flat_direction", message, terms))


def separation(separated: Separated, names: Sequence[str], effects: str = "") -> Finding:
    """The data are separated; `names` are labels of coefficients, `effects` absorbed ones if no term is."""
    ends = {1: "to +infinity", -1: "to -infinity", 0: "either way"}
    terms = tuple(names[place] for place in separated.infinite)
    along = [f"'{name}' {ends[term.direction]}" for name, term in zip(terms, separated.terms, strict=True)]
    along = along or [f"effects of {effects}"]
    shown = ", ".join(along[:6]) + (f" and {len(along) - 6} more" if len(along) > 6 else "")
    count, n = int(separated.separates.sum()), len(separated.separates)
    message = (
        f"{separated.kind} separation: the likelihood of {count} of {n} rows rises for ever along {shown}; "
        f"{'they have' if len(terms) != 1 else 'it has'} no finite estimate"
    )
    if bool(separated.left.any()):
        message += ", and all other numbers are those of the limit"
        if not bool((separated.left & separated.separates).any()):
            message += ", where these rows say nothing any more"
    return Finding("separation", message, terms)


def separated_rows_dropped(separated: Separated, terms: Sequence[str], rows: int) -> Finding:
    """Separated rows were left out, and with them the `terms` that the others do not determine."""
    what, them = ("1 row was", "it") if rows == 1 else (f"{rows} rows were", "them")
    message = f"{what} left out because of {separated.kind} separation: the model predicts {them} without error"
    if terms:
        message += f"; {_listed(terms)} went with {them}"
    return Finding("separated_rows_dropped", message, tuple(terms))


def separation_undecided(elsewhere: bool) -> Finding:
    """It was asked whether the data are separated, and there is no answer; of rows `elsewhere` there never is."""
    why = "the model is too large, or rounding blurs its rows"
    if elsewhere:
        why = "a linear program needs all rows in one place, and with --dask they are on the workers"
    return Finding("separation_undecided", f"whether the data are separated could not be decided: {why}")


def not_a_maximum(hessian: Symmetric, names: Sequence[str]) -> Finding:
    """The Hessian is not negative definite: the terms along which it curves the wrong way, or not at all."""
    vector = torch.linalg.eigh(unit_diagonal(-full(hessian))[0]).eigenvectors[:, 0]
    terms = _involved(names, vector)
    return Finding(
        "hessian_not_positive_definite",
        f"the log-likelihood has no peak in {_listed(terms)}: there are no standard errors",
        terms,
    )


def at_limit(parameters: Sequence[str], family: str, beyond: Sequence[str]) -> Finding | None:
    """Parameters at the end of their range, where the family is another, simpler one; `beyond` is what lies there."""
    if not parameters:
        return None
    names = " and ".join(parameters)
    said = ("is", "the end of its range", "it has no standard error")
    if len(parameters) > 1:
        said = ("are", "the ends of their ranges", "they have no standard errors")
    message = (
        f"{names} {said[0]} estimated at {said[1]}, where the family is {family}: {said[2]}, and all else is that of "
        f"the {family} model"
    )
    return Finding("at_limit", "; ".join([message, *beyond]), tuple(parameters))


def on_the_edge(link: str, rows: np.ndarray) -> Finding:
    """The maximum lies on the edge of the link's domain; `rows` are the numbers of the rows held there in the file."""
    shown = ", ".join(str(row) for row in rows[:4]) + (" ..." if len(rows) > 4 else "")
    return Finding(
        "boundary_maximum",
        f"the maximum lies on the edge of the domain of the {link} link, at the fitted means of {len(rows)} "
        f"row{'s' if len(rows) != 1 else ''} ({shown}): the gradient is not zero there, and Wald standard errors "
        "do not apply",
    )


def collinearity(optimum: Optimum, names: Sequence[str]) -> Finding | None:
    """The condition number of the information's root with unit columns, where it costs digits, and its terms."""
    if len(names) < 2 or (optimum.root is None and _clearly_apart(optimum.hessian)):
        return None
    if optimum.root is not None:
        values, vectors = torch.linalg.svd(optimum.root / torch.linalg.vector_norm(optimum.root, dim=0))[1:]
        condition, vector = float(values[0] / values[-1]), vectors[-1]
    else:
        squares, columns = torch.linalg.eigh(unit_diagonal(-full(optimum.hessian))[0])
        condition = math.sqrt(float(squares[-1]) / float(squares[0])) if float(squares[0]) > 0 else math.inf
        vector = columns[:, 0]
    if condition < COLLINEAR:
        return None
    terms = _involved(names, vector)
    return Finding(
        "near_collinear",
        f"{_listed(terms)} are nearly linear combinations of each other (condition number {condition:.2g}): "
        "their separate estimates rest on little information",
        terms,
    )


def _clearly_apart(hessian: Symmetric) -> bool:
    """Whether factors alone say that terms are far from linear combinations of each other."""
    information = structured(-hessian)
    if not bool((information.diagonal() > 0).all()):
        return False
    unit = structured(information.unit())
    return cholesky(unit.less(unit.longest_row() / COLLINEAR**2)) is not None


def boundary(likelihood: Likelihood, theta: Tensor) -> Finding | None:
    """Fitted probabilities of 0 or 1, or fitted rates of 0."""
    if likelihood.family.parameters[0].scale in ("identity", "predictor"):
        return None
    at_end, total = likelihood.over_rows(_at_end, theta)
    if not at_end:
        return None
    what = "fitted probabilities are 0 or 1" if likelihood.family.trials else "fitted means are 0"
    return Finding("fitted_boundary", f"{at_end} of {total} {what} to fourteen digits")


def _at_end(likelihood: Likelihood, theta: Tensor) -> tuple[int, int]:
    """How many fitted means are at an end of their range, and how many there are."""
    at_end, total = 0, 0
    unit, counts = likelihood.family.trials, likelihood.family.support.integer
    for chunk in likelihood.chunks:
        mu = likelihood.natural(chunk, likelihood.etas(chunk, theta))[0]
        mean = float(mu.mean())
        least = BOUNDARY * (max(mean, 1.0) if counts else mean)  # where all counts are 0 the mean says nothing
        near = (mu < BOUNDARY) | (mu > 1 - BOUNDARY) if unit else mu < least
        at_end += int(near.sum())
        total += len(mu)
    return at_end, total


def caution(likelihood: Likelihood, theta: Tensor) -> Finding | None:
    """What the family has to say of its density at the fitted parameters."""
    said = likelihood.over_rows(_cautions, theta)
    return Finding("improper_density", said[0]) if said else None


def _cautions(likelihood: Likelihood, theta: Tensor) -> list[str]:
    """The first that is said of a row, if any."""
    natural = (likelihood.natural(chunk, likelihood.etas(chunk, theta)) for chunk in likelihood.chunks)
    said = (likelihood.family.caution(*parameters) for parameters in natural)
    return [one for one in said if one is not None][:1]


def worse_than_null(what: str, deviance: float, null: float) -> Finding | None:
    """A deviance (or -2 log-likelihood) above that of the intercept alone cannot be a maximum."""
    if not deviance > null + 1e-8 * (abs(null) + 1):
        return None
    message = f"the {what} {deviance:.6g} exceeds that of the intercept-only model, {null:.6g}: this is not the maximum"
    return Finding("worse_than_null", message)


def aliased(terms: Sequence[str], combinations: Mapping[str, str]) -> Finding | None:
    """Terms left out, and what each of them is of earlier ones."""
    if not terms:
        return None
    shown = [f"'{term}'" + (f" {combinations[term]}" if term in combinations else "") for term in terms[:6]]
    listed = ", ".join(shown) + (f" and {len(terms) - 6} more" if len(terms) > 6 else "")
    what = "is a linear combination" if len(terms) == 1 else "are linear combinations"
    was = "was" if len(terms) == 1 else "were"
    return Finding("aliased", f"{listed} {what} of earlier terms and {was} left out", tuple(terms))


def not_profiled(terms: Sequence[str]) -> Finding:
    """The likelihood with one of these coefficients held could not be maximised."""
    message = f"no profile likelihood could be found for {_listed(terms)}: their tests or intervals are missing"
    return Finding("no_profile", message, tuple(terms))


def not_bootstrapped(missing: Mapping[str, Sequence[str]]) -> Finding:
    """What a score bootstrap did not find, by coefficient: it starts from a maximum with the coefficient held."""
    shown = [f"the {' and the '.join(parts)} of '{term}'" for term, parts in list(missing.items())[:6]]
    if len(missing) > 6:
        shown.append(f"those of {len(missing) - 6} more")
    message = f"the bootstrap did not find {', '.join(shown)}: with the coefficient held there, no maximum was found"
    return Finding("no_profile", message, tuple(missing))


def coarse_p_values(kind: str, clusters: int, least: float, level: float, *, enumerated: bool) -> Finding | None:
    """Samples of a bootstrap too few for a small p-value, of which `least` is the smallest that there can be."""
    if least <= COARSE:
        return None
    message = f"{clusters} clusters with {kind} weights, in samples so many, give no p-value below {least:.2g}"
    if least > level:
        message += ", and no interval of this level ends"
    if clusters <= HOPELESS:
        return Finding("coarse_p_values", f"{message}; with so few clusters no method helps")
    helps = [] if enumerated else ["more --replicates"]
    if kind == "rademacher" and 2.0 ** (1 - clusters) > COARSE:
        helps.append("--wild-weights webb")
    helps.append("--small-sample cr2 with --se cluster")
    return Finding("coarse_p_values", f"{message}; use {' or '.join(helps)}")


def few_clusters(clusters: Mapping[str, int], helps: Sequence[str]) -> Finding | None:
    """Fewer clusters than asymptotics ask for, and the options that allow for it."""
    name, count = min(clusters.items(), key=lambda item: item[1])
    if count >= FEW_CLUSTERS:
        return None
    message = (
        f"'{name}' has {count} clusters, and with fewer than {FEW_CLUSTERS} clustered standard errors are too small as "
        "a rule"
    )
    return Finding(
        "few_clusters",
        message + (f": {' or '.join(helps)} {'allow' if len(helps) > 1 else 'allows'} for it" if helps else ""),
    )


def cluster_rank(terms: Sequence[str], clusters: Mapping[str, int]) -> Finding | None:
    """Coefficients that take part in directions in which no sum of a cluster's scores can vary."""
    if not terms:
        return None
    many = " and ".join(f"{count} clusters of '{name}'" for name, count in clusters.items())
    message = (
        f"{_listed(terms)}: the {many} give no standard error, for there are too few of them for so many coefficients, "
        "or a term varies in none of them, or in one alone"
    )
    return Finding("cluster_rank", message, tuple(terms))


def exact_rows(kind: str, rows: Sequence[int], terms: Sequence[str]) -> Finding:
    """Rows, by their numbers in the file, that these terms fit exactly: their residuals say nothing of the noise."""
    shown = ", ".join(str(row) for row in rows[:4]) + (" ..." if len(rows) > 4 else "")
    which = f"row {shown} is" if len(rows) == 1 else f"rows {shown} are"
    message = (
        f"{which} fitted exactly by {_listed(terms)}, whatever the noise is, which {kind} would take for certainty: "
        f"{'they have' if len(terms) > 1 else 'it has'} no standard error; use --se hessian, or leave out the term or "
        "the row"
    )
    return Finding("exact_rows", message, tuple(terms))


def negative_variance(terms: Sequence[str]) -> Finding | None:
    """Variances that a difference of covariances has left below 0."""
    if not terms:
        return None
    variances = "variances" if len(terms) > 1 else "variance"
    message = f"the {variances} of {_listed(terms)} came out negative: there is no standard error"
    return Finding("negative_variance", message, tuple(terms))


def _involved(names: Sequence[str], vector: Tensor) -> tuple[str, ...]:
    return tuple(name for name, part in zip(names, vector.abs().tolist(), strict=True) if part > 0.1)


def _listed(terms: Sequence[str]) -> str:
    shown = ", ".join(f"'{term}'" for term in terms[:6])
    return shown + (f" and {len(terms) - 6} more" if len(terms) > 6 else "")
