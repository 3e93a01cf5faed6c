"""What must be said of standard errors: clusters too few, rows that say nothing of noise, a variance that is not so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from glmfit.errors import Finding
from glmfit.estimate.maximum import Maximum
from glmfit.inference import Covariance, Goodness, Scale, unsupported_places
from glmfit.model import Largest, Likelihood, Model, Rows
from glmfit.numerics import LowRank
from glmfit.rows import Data
from glmfit.trust import diagnose
from glmfit.trust.spread import spread

SEES = 1e-6  # share of the most that any row sees of a direction, below which a row does not see it


def unsupported(found: Maximum, cov: Covariance) -> list[int]:
    """Places of the coefficients that move along directions of which the scores that were summed say nothing."""
    if cov.bread is None:
        return []
    errors = torch.sqrt(found.model.reported_covariance(cov.bread).diagonal())
    return unsupported_places(cov.blind, errors, found.model.reported)


def of_clusters(model: Model, cov: Covariance, matrix: torch.Tensor | LowRank, without: Sequence[int]) -> list[Finding]:
    """Too few clusters, coefficients that they say nothing of, and variances below 0; `matrix` is as reported."""
    checks: list[Finding | None] = []
    if cov.clusters and cov.correction != "CR2" and not cov.kind.startswith("wild:"):
        one_way = len(cov.clusters) == 1
        reducible = one_way and len(model.rows.predictors) == 1 and model.likelihood().has_expected
        helps = ["--small-sample cr2"] * reducible + [f"--se wild:{name}" for name in cov.clusters if one_way]
        here = model.source is None  # both need all rows in one place
        checks.append(diagnose.few_clusters(cov.clusters, helps if here else []))
    labels = model.labels
    if cov.clusters:
        checks.append(diagnose.cluster_rank([labels[place] for place in without], cov.clusters))
    below = (matrix.diagonal() < 0).tolist()
    negative = [label for label, at in zip(labels, model.kept, strict=True) if below[at]]
    checks.append(diagnose.negative_variance(negative))
    return [finding for finding in checks if finding is not None]


def exact_rows(found: Maximum, cov: Covariance, terms: Sequence[int], rows: np.ndarray) -> list[Finding]:
    """Rows of a leverage of 1 under hc0 and hc1, by their numbers in the file, `rows` (n,)."""
    if not terms or cov.clusters or not cov.blind or found.flat is not None:
        return []
    (unseen,), labels = cov.blind, found.model.labels
    most = found.likelihood.over_rows(_most_seen, unseen.directions).values
    own = rows if found.model.source is None else None
    numbers = found.likelihood.over_rows(_seeing, unseen.directions, SEES * float(most), own)
    return [diagnose.exact_rows(cov.kind, numbers, [labels[place] for place in terms])]


def _most_seen(likelihood: Likelihood, directions: torch.Tensor) -> Largest:
    """The most that any row moves along any of the directions (p, q)."""
    return Largest(torch.stack([_seen(chunk, directions).max() for chunk in likelihood.chunks]).max())


def _seeing(likelihood: Likelihood, directions: torch.Tensor, least: float, rows: np.ndarray | None) -> list[int]:
    """The numbers of the rows that move by more, `rows` (n,) being those of all; a part of them has its own."""
    numbers, first, found = likelihood.numbers if rows is None else rows, 0, list[int]()
    for chunk in likelihood.chunks:
        here = torch.nonzero(_seen(chunk, directions) > least)[:, 0]
        found += numbers[(first + here).numpy()].tolist()
        first += len(chunk)
    return found


def _seen(chunk: Rows, directions: torch.Tensor) -> torch.Tensor:
    moves = [p.X.matvec(one[p.columns]).abs() for p in chunk.predictors for one in directions.T]
    return torch.stack(moves, dim=1).amax(dim=1)


def of_spread(data: Data, found: Maximum, cov: Covariance, scale: Scale, sums: Goodness, df: float) -> list[Finding]:
    """Over- and underdispersion, where nothing in the model allows for it."""
    spec = data.spec
    weighed = data.weights is not None or data.sampling is not None
    plain = cov.kind in ("hessian", "expected", "bayesian")
    allowed = scale.method != "fixed" or spec.dispersion is not None or not plain
    troubled = (
        found.flat is not None or found.separated is not None or not found.optimum.converged or found.model.limits
    )
    if weighed or allowed or troubled or found.optimum.edge:
        return []
    finding = spread(found.likelihood, found.optimum.theta, sums.pearson, df, robust=not found.model.smooths)
    return [] if finding is None else [finding]
