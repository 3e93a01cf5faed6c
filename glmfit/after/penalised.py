"""What a penalised fit cannot be asked, as it has no errors of its estimates."""

from __future__ import annotations

from glmfit.errors import ModelError
from glmfit.result import Fit


def refuse_penalised(fit: Fit, what: str) -> None:
    """Raises where the coefficients were shrunk: `what` needs their errors."""
    if fit.shrinkage is None:
        return
    message = f"the coefficients of this model were shrunk by a penalty: {what} would need errors that they do not have"
    hint = "predict, residuals and simulate do without; or fit what is left without a penalty"
    raise ModelError("penalised_estimates", message, hint)
