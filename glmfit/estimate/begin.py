"""Where every search begins: a user's family looked at, the constants of the fit without covariates, and phi held."""

from __future__ import annotations

from glmfit.estimate import start
from glmfit.estimate.check import Inspection
from glmfit.model import Model


def prepared(model: Model, inspection: Inspection | None) -> tuple[Model, dict[str, float], float]:
    """The model with phi held where the search holds it, the constants to start from, and that phi or 1.

    `inspection` looks at a user's family before; raises what it finds wrong.
    """
    if inspection is not None:
        inspection.call(model)
    constants = start.constants(model, inspection)
    if not model.holds_phi:
        return model, constants, 1.0
    phi = start.held_phi(model, constants)
    return model.held_at(phi), constants, phi
