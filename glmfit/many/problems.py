"""What makes a fit one that is not to be trusted, in one word."""

from __future__ import annotations

from functools import cache

from glmfit.explain import explanations
from glmfit.result import Fit


def problem_of(fit: Fit) -> str | None:
    """The finding that makes a fit one not to be trusted, None where it may be: what its exit status is for."""
    if fit.exit_code == 0:
        return None
    found = (finding.code for finding in fit.warnings if fit.exit_code in _statuses().get(finding.code, ()))
    return next(found, "not_identified" if fit.exit_code == 5 else "not_converged")


@cache
def _statuses() -> dict[str, tuple[int, ...]]:
    return {one.code: one.statuses for one in explanations()}
