"""Options of random effects: how their variances are estimated, and what is shown of them."""

from __future__ import annotations

from typing import Annotated

from glmfit.commands.options import option
from glmfit.errors import UsageError
from glmfit.spec import ModelSpec

Reml = Annotated[
    bool, option("Inference", "--reml", help="Variances of random effects by restricted maximum likelihood.")
]
Quadrature = Annotated[
    str | None,
    option(
        "Inference", "--quadrature", metavar="Q", help="Integrate random effects by Q nodes; 1 (default) is Laplace's."
    ),
]
Ranef = Annotated[bool, option("Output", "--ranef", help="Show random effects of each level, with standard errors.")]


def check_ranef(asked: bool, spec: ModelSpec) -> None:
    """Raises where effects of levels are asked for and the model has none."""
    from glmfit.formula import asks_for_random

    if asked and not asks_for_random(spec):
        message = "--ranef shows random effects, and the model has none"
        raise UsageError("contradiction", message, "leave it out, or add a random effect: ... + (1 | g)")
