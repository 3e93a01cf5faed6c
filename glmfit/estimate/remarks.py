"""What must be said of standard errors: clusters too few, rows that say nothing of noise, a variance that is not so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from glmfit.errors import Finding
from glmfit.estimate.maximum import Maximum
from glmfit.inference import Covariance, Goodness, Scale, unsupported_places
from glmfit.model import Model
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
        checks.append(diagnose.few_clusters(cov.clusters, helps))
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
    (unseen,), sees = cov.blind, []
    for chunk in found.likelihood.chunks:
        moves = [p.X.matvec(one[p.columns]).abs() for p in chunk.predictors for one in unseen.directions.T]
        sees.append(torch.stack(moves, dim=1).amax(dim=1))
    seen = torch.cat(sees)
    numbers = rows[(seen > SEES * seen.max()).numpy()]
    labels = found.model.labels
    return [diagnose.exact_rows(cov.kind, numbers, [labels[place] for place in terms])]


def of_spread(data: Data, found: Maximum, cov: Covariance, scale: Scale, sums: Goodness, df: int) -> list[Finding]:
    """Over- and underdispersion, where nothing in the model allows for it."""
    spec = data.spec
    weighed = data.weights is not None or data.sampling is not None
    allowed = scale.method != "fixed" or spec.dispersion is not None or cov.kind not in ("hessian", "expected")
    troubled = (
        found.flat is not None or found.separated is not None or not found.optimum.converged or found.model.limits
    )
    if weighed or allowed or troubled or found.optimum.edge:
        return []
    finding = spread(found.likelihood, found.optimum.theta, sums.pearson, df)
    return [] if finding is None else [finding]
