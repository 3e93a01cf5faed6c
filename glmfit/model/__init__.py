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
from glmfit.model.likelihood import Likelihood, RowDerivatives, add_gradient, add_hessian, row_derivatives
from glmfit.model.model import Absorbed, Model, with_constants
from glmfit.model.panel import Panel, PanelObjective, PanelPredictor
from glmfit.model.penalised import Jeffreys
from glmfit.model.rows import Chunks, Predictor, Rows
from glmfit.model.varying import Run, RunDerivatives, VaryingLikelihood

__all__ = [
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
    "Step",
    "VaryingLikelihood",
    "View",
    "add",
    "add_gradient",
    "add_hessian",
    "assemble",
    "columns_of",
    "estimated_formulas",
    "held_parameters",
    "linear_predictors",
    "profiled",
    "row_derivatives",
    "seen",
    "weighed",
    "with_constants",
]
