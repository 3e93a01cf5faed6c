"""Models that differ in random effects: which contains which, and the law of their likelihood ratio.

One more variance, and k parameters more in all:    Pr(LR > x) = Pr(chi2_{k-1} > x) / 2 + Pr(chi2_k > x) / 2

A variance of 0 is at the edge of its range (Self & Liang 1987, J. Am. Stat. Assoc. 82, 605-610; Stram & Lee 1994,
Biometrics 50, 1171-1177). Of several more the weights depend on the data: chi2_k has a p-value that is none too small.
"""

from __future__ import annotations

from collections.abc import Sequence

from glmfit.errors import ModelError
from glmfit.random_effects import RandomEffects, RandomTerm
from glmfit.result import Fitted

MIXTURE, BOUND = "chibar2", "chi2"


def refuse_other_restrictions(models: Sequence[tuple[str, Fitted]]) -> None:
    """`ModelError` where restricted likelihoods are of different contrasts of the responses, and cannot be compared."""
    restricted = [(name, one) for name, one in models if _is_restricted(one)]
    if not restricted:
        return
    first, known = restricted[0]
    for name, other in models:
        if not _is_restricted(other):
            message = f"{first} was fitted by REML and {name} was not: their likelihoods are of different things"
            raise ModelError("reml_compared", message, _by_ml(known))
        if _fixed(known) != _fixed(other):
            message = f"{first} and {name} were fitted by REML and have other fixed effects of the mean"
            raise ModelError("reml_compared", message, _by_ml(known))


def _by_ml(one: Fitted) -> str:
    return "fit both without --reml" if one.smoothing is None else "fit both with --smoothing ml, and without --reml"


def refuse_conditional(models: Sequence[tuple[str, Fitted]]) -> None:
    """`ModelError` where one likelihood is at estimates of penalised coefficients, and another integrated over them."""
    smooth = [name for name, one in models if one.smoothing is not None and one.random_effects is None]
    integrated = [name for name, one in models if one.random_effects is not None]
    if smooth and integrated:
        message = (
            f"the likelihood of {smooth[0]} is that at its smooth terms, with effective parameters; that of "
            f"{integrated[0]} is integrated over random effects: neither they nor their AIC can be compared"
        )
        hint = "write (1 | g) in both with --smoothing ml, or s(C(g), bs='re') in place of it in both"
        raise ModelError("conditional_compared", message, hint)


def _is_restricted(one: Fitted) -> bool:
    return one.random_effects is not None and one.random_effects.criterion == "reml"


def _fixed(one: Fitted) -> set[str]:
    """The columns of the mean whose coefficients are estimated."""
    return {row.term for row in one.coefficients if row.parameter in one.model.main and row.status != "aliased"}


def why_not_nested(large: Fitted, small: Fitted) -> str | None:
    """Why the random effects of one model are not among those of another; None where they are."""
    inner, outer = _terms(small), _terms(large)
    if inner and outer and _integral(small) != _integral(large):
        return "their random effects were integrated in different ways"
    for term in inner:
        if not any(_contains(other, term) for other in outer):
            return f"not known to be nested: the larger model has no random effects {term.term}"
    return None


def _integral(one: Fitted) -> tuple[str, int | None]:
    found = one.random_effects
    assert isinstance(found, RandomEffects)
    return ("laplace" if found.integral == "exact" else found.integral), found.nodes


def _terms(one: Fitted) -> tuple[RandomTerm, ...]:
    return () if one.random_effects is None else one.random_effects.terms


def _contains(large: RandomTerm, small: RandomTerm) -> bool:
    names = {one.effect for one in large.deviations}
    same = (large.parameter, large.group) == (small.parameter, small.group)
    return same and names >= {one.effect for one in small.deviations}


def more_variances(large: Fitted, small: Fitted) -> int:
    """How many standard deviations a model has more than another."""
    a, b = (sum(len(term.deviations) for term in _terms(one)) for one in (large, small))
    return a - b


def mixture(statistic: float, k: float) -> float:
    """The p-value of a likelihood ratio where one of k more parameters is a variance."""
    from scipy.special import chdtrc

    inside = 0.0 if k == 1 and statistic > 0 else float(chdtrc(k - 1, statistic)) if k > 1 else 1.0
    return 0.5 * inside + 0.5 * float(chdtrc(k, statistic))
