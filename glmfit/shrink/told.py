"""What is said of a path of strengths, whatever it is of: the choice, what is left at each, how the search ended."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from glmfit.errors import Finding
from glmfit.inference import Reference, wald
from glmfit.result import Coefficient, Convergence
from glmfit.shrink.path import Step
from glmfit.shrink.penalty import Penalty
from glmfit.shrinkage import Shrinkage
from glmfit.shrunk import CrossValidation, PathPoint, Shrunk

REASON = "coefficients that the data have chosen and shrunk are biased, and errors of a fit would not be theirs"
NAMES = {0.0: "ridge", 1.0: "lasso"}


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """A path of a penalty: `names` are (parameter, term) of its coefficients, `places` where they stand in a report.

    `maps` are from working to reported coefficients (size,), and the same for gradients.
    """

    penalty: Penalty
    steps: Sequence[Step]
    names: Sequence[tuple[str, str]]
    places: Sequence[int]
    maps: tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]
    losses: Sequence[tuple[float, float]] | None = None  # of each step by cross-validation: mean and its error
    cv: CrossValidation | None = None

    def reported(self, theta: Tensor) -> Tensor:
        """Coefficients (size,) on the scale of the columns as they are."""
        return self.penalty.basis.balance(self.maps[0](theta))


def chosen_of(walk: Walk, asked: Shrinkage) -> tuple[int | None, str | None]:
    """The place in the path of what is reported, and what chose it."""
    strengths = [step.strength for step in walk.steps]
    if asked.only is not None:
        return 0, "given"
    if isinstance(asked.strength, float | int):
        return strengths.index(float(asked.strength)), "given"
    if walk.cv is None:
        return None, None
    wanted = walk.cv.strength_1se if asked.strength == "1se" else walk.cv.strength_min
    return strengths.index(wanted), asked.strength or "min"


def shrunk_of(walk: Walk, asked: Shrinkage, chosen: int | None, choice: str | None) -> Shrunk:
    """The penalty and its path."""
    return Shrunk(
        penalty=NAMES.get(walk.penalty.alpha, "elastic net"),
        alpha=walk.penalty.alpha,
        standardized=asked.standardize,
        factors=dict(asked.penalty_factors),
        group_terms=asked.group_terms,
        group_categories=asked.group_categories,
        covariates=int(walk.penalty.covariates.sum()),
        path=_path(walk),
        chosen=chosen,
        choice=choice,
        cv=walk.cv,
    )


def _path(walk: Walk) -> tuple[PathPoint, ...]:
    points = []
    on, kept = walk.penalty.on, torch.tensor(walk.places)
    for k, step in enumerate(walk.steps):
        theta = step.point.theta
        left = theta != 0
        estimates = walk.reported(theta)
        mean, error = (math.nan, math.nan) if walk.losses is None else walk.losses[k]
        points.append(
            PathPoint(
                step.strength,
                int((left & walk.penalty.covariates).sum()),
                step.explained,
                step.point.converged,
                step.point.residual,
                tuple(kept[left | ~on].tolist()),
                tuple(estimates[left | ~on].tolist()),
                mean,
                error,
            )
        )
    return tuple(points)


def coefficients_of(walk: Walk, step: Step, chosen: bool) -> tuple[Coefficient, ...]:
    """Rows without errors; without estimates too, where no strength was chosen."""
    estimates = walk.reported(step.point.theta)
    estimates = torch.where((step.point.theta == 0) & walk.penalty.on, 0.0, estimates)
    if not chosen:
        estimates = torch.full_like(estimates, math.nan)
    status, none = "penalised" if chosen else "no_strength", Reference(None)
    return tuple(
        wald.coefficient(*name, value, math.nan, status, none, 0.95)
        for name, value in zip(walk.names, estimates.tolist(), strict=True)
    )


def convergence_of(walk: Walk, step: Step, whole: bool) -> Convergence:
    """How the search ended at a point, or along the whole path; its gradient is that of what is not penalised."""
    slope = walk.maps[1](torch.where(walk.penalty.free, step.point.slope, 0.0))
    good = all(one.point.converged for one in walk.steps) if whole else step.point.converged
    iterations = sum(one.point.iterations for one in walk.steps)
    return Convergence(
        status="converged" if good else "max_iter",
        converged=good,
        optimizer="proximal newton",
        iterations=iterations,
        gradient_max_abs=float(slope.abs().max()),
        newton_decrement=math.nan,
        message="" if good else "the most iterations were made: allow more with --max-iter",
    )


def findings_of(walk: Walk) -> list[Finding]:
    """What a reader must know of the path."""
    lost = [step.strength for step in walk.steps if not step.point.converged]
    if not lost:
        return []
    listed = ", ".join(f"{one:.4g}" for one in lost[:6]) + (" and others" if len(lost) > 6 else "")
    return [Finding("path_not_converged", f"the search did not end at {len(lost)} strengths of the path: {listed}")]
