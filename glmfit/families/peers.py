"""Families and parameters as R, Stata and statsmodels call them where they are no alias: what to write here instead.

A likeness of names is trusted only where it is close: `oprobit` is no `ologit`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from glmfit.errors import did_you_mean, shell

_COUNTS = "--family zero-inflated-poisson or --family zero-inflated-negative-binomial"
_MEANINGS = {
    "oprobit ordered-probit ordinal-probit cumulative-probit": "--family ordinal --link probit",
    "ocloglog ordinal-cloglog": "--family ordinal --link cloglog",
    "ordered ordered-logit ordered-logistic cumulative-logit": "--family ordinal",
    "multinomial-logit multinomial-logistic categorical": "--family multinomial",
    "logistic-regression logit-regression bernoulli-logit": "--family binomial",
    "bprobit binomial-probit bernoulli-probit": "--family binomial --link probit",
    "glm lm regress reg least-squares gls normal-linear": "--family gaussian, the default",
    "zeroinfl zero-inflated zeroinflated zi": _COUNTS,
    "tobit censored-normal cnreg": "--family gaussian --censor 0,",
    "intreg interval": "--family gaussian --censor LOWER,UPPER",
    "survreg streg aft survival": "--family weibull --event COLUMN",
    "cox coxph phreg stcox": "--family weibull --event COLUMN: there is no Cox regression here",
    "ppml ppmlhdfe pseudo-poisson": "--family poisson --se hc1",
    "quasi": "--family quasi-poisson or --family quasi-binomial",
    "truncated ztpoisson zero-truncated": "--family zero-truncated-poisson",
    "mixed lmer glmer glmmtmb": "a random effect in the formula, ... + (1 | COLUMN), and the family of the response",
    "gee xtreg": "--se cluster:COLUMN, or (1 | COLUMN) or C(COLUMN) in the formula",
    "loglinear log-linear": "--family poisson",
    "fractional fractional-logit fracreg": "--family quasi-binomial --se hc1",
    "gumbel-min extreme-value": "--family weibull, whose logarithm it is, or --family gumbel for -y",
}
MEANINGS = {name: meaning for names, meaning in _MEANINGS.items() for name in names.split()}
NEAR, SHORTEST = 0.8, 4  # how like a name a misspelling of it is, and its letters
# Our parameter for that of another program: its names, and whether ours is the reciprocal.
_PARAMETERS = {
    "alpha": (("theta", "size"), True),
    "power": (("p", "xi", "var_power", "var.power", "variance_power"), False),
    "phi": (("dispersion", "scale"), False),
    "precision": (("phi",), False),
}
_LINKS = {"inverse_power": "inverse", "inversepower": "inverse", "inverse_squared": "inverse-squared"}


def plain(name: str) -> str:
    """The name of a family as the catalogue spells it."""
    return name.strip().lower().replace("_", "-")


def family_hint(name: str, known: Mapping[str, type]) -> str | None:
    """What to write for a family that is called `name` elsewhere, or misspelt; `known` are all names here."""
    key = re.sub(r"^(?:\w+::|(?:\w+\.)*families\.)", "", plain(name))
    call = re.fullmatch(r"([\w.-]+)\s*\((.*)\)", key)
    word, inside = (call[1], call[2]) if call else (key, "")
    own = next((w for w in (word, word.replace(".", "-")) if w in known), None)
    meant = f"--family {known[own].name}" if own is not None else MEANINGS.get(word)  # type: ignore[attr-defined]
    if meant is None:
        return did_you_mean(word, known, cutoff=NEAR, most=1) if len(word) >= SHORTEST else None
    return " ".join(["write", meant, *_arguments(inside)])


def _arguments(inside: str) -> list[str]:
    """The options that the arguments of a family are, as in R: a link, theta, a power."""
    options = []
    for argument in filter(None, (piece.strip() for piece in inside.split(","))):
        name, _, value = (part.strip(" \"'") for part in argument.rpartition("="))
        value = re.sub(r"^(?:\w+\.)*|\(\)$", "", value) if not re.fullmatch(r"[\d.]+(?:e-?\d+)?", value) else value
        if re.fullmatch(r"[\d.]+(?:e-?\d+)?", value):
            options += _held(name or "theta", float(value))
        elif name in ("", "link"):
            options.append(f"--link {_LINKS.get(value, value)}")
    return options


def _held(name: str, value: float) -> list[str]:
    for own, (names, reciprocal) in _PARAMETERS.items():
        if (name == own or name.replace("-", "_") in names) and (value or not reciprocal):
            return [f"--fix {own}={1 / value if reciprocal and name != own else value:.10g}"]
    return []


def fixed_hint(parameter: str, value: float, known: Collection[str]) -> str | None:
    """What to hold for a parameter of another program; None where the family has none such."""
    for own, (names, reciprocal) in _PARAMETERS.items():
        if own in known and parameter.lower() in names and (value or not reciprocal):
            held = shell("--fix", f"{own}={1 / value if reciprocal else value:.10g}")
            return f"write {held}" + (f": {own} = 1/{parameter}" if reciprocal else "")
    return None
