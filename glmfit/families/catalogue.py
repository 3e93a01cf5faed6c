"""Every family by name, with what `glmfit families` says of it; free of torch."""

from __future__ import annotations

import os
from collections.abc import Mapping

from glmfit.errors import UsageError, shell
from glmfit.families import peers
from glmfit.families.amounts import HURDLE_AMOUNTS
from glmfit.families.base import Family
from glmfit.families.beta import Beta, ZeroOneInflatedBeta
from glmfit.families.binomial import Binomial
from glmfit.families.categorical import ConditionalLogit, Multinomial, Ordinal
from glmfit.families.continuous import Gamma, Gaussian, InverseGaussian
from glmfit.families.conway import ConwayMaxwellPoisson
from glmfit.families.counts import Geometric, NegativeBinomial, Poisson
from glmfit.families.dispersed import BetaBinomial, GeneralizedPoisson, NegativeBinomial1, PoissonInverseGaussian
from glmfit.families.lifetimes import Exponential, LogLogistic, LogNormal, Weibull
from glmfit.families.links import POSITIVE_LINKS, UNIT_LINKS
from glmfit.families.location import Gumbel, Logistic, SkewNormal, StudentT
from glmfit.families.quasi import QuasiBinomial, QuasiPoisson
from glmfit.families.tweedie import Tweedie
from glmfit.families.user import user_family
from glmfit.families.userfile import is_path
from glmfit.families.wrappers import WRAPPED

FAMILIES: tuple[type[Family], ...] = (
    Gaussian,
    Binomial,
    Poisson,
    Gamma,
    InverseGaussian,
    NegativeBinomial,
    NegativeBinomial1,
    Geometric,
    PoissonInverseGaussian,
    GeneralizedPoisson,
    ConwayMaxwellPoisson,
    BetaBinomial,
    Multinomial,
    Ordinal,
    ConditionalLogit,
    StudentT,
    Logistic,
    SkewNormal,
    Gumbel,
    Exponential,
    Weibull,
    LogNormal,
    LogLogistic,
    Tweedie,
    Beta,
    ZeroOneInflatedBeta,
    QuasiPoisson,
    QuasiBinomial,
    *WRAPPED,
    *HURDLE_AMOUNTS,
)

_BY_NAME: Mapping[str, type[Family]] = {key: family for family in FAMILIES for key in (family.name, *family.aliases)}


def find_family(name: str) -> type[Family]:
    """The family called `name` (or an alias of R or Stata); UsageError for an unknown one."""
    key = peers.plain(name)
    if key not in _BY_NAME:
        names = ", ".join(family.name for family in FAMILIES[:12])
        hint = peers.family_hint(name, _BY_NAME) or f"'glmfit families' lists them all: {names}, ..."
        if key in set(UNIT_LINKS) - set(POSITIVE_LINKS):  # as Stata names commands
            hint = f"write --family binomial --link {key}, or --family ordinal --link {key}"
        elif os.path.isfile(f"{name}.py"):
            hint = f"a file is given with its ending: --family {shell(f'{name}.py')}"
        raise UsageError("unknown_family", f"no family '{name}'", hint)
    return _BY_NAME[key]


def make_family(name: str, fixed: Mapping[str, float]) -> Family:
    """The family, as it is where the parameters `fixed` are held (a Tweedie power); UsageError for unknown ones."""
    cls = user_family(name) if is_path(name) else find_family(name)
    known = [parameter.name for parameter in cls.parameters[1:]]
    for parameter in fixed:
        if parameter not in known:
            for own in cls.parameters:
                if parameter == f"{own.scale}_{own.name}":
                    what = f"--fix {parameter}: a parameter is held at its natural value, not at its {own.scale}"
                    raise UsageError("unknown_parameter", what, f"write --fix {own.name}=VALUE")
            hint = f"it can fix: {', '.join(known)}" if known else "it has no parameter that can be fixed"
            held = parameter if fixed[parameter] == 1 else f"{fixed[parameter]:g}*{parameter}"
            hint += f"; a coefficient of a column is held by the term offset({held}) in its place"
            hint = peers.fixed_hint(parameter, fixed[parameter], known) or hint
            raise UsageError("unknown_parameter", f"--fix {parameter}: not a parameter of {cls.name}", hint)
    return cls.holding(fixed)
