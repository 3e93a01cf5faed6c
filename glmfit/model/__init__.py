"""Design and family as one likelihood of theta: value, gradient, Hessian and scores by chunks of rows.

In: `Data`. Out: a `Model` and its `Likelihood`, an objective that numerics can maximise. May use: rows, design,
formula, families, numerics.
"""

from glmfit.model.absorbed import AbsorbedLikelihood, Slopes, Step, profiled
from glmfit.model.assembly import (
    assemble,
    columns_of,
    estimated_formulas,
    held_parameters,
    linear_predictors,
    weighed,
)
from glmfit.model.batch import BatchLikelihood
from glmfit.model.elsewhere import AsFitted, Elsewhere, Largest, View, add, seen
from glmfit.model.likelihood import (
    Likelihood,
    RowDerivatives,
    add_gradient,
    add_hessian,
    gradients,
    row_derivatives,
)
from glmfit.model.model import Absorbed, Model, SmoothBlock, with_constants
from glmfit.model.panel import Panel, PanelObjective, PanelPredictor
from glmfit.model.penalised import Jeffreys, leverage_rows
from glmfit.model.rows import Chunks, Predictor, Rows
from glmfit.model.smooths import NOTHING
from glmfit.model.varying import Run, RunDerivatives, VaryingLikelihood

__all__ = [
    "NOTHING",
    "Absorbed",
    "AbsorbedLikelihood",
    "AsFitted",
    "BatchLikelihood",
    "Chunks",
    "Elsewhere",
    "Jeffreys",
    "Largest",
    "Likelihood",
    "Model",
    "Panel",
    "PanelObjective",
    "PanelPredictor",
    "Predictor",
    "RowDerivatives",
    "Rows",
    "Run",
    "RunDerivatives",
    "Slopes",
    "SmoothBlock",
    "Step",
    "VaryingLikelihood",
    "View",
    "add",
    "add_gradient",
    "add_hessian",
    "assemble",
    "columns_of",
    "estimated_formulas",
    "gradients",
    "held_parameters",
    "leverage_rows",
    "linear_predictors",
    "profiled",
    "row_derivatives",
    "seen",
    "weighed",
    "with_constants",
]
