"""Every family by name, with what `glmfit families` says of it; free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from glmfit.errors import UsageError, did_you_mean
from glmfit.families.base import Family
from glmfit.families.binomial import Binomial
from glmfit.families.continuous import Gamma, Gaussian, InverseGaussian
from glmfit.families.counts import Geometric, NegativeBinomial, Poisson
from glmfit.families.quasi import QuasiBinomial, QuasiPoisson, Tweedie

CLASSES: tuple[type[Family], ...] = (
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


@dataclass(frozen=True, slots=True)
class FamilyInfo:
    """The facts of a family that a listing shows; `links` are those of mu, the default first."""

    name: str
    aliases: tuple[str, ...]
    summary: str
    support: str
    parameters: tuple[str, ...]
    settings: tuple[str, ...]
    links: tuple[str, ...]
    quasi: bool
    example: str


FAMILIES: tuple[FamilyInfo, ...] = tuple(
    FamilyInfo(
        name=cls.name,
        aliases=cls.aliases,
        summary=cls.summary,
        support=cls.support.text,
        parameters=tuple(parameter.name for parameter in cls.parameters),
        settings=cls.settings,
        links=cls.parameters[0].links,
        quasi=cls.quasi,
        example=cls.example,
    )
    for cls in CLASSES
)

_BY_NAME: Mapping[str, int] = {key: index for index, info in enumerate(FAMILIES) for key in (info.name, *info.aliases)}


def _index(name: str) -> int:
    key = name.strip().lower().replace("_", "-")
    if key not in _BY_NAME:
        names = [info.name for info in FAMILIES]
        raise UsageError(
            "unknown_family", f"no family '{name}'", did_you_mean(key, _BY_NAME) or f"families: {', '.join(names)}"
        )
    return _BY_NAME[key]


def find_family(name: str) -> FamilyInfo:
    """What is known of the family called `name` (or an alias of R or Stata); UsageError for an unknown one."""
    return FAMILIES[_index(name)]


def make_family(name: str, fixed: Mapping[str, float]) -> Family:
    """The family itself; its settings (a Tweedie power) are taken from `fixed`. UsageError where one is missing."""
    cls = CLASSES[_index(name)]
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
