"""Cross-validation of a path: it is fitted without each fold in turn, and judged by the rows that were left out.

    loss_f = sum_i w_i loss_i / sum_i w_i over fold f      mean = sum_f W_f loss_f / W
    error^2 = sum_f W_f (loss_f - mean)^2 / (W (F - 1))

As in cv.glmnet: all paths have the strengths of the whole, columns are standardised anew without each fold, the least
mean gives one strength and the largest within one error of it another. The loss is the deviance, the squared error of a
gaussian response; minus twice the log-density where further parameters are estimated or there is no deviance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from glmfit.errors import GlmfitError, ModelError
from glmfit.estimate import start
from glmfit.inference.dispersion import goodness_of_rows
from glmfit.model import Likelihood, Model
from glmfit.rows import Data
from glmfit.shrink.columns import Columns
from glmfit.shrink.folds import Folds, folds_of
from glmfit.shrink.path import Step, begin, walk
from glmfit.shrink.penalty import beginning, penalty_of, total_weight
from glmfit.shrinkage import Shrinkage
from glmfit.shrunk import CrossValidation

Progress = Callable[[int, int], None]


def cross_validated(
    data: Data, model: Model, asked: Shrinkage, along: Sequence[float], progress: Progress | None
) -> tuple[list[tuple[float, float]], CrossValidation]:
    """The mean loss and its error at each strength, and what they choose."""
    folds = folds_of(data, asked)
    losses, weights = [], []
    for fold in range(folds.count):
        out = torch.from_numpy(folds.codes == fold)
        steps = _without(data, model, asked, out, along, fold)
        held = replace(model, rows=model.rows.rows(torch.nonzero(out)[:, 0])).likelihood()
        weights.append(total_weight(held.chunks))
        losses.append([_loss(held, step.point.theta) / weights[-1] for step in steps])
        if progress is not None:
            progress(fold + 1, folds.count)
    mean, error = averaged(losses, weights)
    cv = validation(loss_of(model), folds, asked, along, mean, error)
    return list(zip(mean.tolist(), error.tolist(), strict=True)), cv


def averaged(losses: Sequence[Sequence[float]], weights: Sequence[float]) -> tuple[Tensor, Tensor]:
    """The mean over folds by their weights, at each strength, and its error."""
    each, weight = torch.tensor(losses, dtype=torch.float64), torch.tensor(weights, dtype=torch.float64)
    share = (weight / weight.sum())[:, None]
    mean = (share * each).sum(dim=0)
    return mean, torch.sqrt((share * (each - mean).square()).sum(dim=0) / (len(weights) - 1))


def _without(data: Data, model: Model, asked: Shrinkage, out: Tensor, along: Sequence[float], fold: int) -> list[Step]:
    """The path of the rows that are not `out`."""
    part = replace(model, rows=model.rows.rows(torch.nonzero(~out)[:, 0]))
    with blamed(fold):
        likelihood, penalty = part.likelihood(), penalty_of(part, asked)
        columns = Columns(likelihood, total_weight(likelihood.chunks), penalty.basis)
        search = begin(columns, beginning(part, start.constants(part)), penalty, data.spec.tol, data.spec.max_iter)
        return walk(search, penalty, along, lambda point, state: math.nan)


@contextmanager
def blamed(fold: int) -> Iterator[None]:
    """Says of an error without which fold it was."""
    try:
        yield
    except GlmfitError as error:
        message = f"without fold {fold + 1} of the cross-validation: {error.message}"
        raise ModelError("bad_folds", message, "use fewer folds, or other ones") from error


def loss_of(model: Model) -> str:
    """What is averaged."""
    if not _has_deviance(model.likelihood()):
        return "-2 log-likelihood"
    return "squared error" if model.family.quadratic_links else "deviance"


def _has_deviance(likelihood: Likelihood) -> bool:
    return bool(likelihood.family.has_deviance) and len(likelihood.chunks[0].predictors) == 1


def _loss(likelihood: Likelihood, theta: Tensor) -> float:
    """The sum of the losses of rows by their weights."""
    if not _has_deviance(likelihood):
        return -2 * likelihood.value(theta)
    with torch.no_grad():
        parts = [goodness_of_rows(likelihood, c, likelihood.etas(c, theta))[0].sum() for c in likelihood.chunks]
    return float(torch.stack(parts).sum())


def validation(
    loss: str, folds: Folds, asked: Shrinkage, along: Sequence[float], mean: Tensor, error: Tensor
) -> CrossValidation:
    """What the losses choose; `ModelError` where one is no number."""
    if not bool(torch.isfinite(mean).all()):
        message = "predictions of rows that were left out have no finite loss at some strength"
        raise ModelError("bad_folds", message, "use another family or link, or fewer folds")
    least = int(mean.argmin())
    within = int((mean <= mean[least] + error[least]).to(torch.int8).argmax())
    return CrossValidation(
        folds=folds.count,
        loss=loss,
        seed=folds.seed,
        column=asked.cv_folds,
        groups=asked.cv_groups,
        stratified=folds.stratified,
        strength_min=along[least],
        strength_1se=along[within],
    )
