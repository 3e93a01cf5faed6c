"""Options of random effects: how their variances are estimated, and what is shown of them."""

from __future__ import annotations

from typing import Annotated

from glmfit.commands.options import option

Reml = Annotated[
    bool, option("Inference", "--reml", help="Variances of random effects by restricted maximum likelihood.")
]
Ranef = Annotated[bool, option("Output", "--ranef", help="Show random effects of each level, with standard errors.")]
