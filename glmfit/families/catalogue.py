"""Every family by name, with what `glmfit families` says of it; free of torch."""

from __future__ import annotations

from collections.abc import Mapping

from glmfit.errors import UsageError, did_you_mean
from glmfit.families.base import Family
from glmfit.families.binomial import Binomial
from glmfit.families.continuous import Gamma, Gaussian, InverseGaussian
from glmfit.families.counts import Geometric, NegativeBinomial, Poisson
from glmfit.families.quasi import QuasiBinomial, QuasiPoisson, Tweedie

FAMILIES: tuple[type[Family], ...] = (
    Gaussian,
    Binomial,
    Poisson,
    Gamma,
    InverseGaussian,
    NegativeBinomial,
    Geometric,
    Tweedie,
    QuasiPoisson,
    QuasiBinomial,
)

_BY_NAME: Mapping[str, type[Family]] = {key: family for family in FAMILIES for key in (family.name, *family.aliases)}


def find_family(name: str) -> type[Family]:
    """The family called `name` (or an alias of R or Stata); UsageError for an unknown one."""
    key = name.strip().lower().replace("_", "-")
    if key not in _BY_NAME:
        names = [family.name for family in FAMILIES]
        raise UsageError(
            "unknown_family", f"no family '{name}'", did_you_mean(key, _BY_NAME) or f"families: {', '.join(names)}"
        )
    return _BY_NAME[key]


def make_family(name: str, fixed: Mapping[str, float]) -> Family:
    """The family itself; its settings (a Tweedie power) are taken from `fixed`. UsageError where one is missing."""
    cls = find_family(name)
    missing = [setting for setting in cls.settings if setting not in fixed]
    if missing:
        raise UsageError(
            "missing_setting", f"the {cls.name} family needs its {missing[0]}", f"add --fix {missing[0]}=VALUE"
        )
    known = [*cls.settings, *(parameter.name for parameter in cls.parameters[1:])]
    for parameter in fixed:
        if parameter not in known:
            what = f"it can fix: {', '.join(known)}" if known else "it has no parameter that can be fixed"
            raise UsageError("unknown_parameter", f"--fix {parameter}: not a parameter of {cls.name}", what)
    return cls(**{setting: fixed[setting] for setting in cls.settings})
