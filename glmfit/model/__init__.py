"""Design and family as one likelihood of theta: value, gradient, Hessian and scores by chunks of rows.

In: `Data`. Out: a `Model` and its `Likelihood`, an objective that numerics can maximise. May use: rows, design,
formula, families, numerics.
"""

from glmfit.model.assembly import assemble
from glmfit.model.batch import BatchLikelihood
from glmfit.model.elsewhere import AsFitted, Elsewhere, View, add, seen
from glmfit.model.likelihood import Likelihood, RowDerivatives, add_gradient, add_hessian, row_derivatives
from glmfit.model.model import Model, with_constants
from glmfit.model.penalised import Jeffreys
from glmfit.model.rows import Chunks, Predictor, Rows
from glmfit.model.varying import Run, RunDerivatives, VaryingLikelihood

__all__ = [
    "AsFitted",
    "BatchLikelihood",
    "Chunks",
    "Elsewhere",
    "Jeffreys",
    "Likelihood",
    "Model",
    "Predictor",
    "RowDerivatives",
    "Rows",
    "Run",
    "RunDerivatives",
    "VaryingLikelihood",
    "View",
    "add",
    "add_gradient",
    "add_hessian",
    "assemble",
    "row_derivatives",
    "seen",
    "with_constants",
]
